"""How long each customer stayed, and whether that ended in churn or in the end of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown
from cjlib.shared.first_events import Firsts, Groups, Whole, events_sql, first_events, grouped
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog

DAY = 86_400_000_000
ANY = Step(None)
NEVER_BEFORE, NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class Lives:
    """One life a customer, by customer.

    Attributes
    ----------
    customer, started_at, ended_at
        Customer code; first event; churn or end of data (microseconds UTC).
    churned
        Whether it ended in churn.
    group
        Group of `by`, as a code.
    tied
        How many further events tie as the first.
    """

    customer: Whole
    started_at: Whole
    ended_at: Whole
    churned: NDArray[np.bool_]
    group: Whole
    tied: int

    @property
    def days(self) -> NDArray[np.float64]:
        """Whole days of elapsed time."""
        return ((self.ended_at - self.started_at) // DAY).astype(np.float64)


Span = tuple[int | None, int | None]
"""First and last instant at which a life may begin, both included; None: no bound."""


def span_of(log: EventLog, start: Any, end: Any) -> Span:
    """The bounds given by the caller."""
    first = None if start is None else log.instant(start, "start")
    last = None if end is None else log.instant(end, "end", end=True)
    if first is not None and last is not None and last < first:
        raise CjlibError(
            f"end: must not lie before start. Got start {shown(start)}, end {shown(end)}."
        )
    return first, last


def lives_of(
    log: EventLog, start: Step, churn: Step | None, inactive: int, by: tuple[str, ...], span: Span
) -> tuple[Lives, Groups]:
    """Every customer's life from the first event that matches `start`, if that lies in the span."""
    firsts = first_events(log, start, "start_event", f"t <= {log.observed_until_us}")
    first, last = span
    firsts = firsts.only(
        (firsts.at >= (NEVER_BEFORE if first is None else first))
        & (firsts.at <= (NEVER if last is None else last))
    )
    ended = (
        _first_churn(log, churn, firsts)
        if churn is not None
        else _first_silence(log, inactive, firsts)
    )
    churned = ended <= log.observed_until_us
    group, groups = grouped(log, firsts, by, "by")
    tied = len(firsts.tied_row) - len(firsts)
    return Lives(
        firsts.customer,
        firsts.at,
        np.where(churned, ended, log.observed_until_us),
        churned,
        group,
        tied,
    ), groups


def _first_churn(log: EventLog, churn: Step, firsts: Firsts) -> Whole:
    """The first churn event at or after the start."""
    found = log.engine.columns(events_sql(log, churn, "churn_event", "c, t", "TRUE")[1:-1])
    customer, times = found["c"], found["t"]
    return _first_per_life(firsts, customer, times, times)


def _first_silence(log: EventLog, inactive: int, firsts: Firsts) -> Whole:
    """The moment at which a silence first reached its length; the last silence is the one up to the end of data."""
    source = events_sql(log, ANY, "event", "c, t", f"t <= {log.observed_until_us}")
    found = log.engine.columns(
        f"SELECT c, t FROM (SELECT c, t, lead(c) OVER () AS nc, lead(t) OVER () AS nt FROM {source}) "
        f"WHERE nc IS NULL OR nc <> c OR nt - t >= {inactive}"
    )
    return _first_per_life(firsts, found["c"], found["t"], found["t"] + inactive)


def _first_per_life(firsts: Firsts, customer: Whole, times: Whole, ends: Whole) -> Whole:
    """The first end whose event stands at or after the start of the life; events are sorted by customer and time."""
    place = np.full(int(firsts.customer.max(initial=-1)) + 1, -1, dtype=np.int64)
    place[firsts.customer] = np.arange(len(firsts))
    known = customer < place.size
    life = place[customer[known]]
    mine = life >= 0
    at, life, end = times[known][mine], life[mine], ends[known][mine]
    after = at >= firsts.at[life]
    # Sorted by customer and time: the first of each life is its earliest.
    who, first = np.unique(life[after], return_index=True)
    ended = np.full(len(firsts), NEVER)
    ended[who] = end[after][first]
    return ended
