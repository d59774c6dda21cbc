"""How the business stands this period: every measure with its trend, its target and what changed beyond ordinary variation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.scorecard import (
    customer_measures,
    feedback_measures,
    money,
    support_measures,
    web_measures,
)
from cjlib.analyses.scorecard.catalogue import CATALOGUE, better_of, entry_of
from cjlib.analyses.scorecard.control_limits import (
    BAND,
    CHANCE,
    FEWEST_PERIODS,
    Band,
    Change,
    band_of,
    change_of,
    direction_of,
)
from cjlib.analyses.scorecard.highlights import headline, important
from cjlib.analyses.scorecard.inputs import (
    A_YEAR,
    Answers,
    Ground,
    Measured,
    Span,
    span_of,
    span_of_feedback,
)
from cjlib.analyses.scorecard.series import Series
from cjlib.analyses.scorecard.sql import active_sql
from cjlib.analyses.scorecard.summary import Reading, period_name, words_of
from cjlib.shared.comparison import MIN_N
from cjlib.shared.two_samples import benjamini_hochberg
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

TEXTS = ("measure", "target_met", "words", "definition", "status", "needs")
TREND = [
    "measure",
    "period_start",
    "value",
    "low",
    "high",
    "n",
    "centre",
    "band_low",
    "band_high",
    "flagged",
    "complete",
]
MEASURED, TOO_FEW, NOT_MEASURED = "measured", "too few", "not measured"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorecard(Result):
    """The card of one period.

    Attributes
    ----------
    trend
        A row a measure and period: `measure`, `period_start`, `value`, `low`, `high`, `n`, `centre`, `band_low`, `band_high`, `flagged`, `complete`.
    period
        The length of the periods.
    expected_flags, flags
        How many marks of the trend chance alone would flag, and how many are.
    """

    trend: pd.DataFrame
    period: str
    expected_flags: float
    flags: int
    readings: dict[str, Reading]
    before: str

    def important(self, most: int = 3) -> pd.DataFrame:
        """What to know first, one measure of a kind: `rank`, `measure`, `sentence`, `reason`, `notebook` (which explains it).

        Worse beyond what is ordinary comes first, then what lies outside its ordinary variation (not on the good side), targets missed for certain, what lies on the
        good side of its ordinary variation, better beyond what is ordinary, six periods in one direction, and measures without news.
        """
        weights = (
            self.table["change"].abs() / (self.table["change_high"] - self.table["change_low"])
        ).tolist()
        return important(
            self.readings, dict(zip(self.table["measure"], weights, strict=True)), self.before, most
        )

    @property
    def not_measured(self) -> pd.DataFrame:
        """What the card cannot say and what it would need: `measure`, `needs`, `definition`."""
        return self.table.loc[
            self.table["status"] == NOT_MEASURED, ["measure", "needs", "definition"]
        ].reset_index(drop=True)


def scorecard(
    journey: Journey, log: EventLog | None, feedback: Feedback | None = None
) -> Scorecard:
    """Every measure that the journey allows, for the last complete period, with trend, target and what changed beyond ordinary variation.

    A period is complete if the log covers it from its start to its end; the first one of a log only if the first event lies on its first day. A customer is active in a period
    with at least one mapped event that is not the churn event. "A then B" counts customers with A in the period whom B follows at or after their first A in it, before
    its end: late ones are not waited for, so every period is counted alike. Each measure's `definition` says how it is counted. Ordinary variation is
    Laney's chart over the complete periods shown: centre ± 3·σ_z·error, σ_z = max(1, mean moving range of the standardised values / 1.128), from 8 periods on. A change
    is beyond noise if σ_z·√(error² + error²) leaves out 0 after Benjamini–Hochberg over the card, and both periods rest on at least 30.

    Parameters
    ----------
    journey
        Stages, roles, milestones, support, targets; `scorecard: {period, periods}`.
    log
        The event log; None for a business of which there is only feedback: what events would measure stands there as not measured.
    feedback
        For NPS, CSAT, CES and the share that answered.

    Returns
    -------
    Scorecard
        `.table`, a row a measure: `measure`, `period_start`, `value`, `low`, `high`, `n`, `previous`, `change`, `change_low`, `change_high`, `p_adjusted`,
        `beyond_noise`, `target`, `target_met` (reached, missed, not clear), `words`, `definition`, `status` (measured, too few, not measured), `needs`. Intervals: Wilson
        for shares, Student's t for means, exact Poisson for counts, order statistics for medians, Kaplan–Meier's for times with open ends. `.trend`, at most
        `scorecard.periods` newest periods. `.important()`: what to know first.

    Raises
    ------
    DataError
        When the log has no events.

    References
    ----------
    Laney, D. B. (2002). Improved control charts for attributes. Quality Engineering 14.
    Benjamini, Y. & Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57.
    """
    period, shown = journey.scorecard.period, journey.scorecard.periods
    if log is None:
        ground: Ground | Answers = Answers(feedback, span_of_feedback(feedback, period, shown))
        every = {one.name: one for one in feedback_measures.measures(ground)}
    else:
        ground = Ground(journey, log, feedback, span_of(log, period, shown))
        every = {
            one.name: one
            for family in (
                customer_measures,
                money,
                feedback_measures,
                web_measures,
                support_measures,
            )
            for one in family.measures(ground)
        }
    return _answer(journey, ground, every)


def _answer(journey: Journey, ground: Ground | Answers, every: dict[str, Measured]) -> Scorecard:
    span = ground.span
    milestones = [name for name in every if name not in CATALOGUE]
    found = [
        _Row.of(journey, span, every.get(name, Measured(name, None, "sources.events")))
        for name in [*CATALOGUE, *milestones]
    ]
    adjusted = benjamini_hochberg([one.change.p_value for one in found])
    readings = {
        one.name: one.reading(p)
        for one, p in zip(found, adjusted.tolist(), strict=True)
        if one.value is not None
    }
    before = (
        period_name(_start(span, span.now - 1), span.calendar.period)
        if span.now > 0
        else "the period before"
    )
    trend = _trend(span, found)
    table = _table(found, adjusted.tolist(), readings, before)
    judged = sum(int(one.band.judged[list(span.drawn)].sum()) for one in found)
    lacking = int((table["status"] == NOT_MEASURED).sum())
    return Scorecard(
        table=table,
        headline=headline(readings, before, lacking),
        definition=_definition(ground, judged, int(trend["flagged"].sum()), lacking),
        metrics=_metrics(table),
        sql=active_sql(ground) if isinstance(ground, Ground) else "",
        trend=trend,
        period=span.calendar.period,
        expected_flags=judged * CHANCE,
        flags=int(trend["flagged"].sum()),
        readings=readings,
        before=before,
    )


def _start(span: Span, place: int) -> pd.Timestamp:
    return span.calendar.labels[place]


@dataclass(frozen=True, eq=False)
class _Row:
    """A measure with everything computed from its series."""

    journey: Journey
    span: Span
    name: str
    measured: Measured
    band: Band
    change: Change

    @classmethod
    def of(cls, journey: Journey, span: Span, measured: Measured) -> _Row:
        nothing, none = np.full(span.size, np.nan), np.zeros(span.size, dtype=bool)
        shown = np.isin(np.arange(span.size), span.drawn)
        unknown = Band(float("nan"), nothing, nothing, nothing, float("nan"), none, none)
        series = measured.series
        if series is None or span.now < 0:
            return cls(journey, span, measured.name, measured, unknown, Change(*[float("nan")] * 4))
        band = band_of(series, span.complete & shown)
        return cls(
            journey,
            span,
            measured.name,
            measured,
            band,
            change_of(series.value, series.n, band, span.now, _smallest(measured.name)),
        )

    @property
    def value(self) -> Series | None:
        return self.measured.series

    def reading(self, p_adjusted: float) -> Reading:
        series, span = self.measured.series, self.span
        now = span.now
        assert series is not None
        entry, target = entry_of(self.name), self.journey.targets.get(self.name)
        value, n = series.value, series.n
        low, high = series.bounds
        back = now - A_YEAR.get(span.calendar.period, span.size)
        return Reading(
            entry=entry,
            period=period_name(_start(span, now), span.calendar.period)
            if now >= 0
            else "no complete period",
            better=better_of(self.name, self.journey),
            value=float(value[now]) if now >= 0 else float("nan"),
            low=float(low[now]) if now >= 0 else float("nan"),
            high=float(high[now]) if now >= 0 else float("nan"),
            n=int(n[now]) if now >= 0 else 0,
            previous=float(value[now - 1]) if now > 0 else float("nan"),
            change=self.change.difference,
            beyond_noise=p_adjusted < 0.05,
            banded=self.band.known,
            flagged=bool(now >= 0 and self.band.flagged[now]),
            band=(float(self.band.low[now]), float(self.band.high[now]))
            if now >= 0
            else (float("nan"), float("nan")),
            direction=direction_of(value, span.complete, now),
            target=float("nan") if target is None else float(target.value),
            year_before=float(value[back]) if back >= 0 and span.complete[back] else float("nan"),
        )


def _smallest(measure: str) -> int:
    """What a change must rest on: a count is its own n."""
    return 0 if entry_of(measure).unit == "count" else MIN_N


def _table(
    found: list[_Row], adjusted: list[float], readings: dict[str, Reading], before: str
) -> pd.DataFrame:
    rows = [
        _line(one, p, readings.get(one.name), before)
        for one, p in zip(found, adjusted, strict=True)
    ]
    table = pd.DataFrame(rows).astype(
        dict.fromkeys(TEXTS, "str") | {"n": "int64", "beyond_noise": "bool"}
    )
    return table.assign(period_start=pd.to_datetime(table["period_start"]).astype("datetime64[us]"))


def _line(one: _Row, p_adjusted: float, reading: Reading | None, before: str) -> dict[str, object]:
    missing = float("nan")
    start = _start(one.span, one.span.now) if one.span.now >= 0 else pd.NaT
    target = one.journey.targets.get(one.name)
    return {
        "measure": one.name,
        "period_start": start,
        **{
            name: missing if reading is None else getattr(reading, name)
            for name in ("value", "low", "high")
        },
        "n": 0 if reading is None else reading.n,
        "previous": missing if reading is None else reading.previous,
        "change": one.change.difference,
        "change_low": one.change.low,
        "change_high": one.change.high,
        "p_adjusted": p_adjusted,
        "beyond_noise": p_adjusted < 0.05,
        "target": missing if target is None else float(target.value),
        "target_met": None if reading is None else reading.target_met,
        "words": f"not measured: needs {one.measured.needs}"
        if reading is None
        else words_of(reading, before),
        "definition": entry_of(one.name).definition,
        "status": _status(reading),
        "needs": one.measured.needs or None,
    }


def _status(reading: Reading | None) -> str:
    if reading is None:
        return NOT_MEASURED
    return MEASURED if reading.enough and not np.isnan(reading.value) else TOO_FEW


def _trend(span: Span, found: list[_Row]) -> pd.DataFrame:
    drawn = list(span.drawn)
    parts = []
    for one in found:
        series = one.measured.series
        if series is None:
            continue
        low, high = series.bounds
        held = {
            "value": series.value,
            "low": low,
            "high": high,
            "n": series.n,
            "centre": np.where(one.band.judged, one.band.centre, np.nan),
        }
        held |= {
            "band_low": _within(one.band.low, one.name, True),
            "band_high": _within(one.band.high, one.name, False),
            "flagged": one.band.flagged,
        }
        columns = {
            name: column[drawn] for name, column in (held | {"complete": span.complete}).items()
        }
        parts.append(
            pd.DataFrame(
                {"measure": one.name, "period_start": span.calendar.labels[drawn]} | columns
            )
        )
    if not parts:
        return pd.DataFrame(columns=TREND).astype(
            {"measure": "str", "flagged": "bool", "complete": "bool"}
        )
    return pd.concat(parts, ignore_index=True).astype({"measure": "str", "n": "int64"})


def _within(bound: np.ndarray, measure: str, lower: bool) -> np.ndarray:
    """A band does not leave what the measure can be."""
    unit = entry_of(measure).unit
    if unit == "score":
        return np.clip(bound, -100, 100)
    return np.maximum(bound, 0) if lower or unit != "share" else np.minimum(bound, 1)


def _metrics(table: pd.DataFrame) -> dict[str, Metric]:
    rows = table[table["status"] != NOT_MEASURED]
    columns = (rows[name].tolist() for name in ("measure", "value", "low", "high", "n"))
    return {
        name: metric(value, low, high, n)
        for name, value, low, high, n in zip(*columns, strict=True)
    }


def _definition(ground: Ground | Answers, judged: int, flags: int, lacking: int) -> dict[str, str]:
    span = ground.span
    name = span.calendar.period
    now = (
        period_name(_start(span, span.now), name)
        if span.now >= 0
        else f"none: the log covers no whole {name}"
    )
    return {
        "period": f"{now}; the last complete {name} in the business's zone",
        "trend": f"{len(span.drawn)} newest, of which {int(span.complete[list(span.drawn)].sum())} are complete; the others are shown and not judged",
        "active": "at least one mapped event that is not the churn event",
        "ordinary variation": f"Laney's chart: centre ± {BAND:g}·σ_z·error, from {FEWEST_PERIODS} complete periods on",
        "beyond noise": "the change leaves out 0 under ordinary variation, Benjamini–Hochberg over the card, at least 30 counted on both sides",
        "flags by chance": f"about {judged * CHANCE:.1f} of {count_of(judged, 'judged mark')} would be flagged by chance; {flags or 'none'} {'is' if flags == 1 else 'are'}"
        if judged
        else "no mark has enough periods to be judged",
        "not measured": f"{count_of(lacking, 'measure')}; needs says what is lacking",
        "observed until": f"{ground.log.observed_until:%Y-%m-%d %H:%M} ({ground.log.timezone})"
        if isinstance(ground, Ground)
        else "no events are given",
    }
