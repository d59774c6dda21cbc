"""Who enters which cohort, when, with which value of `by`, and who came back in which period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.event_arrays import first_at_or_after
from cjlib.shared.first_events import (
    Firsts,
    Groups,
    Whole,
    events_sql,
    first_events,
    grouped,
    nobody,
)
from cjlib.shared.periods import (
    EXACT,
    Calendar,
    Micros,
    Offsets,
    anniversaries,
    calendar,
    zone_offsets,
)
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
NEVER = np.iinfo(np.int64).max
DAY = 86_400_000_000


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


def cohort_column(scope: Scope, cohort: Whole, cohorts: Groups | None) -> pd.Series:
    """Cohorts as a table shows them: the local start of their period, or their value."""
    if cohorts is None:
        return pd.Series(scope.periods.labels[cohort])
    return cohorts.columns(cohort)[cohorts.names[0]]


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
        return ElapsedClock(_origin(question, log, at), question.length)
    span = (scope.periods.starts[0], scope.periods.starts[-1])
    reach = 31 * DAY * question.months * 3
    return AnniversaryClock(
        at, question.months, zone_offsets(int(span[0]) - reach, int(span[1]) + reach, log.zone)
    )


def _origin(question: Question, log: EventLog, at: Micros) -> Micros:
    """Where the elapsed clock of each entry starts."""
    if question.clock_from == "hour":
        return at - at % EXACT["hour"]
    if question.clock_from == "day" and at.size:
        days = calendar(int(at.min()), int(at.max()), "day", log.zone)
        return days.starts[days.index(at)]
    return at


@dataclass(frozen=True)
class Hits:
    """Entry × period pairs that count as returned, each once."""

    entry: Whole
    period: Whole


@dataclass(frozen=True)
class Visits:
    """The return events of an entry in one of its periods: how many, and where they stand among the return events."""

    entry: Whole
    period: Whole
    returns: Whole
    begin: Whole
    end: Whole


def hits_of(
    log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock
) -> Hits:
    """Every period in which an entry counts as returned."""
    cells = _calendar_cells if question.clock == "calendar" else _walked_cells
    entry, period, last = cells(log, question, scope, entries, clock)
    if question.mode == "on_or_after":
        later = up_to(last, question.periods)
    elif question.mode == "every":
        order = np.lexsort((period, entry))
        later = _unbroken(entry[order], period[order])
    else:
        later = Hits(entry, period)
    at_zero = _zero(log, question, scope, entries, clock)
    return Hits(np.append(at_zero.entry, later.entry), np.append(at_zero.period, later.period))


def up_to(last: Whole, periods: int) -> Hits:
    """Periods 1 … last of each entry."""
    many = np.minimum(last, periods)
    entry = np.repeat(np.arange(len(last)), many)
    return Hits(entry, np.arange(len(entry)) - np.repeat(np.cumsum(many) - many, many) + 1)


def _unbroken(entry: Whole, period: Whole) -> Hits:
    """The periods up to the first gap: sorted, the k-th return of an entry must lie in period k."""
    starts = np.searchsorted(entry, entry)
    unbroken = period == np.arange(len(entry)) - starts + 1
    return Hits(entry[unbroken], period[unbroken])


def _zero(log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock) -> Hits:
    """Period 0: everyone, or those with enough other return events at or after the cohort event."""
    if question.period_zero == "cohort":
        return Hits(np.arange(len(entries)), np.zeros(len(entries), dtype=np.int64))
    customer, times = _return_events(log, question, scope)
    visits = visits_of(entries, clock, customer, times, most=0)
    enough = visits.entry[visits.returns >= question.min_returns]
    return Hits(enough, np.zeros(enough.size, dtype=np.int64))


# ---- by the calendar: returns collapse to customer and period before they leave the database ---


def _calendar_cells(
    log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock
) -> tuple[Whole, Whole, Whole]:
    """Returned periods 1 … periods of each entry, in any order, and the last returned period of each (0 = none)."""
    customer, period = _return_periods(log, question, scope)
    reach = len(scope.periods) + 1
    keys = customer * reach + period
    position = np.searchsorted(keys, entries.customer * reach + entries.period, side="right")
    last = np.searchsorted(keys, (entries.customer + 1) * reach) - 1
    latest = np.zeros(len(entries), dtype=np.int64)
    came = last >= position
    latest[came] = period[last[came]] - entries.period[came]
    pieces: list[tuple[Whole, Whole]] = []
    live = np.flatnonzero(came) if question.mode != "on_or_after" else np.zeros(0, dtype=np.int64)
    while live.size:
        since = period[position[live]] - entries.period[live]
        near = since <= question.periods
        live = live[near]
        pieces.append((live, since[near]))
        position[live] += 1
        live = live[position[live] <= last[live]]
    entry, since_entry = _gathered(pieces, 2)
    return entry, since_entry, latest


def _return_periods(log: EventLog, question: Question, scope: Scope) -> tuple[Whole, Whole]:
    """Customer and calendar period of every cell that holds enough return events, by customer and period."""
    source = events_sql(
        log,
        question.return_event,
        "return_event",
        f"c, {scope.periods.index_sql()} AS p",
        f"t <= {scope.until}",
    )
    found = log.engine.numbers(
        "SELECT c, p, i FROM (SELECT c, p, row_number() OVER () AS i, lag(c) OVER () AS pc, lag(p) OVER () AS pp "
        f"FROM {source}) WHERE pc IS NULL OR pc <> c OR pp <> p"
        if question.min_returns > 1
        else f"SELECT c, p FROM (SELECT c, p, lag(c) OVER () AS pc, lag(p) OVER () AS pp FROM {source}) WHERE pc IS NULL OR pc <> c OR pp <> p"
    )
    customer, period = found["c"].astype(np.int64), found["p"].astype(np.int64)
    if question.min_returns == 1:
        return customer, period
    total = log.engine.rows(f"SELECT count(*) FROM {source}")[0][0]
    enough = np.diff(np.append(found["i"], total + 1)) >= question.min_returns
    return customer[enough], period[enough]


# ---- counted from the cohort event: a walk from one visited period to the next ---


def _walked_cells(
    log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock
) -> tuple[Whole, Whole, Whole]:
    """The same on a clock that starts with the customer."""
    customer, times = _return_events(log, question, scope)
    most = None if question.mode == "on_or_after" else question.periods
    visits = visits_of(entries, clock, customer, times, most=most)
    enough = (visits.returns >= question.min_returns) & (visits.period > 0)
    entry, period = visits.entry[enough], visits.period[enough]
    latest = np.zeros(len(entries), dtype=np.int64)
    np.maximum.at(latest, entry, period)
    return entry, period, latest


def _return_events(log: EventLog, question: Question, scope: Scope) -> tuple[Whole, Whole]:
    """Customer and time of every return event, by customer and time."""
    found = log.fetch(
        "customer",
        "time",
        where=f"{log.match(question.return_event, 'return_event')} AND t <= {scope.until}",
    )
    return found["customer"], found["time"]


def visits_of(
    entries: Entries, clock: Clock, customer: NDArray[Any], times: Whole, *, most: int | None
) -> Visits:
    """The return events of each entry by period, from the cohort event (itself not counted) to period `most`; periods without any are left out."""
    entry, period, begin, end = _gathered(_walk(entries, clock, customer, times, most), 4)
    returns = end - begin - ((period == 0) & entries.own[entry])
    return Visits(entry, period, returns, begin, end)


def _walk(
    entries: Entries, clock: Clock, customer: NDArray[Any], times: Whole, most: int | None
) -> Iterator[tuple[Whole, Whole, Whole, Whole]]:
    # From one visited period to the next: as many rounds as the busiest entry has visited periods, however many events it has.
    stop = np.searchsorted(customer, entries.customer, side="right")
    position = first_at_or_after(
        times, entries.at, np.searchsorted(customer, entries.customer), stop
    )
    live = np.flatnonzero(position < stop)
    while live.size:
        period = clock.index(live, times[position[live]])
        if most is not None:
            live, period = live[period <= most], period[period <= most]
        begin = position[live]
        end = first_at_or_after(times, clock.begins(live, period + 1), begin, stop[live])
        yield live, period, begin, end
        position[live] = end
        live = live[end < stop[live]]


def _gathered(pieces: Iterable[tuple[Whole, ...]], parts: int) -> list[Whole]:
    nothing = tuple(np.zeros(0, dtype=np.int64) for _ in range(parts))
    return [np.concatenate(part) for part in zip(nothing, *pieces, strict=True)]


@dataclass(frozen=True)
class Members:
    """What it takes to list them."""

    log: EventLog
    question: Question
    scope: Scope
    entries: Entries
    clock: Clock
    groups: Groups
    cohorts: Groups | None

    def table(self) -> pd.DataFrame:
        """One row a customer, cohort and period with return events, by customer id, cohort event and period."""
        customer, times = _return_events(self.log, self.question, self.scope)
        visits = visits_of(self.entries, self.clock, customer, times, most=self.question.periods)
        order = np.lexsort((visits.period, visits.entry))
        order = order[visits.returns[order] > 0]
        entry = visits.entry[order]
        ids = self.log.engine.frame("SELECT value FROM c_names ORDER BY code")["value"]
        return pd.DataFrame(
            {
                "customer_id": ids.take(self.entries.customer[entry]).reset_index(drop=True),
                **self.groups.columns(self.entries.group[entry]),
                "cohort": cohort_column(self.scope, self.entries.cohort[entry], self.cohorts),
                "cohort_at": self.log.moments(self.entries.at).take(entry).reset_index(drop=True),
                "period": visits.period[order],
                "returns": visits.returns[order],
            }
        )


# ---- value: what the return events are worth ---


@dataclass(frozen=True)
class Values:
    """What each entry's return events were worth in each period, its cohort event included; the smaller of that and period 0."""

    entry: Whole
    period: Whole
    value: Floats
    kept: Floats


def values_of(members: Members) -> Values:
    """The value of every entry and period that has any."""
    log, question, scope, entries = members.log, members.question, members.scope, members.entries
    column = log.property(str(question.value), "value").column
    log.numbers(str(question.value), where="FALSE")
    worth = f"c, t, coalesce(CAST({column} AS DOUBLE), 0) AS x"
    events = log.engine.columns(
        events_sql(log, question.return_event, "return_event", worth, f"t <= {scope.until}")[1:-1]
    )
    visits = visits_of(entries, members.clock, events["c"], events["t"], most=question.periods)
    order = np.lexsort((visits.period, visits.entry))
    entry, period, begin, end = (
        each[order] for each in (visits.entry, visits.period, visits.begin, visits.end)
    )
    # No stretch of return events is empty, which `reduceat` would not sum to 0.
    stretches = np.column_stack([begin, end]).ravel()
    value = (
        np.add.reduceat(np.append(events["x"], 0.0), stretches)[::2] if begin.size else np.zeros(0)
    )
    first = np.zeros(len(entries))
    first[entry[period == 0]] = value[period == 0]
    kept = np.where(period == 0, value, np.clip(value, 0, np.maximum(first[entry], 0)))
    return Values(entry, period, value, kept)
