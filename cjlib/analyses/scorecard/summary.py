"""The scorecard in words: numbers, periods, what changed and what is ordinary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from cjlib.analyses.scorecard.catalogue import Entry
from cjlib.analyses.scorecard.control_limits import FEWEST_PERIODS, RUN
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import duration

DASH = "–"


@dataclass(frozen=True)
class Reading:
    """What is known of one measure in the period that is judged."""

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
    banded: bool
    flagged: bool
    band: tuple[float, float]
    direction: int
    target: float
    year_before: float

    @property
    def enough(self) -> bool:
        """Whether the number can be read."""
        return self.n >= MIN_N or (self.entry.unit == "count" and not math.isnan(self.value))

    @property
    def moved(self) -> str:
        """better, worse, higher, lower, or no clear change."""
        if not self.beyond_noise:
            return "no clear change"
        return self.side(self.change > 0)

    def side(self, up: bool) -> str:
        """Going up or down, as good or bad where the measure has such a side."""
        if self.better is None:
            return "higher" if up else "lower"
        return "better" if up == (self.better == "higher") else "worse"

    @property
    def off(self) -> str:
        """On which side of its ordinary variation it lies, if it does: better, worse, higher or lower; else empty."""
        return self.side(self.value > sum(self.band) / 2) if self.flagged else ""

    @property
    def target_met(self) -> str | None:
        """Reached or missed, if the whole interval says so; else not clear; None without a target."""
        if math.isnan(self.target) or math.isnan(self.value):
            return None
        if math.isnan(self.low) or math.isnan(self.high):
            return "not clear"
        least, most = (self.low, self.high) if self.better != "lower" else (-self.high, -self.low)
        wanted = self.target if self.better != "lower" else -self.target
        return "reached" if least >= wanted else "missed" if most < wanted else "not clear"


def said(value: float, unit: str) -> str:
    """A value in its unit."""
    if math.isnan(value):
        return DASH
    if unit == "share":
        return f"{100 * value:.1f}%"
    if unit == "seconds":
        return duration(value)
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "score":
        return f"{round(value):+d}".replace("-", "−") if round(value) else "0"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"
    return f"{number} days" if unit == "days" else number


def difference(change: float, unit: str) -> str:
    """The size of a change in its unit."""
    if unit == "share":
        return f"{100 * abs(change):.1f} points"
    if unit == "score":
        return f"{abs(change):.0f} points"
    return said(abs(change), unit)


def interval(low: float, high: float, unit: str) -> str:
    """Both bounds; a missing one is open."""
    if math.isnan(low) and math.isnan(high):
        return "no interval"
    if unit == "share":
        return f"95% CI {100 * low:.1f}–{100 * high:.1f}%"
    return (
        f"95% CI {said(low, unit)} to {said(high, unit) if not math.isnan(high) else 'not known'}"
    )


def resting(reading: Reading) -> str:
    """Interval and n."""
    return f"{interval(reading.low, reading.high, reading.entry.unit)}, n = {reading.n:,}"


def change_words(reading: Reading, before: str) -> str:
    """What the change is worth: a word and a size, or why it cannot be judged."""
    unit = reading.entry.unit
    if math.isnan(reading.change):
        return "nothing to compare with"
    was = f"{said(reading.previous, unit)} in {before}"
    if not reading.enough:
        return f"too few to judge (n = {reading.n:,}); {was}"
    if not reading.banded:
        return f"{was}; {FEWEST_PERIODS} complete periods are needed to know what is ordinary"
    if not reading.beyond_noise:
        return f"no clear change from {was}"
    return f"{difference(reading.change, unit)} {reading.moved} than {was}, beyond what is ordinary"


def words_of(reading: Reading, before: str) -> str:
    """Everything that is to be said of a measure, most important first."""
    change = change_words(reading, before)
    parts = (
        [_outside(reading), change] if reading.flagged and not reading.beyond_noise else [change]
    )
    if reading.flagged and reading.beyond_noise:
        parts.append(_outside(reading))
    if reading.direction:
        parts.append(
            f"moves in one direction: {'up' if reading.direction > 0 else 'down'} {RUN} times in a row"
        )
    if reading.target_met:
        parts.append(
            f"target {said(reading.target, reading.entry.unit)} {_TARGET[reading.target_met]}"
        )
    if not math.isnan(reading.year_before):
        parts.append(f"a year before {said(reading.year_before, reading.entry.unit)}")
    return "; ".join(parts)


def _outside(reading: Reading) -> str:
    """On which side of the band; two neighbours near its edge are flagged together."""
    low, high = reading.band
    unit = reading.entry.unit
    ordinary = f"what is ordinary for it ({said(low, unit)} to {said(high, unit)})"
    if low <= reading.value <= high:
        side = "upper" if reading.value > (low + high) / 2 else "lower"
        return f"for two periods near the {side} edge of {ordinary}"
    return f"{'above' if reading.value > high else 'below'} {ordinary}"


_TARGET = {
    "reached": "reached",
    "missed": "missed",
    "not clear": "within the interval, so neither reached nor missed for certain",
}


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
