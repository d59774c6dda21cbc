"""The tables of a funnel, from the counted attempts: steps by group, comparisons of groups, one row a customer, metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.funnel.count import Counted
from cjlib.analyses.funnel.instants import Bools, Ints
from cjlib.analyses.funnel.options import Question, Rows
from cjlib.analyses.result import Metric, metric
from cjlib.shared.group_by import MISSING, Values, order_of_groups
from cjlib.shared.stats import (
    Floats,
    grouped_means,
    grouped_medians,
    median_with_interval,
    share,
    wilson,
)
from cjlib.sources.log.event_log import EventLog

SECOND = 1_000_000
TIMED = {
    "median_seconds_to_convert": "Median time to convert",
    "median_seconds_from_latest_start": "Median time from last visit",
}


@dataclass(frozen=True)
class Grouping:
    """The groups in the table's order, and for each counted attempt the position of its own; −1 where it stands in none."""

    by: Values
    ranks: Ints
    of: Ints

    def columns(self, repeats: int = 1) -> dict[str, pd.Series]:
        """The columns of `by`, each group so many rows."""
        return self.by.columns(np.repeat(self.ranks, repeats))


def grouping(values: Values, rank: Ints, known: Bools) -> Grouping:
    """Number the groups: largest first, then by value as text, missing last."""
    ranks, of = np.unique(rank[known], return_inverse=True)
    order = order_of_groups(np.bincount(of, minlength=len(ranks)), ranks)
    place = np.empty(len(ranks), dtype=np.int64)
    place[order] = np.arange(len(ranks))
    group = np.full(len(rank), MISSING, dtype=np.int64)
    group[known] = place[of]
    return Grouping(values, ranks[order], group)


def still_open(counted: Counted, asked: Question, observed_until: int) -> Bools:
    """Who has not reached the last step and has a first event whose window is open."""
    undecided = counted.attempts.depth < len(asked.steps)
    return (
        undecided
        if asked.window is None
        else undecided & (counted.last_entry > observed_until - asked.window)
    )


def step_counts(depth: np.ndarray, group: Ints, groups: int, steps: int) -> tuple[Ints, Ints]:
    """Customers whose depth is exactly, and at least, each step: two tables of group × step."""
    exactly = np.bincount(group * (steps + 1) + depth, minlength=groups * (steps + 1)).reshape(
        groups, steps + 1
    )[:, 1:]
    return exactly, np.cumsum(exactly[:, ::-1], axis=1)[:, ::-1]


def steps_table(
    counted: Counted, asked: Question, undecided: Bools, groups: Grouping | None
) -> pd.DataFrame:
    """`.table`: one row a group and step."""
    n, attempts = len(asked.steps), counted.attempts
    of = np.zeros(len(attempts), dtype=np.int64) if groups is None else groups.of
    size = 1 if groups is None else len(groups.ranks)
    inside = np.flatnonzero(of >= 0)
    group, depth = of[inside], attempts.depth[inside].astype(np.int64)
    _, reached = step_counts(depth, group, size, n)
    waiting, _ = step_counts(depth[undecided[inside]], group[undecided[inside]], size, n)
    times = _times(counted, inside, group, size)
    return table_of(asked, reached, waiting, times, {} if groups is None else groups.columns(n))


def table_of(
    asked: Question,
    reached: np.ndarray,
    waiting: np.ndarray,
    times: dict[str, np.ndarray],
    groups: dict[str, pd.Series],
) -> pd.DataFrame:
    """`.table` from the customers who reached, and of these who wait at, each step: two tables of group × step."""
    columns = groups | step_shares(asked, reached)
    return pd.DataFrame(columns | times | {"still_open": waiting.ravel()})


def step_shares(asked: Question, reached: np.ndarray) -> dict[str, Any]:
    """The columns of each step: who reached it, as a share of the first step and of the one before."""
    size, n = reached.shape
    first = np.repeat(reached[:, :1], n, axis=1)
    previous = np.concatenate([np.zeros((size, 1), dtype=np.int64), reached[:, :-1]], axis=1)
    first_low, first_high = wilson(reached, first)
    previous_low, previous_high = wilson(reached, previous)
    return {
        "step": np.tile(np.arange(1, n + 1), size),
        "event": pd.Series(asked.in_words * size, dtype="str"),
        "customers": reached.ravel(),
        "share_of_first": share(reached, first).ravel(),
        "share_of_first_low": _later(first_low),
        "share_of_first_high": _later(first_high),
        "share_of_previous": _later(share(reached, previous)),
        "share_of_previous_low": _later(previous_low),
        "share_of_previous_high": _later(previous_high),
    }


def _later(values: np.ndarray) -> np.ndarray:
    """Values of each step, missing for the first, group by group."""
    values = values.astype(float)
    values[:, 0] = np.nan
    return values.ravel()


def _times(counted: Counted, inside: Ints, group: Ints, size: int) -> dict[str, np.ndarray]:
    attempts = counted.attempts
    n = attempts.instants.steps
    previous, mean, first = (np.full((size, n), np.nan) for _ in range(3))
    for k in range(1, n):
        reached = attempts.depth[inside] > k
        which, its = inside[reached], group[reached]
        now = attempts.times(k)[which]
        # A tool may let near steps swap places; no time is below 0.
        since = np.maximum(now - attempts.times(k - 1)[which], 0)
        previous[:, k] = grouped_medians(since, its, size) / SECOND
        mean[:, k] = grouped_means(since, its, size) / SECOND
        begun = np.maximum(now - attempts.times(0)[which], 0)
        first[:, k] = grouped_medians(begun, its, size) / SECOND
    return {
        "median_seconds_from_previous": previous.ravel(),
        "mean_seconds_from_previous": mean.ravel(),
        "median_seconds_from_first": first.ravel(),
    }


def customers_table(
    log: EventLog,
    rows: Rows,
    counted: Counted,
    asked: Question,
    undecided: Bools,
    groups: Grouping | None,
) -> pd.DataFrame:
    """`.customers()`: one row a counted customer (with `by_value="all"`: a customer and value), by id."""
    attempts = counted.attempts
    which = np.arange(len(attempts)) if groups is None else np.flatnonzero(groups.of >= 0)
    code = rows.customer[counted.who[which]]
    columns = {"customer_id": pd.Series(log.customer_ids(code)).infer_objects()}
    if groups is not None:
        columns |= groups.by.columns(groups.ranks[groups.of[which]])
    columns |= {
        "steps_reached": pd.Series(attempts.depth[which].astype(np.int64)),
        "still_open": pd.Series(undecided[which]),
    }
    for k in range(len(asked.steps)):
        missing = attempts.depth[which] <= k
        columns[f"step_{k + 1}_at"] = log.moments(
            np.where(missing, 0, attempts.times(k)[which]), missing
        )
    table = pd.DataFrame(columns)
    numeric = pd.api.types.is_numeric_dtype(table["customer_id"])
    return table.sort_values("customer_id", kind="stable", ignore_index=True) if numeric else table


def metrics(counted: Counted, asked: Question) -> dict[str, Metric]:
    """Conversion, the share of each step, and both ways of timing it; of all counted customers, whatever their group."""
    n, attempts = len(asked.steps), counted.attempts
    named = shares([int(np.count_nonzero(attempts.depth > k)) for k in range(n)])
    converted = np.flatnonzero(attempts.depth == n) if n > 1 else np.zeros(0, dtype=np.int64)
    done = attempts.times(n - 1)[converted]
    for name, begun in zip(TIMED, (attempts.times(0), counted.latest_start), strict=True):
        bounds = median_with_interval(np.maximum(done - begun[converted], 0))
        named[name] = timed(name, *(bound / SECOND for bound in bounds), n=len(converted))
    return named


def timed(name: str, median: float, low: float, high: float, n: int) -> Metric:
    """A median time as a metric."""
    return metric(median, low, high, n, label=TIMED[name], unit="seconds", better="lower")


def shares(reached: list[int]) -> dict[str, Metric]:
    """The metrics that rest on counts alone: conversion, and the share of each step."""
    n = len(reached)
    low, high = wilson(reached[-1], reached[0] if n > 1 else 0)
    conversion = float(share(reached[-1], reached[0]))
    named = {"conversion": _share(conversion, low, high, reached[0], "Conversion")}
    for k in range(1, n):
        low, high = wilson(reached[k], reached[k - 1])
        previous = float(share(reached[k], reached[k - 1]))
        named[f"step_{k + 1}_share_of_previous"] = _share(
            previous, low, high, reached[k - 1], f"Continued to step {k + 1}"
        )
    return named


def _share(value: float, low: Floats, high: Floats, n: int, label: str) -> Metric:
    return metric(value, float(low), float(high), n, label=label, unit="share", better="higher")
