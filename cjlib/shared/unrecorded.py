"""Stretches of time in which an event does not occur at all, though many were to be expected: renamed, begun late, or lost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.shared.comparison import MIN_N
from cjlib.sources.log.event_log import EventLog

Micros = NDArray[np.int64]
NOT_RECORDED = "not recorded"
"""The key of a definition that says which event does not occur in a part of the log."""
BY_CHANCE = 1e-6
"""A stretch is told where so many chances without the event are rarer than this, all stretches of the log taken together."""

AT_FIRST = 20_000
"""So many customers tell whether a look at all of them is worth its time."""
SPREAD = 0.1
"""Lives that all end in less than this part of the log end by the calendar."""


@dataclass(frozen=True)
class Stretch:
    """From one instant to another (microseconds UTC) the event did not occur, where so many were to be expected."""

    begins: int
    ends: int
    expected: float

    def words(self, log: EventLog, event: str) -> str:
        """The stretch in a sentence without its full stop."""
        first, last = (f"{log.moment(at):%Y-%m-%d}" for at in (self.begins, self.ends))
        return (
            f"“{event}” does not occur between {first} and {last}, where about {self.expected:,.0f} were to be expected: "
            "it may not have been recorded"
        )


def some_first(customers: int) -> list[int]:
    """Every how many-th customer to look at, one look after the other: of many customers some first, all of them only where these tell something."""
    every = -(-customers // AT_FIRST)
    return [every, 1] if every > 1 else [1]


def longest_stretch(happened: Micros, chances: Micros, wait: int, until: int) -> Stretch | None:
    """The stretch without the event that holds most chances of it; None where chance explains it.

    Parameters
    ----------
    happened
        When the event occurred, one a customer.
    chances
        When each customer came to where it could follow, those for whom it did included.
    wait
        So long after a chance nearly all that follow have followed: later chances of a stretch say nothing.
    until
        The end of data.
    """
    if not happened.size or chances.size < MIN_N:
        return None
    chances = np.sort(chances)
    edges = np.concatenate([chances[:1] - 1, np.sort(happened), [until]])
    inside = np.searchsorted(chances, edges[1:] - wait) - np.searchsorted(
        chances, edges[:-1], side="right"
    )
    most = int(inside.argmax())
    without, others = int(inside[most]), int(chances.size - inside[most])
    share = min(happened.size / others, 1 - 1e-9) if others else 0.0
    if without < MIN_N or math.log(edges.size) + without * math.log1p(-share) > math.log(BY_CHANCE):
        return None
    return Stretch(int(max(edges[most], chances[0])), int(edges[most + 1]), without * share)


def longest_pause(began: Micros, ended: Micros, until: int) -> Stretch | None:
    """The longest time in which no life ended, though many should have at the ages that people had then; None where chance explains it.

    None too where lives end on a few days of the calendar, as all contracts of a business may: another pause is half as long, or the rest of the log short.

    Parameters
    ----------
    began
        When each life began.
    ended
        When it ended; later than `until` where it has not.
    until
        The end of data.
    """
    happened = np.sort(ended[ended <= until])
    if not happened.size:
        return None
    edges = np.concatenate([[began.min()], happened, [until]])
    lengths = np.diff(edges)
    most = int(lengths.argmax())
    first, last = int(edges[most]), int(edges[most + 1])
    other, rest = int(np.delete(lengths, most).max()), int(until - edges[0] - lengths[most])
    if 2 * other > min(lengths[most], rest) or rest < SPREAD * (until - edges[0]):
        return None
    expected = _expected_within(began, np.minimum(ended, until), ended <= until, first, last)
    if math.log(edges.size) - expected > math.log(BY_CHANCE):
        return None
    return Stretch(first, last, expected)


def _expected_within(
    began: Micros, left: Micros, over: NDArray[np.bool_], first: int, last: int
) -> float:
    """How many lives were to end between two instants by the hazard of each age (Nelson–Aalen of the whole log, the stretch included: too few rather than too many)."""
    age = left - began
    order = np.argsort(age, kind="stable")
    hazard = np.concatenate([[0.0], np.cumsum(over[order] / np.arange(age.size, 0, -1))])

    def up_to(instant: int) -> NDArray[np.float64]:
        return hazard[np.searchsorted(age[order], np.minimum(left, instant) - began, side="right")]

    at_risk = (began < last) & (left > first)
    return float((up_to(last) - up_to(first))[at_risk].sum())
