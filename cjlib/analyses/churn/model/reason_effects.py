"""What goes with leaving, over all customers: how many left at each level of a feature, with the interval, the strongest feature first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.encoding import MISSING, OTHER, Columns
from cjlib.analyses.findings import Finding
from cjlib.shared.comparison import (
    FollowUp,
    ShareComparison,
    compare_shares,
    known_at_once,
)
from cjlib.shared.stats import wilson
from cjlib.show.numbers import interval, percent, plain

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
FAMILY = "churn by what goes with it"
MOST_FEATURES = 10
MOST_LEVELS = 8
BINS = 5
COLUMNS = [
    "feature",
    "effect",
    "level",
    "n",
    "n_churned",
    "share_churned",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
]


def follow_up_of(horizon_us: int) -> FollowUp:
    """Features are known at the moment from which churn is counted, and everybody is followed for the horizon."""
    return FollowUp("the cutoff", horizon_us) if horizon_us else known_at_once("the table's moment")


def learn_effects(
    columns: Columns, themes: Themes, spread: Floats, matrix: Floats, churned: Floats, horizon: int
) -> tuple[pd.DataFrame, ShareComparison]:
    """Share of churners at each level of the features with the largest `spread` (of the log-odds that they add), each level against all other customers.

    Rows are customers, each once. Numbers are cut in up to five parts of equal size.
    """
    order = np.argsort(-spread, kind="stable")[:MOST_FEATURES]
    rows: list[tuple[str, float, str]] = []
    size: list[int] = []
    hits: list[int] = []
    for theme in order.tolist():
        feature = themes.members[theme][0]
        code, names = _levels(columns, feature, matrix[:, feature])
        n = np.bincount(code, minlength=len(names))
        lost = np.bincount(code, weights=churned, minlength=len(names)).astype(np.int64)
        for level in np.flatnonzero(n).tolist():
            rows.append((columns.names[feature], float(spread[theme]), names[level]))
            size.append(int(n[level]))
            hits.append(int(lost[level]))
    count, base = np.asarray(hits, dtype=np.int64), np.asarray(size, dtype=np.int64)
    tests = compare_shares(
        FAMILY,
        count,
        base,
        int(churned.sum()) - count,
        churned.size - base,
        follow_up=follow_up_of(horizon),
    )
    low, high = wilson(count, base)
    table = pd.DataFrame(rows, columns=COLUMNS[:3]).assign(
        n=base, n_churned=count, share_churned=tests.share, low=low, high=high, **tests.columns()
    )
    return table[COLUMNS], tests


def _levels(columns: Columns, place: int, values: Floats) -> tuple[Whole, Sequence[str]]:
    """The level of each row, and how the levels are called."""
    if place < len(columns.categories):
        names = [*columns.levels[place], OTHER]
        code = np.where(np.isnan(values) | (values < 0), len(names) - 1, values).astype(np.int64)
        return _most_common(code, names)
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if distinct.size <= BINS:
        cuts, names = distinct[1:], [plain(value) for value in distinct]
    else:
        cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="higher"))
        cuts = cuts[cuts > distinct[0]]
        names = [_range(known, low, high) for low, high in _edges(cuts)]
    code = np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), len(names), code).astype(np.int64), [*names, MISSING]


def _edges(cuts: Floats) -> list[tuple[float, float]]:
    edges = [-np.inf, *cuts.tolist(), np.inf]
    return list(itertools.pairwise(edges))


def _range(known: Floats, low: float, high: float) -> str:
    """The smallest and the largest value of a part."""
    inside = known[(known >= low) & (known < high)]
    first, last = plain(float(inside.min())), plain(float(inside.max()))
    return first if first == last else f"{first} to {last}"


def _most_common(code: Whole, names: list[str]) -> tuple[Whole, Sequence[str]]:
    """The most common levels, the others as one."""
    most = np.argsort(-np.bincount(code, minlength=len(names)), kind="stable")[:MOST_LEVELS]
    place = np.full(len(names), len(most), dtype=np.int64)
    place[most] = np.arange(len(most))
    return place[code], [*(names[level] for level in most), OTHER]


def strongest(effects: pd.DataFrame, tests: Sequence[bool] | NDArray[np.bool_]) -> pd.DataFrame:
    """Of each feature, strongest first, the level whose churners are most above the others', where that is significant."""
    sure = effects[np.asarray(tests, dtype=bool) & (effects["difference"] > 0).to_numpy()]
    return (
        sure.sort_values("difference", ascending=False, kind="stable")
        .drop_duplicates("feature")
        .sort_index()
    )


def sentence(row: pd.Series) -> str:
    """The share of churners at a level, in words."""
    others = row["share_churned"] - row["difference"]
    return (
        f"{percent(row['share_churned'])} of the {row['n']:,} customers with {row['feature']} {row['level']} churned "
        f"(95% CI {interval(row['low'], row['high'])}), {percent(others)} of the others"
    )


def findings_of(effects: pd.DataFrame, claims: NDArray[np.bool_]) -> list[Finding]:
    """The strongest feature, as a briefing may tell it."""
    return [
        Finding(
            topic=f"churn by {row['feature']}",
            claim=f"{sentence(row)}. (Association, not causation.)",
            direction="bad",
            family=FAMILY,
            p_adjusted=float(row["p_adjusted"]),
            value=float(row["difference"]),
            low=float(row["difference_low"]),
            high=float(row["difference_high"]),
            n=int(row["n"]),
            unit="share",
            customers=int(row["n_churned"]),
            figure="effects",
        )
        for _, row in strongest(effects, claims).head(1).iterrows()
    ]


TOGETHER = 0.8
"""Rank correlation from which two numbers are one theme."""

NAMED = 2
"""Features of a theme that are named and whose values are said; the others move with them."""


@dataclass(frozen=True)
class Themes:
    """Names of the features in each theme, as places in `Columns.names`; a feature that stands alone is a theme of one."""

    members: tuple[tuple[int, ...], ...]

    def summed(self, contributions: Floats) -> Floats:
        """A column a theme."""
        return (
            np.column_stack([contributions[:, list(one)].sum(axis=1) for one in self.members])
            if self.members
            else contributions
        )

    def name(self, theme: int, columns: Columns) -> str:
        """The first features' names, joined, and how many more there are."""
        names = [columns.names[place] for place in self.members[theme]]
        more = f" + {len(names) - NAMED} alike" if len(names) > NAMED else ""
        return " + ".join(names[:NAMED]) + more


def find_themes(columns: Columns, matrix: Floats) -> Themes:
    """Numbers joined to the first one that they rank with above .8; chains of weaker likeness are not followed."""
    from scipy.stats import rankdata

    first, total = len(columns.categories), matrix.shape[1]
    members: dict[int, list[int]] = {place: [place] for place in range(total)}
    if total - first > 1:
        filled = np.where(
            np.isnan(matrix[:, first:]), np.asarray(columns.medians), matrix[:, first:]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            together = np.abs(np.corrcoef(rankdata(filled, axis=0), rowvar=False)) > TOGETHER
        for place in range(first, total):
            leader = next(
                (
                    one
                    for one in members
                    if first <= one < place and together[one - first, place - first]
                ),
                None,
            )
            if leader is not None:
                members[leader].append(place)
                del members[place]
    return Themes(tuple(tuple(one) for one in members.values()))
