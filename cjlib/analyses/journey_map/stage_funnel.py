"""Who goes through the stages in their order: what `cj.funnel` over the stages says without a limit of time, read off the visits."""

from __future__ import annotations

import numpy as np

from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import Bools
from cjlib.shared.stats import share, wilson


def in_order(walk: Walk) -> dict[str, np.ndarray]:
    """`customers_in_order`, `share_of_first` and `share_of_previous` of each stage; stages without touchpoints are passed over, their values missing."""
    at = np.array(walk.places.counted, dtype=np.int64)
    reached = np.array([np.count_nonzero(one) for one in _reached(walk)], dtype=float)
    columns = {"customers_in_order": reached}
    for name, base in (
        ("share_of_first", np.repeat(reached[:1], reached.size)),
        ("share_of_previous", np.r_[np.nan, reached[:-1]][: reached.size]),
    ):
        low, high = wilson(reached, base)
        columns |= {name: share(reached, base), f"{name}_low": low, f"{name}_high": high}
    for name in ("share_of_first_low", "share_of_first_high"):
        columns[name][:1] = np.nan
    found = {name: np.full(len(walk.places.stages), np.nan) for name in columns}
    for name, values in columns.items():
        found[name][at] = values
    return found


def _reached(walk: Walk) -> list[Bools]:
    """For each stage that has touchpoints who came so far: the earliest visit at or after the one before is the best to go on from."""
    visits, reached = walk.visits, []
    visit = None
    for stage in walk.places.counted:
        # Events of one instant stand in the order of their stages, so a later stage at the same instant follows.
        visit = (
            visits.first[:, stage]
            if visit is None
            else visits.following(visit, visits.stage == stage)
        )
        reached.append(visit >= 0)
    return reached
