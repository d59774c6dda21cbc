"""From who came back to the tables: cells, averages over complete cells, the cohorts observed throughout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.retention.clustered import Clustered
from cjlib.analyses.retention.cohort_entries import Clock, Entries
from cjlib.analyses.retention.count import Hits
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
    ended: Whole


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
    base, retained = matrices(
        cell,
        begun if question.cohort_by is None else ended,
        hits,
        (keys.size, question.periods + 1),
    )
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
        ended,
    )


def _begun_and_ended(clock: Clock, entries: int, until: int) -> tuple[Whole, Whole]:
    everyone = np.arange(entries)
    # A period [a, b) has ended once its last microsecond lies at or before the end of data.
    return clock.index(everyone, np.full(entries, until)), clock.index(
        everyone, np.full(entries, until + 1)
    ) - 1


def _of_cells(best: np.ufunc, values: Whole, cell: Whole, cells: int) -> Whole:
    start = np.iinfo(np.int64).max if best is np.minimum else -1
    held = np.full(cells, start)
    best.at(held, cell, values)
    return held


def matrices(cell: Whole, reach: Whole, hits: Hits, shape: tuple[int, int]) -> tuple[Whole, Whole]:
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
    low, high = stats.wilson(retained, base)
    certain = (period == 0) & (question.period_zero == "cohort")
    numbers = {
        "cohort_size": base,
        "period": period,
        "retained": retained,
        "share": stats.share(retained, base),
        "share_low": np.where(certain, np.nan, low),
        "share_high": np.where(certain, np.nan, high),
        "complete": counts.complete[row, period],
    }
    return pd.DataFrame(
        {
            **groups.columns(counts.group[row]),
            "cohort": cohort_column(scope, counts.cohort[row], cohorts),
            **numbers,
        }
    )


def cell_names(
    scope: Scope, counts: Counts, groups: Groups, cohorts: Groups | None
) -> pd.DataFrame:
    """Group and cohort of each row of the counts."""
    return pd.DataFrame(
        {**groups.columns(counts.group), "cohort": cohort_column(scope, counts.cohort, cohorts)}
    )


def cohort_column(scope: Scope, cohort: Whole, cohorts: Groups | None) -> pd.Series:
    """Cohorts as a table shows them: the local start of their period, or their value."""
    if cohorts is None:
        return pd.Series(scope.periods.labels[cohort])
    return cohorts.columns(cohort)[cohorts.names[0]]


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
    base, retained = (
        np.where(counts.complete, counts.base, 0),
        np.where(counts.complete, counts.retained, 0),
    )
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
    low, high = (
        stats.wilson(sums.retained, sums.eligible)
        if by_customer is None
        else by_customer.interval(sums.group, sums.period)
    )
    certain = (sums.period == 0) & (question.period_zero == "cohort")
    numbers = {
        "period": sums.period,
        "retained": sums.retained,
        "eligible": sums.eligible,
        "cohorts": sums.cohorts,
        "share": stats.share(sums.retained, sums.eligible),
        "share_low": np.where(certain, np.nan, low),
        "share_high": np.where(certain, np.nan, high),
        "mean_share": sums.mean_share,
    }
    return pd.DataFrame({**groups.columns(sums.group), **numbers})


def fixed_period(counts: Counts) -> int:
    """The last period that at least half of those have completed who completed period 1; 0 if nobody has."""
    eligible = np.where(counts.complete, counts.base, 0).sum(axis=0)
    enough = np.flatnonzero(2 * eligible[1:] >= max(1, eligible[1]))
    return int(enough[-1]) + 1 if enough.size else 0


def only_observed(counts: Counts, hits: Hits, through: int) -> Counts:
    """The same counts over the entries that have completed period `through`, up to that period: one population for the whole curve."""
    width = counts.base.shape[1]
    reach = np.where(counts.ended >= through, through, -1)
    base, retained = matrices(counts.cell, reach, hits, counts.base.shape)
    complete = (base > 0) & (np.arange(width) <= through)
    return Counts(
        counts.group, counts.cohort, base, retained, base > 0, complete, counts.cell, reach
    )
