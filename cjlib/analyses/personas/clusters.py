"""Groups of points: found, compared with a cloud that has none, and found again in other samples. Nothing here knows of customers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr

from cjlib.errors import CjlibError, shown

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Found = tuple[Floats, Labels]
"""Centres, and which of them each point belongs to."""
CLIP = 3.0
CHOICES = range(2, 7)
STARTS, BOOTSTRAPS, CLOUDS = 20, 50, 10
LOOKED_AT, LARGEST_FIT, LARGEST_DRAW = 1_500, 20_000, 5_000
LEAST_PEAK, LEAST_SIDE, VALLEY, VALLEY_CHANCE = 30, 0.15, 0.5, 1e-4
PREFERRED, NEARLY = 3, 0.02
"""So many groups are taken if their silhouette is that near to the best."""


def standardised(values: Floats) -> Floats:
    """Each column with mean 0 and standard deviation 1, clipped to ±3."""
    spread = values.std(axis=0)
    return np.clip((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1), -CLIP, CLIP)


def fit(points: Floats, k: int, seed: int, starts: int = STARTS) -> Found:
    """Centres and labels by k-means, the largest group first."""
    from sklearn.cluster import KMeans

    part = (
        points
        if len(points) <= LARGEST_FIT
        else points[np.random.default_rng(seed).permutation(len(points))[:LARGEST_FIT]]
    )
    means = KMeans(k, random_state=seed).set_params(n_init=starts)
    centres = means.fit(part).cluster_centers_
    labels = nearest(points, centres)
    order = np.lexsort((centres[:, 0], -np.bincount(labels, minlength=k)))
    return centres[order], np.argsort(order)[labels].astype(np.int64)


def nearest(points: Floats, centres: Floats) -> Labels:
    """The centre next to each point."""
    return (
        ((centres**2).sum(axis=1)[:, None] - (2 * centres) @ points.T)
        .argmin(axis=0)
        .astype(np.int64)
    )


def two_peaks(count: Labels, of: Labels, seed: int) -> bool:
    """Whether a share has two peaks with a valley between them, among those who have some of it.

    Two-means splits the shares; the middle between the two centres must hold less than half of what lies around the lower peak, more than by chance
    (a density with one peak is nowhere between two places lower than at both). Shares of few events are spread over the step that they stand
    for, so that small numbers make no peaks. The smaller side must hold 15% of all.

    References
    ----------
    Müller, D. W. & Sawitzki, G. (1991). Excess mass estimates and tests for multimodality. JASA 86: the idea of testing a valley.
    """
    shares = (count + np.random.default_rng(seed).random(count.size)) / (of + 1)
    some = shares[count > 0]
    if some.size < 2 * LEAST_PEAK:
        return False
    low, high = _two_means(some)
    near = 0.15 * (high - low)
    middle, *peaks = (
        int(np.count_nonzero(np.abs(some - place) <= near))
        for place in ((low + high) / 2, low, high)
    )
    lower = min(peaks)
    above = float(np.mean(shares > (low + high) / 2))
    chance = float(bdtr(middle, middle + lower, 0.5))
    return (
        min(above, 1 - above) >= LEAST_SIDE and middle < VALLEY * lower and chance < VALLEY_CHANCE
    )


def _two_means(values: Floats) -> tuple[float, float]:
    """The centres of the two halves of one column."""
    cut = float(values.mean())
    low = high = values
    for _ in range(100):
        low, high = values[values <= cut], values[values > cut]
        if not low.size or not high.size:
            return cut, cut
        middle = float(low.mean() + high.mean()) / 2
        if middle == cut:
            break
        cut = middle
    return float(low.mean()), float(high.mean())


def checked_k(k: object, n: int) -> int:
    """How many groups were asked for."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 2 <= k <= n // 5:
        raise CjlibError(
            f"k: must be a whole number from 2 to {n // 5} for {n:,} customers, or None to let the silhouette choose. Got {shown(k)}."
        )
    return int(k)


def choose(points: Floats, seed: int) -> tuple[Found, float]:
    """The groups, in the number with the highest silhouette, and that silhouette; three if they are nearly as good."""
    every = {choice: fit(points, choice, seed) for choice in CHOICES}
    apart = Apart.of(points, seed)
    quality = {choice: apart.silhouette(labels) for choice, (_, labels) in every.items()}
    best = max(quality, key=lambda choice: (quality[choice], -choice))
    chosen = PREFERRED if quality[PREFERRED] >= quality[best] - NEARLY else best
    return every[chosen], quality[chosen]


@dataclass(frozen=True, eq=False)
class Apart:
    """At most 1,500 of the points and how far they are from one another; the distances serve every number of groups."""

    looked_at: NDArray[np.int64]
    distances: Floats

    @staticmethod
    def of(points: Floats, seed: int) -> Apart:
        """Those drawn by the seed."""
        from sklearn.metrics import pairwise_distances

        looked_at = np.random.default_rng(seed).permutation(len(points))[:LOOKED_AT]
        distances = pairwise_distances(points[looked_at])
        np.fill_diagonal(distances, 0.0)
        return Apart(looked_at, distances)

    def silhouette(self, labels: Labels) -> float:
        """How much nearer points lie to their own group than to the next; 0 where all fall into one group."""
        from sklearn.metrics import silhouette_score

        mine = labels[self.looked_at]
        return (
            float(silhouette_score(self.distances, mine, metric="precomputed"))
            if np.unique(mine).size > 1
            else 0.0
        )


def reference(points: Floats, choices: Iterable[int], seed: int) -> float:
    """The best silhouette of clouds without groups: the same margins and rank correlations, joined by a Gaussian copula."""
    rng = np.random.default_rng(seed)
    part = points[rng.permutation(len(points))[:LOOKED_AT]]
    margins, root = np.sort(part, axis=0), _root(part)
    best = 0.0
    for cloud in range(CLOUDS):
        normal = rng.standard_normal(part.shape) @ root.T
        places = np.clip(
            (ndtr(normal / np.maximum(normal.std(axis=0), 1e-9)) * len(part)).astype(int),
            0,
            len(part) - 1,
        )
        drawn = np.take_along_axis(margins, places, axis=0)
        apart = Apart.of(drawn, seed + cloud)
        best = max(
            best,
            *(
                apart.silhouette(fit(drawn, choice, seed + cloud, starts=4)[1])
                for choice in choices
            ),
        )
    return best


def _root(part: Floats) -> Floats:
    """A square root of the normal correlations that give these rank correlations."""
    ranks = pd.DataFrame(part).rank(method="average").to_numpy()
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # a column that is the same for everybody here
        correlations = np.nan_to_num(np.corrcoef(ranks, rowvar=False))
    normal = 2 * np.sin(np.pi / 6 * correlations)
    values, vectors = np.linalg.eigh((normal + normal.T) / 2)
    return vectors * np.sqrt(np.clip(values, 0, None))


def stability(points: Floats, k: int, labels: Labels, seed: int) -> float:
    """Mean adjusted Rand index between the labels and those of groups found in bootstraps of the points."""
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    size = min(len(points), LARGEST_DRAW)
    agreements = []
    for draw in range(BOOTSTRAPS):
        again, _ = fit(points[rng.integers(0, len(points), size)], k, draw, starts=3)
        agreements.append(adjusted_rand_score(labels, nearest(points, again)))
    return float(np.mean(agreements))


def silhouettes(points: Floats, labels: Labels, seed: int) -> Floats:
    """The silhouette of each of 3,000 points; NaN for the others."""
    from sklearn.metrics import silhouette_samples

    looked_at = np.random.default_rng(seed).permutation(len(points))[: 2 * LOOKED_AT]
    found = np.full(len(points), np.nan)
    if np.unique(labels[looked_at]).size > 1:
        found[looked_at] = silhouette_samples(points[looked_at], labels[looked_at])
    return found
