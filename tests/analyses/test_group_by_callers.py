"""Whoever takes `by` puts a customer into the same group."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.shared.group_by import group_by
from cjlib.sources.journey import journey_from_text

START = pd.Timestamp("2024-01-01", tz="UTC")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ana", "bob", "cem"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.sampled_from(["ads", "web", None]),
    ),
    min_size=1,
    max_size=8,
)


def log_of(events: list[tuple[str, str, int, str | None]]) -> cj.EventLog:
    frame = pd.DataFrame(events, columns=["customer_id", "event", "hour", "channel"])
    frame = frame.assign(timestamp=START + pd.to_timedelta(frame.pop("hour"), unit="h"))
    frame = frame.astype({"channel": "str"}).drop_duplicates()
    return cj.read_events(frame, observed_until="2024-03-01", quarantine_limit=1)


def counts(table: pd.DataFrame, customers: str) -> Counter[str]:
    names = table["channel"].fillna("(not set)").astype(str)
    return Counter({name: int(n) for name, n in zip(names, table[customers], strict=True) if n})


@settings(suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_every_analysis_knows_the_same_group_at_the_first_event(events) -> None:
    log = log_of(events)
    seen = log.fetch("customer", "time")
    first = pd.Series(seen["time"]).groupby(seen["customer"]).min().to_numpy()
    groups = group_by(log, "channel", known_at=first)
    known = Counter(groups.labels[place] for place in groups.of)
    by = {"by": "channel"}
    funnel = cj.funnel(log, [None], window="1D", **by)
    retention = cj.retention(log, period="year", periods=1, **by).table
    survival = cj.survival(log, inactive="60D", **by).summary
    assert counts(funnel.table, "customers") == known
    assert counts(retention[retention["period"] == 0], "cohort_size") == known
    assert counts(survival, "n") == known


@pytest.mark.parametrize("by", ["channel", ["channel"]])
def test_a_name_and_a_list_of_one_name_are_one_question(by) -> None:
    assert group_by(log_of([("ana", "a", 0, "web")]), by).labels == ["web"]


def with_plans(at_every_event: bool) -> cj.EventLog:
    """30 on each of two plans visit and buy; of 60 without a plan nobody buys."""
    rows = [
        (f"c{k:03d}", name, hour, plan if at_every_event or not hour else None)
        for k in range(120)
        for plan in [("pro", "lite", None, None)[k % 4]]
        for hour, name in enumerate(["visit", "buy"] if plan else ["visit"])
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "hour", "plan"])
    frame = frame.assign(timestamp=START + pd.to_timedelta(frame.pop("hour"), unit="h"))
    return cj.read_events(frame.astype({"plan": "str"}), observed_until="2024-03-01")


def compared_with(log: cj.EventLog) -> dict[str, list[float]]:
    """The other side's customers of each row of what the analyses compare, those who are compared first."""
    funnel = cj.funnel(log, ["visit", "buy"], window="1D", by="plan")
    retention = cj.retention(log, period="week", periods=1, by="plan")
    survival = cj.survival(log, inactive="30D", by="plan")
    steps = funnel.group_steps
    return {
        "funnel": funnel.comparisons["other_customers"].tolist(),
        "steps": [int(steps["p_value"].notna().sum())],
        "retention": retention.comparisons["other_customers"].tolist(),
        "survival": [len(survival.comparisons)],
    }


def test_who_lacks_a_value_that_others_have_at_every_event_is_compared_with_nobody():
    log = with_plans(at_every_event=True)
    assert compared_with(log) == {
        "funnel": [30, 30],
        "steps": [2],
        "retention": [30, 30],
        "survival": [2],
    }
    found = cj.funnel(log, ["visit", "buy"], window="1D", by="plan")
    assert found.headline.count("(not set)") == 0
    assert "compared with nobody" in found.definition["comparisons"]
    assert not found.findings
    attributes = pd.DataFrame({"customer_id": ["c000", "c001"], "tier": ["a", "b"]})
    frame = pd.DataFrame(
        {"customer_id": ["c000", "c001", "c002"], "event": "visit", "timestamp": START}
    )
    joined = cj.read_events(frame, customers=attributes, observed_until="2024-03-01")
    assert not joined.missing_by_event("tier")


def test_who_lacks_a_value_that_an_event_had_or_had_not_is_compared():
    log = with_plans(at_every_event=False)
    assert compared_with(log) == {
        "funnel": [60, 30, 30],
        "steps": [3],
        "retention": [60, 90, 90],
        "survival": [3],
    }
    found = cj.funnel(log, ["visit", "buy"], window="1D", by="plan")
    assert "compared with nobody" not in found.definition["comparisons"]
    assert found.findings


@pytest.mark.parametrize(("share", "doubted"), [(1.0, True), (0.9, False)])
def test_a_group_that_converts_to_the_last_customer_may_have_been_made_by_it(share, doubted):
    """A table of customers as it stands today knows the plan that they went on to buy."""
    rows = [
        (f"c{k:03d}", name, hour, "pro" if k < 60 else "free")
        for k in range(160)
        for hour, name in enumerate(["visit", "buy"] if k < 60 * share else ["visit"])
    ]
    rows += [(f"c{k:03d}", "buy", 1, "free") for k in range(100, 110 if not doubted else 100)]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "hour", "plan"])
    frame = frame.assign(timestamp=START + pd.to_timedelta(frame.pop("hour"), unit="h"))
    log = cj.read_events(frame, observed_until="2024-03-01")
    found = cj.funnel(log, ["visit", "buy"], window="1D", by="plan")
    back = cj.retention(
        log, start_event="visit", return_event="buy", period="hour", periods=1, by="plan"
    )
    gone = cj.survival(log, start_event="visit", churn_event="buy", by="plan")
    claims = [one.claim for answer in (found, back, gone) for one in answer.findings]
    assert len(claims) == 6
    said = [found.headline, gone.headline, *claims]
    assert all(("no customer ever changes plan" in words) == doubted for words in said)


@pytest.mark.parametrize(("better", "told"), [(0.0, False), (0.15, True)])
def test_a_channel_that_grew_while_everybody_did_better_is_not_better(better, told):
    """Channels alike in every month: "channel B converts better than the others" in 9 of 10 businesses, and its customers stay longer in all of them."""
    rng = np.random.default_rng(0)
    n, days = 6_000, 360
    day = rng.uniform(0, days - 20, n)
    ads = rng.random(n) < 0.1 + 0.6 * day / days
    share = 0.2 + 0.3 * day / days + better * ads
    buys, left = rng.random(n) < share, day + rng.exponential(60 + 300 * (share - 0.2))
    parts = [(np.ones(n, bool), "visit", day), (buys, "buy", day + 1), (left < days, "leave", left)]
    parts += [(rng.random(n) < share, "use", day + 31 * k) for k in (1, 2)]
    frame = pd.concat(
        pd.DataFrame(
            {
                "customer_id": np.flatnonzero(who),
                "event": event,
                "timestamp": START + pd.to_timedelta(at[who], unit="D"),
                "channel": np.where(ads[who], "B", "A"),
            }
        )
        for who, event, at in parts
    )
    end = START + pd.Timedelta(days=days)
    log = cj.read_events(frame[frame["timestamp"] < end], observed_until=end)
    funnel = cj.funnel(log, ["visit", "buy"], window="7D", by="channel")
    back = cj.retention(
        log, start_event="visit", return_event="use", period="month", periods=2, by="channel"
    )
    gone = cj.survival(log, churn_event="leave", by="channel")
    of_groups = [len(back.comparisons[back.comparisons["p_adjusted"] < 0.0025])]
    of_groups += [len(answer.findings) for answer in (funnel, gone)]
    assert of_groups == [2 * told] * 3
    for answer in (funnel, gone):
        assert ("in the same months, as some do over all the time" in answer.headline) == (not told)


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("by", [None, "channel"])
def test_a_log_without_events_has_no_groups_and_no_fault(by, period):
    journey = journey_from_text(
        "name: toy\nsources: {events: events.csv}\nstages: [{name: Look, touchpoints: [a]}]\n"
    )
    log = log_of([])
    assert cj.retention(log, by=by, period=period).headline == (
        "No customer enters a cohort: nothing to count."
    )
    assert cj.funnel(log, ["a", "b"], window="1D", by=by).comparisons.empty
    assert cj.survival(log, inactive="9D", by=by).comparisons.empty
    assert cj.journey_map(journey, log, by=by).comparisons.empty
