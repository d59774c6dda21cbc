"""What customers are worth after they came to a place: the values of the journey file, summed from their entry on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cjlib.analyses.journey_map.mapped_events import Walk
from cjlib.analyses.journey_map.stage_mapping import Bools, Ints
from cjlib.shared.comparison import MIN_N
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Money:
    """The value events of the log: customer code, time, amount (missing amounts left out)."""

    code: Ints
    time: Ints
    amount: np.ndarray

    def after(self, code: np.ndarray, entry: Ints, within: int | None = None) -> np.ndarray:
        """The sum at or after the entry of each of these customers (each once), all of it or that so soon after."""
        size = int(max(self.code.max(initial=-1), code.max(initial=-1))) + 1
        since = np.full(size, np.iinfo(np.int64).max)
        since[code] = entry
        counts = self.time >= since[self.code]
        if within is not None:
            counts &= self.time - within <= since[self.code]
        return np.bincount(self.code[counts], weights=self.amount[counts], minlength=size)[code]


def read_money(journey: Journey, log: EventLog) -> Money | None:
    """The value events, None where the journey file names none."""
    if journey.value is None:
        return None
    where = "TRUE" if journey.value.event is None else log.match(journey.value.event, "value.event")
    found = log.fetch("customer", "time", where=where)
    amount = log.numbers(journey.value.amount, where=where, option="value.amount")
    given = ~np.isnan(amount)
    return Money(found["customer"].astype(np.int64)[given], found["time"][given], amount[given])


def mean_after(
    money: Money | None, walk: Walk, entries: Ints, chosen: Bools | None = None
) -> tuple[float, float, int]:
    """Mean value after entry of the chosen customers (all), its standard error, and how many they are; without money 1 each."""
    who = np.flatnonzero(entries >= 0 if chosen is None else (entries >= 0) & chosen)
    if not who.size:
        return float("nan"), float("nan"), 0
    if money is None:
        return 1.0, 0.0, who.size
    values = money.after(walk.codes[who].astype(np.int64), walk.time[entries[who]])
    error = float(values.std(ddof=1) / np.sqrt(who.size)) if who.size > 1 else float("nan")
    return float(values.mean()), error, who.size


def at_stake(money: Money | None, walk: Walk, entries: Ints, went_on: Bools) -> tuple[float, float]:
    """Mean value after entry of those who went on to a later stage; of fewer than 30, of all who came."""
    chosen = went_on if np.count_nonzero(went_on & (entries >= 0)) >= MIN_N else None
    mean, error, _ = mean_after(money, walk, entries, chosen)
    return mean, error


def costs(walk: Walk, back: Walk, place: Ints, size: int) -> np.ndarray:
    """The cost of all events of each place (the stage or touchpoint of each position); NaN where the file names none."""
    cost = walk.places.cost
    events = sum(np.bincount(part.place, minlength=cost.size) for part in (walk, back))
    known, total = np.zeros(size, dtype=bool), np.zeros(size)
    known[place[~np.isnan(cost)]] = True
    np.add.at(total, place, np.nan_to_num(cost) * events)
    return np.where(known, total, np.nan)
