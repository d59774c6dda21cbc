"""Churn and value on public data: the figures that were promised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cjlib as cj


@pytest.fixture(scope="module")
def telco(shared_data) -> pd.DataFrame:
    return pd.read_csv(shared_data / "telco_churn" / "telco_customer_churn.csv.gz")


@pytest.fixture(scope="module")
def model(telco) -> cj.ChurnModel:
    data = cj.churn_table(telco, target="Churn", id="customerID")
    assert not (data.leaks["level"] == "FAIL").any()
    return cj.fit_churn(data)


def test_telco_reaches_what_was_promised(model):
    row = model.table.iloc[0]
    assert row["model"] == "chosen"
    assert 0.848 <= row["auc"] <= 0.86
    assert row["pr_auc"] >= 0.665
    assert row["brier"] <= 0.134
    assert row["lift_10"] >= 2.85
    assert row["ece"] <= row["ece_floor"] + 0.01
    assert 10.2 <= row["empc"] <= 10.6


def test_telco_reasons_are_faithful_and_steady(model):
    measured = {
        name: model.metrics[name]["value"] or 0
        for name in ("reason_spearman", "reason_top_decile_overlap", "reason_stability")
    }
    assert measured["reason_spearman"] >= 0.98
    assert measured["reason_top_decile_overlap"] >= 0.85
    assert measured["reason_stability"] >= 0.9
    assert "tenure + TotalCharges" in set(model.reasons().table["feature"])


def test_the_threshold_earns_99_percent_of_hindsight(model):
    told = model.forecasts
    chosen = cj.target_list(
        told[["customer_id", "churn_probability"]],
        offer_cost=10,
        contact_cost=1,
        success_share=0.3,
        value=200,
    )
    merged = chosen.table.merge(told[["customer_id", "churned"]], on="customer_id")
    earned = np.where(merged["churned"] == 1, 0.3 * 190 - 1, -11)
    hindsight = np.cumsum(earned[np.argsort(-merged["churn_probability"], kind="stable")]).max()
    assert earned[merged["selected"] | merged["control"]].sum() >= 0.99 * hindsight


def test_a_budget_of_700_earns_more_by_profit_than_by_risk(model, telco):
    scores = model.score(telco)
    worth = telco["MonthlyCharges"].to_numpy() * 3
    frame = scores.table.assign(worth=worth)
    chosen = cj.target_list(
        frame, offer_cost=10, contact_cost=1, success_share=0.3, budget=700, value="worth"
    )
    riskiest = frame.nlargest(700, "churn_probability")
    by_risk = chosen.offer.profit(
        riskiest["churn_probability"].to_numpy(), riskiest["worth"].to_numpy()
    ).sum()
    assert int(chosen.table["selected"].sum()) == chosen.metrics["budget_spent"]["value"] == 700
    assert chosen.metrics["expected_profit"]["value"] > by_risk


@pytest.mark.slow
def test_cdnow_beats_bgnbd_at_every_cutoff(shared_data):
    raw = pd.read_csv(
        shared_data / "cdnow" / "cdnow_transactions.csv.gz",
        dtype={"customer_id": "str", "date": "str"},
    )
    stamps = pd.to_datetime(raw["date"], format="%Y%m%d").dt.tz_localize("UTC")
    log = cj.read_events(
        pd.DataFrame(
            {
                "customer_id": raw["customer_id"],
                "event": "purchase",
                "timestamp": stamps,
                "value": raw["dollar_value"],
            }
        ),
        duplicates="keep",
    )
    model = cj.fit_churn(cj.churn_data(log, horizon="90D", active_within="180D"))
    active = model.table[model.table["population"] == "active"]
    chosen = active[active["model"] == "chosen"].set_index("cutoff")["auc"]
    bgnbd = active[active["model"] == "bgnbd"].set_index("cutoff")["auc"]
    assert chosen.iloc[0] >= 0.705
    assert (chosen > bgnbd).all()
    assert model.definition["truncation test"].endswith("equal, cell by cell")
