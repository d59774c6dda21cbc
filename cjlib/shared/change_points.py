"""When a level moved: change points of a mean over calendar periods, outside normal variation.

References
----------
Vostrikova, L. (1981). Detecting "disorder" in multidimensional random processes. Soviet Mathematics Doklady 24: binary segmentation.
Gouriéroux, C., Monfort, A. & Renault, E. (1993). Indirect inference. Journal of Applied Econometrics 8: the autocorrelation corrected for its bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.shared.comparison import CLAIM
from cjlib.shared.repeated_answers import CustomerAnswers
from cjlib.shared.stats import Z95
from cjlib.show.numbers import count_of

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
DRAWS = 9_999
"""So many that p can fall below what a sentence may claim, also over a dozen segments."""
LEVEL = 0.05
FEWEST_PERIODS = 8
"""With fewer a level that moved cannot be told from a measure that wanders."""
GRID = np.linspace(0.0, 0.9, 7)
"""Autocorrelations that are tried."""
PESSIMISTIC = 0.15
"""The autocorrelation is taken so high that so many series with it would seem no more autocorrelated than this one."""
COLUMNS = (
    "segment",
    "period",
    "n_before",
    "n_after",
    "customers_before",
    "customers_after",
    "mean_before",
    "mean_after",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
)


@dataclass(frozen=True, eq=False)
class LevelShifts:
    """The shifts that were found, and how many segments were searched for them.

    Attributes
    ----------
    name
        Of the family.
    table
        A row a shift: `segment`, `period`, both n, both numbers of customers, both means, `difference` with bounds, `p_value`, `p_adjusted` over the segments.
    tests
        Segments searched: those with at least eight periods and enough customers on both sides.
    """

    name: str
    table: pd.DataFrame
    tests: int

    @property
    def claims(self) -> NDArray[np.bool_]:
        """Which shifts a sentence may claim."""
        return self.table["p_adjusted"].to_numpy(dtype=float) < CLAIM

    @property
    def words(self) -> str:
        """For a definition."""
        return (
            f"{count_of(self.tests, 'series', 'series')} searched for {self.name}, p multiplied by their number; "
            f"at least {FEWEST_PERIODS} periods; autocorrelation and season are normal variation"
        )


@dataclass(frozen=True, eq=False)
class Series:
    """The mean of each period in order, how sure it is, and who answered: a period and a customer an answer."""

    starts: NDArray[np.datetime64]
    n: Floats
    mean: Floats
    error: Floats
    place: NDArray[np.intp]
    customer: NDArray[np.int64]

    def weights(self) -> Floats:
        """How much each period counts."""
        return 1 / self.error**2

    def customers(self, first: int, last: int) -> tuple[Places, Places]:
        """How many different customers answered from the first period of a part up to each of its periods, and from each up to the last."""
        inside = (self.place >= first) & (self.place < last)
        seen = pd.Series(self.place[inside] - first).groupby(self.customer[inside])
        begun, ended = (np.bincount(at, minlength=last - first) for at in (seen.min(), seen.max()))
        return np.cumsum(begun), np.cumsum(ended[::-1])[::-1]


def level_shifts(name: str, rows: pd.DataFrame | None, *, least: int, seed: int = 0) -> LevelShifts:
    """The periods from which the mean of a segment is another one, outside normal variation.

    `rows` has `segment`, `period`, `value` and `customer`, one row an answer; None where there are no periods. The periods of a segment are split where the means
    of the two sides differ most, each side with at least `least` customers. p is the share of series without any change, drawn with the same sampling error,
    spread between periods and autocorrelation, whose best split is as large; multiplied by the number of segments. Below 5% the split stands and both sides are
    searched in turn.
    """
    series = {} if rows is None else _all_series(rows)
    searched = {
        segment: one
        for segment, one in series.items()
        if one.mean.size >= FEWEST_PERIODS and _splits(one, 0, one.mean.size, least).size
    }
    shifts = [
        {"segment": segment} | shift
        for segment, one in searched.items()
        for shift in _search(one, len(searched), least, np.random.default_rng(seed))
    ]
    table = pd.DataFrame(shifts, columns=list(COLUMNS))
    return LevelShifts(
        name, table.sort_values(["segment", "period"], ignore_index=True), len(searched)
    )


def _all_series(rows: pd.DataFrame) -> dict[str, Series]:
    return {str(segment): _series(group) for segment, group in rows.groupby("segment")}


def _series(group: pd.DataFrame) -> Series:
    starts, place = np.unique(group["period"].to_numpy(), return_inverse=True)
    answers = [
        CustomerAnswers.of(
            part["value"].to_numpy(dtype=float), part["customer"].to_numpy(dtype=np.int64)
        )
        for _, part in group.groupby(place)
    ]
    n = np.array([answer.n for answer in answers], dtype=float)
    inside = sum(float(((answer.value - answer.mean) ** 2).sum()) for answer in answers)
    spread = np.sqrt(inside / max(n.sum() - n.size, 1.0))
    effective = np.array([answer.effective_n for answer in answers])
    return Series(
        starts,
        n,
        np.array([answer.mean for answer in answers]),
        spread / np.sqrt(effective),
        place,
        group["customer"].to_numpy(dtype=np.int64),
    )


def _splits(series: Series, first: int, last: int, least: int) -> NDArray[np.intp]:
    """Positions within a part from which on there are enough customers on both sides."""
    until, since = series.customers(first, last)
    return np.arange(first + 1, last)[(until[:-1] >= least) & (since[1:] >= least)]


def _search(
    series: Series, segments: int, least: int, rng: np.random.Generator
) -> Iterator[dict[str, object]]:
    if not series.error.any():  # everybody always gives the same answer within a period
        return
    without_season = _season_taken_out(series)
    mean = series.mean @ without_season
    noise = _noise(series, mean, without_season, rng)
    parts = [(0, mean.size)]
    while parts:
        first, last = parts.pop()
        splits = _splits(series, first, last, least)
        if not splits.size:
            continue
        w = series.weights()[first:last]
        strength = _strengths(mean[None, first:last], w, splits - first)[0]
        null = _strengths(noise[:, first:last], w, splits - first).max(axis=1)
        p = (1 + int((null >= strength.max()).sum())) / (len(noise) + 1)
        if p * segments >= LEVEL:
            continue
        at = int(splits[strength.argmax()])
        yield _shift(series, noise, (first, at, last), p, segments)
        parts += [(first, at), (at, last)]


def _season_taken_out(series: Series) -> Floats:
    """What takes the season out of a row of means: each less the mean of its month (or quarter) of the year around a moving level.

    Nothing is taken out of fewer than two years and a half of months or quarters.
    """
    size = series.mean.size
    starts = pd.DatetimeIndex(series.starts) if series.starts.dtype.kind == "M" else None
    months = np.array([]) if starts is None else np.diff(starts.year * 12 + starts.month)
    length = {1: 12, 3: 4}.get(int(np.median(months)) if months.size else 0, 0)
    if not length or size < 2.5 * length or starts is None:
        return np.eye(size)
    each = pd.DataFrame(np.eye(size))
    level = each.rolling(length + 1, center=True, min_periods=length // 2).mean()
    season = np.asarray((starts.month - 1) * length // 12)
    return (each - (each - level).groupby(season).transform("mean")).to_numpy().T


def _noise(
    series: Series, mean: Floats, without_season: Floats, rng: np.random.Generator
) -> Floats:
    """Series without a change, a row each, that vary as this one does around its own levels."""
    standard = rng.normal(size=(DRAWS, mean.size))
    w = series.weights()
    own_spread, own_rho = (float(part[0]) for part in _around_levels(mean[None, :], w))
    few = standard[:400]
    seen = [
        _around_levels(_autocorrelated(few, rho) * series.error @ without_season, w) for rho in GRID
    ]
    low = np.maximum.accumulate([np.quantile(rho, PESSIMISTIC) for _, rho in seen])
    rho = float(np.interp(own_rho, low, GRID))
    usual = float(np.interp(rho, GRID, [np.mean(spread**2) for spread, _ in seen]))
    # Beside the sampling error, which has no memory, a level that wanders: it has all of the autocorrelation.
    wander = max(own_spread**2 / usual - 1.0, 0.0)
    own = min(rho * (1 + wander) / wander, GRID[-1]) if wander else 0.0
    drift = np.sqrt(wander) * _autocorrelated(rng.normal(size=standard.shape), own)
    return (standard + drift) * series.error @ without_season


def _autocorrelated(standard: Floats, rho: float) -> Floats:
    """Stationary series of variance 1 of which neighbours correlate by rho."""
    series = standard.copy()
    for at in range(1, series.shape[1]):
        series[:, at] = rho * series[:, at - 1] + np.sqrt(1 - rho**2) * standard[:, at]
    return series


def _around_levels(series: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Around the three levels that fit best: the spread in standard errors, and the correlation of neighbours."""
    size = w.size
    total = np.concatenate([[0.0], np.cumsum(w)])
    sums = np.concatenate([np.zeros((len(series), 1)), np.cumsum(series * w, axis=1)], axis=1)
    best = np.full(len(series), -np.inf)
    first = np.zeros(len(series), dtype=int)
    second = np.zeros(len(series), dtype=int)
    for at in range(1, size - 1):
        later = np.arange(at + 1, size)
        explained = (
            sums[:, [at]] ** 2 / total[at]
            + (sums[:, later] - sums[:, [at]]) ** 2 / (total[later] - total[at])
            + (sums[:, [size]] - sums[:, later]) ** 2 / (total[size] - total[later])
        )
        choice = explained.argmax(axis=1)
        value = explained[np.arange(len(series)), choice]
        better = value > best
        best = np.where(better, value, best)
        first = np.where(better, at, first)
        second = np.where(better, later[choice], second)
    place = np.arange(size)
    level = (place >= first[:, None]).astype(int) + (place >= second[:, None])
    left = np.zeros_like(series)
    for which in range(3):
        mine = (level == which) * w
        centre = (series * mine).sum(axis=1) / mine.sum(axis=1)
        left += (level == which) * (series - centre[:, None])
    left *= np.sqrt(w)
    squares = (left**2).sum(axis=1)
    neighbours = (left[:, 1:] * left[:, :-1]).sum(axis=1)
    return np.sqrt(squares / (size - 3)), neighbours / np.maximum(squares, 1e-300)


def _strengths(series: Floats, w: Floats, splits: NDArray[np.intp]) -> Floats:
    """A row a series, a column a split: the difference of the means in its standard errors."""
    before, total = np.cumsum(w)[splits - 1], w.sum()
    sums = np.cumsum(series * w, axis=1)
    first = sums[:, splits - 1]
    difference = (sums[:, [-1]] - first) / (total - before) - first / before
    return np.abs(difference) / np.sqrt(1 / before + 1 / (total - before))


def _shift(
    series: Series, noise: Floats, bounds: tuple[int, int, int], p: float, segments: int
) -> dict[str, object]:
    """A shift; the interval of its difference knows how the level wanders from period to period, as the series without a change do."""
    first, at, last = bounds
    sides = (slice(first, at), slice(at, last))
    n = [float(series.n[side].sum()) for side in sides]
    means = [
        float((series.mean[side] * series.n[side]).sum() / size)
        for side, size in zip(sides, n, strict=True)
    ]
    errors = [
        float(((series.error[side] * series.n[side]) ** 2).sum()) / size**2
        for side, size in zip(sides, n, strict=True)
    ]
    before, after = (
        noise[:, side] @ series.n[side] / size for side, size in zip(sides, n, strict=True)
    )
    half = Z95 * max(float(np.sqrt(sum(errors))), float((after - before).std()))
    difference = means[1] - means[0]
    until, since = series.customers(first, last)
    return {
        "period": series.starts[at],
        "n_before": int(n[0]),
        "n_after": int(n[1]),
        "customers_before": int(until[at - first - 1]),
        "customers_after": int(since[at - first]),
        "mean_before": means[0],
        "mean_after": means[1],
        "difference": difference,
        "difference_low": difference - half,
        "difference_high": difference + half,
        "p_value": p,
        "p_adjusted": min(p * segments, 1.0),
    }
