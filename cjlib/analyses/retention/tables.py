"""From who came back to the tables: cells, averages over complete cells, the cohorts observed throughout, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cjlib.analyses.result import Metric, metric
from cjlib.analyses.retention.count import (
    Clock,
    Entries,
    Floats,
    Hits,
    Members,
    Values,
    cohort_column,
    values_of,
)
from cjlib.analyses.retention.options import Question, Scope
from cjlib.shared import stats
from cjlib.shared.first_events import Groups, Whole

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Counts:
    """The counted cells: one row a group and cohort, in the order of the table; one column a period from 0.

    Attributes
    ----------
    group, cohort
        Codes of each row.
    base, retained
        Who could have returned, and who did; rows × periods.
    exists, complete
        Whether the period has begun for the oldest member, and ended for the youngest.
    cell
        The row of each entry.
    reached
        The last period of each entry that is counted.
    ended
        The last period of each entry that counts as complete.
    """

    group: Whole
    cohort: Whole
    base: Whole
    retained: Whole
    exists: Mask
    complete: Mask
    cell: Whole
    reached: Whole
    ended: Whole

    def counted(self, hits: Hits) -> Mask:
        """Which hits lie in a cell that counts them."""
        return hits.period <= self.reached[hits.entry]


def count(
    question: Question, scope: Scope, entries: Entries, groups: Groups, clock: Clock, hits: Hits
) -> Counts:
    """Entries and hits by group, cohort and period."""
    rank = groups.rank(entries.group)
    reach = int(entries.cohort.max(initial=0)) + 1
    keys, cell = np.unique(rank[entries.group] * reach + entries.cohort, return_inverse=True)
    begun, ended = _begun_and_ended(clock, len(entries), scope.until)
    if question.cohort_by is None:
        ended = _of_cells(np.minimum, ended, cell, keys.size)[cell]
        begun = _of_cells(np.maximum, begun, cell, keys.size)[cell]
    reached = begun if question.cohort_by is None else ended
    base, retained = _matrices(cell, reached, hits, (keys.size, question.periods + 1))
    periods = np.arange(question.periods + 1)
    complete = periods <= _of_cells(np.maximum, ended, cell, keys.size)[:, None]
    return Counts(
        np.argsort(rank)[keys // reach],
        keys % reach,
        base,
        retained,
        base > 0,
        complete & (base > 0),
        cell,
        reached,
        ended,
    )


def _begun_and_ended(clock: Clock, entries: int, until: int) -> tuple[Whole, Whole]:
    everyone = np.arange(entries)
    begun = clock.index(everyone, np.full(entries, until))
    # A period [a, b) has ended once its last microsecond lies at or before the end of data.
    return begun, clock.index(everyone, np.full(entries, until + 1)) - 1


def _of_cells(best: np.ufunc, values: Whole, cell: Whole, cells: int) -> Whole:
    extremes = np.full(cells, np.iinfo(np.int64).max if best is np.minimum else -1)
    best.at(extremes, cell, values)
    return extremes


def _matrices(cell: Whole, reach: Whole, hits: Hits, shape: tuple[int, int]) -> tuple[Whole, Whole]:
    """Entries that reach each period, and those of them that returned in it; rows × periods."""
    rows, width = shape
    reached = np.bincount(
        cell[reach >= 0] * width + np.minimum(reach[reach >= 0], width - 1), minlength=rows * width
    ).reshape(shape)
    counted = hits.period <= reach[hits.entry]
    returned = np.bincount(
        cell[hits.entry[counted]] * width + hits.period[counted], minlength=rows * width
    ).reshape(shape)
    return reached[:, ::-1].cumsum(axis=1)[:, ::-1], returned


def cell_table(
    question: Question, scope: Scope, counts: Counts, groups: Groups, cohorts: Groups | None
) -> pd.DataFrame:
    """`.table`: one row a cell that exists."""
    row, period = np.nonzero(counts.exists)
    base, retained = counts.base[row, period], counts.retained[row, period]
    return pd.DataFrame(
        {
            **groups.columns(counts.group[row]),
            "cohort": cohort_column(scope, counts.cohort[row], cohorts),
            "cohort_size": base,
            "period": period,
            "retained": retained,
            **_share_columns(question, period, retained, base, stats.wilson(retained, base)),
            "complete": counts.complete[row, period],
        }
    )


def _share_columns(
    question: Question, period: Whole, retained: Whole, base: Whole, bounds: tuple[Floats, Floats]
) -> dict[str, Floats]:
    """Share with interval; a period 0 that is the cohort itself is certain and has none."""
    certain = (period == 0) & (question.period_zero == "cohort")
    low, high = (np.where(certain, np.nan, bound) for bound in bounds)
    return {"share": stats.share(retained, base), "share_low": low, "share_high": high}


def cell_names(
    scope: Scope, counts: Counts, groups: Groups, cohorts: Groups | None
) -> pd.DataFrame:
    """Group and cohort of each row of the counts."""
    return pd.DataFrame(
        {**groups.columns(counts.group), "cohort": cohort_column(scope, counts.cohort, cohorts)}
    )


@dataclass(frozen=True)
class Pooled:
    """Sums over complete cells: one row a group (in the order of the table) and period that has any."""

    group: Whole
    period: Whole
    retained: Whole
    eligible: Whole
    cohorts: Whole
    mean_share: NDArray[np.float64]


def pooled(counts: Counts) -> Pooled:
    """The complete cells of each group and period together."""
    order = pd.unique(counts.group)
    member = (counts.group[None, :] == order[:, None]).astype(np.int64)
    base = np.where(counts.complete, counts.base, 0)
    retained = np.where(counts.complete, counts.retained, 0)
    cells = member @ counts.complete.astype(np.int64)
    at = np.nonzero(cells)
    total = member @ np.nan_to_num(stats.share(retained, base))
    return Pooled(
        order[at[0]],
        at[1],
        (member @ retained)[at],
        (member @ base)[at],
        cells[at],
        total[at] / cells[at],
    )


def average_table(
    question: Question, sums: Pooled, groups: Groups, by_customer: Clustered | None
) -> pd.DataFrame:
    """`.average`: per group and period, over complete cells."""
    retained, eligible = sums.retained, sums.eligible
    bounds = (
        stats.wilson(retained, eligible)
        if by_customer is None
        else by_customer.interval(sums.group, sums.period)
    )
    return pd.DataFrame(
        {
            **groups.columns(sums.group),
            "period": sums.period,
            "retained": retained,
            "eligible": eligible,
            "cohorts": sums.cohorts,
            **_share_columns(question, sums.period, retained, eligible, bounds),
            "mean_share": sums.mean_share,
        }
    )


def fixed_period(counts: Counts) -> int:
    """The last period that at least half of those have completed who completed period 1; 0 if nobody has."""
    eligible = np.where(counts.complete, counts.base, 0).sum(axis=0)
    enough = np.flatnonzero(2 * eligible[1:] >= max(1, eligible[1]))
    return int(enough[-1]) + 1 if enough.size else 0


def only_observed(counts: Counts, hits: Hits, through: int) -> Counts:
    """The same counts over the entries that have completed period `through`, up to that period: one population for the whole curve."""
    ended = np.where(counts.ended >= through, through, -1)
    base, retained = _matrices(counts.cell, ended, hits, counts.base.shape)
    complete = (base > 0) & (np.arange(base.shape[1]) <= through)
    return replace(
        counts, base=base, retained=retained, exists=base > 0, complete=complete, ended=ended
    )


@dataclass(frozen=True)
class Clustered:
    """Share and effective number of entries of every group (row) and period (column).

    References
    ----------
    Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive counts. Survey Methodology 24.
    """

    share: Floats
    effective: Floats

    def interval(self, group: Whole, period: Whole) -> tuple[Floats, Floats]:
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


def _effective(could: Floats, came: Floats, group: Whole, groups: int) -> tuple[Floats, Floats]:
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


DRAWS = 1_000
BUNDLES = 2_000
"""Above this number of customers, random bundles of equal size are drawn: their totals vary as the customers' do."""


def with_values(
    members: Members, counts: Counts, sums: Pooled, table: pd.DataFrame, average: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Metric]]:
    """The tables with the columns of value, and the metrics of value."""
    question, entries = members.question, members.entries
    values = values_of(members)
    row, period = np.nonzero(counts.exists)
    reach = counts.ended if question.cohort_by else np.full(len(counts.cell), question.periods)
    matrices = _value_matrices(values, reach, counts.base.shape, counts.cell)
    columns = _value_columns([matrix[row, period] for matrix in matrices], counts.base[row, period])
    together = replace(entries, group=np.zeros(len(entries), dtype=np.int64))
    return (
        table.assign(**columns),
        _average_with_values(average, question, entries, counts, sums, values),
        _value_metrics(question, together, counts, sums, values),
    )


def _value_matrices(
    values: Values, reach: Whole, shape: tuple[int, int], row: Whole
) -> tuple[Floats, Floats, Floats]:
    """Sums of value, of what is kept, and of period 0's value among those observed through each period; rows × periods."""

    def summed(period: Whole, among: Mask, amounts: Floats) -> Floats:
        cell = row[values.entry[among]] * shape[1] + period
        sums = np.bincount(cell, weights=amounts[among], minlength=shape[0] * shape[1])
        return sums.reshape(shape).astype(np.float64)

    counted = values.period <= reach[values.entry]
    worth = summed(values.period[counted], counted, values.value)
    kept = summed(values.period[counted], counted, values.kept)
    at_first = (values.period == 0) & (reach[values.entry] >= 0)
    last = np.minimum(reach[values.entry[at_first]], shape[1] - 1)
    first = summed(last, at_first, values.value)
    return worth, kept, first[:, ::-1].cumsum(axis=1)[:, ::-1]


def _value_columns(sums: Sequence[Floats], base: Whole | Floats) -> dict[str, Floats]:
    """The columns of value from the sums of `_value_matrices` and from who could have returned."""
    worth, kept, first = sums
    positive = np.where(first > 0, first, 0.0)
    return {
        "value": worth,
        "value_per_member": stats.share(worth, base),
        "net_share_of_first_value": stats.share(worth, positive),
        "gross_share_of_first_value": stats.share(kept, positive),
    }


def _average_with_values(
    average: pd.DataFrame,
    question: Question,
    entries: Entries,
    counts: Counts,
    sums: Pooled,
    values: Values,
) -> pd.DataFrame:
    """The average with the same columns over complete cells; the shares and the mean with the middle 95% of 1,000 draws of customers."""
    groups = int(entries.group.max(initial=0)) + 1
    shape = (groups, question.periods + 1)
    at = (sums.group, sums.period)
    matrices = _value_matrices(values, counts.ended, shape, entries.group)
    drawn = _drawn(question, entries, counts, values, groups)
    for name, numbers in _value_columns([matrix[at] for matrix in matrices], sums.eligible).items():
        average = average.assign(**{name: numbers})
        if name != "value":
            low, high = _middle(drawn[name][:, at[0], at[1]])
            average = average.assign(**{f"{name}_low": low, f"{name}_high": high})
    return average


def _value_metrics(
    question: Question, together: Entries, counts: Counts, sums: Pooled, values: Values
) -> dict[str, Metric]:
    """`net_value_retention_period_k` and `gross_…`, of all groups together, over complete cells."""
    periods = np.unique(sums.period)
    eligible = np.array([sums.eligible[sums.period == k].sum() for k in periods], dtype=np.int64)
    shape = (1, question.periods + 1)
    matrices = _value_matrices(values, counts.ended, shape, together.group)
    shares = _value_columns([matrix[0, periods] for matrix in matrices], eligible)
    drawn = _drawn(question, together, counts, values, 1)
    metrics: dict[str, Metric] = {}
    for way in ("net", "gross"):
        name = f"{way}_share_of_first_value"
        low, high = _middle(drawn[name][:, 0, periods])
        for at, k in enumerate(periods.tolist()):
            if k:
                metrics[f"{way}_value_retention_period_{k}"] = metric(
                    shares[name][at],
                    low[at],
                    high[at],
                    int(eligible[at]),
                    label=f"{way.capitalize()} value kept in {question.period} {k}",
                    unit="share",
                    better="higher",
                )
    return metrics


def _drawn(
    question: Question, entries: Entries, counts: Counts, values: Values, groups: int
) -> dict[str, Floats]:
    """The columns of value in every draw of customers, each with everything it did: draws × groups × periods."""
    bundle, bundles = _bundles(entries.customer, question.seed)
    weights = _weights(bundles, question.seed)
    width = question.periods + 1
    row = bundle * groups + entries.group
    reached = [
        np.bincount(row[counts.ended >= period], minlength=bundles * groups)
        for period in range(width)
    ]
    matrices = _value_matrices(values, counts.ended, (bundles * groups, width), row)
    totals = []
    for matrix in (*matrices, np.stack(reached, axis=1)):
        of_bundles = matrix.reshape(bundles, groups * width).astype(float)
        # einsum adds in one order whatever the number of threads; a matrix product need not.
        total = np.einsum("ib,bk->ik", weights, of_bundles, optimize=False)
        totals.append(total.reshape(DRAWS, groups, width))
    return _value_columns(totals[:3], totals[3])


def _middle(drawn: Floats) -> tuple[Floats, Floats]:
    """The middle 95% of each column; missing where a draw has nothing, and where all draws are alike, since they come from too few customers."""
    known = ~np.isnan(drawn).any(axis=0) & (drawn.min(axis=0) < drawn.max(axis=0))
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    if known.any():
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
    return low, high


def _bundles(customer: Whole, seed: int) -> tuple[Whole, int]:
    """Which bundle each entry's customer is in, and how many there are."""
    ids, place = np.unique(customer, return_inverse=True)
    if ids.size <= BUNDLES:
        return place, ids.size
    return np.random.default_rng(seed).permutation(ids.size)[place] % BUNDLES, BUNDLES


def _weights(bundles: int, seed: int) -> Floats:
    """How often each bundle is drawn: draws × bundles; each draw takes as many as there are, with replacement."""
    picked = (
        np.random.default_rng([seed, 1]).integers(0, max(bundles, 1), size=(DRAWS, bundles))
        + bundles * np.arange(DRAWS)[:, None]
    )
    times = np.bincount(picked.ravel(), minlength=DRAWS * bundles)
    return times.reshape(DRAWS, bundles).astype(np.float64)
