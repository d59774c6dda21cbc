"""Visits to stages: neighbouring events of one customer in one stage as one row, so that most of a map is counted from fewer rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.journey_map.stage_mapping import NONE, Bools, Ints


@dataclass(frozen=True)
class Visits:
    """Each visit by customer and time: whose it is, in which stage, and its first and last event among those of the walk."""

    who: NDArray[np.int32]
    stage: NDArray[np.int16]
    begin: Ints
    end: Ints
    customers: int
    stages: int

    @cached_property
    def first(self) -> Ints:
        """Each customer's first visit to each stage: customers × stages, −1 where there is none."""
        return self._edges(last=False)

    @cached_property
    def last(self) -> Ints:
        """Each customer's last visit to each stage: customers × stages, −1 where there is none."""
        return self._edges(last=True)

    def _edges(self, *, last: bool) -> Ints:
        found = np.full((self.customers, self.stages), NONE, dtype=np.int64)
        for stage in range(self.stages):
            rows = np.flatnonzero(self.stage == stage)
            who = self.who[rows]
            edge = np.flatnonzero(np.diff(who, append=NONE) if last else np.diff(who, prepend=NONE))
            found[who[edge], stage] = rows[edge]
        return found

    def of(self, column: NDArray[np.integer], visit: Ints) -> Ints:
        """A column of these visits; −1 of none."""
        return np.append(column, NONE).astype(np.int64)[visit]

    def following(self, visit: Ints, wanted: Bools) -> Ints:
        """For each customer the first wanted visit after this one; −1 where there is none, or this one is none."""
        chosen = np.flatnonzero(wanted)
        found = np.append(chosen, NONE)[np.searchsorted(chosen, visit, side="right")]
        mine = (visit >= 0) & (found >= 0) & (self.of(self.who, found) == np.arange(self.customers))
        return np.where(mine, found, NONE)

    @cached_property
    def moves(self) -> Ints:
        """The visits that another of the same customer follows."""
        return np.flatnonzero(np.diff(self.who) == 0)
