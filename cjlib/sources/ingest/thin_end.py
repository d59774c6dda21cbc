"""The last days of a log in which far fewer customers were active than usual at once: delivered late for some of them, or fewer came."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.show.numbers import about, count_of
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.log.engine import DuckDB

THIN = "few customers in the last days"
DAY = 86_400_000_000
WEEK = 7
WEEKS = 3
"""So many weeks before, the nearest, say how many customers are usual on a weekday."""
FEWEST_DAYS, MOST_DAYS, OTHER_SPANS = 42, 28, 14
FEWEST, FAR_OFF = 50.0, 5.0
"""So many customers a day, summed over the days, are to be expected at least; and by so many standard errors of such a count they are fewer."""
THIN_SHARE, LESS_THAN_EVER, STILL_USUAL = 0.75, 0.85, 0.85
FEWEST_BEGUN, NOBODY_BEGINS = 30.0, 0.1
"""Where so many customers usually begin and less than a tenth of them do, the log holds customers who began before."""
Days = NDArray[np.float64]


@dataclass(frozen=True)
class ThinEnd:
    """The last `days` of 24 hours, since an instant (microseconds UTC): customers active, summed over them, and how many were usual."""

    since: int
    days: int
    active: int
    usual: float

    def words(self, zone: ZoneInfo) -> str:
        """In a sentence without its full stop."""
        since = pd.Timestamp(self.since, unit="us", tz="UTC").tz_convert(zone)
        return (
            f"in the last {count_of(self.days, 'day')} (since {since:%Y-%m-%d %H:%M}) {self.active / self.days:,.0f} customers a day were active, "
            f"{about(self.active / self.usual)} of the {self.usual / self.days:,.0f} of such weekdays in the three weeks before: the events of some may not have been delivered yet, or fewer came"
        )


def thin_end(engine: DuckDB, prepared: str, until: int | None = None) -> ThinEnd | None:
    """The last days in which at once far fewer customers were active than on the same weekdays of the three weeks before, and than in any span as long before; None where there are none.

    Days are of 24 hours and end with the end of data (`until`; None: with the last event), so that none is cut. All together they lie below what is usual by a quarter at least, each by about half as much, while
    the week before does not. A business that shrinks, or customers who all began together, grow fewer slowly: no span of theirs stands out. A log of customers who began until
    a day, followed for longer, has no thin end either: of customers delivered late only some are missing, also of those who begin.
    """
    first, last = engine.rows(f"SELECT min(t), max(t) FROM {prepared}")[0]
    last = last if until is None else until
    if first is None or last is None or last - first < FEWEST_DAYS * DAY:
        return None
    active = _active_by_day(engine, prepared, first, last)
    few = [
        days
        for days in range(1, min(MOST_DAYS, active.size // 3) + 1)
        if _spans(active, days) and _few_throughout(active[:days], _usual(active, days, 1)[:, 0])
    ]
    weeks = _Spans.of(active, WEEK) if few else None
    found = [
        (step, days, thin)
        for days in few
        if weeks is not None
        and (thin := _Spans.of(active, days)).newest_stands_out
        and (step := thin.step_from(weeks)) > FAR_OFF
    ]
    if not found:
        return None
    _, days, thin = max(found, key=lambda one: one[:2])
    begun = _Spans.of(_begun_by_day(engine, prepared, first, last), days)
    if begun.usual[0] >= FEWEST_BEGUN and begun.share[0] < NOBODY_BEGINS:
        return None
    return ThinEnd(last - days * DAY + 1, days, int(active[:days].sum()), float(thin.usual[0]))


def _active_by_day(engine: DuckDB, prepared: str, first: int, last: int) -> Days:
    """How many customers were active on each day, the newest first; the oldest is left out where it is cut."""
    day = f"({last} - t) // {DAY}"
    # Sorted by customer and time: the events of a customer's day stand together.
    found = engine.columns(
        f"SELECT day, count(*) AS n FROM (SELECT c, day, lag(c) OVER () AS pc, lag(day) OVER () AS pd FROM (SELECT c, {day} AS day FROM {prepared})) "
        "WHERE pc IS NULL OR pc <> c OR pd <> day GROUP BY day"
    )
    active = np.zeros((last - first) // DAY + 1)
    active[found["day"].astype(np.int64)] = found["n"]
    return active[:-1]


def _begun_by_day(engine: DuckDB, prepared: str, first: int, last: int) -> Days:
    """How many customers had their first event on each day, the newest first."""
    found = engine.columns(
        f"SELECT day, count(*) AS n FROM (SELECT ({last} - min(t)) // {DAY} AS day FROM {prepared} GROUP BY c) GROUP BY day"
    )
    begun = np.zeros((last - first) // DAY + 1)
    begun[found["day"].astype(np.int64)] = found["n"]
    return begun[:-1]


def _spans(active: Days, days: int) -> int:
    """How many spans of so many days have three weeks before them."""
    return max(active.size - days - WEEK * (-(-days // WEEK) + WEEKS), 0)


def _usual(active: Days, days: int, spans: int) -> Days:
    """For each day (row) of each of so many spans, the newest first: the mean of the same weekday in the nearest three weeks before all of the span."""
    place = np.arange(days)
    nearest = -(-(days - place) // WEEK)
    starts = place + WEEK * (nearest + np.arange(WEEKS)[:, None])
    return active[starts[:, :, None] + np.arange(spans)].mean(axis=0)


def _few_throughout(active: Days, usual: Days) -> bool:
    """Whether days lie far below what is usual together, and each by about half as much."""
    whole = float(usual.sum())
    if whole < FEWEST or (share := float(active.sum()) / whole) > THIN_SHARE:
        return False
    return bool((active <= (1 + share) / 2 * usual + np.sqrt(usual)).all())


@dataclass(frozen=True)
class _Spans:
    """All spans of so many days, the newest first: customers active in each, and how many are usual."""

    days: int
    active: Days
    usual: Days

    @staticmethod
    def of(active: Days, days: int) -> _Spans:
        """Those that have three weeks before them."""
        spans = _spans(active, days)
        sums = np.convolve(active, np.ones(days), mode="valid")[:spans]
        return _Spans(days, sums, _usual(active, days, spans).sum(axis=0))

    @property
    def share(self) -> Days:
        """Of what is usual."""
        return self.active / np.maximum(self.usual, 1e-9)

    @property
    def newest_stands_out(self) -> bool:
        """Whether the newest span is thinner than any before it."""
        before = self.share[self.days :]
        return before.size >= OTHER_SPANS and bool(self.share[0] < LESS_THAN_EVER * before.min())

    def step_from(self, weeks: _Spans) -> float:
        """By how many standard errors the share of the week before lies above that of the newest span; 0 where that week is thin too."""
        here, before = float(self.share[0]), float(weeks.share[self.days])
        if before < STILL_USUAL:
            return 0.0
        error = np.sqrt(here / self.usual[0] + before / weeks.usual[self.days])
        return float((before - here) / error)


def line_of_thin_end(engine: DuckDB, zone: ZoneInfo) -> list[QualityLine]:
    """The line of the quality table, with the events of these days."""
    thin = thin_end(engine, "prepared")
    if thin is None:
        return []
    (events,) = engine.rows(f"SELECT count(*) FROM prepared WHERE t >= {thin.since}")[0]
    text = f"{thin.words(zone)}. observed_until leaves these days out"
    return [QualityLine(THIN, events, text)]
