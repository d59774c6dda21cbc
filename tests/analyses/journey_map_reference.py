"""The stages of a journey map counted in plain Python, customer by customer: what the fast way is held against."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import Any

import pandas as pd

Row = tuple[str, int, int, str]
"""Customer, time, stage, event."""


def walks(rows: list[Row]) -> dict[str, list[Row]]:
    """Each customer's mapped events: by time, then stage, then event name."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row[0], row[1], row[2], row[3])):
        found.setdefault(row[0], []).append(row)
    return found


def reference(rows: list[Row], stages: int, until: int, silent: int) -> list[dict[str, Any]]:
    """One row a stage, in the words of the definition."""
    every = walks(rows)
    return [_stage(every, stage, until, silent) for stage in range(stages)]


def _stage(every: dict[str, list[Row]], stage: int, until: int, silent: int) -> dict[str, Any]:
    here = {who: walk for who, walk in every.items() if any(row[2] == stage for row in walk)}
    further = [walk for walk in every.values() if any(row[2] > stage for row in walk)]
    to_next, inside, back = [], [], 0
    for walk in here.values():
        entry = next(k for k, row in enumerate(walk) if row[2] == stage)
        later = [row[1] for row in walk if row[2] > stage and row[1] >= walk[entry][1]]
        to_next += [min(later) - walk[entry][1]] if later else []
        back += any(row[2] < stage and row[1] > walk[entry][1] for row in walk)
        outside = next((k for k in range(entry, len(walk)) if walk[k][2] != stage), None)
        last = len(walk) if outside is None else outside
        if outside is not None or until - walk[-1][1] > silent:
            inside.append(walk[last - 1][1] - walk[entry][1])
    current = [walk for walk in here.values() if walk[-1][2] == stage]
    ended = [walk for walk in current if until - walk[-1][1] > silent]
    return {
        "customers": len(here),
        "events": sum(row[2] == stage for walk in every.values() for row in walk),
        "ended_here": len(ended),
        "still_moving": len(current) - len(ended),
        "went_back": back,
        "customers_further": len(further),
        "skipped": sum(all(row[2] != stage for row in walk) for walk in further),
        "n_to_next": len(to_next),
        "median_seconds_to_next": median(to_next) if to_next else None,
        "median_seconds_in_stage": median(inside) if inside else None,
    }


def route_counts(rows: list[Row]) -> dict[tuple[int, int], tuple[int, int]]:
    """Moves and customers of each pair of stages; −1 is the start."""
    moves: dict[tuple[int, int], list[str]] = {}
    for who, walk in walks(rows).items():
        moves.setdefault((-1, walk[0][2]), []).append(who)
        for one, other in pairwise(walk):
            if one[2] != other[2]:
                moves.setdefault((one[2], other[2]), []).append(who)
    return {pair: (len(who), len(set(who))) for pair, who in moves.items()}


def first_value(frame: pd.DataFrame, customer: str, column: str) -> Any:
    """A customer's first value that is not missing; of several at one instant the smallest as text."""
    own = frame[(frame["customer_id"] == customer) & frame[column].notna()]
    return (
        None if own.empty else min(own[own["timestamp"] == own["timestamp"].min()][column], key=str)
    )
