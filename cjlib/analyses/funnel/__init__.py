"""Who gets from the first step to the last, where the others are lost, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from cjlib.analyses.funnel import across_periods, drop_off, pushdown
from cjlib.analyses.funnel import sql as cascade
from cjlib.analyses.funnel import summary as telling
from cjlib.analyses.funnel.across_periods import FunnelChange, FunnelTrend
from cjlib.analyses.funnel.by_group import compare_groups, touched
from cjlib.analyses.funnel.count import Attempts, Counted, count, first_entries, try_all
from cjlib.analyses.funnel.drop_off import FunnelLost
from cjlib.analyses.funnel.instants import Bools, near_instants
from cjlib.analyses.funnel.options import Question, Rows, allowed, question, read
from cjlib.analyses.funnel.pushdown import Found
from cjlib.analyses.funnel.tables import (
    Grouping,
    customers_table,
    grouping,
    metrics,
    steps_table,
    still_open,
)
from cjlib.analyses.funnel.unrecorded import unrecorded_words
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import MISSING
from cjlib.shared.unrecorded import NOT_RECORDED
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.log.conditions import Event, Exclude
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog, Log
from cjlib.sources.log.semantics import FUNNELS, Semantics, Tool, filled


@dataclass(frozen=True)
class _Count:
    """A question counted: the arrays behind the tables."""

    log: EventLog
    asked: Question
    rows: Rows
    attempts: Attempts
    counted: Counted
    undecided: Bools
    groups: Grouping | None
    group_words: dict[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel(Result):
    """The answer of `cj.funnel`.

    Attributes
    ----------
    overall
        The steps of all customers together, whatever the groups; without `by` the same as `table`.
    biggest_losses
        The steps after which most customers are lost; several where they are too alike to rank.
    comparisons
        Each group of at least `min_n` customers against all others together: [by], `customers`,
        `share`, `other_customers`, `other_share`, `difference`, `difference_low`, `difference_high`
        (Newcombe), `p_value`, `p_adjusted` (Benjamini–Hochberg), `without`: the groups that differ
        more, named before and not among the others. Customers are compared by their
        first entry, whatever came of it, in the group known there (`by_value="step_k"`: at step k,
        those who reached it), once their window has ended. Empty without `by`, without a window,
        and with `by_value="all"`.
    group_steps
        The same customers step by step: [by], `step`, `event`, `customers`, `share_of_first`,
        `share_of_previous` (each with `_low`, `_high`), and the difference of `share_of_previous`
        from that of all others together, with its `p_value` and `p_adjusted`: at each step named in
        turn, so that one group that loses many there does not set all others apart.
    """

    overall: pd.DataFrame
    biggest_losses: Sequence[int]
    comparisons: pd.DataFrame
    group_steps: pd.DataFrame
    _count: _Count | None = field(repr=False)

    @property
    def _held(self) -> _Count:
        if self._count is None:
            raise CjlibError(
                "log: this funnel was counted where the events lie, without its customers. Fetch them once: cj.funnel(log.read(), …)."
            )
        return self._count

    def customers(self) -> pd.DataFrame:
        """One row a counted customer, by id: `customer_id`, [by], `steps_reached`, `still_open`, `step_1_at` … (missing if not reached).

        With `by_value="all"` one row a customer and value. Customers who stand in no group
        (`by_value="step_k"`) are left out, as in the table.

        Returns
        -------
        pandas.DataFrame
            The columns named above; times aware, in the log's zone.

        Raises
        ------
        CjlibError
            If the funnel was counted in a database, without its customers.
        """
        held = self._held
        return customers_table(
            held.log, held.rows, held.counted, held.asked, held.undecided, held.groups
        )

    def trend(self, period: str = "week", *, week_start: str = "monday") -> FunnelTrend:
        """Conversion by the calendar period of entry, all groups together.

        A customer counts once in each period with an entry, by the first one in it, whatever came
        of it: the same rule for those who convert and those who do not, whatever `entry` says of
        the funnel. A period is complete when every window that opened in it had ended by the end of
        data, until when its share may rise, and neither `start` nor `end` cuts it. Without a window
        none ever is.

        Parameters
        ----------
        period
            "hour", "day", "week", "month", "quarter" or "year", in the business's zone.
        week_start
            "monday" or "sunday".

        Returns
        -------
        FunnelTrend
            `.table`: `period_start` (local wall clock), `customers`, `converted`, `share`,
            `share_low`, `share_high` (Wilson), `still_open`, `complete`; every period from the
            first entry to the last, share missing where nobody entered. Complete periods also have
            `other_share`, that of all other complete periods together, `difference` with `_low` and
            `_high`, `p_value`, `p_adjusted` (clustered by customer).

        Raises
        ------
        CjlibError
            If `period` or `week_start` is none of those named, or the funnel was counted in a
            database.
        """
        whole = _whole(self._held)
        trend = across_periods.trend(
            whole.log, whole.asked, whole.rows, whole.attempts, period, week_start
        )
        told = across_periods.without_claims(trend, self.definition.get(NOT_RECORDED, ""))
        return across_periods.in_doubt(told, whole.log, whole.log.observed_until_us)

    def compare_previous_period(self) -> FunnelChange:
        """The funnel beside that of the period of equal length just before its `start`, all groups together.

        Counted alike, with first events from `start` minus the length of the range; a range of
        whole local days is set back by as many days. Both sides are followed for the whole window:
        where the last windows have not ended, both ranges are cut at the same place. Without a
        `start`, a window, or an ended window there is nothing to compare: `.answered` is False and
        the headline says why.

        Returns
        -------
        FunnelChange
            `.table`: `step`, `event`, `customers`, `share_of_first`, `previous_customers`,
            `previous_share_of_first`, `difference`, `difference_low`, `difference_high` (Newcombe),
            `p_value`, `p_adjusted` (clustered by customer; where customers come back, of the
            first entries of newcomers or of those in both periods too, the larger p), `verdict`;
            row 1 compares nothing.
            `.metrics`: `change_of_conversion`, and the funnel's of the period before, named
            `previous_…`.

        Raises
        ------
        CjlibError
            If the funnel was counted in a database.
        """
        whole = _whole(self._held)
        log, asked = whole.log, whole.asked
        reason = across_periods.no_previous(log, asked)
        if reason:
            return FunnelChange.unanswered(reason)
        compared = across_periods.ranges(log, asked)
        now, before = (
            _counted(log, replace(asked, start=first, end=last))
            for first, last in (compared.now, compared.before)
        )
        every = _counted(log, replace(asked, start=None, end=compared.now[1]))
        entries = across_periods.first_of_each_period(every.rows, every.attempts, asked, compared)
        change = across_periods.compare_previous(
            log, asked, _side(now), _side(before), entries, compared
        )
        earlier = {
            f"previous_{name}": entry
            for name, entry in metrics(before.counted, before.asked).items()
        }
        lost = unrecorded_words(log, asked, every.counted, since=compared.before[0])
        told = across_periods.without_claims(change, lost)
        told = across_periods.in_doubt(told, log, compared.now[1] + (asked.window or 0))
        return replace(told, metrics={**change.metrics, **earlier})

    def next_after_drop_off(self, step: int | None = None) -> FunnelLost:
        """What those who dropped off after a step did next, beside those who went on, all groups together.

        Lost: customers whose counted attempt ended at this very step. Those whose window has not
        ended stand on neither side. Next: the customer's first event strictly after the instant at
        which the step was filled and within the window; of several at one instant the first by
        name. Compared are those whose next event could be had by both: neither the next step, which
        only those who went on can have, nor nothing at all.

        Parameters
        ----------
        step
            The last step they reached, 1-based; None: the one after which most are lost.

        Returns
        -------
        FunnelLost
            `.table`, most common among the lost first: `event` ("(nothing)": no event within the
            window), `lost`, `share_of_lost`, `went_on`, `share_of_went_on` (both with Wilson's
            `_low`, `_high`; of all of them); `expected_lost` (how many of the lost would have done
            it at the rate common to both, at the same waiting times); `difference` (lost −
            expected, as a share of the lost) with `difference_low`, `difference_high` and `p_value`
            (log-rank), `p_adjusted` (Benjamini–Hochberg over the events), by each customer's first
            entry, whatever came of it, among those compared;
            `median_seconds_lost`.

        Raises
        ------
        CjlibError
            If the funnel has no such step to drop off after, or was counted in a database.
        """
        whole = _whole(self._held)
        if len(whole.asked.steps) == 1:
            return FunnelLost.unanswered("A funnel of one step loses nobody.")
        table = steps_table(whole.counted, whole.asked, whole.undecided, None)
        chosen = drop_off.step_asked(table, whole.asked, step)
        asked, rows = whole.asked, whole.rows
        entries = first_entries(
            whole.attempts, rows.moments, rows.excluded, asked.exclude, window=asked.window
        )
        return drop_off.next_after_drop_off(
            whole.log, asked, rows.customer, whole.counted.attempts, entries, chosen
        )


def funnel(  # noqa: PLR0913 (the options are the analysis)
    log: EventLog,
    steps: Sequence[Event],
    *,
    window: Duration | None = "",
    order: Literal["sequential", "strict", "any"] = "sequential",
    entry: Literal["best", "reentry", "first"] | None = None,
    entrants: Literal["all", "closed"] = "all",
    exclude: Exclude | Sequence[Exclude] = (),
    hold: str | Sequence[str] = (),
    by: str | Sequence[str] | None = None,
    by_value: str | None = None,
    step_windows: Sequence[Duration | None] | None = None,
    start: Any = None,
    end: Any = None,
    semantics: Tool | None = None,
    min_n: int = MIN_N,
) -> Funnel:
    """How many customers get from the first step to the last, and where the others stop.

    A customer's first event of step 1 opens an attempt; each next step is filled by the earliest
    event that matches it, is not used yet, lies at or after the previous step's instant, and at or
    before the first event + `window` (its end included). One event fills one step: a name that
    stands twice needs two events. Events of one instant have no order, so they may fill steps in
    any; where they fit several, the assignment that goes deepest is used. Every first event is
    tried, and `entry` says which attempt counts. Each customer counts once; step k's count is those
    whose counted attempt filled k steps or more, so counts never rise.

    Parameters
    ----------
    log
        The event log.
    steps
        Events in order: names, lists of names (any of them), None (any event) or `cj.Step(…)`. A
        later step that never occurs in the log is refused, since everybody would be lost before it;
        `cj.Step(name, may_be_absent=True)` allows it.
    window
        Longest elapsed time from the first event to every later step, such as "14D"; None: no
        limit. It has no default: it must be said, here or by `semantics`.
    order
        "sequential": other events may lie between. "strict": any other event of the customer in the
        log between two steps breaks the attempt. "any": the steps may come in any order; row k
        counts those who reached any k of them.
    entry
        "best" (unless `semantics` has another): the attempt with most steps, of those the one with
        the earliest first event. "reentry": most steps, of those the earliest last step, then the latest first event (same
        counts; times without idle earlier visits). "first": only the first first-step event at or
        after `start`.
    entrants
        "all": everyone who entered. "closed": only first events whose window had ended by the end
        of data may open an attempt.
    exclude
        `cj.Exclude(…)` or a list: events that must not happen between two steps.
    hold
        Column(s) whose value all events of an attempt must share; a missing value fills no step.
        Customers are counted, best over values.
    by
        Column(s) of the log or of the customers table: one funnel a group. A missing value is a
        group of its own, null in the table.
    by_value
        A customer's group: "first" (unless `semantics` has another) or "last" value along the
        counted attempt that is not missing
        (several columns: the values of the first event that has any); "step_k": of the event that
        filled step k, without customers who never reached it; "all": the funnel runs separately on
        the events of each value. Of tied events the smallest value as text.
    step_windows
        For each step but the first the longest time from the previous step, end included, or None;
        in addition to `window`. Every chain is searched.
    start, end
        Bounds of the first event only, both included; later steps may fall after `end`. To cut
        every event use `log.where(start=, end=)`.
    semantics
        "posthog", "mixpanel", "amplitude" or "ga4": count as that tool documents it. Options that
        are not given are the tool's; one that the tool does not offer is an error. `.definition`
        names the page, and which difference remains.
    min_n
        Groups of fewer customers are not compared, and headlines say that they are small.

    Returns
    -------
    Funnel
        `.table`, one row a step (and group): [by], `step`, `event`, `customers`; `share_of_first`,
        `share_of_previous` (0–1, Wilson's 95% in `_low`, `_high`); `median_seconds_from_previous`,
        `mean_seconds_from_previous`, `median_seconds_from_first` (of those who reached the step);
        `still_open`: customers who stopped there and have a first event whose window is open. A
        share of nobody is missing; so are shares of the step before, bounds and times of step 1.

    Raises
    ------
    CjlibError
        If `log` is no event log; a step never occurs in it (unless it may be absent) or there are
        too many; a window is not said or has no unit; `order`, `entry`, `entrants`, `by_value` or `semantics` is none of
        those named, or the tool knows another; `exclude`, `step_windows` or `entrants="closed"` does not fit the steps, the order or
        the window; a column does not exist; `start` lies after `end`; or the log lies in a database
        that cannot count it. The message says what is allowed, and the nearest name.

    Notes
    -----
    Times are those of people who reached the step. They do not say how long it takes: `cj.survival`
    does. `median_seconds_from_latest_start` in `.metrics` is the time from the latest first event
    before the same completion; when it differs much from `median_seconds_to_convert`, people came
    back.

    Examples
    --------
    >>> import pandas as pd, cjlib as cj
    >>> times = pd.to_datetime(["2024-01-01 10:00", "2024-01-01 10:30", "2024-01-01 11:00"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": ["ana", "ana", "bob"], "event": ["visit", "buy", "visit"], "timestamp": times}))
    >>> cj.funnel(log, ["visit", "buy"], window="1D").table[["step", "event", "customers", "share_of_first"]]
       step  event  customers  share_of_first
    0     1  visit          2             1.0
    1     2    buy          1             0.5
    """
    given = {"window": window} if window != "" else {}
    given |= {"entry": entry} if entry is not None else {}
    given |= {"by_value": by_value} if by_value is not None else {}
    given |= {"order": order, "entrants": entrants, "exclude": exclude, "hold": hold}
    given |= {"by": by, "step_windows": step_windows}
    options = filled(
        FUNNELS, semantics, given, {"window": "", "entry": "best", "by_value": "first"}
    )
    if not semantics:
        return answer(log, question(log, steps, **options, start=start, end=end, min_n=min_n))
    tool = FUNNELS[semantics]
    if tool.whole_range and end is not None and isinstance(log, Log):
        log, end = log.where(end=end), None
    asked = question(
        log, steps, **options, start=start, end=end, min_n=min_n, together=tool.together
    )
    result = answer(log, asked)
    differs = tool.definition(options, _not_swapped(result, asked, tool))
    return replace(result, definition={**result.definition, **differs})


def _not_swapped(result: Funnel, asked: Question, tool: Semantics) -> str:
    """Where a tool lets near steps swap places and this count could not: how many customers that may concern."""
    if not asked.together or asked.order == "any":
        return ""
    within = f"{tool.tool} lets steps within {timespan(asked.together)} of one another swap places, here only those of one instant do"
    if result._count is None:
        return within
    instants = result._count.rows.instants
    if asked.order == "sequential" and instants.steps_apart:
        return ""
    near = near_instants(instants, asked.together)
    return f"{within}: at most {count_of(near, 'customer')} with such steps may count otherwise"


def answer(log: EventLog, asked: Question) -> Funnel:
    """The funnel of a checked question."""
    found, held = log.counted(_counted_here, _counted_there, asked)
    return Funnel(
        table=found.table,
        headline=telling.headline(
            found.overall,
            found.metrics,
            asked,
            found.compared.headline,
            found.definition.get("ids", ""),
            found.definition.get(NOT_RECORDED, ""),
        ),
        definition=found.definition,
        metrics=found.metrics,
        sql=found.sql,
        findings=found.compared.findings,
        families=found.compared.families,
        overall=found.overall,
        biggest_losses=telling.biggest_losses(found.overall),
        comparisons=found.compared.table,
        group_steps=found.compared.steps,
        _count=held,
    )


def asked_of(funnel: Funnel) -> tuple[EventLog, Question]:
    """The log a funnel was counted from, and what was asked of it."""
    return funnel._held.log, funnel._held.asked


def _counted_there(log: Log, asked: Question) -> tuple[Found, None]:
    return pushdown.counted(log, asked), None


def _counted_here(log: EventLog, asked: Question) -> tuple[Found, _Count]:
    held = _counted(log, asked)
    whole = _whole(held)
    table = steps_table(held.counted, asked, held.undecided, held.groups)
    overall = (
        table if held.groups is None else steps_table(whole.counted, asked, whole.undecided, None)
    )
    compared = compare_groups(log, asked, held.rows, held.attempts)
    sql, sql_words = cascade.statement(log, asked)
    group_words = held.group_words | ({"comparisons": compared.words} if asked.by else {})
    definition = telling.definition(log, asked, held.rows, whole.counted, group_words, sql_words)
    split = telling.split_words(log, asked, overall)
    definition |= {"ids": split} if split else {}
    lost = unrecorded_words(log, asked, whole.counted)
    definition |= {NOT_RECORDED: lost} if lost else {}
    named = metrics(whole.counted, asked)
    return Found(table, overall, named, compared, definition, sql), held


def _counted(log: EventLog, asked: Question) -> _Count:
    rows = read(log, asked)
    attempts = try_all(
        rows.instants,
        allowed(rows, asked, log.observed_until_us),
        order=asked.order,
        window=asked.window,
        step_windows=asked.step_windows,
        together=asked.together,
    )
    counted = count(
        attempts, rows.moments, rows.excluded, asked.exclude, entry=asked.entry, window=asked.window
    )
    undecided = still_open(counted, asked, log.observed_until_us)
    groups, words = _groups(log, asked, rows, counted)
    return _Count(log, asked, rows, attempts, counted, undecided, groups, words)


def _side(held: _Count) -> across_periods.Side:
    return across_periods.Side(held.rows.customer[held.counted.who], held.counted.attempts.depth)


def _whole(held: _Count) -> _Count:
    """The same count of all customers together: only groups that run separately need counting again."""
    return held if held.rows.person_rank is None else _counted(held.log, held.asked.ungrouped())


def _groups(
    log: EventLog, asked: Question, rows: Rows, counted: Counted
) -> tuple[Grouping | None, dict[str, str]]:
    if rows.groups is None:
        return None, {}
    by = ", ".join(asked.by)
    if rows.person_rank is not None:
        rank = rows.person_rank[counted.who]
        return grouping(rows.groups, rank, np.ones(len(rank), dtype=bool)), {
            "groups": f"{by}: {telling.BY_VALUE['all']}"
        }
    of_customer = all(log.property(name, "by").of_customer for name in asked.by)
    step = None if of_customer else asked.by_step
    own = touched(
        counted.attempts, rows.groups.rank, asked.by_value, step, any_order=asked.order == "any"
    )
    rule = "one value a customer" if of_customer else telling.by_words(asked)
    words = {
        "groups": f"{by}: {rule}; customers with more than one value: {np.count_nonzero(own.several):,}; missing is a group of its own"
    }
    if step is not None:
        words["left out of the groups"] = (
            f"{telling.count_of(int(np.count_nonzero(~own.known)), 'customer')} who never reached step {step}"
        )
    return grouping(rows.groups, np.where(own.known, own.rank, MISSING), own.known), words
