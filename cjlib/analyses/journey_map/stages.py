"""What is counted at each stage of the customers' way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.mapped_events import NONE, Bools, Ints, Walk
from cjlib.shared.comparison import MIN_N
from cjlib.shared.stats import grouped_medians, share, wilson
from cjlib.sources.journey import Journey

SECOND = 1_000_000
START = "(start)"
Move = tuple[int, int]


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
        return self.walk.visits.first >= 0

    @cached_property
    def current(self) -> Ints:
        """The stage of each customer's latest mapped event."""
        return self.walk.stage[self.walk.ends].astype(np.int64)

    @cached_property
    def later(self) -> Ints:
        """The first event of a later stage at or after the entry; −1 where there is none."""
        visits = self.walk.visits
        # Events of one instant stand in the order of their stages, so a later stage at the entry's instant follows the entry.
        found = [
            visits.following(visits.first[:, stage], visits.stage > stage)
            for stage in range(self.stages)
        ]
        return visits.of(visits.begin, np.stack(found, axis=1))

    @cached_property
    def left(self) -> Ints:
        """The first event outside the stage after the entry; −1 for those who are still there."""
        last = self.visit_end
        return np.where(self.entered & (last < self.walk.ends[:, None]), last + 1, NONE)

    @cached_property
    def visit_end(self) -> Ints:
        """The last event of the visit that begins with the entry; −1 without one."""
        return self.walk.visits.of(self.walk.visits.end, self.walk.visits.first)

    @cached_property
    def lasts(self) -> Ints:
        """The last event of each customer in each stage; −1: never there."""
        return self.walk.visits.of(self.walk.visits.end, self.walk.visits.last)

    @cached_property
    def went_back(self) -> Bools:
        """Who has a mapped event of an earlier stage strictly after the entry."""
        walk = self.walk
        earlier = np.maximum.accumulate(
            np.c_[np.full(walk.customers, NONE), self.lasts[:, :-1]], axis=1
        )
        return self.entered & (earlier >= 0) & (walk.time_at(earlier) > walk.time_at(walk.entries))

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

    @cached_property
    def contacts(self) -> tuple[Ints, Ints]:
        """Each contact with support: its event, and the event before it that is none: where the customer was when help was needed (else itself)."""
        walk = self.walk
        support = walk.places.support[walk.place] if walk.place.size else np.zeros(0, dtype=bool)
        rows, others = np.flatnonzero(support), np.flatnonzero(~support)
        before = np.append(others, NONE)[np.searchsorted(others, rows) - 1]
        known = (before >= 0) & (before < rows) & (walk.who[before] == walk.who[rows])
        return rows, np.where(known, before, rows)

    def seconds_in_stage(self) -> list[Ints]:
        """For each stage the microseconds from entry to the last event of that visit, of those who left or ended."""
        done = (self.left >= 0) | self.ended_here
        return self._durations(done & self.entered, self.visit_end)

    def seconds_to_next(self) -> list[Ints]:
        """For each stage the microseconds from entry to the first event of a later stage, of those who have one."""
        return self._durations(self.later >= 0, self.later)

    def _durations(self, mask: Bools, until: Ints) -> list[Ints]:
        walk = self.walk
        each = [(s, np.flatnonzero(mask[:, s])) for s in range(self.stages)]
        return [walk.time_at(until[who, s]) - walk.time_at(walk.entries[who, s]) for s, who in each]


def behaviour(counts: StageCounts) -> dict[str, np.ndarray]:
    """The columns of `.table` that the walk alone gives, one value a stage."""
    walk, stages = counts.walk, counts.stages
    customers = counts.entered.sum(0)
    seen = np.flatnonzero(walk.met.any(0))
    here = counts.ended_here.sum(0)
    further = counts.further.sum(0)
    skipped = (counts.further & ~counts.entered).sum(0)
    back = counts.went_back.sum(0)
    events = np.bincount(walk.stage, minlength=stages)
    contacts = np.bincount(walk.stage[counts.contacts[1]], minlength=stages)
    to_next = counts.seconds_to_next()
    columns: dict[str, np.ndarray] = {"customers": customers}
    columns |= with_interval("share_of_all", customers, np.full(stages, walk.customers))
    columns |= {
        "events": events,
        "events_per_customer": share(events, customers),
        "touchpoints_seen": np.bincount(walk.places.stage_of_point[seen], minlength=stages),
        "median_seconds_in_stage": medians(counts.seconds_in_stage()),
        "median_seconds_to_next": medians(to_next),
        "n_to_next": np.array([each.size for each in to_next]),
        "ended_here": here,
        "still_moving": counts.still_moving.sum(0),
    }
    columns |= with_interval("share_ended", here, customers)
    columns |= {"went_back": back} | with_interval("share_went_back", back, customers)
    columns |= {"customers_further": further, "skipped": skipped} | with_interval(
        "share_skipped", skipped, further
    )
    return columns | {"support_contacts_per_customer": share(contacts, customers)}


def with_interval(name: str, count: np.ndarray, base: np.ndarray) -> dict[str, np.ndarray]:
    """A share with its Wilson interval, as three columns."""
    low, high = wilson(count, base)
    return {name: share(count, base), f"{name}_low": low, f"{name}_high": high}


def medians(values: list[Ints]) -> np.ndarray:
    """The median of each list of microseconds, in seconds."""
    return np.array(
        [
            grouped_medians(each, np.zeros(each.size, dtype=np.int64), 1)[0] / SECOND
            for each in values
        ]
    )


def planned_routes(journey: Journey) -> set[Move]:
    """The routes of the journey file as positions of stages."""
    number = {name.casefold(): k for k, name in enumerate(journey.stage_names)}
    return {(number[begin.casefold()], number[end.casefold()]) for begin, end in journey.routes}


def routes(walk: Walk, planned: set[Move], min_n: int = MIN_N) -> pd.DataFrame:
    """`.routes`: every move between stages, and where journeys begin."""
    visits, stages = walk.visits, len(walk.places.stages)
    move = visits.moves
    # The start counts as one more stage, which everybody leaves for the stage of the first event.
    every = np.r_[
        stages * stages + walk.stage[walk.starts].astype(np.int64),
        visits.stage[move].astype(np.int64) * stages + visits.stage[move + 1],
    ]
    taken = np.r_[
        np.zeros(walk.customers, dtype=np.int64),
        walk.time[visits.begin[move + 1]] - walk.time[visits.end[move]],
    ]
    made = np.bincount(every, minlength=(stages + 1) * stages)
    kinds = np.flatnonzero(made)
    whom = np.zeros((kinds.size, walk.customers), dtype=bool)
    whom[np.searchsorted(kinds, every), np.r_[np.arange(walk.customers), visits.who[move]]] = True
    begin, end = kinds // stages, kinds % stages
    pairs = list(zip(begin.tolist(), end.tolist(), strict=True))
    following = _following(walk.places.counted, stages)
    expected = np.array([pair in planned | following for pair in pairs], dtype=bool)
    left = np.r_[np.bincount(visits.stage, minlength=stages), walk.customers]
    customers = whom.sum(1)
    names = np.array([*walk.places.stages, START], dtype=object)
    columns = {
        "source": pd.Series(names[begin], dtype="str"),
        "target": pd.Series(names[end], dtype="str"),
        "kind": pd.Series([_kind(pair, following, stages) for pair in pairs], dtype="str"),
        "planned": expected,
        "moves": made[kinds].astype(np.int64),
        "customers": customers.astype(np.int64),
    } | with_interval("share_of_source", made[kinds], left[begin])
    columns["median_seconds"] = np.where(
        begin == stages, np.nan, _medians_by(taken, every, made[kinds])
    )
    columns["notable"] = ~expected & (customers >= min_n) & (columns["share_of_source"] >= 0.05)
    order = np.lexsort((end, np.where(begin == stages, NONE, begin)))
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def _following(counted: list[int], start: int) -> set[Move]:
    return set(pairwise(counted)) | {(start, counted[0])} if counted else set()


def _medians_by(values: Ints, kind: Ints, sizes: Ints) -> np.ndarray:
    """The median of the values of each kind, in seconds; the kinds have these sizes, in their order."""
    # A stable sort of small numbers takes one pass: much cheaper than sorting by value too.
    order = np.argsort(kind.astype(np.int16), kind="stable")
    return medians(np.split(values[order], np.cumsum(sizes)[:-1]) if sizes.size else [])


def _kind(move: Move, following: set[Move], stages: int) -> str:
    source, target = move
    return (
        "forward"
        if move in following
        else "skipping"
        if source < target or source == stages
        else "back"
    )
