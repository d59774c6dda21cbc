"""Groups of customers: which one each attempt is in, and groups compared.

Compared are they by a fact known at the first entry, over windows that have ended, the same for those who convert and those who do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.findings import Finding
from cjlib.analyses.funnel.count import Attempts, first_entries
from cjlib.analyses.funnel.instants import (
    Bools,
    Instants,
    Ints,
    Positions,
    Progress,
    runs_of,
    usable,
)
from cjlib.analyses.funnel.options import Question, Rows
from cjlib.analyses.funnel.tables import Grouping, grouping, step_counts, step_shares
from cjlib.shared.comparison import (
    Family,
    FollowUp,
    ShareComparison,
    all_others,
    compare_shares,
    followed,
    named_in_turn,
    not_compared_with,
    others_in_words,
)
from cjlib.shared.group_by import MISSING, left_out_words, set_afterwards
from cjlib.shared.periods import calendar
from cjlib.shared.risk_comparison import shares_also_within
from cjlib.show.numbers import capitalised, count_of, percent, percents, points, points_interval
from cjlib.sources.log.event_log import EventLog, Log

SAME_MONTHS = (
    "what is claimed holds among those who entered in the same months too (Mantel and Haenszel)"
)
COMPARED = ["customers", "share", "other_customers", "other_share"]
DIFFERENCES = ["difference", "difference_low", "difference_high", "p_value", "p_adjusted"]
STEPS = [
    "step",
    "event",
    "customers",
    *(
        f"{name}{end}"
        for name in ("share_of_first", "share_of_previous")
        for end in ("", "_low", "_high")
    ),
    *DIFFERENCES,
]
NOT_BY_WINDOW = "groups are compared within a window only: without one some customers were followed longer than others"


@dataclass(frozen=True, kw_only=True)
class GroupComparison:
    """What a funnel says about its groups.

    Attributes
    ----------
    table
        `.comparisons` of the funnel.
    steps
        `.group_steps` of the funnel.
    words
        How they were compared, or why not, for the definition.
    headline
        What a headline says of the groups; "" without groups.
    findings, families
        Of the result.
    """

    table: pd.DataFrame
    steps: pd.DataFrame
    words: str = ""
    headline: str = ""
    findings: tuple[Finding, ...] = ()
    families: dict[str, int] = field(default_factory=dict)


def nothing_compared(asked: Question, words: str = "") -> GroupComparison:
    """No groups, or groups that cannot be compared."""
    by: dict[str, Any] = {name: pd.Series(dtype="str") for name in asked.by}
    empty = pd.Series(dtype="float64")
    return GroupComparison(
        table=pd.DataFrame(
            by
            | dict.fromkeys([*COMPARED, *DIFFERENCES], empty)
            | {"without": pd.Series(dtype="str")}
        ),
        steps=pd.DataFrame(by | dict.fromkeys(STEPS, empty)),
        words=words,
        headline=words,
    )


def why_not(asked: Question) -> str:
    """Why groups are not compared at all; "" where they are, or where there are none."""
    if asked.by and len(asked.steps) == 1:
        return "groups of a funnel of one step have nothing to compare"
    if asked.by_value == "all":
        return "groups are not compared: a customer may be in several"
    return NOT_BY_WINDOW if asked.by and asked.window is None else ""


def landmark_step(asked: Question) -> int:
    """The step at which the group is known, 1-based."""
    return asked.by_step or 1


def compare_groups(
    log: EventLog, asked: Question, rows: Rows, attempts: Attempts
) -> GroupComparison:
    """Every customer by the first entry, converted or not; only those whose window has ended."""
    reason = why_not(asked)
    if reason or rows.groups is None or asked.window is None:
        return nothing_compared(asked, reason)
    entries = first_entries(
        attempts, rows.moments, rows.excluded, asked.exclude, window=asked.window
    )
    step = landmark_step(asked)
    group = touched(entries, rows.groups.rank, asked.by_value, step, any_order=asked.order == "any")
    closed, follow_up = followed(
        entries.times(0),
        log.observed_until_us,
        horizon=asked.window,
        landmark="the customer's first entry",
    )
    groups = grouping(rows.groups, group.rank, group.known & closed)
    inside = groups.of >= 0
    _, reached = step_counts(
        entries.depth[inside].astype(np.int64),
        groups.of[inside],
        len(groups.ranks),
        len(asked.steps),
    )
    by_month = _by_month(log, asked, entries, groups)
    return compared_groups(log, asked, reached, groups, follow_up, by_month)


def _by_month(log: Log, asked: Question, entries: Attempts, groups: Grouping) -> Ints:
    """How many reached each step, by month of entry: months × groups × steps."""
    inside = groups.of >= 0
    entered, shape = entries.times(0)[inside], (len(groups.ranks), len(asked.steps))
    if not entered.size:
        return np.zeros((0, *shape), dtype=np.int64)
    months = calendar(int(entered.min()), int(entered.max()), "month", log.zone)
    cell = months.index(entered) * shape[0] + groups.of[inside]
    depth = entries.depth[inside].astype(np.int64)
    _, reached = step_counts(depth, cell, len(months) * shape[0], shape[1])
    return reached.reshape(-1, *shape)


def compared_groups(
    log: Log,
    asked: Question,
    reached: np.ndarray,
    groups: Grouping,
    follow_up: FollowUp,
    by_month: Ints | None = None,
) -> GroupComparison:
    """From the customers of each group (row) who reached each step (column), and those of each month (before them) where these are known."""
    if np.count_nonzero(reached[:, landmark_step(asked) - 1] >= asked.min_n) < 2:
        return nothing_compared(
            asked,
            f"groups of {', '.join(asked.by)} are not compared: fewer than two have {asked.min_n} customers whose window has ended",
        )
    by, landmark = ", ".join(asked.by), landmark_step(asked)
    customers, converted = reached[:, landmark - 1], reached[:, -1]

    def beside(others: Bools) -> ShareComparison:
        return compare_shares(
            f"conversion by {by}",
            converted,
            customers,
            others @ converted,
            others @ customers,
            follow_up=follow_up,
            min_n=asked.min_n,
        )

    comparable = groups.by.comparable(log, groups.ranks)
    monthly = None if by_month is None else (by_month[..., -1], by_month[..., landmark - 1])
    overall, told, others = named_in_turn(
        shares_also_within(beside, monthly, asked.min_n), comparable
    )
    without = not_compared_with(_group_labels(groups), others)
    over_all = by_month is not None and bool(beside(all_others(comparable)).claims.any())
    doubt = set_afterwards(log, asked.by, told.certain, "convert")
    table = pd.DataFrame(
        groups.columns()
        | {
            "customers": customers,
            "share": told.share,
            "other_customers": others @ customers,
            "other_share": told.other_share,
        }
        | told.columns()
        | {"without": pd.Series(without, dtype="str")}
    )
    steps, by_step = _steps(asked, reached, groups, comparable, follow_up, by_month)
    moment = "step 1" if landmark == 1 else f"step {landmark} (those who reached it)"
    return GroupComparison(
        table=table[comparable & (customers >= asked.min_n)].reset_index(drop=True),
        steps=steps,
        words=f"each customer once, by the value at {moment} of the first entry, converted or not; {overall.words}{f'; {SAME_MONTHS}' if by_month is not None else ''}; {by_step.words}{left_out_words(comparable)}",
        headline=_headline(asked, groups, told, customers, without, over_all=over_all) + doubt,
        findings=tuple(_findings(asked, groups, told, customers, without, doubt)),
        families={tested.name: tested.tests for tested in (overall, by_step)},
    )


def _steps(
    asked: Question,
    reached: np.ndarray,
    groups: Grouping,
    comparable: Bools,
    follow_up: FollowUp,
    by_month: Ints | None,
) -> tuple[pd.DataFrame, Family]:
    """Each group's share of those at the step before against that of all others, at each step named in turn; step 1 has none."""
    size, n = reached.shape
    before, now = reached[:, :-1], reached[:, 1:]

    def beside(others: Bools) -> ShareComparison:
        at_each_step = np.einsum("isjs->sij", others.reshape(size, n - 1, size, n - 1))
        return compare_shares(
            f"steps by {', '.join(asked.by)}",
            now.ravel(),
            before.ravel(),
            np.einsum("sij,js->is", at_each_step, now).ravel(),
            np.einsum("sij,js->is", at_each_step, before).ravel(),
            follow_up=follow_up,
            min_n=asked.min_n,
        )

    step = np.tile(np.arange(n - 1), size)
    monthly = (
        None
        if by_month is None
        else tuple(
            part.reshape(len(by_month), size * (n - 1))
            for part in (by_month[..., 1:], by_month[..., :-1])
        )
    )
    tested, told, _ = named_in_turn(
        shares_also_within(beside, monthly, asked.min_n), np.repeat(comparable, n - 1), step
    )
    missing = np.full((size, 1), np.nan)
    differences = {
        name: np.concatenate([missing, column.reshape(size, n - 1)], axis=1).ravel()
        for name, column in told.columns().items()
    }
    return pd.DataFrame(groups.columns(n) | step_shares(asked, reached) | differences), tested


def _headline(
    asked: Question,
    groups: Grouping,
    told: ShareComparison,
    customers: np.ndarray,
    without: list[str],
    *,
    over_all: bool,
) -> str:
    """The group that differs most, of those that differ significantly; how many windows are open is part of it, since they are left out.

    Where groups differ over all the time only (`over_all`), that is said.
    """
    left_out = told.follow_up.left_out
    base = f", {left_out:,} open windows left out" if left_out else ""
    clear = np.flatnonzero(told.claims)
    if not clear.size:
        same = " who entered in the same months, as some do over all the time" if over_all else ""
        return (
            f"no group of {', '.join(asked.by)} differs significantly from the others{same}{base}"
        )
    widest = int(clear[np.abs(told.difference[clear]).argmax()])
    side = "above" if told.difference[widest] > 0 else "below"
    own, others = percents(told.share[widest], told.other_share[widest])
    apart = points(told.difference[widest], told.low[widest], told.high[widest])[1:]
    return (
        f"{_group_labels(groups)[widest]} converts {apart} {side} {others_in_words(without[widest])} "
        f"({own} of {customers[widest]:,} first entries, {others} of the others{base})"
    )


def _findings(
    asked: Question,
    groups: Grouping,
    told: ShareComparison,
    customers: np.ndarray,
    without: list[str],
    doubt: str,
) -> list[Finding]:
    """The groups that differ, named in turn: one that converts badly makes no news of all the others."""
    labels = _group_labels(groups)
    return [
        Finding(
            topic=told.name,
            claim=f"{capitalised(labels[g])} converts {'better' if told.difference[g] > 0 else 'worse'} than {others_in_words(without[g])}: {percent(told.share[g])} of {count_of(customers[g], 'customer')} reach “{asked.in_words[-1]}”, "
            f"{points(told.difference[g], told.low[g], told.high[g])} against {others_in_words(without[g])} (95% CI {points_interval(told.low[g], told.high[g])}){doubt}.",
            direction="good" if told.difference[g] > 0 else "bad",
            value=float(told.difference[g]),
            low=float(told.low[g]),
            high=float(told.high[g]),
            n=int(customers[g]),
            unit="share",
            customers=round(abs(told.difference[g]) * int(customers[g])),
            family=told.name,
            p_adjusted=float(told.p_adjusted[g]),
            figure="segments",
            next_step=f"Look at which step {labels[g]} {'gains' if told.difference[g] > 0 else 'falls behind'}.",
        )
        for g in np.flatnonzero(told.claims)
    ]


def _group_labels(groups: Grouping) -> list[str]:
    """The groups as a sentence names them."""
    columns = groups.columns()
    named = [
        [f"{name} {'(not set)' if pd.isna(value) else value}" for value in column.tolist()]
        for name, column in columns.items()
    ]
    return [", ".join(parts) for parts in zip(*named, strict=True)]


_NONE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Touched:
    """The group of each attempt: `rank` (−1 = missing), `known` (False where the named step was not reached), and whether it saw several values."""

    rank: Ints
    known: Bools
    several: Bools


def touched(
    attempts: Attempts, rank: Ints, by_value: str, by_step: int | None, *, any_order: bool
) -> Touched:
    """The group of each attempt; `rank` is the value of every row read."""
    size, steps = len(attempts), attempts.instants.steps
    closed = _closed_before(attempts) if any_order else None
    first, last, at_step = (np.full(size, MISSING, dtype=np.int64) for _ in range(3))
    lowest, highest = np.full(size, _NONE), np.full(size, MISSING, dtype=np.int64)
    for k in range(steps):
        which = attempts.arriving(k)
        stay = _stay(attempts, which, k, closed[k] if closed else None)
        low, high = stay.values(rank)
        lowest[which] = np.minimum(lowest[which], np.where(low < 0, _NONE, low))
        highest[which] = np.maximum(highest[which], high)
        first[which] = np.where(first[which] < 0, low, first[which])
        last[which] = np.where(low < 0, last[which], low)
        if by_step is not None and k < by_step:
            inside = stay.reached >= by_step
            at_step[which[inside]] = stay.values(rank, by_step - 1)[0][inside]
    several = (highest >= 0) & (lowest < highest)
    if by_step is not None:
        return Touched(at_step, attempts.depth >= by_step, several)
    return Touched(last if by_value == "last" else first, np.ones(size, dtype=bool), several)


@dataclass(frozen=True)
class _Stay:
    """Attempts at an instant that fills steps `filled` + 1 … `reached` of each; in any order, `closed` to further events that fit only these steps."""

    instants: Instants
    here: Positions
    filled: int
    reached: Ints
    closed: Ints | None

    def values(self, rank: Ints, step: int | None = None) -> tuple[Ints, Ints]:
        """The lowest and highest non-missing value among the events that could fill one of the steps (or the one `step`); −1 if all are missing."""
        begins, ends = self.instants.first_row[self.here], self.instants.first_row[self.here + 1]
        low = rank[self.instants.row[begins]]
        high = low.copy()
        tied = np.flatnonzero(ends - begins > 1)
        if not tied.size:
            return low, high
        within, events = runs_of(begins[tied], (ends - begins)[tied])
        mask, value = self.instants.mask[events].astype(np.int64), rank[self.instants.row[events]]
        fits = (value >= 0) & self._fits(tied, within, mask, step)
        lowest, highest = np.full(len(tied), _NONE), np.full(len(tied), MISSING, dtype=np.int64)
        np.minimum.at(lowest, within[fits], value[fits])
        np.maximum.at(highest, within[fits], value[fits])
        low[tied], high[tied] = np.where(lowest == _NONE, MISSING, lowest), highest
        return low, high

    def _fits(self, tied: Ints, within: Ints, mask: Ints, step: int | None) -> Bools:
        """Whether each event could be the one that fills a step (or `step`), found once for each kind, run of steps and mask."""
        if self.closed is not None:
            return (mask & ~self.closed[tied][within]) != 0
        steps = self.instants.steps + 1
        runs, run = np.unique(
            self.instants.kind[self.here[tied]].astype(np.int64) * steps + self.reached[tied],
            return_inverse=True,
        )
        fits = np.zeros(len(mask), dtype=bool)
        for number, (kind, reached) in enumerate(divmod(code, steps) for code in runs.tolist()):
            masks = self.instants.kinds[kind]
            can = zip(masks, usable(masks, self.filled, reached), strict=True)
            good = [own for own, fills in can if (fills if step is None else fills >> step & 1)]
            fits |= (run[within] == number) & np.isin(mask, good)
        return fits


def _stay(attempts: Attempts, which: Ints, filled: int, closed: Ints | None) -> _Stay:
    here = attempts.filled_at[filled][which]
    reached = np.full(len(which), filled, dtype=np.int64)
    for step in range(filled, attempts.instants.steps):
        reached[attempts.filled_at[step][which] == here] = step + 1
    return _Stay(
        attempts.instants, here, filled, reached, None if closed is None else closed[which]
    )


def _closed_before(attempts: Attempts) -> list[Ints]:
    """For each step the steps (as a mask) to which no event could add before the instant at which it was reached, in any order."""
    instants = attempts.instants
    progress = Progress(instants.kinds, instants.steps)
    state = np.zeros(len(attempts), dtype=np.int32)
    closed = []
    for k, position in enumerate(attempts.filled_at):
        before = np.zeros(len(attempts), dtype=np.int64)
        new = attempts.arriving(k)
        before[new] = progress.closed[state[new]]
        closed.append(before)
        state[new] = progress.step_on(state[new], instants.kind[position[new]])
    return closed
