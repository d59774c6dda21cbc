"""Few keys, many rows: how often each key comes, with how many customers, and the middle of its values, without sorting the rows.

The same answers as `sequence.groups`, which serves when there are many keys; a test holds both together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.sequence import Codes, Groups, Ints, groups

FEW = 4096
"""Up to so many possible keys a table of keys fits the processor's cache."""
_FEW_CELLS = 4_000_000
"""Up to so many pairs of a key and a whole value, the values themselves are counted."""
_AT_ONCE = 255
"""Customers whose marks are added as bytes before they could overflow."""
_SHIFT = 18
"""A non-negative 32-bit float without its last 18 bits: classes about 3 % wide that keep the order of the values."""


@dataclass(frozen=True)
class PairCounts:
    """Rows by key, keys ascending; see `sequence.Groups` for what its methods give."""

    key: Codes
    keys: Ints
    sizes: Ints
    possible: int

    def customers(self, customer: Codes) -> Ints:
        """How many customers each key has: marks in a small table, some customers at a time; rows of one customer stand together."""
        if not self.key.size:
            return np.zeros(0, dtype=np.int64)
        changes = np.flatnonzero(customer[1:] != customer[:-1]) + 1
        edges = np.concatenate([[0], changes[_AT_ONCE - 1 :: _AT_ONCE], [customer.size]])
        total = np.zeros(self.possible, dtype=np.int64)
        marks = np.zeros((_AT_ONCE, self.possible), dtype=np.uint8)
        flat = marks.reshape(-1)
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            place = np.zeros(high - low, dtype=np.int64)
            np.cumsum(customer[low + 1 : high] != customer[low : high - 1], out=place[1:])
            flat[place * self.possible + self.key[low:high]] = 1
            total += np.add.reduce(marks, axis=0, dtype=np.uint8)
            marks[:] = 0
        return total[self.keys]

    def mean_and_median(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and (interpolated) median of each key's values, which are not negative."""
        if not self.key.size:
            return np.zeros(0), np.zeros(0)
        whole = values.astype(np.int64)
        width = int(whole.max()) + 1
        if self.possible * width <= _FEW_CELLS and np.array_equal(whole, values):
            return self._of_counts(whole, width)
        means = np.bincount(self.key, values, self.possible)[self.keys] / self.sizes
        return means, self._medians(values)

    def _of_counts(self, whole: Ints, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and median from how often each whole value stands in each key."""
        whole += self.key * width
        counts = np.bincount(whole, minlength=self.possible * width).reshape(self.possible, width)[self.keys]
        below = np.cumsum(counts, axis=1)
        lower, upper = ((below > rank[:, None]).argmax(axis=1) for rank in ((self.sizes - 1) // 2, self.sizes // 2))
        return (counts @ np.arange(width)) / self.sizes, (lower + upper) / 2

    def _medians(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Count the values in classes, keep only the rows of the classes that hold the middle, and look for it there.
        classes = values.astype(np.float32).view(np.uint32)
        classes >>= _SHIFT
        width = int(classes.max()) + 1
        cell = self.key * width
        cell += classes
        counted = np.bincount(cell, minlength=self.possible * width)
        below = np.cumsum(counted.reshape(self.possible, width)[self.keys], axis=1)
        lower, upper = (self.sizes - 1) // 2, self.sizes // 2
        first, last = ((below > rank[:, None]).argmax(axis=1) for rank in (lower, upper))
        before = np.where(first > 0, np.take_along_axis(below, np.maximum(first - 1, 0)[:, None], axis=1)[:, 0], 0)
        # A row is kept if its class lies between the two that hold the middle: one look-up by cell.
        wanted = np.zeros((self.possible, width), dtype=bool)
        across = np.arange(width)
        wanted[self.keys] = (across >= first[:, None]) & (across <= last[:, None])
        kept = np.flatnonzero(wanted.reshape(-1)[cell])
        found = groups(self.key[kept])
        held = values[kept][found.order]
        middles = np.empty(self.keys.size)
        for at, (start, size) in enumerate(zip(found.starts.tolist(), found.sizes.tolist(), strict=True)):
            ranks = [int(lower[at] - before[at]), int(upper[at] - before[at])]
            part = np.partition(held[start : start + size], ranks)
            middles[at] = (part[ranks[0]] + part[ranks[1]]) / 2
        return middles


def counted(key: Codes, possible: int) -> Groups | PairCounts:
    """Rows by key (0 … `possible` − 1), by the plan that fits how many keys there can be."""
    if possible > FEW:
        return groups(key)
    whole = key.astype(np.intp, copy=False)
    counts = np.bincount(whole, minlength=possible)
    keys = np.flatnonzero(counts)
    return PairCounts(whole, keys, counts[keys], possible)
