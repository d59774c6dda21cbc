"""Value by group and of a subscription: hand-counted, at the edges, in any order."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.value.contract_worth import SubscriptionValue
from cjlib.analyses.value.customer_lifetime_value import CustomerValue
from cjlib.shared.comparison import group_means_against_others, known_at_once
from cjlib.shared.stats import mean_interval
from cjlib.sources.journey import journey_from_text


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
    # Two values, one degree of freedom: t = 12.706; what customers bring is not negative.
    assert first["mean_low"] == 0
    assert first["mean_high"] == pytest.approx(3 + 12.7062)
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


def test_only_groups_that_differ_significantly_are_said_to_and_small_ones_are_not_compared():
    value, log = many({"app": (30, 50.0), "web": (30, 10.0), "tv": (5, 30.0)})
    found = cj.value_by(value, log, by="channel")
    assert found.table["p_adjusted"].isna().tolist() == [False, True, True]
    assert found.table["without"].tolist() == ["", "app", "app"]
    assert "1 of 2 groups differs significantly" in found.headline
    value, log = many({"app": (90, 50.0), "web": (90, 10.0)})
    found = cj.value_by(value, log, by="channel")
    assert found.headline == (
        "Customers of app are expected to bring 51.00 each in the next 90 days (n = 90), 40.00 more than the others (95% CI of the forecast 39.40 to 40.60). "
        "2 of 2 groups differ significantly from the others."
    )
    # One model for all draws groups together: of twice the spending four fifths of the difference came back, in an interval "95% CI".
    assert found.definition["differences"].endswith("true ones are rather larger")
    assert [finding.direction for finding in found.findings] == ["good", "bad"]
    assert found.families == {"mean expected value by channel": 2}
    alike = cj.value_by(*many({"app": (30, 5.0), "web": (30, 5.1)}), by="channel")
    assert alike.headline == (
        "60 customers are expected to bring 6.05 each in the next 90 days; no channel differs significantly from the others (2 groups compared)."
    )
    assert (
        "too few groups of 30 customers to compare by channel"
        in cj.value_by(*many({"app": (30, 5.0), "web": (9, 5.0)}), by="channel").headline
    )


def test_twenty_equal_groups_are_rarely_said_to_differ():
    false = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(30, 200, 20)
        group = np.repeat(np.arange(20), sizes)
        compared = group_means_against_others(
            "null", group, rng.lognormal(3, 1.2, group.size), 20, follow_up=known_at_once("now")
        )
        false += compared.claims.any()
    assert false <= 4


def test_interval_and_p_of_money_agree_and_hold_with_a_long_tail():
    group, held = np.repeat([0, 1], [40, 200]), 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        amounts = rng.lognormal(0, 1, 240) * np.where(group, 1.0, 1.5)
        compared = group_means_against_others(
            "money", group, amounts, 1, follow_up=known_at_once("now")
        )
        low, high, p = compared.low[0], compared.high[0], compared.p_value[0]
        assert (low <= 0 <= high) == (p >= 0.05)
        held += low <= 0.5 * np.exp(0.5) <= high
    assert held >= 279


def test_amounts_below_0_are_compared_without_logarithms():
    group = np.repeat([0, 1], 50)
    amounts = np.linspace(-10, 10, 100)
    compared = group_means_against_others(
        "money", group, amounts, 2, follow_up=known_at_once("now")
    )
    assert compared.difference[0] == pytest.approx(-compared.difference[1])
    assert compared.low[0] == pytest.approx(-compared.high[1])
    assert compared.claims.all()


def test_a_group_without_spread_has_no_interval_and_cohorts_are_not_tested():
    value, log = many({"app": (40, 5.0)})
    flat = dataclasses.replace(value, table=value.table.assign(expected_value=5.0))
    table = cj.value_by(flat, log).table
    assert table["mean_low"].isna().all()
    assert table["p_value"].isna().all()


def test_worth_that_is_not_known_is_not_compared():
    value, log = many({"app": (30, np.nan), "web": (30, np.nan)})
    found = cj.value_by(value, log, by="channel")
    assert (
        found.headline
        == "What customers are expected to bring is not known: too few bought again for more than 0, or as much was paid back as was bought."
    )
    assert not found.answered


def test_parts_sum_to_the_whole_in_any_order_of_rows():
    text = " | ".join(
        f"c{one}: buy@{one}D buy@{one % 5 + 60}D buy@{one % 7 + 80}D" for one in range(40)
    )
    events = toy_events(text).assign(
        value=1.0, channel=[["app", "web", None][one % 3] for one in range(120)]
    )
    logs = [cj.read_events(rows) for rows in (events, events.sample(frac=1, random_state=3))]
    values = [cj.customer_value(log, horizon="30D", draws=39) for log in logs]
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
    assert (
        "What comes after day 100, the last to which enough were followed, is not counted."
        in far.headline
    )


def test_interest_discounts_each_payment_by_its_day():
    found = cj.subscription_value(lives(FOUR), price=8, every_days=30, rate=0.1).table
    assert found["value"].tolist() == pytest.approx(
        [
            8 * share * 1.1 ** (-day / 365.25)
            for day, share in ((0, 1), (30, 0.75), (60, 0.5), (90, 0.5))
        ]
    )


def test_the_interval_holds_the_value_and_is_missing_where_all_stay():
    some = cj.subscription_value(lives(FOUR), price=8, every_days=30)
    assert some.table["cumulative_low"].notna().all()
    assert (some.table["cumulative_low"] <= some.table["cumulative_value"]).all()
    assert (some.table["cumulative_high"] >= some.table["cumulative_value"]).all()
    everyone = cj.subscription_value(
        lives("ana: pay@0D | bob: pay@0D"), price=8, every_days=30
    ).metrics["value"]
    assert (everyone["low"], everyone["value"], everyone["high"]) == (None, 32, None)


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


# ---- a contract, from the payments themselves ------------------------------------------------------------------------

CONTRACT = journey_from_text(
    """
name: Toy
timezone: UTC
sources: {events: {path: none.csv}}
stages: [{name: All, touchpoints: [pay, cancel]}]
churn: {event: cancel, horizon: 30D}
value: {event: pay, amount: value}
""",
    folder=Path(),
)
START = pd.Timestamp("2024-01-01", tz="UTC")


def two_plans(customers: int, seed: int, days: int = 360) -> cj.EventLog:
    """Six in ten pay 50 and leave early (mean 120 days), the others pay 10 and stay (mean 500); every 30 days."""
    rng = np.random.default_rng(seed)
    dear = rng.random(customers) < 0.6
    starts = np.floor(rng.random(customers) * days / 2)
    ends = starts + np.where(dear, rng.exponential(120, customers), rng.exponential(500, customers))
    rows = []
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        price = 50.0 if dear[place] else 10.0
        rows += [(f"c{place}", "pay", day, price) for day in np.arange(start, min(end, days), 30)]
        rows += [(f"c{place}", "cancel", end, np.nan)] if end < days else []
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    stamps = START + pd.to_timedelta(frame.pop("day"), unit="D")
    return cj.read_events(
        frame.assign(timestamp=stamps), observed_until=START + pd.Timedelta(days=days)
    )


def test_a_contract_is_worth_its_payments_weighted_by_survival_by_hand():
    # Of 60, half leave on day 40 after two payments of 12; the others pay on to the end, day 100.
    rows = []
    for place in range(60):
        leaves = place % 2 == 0
        rows += [
            (f"c{place}", "pay", day, 12.0) for day in (0, 30, 60, 90) if day < 40 or not leaves
        ]
        rows += [(f"c{place}", "cancel", 40, np.nan)] if leaves else []
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    stamps = START + pd.to_timedelta(frame.pop("day"), unit="D")
    log = cj.read_events(
        frame.assign(timestamp=stamps), observed_until=START + pd.Timedelta(days=100)
    )
    found = cj.contract_worth(CONTRACT, log)
    assert found.table["day"].tolist() == [0, 30, 60, 90]
    assert found.table["value"].tolist() == pytest.approx([12, 12, 6, 6])
    assert found.table["share_surviving"].tolist() == pytest.approx([1, 1, 0.5, 0.5])
    assert found.metrics["value"]["value"] == pytest.approx(36)
    # Each customer pays 24 or 48: without censoring the variance is that of the mean.
    assert found.metrics["value"]["high"] - 36 == pytest.approx(1.959964 * 12 / np.sqrt(60))


def test_each_plan_counts_with_those_who_keep_it_and_the_interval_holds_the_truth():
    held = 0
    for seed in range(20):
        found = cj.contract_worth(CONTRACT, two_plans(150, seed))
        days = np.arange(0, found.end_day, 30)
        truth = (30 * np.exp(-days / 120) + 4 * np.exp(-days / 500)).sum()
        held += found.metrics["value"]["low"] <= truth <= found.metrics["value"]["high"]
    assert held >= 17
    assert found.plans["plan"].tolist() == [10, 50]
    assert found.plans["customers"].sum() == 150


def test_fines_paid_in_two_parts_are_no_contract_but_a_value_per_payer():
    rows = [
        (f"c{place}", "pay", day, 450.0)
        for place in range(60)
        for day in ((place, place + 40) if place % 3 else (place,))
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    stamps = START + pd.to_timedelta(frame.pop("day"), unit="D")
    log = cj.read_events(
        frame.assign(timestamp=stamps), observed_until=START + pd.Timedelta(days=700)
    )
    found = cj.contract_worth(CONTRACT, log)
    assert not found.answered
    assert found.headline.startswith(
        "Only 0 of 60 payers with the time for it paid 3 times or more, so there is no contract to value. A payer paid 750.00 on average"
    )
    assert found.metrics["value_per_payer"]["value"] == 750


def test_purchases_at_odd_times_are_no_contract():
    rng = np.random.default_rng(0)
    rows = [
        (f"c{place}", "pay", day, 9.0)
        for place in range(60)
        for day in np.cumsum(rng.exponential(20, 8))
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    stamps = START + pd.to_timedelta(frame.pop("day"), unit="D")
    found = cj.contract_worth(CONTRACT, cj.read_events(frame.assign(timestamp=stamps)))
    assert "of the times between payments are regular" in found.headline


def test_what_is_paid_back_after_the_leaving_is_taken_off_the_contract():
    """Who leaves gets the rest of the month back two days later: that was in no sum, and the value 5% too high."""
    rows = []
    for place in range(60):
        rows += [
            (f"c{place}", "pay", day, 12.0) for day in (0, 30, 60, 90) if day < 40 or place % 2
        ]
        rows += [] if place % 2 else [(f"c{place}", "cancel", 40, np.nan)]
        rows += [] if place % 2 else [(f"c{place}", "pay", 42, -8.0)]
        # Who begins anew is another contract, and so is what is paid back of it.
        rows += (
            [] if place % 4 else [(f"c{place}", "pay", 70, 12.0), (f"c{place}", "pay", 75, -12.0)]
        )
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    stamps = START + pd.to_timedelta(frame.pop("day"), unit="D")
    log = cj.read_events(
        frame.assign(timestamp=stamps), observed_until=START + pd.Timedelta(days=100)
    )
    found = cj.contract_worth(CONTRACT, log)
    assert found.metrics["value"]["value"] == pytest.approx(36 - 8 / 2)


def test_a_mean_of_equal_amounts_has_no_interval_of_width_0():
    told = cj.stated_value(pd.DataFrame({"fee": [20.0] * 40}), amount="fee")
    assert told.headline.startswith("By fee 40 customers bring 800 in all, 20.00 each; the most")
    assert told.metrics["mean_value"]["low"] is None
    few = cj.stated_value(pd.DataFrame({"fee": [1.0, 2.0, 3.0]}), amount="fee")
    # t with two degrees of freedom, not 1.96: 2 ± 4.303 · 1 / √3.
    assert few.metrics["mean_value"]["high"] == pytest.approx(2 + 4.303 / 3**0.5, abs=0.001)


def test_sums_of_a_forecast_that_its_backtest_refutes_say_so():
    """Buying had halved: "800 customers are expected to bring 51,596.16", and nothing said that a backtest had been a third too high."""
    value, log = many({"app": (30, 5.0), "web": (30, 5.1)})
    doubted = dataclasses.replace(
        value, definition={**value.definition, "totals": "it was far off"}
    )
    for by in ("channel", "cohort"):
        assert cj.value_by(doubted, log, by=by).headline.endswith(" But it was far off.")
        assert "But" not in cj.value_by(value, log, by=by).headline
    scores = doubted.table[["customer_id"]].assign(churn_probability=0.5)
    at_risk = cj.value_at_risk(scores, doubted).headline
    assert at_risk.endswith(" But it was far off.")
    assert "that 60 customers would bring in the next 90 days if all stayed" in at_risk
    targets = cj.target_list(
        scores, offer_cost=0, contact_cost=0.1, success_share=0.5, value=doubted
    )
    assert targets.headline.endswith(" But it was far off.")


def test_the_interval_of_a_groups_forecast_is_no_surer_than_that_of_all():
    """It took the fitted models as known, and held the truth in 81 of 100 businesses; that of the total does not."""
    text = " | ".join(
        f"c{one}: " + " ".join(f"buy@{one % 9 + 13 * number}D" for number in range(one % 3 + 2))
        for one in range(60)
    )
    events = toy_events(text)
    log = cj.read_events(events.assign(channel="web", value=10.0 + np.arange(len(events)) % 4))
    value = cj.customer_value(log, horizon="30D")
    total = value.metrics["expected_value"]
    only = cj.value_by(value, log, by="channel").table.iloc[0]
    assert only["mean_low"] == pytest.approx(total["low"] / 60)
    assert only["mean_high"] == pytest.approx(total["high"] / 60)
    assert only["mean_high"] - only["mean_low"] > 2 * np.ptp(
        mean_interval(value.table["expected_value"].to_numpy())
    )


def test_what_contracts_brought_is_no_promise_of_a_new_one():
    """The price had risen by half: "A new contract brings" what contracts at the old price did."""
    found = cj.contract_worth(CONTRACT, two_plans(150, 0))
    assert found.headline.startswith("A contract has brought ")
    assert f" in its first {found.end_day:.0f} days (95% CI " in found.headline
    assert "after a change a new contract brings something else" in found.definition["price"]


def test_a_group_that_became_known_after_the_forecasts_day_is_none():
    """Gold is who bought often later: of a forecast of June "gold are expected to bring 114 each, 67 more than the others"."""
    rows = [
        (f"c{k:02d}", day, tier)
        for k in range(80)
        for day, tier in (("2024-06-01", None), ("2024-08-01", "gold" if k < 40 else "basic"))
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "tier"]).assign(event="buy")
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
    value = worth({f"c{k:02d}": 90.0 + k % 7 if k < 40 else 30.0 + k % 7 for k in range(80)})
    log = cj.read_events(frame, observed_until="2024-09-01")
    assert cj.value_by(value, log, by="tier").table["tier"].isna().all()
    later = dataclasses.replace(value, definition={**value.definition, "as of": "2024-08-31"})
    assert len(cj.value_by(later, log, by="tier").findings) == 2
