"""Where data lies: files, tables of databases and of Spark, and which of them a source means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, shown
from cjlib.sources.connect.files import expanded
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


def _of_database(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.database import Database

    return Database.at(source, table)


def _of_spark(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.spark import Spark

    return Spark.of(source, table)


def _of_chdb(source: Any, table: str | None) -> Remote:
    from cjlib.sources.connect.database import ClickHouse

    return ClickHouse.of(source, table)


def _kind(source: Any) -> str:
    """What was given; of a text that may hold a password only that it is a text."""
    if isinstance(source, str) and "://" in source:
        return "an address"
    return shown(str(source)) if isinstance(source, str | Path) else f"a {type(source).__name__}"
