"""How long do they stay? Kaplan–Meier curves from customers' lives, and from ready tables of durations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cjlib.analyses.result import Result
from cjlib.analyses.survival import summary as words
from cjlib.analyses.survival.durations import lives_of, span_of
from cjlib.analyses.survival.group_comparison import Lifetimes, answer, lifetimes_of
from cjlib.analyses.survival.sql import lifetimes_there, lives_sql
from cjlib.errors import CjlibError, not_a_log
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import names_given
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True, kw_only=True, eq=False)
class Survival(Result):
    """How long customers stay.

    Attributes
    ----------
    summary
        Per group: customers, churned, median, and the restricted mean with its interval and limit.
    comparisons
        Log-rank p of each group against all others together, adjusted.
    by, unit
        The columns of `by`, and the unit of time.
    """

    summary: pd.DataFrame
    comparisons: pd.DataFrame
    by: tuple[str, ...]
    unit: str


def survival(
    log: EventLog,
    *,
    churn_event: Event = None,
    inactive: Duration | None = None,
    start_event: Event = None,
    by: str | Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    min_n: int = MIN_N,
) -> Survival:
    """Kaplan–Meier: the share of customers who have not churned, day by day since their start.

    Every customer counts once, from the customer's first event (or first `start_event`), in whole elapsed days of 86,400 s, rounded down.
    With `churn_event` a life ends at the first one at or after the start. With `inactive` it ends at the moment a silence **reaches** that
    length, the first time it does, whatever the events; a gap of exactly that length is churn, and later returns do not undo it. Everyone
    else is censored at the end of data: known to have stayed that long, no more. On one day churn comes before censoring.

    Parameters
    ----------
    log
        The events.
    churn_event, inactive
        Exactly one: an event (name, list, `cj.Step`), or a length of silence such as `"60D"`.
    start_event
        Where a life begins; None: the customer's first event.
    by
        A column or a list of columns: a curve for each value at the first event; where events tie, the smallest as text.
    start, end
        Only lives that begin in this span, both included; they are followed to the end of the data.
    min_n
        Groups smaller than this are not compared and not claimed.

    Returns
    -------
    Survival
        `.table`: [by], `day`, `at_risk`, `churned`, `censored`, `share_surviving`, `share_surviving_low`, `share_surviving_high`: day 0 and
        each day with a churn or a censoring. Interval: log(−log) Greenwood, 95%, missing where the share is 1 or 0.
        `.summary`: [by], `n`, `churned`, `median_days` (first day with at most half surviving; missing if not reached), `rmst_days` (mean days
        survived up to `rmst_limit_days`, the shortest of the groups' last days), `rmst_low`, `rmst_high`.
        `.comparisons`: [by], `p_value`, `p_adjusted`.

    Raises
    ------
    CjlibError
        If not exactly one of `churn_event` and `inactive` is given, or a column does not exist.

    References
    ----------
    Kaplan, E. L. & Meier, P. (1958). Nonparametric estimation from incomplete observations. JASA 53.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-01", "2024-01-06"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": ["ana", "ana", "bob", "bob"], "event": ["visit", "cancel"] * 2, "timestamp": days}))
    >>> cj.survival(log, churn_event="cancel").table["share_surviving"].tolist()
    [1.0, 0.5, 0.0]
    """
    if not isinstance(log, EventLog):
        raise not_a_log(log)
    if (churn_event is None) == (inactive is None):
        given = "both" if inactive is not None else "neither"
        raise CjlibError(
            f"churn_event, inactive: exactly one says what churn is: churn_event='cancel' or inactive='60D'. Got {given}."
        )
    names = names_given(by, "by", taken=words.TAKEN)
    silence = 0 if inactive is None else microseconds(inactive, "inactive")
    if inactive is not None and silence == 0:
        raise CjlibError(
            "inactive: a silence of no length would make everyone churn at once. Give a duration such as '60D'."
        )
    begin, churn = (
        as_step(start_event, "start_event"),
        None if churn_event is None else as_step(churn_event, "churn_event"),
    )
    for column in names:
        log.property(column, "by")
    span = span_of(log, start, end)
    sql = lives_sql(log, begin, churn, silence, span)
    if log.pushed:
        lifetimes, tied = lifetimes_there(log, begin, sql, names)
    else:
        lives, groups = lives_of(log, begin, churn, silence, names, span)
        lifetimes, tied = (
            Lifetimes(lives.days, lives.churned, lives.group, groups, "day", whole=True),
            lives.tied,
        )
    told = words.of_log(log, begin, span, churn, silence, tied=tied, by=names)
    return Survival(**answer(lifetimes, min_n, told, "customer"), sql=sql, by=names, unit="day")


def survival_table(
    table: pd.DataFrame,
    *,
    duration: str,
    event: str,
    by: str | Sequence[str] | None = None,
    unit: str = "day",
    min_n: int = MIN_N,
) -> Survival:
    """Kaplan–Meier from a table that already has one row a customer, with how long each stayed and whether that ended in churn.

    Every row counts once. `duration` is how long the customer was observed, `event` whether the observation ended in churn (true, 1, "yes")
    or not (false, 0, "no": censored, known to have stayed that long, no more). At one duration churn comes before censoring; churn at
    duration 0 counts. Curves, intervals, summary and comparisons as `cj.survival`.

    Parameters
    ----------
    table
        One row a customer.
    duration
        The column of lengths: numbers, 0 or more, in `unit`.
    event
        The column that says who churned.
    by
        A column or a list of columns: a curve for each value; missing is a group of its own.
    unit
        What a duration of 1 is: "day", "week", "month", "year"; it names the columns (`day`, `median_days`, `rmst_days`, …).
    min_n
        Groups smaller than this are not compared and not claimed.

    Returns
    -------
    Survival

    Raises
    ------
    CjlibError
        If a column does not exist, a duration is missing, negative or not a number, or an event is neither yes nor no.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> ready = pd.DataFrame({"tenure": [2, 3, 4, 5], "churn": ["Yes", "No", "Yes", "No"]})
    >>> cj.survival_table(ready, duration="tenure", event="churn").table["share_surviving"].tolist()
    [1.0, 0.75, 0.75, 0.375, 0.375]
    """
    names = names_given(by, "by", taken=words.TAKEN)
    lifetimes = lifetimes_of(table, duration, event, names, unit)
    told = words.of_table(duration, event, names, unit)
    return Survival(**answer(lifetimes, min_n, told, "row"), by=names, unit=unit)


__all__ = ["Survival", "survival", "survival_table"]
