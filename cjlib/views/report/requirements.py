"""What a notebook needs of the journey file, so that a run of all asks only what the file can answer.

A notebook says so in its metadata: `"cjlib": {"needs": {"sources.feedback": "feedback"}}`, a key of the journey file and what it stands for in words.
Where one of several keys is enough they stand together: `"sources.events or churn.target"`. A parameter that names something of the journey file
says so in its comment: `# name of a funnel in the journey file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cjlib.errors import not_one_of
from cjlib.views.report.parameters import Notebook


def answerable(
    notebooks: Sequence[Notebook], journey: Path | None
) -> tuple[list[Notebook], dict[str, str]]:
    """The notebooks that the journey file has enough for, and why the others are left out; all of them where no file can be read."""
    content = _content(journey)
    if content is None:
        return list(notebooks), {}
    missing = {
        one.name: [words for key, words in one.needs.items() if not _has(content, key)]
        for one in notebooks
    }
    reasons = {
        name: f"the journey file names no {' and no '.join(words)}"
        for name, words in missing.items()
        if words
    }
    return [one for one in notebooks if one.name not in reasons], reasons


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
