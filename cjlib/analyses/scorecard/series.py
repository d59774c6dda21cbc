"""One measure over the periods: its value, interval and size in each, and how much a value of that size errs by chance alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, stdtrit

from cjlib.analyses.survival.kaplan_meier import Curve, kaplan_meier
from cjlib.shared.stats import Z95, median_with_interval, share, wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Periods = NDArray[np.integer[Any]]


class Series(Protocol):
    """What every measure has: arrays with one entry a period; NaN where a value or bound is missing."""

    @property
    def value(self) -> Floats:
        """The measure."""
        ...

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Its 95% CI."""
        ...

    @property
    def n(self) -> Ints:
        """What it rests on."""
        ...

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """The pooled value of the periods used, and the standard error of a value around it at each period's size."""
        ...


@dataclass(frozen=True)
class Shares:
    """Count ÷ base. The interval is Wilson's unless `given` (low, high); none where a count exceeds its base, which two kinds of events may."""

    count: Ints
    n: Ints
    given: tuple[Floats, Floats] | None = None

    @property
    def value(self) -> Floats:
        """Count ÷ base."""
        return share(self.count, self.n)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Wilson's interval, or as given."""
        if self.given is not None:
            return self.given
        fits = self.count <= self.n
        low, high = wilson(np.where(fits, self.count, 0), self.n)
        return np.where(fits, low, np.nan), np.where(fits, high, np.nan)

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error √(c(1 − c) / n)."""
        centre = float(share(self.count[used].sum(), self.n[used].sum()))
        return centre, np.sqrt(share(max(centre * (1 - centre), 0.0), self.n))


@dataclass(frozen=True)
class Counts:
    """How many; the interval is Poisson's exact one. `adds_up`: a period twice as long counts twice as many, as it does of what happens once, not of who was there at all."""

    n: Ints
    adds_up: bool = False

    @property
    def value(self) -> Floats:
        """The count."""
        return self.n.astype(np.float64)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Garwood's interval."""
        low = np.where(self.n > 0, gammaincinv(np.maximum(self.n, 1), 0.025), 0.0)
        return low, gammaincinv(self.n + 1, 0.975)

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error √c."""
        centre = float(self.value[used].mean()) if used.any() else float("nan")
        return centre, np.full(self.n.size, np.sqrt(centre))


@dataclass(frozen=True)
class Means:
    """Total ÷ units, with the sum of squares over the units; the interval is t's."""

    total: Floats
    squares: Floats
    n: Ints

    @property
    def value(self) -> Floats:
        """The mean."""
        return share(self.total, self.n)

    @cached_property
    def deviations(self) -> Floats:
        """Sum of squared deviations from each period's mean; not below 0, where rounding would take it."""
        return np.maximum(self.squares - np.nan_to_num(self.value) * self.total, 0.0)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Student's interval, from two units on."""
        free = np.maximum(self.n - 1, 1)
        half = np.where(
            self.n > 1,
            stdtrit(free, 0.975) * np.sqrt(share(self.deviations / free, self.n)),
            np.nan,
        )
        return self.value - half, self.value + half

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error s / √n with the standard deviation within periods."""
        centre = float(share(self.total[used].sum(), self.n[used].sum()))
        free = np.maximum(self.n[used] - 1, 0).sum()
        spread = float(share(self.deviations[used].sum(), free))
        return centre, np.sqrt(share(spread, self.n))


@dataclass(frozen=True)
class Promoters:
    """Net promoter scores, with their adjusted intervals, as `cj.nps` gives them."""

    value: Floats
    low: Floats
    high: Floats
    promoters: Ints
    detractors: Ints
    n: Ints

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The note's interval."""
        return self.low, self.high

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error 100·√((p + d − (p − d)²) / n)."""
        n = self.n[used].sum()
        p = float(share(self.promoters[used].sum(), n))
        d = float(share(self.detractors[used].sum(), n))
        return 100 * (p - d), 100 * np.sqrt(share(max(p + d - (p - d) ** 2, 0.0), self.n))


@dataclass(frozen=True)
class Medians:
    """Medians of values, period by period; the interval lies between two order statistics."""

    values: Floats
    period: Periods
    periods: int

    @cached_property
    def parts(self) -> list[Floats]:
        """The values of each period."""
        ordered = self.values[
            np.argsort(self.period.astype(np.int16), kind="stable")
        ]  # whole numbers so small take one pass
        ends = np.cumsum(np.bincount(self.period, minlength=self.periods))
        return [ordered[begin:end] for begin, end in pairwise([0, *ends.tolist()])]

    @cached_property
    def found(self) -> Floats:
        """Median and bounds of each period."""
        return np.array(
            [median_with_interval(part) for part in self.parts], dtype=np.float64
        ).reshape(self.periods, 3)

    @property
    def value(self) -> Floats:
        """The median."""
        return self.found[:, 0]

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Two order statistics that hold the median in at least 95%."""
        return self.found[:, 1], self.found[:, 2]

    @property
    def n(self) -> Ints:
        """How many values."""
        return np.array([part.size for part in self.parts], dtype=np.int64)

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error from the pooled values: where a median of n of them lies in 95%."""
        pooled = np.concatenate(
            [part for part, take in zip(self.parts, used, strict=True) if take] or [np.zeros(0)]
        )
        if not pooled.size:
            return float("nan"), np.full(self.periods, np.nan)
        pooled.sort()
        return float(np.median(pooled)), _median_errors(
            self.n, lambda q: pooled[np.clip((q * pooled.size).astype(int), 0, pooled.size - 1)]
        )


@dataclass(frozen=True)
class Survivals:
    """Kaplan–Meier medians of times until something, the open ones censored."""

    length: Floats
    reached: Bools
    period: Periods
    periods: int

    @cached_property
    def curves(self) -> list[Curve | None]:
        """The curve of each period; None where there is nobody."""
        rows = [np.flatnonzero(self.period == period) for period in range(self.periods)]
        return [
            kaplan_meier(self.length[own], self.reached[own]) if own.size else None for own in rows
        ]

    @property
    def value(self) -> Floats:
        """The median; NaN where half have not reached it."""
        return np.array([np.nan if curve is None else curve.median for curve in self.curves])

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Where the bounds of the curve cross one half."""
        found = np.array(
            [(np.nan, np.nan) if curve is None else curve.median_interval for curve in self.curves]
        ).reshape(self.periods, 2)
        return found[:, 0], found[:, 1]

    @property
    def n(self) -> Ints:
        """Those who began."""
        return np.bincount(self.period, minlength=self.periods).astype(np.int64)

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """Error from the pooled curve: where a median of n lies in 95%."""
        mine = used[self.period]
        if not mine.any():
            return float("nan"), np.full(self.periods, np.nan)
        pooled = kaplan_meier(self.length[mine], self.reached[mine])
        falling = 1 - pooled.share
        times = np.append(pooled.time, np.nan)
        return pooled.median, _median_errors(
            self.n, lambda q: times[np.searchsorted(falling, q - 1e-12)]
        )


def _median_errors(n: Ints, quantile: Callable[[Floats], Floats]) -> Floats:
    reach = np.minimum(Z95 * 0.5 / np.sqrt(np.maximum(n, 1)), 0.5)
    errors = (quantile(0.5 + reach) - quantile(0.5 - reach)) / (2 * Z95)
    return np.where(n > 0, errors, np.nan)


@dataclass(frozen=True)
class Latest:
    """A number that exists for one period only."""

    value: Floats
    low: Floats
    high: Floats
    n: Ints

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """As given."""
        return self.low, self.high

    def centre_and_error(self, used: Bools) -> tuple[float, Floats]:
        """None: there is nothing to vary around."""
        return float("nan"), np.full(used.size, np.nan)


def means_by(value: Floats, period: Periods, periods: int, n: Ints | None = None) -> Means:
    """Means of values by period, over `n` units where some have none; summed as they stand, so rows must come in a defined order."""
    total, squares = (
        np.bincount(period, weights=weights, minlength=periods).astype(np.float64)
        for weights in (value, value**2)
    )
    return Means(total, squares, counted(period, periods) if n is None else n)


def counted(period: Periods | Sequence[int], periods: int) -> Ints:
    """How many of each period."""
    return np.bincount(np.asarray(period, dtype=np.int64), minlength=periods).astype(np.int64)
