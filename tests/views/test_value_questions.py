"""What the notebook on churn asks of value: answered, or the reason why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import toy_events

import cjlib as cj
from cjlib.sources.journey import journey_from_text

FILE = """
name: Toy
timezone: UTC
sources: {events: {path: none.csv}}
stages: [{name: All, touchpoints: [visit, pay, cancel]}]
"""
CONTRACT = FILE + "churn: {event: cancel, horizon: 30D}\nvalue: {event: pay, amount: value}\n"


def journey(text: str, tmp_path) -> cj.Journey:
    return journey_from_text(text, folder=tmp_path)


def payers(customers: int, **options: object) -> cj.EventLog:
    text = " | ".join(
        f"c{one}: visit@{one % 3}D pay@{one % 5 + 3}D pay@{one % 5 + 33}D pay@{one % 7 + 64}D"
        for one in range(customers)
    )
    events = toy_events(text)
    return cj.read_events(
        events.assign(value=np.where(events["event"] == "pay", 12.0, np.nan), channel="web"),
        **options,
    )


def test_a_file_without_money_says_so_for_each_question(tmp_path):
    business, log = journey(FILE, tmp_path), payers(30)
    worth = cj.customer_worth(business, log, horizon="30D")
    assert worth.headline.startswith("The journey file does not say what money is")
    for answer in (
        cj.worth_by(worth, log),
        cj.worth_at_risk(pd.DataFrame(), worth),
    ):
        assert answer.headline == worth.headline
        assert cj.plot(answer).layout.meta["caption"] == worth.headline
    assert cj.answer(worth).metrics == {}


def test_too_few_customers_are_a_sentence_not_a_fault(tmp_path):
    worth = cj.customer_worth(journey(CONTRACT, tmp_path), payers(1), horizon="30D")
    assert worth.headline.startswith("What customers are worth is not known: only 1 customer")


def test_a_log_without_the_column_of_money_is_a_sentence(tmp_path):
    log = cj.read_events(toy_events("ana: pay@0D pay@9D"))
    assert (
        "What customers are worth is not known:"
        in cj.customer_worth(journey(CONTRACT, tmp_path), log, horizon="3D").headline
    )
    assert (
        "What a contract is worth is not known:"
        in cj.contract_worth(journey(CONTRACT, tmp_path), log).headline
    )


def test_without_a_column_there_are_no_groups(tmp_path):
    log = payers(30)
    worth = cj.customer_worth(journey(CONTRACT, tmp_path), log, horizon="30D", draws=20)
    assert (
        cj.worth_by(worth, log, by=None).headline
        == "There are no groups to compare: the log has no column for it."
    )
    assert cj.worth_by(worth, log, by="channel").table["customers"].tolist() == [30]


def test_nobody_ever_leaving_is_a_contract_to_the_end_of_what_is_seen(tmp_path):
    found = cj.contract_worth(journey(CONTRACT, tmp_path), payers(30, observed_until="2024-04-10"))
    assert found.answered
    assert found.price == 12.0
    assert found.metrics["value"]["value"] == pytest.approx(36.0)


def test_where_nobody_leaves_by_an_event_or_few_pay_there_is_no_contract(tmp_path):
    silent = FILE + "churn: {inactive: 30D, horizon: 30D}\nvalue: {event: pay, amount: value}\n"
    assert (
        "No event ends a contract"
        in cj.contract_worth(journey(silent, tmp_path), payers(30)).headline
    )
    once = cj.read_events(toy_events("ana: pay@0D | bob: pay@3D cancel@9D").assign(value=5.0))
    assert (
        "2 customers paid: fewer than 30"
        in cj.contract_worth(journey(CONTRACT, tmp_path), once).headline
    )


def test_value_at_risk_needs_a_value_that_is_known(tmp_path):
    log = payers(30)
    free = cj.read_events(
        log.run(
            f"SELECT customer_id, event, timestamp, CASE WHEN event = 'pay' THEN 0.0 END AS value FROM {log.events_sql}"
        )
    )
    worth = cj.customer_worth(journey(CONTRACT, tmp_path), free, horizon="30D", draws=20)
    scores = pd.DataFrame(
        {"customer_id": [f"c{one}" for one in range(30)], "churn_probability": 0.5}
    )
    assert "too few had a value above 0" in cj.worth_at_risk(scores, worth).headline


@pytest.mark.parametrize("view", ["deciles", "backtest"])
def test_the_figures_of_value_hold_their_numbers(tmp_path, view):
    worth = cj.customer_worth(journey(CONTRACT, tmp_path), payers(30), horizon="30D", draws=20)
    meta = cj.plot(worth, view).layout.meta
    assert meta["caption"]
    assert meta["rows"]
