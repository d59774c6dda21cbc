"""How often customers buy and for how much: BG/NBD and Gamma–Gamma, by maximum likelihood.

Time is in weeks. A customer is `x` repeat purchases, `recency` (first to last purchase) and `age` (first purchase to the end of observation).

References
----------
Fader, P., Hardie, B. & Lee, K. (2005). "Counting your customers" the easy way. Marketing Science 24.
Fader, P. & Hardie, B. (2013). The Gamma–Gamma model of monetary value.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    def merged(x: Floats, recency: Floats, age: Floats, weight: Floats | None = None) -> tuple[Buyers, NDArray[np.intp]]:
        """The merged rows, and for each customer the row it went to."""
        rows, home = np.unique(np.column_stack([x, recency, age]), axis=0, return_inverse=True)
        counts = np.bincount(home.ravel(), weights=weight, minlength=len(rows))
        return Buyers(rows[:, 0], rows[:, 1], rows[:, 2], counts.astype(float)), home.ravel()


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
        gone = self.a / (self.b + np.maximum(x, 1) - 1) * ((self.alpha + age) / (self.alpha + recency)) ** (self.r + x)
        return 1 / (1 + np.where(x > 0, gone, 0.0))

    def no_purchase(self, x: Floats, recency: Floats, age: Floats, horizon: float) -> Floats:
        """P(no purchase within `horizon` weeks): dropped out, or alive and quiet."""
        alive = self.alive(x, recency, age)
        return 1 - alive + alive * ((self.alpha + age) / (self.alpha + age + horizon)) ** (self.r + x)

    def expected(self, x: Floats, recency: Floats, age: Floats, horizon: float) -> Floats:
        """Expected purchases within `horizon` weeks."""
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # the formula has a removable pole at a = 1
        reach = horizon / (self.alpha + age + horizon)
        series = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, reach)
        growth = 1 - ((self.alpha + age) / (self.alpha + age + horizon)) ** (self.r + x) * series
        return (a + self.b + x - 1) / (a - 1) * growth * self.alive(x, recency, age)


def fit_bgnbd(buyers: Buyers, start: BgNbd | None = None) -> BgNbd:
    """The most likely parameters, from two starts (or one given), by L-BFGS-B on their logarithms."""
    from scipy.optimize import minimize

    scale = LONGEST_SCALED / max(float(buyers.age.max(initial=0)), 1e-9)
    scaled = Buyers(buyers.x, buyers.recency * scale, buyers.age * scale, buyers.weight)
    starts = [np.zeros(4), np.log([0.5, 2.0, 0.7, 2.5])] if start is None else [np.log([start.r, start.alpha * scale, start.a, start.b])]
    found = [
        minimize(_loss, np.clip(at, -LOG_BOUND, LOG_BOUND), args=(scaled,), jac=True, method="L-BFGS-B", bounds=[(-LOG_BOUND, LOG_BOUND)] * 4)
        for at in starts
    ]
    best = min(found, key=lambda one: one.fun)
    r, alpha, a, b = np.exp(best.x).tolist()
    # Rescaling time changes the density by scale^x per customer.
    log_likelihood = float(-best.fun * buyers.weight.sum() + (buyers.weight * buyers.x).sum() * np.log(scale))
    return BgNbd(r, alpha / scale, a, b, log_likelihood)


def _loss(logs: Floats, buyers: Buyers) -> tuple[float, Floats]:
    r, alpha, a, b = np.exp(logs)
    x, again = buyers.x, buyers.x > 0
    last = np.log(alpha + buyers.recency)
    end = np.log(alpha + buyers.age)
    stays = -(r + x) * end
    leaves = np.where(again, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * last, -np.inf)
    either = np.logaddexp(stays, leaves)
    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x) + either
    left = np.exp(leaves - either)
    gradient = [
        digamma(r + x) - digamma(r) + np.log(alpha) - (1 - left) * end - left * last,
        r / alpha - (1 - left) * (r + x) / (alpha + buyers.age) - left * (r + x) / (alpha + buyers.recency),
        digamma(a + b) - digamma(a + b + x) + left / a,
        digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x) - left / (b + np.maximum(x, 1) - 1),
    ]
    total = buyers.weight.sum()
    slopes = np.array([float((buyers.weight * part).sum()) for part in gradient]) * np.exp(logs)
    return -float((buyers.weight * value).sum()) / total, -slopes / total


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


def fit_gamma_gamma(x: Floats, mean: Floats, weight: Floats | None = None) -> GammaGamma:
    """The most likely parameters, from customers with repeat purchases of mean value above zero."""
    from scipy.optimize import minimize

    used = (x > 0) & (mean > 0)
    count, value = x[used], mean[used]
    times = np.ones(used.sum()) if weight is None else weight[used]
    scale = float(np.average(value, weights=times)) / LONGEST_SCALED

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs)
        m = value / scale
        likely = gammaln(p * count + q) - gammaln(p * count) - gammaln(q) + q * np.log(v) + (p * count - 1) * np.log(m) + p * count * np.log(count)
        return -float((times * (likely - (p * count + q) * np.log(count * m + v))).sum()) / float(times.sum())

    # q above 1, else the mean value of a purchase is not finite.
    bounds = [(-LOG_BOUND, LOG_BOUND), (np.log(1.0001), LOG_BOUND), (-LOG_BOUND, LOG_BOUND)]
    found = [minimize(loss, at, method="L-BFGS-B", bounds=bounds) for at in (np.log([2.0, 2.0, 10.0]), np.log([6.0, 4.0, 15.0]))]
    p, q, v = np.exp(min(found, key=lambda one: one.fun).x).tolist()
    return GammaGamma(p, q, v * scale)
