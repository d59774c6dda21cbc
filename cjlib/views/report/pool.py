"""Several notebooks at once, each in a process of its own, under one clock; and what is seen of it at the command line.

A notebook is two tasks: it is executed, then rendered, also when it failed. A process that is late, killed or dead leaves the notebook as far as it
came, because that is on disk as it goes. Processes are forked from one that has loaded what they need (`preload.py`), where there is fork.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cjlib import errors, platform
from cjlib.views.report import worker
from cjlib.views.report.parameters import Notebook
from cjlib.views.report.worker import Job, Outcome


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
    done: bool = False


_LOG = logging.getLogger(__name__)


def check_journey(path: Path) -> None:
    """Read a journey file where the libraries are; a fault of it is raised here."""
    process, pipe = _process(worker.check_journey, path)
    try:
        kind, message = pipe.recv()
    except EOFError:
        kind, message = "", ""  # whoever reads the file next says what is wrong
    process.join()
    if kind:
        raise getattr(errors, kind, errors.CjlibError)(message)


def _process(work_on: Callable[..., None], *arguments: Any) -> tuple[Any, Connection]:
    pipe, theirs = platform.PROCESSES.Pipe(duplex=False)
    # Not a daemon, which could have no processes of its own; it is ended by `_end`.
    process = platform.PROCESSES.Process(target=work_on, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, pipe


def run_all(
    jobs: Sequence[Job],
    *,
    slots: int,
    timeout: float | None,
    watcher: Watcher,
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
    """
    waiting = deque(_Task(job, "execute", Outcome()) for job in jobs)
    running: list[_Task] = []
    outcomes: dict[str, Outcome] = {}
    try:
        _fill(waiting, running, slots, watcher)
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
    work_on = worker.execute if task.phase == "execute" else worker.render
    task.began = time.monotonic()
    task.process, task.pipe = _process(work_on, task.job, task.outcome)
    _LOG.info("%s: %s in process %s", task.job.name, task.phase, task.process.pid)


def _listen(task: _Task, watcher: Watcher) -> None:
    assert task.pipe is not None
    with suppress(EOFError, OSError):
        while task.pipe.poll():
            kind, value = task.pipe.recv()
            if kind == "cell":
                watcher.cell(task.job.name, value)
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
            "message": f"it had not finished after {timeout:g} seconds (--timeout)",
            "exit_code": 1,
        }
    elif not task.done:
        what = (
            "ended before the notebook had finished: it ran out of memory, or a library crashed"
            if task.phase == "execute"
            else "could not make the page"
        )
        task.outcome.error = {
            "type": "Stopped",
            "message": f"its process {what} ({_ending(task.process.exitcode)})",
            "exit_code": 1,
        }
    _end(task)
    task.outcome.seconds += seconds
    _LOG.info("%s: %s took %.2f s", task.job.name, task.phase, seconds)
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
    outcomes[task.job.name] = task.outcome
    watcher.finished(task.job.name, task.outcome)


def _end(task: _Task) -> None:
    """End a process with all that it started."""
    if task.done:
        task.process.join(timeout=5)
    if task.process.is_alive() or not task.done or task.process.exitcode != 0:
        platform.end_with_all_it_started(task.process.pid)
        task.process.kill()
        task.process.join()
    if task.pipe is not None:
        task.pipe.close()


@contextmanager
def watching(notebooks: Sequence[Notebook]) -> Iterator[tuple[Watcher, Callable[[str], None]]]:
    """Who watches a run, and how a line is said beside it."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(), lambda line: print(line, file=sys.stderr, flush=True)
        return
    # No thread of its own: processes are forked from here.
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=False) as progress:
        yield _Bars(progress, notebooks), lambda line: progress.console.print(escape(line))


class _Lines:
    def started(self, name: str) -> None:
        pass

    def cell(self, name: str, number: int) -> None:
        pass

    def finished(self, name: str, outcome: Outcome) -> None:
        print(f"{name}: {told(outcome)}, {outcome.seconds:.1f} s", file=sys.stderr, flush=True)

    def tick(self) -> None:
        pass


class _Bars:
    def __init__(self, progress: Progress, notebooks: Sequence[Notebook]) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {
            notebook.name: progress.add_task(
                escape(notebook.name), start=False, state="waiting", total=notebook.cells
            )
            for notebook in notebooks
        }

    def started(self, name: str) -> None:
        self._progress.start_task(self._tasks[name])
        self._progress.update(self._tasks[name], state="running")

    def cell(self, name: str, number: int) -> None:
        self._progress.update(self._tasks[name], completed=number)

    def finished(self, name: str, outcome: Outcome) -> None:
        task = self._tasks[name]
        total = next(one.total for one in self._progress.tasks if one.id == task)
        self._progress.update(
            task, state=escape(told(outcome)), completed=None if outcome.error else total
        )
        self._progress.stop_task(task)
        self._progress.refresh()

    def tick(self) -> None:
        self._progress.refresh()


def told(outcome: Outcome) -> str:
    """What became of a notebook, in a few words."""
    if outcome.error is None:
        return "succeeded"
    message = " ".join(str(outcome.error["message"]).split())
    return f"failed: {outcome.error['type']}: {message[:300]}"
