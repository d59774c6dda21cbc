"""Every notebook: written by the rules, its stored numbers still true, and at home with other parameters and other businesses."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from IPython.core.formatters import DisplayFormatter

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
WITHOUT_EVENTS = {"airline_tweets", "clothing_reviews", "nps_verbatims", "telco"}
EXAMPLES = sorted(
    path for path in (ROOT / "data" / "examples").glob("*.yml") if path.stem not in WITHOUT_EVENTS
)
PLOTLY = "application/vnd.plotly.v1+json"
ROWS = "application/vnd.cjlib.rows+json"

FUNNEL = ROOT / "notebooks" / "01_funnel.ipynb"
FEW = 1_500
"""So many customers of a large business show a notebook all that it has to answer for."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [
        {**cell, "source": "".join(cell["source"])}
        for cell in notebook["cells"]
        if cell["cell_type"] == kind
    ]


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


# ---- how they are written -------------------------------------------------------------------------------------------


def test_there_are_notebooks_to_hold_to_the_rules():
    assert "01_funnel" in [path.stem for path in NOTEBOOKS]


@every_notebook
def test_the_title_is_a_question_and_the_decision_it_serves_stands_beneath(path):
    title = cells_of(path, "markdown")[0]["source"]
    assert re.match(r"# .+\?\n", title)
    assert "use this to decide" in title.casefold()


@every_notebook
def test_a_cell_is_at_most_ten_lines_without_functions_classes_loops_or_magics(path):
    refused = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.For,
        ast.While,
        ast.Try,
        ast.Lambda,
        ast.ListComp,
        ast.DictComp,
        ast.SetComp,
        ast.GeneratorExp,
    )
    for cell in cells_of(path):
        if "parameters" not in cell["metadata"].get("tags", []):  # these have a line each
            assert len(cell["source"].splitlines()) <= 10, cell["source"]
        found = [
            type(node).__name__
            for node in ast.walk(ast.parse(cell["source"]))
            if isinstance(node, refused)
        ]
        assert found == [], cell["source"]


@every_notebook
def test_the_first_code_cell_holds_the_parameters_each_with_its_type_and_meaning(path):
    first, *others = cells_of(path)
    assert tags(first) == ["parameters"]
    assert not [cell for cell in others if "parameters" in tags(cell)]
    for line in first["source"].splitlines():
        assert re.fullmatch(r"\w+: [\w\[\], |]+ = .+  # .{10,}", line), line
    assert first["source"].startswith('journey: str = "../data/sample/journey.yml"  # ')


@every_notebook
def test_it_ends_with_its_limitations_and_the_next_question(path):
    headings = [
        line
        for cell in cells_of(path, "markdown")
        for line in cell["source"].splitlines()
        if line.startswith("## ")
    ]
    assert headings[-2:] == ["## Limitations", "## Next"]


@every_notebook
def test_links_lead_to_files_that_are_there_or_to_another_of_the_seven(path):
    text = "\n".join(cell["source"] for cell in cells_of(path, "markdown"))
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert (
            (path.parent / target).exists()
            or re.fullmatch(r"0[0-6]_\w+\.ipynb", target)
            or re.fullmatch(r"\.\./docs/\w+\.md", target)
        ), target


@every_notebook
def test_prose_states_no_number_that_a_parameter_could_change(path):
    for cell in cells_of(path, "markdown"):
        words = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|[0-9]{2}_\w+", "", cell["source"])
        assert not re.search(r"\d+(\.\d+)? ?%(?! CI)|\d,\d{3}", words), cell["source"]


@every_notebook
def test_outputs_are_stored_clean_and_without_a_path_of_any_machine(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"]) <= {"cjlib", "kernelspec", "language_info"}
    assert "version" not in notebook["metadata"]["language_info"]
    text = path.read_text(encoding="utf-8")
    for place in ("/home/", "/root/", "/tmp/", "/work/", "/Users/", "\\\\Users\\\\", str(ROOT)):
        assert place not in text, place
    for cell in cells_of(path):
        assert set(cell["metadata"]) <= {"tags"}
        assert [
            output for output in cell["outputs"] if output["output_type"] in ("error", "stream")
        ] == []
        assert cell["execution_count"] is not None


@every_notebook
def test_counts_run_from_one_without_a_gap_as_after_a_fresh_start(path):
    assert [cell["execution_count"] for cell in cells_of(path)] == list(
        range(1, len(cells_of(path)) + 1)
    )


@every_notebook
def test_cells_with_numbers_are_compared_and_have_something_to_compare(path):
    compared = [cell for cell in cells_of(path) if "nbval-check-output" in tags(cell)]
    assert len(compared) >= 2
    for cell in compared:
        assert cell["outputs"], cell["source"]
        assert all(PLOTLY not in output.get("data", {}) for output in cell["outputs"]), (
            "a figure is not compared: its numbers are"
        )


@every_notebook
def test_no_figure_is_stored_since_nobody_can_read_it_as_json(path):
    assert PLOTLY not in path.read_text(encoding="utf-8")


# ---- that they are true ---------------------------------------------------------------------------------------------


@pytest.fixture
def at_home(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CJLIB_MODE", "report")


def executed(
    path: Path, **parameters: Any
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Every cell of code and what it shows with these parameters: run here, without a kernel, as a report would."""
    space: dict[str, Any] = {}
    for cell in cells_of(path):
        tree = ast.parse(cell["source"])
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(path), "exec"), space)
        if tags(cell) == ["parameters"]:
            assert set(parameters) <= set(space), "a parameter that the notebook does not have"
            space.update(parameters)
        value = (
            eval(compile(ast.Expression(last.value), str(path), "eval"), space)
            if isinstance(last, ast.Expr)
            else None
        )
        yield cell, None if value is None else bundle_of(value)


def bundle_of(value: Any) -> dict[str, Any]:
    """A value by media type, as a kernel shows it."""
    if hasattr(value, "_repr_mimebundle_"):
        return value._repr_mimebundle_()
    with pd.option_context("display.max_columns", 20):  # outside a kernel pandas asks the terminal
        return DisplayFormatter().format(value)[0]


def run(path: Path, **parameters: Any) -> list[dict[str, Any]]:
    """What the notebook shows with these parameters."""
    return [bundle for _, bundle in executed(path, **parameters) if bundle is not None]


def stored(path: Path) -> list[dict[str, Any]]:
    """What the notebook shows with its own parameters, as it stands in the file: it is run anew below, so nobody else need."""
    return [
        output["data"] for cell in cells_of(path) for output in cell["outputs"] if "data" in output
    ]


def as_stored(bundle: dict[str, Any]) -> dict[str, Any]:
    """A bundle as it reads from a file, its texts in one piece."""
    plain = json.loads(json.dumps(bundle))
    return {
        media: "".join(content) if media.startswith("text/") else content
        for media, content in plain.items()
    }


@pytest.mark.slow
@every_notebook
@pytest.mark.usefixtures("at_home")
def test_run_anew_it_gives_the_numbers_it_shows(path):
    for cell, bundle in executed(path):
        if "nbval-check-output" in tags(cell):
            (output,) = cell["outputs"]
            assert bundle is not None, cell["source"]
            assert not list(differences(as_stored(bundle), as_stored(output["data"])))


NUMBER = re.compile(r"[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")


def differences(now: Any, stored: Any, place: str = "") -> Iterator[str]:
    """Where two outputs differ by more than processors do: whole numbers not at all, others in the fifth digit, in a text in the last that is shown."""
    if isinstance(now, str) and isinstance(stored, str):
        yield from differences_of_texts(now, stored, place)
    elif isinstance(now, dict) and isinstance(stored, dict) and now.keys() == stored.keys():
        for name, value in now.items():
            yield from differences(value, stored[name], f"{place}/{name}")
    elif isinstance(now, list) and isinstance(stored, list) and len(now) == len(stored):
        for position, value in enumerate(now):
            yield from differences(value, stored[position], f"{place}/{position}")
    elif now != stored and not alike(str(now), str(stored), digits=5):
        yield f"{place}: {now} instead of {stored}"


def differences_of_texts(now: str, stored: str, place: str) -> Iterator[str]:
    if NUMBER.sub("#", now).split() != NUMBER.sub("#", stored).split():
        yield f"{place}: {now} instead of {stored}"
    for pair in zip(NUMBER.findall(now), NUMBER.findall(stored), strict=False):
        if not alike(*(one.replace(",", "").replace("−", "-") for one in pair), digits=3):
            yield f"{place}: {pair[0]} instead of {pair[1]}"


def alike(now: str, stored: str, digits: int) -> bool:
    """Whether two written numbers are one: as texts, or where both have a fraction in so many digits."""
    if now == stored:
        return True
    if "." not in now or "." not in stored:
        return False
    try:
        return math.isclose(float(now), float(stored), rel_tol=10**-digits, abs_tol=1e-6)
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("now", "stored", "same"),
    [
        ("12 of 40 (30.0%)", "12 of 40 (30.0%)", True),
        ("mean 0.7219", "mean 0.722", True),
        ("13 of 40", "12 of 40", False),
        ("−1.25", "+1.25", False),
        ("1,234.5 paid", "1,234.6 paid", True),
        ("mean 0.73", "mean 0.72", False),
        ("no channel", "one channel", False),
        ({"n": 3, "value": 0.25, "low": None}, {"n": 3, "value": 0.2500001, "low": None}, True),
        ({"value": 0.25}, {"value": 0.251}, False),
        ({"n": 1000}, {"n": 1001}, False),
        ({"value": None}, {"value": 0.2}, False),
        ({"value": 0.2}, {"other": 0.2}, False),
        ([1, 2], [1], False),
    ],
)
def test_outputs_differ_where_a_number_a_word_or_a_place_does(now, stored, same):
    assert (not list(differences(now, stored))) is same


@pytest.mark.slow
def test_nbval_finds_the_same_numbers_in_a_kernel():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "filterwarnings=default",
        str(FUNNEL),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CJLIB_MODE": "report"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def journey_of_few(journey: Path, data: Path, folder: Path) -> Path:
    """The journey file of an example business with the events of its first customers alone, written to a folder."""
    written = yaml.safe_load(journey.read_text(encoding="utf-8"))
    events = written["sources"]["events"]
    columns = {ours: theirs for theirs, ours in events.get("columns", {}).items()}
    rows = pd.read_csv(data / events["path"], dtype="str", keep_default_na=False)
    ids = rows[columns.get("customer_id", "customer_id")]
    rows[ids.isin(ids.unique()[:FEW])].to_csv(folder / "events.csv", index=False)
    events["path"] = str(folder / "events.csv")
    path = folder / f"{journey.stem}.yml"
    path.write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")
    return path


def captions(shown: list[dict[str, Any]]) -> list[str]:
    """What the figures claim, drawn by plotly or as tables with marks."""
    drawn = [
        bundle[ROWS] if ROWS in bundle else bundle[PLOTLY]["layout"]["meta"]
        for bundle in shown
        if ROWS in bundle or PLOTLY in bundle
    ]
    return [figure["caption"] for figure in drawn]


OTHER = [
    {"funnel": "onboarding", "window": "36h", "by": "country", "period": "month"},
    {
        "window": "none",
        "by": "none",
        "start": "2025-03-01",
        "end": "2025-03-31",
        "period": "day",
        "lost_after": 2,
    },
]


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("parameters", OTHER, ids=["another funnel", "a month without groups"])
def test_the_funnel_answers_with_other_parameters(parameters):
    said = captions(run(FUNNEL, **parameters))
    assert len(said) >= 7
    assert all(said)
    assert (
        "There are no groups to compare: the log has no column for it, or nobody entered." in said
    ) == (parameters["by"] == "none")


@pytest.mark.usefixtures("at_home")
def test_a_span_with_a_start_is_set_against_the_one_before():
    without, with_start = (
        captions(run(FUNNEL, **bounds))
        for bounds in ({}, {"start": "2025-04-01", "end": "2025-06-30"})
    )
    assert [caption for caption in with_start if "period before" in caption] != []
    assert len(with_start) == len(without) + 1


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("journey", EXAMPLES, ids=lambda path: path.stem)
def test_the_funnel_answers_for_every_example_business(journey, shared_data, tmp_path):
    shown = run(FUNNEL, journey=str(journey_of_few(journey, shared_data, tmp_path)))
    assert len(captions(shown)) >= 7
    assert all(captions(shown))
