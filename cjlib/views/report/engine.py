"""A kernel inside the process that runs the notebook: `papermill --engine cj`, which papermill finds as an entry point.

No socket, no second process and no waiting stand between a cell and its output; nbclient's own client reads the kernel's messages, so that outputs,
displays that are updated and Output widgets are those of any other kernel. What ends the process ends the kernel.

Import papermill before this module: papermill loads its engines, this one too, while it is imported.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from threading import Lock, Timer
from typing import Any

from ipykernel.inprocess.blocking import (
    BlockingInProcessChannel,
    BlockingInProcessKernelClient,
)
from ipykernel.inprocess.constants import INPROCESS_KEY
from ipykernel.inprocess.ipkernel import InProcessKernel
from jupyter_client.session import Session
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionComplete
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager
from papermill.iorw import papermill_io
from traitlets import Type
from traitlets.config import Config

PAUSE = 0.5
"""Seconds between two writings of a notebook that runs."""
CONFIG = Config({"HistoryManager": {"enabled": False}})
"""What a person typed is for their history, what a schedule runs is not."""


class SparingManager(NotebookExecutionManager):
    """Writes the notebook at most twice a second rather than twice a cell: writing it took longer than many a cell.

    What is not yet on disk is written half a second later, also while a cell runs, so that a notebook that hangs, or is killed, is on disk as far as it came.
    """

    def __init__(self, nb: Any, *, done: Callable[[int], None], **options: Any) -> None:
        super().__init__(nb, **options)
        self._done = done
        self._written = -math.inf
        self._writing = Lock()
        self._later: Timer | None = None

    def cell_complete(self, cell: Any, cell_index: int | None = None, **options: Any) -> None:
        """Say how far it is."""
        super().cell_complete(cell, cell_index=cell_index, **options)
        self._done((cell_index or 0) + 1)

    def save(self, **options: Any) -> None:
        """Write the notebook, now or soon."""
        self.nb = options.get("nb") or self.nb
        if time.monotonic() - self._written >= PAUSE:
            self._write()
        elif self._later is None or not self._later.is_alive():
            self._later = Timer(PAUSE, self._write)
            self._later.daemon = True
            self._later.start()

    def close(self) -> None:
        """Write nothing later."""
        if self._later is not None:
            self._later.cancel()
            self._later.join()

    def _write(self) -> None:
        with self._writing:
            if self.output_path:
                # In one line, which is five times as fast; papermill writes it as notebooks are written once it has finished.
                papermill_io.write(json.dumps(self.nb, ensure_ascii=False), self.output_path)
            self._written = time.monotonic()


class ShellChannel(BlockingInProcessChannel):
    """A channel on which an Output widget may answer the kernel, which replies nothing to that."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand a message to the kernel."""
        client: Any = self.client
        kernel = client.kernel
        client.session.send(kernel.shell_stream, message)
        run_sync(kernel.dispatch_shell)(kernel.shell_stream.recv_multipart())


class KernelClient(BlockingInProcessKernelClient):
    """ipykernel's client of a kernel in this process, with that channel."""

    shell_channel_class = Type(ShellChannel)  # pyright: ignore[reportAssignmentType] — as the library does it


class InProcessClient(PapermillNotebookClient):
    """nbclient's client, asking a kernel of this process; cells run in its main thread."""

    def execute(self, **_: Any) -> Any:
        """Run all cells."""
        self.reset_execution_trackers()
        with _kernel() as kernel:
            self.kc = KernelClient(kernel=kernel, session=kernel.session)
            self.kc.start_channels()
            self.papermill_execute_cells()
            self.nb.metadata["language_info"] = kernel.language_info
        return self.nb

    def execute_cell(  # pyright: ignore[reportIncompatibleMethodOverride] — there it is made from a coroutine
        self, cell: Any, cell_index: int, **_: Any
    ) -> Any:
        """Run one cell and take what it has shown; CellExecutionError where it failed."""
        if cell.cell_type != "code" or not cell.source.strip():
            return cell
        kernel = self.kc
        assert isinstance(kernel, KernelClient)
        cell.outputs = []
        self.clear_before_next_output = False
        asked = kernel.execute(cell.source, allow_stdin=False)
        self.code_cells_executed += 1
        for message in _said(kernel):
            # What is printed names no cell; what answers a widget names that.
            if message["parent_header"].get("msg_id", asked) == asked:
                with suppress(CellExecutionComplete):
                    self.process_message(message, cell, cell_index)
        reply = kernel.get_shell_msg(timeout=self.iopub_timeout)
        run_sync(self._check_raise_for_error)(cell, cell_index, reply)
        return cell


def _said(client: KernelClient) -> Iterator[dict[str, Any]]:
    """Every message of a cell that has run: after the flush all have come."""
    assert client.kernel is not None
    client.kernel.stdout.flush()
    client.kernel.stderr.flush()
    channel: Any = client.iopub_channel
    while channel.msg_ready():
        yield channel.get_msg()


@contextmanager
def _kernel() -> Iterator[InProcessKernel]:
    kernel = InProcessKernel.instance(session=Session(key=INPROCESS_KEY), config=CONFIG)
    assert kernel.shell is not None
    kernel.shell.loop_runner = _in_thread
    sys.path.insert(0, "")  # the notebook's folder, as in Lab
    try:
        yield kernel
    finally:
        sys.path.remove("")
        kernel.iopub_thread.stop()
        InProcessKernel.clear_instance()


def _in_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a cell that awaits runs on: this thread's loop is busy with the cell itself."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


class InProcessEngine(Engine):
    """papermill's engine "cj"."""

    @classmethod
    def execute_notebook(  # pyright: ignore[reportIncompatibleMethodOverride] — papermill gives all of these by name
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool = True,
        log_output: bool = False,
        done: Callable[[int], None] = lambda number: None,
        **options: Any,
    ) -> Any:
        """Execute a notebook in memory, written as it goes."""
        manager = SparingManager(
            nb, done=done, output_path=output_path, progress_bar=progress_bar, log_output=log_output
        )
        manager.notebook_start()
        try:
            client = InProcessClient(
                manager, kernel_name=kernel_name, log_output=log_output, record_timing=False
            )
            client.execute()
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
            # Last, since to complete it is to save it: what were written later would meet papermill's own last writing.
            manager.close()
        return manager.nb
