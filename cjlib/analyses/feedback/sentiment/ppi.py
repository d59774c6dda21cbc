"""Shares from a model and a few labels made by people: prediction-powered inference.

References
----------
Angelopoulos, A., Duchi, J. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.shared.stats import Z95, Floats, wilson

FOLDS = 10


@dataclass(frozen=True)
class Estimate:
    """A share with its 95% CI."""

    value: float
    low: float
    high: float


def recalibrated(f: Floats, labelled: NDArray[np.bool_], y: Floats) -> Floats:
    """The model's probability after a logistic regression, in one variable, on the labelled rows, cross-fitted.

    A labelled row gets what was learnt without its own tenth of the labels, any other the mean of all: labels that calibrated their own row would
    make the model look better than it is.
    """
    from scipy.special import expit, logit

    x = logit(np.clip(f, 1e-4, 1 - 1e-4))
    rows = np.flatnonzero(labelled)
    fold = np.full(f.size, -1)
    fold[rows] = np.random.default_rng(0).permutation(rows.size) % FOLDS
    each = []
    for left_out in range(FOLDS):
        known = labelled & (fold != left_out)
        at = _line(x[known], y[known])
        each.append(expit(at[0] + at[1] * x))
    fitted = np.array(each)
    return np.where(labelled, fitted[np.maximum(fold, 0), np.arange(f.size)], fitted.mean(axis=0))


def _line(known: Floats, truth: Floats) -> Floats:
    """Intercept and slope of a logistic regression in one variable."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(at: Floats) -> tuple[float, Floats]:
        p = np.clip(expit(at[0] + at[1] * known), 1e-9, 1 - 1e-9)
        # A whisper of a ridge keeps the slope finite where the labels are perfectly separated.
        value = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum() + 0.01 * at[1] ** 2
        return float(value), np.array(
            [(p - truth).sum(), ((p - truth) * known).sum() + 0.02 * at[1]]
        )

    return minimize(loss, np.array([0.0, 1.0]), jac=True, method="BFGS").x


def ppi_mean(f_labelled: Floats, y: Floats, f_rest: Floats) -> Estimate:
    """PPI++ of one segment: λ·mean(f over the rest) + mean(y − λ·f over the labelled).

    The interval is Wilson's of as many labels as would have the same variance, fewer by Student's t with n − 3 degrees: it stays between 0 and 1.
    """
    from scipy.special import stdtrit

    n, rest = y.size, f_rest.size
    both = np.concatenate([f_labelled, f_rest])
    spread = both.var(ddof=1)
    covariance = np.cov(y, f_labelled, ddof=1)[0, 1]
    tuned = (
        0.0
        if spread == 0 or rest == 0
        else float(np.clip(covariance / ((1 + n / rest) * spread), 0, 1))
    )
    residual = y - tuned * f_labelled
    value = tuned * (f_rest.mean() if rest else 0.0) + residual.mean()
    # λ and the calibration are learnt from the same labels: two degrees of freedom more are gone.
    left_over = residual.var(ddof=0) / max(n - 3, 1)
    variance = (tuned**2 * f_rest.var(ddof=1) / rest if rest > 1 else 0.0) + left_over
    value = min(max(float(value), 0.0), 1.0)
    shrunk = (n * value + 2) / (n + 4)
    alike = shrunk * (1 - shrunk) / variance if variance > 0 else float(n)
    alike *= (Z95 / float(stdtrit(max(n - 3, 1), 0.975))) ** 2
    low, high = wilson(value * alike, alike)
    return Estimate(value, float(low), float(high))
