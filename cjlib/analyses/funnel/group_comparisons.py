"""Groups of customers compared: by a fact known at their first entry, over windows that have ended, the same for those who convert and those who do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.findings import Finding
from cjlib.analyses.funnel.attempts import Attempts, touched
from cjlib.analyses.funnel.options import Question, Rows
from cjlib.analyses.funnel.selection import first_entries
from cjlib.analyses.funnel.tables import Grouping, grouping, later, step_counts
from cjlib.shared.comparison import Family, FollowUp, ShareComparison, compare_shares, followed
from cjlib.shared.stats import share, wilson
from cjlib.show.numbers import count_of, percent, points, points_interval

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
        table=pd.DataFrame(by | dict.fromkeys([*COMPARED, *DIFFERENCES], empty)),
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
    asked: Question, rows: Rows, attempts: Attempts, observed_until: int
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
        observed_until,
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
    return compared_groups(asked, reached, groups, follow_up)


def compared_groups(
    asked: Question, reached: np.ndarray, groups: Grouping, follow_up: FollowUp
) -> GroupComparison:
    """From the customers of each group (row) who reached each step (column)."""
    if np.count_nonzero(reached[:, landmark_step(asked) - 1] >= asked.min_n) < 2:
        return nothing_compared(
            asked,
            f"groups of {', '.join(asked.by)} are not compared: fewer than two have {asked.min_n} customers whose window has ended",
        )
    by, landmark = ", ".join(asked.by), landmark_step(asked)
    customers, converted = reached[:, landmark - 1], reached[:, -1]
    overall = compare_shares(
        f"conversion by {by}",
        converted,
        customers,
        converted.sum() - converted,
        customers.sum() - customers,
        follow_up=follow_up,
        min_n=asked.min_n,
    )
    table = pd.DataFrame(
        groups.columns()
        | {
            "customers": customers,
            "share": overall.share,
            "other_customers": customers.sum() - customers,
            "other_share": overall.other_share,
        }
        | overall.columns()
    )
    steps, by_step = _steps(asked, reached, groups, follow_up)
    return GroupComparison(
        table=table[customers >= asked.min_n].reset_index(drop=True),
        steps=steps,
        words=f"each customer once, by the value at {_moment(landmark)} of the first entry, converted or not; {overall.words}; {by_step.words}",
        headline=_headline(asked, groups, overall, customers),
        findings=tuple(_findings(asked, groups, overall, customers)),
        families={each.name: each.tests for each in (overall, by_step)},
    )


def _moment(landmark: int) -> str:
    return "step 1" if landmark == 1 else f"step {landmark} (those who reached it)"


def _steps(
    asked: Question, reached: np.ndarray, groups: Grouping, follow_up: FollowUp
) -> tuple[pd.DataFrame, Family]:
    """Each group's share of those at the step before against that of all others; step 1 has none."""
    size, n = reached.shape
    before, now = reached[:, :-1], reached[:, 1:]
    tested: ShareComparison = compare_shares(
        f"steps by {', '.join(asked.by)}",
        now.ravel(),
        before.ravel(),
        (now.sum(axis=0) - now).ravel(),
        (before.sum(axis=0) - before).ravel(),
        follow_up=follow_up,
        min_n=asked.min_n,
    )
    first = np.repeat(reached[:, :1], n, axis=1)
    previous = np.concatenate([np.zeros((size, 1), dtype=np.int64), before], axis=1)
    first_bounds, previous_bounds = wilson(reached, first), wilson(reached, previous)
    missing = np.full((size, 1), np.nan)
    differences = {
        name: np.concatenate([missing, column.reshape(size, n - 1)], axis=1).ravel()
        for name, column in tested.columns().items()
    }
    columns = groups.columns(n) | {
        "step": np.tile(np.arange(1, n + 1), size),
        "event": pd.Series(asked.in_words * size, dtype="str"),
        "customers": reached.ravel(),
        "share_of_first": share(reached, first).ravel(),
        "share_of_first_low": later(first_bounds[0]),
        "share_of_first_high": later(first_bounds[1]),
        "share_of_previous": later(share(reached, previous)),
        "share_of_previous_low": later(previous_bounds[0]),
        "share_of_previous_high": later(previous_bounds[1]),
    }
    return pd.DataFrame(columns | differences), tested


def _headline(
    asked: Question, groups: Grouping, overall: ShareComparison, customers: np.ndarray
) -> str:
    """The group that differs most, of those that differ significantly; how many windows are open is part of it, since they are left out."""
    left_out = overall.follow_up.left_out
    base = f", {left_out:,} open windows left out" if left_out else ""
    clear = np.flatnonzero(overall.claims)
    if not clear.size:
        return f"no group of {', '.join(asked.by)} differs significantly from the others{base}"
    widest = int(clear[np.abs(overall.difference[clear]).argmax()])
    side = "above" if overall.difference[widest] > 0 else "below"
    return (
        f"{group_labels(groups)[widest]} converts {abs(overall.difference[widest]) * 100:.1f} points {side} the others "
        f"({percent(overall.share[widest])} of {customers[widest]:,} first entries, {percent(overall.other_share[widest])} of the others{base})"
    )


def _findings(
    asked: Question, groups: Grouping, overall: ShareComparison, customers: np.ndarray
) -> list[Finding]:
    labels = group_labels(groups)
    return [
        Finding(
            topic=overall.name,
            claim=f"{labels[g]}: {percent(overall.share[g])} of {count_of(customers[g], 'customer')} reach {asked.in_words[-1]}, "
            f"{points(overall.difference[g])} against the others (95% CI {points_interval(overall.low[g], overall.high[g])}).",
            direction="good" if overall.difference[g] > 0 else "bad",
            value=float(overall.difference[g]),
            low=float(overall.low[g]),
            high=float(overall.high[g]),
            n=int(customers[g]),
            unit="share",
            customers=round(abs(overall.difference[g]) * int(customers[g])),
            family=overall.name,
            p_adjusted=float(overall.p_adjusted[g]),
            figure="segments",
        )
        for g in np.flatnonzero(overall.claims)
    ]


def group_labels(groups: Grouping) -> list[str]:
    """The groups as a sentence names them."""
    columns = groups.columns()
    named = [
        [f"{name} {'(not set)' if pd.isna(value) else value}" for value in column.tolist()]
        for name, column in columns.items()
    ]
    return [", ".join(parts) for parts in zip(*named, strict=True)]
