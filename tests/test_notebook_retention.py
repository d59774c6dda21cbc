"""The notebook on coming back: at home with other parameters and other businesses, and one with itself."""

from __future__ import annotations

import pytest
from test_notebooks import EXAMPLES, ROOT, captions, journey_of_few, run, stored

from cjlib.analyses.result import MIME

NOTEBOOK = ROOT / "notebooks" / "02_retention.ipynb"
VIEWS = 7
"""Figures that every business has; groups and money add more."""


@pytest.fixture(autouse=True)
def at_home(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CJLIB_MODE", "report")


@pytest.mark.parametrize(
    "parameters",
    [
        {
            "period": "month",
            "mode": "on_or_after",
            "by": "none",
            "inactive": "60D",
            "long_period": "quarter",
        },
        {
            "start_event": "subscribe",
            "return_event": "login",
            "by": "country",
            "start": "2025-02-03",
            "end": "2025-05-04",
        },
    ],
    ids=["silence without groups", "another cohort in a span"],
)
def test_it_answers_with_other_parameters(parameters):
    shown = run(NOTEBOOK, **parameters)
    assert len(captions(shown)) >= VIEWS
    assert all(captions(shown))


def test_retention_and_survival_follow_the_same_customers():
    shown = [bundle[MIME] for bundle in stored(NOTEBOOK) if MIME in bundle]
    counted = {result["kind"]: result["definition"].get("counted", "") for result in shown}
    assert counted["Retention"].split(" customers")[0] == counted["Survival"].split(", of whom")[0]


@pytest.mark.parametrize("journey", EXAMPLES, ids=lambda path: path.stem)
def test_it_answers_for_every_example_business(journey, shared_data, tmp_path):
    shown = run(NOTEBOOK, journey=str(journey_of_few(journey, shared_data, tmp_path)))
    assert len(captions(shown)) >= VIEWS
    assert all(captions(shown))
