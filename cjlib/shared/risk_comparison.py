"""Comparisons of risks at equal time: beside those who have not reached an outcome by the same age, at the same waiting times, and within the same months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, pdtr, pdtrc

from cjlib.shared.comparison import (
    MIN_N,
    AnyDifferences,
    Differences,
    FollowUp,
    ShareComparison,
    family,
)
from cjlib.shared.stats import Z95, Floats, share
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, skewed_p

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SameAge(FollowUp):
    """Each customer who reaches an outcome is set beside those who were still followed at the same age and had not reached it."""

    @property
    def words(self) -> str:
        """For a definition."""
        return f"each who reached it is set beside all who had not by the same time from {self.landmark}, so both sides were followed equally long"


@dataclass(frozen=True, eq=False)
class LogRank:
    """The log-rank test that those who reach an outcome are on one side as often as all who could reach it at the same times.

    Attributes
    ----------
    seen
        How many who reach it are on that side.
    exposed, cases, at_risk
        One a time at which somebody reaches it: the share of those at risk who are on that side, how many reach it, how many are at risk.

    References
    ----------
    Mantel, N. (1966). Evaluation of survival data and two new rank order statistics. Cancer Chemotherapy Reports 50.
    """

    seen: int
    exposed: Floats
    cases: Ints
    at_risk: Ints

    @property
    def expected(self) -> float:
        """How many who reach it would be on that side."""
        return float(self.exposed @ self.cases)

    @property
    def variance(self) -> float:
        """Of `seen`, hypergeometric at each time."""
        return float(self._second.sum())

    @property
    def z(self) -> float:
        """`seen` less `expected` in standard errors; 0 where nothing could vary."""
        variance = self.variance
        return (self.seen - self.expected) / float(np.sqrt(variance)) if variance > 0 else 0.0

    @property
    def p_value(self) -> float:
        """Two-sided, corrected for skewness; Poisson where fewer than 5 are expected on a side."""
        expected, unexposed = self.expected, float(self.cases.sum()) - self.expected
        if min(expected, unexposed) < 5:
            mean, count = min(
                (expected, self.seen),
                (unexposed, int(self.cases.sum()) - self.seen),
                key=lambda side: side[0],
            )
            below = float(pdtr(count, mean)) if mean > 0 else 1.0
            above = float(pdtrc(count - 1, mean)) if count > 0 else 1.0
            return min(1.0, 2 * min(below, above))
        third = self._second * (1 - 2 * self.exposed) * self._left(2)
        return float(skewed_p(self.z, share(third.sum(), self.variance**1.5)))

    @property
    def _second(self) -> Floats:
        return self.cases * self.exposed * (1 - self.exposed) * self._left(1)

    def _left(self, moment: int) -> Floats:
        """What drawing without replacement leaves of a moment."""
        drawn = self.at_risk - moment * self.cases
        return np.where(self.at_risk > moment, drawn / np.maximum(self.at_risk - moment, 1), 0.0)


def log_rank_within(tests: Sequence[LogRank]) -> Within:
    """The tests of several strata as one."""
    exposed, cases, at_risk = (
        np.concatenate([getattr(test, name) for test in tests])
        for name in ("exposed", "cases", "at_risk")
    )
    together = LogRank(sum(test.seen for test in tests), exposed, cases, at_risk)
    return Within(together.seen - together.expected, together.p_value)


@dataclass(frozen=True, eq=False)
class AtRiskComparison(ShareComparison):
    """Shares of those who reach an outcome beside shares of those still at risk at the same ages; `others` is how many customers the latter rest on."""

    others: float


def compare_at_risk(
    name: str,
    followed_for: Ints,
    reached: Bools,
    seen: Sequence[tuple[Ints, Ints]],
    *,
    landmark: str,
    stratum: Ints,
    min_n: int = MIN_N,
) -> AtRiskComparison:
    """Habits of customers before they reach an outcome beside habits of those who had not reached it by the same age.

    The share of the others is the mean, over the ages at which somebody reaches the outcome, of the share of those still at risk who had shown the
    habit by then; p is that of the log-rank test for a habit that begins in time (Poisson where it expects fewer than 5 on a side); the interval is
    Newcombe's, with the others counted as often as their weights allow (Kish).

    Parameters
    ----------
    name
        Of the family.
    followed_for, reached
        How long each customer was followed from the landmark, and whether that ended in the outcome.
    seen
        For each habit the customers who show it, and from which age: before the end of their time.
    landmark
        Where ages begin, in words.
    stratum
        Of each customer, such as the month of the landmark: what is claimed holds within these too.
    min_n
        Customers that each side needs.

    References
    ----------
    Mantel, N. & Byar, D. P. (1974). Evaluation of response-time data involving transient states. JASA 69.
    """
    ages, cases = np.unique(followed_for[reached], return_counts=True)
    # At risk at an age: followed at least so long; the others are those of them who do not reach the outcome at that very age.
    at_risk = _at_least(followed_for, ages)
    others = at_risk - cases
    weight = np.divide(cases, others, out=np.zeros(ages.size), where=others > 0)
    reached_n = int(cases.sum())
    total = weight[others > 0] @ others[others > 0]
    rows = []
    for customers, since in seen:
        with_habit = _showing(since, followed_for[customers], ages)
        own = customers[reached[customers]]
        own_then = np.bincount(np.searchsorted(ages, followed_for[own]), minlength=ages.size)
        p = LogRank(own.size, with_habit / at_risk, cases, at_risk).p_value
        share_others = weight @ (with_habit - own_then) / total if total else np.nan
        rows.append((own.size, share_others, p))
    count, other_share, p = np.array(rows, dtype=float).reshape(-1, 3).T
    # A customer counts with the weights of all ages at which it was among the others.
    upto = np.append(0.0, np.cumsum(weight))
    ended = np.searchsorted(ages, followed_for, side="right")
    own_weight = upto[np.where(reached, np.maximum(ended - 1, 0), ended)]
    effective = own_weight.sum() ** 2 / np.sum(own_weight**2) if own_weight.any() else 0.0
    others_n = int(np.count_nonzero(own_weight))
    tested = family(
        name,
        p,
        units=np.full(count.size, reached_n),
        other_units=np.full(count.size, others_n),
        follow_up=SameAge(landmark, 0),
        min_n=min_n,
    )
    low, high = newcombe(count, reached_n, other_share * effective, effective)
    own_share = share(count, reached_n)
    compared = AtRiskComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        tested.follow_up,
        share=own_share,
        other_share=other_share,
        difference=own_share - other_share,
        low=low,
        high=high,
        others=effective,
    )

    def within(row: int) -> Within:
        return _habit_within(followed_for, reached, *seen[row], stratum)

    return also_within(compared, within)


def _showing(since: Ints, until: Ints, ages: Ints) -> Ints:
    """How many show a habit at each age: since then, and followed until then."""
    return since.size - _at_least(since, ages) - (until.size - _at_least(until, ages))


def _habit_within(
    followed_for: Ints, reached: Bools, customers: Ints, since: Ints, stratum: Ints
) -> Within:
    """The log-rank test of a habit, each who reaches the outcome beside those of the same stratum who had not by the same age."""
    tests = []
    for one in np.unique(stratum[customers]):
        everyone, own = stratum == one, stratum[customers] == one
        ages, cases = np.unique(followed_for[everyone & reached], return_counts=True)
        at_risk = _at_least(followed_for[everyone], ages)
        with_habit = _showing(since[own], followed_for[customers[own]], ages)
        own_reached = np.count_nonzero(reached[customers[own]])
        tests.append(LogRank(int(own_reached), with_habit / at_risk, cases, at_risk))
    return log_rank_within(tests)


@dataclass(frozen=True, eq=False)
class CauseComparison(Differences):
    """First events of one side beside what the rates common to both sides give: `met` and `expected` customers, and their difference as a share of the side."""

    met: Ints
    expected: Floats


def compare_causes(
    name: str,
    waited: Ints,
    cause: Ints,
    inside: Bools,
    causes: Ints,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> CauseComparison:
    """Whether one side meets each of several first events at another rate than the other side, at the same waiting times.

    A customer waits until the first event of any cause; for a cause every other first event, and the end of the time watched, ends the wait without it. So a side that
    is soon called away by something else is not thought to avoid what takes longer. Two-sided log-rank test of the cause-specific hazards (Poisson where it expects fewer
    than 5 on a side).

    Parameters
    ----------
    name
        Of the family.
    waited, cause
        How long each customer waited, and for what; a cause that is not among `causes` ends the wait.
    inside
        Who is on the first side.
    causes
        The causes to test.
    follow_up, min_n
        As of `family`.

    References
    ----------
    Prentice, R. L. et al. (1978). The analysis of failure times in the presence of competing risks. Biometrics 34.
    """
    size, other_size = int(inside.sum()), int((~inside).sum())
    rows = []
    for tested_cause in causes.tolist():
        met = cause == tested_cause
        times, cases = np.unique(waited[met], return_counts=True)
        at_risk = _at_least(waited, times)
        exposed = _at_least(waited[inside], times) / np.maximum(at_risk, 1)
        own = int(np.count_nonzero(met & inside))
        test = LogRank(own, exposed, cases, at_risk)
        rows.append((own, test.expected, test.variance, test.p_value))
    own, expected, variance, p = np.array(rows, dtype=float).reshape(-1, 4).T
    tested = family(
        name,
        p,
        units=np.full(len(p), size),
        other_units=np.full(len(p), other_size),
        follow_up=follow_up,
        min_n=min_n,
    )
    difference, half = share(own - expected, size), Z95 * share(np.sqrt(variance), size)
    return CauseComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        met=own.astype(np.int64),
        expected=expected,
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


@dataclass(frozen=True)
class Within:
    """What a comparison gives within strata, as months; missing where a side is too small in those of both."""

    difference: float
    p_value: float


def also_within(compared: AnyDifferences, within: Callable[[int], Within]) -> AnyDifferences:
    """The same, with nothing claimed of a row that does not hold within strata too: there the larger p stands, 1 where the two go different ways.

    Groups that are alike at any time differ over the whole time where one grew while everybody's outcome changed.
    """
    p_value = compared.p_value.copy()
    for row in np.flatnonzero(compared.claims).tolist():
        found = within(row)
        alike = found.difference * compared.difference[row] > 0 and not np.isnan(found.p_value)
        p_value[row] = np.fmax(p_value[row], found.p_value) if alike else 1.0
    return replace(compared, p_value=p_value, p_adjusted=benjamini_hochberg(p_value))


@dataclass(frozen=True)
class Strata:
    """Counts and bases of two sides in each stratum, as months, in which both sides have customers.

    Attributes
    ----------
    count, base, other_count, other_base
        One a stratum, of customers.
    """

    count: Floats
    base: Floats
    other_count: Floats
    other_base: Floats

    @classmethod
    def of_both(cls, *counts: ArrayLike) -> Strata:
        """Of the strata in which both sides have customers; counts in the order of the attributes."""
        strata = np.array(counts, dtype=float)
        return cls(*strata[:, (strata[1] > 0) & (strata[3] > 0)])

    def same_difference(self, min_n: int) -> Within:
        """The difference within strata and its p."""
        enough = min(self.base.sum(), self.other_base.sum()) >= max(min_n, 1)
        return Within(self.difference(), 2 * ndtr(-abs(self.z(0.0))) if enough else np.nan)

    def difference(self) -> float:
        """The mean difference of shares over strata by the weights of Mantel and Haenszel; missing where there is no stratum."""
        score = self.weights @ (self.count / self.base - self.other_count / self.other_base)
        return float(share(score, self.weights.sum()))

    @property
    def weights(self) -> Floats:
        """Of Mantel and Haenszel, one a stratum."""
        return self.base * self.other_base / (self.base + self.other_base)

    def z(self, difference: float) -> float:
        """How many standard errors, corrected for skewness, the shares are from being this far apart in every stratum."""
        p, q = self._likeliest(difference)
        n, m = self.base, self.other_base
        size = n + m
        score = self.weights @ (self.count / n - self.other_count / m - difference)
        spread = (p * (1 - p) / n + q * (1 - q) / m) * size / np.maximum(size - 1, 1)
        skew = p * (1 - p) * (1 - 2 * p) / n**2 - q * (1 - q) * (1 - 2 * q) / m**2
        skew *= size**2 / np.maximum((size - 1) * (size - 2), 1)
        variance = float(self.weights**2 @ spread)
        if variance <= 0:
            return 0.0
        a = float(self.weights**3 @ skew) / (6 * variance**1.5)
        shifted = a + score / np.sqrt(variance)
        return float(2 * shifted / (1 + np.sqrt(max(1 + 4 * a * shifted, 0.0))))

    def _likeliest(self, difference: float) -> tuple[Floats, Floats]:
        """The likeliest shares of both sides in each stratum among those that are so far apart (the cubic of Miettinen and Nurminen)."""
        k, n, other_k, m = self.count, self.base, self.other_count, self.other_base
        cubic = n + m
        square = (n + 2 * m) * difference - cubic - k - other_k
        linear = (m * difference - cubic - 2 * other_k) * difference + k + other_k
        constant = other_k * difference * (1 - difference)
        third = square / (3 * cubic)
        turn = third**3 - linear * square / (6 * cubic**2) + constant / (2 * cubic)
        radius = np.sqrt(np.maximum(third**2 - linear / (3 * cubic), 0.0))
        radius = np.where(turn < 0, -radius, radius)
        cosine = np.divide(turn, radius**3, out=np.zeros_like(turn), where=radius != 0)
        angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
        q = 2 * radius * np.cos(angle) - third
        q = np.clip(q, max(0.0, -difference), min(1.0, 1 - difference))
        return q + difference, q

    def bound(self, z: float) -> float:
        """The difference from which the shares are `z` standard errors: Z95 gives the lower bound of a 95% CI, −Z95 the upper."""
        low, high = -1.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.z(middle) > z else (low, middle)
        return (low + high) / 2


def shares_also_within(
    compare: Callable[[Bools], ShareComparison],
    strata: tuple[Ints, ...] | None,
    min_n: int,
) -> Callable[[Bools], ShareComparison]:
    """A comparison of rows with those marked in each, of which nothing is claimed that does not hold within strata too (see `also_within`).

    `strata` are counts and bases, strata × rows; None: it is as it was.
    """
    if strata is None:
        return compare
    rows = np.arange(strata[1].shape[1])

    def held(others: Bools) -> ShareComparison:
        def within(row: int) -> Within:
            sides = [part @ side for side in (rows == row, others[row]) for part in strata]
            return Strata.of_both(*sides).same_difference(min_n)

        return also_within(compare(others), within)

    return held


def compare_within_strata(
    name: str,
    strata: Sequence[Strata],
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> Differences:
    """Shares of customers, each against its other side within the same months or other strata.

    p and interval are of one test, so they never disagree: the score test of a common difference, corrected for skewness, which keeps its level where few have the
    outcome. Without the correction the test of no difference is that of Cochran, Mantel and Haenszel.

    Parameters
    ----------
    name
        Of the family.
    strata
        One a comparison.
    follow_up, min_n
        As of `family`; only customers in strata with both sides count.

    References
    ----------
    Laud, P. J. (2017). Equal-tailed confidence intervals for comparison of rates. Pharmaceutical Statistics 16.
    Miettinen, O. & Nurminen, M. (1985). Comparative analysis of two rates. Statistics in Medicine 4.
    """
    rows = [
        (
            counted.base.sum(),
            counted.other_base.sum(),
            counted.difference(),
            *(counted.bound(z) if counted.base.size else np.nan for z in (Z95, -Z95)),
            2 * ndtr(-abs(counted.z(0.0))) if counted.base.size else np.nan,
        )
        for counted in strata
    ]
    units, other_units, difference, low, high, p = np.array(rows, dtype=float).reshape(-1, 6).T
    tested = family(name, p, units=units, other_units=other_units, follow_up=follow_up, min_n=min_n)
    return Differences(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        difference=difference,
        low=low,
        high=high,
    )


def _at_least(values: Ints, bounds: Ints) -> Ints:
    """How many values reach each of the ascending bounds."""
    below = np.bincount(np.searchsorted(bounds, values, side="right"), minlength=bounds.size + 1)
    return values.size - np.cumsum(below)[: bounds.size]
