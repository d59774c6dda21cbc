"""Kernels that are there at once: one process loads what they need while the rest gets ready, and every kernel is forked from it.

Loading takes two to four seconds, in each kernel anew; forked kernels share it. What only some kernels need is loaded after the first
kernels are forked. It is done on Linux only, where forking a process of one thread is safe; elsewhere kernels start as usual. The process
that serves has read no data and holds nothing open.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from cjlib import errors

_MESSAGE = 65_536


class Nursery:
    """A process that becomes a kernel as often as it is asked.

    Parameters
    ----------
    first
        Modules that are loaded before any kernel is forked; `module:function` calls that function then.
    later
        Modules that are loaded while no kernel is asked for, and before those that ask for all.
    """

    def __init__(self, first: Iterable[str], later: Iterable[str] = ()) -> None:
        self._ask, self._serve = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = os.fork()
        if self.process == 0:
            self._ask.close()
            _serve(self._serve, first, later)
        self._serve.close()

    def kernel(self, arguments: list[str], cwd: str, *, all_loaded: bool = False) -> Forked:
        """A kernel with these arguments in that folder; its words go where this process's words go."""
        return Forked(self._send({"arguments": arguments, "cwd": cwd, "all_loaded": all_loaded}))

    def read_journey(self, path: str) -> None:
        """Read a journey file where the libraries are; a fault of it is raised here."""
        with self._send({"journey": path}) as line, line.makefile("rb") as answer:
            kind, message = json.loads(answer.read() or b'["", ""]')
        if kind:
            raise getattr(errors, kind, errors.CjlibError)(message)

    def _send(self, request: Mapping[str, Any]) -> socket.socket:
        mine, theirs = socket.socketpair()
        socket.send_fds(self._ask, [json.dumps(request).encode()], [theirs.fileno(), 1, 2])
        theirs.close()
        return mine

    def close(self) -> None:
        """Nobody asks any more: end the process, whatever it is still loading."""
        self._ask.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)


class Forked:
    """A forked kernel with the face of a `Popen`. The line between the two is what tells each that the other is gone."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.returncode: int | None = None
        said = line.recv(64)
        if not said:
            raise RuntimeError("the kernel could not be started")
        self.pid = int(said)

    def poll(self) -> int | None:
        """Nothing while it lives; how it ended is not known, only that it did."""
        if (
            self.returncode is None
            and select.select([self._line], [], [], 0)[0]
            and not self._line.recv(64)
        ):
            self.returncode = 1
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end."""
        select.select([self._line], [], [], timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal to it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class _Request(NamedTuple):
    asked: dict[str, Any]
    descriptors: list[int]
    """The line to whoever asks, and where words and complaints go."""

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _serve(requests: socket.socket, first: Iterable[str], later: Iterable[str]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        _load(first)
        missing, held = deque(later), list[_Request]()
        while True:
            if missing and not select.select([requests], [], [], 0)[0]:
                _load([missing.popleft()])
                continue
            if not missing:
                while held:
                    _fork(requests, held.pop(0), held)
            message, descriptors, _, _ = socket.recv_fds(requests, _MESSAGE, 3)
            if not message:
                os._exit(0)
            request = _Request(json.loads(message), descriptors)
            if missing and request.asked.get("all_loaded"):
                held.append(request)
            else:
                _fork(requests, request, held)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _load(modules: Iterable[str]) -> None:
    for name in modules:
        module, _, function = name.partition(":")
        with suppress(Exception):  # a notebook that needs it says so itself
            loaded = import_module(module)
            if function:
                getattr(loaded, function)()
    # What is loaded stays: no kernel need look through it for garbage, nor copy the pages it lies on.
    gc.freeze()


def _fork(requests: socket.socket, request: _Request, held: Iterable[_Request]) -> None:
    if os.fork() == 0:
        requests.close()
        for other in held:
            other.close()
        line, out, err = request.descriptors
        if "journey" in request.asked:
            _check(request.asked["journey"], line)
        _become(request.asked, line, out, err)
    request.close()


def _check(path: str, line: int) -> NoReturn:
    """Say what is wrong with a journey file: the class of the error and its message, or two empty texts."""
    said = ("", "")
    try:
        from cjlib.sources.journey import read_journey

        read_journey(path)
    except Exception as fault:
        said = (type(fault).__name__, str(fault))
    with os.fdopen(line, "wb") as answer:
        answer.write(json.dumps(said).encode())
    os._exit(0)


def _become(request: dict[str, Any], line: int, out: int, err: int) -> NoReturn:
    """Be a kernel, until it is shut down or whoever asked for it is gone."""
    try:
        os.setsid()
        for number, handler in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGCHLD, signal.SIG_DFL),
        ):
            signal.signal(number, handler)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["cwd"])
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        os.write(line, str(os.getpid()).encode())
        threading.Thread(target=_end_with, args=(line,), daemon=True).start()
        sys.argv = ["kernel", *request["arguments"], f"--IPKernelApp.parent_handle={os.getppid()}"]
        from cjlib.views.report import kernel

        kernel.serve()
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        os._exit(0)


def _end_with(line: int) -> None:
    with suppress(OSError):
        os.read(line, 1)
    os.killpg(os.getpid(), signal.SIGKILL)
