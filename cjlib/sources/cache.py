"""The prepared log kept beside a large source, so that seven notebooks prepare it once.

One DuckDB file in `.cjcache/` beside the source (or in `CJ_CACHE_DIR`), named by the content: bytes of the source, options of the
reading, version of this format. It is written aside and renamed when whole, under a lock, so that readers at the same time wait
for the first; it is only ever read afterwards, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from cjlib.errors import CjlibError, shown
from cjlib.sources.engine import DuckDB, identifier
from cjlib.sources.files import Files

LARGE = 50 * 2**20
"""Sources of fewer bytes are prepared in memory each time: that takes well under a second."""
FORMAT = 1


def folder_for(files: Files) -> Path:
    """Where the cache of these files lies."""
    given = os.environ.get("CJ_CACHE_DIR")
    return Path(given).expanduser() if given else (files.paths[0].parent if len(files.paths) == 1 else files.folder) / ".cjcache"


def path_for(files: Files, options: dict[str, Any]) -> Path:
    """The cache file: its name tells which source, which options and which content it holds."""
    where = _digest(str(path.resolve()) for path in files.paths)
    how = _digest([json.dumps(options, sort_keys=True, default=str), str(FORMAT), duckdb.__version__])
    return folder_for(files) / f"{where[:12]}-{how[:12]}-{_content(files)[:32]}.duckdb"


# ---- what is there, and how much of it may be -------------------------------------------------------------------------

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", re.IGNORECASE)
_NAME = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{32}\.duckdb")


def size_limit() -> int | None:
    """How many bytes one cache folder may hold: `CJ_CACHE_LIMIT` ("20GB"); None where it is not set."""
    given = os.environ.get("CJ_CACHE_LIMIT", "").strip()
    if not given:
        return None
    written = _SIZE.fullmatch(given)
    if not written:
        raise CjlibError(f"CJ_CACHE_LIMIT: must be a size such as '20GB'. Got {shown(given)}.")
    return int(float(written[1]) * _UNITS[written[2].upper()])


def folders(around: Path) -> list[Path]:
    """The cache folders at and below a folder, and that of `CJ_CACHE_DIR`."""
    given = os.environ.get("CJ_CACHE_DIR")
    found = {Path(given).expanduser()} if given else set()
    found |= {around} if around.name == ".cjcache" else {path for path in around.rglob(".cjcache") if path.is_dir()}
    return sorted(path for path in found if path.is_dir())


def contents(folder: Path) -> pd.DataFrame:
    """The prepared logs of a cache folder, latest used first: `file`, `bytes`, `used_at` (UTC)."""
    rows = [(path.name, path.stat().st_size, path.stat().st_mtime_ns // 1000) for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    table = pd.DataFrame(rows, columns=["file", "bytes", "used_at"]).astype({"file": "str", "bytes": "int64", "used_at": "int64"})
    table["used_at"] = pd.to_datetime(table["used_at"], unit="us", utc=True)
    return table.sort_values(["used_at", "file"], ascending=[False, True], ignore_index=True)


def remove(folder: Path, files: Iterable[str]) -> None:
    """Delete prepared logs; who reads one at this moment reads on, and nothing else in the folder is touched."""
    for name in files:
        if _NAME.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
            (folder / name).with_suffix(".lock").unlink(missing_ok=True)


def keep_within(folder: Path, limit: int | None, newest: Path) -> None:
    """Delete what was used longest ago until the folder is within its limit; the newest log stays, however large it is."""
    if limit is None:
        return
    table = contents(folder)
    others = table[table["file"] != newest.name]
    beyond = others["bytes"].cumsum() + newest.stat().st_size > limit
    remove(folder, others.loc[beyond, "file"])


# ---- its names -----------------------------------------------------------------------------------------------------------


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _content(files: Files) -> str:
    every = hashlib.sha256()
    for position, path in enumerate(files.paths):
        every.update(files.name(position).encode())
        with path.open("rb") as stream:
            every.update(hashlib.file_digest(stream, "sha256").digest())
    return every.hexdigest()


def from_cache(
    path: Path, prepare: Callable[[DuckDB], dict[str, Any]], is_current: Callable[[dict[str, Any]], bool]
) -> tuple[DuckDB, dict[str, Any]] | None:
    """The prepared log in this file, prepared first if it is not there; None where nothing can be written or an older state is held open.

    `prepare` fills an engine and gives the facts to keep beside it; `is_current` says whether kept facts still hold.
    """
    limit = size_limit()
    found = _opened(path, is_current)
    if found:
        _touch(path)
        return found
    if not _writable(path.parent):
        return None
    with _locked(path):
        found = _opened(path, is_current)
        if found:
            return found
        _write(path, prepare)
        keep_within(path.parent, limit, path)
        # This process may still hold what the file was before, and would be given that again.
        return _opened(path, is_current)


def _opened(path: Path, is_current: Callable[[dict[str, Any]], bool]) -> tuple[DuckDB, dict[str, Any]] | None:
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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One preparing at a time; the lock goes with the process that holds it, however that ends."""
    import fcntl

    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, prepare: Callable[[DuckDB], dict[str, Any]]) -> None:
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
        _remove_older(path)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        aside.with_name(aside.name + ".wal").unlink(missing_ok=True)


def _remove_older(path: Path) -> None:
    """What this source and these options held before: another content, nobody's use."""
    where, how, _ = path.stem.split("-")
    for older in path.parent.glob(f"{where}-{how}-*"):
        if older.suffix in (".duckdb", ".lock") and older.stem != path.stem:
            older.unlink(missing_ok=True)


def keep_table(engine: DuckDB, name: str, table: pd.DataFrame) -> list[str]:
    """Write a table of texts and numbers under column names no file can hurt; gives the names to keep."""
    plain = table.set_axis([f"q{position}" for position in range(table.shape[1])], axis=1)
    engine.connection.register("kept", plain)
    engine.execute(f"CREATE TABLE {identifier(name)} AS SELECT * FROM kept")
    engine.connection.unregister("kept")
    return [str(column) for column in table.columns]


def kept_table(engine: DuckDB, name: str, columns: list[str]) -> pd.DataFrame:
    """A table that `keep_table` wrote."""
    return engine.frame(f"SELECT * FROM {identifier(name)}").set_axis(columns, axis=1)
