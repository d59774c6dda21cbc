"""The sentiment line: the mean of each measure at each stage, with intervals that know which answers come from one customer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv, gammaincinv, ndtr

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.repeated_answers import OF_TEXTS, error_of_equals

Floats = NDArray[np.float64]
STEP = 0.1
"""Of both sums, in standard deviations: the integrands are smooth and fall off fast, so that equal steps reach twelve digits."""
FURTHEST, LEFT_OUT = 8.5, 1e-15
LOWEST, HIGHEST = -600.0, 1e15
"""Of the logarithm of a spread, and of a quantile: with less than a tenth of a degree of freedom there is no end to it."""
LEAST_DIFFERENCE = 0.2
"""In standard deviations within stages: what is smaller is no pattern, however certain."""


@dataclass(frozen=True)
class Answers:
    """Answers by customer, then by value, so that sums do not depend on the order of the rows; `places` has the stage, touchpoint and group of each, −1 = none."""

    value: np.ndarray
    person: np.ndarray
    places: dict[str, np.ndarray]

    @staticmethod
    def of(value: np.ndarray, person: np.ndarray, places: dict[str, np.ndarray]) -> Answers:
        """These answers, given by id."""
        order = np.lexsort((value, person))
        return Answers(
            value[order], person[order], {name: held[order] for name, held in places.items()}
        )

    def only(self, rows: np.ndarray) -> Answers:
        """Some of the answers."""
        return Answers(
            self.value[rows],
            self.person[rows],
            {name: held[rows] for name, held in self.places.items()},
        )


@dataclass(frozen=True)
class Clustered:
    """Means of groups of answers, with variances that know which answers come from one customer.

    References
    ----------
    Liang, K.-Y. & Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models. Biometrika 73 (the variance by clusters).
    """

    value: np.ndarray
    place: np.ndarray
    person: np.ndarray
    places: int

    @cached_property
    def n(self) -> np.ndarray:
        """Answers of each place."""
        return np.bincount(self.place, minlength=self.places)

    @cached_property
    def people(self) -> np.ndarray:
        """Customers of each place."""
        pairs = np.unique(self.person * self.places + self.place)
        return np.bincount(pairs % self.places, minlength=self.places)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of each place."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(self.place, weights=self.value, minlength=self.places) / self.n

    @cached_property
    def covariance(self) -> np.ndarray:
        """V: covariances of the means; places of one customer have none."""
        residual = (self.value - self.mean[self.place]) / self.n[self.place]
        size = int(self.person.max()) + 1 if self.person.size else 0
        u = np.bincount(
            self.person * self.places + self.place, weights=residual, minlength=size * self.places
        ).reshape(size, self.places)
        with np.errstate(invalid="ignore", divide="ignore"):
            widen = np.sqrt(self.people / (self.people - 1))
            return np.outer(widen, widen) * (u.T @ u)

    @cached_property
    def within(self) -> float:
        """The pooled standard deviation within places."""
        free = self.value.size - int((self.n > 0).sum())
        return (
            float(np.sqrt(((self.value - self.mean[self.place]) ** 2).sum() / free))
            if free > 0
            else float("nan")
        )

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95% t intervals of the means within the scale of texts; missing below two customers, and where all answers are alike."""
        from scipy.special import stdtrit

        with np.errstate(invalid="ignore"):
            half = stdtrit(np.maximum(self.people - 1, 1), 0.975) * np.sqrt(
                np.diag(self.covariance)
            )
        half = np.where((self.people > 1) & (half > 1e-12), half, np.nan)
        return np.maximum(self.mean - half, OF_TEXTS[0]), np.minimum(self.mean + half, OF_TEXTS[1])

    def row(self, place: int) -> tuple[int, int, float, float, float]:
        """Answers, customers, mean and its interval at one place."""
        low, high = self.interval
        return (
            int(self.n[place]),
            int(self.people[place]),
            float(self.mean[place]),
            float(low[place]),
            float(high[place]),
        )


def clustered(answers: Answers, place: str, places: int) -> Clustered:
    """The answers of each place, by place, customer, value and id."""
    at = answers.places[place]
    known = np.flatnonzero(at >= 0)
    order = known[np.argsort(at[known], kind="stable")]
    _, person = np.unique(answers.person[order], return_inverse=True)
    return Clustered(answers.value[order], at[order], person.astype(np.int64), places)


def exceeded(q: float, k: int, freedom: float) -> float:
    """How often the range of k standard normal means, divided by a standard deviation with these degrees of freedom, exceeds q.

    References
    ----------
    Lund, R. E. & Lund, J. R. (1983). Algorithm AS 190: Probabilities and upper quantiles for the studentized range. Applied Statistics 32.
    """
    spread, weight = _spreads(freedom)
    return float(np.clip(1 - weight @ _within(q * spread, k), 0, 1))


@lru_cache(maxsize=256)
def quantile(p: float, k: int, freedom: float) -> float:
    """What the range stays below with probability p; infinite where no number is large enough."""
    from scipy.optimize import brentq

    high = 8.0
    while exceeded(high, k, freedom) > 1 - p:
        high *= 4
        if high > HIGHEST:
            return float("inf")
    found = brentq(lambda q: 1 - p - exceeded(q, k, freedom), 0.0, high, xtol=1e-12)
    return float(found)  # pyright: ignore[reportArgumentType]


def _within(width: Floats, k: int) -> Floats:
    """How often k standard normal values lie within each width: the smallest of them at z, the others less than the width above it."""
    z = np.arange(-FURTHEST, FURTHEST + STEP, STEP)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return k * STEP * ((ndtr(z + width[:, None]) - ndtr(z)) ** (k - 1) @ density)


@lru_cache(maxsize=256)
def _spreads(freedom: float) -> tuple[Floats, Floats]:
    """Estimates of a standard deviation of 1 at equal steps of their logarithm, and how likely each is."""
    lowest, highest = gammaincinv(freedom / 2, LEFT_OUT), gammainccinv(freedom / 2, LEFT_OUT)
    ends = np.log(np.maximum([lowest, highest], np.exp(LOWEST)) * 2 / freedom) / 2
    step = 2 * STEP / np.sqrt(2 * max(freedom, 1))
    x = np.arange(ends[0], ends[1] + step, step)
    weight = np.exp(freedom * (x - np.expm1(2 * x) / 2))
    return np.exp(x), weight / weight.sum()


@dataclass(frozen=True)
class Pair:
    """Two stages compared: the later one's mean less the earlier one's.

    `error` is its standard error, `error_if_alike` that if both stages spread at least as both together do, by which it must differ too to be named: a stage where by chance nearly all are happy
    seems to vary hardly at all. `within` the standard deviation within stages, `stages` how many are compared at once, `groups` how many maps beside each
    other, `least` the smallest difference that may be named. p and the bounds are worked out only for whom they are asked.
    """

    change: float
    error: float
    error_if_alike: float
    within: float
    stages: int
    freedom: float
    groups: int
    least: float

    @cached_property
    def p_adjusted(self) -> float:
        """How often a difference so large would come by chance among so many stages."""
        if not self.error:
            return float(self.change == 0 or self.within == 0)
        return exceeded(np.sqrt(2) * abs(self.change) / self.error, self.stages, self.freedom)

    @property
    def differs(self) -> bool:
        """Significant, and large enough to name."""
        large = abs(self.change) >= max(LEAST_DIFFERENCE * self.within, self.least)
        if not large or self.p_adjusted >= CLAIM / self.groups:
            return False
        wide = (
            np.sqrt(2) * abs(self.change) / self.error_if_alike if self.error_if_alike else np.inf
        )
        return exceeded(wide, self.stages, self.freedom) < CLAIM / self.groups

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The interval of the change, right for all pairs at once."""
        half = (
            quantile(1 - 0.05 / self.groups, self.stages, self.freedom) * self.error / np.sqrt(2)
            if self.error
            else 0.0
        )
        return self.change - half, self.change + half


def pairs(
    means: Clustered, taking: list[int], groups: int = 1, least: float = 0.0
) -> dict[tuple[int, int], Pair]:
    """Every pair of the stages that take part, judged at once (Games–Howell with clustered variances).

    References
    ----------
    Games, P. A. & Howell, J. F. (1976). Pairwise multiple comparison procedures with unequal N's and/or variances. Journal of Educational Statistics 1.
    """
    return {
        (s, t): _pair(means, s, t, len(taking), groups, least)
        for s in taking
        for t in taking
        if s != t
    }


def _pair(means: Clustered, s: int, t: int, k: int, groups: int, least: float) -> Pair:
    v = means.covariance
    difference, variance = (
        float(means.mean[t] - means.mean[s]),
        float(v[s, s] + v[t, t] - 2 * v[s, t]),
    )
    parts = v[s, s] ** 2 / (means.people[s] - 1) + v[t, t] ** 2 / (means.people[t] - 1)
    if variance <= 0 or parts <= 0:
        return Pair(difference, 0.0, 0.0, means.within, k, 1.0, groups, least)
    freedom = float(variance**2 / parts)
    error = float(np.sqrt(variance))
    spread = error_of_equals(np.sqrt([v[s, s], v[t, t]]), means.people[[s, t]])
    if_alike = float(np.sqrt(max(spread**2 - 2 * float(v[s, t]), variance)))
    return Pair(difference, error, if_alike, means.within, k, freedom, groups, least)


def taking_part(means: Clustered) -> list[int]:
    """The stages with answers of enough customers."""
    return np.flatnonzero(means.people >= MIN_N).tolist()


@dataclass(frozen=True)
class Pattern:
    """A named stretch of the line, from its first stage to its last."""

    name: str
    first: int
    last: int
    pair: Pair


def named_patterns(means: Clustered, groups: int = 1, least: float = 0.0) -> list[Pattern]:
    """Rapid drops, troughs, peaks and sawteeth of a line, all read off one family of comparisons; no difference below `least` is named."""
    taking = taking_part(means)
    if len(taking) < 2:
        return []
    compared = pairs(means, taking, groups, least)
    drops = [
        Pattern("rapid drop", s, t, compared[s, t])
        for s, t in pairwise(taking)
        if compared[s, t].change < 0 and compared[s, t].differs
    ]
    runs = [
        Pattern(name, *run)
        for name, sign in (("trough", -1), ("peak", 1))
        for run in _runs(taking, compared, sign)
    ]
    return drops + runs + _sawtooth(taking, compared)


def _runs(
    taking: list[int], compared: dict[tuple[int, int], Pair], sign: int
) -> list[tuple[int, int, Pair]]:
    """Runs whose every member differs from, and lies on one side of, the stages before and after the run; the shortest of those that overlap."""
    found: list[tuple[int, int, Pair]] = []
    taken: set[int] = set()
    for length in range(1, len(taking) - 1):
        for k in range(1, len(taking) - length):
            run, around = taking[k : k + length], (taking[k - 1], taking[k + length])
            apart = all(
                compared[edge, one].change * sign > 0 and compared[edge, one].differs
                for one in run
                for edge in around
            )
            if apart and not taken & set(run):
                taken |= set(run)
                nearest = min(
                    (compared[edge, one] for one in run for edge in around),
                    key=lambda pair: abs(pair.change),
                )
                found.append((run[0], run[-1], nearest))
    return sorted(found, key=lambda one: one[:2])


def _sawtooth(taking: list[int], compared: dict[tuple[int, int], Pair]) -> list[Pattern]:
    moves = [(s, t, compared[s, t]) for s, t in pairwise(taking) if compared[s, t].differs]
    turns = [k for k in range(1, len(moves)) if moves[k][2].change * moves[k - 1][2].change < 0]
    if len(turns) < 2:
        return []
    first, last = moves[turns[0] - 1], moves[turns[-1]]
    smallest = min(
        (move[2] for move in moves[turns[0] - 1 : turns[-1] + 1]), key=lambda pair: abs(pair.change)
    )
    return [Pattern("sawtooth", first[0], last[1], smallest)]
