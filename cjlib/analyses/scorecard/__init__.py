"""How the business is doing this period: every KPI with its trend, its target and what lies outside normal variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Better, Metric, Result, Unit, metric
from cjlib.analyses.scorecard.contact_measures import (
    feedback_measures,
    support_measures,
    web_measures,
)
from cjlib.analyses.scorecard.control_limits import (
    FEWEST_PERIODS,
    LEVEL,
    SEASONS,
    Band,
    Change,
    band_of,
    change_of,
    direction_of,
    no_band,
)
from cjlib.analyses.scorecard.customer_measures import activity_measures, value_measures
from cjlib.analyses.scorecard.inputs import (
    A_YEAR,
    EVERY_EVENT,
    Answers,
    Ground,
    Measured,
    Span,
    active_sql,
    span_of,
    span_of_feedback,
)
from cjlib.analyses.scorecard.series import Series
from cjlib.analyses.scorecard.summary import (
    CATALOGUE,
    FIRST,
    Reading,
    better_of,
    entry_of,
    finding_of,
    headline,
    highlights,
    period_name,
    words_of,
)
from cjlib.shared.comparison import CLAIM, MIN_N, Family, family, known_at_once
from cjlib.shared.silences import thin_end_of
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
        How many marks of the trend chance alone would put outside their limits, and how many are.
    before
        The period before, in words.
    """

    trend: pd.DataFrame
    period: str
    expected_flags: float
    flags: int
    readings: dict[str, Reading]
    before: str

    def highlights(self, most: int = 3) -> pd.DataFrame:
        """What to know first, one measure of a kind: `rank`, `measure`, `sentence`, `reason`, `notebook` (which explains it).

        Significantly worse than normal variation comes first, then targets missed for certain, then
        significantly better, then measures without news, those with a target first.

        Parameters
        ----------
        most
            How many.

        Returns
        -------
        pandas.DataFrame
            The columns named above; fewer rows where fewer are measured on enough customers.
        """
        return highlights(self.readings, self.before, most)

    @property
    def not_measured(self) -> pd.DataFrame:
        """What the card cannot say and what it would need: `measure`, `needs`, `definition`."""
        return self.table.loc[
            self.table["status"] == NOT_MEASURED, ["measure", "needs", "definition"]
        ].reset_index(drop=True)


def scorecard(
    journey: Journey, log: EventLog | None, feedback: Feedback | None = None
) -> Scorecard:
    """Every KPI that the journey allows, for the last complete period, with trend, target and what lies outside normal variation.

    A period is complete if the log covers it from its start to its end; the first one of a log only
    if the first event lies on its first day. A customer is active in a period with at least one
    mapped event that is not the churn event. "A then B" counts customers with A in the period whom
    B follows at or after their first A in it, before its end: late ones are not waited for, so
    every period is counted alike. Each measure's `definition` says how it is counted. Normal
    variation: limits round what the periods before let one expect (a level, a trend, the season
    where the log reaches a year further), from 8 complete periods on; see
    `cjlib.analyses.scorecard.control_limits`. A KPI moved significantly if p of the period under
    that model is below .0025 after Benjamini–Hochberg over the card, and both periods rest on at
    least 30.

    Parameters
    ----------
    journey
        Stages, roles, milestones, support, targets; `scorecard: {period, periods}`.
    log
        The event log; None for a business of which there is only feedback: what events would
        measure stands there as not measured.
    feedback
        For NPS, CSAT, CES and the share that answered.

    Returns
    -------
    Scorecard
        `.table`, a row a measure: `measure`, `period_start`, `value`, `low`, `high`, `n`,
        `previous`, `change`, `change_low`, `change_high`, `p_adjusted`, `significant`, `target`,
        `target_met` (reached, missed, not clear), `words`, `definition`, `status` (measured, too
        few, not measured), `needs`. Intervals: Wilson for shares, Student's t for means, exact
        Poisson for counts, order statistics for medians, Kaplan–Meier's for times with open ends.
        `.trend`, at most `scorecard.periods` newest periods. `.highlights()`: what to know first;
        `.findings`: what is significant.

    Raises
    ------
    DataError
        When the log has no events.

    References
    ----------
    Wheeler, D. J. & Chambers, D. S. (1992). Understanding Statistical Process Control, 2nd ed.
    Benjamini, Y. & Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57.
    """
    period, shown = journey.scorecard.period, journey.scorecard.periods
    if log is None:
        ground: Ground | Answers = Answers(feedback, span_of_feedback(feedback, period, shown))
        every = {measure.name: measure for measure in feedback_measures(ground)}
    else:
        ground = Ground(journey, log, feedback, span_of(log, period, shown))
        every = {
            measure.name: measure
            for measures in (
                activity_measures,
                value_measures,
                feedback_measures,
                web_measures,
                support_measures,
            )
            for measure in measures(ground)
        }
    return _answer(journey, ground, every)


def _answer(journey: Journey, ground: Ground | Answers, every: dict[str, Measured]) -> Scorecard:
    span = ground.span
    milestones = [name for name in every if name not in CATALOGUE]
    rows = [
        _Row.of(journey, span, every.get(name, Measured(name, None, "sources.events")))
        for name in [*CATALOGUE, *milestones]
    ]
    compared = _compared(span, rows)
    adjusted = compared.p_adjusted.tolist()
    readings = {
        one.name: one.reading(p)
        for one, p in zip(rows, adjusted, strict=True)
        if one.value is not None
    }
    before = (
        period_name(_start(span, span.now - 1), span.calendar.period)
        if span.now > 0
        else "the period before"
    )
    trend = _trend(span, rows)
    table = _table(rows, adjusted, readings, before)
    judged = sum(bool(row.band.judged[list(span.drawn)].any()) for row in rows)
    lacking = int((table["status"] == NOT_MEASURED).sum())
    late = _late(ground)
    doubts = [*_unrecorded(rows), *late]
    return Scorecard(
        table=table,
        headline=headline(readings, before, lacking, _vanished(span, rows, readings), doubts),
        definition=_definition(ground, compared, judged, int(trend["flagged"].sum()), lacking),
        metrics=_metrics(table, trend, journey),
        sql=active_sql(ground) if isinstance(ground, Ground) else "",
        findings=() if late else _findings(rows, readings, compared, before),
        families={compared.name: compared.tests},
        trend=trend,
        period=span.calendar.period,
        expected_flags=judged * LEVEL,
        flags=int(trend["flagged"].sum()),
        readings=readings,
        before=before,
    )


def _vanished(span: Span, rows: list[_Row], readings: dict[str, Reading]) -> dict[str, int]:
    """Measures of nobody now, though enough were in their base in the period before, and how many."""
    return {
        one.name: int(one.value.n[span.now - 1])
        for one in rows
        if one.value is not None
        and span.now > 0
        and np.isnan(readings[one.name].value)
        and one.value.n[span.now] == 0
        and one.value.n[span.now - 1] >= MIN_N
    }


def _late(ground: Ground | Answers) -> list[str]:
    """That many customers are missing in the last days, where these belong to the last complete period."""
    if not isinstance(ground, Ground):
        return []
    thin = thin_end_of(ground.log)
    if thin is None or thin.since >= ground.span.calendar.starts[ground.span.now + 1]:
        return []
    return [thin.words(ground.log.zone)]


def _unrecorded(rows: list[_Row]) -> list[str]:
    """Which events of measures were probably not recorded throughout the last two periods, and when."""
    needs = {row.measured.needs for row in rows}
    return sorted(one.removeprefix(EVERY_EVENT) for one in needs if one.startswith(EVERY_EVENT))


def _compared(span: Span, rows: list[_Row]) -> Family:
    """The p of every measure of the card, as one family."""
    n = np.array(
        [0 if row.value is None or span.now < 0 else row.value.n[span.now] for row in rows]
    )
    return family(
        "the scorecard's measures against their normal variation",
        [row.change.p_value for row in rows],
        units=n,
        other_units=n,
        follow_up=known_at_once("the end of each period"),
        min_n=0,  # who is counted decides for shares and means (`_smallest`); a count is its own size
    )


def _findings(
    rows: list[_Row], readings: dict[str, Reading], compared: Family, before: str
) -> tuple[Finding, ...]:
    """Every measure that lies outside its normal variation."""
    return tuple(
        finding_of(readings[one.name], before, compared.name, float(p))
        for one, p, claims in zip(rows, compared.p_adjusted, compared.claims, strict=True)
        if claims
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
        series = measured.series
        if series is None or span.now < 0:
            unknown = no_band(span.size)
            return cls(journey, span, measured.name, measured, unknown, Change(*[float("nan")] * 4))
        seasons = SEASONS.get(span.calendar.period, ())
        band = band_of(series, span.complete, seasons, span.calendar.days)
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
            significant=p_adjusted < CLAIM,
            judged=bool(now >= 0 and self.band.judged[now]),
            constant=self.band.constant,
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
    rows: list[_Row], adjusted: list[float], readings: dict[str, Reading], before: str
) -> pd.DataFrame:
    lines = [
        _line(one, p, readings.get(one.name), before) for one, p in zip(rows, adjusted, strict=True)
    ]
    table = pd.DataFrame(lines).astype(
        dict.fromkeys(TEXTS, "str") | {"n": "int64", "significant": "bool"}
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
        "significant": p_adjusted < CLAIM,
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


def _trend(span: Span, rows: list[_Row]) -> pd.DataFrame:
    drawn = list(span.drawn)
    parts = []
    for row in rows:
        series = row.measured.series
        if series is None:
            continue
        low, high = series.bounds
        columns = {
            "value": series.value,
            "low": low,
            "high": high,
            "n": series.n,
            "centre": row.band.centre,
        }
        columns |= {
            "band_low": _within(row.band.low, row.name, True),
            "band_high": _within(row.band.high, row.name, False),
            "flagged": row.band.flagged,
        }
        columns |= {"complete": span.complete}
        drawn_columns = {name: column[drawn] for name, column in columns.items()}
        parts.append(
            pd.DataFrame(
                {"measure": row.name, "period_start": span.calendar.labels[drawn]} | drawn_columns
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


def _metrics(table: pd.DataFrame, trend: pd.DataFrame, journey: Journey) -> dict[str, Metric]:
    rows = table[table["status"] != NOT_MEASURED]
    names = ("measure", "value", "low", "high", "n", "target", "target_met")
    columns = (rows[name].tolist() for name in names)
    complete = trend[trend["complete"]]
    seen = {str(name): one["value"].tolist() for name, one in complete.groupby("measure")}
    return {
        name: metric(
            value,
            low,
            high,
            n,
            label=entry_of(name).label,
            unit=_unit(name),
            better=cast("Better", better_of(name, journey) or ""),
            target=target,
            target_met=met if isinstance(met, str) else "",
            trend=seen.get(name, []) if isinstance(met, str) or name in FIRST else (),
        )
        for name, value, low, high, n, target, met in zip(*columns, strict=True)
    }


def _unit(measure: str) -> Unit:
    """The unit of a card: days and plain numbers are numbers."""
    entry = entry_of(measure)
    unit = "money" if entry.kind == "money" else entry.unit
    return cast("Unit", {"score": "points", "count": "number", "days": "number"}.get(unit, unit))


def _definition(
    ground: Ground | Answers, compared: Family, judged: int, flags: int, lacking: int
) -> dict[str, str]:
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
        "normal variation": f"limits round what the periods before let one expect: a level, a trend, or the season where the log reaches a year further, whichever "
        f"predicted best, by the day where longer periods count more; from {FEWEST_PERIODS} complete periods on",
        "significant": compared.words,
        "flags by chance": f"about {judged * LEVEL:.1f} outside their limits in {count_of(judged, 'measure')} by chance; {flags or 'none'} {'is' if flags == 1 else 'are'}"
        if judged
        else "no measure has enough periods to be judged",
        "not measured": f"{count_of(lacking, 'measure')}; needs says what is lacking",
        "observed until": f"{ground.log.observed_until:%Y-%m-%d %H:%M} ({ground.log.timezone})"
        if isinstance(ground, Ground)
        else "no events are given",
    }
