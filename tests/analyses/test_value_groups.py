"""Value by group and of a subscription: hand-counted, at the edges, in any order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.value.customer_lifetime_value import CustomerValue
from cjlib.analyses.value.value_by_segment import SubscriptionValue


def worth(expected: dict[str, float], to_date: float = 10.0) -> CustomerValue:
    """A customer value known by hand."""
    table = pd.DataFrame(
        {
            "customer_id": list(expected),
            "repeat_purchases": 2,
            "value_to_date": to_date,
            "expected_value": np.array(list(expected.values()), dtype=float),
        }
    )
    return CustomerValue(
        table=table,
        headline="",
        definition={"horizon": "90 days", "as of": "2024-06-30"},
        backtest=table,
        horizon_us=0,
    )


def logged(text: str, **columns: list) -> cj.EventLog:
    return cj.read_events(toy_events(text).assign(**columns))


TOY = "ana: visit@0D buy@40D | bob: visit@1D buy@2D | eve: visit@35D"


def test_a_cohort_is_the_month_of_the_first_event_not_of_the_first_purchase():
    found = cj.value_by(worth({"ana": 3.0, "bob": 5.0, "eve": 1.0}), logged(TOY)).table
    months = pd.to_datetime(toy_events(TOY)["timestamp"], utc=True).dt.strftime("%Y-%m")
    assert found["cohort"].tolist() == [months.iloc[0], months.iloc[4]]
    assert found["customers"].tolist() == [2, 1]
    assert found["expected_value"].tolist() == [8.0, 1.0]
    assert found["mean_lifetime_value"].tolist() == [14.0, 11.0]


def test_a_group_is_the_value_at_the_first_event_that_has_one():
    channels = [None, "app", "web", "app", "web"]
    found = cj.value_by(
        worth({"ana": 3.0, "bob": 5.0, "eve": 1.0}), logged(TOY, channel=channels), by="channel"
    ).table
    assert found[["channel", "customers", "expected_value"]].to_numpy(dtype=object).tolist() == [
        ["web", 2, 6.0],
        ["app", 1, 3.0],
    ]


def test_where_first_events_tie_the_smallest_as_text_is_the_group():
    log = logged("ana: visit@0D buy@0D", channel=["web", "app"])
    assert cj.value_by(worth({"ana": 1.0}), log, by="channel").table["channel"].tolist() == ["app"]


def test_who_never_had_a_value_of_the_column_is_a_group_of_its_own():
    log = logged("ana: visit@0D | bob: visit@0D | eve: visit@0D", channel=["web", None, "web"])
    found = cj.value_by(worth({"ana": 1.0, "bob": 7.0, "eve": 2.0}), log, by="channel")
    assert found.table["channel"].isna().tolist() == [False, True]
    assert "mean_expected_value_(not set)" in found.metrics
    assert "(not set)" in [row[0] for row in cj.plot(found).layout.meta["rows"]]


def test_the_interval_is_that_of_the_mean_and_one_customer_has_none():
    found = cj.value_by(
        worth({"ana": 2.0, "bob": 4.0, "eve": 9.0}),
        logged(TOY, channel=["a", "a", "a", "a", "b"]),
        by="channel",
    ).table
    first, second = found.to_dict("records")
    assert first["mean_low"] == pytest.approx(3 - 1.959964 * np.sqrt(2) / np.sqrt(2))
    assert first["mean_high"] == pytest.approx(3 + 1.959964)
    assert np.isnan(second["mean_low"])


def many(group: dict[str, tuple[int, float]]) -> tuple[CustomerValue, cj.EventLog]:
    """`count` customers of each group with expected values around a mean."""
    names = [
        (f"{name}{one}", name, mean + one % 3)
        for name, (count, mean) in group.items()
        for one in range(count)
    ]
    text = " | ".join(f"{customer}: visit@0D" for customer, _, _ in names)
    return worth({customer: value for customer, _, value in names}), logged(
        text, channel=[name for _, name, _ in names]
    )


def test_groups_are_said_to_differ_only_beyond_noise_and_small_ones_are_not_compared():
    value, log = many({"app": (30, 50.0), "web": (30, 10.0), "tv": (5, 900.0)})
    found = cj.value_by(value, log, by="channel")
    assert found.headline == (
        "Customers of app are expected to bring 51.00 each (50.70 to 51.30, n = 30), those of web 11.00 (10.70 to 11.30, n = 30), beyond noise. "
        "With what they brought already that is 61.00 and 21.00."
    )
    assert (
        "but their intervals meet"
        in cj.value_by(*many({"app": (30, 5.0), "web": (30, 5.1)}), by="channel").headline
    )
    assert (
        cj.value_by(*many({"app": (30, 5.0), "web": (9, 5.0)}), by="channel").headline
        == "There are too few groups of 30 customers to compare by channel."
    )


def test_worth_that_is_not_known_is_not_compared():
    value, log = many({"app": (30, np.nan), "web": (30, np.nan)})
    found = cj.value_by(value, log, by="channel")
    assert (
        found.headline
        == "What customers are expected to bring is not known: too few bought again for more than 0."
    )
    assert cj.plot(found).layout.meta["caption"] == found.headline


def test_parts_sum_to_the_whole_in_any_order_of_rows():
    text = " | ".join(
        f"c{one}: buy@{one}D buy@{one % 5 + 60}D buy@{one % 7 + 80}D" for one in range(40)
    )
    events = toy_events(text).assign(
        value=1.0, channel=[["app", "web", None][one % 3] for one in range(120)]
    )
    logs = [cj.read_events(rows) for rows in (events, events.sample(frac=1, random_state=3))]
    values = [cj.customer_value(log, horizon="30D", draws=20) for log in logs]
    for by in ("cohort", "channel"):
        first, second = (
            cj.value_by(value, log, by=by).table for value, log in zip(values, logs, strict=True)
        )
        assert first.to_csv() == second.to_csv()
        assert first["customers"].sum() == 40
        assert first["expected_value"].sum() == pytest.approx(
            values[0].table["expected_value"].sum()
        )


@pytest.mark.parametrize(
    ("value", "by", "said"),
    [
        (worth({"ana": 1.0}), "chanel", r"'chanel'.*Did you mean 'channel'"),
        (
            worth({"ana": 1.0}),
            "customers",
            r"by: 'customers' is also the name of a column of the table",
        ),
        (
            pd.DataFrame(),
            "channel",
            r"value: must be what cj\.customer_value\(log, …\) gave\. Got 'DataFrame'",
        ),
    ],
)
def test_what_cannot_be_grouped_says_why(value, by, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.value_by(value, logged("ana: visit@0D", channel=["web"], customers=["x"]), by=by)


# ---- a subscription -------------------------------------------------------------------------------------------------


def lives(text: str, days: int = 100) -> cj.Survival:
    events = toy_events(text)
    log = cj.read_events(
        events, observed_until=pd.Timestamp(events["timestamp"].min()) + pd.Timedelta(days=days)
    )
    return cj.survival(log, churn_event="cancel")


FOUR = "ana: pay@0D cancel@10D | bob: pay@0D cancel@40D | cid: pay@0D | dan: pay@0D"


def test_payments_count_with_the_share_still_there_by_hand():
    found = cj.subscription_value(lives(FOUR), price=8, every_days=30)
    assert found.table["day"].tolist() == [0, 30, 60, 90]
    assert found.table["share_surviving"].tolist() == [1, 0.75, 0.5, 0.5]
    assert found.table["cumulative_value"].tolist() == [8, 14, 18, 22]
    assert found.metrics["value"]["value"] == 22
    assert found.metrics["value"]["n"] == 4
    assert found.headline.startswith("A new subscription is worth 22.00 over 100 days (")
    assert "4 payments of 8.00" in found.headline


def test_who_leaves_on_the_day_of_a_payment_does_not_make_it():
    found = cj.subscription_value(
        lives("ana: pay@0D cancel@30D | bob: pay@0D"), price=1, every_days=30, horizon_days=31
    )
    assert found.table["share_surviving"].tolist() == [1, 0.5]


def test_a_payment_due_at_the_horizon_lies_after_it():
    assert (
        len(cj.subscription_value(lives(FOUR), price=8, every_days=30, horizon_days=60).table) == 2
    )
    assert (
        len(cj.subscription_value(lives(FOUR), price=8, every_days=30, horizon_days=60.5).table)
        == 3
    )


def test_nothing_is_counted_beyond_the_last_day_of_the_curve():
    far, end = (
        cj.subscription_value(lives(FOUR), price=8, every_days=30, horizon_days=days)
        for days in (5_000, None)
    )
    assert far.table.equals(end.table)
    assert "What comes after the curve's last day, 100, is not counted." in far.headline


def test_interest_discounts_each_payment_by_its_day():
    found = cj.subscription_value(lives(FOUR), price=8, every_days=30, rate=0.1).table
    assert found["value"].tolist() == pytest.approx(
        [
            8 * share * 1.1 ** (-day / 365.25)
            for day, share in ((0, 1), (30, 0.75), (60, 0.5), (90, 0.5))
        ]
    )


def test_the_interval_holds_the_value_and_closes_where_all_stay():
    some = cj.subscription_value(lives(FOUR), price=8, every_days=30)
    assert (some.table["cumulative_low"] <= some.table["cumulative_value"]).all()
    assert (some.table["cumulative_high"] >= some.table["cumulative_value"]).all()
    everyone = cj.subscription_value(
        lives("ana: pay@0D | bob: pay@0D"), price=8, every_days=30
    ).metrics["value"]
    assert (everyone["low"], everyone["value"], everyone["high"]) == (32, 32, 32)


def test_a_planted_lifetime_is_recovered():
    rng = np.random.default_rng(0)
    stay = np.ceil(rng.exponential(200, 2_000)).astype(int)
    start = pd.Timestamp("2023-01-01", tz="UTC")
    rows = [(f"c{one}", "pay", start) for one in range(2_000)]
    rows += [
        (f"c{one}", "cancel", start + pd.Timedelta(days=int(days)))
        for one, days in enumerate(stay)
        if days < 730
    ]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]),
        observed_until=start + pd.Timedelta(days=730),
    )
    found = cj.subscription_value(
        cj.survival(log, churn_event="cancel"), price=10, every_days=30, horizon_days=720
    ).metrics["value"]
    truth = sum(10 * np.exp(-day / 200) for day in range(0, 720, 30))
    assert found["low"] <= truth <= found["high"]
    assert found["value"] == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"price": -1}, r"price: must be a number, 0 or more\. Got -1"),
        ({"price": float("nan")}, "price: must be a number"),
        ({"every_days": 0}, r"every_days: must be a number, above 0\. Got 0"),
        ({"rate": -1}, r"rate: must be a number, above -1"),
        ({"horizon_days": 0}, r"horizon_days: must be a number, above 0"),
    ],
)
def test_terms_that_cannot_be_used_say_why(options, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.subscription_value(lives(FOUR), **({"price": 8, "every_days": 30} | options))


def test_several_curves_or_none_are_refused():
    log = logged("ana: pay@0D cancel@9D | bob: pay@0D", channel=["app", "app", "web"])
    with pytest.raises(cj.CjlibError, match=r"survival: must be one curve in days"):
        cj.subscription_value(cj.survival(log, churn_event="cancel", by="channel"), price=8)
    with pytest.raises(cj.CjlibError, match=r"survival: must be one curve in days"):
        cj.subscription_value(cj.lifecycle(log, period="month"), price=8)


def test_the_figure_of_a_subscription_holds_every_payment():
    found = cj.subscription_value(lives(FOUR), price=8, every_days=30)
    assert isinstance(found, SubscriptionValue)
    meta = cj.plot(found).layout.meta
    assert meta["caption"] == found.headline
    assert len(meta["rows"]) == 4
    assert meta["rows"][1][:4] == [2, 30.0, 0.75, 6.0]
