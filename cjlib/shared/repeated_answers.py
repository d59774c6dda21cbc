"""Answers of which one customer may have given several: means whose variance knows who gave which.

References
----------
Liang, K.-Y. & Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models. Biometrika 73 (the variance by clusters).
Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive counts estimated from survey data.
Survey Methodology 24 (the effective number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cjlib.shared.stats import Z95, Floats, mean_interval, share
from cjlib.shared.two_samples import skewed_p

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Prior = Sequence[tuple[float, float]]
"""Answers added before a variance is taken, with their weights in average customers: no variance is then 0 because nobody differed."""


def customer_codes(customer_id: pd.Series) -> Ints:
    """A number for each customer, in the order of the ids; a row without an id is a customer of its own."""
    import pandas as pd  # here, so that what renders reports does not wait for it

    codes, known = pd.factorize(customer_id.astype("str"), sort=True)
    nobody = np.flatnonzero(codes < 0)
    codes[nobody] = len(known) + np.arange(nobody.size)
    return codes.astype(np.int64)


@dataclass(frozen=True, eq=False)
class CustomerAnswers:
    """Answers as numbers, and the customer of each, numbered from 0."""

    value: Floats
    customer: Ints

    @staticmethod
    def of(value: Floats, customer: Ints) -> CustomerAnswers:
        """These answers, by customer and value, so that no sum depends on the order of the rows."""
        order = np.lexsort((value, customer))
        return CustomerAnswers(value[order], customer[order])

    def only(self, rows: NDArray[np.bool_]) -> CustomerAnswers:
        """Some of the answers."""
        return CustomerAnswers(self.value[rows], self.customer[rows])

    @property
    def n(self) -> int:
        """Answers."""
        return self.value.size

    @cached_property
    def customers(self) -> int:
        """Customers who gave them: the independent units."""
        return int(np.count_nonzero(np.bincount(self.customer)))

    @property
    def single(self) -> bool:
        """Whether nobody answered twice."""
        return self.customers == self.n

    @cached_property
    def mean(self) -> float:
        """The mean answer, each counted once."""
        return float(np.sort(self.value).mean()) if self.n else float("nan")

    def moved(self, prior: Prior = ()) -> tuple[Floats, float]:
        """What each customer moves the mean by, widened for their number, and the variance that the prior adds."""
        each = self.n / self.customers
        total = self.n + each * sum(weight for _, weight in prior)
        centre = (self.value.sum() + each * sum(v * weight for v, weight in prior)) / total
        moves = np.bincount(self.customer, weights=(self.value - centre) / total)
        added = sum(weight * (each * (v - centre) / total) ** 2 for v, weight in prior)
        few = self.customers / (self.customers - 1) if self.customers > 1 else np.nan
        return moves * np.sqrt(few), float(added)

    def variance(self, prior: Prior = ()) -> float:
        """Of the mean, by customers."""
        moves, added = self.moved(prior)
        return float((moves**2).sum()) + added

    @cached_property
    def effective_n(self) -> float:
        """How many answers of different customers say as much: n ÷ design effect, never above n; of answers that are all alike, the customers.

        Where customers repeat it is shrunk by the quantile of Student's t with as many customers, so that few of them give a wide interval.
        """
        if self.single or self.customers < 2:
            return float(self.customers)
        from scipy.special import stdtrit

        alone = float(self.value.var(ddof=1)) / self.n
        effect = self.variance() / alone if alone > 0 else self.n / self.customers
        quantile = float(stdtrit(self.customers - 1, 0.975))
        return self.n / max(effect, 1.0) * (Z95 / quantile) ** 2

    def mean_interval(self, scale: tuple[float, float]) -> tuple[float, float]:
        """The 95% t interval of the mean within the scale of the answers; missing below two customers, and where all answers are alike: they say nothing of how far others lie apart."""
        if self.customers < 2 or np.ptp(self.value) == 0:
            return float("nan"), float("nan")
        if self.single:
            low, high = mean_interval(np.sort(self.value))
        else:
            from scipy.special import stdtrit

            half = float(stdtrit(self.customers - 1, 0.975)) * float(np.sqrt(self.variance()))
            low, high = self.mean - half, self.mean + half
        return max(low, scale[0]), min(high, scale[1])


OF_TEXTS = (-1.0, 1.0)
"""The scale of what texts are scored on: −1 negative, 1 positive."""


def sides_within(
    value: Floats, customer: Ints, stratum: Ints, own: Bools, others: Bools
) -> tuple[CustomerAnswers, CustomerAnswers]:
    """The answers of two sides, compared within each stratum that both have, by the weights of Mantel and Haenszel; empty where they have none in common."""
    sides = (own, others)
    size = stratum.max(initial=0) + 1
    counts = np.array([np.bincount(stratum[side], minlength=size) for side in sides])
    weight = np.nan_to_num(share(counts.prod(axis=0), counts.sum(axis=0)))
    weight = weight / max(weight.sum(), 1e-300)
    middle = value.mean() if value.size else 0.0
    compared = []
    for side, count in zip(sides, counts, strict=True):
        rows = side & (weight[stratum] > 0)
        times = np.count_nonzero(rows) * weight[stratum[rows]] / count[stratum[rows]]
        weighted = middle + times * (value[rows] - middle)
        compared.append(CustomerAnswers.of(weighted, customer[rows]))
    return compared[0], compared[1]


def difference_error(one: CustomerAnswers, other: CustomerAnswers, prior: Prior = ()) -> float:
    """The standard error of the difference of two means; a customer on both sides is one customer."""
    moves, added = one.moved(prior)
    other_moves, other_added = other.moved(prior)
    both = min(moves.size, other_moves.size)
    apart = moves[:both] - other_moves[:both]
    alone = (moves[both:] ** 2).sum() + (other_moves[both:] ** 2).sum()
    return float(np.sqrt((apart**2).sum() + alone + added + other_added))


def error_of_equals(errors: ArrayLike, n: ArrayLike) -> float:
    """The standard error of a difference if both means were equal, of means of which only the standard errors and the numbers of answers are known.

    Each side spreads as its own answers do or as those of both sides, whichever is more: a mean that came out near an end of the scale by chance has little spread around it.
    """
    each = np.square(errors) * np.asarray(n)
    pooled = float((each * n).sum() / np.sum(n))
    return float(np.sqrt((np.maximum(each, pooled) / n).sum()))


def share_customers(one: CustomerAnswers, other: CustomerAnswers) -> bool:
    """Whether a customer answered on both sides."""
    sides = [np.bincount(side.customer) > 0 for side in (one, other)]
    both = min(side.size for side in sides)
    return bool((sides[0][:both] & sides[1][:both]).any())


@dataclass(frozen=True, eq=False)
class Weights:
    """How rows are weighed in a difference: the sums of squares and cubes of the weights of rows, and of those of customers, each the sum of its rows'."""

    squares: ArrayLike
    cubes: ArrayLike
    customer_squares: ArrayLike
    customer_cubes: ArrayLike

    @staticmethod
    def of(weight: Floats, customer: Ints) -> Weights:
        """Of the weight of each row."""
        whole = np.bincount(customer, weights=weight)
        return Weights((weight**2).sum(), (weight**3).sum(), (whole**2).sum(), (whole**3).sum())


@dataclass(frozen=True, eq=False)
class AtRandom:
    """Outcomes that have nothing to do with the side their row stands on: how far apart the sides then come to lie.

    By the spread around its own mean a side that came out near an end of the scale by chance looks the surer the farther out it is; here all rows spread around the mean
    of all. Rows of one customer go together as much as they do on the whole.

    Attributes
    ----------
    second, third
        Moments of the outcomes around their mean; one a kind of outcome.
    shared_second, shared_third
        What of them the rows of one customer have in common.
    """

    second: Floats
    third: Floats
    shared_second: Floats
    shared_third: Floats

    @staticmethod
    def of(residual: Floats, customer: Ints) -> AtRandom:
        """Of outcomes less their mean, one a row."""
        whole = np.bincount(customer, weights=residual)
        return AtRandom.from_sums(
            (residual**2).sum(),
            (whole**2).sum(),
            (residual**3).sum(),
            (whole**3).sum(),
            np.bincount(customer),
        )

    @staticmethod
    def from_sums(
        squares: ArrayLike,
        customer_squares: ArrayLike,
        cubes: ArrayLike,
        customer_cubes: ArrayLike,
        rows: Ints,
    ) -> AtRandom:
        """From sums over rows, and over customers of what their rows sum to; `rows` of each customer."""
        n = max(int(rows.sum()), 2)
        pairs, triples = (max(float((rows**power - rows).sum()), 1.0) for power in (2, 3))
        second = np.asarray(squares) / (n - 1)
        shared = (np.asarray(customer_squares) - np.asarray(squares)) / pairs
        return AtRandom(
            second,
            np.asarray(cubes) / n,
            np.clip(shared, 0.0, second),
            (np.asarray(customer_cubes) - np.asarray(cubes)) / triples,
        )

    def variance(self, weights: Weights) -> Floats:
        """Of a difference of so weighted outcomes."""
        alone = (self.second - self.shared_second) * np.asarray(weights.squares)
        return alone + self.shared_second * np.asarray(weights.customer_squares)

    def design_effect(self, weights: Weights) -> Floats:
        """How many times the variance of as many rows of different customers; at least 1."""
        return np.fmax(
            share(self.variance(weights), self.second * np.asarray(weights.squares)), 1.0
        )

    def p_value(self, difference: ArrayLike, weights: Weights) -> Floats:
        """Two-sided p of a difference of so weighted outcomes, by its variance and skewness; 1 where nothing could differ."""
        variance = self.variance(weights)
        third = (self.third - self.shared_third) * np.asarray(weights.cubes)
        third = third + self.shared_third * np.asarray(weights.customer_cubes)
        varies = variance > 1e-12 * self.second * np.asarray(weights.squares)
        error = np.sqrt(np.where(varies, variance, 1.0))
        return np.where(varies, skewed_p(np.asarray(difference) / error, third / error**3), 1.0)


def p_at_random(one: CustomerAnswers, other: CustomerAnswers) -> float:
    """Two-sided p of the difference of two means if nothing set the sides apart."""
    value, customer = (
        np.concatenate([getattr(side, part) for side in (one, other)])
        for part in ("value", "customer")
    )
    customer = np.unique(customer, return_inverse=True)[1]
    weight = np.repeat([1 / one.n, -1 / other.n], [one.n, other.n])
    at_random = AtRandom.of(value - value.mean(), customer)
    return float(at_random.p_value(one.mean - other.mean, Weights.of(weight, customer)))
