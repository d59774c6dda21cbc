"""Intervals and tests that several analyses share.

scipy.stats costs half a second to import, so it is imported where a rare branch needs it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z95 = 1.959964
"""Standard normal quantile of every 95% CI here."""

Floats = NDArray[np.float64]


def share(count: ArrayLike, base: ArrayLike) -> Floats:
    """Count ÷ base; NaN where the base is 0, never 0."""
    k, n = np.asarray(count, dtype=float), np.asarray(base, dtype=float)
    return np.divide(k, n, out=np.full(np.broadcast(k, n).shape, np.nan), where=n > 0)


def wilson(count: ArrayLike, base: ArrayLike, z: float = Z95) -> tuple[Floats, Floats]:
    """Wilson's 95% score interval of a share, without continuity correction; NaN where the base is 0.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    k, n = np.asarray(count, dtype=float), np.asarray(base, dtype=float)
    p = share(k, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(k == 0, np.where(n > 0, 0.0, np.nan), low), np.where(
        k == n, np.where(n > 0, 1.0, np.nan), high
    )


def mean_interval(values: Floats) -> tuple[float, float]:
    """The 95% t interval of a mean; missing below two values, and where all are alike: that says nothing of how far others lie apart."""
    if values.size < 2 or values.min() == values.max():
        return float("nan"), float("nan")
    from scipy.special import stdtrit

    half = float(stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / np.sqrt(values.size))
    return float(values.mean()) - half, float(values.mean()) + half


def median_with_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Median (interpolated) and its 95% CI between two order statistics; NaN where there are no values, bounds NaN below six.

    The interval makes no assumption about the distribution and covers at least 95%.

    References
    ----------
    Conover, W. J. (1999). Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    ordered = np.asarray(values, dtype=float)
    n = ordered.size
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    inner = median_ranks(n)[0]
    middle = [(n - 1) // 2, n // 2]
    ordered = np.partition(ordered, sorted({inner, *middle, n - 1 - inner}))
    median = float(ordered[middle].mean())
    return (
        (median, float(ordered[inner]), float(ordered[n - 1 - inner]))
        if n >= 6
        else (median, float("nan"), float("nan"))
    )


def median_ranks(n: int) -> tuple[int, int]:
    """The ranks (from 0) of the order statistics between which a median lies with 95%; below six values there are none: the first and last."""
    from scipy.special import bdtrik

    inner = int(bdtrik(0.025, n, 0.5)) if n >= 6 else 0
    return inner, n - 1 - inner


def grouped_medians(values: NDArray[np.int64], group: NDArray[np.int64], groups: int) -> Floats:
    """The median (interpolated) of whole numbers in each of the groups 0 … `groups` − 1; NaN where a group has none."""
    sizes = np.bincount(group, minlength=groups)
    if groups == 1:
        middle = [(len(values) - 1) // 2, len(values) // 2]
        ordered = np.partition(values, sorted(set(middle))) if len(values) else values
    else:
        ordered = values[np.lexsort((values, group))]
    ends = np.cumsum(sizes)
    lower, upper = ends - sizes + (sizes - 1) // 2, ends - sizes + sizes // 2
    some = sizes > 0
    medians = np.full(groups, np.nan)
    low, high = ordered[lower[some]], ordered[upper[some]]
    medians[some] = low + (high - low) / 2
    return medians


def grouped_means(values: NDArray[np.int64], group: NDArray[np.int64], groups: int) -> Floats:
    """The mean of whole numbers in each group, NaN where a group has none; summed as whole numbers, so in any order the same."""
    million = 1_000_000
    sizes = np.bincount(group, minlength=groups)
    whole, rest = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    if groups == 1:
        whole[0], rest[0] = (values // million).sum(), (values % million).sum()
    else:
        np.add.at(whole, group, values // million)
        np.add.at(rest, group, values % million)
    return share(whole, sizes) * million + share(rest, sizes)


def part_of_sum(part: float, values: Floats) -> float:
    """What part of the sum of these values is; NaN where some lie below 0 or all are 0: of a balance nothing is a part, a tenth of it may be 420%."""
    total = float(np.sort(values).sum())
    return part / total if total > 0 and values.min() >= 0 else float("nan")


def enough_followed(n: int) -> int:
    """How many of `n` must still be followed for the end of a survival curve to be read: a tenth, 30 at most."""
    return min(30, -(-n // 10))
