"""Calendar periods in the business's zone, as instants: no engine needs to know a time zone.

A period starts at local midnight (an hour: at each full local hour); a day of a clock change is 23 or 25 hours long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import not_one_of

Period = Literal["hour", "day", "week", "month", "quarter", "year"]
WeekStart = Literal["monday", "sunday"]
PERIODS = ("hour", "day", "week", "month", "quarter", "year")
_STEP: dict[str, pd.DateOffset] = {
    "day": pd.DateOffset(days=1),
    "week": pd.DateOffset(weeks=1),
    "month": pd.DateOffset(months=1),
    "quarter": pd.DateOffset(months=3),
    "year": pd.DateOffset(years=1),
}


@dataclass(frozen=True)
class Calendar:
    """Consecutive periods: `starts` are instants in microseconds UTC, one more than there are periods; `labels` the local wall clock of each start."""

    period: str
    starts: NDArray[np.int64]
    labels: pd.DatetimeIndex

    def index(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The period of each instant; −1 before the first."""
        return np.searchsorted(self.starts, times, side="right") - 1

    def __len__(self) -> int:
        return len(self.labels)


def calendar(first: int, last: int, period: str, zone: ZoneInfo, *, week_start: str = "monday") -> Calendar:
    """The periods from the one that holds `first` to the one that holds `last` (microseconds UTC)."""
    check_period(period)
    if week_start not in ("monday", "sunday"):
        raise not_one_of("week_start", week_start, ["monday", "sunday"])
    if period == "hour":
        return _hours(first, last, zone)
    local_first, local_last = (pd.Timestamp(t, unit="us", tz="UTC").tz_convert(zone).tz_localize(None) for t in (first, last))
    start = _floor(local_first, period, week_start)
    labels = pd.date_range(start, local_last + _STEP[period], freq=_STEP[period], unit="us")
    labels = labels[: int(np.searchsorted(labels.to_numpy(), local_last.to_datetime64(), side="right")) + 1]
    starts = _instants(labels, zone)
    return Calendar(period, starts, labels[:-1])


def check_period(period: Any, allowed: tuple[str, ...] = PERIODS) -> None:
    """Refuse a period that is not one of the names."""
    if period not in allowed:
        raise not_one_of("period", period, allowed)


def _floor(local: pd.Timestamp, period: str, week_start: str) -> pd.Timestamp:
    day = local.normalize()
    if period == "week":
        return day - pd.Timedelta(days=(day.dayofweek + (week_start == "sunday")) % 7)
    anchors = {
        "day": day,
        "month": day.replace(day=1),
        "quarter": day.replace(day=1, month=3 * ((day.month - 1) // 3) + 1),
        "year": day.replace(day=1, month=1),
    }
    return anchors[period]


def _instants(labels: pd.DatetimeIndex, zone: ZoneInfo) -> NDArray[np.int64]:
    # A midnight that does not exist (some zones change clocks at midnight) starts when the clock resumes.
    aware = labels.tz_localize(zone, ambiguous=np.ones(len(labels), dtype=bool), nonexistent="shift_forward")
    return aware.tz_convert("UTC").as_unit("us").asi8


def _hours(first: int, last: int, zone: ZoneInfo) -> Calendar:
    # In elapsed hours, from a full local hour: an hour that comes twice at a clock change is two periods with one name.
    aware = pd.Timestamp(first, unit="us", tz="UTC").tz_convert(zone)
    into = (aware.minute * 60 + aware.second) * 1_000_000 + aware.microsecond
    starts = np.arange(first - into, last + 2 * 3_600_000_000, 3_600_000_000, dtype=np.int64)
    starts = starts[: int(np.searchsorted(starts, last, side="right")) + 1]
    labels = pd.DatetimeIndex(starts[:-1].astype("datetime64[us]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return Calendar("hour", starts, labels)
