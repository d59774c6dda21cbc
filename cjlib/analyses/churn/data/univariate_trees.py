"""Small trees of one number each, grown many at once: every step splits a node of each tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
LEAVES = 16
LEAF_ROWS = 20


def leaves(numbers: Floats, size: Floats, hits: Floats, begins: Whole) -> tuple[Whole, Floats]:
    """Trees of at most 16 leaves of at least 20 rows, the most telling split first: where each leaf begins, and its share of churners.

    The numbers of all trees stand one after the other, those of a tree rising and missing last, from `begins` on; `size` rows of a number were learnt from, `hits` of them
    churned. A number that was not learnt goes with the nearer one that was; what lies below a missing one goes to the numbers.
    """
    learnt = np.flatnonzero(size)
    rows, lost = (np.append(0, np.cumsum(counted[learnt])) for counted in (size, hits))
    first = np.searchsorted(learnt, begins)
    cuts = _cuts(rows, lost, _telling(size[learnt], hits[learnt]), np.append(first, learnt.size))
    starts, edges = (
        np.append(first, cuts),
        np.append(begins, _edges(numbers, learnt[cuts - 1], learnt[cuts])),
    )
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    ends = np.append(starts[1:], learnt.size)
    return edges[order], (lost[ends] - lost[starts]) / (rows[ends] - rows[starts])


def _edges(numbers: Floats, below: Whole, above: Whole) -> Whole:
    """Where the right side of each cut begins, between two numbers that were learnt."""
    middle = numbers[below] + (numbers[above] - numbers[below]) / 2
    length = above - below - 1
    which = np.repeat(np.arange(length.size), length)
    between = np.arange(which.size) + np.repeat(below + 1 - (np.cumsum(length) - length), length)
    return (
        below + 1 + np.bincount(which[~(numbers[between] > middle[which])], minlength=length.size)
    )


def _telling(size: Floats, hits: Floats) -> Whole:
    """Where a best split may lie: not between two numbers that only churners have, or only stayers, since it gains on one side or the other (Fayyad and Irani 1992)."""
    lost, kept = hits == size, hits == 0
    return np.flatnonzero(~((lost[1:] & lost[:-1]) | (kept[1:] & kept[:-1]))) + 1


def _cuts(rows: Floats, lost: Floats, telling: Whole, ends: Whole) -> Whole:
    """Where to split, by cumulated rows and churners: in each tree the split that lowers Gini's impurity most comes first, of equal ones the lowest."""
    trees = ends.size - 1
    gain, nodes = np.full((trees, LEAVES), -np.inf), np.zeros((trees, LEAVES, 3), dtype=np.int64)
    gain[:, 0], nodes[:, 0] = _best(rows, lost, telling, ends[:-1], ends[1:])
    cuts: list[Whole] = []
    for free in range(1, LEAVES):
        most = gain.max(axis=1, keepdims=True)
        grows = np.flatnonzero(most > -np.inf)
        at = np.where(gain == most, nodes[:, :, 1], rows.size).argmin(axis=1)[grows]
        start, cut, end = nodes[grows, at].T
        cuts.append(cut)
        if free + 1 < LEAVES:
            sides = np.append(grows, grows), np.append(at, np.full(grows.size, free))
            gain[sides], nodes[sides] = _best(
                rows, lost, telling, np.append(start, cut), np.append(cut, end)
            )
    return np.sort(np.concatenate(cuts))


def _best(
    rows: Floats, lost: Floats, telling: Whole, start: Whole, end: Whole
) -> tuple[Floats, Whole]:
    """What the best split of each node gains, minus infinity where none may be made; and the nodes' starts, splits, ends."""
    n, h = rows[end] - rows[start], lost[end] - lost[start]
    first, last = (
        np.searchsorted(rows, rows[start] + LEAF_ROWS),
        np.searchsorted(rows, rows[end] - LEAF_ROWS, side="right") - 1,
    )
    gain, nodes = np.full(start.size, -np.inf), np.stack([start, start, end], axis=1)
    opens = np.flatnonzero((first <= last) & (h > 0) & (h < n))
    if opens.size:
        n, h, start = n[opens], h[opens], start[opens]
        which, begins, place = _candidates(telling, first[opens], last[opens])
        left, hit = rows[place] - rows[start][which], lost[place] - lost[start][which]
        gained = hit * hit / left + (h[which] - hit) ** 2 / (n[which] - left)
        most = np.maximum.reduceat(gained, begins)
        reached = np.flatnonzero(gained == most[which])
        nodes[opens, 1] = place[reached[np.searchsorted(reached, begins)]]
        gain[opens] = most - h * h / n
    return gain, nodes


def _candidates(telling: Whole, first: Whole, last: Whole) -> tuple[Whole, Whole, Whole]:
    """The splits to look at, from the first to the last possible of each node: the node of each, where a node's begin, and the splits."""
    low, high = np.searchsorted(telling, first), np.searchsorted(telling, last, side="right")
    length = high - low + 2
    ends = np.cumsum(length)
    begins = ends - length
    which = np.repeat(np.arange(length.size), length)
    place = np.append(telling, 0)[np.arange(which.size) + (low - 1 - begins)[which]]
    place[begins], place[ends - 1] = first, last
    return which, begins, place
