"""Gradient boosted trees as plain arrays: grown by scikit-learn, read by these few lines, so that a kept model needs no unpickling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
CHUNK = 16_384
"""Rows read at once: small enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one after the other; `roots` is where each tree begins.

    A node sends a row to `left` or `right`: by `feature` ≤ `threshold`, or by `subset` (codes of the levels that go left); a missing value, or a level
    that training did not have, goes left if `missing_left`. A leaf has `left` = −1 and adds `value` to the log-odds.
    """

    start: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats
    subsets: dict[int, tuple[frozenset[int], frozenset[int]]]
    """Node → (codes that go left, codes known in training)."""

    def probability(self, matrix: Floats) -> Floats:
        """P(churn) before calibration."""
        return expit(self.log_odds(matrix))

    def log_odds(self, matrix: Floats) -> Floats:
        """The sum of the trees, in their order."""
        total = np.full(len(matrix), self.start)
        for begin in range(0, len(matrix), CHUNK):
            rows = np.ascontiguousarray(matrix[begin : begin + CHUNK].T)
            for root in self.roots.tolist():
                total[begin : begin + CHUNK] += self._read(root, rows)
        return total

    def _read(self, node: int, rows: Floats) -> Floats | float:
        if self.left[node] < 0:
            return float(self.value[node])
        values = rows[self.feature[node]]
        if node in self.subsets:
            goes_left = self._in_subset(node, values)
        else:
            goes_left = values <= self.threshold[node]
            if self.missing_left[node]:
                goes_left |= np.isnan(values)
        return np.where(
            goes_left,
            self._read(int(self.left[node]), rows),
            self._read(int(self.right[node]), rows),
        )

    def _in_subset(self, node: int, values: Floats) -> NDArray[np.bool_]:
        left, known = self.subsets[node]
        gap = np.isnan(values)
        most = max(known, default=0) + 1
        goes = np.full(most + 1, bool(self.missing_left[node]))
        for code in known:
            goes[code] = code in left
        codes = np.where(gap | (values > most), most, values).astype(np.int64)
        return goes[codes]


@dataclass(frozen=True)
class Bag:
    """Several boosted models; their probabilities are averaged."""

    models: tuple[Trees, ...]

    def probability(self, matrix: Floats) -> Floats:
        """P(churn) before calibration."""
        total = np.zeros(len(matrix))
        for model in self.models:
            total += model.probability(matrix)
        return total / len(self.models)


def grow(
    matrix: Floats,
    churned: Floats,
    *,
    categories: int,
    seed: int,
    held_out: NDArray[np.bool_] | None = None,
    settings: dict[str, Any],
) -> Trees:
    """Grow trees; the first `categories` columns are codes of levels. Rows `held_out` decide when to stop."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    as_levels = [place < categories for place in range(matrix.shape[1])]
    options = {
        **settings,
        "random_state": seed,
        "categorical_features": as_levels if categories else None,
    }
    model = HistGradientBoostingClassifier(**options)
    if held_out is None:
        model.fit(matrix, churned)
    else:
        model.fit(
            matrix[~held_out], churned[~held_out], X_val=matrix[held_out], y_val=churned[held_out]
        )
    return _plain(model, categories)


def _plain(model: Any, categories: int) -> Trees:
    """The nodes of scikit-learn's predictors; levels, which it renumbers, under our codes again."""
    predictors = [stage[0] for stage in model._predictors]
    sizes = [len(one.nodes) for one in predictors]
    roots = (
        np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        if sizes
        else np.zeros(0, dtype=np.int64)
    )
    nodes = np.concatenate([one.nodes for one in predictors]) if sizes else np.zeros(0, dtype=_NODE)
    shift = np.repeat(roots, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    seen = _seen_codes(model, categories)
    subsets = {}
    for root, one in zip(roots.tolist(), predictors, strict=True):
        for place in np.flatnonzero(
            one.nodes["is_categorical"] & ~one.nodes["is_leaf"].astype(bool)
        ).tolist():
            codes = seen[int(one.nodes["feature_idx"][place])]
            bits = one.raw_left_cat_bitsets[one.nodes["bitset_idx"][place]]
            left = frozenset(
                code
                for position, code in enumerate(codes)
                if bits[position // 32] >> np.uint32(position % 32) & 1
            )
            subsets[root + place] = (left, frozenset(codes))
    return Trees(
        start=float(model._baseline_prediction[0, 0]),
        roots=roots,
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(float),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(leaf, -1, nodes["left"].astype(np.int64) + shift),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64) + shift),
        value=nodes["value"].astype(float),
        subsets=subsets,
    )


_NODE = [
    ("value", "f8"),
    ("feature_idx", "i8"),
    ("num_threshold", "f8"),
    ("missing_go_to_left", "u1"),
    ("left", "u4"),
    ("right", "u4"),
    ("is_leaf", "u1"),
]


def _seen_codes(model: Any, categories: int) -> list[list[int]]:
    """Our codes that occurred in training, per category, in the order scikit-learn numbered them."""
    if not categories:
        return []
    return [
        [int(code) for code in levels if not np.isnan(code)]
        for levels in model._preprocessor.named_transformers_["encoder"].categories_
    ]
