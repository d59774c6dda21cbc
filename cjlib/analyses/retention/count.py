"""Who came back in which period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.retention.cohort_entries import Clock, Entries
from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.first_events import Whole, events_sql
from cjlib.sources.log.event_log import EventLog


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
        later = Hits(*up_to(last, question.periods))
    elif question.mode == "every":
        order = np.lexsort((period, entry))
        later = Hits(*_unbroken(entry[order], period[order]))
    else:
        later = Hits(entry, period)
    return _joined(_zero(log, question, scope, entries, clock), later)


def _joined(one: Hits, other: Hits) -> Hits:
    return Hits(np.append(one.entry, other.entry), np.append(one.period, other.period))


def up_to(last: Whole, periods: int) -> tuple[Whole, Whole]:
    """Periods 1 … last of each entry."""
    many = np.minimum(last, periods)
    entry = np.repeat(np.arange(len(last)), many)
    return entry, np.arange(len(entry)) - np.repeat(np.cumsum(many) - many, many) + 1


def _unbroken(entry: Whole, period: Whole) -> tuple[Whole, Whole]:
    """The periods up to the first gap: sorted, the k-th return of an entry must lie in period k."""
    starts = np.searchsorted(entry, entry)
    held = period == np.arange(len(entry)) - starts + 1
    return entry[held], period[held]


def _zero(log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock) -> Hits:
    """Period 0: everyone, or those with enough other return events at or after the cohort event."""
    if question.period_zero == "cohort":
        return Hits(np.arange(len(entries)), np.zeros(len(entries), dtype=np.int64))
    customer, times = return_events(log, question, scope)
    found = visits_of(entries, clock, customer, times, most=0)
    enough = found.entry[found.returns >= question.min_returns]
    return Hits(enough, np.zeros(enough.size, dtype=np.int64))


# ---- by the calendar: returns collapse to customer and period before they leave the database --------------------------------


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
    return *_gathered(pieces), latest


def _return_periods(log: EventLog, question: Question, scope: Scope) -> tuple[Whole, Whole]:
    """Customer and calendar period of every cell that holds enough return events, by customer and period."""
    source = events_sql(
        log,
        question.return_event,
        "return_event",
        f"c, {scope.periods.index_sql()} AS p",
        f"t <= {scope.until}",
    )
    found = log.engine.columns(
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


# ---- counted from the cohort event: a walk from one visited period to the next ----------------------------------------------


def _walked_cells(
    log: EventLog, question: Question, scope: Scope, entries: Entries, clock: Clock
) -> tuple[Whole, Whole, Whole]:
    """The same on a clock that starts with the customer."""
    customer, times = return_events(log, question, scope)
    most = None if question.mode == "on_or_after" else question.periods
    found = visits_of(entries, clock, customer, times, most=most)
    enough = (found.returns >= question.min_returns) & (found.period > 0)
    entry, period = found.entry[enough], found.period[enough]
    latest = np.zeros(len(entries), dtype=np.int64)
    np.maximum.at(latest, entry, period)
    return entry, period, latest


def return_events(log: EventLog, question: Question, scope: Scope) -> tuple[Whole, Whole]:
    """Customer and time of every return event, by customer and time."""
    found = log.engine.columns(
        events_sql(log, question.return_event, "return_event", "c, t", f"t <= {scope.until}")[1:-1]
    )
    return found["c"], found["t"]


def visits_of(
    entries: Entries, clock: Clock, customer: NDArray[Any], times: Whole, *, most: int | None
) -> Visits:
    """The return events of each entry by period, from the cohort event (itself not counted) to period `most`; periods without any are left out."""
    every = list(_walk(entries, clock, customer, times, most))
    entry, period, begin, end = (
        np.concatenate([piece[part] for piece in every]) if every else np.zeros(0, dtype=np.int64)
        for part in range(4)
    )
    returns = end - begin - ((period == 0) & entries.own[entry])
    return Visits(entry, period, returns, begin, end)


def _walk(
    entries: Entries, clock: Clock, customer: NDArray[Any], times: Whole, most: int | None
) -> Iterator[tuple[Whole, Whole, Whole, Whole]]:
    # From one visited period to the next: as many rounds as the busiest entry has visited periods, however many events it has.
    stop = np.searchsorted(customer, entries.customer, side="right")
    position = _first_at_or_after(
        times, entries.at, np.searchsorted(customer, entries.customer), stop
    )
    live = np.flatnonzero(position < stop)
    while live.size:
        period = clock.index(live, times[position[live]])
        if most is not None:
            live, period = live[period <= most], period[period <= most]
        begin = position[live]
        end = _first_at_or_after(times, clock.begins(live, period + 1), begin, stop[live])
        yield live, period, begin, end
        position[live] = end
        live = live[end < stop[live]]


def _first_at_or_after(times: Whole, wanted: Whole, low: Whole, high: Whole) -> Whole:
    """Where in `times[low:high]`, sorted, the first instant at or after the wanted one stands: a bisection for all at once."""
    low, high = low.copy(), high.copy()
    live = np.flatnonzero(low < high)
    while live.size:
        middle = (low[live] + high[live]) // 2
        before = times[middle] < wanted[live]
        low[live] = np.where(before, middle + 1, low[live])
        high[live] = np.where(before, high[live], middle)
        live = live[low[live] < high[live]]
    return low


def _gathered(pieces: list[tuple[Whole, Whole]]) -> tuple[Whole, Whole]:
    if not pieces:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate([entry for entry, _ in pieces]), np.concatenate(
        [period for _, period in pieces]
    )
