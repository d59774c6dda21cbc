"""Instants: whole microseconds UTC, the business's zone, and the bounds a caller gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from cjlib.errors import CjlibError, did_you_mean, shown

DAY = 86_400_000_000
ONE = timedelta(microseconds=1)
_WRITTEN = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?|\d{8}"
)
_DATE_ONLY = re.compile(r"\d{4}-\d\d-\d\d|\d{8}")
_EARLIEST = -2_208_988_800_000_000  # 1900: before it zones kept local mean time
_LATEST = 7_258_118_400_000_000  # 2200


def zone_of(timezone: str | None, option: str = "timezone") -> ZoneInfo:
    """The zone of that name; UTC where none is given."""
    try:
        return ZoneInfo("UTC" if timezone is None else timezone)
    except (KeyError, ValueError, TypeError, OSError):
        known = did_you_mean(timezone, available_timezones())
        raise CjlibError(
            f"{option}: must be the name of a time zone, such as 'Europe/Berlin' or 'UTC'. Got {shown(timezone)}.{known}"
        ) from None


def instant_us(value: Any, zone: ZoneInfo, option: str, *, end: bool = False) -> int:
    """A bound as microseconds UTC.

    Without an offset it is read in the zone; at a clock change an hour that comes twice is its first, and one that does not
    exist is the first instant after it. A date without a time (also a date object, or a datetime at midnight) as `end`
    means to the end of that day: the last microsecond before the next local midnight.
    """
    stamp = _stamp(value, option)
    if not (end and _is_date(value, stamp)):
        return _utc(stamp, zone)
    return _utc(stamp + pd.Timedelta(days=1), zone) - 1


def end_of_data(last: int | None, zone: ZoneInfo, whole_days: bool) -> int:
    """To when a log is taken as complete where nobody says it: its last event, for a log of whole days the end of that day; 0 where it is empty."""
    if last is None or not whole_days:
        return last or 0
    day = pd.Timestamp(last, unit="us", tz="UTC").tz_convert(zone).date()
    return instant_us(day, zone, "observed_until", end=True)


def _stamp(value: Any, option: str) -> pd.Timestamp:
    allowed = f"{option}: must be a date or a time, such as '2025-01-31', '2025-01-31 18:00' or a datetime. Got {shown(value)}."
    readable = isinstance(value, date | datetime | np.datetime64) or (
        isinstance(value, str) and _WRITTEN.fullmatch(value.strip())
    )
    if not readable:
        raise CjlibError(allowed)
    try:
        stamp = pd.Timestamp(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise CjlibError(allowed) from None
    if stamp is pd.NaT:
        raise CjlibError(allowed)
    return stamp


def _is_date(value: Any, stamp: pd.Timestamp) -> bool:
    if isinstance(value, str):
        return _DATE_ONLY.fullmatch(value.strip()) is not None
    return stamp.tz is None and stamp == stamp.normalize()


def _utc(stamp: pd.Timestamp, zone: ZoneInfo) -> int:
    aware = (
        stamp.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        if stamp.tz is None
        else stamp
    )
    return int(aware.as_unit("us").asm8.view("i8"))


@dataclass(frozen=True)
class Clock:
    """A zone's offsets over a span of time, and the SQL that turns wall clock into instants.

    Times are whole microseconds; `column` must be the name of a column, for it stands several times in what is written.
    `changes` are (instant of the change, offset before, offset after), in order.
    """

    first: int
    changes: tuple[tuple[int, int, int], ...]

    def utc(self, column: str) -> str:
        """The instant of a wall-clock time; of an hour that comes twice the first."""
        return f"({column} - {self._offset(column)})"

    def utc_of_day(self, column: str) -> str:
        """The first instant of a day given by its midnight, also where the clocks skip midnight."""
        skipped = "".join(
            f" WHEN {column} >= {at + before} AND {column} < {at + after} THEN {at}"
            for at, before, after in self._gaps
        )
        return f"CASE{skipped} ELSE {self.utc(column)} END" if skipped else self.utc(column)

    def skipped(self, column: str) -> str:
        """Whether the wall clock never showed this time."""
        return self._within(column, [(at + before, at + after) for at, before, after in self._gaps])

    def twice(self, column: str) -> str:
        """Whether the wall clock showed this time twice."""
        return self._within(
            column,
            [(at + after, at + before) for at, before, after in self.changes if after < before],
        )

    @property
    def _gaps(self) -> list[tuple[int, int, int]]:
        return [change for change in self.changes if change[2] > change[1]]

    def _offset(self, column: str) -> str:
        cases = "".join(
            f" WHEN {column} >= {at + max(before, after)} THEN {after}"
            for at, before, after in reversed(self.changes)
        )
        return f"CASE{cases} ELSE {self.first} END" if cases else str(self.first)

    @staticmethod
    def _within(column: str, spans: list[tuple[int, int]]) -> str:
        return (
            f"({' OR '.join(f'({column} >= {low} AND {column} < {high})' for low, high in spans)})"
            if spans
            else "FALSE"
        )


def clock(zone: ZoneInfo, low: int, high: int) -> Clock:
    """The zone's clock for wall-clock times from `low` to `high`."""
    low, high = max(low, _EARLIEST) - 2 * DAY, min(max(high, _EARLIEST), _LATEST) + 2 * DAY
    days = range(min(low, high), high + DAY, DAY)
    offsets = [_offset_at(zone, at) for at in days]
    changes = [
        (_change(zone, at, before), before, after)
        for at, before, after in zip(days, offsets, offsets[1:], strict=False)
        if before != after
    ]
    return Clock(first=offsets[0], changes=tuple(changes))


def _offset_at(zone: ZoneInfo, at: int) -> int:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(zone)
    return (local.utcoffset() or timedelta()) // ONE


def _change(zone: ZoneInfo, low: int, before: int) -> int:
    """The first second, within a day after `low`, at which the offset is no longer the one before."""
    first, last = low // 1_000_000, low // 1_000_000 + 86_400
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (
            (middle, last) if _offset_at(zone, middle * 1_000_000) == before else (first, middle)
        )
    return last * 1_000_000
