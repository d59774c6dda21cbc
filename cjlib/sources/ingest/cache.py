"""What has been worked out and is kept: the prepared log beside a large source, and what the notebooks of one run share.

One DuckDB file in `.cjcache/` beside the source (or in `CJ_CACHE_DIR`), named by the content: bytes of the source, options of the
reading, version of this format. It is written aside and renamed when whole, under a lock, so that readers at the same time wait
for the first; it is only ever read afterwards, and may be deleted at any time. In a run the logs of small sources, and other
things that take long, stand in a folder of the run, which goes with it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
from filelock import FileLock, Timeout

from cjlib import platform
from cjlib.errors import CjlibError, shown
from cjlib.sources.connect.files import Files
from cjlib.sources.log.engine import DuckDB

LARGE = 50 * 2**20
"""Sources of fewer bytes are prepared in memory each time, which takes well under a second, or once in a run."""
FORMAT = 5


_LOG = logging.getLogger(__name__)

Prepare = Callable[[DuckDB], dict[str, Any]]
IsCurrent = Callable[[dict[str, Any]], bool]


def place_for(files: Files, options: dict[str, Any]) -> Path:
    """The cache file: its name tells which source, which options and which content it holds."""
    where = _digest([str(files.given)])[:12]
    folder = folder_for(files)
    _writable(folder)
    names = [files.name(position) for position in range(len(files.paths))]
    contents_of = zip(names, digests(files, memory_in(folder, where)), strict=True)
    content = _digest(text for pair in contents_of for text in pair)[:32]
    return folder / f"{where}-{_digest_of(options)}-{content}.duckdb"


def place_for_several(parts: Mapping[str, tuple[Files, dict[str, Any]]]) -> Path:
    """The cache file of several sources as one log, beside the first: files and options of each by its name."""
    places = {name: place_for(files, options) for name, (files, options) in parts.items()}
    where, options, content = (
        _digest([*places, *(place.stem.split("-")[part] for place in places.values())])
        for part in range(3)
    )
    first = next(iter(places.values()))
    return first.with_name(f"{where[:12]}-{options[:12]}-{content[:32]}.duckdb")


def place_for_table(table: str, state: Iterable[str], options: dict[str, Any]) -> Path:
    """The cache file of a database's table in `CJ_CACHE_DIR`; nothing lies beside such a table."""
    folder = given_folder()
    assert folder is not None
    return folder / f"{_digest([table])[:12]}-{_digest_of(options)}-{_digest(state)[:32]}.duckdb"


def _digest_of(options: dict[str, Any]) -> str:
    written = json.dumps(options, sort_keys=True, default=str)
    return _digest([written, str(FORMAT), duckdb.__version__])[:12]


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
        _LOG.info("prepared before: %s", path.name)
        return found
    if not _writable(path.parent):
        return None
    with FileLock(path.with_suffix(".lock")):
        found = _opened(path, is_current)
        if found:
            return found
        _LOG.info("preparing %s", path.name)
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
            platform.remove(older)


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


# ---- what the folders hold, and how much of it may be -----------------------------------------------------------------

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", re.IGNORECASE)
_NAME = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{32}\.duckdb")


class Kept(NamedTuple):
    """One prepared log of a cache folder."""

    file: str
    bytes: int
    used_at: datetime


def given_folder() -> Path | None:
    """The folder that `CJ_CACHE_DIR` names for all caches; None where it is not set."""
    given = os.environ.get("CJ_CACHE_DIR")
    return Path(given).expanduser() if given else None


def folder_of_run() -> Path | None:
    """The folder that the notebooks of this run share, in `CJ_OF_RUN`; None outside of a run."""
    given = os.environ.get("CJ_OF_RUN")
    return Path(given) if given else None


def is_kept(size: int) -> bool:
    """Whether the log of a source of so many bytes is kept: of a large one, and in a run of any."""
    return size >= LARGE or folder_of_run() is not None


def folder_for(files: Files) -> Path:
    """Where the cache of these files lies."""
    of_run = folder_of_run()
    if of_run is not None and files.size < LARGE:
        return of_run
    return given_folder() or files.folder / ".cjcache"


def shared_in_run(name: str, write: Callable[[Path], None]) -> Path | None:
    """A file that the first notebook of a run to ask for it writes, and the others find; None outside of a run."""
    folder = folder_of_run()
    if folder is None:
        return None
    path = folder / name
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            aside = path.with_suffix(".part")
            write(aside)
            aside.replace(path)
    return path


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
    below = [around] if around.name == ".cjcache" else around.rglob(".cjcache")
    given = given_folder()
    return sorted(path for path in {*below, *([given] if given else [])} if path.is_dir())


def contents(folder: Path) -> list[Kept]:
    """The prepared logs of a cache folder, latest used first."""
    stats = [(path.name, path.stat()) for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    logs = [
        Kept(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))
        for name, stat in sorted(stats)
    ]
    return sorted(logs, key=lambda log: log.used_at, reverse=True)


def remove(folder: Path, files: Iterable[str]) -> None:
    """Delete prepared logs, with what is remembered of their sources; who reads one reads on, and nothing else in the folder is touched."""
    for name in files:
        if _NAME.fullmatch(name):
            platform.remove(folder / name)
            platform.remove((folder / name).with_suffix(".lock"))
            platform.remove(memory_in(folder, name))


def memory_in(folder: Path, name: str) -> Path:
    """Where the digests of a log's source are remembered."""
    return folder / f"{name.partition('-')[0]}.files.json"


def keep_within(folder: Path, limit: int | None, newest: Path) -> None:
    """Delete what was used longest ago until the folder is within its limit; the newest log stays, however large it is."""
    if limit is None:
        return
    held, beyond = newest.stat().st_size, []
    for log in contents(folder):
        held += log.bytes if log.file != newest.name else 0
        beyond += [log.file] if held > limit and log.file != newest.name else []
    remove(folder, beyond)


# ---- what the files of a source hold ----------------------------------------------------------------------------------

SETTLED = 2_000_000_000
"""Nanoseconds after which a change would show in a file's times, also on file systems that count whole seconds."""


def digests(files: Files, memory: Path) -> list[str]:
    """The SHA-256 of each file; one that is as it was when it was read last, by its size, both its times and its inode, is not read again."""
    known, every, seen = _remembered(memory), [], {}
    for position, path in enumerate(files.paths):
        name, mark = files.name(position), _mark(path)
        mark_then, digest = known.get(name, (None, ""))
        if mark_then != mark:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        every.append(digest)
        if mark_then == mark or (_settled(mark) and _mark(path) == mark):
            seen[name] = (mark, digest)
    if seen != known:
        _remember(memory, seen)
    return every


def _mark(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _settled(mark: list[int]) -> bool:
    """Whether a later change cannot have these times too."""
    return time.time_ns() - max(mark[1], mark[2]) > SETTLED


def _remembered(memory: Path) -> dict[str, tuple[list[int], str]]:
    try:
        return {
            name: (mark, digest)
            for name, (mark, digest) in json.loads(memory.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _remember(memory: Path, seen: dict[str, tuple[list[int], str]]) -> None:
    """Written aside and renamed; where it cannot be, the files are read again."""
    aside = memory.with_name(f"{memory.name}.{os.getpid()}")
    with suppress(OSError):
        try:
            aside.write_text(json.dumps(seen), encoding="utf-8")
            aside.replace(memory)
        finally:
            aside.unlink(missing_ok=True)
