"""Numbers, durations and labels as a reader sees them. Plain text: escaping is the business of whoever shows it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from typing import Any

from cjlib.show.tables import count_of  # noqa: F401 — a word like those here; it lies lower since sources say it too
from cjlib.sources.log.durations import in_words

DASH = "–"
"""What stands where a number is missing."""
_JOINS = {"\u200d", "\ufe0e", "\ufe0f"}


def missing(value: Any) -> bool:
    """Whether there is no number: None, NaN, NaT or pandas' NA."""
    if value is None or isinstance(value, (float, int, str)):
        return value is None or value != value  # noqa: PLR0124 — only NaN differs from itself
    import pandas as pd  # here, so that what renders reports does not wait for it

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def number(value: float | None) -> str:
    """`1,204`, `12.5`, `–` for missing."""
    if value is None or missing(value):
        return DASH
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.3g}"


def percent(share: float | None) -> str:
    """A share as `42.7 %`; what would round to nothing or to all without being it is `<0.1 %` or `>99.9 %`."""
    if share is None or missing(share):
        return DASH
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def interval(low: float | None, high: float | None) -> str:
    """The bounds of a share as `41.0–44.4 %`, or as `0.25–0.33 %` where one place would show no width."""
    if low is None or high is None or missing(low) or missing(high):
        return DASH
    places = next(
        (k for k in (1, 2) if low == high or f"{100 * low:.{k}f}" != f"{100 * high:.{k}f}"), 3
    )
    return f"{100 * low:.{places}f}–{100 * high:.{places}f} %"


def about(share: float | None) -> str:
    """A share in whole percents as `43 %`; `<1 %` or `>99 %` for what only rounds to nothing or to all."""
    if share is None or missing(share):
        return DASH
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def confidence(low: float | None, high: float | None) -> str:
    """The bounds of a share in words, `95 % interval 41.0–44.4 %`; nothing where there are none."""
    return (
        ""
        if low is None or high is None or missing(low) or missing(high)
        else f"95 % interval {interval(low, high)}"
    )


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign: `+3.2 points`, `−0.8 points`."""
    return DASH if difference is None or missing(difference) else f"{_signed(difference)} points"


def points_interval(low: float | None, high: float | None) -> str:
    """The bounds of a difference of shares: `+3.0 to +5.9 points`."""
    return (
        DASH
        if low is None or high is None or missing(low) or missing(high)
        else f"{_signed(low)} to {_signed(high)} points"
    )


def _signed(difference: float) -> str:
    told = signed(100 * difference, 1)
    return f"±{told}" if told == "0.0" else told


def signed(value: float | None, places: int = 0) -> str:
    """A number whose sign matters: `+15`, `−41`, `0`."""
    if value is None or missing(value):
        return DASH
    rounded = round(value, places)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):,.{places}f}"


def duration(seconds: float | None) -> str:
    """Seconds in the largest unit that shows them shortly: `1.5 hours`."""
    return (
        DASH
        if seconds is None or missing(seconds) or math.isinf(seconds)
        else in_words(round(seconds * 1_000_000))
    )


def short(text: object, most: int = 28) -> str:
    """The text in at most so many characters, cut with `…`; never between a letter and its accent or within a joined emoji."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    end = most - 1
    while end > 1 and (_extends(whole[end]) or whole[end - 1] == "\u200d"):
        end -= 1
    return whole[:end].rstrip() + "…"


def _extends(character: str) -> bool:
    return (
        character in _JOINS
        or unicodedata.combining(character) > 0
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def joined(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    every = list(parts)
    return (
        every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}" if every else ""
    )
