"""When a level moved: change points of a mean over calendar periods, beyond noise.

References
----------
Vostrikova, L. (1981). Detecting "disorder" in multidimensional random processes. Soviet Mathematics Doklady 24: binary segmentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.shared.stats import Z95

Floats = NDArray[np.float64]
DRAWS = 999
LEVEL = 0.05
COLUMNS = (
    "segment",
    "period",
    "n_before",
    "n_after",
    "mean_before",
    "mean_after",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
)


@dataclass(frozen=True, eq=False)
class Series:
    """Answers summed by period, in order: how many, their sum and their sum of squares."""

    starts: NDArray[np.datetime64]
    n: Floats
    sums: Floats
    squares: Floats

    def cut(self, first: int, last: int) -> Series:
        """The periods from `first` up to, not including, `last`."""
        return Series(
            self.starts[first:last],
            self.n[first:last],
            self.sums[first:last],
            self.squares[first:last],
        )


def level_shifts(rows: pd.DataFrame, *, least: int, seed: int = 0) -> pd.DataFrame:
    """The periods from which the mean of a segment is another one, beyond noise.

    `rows` has `segment`, `period` and `value`, one row an answer. The periods of a segment are split where the means of the two sides differ most, each side with
    at least `least` answers. p is the share of 999 series without any change, of the same numbers of answers a period and the same spread within periods, whose best
    split is as large. Below 5% the split stands and both sides are searched in turn.
    """
    found = [
        {"segment": segment} | shift
        for segment, group in rows.groupby("segment")
        for shift in _search(_series(group), least, seed)
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).sort_values(
        ["segment", "period"], ignore_index=True
    )


def _series(group: pd.DataFrame) -> Series:
    ordered = group.sort_values(["period", "value"])
    by = (
        ordered.assign(square=ordered["value"] ** 2)
        .groupby("period")
        .agg(n=("value", "size"), total=("value", "sum"), square=("square", "sum"))
    )
    return Series(
        by.index.to_numpy(),
        by["n"].to_numpy(dtype=float),
        by["total"].to_numpy(dtype=float),
        by["square"].to_numpy(dtype=float),
    )


def _search(series: Series, least: int, seed: int) -> Iterator[dict[str, object]]:
    fitting = _splits(series.n, least)
    if not fitting.size:
        return
    spread = _spread_within(series)
    strength = _strengths(series.n, series.sums[None, :], fitting, spread)[0]
    best = int(strength.argmax())
    rng = np.random.default_rng(seed)
    flat = rng.normal(size=(DRAWS, series.n.size)) * np.sqrt(series.n) * spread
    p = (
        1 + int((_strengths(series.n, flat, fitting, spread).max(axis=1) >= strength[best]).sum())
    ) / (DRAWS + 1)
    if p >= LEVEL or spread == 0:
        return
    at = int(fitting[best])
    yield _shift(series, at, p)
    yield from _search(series.cut(0, at), least, seed)
    yield from _search(series.cut(at, series.n.size), least, seed)


def _splits(n: Floats, least: int) -> NDArray[np.intp]:
    """Positions before which, and from which on, there are enough answers."""
    before = np.cumsum(n)[:-1]
    return np.flatnonzero((before >= least) & (n.sum() - before >= least)) + 1


def _spread_within(series: Series) -> float:
    """The standard deviation of the answers around the mean of their period."""
    inside = float((series.squares - series.sums**2 / series.n).sum())
    return float(np.sqrt(max(inside, 0.0) / max(series.n.sum() - series.n.size, 1.0)))


def _strengths(n: Floats, sums: Floats, splits: NDArray[np.intp], spread: float) -> Floats:
    """A row a series, a column a split: the difference of means in its standard errors."""
    before, total = np.cumsum(n)[splits - 1], n.sum()
    first = np.cumsum(sums, axis=1)[:, splits - 1]
    difference = (sums.sum(axis=1, keepdims=True) - first) / (total - before) - first / before
    return np.abs(difference) / max(spread, 1e-12) / np.sqrt(1 / before + 1 / (total - before))


def _shift(series: Series, at: int, p: float) -> dict[str, object]:
    sides = (series.cut(0, at), series.cut(at, series.n.size))
    sizes = [float(side.n.sum()) for side in sides]
    means = [float(side.sums.sum()) / size for side, size in zip(sides, sizes, strict=True)]
    half = Z95 * _spread_within(series) * float(np.sqrt(1 / sizes[0] + 1 / sizes[1]))
    difference = means[1] - means[0]
    return {
        "period": series.starts[at],
        "n_before": int(sizes[0]),
        "n_after": int(sizes[1]),
        "mean_before": means[0],
        "mean_after": means[1],
        "difference": difference,
        "difference_low": difference - half,
        "difference_high": difference + half,
        "p_value": p,
    }
