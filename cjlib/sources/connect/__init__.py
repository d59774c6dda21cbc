"""Where data lies: files, tables of databases and of Spark, and which of them a source means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, shown
from cjlib.sources.connect.files import expanded, is_workbook
from cjlib.sources.connect.remote import Remote

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


def remote_of(
    source: Any, table: str | None, engine: Any, query: str | None = None
) -> Remote | None:
    """The table that a source means: a URL or an engine with `table=` or `query=`, a DuckDB file, a Spark DataFrame, or a table's name with `engine=`; None for files and frames."""
    if table is not None and query is not None:
        raise CjlibError("query: is read in the place of a table. Give one of the two.")
    if engine is not None:
        if table is not None or query is not None or not isinstance(source, str):
            raise CjlibError(
                f"engine: the table is the source, as in read_events('events', engine=engine). Got source={_kind(source)}, table={shown(table)}."
            )
        source, table = engine, source
    opening = _OPENING.get(_home(source))
    if opening is not None:
        return opening(source, table, query)
    if engine is not None:
        raise CjlibError(
            f"engine: must be a SQLAlchemy engine or URL, a Spark session or a chdb session. Got {_kind(engine)}."
        )
    return _no_table_of(source, table, query)


def _home(source: Any) -> str:
    """What kind of place a source is: the package of an object, or what a text says."""
    if not isinstance(source, str | Path):
        return type(source).__module__.partition(".")[0]
    scheme, is_address, _ = str(source).partition("://")
    if is_address:
        return "" if scheme.casefold() in NO_DATABASE else "address"
    return "duckdb file" if Path(source).suffix.casefold() in (".duckdb", ".ddb") else ""


def _no_table_of(source: Any, table: str | None, query: str | None) -> None:
    """Files and frames: they have no tables, but a workbook has sheets."""
    if query is not None:
        raise CjlibError(
            f"query: needs a database to run in: give its URL or SQLAlchemy engine as source. Got source={_kind(source)}."
        )
    if table is not None and not is_workbook(source):
        raise CjlibError(
            f"table: {shown(table)} needs a database to lie in: give its URL or engine as source. Got source={_kind(source)}."
        )


def _of_address(source: Any, table: str | None, query: str | None) -> Remote:
    return _of_database(expanded(source, "source"), table, query)


def _of_database(source: Any, table: str | None, query: str | None) -> Remote:
    from cjlib.sources.connect.database import Answer, Database

    return Database.at(source, table) if query is None else Answer.of(source, query)


def _of_duckdb(source: Any, table: str | None, query: str | None) -> Remote:
    from cjlib.sources.connect.duckdb_file import DuckDBTable

    return DuckDBTable.at(Path(source).expanduser(), table, query)


def _of_spark(source: Any, table: str | None, query: str | None) -> Remote:
    from cjlib.sources.connect.spark import Spark

    return Spark.of(source, _table_only(table, query))


def _of_chdb(source: Any, table: str | None, query: str | None) -> Remote:
    from cjlib.sources.connect.database import ClickHouse

    return ClickHouse.of(source, _table_only(table, query))


def _table_only(table: str | None, query: str | None) -> str | None:
    if query is not None:
        raise CjlibError(
            "query: is for databases that SQLAlchemy reaches and for DuckDB files. Make a view of it there, and name the view with table."
        )
    return table


_OPENING: dict[str, Callable[[Any, str | None, str | None], Remote]] = {
    "address": _of_address,
    "sqlalchemy": _of_database,
    "duckdb file": _of_duckdb,
    "pyspark": _of_spark,
    "chdb": _of_chdb,
}


def _kind(source: Any) -> str:
    """What was given; of a text that may hold a password only that it is a text."""
    if isinstance(source, str) and "://" in source:
        return "an address"
    return shown(str(source)) if isinstance(source, str | Path) else f"a {type(source).__name__}"
