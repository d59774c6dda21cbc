"""What the processes of a run do: execute a notebook, or render it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from cjlib import errors
from cjlib.views.report.job import Job, Outcome
from cjlib.views.report.redaction import Mask

_NOTICE = "Kernel is running over TCP without encryption"


def execute(job: Job, _outcome: Any, pipe: Connection) -> None:
    """Run the notebook; say which cells are through, what they have shown as a page may show it, and at last what stopped it, or None."""
    with _settled(job):
        from cjlib.views.report import execution
        from cjlib.views.report.clean import clean

        def shown(html: str) -> None:
            written = job.mask(html)
            pipe.send(("cleaned", {written: clean(written)}))

        error = None
        try:
            execution.execute(
                job.source,
                job.executed,
                job.parameters,
                mask=job.mask,
                done=lambda number: pipe.send(("cell", number)),
                kernel=lambda process: pipe.send(("kernel", process)),
                shown=shown,
                all_loaded=job.fits_models,
            )
        except Exception as fault:
            traceback.print_exc()
            error = _described(fault, job.mask)
        pipe.send(("done", error))


def render(job: Job, outcome: Outcome, pipe: Connection) -> None:
    """Make the page and say what it holds."""
    with _settled(job):
        from cjlib.views.report.clean import CLEANED
        from cjlib.views.report.page import read_page
        from cjlib.views.report.render import write_page

        CLEANED.update(outcome.cleaned)
        page = read_page(job.executed if job.executed.exists() else job.source, error=outcome.error)
        write_page(page, job)
        pipe.send(("done", page.facts))


def _described(fault: Exception, mask: Mask) -> dict[str, Any]:
    """An error as run.json keeps it. A fault of the call or of the data (`cjlib.errors`) keeps its exit code; everything else is 1."""
    kind, message = (
        getattr(fault, "ename", type(fault).__name__),
        getattr(fault, "evalue", str(fault)),
    )
    if kind == "DeadKernelError":
        message = "the kernel died: it ran out of memory, or a library crashed"
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
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    reading, writing = os.pipe()
    for descriptor in (1, 2):
        os.dup2(writing, descriptor)
    os.close(writing)
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
            if _NOTICE not in line:
                log.write(job.mask(line))
                log.flush()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
