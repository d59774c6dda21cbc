"""Lengths of time as people write them: `"14D"`, `"30min"`, `"90s"`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

from cjlib.errors import CjlibError, shown

Duration: TypeAlias = str | timedelta
"""A length of elapsed time: text with a unit, or a timedelta (`pd.Timedelta` is one)."""

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "D": 86_400_000_000,
    "W": 604_800_000_000,
}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
_ALSO = {
    "d": "D",
    "day": "D",
    "days": "D",
    "w": "W",
    "week": "W",
    "weeks": "W",
    "H": "h",
    "hour": "h",
    "hours": "h",
    "m": "min",
    "minute": "min",
    "minutes": "min",
    "sec": "s",
    "second": "s",
    "seconds": "s",
}


def microseconds(value: Duration, option: str) -> int:
    """The length in whole microseconds of elapsed time: `1D` is 86,400 s, whatever the clocks do."""
    length = (
        value // timedelta(microseconds=1)
        if isinstance(value, timedelta)
        else _parsed(value, option)
    )
    if length < 0:
        raise CjlibError(f"{option}: a duration cannot be negative. Got {shown(value)}.")
    return length


def _parsed(value: object, option: str) -> int:
    written = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    unit = _ALSO.get(written[2], written[2]) if written else ""
    if written is None or unit not in MICROSECONDS:
        raise CjlibError(
            f"{option}: must be a duration with its unit, such as '14D', '6h', '30min' or '90s'. Got {shown(value)}."
        )
    return round(float(written[1]) * MICROSECONDS[unit])
