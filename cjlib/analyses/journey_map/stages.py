"""What is counted at each stage and touchpoint of the customers' way, and on the routes between stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.walk import NONE, Bools, Ints, Walk
from cjlib.analyses.result import MIN_N
from cjlib.analyses.stats import grouped_medians, share, wilson

SECOND = 1_000_000
START = "(start)"


@dataclass(frozen=True)
class StageCounts:
    """One walk counted: arrays of customers × stages, from which every number of a stage is a sum or a median."""

    walk: Walk

    @cached_property
    def stages(self) -> int:
        """How many stages there are."""
        return len(self.walk.places.stages)

    @cached_property
    def entered(self) -> Bools:
        """Who has a mapped event of the stage."""
        return self.walk.entries >= 0

    @cached_property
    def current(self) -> Ints:
        """The stage of each customer's latest mapped event."""
        return self.walk.stage[self.walk.ends].astype(np.int64)

    @cached_property
    def later(self) -> Ints:
        """The first event of a later stage at or after the entry; −1 where there is none."""
        walk, found = self.walk, np.full(self.entered.shape, NONE, dtype=np.int64)
        for stage in range(self.stages - 1):
            rows = np.flatnonzero(walk.stage > stage)
            # Events of one instant stand in the order of their stages, so a later stage at the entry's instant follows the entry.
            entry = walk.entries[walk.who[rows], stage]
            rows = rows[(entry >= 0) & (rows > entry)]
            first = rows[np.flatnonzero(np.diff(walk.who[rows], prepend=NONE))]
            found[walk.who[first], stage] = first
        return found

    @cached_property
    def left(self) -> Ints:
        """The first event outside the stage after the entry; −1 for those who are still there."""
        walk = self.walk
        last = self.visit_end
        following = last + 1
        return np.where(self.entered & (last < walk.ends[:, None]), following, NONE)

    @cached_property
    def visit_end(self) -> Ints:
        """The last event of the visit that begins with the entry; −1 without one."""
        walk = self.walk
        if not walk.customers:
            return walk.entries
        return np.where(self.entered, walk.run_ends[np.searchsorted(walk.run_ends, walk.entries)], NONE)

    @cached_property
    def went_back(self) -> Bools:
        """Who has a mapped event of an earlier stage strictly after the entry."""
        walk = self.walk
        lasts = walk.firsts(walk.stage, self.stages, last=True)
        earlier = np.maximum.accumulate(np.c_[np.full(len(lasts), NONE), lasts[:, :-1]], axis=1)
        return self.entered & (earlier >= 0) & (self._time(earlier) > self._time(walk.entries))

    @cached_property
    def further(self) -> Bools:
        """Who entered any later stage, this one or not."""
        reached = np.logical_or.accumulate(self.entered[:, ::-1], axis=1)[:, ::-1]
        return np.c_[reached[:, 1:], np.zeros(len(reached), dtype=bool)]

    @cached_property
    def ended_here(self) -> Bools:
        """Whose journey ended in the stage."""
        return self._here & self.walk.ended[:, None]

    @property
    def still_moving(self) -> Bools:
        """Whose latest mapped event is in the stage, and not long enough ago to be called an end."""
        return self._here & ~self.walk.ended[:, None]

    @property
    def _here(self) -> Bools:
        return self.current[:, None] == np.arange(self.stages)

    def _time(self, rows: Ints) -> Ints:
        return self.walk.time[rows] if self.walk.time.size else rows

    @cached_property
    def at_point(self) -> Bools:
        """Who has a mapped event of each touchpoint: customers × touchpoints."""
        return met(self.walk)

    @cached_property
    def contacts(self) -> tuple[Ints, Ints]:
        """Each contact with support: its event, and the event before it that is none: where the customer was when help was needed (else itself)."""
        walk = self.walk
        support = walk.places.support[walk.place] if walk.place.size else np.zeros(0, dtype=bool)
        rows = np.flatnonzero(support)
        before = np.maximum.accumulate(np.where(support, NONE, np.arange(support.size)))[rows]
        known = (before >= 0) & (walk.who[before] == walk.who[rows])
        return rows, np.where(known, before, rows)

    def seconds_in_stage(self) -> list[Ints]:
        """For each stage the microseconds from entry to the last event of that visit, of those who left or ended."""
        done = (self.left >= 0) | self.ended_here
        return [self._time(self.visit_end[who, s]) - self._time(self.walk.entries[who, s]) for s, who in self._each(done & self.entered)]

    def seconds_to_next(self) -> list[Ints]:
        """For each stage the microseconds from entry to the first event of a later stage, of those who have one."""
        return [self._time(self.later[who, s]) - self._time(self.walk.entries[who, s]) for s, who in self._each(self.later >= 0)]

    def _each(self, mask: Bools) -> list[tuple[int, Ints]]:
        return [(s, np.flatnonzero(mask[:, s])) for s in range(self.stages)]


def behaviour(counts: StageCounts) -> dict[str, np.ndarray]:
    """The columns of `.table` that the walk alone gives, one value a stage."""
    walk, stages = counts.walk, counts.stages
    customers = counts.entered.sum(0)
    events = np.bincount(walk.stage, minlength=stages)
    seen = np.flatnonzero(counts.at_point.any(0))
    here = counts.ended_here.sum(0)
    further = counts.further.sum(0)
    skipped = (counts.further & ~counts.entered).sum(0)
    back = counts.went_back.sum(0)
    contacts = np.bincount(walk.stage[counts.contacts[1]], minlength=stages) if walk.place.size else np.zeros(stages, dtype=np.int64)
    to_next = counts.seconds_to_next()
    columns: dict[str, np.ndarray] = {"customers": customers}
    columns |= with_interval("share_of_all", customers, np.full(stages, walk.customers))
    columns |= {
        "events": events,
        "events_per_customer": share(events, customers),
        "touchpoints_seen": np.bincount(walk.places.stage_of_point[seen], minlength=stages),
        "median_seconds_in_stage": _medians(counts.seconds_in_stage()),
        "median_seconds_to_next": _medians(to_next),
        "n_to_next": np.array([each.size for each in to_next]),
        "ended_here": here,
        "still_moving": counts.still_moving.sum(0),
    }
    columns |= with_interval("share_ended", here, customers)
    columns |= {"went_back": back} | with_interval("share_went_back", back, customers)
    columns |= {"customers_further": further, "skipped": skipped} | with_interval("share_skipped", skipped, further)
    return columns | {"support_contacts_per_customer": share(contacts, customers)}


def with_interval(name: str, count: np.ndarray, base: np.ndarray) -> dict[str, np.ndarray]:
    """A share with its Wilson interval, as three columns."""
    low, high = wilson(count, base)
    return {name: share(count, base), f"{name}_low": low, f"{name}_high": high}


def _medians(values: list[Ints]) -> np.ndarray:
    return np.array([grouped_medians(each, np.zeros(each.size, dtype=np.int64), 1)[0] / SECOND for each in values])


def met(walk: Walk) -> Bools:
    """Which touchpoints each customer of a walk met."""
    found = np.zeros((walk.customers, len(walk.places.points)), dtype=bool)
    if walk.place.size:
        found[walk.who, walk.places.point.astype(np.int32)[walk.place]] = True
    return found


def channel_counts(walk: Walk, names: list[str]) -> tuple[list[str], np.ndarray]:
    """The channels there are, and the events of each position of the mapping in each of them; events without one are left out."""
    constant = [one.channel for one in walk.places.mapping]
    every = sorted({*names, *(name for name in constant if name is not None)})
    own = np.bincount(walk.place.astype(np.int32) * (len(names) + 1) + (walk.channel + 1), minlength=len(constant) * (len(names) + 1))
    counts = np.zeros((len(constant), len(every)), dtype=np.int64)
    for place, fixed in enumerate(constant):
        row = own[place * (len(names) + 1) : (place + 1) * (len(names) + 1)]
        if fixed is not None:
            counts[place, every.index(fixed)] = row.sum()
        else:
            counts[place, [every.index(name) for name in names]] = row[1:]
    return every, counts


def channel_words(channels: tuple[list[str], np.ndarray], group: Ints, groups: int) -> list[str | None]:
    """The channels of each group of positions in words, commonest first: "email 61 %, web 39 %"; None where no event has one."""
    names, counts = channels
    summed = np.zeros((groups, len(names)), dtype=np.int64)
    np.add.at(summed, group, counts)
    return [_in_words(row, names) for row in summed]


def _in_words(counts: np.ndarray, names: list[str], most: int = 3) -> str | None:
    total = int(counts.sum())
    if total == 0:
        return None
    order = np.lexsort((np.arange(counts.size), -counts))
    shown = [f"{names[k]} {_percent(float(counts[k]) / total)}" for k in order[:most] if counts[k]]
    rest = int(counts[order[most:]].sum())
    return ", ".join([*shown, f"others {_percent(float(rest / total))}"] if rest else shown)


def _percent(part: float) -> str:
    return "<1 %" if part < 0.005 else f"{100 * part:.0f} %"


def points_table(counts: StageCounts, back: Walk) -> dict[str, np.ndarray]:
    """What is counted at each touchpoint; those behind the stage from the events no customer sees."""
    walk, places = counts.walk, counts.walk.places
    size = len(places.points)
    behind = met(back)
    customers = counts.at_point.sum(0) + behind.sum(0)
    inside = counts.at_point.sum(0) + (behind & _was_there(counts, back.codes)[:, places.stage_of_point]).sum(0)
    events = np.zeros(size, dtype=np.int64)
    for part in (walk, back):
        np.add.at(events, places.point, np.bincount(part.place, minlength=places.point.size))
    base = counts.entered.sum(0)[places.stage_of_point]
    latest = places.point[walk.place[walk.ends]] if walk.customers else np.zeros(0, dtype=np.int64)
    columns: dict[str, np.ndarray] = {"customers": customers} | with_interval("share_of_stage", inside, base)
    ended = np.bincount(latest[walk.ended], minlength=size)
    return columns | {"events": events, "events_per_customer": share(events, customers), "ended_here": ended}


def _was_there(counts: StageCounts, code: np.ndarray) -> Bools:
    """Which stages customers (by code in the log) entered."""
    codes = counts.walk.codes
    if not codes.size:
        return np.zeros((code.size, counts.stages), dtype=bool)
    at = np.minimum(np.searchsorted(codes, code), codes.size - 1)
    return (codes[at] == code)[:, None] & counts.entered[at]


def routes(counts: StageCounts, planned: set[tuple[int, int]], min_n: int = MIN_N) -> pd.DataFrame:
    """`.routes`: every move between stages, and where journeys begin."""
    walk, stages = counts.walk, counts.stages
    ends = walk.run_ends
    move = ends[:-1][walk.who[ends[:-1]] == walk.who[ends[1:]]] if ends.size else ends
    source = np.r_[np.full(walk.customers, stages), walk.stage[move]].astype(np.int64)
    target = np.r_[walk.stage[walk.starts], walk.stage[move + 1]].astype(np.int64)
    taken = np.r_[np.zeros(walk.customers, dtype=np.int64), walk.time[move + 1] - walk.time[move]]
    who = np.r_[np.arange(walk.customers), walk.who[move]].astype(np.int64)
    visits = np.r_[np.bincount(walk.stage[ends], minlength=stages), walk.customers]
    every = source * stages + target
    size = (stages + 1) * stages
    made = np.bincount(every, minlength=size)
    kinds = np.flatnonzero(made)
    moves, medians = made[kinds], _medians_by(taken, every, kinds)
    whom = np.zeros((size, walk.customers), dtype=bool)
    whom[every, who] = True
    customers = whom[kinds].sum(1)
    begin, end = kinds // stages, kinds % stages
    names = np.array([*walk.places.stages, START], dtype=object)
    counted = walk.places.counted
    following = set(pairwise(counted)) | {(stages, counted[0])} if counted else set()
    expected = np.array([pair in planned | following for pair in zip(begin.tolist(), end.tolist(), strict=True)], dtype=bool)
    columns = {
        "source": pd.Series(names[begin], dtype="str"),
        "target": pd.Series(names[end], dtype="str"),
        "kind": pd.Series([_kind(pair, following, stages) for pair in zip(begin.tolist(), end.tolist(), strict=True)], dtype="str"),
        "planned": expected,
        "moves": moves.astype(np.int64),
        "customers": customers.astype(np.int64),
    } | with_interval("share_of_source", moves, visits[begin])
    columns["median_seconds"] = np.where(begin == stages, np.nan, medians)
    columns["notable"] = ~expected & (customers >= min_n) & (columns["share_of_source"] >= 0.05)
    order = np.lexsort((end, np.where(begin == stages, NONE, begin)))
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def _medians_by(values: Ints, kind: Ints, kinds: Ints) -> np.ndarray:
    """The median of the values of each kind, in seconds."""
    # A stable sort of small numbers takes one pass: much cheaper than sorting by value too.
    order = np.argsort(kind.astype(np.int16), kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(kind, minlength=int(kinds.max(initial=0)) + 1)[kinds])[:-1]) if kinds.size else []
    return _medians(parts)


def _kind(move: tuple[int, int], following: set[tuple[int, int]], stages: int) -> str:
    source, target = move
    return "forward" if move in following else "skipping" if source < target or source == stages else "back"
