"""Calendar periods in the business's zone, as instants: no engine needs to know a time zone.

A period starts at local midnight (an hour: at each full local hour); a day of a clock change is 23 or 25 hours long. A midnight that comes
twice starts its day the first time; one that does not exist starts its day when the clock resumes; a day that a zone left out is no period.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import not_one_of

Period = Literal["hour", "day", "week", "month", "quarter", "year"]
WeekStart = Literal["monday", "sunday"]
PERIODS = ("hour", "day", "week", "month", "quarter", "year")
WEEK_STARTS = ("monday", "sunday")
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
EXACT = {"hour": HOUR, "day": DAY, "week": 7 * DAY}
"""Periods that have a length in elapsed time; the others are months."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}
MANY, MOST_STEPS, AT_ONCE = 100_000, 200_000, 65_536
"""From so many instants on their periods are looked up by steps, where at most so many steps make the calendar; so many instants at once."""
Micros = NDArray[np.int64]


@dataclass(frozen=True)
class Offsets:
    """A zone's distance from UTC: from instant `starts[i]` on, the local clock shows the instant + `shifts[i]` (microseconds)."""

    starts: Micros
    shifts: Micros

    def local(self, times: Micros) -> Micros:
        """What the local clock shows at these instants, as microseconds without a zone."""
        return times + self.shifts[np.searchsorted(self.starts, times, side="right") - 1]

    def instant(self, wall: Micros) -> Micros:
        """When the local clock shows this: the first time if it does so twice; when the clock resumes if it never does."""
        held = np.searchsorted(self.turns, wall, side="right")
        resumes = np.append(self.starts[1:], np.iinfo(np.int64).max)[held]
        return np.minimum(wall - self.shifts[held], resumes)

    @property
    def turns(self) -> Micros:
        """From which wall time on the next shift is the one to subtract."""
        return self.starts[1:] + np.maximum(self.shifts[:-1], self.shifts[1:])


@dataclass(frozen=True)
class Calendar:
    """Consecutive periods: `starts` are instants in microseconds UTC, one more than there are periods; `labels` the local wall clock of each start."""

    period: str
    starts: Micros
    labels: pd.DatetimeIndex

    def index(self, times: Micros) -> NDArray[np.int64]:
        """The period of each instant; −1 before the first."""
        steps = self._steps if times.size >= MANY else None
        if steps is None:
            return np.searchsorted(self.starts, times, side="right") - 1
        length, period = steps
        found = np.empty(times.size, dtype=np.int64)
        for start in range(
            0, times.size, AT_ONCE
        ):  # so many stay in the processor's cache: a fifth of the time
            block = slice(start, start + AT_ONCE)
            # One place before and one after the calendar stand for everything out there.
            place = times[block] - (self.starts[0] - length)
            place //= length
            np.take(period, np.clip(place, 0, period.size - 1, out=place), out=found[block])
        return found

    @cached_property
    def _steps(self) -> tuple[int, NDArray[np.int64]] | None:
        """The longest steps that all periods are made of, and the period of each; None where a clock change makes them too short to be few."""
        length = int(np.gcd.reduce(np.diff(self.starts)))
        steps = int(self.starts[-1] - self.starts[0]) // length
        if steps > MOST_STEPS:
            return None
        return length, np.searchsorted(
            self.starts, self.starts[0] + np.arange(-1, steps + 1) * length, side="right"
        ) - 1

    def index_sql(self, column: str = "t") -> str:
        """The same as SQL over a column of microseconds that lie within the calendar; 0 where it has no periods, and nothing lies in it."""
        return _index_sql(_runs(self), column) if len(self) else "0"

    @property
    def days(self) -> NDArray[np.float64]:
        """How many local days each period has; a day of a clock change is one, and so is an hour."""
        return np.maximum(np.rint(np.diff(self.starts) / DAY), 1.0)

    def begins_whole(self, first: int) -> bool:
        """Whether data from an instant on cover the first period: they begin on its first day, or the period is no longer than one."""
        return first < int(self.starts[0]) + DAY or float(self.days[0]) <= 1

    def __len__(self) -> int:
        return len(self.labels)


def calendar(
    first: int, last: int, period: str, zone: ZoneInfo, *, week_start: str = "monday"
) -> Calendar:
    """The periods from the one that holds `first` to the one that holds `last` (microseconds UTC)."""
    check_period(period)
    if week_start not in WEEK_STARTS:
        raise not_one_of("week_start", week_start, WEEK_STARTS)
    # Wider than asked, then cut: at a clock change the wall clock alone does not tell which side of midnight an instant is on.
    if period == "hour":
        offsets = zone_offsets(first - 2 * DAY, last + 2 * DAY, zone)
        starts = _hour_starts(first - DAY, last + DAY, offsets)
        walls = offsets.local(starts) // HOUR * HOUR
    else:
        offsets = zone_offsets(first - 400 * DAY, last + 800 * DAY, zone)
        walls = _midnights(
            offsets.local(np.array([first - 2 * DAY, last + 2 * DAY])), period, week_start
        )
        starts = offsets.instant(walls)
        real = np.append(np.diff(starts) > 0, True)
        starts, walls = starts[real], walls[real]
    begin = int(np.searchsorted(starts, first, side="right")) - 1
    stop = int(np.searchsorted(starts, last, side="right"))
    return Calendar(
        period,
        starts[begin : stop + 1],
        pd.DatetimeIndex(walls[begin:stop].astype("datetime64[us]")),
    )


def check_period(period: Any, allowed: tuple[str, ...] = PERIODS) -> None:
    """Refuse a period that is not one of the names."""
    if period not in allowed:
        raise not_one_of("period", period, allowed)


def zone_offsets(first: int, last: int, zone: ZoneInfo) -> Offsets:
    """The zone's clock changes between two instants, to the second."""
    grid = np.arange(first // SECOND * SECOND, last + 2 * DAY, DAY, dtype=np.int64)
    shifts = _shifts(grid, zone)
    changed = np.flatnonzero(np.diff(shifts))
    before, after = grid[changed], grid[changed + 1]
    while (after - before > SECOND).any():
        middle = (before + after) // 2 // SECOND * SECOND
        unchanged = _shifts(middle, zone) == shifts[changed]
        before, after = np.where(unchanged, middle, before), np.where(unchanged, after, middle)
    return Offsets(
        np.append(np.iinfo(np.int64).min, after), np.append(shifts[:1], shifts[changed + 1])
    )


def anniversaries(times: Micros, months: NDArray[np.int64] | int, offsets: Offsets) -> Micros:
    """So many months later by the local clock, at the same day and time of day; a day that the month lacks is its last day."""
    wall = offsets.local(times)
    day, clock = np.divmod(wall, DAY)
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    into = (date - month.astype("datetime64[D]")).astype(np.int64)
    target = month + np.asarray(months, dtype="timedelta64[M]")
    ends = (target + np.timedelta64(1, "M")).astype("datetime64[D]")
    longest = (ends - target.astype("datetime64[D]")).astype(np.int64)
    moved = target.astype("datetime64[D]").astype(np.int64) + np.minimum(into, longest - 1)
    return offsets.instant(moved * DAY + clock)


def _shifts(times: Micros, zone: ZoneInfo) -> Micros:
    aware = pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC").tz_convert(zone)
    return aware.tz_localize(None).as_unit("us").asi8 - times


def _midnights(span: Micros, period: str, week_start: str) -> Micros:
    """The walls at which periods start, from the one that holds the first of two walls to one after the second."""
    days = span // DAY
    if period in MONTHS:
        unit = MONTHS[period]
        low, high = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // unit
        starts = (
            (np.arange(low, high + 2) * unit)
            .astype("datetime64[M]")
            .astype("datetime64[D]")
            .astype(np.int64)
        )
        return starts * DAY
    length = 7 if period == "week" else 1
    # 1970-01-01 was a Thursday: three days after a Monday, four after a Sunday.
    ahead = 0 if period == "day" else 3 if week_start == "monday" else 4
    low, high = (days + ahead) // length
    return (np.arange(low, high + 2) * length - ahead) * DAY


def _hour_starts(first: int, last: int, offsets: Offsets) -> Micros:
    """Full local hours, and clock changes that jump past one; an hour that comes twice is two periods with one name."""
    edges = np.append(offsets.starts[1:], last + 2 * HOUR)
    begins = np.append(first - 2 * HOUR, offsets.starts[1:])
    pieces = []
    for begin, end, shift in zip(
        begins.tolist(), edges.tolist(), offsets.shifts.tolist(), strict=True
    ):
        pieces.append(
            np.arange(-(-(begin + shift) // HOUR) * HOUR - shift, end, HOUR, dtype=np.int64)
        )
    jumped = offsets.starts[1:][
        offsets.local(offsets.starts[1:]) // HOUR > offsets.local(offsets.starts[1:] - 1) // HOUR
    ]
    return np.unique(np.concatenate([*pieces, jumped]))


Run = tuple[int, int, int, int]
"""First instant, its period, the last period of the run, the length of each (0 = a run of one)."""


def _runs(periods: Calendar) -> list[Run]:
    """Stretches of periods of one length: clock changes and months end a run."""
    length = EXACT.get(periods.period, 0)
    starts = periods.starts[:-1]
    drift = starts - np.arange(len(starts)) * length
    begins = np.flatnonzero(np.append(True, np.diff(drift) != 0))
    ends = np.append(begins[1:], len(starts)) - 1
    return [
        (int(starts[a]), int(a), int(b), length)
        for a, b in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def _index_sql(runs: list[Run], column: str) -> str:
    if len(runs) > 1:
        middle = len(runs) // 2
        return f"CASE WHEN {column} < {runs[middle][0]} THEN {_index_sql(runs[:middle], column)} ELSE {_index_sql(runs[middle:], column)} END"
    begin, first, last, length = runs[0]
    # The last period of a run may be longer than the others (a day of 25 hours).
    return (
        str(first)
        if first == last
        else f"LEAST(({column} - {begin}) // {length} + {first}, {last})"
    )
