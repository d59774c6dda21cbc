"""A table of ClickHouse inside this process (chdb); a server is reached by its SQLAlchemy driver like any database."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, DataError
from cjlib.sources.connect.remote import needs_table, no_rows, no_such_table, table_named

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

PART = 100_000
"""Rows of one batch."""


@dataclass(frozen=True, eq=False)
class ClickHouse:
    """One table of a chdb session."""

    session: Any = field(repr=False)
    path: tuple[str, ...]

    dialect = "clickhouse"

    @classmethod
    def of(cls, source: Any, table: str | None) -> ClickHouse:
        """The table of a session."""
        if not hasattr(source, "send_query"):
            raise CjlibError(
                f"source: must be a chdb session, chdb.session.Session(). Got a {type(source).__name__}."
            )
        name = needs_table(table, "the chdb session")
        held = cls(source, tuple(name.split(".")))
        if not int(held._query(f"EXISTS TABLE {held.written}", "TSV")):
            there = held._query("SELECT if(database = currentDatabase(), name, concat(database, '.', name)) FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY 1", "TSV")  # fmt: skip
            raise no_such_table("the chdb session", name, there.split("\n") if there else [])
        return held

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return f"{'.'.join(self.path)} of the chdb session"

    @property
    def relation(self) -> exp.Expr:
        """The table as sqlglot's expression."""
        return table_named(*self.path)

    @property
    def written(self) -> str:
        """The table's name as ClickHouse's SQL."""
        return ".".join(_quoted(part) for part in self.path)

    def beside(self, table: str) -> ClickHouse:
        """Another table of the same session."""
        return ClickHouse.of(self.session, table)

    def names(self) -> list[str]:
        """The names of its columns."""
        return self._answer(f"SELECT * FROM {self.written} LIMIT 0").column_names

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns as a stream; texts that are stored as a few values come as texts."""
        chosen = f"SELECT {', '.join(map(_quoted, names))} FROM {self.written}"
        yield no_rows(self._answer(f"{chosen} LIMIT 0").schema)
        with _told():
            yield from self.session.send_query(
                f"{chosen} SETTINGS {SETTINGS}", "Arrow"
            ).record_batch(PART)

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement."""
        return self._answer(sql).to_pandas().astype(object)

    def _answer(self, sql: str) -> pa.Table:
        import pyarrow as pa

        with _told():
            return pa.ipc.open_file(
                self.session.query(f"{sql}\nSETTINGS {SETTINGS}", "Arrow").bytes()
            ).read_all()

    def _query(self, sql: str, form: str) -> str:
        with _told():
            return str(self.session.query(sql, form)).strip()


SETTINGS = (
    "output_format_arrow_string_as_string = 1, output_format_arrow_low_cardinality_as_dictionary = 0, session_timezone = 'UTC', "
    "join_use_nulls = 1, prefer_column_name_to_alias = 1, aggregate_functions_null_for_empty = 1"
)
"""Texts as texts; wall clocks in UTC; what is not there is null, as everywhere else: a row's missing partner, the least of nothing."""


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except CjlibError:
        raise
    except Exception as fault:
        said = " ".join(str(fault).split("\n", maxsplit=1)[0].split())[:200].rstrip(". ")
        raise DataError(
            f"source: ClickHouse cannot read it: {said}. Check the table and its columns."
        ) from None
