"""The events of a funnel as arrays: who, when, which steps they fit; one row a customer, held value and instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.int32]


@dataclass(frozen=True)
class Moments:
    """The different instants of each person among the rows read: what lies strictly between two of them is told by their positions."""

    who: Positions
    time: Ints
    of_row: Positions
    events: Positions

    def __len__(self) -> int:
        return len(self.time)


def _sizes(bounds: Ints) -> Ints:
    return bounds[1:] - bounds[:-1]


def moments(who: Positions, time: Ints) -> Moments:
    """Number the instants of rows sorted by person and time."""
    begins = np.empty(len(time), dtype=bool)
    begins[:1] = True
    np.not_equal(time[1:], time[:-1], out=begins[1:])
    begins[1:] |= who[1:] != who[:-1]
    first = np.flatnonzero(begins)
    if len(first) == len(time):
        own = np.arange(len(time), dtype=np.int32)
        return Moments(who, time, own, np.ones(len(time), dtype=np.int32))
    of_row = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    return Moments(
        who[first], time[first], of_row, _sizes(np.append(first, len(time))).astype(np.int32)
    )


@dataclass(frozen=True)
class Instants:
    """The instants at which a unit (a person; with `hold` a person and a value) has events that fit a step, in order.

    Attributes
    ----------
    unit, who, time, moment
        Of each instant: its unit, person, microseconds, and its position among the person's `Moments`.
    kind
        Which masks it holds, as a position in `kinds`.
    first_row
        Where its events begin in `mask` and `row`; one more than there are instants.
    mask, row
        Of each event: the steps it fits, and its position among the rows read.
    kinds, reach
        The masks of each kind; the deepest step each kind reaches from k filled steps.
    crowd
        How many events the person has at the moment, of whatever kind.
    """

    unit: Positions
    who: Positions
    time: Ints
    moment: Positions
    kind: Positions
    first_row: Ints
    mask: Ints
    row: Ints
    kinds: list[Kind]
    reach: NDArray[np.uint8]
    crowd: Positions

    def __len__(self) -> int:
        return len(self.time)

    @property
    def steps(self) -> int:
        """How many steps the funnel has."""
        return self.reach.shape[1]

    @property
    def steps_apart(self) -> bool:
        """Whether no event fits several steps."""
        return all(mask & (mask - 1) == 0 for kind in self.kinds for mask in kind)

    def earliest_within(self, length: int) -> Positions:
        """For each instant the earliest one of its unit at most so many microseconds before it."""
        earliest = np.arange(len(self), dtype=np.int32)
        if not len(self):
            return earliest
        while True:
            before = np.maximum(earliest - 1, 0)
            near = (self.unit[before] == self.unit) & (self.time - self.time[before] <= length)
            near &= before < earliest
            if not near.any():
                return earliest
            earliest[near] = before[near]

    @property
    def tied_events(self) -> int:
        """Events that share their instant with another one of the same unit."""
        if len(self.row) == len(self):
            return 0
        sizes = _sizes(self.first_row)
        return int(sizes[sizes > 1].sum())


def instants(at: Moments, mask: Ints, steps: int, held: Ints | None = None) -> Instants:
    """Group the rows that fit a step by unit and instant; with `held` a row of a missing value (−1) fits none."""
    fits = mask != 0 if held is None else (mask != 0) & (held >= 0)
    row = np.flatnonzero(fits)
    if held is not None:
        row = row[np.lexsort((at.of_row[row], held[row], at.who[at.of_row[row]]))]
    elif len(row) == len(at) == len(mask):
        return _as_they_are(at, mask, row, steps)
    moment = at.of_row[row]
    value = held[row] if held is not None else None
    begins = np.empty(len(row), dtype=bool)
    begins[:1] = True
    np.not_equal(moment[1:], moment[:-1], out=begins[1:])
    if value is not None:
        begins[1:] |= value[1:] != value[:-1]
    first = np.flatnonzero(begins)
    held_moment = moment[first]
    who = at.who[held_moment]
    unit = who if value is None else _units(who, value[first])
    own = mask[row]
    kind, kinds = _kinds(own, np.append(first, len(row)))
    return Instants(
        unit=unit,
        who=who,
        time=at.time[held_moment],
        moment=held_moment,
        kind=kind,
        first_row=np.append(first, len(row)),
        mask=own,
        row=row,
        kinds=kinds,
        reach=reach_table(kinds, steps),
        crowd=at.events[held_moment],
    )


def _as_they_are(at: Moments, mask: Ints, row: Ints, steps: int) -> Instants:
    """The common case: every row fits a step and has its moment for itself."""
    kind, kinds = _kinds(mask, None)
    every = np.arange(len(row), dtype=np.int32)
    return Instants(
        unit=at.who,
        who=at.who,
        time=at.time,
        moment=every,
        kind=kind,
        first_row=np.arange(len(row) + 1),
        mask=mask,
        row=row,
        kinds=kinds,
        reach=reach_table(kinds, steps),
        crowd=at.events,
    )


def _units(who: Positions, value: Ints) -> Positions:
    changes = np.ones(len(who), dtype=bool)
    changes[1:] = (who[1:] != who[:-1]) | (value[1:] != value[:-1])
    return np.cumsum(changes, dtype=np.int32)


def _kinds(mask: Ints, bounds: Ints | None) -> tuple[Positions, list[Kind]]:
    """The kind of each instant; no bounds: every event is one. An instant of one event is of the kind of its mask; only tied ones need their masks counted."""
    masks, code = _codes(mask)
    kinds: list[Kind] = [(own,) for own in masks]
    if bounds is None:
        return code, kinds
    kind = code[bounds[:-1]]
    tied = np.flatnonzero(_sizes(bounds) > 1)
    if tied.size:
        signature, tuples = _signatures(masks, code, bounds, tied)
        kind = kind.copy()
        kind[tied] = len(kinds) + signature
        kinds += tuples
    return kind, kinds


def _codes(mask: Ints) -> tuple[list[int], Positions]:
    """The different masks and, for each event, the position of its own."""
    highest = int(mask.max(initial=0))
    if highest < 1 << 16:
        there = np.zeros(highest + 1, dtype=bool)
        there[mask] = True
        different = np.flatnonzero(there)
        code = np.zeros(highest + 1, dtype=np.int32)
        code[different] = np.arange(len(different), dtype=np.int32)
        return different.tolist(), code[mask]
    different, code = np.unique(mask, return_inverse=True)
    return different.tolist(), code.astype(np.int32)


def _signatures(
    masks: list[int], code: Positions, bounds: Ints, tied: Ints
) -> tuple[Positions, list[Kind]]:
    """Number the tied instants by which masks they hold and how often; more events of a mask than it fits steps change nothing."""
    within, rows = runs_of(bounds[tied], bounds[tied + 1] - bounds[tied])
    signature = np.zeros(len(tied), dtype=np.int64)
    for position, mask in enumerate(masks):
        most = mask.bit_count()
        held = np.minimum(np.bincount(within[code[rows] == position], minlength=len(tied)), most)
        if held.any():
            combined = signature * (most + 1) + held
            signature = np.unique(combined, return_inverse=True)[1].astype(np.int64)
    _, examples, signature = np.unique(signature, return_index=True, return_inverse=True)
    kinds = []
    for instant in tied[examples].tolist():
        own = code[bounds[instant] : bounds[instant + 1]].tolist()
        kinds.append(_capped([masks[position] for position in own]))
    return signature.astype(np.int32), kinds


def near_instants(instants: Instants, within: int) -> int:
    """How many persons have two instants of different kinds, next to one another, at most so many microseconds apart."""
    near = (np.diff(instants.time) <= within) & (instants.unit[1:] == instants.unit[:-1])
    return len(np.unique(instants.who[1:][near & (np.diff(instants.kind) != 0)]))


def runs_of(begins: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """The positions in runs that begin somewhere and have a size, one after the other, and for each the number of its run."""
    run = np.repeat(np.arange(len(begins)), sizes)
    before = np.cumsum(sizes) - sizes
    return run, np.arange(sizes.sum()) + (begins - before)[run]


def _capped(masks: list[int]) -> Kind:
    return tuple(
        sorted(mask for mask in set(masks) for _ in range(min(masks.count(mask), mask.bit_count())))
    )


Kind = tuple[int, ...]
"""The masks of an instant's events, sorted."""


def _augment(step: int, masks: Sequence[int], holder: dict[int, int], tried: set[int]) -> bool:
    """Find an event for `step`, moving others if need be (Kuhn's augmenting path); `holder` is event → step."""
    for event, mask in enumerate(masks):
        if not mask >> step & 1 or event in tried:
            continue
        tried.add(event)
        if event not in holder or _augment(holder[event], masks, holder, tried):
            holder[event] = step
            return True
    return False


def deepest(masks: Sequence[int], filled: int, steps: int) -> int:
    """The deepest step reached when `filled` steps are done and the next ones are filled from these events, without a gap."""
    holder: dict[int, int] = {}
    for step in range(filled, steps):
        if not _augment(step, masks, holder, set()):
            return step
    return steps


def usable(masks: Sequence[int], filled: int, reached: int) -> list[int]:
    """For each event the steps (as a mask) it can fill while steps `filled` + 1 … `reached` are all filled from these events."""
    run, can_fill = range(filled, reached), []
    for event, mask in enumerate(masks):
        others = [other for position, other in enumerate(masks) if position != event]
        steps = [
            step
            for step in run
            if mask >> step & 1 and _fills_all(others, [other for other in run if other != step])
        ]
        can_fill.append(sum(1 << step for step in steps))
    return can_fill


def _fills_all(masks: Sequence[int], steps: Sequence[int]) -> bool:
    holder: dict[int, int] = {}
    return all(_augment(step, masks, holder, set()) for step in steps)


def reach_table(kinds: Sequence[Kind], steps: int) -> NDArray[np.uint8]:
    """Row: kind; column k: the deepest step reached from k filled steps (k itself if nothing fits)."""
    table = np.array(
        [[deepest(kind, filled, steps) for filled in range(steps)] for kind in kinds],
        dtype=np.uint8,
    )
    return table.reshape(len(kinds), steps)


class Progress:
    """How far a set of events has come when steps may be filled in any order.

    A state is a largest set of events that fill different steps; what it cannot be extended by depends on it alone, so
    states are numbered as they are met, and adding an instant of some kind to a state is worked out once.
    """

    def __init__(self, kinds: Sequence[Kind], steps: int) -> None:
        self._kinds = kinds
        self._steps = steps
        self._states: list[Kind] = [()]
        self._numbers: dict[Kind, int] = {(): 0}
        self._next = np.full((1, len(kinds)), -1, dtype=np.int32)
        self._closed = [0]

    def step_on(self, states: NDArray[np.int32], kinds: NDArray[np.int32]) -> NDArray[np.int32]:
        """The states after an instant of these kinds."""
        reached = self._next[states, kinds]
        unknown = np.flatnonzero(reached < 0)
        if not unknown.size:
            return reached
        pairs = np.unique(states[unknown].astype(np.int64) * len(self._kinds) + kinds[unknown])
        for state, kind in (divmod(pair, len(self._kinds)) for pair in pairs.tolist()):
            number = self._number(self._extended(self._states[state], self._kinds[kind]))
            self._next[state, kind] = number
        return self._next[states, kinds]

    @property
    def depths(self) -> NDArray[np.uint8]:
        """How many steps each state fills."""
        return np.array([len(state) for state in self._states], dtype=np.uint8)

    @property
    def closed(self) -> NDArray[np.int64]:
        """For each state the steps (as a mask) that a further event fitting only them could not add to."""
        return np.array(self._closed, dtype=np.int64)

    def _extended(self, state: Kind, kind: Kind) -> Kind:
        held = state
        for mask in kind:
            if _matched((*held, mask), self._steps) > len(held):
                held = (*held, mask)
        return tuple(sorted(held))

    def _number(self, state: Kind) -> int:
        if state not in self._numbers:
            self._numbers[state] = len(self._states)
            self._states.append(state)
            closed = [
                1 << step
                for step in range(self._steps)
                if _matched((*state, 1 << step), self._steps) == len(state)
            ]
            self._closed.append(sum(closed))
            if len(self._states) > len(self._next):
                self._next = np.vstack([self._next, np.full_like(self._next, -1)])
        return self._numbers[state]


def _matched(masks: Sequence[int], steps: int) -> int:
    holder: dict[int, int] = {}
    return sum(_augment(step, masks, holder, set()) for step in range(steps))
