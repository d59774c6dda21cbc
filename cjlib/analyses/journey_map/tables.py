"""Columns of numbers as the tables of the map: a row a group and stage, or a group and touchpoint."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.feedback import evidence, heard
from cjlib.analyses.journey_map.inputs import Acts, Groups, Money, Source, costs, mean_after
from cjlib.analyses.journey_map.mapped_events import Bools, Ints, Walk
from cjlib.analyses.journey_map.stages import StageCounts, behaviour, with_interval
from cjlib.shared.stats import share, wilson
from cjlib.sources.log.event_log import EventLog

Columns = dict[str, np.ndarray]
COUNTS = {
    "customers",
    "customers_in_order",
    "events",
    "touchpoints_seen",
    "n_to_next",
    "ended_here",
    "still_moving",
    "went_back",
    "customers_further",
    "skipped",
    "n_feedback",
    "n_solicited",
    "n_scored",
    "n_nps",
    "n_csat",
    "n_ces",
}
MOST = 3
POINT_COLUMNS = (
    "stage",
    "touchpoint",
    "backstage",
    "customers",
    "share_of_stage",
    "share_of_stage_low",
    "share_of_stage_high",
    "events",
    "events_per_customer",
    "channels",
    "ended_here",
    "n_feedback",
    "mean_score",
    "mean_score_low",
    "mean_score_high",
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
)
STAGE_COLUMNS = (
    "stage",
    "position",
    "customers",
    "share_of_all",
    "share_of_all_low",
    "share_of_all_high",
    "customers_in_order",
    *(
        f"{name}{end}"
        for name in ("share_of_first", "share_of_previous")
        for end in ("", "_low", "_high")
    ),
    "events",
    "events_per_customer",
    "touchpoints_seen",
    "channels",
    "median_seconds_in_stage",
    "median_seconds_to_next",
    "n_to_next",
    "ended_here",
    "still_moving",
    "share_ended",
    "share_ended_low",
    "share_ended_high",
    "went_back",
    "share_went_back",
    "share_went_back_low",
    "share_went_back_high",
    "customers_further",
    "skipped",
    "share_skipped",
    "share_skipped_low",
    "share_skipped_high",
    "n_feedback",
    "n_solicited",
    "n_scored",
    "mean_score",
    "mean_score_low",
    "mean_score_high",
    "share_negative",
    "share_negative_low",
    "share_negative_high",
    "share_method",
    *(
        f"{lead}{name}{end}"
        for name in ("nps", "csat", "ces")
        for lead, end in (("n_", ""), ("", ""), ("", "_low"), ("", "_high"))
    ),
    "mean_churn_probability",
    "value_per_customer",
    "value_per_customer_low",
    "value_per_customer_high",
    "cost_per_customer",
    "support_contacts_per_customer",
    "evidence",
)
VALUES = ("value_per_customer", "value_per_customer_low", "value_per_customer_high")


def stacked(parts: list[Columns]) -> Columns:
    """The columns of each group, one below the other."""
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def framed(
    groups: Groups, columns: Columns, names: tuple[str, ...], texts: tuple[str, ...]
) -> pd.DataFrame:
    """The table with the column of the groups first; what was not counted is missing, counts are whole numbers."""
    size = len(columns["stage"])
    missing = {
        name: np.full(size, None, dtype=object) if name in texts else np.full(size, np.nan)
        for name in names
        if name not in columns
    }
    table = groups.columns(size // max(groups.size, 1))
    return pd.DataFrame(table | {name: _column(name, (columns | missing)[name]) for name in names})


def _column(name: str, values: np.ndarray) -> pd.Series:
    if name in COUNTS:
        return counts_column(values)
    return pd.Series(values, dtype="str") if values.dtype == object else pd.Series(values)


def counts_column(values: np.ndarray) -> pd.Series:
    """Counts as int64; where one is not known, as Int64 with that one missing."""
    numbers = pd.Series(values, dtype="float64")
    return numbers.astype("Int64") if numbers.isna().any() else numbers.astype("int64")


def channel_names(log: EventLog) -> list[str]:
    """The channels of the log, by code."""
    return (
        [str(name) for name in log.codes("channel", where="FALSE")[1]]
        if "channel" in log.properties
        else []
    )


def channel_words(
    walks: tuple[Walk, ...], names: list[str], group: Ints, groups: int
) -> list[str | None]:
    """The channels of each group of positions in words, most common first: "email 61%, web 39%"; None where no event has one."""
    constant = [entry.channel for entry in walks[0].places.mapping]
    every = sorted({*names, *(name for name in constant if name is not None)})
    summed = np.zeros((groups, len(every)), dtype=np.int64)
    np.add.at(summed, group, sum(_counts(walk, names, constant, every) for walk in walks))
    return [_in_words(row, every) for row in summed]


def _counts(
    walk: Walk, names: list[str], constant: list[str | None], every: list[str]
) -> np.ndarray:
    """The events of each position of the mapping in each channel; a touchpoint's own channel stands before the column, events without any are left out."""
    size = len(names) + 1
    own = np.bincount(
        walk.place.astype(np.int32) * size + (walk.channel + 1), minlength=len(constant) * size
    ).reshape(len(constant), size)
    counts = np.zeros((len(constant), len(every)), dtype=np.int64)
    column = {name: k for k, name in enumerate(every)}
    for place, fixed in enumerate(constant):
        if fixed is not None:
            counts[place, column[fixed]] = own[place].sum()
        else:
            counts[place, [column[name] for name in names]] = own[place, 1:]
    return counts


def _in_words(counts: np.ndarray, names: list[str]) -> str | None:
    total = int(counts.sum())
    if total == 0:
        return None
    order = np.lexsort((np.arange(counts.size), -counts))
    shown = [f"{names[k]} {_percent(float(counts[k]) / total)}" for k in order[:MOST] if counts[k]]
    rest = int(counts[order[MOST:]].sum())
    return ", ".join([*shown, f"others {_percent(float(rest / total))}"] if rest else shown)


def _percent(part: float) -> str:
    return "<1%" if part < 0.005 else f"{100 * part:.0f}%"


def in_order(walk: Walk) -> dict[str, np.ndarray]:
    """`customers_in_order`, `share_of_first` and `share_of_previous` of each stage; stages without touchpoints are passed over, their values missing."""
    at = np.array(walk.places.counted, dtype=np.int64)
    reached = np.array(
        [np.count_nonzero(visit >= 0) for visit in walk.visits.in_order(walk.places.counted)],
        dtype=float,
    )
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
    columns |= stacked([_at_points(source, counts, group) for group, counts in enumerate(counted)])
    columns |= heard(source.opinions, "point", len(points), size)
    columns["evidence"] = evidence(columns["customers"], columns["n_feedback"])
    return framed(source.groups, columns, POINT_COLUMNS, ("channels",))


def _at_points(source: Source, counts: StageCounts, group: int) -> Columns:
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


def stage_table(source: Source, counted: list[StageCounts]) -> pd.DataFrame:
    """A row a group and stage; `counted` has the walk of each group, nothing without a log."""
    stages, size = len(source.stages), source.groups.size
    columns: Columns = {
        "stage": np.array(source.stages * size, dtype=object),
        "position": np.tile(np.arange(1, stages + 1), size),
    }
    columns |= {"customers": np.full(size * stages, np.nan)} | stacked(
        [_at_stages(source, counts, group) for group, counts in enumerate(counted)]
    )
    columns |= heard(source.opinions, "stage", stages, size)
    columns["evidence"] = evidence(columns["customers"], columns["n_feedback"])
    return framed(source.groups, columns, STAGE_COLUMNS, ("channels", "share_method"))


def _at_stages(source: Source, counts: StageCounts, group: int) -> Columns:
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
