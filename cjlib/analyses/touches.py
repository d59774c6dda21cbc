"""The value of a group along a counted attempt: first, last, or at a step.

Where tied events could each have filled a step, every one of them is a candidate, and the smallest value as text is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cjlib.analyses.attempts import Attempts
from cjlib.analyses.groups import MISSING
from cjlib.analyses.instants import Instants, Ints, Positions
from cjlib.analyses.matching import Progress, usable

_NONE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Touched:
    """The group of each attempt: `rank` (−1 = missing), `known` (False where the named step was not reached), and whether it saw several values."""

    rank: Ints
    known: np.ndarray
    several: np.ndarray


def touched(attempts: Attempts, rank: Ints, by_value: str, by_step: int | None, *, any_order: bool) -> Touched:
    """The group of each attempt; `rank` is the value of every row read."""
    size, steps = len(attempts), attempts.instants.steps
    closed = _closed_before(attempts) if any_order else None
    first = np.full(size, MISSING, dtype=np.int64)
    last, at_step = first.copy(), first.copy()
    lowest, highest = np.full(size, _NONE), np.full(size, MISSING, dtype=np.int64)
    for k in range(steps):
        which = np.flatnonzero((attempts.at[k] >= 0) & ((attempts.at[k] != attempts.at[k - 1]) if k else True))
        here = attempts.at[k][which]
        reached = np.full(len(which), k, dtype=np.int64)
        for further in range(k, steps):
            reached[attempts.at[further][which] == here] = further + 1
        low, high = _candidates(attempts.instants, rank, here, k, reached, None, closed[k][which] if closed else None)
        lowest[which], highest[which] = np.minimum(lowest[which], np.where(low < 0, _NONE, low)), np.maximum(highest[which], high)
        first[which] = np.where(first[which] < 0, low, first[which])
        last[which] = np.where(low < 0, last[which], low)
        if by_step is not None and k < by_step:
            inside = reached >= by_step
            at_step[which[inside]] = _candidates(
                attempts.instants, rank, here[inside], k, reached[inside], by_step - 1, closed[k][which[inside]] if closed else None
            )[0]
    several = (highest >= 0) & (lowest < highest)
    if by_step is not None:
        return Touched(at_step, attempts.depth >= by_step, several)
    return Touched(last if by_value == "last" else first, np.ones(size, dtype=bool), several)


def _candidates(
    instants: Instants, rank: Ints, here: Positions, filled: int, reached: Ints, step: int | None, closed: Ints | None
) -> tuple[Ints, Ints]:
    """The lowest and highest non-missing value among the events that could fill one of the steps (or the one `step`) at these instants; −1 if all are missing."""
    begins, ends = instants.first_row[here], instants.first_row[here + 1]
    low = rank[instants.row[begins]]
    high = low.copy()
    tied = np.flatnonzero(ends - begins > 1)
    if not tied.size:
        return low, high
    sizes = (ends - begins)[tied]
    within = np.repeat(np.arange(len(tied)), sizes)
    events = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(begins[tied], sizes)
    mask = instants.mask[events].astype(np.int64)
    if closed is not None:
        fits = (mask & ~closed[tied][within]) != 0
    else:
        fits = _fits(instants, instants.kind[here[tied]], reached[tied], within, mask, filled, step)
    value = rank[instants.row[events]]
    fits &= value >= 0
    lowest, highest = np.full(len(tied), _NONE), np.full(len(tied), MISSING, dtype=np.int64)
    np.minimum.at(lowest, within[fits], value[fits])
    np.maximum.at(highest, within[fits], value[fits])
    low[tied], high[tied] = np.where(lowest == _NONE, MISSING, lowest), highest
    return low, high


def _fits(instants: Instants, kind: Positions, reached: Ints, within: Ints, mask: Ints, filled: int, step: int | None) -> np.ndarray:
    """Whether each event could be the one that fills a step of the run (or `step`), found once for each kind, run and mask."""
    runs, run = np.unique(kind.astype(np.int64) * (instants.steps + 1) + reached, return_inverse=True)
    fits = np.zeros(len(mask), dtype=bool)
    for number, (one, deepest) in enumerate(divmod(code, instants.steps + 1) for code in runs.tolist()):
        masks = instants.kinds[one]
        can = dict(zip(masks, usable(masks, filled, deepest), strict=True))
        good = [each for each, steps in can.items() if (steps if step is None else steps >> step & 1)]
        fits |= (run[within] == number) & np.isin(mask, good)
    return fits


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
