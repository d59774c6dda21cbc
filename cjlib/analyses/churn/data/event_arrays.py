"""The log as arrays, fetched once for all cutoffs, a block of customers at a time: who did what when, what counts as activity, and what was paid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown, unknown_column
from cjlib.shared.periods import DAY, zone_offsets
from cjlib.shared.unrecorded import Stretch
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event, Step, as_step
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
MOST_EVENTS = 20
MOST_CHANNELS = 8
MOST_VALUES = 20
"""A property with more values than this is no category."""
BLOCK_ROWS = 1_000_000
"""Events looked at together, and the rest of their last customer's: few enough that their memory is used again and again."""
NEGATIVE = {"nps": 6, "csat": 2, "ces": 3, "rating": 2, "text_score": -0.05}
"""A score of at most this is a bad one."""


@dataclass(frozen=True)
class Question:
    """What is asked of the log; `endings` are event types that are no return after the churn event, `unrecorded` is when what decides the label was probably not recorded."""

    horizon: int
    active_within: int | None
    active_event: Event
    churn_event: Event
    value: str | None
    channel: str | None
    feedback: Feedback | pd.DataFrame | None
    waits: Mapping[str, tuple[Event, Event]]
    endings: tuple[str, ...] = ()
    unrecorded: Stretch | None = None

    @property
    def deciding(self) -> Step:
        """The event whose occurrence decides the label."""
        return as_step(self.churn_event or self.active_event, "churn_event")

    def labelled(self, cutoff: int, observed_until: int) -> bool:
        """Whether it is known who churned within the horizon after a cutoff."""
        end, lost = cutoff + self.horizon, self.unrecorded
        recorded = lost is None or end <= lost.begins or cutoff >= lost.ends
        return recorded and end <= observed_until


@dataclass(frozen=True)
class Block:
    """Customers from code `first` to before `end`: their first row of the log, and the condition that their rows meet."""

    first: int
    end: int
    row: int
    where: str

    def also(self, condition: str) -> str:
        """Their rows that meet a condition, too."""
        return condition if self.where == "TRUE" else f"{self.where} AND ({condition})"


def blocks(log: EventLog, customers: int) -> Iterator[Block]:
    """The log in parts of whole customers."""
    if log.n_events <= BLOCK_ROWS:
        yield Block(0, customers, 0, "TRUE")
        return
    rows = ", ".join(str(row) for row in range(0, log.n_events, BLOCK_ROWS))
    found = log.engine.columns(f"SELECT c FROM {log.prepared} WHERE rowid IN ({rows})")["c"]
    borders = [0, *np.unique(found)[1:].tolist(), customers]
    for first, end in itertools.pairwise(borders):
        where = f"c >= {first} AND c < {end}"
        yield Block(
            first,
            end,
            log.engine.rows(f"SELECT min(rowid) FROM {log.prepared} WHERE {where}")[0][0],
            where,
        )


@dataclass(frozen=True)
class Kinds:
    """What has columns of its own: event names, channels, and text properties whose last value counts."""

    events: tuple[str, ...]
    channels: tuple[str, ...]
    properties: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """From an event to the customer's next answering event: `answered` is missing (−1) where none came yet."""

    name: str
    customer: Codes
    opened: Whole
    answered: Whole


@dataclass(frozen=True)
class Paid:
    """Amounts in the log's order, with the customer and the time of each."""

    home: Codes
    time: Whole
    amount: Floats


@dataclass(frozen=True)
class Amounts:
    """The events that have a value, by row of the log."""

    row: Whole
    amount: Floats

    def of(self, events: Flags | None, home: Codes, time: Whole) -> Paid:
        """Those of some events (None: of all), by the customer and the time of every event."""
        mine = slice(None) if events is None else events[self.row]
        return Paid(home[self.row[mine]], time[self.row[mine]], self.amount[mine])

    def only(self, events: Flags) -> Amounts:
        """Those of some events, which are numbered anew."""
        mine = events[self.row]
        return Amounts(np.cumsum(events)[self.row[mine]] - 1, self.amount[mine])


@dataclass(frozen=True)
class Activity:
    """Every event of a block of customers in the log's order, by customer and time; customers are numbered from the block's first.

    `counts` marks activity: what `active_event` matches, or all but the churn event; `churns` marks the churn event.
    """

    customers: int
    c: Codes
    t: Whole
    day: Codes
    e: NDArray[Any]
    names: list[str]
    counts: Flags | None
    churns: Flags | None
    value: Amounts | None
    channel: tuple[Codes, list[Any]] | None
    properties: Mapping[str, tuple[Codes, list[Any]]]
    waits: tuple[Wait, ...]
    answers: Answers | None

    @cached_property
    def starts(self) -> Whole:
        """The row of each customer's first event, of those who have one."""
        return np.flatnonzero(changes(self.c))

    def only(self, customers: Flags, cutoff: int) -> Activity:
        """The events at or before a cutoff of some customers, who keep their numbers."""
        mine = customers[self.c]
        mine &= self.t <= cutoff
        if mine.all():
            return self
        return replace(
            self,
            c=self.c[mine],
            t=self.t[mine],
            day=self.day[mine],
            e=self.e[mine],
            counts=None if self.counts is None else self.counts[mine],
            churns=None if self.churns is None else self.churns[mine],
            value=None if self.value is None else self.value.only(mine),
            channel=None if self.channel is None else (self.channel[0][mine], self.channel[1]),
            properties={
                name: (codes[mine], values) for name, (codes, values) in self.properties.items()
            },
        )


def changes(c: NDArray[Any]) -> Flags:
    """Where a sorted array begins a new value."""
    new = np.empty(c.size, dtype=bool)
    new[:1] = True
    np.not_equal(c[1:], c[:-1], out=new[1:])
    return new


def fetch_activity(
    log: EventLog, question: Question, block: Block, answers: Answers | None
) -> Activity:
    """Fetch what the features of any cutoff are made from."""
    found = log.fetch("customer", "time", "event", where=block.where)
    n, channel = found["customer"].size, question.channel
    churns = (
        None
        if question.churn_event is None
        else _marked(log, block, question.churn_event, n, "churn_event")
    )
    counts = (
        None
        if question.active_event is None
        else _marked(log, block, question.active_event, n, "active_event")
    )
    if churns is not None:
        counts = ~churns if counts is None else counts & ~churns
    zone = zone_offsets(int(found["time"].min()), int(found["time"].max()), log.zone) if n else None
    local = found["time"] if zone is None or not zone.shifts.any() else zone.local(found["time"])
    return Activity(
        customers=block.end - block.first,
        c=found["customer"].astype(np.int32, copy=False) - np.int32(block.first),
        t=found["time"].astype(np.int64, copy=False),
        day=np.floor_divide(local, DAY).astype(np.int32),
        e=found["event"],
        names=log.event_names,
        counts=counts,
        churns=churns,
        value=_value(log, block, question.value),
        channel=log.codes(channel, where=block.where)
        if channel is not None and channel in log.properties
        else None,
        properties={name: log.codes(name, where=block.where) for name in _texts(log, channel)},
        waits=tuple(
            _wait(log, block, name, *pair) for name, pair in sorted(question.waits.items())
        ),
        answers=None if answers is None else answers.of(block.first, block.end),
    )


def _texts(log: EventLog, channel: str | None) -> list[str]:
    """Properties of events whose last value may tell."""
    return sorted(
        name
        for name, one in log.properties.items()
        if one.coded and not one.of_customer and one.type == "VARCHAR" and name != channel
    )


def _marked(log: EventLog, block: Block, event: Event, n: int, option: str) -> Flags:
    marked = np.zeros(n, dtype=bool)
    marked[log.fetch("row", where=block.also(log.match(event, option)))["row"] - block.row] = True
    return marked


def _value(log: EventLog, block: Block, value: str | None) -> Amounts | None:
    if value is None or value not in log.properties:
        if value not in (None, "value"):
            raise unknown_column("value", value, log.columns)
        return None
    one = log.properties[value]
    there = block.also("TRUE" if one.of_customer else f"{one.column} IS NOT NULL")
    amount, row = log.numbers(value, where=there), log.fetch("row", where=there)["row"] - block.row
    known = ~np.isnan(amount)
    return Amounts(row[known], amount[known])


def _wait(log: EventLog, block: Block, name: str, opened: Event, answered: Event) -> Wait:
    asks, replies = (
        log.fetch("customer", "time", where=block.also(log.match(event, "waits")))
        for event in (opened, answered)
    )
    # Both are sorted by customer and time; one key makes the next answer a search. A reply at the same instant answers.
    earliest = (
        min(int(one["time"].min()) for one in (asks, replies))
        if asks["time"].size and replies["time"].size
        else 0
    )
    span = (
        max(
            (int(one["time"].max()) - earliest for one in (asks, replies) if one["time"].size),
            default=0,
        )
        + 2
    )
    key = replies["customer"].astype(np.int64) * span + (replies["time"] - earliest)
    at = np.searchsorted(
        key, asks["customer"].astype(np.int64) * span + (asks["time"] - earliest), side="left"
    )
    there = at < key.size
    place = np.minimum(at, max(key.size - 1, 0))
    mine = (
        there & (replies["customer"][place] == asks["customer"])
        if key.size
        else np.zeros(at.size, dtype=bool)
    )
    times = np.where(mine, replies["time"][place], -1) if key.size else np.full(at.size, -1)
    return Wait(
        name,
        asks["customer"].astype(np.int32) - np.int32(block.first),
        asks["time"].astype(np.int64),
        times.astype(np.int64),
    )


def find_kinds(log: EventLog, question: Question, cutoff: int, like: Sequence[str] | None) -> Kinds:
    """What gets columns of its own, by what happened up to a cutoff (the earliest, so that no later one decides), or by the columns of `like`."""
    if like is not None:
        return _kinds_of(like)
    sizes = _counted(log, "e", f"t <= {cutoff}")
    own = (
        {}
        if question.churn_event is None
        else _counted(log, "e", log.match(question.churn_event, "churn_event"))
    )
    ranked = _ranked(
        {log.event_names[code]: size for code, size in sizes.items() if code not in own}
    )
    channels = (
        _most_common(log, question.channel, cutoff) if question.channel in log.properties else ()
    )
    categories = tuple(
        name
        for name in _texts(log, question.channel)
        if 1 < len(_most_common(log, name, cutoff)) <= MOST_VALUES
    )
    return Kinds(
        ranked[:MOST_EVENTS] if len(ranked) > 1 else (),
        channels[:MOST_CHANNELS] if len(channels) > 1 else (),
        categories,
    )


def _kinds_of(like: Sequence[str]) -> Kinds:
    wanted = set(like)
    named = tuple(_between(name, "n_", "_90d") for name in like if _between(name, "n_", "_90d"))
    return Kinds(
        tuple(name for name in named if f"days_since_{name}" in wanted),
        tuple(
            _between(name, "share_channel_", "")
            for name in like
            if name.startswith("share_channel_")
        ),
        tuple(_between(name, "last_", "") for name in like if name.startswith("last_")),
    )


def _between(text: str, start: str, end: str) -> str:
    return (
        text[len(start) : len(text) - len(end)]
        if text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end)
        else ""
    )


def _most_common(log: EventLog, column: str | None, cutoff: int) -> tuple[str, ...]:
    """The values of a property up to a cutoff, as text, the most common first."""
    one = log.property(column or "", "channel")
    if one.coded and not one.of_customer:
        sizes, (_, values) = (
            _counted(log, one.column, f"t <= {cutoff} AND {one.column} IS NOT NULL"),
            log.codes(one.name, where="FALSE"),
        )
    else:
        codes, values = log.codes(one.name, where=f"t <= {cutoff}")
        sizes = {
            code: size for code, size in enumerate(np.bincount(codes[codes >= 0]).tolist()) if size
        }
    return _ranked({str(values[code]): size for code, size in sizes.items()})


def _counted(log: EventLog, column: str, where: str) -> dict[int, int]:
    """How many events have each code."""
    return {
        int(code): size
        for code, size in log.engine.rows(
            f"SELECT {column}, count(*) FROM {log.prepared} WHERE {where} GROUP BY 1"
        )
    }


def _ranked(sizes: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(sizes, key=lambda name: (-sizes[name], name)))


def check_waits(waits: Any) -> Mapping[str, tuple[Event, Event]]:
    """Waits as given: name → (event that asks, event that answers)."""
    given = {} if waits is None else waits
    if not isinstance(given, Mapping) or not all(
        isinstance(one, (tuple, list)) and len(one) == 2 for one in given.values()
    ):
        raise CjlibError(
            f"waits: must name pairs of events, such as {{'support': ('ticket_opened', 'ticket_first_response')}}. Got {shown(waits)}."
        )
    return given


@dataclass(frozen=True)
class Answers:
    """Feedback of the log's customers by time: which score, and whether it is a bad one."""

    customer: Codes
    time: Whole
    scores: Mapping[str, Floats]
    negative: Flags

    def of(self, first: int, end: int) -> Answers:
        """Those of the customers from `first` to before `end`, who are numbered from the first."""
        mine = (self.customer >= first) & (self.customer < end)
        scores = {name: score[mine] for name, score in self.scores.items()}
        return Answers(
            self.customer[mine] - np.int32(first), self.time[mine], scores, self.negative[mine]
        )


def find_answers(log: EventLog, ids: NDArray[Any], feedback: Feedback | pd.DataFrame) -> Answers:
    """The feedback of customers whose `ids` the log knows."""
    frame = feedback.frame if isinstance(feedback, Feedback) else feedback
    if not isinstance(frame, pd.DataFrame) or not {"customer_id", "timestamp"} <= set(
        frame.columns
    ):
        raise CjlibError(
            f"feedback: must be what cj.read_feedback gives, with customer_id and timestamp. Got {shown(type(feedback).__name__)}."
        )
    place = {str(one): code for code, one in enumerate(ids.tolist())}
    code = frame["customer_id"].astype("str").map(place)
    stamps = pd.to_datetime(frame["timestamp"])
    stamps = stamps.dt.tz_localize(log.zone) if stamps.dt.tz is None else stamps
    known = (code.notna() & stamps.notna()).to_numpy()
    time = stamps[known].dt.tz_convert("UTC").to_numpy(dtype="datetime64[us]").astype(np.int64)
    scores = {
        name: frame.loc[known, name].to_numpy(dtype=float, na_value=np.nan)
        for name in NEGATIVE
        if name in frame and frame[name].notna().any()
    }
    customer = code[known].to_numpy(dtype=np.int32)
    keys = [*(np.nan_to_num(one, nan=-9.0) for one in scores.values()), time, customer]
    order = np.lexsort(keys)
    bad = np.zeros(time.size, dtype=bool)
    for name, score in scores.items():
        bad |= score <= NEGATIVE[name]
    return Answers(
        customer[order].astype(np.int32),
        time[order],
        {name: score[order] for name, score in scores.items()},
        bad[order],
    )
