"""Intervals where one customer stands in many cells: customers are drawn anew, with everything they did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.retention.cohort_entries import Entries
from cjlib.analyses.retention.count import Hits
from cjlib.shared.first_events import Whole

DRAWS = 1_000
BUNDLES = 2_000
"""Above this number of customers, random bundles of equal size are drawn: their totals vary as the customers' do."""


@dataclass(frozen=True)
class Draws:
    """Shares, one a draw, of every group and period."""

    shares: NDArray[np.float64]

    def interval(
        self, group: Whole, period: Whole
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The middle 95% of the draws."""
        held = self.shares[:, group, period]
        if not held.size:
            return np.zeros(0), np.zeros(0)
        low, high = np.quantile(np.nan_to_num(held, nan=0.0), [0.025, 0.975], axis=0)
        return low, high


def bundles(customer: Whole, seed: int) -> tuple[Whole, int]:
    """Which bundle each entry's customer is in, and how many there are."""
    ids, place = np.unique(customer, return_inverse=True)
    if ids.size <= BUNDLES:
        return place, ids.size
    return np.random.default_rng(seed).permutation(ids.size)[place] % BUNDLES, BUNDLES


def weights(count: int, seed: int) -> NDArray[np.float64]:
    """How often each bundle is drawn: draws × bundles; each draw takes as many as there are, with replacement."""
    picked = (
        np.random.default_rng([seed, 1]).integers(0, max(count, 1), size=(DRAWS, count))
        + count * np.arange(DRAWS)[:, None]
    )
    return (
        np.bincount(picked.ravel(), minlength=DRAWS * count)
        .reshape(DRAWS, count)
        .astype(np.float64)
    )


def drawn_shares(
    entries: Entries, hits: Hits, ended: Whole, groups: int, periods: int, seed: int
) -> Draws:
    """Retained ÷ eligible, by group and period, in each draw of customers."""
    bundle, count = bundles(entries.customer, seed)
    width = periods + 1
    place = (bundle * groups + entries.group) * width
    counted = hits.period <= ended[hits.entry]
    # Everyone reaches all periods up to the last one that is complete for them.
    reached = np.bincount(
        (place + np.minimum(ended, periods))[ended >= 0], minlength=count * groups * width
    ).reshape(count, groups, width)
    could = reached[:, :, ::-1].cumsum(axis=2)[:, :, ::-1].reshape(count, groups * width)
    came = np.bincount(
        place[hits.entry[counted]] + hits.period[counted], minlength=count * groups * width
    ).reshape(count, groups * width)
    drawn = weights(count, seed)
    # Sums of whole numbers: exact in whatever order they are added.
    eligible, returned = drawn @ could.astype(np.float64), drawn @ came.astype(np.float64)
    shares = np.divide(returned, eligible, out=np.full(eligible.shape, np.nan), where=eligible > 0)
    return Draws(shares.reshape(DRAWS, groups, width))
