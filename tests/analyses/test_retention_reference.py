"""The fast count and its SQL held to a count in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from analyses.retention_reference import Asked, begins, entries_of, period_starts, retention
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
]
STARTS = [
    datetime(2016, 3, 21, tzinfo=UTC),
    datetime(2016, 10, 10, tzinfo=UTC),
    datetime(2015, 12, 28, tzinfo=UTC),
    datetime(2016, 1, 30, 23, tzinfo=UTC),
]
GRAIN = {
    "hour": timedelta(minutes=20),
    "day": timedelta(hours=6),
    "week": timedelta(hours=42),
    "month": timedelta(days=9),
    "quarter": timedelta(days=29),
    "year": timedelta(days=117),
}


QUESTIONS = 6
"""Asked of each log, since reading one costs more than counting it."""


@st.composite
def questions(draw):
    """A small log with many ties, and options of each kind."""
    period = draw(st.sampled_from(list(GRAIN)))
    begin = draw(st.sampled_from(STARTS))
    moment = st.integers(0, 14).map(lambda steps: begin + steps * GRAIN[period])
    event = st.tuples(moment, st.sampled_from("ab"), st.sampled_from(["x", "y", None]))
    customers = draw(
        st.dictionaries(
            st.sampled_from(["ana", "bob", "cid", "dan"]),
            st.lists(event, min_size=1, max_size=7),
            min_size=1,
        )
    )
    zone = draw(st.sampled_from(ZONES if period != "hour" else ZONES[:2]))
    until = max(time for events in customers.values() for time, *_ in events) + draw(
        st.sampled_from([timedelta(0), GRAIN[period], 3 * GRAIN[period]])
    )
    bounds = [draw(st.lists(moment, max_size=2).map(sorted)) for _ in range(QUESTIONS)]
    return customers, [draw(options(zone, period, until, *bound)) for bound in bounds]


@st.composite
def options(draw, zone, period, until, start=None, end=None):
    return Asked(
        zone=zone,
        start_event=draw(st.sampled_from([None, "a"])),
        return_event=draw(st.sampled_from([None, "a", "b"])),
        period=period,
        periods=draw(st.integers(1, 4)),
        cohort=draw(st.sampled_from(["first_ever", "first_in_range", "recurring"])),
        mode=draw(st.sampled_from(["on", "on_or_after", "every"])),
        clock=draw(st.sampled_from(["calendar", "elapsed"])),
        week_start=draw(st.sampled_from(["monday", "sunday"])),
        min_returns=draw(st.sampled_from([1, 1, 2])),
        period_zero=draw(st.sampled_from(["cohort", "returns"])),
        by=draw(st.booleans()),
        start=start,
        end=end,
        until=until,
    )


def read(customers, asked):
    rows = [
        (customer, name, time, group)
        for customer, events in customers.items()
        for time, name, group in events
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "group"]).assign(
        n=range(len(rows))
    )
    frame = frame.astype({"group": "str", "timestamp": "datetime64[us, UTC]"}).sample(
        frac=1, random_state=1
    )
    return cj.read_events(frame, timezone=asked.zone, observed_until=pd.Timestamp(asked.until))


OPTIONS = (
    "start_event",
    "return_event",
    "period",
    "periods",
    "cohort",
    "mode",
    "clock",
    "week_start",
    "min_returns",
    "period_zero",
    "start",
    "end",
)


def counted(log, asked, **more):
    return cj.retention(
        log,
        by="group" if asked.by else None,
        **{option: getattr(asked, option) for option in OPTIONS},
        **more,
    )


def cells(table, places, by):
    """(group, cohort, period) → numbers, as the reference names them; a missing group is None."""
    groups = (
        table["group"].astype(object).where(table["group"].notna(), None)
        if by
        else [""] * len(table)
    )
    numbers = zip(
        table["cohort_size"],
        table["retained"],
        table.get("complete", [None] * len(table)),
        strict=True,
    )
    return {
        key: tuple(n)
        for key, n in zip(
            zip(groups, [places[c] for c in table["cohort"]], table["period"], strict=True),
            numbers,
            strict=True,
        )
    }


CAREFUL = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@settings(CAREFUL, max_examples=20)
@given(questions())
def test_every_option_counts_as_plain_python_does(drawn):
    customers, every = drawn
    log = read(customers, every[0])
    for asked in every:
        expected = retention(customers, asked)
        result = counted(log, asked)
        named = {label: k for k, label in enumerate(result._members.scope.periods.labels)}
        assert cells(result.table, named, asked.by) == expected, asked


@settings(CAREFUL, max_examples=12)
@given(questions())
def test_the_sql_gives_the_same_counts_as_the_fast_plan(drawn):
    customers, every = drawn
    log = read(customers, every[0])
    for asked in every[:3]:
        result = counted(log, asked)
        columns = [*(["group"] if asked.by else []), "cohort", "period", "cohort_size", "retained"]
        types = {"cohort": "datetime64[us]"} | ({"group": "str"} if asked.by else {})
        ours, theirs = (
            frame[columns].astype(types).sort_values(columns, ignore_index=True)
            for frame in (result.table, log.run(result.sql))
        )
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def worth(customers, values, asked):
    """(cohort, period) → sum of the values of return events from the cohort event on, customer by customer."""
    sums = {}
    for who, events in customers.items():
        for cohort, at, _ in entries_of(events, asked):
            for (time, name, _), value in zip(events, values[who], strict=True):
                k = next(
                    (
                        k
                        for k in range(asked.periods + 1)
                        if time >= at and inside(time, at, cohort, k, asked)
                    ),
                    None,
                )
                if k is not None and asked.return_event in (None, name):
                    sums[cohort, k] = sums.get((cohort, k), 0) + value
    return sums


def inside(time, at, cohort, k, asked):
    begin, end = begins(at, cohort, k, asked), begins(at, cohort, k + 1, asked)
    return begin is not None and begin <= time and (end is None or time < end)


@settings(CAREFUL, max_examples=12)
@given(questions())
def test_value_is_summed_as_plain_python_does(drawn):
    customers, every = drawn
    values = {
        who: [float(7 * k + len(who)) for k in range(len(events))]
        for who, events in customers.items()
    }
    rows = [
        (who, name, time, value)
        for who, events in customers.items()
        for (time, name, _), value in zip(events, values[who], strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "value"]).assign(
        n=range(len(rows))
    )
    log = cj.read_events(
        frame.astype({"timestamp": "datetime64[us, UTC]"}),
        timezone=every[0].zone,
        observed_until=pd.Timestamp(every[0].until),
    )
    times = [time for events in customers.values() for time, *_ in events]
    for asked in every:
        asked.by = False
        asked.starts = period_starts(min(times), asked.until, asked)
        result = counted(log, asked, value="value")
        named = {label: k for k, label in enumerate(result._members.scope.periods.labels)}
        keys = zip(
            [named[cohort] for cohort in result.table["cohort"]],
            result.table["period"],
            strict=True,
        )
        assert {
            key: value for key, value in zip(keys, result.table["value"], strict=True) if value
        } == worth(customers, values, asked), asked


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clock": "elapsed"},
        {"cohort": "recurring", "period": "day", "mode": "on_or_after", "min_returns": 2},
    ],
)
def test_a_bot_with_very_many_events_counts_as_one_customer(options):
    start = pd.Timestamp("2024-01-01", tz="UTC")
    bot = pd.DataFrame(
        {
            "customer_id": "bot",
            "event": "visit",
            "timestamp": start + pd.to_timedelta(np.arange(300_000) * 11, unit="s"),
        }
    )
    people = pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(5)] * 2,
            "event": "visit",
            "timestamp": [start] * 5 + [start + pd.Timedelta(days=8)] * 5,
        }
    )
    table = cj.retention(
        cj.read_events(pd.concat([bot, people]), timezone="UTC"), periods=3, **options
    ).table
    assert table["cohort_size"].iloc[0] == 6
    assert table["retained"].iloc[1] == (6 if "period" not in options else 1)
