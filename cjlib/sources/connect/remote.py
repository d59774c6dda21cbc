"""What is needed of a table that lies in another engine, and what its adapters share.

An adapter is all that is needed of an engine: the columns of a table with their types, their rows as Arrow batches, and the answer of a
statement as a DataFrame. Nothing is ever created or changed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

EXTRA = "pip install 'customer-journey-notebooks[engines]'"


class Remote(Protocol):
    """A table of another engine.

    `dialect` is sqlglot's name of its SQL, `place` where it lies in words, without any credential, `relation` what stands after FROM.
    """

    @property
    def dialect(self) -> str:
        """Sqlglot's name of the engine's SQL."""
        ...

    @property
    def place(self) -> str:
        """Where the table lies, without any credential."""
        ...

    @property
    def relation(self) -> exp.Expr:
        """The table as sqlglot's expression."""
        ...

    def names(self) -> list[str]:
        """The names of the table's columns; of the answer of a query one may stand more than once."""
        ...

    def beside(self, table: str) -> Remote:
        """Another table of the same engine."""
        ...

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns by their names in `named_once`, a part of the rows at a time; the first batch is empty and tells the types."""
        ...

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement in the engine's own SQL."""
        ...


def table_named(*path: str) -> exp.Expr:
    """A table by its name, its schema before it, each part quoted."""
    from sqlglot import exp

    parts = [exp.to_identifier(part, quoted=True) for part in path]
    return exp.Table(**dict(zip(("this", "db", "catalog"), reversed(parts), strict=False)))


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch that tells the columns only: a stream without rows would not."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], one.type) for one in schema], schema=schema)


def needs_table(table: str | None, place: str) -> str:
    """The table's name, which an engine cannot be read without."""
    if not isinstance(table, str) or not table.strip():
        raise CjlibError(
            f"table: name the table of {place} to read, such as table='events' or table='shop.events'. Got {shown(table)}."
        )
    return table


def only_reading(query: Any, dialect: str) -> exp.Expr:
    """A query as a relation; an error where it is not one SELECT."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    wrong = CjlibError(
        "query: must be one SELECT that reads and changes nothing. Put what it needs into a view there, or into a WITH before its SELECT."
    )
    try:
        (statement,) = sqlglot.parse(query, read=dialect)
    except (ValueError, TypeError, SqlglotError):
        raise wrong from None
    changing = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Into)
    if not isinstance(statement, exp.Query) or statement.find(*changing):
        raise wrong
    return statement.subquery("answer")


def is_remote(source: Any) -> TypeGuard[Remote]:
    """Whether a source is a table of another engine."""
    return hasattr(source, "batches") and hasattr(source, "dialect") and hasattr(source, "place")


def named_once(names: Sequence[str]) -> tuple[list[str], str]:
    """The names of columns, those that stand more than once numbered from the left, and which these are in words.

    None of several keeps the name alone, so that none is taken for the one that is meant.
    """
    counts = Counter(names)
    taken = set(names)
    numbered: dict[str, list[str]] = {name: [] for name, count in counts.items() if count > 1}
    unique = []
    for name in names:
        ours, number = name, 0
        while name in numbered and ours in taken:
            number += 1
            ours = f"{name}_{number}"
        taken.add(ours)
        numbered.get(name, []).append(ours)
        unique.append(ours)
    words = "; ".join(f"{name}: read as {', '.join(ours)}" for name, ours in numbered.items())
    return unique, words


def no_name_twice(names: Sequence[str]) -> None:
    """Refuse a source in which two columns have one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"source: the column {listed(twice)} stands more than once. Give each column a name of its own, in a query with AS."
        )


def no_such_table(place: str, table: str, there: Sequence[str]) -> DataError:
    """The error for a table that an engine does not have."""
    have = (
        f" It has: {listed(sorted(there), most=20)}." if there else " No table can be seen there."
    )
    return DataError(
        f"source: {place} has no table {shown(table)}.{did_you_mean(table, there)}{have}"
    )


__all__ = [
    "EXTRA",
    "Remote",
    "is_remote",
    "named_once",
    "needs_table",
    "no_name_twice",
    "no_rows",
    "no_such_table",
    "only_reading",
    "table_named",
]
