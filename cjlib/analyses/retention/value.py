"""Value retention: what a cohort's return events are worth, period by period, beside what it brought at first."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Metric, metric
from cjlib.analyses.retention.cohort_entries import Entries
from cjlib.analyses.retention.count import visits_of
from cjlib.analyses.retention.customers import Members
from cjlib.analyses.retention.options import Question
from cjlib.analyses.retention.tables import Counts, Pooled
from cjlib.shared import stats
from cjlib.shared.first_events import Whole, events_sql

Floats = NDArray[np.float64]


DRAWS = 1_000
BUNDLES = 2_000
"""Above this number of customers, random bundles of equal size are drawn: their totals vary as the customers' do."""


@dataclass(frozen=True)
class Values:
    """What each entry's return events were worth in each period, its cohort event included; the smaller of that and period 0."""

    entry: Whole
    period: Whole
    value: Floats
    kept: Floats


def values_of(members: Members) -> Values:
    """The value of every entry and period that has any."""
    log, question, scope, entries = members.log, members.question, members.scope, members.entries
    column = log.property(str(question.value), "value").column
    log.numbers(str(question.value), where="FALSE")
    worth = f"c, t, coalesce(CAST({column} AS DOUBLE), 0) AS x"
    found = log.engine.columns(
        events_sql(log, question.return_event, "return_event", worth, f"t <= {scope.until}")[1:-1]
    )
    visits = visits_of(entries, members.clock, found["c"], found["t"], most=question.periods)
    order = np.lexsort((visits.period, visits.entry))
    entry, period, begin, end = (
        each[order] for each in (visits.entry, visits.period, visits.begin, visits.end)
    )
    value = _sums(found["x"], begin, end)
    first = np.zeros(len(entries))
    first[entry[period == 0]] = value[period == 0]
    kept = np.where(period == 0, value, np.clip(value, 0, np.maximum(first[entry], 0)))
    return Values(entry, period, value, kept)


def _sums(values: Floats, begin: Whole, end: Whole) -> Floats:
    """The sum of each stretch; no stretch is empty."""
    if not begin.size:
        return np.zeros(0)
    edges = np.column_stack([begin, end]).ravel()
    return np.add.reduceat(np.append(values, 0.0), edges)[::2]


def added(
    members: Members, counts: Counts, sums: Pooled, table: pd.DataFrame, average: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Metric]]:
    """The tables with the columns of value, and the metrics of value."""
    question, entries = members.question, members.entries
    values = values_of(members)
    average = _averaged(average, question, entries, counts, sums, values)
    together = replace(entries, group=np.zeros(len(entries), dtype=np.int64))
    return (
        _with_values(table, question, counts, values),
        average,
        _metrics(question, together, counts, sums, values),
    )


def _with_values(
    table: pd.DataFrame, question: Question, counts: Counts, values: Values
) -> pd.DataFrame:
    row, period = np.nonzero(counts.exists)
    reach = counts.ended if question.cohort_by else np.full(len(counts.cell), question.periods)
    worth, kept, first = _matrices(values, reach, counts.base.shape, counts.cell)
    return table.assign(
        **_columns(
            worth[row, period], kept[row, period], first[row, period], counts.base[row, period]
        )
    )


def _matrices(
    values: Values, reach: Whole, shape: tuple[int, int], row: Whole
) -> tuple[Floats, Floats, Floats]:
    """Sums of value, of what is kept, and of period 0's value among those observed through each period; rows × periods."""
    width = shape[1]
    counted = values.period <= reach[values.entry]
    cell = row[values.entry] * width + values.period
    worth, kept = (
        _summed(cell[counted], each[counted], shape) for each in (values.value, values.kept)
    )
    at_first = (values.period == 0) & (reach[values.entry] >= 0)
    last = np.minimum(reach[values.entry[at_first]], width - 1)
    first = _summed(row[values.entry[at_first]] * width + last, values.value[at_first], shape)
    return worth, kept, first[:, ::-1].cumsum(axis=1)[:, ::-1]


def _summed(cell: Whole, values: Floats, shape: tuple[int, int]) -> Floats:
    return (
        np.bincount(cell, weights=values, minlength=shape[0] * shape[1])
        .reshape(shape)
        .astype(np.float64)
    )


def _columns(worth: Floats, kept: Floats, first: Floats, base: Whole) -> dict[str, Floats]:
    positive = np.where(first > 0, first, 0.0)
    return {
        "value": worth,
        "value_per_member": stats.share(worth, base),
        "net_share_of_first_value": stats.share(worth, positive),
        "gross_share_of_first_value": stats.share(kept, positive),
    }


def _averaged(
    average: pd.DataFrame,
    question: Question,
    entries: Entries,
    counts: Counts,
    sums: Pooled,
    values: Values,
) -> pd.DataFrame:
    """The average with the same columns over complete cells; the shares and the mean with the middle 95% of 1,000 draws of customers."""
    groups = int(entries.group.max(initial=0)) + 1
    worth, kept, first = _matrices(
        values, counts.ended, (groups, question.periods + 1), entries.group
    )
    at = (sums.group, sums.period)
    drawn = _drawn(question, entries, counts, values, groups)
    for name, numbers in _columns(worth[at], kept[at], first[at], sums.eligible).items():
        average = average.assign(**{name: numbers})
        if name != "value":
            low, high = _middle(drawn[name][:, at[0], at[1]])
            average = average.assign(**{f"{name}_low": low, f"{name}_high": high})
    return average


def _metrics(
    question: Question, together: Entries, counts: Counts, sums: Pooled, values: Values
) -> dict[str, Metric]:
    """`net_value_retention_period_k` and `gross_…`, of all groups together, over complete cells."""
    periods = np.unique(sums.period)
    eligible = np.array([sums.eligible[sums.period == k].sum() for k in periods], dtype=np.int64)
    worth, kept, first = _matrices(values, counts.ended, (1, question.periods + 1), together.group)
    shares = _columns(worth[0, periods], kept[0, periods], first[0, periods], eligible)
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
    bundle, count = bundles(entries.customer, question.seed)
    drawn = weights(count, question.seed)
    width = question.periods + 1
    row = bundle * groups + entries.group
    worth, kept, first = _matrices(values, counts.ended, (count * groups, width), row)
    reached = np.stack(
        [
            np.bincount(row[counts.ended >= period], minlength=count * groups)
            for period in range(width)
        ],
        axis=1,
    )
    totals = [
        _total(drawn, each.reshape(count, groups * width).astype(float)).reshape(
            DRAWS, groups, width
        )
        for each in (worth, kept, first, reached)
    ]
    return _columns(totals[0], totals[1], totals[2], totals[3])  # type: ignore[arg-type]


def _total(drawn: Floats, held: Floats) -> Floats:
    # einsum adds in one order whatever the number of threads; a matrix product need not.
    return np.einsum("ib,bk->ik", drawn, held, optimize=False)


def _middle(drawn: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(drawn).any(axis=0)
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    if known.any():
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
    return low, high


# ---- customers drawn anew, with everything they did ----------------------------------------------------------------


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
