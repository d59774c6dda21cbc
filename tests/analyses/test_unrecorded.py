"""What was not recorded is no behaviour: an event that is renamed, begun late or lost for a while."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.shared import unrecorded
from cjlib.sources.journey import journey_from_text
from cjlib.sources.log.conditions import Step

BEGIN, DAYS = pd.Timestamp("2025-01-01", tz="UTC"), 240
END = BEGIN + pd.Timedelta(days=DAYS)


def events(event: str, customers: np.ndarray, days: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"customer_id": customers, "event": event, "timestamp": BEGIN + pd.to_timedelta(days, "D")}
    )


def without(frame: pd.DataFrame, event: str, first: float, last: float) -> pd.DataFrame:
    """The same less an event between two days."""
    day = (frame["timestamp"] - BEGIN) / pd.Timedelta(days=1)
    return frame[(frame["event"] != event) | (day < first) | (day >= last)]


def log_of(frame: pd.DataFrame) -> cj.EventLog:
    return cj.read_events(frame[frame["timestamp"] < END], observed_until=END)


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    """600 customers of whom half buy within some days of their visit, all the year alike."""
    rng = np.random.default_rng(1)
    customers = np.array([f"c{place}" for place in range(600)])
    visit, buys = rng.uniform(0, DAYS, 600), rng.random(600) < 0.5
    return pd.concat(
        [
            events("visit", customers, visit),
            events("buy", customers[buys], (visit + rng.exponential(2, 600))[buys]),
        ]
    )


@pytest.fixture(scope="module")
def contracts() -> pd.DataFrame:
    """600 customers who leave after 100 days on average."""
    rng = np.random.default_rng(2)
    customers = np.array([f"c{place}" for place in range(600)])
    begun = rng.uniform(0, DAYS - 5, 600)
    return pd.concat(
        [
            events("subscribe", customers, begun),
            events("cancel", customers, begun + rng.exponential(100, 600)),
        ]
    )


@pytest.mark.parametrize(
    "lost", [(0, 100), (124, 154), (124, DAYS)], ids=["begun late", "an outage", "renamed"]
)
def test_a_step_that_is_not_recorded_for_a_while_makes_no_trend(shop, lost):
    """A step renamed in the middle of the log: "Conversion fell from about 64.9% to about 0.0%"."""
    funnel = cj.funnel(log_of(without(shop, "buy", *lost)), ["visit", "buy"], window="14D")
    trend = funnel.trend("month")
    first, last = (f"{BEGIN + pd.Timedelta(days=day):%Y-%m}" for day in lost)
    assert "But “buy” does not occur between " in funnel.headline
    assert trend.headline.startswith(
        f"Conversion in different periods is not compared: “buy” does not occur between {first}"
    )
    assert f" and {last}" in trend.headline
    assert not trend.findings


def test_a_step_recorded_throughout_is_compared_as_before(shop):
    funnel = cj.funnel(log_of(shop), ["visit", "buy"], window="14D")
    assert "does not occur" not in funnel.headline
    assert funnel.trend("month").headline.startswith("Conversion shows no significant trend")


def test_the_period_before_is_not_compared_where_a_step_was_not_recorded(shop):
    asked: dict[str, Any] = {"window": "14D", "start": "2025-05-01", "end": "2025-06-30"}
    steps = ["visit", "buy"]
    change = cj.funnel(
        log_of(without(shop, "buy", 120, DAYS)), steps, **asked
    ).compare_previous_period()
    assert change.headline.startswith("Conversion in different periods is not compared")
    assert not change.findings
    long_ago = cj.funnel(
        log_of(without(shop, "buy", 0, 45)),
        steps,
        window="14D",
        start="2025-06-01",
        end="2025-06-30",
    )
    assert "no significant change" in long_ago.compare_previous_period().headline


def test_a_step_that_happens_on_the_first_of_each_month_is_recorded(shop):
    """Between two days of payment nobody pays."""
    monthly = shop[shop["event"] == "visit"]
    paid = (monthly["timestamp"].dt.tz_localize(None) + pd.offsets.MonthBegin(1)).dt.normalize()
    paying = monthly.assign(event="pay", timestamp=paid.dt.tz_localize("UTC"))
    funnel = cj.funnel(log_of(pd.concat([monthly, paying])), ["visit", "pay"], window="40D")
    assert "does not occur" not in funnel.headline


def test_what_all_do_on_one_day_is_recorded_before_it():
    """2,000 contracts begun within three weeks and all renewed on day 90: nobody renews before."""
    who = np.arange(2_000)
    begun = events("visit", who, np.linspace(0, 20, who.size))
    renewed = events("pay", who, np.full(who.size, 90.0))
    once = cj.funnel(log_of(pd.concat([begun, renewed])), ["visit", "pay"], window="100D")
    assert "does not occur" not in once.headline


@pytest.mark.parametrize("lost", [(0, 120), (120, 160), (160, DAYS)])
def test_customers_do_not_stay_longer_because_leaving_was_not_recorded(contracts, lost):
    """Cancellations known from the middle of the log on: "half have churned by day 333" of a median of 132."""
    survival = cj.survival(
        log_of(without(contracts, "cancel", *lost)),
        churn_event="cancel",
        start_event="subscribe",
    )
    assert "But “cancel” does not occur between " in survival.headline
    assert "customers left sooner than this says" in survival.headline


def test_who_leaves_at_the_end_of_a_contract_or_of_the_year_is_recorded(contracts):
    begun = contracts[contracts["event"] == "subscribe"]
    ends = {
        "recorded throughout": contracts,
        "after 90 days": pd.concat(
            [
                begun,
                begun.assign(event="cancel", timestamp=begun["timestamp"] + pd.Timedelta(days=90)),
            ]
        ),
        "on one day": pd.concat(
            [begun, begun.assign(event="cancel", timestamp=END - pd.Timedelta(hours=1))]
        ),
    }
    for name, frame in ends.items():
        told = cj.survival(log_of(frame), churn_event="cancel", start_event="subscribe").headline
        assert "does not occur" not in told, name


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    """400 customers who visit about every four days, from their first visit on, and order at every third visit."""
    rng = np.random.default_rng(3)
    every = []
    for place in range(400):
        days = rng.uniform(0, DAYS) + np.cumsum(rng.exponential(4, 60))
        customers = np.full(60, f"c{place}")
        every += [events("visit", customers, days)]
        every += [events("order", customers[1::3], days[1::3] + 0.01)]
    return pd.concat(every)


@pytest.mark.parametrize("lost", [(0, 90), (100, 140), (180, DAYS)])
def test_cohorts_do_not_come_back_less_because_returns_were_not_recorded(orders, lost):
    log = log_of(without(orders, "order", *lost))
    kept = cj.retention(log, start_event="visit", return_event="order", period="month")
    first = f"{BEGIN + pd.Timedelta(days=lost[0]):%Y-%m}"
    assert f" But “order” does not occur between {first}" in kept.headline
    assert kept.headline.endswith("and cohorts are not compared.")
    assert not kept.findings


def test_returns_recorded_throughout_are_compared(orders):
    kept = cj.retention(log_of(orders), start_event="visit", return_event="order", period="month")
    assert "does not occur" not in kept.headline


@pytest.mark.parametrize("lost", [(0, 120), (150, 190), (190, DAYS)])
def test_nobody_is_labelled_as_staying_while_leaving_was_not_recorded(contracts, lost):
    log = log_of(without(contracts, "cancel", *lost))
    data = cj.churn_data(log, horizon="30D", churn_event="cancel")
    assert "But “cancel” does not occur between " in data.headline
    assert "have no label" in data.headline
    cutoff = (data.table["cutoff"] - BEGIN) / pd.Timedelta(days=1)
    inside = (cutoff + 30 > lost[0] + 1) & (cutoff < lost[1] - 1)
    assert data.table.loc[inside, "churned"].isna().all()
    assert 0.15 < data.table["churned"].mean() < 0.4


def test_everybody_is_labelled_where_leaving_was_recorded_throughout(contracts):
    data = cj.churn_data(log_of(contracts), horizon="30D", churn_event="cancel")
    assert "does not occur" not in data.headline
    assert data.table["churned"].notna().all()


JOURNEY = """
name: shop
sources: {events: events.csv}
stages:
  - {name: Look, touchpoints: [visit]}
  - {name: Buy, touchpoints: [buy]}
roles: {visit: visit, convert: buy}
"""


@pytest.mark.parametrize(("lost", "measured"), [((200, DAYS), False), ((60, 90), True)])
def test_a_measure_of_an_event_that_was_not_recorded_lately_is_not_measured(shop, lost, measured):
    log = log_of(without(shop, "buy", *lost))
    table = cj.scorecard(journey_from_text(JOURNEY), log).table.set_index("measure")
    row = table.loc["conversion_of_visitors"]
    assert (row["status"] == "measured") == measured
    assert ("“buy” does not occur between 2025-07" in row["words"]) != measured


@pytest.mark.parametrize("lost", [None, (100, 140)])
def test_some_customers_tell_whether_all_are_to_be_looked_at(orders, lost, monkeypatch):
    monkeypatch.setattr(unrecorded, "AT_FIRST", 40)
    log = log_of(orders if lost is None else without(orders, "order", *lost))
    stretch = unrecorded.stretch_without(log, Step("order"), "event")
    assert (stretch is None) == (lost is None)


@pytest.mark.parametrize("lost", [None, (0, 100), (100, 150), (124, DAYS)])
def test_a_stage_that_is_not_recorded_for_a_while_is_no_drop_off(shop, lost):
    """Of a stage lost in the second half: "Setup is the biggest pain stage: 48% of those who came to Setup drop off there", where 17% do."""
    again = shop[shop["event"] == "buy"]
    again = again.assign(timestamp=again["timestamp"] + pd.Timedelta(days=3))
    frame = pd.concat([shop, again])
    log = log_of(frame if lost is None else without(frame, "buy", *lost))
    held = cj.journey_map(journey_from_text(JOURNEY), log)
    changed = held.before_and_after(f"{BEGIN + pd.Timedelta(days=120):%Y-%m-%d}")
    funnel = cj.funnel(log, ["visit", "buy"], window="14D")
    for told in (held, changed, funnel):
        assert ("does not occur between " in told.headline) == (lost is not None)
    assert lost is None or not held.findings
