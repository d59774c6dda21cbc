"""Engines of our own for tests and benchmarks: a PostgreSQL server on loopback, Spark and ClickHouse inside this process, SQLite.

Each is a context that gives an `Engine`; what is missing is said by `Missing`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

PASSWORD = "geheim/@ marker:7"
"""Found nowhere but in the environment."""
SMALL = {
    "spark.master": "local[1]",
    "spark.driver.memory": "2g",
    # For a few thousand rows compiling costs more than running.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
"""Spark for a few thousand rows."""


class Missing(Exception):
    """An engine that cannot be had here, and what installs it."""


@dataclass
class Engine:
    """An engine: `put` makes a table of events in it, `source` is what `read_events` is given, `name` a word."""

    name: str
    source: Any
    put: Callable[[pd.DataFrame, str], Any]

    def options(self, events: pd.DataFrame, table: str) -> dict[str, Any]:
        """Make the table; the options of `read_events` that read it."""
        self.put(events, table)
        return {"source": self.source, "table": table}


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------


@contextmanager
def postgres_server() -> Iterator[str]:
    """A server of Debian's package in a temporary folder; its address names the environment's password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        raise Missing("PostgreSQL is not installed (apt-get install postgresql)")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="cjlib-postgres-"))
    try:
        yield from _server(programs[-1].parent, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    import pwd  # Windows, where these tests are collected too, has none

    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise Missing("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _server(programs: Path, folder: Path, user: dict[str, Any]) -> Iterator[str]:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    for path in (folder, secret):
        if user:
            os.chown(path, user["user"], user["group"])
    made = subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "cj", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--no-sync", "--locale=C"],
        cwd=folder, capture_output=True, text=True, check=False, **user,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "timezone": "America/New_York",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            **user,
        )
    try:
        _until_it_answers(port, server)
        os.environ["CJ_TEST_PASSWORD"] = PASSWORD
        yield f"postgresql+psycopg://cj:${{CJ_TEST_PASSWORD}}@127.0.0.1:{port}/postgres"
    finally:
        os.environ.pop("CJ_TEST_PASSWORD", None)
        # SIGTERM would wait for whoever is still connected.
        server.send_signal(signal.SIGINT)
        server.wait(20)


def _until_it_answers(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(200):
        assert server.poll() is None, "the server ended at once"
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="cj", password=PASSWORD, dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not answer")


LANGUAGE = '"und-x-icu"'
KINDS = {
    "boolean": "boolean",
    "Int64": "bigint",
    "int64": "bigint",
    "float64": "double precision",
    "bool": "boolean",
    "str": "text",
    "object": "text",
}


def _kind(column: pd.Series, zoned: str, naive: str, kinds: dict[str, str]) -> str:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return zoned
    return naive if column.dtype.kind == "M" else kinds[str(column.dtype)]


def rows_of(events: pd.DataFrame) -> list[tuple[Any, ...]]:
    plain = events.astype(object).where(events.notna(), None)
    return [
        tuple(one.to_pydatetime() if isinstance(one, pd.Timestamp) else one for one in row)
        for row in plain.itertuples(index=False, name=None)
    ]


def address(url: str) -> str:
    """The address with its password, as a driver needs it."""
    return url.replace("${CJ_TEST_PASSWORD}", quote(PASSWORD, safe=""))


def postgres(url: str) -> Engine:
    """The server at an address of `postgres_server`."""
    import psycopg

    def put(events: pd.DataFrame, table: str) -> None:
        # A language sorts texts otherwise than their bytes; ours are to be told by these, whatever the column says.
        kinds = {name: _kind(events[name], "timestamptz", "timestamp", KINDS) for name in events}
        columns = ", ".join(
            f'"{name}" {kind}{" COLLATE " + LANGUAGE if kind == "text" else ""}'
            for name, kind in kinds.items()
        )
        with (
            psycopg.connect(address(url).replace("+psycopg", "")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f'DROP TABLE IF EXISTS "{table}"; CREATE TABLE "{table}" ({columns})')
            with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                for row in rows_of(events):
                    copy.write_row(row)

    return Engine("postgres", url, put)


# ---- SQLite --------------------------------------------------------------------------------------------------------


def sqlite(path: Path) -> Engine:
    """A database file."""
    kinds = {
        "int64": "BIGINT",
        "float64": "DOUBLE",
        "bool": "BOOLEAN",
        "str": "TEXT",
        "object": "TEXT",
    }

    def put(events: pd.DataFrame, table: str) -> None:
        # SQLite has no zones: what is stored is the wall clock of UTC.
        columns = ", ".join(
            f'"{name}" {_kind(events[name], "DATETIME", "DATETIME", kinds)}' for name in events
        )
        written = events.assign(timestamp=events["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
        with sqlite3.connect(path) as connection:
            connection.execute(f'DROP TABLE IF EXISTS "{table}"')
            connection.execute(f'CREATE TABLE "{table}" ({columns})')
            connection.executemany(
                f'INSERT INTO "{table}" VALUES ({", ".join("?" * events.shape[1])})',
                rows_of(written),
            )
        connection.close()

    return Engine("sqlite", f"sqlite:///{path}", put)


# ---- Spark ---------------------------------------------------------------------------------------------------------


@contextmanager
def spark(folder: Path, settings: dict[str, str]) -> Iterator[Engine]:
    """A local session whose clock is UTC."""
    if shutil.which("java") is None:
        raise Missing(
            "Spark needs Java, which is not installed (apt-get install default-jre-headless)"
        )
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    own = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        build = SparkSession.builder.appName("cjlib")
        for name, value in (own | settings).items():
            build = build.config(name, value)
        session = build.getOrCreate()

    def put(events: pd.DataFrame, table: str) -> None:
        path = folder / f"{table}.parquet"
        events.to_parquet(path, index=False, coerce_timestamps="us")
        session.read.parquet(str(path)).createOrReplaceTempView(table)

    yield Engine("spark", session, put)
    session.stop()


# ---- ClickHouse ----------------------------------------------------------------------------------------------------


@contextmanager
def clickhouse(folder: Path) -> Iterator[Engine]:
    """A session of chdb."""
    from chdb.session import Session

    session = Session(str(folder / "data"))
    session.query("CREATE DATABASE shop; ")
    session.query("USE shop; ")

    def put(events: pd.DataFrame, table: str) -> None:
        path = folder / f"{table}.parquet"
        events.to_parquet(path, index=False, coerce_timestamps="us")
        session.query(f"DROP TABLE IF EXISTS shop.`{table}`")
        # Columns without nulls have no room for them, as in most tables of ClickHouse.
        full = {name for name in events if len(events) and events[name].notna().all()}
        picks = ", ".join(
            f"assumeNotNull(`{name}`) AS `{name}`" if name in full else f"`{name}`"
            for name in events
        )
        session.query(
            f"CREATE TABLE shop.`{table}` ENGINE = MergeTree ORDER BY tuple() AS SELECT {picks} FROM file('{path}', 'Parquet')"
        )

    yield Engine("clickhouse", session, put)
    session.close()
