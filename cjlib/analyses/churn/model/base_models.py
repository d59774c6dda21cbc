"""The base models: an additive spline model, whose log-odds split exactly into reasons, and boosted trees as plain arrays, whose reading needs no unpickling."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, ndtri

from cjlib.analyses.churn.model.encoding import Columns

Floats = NDArray[np.float64]
KNOTS = 6
DEGREE = 3
CURVES = KNOTS + DEGREE - 2
"""Weights of a curve: one fewer than its B-splines, since the intercept holds their sum."""
WIDE = 150
"""Numbers beyond which a curve has no knots but its ends: six knots each would make a model with almost as many weights as rows, expensive and overfit."""
QUANTILES = 200
TAIL = 0.005
MOST_STEPS = 60
LEAST_PART = 1e-9
FLAT, NEARLY_FLAT = 1e-6, 1e-4
"""The mean gradient at which the descent ends; nearly flat is enough to rank what features add."""
STALE = 0.5
"""While each step leaves no more of the gradient than this, the curvature is taken as it was: it decides the way, not the end."""
FEW = 32
"""Up to so many columns all is reckoned in double precision; with more, what grows with the rows in single, at half the cost: the rounding of the gradient stays a thousand times below what ends the descent."""
CHUNK = 16_384
"""Rows read at once: small enough to stay in the processor's cache."""
_NODE = [
    ("value", "f8"),
    ("feature_idx", "i8"),
    ("num_threshold", "f8"),
    ("missing_go_to_left", "u1"),
    ("left", "u4"),
    ("right", "u4"),
    ("is_leaf", "u1"),
]


@dataclass(frozen=True)
class Scale:
    """What a number goes through before its curve: nothing, or (on logs, where counts have long tails) its normal quantile.

    `grid` holds the training quantiles, empty for nothing; `low` and `high` are the ends of the curve, constant beyond.
    """

    grid: tuple[float, ...]
    low: float
    high: float

    def of(self, values: Floats) -> Floats:
        """The numbers as the curve sees them."""
        if not self.grid:
            return np.clip(values, self.low, self.high)
        grid, rank = np.asarray(self.grid), np.linspace(0, 1, len(self.grid))
        # A value that fills several quantiles gets the middle of them.
        middle = (np.interp(values, grid, rank) + 1 - np.interp(-values, -grid[::-1], rank)) / 2
        return np.clip(ndtri(np.clip(middle, TAIL, 1 - TAIL)), self.low, self.high)

    def basis(
        self, seen: Floats, knots: int = KNOTS
    ) -> tuple[NDArray[np.int64], tuple[Floats, ...]]:
        """The stretch between two of the even knots in which each number, as `of` gives it, lies, and the four cubic B-splines that are not 0 there."""
        place = (seen - self.low) / ((self.high - self.low) / (knots - 1))
        cell = np.clip(place.astype(np.int64), 0, knots - 2)
        x = place - cell
        rest, square, cube = 1 - x, x * x, x * x * x
        return cell, (
            rest * rest * rest / 6,
            (3 * cube - 6 * square + 4) / 6,
            (-3 * cube + 3 * square + 3 * x + 1) / 6,
            cube / 6,
        )


def learn_scale(values: Floats, normal: bool) -> tuple[Scale, Floats]:
    """The scale of a number's training values, missing ones filled; and these values as its curve sees them."""
    if not normal:
        return Scale((), float(values.min()), float(values.max())), values
    grid = tuple(np.quantile(values, np.linspace(0, 1, QUANTILES + 1)).tolist())
    seen = Scale(grid, -np.inf, np.inf).of(values)
    return Scale(grid, float(seen.min()), float(seen.max())), seen


@dataclass(frozen=True)
class Additive:
    """A fitted model.

    `curves` has a row of seven B-spline weights a number; `missing` what a missing one adds; `steps` a weight a level of each category.
    """

    columns: Columns
    scales: tuple[Scale, ...]
    curves: Floats
    missing: Floats
    steps: tuple[tuple[float, ...], ...]
    intercept: float

    def contributions(self, matrix: Floats) -> Floats:
        """Log-odds that each feature adds, a column a feature in the order of `columns.names`."""
        added = np.empty(matrix.shape)
        categories = len(self.columns.categories)
        for place, steps in enumerate(self.steps):
            codes = matrix[:, place]
            known = ~np.isnan(codes)
            added[:, place] = np.where(
                known, np.asarray(steps)[np.where(known, codes, 0).astype(np.int64)], 0.0
            )
        for place, scale in enumerate(self.scales):
            values = matrix[:, categories + place]
            gap = np.isnan(values)
            filled = np.where(gap, self.columns.medians[place], values)
            added[:, categories + place] = self._curve(place, scale, filled) + np.where(
                gap, self.missing[place], 0.0
            )
        return added

    def _curve(self, place: int, scale: Scale, values: Floats) -> Floats:
        if scale.high <= scale.low:
            return np.zeros(values.size)
        cell, parts = scale.basis(scale.of(values))
        weights = np.append(self.curves[place], 0.0)
        return (
            parts[0] * weights[cell]
            + parts[1] * weights[cell + 1]
            + parts[2] * weights[cell + 2]
            + parts[3] * weights[cell + 3]
        )

    def log_odds(self, matrix: Floats) -> Floats:
        """The sum."""
        return self.intercept + self.contributions(matrix).sum(axis=1)

    def probability(self, matrix: Floats) -> Floats:
        """P(churn) before calibration."""
        return expit(self.log_odds(matrix))


def fit_additive(
    columns: Columns,
    matrix: Floats,
    churned: Floats,
    *,
    normal: bool,
    penalty: float,
    most_rows: int,
) -> Additive:
    """Logistic regression on cubic B-splines with six knots (of more than `WIDE` numbers with two), levels, and missing flags, with an L2 penalty.

    More rows than `most_rows` are thinned evenly: the curves do not get better.
    """
    used = _thinned(len(matrix), most_rows)
    learnt = [learn_scale(values, normal) for values in _filled(columns, matrix[used]).T]
    scales = tuple(scale for scale, _ in learnt)
    design, kept = _design(columns, scales, matrix[used], [seen for _, seen in learnt])
    weights = np.zeros(kept.size)
    weights[kept] = fit_with_intercept(design, churned[used], penalty)
    return _from_weights(columns, scales, weights)


def drawn_contributions(
    model: Additive,
    matrix: Floats,
    churned: Floats,
    penalty: float,
    draws: Sequence[Floats],
    rows: NDArray[np.int64],
) -> Iterator[Floats]:
    """What each feature adds for some rows, against the mean over all, when the model is learnt anew from rows that count as often as each draw says."""
    seen = [
        scale.of(values)
        for scale, values in zip(model.scales, _filled(model.columns, matrix).T, strict=True)
    ]
    design, kept = _design(model.columns, model.scales, matrix, seen)
    start = _weights(model)[kept]
    above, feature = (
        design[rows, :-1] - design[:, :-1].mean(axis=0),
        _features(model.columns)[kept[:-1]],
    )
    order = np.argsort(feature, kind="stable")
    begins = np.flatnonzero(np.diff(feature[order], prepend=-1))
    p = expit(design @ start)
    factor = curvature(design, p * (1 - p), penalty)
    for weight in draws:
        drawn = np.flatnonzero(weight)
        fitted = fit_with_intercept(
            design[drawn],
            churned[drawn],
            penalty,
            weight=weight[drawn],
            start=start,
            flat=NEARLY_FLAT,
            factor=factor,
        )
        added = np.zeros((rows.size, len(model.columns.names)))
        added[:, feature[order][begins]] = np.add.reduceat(
            (above * fitted[:-1])[:, order], begins, axis=1
        )
        yield added


def _knots(columns: Columns) -> int:
    """How many knots each number's curve is learnt with."""
    return KNOTS if len(columns.numbers) <= WIDE else 2


def _features(columns: Columns) -> NDArray[np.int64]:
    """The feature, by its place in `columns.names`, of each column of the design."""
    levels = np.repeat(np.arange(len(columns.levels)), [len(level) for level in columns.levels])
    numbers = np.arange(len(columns.numbers)) + len(columns.levels)
    return np.concatenate([levels, np.repeat(numbers, _knots(columns) + 1), numbers]).astype(
        np.int64
    )


def _thinned(rows: int, most: int) -> NDArray[np.int64]:
    """Rows to use: all, or an even choice (rows are in a scattered order)."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


def _filled(columns: Columns, matrix: Floats) -> Floats:
    """The numbers, a missing one as the median."""
    numbers = matrix[:, len(columns.categories) :]
    return np.where(np.isnan(numbers), np.asarray(columns.medians), numbers)


def _design(
    columns: Columns, scales: Sequence[Scale], matrix: Floats, seen: Sequence[Floats]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A column a level, then a curve's columns a number, then a column a number for whether it is missing, then the intercept's; and which of them are there.

    The curve of a number that is everywhere the same, and the flag of one that is never missing, are left out: their weight is 0.
    """
    categories, knots = len(columns.categories), _knots(columns)
    varies = np.array([scale.high > scale.low for scale in scales], dtype=bool)
    varied = np.flatnonzero(varies).tolist()
    gaps = np.isnan(matrix[:, categories:])
    gone = gaps.any(axis=0)
    levels = [matrix[:, [place]] == np.arange(len(one)) for place, one in enumerate(columns.levels)]
    kept = np.concatenate(
        [
            np.ones(sum(level.shape[1] for level in levels), dtype=bool),
            np.repeat(varies, knots + 1),
            gone,
            [True],
        ]
    )
    kind = precision(int(kept.sum()) - 1)
    curves = np.zeros((len(matrix), len(varied), knots + 2), dtype=kind)
    flat, begins = curves.reshape(-1), np.arange(len(matrix)) * (len(varied) * (knots + 2))
    for block, place in enumerate(varied):
        cell, parts = scales[place].basis(seen[place], knots)
        first = begins + (block * (knots + 2) + cell)
        for position, part in enumerate(parts):
            flat[first + position] = part
    curved = curves[:, :, :-1].reshape(len(matrix), len(varied) * (knots + 1))
    return np.concatenate(
        [*levels, curved, gaps[:, gone], np.ones((len(matrix), 1))], axis=1, dtype=kind
    ), kept


def _from_weights(columns: Columns, scales: tuple[Scale, ...], weights: Floats) -> Additive:
    ends = np.cumsum([0, *(len(levels) for levels in columns.levels)], dtype=int).tolist()
    steps = tuple(tuple(weights[start:end].tolist()) for start, end in itertools.pairwise(ends))
    knots, numbers = _knots(columns), len(columns.numbers)
    learnt, missing = np.split(weights[ends[-1] : -1], [numbers * (knots + 1)])
    curves, intercept = learnt.reshape(numbers, knots + 1), float(weights[-1])
    if knots != KNOTS:
        finer = curves @ _finer().T
        curves, intercept = finer[:, :-1] - finer[:, -1:], intercept + float(finer[:, -1].sum())
    return Additive(columns, scales, curves, missing, steps, intercept)


def _weights(model: Additive) -> Floats:
    curves, intercept = model.curves, model.intercept
    if _knots(model.columns) != KNOTS:
        finer = _finer()
        curves = curves @ np.linalg.pinv(finer[:-1] - finer[-1]).T
        intercept -= float((curves @ finer[-1]).sum())
    return np.concatenate(
        [*(np.asarray(step) for step in model.steps), curves.ravel(), model.missing, [intercept]]
    )


def _finer() -> Floats:
    """The B-splines with two knots, but for the last, as sums of those with six: a row a finer one, by the products of its knots (Marsden's identity)."""
    stretches = KNOTS - 1
    knots = np.arange(KNOTS + DEGREE - 1)[:, None] / stretches - np.arange(DEGREE) / stretches
    one, two, three = knots.T
    powers = np.stack(
        [
            np.ones(len(knots)),
            (one + two + three) / 3,
            (one * two + two * three + three * one) / 3,
            one * two * three,
        ],
        axis=1,
    )
    return powers @ np.array([[1, 4, 1], [-3, 0, 3], [3, -6, 3], [-1, 3, -3]]) / 6


def precision(columns: int) -> Any:
    """The kind of number a matrix of so many columns is best made of."""
    return np.float64 if columns <= FEW else np.float32


def fit_ridge(
    matrix: NDArray[Any],
    churned: Floats,
    penalty: float,
    *,
    weight: Floats | None = None,
    start: Floats | None = None,
    flat: float = FLAT,
) -> Floats:
    """Weights of the columns, and (last) of the intercept, which has no penalty; rows count `weight` times each."""
    design = np.column_stack([matrix, np.ones(len(matrix))]).astype(
        precision(matrix.shape[1]), copy=False
    )
    return fit_with_intercept(design, churned, penalty, weight=weight, start=start, flat=flat)


def fit_with_intercept(
    design: NDArray[Any],
    churned: Floats,
    penalty: float,
    *,
    weight: Floats | None = None,
    start: Floats | None = None,
    flat: float = FLAT,
    factor: Any = None,
) -> Floats:
    """As `fit_ridge`, of a matrix whose last column is 1; `factor` is a curvature to begin with, from `curvature`."""
    n, k = len(design), design.shape[1] - 1
    counted = np.ones(n) if weight is None else weight
    ridge = np.append(np.full(k, penalty), 0.0)
    share = float(np.average(churned, weights=counted))
    beta = np.append(np.zeros(k), np.log(share / (1 - share))) if start is None else start
    odds, before_step = _product(design, beta), np.inf
    for _ in range(MOST_STEPS):
        p = expit(odds)
        gradient = _product(design.T, counted * (p - churned)) + ridge * beta
        steepest = float(np.abs(gradient).max())
        if steepest <= flat * n:
            break
        if factor is None or steepest > STALE * before_step:
            factor = curvature(design, counted * p * (1 - p), penalty)
        before_step = steepest
        step = cho_solve(factor, gradient, check_finite=False)
        moved = _product(design, step)
        part, before = 1.0, _loss(odds, beta, churned, counted, ridge)
        # Halved until it does not lead uphill.
        while part > LEAST_PART and _loss(
            odds - part * moved, beta - part * step, churned, counted, ridge
        ) > before * (1 + 1e-12):
            part /= 2
        beta, odds = beta - part * step, odds - part * moved
    return beta


def _product(design: NDArray[Any], values: Floats) -> Floats:
    return (design @ values.astype(design.dtype, copy=False)).astype(float, copy=False)


def curvature(design: NDArray[Any], weight: Floats, penalty: float) -> Any:
    """The second derivative of the loss where rows weigh so much, factored."""
    scaled = design * np.sqrt(weight).astype(design.dtype)[:, None]
    square = (scaled.T @ scaled).astype(float)
    square[np.diag_indices_from(square)] += np.append(np.full(len(square) - 1, penalty), 0.0) + 1e-9
    return cho_factor(square, overwrite_a=True, check_finite=False)


def _loss(odds: Floats, beta: Floats, churned: Floats, counted: Floats, ridge: Floats) -> float:
    return float(counted @ (np.logaddexp(0, odds) - churned * odds) + (ridge * beta) @ beta / 2)


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
    sizes = [len(predictor.nodes) for predictor in predictors]
    roots = (
        np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        if sizes
        else np.zeros(0, dtype=np.int64)
    )
    nodes = (
        np.concatenate([predictor.nodes for predictor in predictors])
        if sizes
        else np.zeros(0, dtype=_NODE)
    )
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


def _seen_codes(model: Any, categories: int) -> list[list[int]]:
    """Our codes that occurred in training, per category, in the order scikit-learn numbered them."""
    if not categories:
        return []
    return [
        [int(code) for code in levels if not np.isnan(code)]
        for levels in model._preprocessor.named_transformers_["encoder"].categories_
    ]
