"""How long do they stay? Kaplan–Meier curves from customers' lives, and from ready tables of durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.survival import summary
from cjlib.analyses.survival.count import (
    Lifetimes,
    lifetimes_of,
    lives_of,
    lives_sql,
    lives_there,
    span_of,
)
from cjlib.analyses.survival.kaplan_meier import Curve, kaplan_meier, log_rank
from cjlib.analyses.survival.summary import Differing
from cjlib.errors import CjlibError, not_a_log
from cjlib.shared.comparison import (
    MIN_N,
    Differences,
    Family,
    all_others,
    family,
    named_in_turn,
    not_compared_with,
)
from cjlib.shared.first_events import Whole
from cjlib.shared.group_by import left_out_words, names_given, set_afterwards
from cjlib.shared.periods import calendar
from cjlib.shared.risk_comparison import LogRank, SameAge, Within, also_within, log_rank_within
from cjlib.shared.silences import late_in_words, rhythm_in_words, warned
from cjlib.shared.unrecorded import NOT_RECORDED
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

LANDMARKS = (30, 90, 180, 365)
"""Days whose share surviving is a metric, as far as the curve reaches."""


FIRST_SEEN = 30 * 86_400_000_000
MANY = 2
"""So many times as many customers first seen in the first 30 days of a log as in the 30 days after were there before."""
SAME_MONTHS = "what is claimed holds among those who began in the same months too"


@dataclass(frozen=True, kw_only=True, eq=False)
class Survival(Result):
    """How long customers stay.

    Attributes
    ----------
    summary
        Per group: customers, churned, median, and the restricted mean with its interval and limit.
    comparisons
        Log-rank p of each group against all others together, adjusted; `without` are the groups
        that differ more, named before and not among the others.
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

    Every customer counts once, from the customer's first event (or first `start_event`), in whole
    elapsed days of 86,400 s, rounded down. With `churn_event` a life ends at the first one at or
    after the start. With `inactive` it ends at the moment a silence **reaches** that length, the
    first time it does, whatever the events; a gap of exactly that length is churn, and later
    returns do not undo it. Everyone else is censored at the end of data: known to have stayed that
    long, no more. On one day churn comes before censoring. Who was back after the end (other events
    than the churn event more than a day later, any event after a silence) is counted in headline and
    definition.

    Parameters
    ----------
    log
        The events.
    churn_event, inactive
        Exactly one: an event (name, list, `cj.Step`), or a length of silence such as `"60D"`.
    start_event
        Where a life begins; None: the customer's first event.
    by
        A column or a list of columns: a curve for each value at the first event; where events tie,
        the smallest as text.
    start, end
        Only lives that begin in this span, both included; they are followed to the end of the data.
    min_n
        Groups smaller than this are not compared and not claimed.

    Returns
    -------
    Survival
        `.table`: [by], `day`, `at_risk`, `churned`, `censored`, `share_surviving`,
        `share_surviving_low`, `share_surviving_high`: day 0 and each day with a churn or a
        censoring. Interval: log(−log) Greenwood, 95%, missing where the share is 1 or 0.
        `.summary`: [by], `n`, `churned`, `median_days` (first day with at most half surviving;
        missing if not reached), `rmst_days` (mean days survived up to `rmst_limit_days`, the
        shortest of the groups' last days), `rmst_low`, `rmst_high`.
        `.comparisons`: [by], `p_value`, `p_adjusted`, `without`.

    Raises
    ------
    CjlibError
        If `log` is no event log, not exactly one of `churn_event` and `inactive` is given,
        `inactive` has no unit or no length, a column does not exist, or groups are asked of a log
        in a database.

    References
    ----------
    Kaplan, E. L. & Meier, P. (1958). Nonparametric estimation from incomplete observations. JASA
    53.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-01", "2024-01-06"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": ["ana", "ana", "bob", "bob"], "event": ["visit", "cancel"] * 2, "timestamp": days}))
    >>> cj.survival(log, churn_event="cancel").table["share_surviving"].tolist()
    [1.0, 0.5, 0.0]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    if (churn_event is None) == (inactive is None):
        given = "both" if inactive is not None else "neither"
        raise CjlibError(
            f"churn_event, inactive: exactly one says what churn is: churn_event='cancel' or inactive='60D'. Got {given}."
        )
    names = names_given(by, "by", taken=summary.TAKEN)
    silence = 0 if inactive is None else microseconds(inactive, "inactive")
    if inactive is not None and silence == 0:
        raise CjlibError(
            "inactive: a silence of no length would make everyone churn at once. Give a duration such as '60D'."
        )
    begin = as_step(start_event, "start_event")
    churn = None if churn_event is None else as_step(churn_event, "churn_event")
    for column in names:
        log.property(column, "by")
    span = span_of(log, start, end)
    sql = lives_sql(log, begin, churn, silence, span)
    lifetimes, tied = log.counted(lives_of, lives_there, begin, churn, silence, names, span)
    definition = summary.of_log(log, begin, span, churn, silence, tied=tied, by=names)
    answer = _answer(lifetimes, min_n, definition, "customer", log, sql)
    if lifetimes.unrecorded is not None:
        lost = lifetimes.unrecorded.words(log, str(churn))
        answer = replace(
            answer,
            headline=f"{answer.headline} But {lost}, and customers left sooner than this says.",
            definition={**answer.definition, NOT_RECORDED: lost},
            findings=(),
        )
    before = _from_before(log, lifetimes)
    if before:
        answer = replace(
            answer,
            headline=f"{answer.headline} But {before}.",
            definition={**answer.definition, "begun before the log": before},
        )
    if churn is not None or not isinstance(log, EventLog):
        return answer
    # Where the events lie silences are not counted, and both say the same.
    return _with_doubts(answer, log, silence)


def _from_before(log: Log, lifetimes: Lifetimes) -> str:
    """That many of the first lives probably began before the log, in a sentence without its full stop; "" where no more begin at first than later, or all begin together."""
    if lifetimes.began is None or log.span_us is None:
        return ""
    month = (lifetimes.began - log.span_us[0]) // FIRST_SEEN
    first, next_one = (int(np.count_nonzero(month == place)) for place in (0, 1))
    if next_one < max(MIN_N, first / 10) or first < MANY * next_one:
        return ""
    return (
        f"{first:,} customers are first seen in the first 30 days of the log and {next_one:,} in the 30 days after: many of them probably began before it, "
        "and how long they stayed before is not in this (start= leaves them out)"
    )


def _with_doubts(answer: Survival, log: EventLog, silence: int) -> Survival:
    """What makes silences doubtful as churn: the rhythm of many, and last days of which not all events may be there."""
    rhythm = rhythm_in_words(log, silence)
    late = late_in_words(log)
    doubts = {"silences": rhythm, "end of data": late}
    unsure = (
        f" But {late}; silences that reached their length in them may be no churn." if late else ""
    )
    return replace(
        answer,
        headline=f"{answer.headline}{warned(rhythm)}{unsure}",
        definition={**answer.definition, **{name: text for name, text in doubts.items() if text}},
        findings=() if late else answer.findings,
    )


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

    Every row counts once. `duration` is how long the customer was observed, `event` whether the
    observation ended in churn (true, 1, "yes") or not (false, 0, "no": censored, known to have
    stayed that long, no more). At one duration churn comes before censoring; churn at duration 0
    counts. Curves, intervals, summary and comparisons as `cj.survival`.

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
        What a duration of 1 is: "day", "week", "month", "year"; it names the columns (`day`,
        `median_days`, `rmst_days`, …).
    min_n
        Groups smaller than this are not compared and not claimed.

    Returns
    -------
    Survival

    Raises
    ------
    CjlibError
        If a column does not exist, or `unit` is none of the four.
    DataError
        If a duration is missing, negative or no number, or an event is neither yes nor no.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> ready = pd.DataFrame({"tenure": [2, 3, 4, 5], "churn": ["Yes", "No", "Yes", "No"]})
    >>> cj.survival_table(ready, duration="tenure", event="churn").table["share_surviving"].tolist()
    [1.0, 0.75, 0.75, 0.375, 0.375]
    """
    names = names_given(by, "by", taken=summary.TAKEN)
    lifetimes = lifetimes_of(table, duration, event, names, unit)
    return _answer(lifetimes, min_n, summary.of_table(duration, event, names, unit), "row", None)


def _answer(
    lifetimes: Lifetimes,
    min_n: int,
    definition: Mapping[str, str],
    who: str,
    log: Log | None,
    sql: str = "",
) -> Survival:
    order = (
        np.argsort(lifetimes.groups.rank(lifetimes.group))
        if lifetimes.length.size
        else np.zeros(0, dtype=np.int64)
    )
    curves = [lifetimes.of(int(group)) for group in order]
    overall = curves[0] if len(curves) == 1 else kaplan_meier(lifetimes.length, lifetimes.churned)
    limit = min((float(curve.time[-1]) for curve in curves), default=0.0)
    until = overall.followed_until
    month = _months(lifetimes, log)
    comparisons, tested, differing, over_all = _comparisons(lifetimes, order, min_n, month)
    certain = any(group.certain for group in differing)
    doubt = set_afterwards(log, lifetimes.groups.names, certain, "leave")
    means, unit = _means(lifetimes, order, curves, limit), lifetimes.unit
    also = "" if month is None else f"; {SAME_MONTHS}"
    by_chance = (
        {
            "comparisons": f"log-rank; {tested.words}{also}{left_out_words(lifetimes.groups.comparable)}"
        }
        if tested.tests
        else {}
    )
    return Survival(
        table=_table(lifetimes, order, curves),
        summary=means,
        comparisons=comparisons,
        headline=summary.headline(
            overall,
            unit,
            until,
            comparisons,
            len(differing),
            doubt,
            over_all=over_all,
            min_n=min_n,
            who=who,
            back=lifetimes.back,
        ),
        definition={
            **definition,
            **summary.after_the_end(int(overall.churned.sum()), lifetimes.back),
            **summary.counts(overall, unit, limit),
            **by_chance,
        },
        metrics=_metrics(overall, unit, until),
        findings=summary.findings(differing, tested.name, unit, doubt),
        families={tested.name: tested.tests} if tested.tests else {},
        sql=sql,
        by=lifetimes.groups.names,
        unit=unit,
    )


def _table(lifetimes: Lifetimes, order: Whole, curves: list[Curve]) -> pd.DataFrame:
    rows = np.repeat(order, [curve.time.size for curve in curves]).astype(np.int64)

    def joined(name: str, kind: str = "float64") -> NDArray[Any]:
        return (
            np.concatenate([getattr(curve, name) for curve in curves]).astype(kind)
            if curves
            else np.zeros(0, dtype=kind)
        )

    numbers = {
        lifetimes.unit: joined("time", "int64" if lifetimes.whole else "float64"),
        "at_risk": joined("at_risk", "int64"),
        "churned": joined("churned", "int64"),
        "censored": joined("censored", "int64"),
        "share_surviving": joined("share"),
        "share_surviving_low": joined("low"),
        "share_surviving_high": joined("high"),
    }
    return pd.DataFrame({**lifetimes.groups.columns(rows), **numbers})


def _means(lifetimes: Lifetimes, order: Whole, curves: list[Curve], limit: float) -> pd.DataFrame:
    means = np.array([curve.restricted_mean_interval(limit) for curve in curves]).reshape(-1, 3)
    numbers = {
        "n": np.array([curve.at_risk[0] for curve in curves], dtype=np.int64),
        "churned": np.array([curve.churned.sum() for curve in curves], dtype=np.int64),
        f"median_{lifetimes.unit}s": np.array([curve.median for curve in curves], dtype=float),
        f"rmst_{lifetimes.unit}s": means[:, 0],
        "rmst_low": means[:, 1],
        "rmst_high": means[:, 2],
        f"rmst_limit_{lifetimes.unit}s": np.full(len(curves), limit),
    }
    return pd.DataFrame({**lifetimes.groups.columns(order), **numbers})


def _months(lifetimes: Lifetimes, log: Log | None) -> Whole | None:
    """The month in which each life began; None where that is not known."""
    began = lifetimes.began
    if log is None or began is None or not began.size:
        return None
    return calendar(int(began.min()), int(began.max()), "month", log.zone).index(began)


def _comparisons(
    lifetimes: Lifetimes, order: Whole, min_n: int, month: Whole | None
) -> tuple[pd.DataFrame, Family, list[Differing], bool]:
    """Each group against all others together, those that differ, named in turn, and whether some would over all the time: one that stays briefly makes no news of all the others.

    Those that differ do so among lives that began in the same months too, where these are known.
    """
    size = len(lifetimes.groups)
    sizes = np.bincount(lifetimes.group, minlength=size)
    comparable = lifetimes.groups.comparable
    large = comparable & (sizes >= max(min_n, 1)) & (np.count_nonzero(comparable) > 1)
    shown = order[large[order]] if lifetimes.groups.names else order[:0]

    def beside(rows: NDArray[np.bool_]) -> Differences:
        tests = [_against(lifetimes, group, rows[group]) for group in shown.tolist()]
        p_value, apart = (np.full(size, np.nan) for _ in range(2))
        p_value[shown] = [test.p_value if test.variance else np.nan for test in tests]
        apart[shown] = [test.seen - test.expected for test in tests]
        tested = family(
            f"survival by {', '.join(lifetimes.groups.names)}",
            p_value,
            units=sizes,
            other_units=rows @ sizes,
            follow_up=SameAge("the start", 0),
            min_n=min_n,
        )
        unknown = np.full(size, np.nan)
        return Differences(
            tested.name,
            tested.p_value,
            tested.p_adjusted,
            tested.follow_up,
            difference=apart,
            low=unknown,
            high=unknown,
        )

    every = all_others(comparable)
    over_all_the_time = beside(every)

    def in_the_same_months(rows: NDArray[np.bool_]) -> Differences:
        compared = over_all_the_time if np.array_equal(rows, every) else beside(rows)
        months = month
        if months is None:
            return compared
        return also_within(compared, lambda group: _within(lifetimes, months, group, rows[group]))

    tested, told, compared = named_in_turn(in_the_same_months, comparable)
    over_all = bool(over_all_the_time.claims.any())
    names = [
        ", ".join(
            f"{name} {'(not set)' if pd.isna(value) else value}" for name, value in row.items()
        )
        for row in pd.DataFrame(lifetimes.groups.columns(np.arange(size))).to_dict("records")
    ]
    without = not_compared_with(names, compared) if lifetimes.groups.names else []
    columns = {
        "p_value": told.p_value[shown],
        "p_adjusted": told.p_adjusted[shown],
        "without": pd.Series([without[group] for group in shown], dtype="str"),
    }
    table = pd.DataFrame(lifetimes.groups.columns(shown) | columns)
    differing = [
        Differing(
            names[group],
            without[group],
            lifetimes.of(group),
            _others(lifetimes, compared[group]),
            _against(lifetimes, group, compared[group]),
            float(told.p_adjusted[group]),
        )
        for group in shown.tolist()
        if told.claims[group]
    ]
    return table, tested, differing, over_all


def _against(lifetimes: Lifetimes, group: int, others: NDArray[np.bool_]) -> LogRank:
    """The log-rank test of a group beside some of the others."""
    inside = lifetimes.group == group
    rows = inside | others[lifetimes.group]
    return log_rank(lifetimes.length[rows], lifetimes.churned[rows], inside[rows])


def _within(lifetimes: Lifetimes, month: Whole, group: int, others: NDArray[np.bool_]) -> Within:
    """The log-rank test of a group beside some of the others, each life beside those that began in the same month."""
    inside = lifetimes.group == group
    rows = inside | others[lifetimes.group]
    tests = [
        log_rank(lifetimes.length[here], lifetimes.churned[here], inside[here])
        for here in (rows & (month == one) for one in np.unique(month[rows]))
    ]
    return log_rank_within(tests)


def _others(lifetimes: Lifetimes, others: NDArray[np.bool_]) -> Curve:
    """The curve of these groups together."""
    rest = others[lifetimes.group]
    return kaplan_meier(lifetimes.length[rest], lifetimes.churned[rest])


def _metrics(curve: Curve, unit: str, limit: float) -> dict[str, Metric]:
    """Median and restricted mean of all together, and the share surviving at a few landmarks, up to a time to which enough were followed."""
    n = int(curve.at_risk[0])
    mean, low, high = curve.restricted_mean_interval(limit)
    metrics = {
        f"median_{unit}s": metric(
            curve.median,
            *curve.median_interval,
            n,
            label=f"Median lifetime in {unit}s",
            unit="number",
            better="higher",
        ),
        f"rmst_{unit}s": metric(
            mean,
            low,
            high,
            n,
            label=f"Mean {unit}s up to {unit} {limit:g}",
            unit="number",
            better="higher",
            scale=f"up to {unit} {limit:g}",
        ),
    }
    for landmark in LANDMARKS if unit == "day" else ():
        if landmark <= limit:
            share, low, high, _ = curve.at(landmark)
            metrics[f"share_surviving_day_{landmark}"] = metric(
                share,
                low,
                high,
                n,
                label=f"Still customers after {landmark} days",
                unit="share",
                better="higher",
            )
    return metrics


__all__ = ["Survival", "survival", "survival_table"]
