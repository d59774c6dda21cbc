"""The tables of the map, from what was counted and what was said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.groups import Groups
from cjlib.analyses.journey_map.in_order import in_order
from cjlib.analyses.journey_map.line import Clustered, line_rows, named_patterns, taking_part
from cjlib.analyses.journey_map.money import Money, mean_after
from cjlib.analyses.journey_map.opinions import MEASURES, Opinions, evidence, scores_of
from cjlib.analyses.journey_map.stages import StageCounts, behaviour, channel_counts, channel_words, points_table
from cjlib.analyses.journey_map.walk import NONE, Places, Walk
from cjlib.sources.events import EventLog
from cjlib.sources.journey import Journey

SCORES = ["mean_score", "share_negative", "nps", "csat", "ces"]
STAGE_COLUMNS = (
    *("stage", "position", "customers", "share_of_all", "share_of_all_low", "share_of_all_high", "customers_in_order"),
    *(f"{name}{end}" for name in ("share_of_first", "share_of_previous") for end in ("", "_low", "_high")),
    *("events", "events_per_customer", "touchpoints_seen", "channels", "median_seconds_in_stage", "median_seconds_to_next", "n_to_next"),
    *("ended_here", "still_moving", "share_ended", "share_ended_low", "share_ended_high"),
    *("went_back", "share_went_back", "share_went_back_low", "share_went_back_high"),
    *("customers_further", "skipped", "share_skipped", "share_skipped_low", "share_skipped_high"),
    *("n_feedback", "n_solicited", "n_scored", "mean_score", "mean_score_low", "mean_score_high"),
    *("share_negative", "share_negative_low", "share_negative_high", "share_method"),
    *(f"{lead}{name}{end}" for name in ("nps", "csat", "ces") for lead, end in (("n_", ""), ("", ""), ("", "_low"), ("", "_high"))),
    *("mean_churn_probability", "value_per_customer", "value_per_customer_low", "value_per_customer_high"),
    *("cost_per_customer", "support_contacts_per_customer", "evidence"),
)
POINT_COLUMNS = (
    *("stage", "touchpoint", "backstage", "customers", "share_of_stage", "share_of_stage_low", "share_of_stage_high"),
    *("events", "events_per_customer", "channels", "ended_here", "n_feedback", "mean_score", "mean_score_low", "mean_score_high"),
    *("nps", "nps_low", "nps_high", "n_nps", "csat", "csat_low", "csat_high", "n_csat", "cost", "evidence"),
)
COUNTS = {
    *("customers", "customers_in_order", "events", "touchpoints_seen", "n_to_next", "ended_here", "still_moving", "went_back"),
    *("customers_further", "skipped", "n_feedback", "n_solicited", "n_scored", "n_nps", "n_csat", "n_ces"),
}


@dataclass(frozen=True)
class Source:
    """What a map is made of; without a log `walk` is None, without feedback `opinions` is."""

    journey: Journey
    log: EventLog | None
    places: Places
    groups: Groups
    walk: Walk | None
    back: Walk | None
    opinions: Opinions | None
    money: Money | None
    churn: pd.Series | None
    mapped: str

    @property
    def stages(self) -> list[str]:
        """The stages in order."""
        return list(self.places.stages)

    def group_of_walk(self, walk: Walk) -> np.ndarray:
        """The group of each customer of a walk."""
        return np.zeros(walk.customers, dtype=np.int64) if self.groups.of is None else self.groups.of[walk.codes]

    def walk_of(self, group: int) -> Walk | None:
        """The walk of one group."""
        if self.walk is None or self.groups.of is None:
            return self.walk
        return self.walk.only(self.group_of_walk(self.walk) == group)

    def back_of(self, group: int) -> Walk | None:
        """The events behind the stage of one group's customers."""
        if self.back is None or self.groups.of is None:
            return self.back
        return self.back.only(self.group_of_walk(self.back) == group)


def stage_table(source: Source, counted: list[StageCounts | None]) -> pd.DataFrame:
    """`.table`: a row a group and stage."""
    size, stages = source.groups.size, len(source.stages)
    columns: dict[str, np.ndarray] = {
        name: np.full(size * stages, np.nan) for name in STAGE_COLUMNS if name not in ("stage", "channels", "share_method")
    }
    columns |= {name: np.full(size * stages, None, dtype=object) for name in ("channels", "share_method")}
    columns["position"] = np.tile(np.arange(1, stages + 1), size)
    columns["stage"] = np.array(source.stages * size, dtype=object)
    if source.walk is not None and source.log is not None:
        chain = in_order(source.journey, source.log, source.places, source.mapped, groups=source.groups.of, size=size)
        columns |= {name: values.ravel() for name, values in chain.items()}
        for group, counts in enumerate(counted):
            _put(columns, group * stages, _walked(source, counts, group))
    columns |= _heard(source, stages, "stage")
    columns["evidence"] = evidence(np.nan_to_num(columns["customers"].astype(float)), columns["n_feedback"])
    if source.opinions is None:
        _unknown(columns, ("n_feedback", "n_solicited", "n_scored", "n_nps", "n_csat", "n_ces"))
    return _framed(source.groups.columns(stages), columns, STAGE_COLUMNS)


def _walked(source: Source, counts: StageCounts | None, group: int) -> dict[str, np.ndarray]:
    assert counts is not None
    walk, stages = counts.walk, counts.stages
    names = _channel_names(source)
    columns = behaviour(counts)
    columns["channels"] = np.array(channel_words(channel_counts(walk, names), source.places.stage, stages), dtype=object)
    columns["cost_per_customer"] = _costs(source, walk, source.back_of(group), columns["customers"])
    columns |= _values(source, walk)
    columns["mean_churn_probability"] = _churn(source, counts)
    without = np.setdiff1d(np.arange(stages), source.places.counted)
    for name, values in columns.items():
        if without.size and values.dtype != object:
            columns[name] = values.astype(float)
            columns[name][without] = np.nan
    return columns


def _values(source: Source, walk: Walk) -> dict[str, np.ndarray]:
    stages = len(source.stages)
    columns = {name: np.full(stages, np.nan) for name in ("value_per_customer", "value_per_customer_low", "value_per_customer_high")}
    if source.money is None:
        return columns
    from scipy.special import stdtrit

    for s in source.places.counted:
        mean, error, n = mean_after(source.money, walk, walk.entries[:, s], np.ones(walk.customers, dtype=bool))
        half = stdtrit(n - 1, 0.975) * error if n > 1 else np.nan
        for name, value in zip(columns, (mean, mean - half, mean + half), strict=True):
            columns[name][s] = value
    return columns


def _costs(source: Source, walk: Walk, back: Walk | None, customers: np.ndarray) -> np.ndarray:
    per_event = np.array([np.nan if one.cost is None else one.cost for one in source.places.mapping])
    total, known = np.zeros(customers.size), np.zeros(customers.size, dtype=bool)
    for part in (walk, back):
        if part is not None and part.place.size:
            events = np.bincount(part.place, minlength=per_event.size)
            np.add.at(total, source.places.stage, np.nan_to_num(per_event) * events)
    known[source.places.stage[~np.isnan(per_event)]] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known & (customers > 0), total / customers, np.nan)


def _churn(source: Source, counts: StageCounts) -> np.ndarray:
    """The mean of the model's probabilities over the customers whose current stage it is."""
    found = np.full(counts.stages, np.nan)
    if source.churn is None or source.log is None:
        return found
    ids = pd.Index([str(one) for one in source.log.customer_ids()])[counts.walk.codes]
    probability = source.churn.reindex(ids).to_numpy(dtype=float)
    for s in range(counts.stages):
        held = np.sort(probability[(counts.current == s) & ~np.isnan(probability)])
        found[s] = held.mean() if held.size else np.nan
    return found


def _channel_names(source: Source) -> list[str]:
    log = source.log
    return [] if log is None or "channel" not in log.properties else [str(name) for name in log.codes("channel", where="FALSE")[1]]


def _put(columns: dict[str, np.ndarray], at: int, values: dict[str, np.ndarray]) -> None:
    for name, part in values.items():
        columns[name][at : at + part.size] = part


def _heard(source: Source, size: int, column: str) -> dict[str, np.ndarray]:
    """The columns of the feedback for each group and stage (or touchpoint)."""
    total = source.groups.size * size
    if source.opinions is None:
        return {"n_feedback": np.zeros(total), "n_solicited": np.zeros(total), "n_scored": np.zeros(total)}
    rows = source.opinions.rows
    cell = np.where((rows[column] >= 0) & (rows["group"] >= 0), rows["group"] * size + rows[column], NONE)
    heard = scores_of(source.opinions, cell, total)
    bounds = {name: np.full(total, np.nan) for name in ("mean_score_low", "mean_score_high")}
    for group in range(source.groups.size):
        means = line_rows(source.opinions, group, column, size)["text"]
        for name, values in zip(bounds, means.interval(), strict=True):
            bounds[name][group * size : (group + 1) * size] = values
    return heard | bounds


def point_table(source: Source, counted: list[StageCounts | None]) -> pd.DataFrame:
    """`.touchpoints`: a row a group and touchpoint."""
    size, points = source.groups.size, source.places.points
    columns: dict[str, np.ndarray] = {
        name: np.full(size * len(points), np.nan) for name in POINT_COLUMNS if name not in ("stage", "touchpoint", "channels")
    }
    columns["channels"] = np.full(size * len(points), None, dtype=object)
    columns["stage"] = np.array([source.stages[stage] for stage, _ in points] * size, dtype=object)
    columns["touchpoint"] = np.array([name for _, name in points] * size, dtype=object)
    behind = {point: one.backstage for point, one in zip(source.places.point.tolist(), source.places.mapping, strict=True)}
    columns["backstage"] = np.array([behind[k] for k in range(len(points))] * size, dtype=bool)
    for group, counts in enumerate(counted):
        back = source.back_of(group)
        if counts is not None and back is not None:
            part = points_table(counts, back)
            part["channels"] = np.array(_point_channels(source, counts.walk, back), dtype=object)
            part["cost"] = _point_costs(source, counts.walk, back)
            _put(columns, group * len(points), part)
    columns |= _heard(source, len(points), "point")
    columns["evidence"] = evidence(np.nan_to_num(columns["customers"].astype(float)), columns["n_feedback"])
    if source.opinions is None:
        _unknown(columns, ("n_feedback", "n_nps", "n_csat"))
    return _framed(source.groups.columns(len(points)), columns, POINT_COLUMNS)


def _point_channels(source: Source, walk: Walk, back: Walk) -> list[str | None]:
    names = _channel_names(source)
    (every, counts), (_, behind) = channel_counts(walk, names), channel_counts(back, names)
    return channel_words((every, counts + behind), source.places.point, len(source.places.points))


def _point_costs(source: Source, walk: Walk, back: Walk) -> np.ndarray:
    size = len(source.places.points)
    per_event = np.array([np.nan if one.cost is None else one.cost for one in source.places.mapping])
    events = np.bincount(walk.place, minlength=per_event.size) + np.bincount(back.place, minlength=per_event.size)
    total = np.zeros(size)
    np.add.at(total, source.places.point, np.nan_to_num(per_event) * events)
    known = np.zeros(size, dtype=bool)
    known[source.places.point[~np.isnan(per_event)]] = True
    return np.where(known, total, np.nan)


def _unknown(columns: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    """What nobody was asked for is empty, not zero."""
    for name in names:
        columns[name] = np.full(len(columns["evidence"]), np.nan)


def _framed(first: dict[str, pd.Series], columns: dict[str, np.ndarray], names: tuple[str, ...]) -> pd.DataFrame:
    table = dict(first)
    for name in names:
        values = columns[name]
        if name in COUNTS:
            table[name] = counts_column(values)
        else:
            table[name] = pd.Series(values, dtype="str") if values.dtype == object else pd.Series(values)
    return pd.DataFrame(table)


def counts_column(values: np.ndarray) -> pd.Series:
    """Counts as int64; where one is not known, as Int64 with that one missing."""
    numbers = pd.Series(values, dtype="float64")
    return numbers.astype("Int64") if numbers.isna().any() else numbers.astype("int64")


# ---- the sentiment line ----------------------------------------------------------------------------------------------


def line_and_patterns(source: Source) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`.sentiment_line` and `.patterns`."""
    opinions = source.opinions
    lead = opinions.lead() if opinions is not None else None
    rows, named, groups = [], [], []
    for group in range(source.groups.size if opinions is not None and lead else 0):
        assert opinions is not None
        assert lead is not None
        by_stage = line_rows(opinions, group, "stage", len(source.stages))
        patterns = named_patterns(by_stage[lead], 0.05 / source.groups.size)
        names = {(s, lead): one.name for one in patterns for s in _inside(by_stage[lead], one) if one.name in ("trough", "peak")}
        rows += [
            (group, s, None, measure, *_line_row(means, s), names.get((s, measure)))
            for measure, means in by_stage.items()
            for s in range(means.places)
        ]
        points = line_rows(opinions, group, "point", len(source.places.points))
        rows += [
            (group, int(source.places.stage_of_point[k]), k, measure, *_line_row(means, k), None)
            for measure, means in points.items()
            for k in range(means.places)
        ]
        named += [(one.name, source.stages[one.first], _last(source, one), lead, one.pair, by_stage[lead], one) for one in patterns]
        groups += [group] * len(patterns)
    return _line_table(source, rows, lead), _pattern_table(source, named, groups)


def _inside(means: Clustered, one) -> list[int]:
    return [s for s in taking_part(means) if one.first <= s <= one.last]


def _last(source: Source, one) -> str | None:
    return source.stages[one.last] if one.last != one.first else None


def _line_row(means: Clustered, k: int) -> tuple:
    low, high = means.interval()
    return int(means.n[k]), int(means.people[k]), float(means.mean[k]), float(low[k]), float(high[k])


def _line_table(source: Source, rows: list[tuple], lead: str | None) -> pd.DataFrame:
    kept = [row for row in rows if row[4] > 0]
    order = {measure: k for k, measure in enumerate(MEASURES)}
    kept.sort(key=lambda row: (row[0], row[2] is not None, row[2] if row[2] is not None else row[1], order[row[3]]))
    group = np.array([row[0] for row in kept], dtype=np.int64)
    points = [name for _, name in source.places.points]
    columns = {
        "stage": pd.Series([source.stages[row[1]] for row in kept], dtype="str"),
        "position": np.array([row[1] + 1 for row in kept], dtype=np.int64),
        "touchpoint": pd.Series([None if row[2] is None else points[row[2]] for row in kept], dtype="str"),
        "measure": pd.Series([row[3] for row in kept], dtype="str"),
        "lead": np.array([row[3] == lead for row in kept], dtype=bool),
        "n": np.array([row[4] for row in kept], dtype=np.int64),
        "customers": np.array([row[5] for row in kept], dtype=np.int64),
        "value": np.array([row[6] for row in kept], dtype=float),
        "value_low": np.array([row[7] for row in kept], dtype=float),
        "value_high": np.array([row[8] for row in kept], dtype=float),
        "named": pd.Series([row[9] for row in kept], dtype="str"),
    }
    return pd.DataFrame(source.groups.columns_at(group) | columns)


def _pattern_table(source: Source, named: list[tuple], groups: list[int]) -> pd.DataFrame:
    columns = {
        "pattern": pd.Series([one[0] for one in named], dtype="str"),
        "stage": pd.Series([one[1] for one in named], dtype="str"),
        "to_stage": pd.Series([one[2] for one in named], dtype="str"),
        "measure": pd.Series([one[3] for one in named], dtype="str"),
        "change": np.array([one[4].change for one in named], dtype=float),
        "change_low": np.array([one[4].bounds[0] for one in named], dtype=float),
        "change_high": np.array([one[4].bounds[1] for one in named], dtype=float),
        "p_adjusted": np.array([one[4].p_adjusted for one in named], dtype=float),
        "text": pd.Series([_pattern_text(source, one) for one in named], dtype="str"),
    }
    return pd.DataFrame(source.groups.columns_at(np.array(groups, dtype=np.int64)) | columns)


def _pattern_text(source: Source, named: tuple) -> str:
    name, first, last, measure, pair, means, one = named
    scale = {"text": "the tone of texts (−1 to 1)", "csat": "CSAT (1 to 5)", "nps": "the answers to NPS (0 to 10)", "ces": "CES (1 to 7)"}[measure]
    where = first if last is None else f"{first} to {last}"
    n = ", ".join(
        f"{source.stages[s]} {f'{means.mean[s]:.2f}'.replace('-', '−')} (n = {means.n[s]:,})"
        for s in taking_part(means)
        if one.first - 1 <= s <= one.last + 1
    )
    said = {
        "rapid drop": f"A rapid drop from {first} to {last}",
        "trough": f"{where} is a trough",
        "peak": f"{where} is a peak",
        "sawtooth": f"A sawtooth from {first} to {last}",
    }[name]
    change = f"{pair.change:+.2f} (95 % interval {pair.bounds[0]:+.2f} to {pair.bounds[1]:+.2f}, over all pairs of stages at once)"
    return f"{said}: {scale} changes by {change.replace('-', '−')}; {n}."
