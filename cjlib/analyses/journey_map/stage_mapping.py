"""Where events belong: the stages and touchpoints of a journey file as numbers, and the log's events as places among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.errors import CjlibError
from cjlib.sources.journey import Journey, Mapped
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
NONE = -1
MOST_STAGES = 100


@dataclass(frozen=True)
class Places:
    """Each position of `journey.mapping` with its stage and touchpoint, both counted from 0."""

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
        return np.array(
            [number[one.position, one.touchpoint] for one in self.mapping], dtype=np.int64
        )

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
        return np.array(
            [not one.backstage or one.position not in seen for one in self.mapping], dtype=bool
        )

    @cached_property
    def support(self) -> Bools:
        """Whether a position's events are contacts with support."""
        return np.array([one.support for one in self.mapping], dtype=bool)

    @cached_property
    def cost(self) -> NDArray[np.float64]:
        """What an event of each position costs; NaN where the file does not say."""
        return np.array([np.nan if one.cost is None else one.cost for one in self.mapping])

    @cached_property
    def counted(self) -> list[int]:
        """The stages that have touchpoints, so that something can be counted there."""
        return sorted({one.position for one in self.mapping})


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
    names = sorted({name for one in steps if plain(one) for name in one.names})
    tests = [log.match(names, "stages")] if names else []
    tests += [log.match(one, "stages") for one in steps if not plain(one)]
    return f"({' OR '.join(tests)})" if tests else "FALSE"


def placed(journey: Journey, log: EventLog) -> tuple[str, NDArray[np.int16]]:
    """SQL of a small number for each claimed event, and the position in the mapping that each number stands for."""
    mapping = journey.mapping
    if all(plain(one.event) for one in mapping):
        return "e", _positions(log.event_names, mapping)
    return f"CAST({journey.mapping_sql(log)} AS SMALLINT)", np.arange(len(mapping), dtype=np.int16)


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
