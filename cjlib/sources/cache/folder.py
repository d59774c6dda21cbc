"""The prepared log kept beside a large source, so that seven notebooks prepare it once.

One DuckDB file in `.cjcache/` beside the source (or in `CJ_CACHE_DIR`), named by the content: bytes of the source, options of the
reading, version of this format. It is written aside and renamed when whole, under a lock, so that readers at the same time wait
for the first; it is only ever read afterwards, and may be deleted at any time. Where a folder has only grown, the log of the files
it had before is what the new one starts from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from cjlib.sources.cache.hashes import digests
from cjlib.sources.cache.store import folder_for, keep_within, memory_in, size_limit
from cjlib.sources.connect.files import Files
from cjlib.sources.log.engine import DuckDB

LARGE = 50 * 2**20
"""Sources of fewer bytes are prepared in memory each time: that takes well under a second."""
FORMAT = 2


@dataclass(frozen=True)
class Place:
    """Where a prepared log is kept, and what its source holds: each file's name and digest, in the order of reading."""

    path: Path
    held: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Earlier:
    """A kept log of the first files of a source, and its facts."""

    path: Path
    facts: dict[str, Any]


Prepare = Callable[[DuckDB, Earlier | None], dict[str, Any] | None]
IsCurrent = Callable[[dict[str, Any]], bool]


def place_for(files: Files, options: dict[str, Any]) -> Place:
    """The cache file: its name tells which source, which options and which content it holds."""
    where = _digest([str(files.given)])[:12]
    how = _digest(
        [json.dumps(options, sort_keys=True, default=str), str(FORMAT), duckdb.__version__]
    )[:12]
    folder = folder_for(files)
    _writable(folder)
    names = [files.name(position) for position in range(len(files.paths))]
    held = tuple(zip(names, digests(files, memory_in(folder, where)), strict=True))
    return Place(
        folder / f"{where}-{how}-{_digest(text for pair in held for text in pair)[:32]}.duckdb",
        held,
    )


def place_for_table(table: str, state: Iterable[str], options: dict[str, Any]) -> Place | None:
    """The cache file of a database's table in `CJ_CACHE_DIR`; None where that is not set, since nothing lies beside such a table."""
    given = os.environ.get("CJ_CACHE_DIR")
    if not given:
        return None
    how = _digest(
        [json.dumps(options, sort_keys=True, default=str), str(FORMAT), duckdb.__version__]
    )[:12]
    return Place(
        Path(given).expanduser() / f"{_digest([table])[:12]}-{how}-{_digest(state)[:32]}.duckdb", ()
    )


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def from_cache(
    place: Place, prepare: Prepare, is_current: IsCurrent
) -> tuple[DuckDB, dict[str, Any]] | None:
    """The prepared log in this place, prepared first if it is not there; None where nothing can be written or an older state is held open.

    `prepare` fills an engine and gives the facts to keep beside it, or None where it cannot start from the earlier log it was given;
    `is_current` says whether kept facts still hold.
    """
    path, limit = place.path, size_limit()
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
        earlier = _earlier(place, is_current)
        started_from = earlier if earlier and _write(place, prepare, earlier) else None
        if not started_from:
            _write(place, prepare, None)
        _remove_older(path, started_from)
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


def _earlier(place: Place, is_current: IsCurrent) -> Earlier | None:
    """The kept log, same source and options, of the most files with which this source begins."""
    where, how, _ = place.path.stem.split("-")
    found: list[Earlier] = []
    for path in sorted(place.path.parent.glob(f"{where}-{how}-*.duckdb")):
        opened = _opened(path, is_current) if path != place.path else None
        if opened:
            opened[0].connection.close()
            held = [tuple(pair) for pair in opened[1]["held"]]
            found += [Earlier(path, opened[1])] if held == list(place.held[: len(held)]) else []
    return max(found, key=lambda earlier: len(earlier.facts["held"]), default=None)


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


def _write(place: Place, prepare: Prepare, earlier: Earlier | None) -> bool:
    """Prepare aside and rename when whole; False where it could not start from the earlier log."""
    aside = place.path.with_name(f"{place.path.stem}.{os.getpid()}.part")
    try:
        engine = DuckDB(aside)
        try:
            # Uncompressed is written and scanned faster; the file is no larger than what memory would hold.
            engine.execute("SET force_compression = 'uncompressed'")
            facts = prepare(engine, earlier)
            if facts is None:
                return False
            engine.execute("CREATE TABLE facts (content VARCHAR)")
            engine.execute(
                "INSERT INTO facts VALUES (?)", [json.dumps(facts | {"held": place.held})]
            )
        finally:
            engine.connection.close()
        aside.replace(place.path)
        return True
    finally:
        aside.unlink(missing_ok=True)
        aside.with_name(aside.name + ".wal").unlink(missing_ok=True)


def _remove_older(path: Path, started_from: Earlier | None) -> None:
    """What this source and these options held before: another content, nobody's use; and what killed processes left half-written.

    The log that this one started from stays: the last file may change again.
    """
    where, how, _ = path.stem.split("-")
    stay = {path.stem} | ({started_from.path.stem} if started_from else set())
    for older in path.parent.glob(f"{where}-{how}-*"):
        stem, half_written = older.name.split(".")[0], older.suffix in (".part", ".wal")
        elsewhere_in_work = (
            half_written and stem != path.stem and _is_held(older.with_name(f"{stem}.lock"))
        )
        if (half_written or stem not in stay) and not elsewhere_in_work:
            older.unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    """Whether a process is preparing under this lock."""
    import fcntl

    with suppress(FileNotFoundError), lock.open("r") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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
