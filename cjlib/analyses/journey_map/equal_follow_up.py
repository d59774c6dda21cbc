"""What became of customers within the same time after they entered a stage, of those watched that long: what maps, groups and stages are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.mapped_events import Bools, Ints, Walk
from cjlib.analyses.journey_map.stages import StageCounts
from cjlib.shared.comparison import Family, FollowUp, compare_shares

SHARES = ("share_of_previous", "share_ended", "share_went_back", "share_skipped")
COMPARISON_COLUMNS = (
    "stage",
    "group",
    "other",
    "n",
    "other_n",
    "share_ended",
    "other_share_ended",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
)


@dataclass(frozen=True)
class Counted:
    """A share of customers: how many of how many, and how many were not watched long enough to count."""

    count: int
    base: int
    left_out: int = 0


def horizon_of(walk: Walk) -> int:
    """How long after the entry customers are followed: long enough to stay a while and then be silent for as long as ends a journey.

    Twice that silence; in a log that is short for it half of the log, but not less than a quarter more than the silence.
    """
    span = walk.observed_until - int(walk.time.min(initial=walk.observed_until))
    return min(2 * walk.silent_after, max(walk.silent_after * 5 // 4, span // 2))


@dataclass(frozen=True)
class Followed:
    """The customers of a walk at each stage, followed for the same time after their entry."""

    counts: StageCounts
    horizon: int
    known_since: Ints | None = None
    """From when on each customer code may count; None: always."""

    @cached_property
    def entered_at(self) -> Ints:
        """When each customer entered each stage; of no entry something that is not looked at."""
        return self.counts.walk.time_at(self.counts.walk.entries)

    @cached_property
    def complete(self) -> Bools:
        """Who entered a stage, was known as one of these by then, and was watched for the whole time after."""
        watched = self.counts.entered & (
            self.entered_at <= self.counts.walk.observed_until - self.horizon
        )
        if self.known_since is None:
            return watched
        return watched & (self.known_since[self.counts.walk.codes][:, None] <= self.entered_at)

    @cached_property
    def ended(self) -> Bools:
        """Whose journey had ended in the stage by then: the latest event is of it, and longer ago than the limit."""
        walk = self.counts.walk
        found = np.zeros_like(self.complete)
        if not walk.time.size:
            return found
        moments, rank = np.unique(walk.time, return_inverse=True)
        key = walk.who.astype(np.int64) * (moments.size + 1) + rank + 1
        for stage in range(self.counts.stages):
            who = np.flatnonzero(self.complete[:, stage])
            end = self.entered_at[who, stage] + self.horizon
            seen = np.searchsorted(moments, end, side="right")
            latest = np.searchsorted(key, who * (moments.size + 1) + seen, side="right") - 1
            silent = end - walk.time[latest] > walk.silent_after
            found[who, stage] = silent & (walk.stage[latest] == stage)
        return found

    @cached_property
    def went_back(self) -> Bools:
        """Who had an event of an earlier stage by then."""
        visits = self.counts.walk.visits
        found = [
            visits.following(visits.first[:, stage], visits.stage < stage)
            for stage in range(self.counts.stages)
        ]
        return self.complete & self._within(visits.of(visits.begin, np.stack(found, axis=1)))

    @cached_property
    def went_on(self) -> Bools:
        """Who had entered a later stage by then."""
        return self.complete & self._within(self.counts.later)

    def _within(self, row: Ints) -> Bools:
        return (row >= 0) & (self.counts.walk.time_at(row) - self.entered_at <= self.horizon)

    def shares(self, stage: int) -> dict[str, Counted]:
        """The shares of one stage that maps and groups are compared by."""
        entered, complete = self.counts.entered[:, stage], self.complete[:, stage]
        left_out = int(np.count_nonzero(entered & ~complete))
        base = int(np.count_nonzero(complete))
        return {
            "share_of_previous": self._arrived(stage),
            "share_ended": Counted(int(self.ended[:, stage].sum()), base, left_out),
            "share_went_back": Counted(int(self.went_back[:, stage].sum()), base, left_out),
            "share_skipped": self._skipped(stage),
        }

    def _arrived(self, stage: int) -> Counted:
        """Of those who came so far in order as the stage before, who arrived here in time; nobody at the first stage."""
        order = self.counts.walk.places.counted
        if stage not in order or order.index(stage) == 0:
            return Counted(0, 0)
        walk, place = self.counts.walk, order.index(stage)
        before, here = self._in_order[place - 1], self._in_order[place]
        came = before >= 0
        since = walk.time_at(before)
        watched = came & (since <= walk.observed_until - self.horizon)
        arrived = watched & (here >= 0) & (walk.time_at(here) - since <= self.horizon)
        return Counted(int(arrived.sum()), int(watched.sum()), int((came & ~watched).sum()))

    @cached_property
    def _in_order(self) -> list[Ints]:
        """The event with which each customer came to each stage in order; −1: not so far."""
        visits = self.counts.walk.visits
        came = visits.in_order(self.counts.walk.places.counted)
        return [visits.of(visits.begin, visit) for visit in came]

    def _skipped(self, stage: int) -> Counted:
        """Of those who entered a later stage, who had not been here when they did: known at that moment."""
        first = self.counts.walk.visits.first
        later = np.where(first[:, stage + 1 :] < 0, np.iinfo(np.int64).max, first[:, stage + 1 :])
        next_one = later.min(axis=1, initial=np.iinfo(np.int64).max)
        further = next_one < np.iinfo(np.int64).max
        been = (first[:, stage] >= 0) & (first[:, stage] < next_one)
        return Counted(int((further & ~been).sum()), int(further.sum()))

    def seconds_to_next(self, stage: int) -> Ints:
        """Microseconds from the entry to a later stage, of those who came there in time."""
        who = np.flatnonzero(self.went_on[:, stage])
        return self.counts.walk.time_at(self.counts.later[who, stage]) - self.entered_at[who, stage]

    def seconds_in_stage(self, stage: int) -> Ints:
        """Microseconds from the entry to the last event of that visit, of those who had left or ended in time."""
        left = self._within(self.counts.left)[:, stage] & self.complete[:, stage]
        who = np.flatnonzero(left | self.ended[:, stage])
        until = self.counts.visit_end[who, stage]
        return self.counts.walk.time_at(until) - self.entered_at[who, stage]

    def follow_up(self) -> FollowUp:
        """For the definition of a comparison."""
        left_out = int((self.counts.entered & ~self.complete).any(axis=1).sum())
        return FollowUp("the entry to a stage", self.horizon, left_out)


def compare_groups(
    of: str,
    stages: list[str],
    named: list[tuple[str, Walk]],
    known_since: Ints | None = None,
) -> tuple[pd.DataFrame, Family | None]:
    """Where the journeys of groups end: every stage and pair of groups, over customers followed equally long after they entered the stage.

    Who entered before the group was known (`known_since`, of each customer code) does not count.

    Columns `stage`, `group`, `other`, `n`, `other_n`, `share_ended`, `other_share_ended`, `difference` with bounds, `p_value`, `p_adjusted`.
    """
    horizon = min((horizon_of(walk) for _, walk in named if walk.customers), default=0)
    followed = [(name, Followed(StageCounts(walk), horizon, known_since)) for name, walk in named]
    rows = [
        (stages[stage], name, other_name, mine.shares(stage), others.shares(stage))
        for stage in range(len(stages))
        for (name, mine), (other_name, others) in combinations(followed, 2)
    ]
    if not rows:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS)), None
    ended = [(mine["share_ended"], other["share_ended"]) for *_, mine, other in rows]
    compared = compare_shares(
        f"where journeys end by {of}",
        [mine.count for mine, _ in ended],
        [mine.base for mine, _ in ended],
        [other.count for _, other in ended],
        [other.base for _, other in ended],
        follow_up=FollowUp(
            "the entry to a stage",
            horizon,
            sum(one.follow_up().left_out for _, one in followed),
        ),
    )
    table = pd.DataFrame(
        {
            "stage": [row[0] for row in rows],
            "group": [row[1] for row in rows],
            "other": [row[2] for row in rows],
            "n": [mine.base for mine, _ in ended],
            "other_n": [other.base for _, other in ended],
            "share_ended": compared.share,
            "other_share_ended": compared.other_share,
            **compared.columns(),
        }
    )
    return table, compared
