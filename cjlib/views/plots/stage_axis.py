"""The stages of a journey along an axis."""

from __future__ import annotations

from typing import Any

from cjlib.show import numbers
from cjlib.views.plots import theme


def stage_axis(names: list[str], places: list[int]) -> dict[str, Any]:
    """Names at their places, a word a line; aslant where there are many."""
    shown = [
        "<br>".join(theme.safe(part) for part in numbers.short(name, 24).split(" "))
        for name in names
    ]
    return {
        "tickvals": places,
        "ticktext": shown,
        "showgrid": False,
        "range": [min(places) - 0.5, max(places) + 0.5],
        "tickangle": -45 if len(names) > 5 else 0,
    }
