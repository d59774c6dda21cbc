"""What one column alone says of the outcome, on rows that it did not learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.metrics import auc

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
FOLDS = 5
FEWEST = 10
"""Of either outcome; with fewer, no column can be said to know anything."""
PRIOR_ROWS = 10
MISSING = "(missing)"
TOGETHER = 100_000
"""Numbers whose trees grow together: enough to share the cost of a step, few enough for the processor's cache."""
LEAVES = 16
LEAF_ROWS = 20


@dataclass(frozen=True)
class Counted:
    """Rows, and churners, of each distinct value of a column in each fold; `numbers` are these values, rising and missing last, where they have an order."""

    column: str
    numbers: Floats | None
    size: Floats
    hits: Floats

    def of_others(self) -> Counted:
        """The same of the other folds together."""
        return Counted(
            self.column, self.numbers, *(one.sum(axis=0) - one for one in (self.size, self.hits))
        )

    def of_all(self) -> Counted:
        """The same of all folds together, as if there were one."""
        return Counted(
            self.column,
            self.numbers,
            *(one.sum(axis=0, keepdims=True) for one in (self.size, self.hits)),
        )


def column_auc(values: pd.Series, churned: Floats) -> float:
    """Out-of-fold AUC of one column alone."""
    return column_aucs(counted_columns(values.to_frame("values"), churned))["values"]


def column_aucs(columns: Iterable[Counted]) -> dict[str, float]:
    """Out-of-fold AUC of each column alone, by its `column_scores`."""
    figures: dict[str, float] = {}
    for some in _together(columns):
        trees = [
            one for one in some if one.numbers is not None and not _too_few(one.hits, one.size)
        ]
        figures |= _of_trees(trees, [tree.of_others() for tree in trees])
        for one in some:
            if one.column not in figures:
                score = np.zeros(one.size.shape) if _too_few(one.hits, one.size) else _smoothed(one)
                figures[one.column] = _auc(np.round(score, 9), one.size, one.hits)
    return figures


def seen_aucs(columns: Iterable[Counted]) -> dict[str, float]:
    """AUC of each column alone on the rows that it learnt from: more than `column_aucs`, but for noise, at a fifth of its cost."""
    figures: dict[str, float] = {}
    for some in _together(column.of_all() for column in columns):
        trees = [one for one in some if one.numbers is not None]
        figures |= _of_trees(trees, trees)
        figures |= {
            one.column: _auc(one.hits / one.size, one.size, one.hits)
            for one in some
            if one.numbers is None
        }
    return figures


def counted_columns(features: pd.DataFrame, churned: Floats) -> Iterator[Counted]:
    """What trees and means of each column need to know."""
    fold = folds_of(churned, FOLDS)
    for column in features.columns:
        numbers, place = _distinct(features[column])
        yield Counted(column, numbers, *_in_folds(place, churned, fold))


def column_scores(values: pd.Series, churned: Floats) -> Floats:
    """Out-of-fold scores of one column alone: a small tree on numbers, smoothed means on categories; missing is a value."""
    if _too_few(churned, np.ones(churned.size)):
        return np.zeros(churned.size)
    fold = folds_of(churned, FOLDS)
    if is_number(values):
        return np.round(tree_scores(as_numbers(values), churned, fold), 9)
    return np.round(smoothed_scores(level_codes(values), churned, fold), 9)


def _too_few(hits: Floats, size: Floats) -> bool:
    return bool(min(hits.sum(), size.sum() - hits.sum()) < FEWEST)


def is_number(values: pd.Series) -> bool:
    """Whether a column has an order: numbers and dates."""
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values)


def level_codes(values: pd.Series) -> Whole:
    """A code a level, missing among them."""
    return pd.factorize(values.astype("str").where(values.notna(), MISSING))[0].astype(np.int64)


def as_numbers(values: pd.Series) -> Floats:
    """Numbers and dates as floats, missing as NaN."""
    whole = (
        values.astype("int64").where(values.notna())
        if pd.api.types.is_datetime64_any_dtype(values)
        else values
    )
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
    return _smoothed(Counted("", None, *_in_folds(codes, churned, fold)))[fold, codes]


def tree_scores(values: Floats, churned: Floats, fold: Whole) -> Floats:
    """A tree of at most 16 leaves of at least 20 rows, the most telling split first; missing ranks above every number."""
    numbers, place = np.unique(values, return_inverse=True)
    learnt = Counted("", numbers, *_in_folds(place, churned, fold)).of_others()
    edges, share = _grown([learnt])
    return np.repeat(share, np.diff(edges, append=learnt.size.size)).reshape(learnt.size.shape)[
        fold, place
    ]


def _distinct(values: pd.Series) -> tuple[Floats | None, Whole]:
    """The numbers there are, if they are numbers, and the place of each row among what there is."""
    return (
        np.unique(as_numbers(values), return_inverse=True)
        if is_number(values)
        else (None, level_codes(values))
    )


def _in_folds(codes: Whole, churned: Floats, fold: Whole) -> tuple[Floats, Floats]:
    """Rows, and churners, of each code in each fold."""
    folds, levels = int(fold.max(initial=0)) + 1, int(codes.max(initial=-1)) + 1
    key = fold * levels + codes
    size, hits = (
        np.bincount(key, weights=weights, minlength=folds * levels) for weights in (None, churned)
    )
    return np.asarray(size, dtype=float).reshape(folds, levels), np.asarray(
        hits, dtype=float
    ).reshape(folds, levels)


def _smoothed(counted: Counted) -> Floats:
    """The score of each code in each fold."""
    others = counted.of_others()
    prior = others.hits.sum(axis=1, keepdims=True) / others.size.sum(axis=1, keepdims=True)
    return (others.hits + PRIOR_ROWS * prior) / (others.size + PRIOR_ROWS)


def _together(columns: Iterable[Counted]) -> Iterator[list[Counted]]:
    """Columns in their order, a few or one at a time."""
    some: list[Counted] = []
    for column in columns:
        some.append(column)
        if sum(other.size.size for other in some) >= TOGETHER:
            yield some
            some = []
    yield some


def _of_trees(held: Sequence[Counted], learnt: Sequence[Counted]) -> dict[str, float]:
    """AUC of the trees of each column, a tree a fold, on the rows held out of them."""
    if not held:
        return {}
    edges, share = _grown(learnt)
    size, hits = (
        np.add.reduceat(np.concatenate(flat), edges)
        for flat in zip(*((one.size.ravel(), one.hits.ravel()) for one in held), strict=True)
    )
    bounds = np.searchsorted(edges, np.cumsum([one.size.size for one in held])[:-1])
    score = share if held is learnt else np.round(share, 9)
    cells = zip(held, *(np.split(values, bounds) for values in (score, size, hits)), strict=True)
    return {one.column: _auc(*cell) for one, *cell in cells}


def _grown(learnt: Sequence[Counted]) -> tuple[Whole, Floats]:
    """The leaves of the trees of each fold of each column, as `leaves` gives them."""
    numbers = np.concatenate(
        [np.tile(one.numbers, len(one.size)) for one in learnt if one.numbers is not None]
    )
    size, hits = (
        np.concatenate(flat)
        for flat in zip(*((one.size.ravel(), one.hits.ravel()) for one in learnt), strict=True)
    )
    lengths = np.repeat([one.size.shape[1] for one in learnt], [len(one.size) for one in learnt])
    return leaves(numbers, size, hits, np.cumsum(lengths) - lengths)


def _auc(score: Floats, size: Floats, hits: Floats) -> float:
    """As `measures.auc` of rows of which so many, and so many churners, have a score."""
    score = np.tile(score.ravel(), 2)
    weight = np.concatenate([hits.ravel(), (size - hits).ravel()])
    return auc(score, np.repeat([1.0, 0.0], score.size // 2), weight)


def leaves(numbers: Floats, size: Floats, hits: Floats, begins: Whole) -> tuple[Whole, Floats]:
    """Trees of at most 16 leaves of at least 20 rows, the most telling split first: where each leaf begins, and its share of churners.

    The numbers of all trees stand one after the other, those of a tree rising and missing last, from `begins` on; `size` rows of a number were learnt from, `hits` of them
    churned. A number that was not learnt goes with the nearer one that was; what lies below a missing one goes to the numbers.
    """
    learnt = np.flatnonzero(size)
    rows, lost = (np.append(0, np.cumsum(counted[learnt])) for counted in (size, hits))
    first = np.searchsorted(learnt, begins)
    cuts = _cuts(rows, lost, _telling(size[learnt], hits[learnt]), np.append(first, learnt.size))
    starts, edges = (
        np.append(first, cuts),
        np.append(begins, _edges(numbers, learnt[cuts - 1], learnt[cuts])),
    )
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    ends = np.append(starts[1:], learnt.size)
    return edges[order], (lost[ends] - lost[starts]) / (rows[ends] - rows[starts])


def _edges(numbers: Floats, below: Whole, above: Whole) -> Whole:
    """Where the right side of each cut begins, between two numbers that were learnt."""
    middle = numbers[below] + (numbers[above] - numbers[below]) / 2
    length = above - below - 1
    which = np.repeat(np.arange(length.size), length)
    between = np.arange(which.size) + np.repeat(below + 1 - (np.cumsum(length) - length), length)
    return (
        below + 1 + np.bincount(which[~(numbers[between] > middle[which])], minlength=length.size)
    )


def _telling(size: Floats, hits: Floats) -> Whole:
    """Where a best split may lie: not between two numbers that only churners have, or only stayers, since it gains on one side or the other (Fayyad and Irani 1992)."""
    lost, kept = hits == size, hits == 0
    return np.flatnonzero(~((lost[1:] & lost[:-1]) | (kept[1:] & kept[:-1]))) + 1


def _cuts(rows: Floats, lost: Floats, telling: Whole, ends: Whole) -> Whole:
    """Where to split, by cumulated rows and churners: in each tree the split that lowers Gini's impurity most comes first, of equal ones the lowest."""
    trees = ends.size - 1
    gain, nodes = np.full((trees, LEAVES), -np.inf), np.zeros((trees, LEAVES, 3), dtype=np.int64)
    gain[:, 0], nodes[:, 0] = _best(rows, lost, telling, ends[:-1], ends[1:])
    cuts: list[Whole] = []
    for free in range(1, LEAVES):
        most = gain.max(axis=1, keepdims=True)
        grows = np.flatnonzero(most > -np.inf)
        at = np.where(gain == most, nodes[:, :, 1], rows.size).argmin(axis=1)[grows]
        start, cut, end = nodes[grows, at].T
        cuts.append(cut)
        if free + 1 < LEAVES:
            sides = np.append(grows, grows), np.append(at, np.full(grows.size, free))
            gain[sides], nodes[sides] = _best(
                rows, lost, telling, np.append(start, cut), np.append(cut, end)
            )
    return np.sort(np.concatenate(cuts))


def _best(
    rows: Floats, lost: Floats, telling: Whole, start: Whole, end: Whole
) -> tuple[Floats, Whole]:
    """What the best split of each node gains, minus infinity where none may be made; and the nodes' starts, splits, ends."""
    n, h = rows[end] - rows[start], lost[end] - lost[start]
    first, last = (
        np.searchsorted(rows, rows[start] + LEAF_ROWS),
        np.searchsorted(rows, rows[end] - LEAF_ROWS, side="right") - 1,
    )
    gain, nodes = np.full(start.size, -np.inf), np.stack([start, start, end], axis=1)
    opens = np.flatnonzero((first <= last) & (h > 0) & (h < n))
    if opens.size:
        n, h, start = n[opens], h[opens], start[opens]
        which, begins, place = _candidates(telling, first[opens], last[opens])
        left, hit = rows[place] - rows[start][which], lost[place] - lost[start][which]
        gained = hit * hit / left + (h[which] - hit) ** 2 / (n[which] - left)
        most = np.maximum.reduceat(gained, begins)
        reached = np.flatnonzero(gained == most[which])
        nodes[opens, 1] = place[reached[np.searchsorted(reached, begins)]]
        gain[opens] = most - h * h / n
    return gain, nodes


def _candidates(telling: Whole, first: Whole, last: Whole) -> tuple[Whole, Whole, Whole]:
    """The splits to look at, from the first to the last possible of each node: the node of each, where a node's begin, and the splits."""
    low, high = np.searchsorted(telling, first), np.searchsorted(telling, last, side="right")
    length = high - low + 2
    ends = np.cumsum(length)
    begins = ends - length
    which = np.repeat(np.arange(length.size), length)
    place = np.append(telling, 0)[np.arange(which.size) + (low - 1 - begins)[which]]
    place[begins], place[ends - 1] = first, last
    return which, begins, place
