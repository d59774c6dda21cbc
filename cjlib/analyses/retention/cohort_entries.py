"""Who enters which cohort, when, and with which value of `by`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.first_events import Firsts, Groups, Whole, first_events, grouped, nobody
from cjlib.shared.periods import Calendar, Micros, Offsets, anniversaries, zone_offsets
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Entries:
    """One entry a customer and cohort, by customer and period.

    Attributes
    ----------
    customer, at, period
        Customer code, instant of the cohort event (microseconds UTC), and its place in the calendar.
    own
        Whether the cohort's own event is a return event, so that it must not count as its own return.
    group, cohort
        Which group of `by`, and which cohort (its period, or with `cohort_by` its value), as codes.
    tied
        How many further events tie as cohort events.
    """

    customer: Whole
    at: Whole
    period: Whole
    own: NDArray[np.bool_]
    group: Whole
    cohort: Whole
    tied: int

    def __len__(self) -> int:
        return len(self.customer)


def entries_of(
    log: EventLog, question: Question, scope: Scope
) -> tuple[Entries, Groups, Groups | None]:
    """The entries, the groups of `by` and, with `cohort_by`, the cohorts that their codes stand for."""
    firsts = _firsts(log, question, scope)
    group, groups = grouped(log, firsts, question.by, "by")
    cohort, cohorts = (
        (firsts.period, None)
        if question.cohort_by is None
        else grouped(log, firsts, (question.cohort_by,), "cohort_by")
    )
    # If any of the events that tie as the first is no return event, that one is the cohort's own.
    return (
        Entries(
            firsts.customer,
            firsts.at,
            firsts.period,
            firsts.agree,
            group,
            cohort,
            len(firsts.tied_row) - len(firsts),
        ),
        groups,
        cohorts,
    )


def _firsts(log: EventLog, question: Question, scope: Scope) -> Firsts:
    """The customers' cohort events: the first in the whole log, the first in range, or the first of every period."""
    if scope.nobody:
        return nobody()
    in_range = (
        f"t >= {scope.begin} AND t < {scope.stop} AND " if question.cohort != "first_ever" else ""
    )
    firsts = first_events(
        log,
        question.start_event,
        "start_event",
        f"{in_range}t <= {scope.until}",
        period=scope.periods.index_sql(),
        each_period=question.recurring,
        agree=(
            log.match(question.return_event, "return_event"),
            bool(question.return_event.first_time),
        ),
    )
    return firsts.only((firsts.period >= scope.first) & (firsts.period <= scope.last))


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
