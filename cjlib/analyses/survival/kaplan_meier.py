"""Survival curves and their comparison: durations in, numbers out; nothing here knows of events or customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cjlib.shared.risk_comparison import LogRank
from cjlib.shared.stats import enough_followed

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
HALF = 0.5
Z = float(ndtri(0.975))
NEAR = 1e-12
"""Shares this close to one half count as one half: a product of fractions is not exact."""


@dataclass(frozen=True)
class Curve:
    """A Kaplan–Meier curve: at time 0 and at each time with an event or a censoring.

    Attributes
    ----------
    time, at_risk, churned, censored
        Who was still observed just before each time, who churned at it, who was last seen at it.
    share, low, high
        The share surviving beyond each time, with its 95% CI; no interval where the share is 1 or 0.
    """

    time: Floats
    at_risk: Whole
    churned: Whole
    censored: Whole
    share: Floats
    low: Floats
    high: Floats

    @property
    def median(self) -> float:
        """The first time with at most half surviving; NaN if that is not reached."""
        return first_at_most_half(self.time, self.share)

    @property
    def median_interval(self) -> tuple[float, float]:
        """Where the bounds of the curve cross one half."""
        low = np.where(np.isnan(self.low), self.share, self.low)
        high = np.where(np.isnan(self.high), self.share, self.high)
        return first_at_most_half(self.time, low), first_at_most_half(self.time, high)

    @property
    def followed_until(self) -> float:
        """The last time to which a tenth of them, 30 at most, were followed: a curve may end with a single one, and then says little."""
        return float(self.time[self.at_risk >= enough_followed(int(self.at_risk[0]))][-1])

    def at(self, time: float) -> tuple[float, float, float, int]:
        """Share surviving beyond a time, its interval, and who was at risk after it began.

        Where nobody has churned yet, the lower bound is the share at which that happens in 2.5 of 100 samples of those still at risk.
        """
        place = int(np.searchsorted(self.time, time, side="right")) - 1
        still = int(self.at_risk[0] - (self.churned + self.censored)[self.time < time].sum())
        if self.share[place] == 1:
            return 1.0, 0.025 ** (1 / still) if still else float("nan"), 1.0, still
        return float(self.share[place]), float(self.low[place]), float(self.high[place]), still

    def share_beyond(self, time: float) -> tuple[float, int]:
        """The share surviving beyond a time, and how many customers watched that long would make it as certain (Greenwood); 0 where nobody was."""
        inside = self.time <= time
        share, watched = float(self.share[inside][-1]), self.at(time)[3]
        if not watched:
            return share, 0
        d, n = self.churned[inside].astype(float), self.at_risk[inside].astype(float)
        spread = float(np.divide(d, n * (n - d), out=np.zeros(d.size), where=n > d).sum())
        # Var(S) = S² · Σ d / (n (n − d)); a share of m customers varies by S (1 − S) / m.
        return share, round((1 - share) / (share * spread)) if 0 < share < 1 else watched

    def restricted_mean(self, limit: float) -> tuple[float, float]:
        """The area under the curve up to a limit, and its standard error (Greenwood)."""
        inside = self.time < limit
        edges = np.append(self.time[inside], limit)
        areas = self.share[inside] * np.diff(edges)
        d, n = self.churned[inside].astype(float), self.at_risk[inside].astype(float)
        # From each time on, what is left of the area.
        left = np.cumsum(areas[::-1])[::-1]
        terms = np.divide(d, n * (n - d), out=np.zeros(d.size), where=(n > d))
        return float(areas.sum()), float(np.sqrt(np.sum(left**2 * terms)))

    def restricted_mean_interval(self, limit: float) -> tuple[float, float, float]:
        """The area under the curve up to a limit with its 95% CI, on the scale of logits of its share of the limit: symmetric it holds the truth too seldom where few churned.

        Where nobody churned before the limit, the lower bound is the mean at the highest constant rate at which that happens in 2.5 of 100.
        """
        mean, error = self.restricted_mean(limit)
        if not (error > 0 and 0 < mean < limit):
            rate = -np.log(0.025) / max(self._followed(limit), 1e-9)
            return mean, min(mean, float(-np.expm1(-rate * limit) / rate)), mean
        middle, half = np.log(mean / (limit - mean)), Z * error * limit / (mean * (limit - mean))
        low, high = (limit / (1 + np.exp(-middle - side * half)) for side in (-1, 1))
        return mean, float(low), float(high)

    def _followed(self, limit: float) -> float:
        """How long all customers together were followed, each up to the limit."""
        inside = self.time < limit
        left = (self.at_risk - self.churned - self.censored)[inside]
        return float(left @ np.diff(np.append(self.time[inside], limit)))


def first_at_most_half(time: Floats, share: Floats) -> float:
    """The first time at which a falling share is at most one half."""
    below = np.flatnonzero(share <= HALF + NEAR)
    return float(time[below[0]]) if below.size else float("nan")


def kaplan_meier(duration: Floats, churned: NDArray[np.bool_]) -> Curve:
    """The curve of these durations; at one time churn comes before censoring.

    References
    ----------
    Kaplan, E. L. & Meier, P. (1958). Nonparametric estimation from incomplete observations. JASA 53.
    Kalbfleisch, J. D. & Prentice, R. L. (1980). The Statistical Analysis of Failure Time Data, 1.4: log(−log) interval.
    """
    time, place = _different(np.append(0.0, duration))
    events = np.bincount(place[1:][churned], minlength=time.size)
    lost = np.bincount(place[1:], minlength=time.size) - events
    at_risk = duration.size - np.append(0, np.cumsum(events + lost)[:-1])
    d, n = events.astype(float), at_risk.astype(float)
    share = np.asarray(
        np.cumprod(np.divide(n - d, n, out=np.ones(time.size), where=n > 0)), dtype=np.float64
    )
    greenwood = np.cumsum(np.divide(d, n * (n - d), out=np.zeros(time.size), where=n > d))
    low, high = _log_log(share, greenwood)
    return Curve(time, at_risk, events, lost, share, low, high)


def _log_log(share: Floats, greenwood: Floats) -> tuple[Floats, Floats]:
    low, high = np.full(share.size, np.nan), np.full(share.size, np.nan)
    inner = (share > 0) & (share < 1)
    log = np.log(share[inner])
    spread = Z * np.sqrt(greenwood[inner]) / log
    low[inner], high[inner] = np.exp(log * np.exp(-spread)), np.exp(log * np.exp(spread))
    return low, high


def log_rank(duration: Floats, churned: NDArray[np.bool_], group: NDArray[np.bool_]) -> LogRank:
    """The log-rank test that a group has the same curve as all others; at one time churn comes before censoring."""
    time, place = _different(duration)
    at_risk, cases = _at_risk_and_events(place, churned, time.size)
    inside, seen = _at_risk_and_events(place[group], churned[group], time.size)
    some = cases > 0
    return LogRank(int(seen.sum()), inside[some] / at_risk[some], cases[some], at_risk[some])


def _different(duration: Floats) -> tuple[Floats, Whole]:
    """The different lengths, ascending, and the place of each among them: `np.unique`, without a sort where they are whole numbers and few."""
    few = duration.size > 0 and duration.max() <= duration.size
    if not few or not (np.floor(duration) == duration).all():
        return np.unique(duration, return_inverse=True)
    whole = duration.astype(np.int64)
    met = np.bincount(whole) > 0
    return np.flatnonzero(met).astype(np.float64), (np.cumsum(met) - 1)[whole]


def _at_risk_and_events(
    place: Whole, churned: NDArray[np.bool_], times: int
) -> tuple[Whole, Whole]:
    leaving = np.bincount(place, minlength=times)
    at_risk = place.size - np.append(0, np.cumsum(leaving)[:-1])
    return at_risk, np.bincount(place[churned], minlength=times)
