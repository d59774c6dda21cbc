"""The value of a group along a counted attempt: first, last, or at a step.

Where tied events could each have filled a step, every one of them is a candidate, and the smallest value as text is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cjlib.analyses.funnel.attempts import Attempts
from cjlib.analyses.funnel.event_arrays import Bools, Instants, Ints, Positions
from cjlib.analyses.funnel.matching import Progress, usable
from cjlib.shared.group_by import MISSING

_NONE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Touched:
    """The group of each attempt: `rank` (−1 = missing), `known` (False where the named step was not reached), and whether it saw several values."""

    rank: Ints
    known: Bools
    several: Bools


def touched(
    attempts: Attempts, rank: Ints, by_value: str, by_step: int | None, *, any_order: bool
) -> Touched:
    """The group of each attempt; `rank` is the value of every row read."""
    size, steps = len(attempts), attempts.instants.steps
    closed = _closed_before(attempts) if any_order else None
    first, last, at_step = (np.full(size, MISSING, dtype=np.int64) for _ in range(3))
    lowest, highest = np.full(size, _NONE), np.full(size, MISSING, dtype=np.int64)
    for k in range(steps):
        which = np.flatnonzero(
            (attempts.at[k] >= 0) & ((attempts.at[k] != attempts.at[k - 1]) if k else True)
        )
        stay = _stay(attempts, which, k, closed[k] if closed else None)
        low, high = stay.values(rank)
        lowest[which], highest[which] = (
            np.minimum(lowest[which], np.where(low < 0, _NONE, low)),
            np.maximum(highest[which], high),
        )
        first[which] = np.where(first[which] < 0, low, first[which])
        last[which] = np.where(low < 0, last[which], low)
        if by_step is not None and k < by_step:
            inside = stay.reached >= by_step
            at_step[which[inside]] = stay.values(rank, by_step - 1)[0][inside]
    several = (highest >= 0) & (lowest < highest)
    if by_step is not None:
        return Touched(at_step, attempts.depth >= by_step, several)
    return Touched(last if by_value == "last" else first, np.ones(size, dtype=bool), several)


@dataclass(frozen=True)
class _Stay:
    """Attempts at an instant that fills steps `filled` + 1 … `reached` of each; in any order, `closed` to further events that fit only these steps."""

    instants: Instants
    here: Positions
    filled: int
    reached: Ints
    closed: Ints | None

    def values(self, rank: Ints, step: int | None = None) -> tuple[Ints, Ints]:
        """The lowest and highest non-missing value among the events that could fill one of the steps (or the one `step`); −1 if all are missing."""
        begins, ends = self.instants.first_row[self.here], self.instants.first_row[self.here + 1]
        low = rank[self.instants.row[begins]]
        high = low.copy()
        tied = np.flatnonzero(ends - begins > 1)
        if not tied.size:
            return low, high
        sizes = (ends - begins)[tied]
        within = np.repeat(np.arange(len(tied)), sizes)
        events = (
            np.arange(sizes.sum())
            - np.repeat(np.cumsum(sizes) - sizes, sizes)
            + np.repeat(begins[tied], sizes)
        )
        mask, value = self.instants.mask[events].astype(np.int64), rank[self.instants.row[events]]
        fits = (value >= 0) & self._fits(tied, within, mask, step)
        lowest, highest = np.full(len(tied), _NONE), np.full(len(tied), MISSING, dtype=np.int64)
        np.minimum.at(lowest, within[fits], value[fits])
        np.maximum.at(highest, within[fits], value[fits])
        low[tied], high[tied] = np.where(lowest == _NONE, MISSING, lowest), highest
        return low, high

    def _fits(self, tied: Ints, within: Ints, mask: Ints, step: int | None) -> Bools:
        """Whether each event could be the one that fills a step (or `step`), found once for each kind, run of steps and mask."""
        if self.closed is not None:
            return (mask & ~self.closed[tied][within]) != 0
        steps = self.instants.steps + 1
        runs, run = np.unique(
            self.instants.kind[self.here[tied]].astype(np.int64) * steps + self.reached[tied],
            return_inverse=True,
        )
        fits = np.zeros(len(mask), dtype=bool)
        for number, (kind, reached) in enumerate(divmod(code, steps) for code in runs.tolist()):
            masks = self.instants.kinds[kind]
            can = dict(zip(masks, usable(masks, self.filled, reached), strict=True))
            good = [
                each
                for each, filling in can.items()
                if (filling if step is None else filling >> step & 1)
            ]
            fits |= (run[within] == number) & np.isin(mask, good)
        return fits


def _stay(attempts: Attempts, which: Ints, filled: int, closed: Ints | None) -> _Stay:
    here = attempts.at[filled][which]
    reached = np.full(len(which), filled, dtype=np.int64)
    for step in range(filled, attempts.instants.steps):
        reached[attempts.at[step][which] == here] = step + 1
    return _Stay(
        attempts.instants, here, filled, reached, None if closed is None else closed[which]
    )


def _closed_before(attempts: Attempts) -> list[Ints]:
    """For each step the steps (as a mask) to which no event could add before the instant at which it was reached, in any order."""
    instants = attempts.instants
    progress = Progress(instants.kinds, instants.steps)
    state = np.zeros(len(attempts), dtype=np.int32)
    closed = []
    for k, position in enumerate(attempts.at):
        before = np.zeros(len(attempts), dtype=np.int64)
        new = np.flatnonzero((position >= 0) & ((position != attempts.at[k - 1]) if k else True))
        before[new] = progress.closed[state[new]]
        closed.append(before)
        state[new] = progress.step_on(state[new], instants.kind[position[new]])
    return closed
