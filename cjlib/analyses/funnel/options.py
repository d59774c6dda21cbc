"""What a funnel asks, checked; and the rows of the log that answer it, as arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.funnel.instants import (
    Bools,
    Instants,
    Ints,
    Moments,
    Positions,
    instants,
    moments,
)
from cjlib.errors import CjlibError, did_you_mean, listed, not_a_log, not_one_of, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.event_arrays import keep_freed_memory
from cjlib.shared.group_by import Values, names_given, values_of
from cjlib.sources.log.conditions import Event, Exclude, Step, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

ORDERS = ("sequential", "strict", "any")
ENTRIES = ("best", "reentry", "first")
ENTRANTS = ("all", "closed")
MOST_STEPS = 40
MOST_EXCLUSIONS = 20
TABLE_COLUMNS = (
    "step",
    "event",
    "customers",
    "share_of_first",
    "share_of_first_low",
    "share_of_first_high",
    "share_of_previous",
    "share_of_previous_low",
    "share_of_previous_high",
    "median_seconds_from_previous",
    "mean_seconds_from_previous",
    "median_seconds_from_first",
    "still_open",
)
_STEP_K = re.compile(r"step_(\d+)")


@dataclass(frozen=True)
class Question:
    """The options of `cj.funnel`, checked: durations and bounds in microseconds."""

    steps: tuple[Step, ...]
    window: int | None
    order: str
    entry: str
    entrants: str
    exclude: tuple[Exclude, ...]
    hold: tuple[str, ...]
    by: tuple[str, ...]
    by_value: str
    step_windows: tuple[int | None, ...]
    start: int | None
    end: int | None
    min_n: int
    together: int = 0
    """Microseconds within which steps may swap places, as some tools let them."""

    @property
    def by_step(self) -> int | None:
        """The step whose value makes the group, 1-based; None for any other rule."""
        written = _STEP_K.fullmatch(self.by_value)
        return int(written[1]) if written else None

    @property
    def in_words(self) -> list[str]:
        """The steps as tables show them."""
        return [str(step) for step in self.steps]

    def ungrouped(self) -> Question:
        """The same question about all customers together."""
        return replace(self, by=(), by_value="first")


def question(  # noqa: PLR0913 (the options are the analysis)
    log: EventLog,
    steps: Sequence[Event],
    *,
    window: Duration | None,
    order: str,
    entry: str,
    entrants: str,
    exclude: Exclude | Sequence[Exclude],
    hold: str | Sequence[str],
    by: str | Sequence[str] | None,
    by_value: str,
    step_windows: Sequence[Duration | None] | None,
    start: Any,
    end: Any,
    min_n: int,
    together: int = 0,
) -> Question:
    """Check every option and name the first that cannot be used."""
    if not isinstance(log, Log):
        raise not_a_log(log)
    for option, given, allowed in (
        ("order", order, ORDERS),
        ("entry", entry, ENTRIES),
        ("entrants", entrants, ENTRANTS),
    ):
        if given not in allowed:
            raise not_one_of(option, given, allowed)
    checked = _steps(steps)
    _check_names(log, checked)
    if entrants == "closed" and window is None:
        raise CjlibError(
            "entrants: 'closed' keeps first events whose window has ended, so it needs a window. Got window=None. Give one, such as window='14D'."
        )
    asked = Question(
        steps=checked,
        window=_window(window),
        order=order,
        entry=entry,
        entrants=entrants,
        exclude=_exclusions(exclude, len(checked), order),
        hold=names_given(hold, "hold"),
        by=names_given(by, "by", (*TABLE_COLUMNS, "customer_id", "steps_reached", "without")),
        by_value=_by_value(by_value, len(checked)),
        step_windows=_step_windows(step_windows, len(checked), order),
        start=None if start is None else log.instant(start, "start"),
        end=None if end is None else log.instant(end, "end", end=True),
        min_n=_min_n(min_n),
        together=together,
    )
    if asked.start is not None and asked.end is not None and asked.start > asked.end:
        raise CjlibError(
            f"start: must not lie after end. Got start={shown(start)}, end={shown(end)}."
        )
    for option, names in (("hold", asked.hold), ("by", asked.by)):
        for name in names:
            log.property(name, option)
    return asked


def _window(given: Duration | None) -> int | None:
    if given == "":
        raise CjlibError(
            "window: how long may an attempt take? It has no default. Say window='14D', None for no limit, or a tool's semantics='posthog'."
        )
    return None if given is None else microseconds(given, "window")


def _steps(steps: Sequence[Event]) -> tuple[Step, ...]:
    if isinstance(steps, str | Step) or not isinstance(steps, Sequence) or not steps:
        raise CjlibError(
            f"steps: must be a list of steps, such as ['visit', 'signup', 'buy']. Got {shown(steps)}."
        )
    if len(steps) > MOST_STEPS:
        raise CjlibError(
            f"steps: at most {MOST_STEPS} steps. Got {len(steps)}. Ask two funnels, or use cj.paths."
        )
    return tuple(as_step(step, f"steps[{position}]") for position, step in enumerate(steps))


def _check_names(log: EventLog, steps: Sequence[Step]) -> None:
    """Refuse a later step none of whose names occurs: every customer would be told to be lost before it.

    In a log of fewer than `MIN_N` customers an event may well not have happened yet, so there only what looks like a slip of the pen is refused.
    """
    for step in steps[1:]:
        absent = log.unknown_events(step)
        if step.may_be_absent or not absent or len(absent) < len(step.names):
            continue
        slip = get_close_matches(absent[0].casefold(), map(str.casefold, log.event_names), 1, 0.85)
        if slip or log.n_customers >= MIN_N:
            raise CjlibError(
                f"steps: {shown(absent[0])} never occurs in the log.{did_you_mean(absent[0], log.event_names)} "
                f"The log has: {listed(log.event_names)}. If it may be absent, say so: cj.Step({shown(absent[0])}, may_be_absent=True)."
            )


def _exclusions(
    exclude: Exclude | Sequence[Exclude], steps: int, order: str
) -> tuple[Exclude, ...]:
    given: tuple[Any, ...] = tuple(exclude) if isinstance(exclude, list | tuple) else (exclude,)
    if len(given) > MOST_EXCLUSIONS:
        raise CjlibError(
            f"exclude: at most {MOST_EXCLUSIONS} exclusions. Got {len(given)}. An exclusion may name a list of events."
        )
    for exclusion in given:
        if not isinstance(exclusion, Exclude):
            raise CjlibError(
                f"exclude: must be cj.Exclude(event, after=1, before=2) or a list of them. Got {shown(exclusion)}."
            )
        if exclusion.before > steps:
            raise CjlibError(
                f"exclude: before={exclusion.before} names a step that the funnel does not have; it has {steps}. Got {shown(exclusion)}."
            )
        if order == "any" and (exclusion.after, exclusion.before) != (1, steps):
            raise CjlibError(
                f"exclude: with order='any' the steps have no order, so an exclusion looks from the first event to the completion: after=1, before={steps}. Got {shown(exclusion)}."
            )
    return given


def _step_windows(
    given: Sequence[Duration | None] | None, steps: int, order: str
) -> tuple[int | None, ...]:
    if given is None:
        return (None,) * (steps - 1)
    if order == "any":
        raise CjlibError(
            "step_windows: cannot be used with order='any', whose steps have no previous step. Use window alone."
        )
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != steps - 1:
        raise CjlibError(
            f"step_windows: must be a list of {steps - 1} durations or None, one for each step but the first. Got {shown(given)}."
        )
    return tuple(
        None if gap is None else microseconds(gap, f"step_windows[{position}]")
        for position, gap in enumerate(given)
    )


def _by_value(given: str, steps: int) -> str:
    written = _STEP_K.fullmatch(given) if isinstance(given, str) else None
    if given not in ("first", "last", "all") and (
        written is None or not 1 <= int(written[1]) <= steps
    ):
        raise not_one_of(
            "by_value", given, ["first", "last", "all", *(f"step_{k}" for k in range(1, steps + 1))]
        )
    return given


def _min_n(given: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise CjlibError(
            f"min_n: must be a whole number of customers, 1 or more. Got {shown(given)}."
        )
    return given


@dataclass(frozen=True)
class Rows:
    """The rows read: sorted by person and time. A person is a customer; with `by_value="all"` a customer and a value.

    Attributes
    ----------
    moments, instants
        The persons' different instants; those at which a step may be filled.
    excluded
        For each exclusion the moments of its events, rising.
    customer
        The customer's code of each person.
    groups
        The values of `by`, row by row; None without `by`.
    person_rank
        The value of each person with `by_value="all"`; None otherwise.
    n_matching, n_tied
        Events that match a step; those of them that share their instant with another one.
    """

    moments: Moments
    instants: Instants
    excluded: list[Positions]
    customer: Positions
    groups: Values | None
    person_rank: Ints | None
    n_matching: int

    @property
    def n_tied(self) -> int:
        """Matching events that share their instant with another one of the same customer (and held value)."""
        return self.instants.tied_events


def read(log: EventLog, asked: Question) -> Rows:
    """Fetch what the question needs, in one look at the log."""
    wanted = [*asked.steps, *(exclusion.step for exclusion in asked.exclude)]
    matches = [
        log.match(step, "steps" if position < len(asked.steps) else "exclude")
        for position, step in enumerate(wanted)
    ]
    where = "TRUE" if asked.order == "strict" else f"({' OR '.join(dict.fromkeys(matches))})"
    keep_freed_memory()  # else each step fetches and clears its memory anew: a third of the time at 11 million events
    columns = log.engine.columns(
        f"SELECT c, t, e{_bits(wanted, matches)} FROM {log.prepared} WHERE {where}"
    )
    mask: NDArray[Any] = _named(log, wanted)[columns["e"]]
    if "bits" in columns:
        mask = mask | columns["bits"]
    groups = values_of(log, asked.by, where=where, option="by") if asked.by else None
    held = values_of(log, asked.hold, where=where, option="hold") if asked.hold else None
    held_rank = None if held is None else _complete(held)
    customer, time = columns["c"].astype(np.int32, copy=False), columns["t"]
    if groups is None or asked.by_value != "all":
        return _rows(customer, time, mask, asked, groups=groups, held=held_rank)
    order = np.lexsort((time, groups.rank, customer))
    groups = replace(groups, rank=groups.rank[order])
    customer, time, mask = customer[order], time[order], mask[order]
    begins = np.ones(len(customer), dtype=bool)
    begins[1:] = (customer[1:] != customer[:-1]) | (groups.rank[1:] != groups.rank[:-1])
    rows = _rows(
        (np.cumsum(begins) - 1).astype(np.int32),
        time,
        mask,
        asked,
        groups=groups,
        held=None if held_rank is None else held_rank[order],
    )
    return replace(rows, customer=customer[begins], person_rank=groups.rank[begins])


def _rows(
    who: Positions,
    time: Ints,
    mask: Ints,
    asked: Question,
    *,
    groups: Values | None,
    held: Ints | None,
) -> Rows:
    at = moments(who, time)
    n = len(asked.steps)
    excluded = [
        np.unique(at.of_row[np.flatnonzero(mask >> (n + position) & 1)])
        for position in range(len(asked.exclude))
    ]
    own = mask & ((1 << n) - 1) if asked.exclude else mask
    found = instants(at, own, n, held)
    persons = int(who[-1]) + 1 if len(who) else 0
    return Rows(
        moments=at,
        instants=found,
        excluded=excluded,
        customer=np.arange(persons, dtype=np.int32),
        groups=groups,
        person_rank=None,
        n_matching=len(found.row) if held is None else int(np.count_nonzero(own)),
    )


def allowed(rows: Rows, asked: Question, observed_until: int) -> Bools | None:
    """At which instants an attempt may open: between start and end, and with "closed" early enough for its window to have ended."""
    until = asked.end
    if asked.entrants == "closed" and asked.window is not None:
        closed = observed_until - asked.window
        until = closed if until is None else min(until, closed)
    if asked.start is None and until is None:
        return None
    time = rows.instants.time
    within = np.ones(len(time), dtype=bool)
    if asked.start is not None:
        within &= time >= asked.start
    if until is not None:
        within &= time <= until
    return within


def _by_name(step: Step) -> bool:
    return step.event is not None and not step.where and step.first_time is False


def _named(log: EventLog, wanted: Sequence[Step]) -> NDArray[Any]:
    """For each event code the steps that its name alone decides."""
    names = log.event_names
    smallest = np.uint8 if len(wanted) <= 8 else np.uint16 if len(wanted) <= 16 else np.int64
    table = np.zeros(max(len(names), 1), dtype=smallest)
    for position, step in enumerate(wanted):
        if _by_name(step):
            table[[code for code, name in enumerate(names) if name in step.names]] |= smallest(
                1 << position
            )
    return table


def _bits(wanted: Sequence[Step], matches: Sequence[str]) -> str:
    cases = [
        f"CASE WHEN {match} THEN {1 << position} ELSE 0 END"
        for position, (step, match) in enumerate(zip(wanted, matches, strict=True))
        if not _by_name(step)
    ]
    return f", CAST({' + '.join(cases)} AS BIGINT) AS bits" if cases else ""


def _complete(held: Values) -> Ints:
    """The rank of a held value; −1 if any of its columns is missing."""
    rest, gap = held.rank.copy(), held.rank < 0
    for values in reversed(held.dictionaries):
        rest, code = np.divmod(rest, len(values) + 1)
        gap |= code == len(values)
    return np.where(gap, -1, held.rank)
