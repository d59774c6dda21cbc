"""Comparisons where one customer has several rows (answers, periods, texts): the customer is the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import ndtr, stdtr, stdtrit

from cjlib.shared.comparison import (
    MIN_N,
    Family,
    FollowUp,
    MeanComparison,
    ShareComparison,
    compare_shares,
    family,
    known_at_once,
)
from cjlib.shared.repeated_answers import (
    AtRandom,
    CustomerAnswers,
    Prior,
    Weights,
    difference_error,
    p_at_random,
    share_customers,
)
from cjlib.shared.risk_comparison import Within
from cjlib.shared.stats import Z95, Floats, share
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


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
    degrees of freedom as the smaller side has customers, less one. The interval takes each side's own variance; p is the larger of that and
    of p if nothing set the sides apart, so that neither a side near an end of its scale nor one that spreads more than the other is taken for different.
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
    off = -abs(difference) / error if error else -np.inf
    if independent(one, other):
        quantile, p = Z95, 2 * float(ndtr(off))
    else:
        quantile, p = float(stdtrit(fewest - 1, 0.975)), 2 * float(stdtr(fewest - 1, off))
    bounds = (difference - quantile * error, difference + quantile * error)
    return difference, *bounds, max(p, p_at_random(one, other))


def answers_within(sides: tuple[CustomerAnswers, CustomerAnswers], min_n: int) -> Within:
    """What two sides compared within strata give (see `sides_within`)."""
    compared = compare_answers("", [sides], follow_up=known_at_once(""), min_n=min_n)
    return Within(float(compared.difference[0]), float(compared.p_value[0]))


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

    p is that of groups drawn at random, the rows of a customer together (`AtRandom`); where customers stand in several groups it is at least that of a variance clustered by
    customer, and where a cell expects fewer than 5 that of Fisher's exact test. Newcombe's interval is widened by the design effect.

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
        residual = outcome - pooled
        clustered = _clustered_variance(group, residual, who, base, others)
        independent = pooled * (1 - pooled) * (1 / base + 1 / others)
        z = (own - rest) / np.sqrt(clustered)
        at_random, weights = AtRandom.of(residual, who), _weights_of_groups(group, who, base)
        by_chance = at_random.p_value(own - rest, weights)
        effect = np.fmax(clustered / independent, at_random.design_effect(weights))
    cells = zip(*(x.tolist() for x in (count, base, other_count, others)), strict=True)
    exact = np.array([two_shares_p(*four) for four in cells])
    rare = np.minimum(pooled, 1 - pooled) * np.minimum(base, others) < 5
    by_customer = np.where(rare | np.isnan(z), exact, 2 * ndtr(-np.abs(z)))
    p = np.where(_in_one_group(group, who) & ~rare, by_chance, np.fmax(by_chance, by_customer))
    tested = family(name, p, units=units[0], other_units=units[1], follow_up=follow_up, min_n=min_n)
    low, high = newcombe(count, base, other_count, others)
    difference, widening = own - rest, np.sqrt(effect)
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


def _in_one_group(group: Ints, who: Ints) -> bool:
    """Whether nobody stands in two groups."""
    of_customer = np.zeros(who.max(initial=0) + 1, dtype=np.int64)
    of_customer[who] = group
    return bool((of_customer[who] == group).all())


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


def _weights_of_groups(group: Ints, who: Ints, base: Ints) -> Weights:
    """How rows are weighed in the difference of each group from all others."""
    groups, others = len(base), base.sum() - base
    own, rest = 1 / base + 1 / others, 1 / others
    pairs, rows = np.unique(who * groups + group, return_counts=True)
    inside, whole = rows.astype(float), np.bincount(who).astype(float)
    here = whole[pairs // groups]

    def total(of_pairs: Floats) -> Floats:
        return np.bincount(pairs % groups, weights=of_pairs, minlength=groups).astype(float)

    # A customer's weight: `own` for each row in the group, less `rest` for each row anywhere.
    return Weights(
        1 / base + 1 / others,
        1 / base**2 - 1 / others**2,
        own**2 * total(inside**2)
        - 2 * own * rest * total(inside * here)
        + rest**2 * np.sum(whole**2),
        own**3 * total(inside**3)
        - 3 * own**2 * rest * total(inside**2 * here)
        + 3 * own * rest**2 * total(inside * here**2)
        - rest**3 * np.sum(whole**3),
    )


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
    stratum: Ints | None = None,
    min_n: int = MIN_N,
) -> Slope:
    """Whether a share rises or falls over periods, within strata where they are given: the Cochran–Armitage test, its variance clustered by customer.

    References
    ----------
    Armitage, P. (1955). Tests for linear trends in proportions and frequencies. Biometrics 11.
    """
    units = len(np.unique(customer))
    alike = np.zeros(len(when), dtype=np.int64) if stratum is None else stratum
    centred, residual = (_less_mean(values.astype(float), alike) for values in (when, outcome))
    if not np.any(centred):
        missing = family(name, [np.nan], units=units, other_units=units, follow_up=follow_up)
        return Slope(name, missing.p_value, missing.p_adjusted, follow_up, np.nan, np.nan)
    who = np.unique(customer, return_inverse=True)[1]
    score = float(np.sum(centred * residual))
    spread = float(np.sum(np.bincount(who, weights=centred * residual) ** 2))
    p = 2 * float(ndtr(-abs(score) / np.sqrt(spread))) if spread > 0 else 1.0
    by_chance = AtRandom.of(residual, who).p_value(score, Weights.of(centred, who))
    p = max(p, float(by_chance))
    tested = family(name, [p], units=units, other_units=units, follow_up=follow_up, min_n=2 * min_n)
    slope = score / float(np.sum(centred**2))
    first, last = (
        float(np.clip(outcome.mean() + slope * (moment - when.mean()), 0, 1))
        for moment in (when.min(), when.max())
    )
    return Slope(name, tested.p_value, tested.p_adjusted, follow_up, first, last)


def _less_mean(values: Floats, stratum: Ints) -> Floats:
    """Values less the mean of their stratum."""
    size = np.maximum(np.bincount(stratum), 1)
    return values - (np.bincount(stratum, weights=values) / size)[stratum]


def within_strata_against_others(
    name: str,
    group: Ints,
    outcome: Bools,
    customer: Ints,
    stratum: Ints,
    groups: int,
    *,
    follow_up: FollowUp,
    min_n: int = MIN_N,
) -> tuple[Family, Floats]:
    """As `repeated_groups_against_others`, of outcomes less the share of their stratum; and the differences."""
    base = np.bincount(group, minlength=groups)
    others = base.sum() - base
    who = np.unique(customer, return_inverse=True)[1]
    residual = _less_mean(outcome.astype(float), stratum)
    own = np.bincount(group, weights=residual, minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = own / base - (own.sum() - own) / others
        clustered = _clustered_variance(group, residual, who, base, others)
        p = 2 * ndtr(-np.abs(difference / np.sqrt(clustered)))
        weights = _weights_of_groups(group, who, base)
        p = np.maximum(p, AtRandom.of(residual, who).p_value(difference, weights))
    units = _customers_by_group(group, who, groups)
    tested = family(name, p, units=units[0], other_units=units[1], follow_up=follow_up, min_n=min_n)
    return tested, difference


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
    and side has mean 0, and the variance is that of these parts (Student's t with the customers of the smaller side, less one); p is that of sides drawn at random, the rows of a
    customer together, where customers stand on both sides at least the former.
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
        at_random = _presence_at_random(presence, customer)
        side = first - first.mean()
        weights = Weights.of(side, customer)
        p = at_random.p_value(side @ presence, weights)
        if not _in_one_group(first.astype(np.int64), customer):
            p = np.maximum(p, 2 * stdtr(freedom, -np.abs(z)))
        alike = at_random.second * (1 / n + 1 / other_n)
        effect = np.fmax(share(error**2, alike), at_random.design_effect(weights))
        widening = float(stdtrit(freedom, 0.975)) / Z95 * np.sqrt(effect)
        middle = alone.difference[place]
        low = np.maximum(middle - widening * (middle - low), -1)
        high = np.minimum(middle + widening * (high - middle), 1)
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


def _presence_at_random(presence: csr_matrix, customer: Ints) -> AtRandom:
    """The columns, if nothing set the sides apart."""
    rows = np.bincount(customer)
    of_customers = csr_matrix(
        (np.ones(customer.size), (customer, np.arange(customer.size))),
        shape=(rows.size, customer.size),
    )
    counts = csr_matrix(of_customers @ presence)
    mean = np.asarray(presence.mean(axis=0)).ravel()
    k2, k3 = (np.asarray(counts.power(power).sum(axis=0)).ravel() for power in (2, 3))
    squares = mean * (1 - mean) * customer.size
    return AtRandom.from_sums(
        squares,
        k2 - 2 * mean * (counts.T @ rows) + mean**2 * (rows**2).sum(),
        squares * (1 - 2 * mean),
        k3
        - 3 * mean * (counts.power(2).T @ rows)
        + 3 * mean**2 * (counts.T @ rows**2)
        - mean**3 * (rows**3).sum(),
        rows,
    )


def two_sided(difference: float, error: float) -> float:
    """The two-sided p of a difference whose standard error is known; of estimates that no other comparison takes."""
    return 2 * float(ndtr(-abs(difference) / error)) if error > 0 else float(difference == 0)
