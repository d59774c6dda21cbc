"""The sample business, whose truth is known: a slow answer from support drives people away, and the model says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import cjlib as cj

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "journey.yml"


@pytest.fixture(scope="module")
def data() -> cj.ChurnData:
    business = cj.read_journey(SAMPLE)
    log = business.read_events()
    return cj.churn_data(log, **business.churn_options(log, active_within="60D"))


@pytest.mark.slow
def test_the_planted_support_delay_is_among_the_first_reasons_of_those_who_waited(data):
    model = cj.fit_churn(data)
    rows = data.table[data.table["cutoff"] == data.table["cutoff"].max()]
    waited = rows.loc[rows["wait_support_max_30d"] > 2, "customer_id"]
    reasons = model.reasons(rows).table
    first = reasons[(reasons["reason_rank"] == 1) & reasons["customer_id"].isin(waited)]
    assert len(waited) >= 10
    assert first["feature"].str.startswith("wait_support").mean() >= 0.8


def test_a_random_split_promises_more_than_rolling_origin_keeps(data):
    figures = cj.compare_splits(data).table.set_index("split")["auc"]
    assert figures["random rows"] > figures["rolling origin"]
    assert figures["no embargo"] > figures["rolling origin"]


def test_attributes_without_a_date_are_warned_of(data):
    warned = data.leaks[data.leaks["rule"] == "undated"]
    assert set(warned["column"]) == {
        "acquisition_channel",
        "birth_year",
        "company_size",
        "country",
        "signup_plan",
    }
    assert (warned["level"] == "WARN").all()
