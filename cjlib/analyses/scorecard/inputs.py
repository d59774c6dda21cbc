"""What all measures stand on: the periods, the events that play a role, and who was active when; each is read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.journey_map.mapped_events import claimed, plain
from cjlib.analyses.scorecard.series import Bools, Ints, Series, counted
from cjlib.errors import DataError
from cjlib.shared.event_arrays import opens
from cjlib.shared.periods import Calendar, calendar
from cjlib.shared.unrecorded import stretch_without
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.conditions import Step, timestamp_sql
from cjlib.sources.log.event_log import EventLog

NEVER = np.iinfo(np.int64).max
EVERY_EVENT = "every event of both periods: "
"""What a measure needs whose event was probably not recorded throughout, before the words that say so."""
A_YEAR = {"day": 364, "week": 52, "month": 12, "quarter": 4}
"""How many periods back the same one of the year before lies; days and weeks keep the day of the week."""


@dataclass(frozen=True)
class Measured:
    """One measure: its series, or what is missing for it."""

    name: str
    series: Series | None
    needs: str = ""


@dataclass(frozen=True)
class Span:
    """The periods kept: enough for the trend, one before it, and the year before.

    `complete` are those that the log covers from their start to their end. The first of a log is covered only if its first event (without events: the first answer) lies on the period's first day.
    """

    calendar: Calendar
    complete: Bools
    shown: int

    @property
    def size(self) -> int:
        """How many."""
        return len(self.calendar)

    @property
    def now(self) -> int:
        """The last complete one; −1 if none is."""
        found = np.flatnonzero(self.complete)
        return int(found[-1]) if found.size else -1

    @property
    def drawn(self) -> range:
        """Those of the trend: the newest."""
        return range(max(0, self.size - self.shown), self.size)


def span_of(log: EventLog, period: str, shown: int) -> Span:
    """The newest periods of a log."""
    if log.span_us is None:
        raise DataError(
            "scorecard: the log has no events, so nothing can be measured. Give a log with events."
        )
    first = log.span_us[0]
    every = calendar(first, max(first, log.observed_until_us), period, log.zone)
    complete = every.starts[1:] - 1 <= log.observed_until_us
    complete[0] &= every.begins_whole(first)
    # The season of the newest periods is told by those of the year before them.
    begin = max(0, len(every) - 1 - shown - max(1, A_YEAR.get(period, 0)))
    return Span(
        Calendar(period, every.starts[begin:], every.labels[begin:]), complete[begin:], shown
    )


def span_of_feedback(feedback: Feedback | None, period: str, shown: int) -> Span:
    """The newest periods of a feedback without events; one that is not complete where it has no dates."""
    times = (
        pd.Series(dtype="datetime64[us, UTC]")
        if feedback is None
        else feedback.frame["timestamp"].dropna().dt.tz_convert("UTC")
    )
    moments = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    first, last = (int(moments.min()), int(moments.max())) if moments.size else (0, 0)
    every = calendar(first, last, period, ZoneInfo(feedback.timezone if feedback else "UTC"))
    begin = max(0, len(every) - 1 - shown)
    complete = every.starts[1:] - 1 <= last
    complete[0] &= every.begins_whole(first)
    return Span(
        Calendar(period, every.starts[begin:], every.labels[begin:]), complete[begin:], shown
    )


@dataclass(frozen=True)
class Ground:
    """Journey, log and feedback, with what several measures need of them."""

    journey: Journey
    log: EventLog
    feedback: Feedback | None
    span: Span
    kept: dict[str, Rows] = field(default_factory=dict)

    @property
    def until(self) -> int:
        """The end of data."""
        return self.log.observed_until_us

    @property
    def size(self) -> int:
        """How many periods."""
        return self.span.size

    @property
    def starts(self) -> Ints:
        """Where the periods begin, and where the last one ends."""
        return self.span.calendar.starts

    @cached_property
    def read(self) -> tuple[Rows, NDArray[np.integer]]:
        """Every event of the log, and the code of its name."""
        found = self.log.fetch("customer", "time", "event")
        return Rows(
            found["customer"],
            found["time"],
            self.span.calendar.index(found["time"]).astype(np.int16),
        ), found["event"]

    def rows(self, event: Step | None, option: str) -> Rows:
        """The events that match, up to the end of data."""
        key = self.log.match(event, option)
        if key not in self.kept:
            self.kept[key] = self._until_the_end(self.positions(event, option))
        return self.kept[key]

    def positions(self, event: Step | None, option: str) -> Ints:
        """Where in the log the events lie that match; plain names are looked up in what is read."""
        if event is None or not plain(event):
            return self.log.fetch("row", where=self.log.match(event, option))["row"]
        return self._named(set(event.names))

    def _named(self, names: set[str]) -> Ints:
        wanted = np.array([name in names for name in self.log.event_names], dtype=bool)
        return np.flatnonzero(
            self.read[1] == wanted.argmax() if wanted.sum() == 1 else wanted[self.read[1]]
        )

    def _until_the_end(self, positions: Ints) -> Rows:
        every = self.read[0]
        rows = every if positions.size == every.time.size else every.where(positions)
        known = rows.time <= self.until
        return rows if known.all() else rows.where(known)

    def pairs(self, rows: Rows) -> Pairs:
        """Rows by customer and period; those before the first period left out."""
        return self.every_pair(rows).within()

    def every_pair(self, rows: Rows) -> Pairs:
        """Rows by customer and period; all before the first period are one, −1."""
        new = np.ones(rows.time.size, dtype=bool)
        new[1:] = (rows.customer[1:] != rows.customer[:-1]) | (rows.period[1:] != rows.period[:-1])
        begins = np.flatnonzero(new)
        ends = np.append(begins[1:], rows.time.size) - 1 if begins.size else begins
        customer, period = (
            rows.customer[begins].astype(np.int64),
            rows.period[begins].astype(np.int64),
        )
        return Pairs(customer, period, ends - begins + 1, rows.time[begins], rows.time[ends])

    # ---- who was there -------------------------------------------------------------------------------------------

    @cached_property
    def churn_event(self) -> Step | None:
        """The event of leaving, where the journey names one."""
        return self.journey.churn.event if self.journey.churn else None

    @cached_property
    def activity(self) -> Rows:
        """Mapped events that are not the churn event."""
        mapping = self.journey.mapping
        seen = {entry.position for entry in mapping if not entry.backstage}
        mapped = [
            entry.event for entry in mapping if not entry.backstage or entry.position not in seen
        ]
        left = [] if self.churn_event is None else [self.churn_event]
        if all(plain(one) for one in (*mapped, *left)):
            return self._until_the_end(
                self._named(
                    {name for one in mapped for name in one.names}
                    - {name for one in left for name in one.names}
                )
            )
        stays = "".join(
            f" AND NOT coalesce({self.log.match(one, 'churn.event')}, FALSE)" for one in left
        )
        return self._until_the_end(
            self.log.fetch("row", where=f"{claimed(self.log, mapped)}{stays}")["row"]
        )

    @cached_property
    def ever_active(self) -> Pairs:
        """Who was active in which period, and before the first (−1)."""
        return self.every_pair(self.activity)

    @cached_property
    def active(self) -> Pairs:
        """Who was active in which period."""
        return self.ever_active.within()

    @cached_property
    def n_active(self) -> Ints:
        """How many were, by period."""
        return counted(self.active.period, self.size)

    @cached_property
    def newcomers(self) -> Rows:
        """Each customer's first mapped event; the churn event counts here where a stage names it."""
        return self.activity.firsts if self.churn_event is None else self._first_mapped()

    def _first_mapped(self) -> Rows:
        """The first of activity and churn, so that the log is not read again for it."""
        assert self.churn_event is not None
        firsts, left = self.activity.firsts, self.rows(self.churn_event, "churn.event").firsts
        if not set(self.churn_event.names) & {
            name
            for entry in self.journey.mapping
            if not entry.backstage
            for name in entry.event.names
        }:
            return firsts
        customer, time = (
            np.append(firsts.customer, left.customer),
            np.append(firsts.time, left.time),
        )
        order = np.lexsort((time, customer))
        period = np.append(firsts.period, left.period)
        return Rows(customer[order], time[order], period[order]).firsts

    def was_active(self, customer: Ints, period: Ints) -> Bools:
        """Whether each customer was active in that period."""
        return among(customer * self.size + period, self.active.key(self.size))

    # ---- what is missing -----------------------------------------------------------------------------------------

    def missing(self, *roles: str) -> str:
        """What keeps measures from these roles: keys that the journey file lacks, or events that the log lacks; empty if nothing."""
        absent = [f"roles.{role}" for role in roles if not getattr(self.journey.roles, role)]
        return ", ".join(absent) or self.unseen(
            {f"roles.{role}": getattr(self.journey.roles, role) for role in roles}
        )

    def unseen(self, events: dict[str, Step]) -> str:
        """Which of these events never occur in the log."""
        never = [
            key
            for key, event in events.items()
            if event.names and len(self.log.unknown_events(event)) == len(event.names)
        ]
        return f"events in the log for {', '.join(never)}" if never else self._lately(events)

    def _lately(self, events: dict[str, Step]) -> str:
        """Which of these events was probably not recorded throughout the last two periods, and when."""
        since = self.starts[max(self.span.now - 1, 0)]
        for event in events.values():
            lost = stretch_without(self.log, event, "event")
            if lost is not None and lost.ends > since:
                return f"{EVERY_EVENT}{lost.words(self.log, str(event))}"
        return ""

    def of_role(self, role: str) -> Rows:
        """The events of a role."""
        return self.rows(getattr(self.journey.roles, role), f"roles.{role}")


@dataclass(frozen=True)
class Answers:
    """What the measures of feedback stand on where there are no events."""

    feedback: Feedback | None
    span: Span
    until: int = NEVER

    @property
    def size(self) -> int:
        """How many periods."""
        return self.span.size

    def missing(self, *_roles: str) -> str:
        """Events, whatever their roles."""
        return "sources.events"

    def of_role(self, role: str) -> Rows:
        """No role can be played."""
        raise AssertionError(role)


@dataclass(frozen=True)
class Rows:
    """Events by customer and time: customer, instant, and period (−1 before the first one kept)."""

    customer: NDArray[np.int32]
    time: Ints
    period: NDArray[np.int16]

    def where(self, some: Bools | Ints) -> Rows:
        """Some of them, by a mask or by their positions."""
        return Rows(self.customer[some], self.time[some], self.period[some])

    @cached_property
    def firsts(self) -> Rows:
        """Each customer's first."""
        return self.where(opens(self.customer, self.time, None))

    @cached_property
    def pauses(self) -> Ints:
        """How long until the customer's next; from the last one on for ever."""
        pauses = np.append(self.time[1:], NEVER)
        pauses[:-1] -= self.time[:-1]
        pauses[:-1][self.customer[1:] != self.customer[:-1]] = NEVER
        return pauses


@dataclass(frozen=True)
class Pairs:
    """Who did it in which period, once each, by customer and period: `count` how often, `first` and `last` when."""

    customer: Ints
    period: Ints
    count: Ints
    first: Ints
    last: Ints

    def within(self) -> Pairs:
        """Those of the periods kept."""
        mine = self.period >= 0
        return (
            self
            if mine.all()
            else Pairs(
                *(
                    column[mine]
                    for column in (self.customer, self.period, self.count, self.first, self.last)
                )
            )
        )

    def key(self, periods: int) -> Ints:
        """One number a pair, rising."""
        return self.customer * periods + self.period


def among(wanted: Ints, keys: Ints) -> Bools:
    """Whether each number stands among rising ones."""
    if not keys.size:
        return np.zeros(wanted.size, dtype=bool)
    return keys[_places(wanted, keys)] == wanted


def found_at(wanted: Ints, keys: Ints) -> Ints:
    """Where those numbers that stand among rising ones stand there."""
    return _places(wanted[among(wanted, keys)], keys)


def _places(wanted: Ints, keys: Ints) -> Ints:
    return np.minimum(np.searchsorted(keys, wanted), keys.size - 1)


def by_customer(rows: Rows, size: int) -> Ints:
    """Each customer's first instant, by code; NEVER without one."""
    first = np.full(size, NEVER)
    first[rows.firsts.customer] = rows.firsts.time
    return first


def active_sql(ground: Ground) -> str:
    """Active customers by period, oldest first; `first_time` of a touchpoint is left out, as it needs a query of its own."""
    log, mapping = ground.log, ground.journey.mapping
    seen = {entry.position for entry in mapping if not entry.backstage}
    tests = [
        log.portable(entry.event, "stages")
        for entry in mapping
        if not entry.backstage or entry.position not in seen
    ]
    mapped = " OR ".join(dict.fromkeys(tests)) or "FALSE"
    without = (
        ""
        if ground.churn_event is None
        else f" AND NOT {log.portable(ground.churn_event, 'churn.event')}"
    )
    starts = ground.starts.tolist()
    spans = ",\n    ".join(
        f"({place}, {timestamp_sql(starts[place])}, {timestamp_sql(starts[place + 1])})"
        for place in ground.span.drawn
    )
    return (
        f"WITH periods AS (\n  SELECT * FROM (VALUES\n    {spans}\n  ) AS p(position, started_at, ended_at)\n),\nactivity AS (\n"
        f"  SELECT customer_id, timestamp FROM {log.events_sql} AS given WHERE ({mapped}){without}\n)\n"
        "SELECT p.position, COUNT(DISTINCT a.customer_id) AS active_customers\n"
        "FROM periods p LEFT JOIN activity a ON a.timestamp >= p.started_at AND a.timestamp < p.ended_at\n"
        "GROUP BY p.position ORDER BY p.position"
    )
