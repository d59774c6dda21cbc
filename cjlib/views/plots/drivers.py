"""Drivers: the words that go with unhappy answers, and those that go with happy ones."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.dot_rows import Axis, Dot, dot_rows

SIDES = ("detractor", "promoter")


def drivers(result: Any, *, most: int = 8) -> go.Figure:
    """The strongest terms of each side: log-odds with their interval, above 0 for unhappy answers."""
    table = theme.records(result.table)
    names = (
        "term",
        "side",
        "n_detractor",
        "n_promoter",
        "share_of_detractors",
        "share_of_promoters",
        "log_odds",
        "z",
        "q_value",
        "quote",
    )
    shown = [row for side in SIDES for row in [row for row in table if row["side"] == side][:most]]
    dots = [_dot(row) for row in sorted(shown, key=lambda row: (-row["log_odds"], row["term"]))]
    axis = Axis(
        "log-odds: to the right with unhappy answers, to the left with happy ones", middle=0.0
    )
    columns = [name.replace("_", " ") for name in names]
    return dot_rows(
        dots,
        axis,
        caption=result.headline,
        alt=result.headline,
        columns=columns,
        rows=[[row[name] for name in names] for row in table],
    )


def _dot(row: dict[str, Any]) -> Dot:
    half = abs(1.959964 * row["log_odds"] / row["z"]) if row["z"] else 0.0
    said = f"{numbers.percent(row['share_of_detractors'])} against {numbers.percent(row['share_of_promoters'])}"
    return Dot(
        row["term"], row["log_odds"], row["log_odds"] - half, row["log_odds"] + half, 30, said
    )


VIEWS = {"Drivers": {"drivers": drivers}}
