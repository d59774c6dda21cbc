"""Which person each row belongs to, from the ids that rows carry and tables of pairs: numbers in, numbers out.

Ids of known people (customer id, e-mail) that a row or a table names together are one person. An anonymous id (cookie, device)
never joins two known people: it belongs to one of them at a time. What would join too many is a hub and joins nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1
UNDATED = np.iinfo(np.int64).min
"""The time of a link that has none; earlier than every other."""
OWN, HUB, APART, UNDECIDED, GROUP, FIRST_LINK = range(6)
"""Why an id stands for its person; from `FIRST_LINK` on the kinds of links."""


@dataclass(frozen=True)
class IdSpace:
    """The columns of ids, those of known people first, each with the number of its ids; ids are numbered through."""

    columns: tuple[str, ...]
    known: int
    sizes: tuple[int, ...]

    @property
    def starts(self) -> Whole:
        """The number of each column's first id, and at the end how many ids there are."""
        return np.concatenate([[0], np.cumsum(self.sizes, dtype=np.int64)])

    @property
    def n_known(self) -> int:
        """How many ids are ids of known people: their numbers come first."""
        return int(self.starts[self.known])

    @property
    def column_of(self) -> Whole:
        """The position of each id's column."""
        return np.repeat(np.arange(len(self.columns)), self.sizes)


@dataclass(frozen=True)
class Pairs:
    """Links from one place: ids by their numbers, when each was made (`UNDATED` where nobody says), and what the place is called."""

    left: Whole
    right: Whole
    time: Whole
    reason: str


@dataclass(frozen=True)
class Spans:
    """For each key the people who own it in turn, by key and start: each until the next one's start. Starts are places on the `clock`."""

    key: Whole
    start: Whole
    person: Whole
    reason: Whole
    clock: Whole

    def where(self, some: Flags) -> Spans:
        """Some of the entries."""
        return Spans(
            self.key[some], self.start[some], self.person[some], self.reason[some], self.clock
        )

    @property
    def is_first(self) -> Flags:
        """Where a key's first owner stands."""
        return _changes(self.key)

    def owner(self, key: Whole, time: Whole) -> Whole:
        """Who owns each key at a place on the clock: who began last, before the first beginning its owner; `NOBODY` where nobody ever does."""
        asked = key * len(self.clock) + time
        order = np.argsort(asked)
        begins = self.key * len(self.clock) + self.start
        place = np.empty(len(key), dtype=np.int64)
        place[order] = np.searchsorted(begins, asked[order], side="right") - 1
        place = np.where(_at(self.key, place) == key, place, place + 1)
        return np.where(_at(self.key, place) == key, _at(self.person, place), NOBODY)


@dataclass(frozen=True)
class Resolved:
    """What was found out.

    `person` and `given` of each row: the id of its person, and its own first id. Then, one entry an id (and span of an anonymous one):
    `ids`, `people`, `start`, `end`, `linked_at` (`UNDATED`: none), `links` between the id and its person, `why` (a position in `reasons`).
    `hubs` and `joined`: the ids that were cut, and how many ids or people each would have joined.
    """

    person: Whole
    given: Whole
    ids: Whole
    people: Whole
    start: Whole
    end: Whole
    linked_at: Whole
    links: Whole
    why: Whole
    reasons: tuple[str, ...]
    hubs: Whole
    joined: Whole


def resolve(
    space: IdSpace,
    rows: Sequence[NDArray[np.int32] | Whole],
    time: Whole,
    tables: Sequence[Pairs] = (),
    *,
    hub_limit: int,
    apart: Whole | Sequence[int] = (),
    visit: int = 0,
) -> Resolved:
    """The person of each row, and the table of ids.

    `rows` has one array a column of ids: the position of each row's id among the column's, −1 where it has none. An id that is
    linked to more than `hub_limit` ids of one other column, and an anonymous one that more than `hub_limit` people use, is a hub:
    it joins nobody and belongs to nobody. `apart` are ids that a person wants to join nobody. A login owns the visit that leads to it: the
    events of its anonymous id before it that follow one another within `visit` microseconds, where nobody logged in among them.
    """
    numbered = [
        np.where(np.asarray(codes) >= 0, np.asarray(codes, dtype=np.int64) + start, NOBODY)
        for codes, start in zip(rows, space.starts, strict=False)
    ]
    clock, when, tables = _clock(time, tables)
    links = _links(space, numbered, when, tables)
    kept_apart = np.zeros(int(space.starts[-1]), dtype=bool)
    kept_apart[np.asarray(apart, dtype=np.int64)] = True
    seen = _first_seen(space, numbered, when)
    joins = _ids_joined(space, links)
    joins_too_many = (joins > hub_limit) & ~kept_apart

    known = _known_people(space, links, kept_apart | joins_too_many, seen)
    first_known = _first_filled(numbered[: space.known], len(time))
    first_anonymous = _first_filled(numbered[space.known :], len(time))
    of_known = _at(known.person, first_known)
    logins = _logins(space, numbered, when, of_known, tables, known.person, clock=clock)
    people_of = _people_of(logins.key, logins.person, len(seen))
    shared = (people_of > hub_limit) & ~kept_apart
    undated = logins.start == 0
    undecided = _people_of(logins.key[undated], logins.person[undated], len(seen)) > 1
    logins = logins.where(~(undated & undecided[logins.key]))
    logins = logins.where(~(kept_apart | shared)[logins.key])
    anonymous = numbered[space.known :]
    logins = _from_their_visits(logins, anonymous, when, of_known >= 0, people_of > 1, visit)
    own = _spans(logins)
    groups = _groups(space, links, kept_apart | shared | joins_too_many, seen)
    through = _group_spans(logins, groups, hub_limit)

    person = of_known.copy()
    for ids in numbered[space.known :]:
        _fill(person, ids, when, own)
    for ids in numbered[space.known :]:
        _fill(person, _at(groups, ids), when, through)
    person = np.where(person < 0, _at(groups, first_anonymous), person)

    table = _table(space, known, own, through, groups, links)
    joined_nobody = table["why"] == OWN
    for flags, reason in (
        (undecided, UNDECIDED),
        (joins_too_many, HUB),
        (shared, HUB),
        (kept_apart, APART),
    ):
        table["why"] = np.where(joined_nobody & flags[table["ids"]], reason, table["why"])
    hubs = np.flatnonzero(joins_too_many | shared)
    return Resolved(
        person=person,
        given=np.where(first_known >= 0, first_known, first_anonymous),
        **table,
        reasons=_reasons(space, tables),
        hubs=hubs,
        joined=np.maximum(joins, people_of)[hubs],
    )  # fmt: skip


# ---- links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Links:
    """Each two linked ids once, the smaller number first, sorted; with the earliest time, a place on the clock, and its reason."""

    left: Whole
    right: Whole
    time: Whole
    reason: Whole

    def where(self, some: Flags) -> _Links:
        return _Links(self.left[some], self.right[some], self.time[some], self.reason[some])


def _clock(time: Whole, tables: Sequence[Pairs]) -> tuple[Whole, Whole, list[Pairs]]:
    """All times in order, `UNDATED` before them; and for rows and tables the place of each time among them."""
    every = np.concatenate([[UNDATED], time, *(table.time for table in tables)]).astype(np.int64)
    order = np.argsort(every)
    in_order = every[order]
    first = _changes(in_order)
    place = np.empty(len(every), dtype=np.int64)
    place[order] = np.cumsum(first) - 1
    ends = np.cumsum([1, len(time), *(len(table.time) for table in tables)])
    rows, *others = np.split(place, ends[:-1])[1:]
    placed = [replace(table, time=own) for table, own in zip(tables, others, strict=True)]
    return in_order[first], rows, placed


def _reasons(space: IdSpace, tables: Sequence[Pairs]) -> tuple[str, ...]:
    """The words of `why`: what no link explains, then each two columns that an event may carry, then each table."""
    no_link = (
        "own id",
        "hub, joins nobody",
        "kept apart",
        "several people, no dates",
        "with another anonymous id",
    )
    pairs = (f"event with {one} and {other}" for one, other in combinations(space.columns, 2))
    return (*no_link, *pairs, *(table.reason for table in tables))


def _links(
    space: IdSpace, numbered: Sequence[Whole], time: Whole, tables: Sequence[Pairs]
) -> _Links:
    width = int(space.starts[-1])
    nothing = np.empty(0, dtype=np.int64)
    parts = [(nothing, nothing)]
    for reason, (one, other) in enumerate(combinations(numbered, 2), start=FIRST_LINK):
        both = (one >= 0) & (other >= 0)
        parts.append(_least(one[both] * width + other[both], time[both] * _REASONS + reason))
    for reason, table in enumerate(tables, start=FIRST_LINK + _n_pairs(space)):
        low, high = np.minimum(table.left, table.right), np.maximum(table.left, table.right)
        differ = low != high
        parts.append(_least((low * width + high)[differ], table.time[differ] * _REASONS + reason))
    key, why = _least(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return _Links(key // width, key % width, why // _REASONS, why % _REASONS)


_REASONS = 1024
"""More kinds of links than anybody has; a number of theirs and a place on the clock make one number."""


def _least(key: Whole, value: Whole) -> tuple[Whole, Whole]:
    """Each key once, in order, with its smallest value."""
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(_changes(key))
    return key[first], np.minimum.reduceat(value[order], first) if len(first) else value[:0]


def _n_pairs(space: IdSpace) -> int:
    return len(space.columns) * (len(space.columns) - 1) // 2


def _once(left: Whole, right: Whole, time: Whole, reason: int) -> tuple[Whole, Whole, Whole, Whole]:
    """Each pair once, with its earliest time."""
    order = np.lexsort((time, right, left))
    left, right, time = left[order], right[order], time[order]
    first = _changes(left, right)
    return left[first], right[first], time[first], np.full(int(first.sum()), reason)


def _ids_joined(space: IdSpace, links: _Links) -> Whole:
    """To how many ids of one other column each id is linked at most, known ids to known and anonymous to anonymous ones."""
    alike = (links.left < space.n_known) == (links.right < space.n_known)
    ends = np.concatenate([links.left[alike], links.right[alike]])
    others = space.column_of[np.concatenate([links.right[alike], links.left[alike]])]
    width = len(space.columns)
    most = np.zeros(int(space.starts[-1]), dtype=np.int64)
    kinds = np.sort(ends * width + others)
    first = np.flatnonzero(_changes(kinds))
    np.maximum.at(most, kinds[first] // width, np.diff(first, append=len(kinds)))
    return most


def _first_seen(space: IdSpace, numbered: Sequence[Whole], time: Whole) -> Whole:
    seen = np.full(int(space.starts[-1]), np.iinfo(np.int64).max)
    for ids in numbered:
        filled = ids >= 0
        np.minimum.at(seen, ids[filled], time[filled])
    return seen


def _components(size: int, left: Whole, right: Whole) -> Whole:
    graph = csr_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _names_of(component: Whole, column: Whole, seen: Whole) -> Whole:
    """The id that names each component: of the foremost column, there the one seen first, of those the first as text."""
    order = np.lexsort((np.arange(len(component)), seen, column, component))
    first = order[_changes(component[order])]
    return first[component]


# ---- known people -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """Of each known id its person, how many links lie between, and the id that the last of them comes from."""

    person: Whole
    links: Whole
    before: Whole


def _known_people(space: IdSpace, links: _Links, cut: Flags, seen: Whole) -> _Known:
    size = space.n_known
    used = links.where((links.right < size) & ~cut[links.left] & ~cut[links.right])
    component = _components(size, used.left, used.right)
    person = _names_of(component, space.column_of[:size], seen[:size])
    names = np.flatnonzero(person == np.arange(size))
    depth, before = _walked(size, used.left, used.right, names)
    return _Known(person, depth - 1, before)


def _walked(size: int, left: Whole, right: Whole, starts: Whole) -> tuple[Whole, Whole]:
    """The steps from the nearest start, which is one step itself, and the id before, of each id."""
    root = np.full(len(starts), size)
    ends = np.concatenate([left, right, root]), np.concatenate([right, left, starts])
    graph = csr_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(size + 1, size + 1))
    order, before = breadth_first_order(graph, size)
    place = np.empty(size + 1, dtype=np.int64)
    place[order] = np.arange(size + 1)
    from_place = place[before[order[1:]]]
    depth = np.zeros(size + 1, dtype=np.int64)
    begin, end, step = 0, 1, 0
    while end < size + 1:
        step += 1
        begin, end = end, 1 + int(np.searchsorted(from_place, end))
        depth[order[begin:end]] = step
    return depth[:size], before[:size].astype(np.int64)


# ---- anonymous ids ----------------------------------------------------------------------------------------------------


def _logins(
    space: IdSpace,
    numbered: Sequence[Whole],
    time: Whole,
    of_known: Whole,
    tables: Sequence[Pairs],
    person: Whole,
    *,
    clock: Whole,
) -> Spans:
    """Every moment at which a known person used an anonymous id; in no order, not yet in spans."""
    nothing = np.empty(0, dtype=np.int64)
    parts = [(nothing, nothing, nothing, nothing)]
    for position in range(space.known, len(space.columns)):
        both = (numbered[position] >= 0) & (of_known >= 0)
        why = _reasons_of_rows(space, numbered, position, both)
        parts.append((numbered[position][both], time[both], of_known[both], why))
    for reason, table in enumerate(tables, start=FIRST_LINK + _n_pairs(space)):
        low, high = np.minimum(table.left, table.right), np.maximum(table.left, table.right)
        both = (low < space.n_known) & (high >= space.n_known)
        why = np.full(int(both.sum()), reason)
        parts.append((high[both], table.time[both], person[low[both]], why))
    key, start, who, why = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Spans(key, start, who, why, clock)


def _from_their_visits(
    logins: Spans,
    anonymous: Sequence[Whole],
    time: Whole,
    of_known: Flags,
    several: Flags,
    visit: int,
) -> Spans:
    """Logins on ids that several people use, each from the beginning of the visit of which it is the first."""
    start, width = logins.start.copy(), len(logins.clock)
    for ids in anonymous:
        used = ids >= 0
        used[used] = several[ids[used]]
        if not used.any():
            continue
        order = np.lexsort((time[used], ids[used]))
        key, at, login = ids[used][order], time[used][order], of_known[used][order]
        begins = np.append(True, np.diff(logins.clock[at]) > visit) | _changes(key)
        first = np.flatnonzero(begins)
        own = np.cumsum(begins) - 1
        earliest = np.minimum.reduceat(np.where(login, at, width), first)
        claims = at == earliest[own]
        moment, begun = (key * width + at)[claims], at[first][own][claims]
        asked = logins.key * width + logins.start
        place = np.minimum(np.searchsorted(moment, asked), max(0, len(moment) - 1))
        found = moment[place] == asked if len(moment) else np.zeros(len(asked), dtype=bool)
        start[found] = begun[place[found]]
    return replace(logins, start=start)


def _reasons_of_rows(
    space: IdSpace, numbered: Sequence[Whole], anonymous: int, some: Flags
) -> Whole:
    """Which two columns the rows of a login carry: its first known id's and the anonymous one's."""
    places = {pair: place for place, pair in enumerate(combinations(range(len(space.columns)), 2))}
    reason = np.full(int(some.sum()), NOBODY)
    for known in range(space.known):
        free = (reason < 0) & (numbered[known][some] >= 0)
        reason[free] = FIRST_LINK + places[known, anonymous]
    return reason


def _people_of(key: Whole, person: Whole, size: int) -> Whole:
    """How many known people used each id."""
    pairs = np.sort(key * size + person)
    return np.bincount(pairs[_changes(pairs)] // size, minlength=size)


def _spans(logins: Spans) -> Spans:
    """From moments to spans: one owner an instant, the first by number, and one span as long as the owner stays."""
    width = len(logins.clock)
    moment, who = _least(
        logins.key * width + logins.start, logins.person * _REASONS + logins.reason
    )
    every = Spans(moment // width, moment % width, who // _REASONS, who % _REASONS, logins.clock)
    return every.where(_changes(every.key, every.person))


def _groups(space: IdSpace, links: _Links, barred: Flags, seen: Whole) -> Whole:
    """Of each anonymous id the one that names all those which events link it to; of a known id nothing."""
    size = space.n_known
    used = links.where((links.left >= size) & ~barred[links.left] & ~barred[links.right])
    component = _components(len(seen) - size, used.left - size, used.right - size)
    named = _names_of(component, space.column_of[size:], seen[size:]) + size
    return np.concatenate([np.full(size, NOBODY), named])


def _group_spans(logins: Spans, groups: Whole, hub_limit: int) -> Spans:
    """The spans of linked anonymous ids together, for those that nobody logged in on; none where too many people did."""
    key = groups[logins.key]
    few = _people_of(key, logins.person, len(groups)) <= hub_limit
    why = np.full(len(key), GROUP)
    together = Spans(key, logins.start, logins.person, why, logins.clock)
    return _spans(together.where(few[key]))


def _fill(person: Whole, key: Whole, time: Whole, spans: Spans) -> None:
    """Give rows that have no person yet the owner of their key at their time."""
    asked = np.flatnonzero((person < 0) & (key >= 0))
    if len(spans.key) and len(asked):
        person[asked] = spans.owner(key[asked], time[asked])


# ---- the table of ids -------------------------------------------------------------------------------------------------


def _table(
    space: IdSpace,
    known: _Known,
    own: Spans,
    through: Spans,
    groups: Whole,
    links: _Links,
) -> dict[str, Whole]:
    size, every = space.n_known, int(space.starts[-1])
    anonymous = np.arange(size, every)
    owned = np.zeros(every, dtype=bool)
    owned[own.key] = True
    grouped = np.zeros(every, dtype=bool)
    grouped[through.key] = True
    by_group = anonymous[~owned[anonymous] & grouped[groups[anonymous]]]
    alone = anonymous[~owned[anonymous] & ~grouped[groups[anonymous]]]
    time, why = _last_links(known, links, own.clock)
    parts = [
        _entries(np.arange(size), known.person, linked_at=time, links=known.links, why=why),
        _spans_of(own.key, own, 1),
        _spans_of_groups(by_group, groups, through),
        _entries(
            alone,
            groups[alone],
            links=(groups[alone] != alone).astype(np.int64),
            why=np.where(groups[alone] == alone, OWN, GROUP),
        ),
    ]
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((table["start"], table["ids"]))
    return {name: column[order] for name, column in table.items()}


def _last_links(known: _Known, links: _Links, clock: Whole) -> tuple[Whole, Whole]:
    """Of each known id when the link to the id before was made, and its reason."""
    ids = np.arange(len(known.person))
    width = len(ids) + 1
    inside = links.where(links.right < len(ids))
    low, high = np.minimum(ids, known.before), np.maximum(ids, known.before)
    place = np.searchsorted(inside.left * width + inside.right, low * width + high)
    linked = known.links > 0
    time = np.where(linked, clock[_at(inside.time, place)], UNDATED)
    return time, np.where(linked, _at(inside.reason, place), OWN)


def _spans_of(ids: Whole, spans: Spans, links: int) -> dict[str, Whole]:
    first = spans.is_first
    last = np.roll(first, -1)
    start = spans.clock[spans.start]
    return _entries(
        ids,
        spans.person,
        start=np.where(first, UNDATED, start),
        end=np.where(last, UNDATED, np.roll(start, -1)),
        linked_at=start,
        links=np.full(len(ids), links),
        why=spans.reason,
    )


def _spans_of_groups(ids: Whole, groups: Whole, spans: Spans) -> dict[str, Whole]:
    """The spans of a group again for each id of it that nobody logged in on."""
    begin = np.searchsorted(spans.key, groups[ids], side="left")
    count = np.searchsorted(spans.key, groups[ids], side="right") - begin
    nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    place = np.repeat(begin, count) + nth
    entries = _spans_of(spans.key, spans, 2)
    return {name: column[place] for name, column in entries.items()} | {
        "ids": np.repeat(ids, count)
    }


def _entries(
    ids: Whole,
    people: Whole,
    *,
    start: Whole | None = None,
    end: Whole | None = None,
    linked_at: Whole | None = None,
    links: Whole,
    why: Whole,
) -> dict[str, Whole]:
    undated = np.full(len(ids), UNDATED)
    times = {"start": start, "end": end, "linked_at": linked_at}
    return {
        "ids": ids,
        "people": people,
        "links": links,
        "why": why,
        **{name: undated if column is None else column for name, column in times.items()},
    }


# ---- small tools ------------------------------------------------------------------------------------------------------


def _changes(*columns: Whole) -> Flags:
    """Where sorted rows differ from the row before; the first does."""
    if not len(columns[0]):
        return np.empty(0, dtype=bool)
    differs = np.zeros(len(columns[0]) - 1, dtype=bool)
    for column in columns:
        differs |= column[1:] != column[:-1]
    return np.concatenate([[True], differs])


def _at(values: Whole, places: Whole) -> Whole:
    """The values at places, `NOBODY` where a place is none."""
    there = (places >= 0) & (places < len(values))
    if not len(values):
        return np.full(len(places), NOBODY)
    return np.where(there, values[np.where(there, places, 0)], NOBODY)


def _first_filled(columns: Sequence[Whole], size: int) -> Whole:
    first = np.full(size, NOBODY)
    for ids in columns:
        first = np.where(first < 0, ids, first)
    return first
