"""k-means: Lloyd's steps from many starts at once, for several numbers of groups.

From the same starts scikit-learn comes to the same centres; it takes one start after the other, and all points into account at each step. Here the
distances to the centres of all starts are one product of matrices, and a step moves the sums only by the points that change their group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEPS, TOLERANCE = 300, 1e-4
"""As in scikit-learn: a start has settled when no point changes its group, or the centres move less than this part of the mean variance, squared."""
AT_ONCE = 400_000
"""Distances in memory at a time, few enough to stay near the processor."""


def best_centres(points: Floats, choices: Sequence[int], seed: int, starts: int) -> list[Floats]:
    """The centres with the smallest sum of squared distances among so many starts, for each number of groups."""
    middle = points.mean(axis=0)
    centred = points - middle
    norms = np.einsum("ij,ij->i", centred, centred)
    drawn = [(place, start) for place, k in enumerate(choices) for start in _starts(centred, norms, k, (seed, starts))]
    found: dict[int, tuple[float, Floats]] = {}
    for part in _parts(drawn, len(points)):
        for (place, _), (spread, centres) in zip(part, settled(centred, norms, [start for _, start in part]), strict=True):
            if place not in found or spread < found[place][0]:
                found[place] = spread, centres + middle
    return [found[place][1] for place in range(len(choices))]


def _parts(drawn: list[tuple[int, Floats]], size: int) -> Iterator[list[tuple[int, Floats]]]:
    """So many starts at a time that their distances have room; one at least."""
    part: list[tuple[int, Floats]] = []
    for one in drawn:
        if part and size * sum(len(start) for _, start in [*part, one]) > AT_ONCE:
            yield part
            part = []
        part.append(one)
    yield part


def _starts(points: Floats, norms: Floats, k: int, draws: tuple[int, int]) -> Iterator[Floats]:
    """Points far from one another, as k-means++ draws them: of a few drawn by their squared distance to those chosen, the one that lowers its sum most.

    The draws are those of scikit-learn.

    References
    ----------
    Arthur, D. & Vassilvitskii, S. (2007). k-means++: the advantages of careful seeding. SODA '07.
    """
    (seed, starts), size, trials = draws, len(points), 2 + int(np.log(k))
    rng, alike = np.random.RandomState(seed), np.full(size, 1 / size)
    for _ in range(starts):
        chosen = [int(rng.choice(size, p=alike))]
        nearest = _squared(points, norms, np.array(chosen))[0]
        for _ in range(1, k):
            drawn = np.searchsorted(np.cumsum(nearest), rng.uniform(size=trials) * nearest.sum())
            candidates = np.minimum(drawn, size - 1)
            left = np.minimum(_squared(points, norms, candidates), nearest)
            best = int(np.argmin(left.sum(axis=1)))
            nearest = left[best]
            chosen.append(int(candidates[best]))
        yield points[chosen]


def _squared(points: Floats, norms: Floats, chosen: NDArray[np.intp]) -> Floats:
    """The squared distances of some of the points to all of them."""
    found = (-2 * points[chosen]) @ points.T
    found += norms[chosen][:, None]
    found += norms
    return np.maximum(found, 0, out=found)


@dataclass
class _Run:
    """One start on its way: its centres, and by the last step the group of each point with sums and sizes of the groups."""

    centres: Floats
    labels: NDArray[np.int32]
    sums: Floats
    sizes: Floats
    close: bool = False
    spread: float = np.inf

    @staticmethod
    def of(start: Floats, size: int) -> _Run:
        """At its start no point has a group."""
        return _Run(start, np.full(size, -1, dtype=np.int32), np.zeros_like(start), np.zeros(len(start)))

    def step(self, points: Floats, total: float, distances: Floats, tolerance: float) -> bool:
        """Put each point into the group of the nearest centre, and each centre into the middle of its group; say whether there is more to do.

        `distances` are squared, without the norms of the points, whose `total` is added; a row a centre; they are written over.
        """
        labels, least = _nearest(distances)
        changed = np.flatnonzero(labels != self.labels)
        self.spread = total + float(least.sum())
        if self.close or not changed.size:
            return False
        groups, moved = np.arange(len(self.centres), dtype=np.int32)[:, None], points[changed]
        change = (labels[changed] == groups).astype(float) - (self.labels[changed] == groups)
        self.sums += change @ moved
        self.sizes += change.sum(axis=1)
        self.labels = labels
        before, self.centres = self.centres, self._middles(points)
        self.close = bool(((self.centres - before) ** 2).sum() <= tolerance)
        return True

    def _middles(self, points: Floats) -> Floats:
        """The middle of each group; an empty one gets a point that is far from its centre, where there is one."""
        if self.sizes.all():
            return self.sums / self.sizes[:, None]
        sums, sizes = self.sums.copy(), self.sizes.copy()
        empty = np.flatnonzero(sizes == 0)
        far = ((points - self.centres[self.labels]) ** 2).sum(axis=1)
        for group, point in zip(empty, np.argsort(-far, kind="stable")[: empty.size], strict=True):
            if far[point] > 0:
                sums[self.labels[point]] -= points[point]
                sizes[self.labels[point]] -= 1
                sums[group], sizes[group] = points[point], 1
        largest = int(sizes.argmax())
        return np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], sums[largest] / sizes[largest])


def settled(points: Floats, norms: Floats, starts: Sequence[Floats]) -> list[tuple[float, Floats]]:
    """Where the centres of each start come to rest among points round 0 with these squared norms, and the sum of the squared distances to them.

    References
    ----------
    Lloyd, S. P. (1982). Least squares quantization in PCM. IEEE Transactions on Information Theory 28.
    """
    runs = [_Run.of(start, len(points)) for start in starts]
    total = float(norms.sum())
    tolerance = TOLERANCE * total / points.size
    live = list(runs)
    for _ in range(STEPS):
        centres = np.concatenate([run.centres for run in live])
        distances = (-2 * centres) @ points.T
        distances += (centres**2).sum(axis=1)[:, None]
        rows = np.split(distances, np.cumsum([len(run.centres) for run in live])[:-1])
        live = [run for run, row in zip(live, rows, strict=True) if run.step(points, total, row, tolerance)]
        if not live:
            break
    return [(run.spread, run.centres) for run in runs]


def _nearest(distances: Floats) -> tuple[NDArray[np.int32], Floats]:
    """The row with the smallest value of each column, the first of equal ones, and that value."""
    labels, least = np.zeros(distances.shape[1], dtype=np.int32), distances[0]
    for row in range(1, len(distances)):
        np.putmask(labels, distances[row] < least, row)
        np.minimum(least, distances[row], out=least)
    return labels, least
