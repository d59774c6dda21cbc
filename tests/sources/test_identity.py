"""Which person a row belongs to: against a reference by hand, in any order, and each rule in one small case."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_by_hand import people

from cjlib.sources.identity.resolve import UNDATED, IdSpace, Pairs, resolve

COLUMNS = ("customer_id", "email", "anonymous_id", "device_id")
KNOWN = 2


def resolved(rows, tables=(), hub_limit=3, apart=(), visit=0):
    """`resolve` over rows of (time, {column: id}) and tables of (time, id, id); persons as (column, text)."""
    listed = [one for table in tables for _, *ids in table for one in ids]
    names = [
        sorted(
            {ids[name] for _, ids in rows if ids.get(name)}
            | {text for place, text in (*listed, *apart) if place == position}
        )
        for position, name in enumerate(COLUMNS)
    ]
    space = IdSpace(COLUMNS, KNOWN, tuple(len(some) for some in names))
    starts = space.starts
    codes = [
        np.array(
            [some.index(ids[name]) if ids.get(name) else -1 for _, ids in rows], dtype=np.int32
        )
        for name, some in zip(COLUMNS, names, strict=True)
    ]

    def number(one):
        return int(starts[one[0]]) + names[one[0]].index(one[1])

    pairs = [
        Pairs(
            np.array([number(left) for _, left, _ in table], dtype=np.int64),
            np.array([number(right) for _, _, right in table], dtype=np.int64),
            np.array([UNDATED if when is None else when for when, _, _ in table], dtype=np.int64),
            f"map {position}",
        )
        for position, table in enumerate(tables)
    ]
    found = resolve(
        space,
        codes,
        np.array([time for time, _ in rows], dtype=np.int64),
        pairs,
        hub_limit=hub_limit,
        apart=[number(one) for one in apart],
        visit=visit,
    )
    ids = [(place, text) for place, some in enumerate(names) for text in some]
    return found, ids, space


def persons(rows, **options):
    found, ids, _ = resolved(rows, **options)
    return [None if one < 0 else ids[one] for one in found.person]


def ids_of(some):
    return st.one_of(st.none(), st.sampled_from(some))


ROW = st.tuples(
    st.integers(0, 6),
    st.fixed_dictionaries(
        {
            "customer_id": ids_of(["1", "2", "3", "4", "5"]),
            "email": ids_of(["e1", "e2", "e3", "e4"]),
            "anonymous_id": ids_of(["a1", "a2", "a3", "a4"]),
            "device_id": ids_of(["d1", "d2", "d3"]),
        }
    ),
)
ANY_ID = st.one_of(
    st.tuples(st.just(0), st.sampled_from(["1", "2", "3", "9"])),
    st.tuples(st.just(1), st.sampled_from(["e1", "e2", "e9"])),
    st.tuples(st.just(2), st.sampled_from(["a1", "a2", "a9"])),
    st.tuples(st.just(3), st.sampled_from(["d1", "d9"])),
)
TABLE = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 6)), ANY_ID, ANY_ID), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ROW, max_size=14),
    st.lists(TABLE, max_size=2),
    st.integers(1, 3),
    st.lists(ANY_ID, max_size=1),
)
def test_resolve_says_what_loops_and_sets_say(rows, tables, hub_limit, apart):
    expected, person_of_known = people(COLUMNS, KNOWN, rows, tables, hub_limit, apart)
    found, ids, space = resolved(rows, tables, hub_limit, apart)
    assert [None if one < 0 else ids[one] for one in found.person] == expected
    known = found.ids < space.n_known
    told = {
        ids[one]: ids[who] for one, who in zip(found.ids[known], found.people[known], strict=True)
    }
    assert {one: told[one] for one in person_of_known} == person_of_known


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=14), TABLE, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_a_table_changes_nothing(rows, table, random):
    first, ids, _ = resolved(rows, [table])
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = list(table)
    random.shuffle(shuffled)
    second, again, _ = resolved([rows[place] for place in order], [shuffled])
    assert ids == again
    assert [first.person[place] for place in order] == list(second.person)
    for name in ("ids", "people", "start", "end", "linked_at", "links", "why", "hubs", "joined"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=14), TABLE)
def test_the_table_of_ids_says_the_person_of_every_anonymous_row(rows, table):
    found, ids, _ = resolved(rows, [table])
    entries = list(zip(found.ids, found.people, found.start, found.end, strict=True))
    for (time, carried), who in zip(rows, found.person, strict=True):
        things = [(place, carried[name]) for place, name in enumerate(COLUMNS) if carried[name]]
        if len(things) == 1:
            number = ids.index(things[0])
            (owner,) = (
                person
                for one, person, start, end in entries
                if one == number
                and (start == UNDATED or time >= start)
                and (end == UNDATED or time < end)
            )
            assert owner == who


def test_events_before_the_first_login_go_to_who_logs_in_first():
    rows = [(1, {"anonymous_id": "a"}), (2, {"anonymous_id": "a", "customer_id": "1"})]
    assert persons(rows) == [(0, "1"), (0, "1")]


def test_between_two_people_an_anonymous_event_is_the_earlier_ones_until_the_later_logs_in():
    rows = [
        (1, {"anonymous_id": "a", "customer_id": "1"}),
        (2, {"anonymous_id": "a"}),
        (3, {"anonymous_id": "a", "customer_id": "2"}),
        (4, {"anonymous_id": "a"}),
    ]
    assert persons(rows) == [(0, "1"), (0, "1"), (0, "2"), (0, "2")]


def test_a_login_owns_the_visit_that_leads_to_it_and_no_more():
    device = {"device_id": "d"}
    one, two = device | {"customer_id": "1"}, device | {"customer_id": "2"}
    rows = [(0, one), (5, device), (20, device), (22, device), (25, two), (26, device)]
    first, second = (0, "1"), (0, "2")
    assert persons(rows) == [first, first, first, first, second, second]
    assert persons(rows, visit=4) == [first, first, second, second, second, second]
    # Whoever logged in before in the same visit keeps what came between.
    assert persons(rows, visit=30) == persons(rows)
    alone = [(0, device), (9, one), (50, device)]
    assert persons(alone, visit=4) == persons(alone) == [first] * 3


def test_known_people_never_join_through_an_anonymous_id():
    rows = [
        (time, {"device_id": "d", "customer_id": who}) for time, who in enumerate(["1", "2", "1"])
    ]
    assert persons(rows) == [(0, "1"), (0, "2"), (0, "1")]


def test_an_email_of_two_customer_ids_makes_one_person_named_by_the_one_seen_first():
    rows = [(1, {"customer_id": "2", "email": "e"}), (2, {"customer_id": "1", "email": "e"})]
    assert persons(rows) == [(0, "2"), (0, "2")]


def test_a_hub_joins_nobody_and_is_listed_with_how_many_it_would_have_joined():
    rows = [(time, {"customer_id": str(time), "email": "info"}) for time in range(4)]
    found, ids, _ = resolved(rows, hub_limit=3)
    assert persons(rows, hub_limit=3) == [(0, str(time)) for time in range(4)]
    assert [ids[one] for one in found.hubs] == [(1, "info")]
    assert list(found.joined) == [4]


def test_a_device_of_too_many_people_is_nobodys():
    rows = [(time, {"customer_id": str(time), "device_id": "kiosk"}) for time in range(4)]
    rows += [(2, {"device_id": "kiosk"})]
    assert persons(rows, hub_limit=3)[-1] == (3, "kiosk")
    assert persons(rows, hub_limit=4)[-1] == (0, "2")


def test_a_map_without_dates_that_names_two_people_decides_nothing():
    table = [(None, (0, "1"), (2, "a")), (None, (0, "2"), (2, "a"))]
    assert persons([(1, {"anonymous_id": "a"})], tables=[table]) == [(2, "a")]
    assert persons([(1, {"anonymous_id": "a"})], tables=[table[:1]]) == [(0, "1")]


def test_ids_kept_apart_join_nobody():
    rows = [(1, {"customer_id": "1", "email": "e"}), (2, {"customer_id": "2", "email": "e"})]
    assert persons(rows, apart=[(1, "e")]) == [(0, "1"), (0, "2")]


@pytest.mark.parametrize("length", [2, 40])
def test_the_longest_chain_counts_the_links_between_an_id_and_its_person(length):
    rows = [(time, {"customer_id": f"{time:02}", "email": f"e{time:02}"}) for time in range(length)]
    rows += [
        (99, {"customer_id": f"{time + 1:02}", "email": f"e{time:02}"})
        for time in range(length - 1)
    ]
    found, _, _ = resolved(rows)
    assert set(persons(rows)) == {(0, "00")}
    assert found.links.max() == 2 * length - 1
