"""The moves between stages, and where journeys begin."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import NONE, Ints
from cjlib.analyses.journey_map.stages import medians, with_interval
from cjlib.shared.comparison import MIN_N
from cjlib.sources.journey import Journey

START = "(start)"
Move = tuple[int, int]


def planned_routes(journey: Journey) -> set[Move]:
    """The routes of the journey file as positions of stages."""
    number = {name.casefold(): k for k, name in enumerate(journey.stage_names)}
    return {(number[begin.casefold()], number[end.casefold()]) for begin, end in journey.routes}


def routes(walk: Walk, planned: set[Move], min_n: int = MIN_N) -> pd.DataFrame:
    """`.routes`: every move between stages, and where journeys begin."""
    visits, stages = walk.visits, len(walk.places.stages)
    move = visits.moves
    # The start counts as one more stage, which everybody leaves for the stage of the first event.
    every = np.r_[
        stages * stages + walk.stage[walk.starts].astype(np.int64),
        visits.stage[move].astype(np.int64) * stages + visits.stage[move + 1],
    ]
    taken = np.r_[
        np.zeros(walk.customers, dtype=np.int64),
        walk.time[visits.begin[move + 1]] - walk.time[visits.end[move]],
    ]
    made = np.bincount(every, minlength=(stages + 1) * stages)
    kinds = np.flatnonzero(made)
    whom = np.zeros((kinds.size, walk.customers), dtype=bool)
    whom[np.searchsorted(kinds, every), np.r_[np.arange(walk.customers), visits.who[move]]] = True
    begin, end = kinds // stages, kinds % stages
    pairs = list(zip(begin.tolist(), end.tolist(), strict=True))
    following = _following(walk.places.counted, stages)
    expected = np.array([pair in planned | following for pair in pairs], dtype=bool)
    left = np.r_[np.bincount(visits.stage, minlength=stages), walk.customers]
    customers = whom.sum(1)
    names = np.array([*walk.places.stages, START], dtype=object)
    columns = {
        "source": pd.Series(names[begin], dtype="str"),
        "target": pd.Series(names[end], dtype="str"),
        "kind": pd.Series([_kind(pair, following, stages) for pair in pairs], dtype="str"),
        "planned": expected,
        "moves": made[kinds].astype(np.int64),
        "customers": customers.astype(np.int64),
    } | with_interval("share_of_source", made[kinds], left[begin])
    columns["median_seconds"] = np.where(
        begin == stages, np.nan, _medians_by(taken, every, made[kinds])
    )
    columns["notable"] = ~expected & (customers >= min_n) & (columns["share_of_source"] >= 0.05)
    order = np.lexsort((end, np.where(begin == stages, NONE, begin)))
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def _following(counted: list[int], start: int) -> set[Move]:
    return set(pairwise(counted)) | {(start, counted[0])} if counted else set()


def _medians_by(values: Ints, kind: Ints, sizes: Ints) -> np.ndarray:
    """The median of the values of each kind, in seconds; the kinds have these sizes, in their order."""
    # A stable sort of small numbers takes one pass: much cheaper than sorting by value too.
    order = np.argsort(kind.astype(np.int16), kind="stable")
    return medians(np.split(values[order], np.cumsum(sizes)[:-1]) if sizes.size else [])


def _kind(move: Move, following: set[Move], stages: int) -> str:
    source, target = move
    return (
        "forward"
        if move in following
        else "skipping"
        if source < target or source == stages
        else "back"
    )
