"""Logistic regression with an L2 penalty, by Newton's method: the few columns of churn models need no more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

Floats = NDArray[np.float64]
MOST_STEPS = 60
LEAST_PART = 1e-9
FLAT, NEARLY_FLAT = 1e-6, 1e-4
"""The mean gradient at which the descent ends; nearly flat is enough to rank what features add."""
STALE = 0.5
"""While each step leaves no more of the gradient than this, the curvature is taken as it was: it decides the way, not the end."""
FEW = 32
"""Up to so many columns all is reckoned in double precision; with more, what grows with the rows in single, at half the cost: the rounding of the gradient stays a thousand times below what ends the descent."""


def precision(columns: int) -> Any:
    """The kind of number a matrix of so many columns is best made of."""
    return np.float64 if columns <= FEW else np.float32


def fit_ridge(
    matrix: NDArray[Any],
    churned: Floats,
    penalty: float,
    *,
    weight: Floats | None = None,
    start: Floats | None = None,
    flat: float = FLAT,
) -> Floats:
    """Weights of the columns, and (last) of the intercept, which has no penalty; rows count `weight` times each."""
    design = np.column_stack([matrix, np.ones(len(matrix))]).astype(
        precision(matrix.shape[1]), copy=False
    )
    return fit_with_intercept(design, churned, penalty, weight=weight, start=start, flat=flat)


def fit_with_intercept(
    design: NDArray[Any],
    churned: Floats,
    penalty: float,
    *,
    weight: Floats | None = None,
    start: Floats | None = None,
    flat: float = FLAT,
    factor: Any = None,
) -> Floats:
    """As `fit_ridge`, of a matrix whose last column is 1; `factor` is a curvature to begin with, from `curvature`."""
    n, k = len(design), design.shape[1] - 1
    counted = np.ones(n) if weight is None else weight
    ridge = np.append(np.full(k, penalty), 0.0)
    share = float(np.average(churned, weights=counted))
    beta = np.append(np.zeros(k), np.log(share / (1 - share))) if start is None else start
    odds, before_step = _product(design, beta), np.inf
    for _ in range(MOST_STEPS):
        p = expit(odds)
        gradient = _product(design.T, counted * (p - churned)) + ridge * beta
        steepest = float(np.abs(gradient).max())
        if steepest <= flat * n:
            break
        if factor is None or steepest > STALE * before_step:
            factor = curvature(design, counted * p * (1 - p), penalty)
        before_step = steepest
        step = cho_solve(factor, gradient, check_finite=False)
        moved = _product(design, step)
        part, before = 1.0, _loss(odds, beta, churned, counted, ridge)
        # Halved until it does not lead uphill.
        while part > LEAST_PART and _loss(
            odds - part * moved, beta - part * step, churned, counted, ridge
        ) > before * (1 + 1e-12):
            part /= 2
        beta, odds = beta - part * step, odds - part * moved
    return beta


def _product(design: NDArray[Any], values: Floats) -> Floats:
    return (design @ values.astype(design.dtype, copy=False)).astype(float, copy=False)


def curvature(design: NDArray[Any], weight: Floats, penalty: float) -> Any:
    """The second derivative of the loss where rows weigh so much, factored."""
    scaled = design * np.sqrt(weight).astype(design.dtype)[:, None]
    square = (scaled.T @ scaled).astype(float)
    square[np.diag_indices_from(square)] += np.append(np.full(len(square) - 1, penalty), 0.0) + 1e-9
    return cho_factor(square, overwrite_a=True, check_finite=False)


def _loss(odds: Floats, beta: Floats, churned: Floats, counted: Floats, ridge: Floats) -> float:
    return float(counted @ (np.logaddexp(0, odds) - churned * odds) + (ridge * beta) @ beta / 2)
