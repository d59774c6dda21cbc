"""Several notebooks at once, each in a process of its own, under one clock.

A notebook is two tasks: it is executed, then rendered, also when it failed. A process that is late, killed or dead takes its kernel with it and
leaves the notebook as far as it came, because that is on disk after every cell.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from cjlib.views.report.job import Job, Outcome


class Watcher(Protocol):
    """Who is told how far it is."""

    def started(self, name: str) -> None:
        """A notebook begins."""

    def cell(self, name: str, number: int) -> None:
        """A cell has run."""

    def finished(self, name: str, outcome: Outcome) -> None:
        """A notebook is rendered, or failed."""

    def tick(self) -> None:
        """Some time has passed."""


@dataclass
class _Task:
    job: Job
    phase: str
    outcome: Outcome
    began: float = 0.0
    process: Any = None
    pipe: Connection | None = None
    kernel: int | None = None
    done: bool = False


def run_all(
    jobs: Sequence[Job],
    *,
    slots: int,
    timeout: float | None,
    watcher: Watcher,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, Outcome]:
    """Run and render every notebook; the processes that are still there when this ends for whatever reason are ended.

    Parameters
    ----------
    jobs
        The notebooks.
    slots
        How many processes at once.
    timeout
        Seconds a notebook may take from its start to its last cell; None: no limit.
    watcher
        Told how far it is.
    meanwhile
        What is done here once the first notebooks run and before anything is rendered.
    """
    waiting = deque(_Task(job, "execute", Outcome()) for job in jobs)
    running: list[_Task] = []
    outcomes: dict[str, Outcome] = {}
    try:
        _fill(waiting, running, slots, watcher)
        meanwhile()
        while running:
            wait(
                [task.process.sentinel for task in running]
                + [task.pipe for task in running if task.pipe],
                timeout=0.1,
            )
            watcher.tick()
            for task in list(running):
                _listen(task, watcher)
                if _over(task, timeout):
                    running.remove(task)
                    _next(task, waiting, outcomes, watcher)
            _fill(waiting, running, slots, watcher)
    finally:
        for task in running:
            _end(task)
    return outcomes


def _fill(waiting: deque[_Task], running: list[_Task], slots: int, watcher: Watcher) -> None:
    while waiting and len(running) < slots:
        task = waiting.popleft()
        if task.phase == "execute":
            watcher.started(task.job.name)
        _start(task)
        running.append(task)


def _start(task: _Task) -> None:
    from cjlib.views.report import worker

    # Forked where that is safe: the libraries are loaded once, for all.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    task.pipe, theirs = context.Pipe(duplex=False)
    work_on = worker.execute if task.phase == "execute" else worker.render
    task.process = context.Process(
        target=work_on, args=(task.job, task.outcome, theirs), daemon=True
    )
    task.began = time.monotonic()
    task.process.start()
    theirs.close()


def _listen(task: _Task, watcher: Watcher) -> None:
    assert task.pipe is not None
    with suppress(EOFError, OSError):
        while task.pipe.poll():
            kind, value = task.pipe.recv()
            if kind == "cell":
                watcher.cell(task.job.name, value)
            elif kind == "kernel":
                task.kernel = value
            elif kind == "cleaned":
                task.outcome.cleaned |= value
            elif task.phase == "execute":
                task.outcome.error, task.done = value, True
            else:
                task.outcome.facts, task.done = value, True


def _over(task: _Task, timeout: float | None) -> bool:
    """Whether a task has ended, by itself or by the clock; a process that ended without a word is an error of its own."""
    seconds = time.monotonic() - task.began
    if task.process.is_alive() and not task.done:
        if timeout is None or seconds < timeout or task.phase != "execute":
            return False
        task.outcome.error = {
            "type": "Timeout",
            "message": f"it was not through after {timeout:g} seconds (--timeout)",
            "exit_code": 1,
        }
    elif not task.done:
        what = (
            "stopped before it was through"
            if task.phase == "execute"
            else "could not be made into a page"
        )
        task.outcome.error = {
            "type": "Stopped",
            "message": f"its process {what} ({_ending(task.process.exitcode)})",
            "exit_code": 1,
        }
    _end(task)
    task.outcome.seconds += seconds
    return True


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _next(
    task: _Task, waiting: deque[_Task], outcomes: dict[str, Outcome], watcher: Watcher
) -> None:
    if task.phase == "execute":
        waiting.appendleft(_Task(task.job, "render", task.outcome))
        return
    task.outcome.cleaned.clear()
    outcomes[task.job.name] = task.outcome
    watcher.finished(task.job.name, task.outcome)


def _end(task: _Task) -> None:
    """End a process and the kernel it started, with all that the kernel started."""
    if task.done:
        task.process.join(timeout=5)
    if task.process.is_alive():
        task.process.terminate()
        task.process.join(timeout=2)
        if task.process.is_alive():
            task.process.kill()
    if task.kernel and not (task.done and task.process.exitcode == 0):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(task.kernel, signal.SIGKILL)
    if task.pipe is not None:
        task.pipe.close()
