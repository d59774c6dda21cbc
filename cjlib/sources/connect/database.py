"""A table of any database that SQLAlchemy reaches: PostgreSQL, MySQL, SQLite, Snowflake, BigQuery, Trino, Redshift, ClickHouse and others; and of ClickHouse inside this process (chdb)."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from cjlib.errors import CjlibError, DataError
from cjlib.sources.connect.remote import (
    EXTRA,
    named_once,
    needs_table,
    no_rows,
    no_such_table,
    only_reading,
    table_named,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import sqlalchemy as sa
    from sqlglot import exp

PART = 100_000
"""Rows that stand in Python's memory at a time."""
DIALECTS = {
    "postgresql": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "awsathena": "athena",
    "databricks": "databricks",
    "clickhousedb": "clickhouse",
}
"""Where sqlglot has another name for a database than SQLAlchemy."""
DRIVERS = {
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "trino": "trino[sqlalchemy]",
    "redshift": "sqlalchemy-redshift redshift-connector",
    "databricks": "databricks-sqlalchemy",
    "clickhouse": "clickhouse-sqlalchemy",
    "clickhousedb": "clickhouse-connect",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "mssql": "pyodbc",
    "oracle": "oracledb",
}
"""What pip installs for databases whose driver the extra leaves out."""
POSTGRES = (
    "SELECT set_config(name, 'off', true) FROM pg_settings WHERE name IN ('enable_nestloop', 'jit')"
)
"""What PostgreSQL is told for one answer, where it knows it. It knows no sizes of steps in between: taken for tiny, they are joined in loops (60,000
events took four minutes); taken for large, their many expressions are compiled (3,000 events took five seconds instead of a tenth)."""

SETTINGS = (
    "output_format_arrow_string_as_string = 1, output_format_arrow_low_cardinality_as_dictionary = 0, session_timezone = 'UTC', "
    "join_use_nulls = 1, prefer_column_name_to_alias = 1, aggregate_functions_null_for_empty = 1"
)
"""Texts as texts; wall clocks in UTC; what is not there is null, as everywhere else: a row's missing partner, the least of nothing."""


@dataclass(frozen=True, eq=False)
class Database:
    """One table of a database."""

    engine: sa.Engine = field(repr=False)
    found: sa.Table = field(repr=False)
    place: str

    @classmethod
    def at(cls, source: Any, table: str | None) -> Database:
        """The table of a URL, an engine or a connection's engine."""
        engine = _engine(source)
        place = _place(engine.url)
        name = needs_table(table, place)
        with _told(engine, place):
            return cls(engine, _found(engine, name, place), f"{name} at {place}")

    @property
    def dialect(self) -> str:
        """Sqlglot's name of the database's SQL."""
        return DIALECTS.get(self.engine.dialect.name, self.engine.dialect.name)

    @property
    def relation(self) -> exp.Expr:
        """The table as sqlglot's expression."""
        path = [part for part in (*(self.found.schema or "").split("."), self.found.name) if part]
        return relation_of(path, self.names(), self.engine.dialect)

    def names(self) -> list[str]:
        """The names of the table's columns."""
        return [column.name for column in self.found.columns]

    def types(self) -> dict[str, pa.DataType]:
        """How each column's values are kept here."""
        return {column.name: _arrow_type(column.type) for column in self.found.columns}

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of its columns by a server-side cursor."""
        import pyarrow as pa
        import sqlalchemy as sa

        kinds = self.types()
        schema = pa.schema([(name, kinds[name]) for name in names])
        question = sa.select(*[self.found.columns[name] for name in names])
        with _told(self.engine, self.place), self.engine.connect() as connection:
            yield _batch([], schema)
            with closing(
                connection.execution_options(stream_results=True, max_row_buffer=PART).execute(
                    question
                )
            ) as rows:
                for part in rows.partitions(PART):
                    yield _batch(part, schema)

    def beside(self, table: str) -> Database:
        """Another table of the same database."""
        return Database.at(self.engine, table)

    @property
    def identity(self) -> str | None:
        """What tells the table from all others for as long as it lasts; None for a database in memory. Never shown: it names the user."""
        url = self.engine.url
        return (
            f"{self.place} of {url.username or ''}"
            if url.host or url.database not in (None, "", ":memory:")
            else None
        )

    def state(self, names: Sequence[str]) -> tuple[str, ...]:
        """Some of its columns with their types, the number of rows, how many have each column, and the first and last of every time.

        That is what its server counts, which is less than a look at every row: rows that are changed in place, without a time or a
        missing value that comes or goes, leave it as it is.
        """
        import sqlalchemy as sa

        kinds = self.types()
        counts = [sa.func.count(self.found.columns[name]) for name in names]
        times = [
            self.found.columns[name]
            for name in names
            if str(kinds[name]).startswith(("timestamp", "date"))
        ]
        bounds = [bound(time) for time in times for bound in (sa.func.min, sa.func.max)]
        question = sa.select(sa.func.count(), *counts, *bounds).select_from(self.found)
        with _told(self.engine, self.place), self.engine.connect() as connection:
            answer = connection.execute(question).one()
        return (*(f"{name} {kinds[name]}" for name in names), *map(str, answer))

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement; the text goes as it is, so that no sign in it is taken for a parameter."""
        import pandas as pd

        with _told(self.engine, self.place), self.engine.connect() as connection:
            plain = connection.execution_options(no_parameters=True)
            if self.dialect == "postgres":
                plain.exec_driver_sql(POSTGRES)
            found = plain.exec_driver_sql(
                f"{sql}\nSETTINGS {SETTINGS}" if self.dialect == "clickhouse" else sql
            )
            return pd.DataFrame(
                [tuple(row) for row in found], columns=pd.Index(list(found.keys())), dtype=object
            )


def relation_of(path: Sequence[str], columns: Sequence[str], dialect: sa.Dialect) -> exp.Expr:
    """A table by its names; where the database keeps capitals for what SQLAlchemy calls by small letters (Snowflake), its columns under these names."""
    from sqlglot import exp

    if not dialect.requires_name_normalize:
        return table_named(*path)
    kept = {name: str(dialect.denormalize_name(name)) for name in (*path, *columns)}  # type: ignore[attr-defined] (every default dialect has it)
    picks = [exp.alias_(exp.column(kept[name], quoted=True), name, quoted=True) for name in columns]
    return exp.select(*picks).from_(table_named(*(kept[part] for part in path))).subquery()


def _engine(source: Any) -> sa.Engine:
    try:
        import sqlalchemy as sa
        from sqlalchemy import exc
    except ImportError:
        raise CjlibError(
            f"source: databases need SQLAlchemy, which is not installed: {EXTRA}."
        ) from None
    if not isinstance(source, str | sa.URL):
        engine = getattr(source, "engine", source)
        if not isinstance(engine, sa.Engine):
            raise CjlibError(
                f"source: must be a SQLAlchemy engine or URL. Got a {type(source).__name__}."
            )
        return engine
    try:
        # Nothing is shared and nothing stays open: a connection lives as long as one answer.
        return sa.create_engine(source, poolclass=sa.NullPool, hide_parameters=True)
    except (ImportError, exc.NoSuchModuleError):
        scheme = _scheme(source)
        package = DRIVERS.get(scheme.partition("+")[0])
        remedy = f"pip install {package}" if package else EXTRA
        raise CjlibError(
            f"source: the driver for {scheme}:// is not installed. Install it: {remedy}."
        ) from None
    except (exc.ArgumentError, ValueError):
        raise CjlibError(
            "source: the address of the database cannot be read. Write it as 'postgresql+psycopg://user:${PASSWORD}@host/database'."
        ) from None


def _scheme(source: Any) -> str:
    return source.drivername if not isinstance(source, str) else source.partition("://")[0]


def _place(url: sa.URL) -> str:
    """Where a database lies, without user, password and options."""
    port = f":{url.port}" if url.port else ""
    return _without_secrets(f"{url.drivername}://{url.host or ''}{port}/{url.database or ''}", url)


@contextmanager
def _told(engine: sa.Engine, place: str) -> Iterator[None]:
    """A driver's fault as an error that says where and what, and never a credential."""
    from sqlalchemy import exc

    try:
        yield
    except exc.SQLAlchemyError as fault:
        said = _without_secrets(str(getattr(fault, "orig", None) or fault), engine.url)
        raise DataError(
            f"source: {place} cannot be read: {said}. Check the address, the rights and the table."
        ) from None
    except (ValueError, TypeError, OverflowError) as fault:
        raise DataError(
            f"source: {place} holds a value that does not fit the type of its column ({type(fault).__name__}). Make a view that casts it, and read the view."
        ) from None


def _without_secrets(text: str, url: sa.URL) -> str:
    secrets = {str(url.password or ""), *(str(value) for value in url.query.values())}
    said = " ".join(text.split("\n", maxsplit=1)[0].split())
    for secret in sorted(secrets, key=len, reverse=True):
        for written in (secret, quote(secret, safe=""), quote_plus(secret)):
            said = said.replace(written, "•••") if written else said
    return said[:200].rstrip(". ")


def _found(engine: sa.Engine, name: str, place: str) -> sa.Table:
    import sqlalchemy as sa
    from sqlalchemy import exc

    *schema, own = name.split(".")
    try:
        return sa.Table(
            own,
            sa.MetaData(),
            schema=".".join(schema) or None,
            autoload_with=engine,
            resolve_fks=False,
        )
    except exc.NoSuchTableError:
        inspected = sa.inspect(engine)
        there = [
            *inspected.get_table_names(".".join(schema) or None),
            *inspected.get_view_names(".".join(schema) or None),
        ]
        raise no_such_table(place, own, there) from None


# ---- the answer of a query ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer of one SELECT, as if it were a table: the database sees it inside another SELECT, where nothing can be changed."""

    engine: sa.Engine = field(repr=False)
    query: str = field(repr=False)
    relation: exp.Expr = field(repr=False)
    place: str

    @classmethod
    def of(cls, source: Any, query: str) -> Answer:
        """The answer of a statement that reads only; any other is refused."""
        engine = _engine(source)
        dialect = DIALECTS.get(engine.dialect.name, engine.dialect.name)
        relation = only_reading(query, dialect)
        return cls(engine, query, relation, f"a query at {_place(engine.url)}")

    @property
    def dialect(self) -> str:
        """Sqlglot's name of the database's SQL."""
        return DIALECTS.get(self.engine.dialect.name, self.engine.dialect.name)

    def names(self) -> list[str]:
        """The names of the answer's columns."""
        with self._asked("WHERE 1 = 0") as found:
            return self._columns(found)

    def beside(self, table: str) -> Database:
        """A table of the same database."""
        return Database.at(self.engine, table)

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        """Some of the columns; the first part of the rows tells their types."""
        with self._asked() as found:
            numbered, _ = named_once(self._columns(found))
            places = [numbered.index(name) for name in names]
            parts = found.partitions(PART)
            first = _picked(next(parts, []), places)
            schema = _schema_of(first, names)
            yield no_rows(schema)
            yield _batch(first, schema)
            for part in parts:
                yield _batch(_picked(part, places), schema)

    def frame(self, sql: str) -> pd.DataFrame:
        """Not asked: pushdown needs a table."""
        raise CjlibError(
            "pushdown: the answer of a query is read, not counted there. Make a view of it and name it with table, or leave pushdown out."
        )

    def _columns(self, found: sa.CursorResult[Any]) -> list[str]:
        """The columns of the answer; SQLite numbers those that stand more than once: page, page:1."""
        names = list(found.keys())
        if self.dialect != "sqlite":
            return names
        plain = [re.sub(r":\d+$", "", name) for name in names]
        return [own if own in names else name for own, name in zip(plain, names, strict=True)]

    @contextmanager
    def _asked(self, where: str = "") -> Iterator[sa.CursorResult[Any]]:
        sql = f"SELECT * FROM ({self.query.strip().rstrip(';')}) answer {where}".rstrip()
        with _told(self.engine, self.place), self.engine.connect() as connection:
            plain = connection.execution_options(
                no_parameters=True, stream_results=True, max_row_buffer=PART
            )
            with closing(plain.exec_driver_sql(sql)) as found:
                yield found


def _picked(rows: Sequence[Any], places: Sequence[int]) -> list[tuple[Any, ...]]:
    return [tuple(row[place] for place in places) for row in rows]


def _schema_of(rows: Sequence[Any], names: Sequence[str]) -> pa.Schema:
    """The types of columns by the values that stand in them; text where they differ."""
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    kinds = [
        _kind_of({type(value) for value in values if value is not None}, values)
        for values in columns
    ]
    return pa.schema(list(zip(names, kinds, strict=True)))


def _kind_of(types: set[type], values: Sequence[Any]) -> pa.DataType:
    import pyarrow as pa

    if types == {datetime}:
        aware = [value.tzinfo is not None for value in values if value is not None]
        if all(aware) or not any(aware):
            return pa.timestamp("us", tz="UTC") if all(aware) else pa.timestamp("us")
        return pa.string()
    if types and types <= {int, float, Decimal}:
        return pa.int64() if types == {int} else pa.float64()
    simple = {frozenset({bool}): pa.bool_(), frozenset({date}): pa.date32()}
    return simple.get(frozenset(types), pa.string())


# ---- values --------------------------------------------------------------------------------------------------------


def _arrow_type(kind: Any) -> pa.DataType:
    import pyarrow as pa

    try:
        python = kind.python_type
    except NotImplementedError:
        return pa.string()
    if python is Decimal or python is float:
        whole = getattr(kind, "scale", None) == 0 and getattr(kind, "precision", None)
        return pa.decimal128(38, 0) if whole else pa.float64()
    if python is datetime:
        return (
            pa.timestamp("us", tz="UTC") if getattr(kind, "timezone", False) else pa.timestamp("us")
        )
    return {int: pa.int64(), bool: pa.bool_(), date: pa.date32()}.get(python, pa.string())


def _batch(rows: Sequence[Any], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.RecordBatch.from_arrays(
        [_array(values, one.type) for values, one in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_floating(kind):
        return pa.array([None if value is None else float(value) for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array(
            [
                value if value is None or isinstance(value, str) else _text(value)
                for value in values
            ],
            kind,
        )
    return pa.array(values, kind)


def _text(value: Any) -> str:
    return (
        json.dumps(value, sort_keys=True, ensure_ascii=False)
        if isinstance(value, dict | list)
        else str(value)
    )


# ---- ClickHouse inside this process -----------------------------------------------------------------------------------


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
        with _answering():
            yield from self.session.send_query(
                f"{chosen} SETTINGS {SETTINGS}", "Arrow"
            ).record_batch(PART)

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer of one statement."""
        return self._answer(sql).to_pandas().astype(object)

    def _answer(self, sql: str) -> pa.Table:
        import pyarrow as pa

        with _answering():
            return pa.ipc.open_file(
                self.session.query(f"{sql}\nSETTINGS {SETTINGS}", "Arrow").bytes()
            ).read_all()

    def _query(self, sql: str, form: str) -> str:
        with _answering():
            return str(self.session.query(sql, form)).strip()


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except CjlibError:
        raise
    except Exception as fault:
        said = " ".join(str(fault).split("\n", maxsplit=1)[0].split())[:200].rstrip(". ")
        raise DataError(
            f"source: ClickHouse cannot read it: {said}. Check the table and its columns."
        ) from None
