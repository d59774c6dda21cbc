"""Which groups, and which cohorts, differ beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cjlib.analyses.retention.cohort_entries import Entries
from cjlib.analyses.retention.count import Hits
from cjlib.analyses.retention.options import Question
from cjlib.analyses.retention.tables import Counts, Pooled
from cjlib.shared import stats
from cjlib.shared.first_events import Groups, Whole
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p

Floats = NDArray[np.float64]
MEASURES = (
    "customers",
    "share",
    "other_customers",
    "other_share",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
)
SCORES = (
    "customers",
    "periods",
    "returned_periods",
    "expected_periods",
    "share_of_expected",
    "share_of_expected_low",
    "share_of_expected_high",
)
CHANGES = (
    "cohort",
    "customers_before",
    "customers_from",
    "share_of_expected_before",
    "share_of_expected_from",
    "p_value",
)
Z = float(ndtri(0.975))
DRAWS = 5_000
"""Of the test for a change: how often chance alone does as well at its best cut."""
CELLS_AT_ONCE = 2_000_000
"""Random numbers held at one time."""


def group_comparisons(sums: Pooled, groups: Groups, min_n: int) -> pd.DataFrame:
    """Each group against all others together, in the last complete period; groups below `min_n` stand among the others but are not compared."""
    last = (
        sums.period == sums.period.max(initial=-1)
        if groups.names
        else np.zeros(len(sums.period), dtype=bool)
    )
    retained, base = sums.retained[last], sums.eligible[last]
    other_base, other_retained = base.sum() - base, retained.sum() - retained
    shown = (base >= max(min_n, 1)) & (other_base > 0)
    k, n, other_k, other_n = (each[shown] for each in (retained, base, other_retained, other_base))
    low, high = newcombe(k, n, other_k, other_n)
    p_values = [
        two_shares_p(*four)
        for four in zip(k.tolist(), n.tolist(), other_k.tolist(), other_n.tolist(), strict=True)
    ]
    share, other = stats.share(k, n), stats.share(other_k, other_n)
    numbers = (
        n,
        share,
        other_n,
        other,
        share - other,
        low,
        high,
        np.array(p_values, dtype=float),
        benjamini_hochberg(p_values),
    )
    return pd.DataFrame(
        {**groups.columns(sums.group[last][shown]), **dict(zip(MEASURES, numbers, strict=True))}
    )


@dataclass(frozen=True)
class Scores:
    """Returned periods of each row of the counts against what they would be with its group's average share in every period.

    `customers` are those with a complete period; `variance` is of observed − expected, from customer to customer, so that a customer's
    periods need not be independent of one another, and at least what chance gives to so many expected returns: a row in which nobody
    happened to come back would else seem to vary hardly at all.
    """

    customers: Whole
    last: Whole
    observed: Floats
    expected: Floats
    variance: Floats

    @property
    def p_values(self) -> Floats:
        """Two-sided, of each row; NaN without variation."""
        z = np.divide(
            self.observed - self.expected,
            np.sqrt(self.variance),
            out=np.full(self.observed.size, np.nan),
            where=self.variance > 0,
        )
        return np.asarray(2 * ndtr(-np.abs(z)), dtype=float)


def scores_of(
    question: Question, entries: Entries, counts: Counts, hits: Hits, sums: Pooled
) -> Scores:
    """Observed and expected returned periods, over complete periods from 1 on."""
    width = question.periods + 1
    shares = np.zeros((int(entries.group.max(initial=0)) + 1, width))
    shares[sums.group, sums.period] = stats.share(sums.retained, sums.eligible)
    shares[:, 0] = 0
    ended = np.minimum(counts.ended, question.periods)
    counted = (hits.period > 0) & (hits.period <= counts.ended[hits.entry])
    observed = np.bincount(hits.entry[counted], minlength=len(entries)).astype(float)
    known_to = (entries.group, np.maximum(ended, 0))
    expected = np.where(ended > 0, np.cumsum(shares, axis=1)[known_to], 0.0)
    by_chance = np.where(ended > 0, np.cumsum(shares * (1 - shares), axis=1)[known_to], 0.0)
    rows = len(counts.cohort)

    def total(values: Floats) -> Floats:
        return np.bincount(counts.cell, weights=values, minlength=rows).astype(float)

    last = np.zeros(rows, dtype=np.int64)
    np.maximum.at(last, counts.cell, ended)
    known = total((ended > 0).astype(float)).astype(np.int64)
    return Scores(
        known,
        last,
        total(observed),
        total(expected),
        np.maximum(total((observed - expected) ** 2), total(by_chance)),
    )


def cohort_comparisons(
    question: Question, names: pd.DataFrame, counts: Counts, scores: Scores
) -> pd.DataFrame:
    """Each cohort against what the average of its group would give in the same periods; a cohort alone in its group has nothing to differ from."""
    # A customer of recurring cohorts stands in several, so these cannot be compared as if they were independent.
    known = scores.expected > 0
    several = np.bincount(counts.group, weights=known)[counts.group] > 1 if known.size else known
    shown = (
        known & several & (scores.customers >= max(question.min_n, 1)) & (not question.recurring)
    )
    observed, expected, half = (
        scores.observed[shown],
        scores.expected[shown],
        Z * np.sqrt(scores.variance[shown]),
    )
    p_values = scores.p_values[shown]
    bounds = (np.maximum(observed - half, 0) / expected, (observed + half) / expected)
    numbers = (
        scores.customers[shown],
        scores.last[shown],
        observed.astype(np.int64),
        expected,
        observed / expected,
        *bounds,
    )
    held = {str(name): names.loc[shown, name].reset_index(drop=True) for name in names.columns}
    return pd.DataFrame(
        {
            **held,
            **dict(zip(SCORES, numbers, strict=True)),
            "p_value": p_values,
            "p_adjusted": benjamini_hochberg(p_values),
        }
    )


def cohort_change(
    question: Question, names: pd.DataFrame, counts: Counts, scores: Scores
) -> pd.DataFrame:
    """From which cohort on returns differ most from those before, and how often chance alone would do as well; one row a group."""
    # Cohorts by value have no order in time, and customers of recurring cohorts stand on both sides of a cut.
    among = [] if question.recurring or question.cohort_by else pd.unique(counts.group)
    by = [name for name in names.columns if name != "cohort"]
    rows = []
    for group in among:
        mine = np.flatnonzero((counts.group == group) & (scores.expected > 0))
        cut = _best_cut(scores, mine, question.min_n, question.seed)
        if cut is not None:
            place, p_value = cut
            before, after = mine[:place], mine[place:]
            ratios = (
                scores.observed[part].sum() / scores.expected[part].sum()
                for part in (before, after)
            )
            sizes = (int(scores.customers[part].sum()) for part in (before, after))
            rows.append(
                [*names.loc[after[0], by], names.loc[after[0], "cohort"], *sizes, *ratios, p_value]
            )
    table = pd.DataFrame(rows, columns=[*by, *CHANGES])
    return table.astype(
        {name: names[name].dtype for name in (*by, "cohort")}
        | {"customers_before": "int64", "customers_from": "int64"}
    )


def _best_cut(scores: Scores, rows: Whole, min_n: int, seed: int) -> tuple[int, float] | None:
    """Where the cut lies (number of cohorts before it) that sets the two sides furthest apart, and its p value among all cuts."""
    variance = scores.variance[rows]
    total = variance.sum()
    if rows.size < 2 or total <= 0:
        return None
    before = np.cumsum(scores.customers[rows])
    part = np.cumsum(variance)[:-1] / total
    spread = np.sqrt(total * part * (1 - part))
    allowed = (
        (before[:-1] >= max(min_n, 1)) & (before[-1] - before[:-1] >= max(min_n, 1)) & (spread > 0)
    )
    if not allowed.any():
        return None
    cuts = np.flatnonzero(allowed)
    found = _apart(scores.observed[rows] - scores.expected[rows], cuts, part, spread)
    at_once = max(1, CELLS_AT_ONCE // rows.size)
    rng = np.random.default_rng([seed, 2])
    as_good = 0
    for done in range(0, DRAWS, at_once):
        chance = rng.normal(size=(min(at_once, DRAWS - done), rows.size)) * np.sqrt(variance)
        as_good += int((_apart(chance, cuts, part, spread).max(axis=-1) >= found.max()).sum())
    return int(cuts[found.argmax()]) + 1, (1 + as_good) / (1 + DRAWS)


def _apart(differences: Floats, cuts: Whole, part: Floats, spread: Floats) -> Floats:
    """How far the two sides of each cut lie apart, in standard deviations."""
    # A walk tied down at its end, since expected and observed agree over all cohorts.
    walk = np.cumsum(differences, axis=-1)
    return np.abs(walk[..., cuts] - part[cuts] * walk[..., -1:]) / spread[cuts]
