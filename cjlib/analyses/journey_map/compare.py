"""Two maps side by side: what has changed significantly, and in which direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.equal_follow_up import SHARES, Counted, Followed, horizon_of
from cjlib.analyses.journey_map.feedback import SCORES
from cjlib.analyses.journey_map.inputs import Money, Source
from cjlib.analyses.journey_map.mapped_events import begun
from cjlib.analyses.journey_map.stages import SECOND, StageCounts
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError
from cjlib.shared.clustered_comparison import two_sided
from cjlib.shared.comparison import (
    CLAIM,
    MIN_N,
    Family,
    FollowUp,
    compare_shares,
    family,
    group_means_against_others,
    known_at_once,
)
from cjlib.shared.repeated_answers import error_of_equals
from cjlib.shared.stats import Z95
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.doubtful_answers import changed_scale

Record = dict[Any, Any]
DRAWS = 1_000
ALIKE_LONG = 1.1
"""So many times as long a log may be for its counts to be called more or fewer."""
BETTER = {
    "share_of_previous": "higher",
    "share_ended": "lower",
    "share_went_back": "lower",
    "share_skipped": None,
    "csat": "higher",
    "ces": "higher",
    "rating": "higher",
    "nps": "higher",
    "mean_score": "higher",
    "value_per_customer": "higher",
    "median_seconds_to_next": None,
    "median_seconds_in_stage": None,
}
MEANS = {
    "nps": "n_nps",
    "csat": "n_csat",
    "ces": "n_ces",
    "rating": "n_rating",
    "mean_score": "n_scored",
}
MEDIANS = ("median_seconds_to_next", "median_seconds_in_stage")
COUNTS = ("customers", "events", "n_feedback")
COLUMNS = [
    "stage",
    "measure",
    "earlier",
    "now",
    "n_earlier",
    "n_now",
    "change",
    "change_low",
    "change_high",
    "p_value",
    "p_adjusted",
    "significant",
    "words",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class MapChange(Result):
    """What changed between two maps, a row a stage and measure."""


@dataclass(frozen=True)
class Side:
    """One of the two maps: its table, what it was made of, and whose it is where it is of some customers alone."""

    table: pd.DataFrame
    source: Source
    only: str | None

    @property
    def called(self) -> str | None:
        """Whose map it is, without their number."""
        return None if self.only is None else self.only.rpartition(": ")[0]

    def rows(self) -> list[Record]:
        """The stages."""
        return self.table.to_dict("records")

    @property
    def cut(self) -> list[str]:
        """From when on its log was cut, in words."""
        log = self.source.log
        words = () if log is None else log.filters_in_words
        return [one for one in words if one.startswith("from ")]

    def followed(self, horizon: int, within: int | None) -> Followed | None:
        """Its customers followed so long after each entry, of those who began so shortly before the end of data (`within`; None: all); None without events."""
        walk, log = self.source.walk, self.source.log
        if walk is None or log is None:
            return None
        if within is not None:
            walk = walk.only(begun(log)[walk.codes] > walk.observed_until - within)
        return Followed(StageCounts(walk), horizon)

    def answered(self, score: str, stage: int) -> int:
        """How many customers gave the answers of a stage that a score is counted from."""
        opinions, measure = self.source.opinions, "text" if score == "mean_score" else score
        if opinions is None or measure not in opinions.answers:
            return 0
        answers = opinions.answers[measure]
        return np.unique(answers.person[answers.places["stage"] == stage]).size

    @property
    def fitted(self) -> bool:
        """Whether the scorer of its texts learnt from ratings: what it learnt is in no interval of its scores, and the ratings themselves are compared."""
        return self.source.opinions is not None and self.source.opinions.fitted

    @property
    def days(self) -> float:
        """How long its log is; 1 without events."""
        span = self.source.log.span if self.source.log is not None else None
        return 1.0 if span is None else max((span[1] - span[0]) / pd.Timedelta("1D"), 1.0)

    @property
    def changed_scales(self) -> dict[str, str]:
        """Scores whose scale may have changed on a day of the feedback, and why: their cells are not tested."""
        if self.source.opinions is None:
            return {}
        frame = self.source.opinions.assigned.feedback.frame
        found = [changed_scale(frame, score) for score in SCORES]
        return {one.score: f"not tested: {one.words}" for one in found if one is not None}

    def words(self) -> str:
        """The days of its log, and whose it is."""
        span = self.source.log.span if self.source.log is not None else None
        days = "no events" if span is None else f"{span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}"
        return days if self.only is None else f"{self.only}, {days}"


@dataclass(frozen=True)
class Cell:
    """One measure at one stage in both maps."""

    earlier: float
    now: float
    n_earlier: int
    n_now: int
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    customers: tuple[int, int] | None = None
    """Whose answers they are, earlier and now; None: n counts customers."""

    @property
    def units(self) -> tuple[int, int]:
        """The customers of both maps."""
        return self.customers or (self.n_earlier, self.n_now)

    def untested(self) -> Cell:
        """The two values alone."""
        return Cell(self.earlier, self.now, self.n_earlier, self.n_now, customers=self.customers)


def compare(now: Side, earlier: Side) -> MapChange:
    """Each measure of each stage now and in an earlier map, with the change, its interval and whether it is significant.

    The two maps may also be those of two groups, personas or segments at the same time: then `earlier` is the one that the other is set beside.

    Shares, times and values are of customers followed equally long after they entered the stage (twice `map.silent_after`, less in a short log), in both maps; so
    they differ from those of the maps. Shares: Newcombe's interval and the pooled z test; scores: z with summed variances, answers of one customer together; values:
    the interval of means with a long tail (of their logarithms, joined as Zou and Donner do) and its p; medians: seeded bootstrap of customers, and Mood's test (the
    shares above the common median). p is adjusted (Benjamini–Hochberg) over all cells with 30 or more customers on both sides. Counts are only more or fewer, and that only of logs that are about as long (within 10%). The same people in both maps make it conservative.

    Returns
    -------
    MapChange
        `.table`: `stage`, `measure`, `earlier`, `now`, `n_earlier`, `n_now`, `change`, `change_low`, `change_high`, `p_value`, `p_adjusted`, `significant`, `words`.

    Raises
    ------
    CjlibError
        If the maps have other stages, or are maps of groups.
    """
    _alike(now, earlier)
    walks = [one.source.walk for one in (now, earlier) if one.source.walk is not None]
    horizon = min((horizon_of(walk) for walk in walks), default=0)
    within = _newcomers_within(now, earlier)
    sides = earlier.followed(horizon, within), now.followed(horizon, within)
    money = tuple(one.source.acts.money if one.source.acts else None for one in (earlier, now))
    doubtful = {**now.changed_scales, **earlier.changed_scales}
    lengths = [one.days for one in (earlier, now)]
    alike_long = max(lengths) <= ALIKE_LONG * min(lengths)
    rows = []
    for stage, (old, new) in enumerate(zip(earlier.rows(), now.rows(), strict=True)):
        cells = {name: _count(old, new, name) for name in COUNTS}
        cells |= {
            name: _score(old, new, name, (earlier.answered(name, stage), now.answered(name, stage)))
            for name in MEANS
            if name in new
        }
        if now.fitted or earlier.fitted:
            cells["mean_score"] = cells["mean_score"].untested()
        cells |= {name: cells[name].untested() for name in doubtful if name in cells}
        if sides[0] is not None and sides[1] is not None:
            cells |= _behaviour(sides[0], sides[1], stage)
            cells |= _value(sides[0], sides[1], money, stage)
        rows += [
            (str(new["stage"]), name, cell)
            for name, cell in cells.items()
            if not (np.isnan(cell.earlier) or np.isnan(cell.now))
        ]
    compared = family(
        "cells of two maps",
        [cell.p for _, _, cell in rows],
        units=[cell.units[0] for _, _, cell in rows],
        other_units=[cell.units[1] for _, _, cell in rows],
        follow_up=FollowUp(
            "the entry to a stage",
            horizon,
            sum(side.follow_up().left_out for side in sides if side is not None),
        ),
    )
    adjusted = compared.p_adjusted
    table = pd.DataFrame(
        [
            _row(stage, measure, cell, float(q), alike_long=alike_long)
            for (stage, measure, cell), q in zip(rows, adjusted, strict=True)
        ],
        columns=COLUMNS,
    )
    return MapChange(
        table=table,
        headline=_headline(table, now, earlier),
        definition=_definition(now, earlier, compared)
        | doubtful
        | ({} if alike_long else {"counts": _of_lengths(*lengths)}),
        metrics=_metrics(table),
        families={compared.name: compared.tests},
    )


def _alike(now: Side, earlier: Side) -> None:
    for one in (now, earlier):
        if one.source.groups.name is not None:
            raise CjlibError(
                "compare: a map with by= holds several maps. Compare maps without by, or of one group: map.group(name)."
            )
    before, after = list(earlier.table["stage"]), list(now.table["stage"])
    if before != after:
        differing = [name for name in [*before, *after] if (name in before) != (name in after)] or [
            "their order"
        ]
        raise CjlibError(
            f"compare: both maps must have the same stages. They differ in {', '.join(differing)}. Make both with one journey file."
        )


def _newcomers_within(now: Side, earlier: Side) -> int | None:
    """Of how long a time up to the end of data newcomers are compared, where one log alone is cut or both at different times; None: everybody is.

    Who was there before a log begins enters stages anew in it, late on the way. So of each log the last part counts, as long in both, and of it who was not seen
    within the silence that ends a journey from its beginning on.
    """
    walks = [one.source.walk for one in (now, earlier) if one.source.walk is not None]
    if now.cut == earlier.cut or len(walks) < 2:
        return None
    spans = [
        walk.observed_until - int(walk.time.min(initial=walk.observed_until)) for walk in walks
    ]
    return min(spans) - max(walk.silent_after for walk in walks)


def _behaviour(earlier: Followed, now: Followed, stage: int) -> dict[str, Cell]:
    """Shares and times of customers followed equally long."""
    old, new = earlier.shares(stage), now.shares(stage)
    cells = {name: _share(old[name], new[name]) for name in SHARES}
    times = {
        "median_seconds_to_next": (earlier.seconds_to_next(stage), now.seconds_to_next(stage)),
        "median_seconds_in_stage": (earlier.seconds_in_stage(stage), now.seconds_in_stage(stage)),
    }
    return cells | {
        name: _median(*(np.sort(part) / SECOND for part in each)) for name, each in times.items()
    }


def _value(
    earlier: Followed, now: Followed, money: tuple[Money | None, ...], stage: int
) -> dict[str, Cell]:
    """The mean value within the same time after the entry."""
    old, new = (
        _values(side, amounts, stage) for side, amounts in zip((earlier, now), money, strict=True)
    )
    if min(old.size, new.size) < 2:
        return {}
    both = group_means_against_others(
        "",
        np.repeat([0, 1], [new.size, old.size]),
        np.concatenate([new, old]),
        1,
        follow_up=known_at_once(""),
        min_n=0,
    )
    low, high, p = (float(each[0]) for each in (both.low, both.high, both.p_value))
    means = float(old.mean()), float(new.mean())
    return {"value_per_customer": Cell(*means, old.size, new.size, low, high, p)}


def _values(side: Followed, money: Money | None, stage: int) -> np.ndarray:
    walk, who = side.counts.walk, np.flatnonzero(side.complete[:, stage])
    if money is None or not who.size:
        return np.zeros(0)
    entry = side.entered_at[who, stage]
    return money.after(walk.codes[who].astype(np.int64), entry, side.horizon)


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def _count(old: Record, new: Record, name: str) -> Cell:
    before, after = _number(old[name]), _number(new[name])
    return Cell(before, after, int(np.nan_to_num(before)), int(np.nan_to_num(after)))


def _share(old: Counted, new: Counted) -> Cell:
    if min(old.base, new.base) == 0:
        return Cell(float("nan"), float("nan"), old.base, new.base)
    both = compare_shares(
        "", new.count, new.base, old.count, old.base, follow_up=known_at_once(""), min_n=0
    )
    return Cell(
        float(both.other_share[0]),
        float(both.share[0]),
        old.base,
        new.base,
        float(both.low[0]),
        float(both.high[0]),
        float(both.p_value[0]),
    )


def _score(old: Record, new: Record, name: str, customers: tuple[int, int]) -> Cell:
    """A score with its interval, which knows which answers are of one customer."""
    before, after = _number(old[name]), _number(new[name])
    n = [int(np.nan_to_num(_number(row[MEANS[name]]))) for row in (old, new)]
    errors = [_error(row, name) for row in (old, new)]
    change, error = after - before, math.hypot(*errors)
    if math.isnan(error) or error == 0:
        return Cell(before, after, n[0], n[1], customers=customers)
    p_value = two_sided(change, error_of_equals(errors, n))
    half = Z95 * error
    return Cell(before, after, n[0], n[1], change - half, change + half, p_value, customers)


def _error(row: Record, name: str) -> float:
    """The standard error that an interval tells of; one that an end of the scale cuts is as wide on its other side."""
    value, low, high = (_number(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    if name == "mean_score":
        return max(high - value, value - low) / Z95
    return (high - low) / (2 * Z95)


def _median(before: np.ndarray, after: np.ndarray) -> Cell:
    """Medians of sorted times; p is Mood's, which has no floor as a bootstrap's has."""
    if min(before.size, after.size) == 0:
        return Cell(float("nan"), float("nan"), before.size, after.size)
    medians = float(np.median(before)), float(np.median(after))
    if min(before.size, after.size) < MIN_N:
        return Cell(medians[0], medians[1], before.size, after.size)
    rng = np.random.default_rng(0)
    drawn = _bootstrap(before, rng)
    low, high = np.quantile(_bootstrap(after, rng) - drawn, [0.025, 0.975])
    common = np.median(np.concatenate([before, after]))
    above = [int(np.count_nonzero(part > common)) for part in (before, after)]
    p_value = _share(Counted(above[0], before.size), Counted(above[1], after.size)).p
    return Cell(medians[0], medians[1], before.size, after.size, float(low), float(high), p_value)


def _bootstrap(ordered: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Medians of resamples: the rank of a resample's median among the sorted times is a binomial's quantile, so no resample need be made."""
    n = ordered.size
    place = rng.beta((n + 1) / 2, (n + 1) / 2, size=DRAWS)
    return ordered[np.minimum((place * n).astype(np.int64), n - 1)]


def _row(
    stage: str, measure: str, cell: Cell, p_adjusted: float, *, alike_long: bool
) -> tuple[Any, ...]:
    beyond = bool(p_adjusted < CLAIM)
    words = _words(measure, cell, beyond, alike_long=alike_long)
    change = cell.now - cell.earlier
    return (
        stage,
        measure,
        cell.earlier,
        cell.now,
        cell.n_earlier,
        cell.n_now,
        change,
        cell.low,
        cell.high,
        cell.p,
        p_adjusted,
        beyond,
        words,
    )


def _words(measure: str, cell: Cell, beyond: bool, *, alike_long: bool) -> str:
    if measure in COUNTS:
        return _more_or_fewer(cell) if alike_long else "another length of time"
    if min(cell.units) < MIN_N:
        return "too few"
    if np.isnan(cell.p):
        return "not tested"
    if not beyond:
        return "no clear change"
    better = BETTER[measure]
    rose = cell.now > cell.earlier
    if better is None:
        return (
            ("longer" if rose else "shorter")
            if measure in MEDIANS
            else ("higher" if rose else "lower")
        )
    return "better" if rose == (better == "higher") else "worse"


def _of_lengths(earlier: float, now: float) -> str:
    return f"of {count_of(round(earlier), 'day')} and {count_of(round(now), 'day')}: more or fewer is not said"


def _more_or_fewer(cell: Cell) -> str:
    if cell.now == cell.earlier:
        return "as many"
    return "more" if cell.now > cell.earlier else "fewer"


def _headline(table: pd.DataFrame, now: Side, earlier: Side) -> str:
    judged = table[table["p_adjusted"].notna()]
    clear = judged[judged["significant"]].sort_values(
        ["p_adjusted", "stage", "measure"], kind="stable"
    )
    if judged.empty:
        return f"Nothing can be compared: no cell has {MIN_N} customers or more on both sides."
    if clear.empty:
        return f"No significant change in any of {count_of(len(judged), 'cell')} with {MIN_N} customers or more on both sides."
    first = clear.iloc[0]
    counts = {word: int((clear["words"] == word).sum()) for word in ("better", "worse")}
    n = f"n = {first['n_earlier']:,} and {first['n_now']:,}"
    if now.called == earlier.called:
        return (
            f"{len(clear)} of {len(judged)} cells changed significantly ({counts['better']} better, {counts['worse']} worse); the clearest: {first['measure']} at "
            f"{first['stage']} from {first['earlier']:.3g} to {first['now']:.3g} ({n})."
        )
    return (
        f"{now.called or 'All customers'} beside {earlier.called or 'all customers'}: {len(clear)} of {len(judged)} cells differ significantly ({counts['better']} better, "
        f"{counts['worse']} worse); the clearest: {first['measure']} at {first['stage']}, {first['now']:.3g} beside {first['earlier']:.3g} (n = {first['n_now']:,} and "
        f"{first['n_earlier']:,})."
    )


def _definition(now: Side, earlier: Side, compared: Family) -> dict[str, str]:
    words = {
        name: one.words()
        for name, one in (("earlier", earlier), ("now", now))
        if one.source.log is not None
    }
    return words | {
        "shares": "Newcombe's interval, pooled z test corrected for skewness (Fisher's exact where few are expected)",
        "scores": "z with summed variances; answers of one customer count together; scores of texts are not tested where their scorer was fitted to ratings",
        "values": "of means with a long tail: by logarithms, joined as Zou and Donner do; p of the same interval",
        "whose": "shares, times and values of logs that are cut at different times are of newcomers: of each log the last part, as long in both, without whom it "
        "has seen before or within the silence that ends a journey from its beginning on; who was on the way before enters stages anew, late on it",
        "medians": "seeded bootstrap of customers; Mood's test",
        "significant": f"{compared.words}; below {CLAIM:g}, with {MIN_N} customers or more on both sides",
        "the same people in both": "make it conservative",
    }


def _metrics(table: pd.DataFrame) -> dict[str, Any]:
    clear = table[table["significant"].astype(bool)]
    return {
        "cells_compared": metric(
            int(table["p_adjusted"].notna().sum()), label="Cells compared", unit="number"
        ),
        "cells_changed": metric(len(clear), label="Cells that changed", unit="number"),
    } | {
        f"cells_{word}": metric(
            int((clear["words"] == word).sum()), label=f"Cells that got {word}", unit="number"
        )
        for word in ("better", "worse")
    }
