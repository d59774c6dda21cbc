"""Funnels counted the slow way: plain Python, every chain of different events of every customer.

Written from the words of the definition, not from the fast plan, so that the two can disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

FAR = 10**15


@dataclass(frozen=True)
class Event:
    time: int
    name: str
    value: str | None = None


Matcher = Callable[[Event], bool]


@dataclass(frozen=True)
class Ban:
    matches: Matcher
    after: int
    before: int
    effect: str


@dataclass(frozen=True)
class Asked:
    """A question in the reference's own terms; times are whole units."""

    steps: Sequence[Matcher]
    window: int | None
    order: str = "sequential"
    entry: str = "best"
    bans: Sequence[Ban] = ()
    hold: bool = False
    gaps: Sequence[int | None] = field(default=())
    start: int | None = None
    end: int | None = None
    closed_until: int | None = None


@dataclass(frozen=True)
class Attempt:
    times: tuple[int, ...]
    chains: tuple[tuple[int, ...], ...]
    """All ways to fill the steps at these times, as positions of events."""
    ordered: bool = True


def longest(
    events: Sequence[Event], asked: Asked, opening: int, value: str | None
) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Every chain that opens at this instant, by its times."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for chain in _chains(events, asked, opening, value):
        found.setdefault(tuple(events[position].time for position in chain), []).append(chain)
    return found


def _chains(
    events: Sequence[Event], asked: Asked, opening: int, value: str | None
) -> Iterator[tuple[int, ...]]:
    usable = [
        position for position, event in enumerate(events) if not asked.hold or event.value == value
    ]
    limit = opening + (FAR if asked.window is None else asked.window)
    gaps = asked.gaps or [None] * (len(asked.steps) - 1)

    def extend(chain: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if asked.order != "strict" or _unbroken(events, chain):
            yield chain
        if len(chain) == len(asked.steps):
            return
        before = events[chain[-1]].time
        gap = gaps[len(chain) - 1]
        for position in usable:
            event = events[position]
            late = event.time > limit or (gap is not None and event.time - before > gap)
            if (
                position not in chain
                and event.time >= before
                and not late
                and asked.steps[len(chain)](event)
            ):
                yield from extend((*chain, position))

    for position in usable:
        if events[position].time == opening and asked.steps[0](events[position]):
            yield from extend((position,))


def _unbroken(events: Sequence[Event], chain: tuple[int, ...]) -> bool:
    first, last = events[chain[0]].time, events[chain[-1]].time
    return all(
        position in chain for position, event in enumerate(events) if first < event.time < last
    )


def _unordered(events: Sequence[Event], asked: Asked, opening: int, value: str | None) -> Attempt:
    """Step k at the earliest instant by which k steps are filled by different events."""
    limit = opening + (FAR if asked.window is None else asked.window)
    inside = [
        position
        for position, event in enumerate(events)
        if opening <= event.time <= limit
        and (not asked.hold or event.value == value)
        and any(step(event) for step in asked.steps)
    ]
    times = []
    for instant in sorted({events[position].time for position in inside}):
        seen = [position for position in inside if events[position].time <= instant]
        filled = _most_filled([events[position] for position in seen], asked.steps)
        times += [instant] * (filled - len(times))
    sets = [
        chosen
        for chosen in combinations(
            sorted(inside, key=lambda position: events[position].time), len(times)
        )
        if [events[position].time for position in chosen] == times
        and _most_filled([events[position] for position in chosen], asked.steps) == len(times)
    ]
    return Attempt(tuple(times), tuple(sets), ordered=False)


def _most_filled(events: Sequence[Event], steps: Sequence[Matcher]) -> int:
    if not steps or not events:
        return 0
    without = _most_filled(events, steps[1:])
    with_first = (
        1 + _most_filled([*events[:k], *events[k + 1 :]], steps[1:])
        for k, event in enumerate(events)
        if steps[0](event)
    )
    return max([without, *with_first])


def attempts(events: Sequence[Event], asked: Asked) -> list[Attempt]:
    """The attempt of each instant (and held value) at which a first event lies: the longest chain, then the earliest times."""
    first = (
        (lambda event: any(step(event) for step in asked.steps))
        if asked.order == "any"
        else asked.steps[0]
    )
    openings = {
        (event.time, event.value if asked.hold else None)
        for event in events
        if first(event) and not (asked.hold and event.value is None)
    }
    found = []
    for time, value in openings:
        late = asked.closed_until is not None and time + (asked.window or 0) > asked.closed_until
        if (
            (asked.start is not None and time < asked.start)
            or (asked.end is not None and time > asked.end)
            or late
        ):
            continue
        if asked.order == "any":
            found.append(_unordered(events, asked, time, value))
            continue
        chains = longest(events, asked, time, value)
        times = min(chains, key=lambda times: (-len(times), times))
        found.append(Attempt(times, tuple(chains[times])))
    return found


def first_ban(
    events: Sequence[Event], attempt: Attempt, ban: Ban, window: int | None
) -> int | None:
    """When the first banned event strictly between the two steps was; after an unreached step, up to the window's end."""
    times = attempt.times
    if len(times) < ban.after:
        return None
    banned = [
        event.time for event in events if ban.matches(event) and event.time > times[ban.after - 1]
    ]
    if len(times) >= ban.before:
        inside = [time for time in banned if time < times[ban.before - 1]]
    else:
        inside = [time for time in banned if time <= times[0] + (FAR if window is None else window)]
    return min(inside, default=None)


@dataclass(frozen=True)
class Outcome:
    attempt: Attempt | None
    dropped: bool = False
    latest_start: int | None = None
    last_entry: int | None = None


def counted(events: Sequence[Event], asked: Asked) -> Outcome:
    """The counted attempt of one customer."""
    every = attempts(events, asked)
    if not every:
        return Outcome(None)
    opening = min(one.times[0] for one in every)
    eligible = [one for one in every if asked.entry != "first" or one.times[0] == opening]
    drops = [ban for ban in asked.bans if ban.effect == "drop_customer"]
    stops = [ban for ban in asked.bans if ban.effect == "stop_here"]

    def clean(one: Attempt) -> bool:
        return all(first_ban(events, one, ban, asked.window) is None for ban in drops)

    deepest = max(len(one.times) for one in eligible)
    if not any(clean(one) for one in eligible if len(one.times) == deepest):
        return Outcome(None, dropped=True)

    def cut(one: Attempt) -> Attempt:
        left = one
        for ban in stops:
            hit = first_ban(events, one, ban, asked.window)
            if hit is not None:
                kept = max(
                    [ban.after, *(k for k, time in enumerate(one.times, start=1) if time <= hit)]
                )
                depth = min(kept, len(left.times))
                left = Attempt(
                    left.times[:depth],
                    tuple({chain[:depth] for chain in left.chains}),
                    left.ordered,
                )
        return left

    candidates = [cut(one) for one in eligible if clean(one)]
    if asked.entry == "reentry":
        chosen = min(
            candidates, key=lambda one: (-len(one.times), one.times[-1], -one.times[0], one.times)
        )
    else:
        chosen = min(candidates, key=lambda one: (-len(one.times), one.times[0], one.times))
    complete = [cut(one) for one in every if clean(one)]
    same = [
        one.times[0]
        for one in complete
        if len(one.times) == len(asked.steps) and one.times[-1] == chosen.times[-1]
    ]
    latest = max(same) if len(chosen.times) == len(asked.steps) else None
    return Outcome(chosen, latest_start=latest, last_entry=max(one.times[0] for one in eligible))


def value_of(events: Sequence[Event], attempt: Attempt, by_value: str) -> str | None:
    """The group: over all ways to fill the steps at the counted times, the smallest value at the first (last) instant that has any."""
    step = int(by_value[5:]) if by_value.startswith("step_") else None
    held: dict[int, set[str]] = {}
    for chain in attempt.chains:
        for k, position in enumerate(chain, start=1):
            event = events[position]
            # In any order the k-th of several events of one instant may be each of them.
            wanted = step is None or (
                k == step if attempt.ordered else event.time == attempt.times[step - 1]
            )
            if event.value is not None and wanted:
                held.setdefault(event.time, set()).add(event.value)
    if not held:
        return None
    return min(held[max(held) if by_value == "last" else min(held)])
