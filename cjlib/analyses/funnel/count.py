"""What each first event came to, and which attempt of a customer counts: exclusions first, then the choice of the entry rule.

Every first event is tried, all of them at once: an attempt is a column of positions that moves on step by step, each move one look into
"the next instant at which this step fits". So the work grows with the events, not with their square, also for a customer with a million of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.funnel.instants import (
    Bools,
    Instants,
    Ints,
    Moments,
    Positions,
    Progress,
)
from cjlib.sources.log.conditions import Exclude

FOREVER = np.int64(1) << 61
"""Stands for no limit: longer than any span, short enough to be added to any instant."""

NEVER = np.int64(1) << 62
"""Stands for a completion that does not exist: later than any deadline."""

Depths = NDArray[np.uint8]


@dataclass(frozen=True)
class Attempts:
    """One attempt a first event, in the order of the instants.

    `filled_at[k]` holds for each attempt the position (among the instants) at which step k + 1 was filled, −1 if it was not; `depth` the number of steps filled.
    """

    instants: Instants
    filled_at: list[Positions]
    depth: Depths

    def __len__(self) -> int:
        return len(self.depth)

    @property
    def start(self) -> Positions:
        """The instant of the first event."""
        return self.filled_at[0]

    @cached_property
    def who(self) -> Positions:
        """The person of each attempt."""
        return self.instants.who[self.start]

    @property
    def last(self) -> Positions:
        """The instant of the last step filled."""
        return np.maximum.reduce(self.filled_at)

    def arriving(self, step: int) -> Ints:
        """The attempts that fill a step (from 0) at another instant than the step before."""
        filled = self.filled_at[step] >= 0
        if step:
            filled &= self.filled_at[step] != self.filled_at[step - 1]
        return np.flatnonzero(filled)

    def take(self, which: Bools | Ints) -> Attempts:
        """Some of the attempts, in the same order."""
        if which.dtype == bool and which.all():
            return self
        return Attempts(
            self.instants, [position[which] for position in self.filled_at], self.depth[which]
        )

    def cut(self, depth: Depths) -> Attempts:
        """The attempts ended after so many steps."""
        return replace(
            self,
            filled_at=[
                np.where(depth > k, position, np.int32(-1))
                for k, position in enumerate(self.filled_at)
            ],
            depth=depth,
        )

    def times(self, step: int) -> Ints:
        """When a step (from 0) was filled; only meaningful where it was."""
        return self.instants.time[self.filled_at[step]]


def try_all(
    instants: Instants,
    allowed: Bools | None,
    *,
    order: str,
    window: int | None,
    step_windows: Sequence[int | None],
    together: int = 0,
) -> Attempts:
    """The attempt of every first event; `allowed` says at which instants one may open, `together` within what time steps may swap places."""
    opens = (
        np.ones(len(instants), dtype=bool)
        if order == "any"
        else instants.reach[instants.kind, 0] > 0
    )
    start = np.flatnonzero(opens if allowed is None else opens & allowed).astype(np.int32)
    limit = FOREVER if window is None else np.int64(window)
    gaps = [FOREVER if gap is None else np.int64(gap) for gap in step_windows]
    if order == "any":
        return _in_any_order(instants, start, limit)
    if order == "strict":
        return _strictly(instants, start, limit, gaps)
    if any(gap is not None for gap in step_windows):
        return _within_gaps(instants, start, limit, gaps)
    if together and instants.steps_apart:
        return _nearly_in_sequence(instants, start, limit, together)
    return _in_sequence(instants, start, limit)


def _next(fits: Bools) -> Positions:
    """For each position, and one past the end, the first fitting position at or after it; the length if there is none."""
    length = np.int32(len(fits))
    following = np.full(len(fits) + 1, length, dtype=np.int32)
    where = np.flatnonzero(fits).astype(np.int32)
    following[where] = where
    return np.minimum.accumulate(following[::-1])[::-1]


def _within(
    instants: Instants, here: Positions, there: Positions, start: Positions, window: np.int64
) -> Bools:
    """Whether `there` exists, is of the unit of `here`, and within the window of the first event at `start`."""
    exists, there = there < len(instants), np.minimum(there, len(instants) - 1)
    return (
        exists
        & (instants.unit[there] == instants.unit[here])
        & (instants.time[there] - instants.time[start] <= window)
    )


def _opened(instants: Instants, start: Positions, depth: Depths) -> list[Positions]:
    """Attempts that so far hold the steps filled at their first instant."""
    later = np.flatnonzero(depth > 1)
    at = [start]
    for k in range(1, instants.steps):
        position = np.full(len(start), -1, dtype=np.int32)
        here = later[depth[later] > k]
        position[here] = start[here]
        at.append(position)
    return at


def _in_sequence(instants: Instants, start: Positions, window: np.int64) -> Attempts:
    depth = instants.reach[instants.kind[start], 0]
    at, position = _opened(instants, start, depth), start.copy()
    single = len(instants.kinds) == 0 or max(map(len, instants.kinds)) == 1
    for k in range(1, instants.steps):
        waiting = np.flatnonzero(depth == k)
        following = _next((instants.reach[:, k] > k)[instants.kind])
        there = following[position[waiting] + 1]
        found = _within(instants, position[waiting], there, start[waiting], window)
        waiting, there = waiting[found], there[found]
        position[waiting] = there
        depth[waiting] = reached = instants.reach[instants.kind[there], k]
        at[k][waiting] = there
        for further in range(k + 1, instants.steps if not single else 0):
            at[further][waiting[reached > further]] = there[reached > further]
    return Attempts(instants, at, depth)


def _nearly_in_sequence(
    instants: Instants, start: Positions, window: np.int64, together: int
) -> Attempts:
    """Each step at most `together` before the one before it: no event fits two steps, so looking back finds none that is used."""
    depth = np.ones(len(start), dtype=np.uint8)
    at, position = _opened(instants, start, depth), start.copy()
    earliest = instants.earliest_within(together)
    for k in range(1, instants.steps):
        waiting = np.flatnonzero(depth == k)
        following = _next((instants.reach[:, k] > k)[instants.kind])
        there = following[earliest[position[waiting]]]
        found = _within(instants, position[waiting], there, start[waiting], window)
        waiting, there = waiting[found], there[found]
        position[waiting] = at[k][waiting] = there
        depth[waiting] = k + 1
    return Attempts(instants, at, depth)


def _strictly(
    instants: Instants, start: Positions, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    """Nothing may lie between two steps: an attempt moves only to the person's next moment, and leaves one only if all its events filled steps.

    At the first instant other events may stand before the first event, so an attempt may use fewer of them than it could:
    every number is tried, the largest first, since of equal depths it has the earliest times.
    """
    most = instants.reach[instants.kind[start], 0]
    best = Attempts(instants, _opened(instants, start, most), most.copy())
    for opening in range(int(most.max(initial=0)), 0, -1):
        which = np.flatnonzero(most >= opening)
        attempt = _strict_from(instants, start[which], opening, window, gaps)
        better = attempt.depth > best.depth[which]
        best.depth[which[better]] = attempt.depth[better]
        for k in range(instants.steps):
            best.filled_at[k][which[better]] = attempt.filled_at[k][better]
    return best


def _strict_from(
    instants: Instants, start: Positions, opening: int, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    depth = np.full(len(start), opening, dtype=np.uint8)
    at = _opened(instants, start, depth)
    live, position = np.arange(len(start)), start
    while live.size:
        there = position + np.int32(1)
        found = _within(instants, position, there, start[live], window)
        live, position, there = live[found], position[found], there[found]
        filled = depth[live]
        going = (filled < instants.steps) & (
            instants.moment[there] == instants.moment[position] + 1
        )
        live, position, there, filled = live[going], position[going], there[going], filled[going]
        going = (
            instants.time[there] - instants.time[position] <= np.array([*gaps, FOREVER])[filled - 1]
        )
        live, there, filled = live[going], there[going], filled[going]
        reached = instants.reach[instants.kind[there], filled]
        depth[live] = reached
        for k in range(1, instants.steps):
            here = (filled <= k) & (reached > k)
            at[k][live[here]] = there[here]
        onward = (reached > filled) & (reached - filled == instants.crowd[there])
        live, position = live[onward], there[onward]
    return Attempts(instants, at, depth)


def _in_any_order(instants: Instants, start: Positions, window: np.int64) -> Attempts:
    """Step k is reached at the earliest instant by which k steps are filled: move on to the next instant that adds to them."""
    progress = Progress(instants.kinds, instants.steps)
    bits = np.array(
        [np.bitwise_or.reduce(np.array(kind, dtype=np.int64)) for kind in instants.kinds],
        dtype=np.int64,
    )
    fits = bits[instants.kind] if len(instants) else np.zeros(0, dtype=np.int64)
    following = [_next((fits >> k & 1).astype(bool)) for k in range(instants.steps)]
    state = progress.step_on(np.zeros(len(start), dtype=np.int32), instants.kind[start])
    depth = progress.depths[state]
    at, live, position = _opened(instants, start, depth), np.arange(len(start)), start
    while live.size:
        closed = progress.closed[state]
        there = np.full(len(live), len(instants), dtype=np.int32)
        for k, ahead in enumerate(following):
            there = np.where(closed >> k & 1, there, np.minimum(there, ahead[position + 1]))
        found = _within(instants, position, there, start[live], window)
        live, position = live[found], there[found]
        state = progress.step_on(state[found], instants.kind[position])
        before, reached = depth[live], progress.depths[state]
        for k in range(1, instants.steps):
            here = (before <= k) & (reached > k)
            at[k][live[here]] = position[here]
        depth[live] = reached
        open_still = reached < instants.steps
        live, position, state = live[open_still], position[open_still], state[open_still]
    return Attempts(instants, at, depth)


def _within_gaps(
    instants: Instants, start: Positions, window: np.int64, gaps: list[np.int64]
) -> Attempts:
    """With a limit from step to step the earliest match may lead nowhere, so every chain is searched.

    For each depth d, from the deepest: `finish[k]` is the earliest completion of d steps when step k was the last one filled at an instant.
    The later a chain stands at step k, the later it finishes: where two chains cross, the one behind can go on as the other does.
    So the next instant from which d can be completed at all is the best one, and one look ahead is enough.
    """
    depth = np.zeros(len(start), dtype=np.uint8)
    at = [np.full(len(start), -1, dtype=np.int32) for _ in range(instants.steps)]
    deadline = instants.time[start] + window
    for goal in range(instants.steps, 0, -1):
        finish, ahead = _finishes(instants, goal, gaps)
        rest = np.flatnonzero(depth == 0)
        filled = _Route(goal, finish, ahead, deadline[rest]).leave(instants, start[rest], 0)
        which, filled = rest[filled > 0], filled[filled > 0]
        depth[which] = goal
        route = _Route(goal, finish, ahead, deadline[which])
        for k, position in enumerate(route.walk(instants, start[which], filled)):
            at[k][which] = position
    return Attempts(instants, at, depth)


def _finishes(
    instants: Instants, goal: int, gaps: list[np.int64]
) -> tuple[list[Ints], list[Positions]]:
    """`finish[k]` (k = 1 … goal) and `ahead[k]`, the next instant that fills step k + 1 and from which `goal` can be reached."""
    length = len(instants)
    finish: list[Ints] = [np.zeros(0, dtype=np.int64)] * (goal + 1)
    ahead: list[Positions] = [np.zeros(0, dtype=np.int32)] * (goal + 1)
    finish[goal] = instants.time
    for k in range(goal - 1, 0, -1):
        earliest = np.full(length + 1, NEVER, dtype=np.int64)
        reached = instants.reach[:, k][instants.kind] if length else np.zeros(0, dtype=np.uint8)
        for filled in range(k + 1, goal + 1):
            here = np.flatnonzero(reached >= filled)
            earliest[here] = np.minimum(earliest[here], finish[filled][here])
        ahead[k] = _next(earliest[:-1] < NEVER)
        positions = np.arange(length, dtype=np.int32)
        there = ahead[k][positions + 1]
        found = _within(instants, positions, there, positions, gaps[k - 1])
        finish[k] = np.where(found, earliest[there], NEVER)
    return finish, ahead


@dataclass(frozen=True)
class _Route:
    """The chains that reach `goal` steps by a deadline each."""

    goal: int
    finish: list[Ints]
    ahead: list[Positions]
    deadline: Ints

    def leave(
        self, instants: Instants, here: Positions, filled: int, which: Ints | slice = slice(None)
    ) -> Depths:
        """How many steps to have filled when leaving an instant: the most (their times are the earliest) from which `goal` is reached in time; 0 if none."""
        reached = np.minimum(instants.reach[instants.kind[here], filled], self.goal)
        chosen = np.zeros(len(here), dtype=np.uint8)
        for k in range(filled + 1, self.goal + 1):
            chosen[(reached >= k) & (self.finish[k][here] <= self.deadline[which])] = k
        return chosen

    def walk(self, instants: Instants, start: Positions, opened: Depths) -> list[Positions]:
        """Where each step up to `goal` is filled."""
        here, filled = start.copy(), opened.copy()
        at = [np.where(filled > k, start, np.int32(-1)) for k in range(self.goal)]
        for k in range(1, self.goal):
            waiting = np.flatnonzero(filled == k)
            here[waiting] = there = self.ahead[k][here[waiting] + 1]
            filled[waiting] = chosen = self.leave(instants, there, k, waiting)
            for further in range(k, self.goal):
                at[further][waiting[chosen > further]] = there[chosen > further]
        return at


@dataclass(frozen=True)
class Counted:
    """The counted attempt of each person, in the order of the persons, and what was left out.

    Attributes
    ----------
    attempts
        One a person.
    latest_start
        When the latest first event before the same completion was; only meaningful where all steps were reached.
    last_entry
        When the person's last first event was that range and `entry` allow: whether a window is still open.
    dropped
        For each exclusion that drops customers, how many of those dropped it had hit.
    n_dropped
        How many persons were dropped altogether.
    """

    attempts: Attempts
    latest_start: Ints
    last_entry: Ints
    dropped: list[int]
    n_dropped: int

    @property
    def who(self) -> Positions:
        """The person of each attempt."""
        return self.attempts.who


def count(
    attempts: Attempts,
    at: Moments,
    excluded: Sequence[Positions],
    exclude: Sequence[Exclude],
    *,
    entry: str,
    window: int | None,
) -> Counted:
    """Choose the counted attempt of each person.

    `excluded` holds, for each of `exclude`, the moments (positions in `at`) of its events, rising.
    """
    hits = _first_hits(attempts, at, excluded, exclude, window)
    drops = _drops(hits, at, exclude)
    everyone = np.ones(len(attempts), dtype=bool)
    eligible = _is_first(attempts) if entry == "first" else everyone
    clean = kept = deepest = everyone
    if drops:
        clean = ~np.logical_or.reduce(drops)
        deepest = eligible & (
            attempts.depth
            == _per_person(attempts, np.where(eligible, attempts.depth, 0), np.maximum)
        )
        kept = _per_person(attempts, deepest & clean, np.logical_or)
    stopped = _cut_short(attempts, at, hits, exclude)
    chosen = _choose(stopped.take(eligible & kept & clean), entry)
    return Counted(
        attempts=chosen,
        latest_start=_latest_start(stopped.take(clean), chosen),
        last_entry=_last_entry(attempts.take(eligible), chosen),
        dropped=[len(_persons(attempts.take(~kept & deepest & hit))) for hit in drops],
        n_dropped=len(_persons(attempts.take(~kept))) if drops else 0,
    )


def first_entries(
    attempts: Attempts,
    at: Moments,
    excluded: Sequence[Positions],
    exclude: Sequence[Exclude],
    *,
    window: int | None,
    span: Ints | None = None,
) -> Attempts:
    """The attempt of each person's first entry, or of the first in each span (a number for each attempt); without those that an exclusion drops.

    The same rule for everybody: which entry counts does not depend on what came of it. Of tied entries the deepest.
    """
    hits = _first_hits(attempts, at, excluded, exclude, window)
    drops = _drops(hits, at, exclude)
    dropped = np.logical_or.reduce(drops) if drops else np.zeros(len(attempts), dtype=bool)
    stopped = _cut_short(attempts, at, hits, exclude)
    who = attempts.who.astype(np.int64)
    owner = who if span is None else who * (int(span.max(initial=0)) + 1) + span
    moment = attempts.instants.moment[attempts.start]
    order = np.lexsort((-stopped.depth.astype(np.int64), dropped, moment, owner))
    first = order[_begins(owner[order])]
    return stopped.take(first[~dropped[first]])


def _first_hits(
    attempts: Attempts,
    at: Moments,
    excluded: Sequence[Positions],
    exclude: Sequence[Exclude],
    window: int | None,
) -> list[Ints]:
    """For each exclusion the moment at which it first hits each attempt."""
    return [
        _first_hit(attempts, at, moments, exclusion, window)
        for moments, exclusion in zip(excluded, exclude, strict=True)
    ]


def _drops(hits: list[Ints], at: Moments, exclude: Sequence[Exclude]) -> list[Bools]:
    """For each exclusion that drops customers the attempts that it hits."""
    return [
        hit < len(at)
        for hit, exclusion in zip(hits, exclude, strict=True)
        if exclusion.effect == "drop_customer"
    ]


def _cut_short(
    attempts: Attempts, at: Moments, hits: list[Ints], exclude: Sequence[Exclude]
) -> Attempts:
    """The attempts, ended where an exclusion stops them."""
    stopped = attempts
    for hit, exclusion in zip(hits, exclude, strict=True):
        if exclusion.effect == "stop_here":
            depth = _stopped(attempts, at, hit, exclusion)
            stopped = stopped.cut(np.minimum(stopped.depth, depth))
    return stopped


def _begins(who: Positions | Ints) -> Ints:
    """Where each person's attempts begin; persons stand together, in order."""
    changes = np.ones(len(who), dtype=bool)
    np.not_equal(who[1:], who[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _persons(attempts: Attempts) -> Positions:
    who = attempts.who
    return who[_begins(who)]


def _per_person(attempts: Attempts, values: np.ndarray, reduce: np.ufunc) -> np.ndarray:
    """Each person's extreme, repeated for each of the person's attempts."""
    begins = _begins(attempts.who)
    if not begins.size:
        return values
    return np.repeat(reduce.reduceat(values, begins), np.diff(begins, append=len(values)))


def _is_first(attempts: Attempts) -> Bools:
    moment = attempts.instants.moment[attempts.start]
    return moment == _per_person(attempts, moment, np.minimum)


def _first_hit(
    attempts: Attempts, at: Moments, excluded: Positions, exclude: Exclude, window: int | None
) -> Ints:
    """The moment of the first excluded event strictly after step `after` and strictly before step `before` (not reached: up to the window's end); `len(at)` if none."""
    instants, none = attempts.instants, len(at)
    hit = np.full(len(attempts), none, dtype=np.int64)
    reached = np.flatnonzero(attempts.depth >= exclude.after)
    lower = instants.moment[attempts.filled_at[exclude.after - 1][reached]]
    found = np.append(excluded, none)[np.searchsorted(excluded, lower, side="right")]
    exists = found < none
    exists[exists] = at.who[found[exists]] == at.who[lower[exists]]
    reached, found = reached[exists], found[exists]
    before = attempts.filled_at[exclude.before - 1][reached]
    end = attempts.instants.time[attempts.start[reached]] + (
        FOREVER if window is None else np.int64(window)
    )
    ends_there = attempts.depth[reached] >= exclude.before
    inside = np.where(ends_there, found < instants.moment[before], at.time[found] <= end)
    hit[reached[inside]] = found[inside]
    return hit


def _stopped(attempts: Attempts, at: Moments, hit: Ints, exclude: Exclude) -> Depths:
    """Depths after an exclusion that ends the attempt: the steps at or before its instant stay."""
    depth = attempts.depth.copy()
    which = np.flatnonzero(hit < len(at))
    for k in range(exclude.after, attempts.instants.steps):
        reached = which[attempts.depth[which] > k]
        late = reached[attempts.instants.moment[attempts.filled_at[k][reached]] > hit[reached]]
        depth[late] = np.minimum(depth[late], k)
    return depth


def _choose(attempts: Attempts, entry: str) -> Attempts:
    """The counted attempt of each person: most steps, then as `entry` says, then the earliest times in step order, then the smaller held value."""
    instants = attempts.instants
    rest = _narrow(attempts, np.arange(len(attempts)), attempts.depth, np.maximum)
    start = instants.moment[attempts.start]
    if entry == "reentry":
        rest = _narrow(attempts, rest, instants.moment[attempts.last], np.minimum)
        rest = _narrow(attempts, rest, start, np.maximum)
    else:
        rest = _narrow(attempts, rest, start, np.minimum)
    for position in attempts.filled_at[1:]:
        rest = _narrow(
            attempts, rest, np.where(position >= 0, instants.moment[position], -1), np.minimum
        )
    return attempts.take(rest[_begins(attempts.who[rest])])


def _narrow(attempts: Attempts, rest: Ints, key: np.ndarray, extreme: np.ufunc) -> Ints:
    """Of the attempts left those with the person's extreme key."""
    begins = _begins(attempts.who[rest])
    if len(begins) == len(rest):
        return rest
    values = key[rest]
    best = np.repeat(extreme.reduceat(values, begins), np.diff(begins, append=len(rest)))
    return rest[values == best]


def _latest_start(clean: Attempts, chosen: Attempts) -> Ints:
    """The latest first event whose attempt is complete at the very instant of the counted one's completion."""
    instants = clean.instants
    latest = chosen.times(0).copy()
    converted = np.flatnonzero(chosen.depth == instants.steps)
    if not converted.size:
        return latest
    complete = clean.take(clean.depth == instants.steps)
    completion = np.full(int(instants.who[-1]) + 1, -1, dtype=np.int32)
    completion[chosen.who[converted]] = instants.moment[chosen.filled_at[-1][converted]]
    same = complete.take(instants.moment[complete.filled_at[-1]] == completion[complete.who])
    latest[converted] = np.maximum.reduceat(same.times(0), _begins(same.who))
    return latest


def _last_entry(whole: Attempts, chosen: Attempts) -> Ints:
    who = whole.who
    begins = _begins(who)
    if not begins.size:
        return np.zeros(0, dtype=np.int64)
    latest = np.maximum.reduceat(whole.instants.time[whole.start], begins)
    return latest[np.searchsorted(who[begins], chosen.who)]
