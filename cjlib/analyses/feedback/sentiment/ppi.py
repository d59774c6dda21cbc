"""Shares from a model and a few labels made by people: prediction-powered inference.

References
----------
Angelopoulos, A., Duchi, J. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A share with its 95% CI."""

    value: float
    low: float
    high: float


def recalibrated(f: Floats, labelled: NDArray[np.bool_], y: Floats) -> Floats:
    """The model's probability after a logistic regression, in one variable, on the labelled rows."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    x = logit(np.clip(f, 1e-4, 1 - 1e-4))
    known, truth = x[labelled], y[labelled]

    def loss(at: Floats) -> tuple[float, Floats]:
        p = np.clip(expit(at[0] + at[1] * known), 1e-9, 1 - 1e-9)
        # A whisper of a ridge keeps the slope finite where the labels are perfectly separated.
        value = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum() + 0.01 * at[1] ** 2
        return float(value), np.array(
            [(p - truth).sum(), ((p - truth) * known).sum() + 0.02 * at[1]]
        )

    best = minimize(loss, np.array([0.0, 1.0]), jac=True, method="BFGS").x
    return expit(best[0] + best[1] * x)


def ppi_mean(f_labelled: Floats, y: Floats, f_rest: Floats) -> Estimate:
    """PPI++ of one segment: λ·mean(f over the rest) + mean(y − λ·f over the labelled), t interval with n − 1 degrees, clipped to 0–1."""
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
    variance = (tuned**2 * f_rest.var(ddof=1) / rest if rest > 1 else 0.0) + residual.var(
        ddof=1
    ) / n
    half = float(stdtrit(n - 1, 0.975) * np.sqrt(variance))
    low, value, high = np.clip([value - half, value, value + half], 0, 1).tolist()
    return Estimate(value, low, high)
