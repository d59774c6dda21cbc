"""Rows by key: how often each key comes, with how many customers, and the mean and middle of the time each row took.

Rows are added block by block (whole customers, in the log's order), so that what a block needs stays in the processor's cache.
There are two plans, one for few possible keys and one for many; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.sequence import SECOND, Codes, Ints, groups

FEW = 4096
"""Up to so many possible keys a table of customers and keys fits the processor's cache."""
_BYTE = 255
"""Customers whose marks are added as bytes before they could overflow."""
_MARKS = 1 << 22
"""The size of the table of marks."""
_SHIFT = 20
"""A non-negative 32-bit float without its last 20 bits: classes up to an eighth wide that keep the order of the values."""
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

    at_once: int

    def add(self, key: Rows, customer: Rows, microseconds: Ints | None = None) -> None:
        """Count rows, customers ascending, no two of them `at_once` numbers apart; without microseconds they took none."""

    def pairs(self) -> Pairs:
        """What was counted."""
        ...


def tally(possible: int) -> Tally:
    """An empty tally of the keys 0 … `possible` − 1."""
    return _FewKeys(max(1, possible)) if possible <= FEW else _ManyKeys()


def blocks(customer: Codes, at_once: int) -> Iterator[tuple[slice, Rows]]:
    """The rows of so many customers at a time, none of them cut in two, with their customers' numbers: 0, 1, … in the order of the log."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, customer.size), dtype=bool), customer[1:] != customer[:-1]]))
    sizes = np.diff(starts, append=customer.size)
    for low in range(0, starts.size, at_once):
        held = sizes[low : low + at_once]
        yield slice(int(starts[low]), int(starts[low] + held.sum())), np.repeat(np.arange(low, low + held.size), held)


class _FewKeys:
    """Customers by marks in a table, the middle by classes: without sorting the rows."""

    def __init__(self, possible: int) -> None:
        self.possible = possible
        several = max(1, _MARKS // (_BYTE * possible))
        self.at_once = several * _BYTE
        self.marks = np.zeros((several, _BYTE, possible), dtype=np.uint8)
        self.customers, self.sizes, self.whole, self.rest = (np.zeros(possible, np.int64) for _ in range(4))
        self.timed: list[tuple[NDArray[np.int32], Ints]] = []

    def add(self, key: Rows, customer: Rows, microseconds: Ints | None = None) -> None:
        """Count rows; see `Tally`."""
        if not key.size:
            return
        self.marks.reshape(-1)[(customer - customer[0]) * self.possible + key] = 1
        used = self.marks[: int(customer[-1] - customer[0]) // _BYTE + 1]
        self.customers += np.add.reduce(used, axis=1, dtype=np.uint8).sum(axis=0, dtype=np.int64)
        used[:] = 0
        if microseconds is None:
            self.sizes += np.bincount(key, minlength=self.possible)
            return
        # Whole numbers below 2⁵³ are added exactly, so that the order of the rows does not show in the last digit.
        seconds = microseconds // SECOND
        self.whole += np.bincount(key, seconds, self.possible).astype(np.int64)
        seconds *= -SECOND
        seconds += microseconds
        self.rest += np.bincount(key, seconds, self.possible).astype(np.int64)
        classes = microseconds.astype(np.float32).view(np.int32)
        classes >>= _SHIFT
        classes -= _LEAST
        np.maximum(classes, 0, out=classes)
        classes += key.astype(np.int32) * np.int32(_CLASSES)
        self.timed.append((classes, microseconds))

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
        several = 4 * cells * len(self.timed) // max(1, sum(cell.size for cell, _ in self.timed)) + 1
        counted = np.zeros(cells, dtype=np.int64)
        for low in range(0, len(self.timed), several):
            counted += np.bincount(np.concatenate([cell for cell, _ in self.timed[low : low + several]]), minlength=cells)
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
        cell, held = self._rows_of(wanted.reshape(-1))
        found = groups(cell // _CLASSES)
        held = held[found.order] / SECOND
        middles = np.zeros(keys.size)
        for key, start, size in zip(found.keys.tolist(), found.starts.tolist(), found.sizes.tolist(), strict=True):
            at = int(np.searchsorted(keys, key))
            part = np.partition(held[start : start + size], ranks[:, at])
            middles[at] = part[ranks[:, at]].sum() / 2
        return middles

    def _rows_of(self, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Ints]:
        kept = [(cell, held, np.flatnonzero(wanted[cell])) for cell, held in self.timed]
        return (
            np.concatenate([np.zeros(0, np.int32), *(cell[rows] for cell, _, rows in kept)]),
            np.concatenate([np.zeros(0, np.int64), *(held[rows] for _, held, rows in kept)]),
        )


class _ManyKeys:
    """All rows, sorted by key at the end."""

    at_once = 1 << 16

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64)
        self.added: list[tuple[Rows, Rows, Ints]] = [(nothing, nothing, nothing)]

    def add(self, key: Rows, customer: Rows, microseconds: Ints | None = None) -> None:
        """Count rows; see `Tally`."""
        self.added.append((key, customer, np.zeros(key.size, np.int64) if microseconds is None else microseconds))

    def pairs(self) -> Pairs:
        """What was counted."""
        key, customer, microseconds = (np.concatenate(column) for column in zip(*self.added, strict=True))
        found = groups(key)
        if not found.keys.size:
            return Pairs(found.keys, found.sizes, found.sizes, np.zeros(0), np.zeros(0))
        whole, rest = (np.add.reduceat(part[found.order], found.starts) for part in np.divmod(microseconds, SECOND))
        median = found.mean_and_median(microseconds / SECOND)[1]
        return Pairs(found.keys, found.sizes, found.customers(customer), mean_seconds(whole, rest, found.sizes), median)
