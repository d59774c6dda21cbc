"""Which attempt of a customer counts: exclusions first, then the choice of the entry rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cjlib.analyses.funnel.attempts import FOREVER, Attempts, Depths
from cjlib.analyses.funnel.event_arrays import Bools, Ints, Moments, Positions
from cjlib.sources.log.conditions import Exclude


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
    hits = [
        _first_hit(attempts, at, moments, one, window)
        for moments, one in zip(excluded, exclude, strict=True)
    ]
    drops = _drops(hits, at, exclude)
    every = np.ones(len(attempts), dtype=bool)
    eligible = _is_first(attempts) if entry == "first" else every
    clean = kept = deepest = every
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
    hits = [
        _first_hit(attempts, at, moments, exclusion, window)
        for moments, exclusion in zip(excluded, exclude, strict=True)
    ]
    drops = _drops(hits, at, exclude)
    dropped = np.logical_or.reduce(drops) if drops else np.zeros(len(attempts), dtype=bool)
    stopped = _cut_short(attempts, at, hits, exclude)
    who = attempts.who.astype(np.int64)
    owner = who if span is None else who * (int(span.max(initial=0)) + 1) + span
    moment = attempts.instants.moment[attempts.start]
    order = np.lexsort((-stopped.depth.astype(np.int64), dropped, moment, owner))
    first = order[_begins(owner[order])]
    return stopped.take(first[~dropped[first]])


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
    lower = instants.moment[attempts.at[exclude.after - 1][reached]]
    found = np.append(excluded, none)[np.searchsorted(excluded, lower, side="right")]
    exists = found < none
    exists[exists] = at.who[found[exists]] == at.who[lower[exists]]
    reached, found = reached[exists], found[exists]
    before = attempts.at[exclude.before - 1][reached]
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
        late = reached[attempts.instants.moment[attempts.at[k][reached]] > hit[reached]]
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
    for position in attempts.at[1:]:
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
    completion[chosen.who[converted]] = instants.moment[chosen.at[-1][converted]]
    same = complete.take(instants.moment[complete.at[-1]] == completion[complete.who])
    latest[converted] = np.maximum.reduceat(same.times(0), _begins(same.who))
    return latest


def _last_entry(whole: Attempts, chosen: Attempts) -> Ints:
    who = whole.who
    begins = _begins(who)
    if not begins.size:
        return np.zeros(0, dtype=np.int64)
    latest = np.maximum.reduceat(whole.instants.time[whole.start], begins)
    return latest[np.searchsorted(who[begins], chosen.who)]
