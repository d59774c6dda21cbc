"""Which notebooks are meant by the names on the command line, and which of them a journey file can answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, did_you_mean, listed, not_one_of, shown
from cjlib.packaged import NOTEBOOKS, SAMPLE
from cjlib.views.report.parameters import Notebook, read_notebook


def notebook_folder(given: Path | None = None) -> Path:
    """The folder of notebooks: the one given, else `notebooks/` here, else the one that comes with cjlib."""
    if given is not None:
        if not given.is_dir():
            raise CjlibError(
                f"--notebooks: there is no folder {shown(str(given))}. Give the folder that holds the .ipynb files."
            )
        return given.absolute()
    found = next(
        (folder for folder in (Path("notebooks"), NOTEBOOKS) if any(folder.glob("*.ipynb"))), None
    )
    if found is None:
        raise CjlibError(
            "notebooks: there is no folder 'notebooks' with .ipynb files here. Name a notebook by its path, or its folder with --notebooks DIR."
        )
    return found.absolute()


def of_the_sample(notebook: Notebook) -> bool:
    """Whether the notebook reads the journey file of the sample unless told otherwise."""
    default = notebook.parameters["journey"].default.strip("'\"")
    return (notebook.path.parent / default).resolve() == (SAMPLE / "journey.yml").resolve()


def find_notebooks(names: Sequence[str], folder: Path | None = None) -> list[Notebook]:
    """The notebooks of these names, in the order given, each once; without names all of the folder.

    A name is a path, a file's name with or without `.ipynb`, or the part of it behind its number: `01_funnel` and `funnel` are one.
    """
    if not names:
        return [read_notebook(path) for path in _every(notebook_folder(folder))]
    paths = list(dict.fromkeys(_named(name, folder) for name in names))
    twice = [path.stem for path in paths if sum(path.stem == other.stem for other in paths) > 1]
    if twice:
        raise CjlibError(
            f"notebooks: two have the name {shown(twice[0])}; their reports would be one file. Run them with different --out."
        )
    return [read_notebook(path) for path in paths]


def _every(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.ipynb"))


def _named(name: str, folder: Path | None) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path.absolute()
    known = _every(notebook_folder(folder))
    wanted = path.name.removesuffix(".ipynb")
    for matches in (
        _matching(known, lambda stem: stem == wanted),
        _matching(known, lambda stem: stem.partition("_")[2] == wanted),
    ):
        if len(matches) == 1:
            return matches[0]
    stems = [one.stem for one in known]
    near = did_you_mean(wanted, [*stems, *(stem.partition("_")[2] for stem in stems)])
    raise CjlibError(
        f"notebook: there is no {shown(name)}.{near} There are: {listed(stems, most=20)}."
    )


def _matching(paths: Iterable[Path], meant: object) -> list[Path]:
    assert callable(meant)
    return [path for path in paths if meant(path.stem)]


def answerable(
    notebooks: Sequence[Notebook], journey: Path | None
) -> tuple[list[Notebook], dict[str, str]]:
    """The notebooks that the journey file has enough for, and why the others are left out; all of them where no file can be read."""
    content = _content(journey)
    if content is None:
        return list(notebooks), {}
    missing = {
        notebook.name: [words for key, words in notebook.needs.items() if not _has(content, key)]
        for notebook in notebooks
    }
    reasons = {
        name: f"the journey file names no {' and no '.join(words)}"
        for name, words in missing.items()
        if words
    }
    return [notebook for notebook in notebooks if notebook.name not in reasons], reasons


_NAMED = re.compile(r"name of an? (\w+) in the journey file\b")


def check_names(notebook: Notebook, values: Mapping[str, Any], journey: Path | None) -> None:
    """Refuse a value that should name a section's entry, such as a funnel, and names none."""
    content = _content(journey) or {}
    for name, value in values.items():
        named = _NAMED.match(notebook.parameters[name].meaning)
        entries = content.get(f"{named[1]}s") if named else None
        if value and isinstance(entries, dict) and value not in entries:
            raise not_one_of(name, value, entries)


def _content(journey: Path | None) -> Mapping[str, Any] | None:
    import yaml

    if journey is None:
        return None
    try:
        content = yaml.load(journey.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None  # whoever reads the file for the run says what is wrong with it
    return content if isinstance(content, dict) else None


def _has(content: Mapping[str, Any], keys: str) -> bool:
    return any(_holds(content, key) for key in keys.split(" or "))


def _holds(content: Mapping[str, Any], key: str) -> bool:
    held: Any = content
    for part in key.split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    return bool(held)
