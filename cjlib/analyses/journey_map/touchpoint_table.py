"""`.touchpoints`: what happens at each touchpoint, those behind the stage included."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.channels import channel_names, channel_words
from cjlib.analyses.journey_map.column_tables import Columns, framed, stacked
from cjlib.analyses.journey_map.feedback_by_stage import evidence, heard
from cjlib.analyses.journey_map.inputs import Source
from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import Bools
from cjlib.analyses.journey_map.stages import StageCounts, with_interval
from cjlib.analyses.journey_map.value import costs
from cjlib.shared.stats import share

POINT_COLUMNS = (
    *(
        "stage",
        "touchpoint",
        "backstage",
        "customers",
        "share_of_stage",
        "share_of_stage_low",
        "share_of_stage_high",
    ),
    *(
        "events",
        "events_per_customer",
        "channels",
        "ended_here",
        "n_feedback",
        "mean_score",
        "mean_score_low",
        "mean_score_high",
    ),
    *(
        "nps",
        "nps_low",
        "nps_high",
        "n_nps",
        "csat",
        "csat_low",
        "csat_high",
        "n_csat",
        "cost",
        "evidence",
    ),
)


def point_table(source: Source, counted: list[StageCounts]) -> pd.DataFrame:
    """A row a group and touchpoint; `counted` has the walk of each group, nothing without a log."""
    size, points = source.groups.size, source.places.points
    behind = {
        point: one.backstage
        for point, one in zip(source.places.point.tolist(), source.places.mapping, strict=True)
    }
    columns: Columns = {
        "stage": np.array([source.stages[stage] for stage, _ in points] * size, dtype=object),
        "touchpoint": np.array([name for _, name in points] * size, dtype=object),
        "backstage": np.array([behind[k] for k in range(len(points))] * size, dtype=bool),
        "customers": np.full(size * len(points), np.nan),
    }
    columns |= stacked([_done(source, counts, group) for group, counts in enumerate(counted)])
    columns |= heard(source.opinions, "point", len(points), size)
    columns["evidence"] = evidence(columns["customers"], columns["n_feedback"])
    return framed(source.groups, columns, POINT_COLUMNS, ("channels",))


def _done(source: Source, counts: StageCounts, group: int) -> Columns:
    """What the customers of one group did, a value a touchpoint; behind the stage it is counted from the events no customer sees."""
    acts, walk, places = source.acts_of(group), counts.walk, counts.walk.places
    assert acts is not None
    size, back = len(places.points), acts.back
    met, behind = walk.met.sum(0), back.met
    customers = met + behind.sum(0)
    inside = met + (behind & _was_there(counts, back)[:, places.stage_of_point]).sum(0)
    events = np.bincount(walk.point, minlength=size) + np.bincount(back.point, minlength=size)
    columns: Columns = {
        "customers": customers,
        "events": events,
        "events_per_customer": share(events, customers),
    }
    columns |= with_interval("share_of_stage", inside, counts.entered.sum(0)[places.stage_of_point])
    columns["ended_here"] = np.bincount(walk.point[walk.ends][walk.ended], minlength=size)
    columns["cost"] = costs(walk, back, places.point, size)
    return columns | {
        "channels": np.array(
            channel_words((walk, back), channel_names(acts.log), places.point, size), dtype=object
        )
    }


def _was_there(counts: StageCounts, back: Walk) -> Bools:
    """Which stages the customers of the events behind the stage entered."""
    codes = counts.walk.codes
    if not codes.size:
        return np.zeros((back.customers, counts.stages), dtype=bool)
    at = np.minimum(np.searchsorted(codes, back.codes), codes.size - 1)
    return (codes[at] == back.codes)[:, None] & counts.entered[at]
