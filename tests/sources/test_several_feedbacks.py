"""Feedback of several sources as one table: whose, which source, which scale."""

import pandas as pd
import pytest

import cjlib as cj
from cjlib.errors import CjlibError

SURVEY = pd.DataFrame(
    {
        "feedback_id": ["1", "2"],
        "customer_id": ["ana", "bob"],
        "timestamp": ["2025-01-01", "2025-01-02"],
        "nps": [9, 3],
        "area": [1, 2],
    }
)
REVIEWS = pd.DataFrame(
    {
        "feedback_id": ["1", "7"],
        "mail": ["A@x.org", "c@x.org"],
        "timestamp": ["2025-01-03", "2025-01-02"],
        "text": ["great", "bad"],
        "area": ["x", "y"],
        "source": ["App", "Web"],
    }
)
TWO = {"survey": SURVEY, "reviews": {"source": REVIEWS, "columns": {"mail": "customer_id"}}}


def test_two_sources_are_one_table_with_their_names():
    found = cj.read_feedback(TWO).frame
    assert found["feedback_id"].tolist() == ["2", "7", "reviews 1", "survey 1"]
    assert found["source"].tolist() == ["survey", "reviews", "reviews", "survey"]
    assert found["area"].tolist() == ["2", "y", "x", "1"]
    assert found["source_column"].dropna().tolist() == ["Web", "App"]
    assert found["nps"].sum() == 12


def test_the_order_of_sources_changes_nothing():
    back = cj.read_feedback(dict(reversed(TWO.items())))
    pd.testing.assert_frame_equal(back.frame, cj.read_feedback(TWO).frame)


def test_quality_is_told_by_source():
    quality = cj.read_feedback(TWO).quality.set_index(["source", "check"])["rows"]
    assert quality["survey", "feedback used"] == quality["reviews", "feedback used"] == 2


def test_one_score_on_two_scales_is_refused_with_a_remedy():
    five = pd.DataFrame({"timestamp": ["2025-01-01"], "csat": [5]})
    seven = {"source": five.rename(columns={"csat": "q"}), "columns": {"csat": ("q", "1 to 7")}}
    with pytest.raises(CjlibError, match=r"csat: a asked it from 1 to 5, b from 1 to 7.*b_csat"):
        cj.read_feedback({"a": five, "b": seven})


def test_a_fault_names_its_source_and_an_unknown_option_the_allowed():
    with pytest.raises(CjlibError, match=r"b.*colums.*columns"):
        cj.read_feedback({"a": SURVEY, "b": {"source": SURVEY, "colums": {}}})


def test_a_journey_file_lists_sources_of_feedback_and_joins_their_people(tmp_path):
    SURVEY.to_csv(tmp_path / "survey.csv", index=False)
    REVIEWS.to_csv(tmp_path / "reviews.csv", index=False)
    rows = [("ana", "a@x.org", "buy", "2025-01-01"), ("bob", "b@x.org", "buy", "2025-01-02")]
    pd.DataFrame(rows, columns=["customer_id", "email", "event", "timestamp"]).to_csv(
        tmp_path / "events.csv", index=False
    )
    (tmp_path / "journey.yml").write_text(
        "name: A\ntimezone: UTC\nsources:\n  events: events.csv\n  feedback:\n    - {name: survey, path: survey.csv}\n"
        "    - {name: reviews, path: reviews.csv, columns: {mail: customer_id}}\n"
        "identities: {known: [email]}\nstages: [{name: All, touchpoints: [buy]}]\n"
    )
    journey = cj.read_journey(tmp_path / "journey.yml")
    found = journey.read_feedback().frame.set_index("feedback_id")["customer_id"]
    assert found.to_dict() == {"2": "bob", "7": "c@x.org", "reviews 1": "ana", "survey 1": "ana"}
    assert [name for name, _ in journey.sources.each()] == ["feedback[0]", "feedback[1]", "events"]
