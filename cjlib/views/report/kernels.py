"""Kernels of this environment, reached as fast as they can be: forked where that is safe, heard without idle waiting."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from queue import Empty
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Type, default

from cjlib.views.report.nursery import Nursery

LONGEST_FOLDER = 90
"""The path of a socket has at most some hundred characters."""
KERNEL = [
    sys.executable,
    "-m",
    "cjlib.views.report.kernel",
    "-f",
    "{connection_file}",
    "--HistoryManager.enabled=False",
]
"""What a person typed is for their history, what a schedule runs is not."""
RETRY_MS = 10
"""Between two tries to reach a kernel that is still opening its sockets; the library's own pause is ten times as long."""
ASKED_AGAIN, HEARD = 1.0, 0.2
"""Seconds after which a kernel is asked again, for an answer and for its voice on the channel of outputs."""
GONE = 0.01
"""Seconds between two looks whether a kernel that was told to end has ended."""


class Client(AsyncKernelClient):
    """Ready once the kernel has answered and its word that it idles again has come through the channel of outputs.

    The library waits until nothing has come for a fifth of a second; here the last word of the answer is known, so nothing is waited for.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Wait until the kernel answers and is heard; one that has died, or says nothing for so many seconds, is a RuntimeError."""
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        while not await self._answered(str(self.kernel_info())):
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > until:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _answered(self, asked: str) -> bool:
        """Whether the answer has come, and on the channel of outputs that it is over; where that channel was open too late, it has not."""
        try:
            reply = await self.shell_channel.get_msg(timeout=ASKED_AGAIN)
            if reply["msg_type"] != "kernel_info_reply":
                return False
            said: dict[str, Any] = {}
            while not (
                said.get("content", {}).get("execution_state") == "idle"
                and said["parent_header"].get("msg_id") == asked
            ):
                said = await self.iopub_channel.get_msg(timeout=HEARD)
        except Empty:
            return False
        self._handle_kernel_info_reply(reply)
        return True


class Provisioner(LocalProvisioner):
    """Gives jupyter_client a kernel from the nursery."""

    nursery: Nursery
    all_loaded: bool

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel with the arguments that would have followed the kernel's own start."""
        self.process = self.nursery.kernel(
            cmd[cmd.index("-f") :],
            str(kwargs.get("cwd") or os.getcwd()),
            all_loaded=self.all_loaded,
        )
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class OwnKernel(AsyncKernelManager):
    """Starts kernels of this very environment; a kernelspec named python3 in the user's home may belong to another one."""

    report: Callable[[int], None]
    """Told the kernel's process, so that it can be ended whatever becomes of this one."""

    nursery: Nursery | None = None
    """Where kernels come from; None: they start as usual."""

    all_loaded: bool = False
    """Whether it needs all that the nursery loads, and waits for it."""

    sockets: str = ""
    """A folder for the kernel's sockets."""

    client_factory = Type(Client, AsyncKernelClient)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Ports are found free, closed, and bound by the kernel later: of kernels that start together one may take another's port, and that one dies.
        if sys.platform != "win32" and len(self.sockets) <= LONGEST_FOLDER:
            self.transport, self.ip = "ipc", f"{self.sockets}/k"

    @default("context")
    def _context_default(self) -> zmq.asyncio.Context:
        self._created_context = True
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RECONNECT_IVL, RETRY_MS)
        return context

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel of `kernel.py`."""
        return KernelSpec(
            argv=list(KERNEL), display_name="Customer Journey Notebooks", language="python"
        )

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        if self.nursery is not None:
            self.provisioner = Provisioner(
                kernel_spec=self.kernel_spec, kernel_id=self.kernel_id, parent=self
            )
            self.provisioner.nursery, self.provisioner.all_loaded = self.nursery, self.all_loaded
        return await super()._async_pre_start_kernel(**options)

    async def _async_post_start_kernel(self, **options: Any) -> None:
        await super()._async_post_start_kernel(**options)
        self.report(getattr(self.provisioner, "pid", 0))

    async def _async_finish_shutdown(
        self, waittime: float | None = None, pollinterval: float = GONE, restart: bool = False
    ) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)
