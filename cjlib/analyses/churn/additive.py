"""The additive spline model: log-odds are a sum of one curve a number and one step a level, so every forecast splits exactly into reasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from cjlib.analyses.churn.columns import Columns

Floats = NDArray[np.float64]
KNOTS = 6
DEGREE = 3
CURVES = KNOTS + DEGREE - 2
"""Columns of a curve: one fewer than its B-splines, since the intercept holds their sum."""
QUANTILES = 200
TAIL = 0.005


@dataclass(frozen=True)
class Scale:
    """What a number goes through before its curve: nothing, or (on logs, where counts have long tails) its normal quantile.

    `grid` holds the training quantiles, empty for nothing; `low` and `high` are the ends of the curve, constant beyond.
    """

    grid: tuple[float, ...]
    low: float
    high: float

    def of(self, values: Floats) -> Floats:
        """The numbers as the curve sees them."""
        if not self.grid:
            return np.clip(values, self.low, self.high)
        grid, rank = np.asarray(self.grid), np.linspace(0, 1, len(self.grid))
        # A value that fills several quantiles gets the middle of them.
        middle = (np.interp(values, grid, rank) + 1 - np.interp(-values, -grid[::-1], rank)) / 2
        return np.clip(ndtri(np.clip(middle, TAIL, 1 - TAIL)), self.low, self.high)

    @property
    def knots(self) -> Floats:
        """Six even knots, and three more on either side."""
        inner = np.linspace(self.low, self.high, KNOTS)
        step = inner[1] - inner[0]
        return np.concatenate([self.low - step * np.arange(DEGREE, 0, -1), inner, self.high + step * np.arange(1, DEGREE + 1)])


def learn_scale(values: Floats, normal: bool) -> Scale:
    """The scale of a number's training values, missing ones filled."""
    if not normal:
        return Scale((), float(values.min()), float(values.max()))
    grid = tuple(np.quantile(values, np.linspace(0, 1, QUANTILES + 1)).tolist())
    seen = Scale(grid, -np.inf, np.inf).of(values)
    return Scale(grid, float(seen.min()), float(seen.max()))


@dataclass(frozen=True)
class Additive:
    """A fitted model.

    `curves` has a row of seven B-spline weights a number; `missing` what a missing one adds; `steps` a weight a level of each category.
    """

    columns: Columns
    scales: tuple[Scale, ...]
    curves: Floats
    missing: Floats
    steps: tuple[tuple[float, ...], ...]
    intercept: float

    def contributions(self, matrix: Floats) -> Floats:
        """Log-odds that each feature adds, a column a feature in the order of `columns.names`."""
        added = np.empty(matrix.shape)
        categories = len(self.columns.categories)
        for place, steps in enumerate(self.steps):
            codes = matrix[:, place]
            known = ~np.isnan(codes)
            added[:, place] = np.where(known, np.asarray(steps)[np.where(known, codes, 0).astype(np.int64)], 0.0)
        for place, scale in enumerate(self.scales):
            values = matrix[:, categories + place]
            gap = np.isnan(values)
            filled = np.where(gap, self.columns.medians[place], values)
            added[:, categories + place] = self._curve(place, scale, filled) + np.where(gap, self.missing[place], 0.0)
        return added

    def _curve(self, place: int, scale: Scale, values: Floats) -> Floats:
        if scale.high <= scale.low:
            return np.zeros(values.size)
        from scipy.interpolate import BSpline

        return BSpline(scale.knots, np.append(self.curves[place], 0.0), DEGREE)(scale.of(values))

    def log_odds(self, matrix: Floats) -> Floats:
        """The sum."""
        return self.intercept + self.contributions(matrix).sum(axis=1)

    def probability(self, matrix: Floats) -> Floats:
        """P(churn) before calibration."""
        return expit(self.log_odds(matrix))


def fit_additive(columns: Columns, matrix: Floats, churned: Floats, *, normal: bool, penalty: float, most_rows: int) -> Additive:
    """Logistic regression on cubic B-splines with six knots, levels, and missing flags, with an L2 penalty.

    More rows than `most_rows` are thinned evenly: the curves do not get better.
    """
    from sklearn.linear_model import LogisticRegression

    used = _thinned(len(matrix), most_rows)
    matrix, churned = matrix[used], churned[used]
    categories = len(columns.categories)
    filled = np.where(np.isnan(matrix[:, categories:]), np.asarray(columns.medians), matrix[:, categories:])
    scales = tuple(learn_scale(filled[:, place], normal) for place in range(filled.shape[1]))
    gaps = np.isnan(matrix[:, categories:]).astype(float)
    design = [_levels(matrix[:, place], len(levels)) for place, levels in enumerate(columns.levels)]
    design += [_splines(scale, filled[:, place]) for place, scale in enumerate(scales)]
    X = np.hstack([*design, gaps]) if design else np.zeros((len(matrix), 1))
    model = LogisticRegression(C=1 / penalty, max_iter=3000, solver="newton-cholesky").fit(X, churned)
    weights = model.coef_[0]
    ends = np.cumsum([len(levels) for levels in columns.levels], dtype=int).tolist()
    starts = [0, *ends]
    steps = tuple(tuple(weights[start:end].tolist()) for start, end in zip(starts, ends, strict=False))
    numbers = len(columns.numbers)
    curves = weights[starts[-1] : starts[-1] + numbers * CURVES].reshape(numbers, CURVES)
    missing = weights[starts[-1] + numbers * CURVES :][:numbers]
    return Additive(columns, scales, curves, missing, steps, float(model.intercept_[0]))


def _thinned(rows: int, most: int) -> NDArray[np.int64]:
    """Rows to use: all, or an even choice (rows are in a scattered order)."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


def _levels(codes: Floats, levels: int) -> Floats:
    return (codes[:, None] == np.arange(levels)).astype(float)


def _splines(scale: Scale, values: Floats) -> Floats:
    if scale.high <= scale.low:
        return np.zeros((values.size, CURVES))
    from scipy.interpolate import BSpline

    return BSpline.design_matrix(scale.of(values), scale.knots, DEGREE).toarray()[:, :CURVES]
