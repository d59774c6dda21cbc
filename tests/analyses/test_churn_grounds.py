"""What a sentence on churn needs to stand on: an interval, a stated value, a signal, dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.churn.model.model_selection import deviation_of, learn_level, shifted

DAY = 86_400_000_000
COSTS = {"offer_cost": 10, "contact_cost": 1}


def risks(n: int = 1000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [f"c{place:04d}" for place in range(n)],
            "churn_probability": np.random.default_rng(0).random(n),
        }
    )


# ---- the leak guard ---------------------------------------------------------------------------------------------


def leaks_of(column: np.ndarray, churned: np.ndarray) -> list[str]:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(size=churned.size), "noted": column, "left": churned})
    leaks = cj.churn_table(table, target="left").leaks
    return leaks.loc[leaks["column"] == "noted", "level"].tolist()


def test_a_column_filled_for_few_churners_and_no_stayer_is_flagged():
    rng = np.random.default_rng(0)
    churned = (rng.random(2000) < 0.2).astype(int)
    few = (churned == 1) & (rng.random(2000) < 0.08)
    assert leaks_of(np.where(few, "moved", None), churned) == ["FAIL"]
    assert leaks_of(np.where(few, rng.choice(["moved", "price"], 2000), None), churned) == ["FAIL"]
    assert leaks_of(np.where(few, rng.integers(1, 4, 2000), 0), churned) == ["WARN"]
    stayers = (churned == 0) & (rng.random(2000) < 0.08)
    assert leaks_of(np.where(stayers, "renewed", None), churned) == ["WARN"]


def test_a_rare_value_that_both_kinds_have_is_not_flagged():
    rng = np.random.default_rng(0)
    churned = (rng.random(2000) < 0.2).astype(int)
    assert leaks_of(np.where(rng.random(2000) < 0.03, "promo", None), churned) == []


# ---- how many are expected to churn -----------------------------------------------------------------------------


def test_a_level_is_moved_until_as_many_are_expected_as_churned():
    probability = np.array([0.1, 0.2, 0.3, 0.6])
    shift = deviation_of(probability, np.array([1.0, 0.0, 0.0, 1.0]))
    assert shifted(probability, shift).sum() == pytest.approx(2)


def coverage(season: float, seed: int, worlds: int = 60, customers: int = 1500) -> float:
    """How often the churners of the next 28 days lie in the interval, where twelve moments two weeks apart are known."""
    rng = np.random.default_rng(seed)
    inside = []
    for _ in range(worlds):
        weeks = np.arange(15) / 26 + rng.random()
        hazard = 0.02 * np.exp(season * np.sin(2 * np.pi * weeks))
        left = rng.binomial(customers, hazard)
        moment = np.repeat(np.arange(12) * 14 * DAY, customers)
        churned = np.concatenate(
            [np.arange(customers) < left[place] + left[place + 1] for place in range(12)]
        ).astype(float)
        level = learn_level(moment, 28 * DAY, np.full(moment.size, churned.mean()), churned, {})
        forecast = shifted(np.full(customers, churned.mean()), level.shift)
        low, high = level.interval(forecast)
        future = rng.binomial(customers, hazard[-2:], size=(100, 2)).sum(axis=1)
        inside.append(np.mean((low <= future) & (future <= high)))
    return float(np.mean(inside))


@pytest.mark.parametrize("season", [0.0, 0.2])
def test_the_interval_of_the_expected_churners_holds_in_93_of_100_futures(season):
    assert coverage(season, seed=1) >= 0.93


def test_too_few_moments_give_no_number_of_churners():
    moment = np.repeat([0, 14 * DAY], 50)
    level = learn_level(moment, 28 * DAY, np.full(100, 0.2), np.tile([1.0, 0, 0, 0, 0], 20), {})
    assert not level.known


def test_a_table_of_customers_has_no_future():
    rng = np.random.default_rng(3)
    calls, months = rng.poisson(2, 600), rng.integers(0, 40, 600)
    left = rng.random(600) < 1 / (1 + np.exp(1 + 0.1 * months - calls))
    table = pd.DataFrame({"calls": calls, "months": months, "left": left})
    data = cj.churn_table(table, target="left")
    model = cj.fit_churn(data)
    scores = model.score(data)
    assert "expected to churn" not in scores.headline
    assert "no forecast, since the table has no dates" in scores.headline
    assert "mean_probability" not in scores.metrics
    assert scores.drift.empty
    chosen = cj.target_list(scores, **COSTS, success_share=0.3, value=200)
    assert "if customers leave as those of the table did" in chosen.headline


# ---- the list ---------------------------------------------------------------------------------------------------


def test_the_control_group_is_not_contacted_and_the_budget_is_spent():
    chosen = cj.target_list(risks(), **COSTS, success_share=0.3, budget=100, value=200)
    contacted = chosen.export[~chosen.export["control"]]
    assert (len(contacted), int(chosen.export["control"].sum())) == (100, 50)
    assert chosen.table["selected"].sum() == chosen.metrics["n_selected"]["value"] == 100
    assert chosen.metrics["budget_spent"]["value"] == 100
    assert chosen.metrics["expected_profit"]["value"] == pytest.approx(
        contacted["expected_profit"].sum()
    )
    assert chosen.headline.startswith(
        "Contact the 100 customers listed (and leave 50 more alone, to compare with)"
    )


def test_fewer_than_sixty_have_no_control_group():
    chosen = cj.target_list(risks(), **COSTS, success_share=0.3, budget=29, value=200)
    assert len(chosen.export) == 29
    assert not chosen.export["control"].any()


def test_a_break_even_probability_above_one_is_none():
    chosen = cj.target_list(risks(50), **COSTS, success_share=0.0, value=200)
    assert chosen.metrics["break_even_probability"]["value"] is None
    assert np.isnan(chosen.sensitivity.loc[0, "break_even_probability"])


def test_there_is_no_money_without_a_stated_value_or_cost():
    unvalued = cj.target_list(risks(), **COSTS, success_share=0.3)
    assert not unvalued.answered
    assert "what it is worth that a customer stays is not stated" in unvalued.headline
    costs = {"offer_cost": None, "contact_cost": 1}
    assert (
        "cost is not stated" in cj.target_list(risks(), **costs, success_share=0.3, value=9).reason
    )


def test_there_is_no_list_without_a_signal():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"a": rng.normal(size=400), "left": rng.random(400) < 0.3})
    data = cj.churn_table(table, target="left")
    model = cj.fit_churn(data)
    chosen = cj.target_list(model.score(data), **COSTS, success_share=0.3, value=200)
    assert not model.beats_baselines
    assert chosen.headline.startswith("No list of customers to contact: No signal")
    assert chosen.metrics == {}


def test_leaving_is_not_counted_twice_in_the_value_at_risk():
    """Who stays brings 200: half of it is expected where half do not buy, the other half is at risk."""
    ids = pd.DataFrame({"customer_id": ["a", "b"]})
    worth = ids.assign(expected_value=[100.0, 30.0], p_no_purchase=[0.5, 0.0])
    stake = cj.value_at_risk(ids.assign(churn_probability=[0.5, 0.2]), worth)
    assert stake.table["value_if_stays"].tolist() == [200, 30]
    assert stake.table["value_at_risk"].tolist() == [100, 6]
    assert stake.metrics["share_at_risk"]["value"] == pytest.approx(106 / 230)
