"""How far long work is: a bar for who is there to see it, nothing for who is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(
    words: str = "texts", *, file: IO[str] | None = None
) -> Callable[[int, int], None]:
    """A bar to hand to what takes long: `cj.sentiment(feedback, progress=cj.progress_bar())`.

    It appears with the first news of work that is not done yet, moves with each further one and
    goes when all is done, so that nothing of it stays in a notebook or a log. It is shown in a
    terminal (on stderr) and in a live notebook; nowhere else, and never in a report
    (`CJLIB_MODE=report`).

    Parameters
    ----------
    words
        What is counted.
    file
        Where to write instead of stderr.

    Returns
    -------
    callable
        Takes how far the work is and how far it goes.
    """
    console = Console(file=file, stderr=file is None)
    seen = (console.is_terminal or console.is_jupyter) and os.environ.get("CJLIB_MODE") != "report"
    shown: list[Progress] = []

    def tell(done: int, of: int) -> None:
        if not seen or (done >= of and not shown):
            return
        if not shown:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            bar = Progress(*columns, console=console, auto_refresh=False, transient=True)
            bar.add_task(escape(words), total=of)
            bar.start()
            shown.append(bar)
        shown[0].update(shown[0].task_ids[0], completed=done, total=of, refresh=True)
        if done >= of:
            shown.pop().stop()

    return tell
