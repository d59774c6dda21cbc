"""When a customer's periods begin: by the calendar, or counted from the cohort event.

A clock knows the customers' entries (`at`, the instant of the cohort event, and `period`, its place in the calendar) and says for any of them
(`which`, positions of entries) when period k begins, and in which period an instant lies. Period k holds its beginning, not its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.periods import Calendar, Micros, Offsets, anniversaries, zone_offsets
from cjlib.sources.log.event_log import EventLog

Whole = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
DAY = 86_400_000_000


class Clock(Protocol):
    """What counting needs to know of time."""

    def begins(self, which: Whole, k: Whole) -> Micros:
        """The instant at which period k of these entries begins."""
        ...

    def index(self, which: Whole, times: Micros) -> Whole:
        """The period of these entries in which the instants lie."""
        ...


@dataclass(frozen=True)
class CalendarClock:
    """Period k is the k-th calendar period after the cohort's."""

    periods: Calendar
    period: Whole

    def begins(self, which: Whole, k: Whole) -> Micros:  # noqa: D102 (said by Clock)
        place = self.period[which] + k
        known = self.periods.starts
        return np.where(place < len(known), known[np.minimum(place, len(known) - 1)], NEVER)

    def index(self, which: Whole, times: Micros) -> Whole:  # noqa: D102
        return self.periods.index(times) - self.period[which]


@dataclass(frozen=True)
class ElapsedClock:
    """Period k begins k lengths after the cohort event."""

    at: Micros
    length: int

    def begins(self, which: Whole, k: Whole) -> Micros:  # noqa: D102
        return self.at[which] + k * self.length

    def index(self, which: Whole, times: Micros) -> Whole:  # noqa: D102
        return (times - self.at[which]) // self.length


@dataclass(frozen=True)
class AnniversaryClock:
    """Period k begins k times so many months after the cohort event, by the local clock."""

    at: Micros
    months: int
    offsets: Offsets

    def begins(self, which: Whole, k: Whole) -> Micros:  # noqa: D102
        return anniversaries(self.at[which], k * self.months, self.offsets)

    def index(self, which: Whole, times: Micros) -> Whole:  # noqa: D102
        apart = _month(self.offsets.local(times)) - _month(self.offsets.local(self.at[which]))
        # Within its month an instant may lie before or after the anniversary; one on either side is tried.
        k = apart // self.months + 1
        for _ in range(2):
            k = np.where(self.begins(which, k) > times, k - 1, k)
        return k


def _month(wall: Micros) -> Whole:
    return (wall // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def clock_of(question: Question, scope: Scope, log: EventLog, at: Micros, period: Whole) -> Clock:
    """The clock that the question asks for."""
    if question.clock == "calendar":
        return CalendarClock(scope.periods, period)
    if question.length:
        return ElapsedClock(at, question.length)
    span = (scope.periods.starts[0], scope.periods.starts[-1])
    reach = 31 * DAY * question.months * 3
    return AnniversaryClock(
        at, question.months, zone_offsets(int(span[0]) - reach, int(span[1]) + reach, log.zone)
    )
