"""A project of one's own: a folder with a journey file, notebooks to edit and what a schedule needs, and newer notebooks when there are some."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, listed, shown
from cjlib.packaged import DOCS, NOTEBOOKS, SAMPLE
from cjlib.sources.journey.json_schema import HEAD, NAME, schema_text

FILES = {
    "Makefile": "Makefile",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "schedule.cron": "schedule.cron",
}
"""Name here → name in the project."""
MISSING, CURRENT, OLDER, EDITED, EDITED_AND_OLDER = (
    "missing",
    "as packaged",
    "older than the packaged one",
    "edited",
    "edited, and there is a newer one",
)
_DEFAULT = '"../data/sample/journey.yml"'
_FOLDERS = ("data", "notebooks", "docs")


def lay_out(folder: Path) -> None:
    """Write a project into a folder: the sample business to begin with, and nothing over a file that is there.

    Raises
    ------
    CjlibError
        If the folder holds something of that name.
    """
    names = ["journey.yml", *_FOLDERS, *FILES.values()]
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise CjlibError(
            f"DIR: {shown(str(folder))} holds {listed(there)} already. Give a new folder, or bring the notebooks alone: cj notebooks --copy."
        )
    for name in ("data", "notebooks"):
        (folder / name).mkdir(parents=True)
    for table in SAMPLE.glob("*.parquet"):
        shutil.copy(table, folder / "data")
    journey = (SAMPLE / "journey.yml").read_text(encoding="utf-8")
    _write(folder / "journey.yml", HEAD + journey.replace("{path: ", "{path: data/"))
    _write(folder / NAME, schema_text())
    for name, given in FILES.items():
        text = files("cjlib").joinpath("project_files", name).read_text(encoding="utf-8")
        _write(folder / given, text)
    shutil.copytree(DOCS, folder / "docs")
    bring_notebooks(folder / "notebooks")


def states(folder: Path) -> dict[str, str]:
    """What each packaged notebook is in a folder: missing, as packaged, older, edited, or edited with a newer one to compare it with."""
    return {
        path.stem: _state(path, folder / path.name) for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    }


def bring_notebooks(folder: Path) -> dict[str, str]:
    """Bring the packaged notebooks: missing and unedited ones into the folder, newer ones beside edited ones into its `newer`.

    Returns
    -------
    dict
        Notebook → what was done with it, in words.
    """
    return {name: _bring(folder, name, state) for name, state in states(folder).items()}


def _bring(folder: Path, name: str, state: str) -> str:
    ours = NOTEBOOKS / f"{name}.ipynb"
    if state in (MISSING, OLDER):
        _copy(ours, folder / ours.name)
        return "copied" if state == MISSING else "brought up to date"
    if state == EDITED_AND_OLDER:
        _copy(ours, folder / "newer" / ours.name)
        return f"edited: left as it is, the newer one is {folder / 'newer' / ours.name}"
    return state


def _state(ours: Path, theirs: Path) -> str:
    if not theirs.is_file():
        return MISSING
    notebook = _read(theirs)
    now, packaged = _digest(notebook), _digest(_adapted(_read(ours)))
    copied = notebook.get("metadata", {}).get("cjlib", {}).get("copied")
    if now == packaged:
        return CURRENT
    if now == copied:
        return OLDER
    return EDITED if copied == packaged else EDITED_AND_OLDER


def _copy(ours: Path, theirs: Path) -> None:
    notebook = _adapted(_read(ours))
    notebook["metadata"].setdefault("cjlib", {})["copied"] = _digest(notebook)
    theirs.parent.mkdir(parents=True, exist_ok=True)
    _write(theirs, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _adapted(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook as a project has it: without outputs, its default the project's own journey file."""
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace(_DEFAULT, '"../journey.yml"')
        if cell["cell_type"] == "code":
            cell.update({"outputs": [], "execution_count": None})
    return notebook


def _digest(notebook: Mapping[str, Any]) -> str:
    """Of what a person edits: the cells' kinds and sources."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        _digest(notebook)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CjlibError(
            f"notebook: {shown(str(path))} is not a notebook that can be read ({type(fault).__name__}). Fix it, or move it away."
        ) from None
    return notebook


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
