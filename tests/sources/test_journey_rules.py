"""What the keys of a journey file owe one another: an event belongs to one touchpoint."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.cross_field_rules import exclude_each_other


def stages(first: str, second: str) -> str:
    return f"name: S\nsources: {{events: e}}\nstages:\n  - name: A\n    touchpoints: [{first}]\n  - name: B\n    touchpoints: [{second}]\n"


def test_an_event_claimed_by_two_stages_is_a_fault_that_names_both():
    with pytest.raises(
        cj.JourneyError,
        match=r"line 7, stages\[1\].*: the event 'buy' is already claimed by stage 'A'\. Remove it from one, or give both a where",
    ):
        journey_from_text(stages("buy", "{name: b, events: [buy]}"))


def test_an_event_claimed_twice_in_one_stage_is_a_fault():
    with pytest.raises(
        cj.JourneyError,
        match="the event 'buy' is already claimed by touchpoint 'x' of the same stage",
    ):
        journey_from_text(stages("{name: x, events: [buy]}, {name: y, events: [buy, pay]}", "z"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{plan: pro}", "{plan: free}"),
        ("{plan: pro}", "{plan: {not: pro}}"),
        ("{plan: {not: [pro, free]}}", "{plan: [free, pro]}"),
        ("{plan: pro}", "{plan: null}"),
        ("{plan: {is_set: true}}", "{plan: {is_set: false}}"),
        ("{n: {max: 3}}", "{n: {min: 4}}"),
        ("{n: 3}", "{n: {min: 3.5}}"),
        ("{page: {contains: shop}}", "{page: [Home, Blog]}"),
        ("{plan: pro, n: 1}", "{plan: pro, n: 2}"),
    ],
)
def test_two_stages_may_share_an_event_where_their_conditions_exclude_each_other(one, other):
    text = stages(
        f"{{name: a, events: [{{event: buy, where: {one}}}]}}",
        f"{{name: b, events: [{{event: buy, where: {other}}}]}}",
    )
    assert len(journey_from_text(text).mapping) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{}", "{plan: free}"),
        ("{plan: pro}", "{channel: web}"),
        ("{plan: [pro, free]}", "{plan: [free, basic]}"),
        ("{n: {min: 3}}", "{n: {max: 3}}"),
        ("{n: 3}", "{n: '3.0'}"),
        ("{plan: {contains: p}}", "{plan: {contains: q}}"),
        ("{plan: {not: pro}}", "{plan: null}"),
    ],
)
def test_conditions_that_one_event_can_meet_do_not_help(one, other):
    text = stages(
        f"{{name: a, events: [{{event: buy, where: {one}}}]}}",
        f"{{name: b, events: [{{event: buy, where: {other}}}]}}",
    )
    with pytest.raises(cj.JourneyError, match="already claimed by stage 'A'"):
        journey_from_text(text)


VALUES = st.sampled_from(["1", "2", "3", "a", "ab"])
CONDITIONS = st.one_of(
    VALUES,
    st.none(),
    st.lists(st.one_of(VALUES, st.none()), min_size=1, max_size=3),
    st.fixed_dictionaries({"not": st.one_of(VALUES, st.lists(VALUES, min_size=1, max_size=2))}),
    st.fixed_dictionaries({"is_set": st.booleans()}),
    st.fixed_dictionaries({"contains": st.sampled_from(["a", "b", "1"])}),
    st.fixed_dictionaries(
        {"min": st.sampled_from(["1", "2", "3"])},
        optional={"max": st.sampled_from(["1", "2", "3"])},
    ),
)


def meets(value: str | None, condition: object) -> bool:
    """Whether a value meets a condition, written out for this test from the rules of `where`."""
    if isinstance(condition, list):
        return value in condition
    if not isinstance(condition, dict):
        return value == condition
    rules = {
        "not": lambda content: value not in (content if isinstance(content, list) else [content]),
        "is_set": lambda content: (value is not None) == content,
        "contains": lambda content: value is not None and content in value,
        "min": lambda content: value is not None and value.isdigit() and int(value) >= int(content),
        "max": lambda content: value is not None and value.isdigit() and int(value) <= int(content),
    }
    return all(rules[operator](content) for operator, content in condition.items())


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from("xy"), CONDITIONS),
    st.dictionaries(st.sampled_from("xy"), CONDITIONS),
)
def test_conditions_said_to_exclude_each_other_have_no_event_in_common(one, other):
    events = [
        dict(zip("xy", pair, strict=True))
        for pair in itertools.product([None, "1", "2", "3", "a", "ab"], repeat=2)
    ]
    common = [
        event
        for event in events
        if all(
            meets(event[column], rule) for where in (one, other) for column, rule in where.items()
        )
    ]
    assert exclude_each_other(one, other) == exclude_each_other(other, one)
    assert not (exclude_each_other(one, other) and common)
