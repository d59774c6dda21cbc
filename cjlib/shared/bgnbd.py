"""How often customers buy and for how much: BG/NBD and Gamma–Gamma, by maximum likelihood.

Time is in weeks. A customer is `x` repeat purchases, `recency` (first to last purchase) and `age` (first purchase to the end of observation).

References
----------
Fader, P., Hardie, B. & Lee, K. (2005). "Counting your customers" the easy way. Marketing Science 24.
Fader, P. & Hardie, B. (2013). The Gamma–Gamma model of monetary value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, hyp2f1

Floats = NDArray[np.float64]
LONGEST_SCALED = 10.0
"""The optimiser sees ages scaled to this, so that all four parameters are of one size."""
LOG_BOUND = 8.0


@dataclass(frozen=True)
class Buyers:
    """Customers with the same (x, recency, age) merged; `weight` counts them."""

    x: Floats
    recency: Floats
    age: Floats
    weight: Floats

    @staticmethod
    def merged(
        x: Floats, recency: Floats, age: Floats, weight: Floats | None = None
    ) -> tuple[Buyers, NDArray[np.intp]]:
        """The merged rows, and for each customer the row it went to."""
        order = np.lexsort((age, recency, x))
        rows = np.stack([x, recency, age])[:, order]
        new = np.ones(order.size, dtype=bool)
        new[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
        home = np.empty(order.size, dtype=np.intp)
        home[order] = np.cumsum(new) - 1
        counts = np.bincount(home, weights=weight, minlength=int(new.sum()))
        return Buyers(rows[0, new], rows[1, new], rows[2, new], counts.astype(float)), home

    def weighted(self, weight: Floats) -> Buyers:
        """The same customers counted anew; those counted zero times are left out."""
        there = weight > 0
        return Buyers(self.x[there], self.recency[there], self.age[there], weight[there])


@dataclass(frozen=True)
class BgNbd:
    """The four parameters: purchase rates are Gamma(r, alpha) per week, dropout chances Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """P(alive); 1 for every one-time buyer, by the model's assumption: no label for churn."""
        gone = (
            self.a
            / (self.b + np.maximum(x, 1) - 1)
            * ((self.alpha + age) / (self.alpha + recency)) ** (self.r + x)
        )
        return 1 / (1 + np.where(x > 0, gone, 0.0))

    def no_purchase(self, x: Floats, recency: Floats, age: Floats, horizon: float) -> Floats:
        """P(no purchase within `horizon` weeks): dropped out, or alive and quiet."""
        alive = self.alive(x, recency, age)
        return (
            1 - alive + alive * ((self.alpha + age) / (self.alpha + age + horizon)) ** (self.r + x)
        )

    def expected(self, x: Floats, recency: Floats, age: Floats, horizon: float) -> Floats:
        """Expected purchases within `horizon` weeks."""
        a = (
            self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        )  # the formula has a removable pole at a = 1
        reach = horizon / (self.alpha + age + horizon)
        series = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, reach)
        growth = 1 - ((self.alpha + age) / (self.alpha + age + horizon)) ** (self.r + x) * series
        return (a + self.b + x - 1) / (a - 1) * growth * self.alive(x, recency, age)


def fit_bgnbd(buyers: Buyers, start: BgNbd | None = None) -> BgNbd:
    """The most likely parameters, from two starts (or one given), by L-BFGS-B on their logarithms."""
    scale = LONGEST_SCALED / max(float(buyers.age.max(initial=0)), 1e-9)
    counts = Counts.of(Buyers(buyers.x, buyers.recency * scale, buyers.age * scale, buyers.weight))
    starts = (
        [np.zeros(4), np.log([0.5, 2.0, 0.7, 2.5])]
        if start is None
        else [np.log([start.r, start.alpha * scale, start.a, start.b])]
    )
    loss, (r, alpha, a, b) = _most_likely(_loss, counts, starts, [(-LOG_BOUND, LOG_BOUND)] * 4)
    # Rescaling time changes the density by scale^x per customer.
    log_likelihood = float(
        -loss * buyers.weight.sum() + (buyers.weight * buyers.x).sum() * np.log(scale)
    )
    return BgNbd(r, alpha / scale, a, b, log_likelihood)


def _most_likely(
    loss: Callable[[Floats, Any], tuple[float, Floats]],
    facts: Any,
    starts: Sequence[Floats],
    bounds: Sequence[tuple[float, float]],
) -> tuple[float, list[float]]:
    """The least loss and its parameters, of searches on their logarithms from each start."""
    from scipy.optimize import minimize

    lows, highs = np.transpose(bounds)
    found = [
        minimize(
            loss,
            np.clip(at, lows, highs),
            args=(facts,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for at in starts
    ]
    best = min(found, key=lambda one: one.fun)
    return float(best.fun), np.exp(best.x).tolist()


@dataclass(frozen=True)
class Counts:
    """Buyers arranged for the likelihood: gamma functions are needed once a count of purchases, and one-time buyers cannot have dropped out."""

    level: Floats
    level_weight: Floats
    once_age: Floats
    once_weight: Floats
    again: Buyers

    @staticmethod
    def of(buyers: Buyers) -> Counts:
        """The arrangement of these buyers."""
        level, home = np.unique(buyers.x, return_inverse=True)
        once, again = buyers.x == 0, buyers.x > 0
        return Counts(
            level,
            np.bincount(home, weights=buyers.weight).astype(float),
            buyers.age[once],
            buyers.weight[once],
            Buyers(buyers.x[again], buyers.recency[again], buyers.age[again], buyers.weight[again]),
        )


def _loss(logs: Floats, counts: Counts) -> tuple[float, Floats]:
    r, alpha, a, b = np.exp(logs)
    x, many, some = counts.level, counts.level_weight, counts.again
    total = many.sum()
    last, end = np.log(alpha + some.recency), np.log(alpha + some.age)
    stays = -(r + some.x) * end
    leaves = np.log(a) - np.log(b + some.x - 1) - (r + some.x) * last
    either = np.logaddexp(stays, leaves)
    left = some.weight * np.exp(leaves - either)
    stayed = some.weight - left
    once = np.log(alpha + counts.once_age)
    same = (
        gammaln(r + x)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        + gammaln(b + x)
        - gammaln(b)
        - gammaln(a + b + x)
    )
    value = many @ same + some.weight @ either - r * (counts.once_weight @ once)
    slopes = np.array(
        [
            many @ (digamma(r + x) - digamma(r) + np.log(alpha))
            - stayed @ end
            - left @ last
            - counts.once_weight @ once,
            total * r / alpha
            - stayed @ ((r + some.x) / (alpha + some.age))
            - left @ ((r + some.x) / (alpha + some.recency))
            - r * (counts.once_weight @ (1 / (alpha + counts.once_age))),
            many @ (digamma(a + b) - digamma(a + b + x)) + left.sum() / a,
            many @ (digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x))
            - left @ (1 / (b + some.x - 1)),
        ]
    )
    return -float(value) / total, -slopes * np.exp(logs) / total


@dataclass(frozen=True)
class GammaGamma:
    """Value per purchase: Gamma(p, ν) with ν ~ Gamma(q, v)."""

    p: float
    q: float
    v: float

    def expected(self, x: Floats, mean: Floats) -> Floats:
        """Expected value of a purchase, given the mean of `x` repeat purchases; the population's for x = 0."""
        known = np.where(x > 0, mean, 0.0)
        return self.p * (self.v + x * known) / (self.p * x + self.q - 1)


def fit_gamma_gamma(
    x: Floats, mean: Floats, weight: Floats | None = None, start: GammaGamma | None = None
) -> GammaGamma:
    """The most likely parameters, from customers with repeat purchases of mean value above zero, from two starts (or one given)."""
    used = (x > 0) & (mean > 0)
    times = np.ones(used.sum()) if weight is None else weight[used]
    scale = float(np.average(mean[used], weights=times)) / LONGEST_SCALED
    spent = Spent.of(x[used], mean[used] / scale, times)
    starts = np.log(
        [[2.0, 2.0, 10.0], [6.0, 4.0, 15.0]]
        if start is None
        else [[start.p, start.q, start.v / scale]]
    )
    # q above 1, else the mean value of a purchase is not finite.
    bounds = [(-LOG_BOUND, LOG_BOUND), (np.log(1.0001), LOG_BOUND), (-LOG_BOUND, LOG_BOUND)]
    _, (p, q, v) = _most_likely(_spending_loss, spent, list(starts), bounds)
    return GammaGamma(p, q, v * scale)


@dataclass(frozen=True)
class Spent:
    """Repeat purchases and their value arranged for the likelihood: all but one logarithm a customer is summed once."""

    level: Floats
    level_weight: Floats
    count: Floats
    value: Floats
    weight: Floats
    log_mean: float
    log_value: float

    @staticmethod
    def of(count: Floats, mean: Floats, weight: Floats) -> Spent:
        """The arrangement of `weight` customers with `count` repeat purchases of `mean` value."""
        level, home = np.unique(count, return_inverse=True)
        value = count * mean
        return Spent(
            level,
            np.bincount(home, weights=weight).astype(float),
            count,
            value,
            weight,
            float(weight @ np.log(mean)),
            float((weight * count) @ np.log(value)),
        )


def _spending_loss(logs: Floats, spent: Spent) -> tuple[float, Floats]:
    p, q, v = np.exp(logs)
    x, many, total = spent.level, spent.level_weight, spent.level_weight.sum()
    reach = np.log(spent.value + v)
    once, often = spent.weight @ reach, (spent.weight * spent.count) @ reach
    same = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
    value = many @ same + p * spent.log_value - spent.log_mean - p * often - q * once
    slopes = np.array(
        [
            many @ (x * (digamma(p * x + q) - digamma(p * x))) + spent.log_value - often,
            many @ (digamma(p * x + q) - digamma(q) + np.log(v)) - once,
            total * q / v - spent.weight @ ((p * spent.count + q) / (spent.value + v)),
        ]
    )
    return -float(value) / total, -slopes * np.exp(logs) / total
