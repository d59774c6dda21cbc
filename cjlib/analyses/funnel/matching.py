"""Which steps the events of one instant can fill together, each event one step.

An event is a mask: bit k−1 says that it fits step k. The events of an instant have no order, so what counts is which masks it holds and
how often: its kind. There are few kinds in a log, so what is slow to find out is found out once a kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    each = []
    for event, mask in enumerate(masks):
        others = [other for position, other in enumerate(masks) if position != event]
        steps = (step for step in range(filled, reached) if mask >> step & 1)
        each.append(
            sum(
                1 << step
                for step in steps
                if _fills_all(others, [other for other in range(filled, reached) if other != step])
            )
        )
    return each


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
            self._closed.append(
                sum(
                    1 << step
                    for step in range(self._steps)
                    if _matched((*state, 1 << step), self._steps) == len(state)
                )
            )
            if len(self._states) > len(self._next):
                self._next = np.vstack([self._next, np.full_like(self._next, -1)])
        return self._numbers[state]


def _matched(masks: Sequence[int], steps: int) -> int:
    holder: dict[int, int] = {}
    return sum(_augment(step, masks, holder, set()) for step in range(steps))
