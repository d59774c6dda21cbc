"""What each first event came to: the instants at which the steps of its attempt were filled.

Every first event is tried, all of them at once: an attempt is a column of positions that moves on step by step, each move one look into
"the next instant at which this step fits". So the work grows with the events, not with their square, also for a customer with a million of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.funnel.event_arrays import Bools, Instants, Ints, Positions, Progress, usable
from cjlib.shared.group_by import MISSING

FOREVER = np.int64(1) << 61
"""Stands for no limit: longer than any span, short enough to be added to any instant."""

NEVER = np.int64(1) << 62
"""Stands for a completion that does not exist: later than any deadline."""

Depths = NDArray[np.uint8]


@dataclass(frozen=True)
class Attempts:
    """One attempt a first event, in the order of the instants.

    `at[k]` holds for each attempt the position (among the instants) at which step k + 1 was filled, −1 if it was not; `depth` the number of steps filled.
    """

    instants: Instants
    at: list[Positions]
    depth: Depths

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def start(self) -> Positions:
        """The instant of the first event."""
        return self.at[0]

    @cached_property
    def who(self) -> Positions:
        """The person of each attempt."""
        return self.instants.who[self.start]

    @property
    def last(self) -> Positions:
        """The instant of the last step filled."""
        return np.maximum.reduce(self.at)

    def take(self, which: Bools | Ints) -> Attempts:
        """Some of the attempts, in the same order."""
        if which.dtype == bool and which.all():
            return self
        return Attempts(self.instants, [position[which] for position in self.at], self.depth[which])

    def cut(self, depth: Depths) -> Attempts:
        """The attempts ended after so many steps."""
        return replace(
            self,
            at=[np.where(depth > k, position, np.int32(-1)) for k, position in enumerate(self.at)],
            depth=depth,
        )

    def times(self, step: int) -> Ints:
        """When a step (from 0) was filled; only meaningful where it was."""
        return self.instants.time[self.at[step]]


def try_all(
    instants: Instants,
    allowed: Bools | None,
    *,
    order: str,
    window: int | None,
    step_windows: Sequence[int | None],
) -> Attempts:
    """The attempt of every first event; `allowed` says at which instants one may open."""
    opens = (
        np.ones(len(instants), dtype=bool)
        if order == "any"
        else instants.reach[instants.kind, 0] > 0
    )
    start = np.flatnonzero(opens if allowed is None else opens & allowed).astype(np.int32)
    limit = FOREVER if window is None else np.int64(window)
    gaps = [FOREVER if gap is None else np.int64(gap) for gap in step_windows]
    if order == "any":
        return _in_any_order(instants, start, limit)
    if order == "strict":
        return _strictly(instants, start, limit, gaps)
    if any(gap is not None for gap in step_windows):
        return _within_gaps(instants, start, limit, gaps)
    return _in_sequence(instants, start, limit)


def _next(fits: Bools) -> Positions:
    """For each position, and one past the end, the first fitting position at or after it; the length if there is none."""
    length = np.int32(len(fits))
    following = np.full(len(fits) + 1, length, dtype=np.int32)
    where = np.flatnonzero(fits).astype(np.int32)
    following[where] = where
    return np.minimum.accumulate(following[::-1])[::-1]


def _within(
    instants: Instants, here: Positions, there: Positions, start: Positions, window: np.int64
) -> Bools:
    """Whether `there` exists, is of the unit of `here`, and within the window of the first event at `start`."""
    exists, there = there < len(instants), np.minimum(there, len(instants) - 1)
    return (
        exists
        & (instants.unit[there] == instants.unit[here])
        & (instants.time[there] - instants.time[start] <= window)
    )


def _opened(instants: Instants, start: Positions, depth: Depths) -> list[Positions]:
    """Attempts that so far hold the steps filled at their first instant."""
    later = np.flatnonzero(depth > 1)
    at = [start]
    for k in range(1, instants.steps):
        position = np.full(len(start), -1, dtype=np.int32)
        here = later[depth[later] > k]
        position[here] = start[here]
        at.append(position)
    return at


def _in_sequence(instants: Instants, start: Positions, window: np.int64) -> Attempts:
    depth = instants.reach[instants.kind[start], 0]
    at, position = _opened(instants, start, depth), start.copy()
    single = len(instants.kinds) == 0 or max(map(len, instants.kinds)) == 1
    for k in range(1, instants.steps):
        waiting = np.flatnonzero(depth == k)
        following = _next((instants.reach[:, k] > k)[instants.kind])
        there = following[position[waiting] + 1]
        found = _within(instants, position[waiting], there, start[waiting], window)
        waiting, there = waiting[found], there[found]
        position[waiting] = there
        depth[waiting] = reached = instants.reach[instants.kind[there], k]
        at[k][waiting] = there
        for further in range(k + 1, instants.steps if not single else 0):
            at[further][waiting[reached > further]] = there[reached > further]
    return Attempts(instants, at, depth)


def _strictly(
    instants: Instants, start: Positions, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    """Nothing may lie between two steps: an attempt moves only to the person's next moment, and leaves one only if all its events filled steps.

    At the first instant other events may stand before the first event, so an attempt may use fewer of them than it could:
    every number is tried, the largest first, since of equal depths it has the earliest times.
    """
    most = instants.reach[instants.kind[start], 0]
    best = Attempts(instants, _opened(instants, start, most), most.copy())
    for opening in range(int(most.max(initial=0)), 0, -1):
        which = np.flatnonzero(most >= opening)
        attempt = _strict_from(instants, start[which], opening, window, gaps)
        better = attempt.depth > best.depth[which]
        best.depth[which[better]] = attempt.depth[better]
        for k in range(instants.steps):
            best.at[k][which[better]] = attempt.at[k][better]
    return best


def _strict_from(
    instants: Instants, start: Positions, opening: int, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    depth = np.full(len(start), opening, dtype=np.uint8)
    at = _opened(instants, start, depth)
    live, position = np.arange(len(start)), start
    while live.size:
        there = position + np.int32(1)
        found = _within(instants, position, there, start[live], window)
        live, position, there = live[found], position[found], there[found]
        filled = depth[live]
        going = (filled < instants.steps) & (
            instants.moment[there] == instants.moment[position] + 1
        )
        live, position, there, filled = live[going], position[going], there[going], filled[going]
        going = (
            instants.time[there] - instants.time[position] <= np.array([*gaps, FOREVER])[filled - 1]
        )
        live, there, filled = live[going], there[going], filled[going]
        reached = instants.reach[instants.kind[there], filled]
        depth[live] = reached
        for k in range(1, instants.steps):
            here = (filled <= k) & (reached > k)
            at[k][live[here]] = there[here]
        onward = (reached > filled) & (reached - filled == instants.crowd[there])
        live, position = live[onward], there[onward]
    return Attempts(instants, at, depth)


def _in_any_order(instants: Instants, start: Positions, window: np.int64) -> Attempts:
    """Step k is reached at the earliest instant by which k steps are filled: move on to the next instant that adds to them."""
    progress = Progress(instants.kinds, instants.steps)
    bits = np.array(
        [np.bitwise_or.reduce(np.array(kind, dtype=np.int64)) for kind in instants.kinds],
        dtype=np.int64,
    )
    fits = bits[instants.kind] if len(instants) else np.zeros(0, dtype=np.int64)
    following = [_next((fits >> k & 1).astype(bool)) for k in range(instants.steps)]
    state = progress.step_on(np.zeros(len(start), dtype=np.int32), instants.kind[start])
    depth = progress.depths[state]
    at, live, position = _opened(instants, start, depth), np.arange(len(start)), start
    while live.size:
        closed = progress.closed[state]
        there = np.full(len(live), len(instants), dtype=np.int32)
        for k, ahead in enumerate(following):
            there = np.where(closed >> k & 1, there, np.minimum(there, ahead[position + 1]))
        found = _within(instants, position, there, start[live], window)
        live, position = live[found], there[found]
        state = progress.step_on(state[found], instants.kind[position])
        before, reached = depth[live], progress.depths[state]
        for k in range(1, instants.steps):
            here = (before <= k) & (reached > k)
            at[k][live[here]] = position[here]
        depth[live] = reached
        open_still = reached < instants.steps
        live, position, state = live[open_still], position[open_still], state[open_still]
    return Attempts(instants, at, depth)


def _within_gaps(
    instants: Instants, start: Positions, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    """With a limit from step to step the earliest match may lead nowhere, so every chain is searched.

    For each depth d, from the deepest: `finish[k]` is the earliest completion of d steps when step k was the last one filled at an instant.
    The later a chain stands at step k, the later it finishes: where two chains cross, the one behind can go on as the other does.
    So the next instant from which d can be completed at all is the best one, and one look ahead is enough.
    """
    depth = np.zeros(len(start), dtype=np.uint8)
    at = [np.full(len(start), -1, dtype=np.int32) for _ in range(instants.steps)]
    deadline = instants.time[start] + window
    for goal in range(instants.steps, 0, -1):
        finish, ahead = _finishes(instants, goal, gaps)
        rest = np.flatnonzero(depth == 0)
        filled = _Route(goal, finish, ahead, deadline[rest]).leave(instants, start[rest], 0)
        which, filled = rest[filled > 0], filled[filled > 0]
        depth[which] = goal
        route = _Route(goal, finish, ahead, deadline[which])
        for k, position in enumerate(route.walk(instants, start[which], filled)):
            at[k][which] = position
    return Attempts(instants, at, depth)


def _finishes(
    instants: Instants, goal: int, gaps: list[np.int64]
) -> tuple[list[Ints], list[Positions]]:
    """`finish[k]` (k = 1 … goal) and `ahead[k]`, the next instant that fills step k + 1 and from which `goal` can be reached."""
    length = len(instants)
    finish: list[Ints] = [np.zeros(0, dtype=np.int64)] * (goal + 1)
    ahead: list[Positions] = [np.zeros(0, dtype=np.int32)] * (goal + 1)
    finish[goal] = instants.time
    for k in range(goal - 1, 0, -1):
        earliest = np.full(length + 1, NEVER, dtype=np.int64)
        reached = instants.reach[:, k][instants.kind] if length else np.zeros(0, dtype=np.uint8)
        for filled in range(k + 1, goal + 1):
            here = np.flatnonzero(reached >= filled)
            earliest[here] = np.minimum(earliest[here], finish[filled][here])
        ahead[k] = _next(earliest[:-1] < NEVER)
        positions = np.arange(length, dtype=np.int32)
        there = ahead[k][positions + 1]
        found = _within(instants, positions, there, positions, gaps[k - 1])
        finish[k] = np.where(found, earliest[there], NEVER)
    return finish, ahead


@dataclass(frozen=True)
class _Route:
    """The chains that reach `goal` steps by a deadline each."""

    goal: int
    finish: list[Ints]
    ahead: list[Positions]
    deadline: Ints

    def leave(
        self, instants: Instants, here: Positions, filled: int, which: Ints | slice = slice(None)
    ) -> Depths:
        """How many steps to have filled when leaving an instant: the most (their times are the earliest) from which `goal` is reached in time; 0 if none."""
        reached = np.minimum(instants.reach[instants.kind[here], filled], self.goal)
        chosen = np.zeros(len(here), dtype=np.uint8)
        for k in range(filled + 1, self.goal + 1):
            chosen[(reached >= k) & (self.finish[k][here] <= self.deadline[which])] = k
        return chosen

    def walk(self, instants: Instants, start: Positions, opened: Depths) -> list[Positions]:
        """Where each step up to `goal` is filled."""
        here, filled = start.copy(), opened.copy()
        at = [np.where(filled > k, start, np.int32(-1)) for k in range(self.goal)]
        for k in range(1, self.goal):
            waiting = np.flatnonzero(filled == k)
            here[waiting] = there = self.ahead[k][here[waiting] + 1]
            filled[waiting] = chosen = self.leave(instants, there, k, waiting)
            for further in range(k, self.goal):
                at[further][waiting[chosen > further]] = there[chosen > further]
        return at


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
