"""A table or DataFrame of Spark."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, DataError
from cjlib.sources.connect.remote import (
    needs_table,
    no_name_twice,
    no_rows,
    no_such_table,
    table_named,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

ROUNDS = "spark.sql.analyzer.maxIterations"


@dataclass(frozen=True, eq=False)
class Spark:
    """One DataFrame of a Spark session."""

    rows: Any = field(repr=False)
    place: str

    dialect = "spark"

    @classmethod
    def of(cls, source: Any, table: str | None) -> Spark:
        """A DataFrame as it is, or the table of a session."""
        if hasattr(source, "mapInArrow"):
            if table is not None:
                raise CjlibError(
                    "table: a Spark DataFrame is the table itself. Leave table out, or give the session: read_events(spark, table='events')."
                )
            return cls(source, "the Spark DataFrame")
        if not hasattr(source, "catalog"):
            raise CjlibError(
                f"source: must be a Spark session or a Spark DataFrame. Got a {type(source).__name__}."
            )
        name = needs_table(table, "the Spark session")
        with _told():
            if not source.catalog.tableExists(name):
                raise no_such_table(
                    "the Spark session",
                    name,
                    [listTable.name for listTable in source.catalog.listTables()],
                )
            return cls(source.table(name), f"{name} of the Spark session")

    @property
    def relation(self) -> exp.Expr:
        """The rows under a name of their own, which lasts as long as this process: a DataFrame need not have one."""
        if self.rows.sparkSession.conf.get("spark.sql.session.timeZone") not in (
            "UTC",
            "Etc/UTC",
            "Z",
            "GMT",
        ):
            raise CjlibError(
                "pushdown: the Spark session's clock is not UTC, so that its times are no instants to compare with. "
                "Set spark.conf.set('spark.sql.session.timeZone', 'UTC'), or read the events: leave pushdown out."
            )
        name = f"cjlib_events_{id(self)}"
        self.rows.createOrReplaceTempView(name)
        return table_named(name)

    def beside(self, table: str) -> Spark:
        """A table of the same session."""
        return Spark.of(self.rows.sparkSession, table)

    def names(self) -> list[str]:
        """The names of its columns."""
        no_name_twice(self.rows.columns)
        return list(self.rows.columns)

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns: each partition's batches packed where they lie, and fetched one partition at a time."""
        import pyarrow as pa

        # A function within a function travels by value: the workers need not have this package.
        def packed(batches: Iterator[Any]) -> Iterator[Any]:
            import pyarrow

            for batch in batches:
                sink = pyarrow.BufferOutputStream()
                with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
                    stream.write_batch(batch)
                yield pyarrow.RecordBatch.from_pydict(
                    {"part": pyarrow.array([sink.getvalue().to_pybytes()], pyarrow.binary())}
                )

        chosen = self.rows.select(*[f"`{name.replace('`', '``')}`" for name in names])
        with _told():
            with _quietly():
                schema, parts = (
                    chosen.limit(0).toArrow().schema,
                    chosen.mapInArrow(packed, "part binary"),
                )
            yield no_rows(schema)
            for row in parts.toLocalIterator():
                yield from pa.ipc.open_stream(bytes(row.part))

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement."""
        with _told(), _quietly(), _patiently(self.rows.sparkSession):
            return self.rows.sparkSession.sql(sql).toArrow().to_pandas().astype(object)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Spark's word on the age of pandas, which these calls do not use."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="PySpark does not yet fully support pandas", category=FutureWarning
        )
        yield


@contextmanager
def _patiently(session: Any) -> Iterator[None]:
    """With the rounds that a long chain of subqueries needs: Spark gives up after 100, which a funnel of eight steps exceeds.

    A service that keeps its settings to itself is asked as it is.
    """
    try:
        held = session.conf.get(ROUNDS, "100")
        session.conf.set(ROUNDS, "1000")
    except Exception:
        held = None
    try:
        yield
    finally:
        if held is not None:
            session.conf.set(ROUNDS, held)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (CjlibError, ImportError):
        raise
    except Exception as fault:
        said = " ".join(str(fault).split("\n", maxsplit=1)[0].split())[:200].rstrip(". ")
        raise DataError(
            f"source: Spark cannot read it ({type(fault).__name__}): {said}. Check the table and its columns."
        ) from None
