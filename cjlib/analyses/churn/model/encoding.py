"""Features as arrays: numbers with their training range, categories as codes of the levels that training knew; and whether today's are like those of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, did_you_mean, listed

Floats = NDArray[np.float64]
MISSING = "(missing)"
OTHER = "(other)"
MOST_LEVELS = 200
"""Boosting takes at most 255 levels; rarer ones are folded into "(other)"."""
FEWEST_OF_A_LEVEL = 5
DAY_SECONDS = 86_400
LARGEST = 1e100
"""Numbers are looked at up to this size, so that their squares are numbers too."""
DRIFT_BINS = 10
LEAST_LIMIT = 0.1
LARGE = 2.5
SMOOTH = 0.5
DRIFT_COLUMNS = ["feature", "psi", "limit", "level"]


@dataclass(frozen=True)
class Columns:
    """What training knew of the features.

    Attributes
    ----------
    numbers
        Numeric features, with `medians`, `lows` and `highs` of training.
    categories
        Text features, with the `levels` of training, "(missing)" and "(other)" among them where they occurred.
    dates, snapshot
        Numbers that were dates, and the day that their days are counted back from (ISO; empty without dates).
    """

    numbers: tuple[str, ...]
    medians: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    categories: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    dates: tuple[str, ...] = ()
    snapshot: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All features: categories first, as the arrays have them."""
        return self.categories + self.numbers

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """A column a feature, categories (as codes, NaN for a level that training did not know) before numbers."""
        self.check(frame)
        columns = [
            self.codes(frame[name], levels)
            for name, levels in zip(self.categories, self.levels, strict=True)
        ]
        columns += [_finite(as_numbers(frame[name], name)) for name in self.numbers]
        return np.column_stack(columns) if columns else np.zeros((len(frame), 0))

    @staticmethod
    def codes(values: pd.Series, levels: tuple[str, ...]) -> Floats:
        """The position of each value among the levels; unknown ones go to "(other)", or are NaN without it."""
        place = {level: float(position) for position, level in enumerate(levels)}
        return np.asarray(as_texts(values).map(place).fillna(place.get(OTHER, np.nan)), dtype=float)

    def check(self, frame: pd.DataFrame) -> None:
        """Every feature must be there."""
        twice = sorted({name for name in self.names if isinstance(frame.get(name), pd.DataFrame)})
        if twice:
            raise CjlibError(
                f"data: {listed(twice)} stands for several columns. Leave all but one out."
            )
        lacking = [name for name in self.names if name not in frame.columns]
        if lacking:
            near = did_you_mean(lacking[0], frame.columns)
            raise CjlibError(
                f"data: the model needs {len(self.names)} features; missing are {listed(lacking)}.{near} "
                "Make the data as for training; from a log with cj.churn_data(…, like=the training data)."
            )

    def outside(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Rows with a number beyond the training range, or a level that training did not have."""
        beyond = np.zeros(len(frame), dtype=bool)
        for name, low, high in zip(self.numbers, self.lows, self.highs, strict=True):
            values = as_numbers(frame[name], name)
            seen = np.clip(values, -LARGEST, LARGEST)
            beyond |= (seen < low) | (seen > high) | np.isinf(values)
        for name, levels in zip(self.categories, self.levels, strict=True):
            if OTHER not in levels:
                beyond |= ~as_texts(frame[name]).isin(levels).to_numpy()
        return beyond


def as_numbers(values: pd.Series, name: str) -> Floats:
    """A numeric column as floats, whatever it is stored as."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_timedelta64_dtype(values):
        return values.dt.total_seconds().to_numpy(dtype=float, na_value=np.nan) / DAY_SECONDS
    read = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    unread = int(np.isnan(read).sum()) - int(values.isna().sum())
    if unread > 0.01 * len(values) + 1:
        raise CjlibError(
            f"data: {name!r} was a number in training; {unread:,} values here are not. Give it as numbers."
        )
    return read


def _finite(values: Floats) -> Floats:
    """Infinite ones missing, larger ones than any use can be the largest."""
    return np.where(np.isinf(values), np.nan, np.clip(values, -LARGEST, LARGEST))


def as_texts(values: pd.Series) -> pd.Series:
    """A text column, with missing as a level of its own."""
    return values.astype("str").where(values.notna(), MISSING)


def learn_columns(
    frame: pd.DataFrame, features: Sequence[str], *, dates: tuple[str, ...] = (), snapshot: str = ""
) -> Columns:
    """The columns of the training rows; a feature without any value, or with one only, is not used."""
    varied = [name for name in features if _varies(frame[name])]
    values = {
        name: _finite(as_numbers(frame[name], name))
        for name in varied
        if pd.api.types.is_numeric_dtype(frame[name])
    }
    numbers = [name for name in values if not np.isnan(values[name]).all()]
    texts = [name for name in varied if not pd.api.types.is_numeric_dtype(frame[name])]
    return Columns(
        numbers=tuple(numbers),
        medians=tuple(float(np.nanmedian(values[name])) for name in numbers),
        lows=tuple(float(np.nanmin(values[name])) for name in numbers),
        highs=tuple(float(np.nanmax(values[name])) for name in numbers),
        categories=tuple(texts),
        levels=tuple(_levels(as_texts(frame[name])) for name in texts),
        dates=tuple(name for name in numbers if name in dates),
        snapshot=snapshot,
    )


def _varies(values: pd.Series) -> bool:
    return len(values.drop_duplicates()) > 1


def _levels(texts: pd.Series) -> tuple[str, ...]:
    counts = texts.value_counts()
    ranked = sorted(counts.index, key=lambda level: (-counts[level], level))
    kept = [level for level in ranked if counts[level] >= FEWEST_OF_A_LEVEL][:MOST_LEVELS]
    return tuple(sorted(kept)) + ((OTHER,) if len(kept) < len(ranked) else ())


def columns_from_plain(kept: Mapping[str, Any]) -> Columns:
    """From JSON."""
    plain = {
        name: tuple(kept[name]) for name in ("numbers", "medians", "lows", "highs", "categories")
    }
    levels = tuple(tuple(one) for one in kept["levels"])
    return Columns(
        **plain,
        levels=levels,
        dates=tuple(kept.get("dates", ())),
        snapshot=str(kept.get("snapshot", "")),
    )


@dataclass(frozen=True)
class Reference:
    """How the features were distributed in training: for numbers the edges of ten bins, and for all counts a bin (the last: missing or unknown)."""

    n: int
    edges: tuple[tuple[float, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def learn_reference(columns: Columns, matrix: Floats) -> Reference:
    """The distribution of the training rows."""
    categories = len(columns.categories)
    edges = tuple(_edges(matrix[:, categories + place]) for place in range(len(columns.numbers)))
    return Reference(
        len(matrix),
        edges,
        tuple(tuple(count.tolist()) for count in _counts(columns, edges, matrix)),
    )


def drifted(columns: Columns, reference: Reference, matrix: Floats) -> pd.DataFrame:
    """`feature`, `psi`, `limit`, `level` ("", "shift", "large"), the largest excess first."""
    rows = []
    for name, then, now in zip(
        columns.names, reference.counts, _counts(columns, reference.edges, matrix), strict=True
    ):
        before = np.asarray(then, dtype=float)
        used = (before + now) > 0
        psi = _psi(before[used], now[used].astype(float))
        limit = max(LEAST_LIMIT, _noise(reference.n, len(matrix), int(used.sum())))
        rows.append(
            (name, psi, limit, "large" if psi > LARGE * limit else "shift" if psi > limit else "")
        )
    rows.sort(key=lambda row: (-row[1] / row[2], row[0]))
    return pd.DataFrame(rows, columns=DRIFT_COLUMNS).astype(
        {"feature": "str", "psi": "float64", "limit": "float64", "level": "str"}
    )


def no_drift() -> pd.DataFrame:
    """The table without a row."""
    return pd.DataFrame({"feature": [], "psi": [], "limit": [], "level": []}).astype(
        {"feature": "str", "psi": "float64", "limit": "float64", "level": "str"}
    )


def _edges(values: Floats) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    return (
        tuple(np.unique(np.quantile(known, np.linspace(0, 1, DRIFT_BINS + 1)[1:-1])).tolist())
        if known.size
        else ()
    )


def _counts(
    columns: Columns, edges: tuple[tuple[float, ...], ...], matrix: Floats
) -> list[NDArray[np.int64]]:
    counts = []
    for place, levels in enumerate(columns.levels):
        counts.append(_of_cells(matrix[:, place], matrix[:, place], len(levels)))
    for place, cuts in enumerate(edges):
        values = matrix[:, len(columns.categories) + place]
        counts.append(
            _of_cells(values, np.searchsorted(np.asarray(cuts), values, side="left"), len(cuts) + 1)
        )
    return counts


def _of_cells(values: Floats, cells: NDArray[Any], size: int) -> NDArray[np.int64]:
    gap = np.isnan(values)
    return np.bincount(
        np.where(gap, size, np.where(gap, 0, cells)).astype(np.int64), minlength=size + 1
    )


def _psi(before: Floats, now: Floats) -> float:
    p = (before + SMOOTH) / (before + SMOOTH).sum()
    q = (now + SMOOTH) / (now + SMOOTH).sum()
    return float(((p - q) * np.log(p / q)).sum())


@cache
def _noise(n: int, m: int, bins: int) -> float:
    """The 95th percentile of the index between two samples of these sizes from one population."""
    if bins < 2 or min(n, m) == 0:
        return 0.0
    rng = np.random.default_rng(0)
    even = np.full(bins, 1 / bins)
    return float(
        np.percentile(
            [
                _psi(rng.multinomial(n, even).astype(float), rng.multinomial(m, even).astype(float))
                for _ in range(400)
            ],
            95,
        )
    )


def reference_from_plain(kept: Mapping[str, Any]) -> Reference:
    """From JSON."""
    return Reference(
        int(kept["n"]),
        tuple(tuple(cuts) for cuts in kept["edges"]),
        tuple(tuple(one) for one in kept["counts"]),
    )
