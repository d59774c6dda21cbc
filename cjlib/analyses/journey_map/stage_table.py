"""`.table`: what customers do, feel and are worth at each stage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.channels import channel_names, channel_words
from cjlib.analyses.journey_map.column_tables import Columns, framed, stacked
from cjlib.analyses.journey_map.feedback_by_stage import evidence, heard
from cjlib.analyses.journey_map.inputs import Acts, Source
from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_funnel import in_order
from cjlib.analyses.journey_map.stages import StageCounts, behaviour
from cjlib.analyses.journey_map.value import Money, costs, mean_after

STAGE_COLUMNS = (
    *(
        "stage",
        "position",
        "customers",
        "share_of_all",
        "share_of_all_low",
        "share_of_all_high",
        "customers_in_order",
    ),
    *(
        f"{name}{end}"
        for name in ("share_of_first", "share_of_previous")
        for end in ("", "_low", "_high")
    ),
    *(
        "events",
        "events_per_customer",
        "touchpoints_seen",
        "channels",
        "median_seconds_in_stage",
        "median_seconds_to_next",
        "n_to_next",
    ),
    *("ended_here", "still_moving", "share_ended", "share_ended_low", "share_ended_high"),
    *("went_back", "share_went_back", "share_went_back_low", "share_went_back_high"),
    *("customers_further", "skipped", "share_skipped", "share_skipped_low", "share_skipped_high"),
    *("n_feedback", "n_solicited", "n_scored", "mean_score", "mean_score_low", "mean_score_high"),
    *("share_negative", "share_negative_low", "share_negative_high", "share_method"),
    *(
        f"{lead}{name}{end}"
        for name in ("nps", "csat", "ces")
        for lead, end in (("n_", ""), ("", ""), ("", "_low"), ("", "_high"))
    ),
    *(
        "mean_churn_probability",
        "value_per_customer",
        "value_per_customer_low",
        "value_per_customer_high",
    ),
    *("cost_per_customer", "support_contacts_per_customer", "evidence"),
)
VALUES = ("value_per_customer", "value_per_customer_low", "value_per_customer_high")


def stage_table(source: Source, counted: list[StageCounts]) -> pd.DataFrame:
    """A row a group and stage; `counted` has the walk of each group, nothing without a log."""
    stages, size = len(source.stages), source.groups.size
    columns: Columns = {
        "stage": np.array(source.stages * size, dtype=object),
        "position": np.tile(np.arange(1, stages + 1), size),
    }
    columns |= {"customers": np.full(size * stages, np.nan)} | stacked(
        [_done(source, counts, group) for group, counts in enumerate(counted)]
    )
    columns |= heard(source.opinions, "stage", stages, size)
    columns["evidence"] = evidence(columns["customers"], columns["n_feedback"])
    return framed(source.groups, columns, STAGE_COLUMNS, ("channels", "share_method"))


def _done(source: Source, counts: StageCounts, group: int) -> Columns:
    """What the customers of one group did, a value a stage; nothing at stages without touchpoints."""
    acts, walk = source.acts_of(group), counts.walk
    assert acts is not None
    columns = behaviour(counts) | in_order(walk)
    total = costs(acts.walk, acts.back, walk.places.stage, counts.stages)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["cost_per_customer"] = np.where(
            columns["customers"] > 0, total / columns["customers"], np.nan
        )
    columns |= _values(acts.money, walk)
    columns["mean_churn_probability"] = _churn(source, acts, counts)
    without = np.setdiff1d(np.arange(counts.stages), walk.places.counted)
    if without.size:
        columns = {name: values.astype(float) for name, values in columns.items()}
        for values in columns.values():
            values[without] = np.nan
    channels = channel_words((walk,), channel_names(acts.log), walk.places.stage, counts.stages)
    return columns | {"channels": np.array(channels, dtype=object)}


def _values(money: Money | None, walk: Walk) -> Columns:
    """The mean value after the entry with its t interval."""
    columns = {name: np.full(len(walk.places.stages), np.nan) for name in VALUES}
    if money is None:
        return columns
    from scipy.special import stdtrit

    for s in walk.places.counted:
        mean, error, n = mean_after(money, walk, walk.entries[:, s])
        half = stdtrit(n - 1, 0.975) * error if n > 1 else np.nan
        for name, value in zip(VALUES, (mean, mean - half, mean + half), strict=True):
            columns[name][s] = value
    return columns


def _churn(source: Source, acts: Acts, counts: StageCounts) -> np.ndarray:
    """The mean of the model's probabilities over the customers whose current stage it is."""
    found = np.full(counts.stages, np.nan)
    if source.churn is None:
        return found
    ids = pd.Index([str(one) for one in acts.log.customer_ids()])[counts.walk.codes]
    probability = source.churn.reindex(ids).to_numpy(dtype=float)
    for s in range(counts.stages):
        held = np.sort(probability[(counts.current == s) & ~np.isnan(probability)])
        found[s] = held.mean() if held.size else np.nan
    return found
