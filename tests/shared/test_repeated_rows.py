"""Intervals of shares of rows of which a customer may have many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cjlib.shared.repeated_rows import (
    MEASURED,
    RowsWithinBases,
    interval_in_words,
    measured_every,
    rows_of_customers,
)
from cjlib.shared.stats import wilson

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=40)
"""Rows as (kind, customer); kinds 0 to 2 are of one base, 3 to 5 of another."""


def by_hand(rows: list[tuple[int, int]], kind: int, base: list[int]) -> tuple[int, ...]:
    people = {who for some, who in rows if some in base}
    y = {who: sum(row == (kind, who) for row in rows) for who in people}
    n = {who: sum(some in base for some, person in rows if person == who) for who in people}
    return (
        sum(y[who] ** 2 for who in people),
        sum(y[who] * n[who] for who in people),
        sum(n[who] ** 2 for who in people),
        sum(n.values()),
        len(people),
    )


def sums(rows) -> list[tuple[int, ...]]:
    columns = (rows.squares, rows.products, rows.base_squares, rows.base, rows.customers)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(rows=ROWS, cut=st.integers(0, 4))
def test_rows_added_in_blocks_are_those_counted_by_hand(rows, cut):
    counted = RowsWithinBases(width=3)
    for block in ([row for row in rows if row[1] < cut], [row for row in rows if row[1] >= cut]):
        kind, who = np.array(block, dtype=np.int64).reshape(-1, 2).T
        counted.add(kind, who.astype(np.int32))
    kinds = sorted({kind for kind, _ in rows})
    found = counted.of(np.array(kinds))
    assert sums(found) == [
        by_hand(rows, kind, [0, 1, 2] if kind < 3 else [3, 4, 5]) for kind in kinds
    ]


@given(rows=ROWS)
def test_rows_of_one_base_are_those_counted_by_hand(rows):
    kind, who = np.array(rows, dtype=np.int64).T
    found = rows_of_customers(kind, who, 6, np.bincount(who, minlength=5))
    assert sums(found) == [by_hand(rows, each, list(range(6))) for each in range(6)]


def test_of_customers_with_one_row_each_it_is_wilsons_interval():
    kind, who = np.repeat([0, 1], [3, 17]), np.arange(20)
    rows = rows_of_customers(kind, who, 2, np.ones(20, dtype=np.int64))
    assert rows.interval([3, 17], 20)[0].tolist() == wilson([3, 17], 20)[0].tolist()
    assert rows.interval([3, 17], 20)[1].tolist() == wilson([3, 17], 20)[1].tolist()


def test_rows_that_are_all_alike_within_a_customer_count_as_one():
    # Ten customers with a hundred rows each, three of them of kind 0 throughout.
    who = np.repeat(np.arange(10), 100)
    kind = (who >= 3).astype(np.int64)
    rows = rows_of_customers(kind, who, 2, np.full(10, 100))
    independent = rows.independent(np.array([0.3, 0.7]), 1_000)
    assert (independent < 10).all()
    assert (independent > 6).all()


@pytest.mark.parametrize(("kind", "count"), [(0, 0), (1, 300)])
def test_where_all_rows_are_of_one_kind_customers_are_the_base(kind, count):
    who = np.repeat(np.arange(30), 10)
    rows = rows_of_customers(np.ones(300, dtype=np.int64), who, 2, np.full(30, 10))
    low, high = (bound[kind] for bound in rows.interval([0, 300], 300))
    plain = [float(bound) for bound in wilson(3 * kind * 10, 30)]
    assert (low <= plain[0]) & (high >= plain[1])
    assert high - low < 0.16
    assert count in (0, 300)


def test_the_rows_of_one_customer_alone_say_next_to_nothing():
    rows = rows_of_customers(
        np.repeat([0, 1], 50), np.zeros(100, dtype=np.int64), 2, np.array([100])
    )
    low, high = rows.interval([50, 50], 100)
    assert (high - low > 0.8).all()


def test_it_holds_the_truth_where_customers_differ_and_a_few_have_most_rows():
    rng = np.random.default_rng(5)
    held = wilsons = 0
    for _ in range(300):
        many = 1 + rng.geometric(0.1, 80)
        own = rng.beta(1.2, 2.8, 80)
        who = np.repeat(np.arange(80), many)
        kind = (rng.random(who.size) < own[who]).astype(np.int64)
        count = np.bincount(kind, minlength=2)
        low, high = rows_of_customers(kind, who, 2, many).interval(count, who.size)
        plain = wilson(count[1], who.size)
        held += bool(low[1] <= 0.3 <= high[1])
        wilsons += bool(plain[0] <= 0.3 <= plain[1])
    assert 0.92 <= held / 300 <= 0.98
    assert wilsons / 300 < 0.7


@pytest.mark.parametrize(
    ("rows", "customers", "every"),
    [(0, 0, 1), (MEASURED, 10**6, 1), (11 * MEASURED, 10**6, 11), (11 * MEASURED, 3_000, 3), (10**9, 5, 1)],
)  # fmt: skip
def test_all_customers_are_measured_unless_they_and_their_rows_are_many(rows, customers, every):
    assert measured_every(rows, customers) == every
    told = interval_in_words("paths", every)
    assert told.endswith(f"one customer in {every}") == (every > 1)
