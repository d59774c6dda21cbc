"""What the cache folders hold: where they lie, what is in them, how much of it may be, and what goes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cjlib.errors import CjlibError, shown
from cjlib.sources.connect.files import Files

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


def folder_for(files: Files) -> Path:
    """Where the cache of these files lies."""
    given = os.environ.get("CJ_CACHE_DIR")
    return Path(given).expanduser() if given else files.folder / ".cjcache"


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
    found |= (
        {around}
        if around.name == ".cjcache"
        else {path for path in around.rglob(".cjcache") if path.is_dir()}
    )
    return sorted(path for path in found if path.is_dir())


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
            (folder / name).unlink(missing_ok=True)
            (folder / name).with_suffix(".lock").unlink(missing_ok=True)
            memory_in(folder, name).unlink(missing_ok=True)


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
