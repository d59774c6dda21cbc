"""Comparisons that hold. Three rules that no analysis can go around, since every p-value is made here.

1. **Equal follow-up.** Both sides of a comparison were watched equally long. A comparison takes a `FollowUp`, which says how long and from when;
   there is no way to make one without saying who was not watched long enough.
2. **Landmark.** Who belongs to a group is known at the moment from which outcomes are counted (`followed(…, known_at=…)` refuses later facts).
3. **Family.** p-values that are read together are adjusted together, under a name; a side of fewer than `MIN_N` independent units (customers, not
   rows) is not tested. A sentence claims a difference where `Family.claims` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.special import ndtr, stdtr, stdtrit

from cjlib.shared.repeated_answers import (
    CustomerAnswers,
    Prior,
    difference_error,
    share_customers,
)
from cjlib.shared.stats import Z95, Floats, share
from cjlib.shared.two_samples import benjamini_hochberg, holm, newcombe, two_shares_p
from cjlib.show.numbers import count_of, timespan

MIN_N = 30
"""A number that rests on fewer than this many customers is shown as such: greyed, with its n, never as a finding."""
CLAIM = 0.01
"""A sentence claims what has an adjusted p below this: a run has about a dozen families, and together they shall claim nothing in 95 of 100 runs
of a business in which nothing happens. Tables keep the p-values for readers with another threshold."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FollowUp:
    """The time at risk that both sides of a comparison have in common.

    Attributes
    ----------
    landmark
        The moment from which outcomes are counted, in words: "the first event of step 1".
    horizon
        Microseconds from the landmark within which outcomes count; 0: the outcome is known at the landmark, as the score of an answer.
    left_out
        Customers who were not watched for the whole horizon and stand on no side.
    """

    landmark: str
    horizon: int
    left_out: int = 0

    @property
    def words(self) -> str:
        """For a definition: how long both sides were followed and who was left out."""
        if not self.horizon:
            return f"the outcome is known at {self.landmark}"
        left = f"; {count_of(self.left_out, 'customer')} not yet followed that long left out"
        return f"both sides followed for {timespan(self.horizon)} from {self.landmark}{left}"


def followed(
    since: Ints, until: int | Ints, *, horizon: int, landmark: str, known_at: Ints | None = None
) -> tuple[Bools, FollowUp]:
    """Who was watched for the whole horizon after the landmark, and the follow-up that they have in common.

    Parameters
    ----------
    since
        The landmark of each customer, microseconds UTC.
    until
        The last moment each was watched (both ends included): the end of data, or their own.
    horizon
        Microseconds.
    landmark
        The moment in words.
    known_at
        When the group of each became known; what became known after the landmark is an error of the caller's.
    """
    if known_at is not None and np.any(known_at > since):
        raise ValueError("known_at: a group may not be known later than its landmark")
    complete = np.asarray(since + horizon <= until)
    return complete, FollowUp(landmark, horizon, int(complete.size - np.count_nonzero(complete)))


@dataclass(frozen=True)
class SameAge(FollowUp):
    """Each customer who reaches an outcome is set beside those who were still followed at the same age and had not reached it."""

    @property
    def words(self) -> str:
        """For a definition."""
        return f"each who reached it is set beside all who had not by the same time from {self.landmark}, so both sides were followed equally long"


def known_at_once(landmark: str) -> FollowUp:
    """The follow-up of outcomes that need none: the score of an answer, a column of a finished table."""
    return FollowUp(landmark, 0)


@dataclass(frozen=True, eq=False)
class Family:
    """p-values that are read together, adjusted together.

    Attributes
    ----------
    name
        What is compared: "conversion by channel".
    p_value, p_adjusted
        One a comparison; missing where a side is too small.
    follow_up
        The time at risk that the sides have in common.
    level, adjustment
        The adjusted p below which a sentence may claim a difference, and how it was adjusted, in words.
    """

    name: str
    p_value: Floats
    p_adjusted: Floats
    follow_up: FollowUp
    level: float = field(default=CLAIM, kw_only=True)
    adjustment: str = field(default="Benjamini–Hochberg", kw_only=True)

    @property
    def tests(self) -> int:
        """How many comparisons were tested."""
        return int(np.count_nonzero(~np.isnan(self.p_value)))

    @property
    def claims(self) -> Bools:
        """Which comparisons a sentence may claim."""
        return np.nan_to_num(self.p_adjusted, nan=1.0) < self.level

    @property
    def words(self) -> str:
        """For a definition: how many comparisons, how adjusted, how followed."""
        return (
            f"{count_of(self.tests, 'comparison')} of {self.name}, adjusted together "
            f"({self.adjustment}); {self.follow_up.words}"
        )


def family(
    name: str,
    p_values: ArrayLike,
    *,
    units: ArrayLike,
    other_units: ArrayLike,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> Family:
    """A family of p-values from any test; those of a side with fewer than `min_n` independent units become missing before the adjustment."""
    smaller = np.minimum(np.asarray(units), np.asarray(other_units))
    p = np.where(smaller < min_n, np.nan, np.asarray(p_values, dtype=float))
    return Family(name, p, benjamini_hochberg(p), follow_up)


PLANNED = 0.05
"""A planned test, its measures named beforehand, claims at this level over all of them."""


def planned_family(
    name: str,
    p_values: ArrayLike,
    *,
    units: ArrayLike,
    other_units: ArrayLike,
    follow_up: FollowUp,
) -> Family:
    """The decision measures of a planned test: adjusted by Holm, so that a single false claim among them has at most 5%."""
    smaller = np.minimum(np.asarray(units), np.asarray(other_units))
    p = np.where(smaller < MIN_N, np.nan, np.asarray(p_values, dtype=float))
    return Family(name, p, holm(p), follow_up, level=PLANNED, adjustment="Holm")


@dataclass(frozen=True, eq=False)
class ShareComparison(Family):
    """Shares compared: the difference of each from its other side with Newcombe's 95% CI."""

    share: Floats
    other_share: Floats
    difference: Floats
    low: Floats
    high: Floats

    def columns(self) -> dict[str, Any]:
        """The columns every table of comparisons ends with."""
        return {
            "difference": self.difference,
            "difference_low": self.low,
            "difference_high": self.high,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
        }


def compare_shares(
    name: str,
    count: ArrayLike,
    base: ArrayLike,
    other_count: ArrayLike,
    other_base: ArrayLike,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> ShareComparison:
    """Shares of customers, each against its other side: pooled z test (Fisher's exact where a cell expects fewer than 5), Newcombe's interval.

    Counts and bases are of customers, each once, all of them followed as `follow_up` says.
    """
    k, n, other_k, other_n = (
        np.atleast_1d(np.asarray(part, dtype=np.int64))
        for part in np.broadcast_arrays(count, base, other_count, other_base)
    )
    p = [
        two_shares_p(*four)
        for four in zip(*(x.tolist() for x in (k, n, other_k, other_n)), strict=True)
    ]
    tested = family(name, p, units=n, other_units=other_n, follow_up=follow_up, min_n=min_n)
    low, high = newcombe(k, n, other_k, other_n)
    own, other = share(k, n), share(other_k, other_n)
    return ShareComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        share=own,
        other_share=other,
        difference=own - other,
        low=low,
        high=high,
    )


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
        begun = since.size - _at_least(since, ages)
        with_habit = begun - (customers.size - _at_least(followed_for[customers], ages))
        own = customers[reached[customers]]
        own_then = np.bincount(np.searchsorted(ages, followed_for[own]), minlength=ages.size)
        p = _log_rank_p(own.size, with_habit / at_risk, cases, at_risk)
        share_others = weight @ (with_habit - own_then) / total if total else np.nan
        rows.append((own.size, share_others, p))
    count, other_share, p = np.array(rows, dtype=float).reshape(-1, 3).T
    # A customer counts with the weights of all ages at which it was among the others.
    upto = np.append(0.0, np.cumsum(weight))
    ended = np.searchsorted(ages, followed_for, side="right")
    own_weight = upto[np.where(reached, np.maximum(ended - 1, 0), ended)]
    effective = own_weight.sum() ** 2 / np.sum(own_weight**2) if own_weight.any() else 0.0
    compared = int(np.count_nonzero(own_weight))
    tested = family(
        name,
        p,
        units=np.full(count.size, reached_n),
        other_units=np.full(count.size, compared),
        follow_up=SameAge(landmark, 0),
        min_n=min_n,
    )
    low, high = newcombe(count, reached_n, other_share * effective, effective)
    own_share = share(count, reached_n)
    return AtRiskComparison(
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


def _at_least(values: Ints, bounds: Ints) -> Ints:
    """How many values reach each of the ascending bounds."""
    below = np.bincount(np.searchsorted(bounds, values, side="right"), minlength=bounds.size + 1)
    return values.size - np.cumsum(below)[: bounds.size]


def _log_rank_p(seen: int, exposed: Floats, cases: Ints, at_risk: Ints) -> float:
    """Two-sided p that those who reach the outcome are exposed as often as all at risk."""
    from scipy.special import ndtr, pdtr, pdtrc

    expected = float(exposed @ cases)
    unexposed = float(cases.sum()) - expected
    if min(expected, unexposed) < 5:
        mean, count = min(
            (expected, seen), (unexposed, int(cases.sum()) - seen), key=lambda side: side[0]
        )
        below = float(pdtr(count, mean)) if mean > 0 else 1.0
        above = float(pdtrc(count - 1, mean)) if count > 0 else 1.0
        return min(1.0, 2 * min(below, above))
    ties = (at_risk - cases) / np.maximum(at_risk - 1, 1)
    variance = float(np.sum(cases * exposed * (1 - exposed) * ties))
    return float(2 * ndtr(-abs(seen - expected) / np.sqrt(variance))) if variance > 0 else 1.0


def groups_against_others(
    name: str, group: Ints, outcome: Bools, groups: int, *, follow_up: FollowUp, min_n: int = MIN_N
) -> ShareComparison:
    """Each of the groups 0 … `groups` − 1 against all others together; one row a customer, −1 is no group."""
    known = group >= 0
    base = np.bincount(group[known], minlength=groups)
    count = np.bincount(group[known & outcome], minlength=groups)
    return compare_shares(
        name,
        count,
        base,
        count.sum() - count,
        base.sum() - base,
        follow_up=follow_up,
        min_n=min_n,
    )


@dataclass(frozen=True, eq=False)
class MeanComparison(Family):
    """Means compared: the difference of each from its other side with its 95% CI."""

    mean: Floats
    other_mean: Floats
    difference: Floats
    low: Floats
    high: Floats

    def columns(self) -> dict[str, Any]:
        """The columns every table of comparisons ends with."""
        return {
            "difference": self.difference,
            "difference_low": self.low,
            "difference_high": self.high,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
        }


def group_means_against_others(
    name: str, group: Ints, values: Floats, groups: int, *, follow_up: FollowUp, min_n: int = MIN_N
) -> MeanComparison:
    """The mean of each of the groups 0 … `groups` − 1 against all others together; one row a customer, −1 is no group.

    The interval is Welch's. Money has long tails, in which Welch's test alone finds too much: p is the larger of Welch's and of Wilcoxon's rank sum.
    """
    known = group >= 0
    group, values = group[known], values[known]
    ranks, tied = _ranks(values)
    rows = [_against(values, ranks, group == position, tied) for position in range(groups)]
    n, other_n, mean, other, low, high, p = np.array(rows, dtype=float).reshape(groups, 7).T
    tested = family(name, p, units=n, other_units=other_n, follow_up=follow_up, min_n=min_n)
    return MeanComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        mean=mean,
        other_mean=other,
        difference=mean - other,
        low=low,
        high=high,
    )


def _ranks(values: Floats) -> tuple[Floats, float]:
    """Mean ranks, and what ties take off the variance of a rank."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    n = max(values.size, 2)
    return (np.cumsum(times) - (times - 1) / 2)[place], float(
        np.sum(times**3 - times) / (n * (n - 1))
    )


def _against(values: Floats, ranks: Floats, inside: Bools, tied: float) -> tuple[float, ...]:
    """Customers on both sides, the means, Welch's interval of their difference, and p; missing where a side has no spread."""
    own, others = np.sort(values[inside]), np.sort(values[~inside])
    n, other_n = own.size, others.size
    mean, other = (float(side.mean()) if side.size else np.nan for side in (own, others))
    unknown = (n, other_n, mean, other, np.nan, np.nan, np.nan)
    if min(n, other_n) < 2:
        return unknown
    parts = [float(side.var(ddof=1)) / side.size for side in (own, others)]
    error = np.sqrt(sum(parts))
    if not error > 0:
        return unknown
    freedom = error**4 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (other_n - 1))
    half = float(stdtrit(freedom, 0.975) * error)
    welch = 2 * stdtr(freedom, -abs(mean - other) / error)
    size = n + other_n
    spread = np.sqrt(n * other_n / 12 * (size + 1 - tied))
    rank_sum = 2 * ndtr(-abs(ranks[inside].sum() - n * (size + 1) / 2) / spread)
    difference = mean - other
    return (
        n,
        other_n,
        mean,
        other,
        difference - half,
        difference + half,
        float(max(welch, rank_sum)),
    )


def compare_answers(
    name: str,
    pairs: Sequence[tuple[CustomerAnswers, CustomerAnswers]],
    *,
    follow_up: FollowUp,
    prior: Prior = (),
    min_n: int = MIN_N,
) -> MeanComparison:
    """Means of answers, each against its other side, where a customer may have given several answers and may stand on both sides.

    The variance is by customers, `prior` answers added to each side first; normal where nobody stands twice, else Student's t with as many
    degrees of freedom as the smaller side has customers, less one.
    """
    tested = [_difference(one, other, prior) for one, other in pairs]
    columns = np.array(tested, dtype=float).reshape(-1, 4).T
    adjusted = family(
        name,
        columns[3],
        units=[one.customers for one, _ in pairs],
        other_units=[other.customers for _, other in pairs],
        follow_up=follow_up,
        min_n=min_n,
    )
    return MeanComparison(
        adjusted.name,
        adjusted.p_value,
        adjusted.p_adjusted,
        follow_up,
        mean=np.array([one.mean for one, _ in pairs], dtype=float),
        other_mean=np.array([other.mean for _, other in pairs], dtype=float),
        difference=columns[0],
        low=columns[1],
        high=columns[2],
    )


def _difference(
    one: CustomerAnswers, other: CustomerAnswers, prior: Prior
) -> tuple[float, float, float, float]:
    """Difference of the means, its bounds, and p."""
    nothing = float("nan")
    if not one.n or not other.n:
        return nothing, nothing, nothing, nothing
    difference, fewest = one.mean - other.mean, min(one.customers, other.customers)
    if fewest < 2:
        return difference, nothing, nothing, nothing
    error = difference_error(one, other, prior)
    if independent(one, other):
        quantile, p = Z95, 2 * float(ndtr(-abs(difference) / error)) if error else 1.0
    else:
        quantile = float(stdtrit(fewest - 1, 0.975))
        p = 2 * float(stdtr(fewest - 1, -abs(difference) / error)) if error else 1.0
    return difference, difference - quantile * error, difference + quantile * error, p


def independent(one: CustomerAnswers, other: CustomerAnswers) -> bool:
    """Whether every answer of both sides is of another customer."""
    return one.single and other.single and not share_customers(one, other)


def repeated_groups_against_others(
    name: str,
    group: Ints,
    outcome: Bools,
    customer: Ints,
    groups: int,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> ShareComparison:
    """Each of the groups against all others together where a customer may stand in several rows and groups, such as periods.

    The difference of shares has a variance clustered by customer; where a cell expects fewer than 5, Fisher's exact test, as in `compare_shares`.
    Newcombe's interval is widened by the design effect.

    References
    ----------
    Donner, A. & Klar, N. (1993). Confidence interval construction for effect measures arising from cluster randomization trials. J. Clin. Epidemiol. 46.
    """
    base = np.bincount(group, minlength=groups)
    count = np.bincount(group[outcome], minlength=groups)
    others, other_count = base.sum() - base, count.sum() - count
    who = np.unique(customer, return_inverse=True)[1]
    units = _customers_by_group(group, who, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        own, rest = share(count, base), share(other_count, others)
        pooled = count.sum() / max(base.sum(), 1)
        clustered = _clustered_variance(group, outcome - pooled, who, base, others)
        independent = pooled * (1 - pooled) * (1 / base + 1 / others)
        z = (own - rest) / np.sqrt(clustered)
        widening = np.sqrt(np.maximum(clustered / independent, 1.0))
    cells = zip(*(x.tolist() for x in (count, base, other_count, others)), strict=True)
    exact = np.array([two_shares_p(*four) for four in cells])
    rare = np.minimum(pooled, 1 - pooled) * np.minimum(base, others) < 5
    p = np.where(rare | np.isnan(z), exact, 2 * ndtr(-np.abs(z)))
    tested = family(name, p, units=units[0], other_units=units[1], follow_up=follow_up, min_n=min_n)
    low, high = newcombe(count, base, other_count, others)
    difference = own - rest
    return ShareComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        share=own,
        other_share=rest,
        difference=difference,
        low=np.maximum(difference - widening * (difference - low), -1.0),
        high=np.minimum(difference + widening * (high - difference), 1.0),
    )


def _customers_by_group(group: Ints, who: Ints, groups: int) -> tuple[Ints, Ints]:
    """Different customers in each group, and in all others."""
    pairs = np.unique(who * groups + group)
    inside = np.bincount(pairs % groups, minlength=groups)
    places = np.bincount(pairs // groups)
    only_here = np.bincount((pairs % groups)[places[pairs // groups] == 1], minlength=groups)
    return inside, len(places) - only_here


def _clustered_variance(
    group: Ints, residual: Floats, who: Ints, base: Ints, others: Ints
) -> Floats:
    """The variance of share − share of others, with the residuals of a customer summed before they are squared."""
    groups = len(base)
    pairs, of = np.unique(who * groups + group, return_inverse=True)
    inside = np.bincount(of, weights=residual)
    whole = np.bincount(who, weights=residual)
    there = pairs % groups
    squares = np.bincount(there, weights=inside**2, minlength=groups)
    products = np.bincount(there, weights=inside * whole[pairs // groups], minlength=groups)
    own, rest = 1 / base + 1 / others, 1 / others
    return own**2 * squares - 2 * own * rest * products + rest**2 * np.sum(whole**2)


@dataclass(frozen=True, eq=False)
class Slope(Family):
    """A share over time: the fitted line at its first and last moment, and the test of its slope."""

    first: float
    last: float


def share_over_time(
    name: str,
    when: Ints,
    outcome: Bools,
    customer: Ints,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> Slope:
    """Whether a share rises or falls over periods: the Cochran–Armitage test, its variance clustered by customer.

    References
    ----------
    Armitage, P. (1955). Tests for linear trends in proportions and frequencies. Biometrics 11.
    """
    units = len(np.unique(customer))
    if not len(when) or when.min() == when.max():
        missing = family(name, [np.nan], units=units, other_units=units, follow_up=follow_up)
        return Slope(name, missing.p_value, missing.p_adjusted, follow_up, np.nan, np.nan)
    centred = when - when.mean()
    residual = outcome - outcome.mean()
    who = np.unique(customer, return_inverse=True)[1]
    score = float(np.sum(centred * residual))
    spread = float(np.sum(np.bincount(who, weights=centred * residual) ** 2))
    p = 2 * float(ndtr(-abs(score) / np.sqrt(spread))) if spread > 0 else 1.0
    tested = family(name, [p], units=units, other_units=units, follow_up=follow_up, min_n=2 * min_n)
    slope = score / float(np.sum(centred**2))
    first, last = (
        float(np.clip(outcome.mean() + slope * (moment - when.mean()), 0, 1))
        for moment in (when.min(), when.max())
    )
    return Slope(name, tested.p_value, tested.p_adjusted, follow_up, first, last)


def compare_presence(
    name: str,
    presence: csr_matrix,
    first: Bools,
    customer: Ints,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> ShareComparison:
    """For each column of 0 and 1 the share of the first rows in which it is 1 against that of the others; `customer` numbers whose row it is.

    Where each row is of another customer, as `compare_shares`. Else a score test: under no difference each customer's part of the covariance of column
    and side has mean 0, and the variance is that of these parts (Student's t with the customers of the smaller side, less one).
    """
    who = [customer[side] for side in (first, ~first)]
    units = [np.unique(side).size for side in who]
    n, other_n = (int(np.count_nonzero(side)) for side in (first, ~first))
    counts = [np.asarray(presence[side].sum(axis=0)).ravel() for side in (first, ~first)]
    pairs, place = np.unique(np.array(counts, dtype=np.int64), axis=1, return_inverse=True)
    alone = compare_shares(name, pairs[0], n, pairs[1], other_n, follow_up=follow_up, min_n=min_n)
    p = alone.p_value[place]
    low, high = alone.low[place], alone.high[place]
    if np.unique(customer).size < customer.size:
        z, error = _score_by_customer(presence, first, customer)
        freedom = max(min(units) - 1, 1)
        p = 2 * stdtr(freedom, -np.abs(z))
        middle, half = alone.difference[place], float(stdtrit(freedom, 0.975)) * error
        low, high = np.maximum(middle - half, -1), np.minimum(middle + half, 1)
    tested = family(name, p, units=units[0], other_units=units[1], follow_up=follow_up, min_n=min_n)
    return ShareComparison(
        tested.name,
        tested.p_value,
        tested.p_adjusted,
        follow_up,
        share=alone.share[place],
        other_share=alone.other_share[place],
        difference=alone.difference[place],
        low=low,
        high=high,
    )


def compare_flags(
    name: str,
    pairs: Sequence[tuple[Bools, Bools]],
    customer: Ints,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> ShareComparison:
    """For each pair (side, flag) of the same rows: the share flagged on the side against the rest, tested as `compare_presence` does."""
    parts = [
        compare_presence(
            name,
            csr_matrix(flag.astype(np.int64)[:, None]),
            side,
            customer,
            follow_up=follow_up,
            min_n=min_n,
        )
        for side, flag in pairs
    ]

    def together(of: str) -> Floats:
        return np.array([getattr(part, of)[0] for part in parts], dtype=float)

    p = together("p_value")
    return ShareComparison(
        name,
        p,
        benjamini_hochberg(p),
        follow_up,
        share=together("share"),
        other_share=together("other_share"),
        difference=together("difference"),
        low=together("low"),
        high=together("high"),
    )


def _score_by_customer(presence: csr_matrix, first: Bools, customer: Ints) -> tuple[Floats, Floats]:
    """Z of each column, and the standard error of its difference of shares."""
    side = first - first.mean()
    rows = csr_matrix(
        (side, (customer, np.arange(customer.size))), shape=(customer.max() + 1, customer.size)
    )
    parts, drawn = csr_matrix(rows @ presence), np.bincount(customer, weights=side)
    mean = np.asarray(presence.mean(axis=0)).ravel()
    total = np.asarray(parts.sum(axis=0)).ravel() - mean * drawn.sum()
    squares = np.asarray(parts.multiply(parts).sum(axis=0)).ravel()
    squares = squares - 2 * mean * (parts.T @ drawn) + mean**2 * (drawn**2).sum()
    spread = np.sqrt(np.maximum(squares, 1e-300))
    return total / spread, spread / float((side**2).sum())


def two_sided(difference: float, error: float) -> float:
    """The two-sided p of a difference whose standard error is known; of estimates that no other comparison takes."""
    return 2 * float(ndtr(-abs(difference) / error)) if error > 0 else float(difference == 0)
