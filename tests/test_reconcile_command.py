"""`cj reconcile`: a funnel or the retention of the journey file beside a CSV of another tool."""

from __future__ import annotations

from zipfile import ZipFile

import pytest
from commandline import here

JOURNEY = """
name: Shop
sources: {events: events.csv}
stages: [{name: All, touchpoints: [a, b]}]
funnels: {buy: {steps: [a, b], window: 1D}, other: {steps: [b], window: 1D}}
"""
EVENTS = """customer_id,event,timestamp
ana,a,2024-01-01 00:00
ana,a,2024-01-02 06:00
ana,b,2024-01-02 07:00
bob,a,2024-01-01 00:00
bob,b,2024-01-01 01:00
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "journey.yml").write_text(JOURNEY)
    (tmp_path / "events.csv").write_text(EVENTS)
    return tmp_path


def theirs(shop, text):
    (shop / "theirs.csv").write_text(text)
    return shop / "theirs.csv"


def test_counts_are_shown_beside_ours_with_the_rule_and_the_customers(shop):
    file = theirs(shop, "step,users\n1,2\n2,1\n")
    said = here("reconcile", shop / "journey.yml", file, "--excel", shop / "gap.xlsx")
    assert said.code == 0, said.err
    assert "By entry='first' ours gives theirs exactly" in said.out
    assert "ana" in said.out
    with ZipFile(shop / "gap.xlsx") as book:
        assert "Explanations" in book.read("xl/workbook.xml").decode()


def test_a_tools_semantics_and_a_list_of_customers(shop):
    file = theirs(shop, "customer_id\nbob\n")
    said = here(
        "reconcile", shop / "journey.yml", file, "--funnel", "buy", "--semantics", "posthog"
    )
    assert said.code == 0, said.err
    assert "2 by ours, 1 by theirs, 1 in both." in said.out


def test_a_column_period_is_of_retention(shop):
    (shop / "journey.yml").write_text(JOURNEY + "retention: {period: day, periods: 1}\n")
    # By the calendar ana is back on day 1; bob, an hour later, only in period 0.
    said = here("reconcile", shop / "journey.yml", theirs(shop, "period,users\n0,2\n1,1\n"))
    assert said.code == 0, said.err
    assert "Ours and theirs agree in every period." in said.out
    file = theirs(shop, "cohort,period,users\n2024-01-01,0,2\n2024-01-01,1,1\n")
    said = here("reconcile", shop / "journey.yml", file, "--semantics", "mixpanel")
    assert "By period_zero='cohort' ours gives theirs exactly" in said.out
    file = theirs(shop, "customer_id\nana\n")
    said = here("reconcile", shop / "journey.yml", file, "--retention")
    assert "1 customer by ours, 1 by theirs, 1 in both." in said.out


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x,y\n1,2\n", "a column step or event"),
        ("", "theirs: "),
        ("step,users\n1,2\n", "each step"),
    ],
)
def test_a_file_that_holds_neither_is_refused_in_one_message(shop, text, fault):
    said = here("reconcile", shop / "journey.yml", theirs(shop, text))
    assert said.code == 2
    assert fault in said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_not_there_is_named(shop):
    said = here("reconcile", shop / "journey.yml", shop / "nowhere.csv")
    assert said.code == 2
    assert "nowhere.csv" in said.err
