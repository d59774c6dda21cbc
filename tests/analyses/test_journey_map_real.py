"""The journey map of public data: applications for loans, tickets of a help desk, a shop, and the verbatims of a survey."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey import journey_from

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"


@pytest.fixture
def example(shared_data, monkeypatch):
    monkeypatch.setenv("CJ_DATA", str(shared_data))
    return lambda name: cj.read_journey(EXAMPLES / f"{name}.yml")


@pytest.mark.parametrize("name", ["ecom_synthetic", "loan_applications", "helpdesk_tickets"])
def test_the_map_of_public_data_is_whole_and_drawn(example, name):
    journey = example(name)
    held = cj.journey_map(journey, journey.read_events())
    assert held.table["stage"].tolist() == journey.stage_names
    assert (held.table["ended_here"] + held.table["still_moving"]).sum() == held._source.walk.customers
    assert held.routes[held.routes["source"] == "(start)"]["moves"].sum() == held._source.walk.customers
    assert all(stage in cj.picture(held).text + cj.picture(held).html for stage in journey.stage_names)
    assert held.first_pain is None or held.first_pain in journey.stage_names


def test_every_loan_application_is_submitted_and_enters_the_first_stage(example):
    journey = example("loan_applications")
    table = cj.journey_map(journey, journey.read_events()).table
    assert table["customers"].iloc[0] == 13_087  # the cases of the log
    assert table["share_of_all"].iloc[0] == 1.0


def test_the_help_desks_support_view_counts_its_tickets(example):
    journey = example("helpdesk_tickets")
    held = cj.journey_map(journey, journey.read_events())
    opened = cj.funnel(held._source.log, ["Assign seriousness"], window=None).table["customers"].iloc[0]
    whole = held.support[held.support["channel"].isna()]
    assert whole["tickets"].sum() >= opened
    assert whole["first_contact_resolution"].dropna().between(0, 1).all()


def test_the_verbatims_of_a_survey_make_a_map_of_feedback_alone(shared_data):
    raw = pd.read_csv(shared_data / "nps_verbatims" / "nps_verbatims.csv.gz")
    frame = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(raw["response_date"], dayfirst=True),
            "nps": raw["nps_score"],
            "stage": raw["journey_stage"],
            "text": raw["text"],
        }
    )
    names = ["Order", "Equipment Received", "First Payment", "Service in Use"]
    stages = [{"name": name, "touchpoints": [name.lower()]} for name in names]
    journey = journey_from({"name": "broadband", "sources": {"events": "none.csv"}, "stages": stages})
    held = cj.journey_map(journey, None, cj.read_feedback(frame))
    table = held.table.set_index("stage")
    expected = {"Order": (-9.98, 962), "Equipment Received": (-56.71, 231), "First Payment": (-29.29, 1130), "Service in Use": (-76.67, 30)}
    for name, (value, n) in expected.items():
        assert (round(table.loc[name, "nps"], 2), table.loc[name, "n_nps"]) == (value, n)
    assert table["customers"].isna().all()
    assert set(table["evidence"]) == {"feedback only"}
    assert "not measured" in cj.picture(held).html
    assert held.pain_points.empty
