"""Where DuckDB writes what does not fit its memory, and what a killed process left of it there."""

from __future__ import annotations

import atexit
import fcntl
import itertools
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_numbers = itertools.count(1)
_begun: dict[int, Path] = {}
"""What the names of a process's folders begin with, by its number: one that was forked begins anew."""


def spill_folder() -> str:
    """A folder for one database; DuckDB makes it when it needs it and removes it after.

    Its name begins as that of a lock file beside it, which this process holds as long as it lives. The first call of a process removes
    the folders of this host whose lock nobody holds.
    """
    process = os.getpid()
    if process not in _begun:
        _begun[process] = _begin(Path(tempfile.gettempdir()), process)
    return f"{_begun[process]}-{next(_numbers)}"


def _begin(folder: Path, process: int) -> Path:
    _sweep(folder)
    while True:
        lock, name = tempfile.mkstemp(
            prefix=f"{_of_this_host()}{process}-", suffix=".lock", dir=folder
        )
        # Where files cannot be locked no other process takes this one for left behind either.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have swept it away in the moment before it was locked. It is closed, and so let go, when the process ends.
        if os.fstat(lock).st_nlink:
            break
        os.close(lock)
    atexit.register(_end, Path(name), process)
    return Path(name).with_suffix("")


def _end(lock: Path, process: int) -> None:
    """Remove the lock file; where a folder is left after all, it stays for the next process to find."""
    if os.getpid() == process and not _folders(lock):
        lock.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what processes of this host that live no more have left."""
    for lock in folder.glob(f"{_of_this_host()}*.lock"):
        # Held by its process, swept by another one, or another user's.
        with suppress(OSError), lock.open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in _folders(lock):
                shutil.rmtree(left, ignore_errors=True)
            lock.unlink()


def _of_this_host() -> str:
    return f"cjlib-spill-{re.sub('[^A-Za-z0-9.]', '_', os.uname().nodename)}-"


def _folders(lock: Path) -> list[Path]:
    return [path for path in lock.parent.glob(f"{lock.stem}-*") if path.is_dir()]
