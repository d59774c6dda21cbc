"""The log as arrays, fetched once for all cutoffs: who did what when, what counts as activity, and what was paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.periods import DAY, zone_offsets
from cjlib.errors import CjlibError, shown, unknown_column
from cjlib.sources.conditions import Event
from cjlib.sources.events import EventLog
from cjlib.sources.feedback import Feedback

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
MOST_EVENTS = 20
MOST_CHANNELS = 8
MOST_VALUES = 20
"""A property with more values than this is no category."""


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
class Answers:
    """Feedback of the log's customers by time: which score, and whether it is a bad one."""

    customer: Codes
    time: Whole
    scores: Mapping[str, Floats]
    negative: Flags


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

    def of(self, events: Flags, home: Codes, time: Whole) -> Paid:
        """Those of some events, whose customers and times are given in the log's order."""
        mine = events[self.row]
        place = np.cumsum(events, dtype=np.int32)[self.row[mine]] - 1
        return Paid(home[place], time[place], self.amount[mine])


@dataclass(frozen=True)
class Activity:
    """Every event in the log's order, by customer and time.

    `counts` marks activity: what `active_event` matches, or all but the churn event; `churns` marks the churn event.
    """

    ids: NDArray[Any]
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

    @property
    def customers(self) -> int:
        """Those the log knows, with events in it or not."""
        return self.ids.size

    @cached_property
    def starts(self) -> Whole:
        """The row of each customer's first event, of those who have one."""
        return np.flatnonzero(changes(self.c))


def changes(c: NDArray[Any]) -> Flags:
    """Where a sorted array begins a new value."""
    new = np.empty(c.size, dtype=bool)
    new[:1] = True
    np.not_equal(c[1:], c[:-1], out=new[1:])
    return new


def fetch_activity(
    log: EventLog,
    *,
    active_event: Event,
    churn_event: Event,
    value: str | None,
    channel: str | None,
    feedback: Feedback | pd.DataFrame | None,
    waits: Mapping[str, tuple[Event, Event]],
) -> Activity:
    """Fetch what the features of any cutoff are made from."""
    found = log.fetch("customer", "time", "event")
    n, ids = found["customer"].size, log.customer_ids()
    churns = None if churn_event is None else _marked(log, churn_event, n, "churn_event")
    counts = None if active_event is None else _marked(log, active_event, n, "active_event")
    if churns is not None:
        counts = ~churns if counts is None else counts & ~churns
    zone = zone_offsets(int(found["time"].min()), int(found["time"].max()), log.zone) if n else None
    local = found["time"] if zone is None or not zone.shifts.any() else zone.local(found["time"])
    texts = {name: one for name, one in log.properties.items() if one.coded and not one.of_customer and one.type == "VARCHAR" and name != channel}
    coded = {name: log.codes(name) for name in sorted(texts)}
    return Activity(
        ids=ids,
        c=found["customer"].astype(np.int32, copy=False),
        t=found["time"].astype(np.int64, copy=False),
        day=np.floor_divide(local, DAY).astype(np.int32),
        e=found["event"],
        names=log.event_names,
        counts=counts,
        churns=churns,
        value=_value(log, value),
        channel=log.codes(channel) if channel is not None and channel in log.properties else None,
        properties=coded,
        waits=tuple(_wait(log, name, opened, answered) for name, (opened, answered) in sorted(waits.items())),
        answers=None if feedback is None else _answers(log, ids, feedback),
    )


def _marked(log: EventLog, event: Event, n: int, option: str) -> Flags:
    marked = np.zeros(n, dtype=bool)
    marked[log.fetch("row", where=log.match(event, option))["row"]] = True
    return marked


def _value(log: EventLog, value: str | None) -> Amounts | None:
    if value is None or value not in log.properties:
        if value not in (None, "value"):
            raise unknown_column("value", value, log.columns)
        return None
    one = log.properties[value]
    there = "TRUE" if one.of_customer else f"{one.column} IS NOT NULL"
    amount, row = log.numbers(value, where=there), log.fetch("row", where=there)["row"]
    known = ~np.isnan(amount)
    return Amounts(row[known], amount[known])


def _wait(log: EventLog, name: str, opened: Event, answered: Event) -> Wait:
    asks = log.fetch("customer", "time", where=log.match(opened, "waits"))
    replies = log.fetch("customer", "time", where=log.match(answered, "waits"))
    # Both are sorted by customer and time; one key makes the next answer a search. A reply at the same instant answers.
    earliest = min(int(one["time"].min()) for one in (asks, replies)) if asks["time"].size and replies["time"].size else 0
    span = max((int(one["time"].max()) - earliest for one in (asks, replies) if one["time"].size), default=0) + 2
    key = replies["customer"].astype(np.int64) * span + (replies["time"] - earliest)
    at = np.searchsorted(key, asks["customer"].astype(np.int64) * span + (asks["time"] - earliest), side="left")
    there = at < key.size
    place = np.minimum(at, max(key.size - 1, 0))
    mine = there & (replies["customer"][place] == asks["customer"]) if key.size else np.zeros(at.size, dtype=bool)
    times = np.where(mine, replies["time"][place], -1) if key.size else np.full(at.size, -1)
    return Wait(name, asks["customer"].astype(np.int32), asks["time"].astype(np.int64), times.astype(np.int64))


NEGATIVE = {"nps": 6, "csat": 2, "ces": 3, "rating": 2, "text_score": -0.05}
"""A score of at most this is a bad one."""


def _answers(log: EventLog, ids: NDArray[Any], feedback: Feedback | pd.DataFrame) -> Answers:
    frame = feedback.frame if isinstance(feedback, Feedback) else feedback
    if not isinstance(frame, pd.DataFrame) or not {"customer_id", "timestamp"} <= set(frame.columns):
        raise CjlibError(f"feedback: must be what cj.read_feedback gives, with customer_id and timestamp. Got {shown(type(feedback).__name__)}.")
    place = {str(one): code for code, one in enumerate(ids.tolist())}
    code = frame["customer_id"].astype("str").map(place)
    stamps = pd.to_datetime(frame["timestamp"])
    stamps = stamps.dt.tz_localize(log.zone) if stamps.dt.tz is None else stamps
    known = (code.notna() & stamps.notna()).to_numpy()
    time = stamps[known].dt.tz_convert("UTC").to_numpy(dtype="datetime64[us]").astype(np.int64)
    scores = {name: frame.loc[known, name].to_numpy(dtype=float, na_value=np.nan) for name in NEGATIVE if name in frame and frame[name].notna().any()}
    customer = code[known].to_numpy(dtype=np.int32)
    keys = [*(np.nan_to_num(one, nan=-9.0) for one in scores.values()), time, customer]
    order = np.lexsort(keys)
    bad = np.zeros(time.size, dtype=bool)
    for name, score in scores.items():
        bad |= score <= NEGATIVE[name]
    return Answers(customer[order].astype(np.int32), time[order], {name: score[order] for name, score in scores.items()}, bad[order])


def find_kinds(activity: Activity, cutoff: int, like: Sequence[str] | None) -> Kinds:
    """What gets columns of its own, by what happened up to a cutoff (the earliest, so that no later one decides), or by the columns of `like`."""
    past = activity.t <= cutoff
    sizes = np.bincount(activity.e[past], minlength=len(activity.names)) if past.any() else np.zeros(len(activity.names))
    own = set(np.unique(activity.e[activity.churns]).tolist()) if activity.churns is not None else set()
    ranked = sorted(
        (code for code in range(len(activity.names)) if sizes[code] and code not in own), key=lambda code: (-sizes[code], activity.names[code])
    )
    events = tuple(activity.names[code] for code in ranked[:MOST_EVENTS])
    channels = _commonest(activity.channel, past, MOST_CHANNELS)
    categories = tuple(name for name, pair in activity.properties.items() if 1 < len(_commonest(pair, past, MOST_VALUES + 1)) <= MOST_VALUES)
    if like is None:
        return Kinds(events if len(ranked) > 1 else (), channels if len(channels) > 1 else (), categories)
    wanted = set(like)
    named = tuple(_between(name, "n_", "_90d") for name in like if _between(name, "n_", "_90d"))
    return Kinds(
        tuple(name for name in named if f"days_since_{name}" in wanted),
        tuple(_between(name, "share_channel_", "") for name in like if name.startswith("share_channel_")),
        tuple(_between(name, "last_", "") for name in like if name.startswith("last_")),
    )


def _between(text: str, start: str, end: str) -> str:
    return text[len(start) : len(text) - len(end)] if text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end) else ""


def _commonest(pair: tuple[Codes, list[Any]] | None, past: Flags, most: int) -> tuple[str, ...]:
    if pair is None:
        return ()
    codes, values = pair
    counts = np.bincount(codes[past & (codes >= 0)], minlength=len(values))
    ranked = sorted((code for code in range(len(values)) if counts[code]), key=lambda code: (-counts[code], str(values[code])))
    return tuple(str(values[code]) for code in ranked[:most])


def check_waits(waits: Any) -> Mapping[str, tuple[Event, Event]]:
    """Waits as given: name → (event that asks, event that answers)."""
    given = {} if waits is None else waits
    if not isinstance(given, Mapping) or not all(isinstance(one, (tuple, list)) and len(one) == 2 for one in given.values()):
        raise CjlibError(f"waits: must name pairs of events, such as {{'support': ('ticket_opened', 'ticket_first_response')}}. Got {shown(waits)}.")
    return given
