"""Rows by key: how often each key comes, with how many customers, and the mean and middle of the time each row took.

Rows are added block by block (each of whole customers), so that what a block needs stays in the processor's cache.
There are two plans, one for few possible keys and one for many; a test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cjlib.shared.event_arrays import SECOND, Codes, Ints, groups

_BITS = 12
FEW = 1 << _BITS
"""Up to so many possible keys a customer and a key fit into one whole number of 32 bits, for all customers of a block."""
_EXACT = 1 << 53
"""Whole numbers up to here are added exactly as floats, so that the order of the rows does not show in the last digit."""
_PACKED = 63 - _BITS
"""Microseconds below 2 to this power and a key fit into one whole number of 64 bits."""
_SHIFT = 21
"""A non-negative 32-bit float without its last 21 bits: classes up to a quarter wide that keep the order of the values."""
_LEAST = (127 << 23 >> _SHIFT) - 1
"""One below the class of the value 1, so that zero is a class of its own: the first."""
_CLASSES = (191 << 23 >> _SHIFT) - _LEAST
"""Classes up to the largest whole number of 64 bits."""

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Keys, ascending: how many rows each has, of how many customers, and the mean and (interpolated) median of their seconds."""

    keys: Ints
    sizes: Ints
    customers: Ints
    mean: Floats
    median: Floats


def mean_seconds(whole: Ints, rest: Ints, sizes: Ints) -> Floats:
    """The mean of so many lengths whose whole seconds and further microseconds were added apart: together they overflow."""
    carried, left = np.divmod(rest, SECOND)
    return (whole + carried + left / SECOND) / sizes


class Tally(Protocol):
    """What counts rows by key."""

    def add(self, key: Rows, customer: Codes, microseconds: Ints | None = None) -> None:
        """Count rows of whole customers, in ascending order; without microseconds they took none."""

    def pairs(self) -> Pairs:
        """What was counted."""
        ...


def tally(possible: int | None) -> Tally:
    """An empty tally of the keys 0 … `possible` − 1; None: who knows how many."""
    return _FewKeys(max(1, possible)) if possible is not None and possible <= FEW else _ManyKeys()


class _FewKeys:
    """Customers by one sort of each block, the middle by classes: without sorting all rows."""

    def __init__(self, possible: int) -> None:
        self.possible = possible
        self.customers, self.sizes, self.whole, self.rest = (
            np.zeros(possible, np.int64) for _ in range(4)
        )
        self.timed: list[tuple[NDArray[np.int32], Ints | NDArray[np.uint32]]] = []

    def add(self, key: Rows, customer: Codes, microseconds: Ints | None = None) -> None:
        """Count rows; see `Tally`."""
        if not key.size:
            return
        self.customers += self._met(key, customer)
        if microseconds is None:
            self.sizes += np.bincount(key, minlength=self.possible)
            return
        largest = int(microseconds.max())
        if largest * microseconds.size < _EXACT:
            self.rest += np.bincount(key, microseconds, self.possible).astype(np.int64)
        else:
            seconds, rest = np.divmod(microseconds, SECOND)
            self.whole += np.bincount(key, seconds, self.possible).astype(np.int64)
            self.rest += np.bincount(key, rest, self.possible).astype(np.int64)
        classes = microseconds.astype(np.float32).view(np.int32)
        classes >>= _SHIFT
        classes -= _LEAST
        np.maximum(classes, 0, out=classes)
        classes += key.astype(np.int32) * np.int32(_CLASSES)
        self.timed.append(
            (classes, microseconds.astype(np.uint32) if largest < 1 << 32 else microseconds)
        )

    def _met(self, key: Rows, customer: Codes) -> Ints:
        """How many of these customers have each key."""
        pair = (customer - customer[0]).astype(
            np.int32 if int(customer[-1]) - int(customer[0]) < 1 << 31 - _BITS else np.int64
        )
        pair <<= _BITS
        pair |= key.astype(pair.dtype)
        pair.sort()
        return np.bincount(
            pair[np.append(True, pair[1:] != pair[:-1])] & (FEW - 1), minlength=self.possible
        )

    def pairs(self) -> Pairs:
        """What was counted."""
        counted = self._counted()
        timed = counted.sum(axis=1)
        sizes = self.sizes + timed
        keys = np.flatnonzero(sizes)
        mean, median = np.zeros(self.possible), np.zeros(self.possible)
        some = np.flatnonzero(timed)
        mean[some] = mean_seconds(self.whole[some], self.rest[some], timed[some])
        median[some] = self._medians(counted[some], timed[some], some)
        return Pairs(keys, sizes[keys], self.customers[keys], mean[keys], median[keys])

    def _counted(self) -> Ints:
        """How many rows each key has in each class; some blocks at a time, so that neither they nor the table are copied too often."""
        cells = self.possible * _CLASSES
        several = (
            4 * cells * len(self.timed) // max(1, sum(cell.size for cell, _ in self.timed)) + 1
        )
        counted = np.zeros(cells, dtype=np.int64)
        for low in range(0, len(self.timed), several):
            counted += np.bincount(
                np.concatenate([cell for cell, _ in self.timed[low : low + several]]),
                minlength=cells,
            )
        return counted.reshape(self.possible, _CLASSES)

    def _medians(self, counted: Ints, sizes: Ints, keys: Rows) -> Floats:
        # Of each key keep only the rows of the classes that hold the middle, and look for it there. The first class holds zeros only.
        below = np.cumsum(counted, axis=1)
        ranks = np.stack([(sizes - 1) // 2, sizes // 2])
        first, last = ((below > rank[:, None]).argmax(axis=1) for rank in ranks)
        ranks -= np.where(first > 0, below[np.arange(keys.size), first - 1], 0)
        wanted = np.zeros((self.possible, _CLASSES), dtype=bool)
        across = np.arange(_CLASSES)
        wanted[keys] = (across >= first[:, None]) & (across <= last[:, None]) & (last > 0)[:, None]
        held = self._sorted(wanted.reshape(-1))
        begin = np.cumsum(np.where(wanted[keys], counted, 0).sum(axis=1))
        begin = np.append(0, begin[:-1])
        middles = np.zeros(keys.size)
        timed = np.flatnonzero(last > 0)
        lower, upper = (held[begin[timed] + rank[timed]] / SECOND for rank in ranks)
        middles[timed] = (lower + upper) / 2
        return middles

    def _sorted(self, wanted: NDArray[np.bool_]) -> Ints:
        """The microseconds of the rows in these cells, by key, then length."""
        kept = [(cell, held, np.flatnonzero(wanted[cell])) for cell, held in self.timed]
        key = np.concatenate(
            [np.zeros(0, np.int64), *(cell[rows] // _CLASSES for cell, _, rows in kept)]
        )
        held = np.concatenate(
            [np.zeros(0, np.int64), *(held[rows] for _, held, rows in kept)]
        ).astype(np.int64, copy=False)
        if held.max(initial=0) >> _PACKED:
            return held[np.lexsort((held, key))]
        key <<= _PACKED
        key |= held
        key.sort()
        return key & ((1 << _PACKED) - 1)


class _ManyKeys:
    """All rows, sorted by key at the end."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64)
        self.added: list[tuple[Rows, Codes, Ints]] = [(nothing, nothing, nothing)]

    def add(self, key: Rows, customer: Codes, microseconds: Ints | None = None) -> None:
        """Count rows; see `Tally`."""
        self.added.append(
            (key, customer, np.zeros(key.size, np.int64) if microseconds is None else microseconds)
        )

    def pairs(self) -> Pairs:
        """What was counted."""
        key, customer, microseconds = (
            np.concatenate(column) for column in zip(*self.added, strict=True)
        )
        found = groups(key)
        if not found.keys.size:
            return Pairs(found.keys, found.sizes, found.sizes, np.zeros(0), np.zeros(0))
        whole, rest = (
            np.add.reduceat(part[found.order], found.starts)
            for part in np.divmod(microseconds, SECOND)
        )
        median = found.mean_and_median(microseconds / SECOND)[1]
        return Pairs(
            found.keys,
            found.sizes,
            found.customers(customer),
            mean_seconds(whole, rest, found.sizes),
            median,
        )
