"""Intervals where one customer stands in many cells: Wilson's, with the number of independent entries that clustering leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from cjlib.analyses.retention.cohort_entries import Entries
from cjlib.analyses.retention.count import Hits
from cjlib.shared import stats
from cjlib.shared.first_events import Whole


@dataclass(frozen=True)
class Clustered:
    """Share and effective number of entries of every group (row) and period (column).

    References
    ----------
    Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive counts. Survey Methodology 24.
    """

    share: NDArray[np.float64]
    effective: NDArray[np.float64]

    def interval(
        self, group: Whole, period: Whole
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95%; never without width, also where nobody or everybody came back."""
        share, n = self.share[group, period], self.effective[group, period]
        return stats.wilson(share * n, n)


def clustered(entries: Entries, hits: Hits, ended: Whole, groups: int, periods: int) -> Clustered:
    """Retained ÷ eligible by group and period, with the variance from customer to customer."""
    share, effective = (np.full((groups, periods + 1), np.nan) for _ in range(2))
    keys, place = np.unique(entries.customer * groups + entries.group, return_inverse=True)
    group = keys % groups
    by_period = np.argsort(hits.period, kind="stable")
    bounds = np.searchsorted(hits.period[by_period], np.arange(periods + 2))
    for period in range(periods + 1):
        entry = hits.entry[by_period[bounds[period] : bounds[period + 1]]]
        could = np.bincount(place[ended >= period], minlength=keys.size).astype(float)
        came = np.bincount(place[entry[ended[entry] >= period]], minlength=keys.size).astype(float)
        share[:, period], effective[:, period] = _effective(could, came, group, groups)
    return Clustered(share, effective)


def _effective(
    could: NDArray[np.float64], came: NDArray[np.float64], group: Whole, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share, and how many independent entries have its variance: at most all of them, widened as Student's t is for few customers."""
    entries = np.bincount(group, weights=could, minlength=groups)
    # Customers with more entries weigh more: Kish's number of customers that weigh alike.
    customers = stats.share(entries**2, np.bincount(group, weights=could**2, minlength=groups))
    share = stats.share(np.bincount(group, weights=came, minlength=groups), entries)
    residual = came - np.nan_to_num(share)[group] * could
    squares = np.bincount(group, weights=residual**2, minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / entries**2 * customers / (customers - 1)
        effective = np.where(variance > 0, share * (1 - share) / variance, customers)
        widening = (stats.Z95 / stdtrit(np.maximum(customers - 1, 1), 0.975)) ** 2
    return share, np.minimum(effective, entries) * widening
