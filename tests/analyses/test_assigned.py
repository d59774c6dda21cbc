"""Whose feedback it is: own stage, own touchpoint, the customer's latest event, nobody's."""

import pandas as pd
import pytest
from conftest import MONDAY, toy_events
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.analyses.feedback.stage_assignment import assign_stages
from cjlib.sources.journey import journey_from_text

JOURNEY = journey_from_text(
    """\
name: Shop
sources: {events: {path: events.parquet}}
map: {feedback_within: 2D}
stages:
  - {name: Look, touchpoints: [view, {name: find, events: [search, filter]}]}
  - {name: Buy, touchpoints: [pay, {name: mail, backstage: true}]}
  - {name: Keep, touchpoints: [{name: letter, backstage: true}]}
"""
)
EVENTS = "ana: view@0h pay@5h mail@6h | bob: search@0h other@1h | cid: letter@0h | dan: pay@3h search@3h view@3h"


def answers(*rows: tuple) -> cj.Feedback:
    """Rows of customer, hours since the start, stage, touchpoint."""
    frame = pd.DataFrame(rows, columns=["customer_id", "hours", "stage", "touchpoint"]).astype(
        dict.fromkeys(("stage", "touchpoint"), "str")
    )
    times = MONDAY + pd.to_timedelta(frame.pop("hours"), unit="h")
    return cj.read_feedback(
        frame.assign(
            timestamp=times,
            nps=5,
            text=[f"words {row}" for row in range(len(frame))],
            feedback_id=[f"{row:03d}" for row in range(len(frame))],
        ),
        timezone="UTC",
    )


def assigned(*rows: tuple, events: str = EVENTS):
    return assign_stages(answers(*rows), cj.read_events(toy_events(events)), JOURNEY)


def places(*rows: tuple) -> list[tuple]:
    table = assigned(*rows).table
    return list(
        table[["stage", "touchpoint", "assigned_by"]]
        .astype(object)
        .where(table.notna(), None)
        .itertuples(index=False, name=None)
    )


def test_its_own_stage_comes_first_whatever_its_capitals_and_spaces():
    assert places(("ana", 9, " bUY ", None)) == [("Buy", None, "own_stage")]


def test_its_own_touchpoint_stays_with_its_own_stage_only_if_it_is_one_of_that_stage():
    assert places(("ana", 9, "Look", "search"), ("ana", 9, "Buy", "search")) == [
        ("Look", "find", "own_stage"),
        ("Buy", None, "own_stage"),
    ]


def test_a_touchpoint_may_be_named_by_its_event():
    assert (
        places(("zoe", 9, None, "FILTER"), ("zoe", 9, None, "find"))
        == [("Look", "find", "own_touchpoint")] * 2
    )


def test_names_that_the_file_does_not_have_fall_to_the_next_rule_and_are_counted():
    found = assigned(("ana", 1, "Nowhere", "pay"), ("ana", 1, "Nowhere", "gone"))
    assert found.table["assigned_by"].tolist() == ["own_touchpoint", "latest_event"]
    assert (
        found.metrics["feedback_unknown_stage"]["value"],
        found.metrics["feedback_unknown_touchpoint"]["value"],
    ) == (2, 1)


def test_the_latest_mapped_event_at_or_before_it_decides_and_never_a_later_one():
    rows = [("ana", hours, None, None) for hours in (-1, 0, 4, 5, 6)]
    assert [place[1] for place in places(*rows)] == [None, "view", "view", "pay", "pay"]


def test_the_end_of_feedback_within_is_inside():
    assert [by for _, _, by in places(("bob", 48, None, None), ("bob", 48.01, None, None))] == [
        "latest_event",
        "unassigned",
    ]


def test_backstage_events_count_only_in_a_stage_that_has_no_others():
    assert places(("ana", 7, None, None), ("cid", 1, None, None)) == [
        ("Buy", "pay", "latest_event"),
        ("Keep", "letter", "latest_event"),
    ]


def test_of_several_events_at_one_instant_the_later_stage_wins():
    assert places(("dan", 3, None, None)) == [("Buy", "pay", "latest_event")]


def test_an_answer_without_a_customer_or_of_a_stranger_is_unassigned():
    assert places((None, 9, None, None), ("zoe", 9, None, None)) == [(None, None, "unassigned")] * 2


def test_numbers_as_ids_are_matched_as_text():
    log = cj.read_events(
        pd.DataFrame({"customer_id": [7], "event": ["pay"], "timestamp": [MONDAY]})
    )
    found = assign_stages(answers(("7", 1, None, None), ("007", 1, None, None)), log, JOURNEY)
    assert found.table["assigned_by"].tolist() == ["latest_event", "unassigned"]


def test_the_headline_and_the_metrics_count_each_rule():
    found = assigned(
        ("ana", 1, "Buy", None),
        ("ana", 1, None, "pay"),
        ("ana", 1, None, None),
        (None, 1, None, None),
    )
    assert (
        found.headline
        == "Of 4 answers 1 names its stage, 1 names its touchpoint, 1 follows an event of the customer; 1 belongs to no stage."
    )
    assert [
        found.metrics[f"feedback_{rule}"]["value"]
        for rule in ("own_stage", "own_touchpoint", "latest_event", "unassigned")
    ] == [1, 1, 1, 1]


def test_where_no_answer_has_a_place_the_headline_says_why():
    nowhere = (
        "None of 1 answer has a place on the journey: none names a stage or touchpoint of it, and"
    )
    assert (
        assigned((None, 9, None, None)).headline
        == f"{nowhere} none follows an event of its customer."
    )
    assert (
        assign_stages(answers((None, 9, None, None)), None, JOURNEY).headline
        == f"{nowhere} there are no events to go by."
    )


def test_where_no_answer_has_a_place_no_card_counts_nothing():
    nowhere, somewhere = assigned((None, 9, None, None)), assigned(("ana", 1, "Buy", None))
    assert not cj.summary(nowhere).metrics
    assert nowhere.metrics["feedback_unassigned"]["value"] == 1
    assert len(cj.summary(somewhere).metrics) == 4


def test_without_events_the_last_rule_is_left_out():
    found = assign_stages(answers(("ana", 9, None, None), ("ana", 9, "Buy", None)), None, JOURNEY)
    assert found.table["assigned_by"].tolist() == ["unassigned", "own_stage"]


def test_scores_may_be_asked_for_by_the_stages_that_were_found():
    found = assigned(("ana", 1, None, None), ("ana", 9, None, None), ("bob", 1, None, None))
    assert cj.nps(found.feedback, by="stage").table[["segment", "n"]].values.tolist() == [
        ["Look", 2],
        ["Buy", 1],
    ]


NAMES = ("view", "search", "filter", "pay", "mail", "letter", "other")
STAGE_OF = {"view": 0, "search": 0, "filter": 0, "pay": 1, "letter": 2}
POINT_OF = {"view": "view", "search": "find", "filter": "find", "pay": "pay", "letter": "letter"}
EVENT = st.tuples(st.sampled_from("ab"), st.sampled_from(NAMES), st.integers(0, 80))
ANSWER = st.tuples(st.sampled_from("abz"), st.integers(0, 90))


@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    events=st.lists(EVENT, min_size=1, max_size=12, unique=True),
    asked=st.lists(ANSWER, min_size=1, max_size=6),
)
def test_a_slow_count_finds_the_same_places(events, asked):
    frame = pd.DataFrame(events, columns=["customer_id", "event", "hours"])
    log = cj.read_events(
        frame.assign(timestamp=MONDAY + pd.to_timedelta(frame.pop("hours"), unit="h"))
    )
    found = assign_stages(
        answers(*[(who, hours, None, None) for who, hours in asked]), log, JOURNEY
    ).table["touchpoint"]
    for (who, at), place in zip(asked, found, strict=True):
        before = [
            (hours, STAGE_OF[name], name)
            for one, name, hours in events
            if one == who and name in STAGE_OF and at - 48 <= hours <= at
        ]
        assert (POINT_OF[max(before)[2]] if before else None) == (None if pd.isna(place) else place)


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_in_any_order_give_the_same_bytes(seed):
    times = MONDAY + pd.to_timedelta(range(15), unit="h")
    frame = pd.DataFrame({"customer_id": ["ana", "bob", "dan"] * 5, "timestamp": times, "nps": 5})
    log = cj.read_events(toy_events(EVENTS))
    once, again = (
        assign_stages(cj.read_feedback(one, timezone="UTC"), log, JOURNEY).table
        for one in (frame, frame.sample(frac=1, random_state=seed))
    )
    pd.testing.assert_frame_equal(once, again)
