"""Intervals that hold at every look: whoever stops when zero is outside is wrong in at most one of twenty experiments."""

from __future__ import annotations

import math

from scipy.special import lambertw

ALPHA = 0.05


def always_valid(
    difference: float, error: float, planned_error: float | None = None, comparisons: int = 1
) -> tuple[float, float]:
    """The confidence sequence of a difference with a normal mixture, tightest where the standard error is `planned_error` (None: as it is now).

    With several comparisons the intervals hold all together (Bonferroni).

    References
    ----------
    Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. & Ramdas, A. (2024). Time-uniform central limit theory and asymptotic confidence sequences. Annals of
    Statistics 52, eq. 14 with its tuning; Howard, S. et al. (2021). Time-uniform, nonparametric, nonasymptotic confidence sequences. Annals of Statistics 49.
    """
    if not error > 0:
        return math.nan, math.nan
    alpha = ALPHA / comparisons
    # The variance of the mixing normal that makes the interval narrowest at the planned error.
    root = -float(lambertw(-(alpha**2) / math.e, k=-1).real) - 1
    information = (planned_error or error) ** 2 * root / error**2
    width = (1 + 1 / information) * (math.log1p(information) - 2 * math.log(alpha))
    half = error * math.sqrt(width)
    return difference - half, difference + half
