"""Who goes through the stages in their order: `cj.funnel` over the stages, without a limit of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cjlib.analyses.funnel import funnel
from cjlib.analyses.journey_map.walk import Places
from cjlib.analyses.stats import share, wilson
from cjlib.sources.conditions import Step
from cjlib.sources.events import EventLog
from cjlib.sources.journey import Journey
from cjlib.sources.prepared import Property

STAGE_COLUMN = "stage of the journey"


def stage_steps(journey: Journey, log: EventLog, places: Places, mapped: str) -> tuple[EventLog, list[Step | list[str]]]:
    """The stages as steps of a funnel: the names of their events, or, where conditions are among them, a column that says the stage."""
    own = [[one.event for k, one in enumerate(places.mapping) if one.position == stage and places.front[k]] for stage in places.counted]
    if not any(event.where for events in own for event in events):
        return log, [[name for event in events for name in event.names] for events in own]
    cases = " ".join(f"WHEN {k} THEN {one.position}" for k, one in enumerate(places.mapping) if places.front[k])
    made = f"CASE {mapped} {cases} END"
    name = f"staged_{abs(hash((log.prepared, journey.hash))):x}"
    log.engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT *, CAST({made} AS BIGINT) AS of_stage FROM {log.prepared}")
    column = Property(STAGE_COLUMN, "of_stage", "BIGINT", coded=False)
    derived = replace(log, prepared=name, properties={**log.properties, STAGE_COLUMN: column})
    return derived, [Step(None, where={STAGE_COLUMN: stage}) for stage in places.counted]


def in_order(journey: Journey, log: EventLog, places: Places, mapped: str, *, groups: np.ndarray | None, size: int) -> dict[str, np.ndarray]:
    """`customers_in_order`, `share_of_first` and `share_of_previous` of each group and stage; `groups` by customer code, None: all together."""
    names = ["customers_in_order"] + [f"{name}{end}" for name in ("share_of_first", "share_of_previous") for end in ("", "_low", "_high")]
    columns = {name: np.full((size, len(places.stages)), np.nan) for name in names}
    if not places.counted:
        return columns
    derived, steps = stage_steps(journey, log, places, mapped)
    counted = funnel(derived, steps, window=None)
    at = np.array(places.counted)
    if groups is None:
        table = counted.table.rename(columns={"customers": "customers_in_order"})
        for name in names:
            columns[name][0, at] = table[name].to_numpy(dtype=float)
        return columns
    reached = _reached(counted.customers(), log, groups, size, at.size)
    first, previous = reached[:, :1], np.c_[np.zeros(size), reached[:, :-1]]
    columns["customers_in_order"][:, at] = reached
    for name, base in (("share_of_first", np.broadcast_to(first, reached.shape)), ("share_of_previous", previous)):
        low, high = wilson(reached, base)
        for end, values in (("", share(reached, base)), ("_low", low), ("_high", high)):
            columns[f"{name}{end}"][:, at] = values
    for name in names[2:]:
        if name != "share_of_first":
            columns[name][:, at[0]] = np.nan
    return columns


def _reached(customers: pd.DataFrame, log: EventLog, groups: np.ndarray, size: int, steps: int) -> np.ndarray:
    """Customers of each group who reached each step, from the funnel's own rows."""
    code = pd.Index(log.customer_ids()).get_indexer(pd.Index(customers["customer_id"].to_numpy(dtype=object)))
    group, depth = groups[code], customers["steps_reached"].to_numpy()
    inside = group >= 0
    exactly = np.bincount(group[inside] * (steps + 1) + depth[inside], minlength=size * (steps + 1)).reshape(size, steps + 1)[:, 1:]
    return np.cumsum(exactly[:, ::-1], axis=1)[:, ::-1].astype(float)
