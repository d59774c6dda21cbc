"""Customer value: hand-checked histories, the published parameters, the backtest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.value.customer_lifetime_value import Fitted, History, _bootstrap, _ends
from cjlib.shared.bgnbd import (
    BgNbd,
    Buyers,
    Counts,
    GammaGamma,
    Spent,
    _loss,
    _spending_loss,
    fit_bgnbd,
    fit_gamma_gamma,
)

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)


def simulated(customers: int, weeks: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories drawn from the model itself, purchase by purchase."""
    rng = np.random.default_rng(seed)
    rates, drops = rng.gamma(0.8, 1 / 6.0, customers), rng.beta(1.2, 3.0, customers)
    x, recency = np.zeros(customers), np.zeros(customers)
    for one in range(customers):
        at, gone = 0.0, False
        while not gone:
            at += rng.exponential(1 / rates[one])
            if at > weeks:
                break
            x[one], recency[one] = x[one] + 1, at
            gone = rng.random() < drops[one]
    return x, recency, np.full(customers, weeks)


@pytest.fixture(scope="module")
def cdnow(shared_data: Path) -> cj.EventLog:
    frame = pd.read_csv(
        shared_data / "cdnow" / "cdnow_sample.csv.gz", dtype={"sample_id": "str", "date": "str"}
    )
    stamps = pd.to_datetime(frame["date"], format="%Y%m%d").dt.tz_localize("UTC")
    events = pd.DataFrame(
        {
            "customer_id": frame["sample_id"],
            "event": "purchase",
            "timestamp": stamps,
            "value": frame["dollar_value"],
        }
    )
    return cj.read_events(events, duplicates="keep")


@pytest.fixture(scope="module")
def forecast(cdnow: cj.EventLog) -> cj.analyses.value.CustomerValue:
    return cj.customer_value(cdnow, horizon="273D", as_of="1997-09-30")


def test_the_parameters_are_those_published_for_cdnow(forecast):
    found = {name: forecast.metrics[f"bgnbd_{name}"]["value"] for name in ("r", "alpha", "a", "b")}
    assert found == pytest.approx({"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, abs=0.001)
    assert forecast.metrics["bgnbd_log_likelihood"]["value"] == pytest.approx(-9582.4, abs=0.1)
    spending = [forecast.metrics[f"gg_{name}"]["value"] for name in ("p", "q", "v")]
    assert spending == pytest.approx([6.250, 3.744, 15.443], rel=0.01)


def test_the_39_week_total_is_the_published_one(forecast, cdnow):
    later = cdnow.where(start="1997-10-01")
    bought = len(later.run(f"SELECT DISTINCT customer_id, timestamp FROM {later.events_sql}"))
    assert bought == 1882
    assert forecast.metrics["expected_purchases"]["value"] / bought == pytest.approx(
        0.879, abs=0.005
    )


def test_the_customer_of_the_paper_is_expected_to_buy_1_2_times():
    assert PUBLISHED.expected(np.array([2.0]), np.array([30.43]), np.array([38.86]), 39.0)[
        0
    ] == pytest.approx(1.226, abs=0.002)


def test_a_forecast_knows_nothing_after_as_of(cdnow, forecast):
    cut = cj.customer_value(cdnow.where(end="1997-09-30"), horizon="273D")
    pd.testing.assert_frame_equal(cut.table, forecast.table)


def test_two_purchases_on_one_day_are_one_purchase_day():
    text = " | ".join(
        f"c{number}: buy@0D buy@{number % 5 + 3}D buy@{number % 5 + 3}D buy@{number % 7 + 20}D"
        for number in range(30)
    )
    events = toy_events(text).assign(value=10.0)
    table = cj.customer_value(cj.read_events(events, duplicates="keep"), horizon="7D").table
    first = table[table["customer_id"] == "c0"].iloc[0]
    assert first["repeat_purchases"] == 2
    assert first["value_mean"] == 15.0
    assert first["recency_days"] == 20


def test_a_day_is_a_day_of_the_business():
    text = " | ".join(f"c{number}: buy@22h buy@25h buy@{number % 9 + 5}D" for number in range(20))
    log = cj.read_events(toy_events(text).assign(value=1.0), timezone="America/New_York")
    assert cj.customer_value(log, horizon="7D").table["repeat_purchases"].tolist() == [1] * 20


def test_the_log_likelihood_is_that_of_every_customer_summed():
    x, recency, age = (
        np.array([0.0, 2.0, 5.0]),
        np.array([0.0, 3.0, 8.0]),
        np.array([10.0, 10.0, 9.0]),
    )
    from math import lgamma, log

    def one(model: BgNbd, x: float, t: float, age: float) -> float:
        def beta(p: float, q: float) -> float:
            return lgamma(p) + lgamma(q) - lgamma(p + q)

        stays = np.exp(beta(model.a, model.b + x) - beta(model.a, model.b)) * (
            model.alpha + age
        ) ** -(model.r + x)
        leaves = (
            np.exp(beta(model.a + 1, model.b + x - 1) - beta(model.a, model.b))
            * (model.alpha + t) ** -(model.r + x)
            if x
            else 0
        )
        return (
            lgamma(model.r + x) - lgamma(model.r) + model.r * log(model.alpha) + log(stays + leaves)
        )

    buyers, _ = Buyers.merged(np.tile(x, 20), np.tile(recency, 20), np.tile(age, 20))
    fitted = fit_bgnbd(buyers)
    assert fitted.log_likelihood == pytest.approx(
        20 * sum(one(fitted, *row) for row in zip(x, recency, age, strict=True)), abs=1e-6
    )


def test_planted_parameters_are_recovered_within_their_noise():
    x, recency, age = simulated(8_000, 52.0, seed=1)
    fitted = fit_bgnbd(Buyers.merged(x, recency, age)[0])
    assert fitted.r / fitted.alpha == pytest.approx(0.8 / 6.0, rel=0.08)
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(1.2 / 4.2, rel=0.15)


def test_the_chance_of_no_purchase_is_the_share_of_quiet_customers():
    full, full_recency, _ = simulated(8_000, 60.0, seed=2)
    early, recency, age = simulated(8_000, 52.0, seed=2)
    model = fit_bgnbd(Buyers.merged(early, recency, age)[0])
    quiet = model.no_purchase(early, recency, age, 8.0)
    assert quiet.mean() == pytest.approx((full_recency <= 52.0).mean(), abs=0.02)
    assert full.sum() >= early.sum()


def test_spending_is_recovered():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 12, 6_000).astype(float)
    nu = rng.gamma(4.0, 1 / 15.0, 6_000)
    mean = np.array(
        [rng.gamma(6.0, 1 / rate, int(count)).mean() for rate, count in zip(nu, x, strict=True)]
    )
    found = fit_gamma_gamma(x, mean)
    assert [found.p, found.q, found.v] == pytest.approx([6.0, 4.0, 15.0], rel=0.1)


def test_a_customer_without_repeat_purchase_is_expected_to_spend_the_average():
    model = GammaGamma(p=6.0, q=4.0, v=15.0)
    assert model.expected(np.array([0.0]), np.array([0.0]))[0] == pytest.approx(6 * 15 / 3)


def test_intervals_hold_the_estimate_and_the_total(forecast):
    table = forecast.table
    assert (table["low"] <= table["expected_value"]).all()
    assert (table["high"] >= table["expected_value"]).all()
    total = forecast.metrics["expected_value"]
    assert total["low"] < total["value"] < total["high"]


def test_the_order_of_rows_does_not_matter():
    text = " | ".join(
        f"c{number}: buy@0D buy@{number % 5 + 3}D buy@{number % 7 + 20}D" for number in range(30)
    )
    events = toy_events(text).assign(value=np.random.default_rng(0).gamma(2, 10, 90))
    forward = cj.customer_value(cj.read_events(events), horizon="7D").table
    backward = cj.customer_value(
        cj.read_events(events.sample(frac=1, random_state=5)), horizon="7D"
    ).table
    assert forward.to_csv() == backward.to_csv()


def test_a_horizon_beyond_twice_the_log_has_no_answer_but_the_reason():
    text = " | ".join(f"c{number}: buy@0D buy@{number + 1}D" for number in range(12))
    log = cj.read_events(toy_events(text).assign(value=1.0))
    result = cj.customer_value(log, horizon="90D")
    assert not result.answered
    assert "in 90 days is not known: purchases span 12 days" in result.headline
    assert cj.customer_value(log, horizon="24D").answered


def test_too_few_repeat_buyers_are_an_answer_with_the_reason():
    found = cj.customer_value(
        cj.read_events(toy_events("ana: buy@0D buy@9D | bob: buy@1D").assign(value=1.0)),
        horizon="7D",
    )
    assert not found.answered
    assert "only 1 customer bought on more than one day" in found.headline


def test_a_log_without_money_is_an_answer_with_the_reason():
    log = cj.read_events(toy_events("ana: buy@0D buy@9D").assign(value=np.nan))
    assert "no event has a 'value'" in cj.customer_value(log, horizon="7D").reason
    free = cj.read_events(toy_events("ana: buy@0D buy@9D"))
    assert "no column 'value'" in cj.customer_value(free, horizon="7D").reason
    assert "does not say what money is" in cj.customer_value(log, horizon="7D", value=None).reason


def test_a_refund_is_no_purchase_and_takes_its_share_off_the_value():
    text = " | ".join(
        f"c{one:02}: buy@0D buy@{one + 3}D buy@40D buy@{one + 60}D" for one in range(20)
    )
    events = toy_events(text).assign(value=[10.0, 10.0, -5.0, 10.0] * 20)
    found = cj.customer_value(cj.read_events(events), horizon="30D")
    gross = cj.customer_value(cj.read_events(events[events["value"] > 0]), horizon="30D")
    assert found.table["repeat_purchases"].tolist() == [2] * 20
    assert found.table["value_to_date"].tolist() == [25.0] * 20
    assert found.table["expected_purchases"].sum() == gross.table["expected_purchases"].sum()
    assert found.metrics["expected_value"]["value"] == pytest.approx(
        gross.metrics["expected_value"]["value"] * 25 / 30
    )
    assert found.definition["refunds"] == (
        "20 events with a negative value are no purchases; they take 16.7% off every expected value"
    )


def test_what_does_not_say_that_it_is_a_purchase_is_called_by_its_name():
    text = " | ".join(f"c{one:02}: look@0D look@{one + 3}D look@{one + 60}D" for one in range(20))
    found = cj.customer_value(cj.read_events(toy_events(text).assign(value=1.0)), horizon="30D")
    assert "days with 'look'" in found.headline
    assert "purchase" not in found.headline.split(";")[0]


def test_the_backtest_is_told_for_purchases_and_money(forecast):
    assert "a backtest on the last third of the log gave" in forecast.headline
    assert "of actual purchases and" in forecast.headline
    assert "of actual value" in forecast.headline


# ---- the fit --------------------------------------------------------------------------------------------------------


def histories() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tie-heavy histories: many one-time buyers, few counts, few ages; and a mean value each."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 5, 300).astype(float) * (rng.random(300) < 0.6)
    age = rng.integers(4, 9, 300).astype(float)
    return (
        x,
        np.where(x > 0, np.minimum(rng.integers(1, 8, 300), age), 0.0),
        age,
        rng.gamma(3, 9, 300) * (x > 0),
    )


@pytest.mark.parametrize("at", [(0.5, 2.0, 0.7, 2.5), (3.0, 0.4, 2.0, 0.9)])
def test_the_slope_of_the_purchase_likelihood_is_its_slope(at):
    x, recency, age, _ = histories()
    counts = Counts.of(Buyers.merged(x, recency, age)[0])
    slopes = _loss(np.log(at), counts)[1]
    for place, step in enumerate(np.eye(4) * 1e-6):
        measured = (
            _loss(np.log(at) + step, counts)[0] - _loss(np.log(at) - step, counts)[0]
        ) / 2e-6
        assert slopes[place] == pytest.approx(measured, abs=1e-7)


def test_the_spending_likelihood_is_that_of_every_customer_summed_and_its_slope_its_slope():
    from math import lgamma, log

    x, _, _, mean = histories()
    x, mean = x[x > 0], mean[x > 0]
    p, q, v = 6.0, 4.0, 15.0
    one = [
        lgamma(p * n + q)
        - lgamma(p * n)
        - lgamma(q)
        + q * log(v)
        + (p * n - 1) * log(m)
        + p * n * log(n)
        - (p * n + q) * log(n * m + v)
        for n, m in zip(x, mean, strict=True)
    ]
    spent = Spent.of(x, mean, np.ones(x.size))
    loss, slopes = _spending_loss(np.log([p, q, v]), spent)
    assert loss == pytest.approx(-sum(one) / x.size, rel=1e-12)
    for place, step in enumerate(np.eye(3) * 1e-6):
        measured = (
            _spending_loss(np.log([p, q, v]) + step, spent)[0]
            - _spending_loss(np.log([p, q, v]) - step, spent)[0]
        ) / 2e-6
        assert slopes[place] == pytest.approx(measured, abs=1e-7)


def test_alike_customers_are_merged_into_the_distinct_rows_in_their_order():
    rng = np.random.default_rng(5)
    x, recency, age = (rng.integers(0, 4, 500) / 7 for _ in range(3))
    buyers, home = Buyers.merged(x, recency, age)
    each = list(zip(x.tolist(), recency.tolist(), age.tolist(), strict=True))
    distinct = sorted(set(each))
    assert (
        list(zip(buyers.x.tolist(), buyers.recency.tolist(), buyers.age.tolist(), strict=True))
        == distinct
    )
    assert [distinct[row] for row in home.tolist()] == each
    assert buyers.weight.tolist() == [each.count(one) for one in distinct]


def test_a_weight_counts_a_customer_that_often():
    x, recency, age, mean = histories()
    times = np.random.default_rng(0).integers(0, 4, x.size)
    buyers, home = Buyers.merged(x, recency, age)
    weighted = fit_bgnbd(buyers.weighted(np.bincount(home, weights=times)))
    repeated = fit_bgnbd(
        Buyers.merged(np.repeat(x, times), np.repeat(recency, times), np.repeat(age, times))[0]
    )
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-9)
    assert [weighted.r, weighted.alpha] == pytest.approx([repeated.r, repeated.alpha], rel=1e-3)
    spent = fit_gamma_gamma(x, mean, times.astype(float))
    again = fit_gamma_gamma(np.repeat(x, times), np.repeat(mean, times))
    assert [spent.p, spent.q, spent.v] == pytest.approx([again.p, again.q, again.v], rel=1e-3)


# ---- intervals, edges -----------------------------------------------------------------------------------------------


def shop(customers: int = 40, value: float | None = None) -> cj.EventLog:
    """Customers who buy on two or three days, each a little different."""
    text = " | ".join(
        f"c{one:02}: buy@{one % 4}D buy@{one % 5 + 4}D buy@{one % 7 + 20}D"
        for one in range(customers)
    )
    events = toy_events(text)
    return cj.read_events(
        events.assign(value=np.arange(len(events)) % 9 + 1.0 if value is None else value)
    )


def test_more_draws_are_as_many_fits_and_leave_the_expectation_alone():
    few, many = (cj.customer_value(shop(), horizon="7D", draws=draws) for draws in (39, 60))
    assert few.table["expected_value"].tolist() == many.table["expected_value"].tolist()
    assert few.table["low"].tolist() != many.table["low"].tolist()
    assert "60 bootstrap draws" in many.definition["interval"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 5}, r"draws: must be a whole number, 39 or more.*Got 5"),
        ({"draws": 50.0}, r"draws: must be a whole number.*Got 50\.0"),
        ({"rate": -1}, r"rate: must be interest per year, a number above -1.*Got -1"),
        (
            {"as_of": "2019-12-31"},
            r"as_of: '2019-12-31' lies before the first purchase\. Give a later day\.",
        ),
        ({"value": "valu"}, r"'valu'.*Did you mean 'value'"),
        ({"horizon": 7}, "horizon"),
    ],
)
def test_options_that_cannot_be_used_say_why(options, said):
    with pytest.raises(cj.CjlibError, match=said):
        cj.customer_value(shop(), **({"horizon": "7D"} | options))


def test_value_to_date_counts_every_purchase_the_first_included():
    table = cj.customer_value(shop(), horizon="7D").table.set_index("customer_id")
    assert table.loc["c00", "value_to_date"] == 1 + 2 + 3
    assert table.loc["c00", "value_mean"] == 2.5
    assert table["value_to_date"].sum() == sum(place % 9 + 1 for place in range(120))


def test_interest_makes_a_later_value_smaller():
    table = cj.customer_value(shop(), horizon="30D", rate=0.5).table
    assert (table["discounted_value"] < table["expected_value"]).all()
    assert table["discounted_value"].sum() / table["expected_value"].sum() == pytest.approx(
        1.5 ** (-15 / 365.25), abs=0.01
    )


def test_purchases_of_nothing_are_expected_and_worth_is_said_to_be_unknown():
    found = cj.customer_value(shop(value=0.0), horizon="7D")
    assert found.table["expected_value"].isna().all()
    assert (found.table["expected_purchases"] > 0).all()
    assert "too few had a value above 0 to say what they are worth" in found.headline
    first = found.table[found.table["decile"] == 1]["expected_purchases"]
    assert first.min() >= found.table[found.table["decile"] == 10]["expected_purchases"].max()
    assert found.metrics["expected_value"]["value"] is None


def test_payments_that_fall_due_are_named_as_such():
    text = " | ".join(
        f"c{one}: " + " ".join(f"pay@{30 * number + one % 3}D" for number in range(6 - one % 3))
        for one in range(60)
    )
    rates = cj.customer_value(
        cj.read_events(toy_events(text).assign(value=9.0)), horizon="30D"
    ).definition["rates of buying"]
    assert "cj.subscription_value" in rates


def test_the_interval_of_the_total_holds_what_the_true_parameters_expect():
    truth, held = BgNbd(r=0.8, alpha=6.0, a=1.2, b=3.0, log_likelihood=0.0), 0
    for seed in range(6):
        x, recency, age = simulated(300, 26.0, seed)
        history = History(
            np.arange(300, dtype=np.int32), x, recency, age, np.where(x > 0, 1.0, 0.0), x + 1
        )
        fitted = Fitted(
            fit_bgnbd(Buyers.merged(x, recency, age)[0]), GammaGamma(p=2e3, q=3.0, v=1e-3)
        )
        total = _bootstrap(history, fitted, 13.0, draws=39, seed=seed).total
        held += (
            (total["low"] or 0)
            <= truth.expected(x, recency, age, 13.0).sum()
            <= (total["high"] or 0)
        )
    assert held >= 5


def test_where_as_much_was_paid_back_as_was_bought_no_value_is_forecast():
    """More refunds than sales made every customer "worth 0 (95% CI 0 to 0)"."""
    rng = np.random.default_rng(1)
    start = pd.Timestamp("2024-01-01", tz="UTC")
    rows = [
        (f"c{who}", "buy", start + pd.Timedelta(days=float(day)), 20.0)
        for who in range(60)
        for day in rng.uniform(0, 200, 4)
    ]
    rows += [(who, "refund", when + pd.Timedelta(days=1), -25.0) for who, _, when, _ in rows]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "value"]),
        observed_until="2024-09-01",
    )
    value = cj.customer_value(log, horizon="90D")
    assert "as much was paid back as was bought, or more" in value.headline
    assert value.metrics["expected_value"]["value"] is None
    assert value.table["expected_value"].isna().all()
    assert value.table["decile"].between(1, 10).all()


def test_what_customers_pay_has_no_lower_end_below_0_though_one_pays_most():
    """Where one customer paid most: "worth 233,929 (95% CI −43,701 to 636,428)"."""
    rng = np.random.default_rng(3)
    days = np.cumsum(rng.exponential(25, (60, 8)), axis=1)
    amount = rng.lognormal(3, 0.5, days.shape)
    amount[7] *= 1_000
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat([f"c{place}" for place in range(60)], 8),
            "event": "order",
            "timestamp": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(days.ravel(), "D"),
            "value": amount.ravel(),
        }
    )
    log = cj.read_events(frame[frame["timestamp"] < "2024-07-01"])
    worth = cj.customer_value(log, horizon="60D").metrics["expected_value"]
    assert 0 < worth["low"] < worth["value"] < worth["high"]


def test_the_ends_of_50_draws_hold_one_more_draw_in_95_of_100():
    """Interpolated within the draws they held it in 91: the interval of the total missed the truth in 11 of 100 businesses."""
    drawn = np.random.default_rng(0).normal(size=(51, 20_000))
    low, high = _ends(drawn[:50])
    assert ((low <= drawn[50]) & (drawn[50] <= high)).mean() == pytest.approx(0.95, abs=0.005)


def test_who_sends_goods_back_is_drawn_again_with_what_was_sent_back():
    """One customer who sends half of all money back leaves it open how much of later money will be."""
    events = toy_events(
        " | ".join(
            f"c{one}: " + " ".join(f"buy@{one % 9 + 13 * number}D" for number in range(one % 3 + 2))
            for one in range(60)
        )
    ).assign(value=10.0)
    total = events["value"].sum()

    def width(refunds: pd.DataFrame) -> tuple[float, float]:
        log = cj.read_events(
            pd.concat([events, refunds]), observed_until=pd.Timestamp("2025-06-01", tz="UTC")
        )
        worth = cj.customer_value(log, horizon="30D").metrics["expected_value"]
        return worth["value"], worth["high"] - worth["low"]

    first = events.drop_duplicates("customer_id")
    spread = first.assign(
        event="refund", value=-total / 120, timestamp=first["timestamp"] + pd.Timedelta(days=1)
    )
    alone = spread.head(1).assign(value=-total / 2)
    (value, of_all), (same, of_one) = width(spread), width(alone)
    assert value == pytest.approx(same)
    assert of_one > 1.5 * of_all


def bought_at(rates: list[float], customers: int, seed: int) -> cj.EventLog:
    """Customers who buy for 20 at so many purchases a month, month by month of 30 days; all of them on the first day."""
    rng = np.random.default_rng(seed)
    rows = [(one, 0.0) for one in range(customers)]
    for month, rate in enumerate(rates):
        many = rng.poisson(rate, customers)
        rows += [
            (one, 30 * month + day)
            for one in range(customers)
            for day in rng.uniform(0, 30, many[one])
        ]
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    stamps = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
    return cj.read_events(
        frame.assign(event="order", value=20.0, timestamp=stamps),
        observed_until=stamps.min().normalize() + pd.Timedelta(days=30 * len(rates)),
        duplicates="keep",
    )


def test_a_backtest_is_off_only_where_buying_has_changed():
    """In 25 of 100 businesses that went on as before it was "further off than chance allows": the fitted models were taken as known."""
    # Seeds in which the old rule found a difference.
    steady = [
        cj.customer_value(bought_at([1.0] * 9, 100, seed), horizon="30D") for seed in (0, 6, 10)
    ]
    assert all(one.backtest["held"].all() and "totals" not in one.definition for one in steady)
    halved = cj.customer_value(bought_at([1.0] * 6 + [0.4] * 3, 200, 1), horizon="30D")
    assert not halved.backtest["held"].any()
    assert "further off than chance allows: trust the ranking" in halved.headline
    assert halved.definition["totals"].startswith(
        "in its backtest the forecast of value was further"
    )


def test_a_business_that_stopped_had_a_backtest():
    """Nobody bought in the last third: "no backtest was possible"."""
    stopped = cj.customer_value(bought_at([1.0] * 6 + [0.0] * 3, 60, 2), horizon="30D")
    assert (
        "purchases for the last third of the log, and none came, further off than"
        in stopped.headline
    )
    assert "and none came" in cj.plot(stopped, "backtest").layout.meta["caption"]
