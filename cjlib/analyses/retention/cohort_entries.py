"""Who enters which cohort, when, and with which value of `by`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared.first_events import Firsts, Groups, Whole, first_events, grouped, nobody
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
