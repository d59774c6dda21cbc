"""The style of the map's picture, apart from what draws it: a report needs the one without the other."""

from __future__ import annotations

from importlib.resources import files

STEPS = 40
"""Heights a mark may stand at: a style sheet has no numbers of its own."""


def style() -> str:
    """The style of the picture: what is written in map.css, and one rule for each height that a mark may stand at."""
    rules = "".join(
        f".cj-{letter}{step}{{--{letter}:{100 * step / STEPS:g}%}}"
        for letter in "lmrtbw"
        for step in range(STEPS + 1)
    )
    return files("cjlib.views").joinpath("templates", "map.css").read_text(encoding="utf-8") + rules
