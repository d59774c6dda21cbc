"""Each arm against the control: the difference, its fixed-horizon interval by tea-tasting, and the one that holds at every look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from cjlib.analyses.experiment.measures import CustomerValues, Measure
from cjlib.shared.stats import Z95

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """One measure of one arm beside the control.

    Attributes
    ----------
    control_value, value
        The measure in both arms, adjusted where CUPED is used.
    difference, low, high, p_value
        Arm − control with its 95% interval for one look, planned beforehand.
    relative, relative_low, relative_high
        The same as a share of the control's value.
    always_low, always_high
        The 95% interval that holds at every look, over all comparisons that decide together.
    variance_removed
        The share of the variance that the time before the exposure explains (CUPED); 0 where it is not used.
    """

    control_value: float
    value: float
    difference: float
    low: float
    high: float
    p_value: float
    relative: float
    relative_low: float
    relative_high: float
    always_low: float
    always_high: float
    variance_removed: float


def estimate(
    measure: Measure,
    values: CustomerValues,
    control: Bools,
    treated: Bools,
    *,
    cuped: bool,
    planned: int | None,
    comparisons: int,
) -> Estimate:
    """One arm beside the control.

    Shares, means and ratios are means over customers, so customers are the units; ratios by the delta method. With `cuped` the same measure before the exposure
    explains away what customers differed in already.

    References
    ----------
    Deng, A., Xu, Y., Kohavi, R. & Walker, T. (2013). Improving the sensitivity of online controlled experiments by utilizing pre-experiment data. WSDM.
    Deng, A., Knoblich, U. & Lu, J. (2018). Applying the delta method in metric analytics. KDD.
    """
    import tea_tasting as tt
    from tea_tasting.aggr import Aggregates

    columns = {"value": values.value, "before": values.before}
    if values.base is not None and values.base_before is not None:
        columns |= {"base": values.base, "base_before": values.base_before}

    def aggregates(arm: Bools) -> Aggregates:
        matrix = np.vstack([column[arm] for column in columns.values()])
        covariance = np.atleast_2d(np.cov(matrix))
        names = list(columns)
        pairs = {
            (names[i], names[j]): float(covariance[i, j])
            for i in range(len(names))
            for j in range(i)
        }
        return Aggregates(
            count_=int(matrix.shape[1]),
            mean_=dict(zip(names, matrix.mean(axis=1).tolist(), strict=True)),
            var_=dict(zip(names, np.diag(covariance).tolist(), strict=True)),
            cov_=pairs,
        )

    if measure.kind == "ratio":
        metric = tt.RatioOfMeans(
            "value", "base", *(("before", "base_before") if cuped else ()), use_t=False
        )
        plain = tt.RatioOfMeans("value", "base", use_t=False)
    else:
        metric = tt.Mean("value", "before" if cuped else None, use_t=False)
        plain = tt.Mean("value", use_t=False)
    sides = aggregates(control), aggregates(treated)
    # Where nobody in an arm has any, there is no variance, and ratios of it are missing.
    with np.errstate(divide="ignore", invalid="ignore"):
        found = metric.analyze_aggregates(*sides)
        unadjusted = plain.analyze_aggregates(*sides) if cuped else found
    error = (found.effect_size_ci_upper - found.effect_size_ci_lower) / (2 * Z95)
    width = unadjusted.effect_size_ci_upper - unadjusted.effect_size_ci_lower
    own = found.effect_size_ci_upper - found.effect_size_ci_lower
    smaller = min(np.count_nonzero(control), np.count_nonzero(treated))
    planned_error = error * math.sqrt(smaller / planned) if planned else None
    low, high = always_valid(found.effect_size, error, planned_error, comparisons)
    return Estimate(
        control_value=found.control,
        value=found.treatment,
        difference=found.effect_size,
        low=found.effect_size_ci_lower,
        high=found.effect_size_ci_upper,
        p_value=found.pvalue,
        relative=found.rel_effect_size,
        relative_low=found.rel_effect_size_ci_lower,
        relative_high=found.rel_effect_size_ci_upper,
        always_low=low,
        always_high=high,
        variance_removed=max(0.0, 1 - (own / width) ** 2) if width > 0 else 0.0,
    )


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
