"""Stretches of time in which an event does not occur at all, though many were to be expected: renamed, begun late, or lost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.shared.comparison import MIN_N
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog

Micros = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
NOT_RECORDED = "not recorded"
"""The key of a definition that says which event does not occur in a part of the log."""
BY_CHANCE = 1e-6
"""A stretch is told where so many chances without the event are rarer than this, all stretches of the log taken together."""

NEARLY_ALL = 0.95
"""Of those who go on, so many have gone on by the wait after which a customer who has not tells something."""

PLACES = 2_000
"""Into so many places a log is cut to find where an event does not occur."""
AT_FIRST = 20_000
"""So many customers tell whether a look at all of them is worth its time."""
SPREAD = 0.1
"""What all happens in less than this part of the log, as the ends of lives, happens by the calendar."""


@dataclass(frozen=True)
class Stretch:
    """From one instant to another (microseconds UTC) the event did not occur, where so many were to be expected."""

    begins: int
    ends: int
    expected: float

    def words(self, log: EventLog, event: str) -> str:
        """The stretch in a sentence without its full stop."""
        first, last = (f"{log.moment(at):%Y-%m-%d}" for at in (self.begins, self.ends))
        return (
            f"“{event}” does not occur between {first} and {last}, where about {self.expected:,.0f} were to be expected: "
            "it may not have been recorded"
        )


def stretch_without(log: EventLog, event: Step, option: str) -> Stretch | None:
    """The longest time in which an event does not occur, though many customers come who should have done it; None where chance explains it.

    None too where another pause is half as long. Inside the log and at its end customers are to do it as often as those who come just before and just after,
    whichever is less; at its beginning, where all are new, by the ages that they have then.
    """
    if not (event.names or event.where):
        return None
    span = log.span_us
    if span is None:
        return None
    pause = None
    for below in dict.fromkeys((min(AT_FIRST, log.n_customer_codes), log.n_customer_codes)):
        pause = _without(log, event, option, span[0], below)
        if pause is None:
            break
    if pause is None:
        return None
    first, last = pause
    if first == span[0]:
        return _begun_late(log, event, option)
    came, did = _customers(log, event, option, first, last)
    sides = [
        _customers(log, event, option, begin, end)
        for begin, end in (
            (max(2 * first - last, span[0]), first),
            (last, min(2 * last - first, log.observed_until_us)),
        )
    ]
    shares = [done / there for there, done in sides if there >= MIN_N]
    share = min([*shares, 1 - 1e-9]) if shares else 0.0
    if did or came < MIN_N or _by_chance(came * math.log1p(-share), PLACES):
        return None
    return Stretch(first, last, came * share)


def _without(
    log: EventLog, event: Step, option: str, begin: int, below: int
) -> tuple[int, int] | None:
    """The longest pause of the event among customers of a code below this, from and to a place of the log."""
    width = max((log.observed_until_us - begin) // PLACES, 1)
    found = log.engine.columns(
        f"SELECT DISTINCT (t - {begin}) // {width} AS place FROM {log.prepared} "
        f"WHERE c < {below} AND {log.match(event, option)} AND t <= {log.observed_until_us}"
    )["place"]
    if not found.size:
        return None
    places = np.sort(found.astype(np.int64))
    # From the end of one place to the beginning of the next: what lies between is empty.
    first = np.concatenate([[begin], begin + (places + 1) * width])
    last = np.concatenate([begin + places * width, [log.observed_until_us]])
    return _longest(first, last)


def _begun_late(log: EventLog, event: Step, option: str) -> Stretch | None:
    """From the log's beginning to the first time at all."""
    lives = log.engine.columns(
        f"SELECT min(t) AS began, coalesce(min(t) FILTER ({log.match(event, option)}), {NEVER}) AS ended FROM {log.prepared} "
        f"WHERE t <= {log.observed_until_us} GROUP BY c"
    )
    return longest_pause(lives["began"], lives["ended"], log.observed_until_us)


def _customers(log: EventLog, event: Step, option: str, first: int, last: int) -> tuple[int, int]:
    """How many customers have an event between two instants, and how many this one."""
    came, did = log.engine.rows(
        f"SELECT count(DISTINCT c), count(DISTINCT c) FILTER ({log.match(event, option)}) FROM {log.prepared} WHERE t BETWEEN {first} AND {last}"
    )[0]
    return came, did


def some_first(customers: int) -> list[int]:
    """Every how many-th customer to look at, one look after the other: of many customers some first, all of them only where these tell something."""
    every = -(-customers // AT_FIRST)
    return [every, 1] if every > 1 else [1]


def longest_stretch(
    happened: Micros, chances: Micros, wait: int, until: int, others: Micros | None = None
) -> Stretch | None:
    """The stretch without the event that holds most chances of it; None where chance explains it, or where it occurs on a few days of the calendar only.

    Parameters
    ----------
    happened
        When the event occurred, one a customer.
    chances
        When each customer came to where it could follow, those for whom it did included.
    wait
        So long after a chance nearly all that follow have followed: later chances of a stretch say nothing.
    until
        The end of data.
    others
        When the event occurred besides, as a second one of a customer: no stretch holds these either.
    """
    if not happened.size or chances.size < MIN_N:
        return None
    chances = np.sort(chances)
    if happened.max() - happened.min() < SPREAD * (until - chances[0]):
        return None
    occurred = happened if others is None else np.concatenate([happened, others])
    edges = np.concatenate([chances[:1] - 1, np.sort(occurred), [until]])
    inside = np.searchsorted(chances, edges[1:] - wait) - np.searchsorted(
        chances, edges[:-1], side="right"
    )
    most = int(inside.argmax())
    without, elsewhere = int(inside[most]), int(chances.size - inside[most])
    share = min(happened.size / elsewhere, 1 - 1e-9) if elsewhere else 0.0
    if without < MIN_N or _by_chance(without * math.log1p(-share), edges.size):
        return None
    return Stretch(int(max(edges[most], chances[0])), int(edges[most + 1]), without * share)


def longest_pause(began: Micros, ended: Micros, until: int) -> Stretch | None:
    """The longest time in which no life ended, though many should have at the ages that people had then; None where chance explains it.

    None too where lives end on a few days of the calendar, as all contracts of a business may: another pause is half as long, or the rest of the log short.

    Parameters
    ----------
    began
        When each life began.
    ended
        When it ended; later than `until` where it has not.
    until
        The end of data.
    """
    happened = np.sort(ended[ended <= until])
    if not happened.size:
        return None
    edges = np.concatenate([[began.min()], happened, [until]])
    pause = _longest(edges[:-1], edges[1:])
    if pause is None:
        return None
    expected = _expected_within(began, np.minimum(ended, until), ended <= until, *pause)
    return None if _by_chance(-expected, edges.size) else Stretch(*pause, expected)


def _longest(first: Micros, last: Micros) -> tuple[int, int] | None:
    """The longest of rising pauses, from and to; None where another is half as long, or where all instants between them lie close together."""
    lengths = last - first
    most, whole = int(lengths.argmax()), int(last[-1] - first[0])
    other, rest = int(np.delete(lengths, most).max()), int(whole - lengths[most])
    if 2 * other >= min(int(lengths[most]), rest) or rest < SPREAD * whole:
        return None
    return int(first[most]), int(last[most])


def _by_chance(log_p: float, places: int) -> bool:
    """Whether so many chances without the event, at one of so many places of the log, are no rarer than `BY_CHANCE`."""
    return math.log(places) + log_p > math.log(BY_CHANCE)


def _expected_within(
    began: Micros, left: Micros, over: NDArray[np.bool_], first: int, last: int
) -> float:
    """How many lives were to end between two instants by the hazard of each age (Nelson–Aalen of the whole log, the stretch included: too few rather than too many)."""
    age = left - began
    order = np.argsort(age, kind="stable")
    hazard = np.concatenate([[0.0], np.cumsum(over[order] / np.arange(age.size, 0, -1))])

    def up_to(instant: int) -> NDArray[np.float64]:
        return hazard[np.searchsorted(age[order], np.minimum(left, instant) - began, side="right")]

    at_risk = (began < last) & (left > first)
    return float((up_to(last) - up_to(first))[at_risk].sum())
