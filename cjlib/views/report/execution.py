"""One notebook, run with papermill in a process of its own (papermill changes the working directory of its process)."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.iorw import papermill_io

from cjlib.views.report.kernels import OwnKernel
from cjlib.views.report.redaction import Mask
from cjlib.views.report.run_store import write_whole

SCHEME = "masked:"
PAUSE = 0.5
"""Seconds between two writings of a notebook that runs."""
SOON = 0.05
"""Seconds after which the next cell is under way, so that there is time for what the last one has shown."""


class MaskedFiles:
    """Where papermill writes: whole files only, without secrets."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def write(self, buf: str, path: str) -> None:
        """Write the notebook as far as it has run."""
        write_whole(Path(path.removeprefix(SCHEME)), self._mask(buf))

    def pretty_path(self, path: str) -> str:
        """The path without the scheme."""
        return path.removeprefix(SCHEME)


class SparingManager(NotebookExecutionManager):
    """Writes the notebook at most twice a second rather than twice a cell: writing it took longer than many a cell.

    What is held back is written half a second later by the loop that waits for the kernel, so that a notebook that hangs, or is killed, is on
    disk as far as it came.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._written = -math.inf
        self._later: asyncio.TimerHandle | None = None

    def save(self, **options: Any) -> None:
        """Write the notebook, now or soon."""
        self.nb = options.get("nb") or self.nb
        if time.monotonic() - self._written >= PAUSE:
            self._write()
        elif self._later is None:
            self._later = ensure_event_loop().call_later(PAUSE, self._write)

    def _write(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self.output_path:
            # In one line, which is five times as fast; papermill writes the notebook as notebooks are written once it is through.
            papermill_io.write(json.dumps(self.nb, ensure_ascii=False), self.output_path)
        self._written = time.monotonic()


class SparingEngine(NBClientEngine):
    """papermill's own engine with that manager."""

    @classmethod
    def execute_notebook(  # pyright: ignore[reportIncompatibleMethodOverride] — papermill gives all of these by name
        cls, nb: Any, kernel_name: str, output_path: str | None = None, **options: Any
    ) -> Any:
        """Execute a notebook in memory, written as it goes."""
        manager = SparingManager(
            nb,
            output_path=output_path,
            progress_bar=options.pop("progress_bar"),
            log_output=options.pop("log_output"),
        )
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **options)
        finally:
            manager.notebook_complete()
        return manager.nb


papermill_engines.register("sparing", SparingEngine)


def warm_up() -> None:
    """Load what the first notebook would load, so that processes forked from here need not: the rules notebooks are checked by."""
    nbformat.validate(nbformat.v4.new_notebook())


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    mask: Mask,
    done: Callable[[int], None],
    kernel: Callable[[int], None],
    shown: Callable[[str], None] = lambda html: None,
    all_loaded: bool = False,
) -> None:
    """Run a notebook and write it with its outputs; what stops it is raised.

    Parameters
    ----------
    source, target
        The notebook, and where it goes with its outputs, written anew after every cell.
    parameters
        Values that stand in for the defaults.
    mask
        Takes secrets out of all that is written.
    done
        Called with the number of each cell that has run.
    kernel
        Called with the process of the kernel once it is there.
    shown
        Called with each HTML that a cell has shown, while the next cells run.
    all_loaded
        Whether the kernel needs all that the nursery loads.
    """
    papermill_io.register(SCHEME, MaskedFiles(mask))
    try:

        def executed(cell: Any, cell_index: int, **_: Any) -> None:
            done(cell_index + 1)
            for html in _shown(cell):
                ensure_event_loop().call_later(SOON, shown, html)

        _execute(
            source,
            target,
            parameters,
            executed=executed,
            kernel={"report": staticmethod(kernel), "all_loaded": all_loaded},
        )
    finally:
        if target.exists():
            _drop_widgets(target)


def _shown(cell: Any) -> Iterator[str]:
    for output in cell.get("outputs", []):
        html = output.get("data", {}).get("text/html")
        if html:
            yield html


def _drop_widgets(notebook: Path) -> None:
    """Widgets are dead without their kernel, and their state can be megabytes. It cannot be switched off: nbclient breaks on Output widgets then."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    if content["metadata"].pop("widgets", None):
        write_whole(notebook, json.dumps(content, ensure_ascii=False, indent=1))


def _execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    *,
    executed: Callable[..., None],
    kernel: Mapping[str, Any],
) -> None:
    with tempfile.TemporaryDirectory(prefix="cj-", ignore_cleanup_errors=True) as sockets:
        papermill.execute_notebook(
            source,
            f"{SCHEME}{target}",
            parameters=dict(parameters),
            engine_name="sparing",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=source.parent,
            kernel_manager_class=type("Kernel", (OwnKernel,), {**kernel, "sockets": sockets}),
            on_cell_executed=executed,
        )
