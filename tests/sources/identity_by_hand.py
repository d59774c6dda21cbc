"""Identity once more, by loops and sets over plain ids: the reference that `resolve` is held against."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations


def components(ids, links):
    """Each id's set of ids that links join."""
    group = {one: {one} for one in ids}
    for left, right in links:
        if group[left] is not group[right]:
            group[left] |= group[right]
            for one in group[right]:
                group[one] = group[left]
    return group


def people(columns, known, rows, tables, hub_limit, apart=()):  # noqa: C901
    """The person of each row and of each known id; an id is (position of its column, text)."""
    column_of = {name: place for place, name in enumerate(columns)}
    carried = [
        (time, [(column_of[name], ids[name]) for name in columns if ids.get(name)])
        for time, ids in rows
    ]
    listed = [(time, left, right) for table in tables for time, left, right in table]
    every = {one for _, ids in carried for one in ids}
    every |= {one for _, left, right in listed for one in (left, right)}
    seen: dict = {}
    for time, ids in carried:
        for one in ids:
            seen[one] = min(time, seen.get(one, time))
    pairs = {frozenset(two) for _, ids in carried for two in combinations(ids, 2)}
    pairs |= {frozenset((left, right)) for _, left, right in listed if left != right}
    alike = [tuple(two) for two in pairs if len({one[0] < known for one in two}) == 1]
    others = defaultdict(set)
    for left, right in alike:
        others[left, right[0]].add(right)
        others[right, left[0]].add(left)
    cut = set(apart) | {one for (one, _), some in others.items() if len(some) > hub_limit}

    def named(group):
        return min(group, key=lambda one: (one[0], seen.get(one, float("inf")), one[1]))

    of_known = components(
        {one for one in every if one[0] < known},
        [two for two in alike if two[0][0] < known and not cut & set(two)],
    )
    person = {one: named(group) for one, group in of_known.items()}

    logins, undated = defaultdict(set), defaultdict(set)
    for time, ids in carried:
        users = [one for one in ids if one[0] < known]
        for one in ids:
            if one[0] >= known and users:
                logins[one].add((time, person[users[0]]))
    for time, left, right in listed:
        user, thing = sorted((left, right), key=lambda one: one[0])
        if user[0] < known <= thing[0]:
            if time is None:
                undated[thing].add(person[user])
            else:
                logins[thing].add((time, person[user]))
    shared = {
        one
        for one in every
        if len({who for _, who in logins[one]} | undated[one]) > hub_limit and one not in apart
    }
    barred = shared | set(apart)
    for one, some in undated.items():
        if len(some) == 1:
            logins[one].add((float("-inf"), *some))
    usable = {one: some for one, some in logins.items() if some and one not in barred}
    groups = components(
        {one for one in every if one[0] >= known},
        [two for two in alike if two[0][0] >= known and not (cut | barred) & set(two)],
    )

    def owner(some, time):
        begun = [entry for entry in some if entry[0] <= time]
        last = max(begun)[0] if begun else min(some)[0]
        return min(who for when, who in some if when == last)

    def person_of(time, ids):
        users = [one for one in ids if one[0] < known]
        things = [one for one in ids if one[0] >= known]
        if users:
            return person[users[0]]
        for one in things:
            if one in usable:
                return owner(usable[one], time)
        for one in things:
            together = set().union(*(usable.get(other, set()) for other in groups[one]))
            if together and len({who for _, who in together}) <= hub_limit:
                return owner(together, time)
        return named(groups[things[0]]) if things else None

    return [person_of(time, ids) for time, ids in carried], person
