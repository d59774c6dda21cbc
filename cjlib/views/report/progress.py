"""How far a run is, on stderr: bars in a terminal, one line a notebook elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cjlib.views.report.parameters import Notebook
from cjlib.views.report.pool import Watcher
from cjlib.views.report.worker import Outcome


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
            one.name: progress.add_task(
                escape(one.name), start=False, state="waiting", total=one.cells
            )
            for one in notebooks
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
        return "through"
    message = " ".join(str(outcome.error["message"]).split())
    return f"failed: {outcome.error['type']}: {message[:300]}"
