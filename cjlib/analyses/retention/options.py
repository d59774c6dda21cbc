"""What is asked of retention: every option checked, bounds turned into instants."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.shared.periods import (
    DAY,
    EXACT,
    MONTHS,
    PERIODS,
    WEEK_STARTS,
    Calendar,
    calendar,
    check_period,
)
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import Log

CohortKind = Literal["first_ever", "first_in_range", "recurring"]
Mode = Literal["on", "on_or_after", "every"]
ClockName = Literal["calendar", "elapsed"]
PeriodZero = Literal["cohort", "returns"]
COHORTS = ("first_ever", "first_in_range", "recurring")
MODES = ("on", "on_or_after", "every")
CLOCKS = ("calendar", "elapsed")
PERIOD_ZERO = ("cohort", "returns")
OURS = {
    "cohort": "first_ever",
    "mode": "on",
    "clock": "calendar",
    "week_start": "monday",
    "period_zero": "cohort",
    "cohort_by": None,
}
"""What counts where neither the caller nor a tool's semantics says otherwise."""
TAKEN = (
    "cohort",
    "cohort_size",
    "period",
    "retained",
    "share",
    "complete",
    "customer_id",
    "cohort_at",
    "returns",
    "customers",
    "difference",
    "without",
)
"""Columns of the tables, which a column of `by` cannot also be called."""
MOST_PERIODS = 10_000
_CHOICES = {
    "cohort": COHORTS,
    "mode": MODES,
    "clock": CLOCKS,
    "period_zero": PERIOD_ZERO,
    "week_start": WEEK_STARTS,
    "period": PERIODS,
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """The options of one retention analysis."""

    start_event: Step
    return_event: Step
    period: str
    periods: int
    cohort: str
    mode: str
    clock: str
    week_start: str
    min_returns: int
    period_zero: str
    by: tuple[str, ...]
    cohort_by: str | None
    value: str | None
    start: Any
    end: Any
    min_n: int
    seed: int
    month_days: int = 0
    """How many days a month has on the elapsed clock, where a tool counts so; 0: it ends on its day."""
    clock_from: str = ""
    """The elapsed clock starts with the cohort event's "hour" or "day", as a tool has it; "": at the event."""

    @property
    def recurring(self) -> bool:
        """Whether a customer may stand in several cohorts."""
        return self.cohort == "recurring"

    @property
    def months(self) -> int:
        """How many months a period has; 0 for periods of a fixed length."""
        return 0 if self.month_days else MONTHS.get(self.period, 0)

    @property
    def length(self) -> int:
        """The length of a period in microseconds; 0 for months and longer that end on their day."""
        return EXACT.get(self.period, 0) or MONTHS[self.period] * self.month_days * DAY


def check(log: Log, question: Question) -> None:
    """Refuse options that are not among those allowed, and columns that the log does not have."""
    for option, allowed in _CHOICES.items():
        given = getattr(question, option)
        if option == "period":
            check_period(given)
        elif given not in allowed:
            raise not_one_of(option, given, allowed)
    _whole(question, "periods", 1, MOST_PERIODS)
    _whole(question, "min_returns", 1)
    _whole(question, "min_n", 0)
    _whole(question, "seed", 0)
    for column in question.by:
        log.property(column, "by")
    for option in ("cohort_by", "value"):
        if getattr(question, option) is not None:
            _check_column(log, option, getattr(question, option))
    if question.cohort_by in question.by:
        raise CjlibError(
            f"cohort_by: {shown(question.cohort_by)} already stands in by. Name it in one of the two."
        )


def _check_column(log: Log, option: str, column: Any) -> None:
    if not isinstance(column, str):
        raise CjlibError(f"{option}: must be the name of a column. Got {shown(column)}.")
    log.property(column, option)


def _whole(question: Question, option: str, least: int, most: int | None = None) -> None:
    value = getattr(question, option)
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise CjlibError(f"{option}: must be a whole number, {least} or more. Got {shown(value)}.")
    if most is not None and int(value) > most:
        raise CjlibError(f"{option}: at most {most:,}. Got {shown(value)}.")


@dataclass(frozen=True)
class Scope:
    """The calendar of the log, the cohort periods asked for, and the end of data."""

    periods: Calendar
    first: int
    last: int
    until: int

    @property
    def begin(self) -> int:
        """The instant at which the first cohort period starts."""
        return int(self.periods.starts[self.first])

    @property
    def stop(self) -> int:
        """The instant at which the last cohort period has ended."""
        return int(self.periods.starts[self.last + 1])

    @property
    def nobody(self) -> bool:
        """Whether no cohort can be in range."""
        return self.first > self.last


def scope(log: Log, question: Question) -> Scope:
    """The periods from the first event to the end of data, and which of them are cohorts."""
    begin = 0 if question.start is None else log.instant(question.start, "start")
    end = begin if question.end is None else log.instant(question.end, "end", end=True)
    if question.start is not None and end < begin:
        raise CjlibError(
            f"end: must not lie before start. Got start {shown(question.start)}, end {shown(question.end)}."
        )
    span, until = log.span_us, log.observed_until_us
    if span is None or span[0] > until:
        return Scope(
            Calendar(
                question.period,
                np.zeros(1, dtype=np.int64),
                pd.DatetimeIndex([], dtype="datetime64[us]"),
            ),
            0,
            -1,
            until,
        )
    periods = calendar(span[0], until, question.period, log.zone, week_start=question.week_start)
    first = 0 if question.start is None else max(0, _period_of(periods, begin))
    last = (
        len(periods) - 1
        if question.end is None
        else min(len(periods) - 1, _period_of(periods, end))
    )
    return Scope(periods, first, last, until)


def _period_of(periods: Calendar, instant: int) -> int:
    return int(periods.index(np.array([instant]))[0])
