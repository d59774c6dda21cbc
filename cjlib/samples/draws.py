"""Chance, from uniform draws alone: one stream a subject, so that switching one effect moves nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cjlib.samples.business import DAY, END, EVENTS, START, SUMMER_TIME, code

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

HOURS = np.cumsum(
    [4, 2, 1, 1, 1, 3, 10, 25, 45, 60, 65, 60, 55, 55, 58, 58, 55, 52, 50, 55, 58, 48, 28, 12],
    dtype=float,
)
"""How much happens in the hours of the local day, summed up."""


class Draws:
    """Uniform draws for one subject of one seed.

    Only `Generator.random` is used: its stream is the same on every machine, and every draw is compared or rounded before it is
    kept, so that the last bit of a logarithm cannot matter.
    """

    def __init__(self, seed: int, subject: str) -> None:
        self._generator = np.random.Generator(np.random.PCG64([seed, crc32(subject.encode())]))

    def uniform(self, *shape: int) -> Floats:
        """Numbers in [0, 1)."""
        return self._generator.random(shape)

    def happens(self, share: float | Floats, n: int) -> NDArray[np.bool_]:
        """What happens with the given probability, for n customers."""
        return self.uniform(n) < share

    def between(self, low: float, high: float, n: int) -> Whole:
        """Whole numbers of seconds (or of whatever), evenly spread over [low, high)."""
        return (low + (high - low) * self.uniform(n)).astype(np.int64)

    def skewed(self, low: float, high: float, n: int, power: int = 3) -> Whole:
        """Whole numbers in [low, high), most of them near `low`."""
        return (low + (high - low) * self.uniform(n) ** power).astype(np.int64)

    def bell(self, n: int) -> Floats:
        """Mean 0, standard deviation 1, never beyond 3.5: the sum of four uniform draws."""
        return (self.uniform(n, 4).sum(axis=1) - 2.0) * np.sqrt(3.0)

    def pick(self, weights: ArrayLike, n: int, row: NDArray[np.integer] | None = None) -> Whole:
        """Positions 0 … k − 1 with the given weights; with `row`, each draw uses that row of a table of weights."""
        table = np.atleast_2d(np.asarray(weights, dtype=float))
        summed = np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True)
        summed[:, -1] = 1.0
        which = np.zeros(n, dtype=np.int64) if row is None else np.asarray(row, dtype=np.int64)
        flat = (summed + np.arange(len(table))[:, None]).ravel()
        return np.searchsorted(flat, which + self.uniform(n), side="right") - which * table.shape[1]

    def clock(self, day: ArrayLike) -> Whole:
        """A moment of the given local days (days since 1 January), at an hour when people are about."""
        days = np.asarray(day, dtype=np.int64)
        scaled = self.uniform(len(days)) * HOURS[-1]
        hour = np.searchsorted(HOURS, scaled, side="right")
        local = START + days * DAY + hour * 3_600 + self.between(0, 3_600, len(days))
        return local - 3_600 * (
            (local >= SUMMER_TIME[0] + 3_600) & (local < SUMMER_TIME[1] + 3_600)
        )


def day_of(moment: Whole) -> Whole:
    """The local day a moment falls on, as days since 1 January (an hour near midnight in summer may count as its neighbour)."""
    return (moment - START) // DAY


Rows = dict[str, NDArray[Any]]

TYPES = {
    "person": np.int32,
    "time": np.int64,
    "event": np.int8,
    "channel": np.int8,
    "device": np.int8,
    "value": np.float64,
    "plan": np.int8,
    "ticket": np.int32,
    "agent": np.int8,
    "campaign": np.int8,
}


def rows(
    event: str | NDArray[np.integer],
    person: NDArray[np.integer],
    time: NDArray[np.int64],
    **properties: ArrayLike,
) -> Rows:
    """Events of some people; a property is a column or one value for all; events outside the year are left out."""
    inside = (time >= START) & (time < END)
    given = {
        "event": code(EVENTS, event) if isinstance(event, str) else event,
        "person": person,
        "time": time,
        **properties,
    }
    made: Rows = {}
    for name, kind in TYPES.items():
        value = np.asarray(given.get(name, np.nan if name == "value" else -1))
        made[name] = (
            np.full(int(inside.sum()), value, dtype=kind)
            if value.ndim == 0
            else value[inside].astype(kind)
        )
    return made


def joined(pieces: Iterable[Rows]) -> Rows:
    """All rows, one piece after the other."""
    every = list(pieces)
    return {name: np.concatenate([piece[name] for piece in every]) for name in TYPES}


def taken(source: Rows, which: NDArray[Any]) -> Rows:
    """Some of the rows."""
    return {name: column[which] for name, column in source.items()}
