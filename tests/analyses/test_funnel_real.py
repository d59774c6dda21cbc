"""Funnels of real customers: published figures, the slow count, and facts that must hold whatever the data."""

from __future__ import annotations

from pathlib import Path

import funnel_reference as slow
import pandas as pd
import pytest

import cjlib as cj

LOAN = ["A_SUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "O_SENT", "O_SENT_BACK", "A_APPROVED"]
SHOP = ["view", "cart", "purchase"]


@pytest.fixture(scope="module")
def loans(shared_data: Path) -> cj.EventLog:
    return cj.read_events(
        shared_data / "loan_applications" / "bpi2012_events.csv.gz",
        columns={"case_id": "customer_id"},
        timezone="Europe/Amsterdam",
        duplicates="keep",
    )


@pytest.fixture(scope="module")
def shop_rows(shared_data: Path) -> pd.DataFrame:
    rows = pd.read_csv(
        shared_data / "rees46_clickstream" / "rees46_oct2019_sample.csv.gz",
        dtype={"user_id": "str"},
    )
    rows = rows.rename(
        columns={"user_id": "customer_id", "event_type": "event", "event_time": "timestamp"}
    )
    kept = rows.assign(
        timestamp=pd.to_datetime(rows["timestamp"].str.removesuffix(" UTC"), utc=True)
    )
    return kept[["customer_id", "event", "timestamp", "category_code", "product_id"]]


def test_the_applications_of_a_bank_reach_the_published_counts(loans: cj.EventLog) -> None:
    funnel = cj.funnel(loans, LOAN, window=None)
    assert funnel.table["customers"].tolist() == [13087, 7367, 5113, 5015, 3254, 2246]
    assert loans.run(funnel.sql)["customers"].tolist() == funnel.table["customers"].tolist()
    assert funnel.headline.startswith(
        "2,246 of 13,087 customers (17.2%, 95% CI 16.5–17.8%) went from “A_SUBMITTED” to “A_APPROVED”; "
    )


def test_best_and_reentry_differ_in_times_only(loans: cj.EventLog) -> None:
    steps = ["O_SENT", "O_SENT_BACK", "O_ACCEPTED"]
    best, reentry = (
        cj.funnel(loans, steps, window="30D", entry=entry) for entry in ("best", "reentry")
    )
    assert best.table["customers"].tolist() == reentry.table["customers"].tolist()
    latest = best.metrics["median_seconds_from_latest_start"]["value"]
    assert latest == reentry.metrics["median_seconds_to_convert"]["value"]
    assert latest < best.metrics["median_seconds_to_convert"]["value"]
    first = cj.funnel(loans, steps, window="30D", entry="first")
    assert (first.table["customers"] <= best.table["customers"]).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"order": "strict"},
        {"order": "any"},
        {"hold": True},
        {"bans": ("cart",)},
        {"gaps": (600, 60)},
    ],
)
def test_a_shop_counted_fast_and_slowly(shop_rows: pd.DataFrame, options: dict) -> None:
    busy = shop_rows.groupby("customer_id")["event"].agg(["size", "nunique"])
    chosen = busy.index[(busy["nunique"] > 1) & (busy["size"] <= 8)]
    rows = shop_rows[shop_rows["customer_id"].isin(chosen)].drop_duplicates()
    funnel = cj.funnel(
        cj.read_events(rows),
        SHOP,
        window="30min",
        order=options.get("order", "sequential"),
        hold="product_id" if "hold" in options else (),
        exclude=[cj.Exclude(name, 1, 3, effect="stop_here") for name in options.get("bans", ())],
        step_windows=[f"{gap}s" for gap in options["gaps"]] if "gaps" in options else None,
    )
    asked = slow.Asked(
        steps=[lambda event, name=name: event.name == name for name in SHOP],
        window=1800,
        order=options.get("order", "sequential"),
        hold="hold" in options,
        bans=[
            slow.Ban(lambda event, name=name: event.name == name, 1, 3, "stop_here")
            for name in options.get("bans", ())
        ],
        gaps=options.get("gaps", ()),
    )
    expected = {}
    for who, part in rows.groupby("customer_id"):
        seconds = (
            part["timestamp"].astype("int64") // 10 ** {"us": 6, "ns": 9}[part["timestamp"].dt.unit]
        )
        events = [
            slow.Event(*one)
            for one in zip(seconds, part["event"], part["product_id"].astype("str"), strict=True)
        ]
        attempt = slow.counted(events, asked).attempt
        if attempt is not None:
            expected[who] = len(attempt.times)
    reached = funnel.customers().set_index("customer_id")["steps_reached"]
    assert reached.to_dict() == expected
    assert len(expected) > 100


def test_parts_sum_to_the_whole_and_counts_never_rise(shop_rows: pd.DataFrame) -> None:
    log = cj.read_events(shop_rows)
    whole = cj.funnel(log, SHOP, window="1h").table["customers"].tolist()
    for by_value in ("first", "last", "step_1"):
        parts = cj.funnel(log, SHOP, window="1h", by="category_code", by_value=by_value)
        assert parts.table.groupby("step")["customers"].sum().tolist() == whole
        assert (
            parts.table.groupby("category_code", dropna=False)["customers"].diff().fillna(0) <= 0
        ).all()
        # Comparisons are of first entries whose window has ended, so of the same customers for every group.
        against_all = parts.comparisons[parts.comparisons["without"] == ""]
        compared = against_all["customers"] + against_all["other_customers"]
        assert compared.nunique() <= 1
        assert (compared <= whole[0]).all()
    assert whole == sorted(whole, reverse=True)
    # A trend counts each customer's first entry of every period, so who comes in several stands in several.
    assert cj.funnel(log, SHOP, window="1h").trend("hour").table["customers"].sum() >= whole[0]
