"""How good churn probabilities are: ranking, calibration, profit; each with its noise.

Scores are probabilities of churn, outcomes 1 for churned. Weighted versions serve the bootstrap: a draw is a count for each customer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]
DRAWS = 500
BINS = 10
TOP = 0.1


def auc(score: Floats, churned: Floats, weight: Floats | None = None) -> float:
    """Chance that a churner scores above a stayer, ties counting half; NaN with one class only."""
    return float(_auc_of_draws(score, churned, np.ones((1, score.size)) if weight is None else weight[None, :])[0])


def _auc_of_draws(score: Floats, churned: Floats, weights: Floats) -> Floats:
    _, level = np.unique(score, return_inverse=True)
    levels = int(level.max(initial=-1)) + 1
    lost = np.stack([np.bincount(level, weights=row * churned, minlength=levels) for row in weights])
    kept = np.stack([np.bincount(level, weights=row * (1 - churned), minlength=levels) for row in weights])
    below = np.cumsum(kept, axis=1) - kept / 2
    pairs = lost.sum(axis=1) * kept.sum(axis=1)
    return np.divide((lost * below).sum(axis=1), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


def pr_auc(score: Floats, churned: Floats) -> float:
    """Average precision."""
    order = np.argsort(-score, kind="stable")
    ranked = churned[order]
    ends = np.append(np.diff(score[order]) != 0, True)  # equal scores are one threshold
    hits, seen = np.cumsum(ranked)[ends], np.arange(1, score.size + 1)[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / seen).sum() / ranked.sum()) if ranked.sum() else float("nan")


def brier(score: Floats, churned: Floats) -> float:
    """Mean squared error of the probabilities."""
    return float(((score - churned) ** 2).mean())


def log_loss(score: Floats, churned: Floats) -> float:
    """Mean negative log-likelihood, probabilities clipped to 1e-9."""
    p = np.clip(score, 1e-9, 1 - 1e-9)
    return float(-(churned * np.log(p) + (1 - churned) * np.log(1 - p)).mean())


def lift(score: Floats, churned: Floats, top: float = TOP, weight: Floats | None = None) -> float:
    """Share of churners among the `top` with the highest scores ÷ share among all; a group of equal scores at the edge is taken in part."""
    w = np.ones(score.size) if weight is None else weight
    total, lost = w.sum(), (w * churned).sum()
    if lost == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    _, group = np.unique(-score[order], return_inverse=True)
    size, hits = np.bincount(group, weights=w[order]), np.bincount(group, weights=(w * churned)[order])
    room = np.clip(top * total - (np.cumsum(size) - size), 0, size)
    taken = np.divide(room, size, out=np.zeros_like(size), where=size > 0)
    return float((taken * hits).sum() / (top * total) / (lost / total))


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


def empc(score: Floats, churned: Floats, *, value: float = 200, offer: float = 10, contact: float = 1, alpha: float = 6, beta: float = 14) -> float:
    """Expected maximum profit per customer of a retention campaign whose success share is Beta(alpha, beta).

    References
    ----------
    Verbraken, T., Verbeke, W. & Baesens, B. (2013). A novel profit maximizing metric for measuring classification performance of customer churn prediction models. IEEE TKDE 25.
    """
    lost, kept = churned.mean(), 1 - churned.mean()
    hits, alarms = _hull(score, churned)
    delta, phi = offer / value, contact / value
    with np.errstate(divide="ignore"):
        edges = (kept * (delta + phi) * np.diff(alarms) / (lost * np.diff(hits)) + phi) / (1 - delta)
    bounds = np.clip(np.concatenate([[0.0], edges, [1.0]]), 0, 1)
    mass = np.diff(betainc(alpha, beta, bounds))
    first_moment = alpha / (alpha + beta) * np.diff(betainc(alpha + 1, beta, bounds))
    profit = value * ((1 - delta) * first_moment - phi * mass) * lost * hits - value * (delta + phi) * mass * kept * alarms
    return float(profit.sum())


def _hull(score: Floats, churned: Floats) -> tuple[Floats, Floats]:
    """The upper convex hull of (share of stayers, share of churners) contacted, from (0, 0) to (1, 1)."""
    levels, level = np.unique(-score, return_inverse=True)
    hits = np.append(0, np.cumsum(np.bincount(level, weights=churned, minlength=levels.size)) / churned.sum())
    alarms = np.append(0, np.cumsum(np.bincount(level, weights=1 - churned, minlength=levels.size)) / (1 - churned).sum())
    kept: list[int] = []
    for point in range(hits.size):
        while len(kept) > 1 and _turns_left(alarms, hits, kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return hits[kept], alarms[kept]


def _turns_left(x: Floats, y: Floats, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0)


def bootstrap_weights(customers: NDArray[np.int64], seed: int, draws: int = DRAWS) -> Floats:
    """A row a draw: how often each row is in it, customers (not rows) drawn with replacement."""
    rng = np.random.default_rng(seed)
    _, code = np.unique(customers, return_inverse=True)
    n = int(code.max()) + 1
    return np.stack([np.bincount(rng.integers(0, n, n), minlength=n)[code] for _ in range(draws)]).astype(float)


def auc_interval(score: Floats, churned: Floats, weights: Floats) -> tuple[float, float]:
    """2.5 and 97.5 % of the AUC over bootstrap draws."""
    low, high = np.nanpercentile(_auc_of_draws(score, churned, weights), [2.5, 97.5])
    return float(low), float(high)


def auc_difference_interval(score: Floats, other: Floats, churned: Floats, weights: Floats) -> tuple[float, float]:
    """2.5 and 97.5 % of the difference of two AUCs over the same draws."""
    low, high = np.nanpercentile(_auc_of_draws(score, churned, weights) - _auc_of_draws(other, churned, weights), [2.5, 97.5])
    return float(low), float(high)


def lift_interval(score: Floats, churned: Floats, weights: Floats) -> tuple[float, float]:
    """2.5 and 97.5 % of the lift at 10 % over bootstrap draws."""
    low, high = np.nanpercentile([lift(score, churned, weight=row) for row in weights], [2.5, 97.5])
    return float(low), float(high)
