"""A business of one customer, one event, one answer: every sentence and caption says `1 customer`, never `1 customers`."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import cjlib as cj

MANY_OF_ONE = re.compile(
    r"\b1 (rows|customers|answers|events|stages|ways|days|comments|texts|journeys|visits|marks|periods|steps|groups|times|tickets|paths|channels|sessions|names|cards|are|belong)\b"
)


@pytest.fixture
def business(tmp_path):
    pd.DataFrame(
        {"customer_id": ["a"], "event": ["visit"], "timestamp": ["2024-01-01 10:00"]}
    ).to_csv(tmp_path / "e.csv", index=False)
    said = {
        "customer_id": ["a"],
        "text": ["very bad"],
        "nps": [3],
        "timestamp": ["2024-01-01 11:00"],
    }
    pd.DataFrame(said).to_csv(tmp_path / "f.csv", index=False)
    (tmp_path / "journey.yml").write_text(
        "name: X\ntimezone: UTC\nsources: {events: {path: e.csv}, feedback: {path: f.csv}}\nstages: [{name: Use, touchpoints: [visit]}]\n"
    )
    return cj.read_journey(tmp_path / "journey.yml")


def test_what_there_is_one_of_is_said_in_the_singular(business):
    log, feedback = business.read_events(), business.read_feedback()
    results = [
        cj.journey_map(business, log, feedback),
        cj.journey_map(business, None, feedback),
        cj.assign_stages(feedback, log, business),
        cj.funnel(log, ["visit", "visit"], window="1D"),
        cj.retention(log),
        cj.survival(log, inactive="30D"),
        cj.lifecycle(log),
        cj.paths(log),
        cj.transitions(log),
        cj.sessions(log),
        cj.nps(feedback),
        cj.sentiment(feedback),
        cj.themes(feedback),
        cj.scorecard(business, log, feedback),
    ]
    said = [
        repr(log),
        repr(feedback),
        *(one.headline for one in results),
        *(str(text) for one in results for text in one.definition.values()),
    ]
    for one in results:
        if type(one).__name__ != "Assigned":
            meta = cj.plot(one).layout.meta
            said += [meta["caption"], meta["alt"]]
    assert [text for text in said if MANY_OF_ONE.search(text)] == []
    assert "1 customer on a journey of 1 stage," in results[0].headline
    assert results[7].headline.startswith("1 path of 1 customer takes one route:")
