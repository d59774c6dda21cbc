"""Journeys of touches: what stood between one conversion and the next, by customer, ready to be credited and resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.sequence_summary import free_mark
from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.shared.event_arrays import Codes, Ints, distinct_sequences, stable_order
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
NONE = "(none)"


@dataclass(frozen=True)
class Journeys:
    """Journeys of touches, one after another.

    Journey j has the touches `start[j] … start[j] + size[j] − 1` of `channel` (codes of `channels`) and `age` (microseconds before the
    conversion, NaN where there is none), stands for `conversions[j]` conversions worth `value[j]` and `nulls[j]` journeys without one, and belongs
    to `unit[j]`. Units are what a bootstrap draws: customers; `unit` is None for paths already added up, where each journey is a unit of
    its own. `untouched` holds the unit and value of every conversion without a touch.
    """

    channels: list[str]
    channel: Codes
    age: Floats | None
    start: Ints
    size: Ints
    conversions: Ints
    nulls: Ints
    value: Floats
    unit: Ints | None
    untouched: Ints
    untouched_value: float
    tied: int = 0
    open_nulls: int = 0
    notes: tuple[str, ...] = ()

    @property
    def untouched_name(self) -> str:
        """What conversions without a touch are called: "(none)", or "((none))" where a channel has that name."""
        return free_mark(NONE, self.channels)

    @property
    def attributed(self) -> int:
        """How many conversions have a touch."""
        return int(self.conversions.sum())

    @property
    def converting_units(self) -> int:
        """How many customers convert, however often; of paths already added up, how many conversions there are."""
        if self.unit is None:
            return self.attributed + self.untouched.size
        return np.union1d(self.unit[self.conversions > 0], self.untouched).size

    @property
    def journey_of_touch(self) -> Ints:
        """The journey of each touch."""
        return np.repeat(np.arange(self.start.size), self.size)


NOTHING = np.zeros(0, dtype=np.int64)
NO_JOURNEYS = Journeys(
    channels=[],
    channel=NOTHING,
    age=None,
    start=NOTHING,
    size=NOTHING,
    conversions=NOTHING,
    nulls=NOTHING,
    value=np.zeros(0),
    unit=None,
    untouched=NOTHING,
    untouched_value=0.0,
)


def from_log(
    log: EventLog, *, conversion: Event, lookback: int | None, value: str | None, channel: str
) -> Journeys:
    """The journeys of a log: from the conversion before (excluded) to a conversion, touches at most `lookback` old."""
    codes, channels = log.codes(channel, option="channel")
    matched = log.match(conversion, "conversion")
    rows = log.fetch("customer", "time")
    customer, time = rows["customer"], rows["time"]
    bought = log.fetch("row", where=matched)["row"].astype(np.int64)
    worth = (
        np.nan_to_num(log.numbers(value, where=matched))
        if value is not None
        else np.zeros(bought.size)
    )
    converts = np.zeros(customer.size, dtype=bool)
    converts[bought] = True
    touch = np.flatnonzero((codes >= 0) & ~converts)
    touch = _in_order(touch, codes, customer, time)
    into = _conversion_of(touch, bought, customer, time, lookback)
    # A converting journey is known by its conversion, the one without conversion by its customer.
    key = np.where(into >= 0, into, bought.size + customer[touch])
    order = stable_order(key)
    touch, key = touch[order], key[order]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    of = key[start]
    ends_in = np.where(of < bought.size, of, -1)
    without = np.setdiff1d(np.arange(bought.size), ends_in)
    until = (
        np.append(time[bought], 0)[np.repeat(ends_in, np.diff(start, append=key.size))]
        if key.size
        else np.zeros(0, dtype=np.int64)
    )
    last = time[touch[np.append(start[1:], key.size)[: start.size] - 1]]
    open_nulls = (ends_in < 0) & (
        (lookback is None) | (last + (lookback or 0) > log.observed_until_us)
    )
    present, channel_code = np.unique(codes[touch], return_inverse=True)
    return Journeys(
        channels=[str(channels[code]) for code in present.tolist()],
        channel=channel_code,
        age=(until - time[touch]).astype(float),
        start=start,
        size=np.diff(start, append=key.size),
        conversions=(ends_in >= 0).astype(np.int64),
        nulls=(ends_in < 0).astype(np.int64),
        value=np.where(ends_in >= 0, np.append(worth, 0.0)[ends_in], 0.0),
        unit=customer[touch[start]].astype(np.int64),
        untouched=customer[bought[without]].astype(np.int64),
        untouched_value=float(worth[without].sum()),
        tied=_tied(touch, customer, time),
        open_nulls=int(np.count_nonzero(open_nulls)),
    )


def _in_order(
    touch: NDArray[np.intp], codes: Codes, customer: Codes, time: Ints
) -> NDArray[np.intp]:
    if not _tied(touch, customer, time):
        return touch
    instant = np.cumsum(
        (np.diff(time[touch], prepend=0) != 0) | (np.diff(customer[touch], prepend=-1) != 0)
    )
    return touch[np.lexsort((codes[touch], instant))]


def _tied(touch: NDArray[np.intp], customer: Codes, time: Ints) -> int:
    same = (np.diff(time[touch]) == 0) & (np.diff(customer[touch]) == 0)
    return (
        int(np.count_nonzero(np.append(same, False) | np.append(False, same))) if touch.size else 0
    )


def _conversion_of(
    touch: NDArray[np.intp], bought: Ints, customer: Codes, time: Ints, lookback: int | None
) -> Ints:
    """The conversion that each touch leads to; −1 = none. A conversion of the touch's own instant counts as after it."""
    instant = np.ones(customer.size, dtype=bool)
    instant[1:] = (np.diff(time) != 0) | (np.diff(customer) != 0)
    opens_at = np.maximum.accumulate(np.where(instant, np.arange(customer.size), 0))
    following = np.searchsorted(bought, opens_at[touch])
    row = np.append(bought, 0)[following]
    leads = (
        (following < bought.size) & (customer[row] == customer[touch])
        if touch.size
        else np.zeros(0, dtype=bool)
    )
    if lookback is not None:
        leads &= time[row] - time[touch] <= lookback
    return np.where(leads, following, -1)


def from_paths(
    frame: pd.DataFrame,
    *,
    path: str,
    conversions: str,
    value: str | None,
    nulls: str | None,
    separator: str,
) -> Journeys:
    """The journeys of a table of paths already added up; equal paths are summed."""
    counts = {
        option: _numbers(frame, column, option)
        for option, column in (("conversions", conversions), ("value", value), ("nulls", nulls))
        if column
    }
    for option in ("conversions", "nulls"):
        if option in counts and ((counts[option] < 0) | (counts[option] % 1 != 0)).any():
            raise CjlibError(
                f"{option}: must hold whole numbers from 0 on. Got {shown(float(counts[option].min()))} as the smallest. Give counts."
            )
    texts = _column(frame, path, "path").fillna("").astype(str)
    summed = pd.DataFrame({"path": texts, **counts}).groupby("path", sort=True).sum()
    ways = [
        [part.strip() for part in text.split(separator.strip()) if part.strip()]
        for text in summed.index
    ]
    channels = sorted({name for way in ways for name in way})
    code = {name: position for position, name in enumerate(channels)}
    touched = np.array([bool(way) for way in ways], dtype=bool)
    size = np.array([len(way) for way in ways if way], dtype=np.int64)
    zero = np.zeros(len(summed))
    converted, worth, lost = (
        summed[name].to_numpy(dtype=float) if name in summed else zero
        for name in ("conversions", "value", "nulls")
    )
    return Journeys(
        channels=channels,
        channel=np.array([code[name] for way in ways for name in way], dtype=np.int64),
        age=None,
        start=np.cumsum(size) - size,
        size=size,
        conversions=converted[touched].astype(np.int64),
        nulls=lost[touched].astype(np.int64),
        value=worth[touched],
        unit=None,
        untouched=np.arange(int(converted[~touched].sum())),
        untouched_value=float(worth[~touched].sum()),
        notes=(f"{len(frame):,} rows, {len(summed):,} different paths",),
    )


def _column(frame: pd.DataFrame, name: str, option: str) -> pd.Series:
    if name not in frame.columns:
        raise CjlibError(
            f"{option}: there is no column {shown(name)}.{did_you_mean(name, frame.columns)} The table has: {', '.join(map(str, frame.columns))}."
        )
    return frame[name]


def _numbers(frame: pd.DataFrame, name: str, option: str) -> Floats:
    numbers = pd.to_numeric(_column(frame, name, option), errors="coerce")
    if numbers.isna().any():
        raise CjlibError(
            f"{option}: column {shown(name)} must hold numbers; {int(numbers.isna().sum()):,} rows do not. Fill or drop them."
        )
    return numbers.to_numpy(dtype=float)


# ---- what a bootstrap draws ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Types:
    """Journeys of one kind brought together: `example[k]` is a journey of kind k, `of[j]` the kind of journey j."""

    of: Ints
    example: NDArray[np.intp]


def types_of(journeys: Journeys, *, by_age: bool) -> Types:
    """Kinds of journeys: equal channels in equal order; with ages, every journey is a kind of its own."""
    if by_age:
        every = np.arange(journeys.start.size)
        return Types(every, every)
    return Types(*distinct_sequences(journeys.channel, journeys.start, journeys.size))


@dataclass(frozen=True)
class Draws:
    """Units that are alike, and how many: entry i says that one unit of `signature[i]` has `times[i]` journeys of column `column[i]`.

    Columns: 2k = kind k without conversion, 2k + 1 = kind k with one; the last one = a conversion without a touch.
    """

    counts: Ints
    signature: Ints
    column: Ints
    times: Floats
    columns: int


def draws(journeys: Journeys, types: Types) -> Draws:
    """The units a bootstrap draws, equal ones counted together."""
    none = 2 * types.example.size
    if journeys.unit is None:
        column = np.concatenate([2 * types.of + 1, 2 * types.of, [none]])
        counts = np.concatenate([journeys.conversions, journeys.nulls, [journeys.untouched.size]])
        kept = np.flatnonzero(counts)
        return Draws(counts[kept], np.arange(kept.size), column[kept], np.ones(kept.size), none + 1)
    unit = np.concatenate([journeys.unit, journeys.untouched])
    column = np.concatenate(
        [2 * types.of + journeys.conversions, np.full(journeys.untouched.size, none)]
    )
    order = np.lexsort((column, unit))
    unit, column = unit[order], column[order]
    start = np.flatnonzero(np.diff(unit, prepend=-1))
    size = np.diff(start, append=unit.size)
    number, example = distinct_sequences(column, start, size)
    counts = np.bincount(number, minlength=example.size)
    at: NDArray[Any] = np.concatenate(
        [np.arange(low, low + n) for low, n in zip(start[example], size[example], strict=True)]
        or [np.zeros(0, dtype=int)]
    )
    return Draws(
        counts,
        np.repeat(np.arange(example.size), size[example]),
        column[at],
        np.ones(at.size),
        none + 1,
    )
