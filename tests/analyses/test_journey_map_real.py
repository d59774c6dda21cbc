"""The journey map of public data: applications for loans, tickets of a help desk, a shop, and the verbatims of a survey."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import cjlib as cj

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"


@pytest.fixture(scope="module")
def map_of(shared_data):
    """The map of an example business, made once."""

    @cache
    def made(name):
        journey = cj.read_journey(EXAMPLES / f"{name}.yml")
        return cj.journey_map(journey, journey.read_events())

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CJ_DATA", str(shared_data))
        yield made


@pytest.mark.parametrize("name", ["ecom_synthetic", "loan_applications", "helpdesk_tickets"])
def test_the_map_of_public_data_is_whole_and_drawn(map_of, name):
    held, stages = map_of(name), cj.read_journey(EXAMPLES / f"{name}.yml").stage_names
    assert held.table["stage"].tolist() == stages
    assert (
        held.table["ended_here"] + held.table["still_moving"]
    ).sum() == held._source.walk.customers
    assert (
        held.routes[held.routes["source"] == "(start)"]["moves"].sum()
        == held._source.walk.customers
    )
    drawn = cj.render_map(held)
    assert all(stage in drawn.text + drawn.html for stage in stages)
    assert held.first_pain is None or held.first_pain in stages


def test_every_loan_application_is_submitted_and_enters_the_first_stage(map_of):
    table = map_of("loan_applications").table
    assert table["customers"].iloc[0] == 13_087  # the cases of the log
    assert table["share_of_all"].iloc[0] == 1.0


def test_the_help_desks_support_view_counts_its_tickets(map_of):
    held = map_of("helpdesk_tickets")
    opened = (
        cj.funnel(held._source.log, ["Assign seriousness"], window=None).table["customers"].iloc[0]
    )
    whole = held.support[held.support["channel"].isna()]
    assert whole["tickets"].sum() >= opened
    assert whole["first_contact_resolution"].dropna().between(0, 1).all()


HEARD = (
    "stage",
    "position",
    "n_feedback",
    "n_solicited",
    "n_scored",
    "mean_score",
    "share_negative",
    "share_method",
    "n_nps",
    "nps",
    "n_csat",
    "n_ces",
    "evidence",
)


@pytest.fixture(scope="module")
def survey(shared_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CJ_DATA", str(shared_data))
        journey = cj.read_journey(EXAMPLES / "nps_verbatims.yml")
        return cj.journey_map(journey, None, journey.read_feedback())


def test_the_verbatims_of_a_survey_make_a_map_of_feedback_alone(survey):
    table = survey.table.set_index("stage")
    expected = {
        "Order": (-9.98, 962),
        "Equipment Received": (-56.71, 231),
        "First Payment": (-29.29, 1130),
        "Service in Use": (-76.67, 30),
    }
    for name, (value, n) in expected.items():
        assert (round(table.loc[name, "nps"], 2), table.loc[name, "n_nps"]) == (value, n)
    assert set(table["evidence"]) == {"feedback only"}
    assert "not measured" in cj.render_map(survey).html


def test_what_customers_of_a_survey_did_is_missing_everywhere_and_nowhere_zero(survey):
    done = [name for name in survey.table if not name.startswith(HEARD)]
    assert {
        "customers",
        "share_of_all",
        "customers_in_order",
        "events",
        "ended_here",
        "skipped",
        "channels",
        "cost_per_customer",
    } <= set(done)
    assert survey.table[done].isna().all(axis=None)
    points = survey.touchpoints
    assert (
        points[["customers", "share_of_stage", "events", "channels", "ended_here", "cost"]]
        .isna()
        .all(axis=None)
    )
    for empty in (
        survey.routes,
        survey.unmapped,
        survey.silent,
        survey.moments,
        survey.pain_points,
        survey.support,
    ):
        assert empty.empty
    assert survey.first_pain is None
    assert "no events are given, so nothing here says what customers did" in survey.headline
    assert not any(
        name.startswith(("customers", "share_ended", "share_of_previous", "impact"))
        for name in survey.metrics
    )


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda held: held.customers(), "customers: the map was made without events"),
        (lambda held: held.only(["ana"], "ana"), "only: the map was made without events"),
        (
            lambda held: held.persona("P1"),
            "persona: personas are groups of customers of the log, and there is none",
        ),
        (
            lambda held: held.simulate({"Order": 0.05}),
            "simulate: the map has no customers to count with",
        ),
    ],
)
def test_what_a_survey_cannot_tell_is_refused(survey, ask, words):
    with pytest.raises(cj.CjlibError, match=words):
        ask(survey)


def test_two_surveys_are_compared_by_what_was_said_alone(survey):
    change = survey.compare(survey).table
    assert set(change["measure"]) <= {"nps", "mean_score", "n_feedback"}
    assert not change["significant"].any()
