"""How much nearer points lie to their own group than to the next: of several groupings of the same points in one pass over their distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
AT_ONCE = 250
"""Points whose distances to all others are in memory at a time, few enough to stay near the processor."""


def silhouettes(points: Floats, groupings: Sequence[Labels]) -> list[Floats]:
    """The silhouette of each point in each grouping: (b − a) ÷ max(a, b), 0 for a point alone in its group or where there is one group.

    a is the mean distance to the others of its own group, b that to the points of the nearest other group.

    References
    ----------
    Rousseeuw, P. J. (1987). Silhouettes: a graphical aid to the interpretation and validation of cluster analysis. J. Computational and Applied Mathematics 20.
    """
    kinds = [np.unique(labels, return_inverse=True)[1] for labels in groupings]
    sizes = [np.bincount(kind) for kind in kinds]
    inside = np.concatenate([np.eye(size.size)[kind] for kind, size in zip(kinds, sizes, strict=True)], axis=1)
    sums = np.concatenate([_distances(points, start) @ inside for start in range(0, len(points), AT_ONCE)])
    parts = np.split(sums, np.cumsum([size.size for size in sizes])[:-1], axis=1)
    return [_silhouettes(part, kind, size) for part, kind, size in zip(parts, kinds, sizes, strict=True)]


def _distances(points: Floats, start: int) -> Floats:
    """How far some of the points are from every one."""
    some, norms = points[start : start + AT_ONCE], (points**2).sum(axis=1)
    squared = (-2 * some) @ points.T
    squared += norms
    squared += norms[start : start + AT_ONCE, None]
    np.maximum(squared, 0, out=squared)
    squared[np.arange(len(some)), start + np.arange(len(some))] = 0
    return np.sqrt(squared, out=squared)


def _silhouettes(sums: Floats, kind: Labels, size: Labels) -> Floats:
    """From the sum of each point's distances to the points of each group."""
    if size.size < 2:
        return np.zeros(len(sums))
    every = np.arange(len(sums))
    own = sums[every, kind] / np.maximum(size[kind] - 1, 1)
    means = sums / size
    means[every, kind] = np.inf
    other = means.min(axis=1)
    largest = np.maximum(own, other)
    return np.where((size[kind] > 1) & (largest > 0), (other - own) / np.where(largest > 0, largest, 1), 0.0)
