"""What cjlib raises: what was given, what is allowed, what to do.

Every error carries the exit code that the command line leaves with, so that a scheduler learns the kind of
fault without reading a word of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LONGEST_SHOWN = 80


class CjlibError(Exception):
    """A fault of the call: an option, a name or a file that cannot be used as given."""

    exit_code = 2


class JourneyError(CjlibError):
    """A journey file that cannot be used; the message lists every fault with its key and line."""


class DataError(CjlibError):
    """Data that is missing, unreadable, stale, or that breaks the data contract.

    Where reading stopped because too many rows were quarantined, `quarantine` has those rows and
    `quality` what was found.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        quality: pd.DataFrame | None = None,
        quarantine: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(message)
        self.quality = quality
        self.quarantine = quarantine


def of_source(fault: CjlibError, name: str) -> CjlibError:
    """The same fault, said of one source of several."""
    text = str(fault).removeprefix("source: ")
    fault.args = (f"source {shown(name)}: {text}",)
    return fault


def shown(value: object) -> str:
    """A value from outside as it may stand in a message: its repr, at most 80 characters, cut in the middle, for the end of a path is its name."""
    text = repr(value)
    half = LONGEST_SHOWN // 2
    return text if len(text) <= LONGEST_SHOWN else f"{text[: half - 1]}…{text[-half:]}"


def did_you_mean(name: object, allowed: Iterable[object]) -> str:
    """`" Did you mean 'x'?"` for the nearest allowed name, or nothing when none is near."""
    by_key = {str(candidate).casefold(): str(candidate) for candidate in allowed}
    near = get_close_matches(str(name).casefold(), by_key, n=1, cutoff=0.6)
    return f" Did you mean {shown(by_key[near[0]])}?" if near else ""


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names as a message lists them: the first few, and how many more there are."""
    every = [shown(name) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def not_one_of(option: str, given: object, allowed: Iterable[object]) -> CjlibError:
    """The error for an option that must be one of a few names."""
    names = list(allowed)
    return CjlibError(
        f"{option}: must be one of {listed(names, most=20)}. Got {shown(given)}.{did_you_mean(given, names)}"
    )


def not_a_log(given: object) -> CjlibError:
    """The error for what should be an event log here and is none; one that lies elsewhere says what it cannot answer."""
    needs_events = getattr(given, "needs_events", None)
    if needs_events is not None:
        return needs_events()
    return CjlibError(
        f"log: must be an event log, as cj.read_events gives it. Got {shown(type(given).__name__)}."
    )


def check_seed(seed: object) -> None:
    """A seed is a whole number, 0 or more."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:  # type: ignore[call-overload]
        raise CjlibError(f"seed: must be a whole number, 0 or more. Got {shown(seed)}.")


def unknown_column(
    option: str, given: object, columns: Iterable[object], what: str = "log"
) -> CjlibError:
    """The error for a column that the log (or the feedback) does not have."""
    names = list(columns)
    have = (
        f"The {what} has: {listed(names, most=20)}."
        if names
        else "The log has no columns beyond customer, event and time."
    )
    return CjlibError(
        f"{option}: there is no column {shown(given)}.{did_you_mean(given, names)} {have}"
    )
