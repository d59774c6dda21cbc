"""What is installed is whole: a wheel is built, unpacked and used from an empty folder, without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cjlib import project
from cjlib.errors import CjlibError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """As pip lays it out; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def cj(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cjlib", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_wheel_holds_every_file_of_the_package_the_notebooks_and_the_sample(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "cjlib", "notebooks/*.ipynb", "data/sample", "docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    here = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    wanted = {name if name.startswith("cjlib/") else f"cjlib/packaged/{name}" for name in here}
    assert wanted - inside == set()
    assert not [name for name in inside if re.search(r"tests/|\.pyc$|checkpoints|cjcache", name)]


def test_from_an_empty_folder_a_project_is_made_and_run(installed, tmp_path):
    made = cj(installed, tmp_path, "new", "demo")
    assert made.returncode == 0, made.stderr
    demo = tmp_path / "demo"
    assert sorted(path.stem for path in (demo / "notebooks").iterdir()) == NOTEBOOKS
    ran = cj(installed, demo, "run", "experiment", "--json")
    assert ran.returncode == 0, ran.stderr
    assert (demo / "reports" / "07_experiment.html").is_file()
    assert json.loads(ran.stdout)["notebooks"]["07_experiment"]["error"] is None
    facts = next((demo / "reports" / "runs").glob("*/run.json")).read_text(encoding="utf-8")
    assert json.loads(facts)["journey_file"] == str(demo.resolve() / "journey.yml")


def test_a_folder_without_notebooks_has_those_of_the_package(installed, tmp_path):
    listed = cj(installed, tmp_path, "list", "--json")
    assert sorted(json.loads(listed.stdout)) == NOTEBOOKS
    refused = cj(installed, tmp_path, "run")
    assert (refused.returncode, "cj new DIR" in refused.stderr) == (2, True)


# ---- a project of one's own -----------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path) -> Path:
    project.lay_out(tmp_path / "demo")
    return tmp_path / "demo"


def edit(path: Path, words: str) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = ["# ", words]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_its_notebooks_begin_with_its_own_journey_file_and_hold_no_outputs(demo):
    for path in (demo / "notebooks").iterdir():
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert 'journey: str = "../journey.yml"' in notebook["cells"][1]["source"]
        assert not [cell for cell in notebook["cells"] if cell.get("outputs")]


def test_links_of_its_pages_lead_to_files_that_are_there(demo):
    for page in [demo / "README.md", *(demo / "notebooks").iterdir()]:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(((?:\.\./)?[\w./]+\.(?:md|ipynb))", text):
            assert (page.parent / link).is_file(), (page.name, link)


def test_nothing_is_written_over_a_file_that_is_there(demo):
    before = {path: path.read_bytes() for path in demo.rglob("*") if path.is_file()}
    with pytest.raises(CjlibError, match=r"holds 'journey\.yml'"):
        project.lay_out(demo)
    assert {path: path.read_bytes() for path in demo.rglob("*") if path.is_file()} == before


def test_what_was_edited_is_left_as_it_is_and_the_newer_one_laid_beside_it(demo, monkeypatch):
    folder = demo / "notebooks"
    (folder / "05_paths.ipynb").unlink()
    edit(folder / "01_funnel.ipynb", "Where?")
    edit(folder / "02_retention.ipynb", "Who?")
    newer = demo / "packaged"
    newer.mkdir()
    for path in project.NOTEBOOKS.glob("*.ipynb"):
        (newer / path.name).write_bytes(path.read_bytes())
    for name in ("02_retention", "03_sentiment"):
        edit(newer / f"{name}.ipynb", "What is new?")
    monkeypatch.setattr(project, "NOTEBOOKS", newer)
    assert project.states(folder) == dict.fromkeys(NOTEBOOKS, project.CURRENT) | {
        "01_funnel": project.EDITED,
        "02_retention": project.EDITED_AND_OLDER,
        "03_sentiment": project.OLDER,
        "05_paths": project.MISSING,
    }
    mine = (folder / "02_retention.ipynb").read_bytes()
    project.bring_notebooks(folder)
    assert (folder / "02_retention.ipynb").read_bytes() == mine
    assert [path.name for path in (folder / "newer").iterdir()] == ["02_retention.ipynb"]
    assert "What is new?" in (folder / "03_sentiment.ipynb").read_text(encoding="utf-8")
    assert project.states(folder)["05_paths"] == project.CURRENT


def test_a_notebook_that_was_run_is_not_edited(demo):
    path = demo / "notebooks" / "01_funnel.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    notebook["cells"][2]["source"] = notebook["cells"][2]["source"].splitlines(keepends=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert project.states(path.parent)["01_funnel"] == project.CURRENT
