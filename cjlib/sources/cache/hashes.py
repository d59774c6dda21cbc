"""The content of files as digests, remembered as long as a file's size, times and inode stay as they were."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from cjlib.sources.connect.files import Files

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
