"""Are today's customers those the model learnt from? The population stability index, against what chance alone would show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model.encoding import Columns

Floats = NDArray[np.float64]
BINS = 10
LEAST_LIMIT = 0.1
LARGE = 2.5
SMOOTH = 0.5
COLUMNS = ["feature", "psi", "limit", "level"]


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
        len(matrix), edges, tuple(tuple(one.tolist()) for one in _counts(columns, edges, matrix))
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
    return pd.DataFrame(rows, columns=COLUMNS).astype(
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
        tuple(np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])).tolist())
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
