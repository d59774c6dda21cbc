"""Groups of points: found, compared with a cloud that has none, and found again in other samples. Nothing here knows of customers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.personas.kmeans import best_centres
from cjlib.analyses.personas.silhouette import Floats, Labels, silhouettes
from cjlib.errors import CjlibError, shown

Found = tuple[Floats, Labels]
"""Centres, and which of them each point belongs to."""
CLIP = 3.0
CHOICES = range(2, 7)
STARTS, BOOTSTRAPS, CLOUDS = 20, 50, 10
LOOKED_AT, LARGEST_FIT, LARGEST_DRAW = 1_500, 20_000, 5_000
PREFERRED, NEARLY = 3, 0.02
"""So many groups are taken if their silhouette is that near to the best."""


def standardised(values: Floats) -> Floats:
    """Each column with mean 0 and standard deviation 1, clipped to ±3."""
    spread = values.std(axis=0)
    return np.clip((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1), -CLIP, CLIP)


def fit(points: Floats, k: int, seed: int, starts: int = STARTS) -> Found:
    """Centres and labels by k-means, the largest group first."""
    (found,) = fits(points, [k], seed, starts)
    return found


def fits(points: Floats, choices: Sequence[int], seed: int, starts: int = STARTS) -> list[Found]:
    """The same for several numbers of groups."""
    part = points if len(points) <= LARGEST_FIT else points[np.random.default_rng(seed).permutation(len(points))[:LARGEST_FIT]]
    return [_largest_first(points, centres) for centres in best_centres(part, choices, seed, starts)]


def _largest_first(points: Floats, centres: Floats) -> Found:
    labels = nearest(points, centres)
    order = np.lexsort((centres[:, 0], -np.bincount(labels, minlength=len(centres))))
    return centres[order], np.argsort(order)[labels].astype(np.int64)


def nearest(points: Floats, centres: Floats) -> Labels:
    """The centre next to each point."""
    return ((centres**2).sum(axis=1)[:, None] - (2 * centres) @ points.T).argmin(axis=0).astype(np.int64)


def checked_k(k: object, n: int) -> int:
    """How many groups were asked for."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 2 <= k <= n // 5:
        raise CjlibError(f"k: must be a whole number from 2 to {n // 5} for {n:,} customers, or None to let the silhouette choose. Got {shown(k)}.")
    return int(k)


def choose(points: Floats, seed: int) -> tuple[Found, float]:
    """The groups, in the number with the highest silhouette, and that silhouette; three if they are nearly as good."""
    every = dict(zip(CHOICES, fits(points, CHOICES, seed), strict=True))
    quality = dict(zip(every, quality_of(points, [labels for _, labels in every.values()], seed), strict=True))
    best = max(quality, key=lambda choice: (quality[choice], -choice))
    chosen = PREFERRED if quality[PREFERRED] >= quality[best] - NEARLY else best
    return every[chosen], quality[chosen]


def quality_of(points: Floats, groupings: Sequence[Labels], seed: int) -> list[float]:
    """The mean silhouette of each grouping over at most 1,500 points drawn by the seed; 0 where all fall into one group."""
    looked_at = np.random.default_rng(seed).permutation(len(points))[:LOOKED_AT]
    return [float(one.mean()) for one in silhouettes(points[looked_at], [labels[looked_at] for labels in groupings])]


def reference(points: Floats, choices: Sequence[int], seed: int) -> float:
    """The best silhouette of clouds without groups: the same margins and rank correlations, joined by a Gaussian copula."""
    rng = np.random.default_rng(seed)
    part = points[rng.permutation(len(points))[:LOOKED_AT]]
    margins, root = np.sort(part, axis=0), _root(part)
    best = 0.0
    for cloud in range(CLOUDS):
        normal = rng.standard_normal(part.shape) @ root.T
        places = np.clip((ndtr(normal / np.maximum(normal.std(axis=0), 1e-9)) * len(part)).astype(int), 0, len(part) - 1)
        drawn = np.take_along_axis(margins, places, axis=0)
        groupings = [labels for _, labels in fits(drawn, choices, seed + cloud, starts=4)]
        best = max(best, *quality_of(drawn, groupings, seed + cloud))
    return best


def _root(part: Floats) -> Floats:
    """A square root of the normal correlations that give these rank correlations."""
    ranks = pd.DataFrame(part).rank(method="average").to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):  # a column that is the same for everybody here
        correlations = np.nan_to_num(np.corrcoef(ranks, rowvar=False))
    normal = 2 * np.sin(np.pi / 6 * correlations)
    values, vectors = np.linalg.eigh((normal + normal.T) / 2)
    return vectors * np.sqrt(np.clip(values, 0, None))


def stability(points: Floats, k: int, labels: Labels, seed: int) -> float:
    """Mean adjusted Rand index between the labels and those of groups found in bootstraps of the points."""
    rng = np.random.default_rng(seed)
    size = min(len(points), LARGEST_DRAW)
    agreements = []
    for draw in range(BOOTSTRAPS):
        (again,) = best_centres(points[rng.integers(0, len(points), size)], [k], draw, starts=3)
        agreements.append(adjusted_rand(labels, nearest(points, again), k))
    return float(np.mean(agreements))


def adjusted_rand(one: Labels, other: Labels, k: int) -> float:
    """How far two groupings agree on which pairs of points belong together: 1 for the same, 0 on average for groupings by chance."""
    both = np.bincount(one * k + other, minlength=k * k).reshape(k, k)
    n, together = int(both.sum()), int((both**2).sum())
    ones, others = (int((both.sum(axis=axis) ** 2).sum()) for axis in (1, 0))
    # Of the ordered pairs of different points: together in both, and in one of them; as whole numbers, so that nothing is rounded before the end.
    in_both, in_one, in_other, pairs = together - n, ones - n, others - n, n * (n - 1)
    most = (in_one + in_other) * pairs
    return 1.0 if most == 2 * in_one * in_other else (2 * in_both * pairs - 2 * in_one * in_other) / (most - 2 * in_one * in_other)


def silhouettes_of(points: Floats, labels: Labels, seed: int) -> Floats:
    """The silhouette of each of 3,000 points; NaN for the others."""
    looked_at = np.random.default_rng(seed).permutation(len(points))[: 2 * LOOKED_AT]
    found = np.full(len(points), np.nan)
    if np.unique(labels[looked_at]).size > 1:
        (found[looked_at],) = silhouettes(points[looked_at], [labels[looked_at]])
    return found
