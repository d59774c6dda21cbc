"""The last days of a log in which half of the customers are missing: told apart from seasons, growth, decline and noise, and what rests on them is not claimed."""

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.ingest.thin_end import THIN
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.check import check_journey

START = pd.Timestamp("2025-01-01", tz="UTC")
WEEKDAYS = np.array([1, 1, 1, 1, 1.1, 0.6, 0.5])


def visits(seed: int = 0, *, late: int = 0, days: int = 150, trend: float = 0.0, together: bool = False) -> pd.DataFrame:  # fmt: skip
    """A year of visits: of customers who come and go, fewer on weekends; of every second nothing in the last days."""
    rng = np.random.default_rng(seed)
    began = np.zeros(3_000) if together else rng.uniform(-250, days, 3_000)
    gone = began + rng.exponential(90, 3_000)
    parts = []
    for day in range(days):
        here = np.flatnonzero((began <= day) & (gone > day))
        share = 0.12 * WEEKDAYS[day % 7] * np.exp(trend * day)
        who = here[rng.random(here.size) < share]
        who = who[who % 2 == 0] if day >= days - late else who
        when = START + pd.to_timedelta(day + rng.random(who.size), unit="D")
        parts.append(pd.DataFrame({"customer_id": who.astype(str), "event": "visit", "timestamp": when}))  # fmt: skip
    return pd.concat(parts)


def told(rows: pd.DataFrame) -> list[str]:
    quality = cj.read_events(rows).quality
    return quality.loc[quality["check"] == THIN, "example"].tolist()


@pytest.mark.parametrize("late", [3, 7])
def test_days_of_which_half_the_customers_are_not_delivered_are_told(late):
    (text,) = told(visits(late=late))
    assert f"in the last {late} days (since " in text
    assert "of such weekdays in the three weeks before" in text


@pytest.mark.parametrize("kind", [{}, {"trend": -0.01}, {"trend": 0.01}, {"together": True}])
def test_weekends_growth_decline_and_customers_who_began_together_are_no_thin_end(kind):
    assert [told(visits(seed, **kind)) for seed in range(3)] == [[]] * 3


def test_customers_who_began_until_a_day_and_were_followed_for_longer_are_no_thin_end():
    rng = np.random.default_rng(0)
    began = rng.uniform(0, 140, 4_000)
    days = began[:, None] + rng.exponential(2, (4_000, 3)).cumsum(axis=1)
    rows = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(4_000), 3).astype(str),
            "event": "step",
            "timestamp": START + pd.to_timedelta(days.ravel(), unit="D"),
        }
    )
    assert told(rows[rows["timestamp"] < START + pd.Timedelta("152D")]) == []


def test_a_short_log_tells_nothing_of_its_end():
    assert told(visits(late=3, days=40)) == []


def test_silences_of_the_last_days_are_doubted_in_the_headline():
    late, whole = (cj.read_events(visits(late=days)) for days in (7, 0))
    assert "silences that reached their length in them may be no churn" in cj.survival(late, inactive="14D").headline  # fmt: skip
    assert "delivered" not in cj.survival(whole, inactive="14D").headline
    earlier = late.where(end=late.observed_until - pd.Timedelta("8D"))
    assert "delivered" not in cj.survival(earlier, inactive="14D").headline


def test_cj_check_warns_of_it(tmp_path):
    visits(late=3).to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "journey.yml").write_text(
        "name: t\ntimezone: UTC\nsources:\n  events: {path: events.csv}\nstages:\n  - {name: Look, touchpoints: [visit]}\n"
    )
    assert any(THIN in one for one in check_journey(tmp_path / "journey.yml").warnings)


JOURNEY = """
name: shop
sources: {events: events.csv}
stages: [{name: Look, touchpoints: [visit]}]
scorecard: {period: week}
"""


@pytest.mark.parametrize("late", [0, 7])
def test_what_reaches_into_days_that_are_not_delivered_is_no_finding(late):
    log = cj.read_events(visits(days=154, late=late), observed_until="2025-06-03 23:59:59")
    card = cj.scorecard(journey_from_text(JOURNEY), log)
    trend = cj.funnel(log, ["visit", "visit"], window="2D").trend("week")
    back = cj.retention(log, period="week", periods=4)
    for told in (card, trend, back):
        assert ("the events of some may not have been delivered yet" in told.headline) == bool(late)
    assert not late or not (card.findings or trend.findings or back.findings)


def test_retention_by_months_that_end_before_the_last_days_is_compared():
    """The log ends on May 30: no month that has ended reaches into days that are not delivered."""
    log = cj.read_events(visits(late=7))
    assert "No single cohort" in cj.retention(log, period="month", periods=3).headline
