"""The map and the scorecard on several threads: conditions that are joins must not lose the order that neighbours rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.journey_map.mapped_events import read_walk
from cjlib.sources.journey import journey_from

ROWS = 150_000
NAMES = [f"event_{number:03d}" for number in range(100)]
STAGES = [
    {"name": "Many", "touchpoints": [{"name": "many", "events": NAMES[:80]}]},
    {
        "name": "Germans",
        "touchpoints": [
            {
                "name": "rest",
                "events": [{"event": NAMES[80:90], "where": {"country": ["DE", "FR"]}}],
            }
        ],
    },
    {"name": "Other", "touchpoints": [NAMES[95]]},
]
MORE = {
    "roles": {"page": {"event": NAMES[:50], "where": {"country": "DE"}}},
    "support": {
        "opened": {"event": NAMES[1], "where": {"country": ["DE", "FR"]}},
        "resolved": {"event": NAMES[2], "first_time": True},
    },
    "scorecard": {"period": "month", "periods": 3},
}


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(
        rng.integers(0, 200_000, ROWS) * 60, unit="s"
    )
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, 900, ROWS),
            "event": rng.choice(NAMES, ROWS),
            "timestamp": times,
        }
    )


@pytest.fixture(scope="module")
def log(events) -> cj.EventLog:
    countries = pd.DataFrame(
        {
            "customer_id": range(900),
            "country": np.random.default_rng(1).choice(["DE", "FR", "IT"], 900),
        }
    )
    made = cj.read_events(events, customers=countries, duplicates="keep")
    made.engine.execute("SET threads = 4")
    return made


@pytest.fixture(scope="module")
def journey():
    return journey_from(
        {"name": "order", "sources": {"events": "none.csv"}, "stages": STAGES} | MORE
    )


def test_the_walk_stands_in_the_order_of_customers_and_times(log, journey):
    walk, _ = read_walk(journey, log)
    same = np.diff(walk.code) == 0
    assert walk.code.size > 50_000
    assert (np.diff(walk.code) >= 0).all()
    assert (np.diff(walk.time)[same] >= 0).all()
    assert (walk.stage == 2).sum() == log.fetch("customer", where=log.match(NAMES[95]))[
        "customer"
    ].size


def test_one_thread_and_four_give_the_same_map_and_card(log, journey):
    four = cj.journey_map(journey, log), cj.scorecard(journey, log)
    log.engine.execute("SET threads = 1")
    one = cj.journey_map(journey, log), cj.scorecard(journey, log)
    log.engine.execute("SET threads = 4")
    for name in ("table", "touchpoints", "routes", "unmapped", "support"):
        pd.testing.assert_frame_equal(
            getattr(four[0], name), getattr(one[0], name), check_exact=True
        )
    pd.testing.assert_frame_equal(four[1].table, one[1].table, check_exact=True)


def test_the_time_on_a_page_is_to_the_next_event_of_the_customer_whatever_says_what_a_page_is(
    log, journey
):
    every = log.fetch("customer", "time", "event")
    pause = np.diff(every["time"]) / 60e6
    country, names = log.codes("country")
    page = (every["event"] < 50) & (country == names.index("DE"))
    read = page[:-1] & (np.diff(every["customer"]) == 0) & (pause <= 30)
    month = pd.DatetimeIndex(every["time"].astype("datetime64[us]"))[:-1].month
    trend = cj.scorecard(journey, log).trend.set_index("measure").loc["median_seconds_on_page"]
    counted = {
        at.month: (n, value)
        for at, n, value in zip(trend["period_start"], trend["n"], trend["value"], strict=True)
    }
    assert counted == {
        k: (int((read & (month == k)).sum()), 60 * np.median(pause[read & (month == k)]))
        for k in counted
    }
