"""What differs between Linux, macOS and Windows; nothing else of cjlib asks which of them it runs on."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

FORKS = "forkserver" in multiprocessing.get_all_start_methods()
"""Whether processes can be forked from one that has everything loaded; on Windows each loads what it needs."""
PROCESSES: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
_GROUPS = hasattr(os, "setsid") and hasattr(os, "killpg")


def load_for_all(modules: Sequence[str]) -> None:
    """Begin to load, in the process from which the others are forked, what they need."""
    if FORKS:
        from multiprocessing import forkserver

        PROCESSES.set_forkserver_preload(list(modules))
        forkserver.ensure_running()


def machine_memory() -> int:
    """Bytes of memory that the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        import psutil

        return psutil.virtual_memory().total


def host_name() -> str:
    """The name of this machine in its network."""
    return platform.node()


def lead_a_group() -> None:
    """Let what this process starts from now on be found, and ended, by this process's number."""
    if _GROUPS:
        with suppress(OSError):
            os.setsid()


def end_with_all_it_started(process: int) -> None:
    """End another process that leads a group, at once and without a word; one that has ended already leaves what it started."""
    if _GROUPS:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)
    else:
        _end_children(process)


def end_this_process_with_all_it_started() -> None:
    """End at once, without a word to anybody."""
    if _GROUPS:
        os.killpg(0, signal.SIGKILL)
    _end_children(os.getpid())
    os._exit(1)


def _end_children(process: int) -> None:
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process(process).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()


def remove(file: Path) -> None:
    """Delete a file if it is there; where a file that somebody reads cannot be deleted it stays for the next time."""
    with suppress(PermissionError):
        file.unlink(missing_ok=True)


def speak_utf8() -> None:
    """Let pipes and files carry every sign, whatever the machine's old code page; a terminal is asked for its own."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "%PROGRAMFILES%/Google/Chrome/Application/chrome.exe",
    "%PROGRAMFILES(X86)%/Google/Chrome/Application/chrome.exe",
    "%LOCALAPPDATA%/Google/Chrome/Application/chrome.exe",
    "%PROGRAMFILES(X86)%/Microsoft/Edge/Application/msedge.exe",
)


def chrome() -> Path | None:
    """A Chrome, Chromium or Edge of this machine: what `CJ_CHROME` names, else the first that is found."""
    if named := os.environ.get("CJ_CHROME"):
        return Path(named) if Path(named).is_file() else None
    found = (shutil.which(name) for name in _BROWSERS)
    installed = (os.path.expandvars(place) for place in _PLACES)
    return next(
        (Path(file) for file in (*found, *installed) if file and Path(file).is_file()), None
    )


def is_root() -> bool:
    """Whether this process may do everything, as in most containers, where Chrome has no sandbox."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
