"""The mapped events of every customer, in order: what the map counts from, and nothing else reads the log for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.journey_map.stage_mapping import (
    NONE,
    Bools,
    Ints,
    Places,
    claimed,
    placed,
    places_of,
)
from cjlib.analyses.journey_map.stage_visits import Visits
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Walk:
    """Mapped events by customer and time; those of one instant by stage, then event name, then the other columns.

    `code` is the customer's code in the log, `place` the position in the mapping, `channel` the code of the event's own channel.
    """

    places: Places
    code: NDArray[np.int32]
    time: Ints
    place: NDArray[np.int16]
    channel: NDArray[np.int32]
    observed_until: int
    silent_after: int

    @cached_property
    def stage(self) -> NDArray[np.int16]:
        """The stage of each event."""
        return self.places.stage.astype(np.int16)[self.place]

    @cached_property
    def point(self) -> NDArray[np.int16]:
        """The touchpoint of each event."""
        return self.places.point.astype(np.int16)[self.place]

    @cached_property
    def ends(self) -> Ints:
        """The last event of each customer."""
        return np.flatnonzero(np.diff(self.code, append=NONE))

    @cached_property
    def starts(self) -> Ints:
        """The first event of each customer."""
        return np.r_[0, self.ends[:-1] + 1] if self.ends.size else self.ends

    @cached_property
    def who(self) -> NDArray[np.int32]:
        """The customer of each event, counted from 0 among those here."""
        return np.repeat(np.arange(self.ends.size, dtype=np.int32), self.ends - self.starts + 1)

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """The code in the log of each customer here."""
        return self.code[self.ends]

    @property
    def customers(self) -> int:
        """How many customers have a mapped event."""
        return self.ends.size

    @cached_property
    def visits(self) -> Visits:
        """Neighbouring events of one customer in one stage, taken together."""
        moved = np.diff(self.stage, append=np.int16(NONE)) != 0
        moved[self.ends] = True
        end = np.flatnonzero(moved)
        begin = np.r_[0, end[:-1] + 1] if end.size else end
        return Visits(
            self.who[end], self.stage[end], begin, end, self.customers, len(self.places.stages)
        )

    @cached_property
    def entries(self) -> Ints:
        """The first event of each customer in each stage: customers × stages; −1: never there."""
        return self.visits.of(self.visits.begin, self.visits.first)

    def point_entries(self, point: int) -> Ints:
        """The first event of each customer at one touchpoint; −1: never there."""
        rows = np.flatnonzero(self.point == point)
        first = rows[np.flatnonzero(np.diff(self.who[rows], prepend=NONE))]
        found = np.full(self.customers, NONE, dtype=np.int64)
        found[self.who[first]] = first
        return found

    @cached_property
    def met(self) -> Bools:
        """Which touchpoints each customer met: customers × touchpoints."""
        found = np.zeros((self.customers, len(self.places.points)), dtype=bool)
        found[self.who, self.point] = True
        return found

    @cached_property
    def ended(self) -> Bools:
        """Whose silence since the latest mapped event is longer than the limit."""
        return self.observed_until - self.time[self.ends] > self.silent_after

    def time_at(self, rows: Ints) -> Ints:
        """The instants of some events; of none (−1) something that is not looked at."""
        return self.time[rows] if self.time.size else rows

    def only(self, customers: Bools) -> Walk:
        """The walk of some of the customers here."""
        return self.at(np.repeat(customers, self.ends - self.starts + 1))

    def at(self, rows: Bools) -> Walk:
        """The walk of some of the events here."""
        if rows.all():
            return self
        return replace(
            self,
            code=self.code[rows],
            time=self.time[rows],
            place=self.place[rows],
            channel=self.channel[rows],
        )


def read_walk(journey: Journey, log: EventLog) -> tuple[Walk, Walk]:
    """The customers' way, and the events behind the stage that no customer sees."""
    places = places_of(journey)
    where = claimed(log, (one.event for one in places.mapping))
    number, positions = placed(journey, log)
    channel = log.properties.get("channel")
    beside = channel is not None and channel.coded and not channel.of_customer
    columns = log.computed(
        where,
        c="c",
        t="t",
        number=number,
        h=f"CAST(coalesce({channel.column}, {NONE}) AS INTEGER)" if channel and beside else "-1",
    )
    codes = log.codes("channel", where=where)[0] if channel and not beside else columns["h"]
    silent = microseconds(journey.silent_after, "map.silent_after")
    walk = Walk(
        places,
        columns["c"],
        columns["t"],
        positions[columns["number"]],
        codes,
        log.observed_until_us,
        silent,
    )
    front = places.front[walk.place] if walk.place.size else np.zeros(0, dtype=bool)
    return _tied_by_stage(walk.at(front)), walk.at(~front)


def _tied_by_stage(walk: Walk) -> Walk:
    """Events of one instant in the order of their stages; within a stage the log's order, by name and the other columns, stays."""
    same = np.diff(walk.time) == 0
    same &= np.diff(walk.code) == 0
    if not (same & (np.diff(walk.stage) < 0)).any():
        return walk
    rows = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    order = rows[np.lexsort((walk.stage[rows], walk.time[rows], walk.code[rows]))]
    place, channel = walk.place.copy(), walk.channel.copy()
    place[rows], channel[rows] = walk.place[order], walk.channel[order]
    return replace(walk, place=place, channel=channel)
