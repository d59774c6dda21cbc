"""The prepared log kept beside a large source, so that seven notebooks prepare it once.

One DuckDB file in `.cjcache/` beside the source (or in `CJ_CACHE_DIR`), named by the content: bytes of the source, options of the
reading, version of this format. It is written aside and renamed when whole, under a lock, so that readers at the same time wait
for the first; it is only ever read afterwards, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from filelock import FileLock, Timeout

from cjlib.sources.cache.store import digests, folder_for, keep_within, memory_in, size_limit
from cjlib.sources.connect.files import Files
from cjlib.sources.log.engine import DuckDB

LARGE = 50 * 2**20
"""Sources of fewer bytes are prepared in memory each time: that takes well under a second."""
FORMAT = 3


Prepare = Callable[[DuckDB], dict[str, Any]]
IsCurrent = Callable[[dict[str, Any]], bool]


def place_for(files: Files, options: dict[str, Any]) -> Path:
    """The cache file: its name tells which source, which options and which content it holds."""
    where = _digest([str(files.given)])[:12]
    how = _digest(
        [json.dumps(options, sort_keys=True, default=str), str(FORMAT), duckdb.__version__]
    )[:12]
    folder = folder_for(files)
    _writable(folder)
    names = [files.name(position) for position in range(len(files.paths))]
    held = tuple(zip(names, digests(files, memory_in(folder, where)), strict=True))
    content = _digest(text for pair in held for text in pair)[:32]
    return folder / f"{where}-{how}-{content}.duckdb"


def place_for_table(table: str, state: Iterable[str], options: dict[str, Any]) -> Path | None:
    """The cache file of a database's table in `CJ_CACHE_DIR`; None where that is not set, since nothing lies beside such a table."""
    given = os.environ.get("CJ_CACHE_DIR")
    if not given:
        return None
    how = _digest(
        [json.dumps(options, sort_keys=True, default=str), str(FORMAT), duckdb.__version__]
    )[:12]
    return Path(given).expanduser() / f"{_digest([table])[:12]}-{how}-{_digest(state)[:32]}.duckdb"


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def from_cache(
    path: Path, prepare: Prepare, is_current: IsCurrent
) -> tuple[DuckDB, dict[str, Any]] | None:
    """The prepared log in this place, prepared first if it is not there; None where nothing can be written or an older state is held open.

    `prepare` fills an engine and gives the facts to keep beside it; `is_current` says whether kept facts still hold.
    """
    limit = size_limit()
    found = _opened(path, is_current)
    if found:
        _touch(path)
        return found
    if not _writable(path.parent):
        return None
    with FileLock(path.with_suffix(".lock")):
        found = _opened(path, is_current)
        if found:
            return found
        _write(path, prepare)
        _remove_older(path)
        keep_within(path.parent, limit, path)
        # This process may still hold what the file was before, and would be given that again.
        return _opened(path, is_current)


def _opened(path: Path, is_current: IsCurrent) -> tuple[DuckDB, dict[str, Any]] | None:
    if not path.is_file():
        return None
    try:
        engine = DuckDB(path, read_only=True)
        facts = json.loads(engine.rows("SELECT content FROM facts")[0][0])
    except duckdb.Error:
        return None
    if is_current(facts):
        return engine, facts
    engine.connection.close()
    return None


def _touch(path: Path) -> None:
    """Remember when it was last used; where that cannot be written, it cannot be limited either."""
    with suppress(OSError):
        os.utime(path)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _write(path: Path, prepare: Prepare) -> None:
    """Prepare aside and rename when whole."""
    aside = path.with_name(f"{path.stem}.{os.getpid()}.part")
    try:
        engine = DuckDB(aside)
        try:
            # Uncompressed is written and scanned faster; the file is no larger than what memory would hold.
            engine.execute("SET force_compression = 'uncompressed'")
            facts = prepare(engine)
            engine.execute("CREATE TABLE facts (content VARCHAR)")
            engine.execute("INSERT INTO facts VALUES (?)", [json.dumps(facts)])
        finally:
            engine.connection.close()
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        aside.with_name(aside.name + ".wal").unlink(missing_ok=True)


def _remove_older(path: Path) -> None:
    """What this source and these options held before: another content, nobody's use; and what killed processes left half-written."""
    where, how, _ = path.stem.split("-")
    for older in path.parent.glob(f"{where}-{how}-*"):
        stem, half_written = older.name.split(".")[0], older.suffix in (".part", ".wal")
        elsewhere_in_work = (
            half_written and stem != path.stem and _is_held(older.with_name(f"{stem}.lock"))
        )
        if (half_written or stem != path.stem) and not elsewhere_in_work:
            older.unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    """Whether a process is preparing under this lock."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def keep_table(engine: DuckDB, name: str, table: pd.DataFrame) -> list[str]:
    """Write a table of texts and numbers under column names no file can hurt; gives the names to keep."""
    plain = table.set_axis([f"q{position}" for position in range(table.shape[1])], axis=1)
    engine.connection.register("kept", plain)
    engine.execute(f"CREATE TABLE {name} AS SELECT * FROM kept")
    engine.connection.unregister("kept")
    return [str(column) for column in table.columns]


def kept_table(engine: DuckDB, name: str, columns: list[str]) -> pd.DataFrame:
    """A table that `keep_table` wrote."""
    return engine.frame(f"SELECT * FROM {name}").set_axis(columns, axis=1)
