"""The mapped events of every customer, in order: what the map counts from, and nothing else reads the log for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cjlib.errors import CjlibError
from cjlib.sources.journey import Journey, Mapped
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
NONE = -1
MOST_STAGES = 100


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
    where = claimed(log, (entry.event for entry in places.mapping))
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


@dataclass(frozen=True)
class Places:
    """Each position of `journey.mapping` with its stage and touchpoint, both counted from 0."""

    mapping: tuple[Mapped, ...]
    stages: tuple[str, ...]

    @cached_property
    def points(self) -> list[tuple[int, str]]:
        """The touchpoints in the file's order: stage and name."""
        return list(dict.fromkeys((entry.position, entry.touchpoint) for entry in self.mapping))

    @cached_property
    def point(self) -> Ints:
        """The touchpoint of each position."""
        number = {point: position for position, point in enumerate(self.points)}
        return np.array(
            [number[entry.position, entry.touchpoint] for entry in self.mapping], dtype=np.int64
        )

    @cached_property
    def stage(self) -> Ints:
        """The stage of each position."""
        return np.array([entry.position for entry in self.mapping], dtype=np.int64)

    @cached_property
    def stage_of_point(self) -> Ints:
        """The stage of each touchpoint."""
        return np.array([position for position, _ in self.points], dtype=np.int64)

    @cached_property
    def front(self) -> Bools:
        """Whether a position's events are the customer's way: not backstage, unless its stage has nothing else."""
        seen = {entry.position for entry in self.mapping if not entry.backstage}
        return np.array(
            [not entry.backstage or entry.position not in seen for entry in self.mapping],
            dtype=bool,
        )

    @cached_property
    def support(self) -> Bools:
        """Whether a position's events are contacts with support."""
        return np.array([entry.support for entry in self.mapping], dtype=bool)

    @cached_property
    def cost(self) -> NDArray[np.float64]:
        """What an event of each position costs; NaN where the file does not say."""
        return np.array([np.nan if entry.cost is None else entry.cost for entry in self.mapping])

    @cached_property
    def counted(self) -> list[int]:
        """The stages that have touchpoints, so that something can be counted there."""
        return sorted({entry.position for entry in self.mapping})


def places_of(journey: Journey) -> Places:
    """The places of a journey file."""
    if len(journey.stage_names) > MOST_STAGES:
        raise CjlibError(
            f"stages: a map holds at most {MOST_STAGES}. Got {len(journey.stage_names)}. Join stages that nobody would tell apart."
        )
    return Places(journey.mapping, tuple(journey.stage_names))


def claimed(log: EventLog, events: Iterable[Step]) -> str:
    """SQL over the prepared log: the events that any of these matches; plain names are tested as one list."""
    steps = list(events)
    names = sorted({name for step in steps if plain(step) for name in step.names})
    tests = [log.match(names, "stages")] if names else []
    tests += [log.match(step, "stages") for step in steps if not plain(step)]
    return f"({' OR '.join(tests)})" if tests else "FALSE"


def placed(journey: Journey, log: EventLog) -> tuple[str, NDArray[np.int16]]:
    """SQL of a small number for each claimed event, and the position in the mapping that each number stands for."""
    mapping = journey.mapping
    if all(plain(entry.event) for entry in mapping):
        return "e", _positions(log.event_names, mapping)
    return f"CAST({journey.mapping_sql(log)} AS SMALLINT)", np.arange(len(mapping), dtype=np.int16)


def begun(log: EventLog) -> Ints:
    """When each customer code was first seen, whatever `where` has left of the log."""
    found = log.engine.columns("SELECT c, min(t) AS t FROM prepared GROUP BY c")
    first = np.zeros(log.n_customer_codes, dtype=np.int64)
    first[found["c"]] = found["t"]
    return first


def codes_of(log: EventLog, customer_ids: Iterable[Any]) -> Ints:
    """The code in the log of each of these customers; −1: not there."""
    return log.codes_of_ids(customer_ids)


def plain(step: Step) -> bool:
    """Whether a step is told by its names alone."""
    return bool(step.names) and not step.where and not step.first_time


def _positions(names: Sequence[str], mapping: Sequence[Mapped]) -> NDArray[np.int16]:
    """The first position that claims each event name."""
    first = {
        name: position
        for position, one in reversed(list(enumerate(mapping)))
        for name in one.event.names
    }
    return np.array([first.get(name, NONE) for name in names], dtype=np.int16)


@dataclass(frozen=True)
class Visits:
    """Each visit by customer and time: whose it is, in which stage, and its first and last event among those of the walk."""

    who: NDArray[np.int32]
    stage: NDArray[np.int16]
    begin: Ints
    end: Ints
    customers: int
    stages: int

    @cached_property
    def first(self) -> Ints:
        """Each customer's first visit to each stage: customers × stages, −1 where there is none."""
        return self._edges(last=False)

    @cached_property
    def last(self) -> Ints:
        """Each customer's last visit to each stage: customers × stages, −1 where there is none."""
        return self._edges(last=True)

    def _edges(self, *, last: bool) -> Ints:
        found = np.full((self.customers, self.stages), NONE, dtype=np.int64)
        for stage in range(self.stages):
            rows = np.flatnonzero(self.stage == stage)
            who = self.who[rows]
            edge = np.flatnonzero(np.diff(who, append=NONE) if last else np.diff(who, prepend=NONE))
            found[who[edge], stage] = rows[edge]
        return found

    def of(self, column: NDArray[np.integer], visit: Ints) -> Ints:
        """A column of these visits; −1 of none."""
        return np.append(column, NONE).astype(np.int64)[visit]

    def following(self, visit: Ints, wanted: Bools) -> Ints:
        """For each customer the first wanted visit after this one; −1 where there is none, or this one is none."""
        chosen = np.flatnonzero(wanted)
        found = np.append(chosen, NONE)[np.searchsorted(chosen, visit, side="right")]
        mine = (visit >= 0) & (found >= 0) & (self.of(self.who, found) == np.arange(self.customers))
        return np.where(mine, found, NONE)

    def in_order(self, stages: Iterable[int]) -> list[Ints]:
        """For each of these stages the visit with which each customer came so far; −1: not so far. The earliest after the one before is the best to go on from."""
        found: list[Ints] = []
        for stage in stages:
            # Events of one instant stand in the order of their stages, so a later stage at the same instant follows.
            first = not found
            found.append(
                self.first[:, stage] if first else self.following(found[-1], self.stage == stage)
            )
        return found

    @cached_property
    def moves(self) -> Ints:
        """The visits that another of the same customer follows."""
        return np.flatnonzero(np.diff(self.who) == 0)
