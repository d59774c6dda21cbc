"""What the processes of a run do: check a journey file, execute a notebook, render it."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cjlib import errors, logs, platform
from cjlib.show.units import html_in_units, use_unit
from cjlib.views.report.redaction import Mask


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to know to run and render one notebook."""

    name: str
    source: Path
    folder: Path
    """The run's folder: the executed notebook, the page and the log go here."""
    parameters: Mapping[str, Any]
    mask: Mask
    environment: Mapping[str, str]
    frame: Mapping[str, Any]
    """What stands around the page: run id, when, versions, where the last good report is."""
    shared_assets: bool = False

    @property
    def executed(self) -> Path:
        """The notebook with its outputs."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / f"{self.name}.html"

    @property
    def log(self) -> Path:
        """What the kernel said outside the notebook."""
        return self.folder / f"{self.name}.log"


@dataclass
class Outcome:
    """What became of a notebook."""

    error: dict[str, Any] | None = None
    """cell, section, type, message, exit_code; None if it ran through."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the page said: results with their definitions and metrics."""
    seconds: float = 0.0


def check_journey(path: Path, pipe: Connection) -> None:
    """Say what is wrong with a journey file: the class of the error and its message, or two empty texts."""
    _end_with_parent()
    fault = ("", "")
    try:
        from cjlib.sources.journey import read_journey

        read_journey(path)
    except Exception as error:
        fault = (type(error).__name__, str(error))
    pipe.send(fault)


def execute(job: Job, _outcome: Outcome, pipe: Connection) -> None:
    """Run the notebook; say which cells have run, and at last what stopped it, or None."""
    with _settled(job):
        from cjlib.views.report import execution

        error = None
        try:
            execution.execute(
                job.source,
                job.executed,
                job.parameters,
                mask=job.mask,
                done=lambda number: pipe.send(("cell", number)),
            )
        except Exception as fault:
            traceback.print_exc()
            error = _described(fault, job.mask)
        pipe.send(("done", error))


def render(job: Job, outcome: Outcome, pipe: Connection) -> None:
    """Make the page and say what it holds."""
    with _settled(job):
        from cjlib.views.report.page import read_page
        from cjlib.views.report.render import render as html_of
        from cjlib.views.report.run_store import write_whole

        page = read_page(
            job.executed if job.executed.exists() else job.source,
            error=outcome.error,
            labels=job.frame.get("labels"),
        )
        use_unit(job.frame["unit"])
        html = html_of(
            page,
            frame=job.frame,
            name=job.name,
            parameters=job.parameters,
            shared=job.shared_assets,
        )
        write_whole(job.page, job.mask(html_in_units(html)))
        pipe.send(("done", page.facts))


def _described(fault: Exception, mask: Mask) -> dict[str, Any]:
    """An error as run.json keeps it. A fault of the call or of the data (`cjlib.errors`) keeps its exit code; everything else is 1."""
    kind = getattr(fault, "ename", type(fault).__name__)
    message = getattr(fault, "evalue", str(fault))
    known = getattr(errors, kind, None)
    code = (
        known.exit_code if isinstance(known, type) and issubclass(known, errors.CjlibError) else 1
    )
    return {"type": mask(kind), "message": mask(message), "exit_code": code}


@contextmanager
def _settled(job: Job) -> Iterator[None]:
    """A process of a run: its words go masked to the log, its parent's signals are the parent's business, it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_parent()
    os.environ.update(job.environment)
    gc.freeze()  # what is loaded stays: no need to look through it for garbage, nor to copy the pages it lies on
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    reading, writing = os.pipe()
    for descriptor in (1, 2):
        os.dup2(writing, descriptor)
    os.close(writing)
    logs.tell_if_asked()
    pump = threading.Thread(target=_pump, args=(reading, job), daemon=True)
    pump.start()
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with open(os.devnull, "wb") as nothing:
            for descriptor in (1, 2):
                os.dup2(nothing.fileno(), descriptor)
        pump.join(timeout=2)


def _pump(reading: int, job: Job) -> None:
    with (
        open(reading, encoding="utf-8", errors="replace") as lines,
        open(job.log, "a", encoding="utf-8") as log,
    ):
        for line in lines:
            log.write(job.mask(line))
            log.flush()


def _end_with_parent() -> None:
    """Let this process, and all that it starts, end when the run's own process has ended, however that was."""
    platform.lead_a_group()
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    platform.end_this_process_with_all_it_started()
