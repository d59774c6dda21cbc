"""Each arm against the control: the difference, its interval for one planned look, and the one that holds at every look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw, ndtr, ndtri

from cjlib.analyses.experiment.measures import CustomerValues, Measure
from cjlib.shared.comparison import FollowUp, compare_shares
from cjlib.shared.stats import Floats

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
ALPHA = 0.05
QUANTILE = float(ndtri(1 - ALPHA / 2))
MOST_EXPONENT = 700.0
TUNED_AT = 1_000
"""Customers of the smaller arm at which the interval for every look is tightest, where the plan names no number. It must not depend on the data."""


@dataclass(frozen=True)
class Rules:
    """How an experiment is read, the same for every measure.

    Attributes
    ----------
    stop
        "always_valid" or "fixed".
    planned
        Planned customers of each arm; None: not planned.
    cuped
        Whether the time before the exposure is taken out of means and ratios.
    follow_up
        What all customers have in common.
    comparisons
        Over how many comparisons together the interval for every look holds.
    """

    stop: str
    planned: int | None
    cuped: bool
    follow_up: FollowUp
    comparisons: int = 1


@dataclass(frozen=True)
class Moments:
    """Numbers, sums and products of a measure's columns, group by group, about a common centre so that nothing is lost to rounding."""

    names: tuple[str, ...]
    centre: Floats
    n: Ints
    sums: Floats
    products: Floats

    @classmethod
    def of(cls, values: CustomerValues, group: Ints, groups: int, *, covariates: bool) -> Moments:
        """The moments of customers in groups 0 … `groups` − 1."""
        columns = {"value": values.value}
        if values.base is not None:
            columns["base"] = values.base
        if covariates:
            columns["before"] = values.before
            if values.base_before is not None:
                columns["base_before"] = values.base_before
        # A whole number, so that sums of whole numbers stay exact.
        centre = np.array(
            [column.mean().round() if column.size else 0.0 for column in columns.values()]
        )
        parts = [column - middle for column, middle in zip(columns.values(), centre, strict=True)]
        size = len(parts)
        sums = np.zeros((groups, size))
        products = np.zeros((groups, size, size))
        for i, part in enumerate(parts):
            sums[:, i] = np.bincount(group, weights=part, minlength=groups)
            for j in range(i + 1):
                product = np.bincount(group, weights=part * parts[j], minlength=groups)
                products[:, i, j] = products[:, j, i] = product
        return cls(tuple(columns), centre, np.bincount(group, minlength=groups), sums, products)

    def by(self, *shape: int) -> tuple[Ints, Floats, Floats]:
        """Numbers, sums and products with the groups laid out in this shape."""
        return (
            self.n.reshape(shape),
            self.sums.reshape(*shape, *self.sums.shape[1:]),
            self.products.reshape(*shape, *self.products.shape[1:]),
        )

    def aggregates(self, group: int) -> Aggregates:
        """One group, as tea-tasting takes it; two customers at least."""
        from tea_tasting.aggr import Aggregates

        n, sums = int(self.n[group]), self.sums[group]
        covariance = (self.products[group] - np.outer(sums, sums) / n) / (n - 1)
        mean = self.centre + sums / n
        return Aggregates(
            count_=n,
            mean_=dict(zip(self.names, mean.tolist(), strict=True)),
            var_=dict(zip(self.names, np.maximum(np.diag(covariance), 0.0).tolist(), strict=True)),
            cov_={
                (self.names[i], self.names[j]): float(covariance[i, j])
                for i in range(len(self.names))
                for j in range(i)
            },
        )


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


def estimate(measure: Measure, control: Aggregates, treated: Aggregates, rules: Rules) -> Estimate:
    """One arm beside the control.

    Shares are compared by the pooled z test with Newcombe's interval, means and ratios over customers by Welch's (delta method, on tea-tasting's aggregates, whose results
    they equal), with the same measure before the exposure taken out of them where there is one (CUPED). Customers are the units.

    References
    ----------
    Deng, A., Xu, Y., Kohavi, R. & Walker, T. (2013). Improving the sensitivity of online controlled experiments by utilizing pre-experiment data. WSDM.
    Deng, A., Knoblich, U. & Lu, J. (2018). Applying the delta method in metric analytics. KDD.
    """
    sides = [_side(measure, arm, control + treated) for arm in (control, treated)]
    found = _difference(*sides)
    error = _cautious_error(*sides)
    if measure.is_share:
        found |= _share_test(measure, control, treated, rules.follow_up)
        error = _share_error(control, treated)
    smaller = min(control.count(), treated.count())
    planned_error = error * math.sqrt(smaller / (rules.planned or TUNED_AT))
    comparisons = rules.comparisons if measure.role != "exploratory" else 1
    low, high = always_valid(found["difference"], error, planned_error, comparisons)
    return Estimate(
        **found, always_low=low, always_high=high, variance_removed=_variance_removed(*sides)
    )


@dataclass(frozen=True)
class _Side:
    """A measure in one arm: its value and the variance of one customer's part in it, with what the time before explains taken out, and without."""

    n: int
    value: float
    variance: float
    plain_variance: float


def _side(measure: Measure, arm: Aggregates, total: Aggregates) -> _Side:
    """By the delta method, in tea-tasting's aggregates; the covariate's coefficient is that of both arms together."""
    own = ("value", "base") if measure.is_ratio else ("value", None)
    before = ("before", "base_before") if measure.is_ratio else ("before", None)
    arm, total = arm.with_zero_div(), total.with_zero_div()
    value = arm.mean(own[0]) / arm.mean(own[1])
    variance = plain = arm.ratio_var(*own)
    spread = total.ratio_var(*before) if "before" in arm.mean_ else 0.0
    if spread > 0:
        slope = total.ratio_cov(*own, *before) / spread
        middle = total.mean(before[0]) / total.mean(before[1])
        value = value - slope * (arm.mean(before[0]) / arm.mean(before[1]) - middle)
        covariance = arm.ratio_cov(*own, *before)
        variance = plain + slope * slope * arm.ratio_var(*before) - 2 * slope * covariance
    return _Side(arm.count(), float(value), float(variance), float(plain))


def _difference(control: _Side, treated: _Side) -> dict[str, float]:
    """Welch's z test with its interval, and the ratio with the interval of its logarithm."""
    difference = treated.value - control.value
    error = math.sqrt(control.variance / control.n + treated.variance / treated.n)
    parts = [_over(side.variance / side.n, side.value * side.value) for side in (control, treated)]
    ratio = _over(treated.value, control.value)
    factor = math.exp(min(QUANTILE * math.sqrt(sum(parts)), MOST_EXPONENT)) if sum(parts) >= 0 else math.nan  # fmt: skip
    return {
        "control_value": control.value,
        "value": treated.value,
        "difference": difference,
        "low": difference - QUANTILE * error,
        "high": difference + QUANTILE * error,
        "p_value": float(2 * ndtr(-abs(difference) / error)) if error > 0 else math.nan,
        "relative": ratio - 1,
        "relative_low": ratio / factor - 1,
        "relative_high": ratio * factor - 1,
    }


def _over(value: float, size: float) -> float:
    return value / size if size else math.nan


def _cautious_error(control: _Side, treated: _Side) -> float:
    """The larger of the standard error with each arm's own variance and that with one of both: a small arm that has not met its large values yet has too small a variance."""
    own = control.variance / control.n + treated.variance / treated.n
    together = (control.n - 1) * control.variance + (treated.n - 1) * treated.variance
    pooled = together / (control.n + treated.n - 2) * (1 / control.n + 1 / treated.n)
    return math.sqrt(max(own, pooled)) if own >= 0 else math.nan


def _variance_removed(control: _Side, treated: _Side) -> float:
    """The share of the difference's variance that CUPED took out."""
    after, plain = (
        sum(getattr(side, name) / side.n for side in (control, treated))
        for name in ("variance", "plain_variance")
    )
    return max(0.0, 1 - after / plain) if plain > 0 else 0.0


def _successes(side: Aggregates) -> int:
    return round(side.mean("value") * side.count())


def _share_test(
    measure: Measure, control: Aggregates, treated: Aggregates, follow_up: FollowUp
) -> dict[str, float]:
    compared = compare_shares(
        measure.name,
        _successes(treated),
        treated.count(),
        _successes(control),
        control.count(),
        follow_up=follow_up,
        z=QUANTILE,
    )
    return {
        "low": float(compared.low[0]),
        "high": float(compared.high[0]),
        "p_value": float(compared.p_value[0]),
    }


def _share_error(control: Aggregates, treated: Aggregates) -> float:
    """The standard error of a difference of shares with one success and one failure added to each arm, so that an arm with none has one too.

    References
    ----------
    Agresti, A. & Caffo, B. (2000). Simple and effective confidence intervals for proportions and differences of proportions. The American Statistician 54.
    """
    variance = 0.0
    for side in (control, treated):
        n = side.count() + 2
        share = (_successes(side) + 1) / n
        variance += share * (1 - share) / n
    return math.sqrt(variance)


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
