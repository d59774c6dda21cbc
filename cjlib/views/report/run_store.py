"""A run on disk: its folder, its state, the lock, and what a killed run leaves behind.

Everything is written under `<out>/runs/<id>/`; readers see only what was published from there. `run.json` is written at the start, at every change
of state and at the end, each time as a whole, so that whatever kills the run, the next one knows where it stood:
`running` → `publishing` → `ok`, or `failed`; found `running` by the next run it becomes `interrupted`, found `publishing` it is finished.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cjlib.errors import CjlibError

SCHEMA = 1
_SHARED = "shared"
RUNNING, PUBLISHING, OK, FAILED, INTERRUPTED = (
    "running",
    "publishing",
    "ok",
    "failed",
    "interrupted",
)


@dataclass(frozen=True)
class Run:
    """One run: where it is and what run.json says."""

    folder: Path
    facts: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name: the moment it started, and four letters against a twin in the same second."""
        return self.folder.name

    @property
    def out(self) -> Path:
        """Where readers look."""
        return self.folder.parent.parent

    @property
    def status(self) -> str:
        """running, publishing, ok, failed or interrupted."""
        return str(self.facts.get("status"))

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change what run.json says, in memory and on disk."""
        self.facts.update(changes)
        write_whole(
            self.folder / "run.json", json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n"
        )


def now() -> str:
    """The present moment in UTC, as run.json writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and swap it in, so that nobody ever reads half of it."""
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def new_run(out: Path, facts: Mapping[str, Any]) -> Run:
    """A new folder under `<out>/runs`, with a run.json that says `running`."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    folder = out / "runs" / name
    folder.mkdir(parents=True)
    run = Run(folder, {})
    run.update(
        {
            "schema": SCHEMA,
            "id": name,
            "status": RUNNING,
            "started": now(),
            "finished": None,
            "seconds": None,
            **facts,
        }
    )
    return run


@contextmanager
def shared_folder(run: Run) -> Iterator[Path]:
    """A folder in which the notebooks of a run share what they work out; it goes when they are through."""
    folder = run.folder / _SHARED
    folder.mkdir()
    try:
        yield folder
    finally:
        remove_shared(run)


def remove_shared(run: Run) -> None:
    """Let go of what the notebooks of a run shared, also where the run was killed."""
    shutil.rmtree(run.folder / _SHARED, ignore_errors=True)


def read_runs(out: Path) -> list[Run]:
    """Every run of a folder, newest first; a folder whose run.json cannot be read is passed over."""
    found = []
    for path in sorted((out / "runs").glob("*/run.json"), reverse=True):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(facts, dict) and facts.get("schema") == SCHEMA:
            found.append(Run(path.parent, facts))
    return found


@contextmanager
def lock(out: Path, wait: bool, waiting: Any = lambda holder: None) -> Iterator[None]:
    """Hold the folder for one run. A second one waits, or is refused with the name of the holder.

    The lock belongs to the process, so a killed run never leaves it behind.
    """
    out.mkdir(parents=True, exist_ok=True)
    held, holder = FileLock(out / ".lock"), out / ".holder"
    try:
        held.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise CjlibError(
                f"--out: another run is writing there ({_words_of(holder)}). Wait for it with --wait, end it, or give another folder with --out."
            ) from None
        waiting(_words_of(holder))
        held.acquire()
    with held:
        write_whole(holder, f"process {os.getpid()}, since {now()}")
        yield


def _words_of(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8")
    except OSError:
        return "unknown"


def forget(out: Path, keep: int) -> None:
    """Remove the folders of all but the newest runs. The last two that were through of each notebook stay: the index reads them."""
    needed: dict[str, int] = {}
    for place, run in enumerate(read_runs(out)):
        through = list(run.facts.get("notebooks", {})) if run.status == OK else []
        read = any(needed.get(name, 0) < 2 for name in through)
        for name in through:
            needed[name] = needed.get(name, 0) + 1
        if place >= keep and not read:
            shutil.rmtree(run.folder)
