"""The mapped events of every customer, in order: what the map counts from, and nothing else reads the log for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.sources.durations import microseconds
from cjlib.sources.events import EventLog
from cjlib.sources.journey import Journey, Mapped

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
NONE = -1


@dataclass(frozen=True)
class Places:
    """Where events belong: each position of `journey.mapping` with its stage and touchpoint, both counted from 0."""

    mapping: tuple[Mapped, ...]
    stages: tuple[str, ...]

    @cached_property
    def points(self) -> list[tuple[int, str]]:
        """The touchpoints in the file's order: stage and name."""
        return list(dict.fromkeys((one.position, one.touchpoint) for one in self.mapping))

    @cached_property
    def point(self) -> Ints:
        """The touchpoint of each position."""
        number = {point: position for position, point in enumerate(self.points)}
        return np.array([number[one.position, one.touchpoint] for one in self.mapping], dtype=np.int64)

    @cached_property
    def stage(self) -> Ints:
        """The stage of each position."""
        return np.array([one.position for one in self.mapping], dtype=np.int64)

    @cached_property
    def stage_of_point(self) -> Ints:
        """The stage of each touchpoint."""
        return np.array([position for position, _ in self.points], dtype=np.int64)

    @cached_property
    def front(self) -> Bools:
        """Whether a position's events are the customer's way: not backstage, unless its stage has nothing else."""
        seen = {one.position for one in self.mapping if not one.backstage}
        return np.array([not one.backstage or one.position not in seen for one in self.mapping], dtype=bool)

    @cached_property
    def support(self) -> Bools:
        """Whether a position's events are contacts with support."""
        return np.array([one.support for one in self.mapping], dtype=bool)

    @cached_property
    def counted(self) -> list[int]:
        """The stages that have touchpoints, so that something can be counted there."""
        return sorted({one.position for one in self.mapping})


def places_of(journey: Journey) -> Places:
    """The places of a journey file."""
    return Places(journey.mapping, tuple(journey.stage_names))


@dataclass(frozen=True)
class Walk:
    """Mapped events by customer and time; those of one instant by stage, then event name, then the other columns.

    `code` is the customer's code in the log, `place` the position in the mapping, `row` the position among the fetched rows (for channels).
    """

    places: Places
    code: NDArray[np.int32]
    time: Ints
    place: NDArray[np.int16]
    channel: NDArray[np.int32]
    observed_until: int
    silent_after: int

    @cached_property
    def stage(self) -> NDArray[np.int8]:
        """The stage of each event."""
        return self.places.stage.astype(np.int8)[self.place]

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
    def run_ends(self) -> Ints:
        """The last event of each visit: neighbouring events of one customer in one stage."""
        moved = np.diff(self.stage, append=np.int8(NONE)) != 0
        moved[self.ends] = True
        return np.flatnonzero(moved)

    def firsts(self, group: NDArray[np.integer], groups: int, last: bool = False) -> Ints:
        """The first (or last) event of each customer in each group: customers × groups, −1 where there is none."""
        found = np.full((self.customers, groups), NONE, dtype=np.int64)
        for one in range(groups):
            rows = np.flatnonzero(group == one)
            who = self.who[rows]
            edge = rows[np.flatnonzero(np.diff(who, append=NONE) if last else np.diff(who, prepend=NONE))]
            found[self.who[edge], one] = edge
        return found

    @cached_property
    def entries(self) -> Ints:
        """The first event of each customer in each stage; −1: never there."""
        return self.firsts(self.stage, len(self.places.stages))

    @cached_property
    def ended(self) -> Bools:
        """Whose silence since the latest mapped event is longer than the limit."""
        return self.observed_until - self.time[self.ends] > self.silent_after

    def only(self, customers: Bools) -> Walk:
        """The walk of some of the customers here."""
        rows = np.repeat(customers, self.ends - self.starts + 1)
        return replace(self, code=self.code[rows], time=self.time[rows], place=self.place[rows], channel=self.channel[rows])


def read_walk(journey: Journey, log: EventLog, mapped: str) -> tuple[Walk, Walk]:
    """The customers' way, and the events behind the stage that no customer sees; `mapped` is `journey.mapping_sql(log)`."""
    places = places_of(journey)
    silent = microseconds(journey.silent_after, "map.silent_after")
    held = log.properties.get("channel")
    coded = held is not None and held.coded and not held.of_customer
    channel = f"coalesce({held.column}, {NONE})" if coded and held is not None else str(NONE)
    columns = log.engine.columns(
        f"SELECT c, t, m, h FROM (SELECT c, t, CAST({mapped} AS SMALLINT) AS m, {channel} AS h FROM {log.prepared}) WHERE m IS NOT NULL"
    )
    place = columns["m"].astype(np.int16)
    channels = columns["h"].astype(np.int32)
    if held is not None and not coded:
        channels = log.codes("channel", where=f"({mapped}) IS NOT NULL")[0]
    walk = Walk(places, columns["c"].astype(np.int32), columns["t"], place, channels, log.observed_until_us, silent)
    front = places.front[place] if place.size else np.zeros(0, dtype=bool)
    return _tied_by_stage(_rows(walk, front)), _rows(walk, ~front)


def _rows(walk: Walk, rows: Bools) -> Walk:
    if rows.all():
        return walk
    return replace(walk, code=walk.code[rows], time=walk.time[rows], place=walk.place[rows], channel=walk.channel[rows])


def _tied_by_stage(walk: Walk) -> Walk:
    """Events of one instant in the order of their stages; within a stage the log's order, by name and the other columns, stays."""
    if not walk.time.size:
        return walk
    same = (np.diff(walk.code) == 0) & (np.diff(walk.time) == 0)
    if not (same & (np.diff(walk.stage) < 0)).any():
        return walk
    tied = np.r_[False, same] | np.r_[same, False]
    rows = np.flatnonzero(tied)
    order = rows[np.lexsort((walk.stage[rows], walk.time[rows], walk.code[rows]))]
    place, channel = walk.place.copy(), walk.channel.copy()
    place[rows], channel[rows] = walk.place[order], walk.channel[order]
    return replace(walk, place=place, channel=channel)
