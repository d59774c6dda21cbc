"""How good churn probabilities are: ranking, calibration, profit; each with its noise.

ChurnScores are probabilities of churn, outcomes 1 for churned. Weighted versions serve the bootstrap: a draw is a count for each customer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]
DRAWS = 500
BINS = 10
TOP = 0.1
LARGEST_DRAW = 20_000
CHUNK = 50
"""Draws looked at together: as many as fit in little memory."""


def auc(score: Floats, churned: Floats, weight: Floats | None = None) -> float:
    """Chance that a churner scores above a stayer, ties counting half; NaN with one class only."""
    return float(
        _auc_of_draws(
            score, churned, np.ones((1, score.size)) if weight is None else weight[None, :]
        )[0]
    )


def _by_level(score: Floats, churned: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Churners and stayers at each level of the score, from the lowest up; a row a draw."""
    order = np.argsort(score, kind="stable")
    return _levels(score[order], churned[order], weights[:, order])


def _levels(ranked: Floats, churned: Floats, every: Floats) -> tuple[Floats, Floats]:
    """As `_by_level`, of scores that rise already."""
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    lost = every * churned
    if starts.size < ranked.size:
        every, lost = np.add.reduceat(every, starts, axis=1), np.add.reduceat(lost, starts, axis=1)
    return lost, every - lost


def _auc_of_draws(score: Floats, churned: Floats, weights: Floats) -> Floats:
    if score.size == 0:
        return np.full(len(weights), np.nan)
    return _auc_of_levels(*_by_level(score, churned, weights))


def _auc_of_levels(lost: Floats, kept: Floats) -> Floats:
    below = np.cumsum(kept, axis=1) - kept / 2
    pairs = lost.sum(axis=1) * kept.sum(axis=1)
    return np.divide(
        (lost * below).sum(axis=1), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0
    )


def pr_auc(score: Floats, churned: Floats) -> float:
    """Average precision; NaN where nobody churned."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(churned, score)) if churned.any() else float("nan")


def brier(score: Floats, churned: Floats) -> float:
    """Mean squared error of the probabilities."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(churned, score, pos_label=1))


def log_loss(score: Floats, churned: Floats) -> float:
    """Mean negative log-likelihood, probabilities clipped to 1e-9."""
    from sklearn.metrics import log_loss as mean_negative_log_likelihood

    clipped = np.clip(score, 1e-9, 1 - 1e-9)
    return float(mean_negative_log_likelihood(churned, clipped, labels=[0, 1]))


def lift(score: Floats, churned: Floats, top: float = TOP, weight: Floats | None = None) -> float:
    """Share of churners among the `top` with the highest scores ÷ share among all; a group of equal scores at the edge is taken in part."""
    return float(
        _lift_of_draws(
            score, churned, np.ones((1, score.size)) if weight is None else weight[None, :], top
        )[0]
    )


def _lift_of_draws(score: Floats, churned: Floats, weights: Floats, top: float) -> Floats:
    if score.size == 0:
        return np.full(len(weights), np.nan)
    return _lift_of_levels(*_by_level(score, churned, weights), top)


def _lift_of_levels(lost_by_level: Floats, kept_by_level: Floats, top: float) -> Floats:
    hits, kept = lost_by_level[:, ::-1], kept_by_level[:, ::-1]
    size = hits + kept
    total, lost = size.sum(axis=1, keepdims=True), hits.sum(axis=1, keepdims=True)
    room = np.clip(top * total - (np.cumsum(size, axis=1) - size), 0, size)
    taken = np.divide(room, size, out=np.zeros_like(size), where=size > 0)
    caught, expected = (taken * hits).sum(axis=1), (top * lost)[:, 0]
    return np.divide(caught, expected, out=np.full(expected.shape, np.nan), where=expected > 0)


def calibration_bins(score: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """The equal-mass bin of each score, 0 to bins − 1; equal scores share a bin."""
    edges = np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, score, side="right")


def ece(score: Floats, churned: Floats) -> float:
    """Expected calibration error over ten equal-mass bins."""
    return float(_ece_of_draws(score, churned[None, :])[0])


def ece_floor(score: Floats, seed: int) -> float:
    """The mean error that perfect probabilities of this size would show: outcomes drawn from the scores themselves."""
    rng = np.random.default_rng(seed)
    return float(_ece_of_draws(score, (rng.random((200, score.size)) < score).astype(float)).mean())


def _ece_of_draws(score: Floats, outcomes: Floats) -> Floats:
    cell = calibration_bins(score)
    predicted = np.bincount(cell, weights=score, minlength=BINS)
    observed = np.stack([np.bincount(cell, weights=row, minlength=BINS) for row in outcomes])
    return np.abs(observed - predicted).sum(axis=1) / score.size


def empc(
    score: Floats,
    churned: Floats,
    *,
    value: float = 200,
    offer: float = 10,
    contact: float = 1,
    alpha: float = 6,
    beta: float = 14,
) -> float:
    """Expected maximum profit per customer of a retention campaign whose success share is Beta(alpha, beta).

    References
    ----------
    Verbraken, T., Verbeke, W. & Baesens, B. (2013). A novel profit maximizing metric for measuring classification performance of customer churn prediction models. IEEE TKDE 25.
    """
    lost, kept = churned.mean(), 1 - churned.mean()
    hits, alarms = _hull(score, churned)
    delta, phi = offer / value, contact / value
    with np.errstate(divide="ignore"):
        edges = (kept * (delta + phi) * np.diff(alarms) / (lost * np.diff(hits)) + phi) / (
            1 - delta
        )
    bounds = np.clip(np.concatenate([[0.0], edges, [1.0]]), 0, 1)
    mass = np.diff(betainc(alpha, beta, bounds))
    first_moment = alpha / (alpha + beta) * np.diff(betainc(alpha + 1, beta, bounds))
    profit = (
        value * ((1 - delta) * first_moment - phi * mass) * lost * hits
        - value * (delta + phi) * mass * kept * alarms
    )
    return float(profit.sum())


def _hull(score: Floats, churned: Floats) -> tuple[Floats, Floats]:
    """The upper convex hull of (share of stayers, share of churners) contacted, from (0, 0) to (1, 1)."""
    levels, level = np.unique(-score, return_inverse=True)
    hits = np.append(
        0, np.cumsum(np.bincount(level, weights=churned, minlength=levels.size)) / churned.sum()
    )
    alarms = np.append(
        0,
        np.cumsum(np.bincount(level, weights=1 - churned, minlength=levels.size))
        / (1 - churned).sum(),
    )
    kept: list[int] = []
    for point in range(hits.size):
        while len(kept) > 1 and _turns_left(alarms, hits, kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return hits[kept], alarms[kept]


def _turns_left(x: Floats, y: Floats, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0)


@dataclass(frozen=True)
class Draws:
    """A bootstrap over customers, not rows: how often each customer is in each draw, of those in `drawn`.

    With more than 20,000 customers an even choice of them is drawn from, and the deviations are scaled to the size of all.
    """

    drawn: NDArray[np.int64]
    weights: NDArray[np.uint8]
    shrink: float

    def intervals(
        self, customers: NDArray[np.int64], of: Callable[[NDArray[np.int64], Floats], Floats]
    ) -> Floats:
        """A value a draw (the last axis) of each figure that `of(rows, weights)` gives, as its deviation from that figure without weights, scaled."""
        place = np.searchsorted(self.drawn, customers)
        inside = (place < self.drawn.size) & (
            self.drawn[np.minimum(place, self.drawn.size - 1)] == customers
        )
        rows = np.flatnonzero(inside)
        whole = of(rows, np.ones((1, rows.size)))
        parts = [
            of(rows, self.weights[start : start + CHUNK, place[rows]].astype(float))
            for start in range(0, len(self.weights), CHUNK)
        ]
        return (np.concatenate(parts, axis=-1) - whole) * self.shrink


def draw_customers(customers: int, seed: int, draws: int = DRAWS) -> Draws:
    """Draws of customers 0 … `customers` − 1, with replacement."""
    rng = np.random.default_rng(seed)
    m = min(customers, LARGEST_DRAW)
    drawn = (
        np.arange(customers) if m == customers else np.sort(rng.choice(customers, m, replace=False))
    )
    weights = np.stack(
        [
            np.minimum(np.bincount(rng.integers(0, m, m), minlength=m), 255).astype(np.uint8)
            for _ in range(draws)
        ]
    )
    return Draws(drawn, weights, float(np.sqrt(m / max(customers, 1))))


def auc_deviations(
    score: Floats, churned: Floats, customers: NDArray[np.int64], draws: Draws
) -> Floats:
    """How far the AUC of each draw lies from the AUC."""
    return deviations(score, churned, customers, draws)[0]


def deviations(
    score: Floats, churned: Floats, customers: NDArray[np.int64], draws: Draws
) -> tuple[Floats, Floats]:
    """How far the AUC, and the lift at 10%, of each draw lie from those of all."""
    order = np.argsort(score, kind="stable")
    ranked, outcome = score[order], churned[order]

    def figures(rows: NDArray[np.int64], weights: Floats) -> Floats:
        if rows.size == 0:
            return np.full((2, len(weights)), np.nan)
        lost, kept = _levels(ranked[rows], outcome[rows], weights)
        return np.stack([_auc_of_levels(lost, kept), _lift_of_levels(lost, kept, TOP)])

    auc_off, lift_off = draws.intervals(customers[order], figures)
    return auc_off, lift_off


def bounds(
    value: float, deviations: Floats, least: float = -np.inf, most: float = np.inf
) -> tuple[float, float]:
    """95% bounds of a figure from the deviations of its draws; NaN where no draw has one."""
    known = deviations[~np.isnan(deviations)]
    if known.size == 0 or np.isnan(value):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(max(value + low, least)), float(min(value + high, most))
