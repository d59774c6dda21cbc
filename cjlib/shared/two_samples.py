"""Tests of two groups and adjustments for many tests. Only `cjlib.shared.comparison` may use them: import-linter sees to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaincc, ndtr

from cjlib.shared.stats import Z95, Floats, share, wilson


def newcombe(
    count: ArrayLike,
    base: ArrayLike,
    other_count: ArrayLike,
    other_base: ArrayLike,
    z: float = Z95,
) -> tuple[Floats, Floats]:
    """95% CI of the difference of two independent shares (first − other), Newcombe's hybrid score, his method 10.

    References
    ----------
    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions. Statistics in Medicine 17.
    """
    p, q = share(count, base), share(other_count, other_base)
    (p_low, p_high), (q_low, q_high) = wilson(count, base, z), wilson(other_count, other_base, z)
    low = p - q - np.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + np.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return low, high


def skewed_p(z: ArrayLike, skewness: ArrayLike) -> Floats:
    """How often a standardised score of this skewness lies so far from 0: both tails of a gamma distribution (Pearson's type III), of a normal one where there is next to none.

    Families multiply p, so it must be right far out, where a small side against a large one is skewed: by the normal distribution alone a p of .0002 comes up to ten times as often.

    References
    ----------
    Pitman, E. J. G. (1937). Significance tests which may be applied to samples from any populations. JRSS Supplement 4: the moments of drawing at random.
    """
    z, skewness = np.asarray(z, dtype=float), np.asarray(skewness, dtype=float)
    flat = ~(np.abs(skewness) > 1e-3)
    shape = 4 / np.where(flat, 1.0, skewness) ** 2
    far = np.abs(z) * np.sqrt(shape)
    tails = gammaincc(shape, shape + far) + gammainc(shape, np.maximum(shape - far, 0.0))
    return np.where(flat, 2 * ndtr(-np.abs(z)), tails)


def two_shares_p(count: int, base: int, other_count: int, other_base: int) -> float:
    """Two-sided p that two shares are equal: pooled z, corrected for the skewness of drawing at random; Fisher's exact test if any expected count is below 5."""
    if min(base, other_base) == 0:
        return float("nan")
    pooled = (count + other_count) / (base + other_base)
    expected = [size * part for size in (base, other_base) for part in (pooled, 1 - pooled)]
    if pooled in (0.0, 1.0):
        return 1.0
    if min(expected) < 5:
        from scipy.stats import fisher_exact

        exact: Any = fisher_exact([[count, base - count], [other_count, other_base - other_count]])
        return float(exact.pvalue)
    difference = count / base - other_count / other_base
    variance = pooled * (1 - pooled) * (1 / base + 1 / other_base)
    third = pooled * (1 - pooled) * (1 - 2 * pooled) * (1 / base**2 - 1 / other_base**2)
    return float(skewed_p(difference / np.sqrt(variance), third / variance**1.5))


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """p-values adjusted for the false-discovery rate; NaN stays NaN and is not counted among the tests.

    References
    ----------
    Benjamini, Y. & Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    falling = tested[np.argsort(-p[tested], kind="stable")]
    ranks = np.arange(tested.size, 0, -1)
    adjusted[falling] = np.minimum(1, np.minimum.accumulate(p[falling] * tested.size / ranks))
    return adjusted


def holm(p_values: ArrayLike) -> Floats:
    """p-values adjusted for the probability of a single false claim; NaN stays NaN and is not counted among the tests.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    rising = tested[np.argsort(p[tested], kind="stable")]
    left = np.arange(tested.size, 0, -1)
    adjusted[rising] = np.minimum(1, np.maximum.accumulate(p[rising] * left))
    return adjusted
