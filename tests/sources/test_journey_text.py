"""YAML as a journey file uses it: plain values are text, every node has its line, and no text can do harm."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cjlib.sources.journey.scaffold import quoted
from cjlib.sources.journey.yaml_parser import MOST_CHARACTERS, parse


def test_plain_values_stay_as_they_were_written():
    words = [
        "no",
        "yes",
        "on",
        "off",
        "true",
        "404",
        "007",
        "1.10",
        "1e3",
        "2025-01-31",
        "12:30:45",
        "0x1F",
        "0o17",
        ".inf",
        "1_000",
        "NaN",
        "y",
    ]
    assert parse("[" + ", ".join(words) + "]").data == words


def test_only_an_empty_value_a_tilde_and_null_are_missing():
    assert parse('a:\nb: ~\nc: null\nd: "null"\ne: ""').data == {
        "a": None,
        "b": None,
        "c": None,
        "d": "null",
        "e": "",
    }


def test_every_place_knows_its_line():
    parsed = parse("name: x\nstages:\n  - name: A\n    touchpoints: [a,\n      b]\n")
    assert (
        parsed.line(("name",)),
        parsed.line(("stages", 0)),
        parsed.line(("stages", 0, "touchpoints")),
    ) == (1, 3, 4)
    assert parsed.line(("stages", 0, "touchpoints", 1)) == 5
    assert parsed.line(("stages", 0, "touchpoints", 1, "cost")) == 5, (
        "the nearest place around one that is not in the file"
    )


def test_a_key_that_stands_twice_is_a_fault_in_its_second_line():
    parsed = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert [(fault.place, fault.line) for fault in parsed.faults] == [(("b", "c"), 2), (("a",), 3)]
    assert "the key stands twice here, first in line 1. Keep one of them." in parsed.faults[1].text


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    assert parse("\ufeffname: x").data == {"name": "x"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "the file is empty"),
        ("# only a comment\n", None, "the file is empty"),
        ("a:\n\tb: 1\n", 2, "a tab where YAML wants spaces"),
        ("goal: Learn: that\n", 1, "a second colon in one line, or a wrong indent"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        ("a: [1, 2\nb: 3\n", 2, "not readable as YAML"),
        ("a: *nobody\n", 1, "not readable as YAML"),
        ("a: \x00\n", None, "not readable as YAML"),
        ("[" * 1200, None, "deep inside one another"),
        ("a" * (MOST_CHARACTERS + 1), None, "Is it the data itself?"),
    ],
)
def test_text_that_is_no_yaml_is_one_fault_with_its_remedy(text, line, words):
    (fault,) = parse(text).faults
    assert words in fault.text
    assert fault.line == line


def test_a_small_file_that_aliases_would_blow_up_is_refused():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    (fault,) = parse(bomb).faults
    assert "aliases (*name) counted each time" in fault.text


def test_an_alias_of_itself_is_refused():
    (fault,) = parse("a: &a [*a]").faults
    assert "levels" in fault.text


def test_aliases_of_ordinary_size_are_read():
    assert parse("a: &steps [x, y]\nb: *steps").data == {"a": ["x", "y"], "b": ["x", "y"]}


def test_tags_make_no_objects():
    (fault,) = parse("a: !!python/object/apply:os.system [ls]").faults
    assert fault.place == ("a",)
    assert "is not allowed" in fault.text


def test_a_key_that_is_a_list_is_a_fault():
    (fault,) = parse("? [a, b]\n: 1\n").faults
    assert "a key must be text" in fault.text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_the_parser_raise(text):
    parsed = parse(text)
    assert parsed.faults or parsed.data is not None or text.strip()


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_event_name_survives_being_written_and_read(name):
    assert "\n" not in quoted(name)
    assert parse(f"- {quoted(name)}  # comment\n- other\n").data == [name, "other"]
