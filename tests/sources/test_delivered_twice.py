"""An export read twice whose rows differ in what the delivery adds: said with how many rows and which column, and nothing is dropped."""

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.ingest.delivered_twice import TWICE
from cjlib.sources.journey.check import check_journey

ROWS = 1_200


def business(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, 90 * 86_400, ROWS)
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, 150, ROWS).astype(str),
            "event": rng.choice(["view", "cart", "buy"], ROWS),
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "channel": rng.choice(["web", "app"], ROWS),
            "value": rng.gamma(2, 10, ROWS).round(2),
        }
    )


def said(rows: pd.DataFrame, **options) -> list[tuple[int, str]]:
    quality = cj.read_events(rows, **options).quality
    found = quality[quality["check"] == TWICE]
    return [
        (row.rows, row.example.partition(" in all but ")[2].partition(":")[0])
        for row in found.itertuples()
    ]


def twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows.assign(batch="monday"), rows.assign(batch="tuesday")])


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        (twice(business()), "'batch'"),
        (pd.concat([business()] * 2).assign(row_id=np.arange(2 * ROWS)), "'row_id'"),
        (pd.concat([business()] * 3).assign(row_id=np.arange(3 * ROWS)), "'row_id'"),
        (twice(business()).assign(row_id=np.arange(2 * ROWS)), "'batch', 'row_id'"),
    ],
)
def test_rows_that_differ_in_what_a_delivery_adds_are_counted_and_all_stay(rows, column):
    assert said(rows) == [(len(rows) - ROWS, column)]
    assert cj.read_events(rows).n_events == len(rows)


def test_a_last_week_delivered_again_is_found():
    rows = business().assign(batch=1)
    week = rows[rows["timestamp"] >= "2025-03-25"].assign(batch=2)
    assert said(pd.concat([rows, week])) == [(len(week), "'batch'")]


def test_what_is_left_out_of_the_reading_makes_them_exact_duplicates():
    log = cj.read_events(twice(business()), only=["channel", "value"], quarantine_limit=0.6)
    assert (log.n_events, len(log.quarantine)) == (ROWS, ROWS)


def test_order_lines_and_visits_of_a_day_are_events_of_their_own():
    rng = np.random.default_rng(1)
    lines = business().loc[np.repeat(np.arange(ROWS), 2)]
    days = business().assign(
        customer_id=rng.integers(0, 12, ROWS).astype(str),
        event="visit",
        timestamp=lambda rows: rows["timestamp"].dt.floor("D"),
    )
    few = days[["customer_id", "event", "timestamp"]]
    assert said(business()) == []
    products = rng.choice(list("abcdefgh"), 2 * ROWS)
    assert said(lines.assign(product=products), quarantine_limit=0.5) == []
    assert said(days[[*few.columns, "value"]]) == []
    assert said(few.assign(visit_id=np.arange(ROWS))) == []
    assert said(few.assign(product=products[:ROWS]), quarantine_limit=0.9) == []


def test_cj_check_warns_of_it(tmp_path):
    twice(business()).to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "journey.yml").write_text(
        "name: t\ntimezone: UTC\nsources:\n  events: {path: events.csv}\nstages:\n  - {name: Look, touchpoints: [view, cart, buy]}\n"
    )
    (warning,) = [one for one in check_journey(tmp_path / "journey.yml").warnings if TWICE in one]
    assert "1,200 of 2,400 rows equal another in all but 'batch': an export delivered" in warning
