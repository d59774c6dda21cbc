"""The notebook of the journey map with other parameters and other businesses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from test_notebooks import EXAMPLES, ROOT, captions, journey_of_few, run

MAP = ROOT / "notebooks" / "06_journey_map.ipynb"
BUSINESSES = [
    path
    for path in EXAMPLES
    if path.stem in ("ecom_synthetic", "loan_applications", "helpdesk_tickets")
]


@pytest.fixture(autouse=True)
def at_home(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CJLIB_MODE", "report")


@pytest.fixture(scope="module")
def shown_for(shared_data, tmp_path_factory) -> Callable[..., list[dict[str, Any]]]:
    """What the map shows for another business: two tests look at it, and it is drawn once."""
    journeys = {
        path.stem: journey_of_few(path, shared_data, tmp_path_factory.mktemp(path.stem))
        for path in BUSINESSES
    }
    return cache(lambda name, **parameters: run(MAP, journey=str(journeys[name]), **parameters))


@pytest.mark.parametrize("name", [path.stem for path in BUSINESSES])
def test_the_map_answers_for_other_businesses(name, shown_for):
    shown = shown_for(name)
    assert len(captions(shown)) >= 6
    assert all(captions(shown))
    assert any("cj-map-table" in str(bundle.get("text/html", "")) for bundle in shown)


def test_a_split_sets_two_spans_side_by_side_and_needs_no_feedback(shown_for):
    without = captions(shown_for("ecom_synthetic"))
    with_split = captions(shown_for("ecom_synthetic", split="2024-04-01"))
    assert len(with_split) == len(without) + 1


def test_a_business_with_feedback_alone_has_a_map_of_it_without_being_asked(tmp_path):
    rows = [
        f"2024-0{1 + one % 3}-1{one % 9},{9 if one % 3 else 2},The delivery was {'quick' if one % 3 else 'late'},Delivery"
        for one in range(60)
    ]
    (tmp_path / "answers.csv").write_text("\n".join(["timestamp,nps,text,stage", *rows]))
    journey = tmp_path / "journey.yml"
    journey.write_text(
        "name: Post\ntimezone: UTC\nsources: {feedback: answers.csv}\nstages: [{name: Delivery}]\n"
    )
    shown = run(MAP, journey=str(journey))
    assert all(captions(shown))
    assert any("cj-map-table" in str(bundle.get("text/html", "")) for bundle in shown)
