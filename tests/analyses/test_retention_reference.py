"""The fast count and its SQL held to a count in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from analyses.retention_reference import Asked, retention
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj

ZONES = ["UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]
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
    customers = draw(st.dictionaries(st.sampled_from(["ana", "bob", "cid", "dan"]), st.lists(event, min_size=1, max_size=7), min_size=1))
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
    rows = [(customer, name, time, group) for customer, events in customers.items() for time, name, group in events]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "group"]).assign(n=range(len(rows)))
    frame = frame.astype({"group": "str", "timestamp": "datetime64[us, UTC]"}).sample(frac=1, random_state=1)
    return cj.read_events(frame, timezone=asked.zone, observed_until=pd.Timestamp(asked.until))


def counted(log, asked):
    options = (
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
    return cj.retention(log, by="group" if asked.by else None, **{option: getattr(asked, option) for option in options})


def cells(table, places, by):
    """(group, cohort, period) → numbers, as the reference names them; a missing group is None."""
    groups = table["group"].astype(object).where(table["group"].notna(), None) if by else [""] * len(table)
    numbers = zip(table["cohort_size"], table["retained"], table.get("complete", [None] * len(table)), strict=True)
    return {key: tuple(n) for key, n in zip(zip(groups, [places[c] for c in table["cohort"]], table["period"], strict=True), numbers, strict=True)}


CAREFUL = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@settings(CAREFUL, max_examples=30)
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
        ours, theirs = (frame[columns].astype(types).sort_values(columns, ignore_index=True) for frame in (result.table, log.run(result.sql)))
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)
