"""The files around the code agree with it and with each other."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from commandline import here

import cjlib

ROOT = Path(__file__).parents[1]
LARGEST = 1_500_000
CONDA_NAMES = {"python-duckdb": "duckdb"}


def committed() -> list[Path]:
    """Every file that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [
        path
        for name in listed.stdout.decode().split("\0")
        if name and (path := ROOT / name).is_file()
    ]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_conda_gets_what_pip_gets_and_nbval():
    extras = project()["optional-dependencies"]
    nbval = [line for line in extras["test"] if line.startswith("nbval")]
    wanted = {
        re.split(r"[>=\[ ]", line)[0]: line.split(">=")[1]
        for line in project()["dependencies"] + extras["lab"] + nbval
    }
    wanted["python"] = project()["requires-python"].removeprefix(">=")
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    by_pip = next(one["pip"] for one in listed if isinstance(one, dict))
    names = [one for one in listed if isinstance(one, str) and one != "pip"] + by_pip[:-1]
    found = {
        CONDA_NAMES.get(name, name): version
        for name, version in (re.split(r"\s*>=", one) for one in names)
    }
    assert found == wanted
    assert by_pip[-1] == "-e ."


def test_every_target_of_the_makefile_is_phony_and_explained():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert {"help", "report", "lab", "test", "check", "sample", "clean"} <= set(targets)
    assert set(targets) == set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    assert all(re.search(rf"^{name}:.*## ", text, re.MULTILINE) for name in targets)


def test_no_file_is_too_large_to_review():
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in committed()
        if path.stat().st_size > LARGEST
    }
    assert large == {}


def test_no_file_names_a_place_of_one_machine():
    places = re.compile(r"(?<![\w.])/(work|root|home)/\w")
    texts = [
        path
        for path in committed()
        if path.suffix
        in {".py", ".md", ".yml", ".toml", ".ipynb", ".sh", ".js", ".css", ".j2", ".json", ""}
    ]
    named = [
        str(path.relative_to(ROOT))
        for path in texts
        if places.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []


@pytest.mark.parametrize("module", sorted(cjlib._HOME))
def test_every_public_name_can_be_imported(module):
    if find_spec(module) is None:
        pytest.fail(f"{module} is named in cjlib/__init__.py and is not there")
    missing = [name for name in cjlib._HOME[module] if not hasattr(import_module(module), name)]
    assert missing == []


def test_the_readme_names_files_commands_and_options_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [
        link for link in links if not link.startswith("http") and not (ROOT / link).exists()
    ] == []
    notebooks = re.findall(r"^\| `(\d\d_\w+)` \|", text, re.MULTILINE)
    assert notebooks == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for command in set(re.findall(r"^cj (\w+)", text, re.MULTILINE)):
        assert here(command, "--help").code == 0
    options = set(
        re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(re.findall(r"`?cj run[^\n`]*", text)))
    )
    assert [option for option in options if option not in here("run", "--help").out] == []


MADE_AT_BUILD = {"reference.md"}
"""Pages of the docs that no file holds: `make docs` writes them."""


def prose(page: Path) -> str:
    """The text of a page, or of all Markdown cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and the docs make them."""
    found = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_links_to_files_and_headings_that_exist(page):
    broken = []
    for link, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]+))?\)", prose(page)):
        target = page.parent / link if link else page
        if link in MADE_AT_BUILD:
            continue
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(f"{link}#{anchor}")
    assert broken == []


def test_contributing_says_where_things_are_and_they_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\| .+ \| `([^`]+)` \|$", text, re.MULTILINE)
    assert len(answers) == 10
    assert [path for path in answers if not (ROOT / path).exists()] == []
