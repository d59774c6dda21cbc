"""A table, or the answer of a query, of a DuckDB database file, opened to read only."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from cjlib.errors import DataError, shown
from cjlib.sources.connect.remote import (
    named_once,
    needs_table,
    no_rows,
    no_such_table,
    only_reading,
    table_named,
)
from cjlib.sources.log.engine import DuckDB, identifier

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

PART = 100_000
"""Rows that stand in memory at a time."""


@dataclass(frozen=True, eq=False)
class DuckDBTable:
    """One table, view or query of a DuckDB file."""

    engine: DuckDB = field(repr=False)
    relation: exp.Expr = field(repr=False)
    place: str
    answer: tuple[str, ...] = ()
    """The names of a query's columns, which the relation has once each."""
    dialect: str = "duckdb"

    @classmethod
    def at(cls, file: Path, table: str | None, query: str | None) -> DuckDBTable:
        """The table of that name, or the answer of a SELECT."""
        place = shown(file.name)
        engine = _opened(file)
        if query is not None:
            return cls.answering(engine, only_reading(query, "duckdb"), f"a query of {place}")
        name = needs_table(table, place)
        there = [
            f"{schema}.{own}" if schema != "main" else own
            for schema, own in engine.rows(
                "SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2"
            )
        ]
        if name not in there:
            raise no_such_table(place, name, there)
        return cls(engine, table_named(*name.split(".")), f"{name} of {place}")

    @classmethod
    def answering(cls, engine: DuckDB, relation: exp.Expr, place: str) -> DuckDBTable:
        """The answer of a SELECT, its columns under names of their own."""
        from sqlglot import exp

        found = cls(engine, relation, place)
        with found._told():
            names = engine.connection.sql(relation.this.sql(cls.dialect)).columns
        columns = [exp.to_identifier(name, quoted=True) for name in named_once(names)[0]]
        relation.set("alias", exp.TableAlias(this=exp.to_identifier("answer"), columns=columns))
        return cls(engine, relation, place, tuple(names))

    def names(self) -> list[str]:
        """The names of its columns."""
        if self.answer:
            return list(self.answer)
        with self._told():
            return [name for name, *_ in self.engine.rows(f"DESCRIBE SELECT * FROM {self._sql}")]

    def beside(self, table: str) -> DuckDBTable:
        """Another table of the same file."""
        assert self.engine.database is not None
        return DuckDBTable.at(self.engine.database, table, None)

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns, a part of the rows at a time."""
        picks = ", ".join(identifier(name) for name in names)
        with self._told():
            found = self.engine.connection.sql(f"SELECT {picks} FROM {self._sql}")
            batches = found.to_arrow_reader(PART)
            yield no_rows(batches.schema)
            yield from batches

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement."""
        with self._told():
            return self.engine.frame(sql)

    @property
    def _sql(self) -> str:
        return self.relation.sql(self.dialect)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as fault:
            said = str(fault).split("\n", maxsplit=1)[0]
            raise DataError(f"source: {self.place} cannot be read: {said}") from None


def _opened(file: Path) -> DuckDB:
    if not file.is_file():
        raise DataError(f"source: there is no file {shown(str(file))}.")
    try:
        return DuckDB(file, read_only=True)
    except duckdb.Error:
        raise DataError(
            f"source: {shown(file.name)} cannot be opened. It is damaged, of a newer DuckDB, no DuckDB file, or another process writes to it."
        ) from None
