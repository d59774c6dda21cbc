"""Each arm against the control: the difference, its interval for one planned look, and the one that holds at every look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw, ndtr, ndtri

from cjlib.analyses.experiment.measures import CustomerValues, Measure
from cjlib.shared.comparison import FollowUp, compare_shares
from cjlib.shared.stats import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
ALPHA = 0.05
QUANTILE = float(ndtri(1 - ALPHA / 2))
MOST_EXPONENT = 700.0
TUNED_AT = 1_000
"""Customers of the smaller arm at which the interval for every look is tightest, where the plan names no number. It must not depend on the data."""

ROUNDING = 1e-12
"""A variance below this part of the squared value is rounding."""


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
class Aggregates:
    """A group's number of customers, with means and covariances of its columns; the column None is a constant 1.

    Attributes
    ----------
    n
        Customers, two at least.
    means
        By column.
    covariances
        By the place of both columns in `means`.
    """

    n: int
    means: dict[str, float]
    covariances: Floats

    def mean(self, column: str | None) -> float:
        """The mean of a column."""
        return 1.0 if column is None else self.means[column]

    def covariance(self, left: str | None, right: str | None) -> float:
        """The covariance of two columns, or the variance of one."""
        if left is None or right is None:
            return 0.0
        places = list(self.means)
        return float(self.covariances[places.index(left), places.index(right)])

    def ratio(self, above: str, below: str | None) -> float:
        """The ratio of two means."""
        return _divided(self.mean(above), self.mean(below))

    def ratio_variance(self, above: str, below: str | None) -> float:
        """The variance of one customer's part in a ratio of means, by the delta method."""
        square = self.mean(below) * self.mean(below)
        shared = _divided(2 * self.covariance(above, below) * self.mean(above), self.mean(below))
        spread_below = self.covariance(below, below) * (self.mean(above) * self.mean(above))
        return _divided(
            self.covariance(above, above) - shared + _divided(spread_below, square), square
        )

    def ratio_covariance(
        self, ratio: tuple[str, str | None], other: tuple[str, str | None]
    ) -> float:
        """The covariance of one customer's parts in two ratios of means, by the delta method."""
        (above, below), (other_above, other_below) = ratio, other
        value, other_value = self.ratio(*ratio), self.ratio(*other)
        covariance = (
            self.covariance(above, other_above)
            - self.covariance(above, other_below) * other_value
            - self.covariance(below, other_above) * value
            + self.covariance(below, other_below) * value * other_value
        )
        return _divided(_divided(covariance, self.mean(below)), self.mean(other_below))

    def __add__(self, other: Aggregates) -> Aggregates:
        """Both groups together."""
        n = self.n + other.n
        own = np.array(list(self.means.values()))
        others = np.array(list(other.means.values()))
        means = (self.n * own + other.n * others) / n
        apart = own - others
        covariances = (
            self.covariances * (self.n - 1)
            + other.covariances * (other.n - 1)
            + np.outer(apart, apart) * self.n * other.n / n
        ) / (n - 1)
        return Aggregates(n, dict(zip(self.means, means.tolist(), strict=True)), covariances)


def _divided(value: float, size: float) -> float:
    """A quotient; by zero it is infinite where the value is positive, else not a number."""
    if size:
        return value / size
    return math.inf if value > 0 else math.nan


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
        """Means and covariances of one group; two customers at least."""
        n, sums = int(self.n[group]), self.sums[group]
        covariances = (self.products[group] - np.outer(sums, sums) / n) / (n - 1)
        np.fill_diagonal(covariances, np.maximum(np.diag(covariances), 0.0))
        means = (self.centre + sums / n).tolist()
        return Aggregates(n, dict(zip(self.names, means, strict=True)), covariances)


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

    Shares are compared by the pooled z test with Newcombe's interval, means and ratios over customers by Welch's (delta method), with the same measure before the exposure taken out of them where there is one (CUPED). Customers are the units.

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
    smaller = min(control.n, treated.n)
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
    """By the delta method; the covariate's coefficient is that of both arms together."""
    own = ("value", "base") if measure.is_ratio else ("value", None)
    before = ("before", "base_before") if measure.is_ratio else ("before", None)
    value = arm.ratio(*own)
    variance = plain = arm.ratio_variance(*own)
    spread = total.ratio_variance(*before) if "before" in arm.means else 0.0
    if spread > 0:
        slope = _divided(total.ratio_covariance(own, before), spread)
        value = value - slope * (arm.ratio(*before) - total.ratio(*before))
        covariance = arm.ratio_covariance(own, before)
        variance = plain + slope * slope * arm.ratio_variance(*before) - 2 * slope * covariance
    return _Side(arm.n, value, _beyond_rounding(variance, value), _beyond_rounding(plain, value))


def _beyond_rounding(variance: float, value: float) -> float:
    """0 where it is rounding alone: of one price for all, value ÷ orders does not vary."""
    return 0.0 if abs(variance) <= ROUNDING * value * value else variance


def _difference(control: _Side, treated: _Side) -> dict[str, float]:
    """Welch's z test with its interval, and the ratio with the interval of its logarithm; no interval where nobody differs: that says nothing of how far others lie apart."""
    difference = treated.value - control.value
    error = math.sqrt(control.variance / control.n + treated.variance / treated.n)
    parts = [_over(side.variance / side.n, side.value * side.value) for side in (control, treated)]
    half = QUANTILE * error if error > 0 else math.nan
    # Of a loss there is no percentage: it would call a larger one an increase.
    ratio = _over(treated.value, control.value) if control.value > 0 else math.nan
    factor = math.exp(min(QUANTILE * math.sqrt(sum(parts)), MOST_EXPONENT)) if sum(parts) >= 0 else math.nan  # fmt: skip
    return {
        "control_value": control.value,
        "value": treated.value,
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "p_value": float(2 * ndtr(-abs(difference) / error)) if error > 0 else math.nan,
        "relative": ratio - 1,
        "relative_low": ratio / factor - 1 if ratio > 0 else math.nan,
        "relative_high": ratio * factor - 1 if ratio > 0 else math.nan,
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
    return round(side.mean("value") * side.n)


def _share_test(
    measure: Measure, control: Aggregates, treated: Aggregates, follow_up: FollowUp
) -> dict[str, float]:
    compared = compare_shares(
        measure.name,
        _successes(treated),
        treated.n,
        _successes(control),
        control.n,
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
        n = side.n + 2
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
