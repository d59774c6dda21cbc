"""Do they come back? Cohorts, and the share of each that returns period by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.retention import comparisons, count, pushdown, summary, tables
from cjlib.analyses.retention.count import Entries, Members, clock_of, entries_of
from cjlib.analyses.retention.options import (
    OURS,
    TAKEN,
    ClockName,
    CohortKind,
    Mode,
    PeriodZero,
    Question,
    Scope,
    check,
)
from cjlib.analyses.retention.options import scope as scope_of
from cjlib.analyses.retention.sql import retention_sql
from cjlib.analyses.retention.tables import Clustered, clustered
from cjlib.errors import CjlibError, not_a_log
from cjlib.shared.comparison import MIN_N
from cjlib.shared.first_events import Groups
from cjlib.shared.group_by import names_given, set_afterwards
from cjlib.shared.periods import Period, WeekStart
from cjlib.shared.silences import thin_end_of
from cjlib.shared.stats import wilson
from cjlib.shared.unrecorded import NOT_RECORDED, stretch_without
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.event_log import EventLog, Log
from cjlib.sources.log.semantics import RETENTIONS, Tool, filled


@dataclass(frozen=True, kw_only=True, eq=False)
class Retention(Result):
    """Who comes back, and when.

    Attributes
    ----------
    average
        Per group and period, over complete cells: pooled share with interval, and the plain mean of
        the cohorts' shares.
    fixed_average
        The same over the entries that have completed the last period shown: one population, so that
        the curve cannot bend because its cohorts change.
    comparisons
        Each group of `by` against all others together, in the last complete period; `without` are
        the groups that differ more, named before and not among the others.
    cohort_comparisons
        Each cohort's returned periods against what the average of all would give in the same
        periods.
    cohort_change
        From which cohort on returns differ most from those before, and whether chance alone would
        do as well.
    before_and_after
        The average before that cohort and from it on, over the cohorts compared and the periods that
        both sides have completed: `side`, then the columns of `.average`. Empty with `by`.
    period, by
        The period's name and the columns of `by`, as asked.
    """

    average: pd.DataFrame
    fixed_average: pd.DataFrame
    comparisons: pd.DataFrame
    cohort_comparisons: pd.DataFrame
    cohort_change: pd.DataFrame
    before_and_after: pd.DataFrame
    period: str
    by: tuple[str, ...]
    mode: str
    headline_period: int
    _members: Members | None = field(repr=False)

    def customers(self) -> pd.DataFrame:
        """One row a customer, cohort and period with return events: `customer_id`, [by], `cohort`, `cohort_at` (aware), `period`, `returns`.

        Returns
        -------
        pandas.DataFrame
            The columns named above.

        Raises
        ------
        CjlibError
            If retention was counted in a database, without its customers.
        """
        if self._members is None:
            raise CjlibError(
                "log: this was counted where the events lie, without its customers. Fetch them once: cj.retention(log.read(), …)."
            )
        return self._members.table()


def retention(  # noqa: PLR0913 (the options are the analysis)
    log: EventLog,
    *,
    start_event: Event = None,
    return_event: Event = None,
    period: Period = "week",
    periods: int = 12,
    cohort: CohortKind | None = None,
    mode: Mode | None = None,
    clock: ClockName | None = None,
    week_start: WeekStart | None = None,
    min_returns: int = 1,
    period_zero: PeriodZero | None = None,
    by: str | Sequence[str] | None = None,
    cohort_by: str | None = None,
    value: str | None = None,
    start: Any = None,
    end: Any = None,
    semantics: Tool | None = None,
    min_n: int = MIN_N,
    seed: int = 0,
) -> Retention:
    """Cohorts of customers, and the share of each that comes back, period by period.

    A customer enters the cohort of the calendar period (in the log's zone) that holds the
    customer's first `start_event` of the whole log (`cohort="first_ever"`), the first at or after
    `start` (`"first_in_range"`), or one cohort for every period with such an event (`"recurring"`).
    Period k is the k-th calendar period after the cohort's, or, on the elapsed clock, begins k
    periods after the customer's own cohort event; its beginning is inside, its end is not. A
    customer counts once a cell: returned **on** period k if it holds at least `min_returns` return
    events, **on_or_after** if it or any later observed period does, **every** if each of 1 … k
    does. The cohort event itself is never its own return. Cells whose period begins after the end
    of data do not exist; those whose period has not ended for the youngest member are marked, and
    left out of averages and comparisons.

    Parameters
    ----------
    log
        The events.
    start_event, return_event
        A name, a list of names (any of them), None (any event) or `cj.Step(…)`.
    period
        "hour", "day", "week", "month", "quarter" or "year".
    periods
        The last period of the table, 1 or more.
    cohort, mode, clock
        As above; "first_ever", "on" and "calendar" unless `semantics` has another.
    week_start
        "monday" (unless `semantics` has another) or "sunday".
    min_returns
        Return events that a period must hold to count as returned; does not touch who is in a
        cohort.
    period_zero
        "cohort" (unless `semantics` has another): period 0 is the cohort, share 1. "returns": those with `min_returns` other return
        events at or after their cohort event within period 0.
    by
        A column or a list of columns: a table for each value at the cohort event. The return may
        carry any value.
    cohort_by
        A column, of the event or of the customer, whose value at the cohort event names the cohort
        in place of its date: a campaign, a plan, a batch. Its members start at different times, so
        each cell counts only the members whose period is over, and `cohort_size` says how many
        those are.
    value
        A numeric column: adds what the return events are worth.
    start, end
        First and last cohort, widened to whole periods; returns are used to the end of the data.
    semantics
        "posthog", "mixpanel", "amplitude" or "ga4": count as that tool documents it. Options that
        are not given are the tool's; one that the tool does not offer is an error. `.definition`
        names the page, and which difference remains.
    min_n
        Shares that rest on fewer than this are not compared and not claimed.
    seed
        Of the bootstrap.

    Returns
    -------
    Retention
        `.table`: [by], `cohort` (local start of the period), `cohort_size`, `period`, `retained`,
        `share`, `share_low`, `share_high`, `complete`; by group, cohort, period. With `value` also
        `value` (sum), `value_per_member`, `net_share_of_first_value` and
        `gross_share_of_first_value` (of the cohort's value in period 0; gross counts no customer
        for more than in period 0). `.average` and `.fixed_average`: [by], `period`, `retained`,
        `eligible`, `cohorts`, `share`, `share_low`, `share_high`, `mean_share`. Intervals: Wilson,
        95%; averages of recurring cohorts and of values: bootstrap over customers. Period 0 of
        `"cohort"` has none.

    Raises
    ------
    CjlibError
        If `log` is no event log, `period`, `cohort`, `mode`, `clock`, `week_start` or `semantics`
        is none of those named, the tool of `semantics` knows another, `periods` or `min_returns` is no whole number in range, a column does not exist
        or stands in both `by` and `cohort_by`, `end` lies before `start`, or the log lies in a
        database that cannot count it.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-09", "2024-01-02"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": ["ana", "ana", "bob"], "event": "visit", "timestamp": days}))
    >>> cj.retention(log, period="week", periods=1).table["retained"].tolist()
    [2, 1]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    choices = {
        "cohort": cohort,
        "mode": mode,
        "clock": clock,
        "week_start": week_start,
        "period_zero": period_zero,
        "cohort_by": cohort_by,
    }
    given = {option: choice for option, choice in choices.items() if choice is not None}
    options = filled(RETENTIONS, semantics, given, OURS)
    tool = RETENTIONS[semantics] if semantics else None
    question = Question(
        start_event=as_step(start_event, "start_event"),
        return_event=as_step(return_event, "return_event"),
        period=period,
        periods=periods,
        **options,
        min_returns=min_returns,
        by=names_given(by, "by", taken=TAKEN),
        value=value,
        start=start,
        end=end,
        min_n=min_n,
        seed=seed,
        **(tool.elapsed(period) if tool and options["clock"] == "elapsed" else {}),
    )
    check(log, question)
    result = log.counted(_counted_here, _counted_there, question, scope_of(log, question))
    if tool is None:
        return result
    differs = tool.definition(options | {"by": by, "period": period, "end": end})
    return replace(result, definition={**result.definition, **differs})


def asked_of(retention: Retention) -> tuple[EventLog, Question]:
    """The log retention was counted from, and what was asked of it."""
    if retention._members is None:
        raise CjlibError(
            "ours: this was counted where the events lie, without its customers. Fetch them once: cj.retention(log.read(), …)."
        )
    return retention._members.log, retention._members.question


def returned(log: EventLog, question: Question) -> pd.DataFrame:
    """One row a customer, cohort and period that counts as returned: `customer_id` (as text), `cohort`, `period`."""
    scope = scope_of(log, question)
    entries, groups, cohorts = entries_of(log, question, scope)
    own_clock = clock_of(question, scope, log, entries.at, entries.period)
    hits = count.hits_of(log, question, scope, entries, own_clock)
    counts = tables.count(question, scope, entries, groups, own_clock, hits)
    here = counts.counted(hits)
    entry = hits.entry[here]
    ids = log.engine.frame("SELECT CAST(value AS VARCHAR) AS id FROM c_names ORDER BY code")["id"]
    return pd.DataFrame(
        {
            "customer_id": ids.take(entries.customer[entry]).reset_index(drop=True),
            "cohort": count.cohort_column(scope, entries.cohort[entry], cohorts),
            "period": hits.period[here],
        }
    )


def _counted_here(log: EventLog, question: Question, scope: Scope) -> Retention:
    entries, groups, cohorts = entries_of(log, question, scope)
    own_clock = clock_of(question, scope, log, entries.at, entries.period)
    return _answer(Members(log, question, scope, entries, own_clock, groups, cohorts))


def _counted_there(log: Log, question: Question, scope: Scope) -> Retention:
    found = pushdown.counted(log, question, scope)
    metrics = _metrics(question, found.sums, None)
    if question.recurring:
        metrics = {name: one | {"low": None, "high": None} for name, one in metrics.items()}
    headline = summary.headline(
        question,
        found.entries,
        metrics,
        found.headline_period,
        found.cohort_comparisons,
        found.cohort_change,
        lost="",
        late="",
    )
    return Retention(
        table=found.table,
        average=found.average,
        fixed_average=found.fixed_average,
        comparisons=found.comparisons,
        cohort_comparisons=found.cohort_comparisons,
        cohort_change=found.cohort_change,
        before_and_after=found.before_and_after,
        headline=headline,
        definition=found.definition,
        families=found.families,
        metrics=metrics,
        sql=found.sql,
        period=question.period,
        by=question.by,
        mode=question.mode,
        headline_period=found.headline_period,
        _members=None,
    )


def _answer(members: Members) -> Retention:
    log, question, scope, entries = (
        members.log,
        members.question,
        members.scope,
        members.entries,
    )
    groups, cohorts = members.groups, members.cohorts
    hits = count.hits_of(log, question, scope, entries, members.clock)
    counts = tables.count(question, scope, entries, groups, members.clock, hits)
    sums, through = tables.pooled(counts), tables.fixed_period(counts)
    fixed = tables.only_observed(counts, hits, through)
    table = tables.cell_table(question, scope, counts, groups, cohorts)
    average = tables.average_table(
        question, sums, groups, _clustered(question, entries, groups, hits, counts)
    )
    fixed_average = tables.average_table(
        question, tables.pooled(fixed), groups, _clustered(question, entries, groups, hits, fixed)
    )
    metrics = _metrics(question, sums, _clustered(question, entries, None, hits, counts))
    if question.value is not None:
        table, average, more = tables.with_values(members, counts, sums, table, average)
        metrics |= more
    names = tables.cell_names(scope, counts, groups, cohorts)
    equal, compared_hits = comparisons.equal_horizon(members, counts, hits, through)
    left_out = comparisons.truncated_cohort(log, question, scope)
    scores = comparisons.scores_of(question, entries, equal, compared_hits, left_out)
    different, cohort_family = comparisons.cohort_comparisons(question, names, equal, scores)
    change = comparisons.cohort_change(question, names, equal, scores)
    by_group, told, group_family = comparisons.group_comparisons(equal, groups, question)
    families = [tested for tested in (cohort_family, group_family) if tested and tested.tests]
    certain = bool(told[["share", "other_share"]].isin([0, 1]).any(axis=None))
    doubt = set_afterwards(log, question.by, certain, "come back")
    stretch = stretch_without(log, question.return_event, "return_event")
    lost = stretch.words(log, str(question.return_event)) if stretch else ""
    late = _late_in_words(members, counts)
    return Retention(
        table=table,
        average=average,
        fixed_average=fixed_average,
        comparisons=by_group,
        cohort_comparisons=different,
        cohort_change=change,
        before_and_after=comparisons.before_and_after(question, names, equal, scores, change),
        headline=summary.headline(
            question, len(entries), metrics, through, different, change, lost=lost, late=late
        ),
        definition=summary.definition(members, counts, through)
        | ({NOT_RECORDED: lost} if lost else {})
        | ({"end of data": late} if late else {})
        | summary.compared_words(question, families, groups, through, scope, left_out),
        findings=()
        if lost or late
        else summary.findings(question, told, change, group_family, doubt),
        families={tested.name: tested.tests for tested in families}
        | ({"change of retention": len(change)} if len(change) else {}),
        metrics=metrics,
        sql=retention_sql(log, question, scope),
        period=question.period,
        by=question.by,
        mode=question.mode,
        headline_period=through,
        _members=members,
    )


def _late_in_words(members: Members, counts: tables.Counts) -> str:
    """That many customers are missing in the last days, where a complete cell reaches into them; "" otherwise."""
    thin = thin_end_of(members.log)
    last = np.minimum(counts.ended, members.question.periods)
    compared = np.flatnonzero(last > 0)
    if thin is None or not compared.size:
        return ""
    ends = members.clock.begins(compared, last[compared] + 1)
    return thin.words(members.log.zone) if ends.max() > thin.since else ""


def _clustered(
    question: Question,
    entries: Entries,
    groups: Groups | None,
    hits: count.Hits,
    counts: tables.Counts,
) -> Clustered | None:
    """Variances by customer where a customer may stand in several cells of an average; of all groups together without `groups`."""
    if not question.recurring:
        return None
    together = entries if groups else replace(entries, group=np.zeros(len(entries), dtype=np.int64))
    return clustered(together, hits, counts.ended, len(groups) if groups else 1, question.periods)


def _metrics(
    question: Question, sums: tables.Pooled, by_customer: Clustered | None
) -> dict[str, Metric]:
    """`retention_period_k`: pooled over all complete cells of all groups."""
    metrics: dict[str, Metric] = {}
    for k in range(question.period_zero == "cohort", question.periods + 1):
        here = sums.period == k
        retained = np.array([sums.retained[here].sum()])
        eligible = np.array([sums.eligible[here].sum()])
        if eligible[0]:
            low, high = (
                wilson(retained, eligible)
                if by_customer is None
                else by_customer.interval(np.zeros(1, dtype=np.int64), np.array([k]))
            )
            metrics[f"retention_period_{k}"] = metric(
                retained[0] / eligible[0],
                low[0],
                high[0],
                eligible[0],
                label=f"Back in {question.period} {k}",
                unit="share",
                better="higher",
            )
    return metrics


__all__ = ["Retention", "retention"]
