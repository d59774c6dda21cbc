"""What one column alone says of the outcome, on rows that it did not learn from."""

from __future__ import annotations

import heapq

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.measures import auc

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
FOLDS = 5
FEWEST = 10
"""Of either outcome; with fewer, no column can be said to know anything."""
LEAVES = 16
LEAF_ROWS = 20
PRIOR_ROWS = 10
MISSING = "(missing)"


def column_auc(values: pd.Series, churned: Floats) -> float:
    """Out-of-fold AUC of one column alone."""
    return auc(column_scores(values, churned), churned)


def column_scores(values: pd.Series, churned: Floats) -> Floats:
    """Out-of-fold scores of one column alone: a small tree on numbers, smoothed means on categories; missing is a value."""
    if min(churned.sum(), churned.size - churned.sum()) < FEWEST:
        return np.zeros(churned.size)
    fold = folds_of(churned, FOLDS)
    if is_number(values):
        return np.round(tree_scores(as_numbers(values), churned, fold), 9)
    return np.round(smoothed_scores(level_codes(values), churned, fold), 9)


def seen_auc(values: pd.Series, churned: Floats) -> float:
    """AUC of one column alone on the rows that it learnt from: more than `column_auc`, but for noise, at a fifth of its cost."""
    numbers, place = np.unique(as_numbers(values), return_inverse=True) if is_number(values) else (None, level_codes(values))
    size, hits = (one[0] for one in _in_folds(place, churned, np.zeros_like(place), int(place.max(initial=-1)) + 1))
    return auc((hits / size if numbers is None else _leaves(numbers, size, hits))[place], churned)


def is_number(values: pd.Series) -> bool:
    """Whether a column has an order: numbers and dates."""
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)


def level_codes(values: pd.Series) -> Whole:
    """A code a level, missing among them."""
    return pd.factorize(values.astype("str").where(values.notna(), MISSING))[0].astype(np.int64)


def as_numbers(values: pd.Series) -> Floats:
    """Numbers and dates as floats, missing as NaN."""
    whole = values.astype("int64").where(values.notna()) if pd.api.types.is_datetime64_any_dtype(values) else values
    return np.asarray(whole.to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)


def folds_of(churned: Floats, folds: int) -> Whole:
    """Folds with equal shares of churners, in the order given."""
    fold = np.empty(churned.size, dtype=np.int64)
    for outcome in (0.0, 1.0):
        rows = np.flatnonzero(churned == outcome)
        fold[np.random.default_rng(0).permutation(rows)] = np.arange(rows.size) % folds
    return fold


def smoothed_scores(codes: Whole, churned: Floats, fold: Whole) -> Floats:
    """The share of churners with the same code in the other folds, as if ten average rows had it too."""
    folds, levels = int(fold.max()) + 1, int(codes.max(initial=-1)) + 1
    size, hits = _in_folds(codes, churned, fold, levels)
    size, hits = size.sum(axis=0) - size, hits.sum(axis=0) - hits
    prior = np.array([churned[fold != one].mean() for one in range(folds)])[:, None]
    return np.asarray((hits + PRIOR_ROWS * prior) / (size + PRIOR_ROWS), dtype=float)[fold, codes]


def tree_scores(values: Floats, churned: Floats, fold: Whole) -> Floats:
    """A tree of at most 16 leaves of at least 20 rows, the most telling split first; missing ranks above every number."""
    numbers, place = np.unique(values, return_inverse=True)
    size, hits = _in_folds(place, churned, fold, numbers.size)
    scores = [_leaves(numbers, size.sum(axis=0) - size[one], hits.sum(axis=0) - hits[one]) for one in range(len(size))]
    return np.asarray(scores, dtype=float)[fold, place]


def _in_folds(codes: Whole, churned: Floats, fold: Whole, levels: int) -> tuple[Floats, Floats]:
    """Rows, and churners, of each code in each fold."""
    folds = int(fold.max()) + 1
    key = fold * levels + codes
    size, hits = (np.bincount(key, weights=weights, minlength=folds * levels) for weights in (None, churned))
    return np.asarray(size, dtype=float).reshape(folds, levels), np.asarray(hits, dtype=float).reshape(folds, levels)


def _leaves(numbers: Floats, size: Floats, hits: Floats) -> Floats:
    """The share of churners in the leaf of each number, by a tree of the rows counted in `size` and `hits`."""
    learnt = np.flatnonzero(size)
    rows, lost = np.append(0, np.cumsum(size[learnt])), np.append(0, np.cumsum(hits[learnt]))
    ends = np.append(_splits(rows, lost), learnt.size)
    starts = np.append(0, ends[:-1])
    share = (lost[ends] - lost[starts]) / (rows[ends] - rows[starts])
    below, above = numbers[learnt[starts[1:] - 1]], numbers[learnt[starts[1:]]]
    # Numbers between two that were learnt go to the nearer one; what lies below a missing one goes to the numbers.
    edges = np.minimum(np.searchsorted(numbers, below + (above - below) / 2, side="right"), learnt[starts[1:]])
    return np.asarray(np.repeat(share, np.diff(edges, prepend=0, append=numbers.size)), dtype=float)


def _splits(rows: Floats, lost: Floats) -> Whole:
    """Where to split, by cumulated rows and churners: the split that lowers Gini's impurity most comes first."""
    frontier = _best(rows, lost, 0, rows.size - 1)
    cuts: list[int] = []
    while frontier and len(cuts) < LEAVES - 1:
        _, cut, start, end = heapq.heappop(frontier)
        cuts.append(cut)
        for found in (*_best(rows, lost, start, cut), *_best(rows, lost, cut, end)):
            heapq.heappush(frontier, found)
    return np.sort(np.asarray(cuts, dtype=np.int64))


def _best(rows: Floats, lost: Floats, start: int, end: int) -> list[tuple[float, int, int, int]]:
    """The best split of a node, its gain negative so that the largest is the smallest; nothing where none may be made."""
    n, h = rows[end] - rows[start], lost[end] - lost[start]
    first = int(np.searchsorted(rows, rows[start] + LEAF_ROWS, side="left"))
    last = int(np.searchsorted(rows, rows[end] - LEAF_ROWS, side="right"))
    if first >= last or h in (0, n):
        return []
    left, hit = rows[first:last] - rows[start], lost[first:last] - lost[start]
    gain = hit * hit / left + (h - hit) ** 2 / (n - left)
    at = int(gain.argmax())
    return [(float(h * h / n - gain[at]), first + at, start, end)]
