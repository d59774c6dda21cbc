"""What is normal variation of a measure, and what is not: limits round what other periods let one expect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from cjlib.analyses.scorecard.series import Bools, Counts, Floats, Ints, Means, Series, Shares
from cjlib.shared.stats import Z95

FEWEST_PERIODS = 8
"""Complete periods from which on they are judged: seven others at least say what to expect of one."""
LEVEL = 0.05
"""How often any period of a measure at all lies outside its limits if nothing but chance, a trend, a season or slow drift is at work."""
KEPT = (1.0, 0.8, 0.5)
"""How much of its weight a period keeps with each later one: all of them alike, or the newest most."""
WINSOR, WINSORED = 2.0, 1.2806
"""Errors beyond two standard deviations count as two, so that an incident does not hide itself; and what that takes from their mean size."""
APART = 3.0
"""Standard deviations from which on a period is left out of what others are predicted from."""
SEASONS = {"hour": (24, 168), "day": (7, 364), "week": (52,), "month": (12,), "quarter": (4,)}
"""Periods after which the same one comes again."""
RUN = 6


@dataclass(frozen=True)
class Band:
    """The normal variation of a measure by period: what was expected, its limits, what lies outside; missing where fewer than 8 periods are known.

    `error` is the chance of who was counted at each period's size, `spread` by how much periods vary beyond it, `p_value` how often a period would
    lie as far from what was expected. `constant`: every period has the same value.
    """

    centre: Floats
    low: Floats
    high: Floats
    error: Floats
    spread: float
    p_value: Floats
    flagged: Bools
    judged: Bools
    constant: bool = False

    @property
    def known(self) -> bool:
        """Whether there are limits."""
        return bool(self.judged.any())


@dataclass(frozen=True)
class _Predictions:
    """What each period was expected to be, and the errors in standard errors of one."""

    expected: Floats
    error: Floats
    off: Floats

    @property
    def made(self) -> Bools:
        """For which periods there is one."""
        return np.isfinite(self.off)


def no_band(size: int) -> Band:
    """The band of a measure of which too little is known."""
    nothing, none = np.full(size, np.nan), np.zeros(size, dtype=bool)
    return Band(nothing, nothing, nothing, nothing, float("nan"), nothing, none, none)


def band_of(
    series: Series, complete: Bools, lags: Sequence[int] = (), days: Floats | None = None
) -> Band:
    """Limits round what the periods before let one expect: a level, a level with a trend, or the season (`lags` periods ago) with either.

    Where periods differ in length (`days`: months), what adds up is predicted by the day, and of what may grow with the length or not both are tried: February is no news.
    Of these the one that predicted best is used, with older periods weighing less where the level drifts. Errors are standardised by the chance of who was
    counted (shares and counts on a scale on which it is constant); beyond it their size is learned from the errors themselves. A period lies outside if chance
    would put any of the judged periods so far out in 5 of 100 measures (Bonferroni; normal for the chance of who was counted, Student's t for what was learned).

    References
    ----------
    Harvey, A. C. (1989). Forecasting, Structural Time Series Models and the Kalman Filter, 4.1: one-step predictions of a local level and trend.
    Anscombe, F. J. (1948). The transformation of Poisson, binomial and negative-binomial data. Biometrika 35.
    """
    # A count of 0 is a count; a share or a mean of nobody is none.
    counted = np.ones_like(complete) if isinstance(series, Counts) else series.n >= 1
    used = complete & counted & np.isfinite(series.value)
    size = used.size
    if used.sum() < FEWEST_PERIODS:
        return no_band(size)
    centre, error = series.centre_and_error(used)
    if not np.isfinite(centre):
        return no_band(size)
    x, chance = _stable(series, centre, error)
    if np.ptp(x[used]) == 0 and np.ptp(series.value[used]) == 0:
        return _constant(series, used)
    learned_only = not (chance[used] > 0).any()
    chance = np.where(chance > 0, chance, 1.0 if learned_only else np.median(chance[chance > 0]))
    scales = _scales(series, days, used)
    best = _best(x, chance, used, lags, used, scales)
    apart = _apart(best)
    if apart.any():
        best = _best(x, chance, used, lags, used & ~apart, scales)
    errors = best.off[best.made]
    spread = _spread(errors)
    freedom = errors.size / _heaviness(series)
    judged = best.made
    tail = LEVEL / 2 / max(int(judged.sum()), 1)
    known = 0.0 if learned_only else 1.0
    width = max(known * -float(ndtri(tail)), spread * -float(stdtrit(freedom, tail)))
    p_value = np.full(size, np.nan)
    off = np.abs(best.off[judged])
    by_chance = np.zeros(off.size) if learned_only else 2 * ndtr(-off)
    p_value[judged] = np.maximum(by_chance, 2 * stdtr(freedom, -off / max(spread, 1e-12)))
    low, high = (
        np.where(judged, _back(series, best.expected + side * width * best.error), np.nan)
        for side in (-1, 1)
    )
    flagged = judged & (np.abs(np.nan_to_num(best.off)) > width)
    expected = np.where(judged, _back(series, best.expected), np.nan)
    return Band(expected, low, high, error, max(1.0, spread), p_value, flagged, judged)


def _heaviness(series: Series) -> int:
    """By how much the errors tell less of their tails than normal ones: periods of different sizes vary differently, and a few large amounts make a mean."""
    if isinstance(series, Counts):
        return 1
    return 3 if _is_amount(series) else 2


def _is_amount(series: Series) -> bool:
    """Whether it is a mean of what cannot be negative: skewed by a few large ones."""
    return isinstance(series, Means) and bool((np.nan_to_num(series.value) >= 0).all())


def _stable(series: Series, centre: float, error: Floats) -> tuple[Floats, Floats]:
    """The values on a scale on which the chance of who was counted does not depend on them, and that chance (Anscombe); scores and medians as they are."""
    if isinstance(series, Counts):
        return 2 * np.sqrt(series.n + 3 / 8), np.ones(series.n.size)
    if isinstance(series, Shares) and (series.count <= series.n).all():
        part = (series.count + 3 / 8) / (series.n + 3 / 4)
        return 2 * np.arcsin(np.sqrt(part)), 1 / np.sqrt(series.n + 1 / 2)
    if _is_amount(series):
        return np.sqrt(series.value), error / 2 / np.sqrt(max(centre, 1e-12))
    return series.value, error


def _scales(series: Series, days: Floats | None, used: Bools) -> list[Floats]:
    """What the stable scale is divided by before periods are compared: nothing, or the root of their lengths, as counts, amounts and small shares are roots there."""
    alike = np.ones(used.size)
    rooted = isinstance(series, Counts | Shares) or _is_amount(series)
    if days is None or not rooted or np.ptp(days[used]) == 0:
        return [alike]
    by_length = np.sqrt(days / days[used].mean())
    adds_up = isinstance(series, Counts) and series.adds_up
    return [by_length] if adds_up else [alike, by_length]


def _back(series: Series, x: Floats) -> Floats:
    """From that scale to the measure."""
    if isinstance(series, Counts):
        return np.maximum((np.maximum(x, 0) / 2) ** 2 - 3 / 8, 0)
    if isinstance(series, Shares) and (series.count <= series.n).all():
        return np.sin(np.clip(x, 0, np.pi) / 2) ** 2
    return np.maximum(x, 0) ** 2 if _is_amount(series) else x


def _constant(series: Series, used: Bools) -> Band:
    """Every period has the same value: nothing lies outside."""
    unknown = no_band(used.size)
    level = np.where(used, series.value, np.nan)
    return Band(
        level,
        level,
        level,
        np.where(used, 0.0, np.nan),
        1.0,
        unknown.p_value,
        unknown.flagged,
        unknown.judged,
        constant=True,
    )


def _apart(best: _Predictions) -> Bools:
    """The few periods that lie so far out that they tell nothing of the others; none where they are not few."""
    off = np.abs(np.nan_to_num(best.off))
    apart = best.made & (off > APART * max(1.0, _spread(best.off[best.made])))
    return apart if apart.sum() <= best.made.sum() / 6 else np.zeros_like(apart)


def _best(
    x: Floats,
    chance: Floats,
    used: Bools,
    lags: Sequence[int],
    telling: Bools,
    scales: Sequence[Floats],
) -> _Predictions:
    """The predictions that err least, over the periods that all of them predict; `telling` are those that others are predicted from."""
    candidates = [
        _Predictions(scale * one.expected, scale * one.error, one.off)
        for scale in scales
        for one in _candidates(x / scale, chance / scale, used, lags, telling)
    ]
    common = np.logical_and.reduce([telling, *(candidate.made for candidate in candidates)])
    sizes = [np.abs(x - candidate.expected)[common] / chance[common] for candidate in candidates]
    return candidates[int(np.argmin([_spread(errors) for errors in sizes]))]


def _candidates(
    x: Floats, chance: Floats, used: Bools, lags: Sequence[int], telling: Bools
) -> Iterator[_Predictions]:
    for trend in (False, True):
        for kept in KEPT if not trend else KEPT[:2]:
            yield _predicted(x, chance, used, telling, kept, trend=trend)
    for lag in lags:
        yield from _seasonal(x, chance, used, telling, lag)


def _seasonal(
    x: Floats, chance: Floats, used: Bools, telling: Bools, lag: int
) -> Iterator[_Predictions]:
    """The same period of the season before, plus how much the others since have moved from theirs."""
    both = np.zeros(used.size, dtype=bool)
    both[lag:] = used[lag:] & used[:-lag] if lag < used.size else False
    if both.sum() < FEWEST_PERIODS:
        return
    before, before_chance = np.full(x.size, np.nan), np.full(x.size, np.nan)
    before[lag:], before_chance[lag:] = x[:-lag], chance[:-lag]
    moved = np.where(both, x - before, np.nan)
    error = np.hypot(chance, np.where(both, before_chance, 1.0))
    for kept in KEPT:
        held = _predicted(moved, error, both, both & telling, kept, trend=False)
        yield _Predictions(before + held.expected, held.error, held.off)


def _predicted(
    x: Floats, chance: Floats, used: Bools, telling: Bools, kept: float, *, trend: bool
) -> _Predictions:
    """Each period from those before it, one of the first seven from all others: their weighted mean, or where their weighted line is then."""
    places = np.flatnonzero(used)
    size = used.size
    expected, error, off = (np.full(size, np.nan) for _ in range(3))
    y, variance = x[places], chance[places] ** 2
    ago = places[None, :] - places[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        early = np.arange(places.size)[:, None] < FEWEST_PERIODS - 1
        told = ((ago < 0) | (early & (ago != 0))) & telling[places][None, :]
        weight = np.where(told, kept ** (np.abs(ago) - 1.0) / variance, 0.0)
        if trend:
            zero, one, two = ((weight * ago**power).sum(1, keepdims=True) for power in range(3))
            weight = weight * (two - one * ago) / (zero * two - one**2)
        else:
            weight = weight / weight.sum(1, keepdims=True)
    expected[places] = weight @ y
    error[places] = np.sqrt(variance + (weight**2) @ variance)
    off[places] = (y - expected[places]) / error[places]
    return _Predictions(expected, error, off)


def _spread(errors: Floats) -> float:
    """The standard deviation of errors, those beyond two of them counted as two."""
    size = np.abs(errors)
    spread = float(np.median(size)) / 0.6745
    for _ in range(20):
        spread = float(np.minimum(size, WINSOR * spread).mean()) * WINSORED
    return spread


@dataclass(frozen=True)
class Change:
    """From one period to the next: the difference with its 95% CI; and p of the newer one, given what was to be expected."""

    difference: float
    low: float
    high: float
    p_value: float


def change_of(value: Floats, n: Ints, band: Band, now: int, smallest: int) -> Change:
    """The change into period `now`; judged only with a band, and with enough counted in both periods.

    p asks whether the period lies further from what the periods before let one expect than chance, trend and season explain: that a business grows is no news.
    """
    before = now - 1
    difference = float(value[now] - value[before]) if before >= 0 else float("nan")
    if before < 0 or not band.judged[now]:
        return Change(difference, float("nan"), float("nan"), float("nan"))
    half = Z95 * band.spread * float(np.hypot(band.error[now], band.error[before]))
    enough = min(n[now], n[before]) >= smallest
    p_value = float(band.p_value[now]) if enough else float("nan")
    return Change(difference, difference - half, difference + half, p_value)


def direction_of(value: Floats, complete: Bools, now: int) -> int:
    """1 or −1 if each of the six periods up to `now` lies above, or below, the one before it; else 0."""
    begin = now - RUN
    if begin < 0 or not complete[begin : now + 1].all():
        return 0
    steps = np.sign(np.diff(value[begin : now + 1]))
    return int(steps[0]) if steps[0] != 0 and (steps == steps[0]).all() else 0
