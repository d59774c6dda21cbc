"""Two columns that only together tell the outcome, such as two dates of which the later one is written at the end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.univariate import (
    FEWEST,
    FOLDS,
    as_numbers,
    folds_of,
    is_number,
    level_codes,
    smoothed_scores,
)
from cjlib.analyses.churn.model.metrics import auc

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
BINS = 10
"""Of a number, with as many rows each; of a category the commonest levels, the others with the last."""
CELLS = BINS + 1
MOST_ROWS = 3_000
MOST_COLUMNS = 100
SUSPICIOUS = 0.96
"""Rows for a first look at all pairs at once, on rows that it learnt from; only what is suspicious there is looked at closely."""
TOGETHER, APART, GAINED = 0.98, 0.90, 0.05


def telling_pairs(
    features: pd.DataFrame, churned: Floats, alone: Mapping[str, float]
) -> list[tuple[str, str, float]]:
    """Pairs of columns with an out-of-fold AUC of at least .98, neither of which reaches .9 alone, nor comes within .05 of it."""
    honest = sorted(
        (name for name in features.columns if alone[name] < APART),
        key=lambda name: (-alone[name], name),
    )[:MOST_COLUMNS]
    if len(honest) < 2 or min(churned.sum(), churned.size - churned.sum()) < FEWEST:
        return []
    codes = np.stack([_binned(features[name]) for name in honest])
    rows = np.unique(np.linspace(0, churned.size - 1, MOST_ROWS).astype(np.int64))
    fold = folds_of(churned, FOLDS)
    found = []
    for one, other in _suspicious(codes[:, rows], churned[rows]):
        figure = auc(smoothed_scores(codes[one] * CELLS + codes[other], churned, fold), churned)
        if figure >= TOGETHER and figure > max(alone[honest[one]], alone[honest[other]]) + GAINED:
            found.append((*sorted((honest[one], honest[other])), figure))
    return sorted(found)


def _binned(values: pd.Series) -> Whole:
    """Codes below `CELLS`; the last for a missing number."""
    if not is_number(values):
        codes = level_codes(values)
        rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"), kind="stable")
        return np.minimum(rank[codes], CELLS - 1)
    numbers = as_numbers(values)
    known = numbers[~np.isnan(numbers)]
    if known.size == 0:
        return np.full(numbers.size, CELLS - 1)
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    return np.where(
        np.isnan(numbers), CELLS - 1, np.searchsorted(cuts, numbers, side="right")
    ).astype(np.int64)


def _suspicious(codes: Whole, churned: Floats) -> list[tuple[int, int]]:
    """Pairs whose cells rank the rows they were counted on almost perfectly: all cells of all pairs by one product of matrices."""
    held = np.zeros((churned.size, len(codes), CELLS), dtype=np.float32)
    np.put_along_axis(held, codes.T[:, :, None], 1, axis=2)
    flat = held.reshape(churned.size, -1)
    pairs = list(combinations(range(len(codes)), 2))
    one, other = np.asarray(pairs).T
    every, lost = (
        _cells(flat, weighted, len(codes))[one, other]
        for weighted in (flat, flat * churned[:, None].astype(np.float32))
    )
    order = np.argsort(lost / np.maximum(every, 1), axis=1, kind="stable")
    every, lost = (np.take_along_axis(cells, order, axis=1) for cells in (every, lost))
    kept = every - lost
    figures = (lost * (np.cumsum(kept, axis=1) - kept / 2)).sum(axis=1) / (
        churned.sum() * (churned.size - churned.sum())
    )
    return [
        pair for pair, figure in zip(pairs, figures.tolist(), strict=True) if figure >= SUSPICIOUS
    ]


def _cells(left: NDArray[np.float32], right: NDArray[np.float32], columns: int) -> Floats:
    """How many rows each cell of each pair of columns has: by first column, second column, cell."""
    together = (left.T @ right).reshape(columns, CELLS, columns, CELLS)
    return together.transpose(0, 2, 1, 3).reshape(columns, columns, -1).astype(float)
