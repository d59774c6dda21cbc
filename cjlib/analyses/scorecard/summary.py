"""The scorecard in words: numbers, periods, what lies outside normal variation, and what to know first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from cjlib.analyses.findings import Direction, Finding
from cjlib.analyses.scorecard.catalogue import Entry
from cjlib.analyses.scorecard.control_limits import FEWEST_PERIODS, RUN
from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers

HIGHLIGHT_COLUMNS = ["rank", "measure", "sentence", "reason", "notebook"]
FIRST = (
    "retention",
    "churn",
    "conversion_of_visitors",
    "conversion_of_leads",
    "nps",
    "csat",
    "value_per_active_customer",
    "active_customers",
    "tickets",
)
"""What is told where nothing is news."""
Side = Literal["better", "worse", "higher", "lower"]


@dataclass(frozen=True)
class Reading:
    """What is known of one measure in the period that is judged; `band` are its limits."""

    entry: Entry
    period: str
    better: str | None
    value: float
    low: float
    high: float
    n: int
    previous: float
    change: float
    beyond_noise: bool
    judged: bool
    constant: bool
    band: tuple[float, float]
    direction: int
    target: float
    year_before: float

    @property
    def enough(self) -> bool:
        """Whether the number can be read."""
        return self.n >= MIN_N or (self.entry.unit == "count" and not math.isnan(self.value))

    @property
    def moved(self) -> Side | None:
        """On which side of its normal variation it lies significantly; None where it does not."""
        return self.side(self.value > sum(self.band) / 2) if self.beyond_noise else None

    def side(self, up: bool) -> Side:
        """Going up or down, as good or bad where the measure has such a side."""
        if self.better is None:
            return "higher" if up else "lower"
        return "better" if up == (self.better == "higher") else "worse"

    @property
    def target_met(self) -> str | None:
        """Reached or missed, if the whole interval says so; else not clear; None without a target."""
        if math.isnan(self.target) or math.isnan(self.value):
            return None
        if math.isnan(self.low) or math.isnan(self.high):
            return "not clear"
        sign = -1 if self.better == "lower" else 1
        wanted, ends = sign * self.target, sorted((sign * self.low, sign * self.high))
        if ends[0] >= wanted:
            return "reached"
        return "missed" if ends[1] < wanted else "not clear"


# ---- numbers ------------------------------------------------------------------------------------------------------


def said(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "share":
        return numbers.percent(value)
    if unit == "seconds":
        return numbers.duration(value)
    if unit == "score":
        return numbers.signed(value)
    return f"{numbers.number(value)} days" if unit == "days" else numbers.number(value)


def interval(low: float, high: float, unit: str) -> str:
    """Both bounds; a missing one is open."""
    if math.isnan(low) and math.isnan(high):
        return "no interval"
    if unit == "share":
        return numbers.confidence(low, high)
    end = "not known" if math.isnan(high) else said(high, unit)
    return f"95% CI {said(low, unit)} to {end}"


def resting(reading: Reading) -> str:
    """Interval and n."""
    return f"{interval(reading.low, reading.high, reading.entry.unit)}, n = {reading.n:,}"


def limits(reading: Reading) -> str:
    """The usual range."""
    low, high = (said(bound, reading.entry.unit) for bound in reading.band)
    return f"{low} to {high}"


def period_name(start: pd.Timestamp, period: str) -> str:
    """A period as one says it: `November 2025`, `Q4 2025`, `the week from 2025-11-03`."""
    if period == "month":
        return f"{start:%B %Y}"
    if period == "quarter":
        return f"Q{start.quarter} {start.year}"
    forms = {
        "year": "%Y",
        "week": "the week from %Y-%m-%d",
        "day": "%Y-%m-%d",
        "hour": "the hour from %Y-%m-%d %H:%M",
    }
    return start.strftime(forms[period])


# ---- one measure --------------------------------------------------------------------------------------------------


def change_words(reading: Reading, before: str) -> str:
    """Whether it lies outside normal variation, or why that cannot be said."""
    if math.isnan(reading.change):
        return "nothing to compare with"
    was = f"{said(reading.previous, reading.entry.unit)} in {before}"
    if not reading.enough:
        return f"too few to judge (n = {reading.n:,}); {was}"
    if reading.constant:
        return "the same in every period"
    if not reading.judged:
        return f"{was}; {FEWEST_PERIODS} complete periods are needed to know the normal variation"
    if reading.moved is None:
        return f"no significant change from {was}"
    return f"{reading.moved} than normal variation explains (usual range {limits(reading)}); {was}"


def words_of(reading: Reading, before: str) -> str:
    """Everything that is to be said of a measure, most important first."""
    parts = [change_words(reading, before)]
    if reading.direction:
        parts.append(f"{'up' if reading.direction > 0 else 'down'} {RUN} periods in a row")
    if reading.target_met:
        parts.append(
            f"{_TARGET[reading.target_met]} the target of {said(reading.target, reading.entry.unit)}"
        )
    if not math.isnan(reading.year_before):
        parts.append(f"a year before {said(reading.year_before, reading.entry.unit)}")
    return "; ".join(parts)


_TARGET = {"reached": "met", "missed": "missed", "not clear": "too close to call against"}


def sentence(reading: Reading, before: str) -> str:
    """The measure with its number, what it rests on, and everything there is to say of it."""
    value = said(reading.value, reading.entry.unit)
    return f"{reading.entry.label} in {reading.period}: {value} ({resting(reading)}): {words_of(reading, before)}."


def finding_of(reading: Reading, before: str, family: str, p_adjusted: float) -> Finding:
    """A measure outside its normal variation as a finding; customers concerned are those beyond the middle of the usual range, where it is a share of them."""
    directions: dict[str | None, Direction] = {"worse": "bad", "better": "good"}
    unit = reading.entry.unit
    value = said(reading.value, unit)
    off = abs(reading.value - sum(reading.band) / 2)
    return Finding(
        topic=reading.entry.label,
        claim=f"{reading.entry.label} in {reading.period} is {value} ({resting(reading)}), outside its usual range of {limits(reading)}; "
        f"{said(reading.previous, unit)} in {before}.",
        direction=directions.get(reading.moved, "neutral"),
        value=reading.value,
        low=reading.low,
        high=reading.high,
        n=reading.n,
        unit={"share": "share", "score": "points", "seconds": "seconds"}.get(unit, "number"),
        customers=round(off * reading.n)
        if unit == "share"
        else round(off)
        if unit == "count"
        else 0,
        family=family,
        p_adjusted=p_adjusted,
    )


# ---- the card -----------------------------------------------------------------------------------------------------


def highlights(readings: dict[str, Reading], before: str, most: int) -> pd.DataFrame:
    """The measures to know first, one of a kind: significantly worse, a target missed for certain, significantly better, then those without news."""
    stories = sorted(
        ((_story(measure, one), measure, one) for measure, one in readings.items() if one.enough),
        key=lambda story: (story[0][0], -story[0][1], list(readings).index(story[1])),
    )
    kinds: dict[str, tuple[str, Reading, str]] = {}
    for (_, _, reason), measure, one in stories:
        kinds.setdefault(one.entry.kind, (measure, one, reason))
    rows = [
        (rank, measure, sentence(one, before), reason, one.entry.notebook)
        for rank, (measure, one, reason) in enumerate(list(kinds.values())[:most], start=1)
    ]
    table = pd.DataFrame(rows, columns=HIGHLIGHT_COLUMNS)
    return table.astype({"rank": "int64"} | dict.fromkeys(HIGHLIGHT_COLUMNS[1:], "str"))


def _story(measure: str, one: Reading) -> tuple[int, float, str]:
    """Tier (smaller first), weight (larger first) and the reason in words."""
    if one.moved is not None and one.moved != "better":
        return 0, _outside(one), f"{one.moved} than normal variation explains"
    if one.target_met == "missed":
        return 1, abs(one.value - one.target) / max(abs(one.target), 1e-9), "target missed"
    if one.moved == "better":
        return 2, _outside(one), "better than normal variation explains"
    rank = FIRST.index(measure) if measure in FIRST else len(FIRST)
    return (3, -rank, "has a target") if one.target_met else (4, -rank, "no news")


def _outside(one: Reading) -> float:
    """How far from the middle of the limits, in their half width."""
    low, high = one.band
    return abs(one.value - (low + high) / 2) / max((high - low) / 2, 1e-12)


def headline(readings: dict[str, Reading], before: str, lacking: int) -> str:
    """What moved significantly, how many targets are met, and what is not measured."""
    judged = [
        one for one in readings.values() if one.enough and one.judged and not math.isnan(one.change)
    ]
    period = next(iter(readings.values())).period if readings else "this period"
    parts = [_moved(judged, before, period)]
    targets = [one.target_met for one in readings.values() if one.target_met]
    if targets:
        met, missed = targets.count("reached"), targets.count("missed")
        close = len(targets) - met - missed
        open_ones = f", {close} too close to call" if close else ""
        parts.append(
            f"{met} of {numbers.count_of(len(targets), 'target')} met, {missed} missed{open_ones}"
        )
    if lacking:
        parts.append(
            f"{numbers.count_of(lacking, 'KPI')} {'is' if lacking == 1 else 'are'} not measured"
        )
    return f"{'. '.join(parts)}."


def _moved(judged: Sequence[Reading], before: str, period: str) -> str:
    if not judged:
        return f"{period[0].upper()}{period[1:]}: too few complete periods to know the normal variation of any KPI"
    moved = [one for one in judged if one.moved is not None]
    if not moved:
        return f"No KPI changed significantly from {before} to {period} ({len(judged)} judged)"
    first = max(moved, key=lambda one: (one.moved == "worse", _outside(one)))
    count = (
        f"{len(moved)} of {len(judged)} KPIs lie"
        if len(moved) > 1
        else f"1 of {len(judged)} KPIs lies"
    )
    value = said(first.value, first.entry.unit)
    return (
        f"{count} outside normal variation in {period}: {first.entry.label} is {value} ({resting(first)}), "
        f"{first.moved} than its usual range of {limits(first)}"
    )
