"""The page of the docs that lists every public name, written from the package at every build."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

from mkdocs.structure.files import File, Files

import cjlib

TITLES = {
    "errors": "Errors",
    "sources": "Reading",
    "analyses": "Analyses",
    "views": "Showing",
    "samples": "Sample business",
}


def on_files(files: Files, *, config: Any) -> Files:
    """Add `reference.md` to the pages that are read from disk."""
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def reference() -> str:
    """Every public name by the floor of the package it lives on, in the order of its table."""
    lines = [
        "# Every public name",
        "",
        "All are reached as `cj.name` after `import cjlib as cj`.",
        "",
    ]
    for floor, names in groupby(cjlib.MODULE_OF.items(), key=lambda item: item[1].split(".")[1]):
        lines += [f"# {TITLES[floor]}", ""]
        lines += [entry(name, module) for name, module in names]
    return "\n".join(lines)


def entry(name: str, module: str) -> str:
    """What mkdocstrings is to write of a name; of a class its methods too."""
    members = methods(getattr(cjlib, name))
    below = f"    options:\n      members: [{', '.join(members)}]\n" if members else ""
    return f"::: {module}.{name}\n{below}"


def methods(documented: Any) -> list[str]:
    """The methods of a class that are its own and say what they return; none of a function."""
    members = vars(documented).items() if inspect.isclass(documented) else ()
    own = [(name, member) for name, member in members if inspect.isfunction(member)]
    return [name for name, member in own if "Returns\n-" in (inspect.getdoc(member) or "")]
