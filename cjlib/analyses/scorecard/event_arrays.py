"""Events by customer and time, who did them in which period, and looking numbers up among rising ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.scorecard.series import Bools, Ints
from cjlib.shared.event_arrays import opens

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Rows:
    """Events by customer and time: customer, instant, and period (−1 before the first one kept)."""

    customer: NDArray[np.int32]
    time: Ints
    period: NDArray[np.int16]

    def where(self, some: Bools | Ints) -> Rows:
        """Some of them, by a mask or by their positions."""
        return Rows(self.customer[some], self.time[some], self.period[some])

    @cached_property
    def firsts(self) -> Rows:
        """Each customer's first."""
        return self.where(opens(self.customer, self.time, None))

    @cached_property
    def pauses(self) -> Ints:
        """How long until the customer's next; from the last one on for ever."""
        pauses = np.append(self.time[1:], NEVER)
        pauses[:-1] -= self.time[:-1]
        pauses[:-1][self.customer[1:] != self.customer[:-1]] = NEVER
        return pauses


@dataclass(frozen=True)
class Pairs:
    """Who did it in which period, once each, by customer and period: `count` how often, `first` and `last` when."""

    customer: Ints
    period: Ints
    count: Ints
    first: Ints
    last: Ints

    def within(self) -> Pairs:
        """Those of the periods kept."""
        mine = self.period >= 0
        return (
            self
            if mine.all()
            else Pairs(
                *(
                    column[mine]
                    for column in (self.customer, self.period, self.count, self.first, self.last)
                )
            )
        )

    def key(self, periods: int) -> Ints:
        """One number a pair, rising."""
        return self.customer * periods + self.period


def among(wanted: Ints, keys: Ints) -> Bools:
    """Whether each number stands among rising ones."""
    if not keys.size:
        return np.zeros(wanted.size, dtype=bool)
    return keys[_places(wanted, keys)] == wanted


def found_at(wanted: Ints, keys: Ints) -> Ints:
    """Where those numbers that stand among rising ones stand there."""
    return _places(wanted[among(wanted, keys)], keys)


def _places(wanted: Ints, keys: Ints) -> Ints:
    return np.minimum(np.searchsorted(keys, wanted), keys.size - 1)


def by_customer(rows: Rows, size: int) -> Ints:
    """Each customer's first instant, by code; NEVER without one."""
    first = np.full(size, NEVER)
    first[rows.firsts.customer] = rows.firsts.time
    return first
