"""A run of all notebooks asks those that the journey file has enough for; a notebook that is named is asked whatever the file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import NOTEBOOKS, here

from cjlib.errors import CjlibError
from cjlib.views.report.discovery import answerable, find_notebooks

EVENTS = "name: Ours\nsources: {events: {path: events.csv}}\nstages: [{name: All, touchpoints: [visit]}]\n"


def left_out(tmp_path: Path, text: str) -> dict[str, str]:
    journey = tmp_path / "journey.yml"
    journey.write_text(text, encoding="utf-8")
    return answerable(find_notebooks([]), journey)[1]


def test_without_feedback_funnels_and_churn_their_notebooks_are_left_out_with_the_reason(tmp_path):
    assert left_out(tmp_path, EVENTS) == {
        "01_funnel": "the journey file names no funnels",
        "03_sentiment": "the journey file names no feedback",
        "04_churn": "the journey file names no churn (what leaving means)",
    }


def test_feedback_alone_is_asked_of_its_notebook_and_of_the_map(tmp_path):
    text = "name: Ours\nsources: {feedback: {path: said.csv}}\nstages: [{name: All, touchpoints: [visit]}]\n"
    every = {one.name for one in find_notebooks([])}
    assert every - set(left_out(tmp_path, text)) == {"03_sentiment", "06_journey_map"}


def test_a_file_that_names_all_leaves_nothing_out(tmp_path):
    assert left_out(tmp_path, Path("data/sample/journey.yml").read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize("text", ["- a list", "{not closed", "\udcff"])
def test_a_file_that_cannot_be_read_is_left_to_the_run_to_name(tmp_path, text):
    journey = tmp_path / "journey.yml"
    journey.write_bytes(text.encode("utf-8", "surrogateescape"))
    notebooks = find_notebooks([])
    assert answerable(notebooks, journey) == (notebooks, {})
    assert answerable(notebooks, None) == (notebooks, {})


@pytest.mark.parametrize("ours", [3, {"needs": ["events"]}, {"needs": {"sources.events": 1}}])
def test_needs_of_another_shape_are_refused_in_words(tmp_path, ours):
    notebook = json.loads((NOTEBOOKS / "no_parameters.ipynb").read_text(encoding="utf-8"))
    notebook["metadata"]["cjlib"] = ours
    (tmp_path / "own.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(
        CjlibError,
        match=r'own: its metadata "cjlib" must be \{"needs": \{key of the journey file: what it stands for\}\}, such as .* Got ',
    ):
        find_notebooks([str(tmp_path / "own.ipynb")])


def test_a_run_of_all_says_whom_it_left_out_on_the_terminal_in_run_json_and_on_the_first_page(
    tmp_path,
):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, needs in (("a_ok", {}), ("b_asks", {"sources.feedback": "feedback"})):
        notebook = json.loads((NOTEBOOKS / "no_parameters.ipynb").read_text(encoding="utf-8"))
        notebook["metadata"]["cjlib"] = {"needs": needs}
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    ours = json.loads((NOTEBOOKS / "ok.ipynb").read_text(encoding="utf-8"))
    (folder / "ok.ipynb").write_text(json.dumps(ours), encoding="utf-8")
    journey = tmp_path / "journey.yml"
    journey.write_text(EVENTS, encoding="utf-8")
    said = here("run", "--notebooks", folder, "--journey", journey, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "b_asks: left out, the journey file names no feedback." in said.err
    facts = json.loads(
        next((tmp_path / "out" / "runs").glob("*/run.json")).read_text(encoding="utf-8")
    )
    assert facts["left_out"] == {"b_asks": "the journey file names no feedback"}
    assert set(facts["notebooks"]) == {"a_ok", "ok"}
    assert "Left out: <bdi>b_asks: the journey file names no feedback</bdi>" in (
        tmp_path / "out" / "index.html"
    ).read_text(encoding="utf-8")
