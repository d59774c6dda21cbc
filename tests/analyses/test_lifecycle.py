"""Lifecycle: new, returning, resurrected, dormant; adding up exactly, and nobody lost."""

from __future__ import annotations

from typing import Any

import conformance
import numpy as np
import pandas as pd
import pytest
from conftest import toy_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib import CjlibError

KINDS = ["new", "returning", "resurrected", "dormant"]


def log_of(rows, **options):
    customers, times = zip(*rows, strict=True)
    stamps = pd.DatetimeIndex([pd.Timestamp(time, tz="UTC") for time in times])
    return cj.read_events(
        pd.DataFrame(
            {"customer_id": customers, "event": "visit", "timestamp": stamps, "n": range(len(rows))}
        ),
        **options,
    )


def kinds(log, **options):
    return cj.lifecycle(log, **options).table[KINDS].to_numpy().tolist()


@pytest.mark.parametrize("case", conformance.cases("lifecycle"), ids=lambda case: case["id"])
def test_worked_cases_of_other_tools(case: dict[str, Any]):
    query, expect = case["query"], case["expect"]
    result = cj.lifecycle(
        conformance.log_of(case),
        event=query["event"],
        period=query["period"],
        week_start=query.get("week_start", "monday"),
    )
    table = result.table[result.table["period_start"] >= pd.Timestamp(query["date_from"])]
    assert table["period_start"].iloc[0] == pd.Timestamp(query["date_from"])
    assert table[KINDS].to_dict("list") == {kind: expect[kind] for kind in KINDS}


def test_the_worked_example_counts_every_month_also_the_empty_one():
    log = log_of(
        [("u1", "2024-01-05"), ("u1", "2024-02-05"), ("u1", "2024-04-05"), ("u2", "2024-02-06")]
    )
    assert kinds(log) == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 1, 0]]
    assert cj.lifecycle(log).table["period_start"].dt.strftime("%Y-%m").tolist() == [
        "2024-01",
        "2024-02",
        "2024-03",
        "2024-04",
    ]


def test_whoever_returns_was_never_lost():
    table = cj.lifecycle(log_of([("ana", "2024-01-05"), ("ana", "2024-06-05")])).table
    assert table["dormant"].tolist() == [0, 1, 0, 0, 0, 0], (
        "counted once, in the first month without an event"
    )
    assert table["resurrected"].tolist() == [0, 0, 0, 0, 0, 1]


def test_in_the_first_period_everyone_is_new():
    result = cj.lifecycle(
        log_of([("ana", "2024-01-05"), ("ana", "2024-01-20"), ("bob", "2024-01-06")])
    )
    assert result.table[KINDS].to_numpy().tolist() == [[2, 0, 0, 0]]
    assert result.definition["first period"].startswith(
        "knows no earlier one: everyone is new there"
    )


def test_periods_go_on_to_the_end_of_data_and_an_open_one_is_marked():
    table = cj.lifecycle(log_of([("ana", "2024-01-05")], observed_until="2024-03-10")).table
    assert table["dormant"].tolist() == [0, 1, 0]
    assert table["complete"].tolist() == [True, True, False]


def test_nobody_is_dormant_in_a_period_that_has_not_begun():
    assert kinds(log_of([("ana", "2024-01-05")])) == [[1, 0, 0, 0]]


def test_months_are_those_of_the_zone():
    assert cj.lifecycle(log_of([("ana", "2024-01-31 23:30")], timezone="Europe/Berlin")).table[
        "period_start"
    ].tolist() == [pd.Timestamp("2024-02-01")]


def test_an_event_says_what_active_means(toy_log):
    log = toy_log("ana: view@0D buy@8D view@15D | bob: view@0D")
    assert kinds(log, event="buy", period="week") == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert kinds(log, event=cj.Step("view", first_time=True), period="week") == [
        [2, 0, 0, 0],
        [0, 0, 0, 2],
        [0, 0, 0, 0],
    ]


@settings(
    deadline=None,
    derandomize=True,
    max_examples=20,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 200)), min_size=1, max_size=25),
    st.sampled_from(["day", "week", "month", "quarter"]),
    st.sampled_from(["monday", "sunday"]),
)
def test_kinds_are_those_of_plain_python_and_add_up_and_so_does_the_sql(drawn, period, week_start):
    start = pd.Timestamp("2024-01-20", tz="UTC")
    log = log_of(
        [(who, (start + pd.Timedelta(hours=14 * step)).tz_localize(None)) for who, step in drawn],
        timezone="Europe/Berlin",
    )
    result = cj.lifecycle(log, period=period, week_start=week_start)
    table = result.table
    starts = table["period_start"].tolist()
    active: list[set[str]] = [set() for _ in starts]
    for who, step in drawn:
        local = (
            (start + pd.Timedelta(hours=14 * step)).tz_convert("Europe/Berlin").tz_localize(None)
        )
        active[sum(begin <= local for begin in starts) - 1].add(who)
    for k, now in enumerate(active):
        before = active[k - 1] if k else set()
        earlier = set().union(*active[:k])
        assert table.loc[k, KINDS].tolist() == [
            len(now - earlier),
            len(now & before),
            len((now & earlier) - before),
            len(before - now),
        ]
    assert (table["active"] == table["new"] + table["returning"] + table["resurrected"]).all()
    assert (
        table["active"].diff().iloc[1:]
        == (table["new"] + table["resurrected"] - table["dormant"]).iloc[1:]
    ).all()
    found = log.run(result.sql)
    assert (
        found[[*KINDS, "active"]].to_numpy().tolist()
        == table[[*KINDS, "active"]].to_numpy().tolist()
    )
    assert found["period_start"].tolist() == starts


def test_the_headline_compares_the_last_two_complete_periods():
    rows = [
        (f"c{number}", f"2024-0{month}-01")
        for number in range(40)
        for month in (1, 2, 3)
        if (number + month) % 4 or month == 1
    ]
    result = cj.lifecycle(
        log_of(
            [*rows, *((f"n{number}", "2024-02-09") for number in range(5))],
            observed_until="2024-03-10",
        )
    )
    assert result.headline == (
        "35 customers were active in the month of 2024-02, 40 in the one before: 5 new and 0 reactivated, 10 lapsed; "
        "75.0% of the 40 stayed active (95% CI 59.8–85.8%). Lapsed customers who return count as reactivated."
    )
    assert result.metrics["share_of_previous_returning"]["n"] == 40
    assert result.metrics["gained_per_dormant"]["value"] == 0.5


def test_few_customers_are_not_a_finding_and_one_period_is_no_change():
    assert cj.lifecycle(
        log_of([("ana", "2024-01-01")], observed_until="2024-02-29")
    ).headline.endswith("That is fewer than 30: too few to read.")
    assert (
        cj.lifecycle(log_of([("ana", "2024-01-01")])).headline
        == "No two months have ended yet: no change can be given."
    )


def test_an_unknown_event_counts_nobody_and_is_said(toy_log):
    result = cj.lifecycle(toy_log("ana: view@0D"), event="veiw")
    assert result.table.empty
    assert result.table["complete"].dtype == bool
    assert result.headline == "No customer is active: nothing to count."
    assert result.definition["warning"] == "event: 'veiw' never occurs. Did you mean 'view'?"


def test_rows_in_any_order_give_the_same_bytes():
    events = toy_events("ana: view@0D view@40D view@41D | bob: view@3D view@80D")
    one, other = (
        cj.lifecycle(cj.read_events(frame)).table.to_csv()
        for frame in (events, events.sample(frac=1, random_state=1))
    )
    assert one == other


@pytest.mark.parametrize(
    "dialect", ["postgres", "clickhouse", "spark", "bigquery", "snowflake", "trino"]
)
def test_the_sql_compiles_for_other_engines(toy_log, dialect):
    import sqlglot

    assert (
        "resurrected"
        in sqlglot.transpile(
            cj.lifecycle(toy_log("ana: view@0D view@40D")).sql, read="duckdb", write=dialect
        )[0]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"period": "monthly"},
            r"period: must be one of .* Got 'monthly'\. Did you mean 'month'\?",
        ),
        (
            {"week_start": "friday"},
            r"week_start: must be one of 'monday', 'sunday'\. Got 'friday'\.",
        ),
    ],
)
def test_an_option_that_cannot_be_used_says_what_is_allowed(toy_log, options, message):
    with pytest.raises(CjlibError, match=message):
        cj.lifecycle(toy_log("ana: view@0D"), **options)


def test_cdnow_months_add_up_and_new_customers_end_in_march(shared_data):
    orders = pd.read_csv(
        shared_data / "cdnow" / "cdnow_transactions.csv.gz", dtype={"customer_id": "str"}
    )
    events = orders.assign(
        event="order", timestamp=pd.to_datetime(orders["date"].astype(str), format="%Y%m%d")
    ).drop(columns="date")
    table = cj.lifecycle(cj.read_events(events, duplicates="keep")).table
    assert table["new"].tolist() == [7846, 8476, 7248] + [0] * 15
    assert table["returning"].iloc[1] == 1157
    assert (
        table["active"].diff().iloc[1:]
        == (table["new"] + table["resurrected"] - table["dormant"]).iloc[1:]
    ).all()


def test_nothing_is_compared_with_a_first_period_that_the_log_covers_in_part():
    """A log from 28 January on: "590 active in February, 257 in the one before", of the same people."""
    days = [f"2025-01-{day}" for day in range(28, 32)] + [
        f"2025-02-{day:02}" for day in range(1, 29)
    ]
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{place}" for place in range(len(days) * 40)],
            "event": "visit",
            "timestamp": pd.to_datetime(np.repeat(days, 40), utc=True),
        }
    )
    result = cj.lifecycle(cj.read_events(frame))
    assert result.headline.startswith(
        "1,120 customers were active in the month of 2025-02. The log covers the one before (2025-01) in part only"
    )
    assert "share_of_previous_returning" not in result.metrics
    weeks = cj.lifecycle(cj.read_events(frame), period="week")
    assert "280 in the one before" in weeks.headline
