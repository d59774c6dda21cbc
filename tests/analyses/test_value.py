"""Customer value: hand-checked histories, the published parameters, the backtest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.analyses.purchases import BgNbd, Buyers, GammaGamma, fit_bgnbd, fit_gamma_gamma

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
    frame = pd.read_csv(shared_data / "cdnow" / "cdnow_sample.csv.gz", dtype={"sample_id": "str", "date": "str"})
    stamps = pd.to_datetime(frame["date"], format="%Y%m%d").dt.tz_localize("UTC")
    events = pd.DataFrame({"customer_id": frame["sample_id"], "event": "purchase", "timestamp": stamps, "value": frame["dollar_value"]})
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
    assert forecast.metrics["expected_purchases"]["value"] / bought == pytest.approx(0.879, abs=0.005)


def test_the_customer_of_the_paper_is_expected_to_buy_1_2_times():
    assert PUBLISHED.expected(np.array([2.0]), np.array([30.43]), np.array([38.86]), 39.0)[0] == pytest.approx(1.226, abs=0.002)


def test_a_forecast_knows_nothing_after_as_of(cdnow, forecast):
    cut = cj.customer_value(cdnow.where(end="1997-09-30"), horizon="273D")
    pd.testing.assert_frame_equal(cut.table, forecast.table)


def test_two_purchases_on_one_day_are_one_purchase_day():
    text = " | ".join(f"c{number}: buy@0D buy@{number % 5 + 3}D buy@{number % 5 + 3}D buy@{number % 7 + 20}D" for number in range(30))
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
    x, recency, age = np.array([0.0, 2.0, 5.0]), np.array([0.0, 3.0, 8.0]), np.array([10.0, 10.0, 9.0])
    from math import lgamma, log

    def one(model: BgNbd, x: float, t: float, age: float) -> float:
        def beta(p: float, q: float) -> float:
            return lgamma(p) + lgamma(q) - lgamma(p + q)

        stays = np.exp(beta(model.a, model.b + x) - beta(model.a, model.b)) * (model.alpha + age) ** -(model.r + x)
        leaves = np.exp(beta(model.a + 1, model.b + x - 1) - beta(model.a, model.b)) * (model.alpha + t) ** -(model.r + x) if x else 0
        return lgamma(model.r + x) - lgamma(model.r) + model.r * log(model.alpha) + log(stays + leaves)

    buyers, _ = Buyers.merged(np.tile(x, 20), np.tile(recency, 20), np.tile(age, 20))
    fitted = fit_bgnbd(buyers)
    assert fitted.log_likelihood == pytest.approx(20 * sum(one(fitted, *row) for row in zip(x, recency, age, strict=True)), abs=1e-6)


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
    mean = np.array([rng.gamma(6.0, 1 / rate, int(count)).mean() for rate, count in zip(nu, x, strict=True)])
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
    text = " | ".join(f"c{number}: buy@0D buy@{number % 5 + 3}D buy@{number % 7 + 20}D" for number in range(30))
    events = toy_events(text).assign(value=np.random.default_rng(0).gamma(2, 10, 90))
    forward = cj.customer_value(cj.read_events(events), horizon="7D").table
    backward = cj.customer_value(cj.read_events(events.sample(frac=1, random_state=5)), horizon="7D").table
    assert forward.to_csv() == backward.to_csv()


def test_a_horizon_beyond_twice_the_log_is_refused():
    text = " | ".join(f"c{number}: buy@0D buy@{number + 1}D" for number in range(12))
    with pytest.raises(cj.CjlibError, match=r"horizon: at most twice the log's length \(24 days\).*Got 90 days"):
        cj.customer_value(cj.read_events(toy_events(text).assign(value=1.0)), horizon="90D")


def test_too_few_repeat_buyers_is_an_error():
    with pytest.raises(cj.DataError, match="only 1 customers bought on more than one day"):
        cj.customer_value(cj.read_events(toy_events("ana: buy@0D buy@9D | bob: buy@1D").assign(value=1.0)), horizon="7D")


def test_a_log_without_money_is_an_error():
    with pytest.raises(cj.DataError, match="no event has a 'value'"):
        cj.customer_value(cj.read_events(toy_events("ana: buy@0D buy@9D").assign(value=np.nan)), horizon="7D")
