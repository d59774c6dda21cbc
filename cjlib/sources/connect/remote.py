"""Tables that lie in another engine: which one a source means, and how its rows come here, a part at a time.

An adapter is all that is needed of an engine: the columns of a table with their types, their rows as Arrow batches, and the answer of a
statement as a DataFrame. Nothing is ever created or changed there.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.sources.ingest.columns import renamed, wanted
from cjlib.sources.ingest.open_source import Raw, no_name_twice
from cjlib.sources.log.engine import DuckDB

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

EXTRA = "pip install 'customer-journey-notebooks[engines]'"
NO_DATABASE = frozenset(
    {
        "http",
        "https",
        "ftp",
        "sftp",
        "s3",
        "s3a",
        "gs",
        "gcs",
        "az",
        "abfs",
        "abfss",
        "adl",
        "hdfs",
        "file",
        "dbfs",
        "webhdfs",
    }
)
"""Addresses of files, which no database answers."""


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
        """The names of the table's columns."""
        ...

    def beside(self, table: str) -> Remote:
        """Another table of the same engine."""
        ...

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns, a part of the rows at a time; the first batch is empty and tells the types."""
        ...

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement in the engine's own SQL."""
        ...


def remote_of(source: Any, table: str | None, engine: Any) -> Remote | None:
    """The table that a source means: a URL or an engine with `table=`, a Spark DataFrame, or a table's name with `engine=`; None for files and frames."""
    if engine is not None:
        if table is not None or not isinstance(source, str):
            raise CjlibError(
                f"engine: the table is the source, as in read_events('events', engine=engine). Got source={_kind(source)}, table={shown(table)}."
            )
        source, table = engine, source
    if (
        isinstance(source, str)
        and "://" in source
        and source.partition("://")[0].casefold() not in NO_DATABASE
    ):
        from cjlib.sources.journey.locations import expanded

        return _of_database(expanded(source, "source"), table)
    opening = {"sqlalchemy": _of_database, "pyspark": _of_spark, "chdb": _of_chdb}.get(
        type(source).__module__.partition(".")[0]
    )
    if opening is not None:
        return opening(source, table)
    if engine is not None:
        raise CjlibError(
            f"engine: must be a SQLAlchemy engine or URL, a Spark session or a chdb session. Got {_kind(engine)}."
        )
    if table is not None:
        raise CjlibError(
            f"table: {shown(table)} needs a database to lie in: give its URL or engine as source. Got source={_kind(source)}."
        )
    return None


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


def _of_database(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.database import Database

    return Database.at(source, table)


def _of_spark(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.spark import Spark

    return Spark.of(source, table)


def _of_chdb(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.clickhouse import ClickHouse

    return ClickHouse.of(source, table)


def _kind(source: Any) -> str:
    """What was given; of a text that may hold a password only that it is a text."""
    if isinstance(source, str) and "://" in source:
        return "an address"
    return shown(str(source)) if isinstance(source, str | Path) else f"a {type(source).__name__}"


def is_remote(source: Any) -> TypeGuard[Remote]:
    """Whether a source is a table of another engine."""
    return hasattr(source, "batches") and hasattr(source, "dialect") and hasattr(source, "place")


def open_remote(
    engine: DuckDB, remote: Remote, columns: Mapping[str, str], only: Collection[str] | None = None
) -> Raw:
    """Make `raw` from a table of another engine: the rows come in parts, and what does not fit DuckDB's memory is spilled."""
    every = remote.names()
    no_name_twice(every)
    ours = renamed(every, columns)
    kept = set(wanted(ours, only))
    names = [
        theirs
        for theirs, name in zip(every, ours, strict=True)
        if name in kept or theirs in columns
    ]
    if not names:
        raise DataError(
            f"source: {remote.place} has no columns. Events need customer_id, event and timestamp."
        )
    started = False
    for batch in remote.batches(names):
        plain = _places(batch)
        engine.connection.register("part", plain)
        engine.execute(
            "INSERT INTO raw SELECT * FROM part"
            if started
            else "CREATE TEMP TABLE raw AS SELECT * FROM part"
        )
        engine.connection.unregister("part")
        started = True
    described = {name: kind for name, kind, *_ in engine.rows("DESCRIBE raw")}
    return Raw(
        tuple(names), tuple(described[f"c{position}"] for position in range(1, len(names) + 1))
    )


def _places(batch: pa.RecordBatch) -> Any:
    import pyarrow as pa

    return pa.Table.from_arrays(
        batch.columns, names=[f"c{position}" for position in range(1, batch.num_columns + 1)]
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
    "needs_table",
    "no_rows",
    "no_such_table",
    "open_remote",
    "remote_of",
    "table_named",
]
