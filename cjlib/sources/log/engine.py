"""Where SQL runs: DuckDB, embedded, is the default."""

from __future__ import annotations

import atexit
import itertools
import math
import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from cjlib import platform
from cjlib.errors import CjlibError, shown

_SIZE = re.compile(r"\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB|B)", re.IGNORECASE)
BLANK_SIGNS = ("' '", "chr(9)", "chr(10)", "chr(13)", "chr(160)")
BLANKS = " || ".join(BLANK_SIGNS)
"""SQL of the signs that are taken off both ends of names and texts."""
_NOT_WHITE = r"'[^\s\p{Z}\x{85}]'"
_AT_ONCE = 1 << 17
_SHARE = re.compile(r"(\d+(\.\d+)?)\s*%")


def identifier(name: str) -> str:
    """A name quoted for SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | bool | None) -> str:
    """A value written as SQL, whatever it holds.

    Single quotes are doubled: in DuckDB and standard SQL nothing else has a meaning inside a literal. Text that goes to
    another engine is rewritten by sqlglot from this dialect, which escapes what that engine needs.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + value.replace("'", "''") + "'"


def blank(expression: str) -> str:
    """SQL: whether a text is missing or nothing but white space; one that begins with a visible sign of ASCII is asked no more."""
    return f"NOT coalesce(({expression} >= '!' AND {expression} < chr(127)) OR regexp_matches({expression}, {_NOT_WHITE}), FALSE)"


def trimmed(expression: str) -> str:
    """SQL of a text without blanks at its ends; only one that begins or ends with one is worked on, which takes long."""
    return f"CASE WHEN {padded(expression)} THEN trim({expression}, {BLANKS}) ELSE {expression} END"


def padded(expression: str) -> str:
    """SQL: whether a text begins or ends with a blank, as in files that put one after each comma."""
    signs = ", ".join(BLANK_SIGNS)
    return f"left({expression}, 1) IN ({signs}) OR right({expression}, 1) IN ({signs})"


class DuckDB:
    """One embedded DuckDB: text in, columns out."""

    dialect = "duckdb"

    def __init__(self, database: Path | None = None, *, read_only: bool = False) -> None:
        self.database = database
        self.unneeded: list[str] = []
        self.connection = (
            duckdb.connect(str(database), read_only=read_only) if database else _in_memory()
        )
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute(f"SET memory_limit = {literal(memory_limit())}")
        if database:
            _settle(self.connection)

    def execute(
        self, sql: str, parameters: Sequence[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Run one statement."""
        return self.connection.execute(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a small answer."""
        return self.execute(sql, parameters).fetchall()

    def frame(self, sql: str) -> pd.DataFrame:
        """The answer as a DataFrame."""
        return self.execute(sql).df()

    def columns(self, sql: str) -> dict[str, NDArray[Any]]:
        """The answer as numpy columns, in the order of the rows."""
        return {
            name: np.ma.getdata(column) for name, column in self.execute(sql).fetchnumpy().items()
        }

    @contextmanager
    def finding_few(self) -> Iterator[None]:
        """Within it a join that looks for few rows among many skips what cannot hold them."""
        self.execute(f"SET disabled_optimizers = '{_NOT_OPTIMIZED}'")
        try:
            yield
        finally:
            _plan_quickly(self.connection)

    def numbers(self, sql: str, *, at_most: int | None = None) -> dict[str, NDArray[Any]]:
        """The answer as numpy columns, as `columns` gives them but in a third of the time; all must hold numbers, none missing.

        Where it is known how many rows there are `at_most`, the answer is never in memory twice.
        """
        found = self.connection.sql(sql)
        if at_most is None:
            table = found.to_arrow_table()
            return {
                name: np.require(table[name].to_numpy(), requirements="W")
                for name in table.column_names
            }
        batches, rows = found.to_arrow_reader(_AT_ONCE), 0
        # Memory that is not written to is not taken.
        columns = {
            field.name: np.empty(at_most, field.type.to_pandas_dtype()) for field in batches.schema
        }
        for batch in batches:
            for name, column in columns.items():
                column[rows : rows + batch.num_rows] = batch[name]
            rows += batch.num_rows
        return {name: column[:rows] for name, column in columns.items()}


def threads() -> int:
    """How many threads DuckDB may use: `CJ_THREADS`, else one for each processor."""
    given = os.environ.get("CJ_THREADS", str(os.cpu_count() or 1)).strip()
    if not given.isdecimal() or not int(given):
        raise CjlibError(f"CJ_THREADS: must be a whole number from 1. Got {shown(given)}.")
    return int(given)


def memory_limit() -> str:
    """What DuckDB may use before it spills: `CJ_MEMORY_LIMIT` ("8GB" or "40%"), else 60% of the machine."""
    given = os.environ.get("CJ_MEMORY_LIMIT", "60%").strip()
    part = _SHARE.fullmatch(given)
    if part:
        return f"{int(platform.machine_memory() * float(part[1]) / 100 / 2**20)}MiB"
    if not _SIZE.fullmatch(given):
        raise CjlibError(
            f"CJ_MEMORY_LIMIT: must be a size such as '8GB' or a share of the machine such as '40%'. Got {shown(given)}."
        )
    return given


_numbers = itertools.count(1)


def _in_memory() -> duckdb.DuckDBPyConnection:
    """A database of its own in the memory of this process, gone with its connection."""
    connection, name = _instance(os.getpid()).cursor(), f"held_{next(_numbers)}"
    connection.execute(f"ATTACH ':memory:' AS {name}")
    connection.execute(f"USE {name}")
    weakref.finalize(connection, _forget, os.getpid(), name).atexit = False
    return connection


@cache
def _instance(_process: int) -> duckdb.DuckDBPyConnection:
    """The DuckDB of this process: to start one takes ten times as long as to add a database to it."""
    connection = duckdb.connect(":memory:")
    _settle(connection)
    return connection


_NOT_OPTIMIZED = "in_clause"
"""A list of five and more becomes a join otherwise, and a join on several threads does not keep the log's order."""


def _settle(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET preserve_insertion_order = true")
    _plan_quickly(connection)
    connection.execute(f"SET threads = {threads()}")
    connection.execute(f"SET temp_directory = {literal(spill_folder())}")
    # Nothing is fetched from the network because a query could use it.
    connection.execute("SET autoinstall_known_extensions = false")


def _plan_quickly(connection: duckdb.DuckDBPyConnection) -> None:
    """Filters from one side of a join to the other take 1 to 4 ms to plan, longer than most joins of a small log."""
    connection.execute(f"SET disabled_optimizers = '{_NOT_OPTIMIZED}, join_filter_pushdown'")


def _forget(process: int, name: str) -> None:
    if process == os.getpid():
        _instance(process).cursor().execute(f"DETACH {name}")


_begun: dict[int, FileLock] = {}
"""The lock of each process, by its number: one that was forked begins anew."""


def spill_folder() -> str:
    """A folder for what does not fit into memory; DuckDB makes it when it needs it and removes it after.

    Its name begins as that of a lock file beside it, which this process holds as long as it lives. The first call of a process removes
    the folders of this host whose lock nobody holds.
    """
    process = os.getpid()
    if process not in _begun:
        _begun[process] = _begin(Path(tempfile.gettempdir()), process)
    return f"{Path(_begun[process].lock_file).with_suffix('')}-{next(_numbers)}"


def _begin(folder: Path, process: int) -> FileLock:
    _sweep(folder)
    lock = FileLock(folder / f"{_of_this_host()}{process}-{secrets.token_hex(4)}.lock")
    # Where files cannot be locked no other process takes this one for left behind either.
    with suppress(OSError, Timeout):
        lock.acquire(timeout=10)
    atexit.register(_end, lock, process)
    return lock


def _end(lock: FileLock, process: int) -> None:
    """Remove the lock file; where a folder is left after all, it stays for the next process to find."""
    if os.getpid() == process:
        lock.release(force=True)
        if not _folders(Path(lock.lock_file)):
            platform.remove(Path(lock.lock_file))


def _sweep(folder: Path) -> None:
    """Remove what processes of this host that live no more have left."""
    for lock in folder.glob(f"{_of_this_host()}*.lock"):
        # Held by its process, swept by another one, or another user's.
        with suppress(OSError, Timeout):
            with FileLock(lock, timeout=0):
                for left in _folders(lock):
                    shutil.rmtree(left, ignore_errors=True)
            lock.unlink()


def _of_this_host() -> str:
    return f"cjlib-spill-{re.sub('[^A-Za-z0-9.]', '_', platform.host_name())}-"


def _folders(lock: Path) -> list[Path]:
    return [path for path in lock.parent.glob(f"{lock.stem}-*") if path.is_dir()]
