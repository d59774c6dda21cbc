"""What one column alone says of the outcome, on rows that it did not learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.univariate_trees import leaves
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
        figures |= _of_trees(trees, [one.of_others() for one in trees])
        for one in some:
            if one.column not in figures:
                score = np.zeros(one.size.shape) if _too_few(one.hits, one.size) else _smoothed(one)
                figures[one.column] = _auc(np.round(score, 9), one.size, one.hits)
    return figures


def seen_aucs(columns: Iterable[Counted]) -> dict[str, float]:
    """AUC of each column alone on the rows that it learnt from: more than `column_aucs`, but for noise, at a fifth of its cost."""
    figures: dict[str, float] = {}
    for some in _together(one.of_all() for one in columns):
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
    for one in columns:
        some.append(one)
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
