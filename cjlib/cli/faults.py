"""How a command ends: one message and an exit code for every fault, and an orderly end on a signal."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from cjlib import logs
from cjlib.errors import CjlibError

INTERRUPTED, TERMINATED = 130, 143


@contextmanager
def faults(
    debug: bool, as_json: bool = False, journey: Path | None = None, verbose: bool = False
) -> Iterator[None]:
    """Every fault ends in one message and its exit code; a traceback is shown on demand only."""
    if verbose:
        logs.tell_on_stderr()
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except (Exception, _Stopped) as fault:
        _leave(*_message_and_code(fault), debug, as_json, journey)


def _message_and_code(fault: BaseException) -> tuple[str, int]:
    """What to say of a fault, and the exit code it leaves with."""
    if isinstance(fault, CjlibError):
        return str(fault), fault.exit_code
    if isinstance(fault, _Stopped):
        return "stopped by a signal; nothing was published", fault.code
    if isinstance(fault, OSError):
        return (f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault)), 1
    said = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
    return (
        f"internal error: {said}. Run it again with --debug and report what it shows.",
        1,
    )


def _leave(message: str, code: int, debug: bool, as_json: bool, journey: Path | None) -> NoReturn:
    from cjlib.views.report.redaction import Mask, named_in

    texts = (
        [journey.read_text(encoding="utf-8", errors="replace")]
        if journey and journey.is_file()
        else []
    )
    mask = Mask(named_in(texts))
    masked = mask(message)
    if debug:
        note(mask(traceback.format_exc()))
    note(f"cj: {masked}")
    if as_json:
        print(
            json.dumps(
                {
                    "status": "refused" if code in (2, 3) else "failed",
                    "exit_code": code,
                    "error": masked,
                },
                ensure_ascii=False,
            )
        )
    raise typer.Exit(code)


def note(message: str) -> None:
    """Say it on stderr."""
    print(message, file=sys.stderr)


class _Stopped(BaseException):
    def __init__(self, code: int) -> None:
        self.code = code


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the run in order: kernels are ended, run.json says interrupted."""

    def stop(number: int, _frame: Any) -> NoReturn:
        raise _Stopped(INTERRUPTED if number == signal.SIGINT else TERMINATED)

    before: dict[int, Callable[..., Any] | int | None] = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
