"""Rows of the event log while they are made: numbers in columns, names as codes, −1 for missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cjlib.samples.business import END, EVENTS, START, code

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
