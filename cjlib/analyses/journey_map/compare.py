"""Two maps side by side: what has changed beyond noise, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.inputs import Source
from cjlib.analyses.journey_map.stages import SECOND, StageCounts
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError
from cjlib.shared.comparison import MIN_N
from cjlib.shared.stats import Z95
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p

Record = dict[Any, Any]
DRAWS = 1_000
SHARES: dict[str, tuple[str | None, str, str | None]] = {
    "share_of_previous": ("customers_in_order", "previous_in_order", "higher"),
    "share_ended": ("ended_here", "customers", "lower"),
    "share_went_back": ("went_back", "customers", "lower"),
    "share_skipped": ("skipped", "customers_further", None),
    "csat": (None, "n_csat", "higher"),
    "ces": (None, "n_ces", "higher"),
}
MEANS = {
    "nps": ("n_nps", "higher"),
    "mean_score": ("n_scored", "higher"),
    "value_per_customer": ("customers", "higher"),
}
MEDIANS = {"median_seconds_to_next": "n_to_next", "median_seconds_in_stage": None}
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
    "beyond_noise",
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
        """The stages, each with the customers in order of the stage before it that has touchpoints."""
        before = self.table["customers_in_order"].astype("float64").ffill().shift()
        return self.table.assign(previous_in_order=before).to_dict("records")

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


def compare(now: Side, earlier: Side) -> MapChange:
    """Each measure of each stage now and in an earlier map, with the change, its interval and whether it is beyond noise.

    The two maps may also be those of two groups, personas or segments at the same time: then `earlier` is the one that the other is set beside.

    Shares: Newcombe's interval and the pooled z test; NPS, mean scores and values: z with summed variances; medians: seeded bootstrap of customers. p is
    adjusted (Benjamini–Hochberg) over all cells with 30 or more on both sides. Counts are only more or fewer: they grow with the time observed. The same people
    in both maps make it conservative; times and endings compare only customers observed equally long.

    Returns
    -------
    MapChange
        `.table`: `stage`, `measure`, `earlier`, `now`, `n_earlier`, `n_now`, `change`, `change_low`, `change_high`, `p_value`, `p_adjusted`, `beyond_noise`, `words`.

    Raises
    ------
    CjlibError
        If the maps have other stages, or are maps of groups.
    """
    _alike(now, earlier)
    rows = []
    for position, (old, new) in enumerate(zip(earlier.rows(), now.rows(), strict=True)):
        cells = _cells(old, new) | {name: _median(name, earlier, now, position) for name in MEDIANS}
        rows += [
            (str(new["stage"]), name, cell)
            for name, cell in cells.items()
            if not (np.isnan(cell.earlier) or np.isnan(cell.now))
        ]
    enough = np.array([min(cell.n_earlier, cell.n_now) >= MIN_N for _, _, cell in rows], dtype=bool)
    p = np.array([cell.p for _, _, cell in rows], dtype=float)
    adjusted = benjamini_hochberg(np.where(enough, p, np.nan)) if rows else p
    table = pd.DataFrame(
        [
            _row(stage, measure, cell, float(q))
            for (stage, measure, cell), q in zip(rows, adjusted, strict=True)
        ],
        columns=COLUMNS,
    )
    return MapChange(
        table=table,
        headline=_headline(table, now, earlier),
        definition=_definition(now, earlier),
        metrics=_metrics(table),
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


def _cells(old: Record, new: Record) -> dict[str, Cell]:
    cells = {name: _count(old, new, name) for name in COUNTS}
    cells |= {name: _share(old, new, name) for name in SHARES}
    return cells | {name: _mean(old, new, name) for name in MEANS}


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def _count(old: Record, new: Record, name: str) -> Cell:
    before, after = _number(old[name]), _number(new[name])
    return Cell(before, after, int(np.nan_to_num(before)), int(np.nan_to_num(after)))


def _share(old: Record, new: Record, name: str) -> Cell:
    before, after = _number(old[name]), _number(new[name])
    if np.isnan(before) or np.isnan(after):
        return Cell(before, after, 0, 0)
    (k0, n0), (k1, n1) = _of(old, name), _of(new, name)
    low, high = newcombe(k1, n1, k0, n0)
    return Cell(before, after, n0, n1, float(low), float(high), two_shares_p(k1, n1, k0, n0))


def _of(row: Record, name: str) -> tuple[int, int]:
    """Count and base of a share, from the row's own columns."""
    count, base, _ = SHARES[name]
    n = int(row[base])
    return (round(row[name] * n) if count is None else int(row[count])), n


def _mean(old: Record, new: Record, name: str) -> Cell:
    from scipy.special import ndtr

    before, after = _number(old[name]), _number(new[name])
    n_earlier, n_now = (int(np.nan_to_num(_number(row[MEANS[name][0]]))) for row in (old, new))
    wide, wider = (
        (_number(row[f"{name}_high"]) - _number(row[f"{name}_low"])) / (2 * Z95)
        for row in (old, new)
    )
    error = float(np.hypot(wide, wider))
    if np.isnan(error) or error == 0:
        return Cell(before, after, n_earlier, n_now)
    change = after - before
    return Cell(
        before,
        after,
        n_earlier,
        n_now,
        change - Z95 * error,
        change + Z95 * error,
        float(2 * ndtr(-abs(change) / error)),
    )


def _median(name: str, earlier: Side, now: Side, position: int) -> Cell:
    before, after = (_times(name, one, position) for one in (earlier, now))
    if min(before.size, after.size) == 0:
        return Cell(float("nan"), float("nan"), before.size, after.size)
    medians = float(np.median(before)), float(np.median(after))
    if min(before.size, after.size) < MIN_N:
        return Cell(medians[0], medians[1], before.size, after.size)
    rng = np.random.default_rng(0)
    drawn = _bootstrap(before, rng)
    change = _bootstrap(after, rng) - drawn
    low, high = np.quantile(change, [0.025, 0.975])
    tail = min(float((change <= 0).mean()), float((change >= 0).mean()))
    p = min(1.0, 2 * tail + 1 / DRAWS)
    return Cell(medians[0], medians[1], before.size, after.size, float(low), float(high), p)


def _times(name: str, one: Side, position: int) -> np.ndarray:
    if one.source.walk is None:
        return np.zeros(0)
    counts = StageCounts(one.source.walk)
    every = (
        counts.seconds_to_next() if name == "median_seconds_to_next" else counts.seconds_in_stage()
    )
    return np.sort(every[position]) / SECOND


def _bootstrap(ordered: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Medians of resamples: the rank of a resample's median among the sorted times is a binomial's quantile, so no resample need be made."""
    n = ordered.size
    place = rng.beta((n + 1) / 2, (n + 1) / 2, size=DRAWS)
    return ordered[np.minimum((place * n).astype(np.int64), n - 1)]


def _row(stage: str, measure: str, cell: Cell, p_adjusted: float) -> tuple[Any, ...]:
    beyond = bool(p_adjusted < 0.05)
    words = _words(measure, cell, beyond)
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


def _words(measure: str, cell: Cell, beyond: bool) -> str:
    if measure in COUNTS:
        return (
            "more" if cell.now > cell.earlier else "fewer" if cell.now < cell.earlier else "as many"
        )
    if min(cell.n_earlier, cell.n_now) < MIN_N:
        return "too few"
    if not beyond:
        return "no clear change"
    better = (
        SHARES[measure][2] if measure in SHARES else MEANS[measure][1] if measure in MEANS else None
    )
    rose = cell.now > cell.earlier
    if better is None:
        return (
            ("longer" if rose else "shorter")
            if measure in MEDIANS
            else ("higher" if rose else "lower")
        )
    return "better" if rose == (better == "higher") else "worse"


def _headline(table: pd.DataFrame, now: Side, earlier: Side) -> str:
    judged = table[table["p_adjusted"].notna()]
    clear = judged[judged["beyond_noise"]].sort_values(
        ["p_adjusted", "stage", "measure"], kind="stable"
    )
    if clear.empty:
        return f"No clear change in any of {len(judged)} cells with 30 or more on both sides."
    first = clear.iloc[0]
    counts = {word: int((clear["words"] == word).sum()) for word in ("better", "worse")}
    n = f"n = {first['n_earlier']:,} and {first['n_now']:,}"
    if now.called == earlier.called:
        return (
            f"{len(clear)} of {len(judged)} cells changed beyond noise ({counts['better']} better, {counts['worse']} worse); the clearest: {first['measure']} at "
            f"{first['stage']} from {first['earlier']:.3g} to {first['now']:.3g} ({n})."
        )
    return (
        f"{now.called or 'All customers'} beside {earlier.called or 'all customers'}: {len(clear)} of {len(judged)} cells differ beyond noise ({counts['better']} better, "
        f"{counts['worse']} worse); the clearest: {first['measure']} at {first['stage']}, {first['now']:.3g} beside {first['earlier']:.3g} (n = {first['n_now']:,} and "
        f"{first['n_earlier']:,})."
    )


def _definition(now: Side, earlier: Side) -> dict[str, str]:
    words = {
        name: one.words()
        for name, one in (("earlier", earlier), ("now", now))
        if one.source.log is not None
    }
    return words | {
        "shares": "Newcombe's interval, pooled z test (Fisher's exact where few are expected)",
        "NPS, scores, values": "z with summed variances",
        "medians": "seeded bootstrap of customers",
        "beyond noise": "p < 0.05 after Benjamini–Hochberg over all cells with 30 or more on both sides",
        "the same people in both": "make it conservative",
        "times and endings": "compare only customers observed equally long",
    }


def _metrics(table: pd.DataFrame) -> dict[str, Any]:
    clear = table[table["beyond_noise"].astype(bool)]
    return {
        "cells_compared": metric(int(table["p_adjusted"].notna().sum())),
        "cells_changed": metric(len(clear)),
    } | {
        f"cells_{word}": metric(int((clear["words"] == word).sum())) for word in ("better", "worse")
    }
