"""Alerts begin once, go on until they are over for certain, and are told once."""

from __future__ import annotations

from typing import Any

import pytest

from cjlib.analyses.findings import Finding
from cjlib.analyses.result import metric
from cjlib.sources.journey import journey_from_text
from cjlib.views.report.alerts import alerts_of, askable, judge, read_alerts

JOURNEY = """
name: Shop
sources: {events: events.csv}
stages: [{name: Purchase, touchpoints: [buy]}]
alerts:
"""


def shares(*values: float, half: float | None = None) -> list[dict[str, Any]]:
    """Runs in which the conversion was so."""
    bounds = [(None, None) if half is None else (value - half, value + half) for value in values]
    return [
        {"metrics": {"conversion": metric(value, *bound, 900, label="Conversion", unit="share")}}
        for value, bound in zip(values, bounds, strict=True)
    ]


def targets(*met: str) -> list[dict[str, Any]]:
    """Runs in which the target of the NPS was met, missed or too close to call."""
    return [
        {
            "metrics": {
                "nps": metric(
                    20, 10, 30, 900, label="NPS", unit="points", target=40, target_met=one
                )
            }
        }
        for one in met
    ]


def findings(*topics: str) -> list[dict[str, Any]]:
    """Runs with one finding each; none where the topic is empty."""
    return [
        {
            "findings": [
                Finding(
                    topic=topic,
                    claim=f"{topic} is worse.",
                    direction="bad",
                    family="f",
                    p_adjusted=1e-9,
                ).plain()
            ]
            if topic
            else [],
            "families": {"f": 3},
        }
        for topic in topics
    ]


def followed(written: str, runs: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What an alert says in each run, one after another."""
    told: list[list[dict[str, Any]]] = []
    for day, result in enumerate(runs):
        earlier = {"01_funnel": [runs[day - 1]]} if day else {}
        told.append(
            judge(
                read_alerts([written]),
                {"01_funnel": [result]},
                earlier,
                told[-1] if told else [],
                f"2025-01-{day + 1:02}",
            )
        )
    return told


def signs(told: list[list[dict[str, Any]]]) -> str:
    """A letter a run: N begins, f goes on, c is over, . is quiet."""
    return "".join(
        "N" if one["new"] else "f" if one["fired"] else "c" if one["cleared"] else "."
        for (one,) in told
    )


@pytest.mark.parametrize(
    ("written", "runs", "said"),
    [
        # without an interval the margin is a tenth of the limit: over at 11%
        ("conversion<10%", shares(0.12, 0.099, 0.101, 0.099, 0.101, 0.109), ".Nffff"),
        ("conversion<10%", shares(0.099, 0.101, 0.111, 0.101, 0.099), "Nfc.N"),
        # with one it is half its width
        ("conversion<10%", shares(0.099, 0.119, 0.121, half=0.02), "Nfc"),
        ("conversion>10%", shares(0.101, 0.081, 0.079, half=0.02), "Nfc"),
        ("conversion<10% until 15%", shares(0.099, 0.14, 0.15, half=0.02), "Nfc"),
        ("conversion.low<8%", shares(0.099, 0.104, 0.109, half=0.02), "Nfc"),
        ("missed: nps", targets("not clear", "missed", "not clear", "missed", "reached"), ".Nffc"),
        ("missed: any", targets("missed", "reached"), "Nc"),
        ("finding: signup", findings("", "Signup", "", "Signup", "", "", "Signup"), ".Nfffc" "N"),
        ("finding: any", findings("Signup", "", "", ""), "Nfc."),
        ("moved: conversion", shares(0.1, 0.1, 0.3, 0.3, 0.3, half=0.02), "..Nfc"),
        ("moved: conversion", shares(0.1, 0.11, half=0.02), ".."),
    ],
)  # fmt: skip
def test_an_alert_begins_goes_on_and_is_over(written, runs, said):
    assert signs(followed(written, runs)) == said


def test_a_number_that_swings_round_its_limit_wakes_someone_once():
    told = followed("conversion<10%", shares(*[0.098, 0.102] * 20, half=0.01))
    assert signs(told) == "N" + "f" * 39
    assert {one["since"] for (one,) in told} == {"2025-01-01"}
    assert told[1][0]["words"].endswith("The alert goes on until it is over for certain.")


def test_any_is_one_alert_for_each():
    told = judge(
        read_alerts(["finding: any"]), {"a": findings("Signup", "Payment")}, {}, [], "2025-01-01"
    )
    assert {one["alert"] for one in told} == {"finding: Signup", "finding: Payment"}


def test_what_is_outside_its_usual_range_has_moved():
    result = findings("Conversion")[0] | shares(0.1)[0]
    result["findings"][0]["claim"] = "Conversion is 10%, outside its usual range of 12–14%."
    (one,) = judge(read_alerts(["moved: conversion"]), {"a": [result]}, {}, [], "2025-01-01")
    assert (one["fired"], one["words"]) == (True, result["findings"][0]["claim"])


def test_a_finding_that_the_run_as_a_whole_does_not_bear_out_wakes_nobody():
    result = findings("Signup")[0]
    result["findings"][0]["p_adjusted"] = 0.02
    result["families"] |= {"g": 2, "h": 1}
    (one,) = judge(read_alerts(["finding: signup"]), {"a": [result]}, {}, [], "2025-01-01")
    assert not one["fired"]


def test_what_no_notebook_made_can_be_passed_over():
    rules = read_alerts(["conversion<1", "nps<1", "missed: any", "finding: signup"])
    assert askable(rules, {"a": shares(0.1)}) == [rules[0], *rules[2:]]


def test_a_target_that_is_not_there_is_said(tmp_path):
    (one,) = judge(read_alerts(["missed: conversion"]), {"a": shares(0.1)}, {}, [], "2025-01-01")
    assert (one["fired"], one["words"]) == (
        True,
        "cannot be checked: conversion has no target in this run.",
    )


def test_the_journey_file_names_alerts_as_the_command_line_does(tmp_path):
    written = """
  - conversion.high < 18% until 20%
  - moved: retention
  - {missed: any}
  - "finding: onboarding"
"""
    journey = journey_from_text(JOURNEY + written)
    assert journey.alerts == (
        "conversion.high < 18% until 20%",
        "moved: retention",
        "missed: any",
        "finding: onboarding",
    )
    file = tmp_path / "journey.yml"
    file.write_text(JOURNEY + written)
    assert alerts_of(file) == read_alerts(journey.alerts)
    assert alerts_of(tmp_path / "absent.yml") == []
    with pytest.raises(Exception, match=r"alerts\[0\]: must be a metric, one of < <= > >="):
        journey_from_text(f"{JOURNEY} [conversion]")
