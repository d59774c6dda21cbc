"""Rows of dots with their intervals: a number for each group, one below the other, the name above its dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from cjlib.views.plots import theme

ROW = 50
"""Pixels of a row whose label has one line."""
TITLE = 48
"""Characters of an axis title that a phone shows in one line."""


@dataclass(frozen=True)
class Dot:
    """One number of a group: its bounds, what it rests on, what is said beside it (raw text); `strong` if it stands out beyond noise."""

    name: str
    value: float
    low: float
    high: float
    n: float
    said: str
    strong: bool = False


@dataclass(frozen=True)
class Axis:
    """The axis of the dots: title, range and, if it is not plain numbers, more."""

    title: str
    more: dict[str, Any] = field(default_factory=dict)
    middle: float | None = None


def dot_rows(
    dots: Sequence[Dot],
    axis: Axis,
    *,
    caption: str,
    alt: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> go.Figure:
    """A dot a row with its whisker; grey and hollow where it rests on too few."""
    if not dots:
        return theme.empty(caption, columns=columns)
    faint = [bool(theme.too_few(dot.n)) for dot in dots]
    title = theme.wrapped(axis.title, TITLE)
    notes, lines = theme.row_labels(
        [dot.name for dot in dots],
        [dot.said + theme.too_few(dot.n) for dot in dots],
        [dot.strong and not few for dot, few in zip(dots, faint, strict=True)],
        faint=faint,
    )
    middle = [] if axis.middle is None else [{"type": "line", "x0": axis.middle, "x1": axis.middle, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": theme.MUTED, "dash": "dot", "width": 1}}]  # fmt: skip
    marks = go.Scatter(
        x=[theme.plain(dot.value) for dot in dots],
        y=[-place for place in range(len(dots))],
        mode="markers",
        marker={
            "size": 11,
            "color": theme.faded([dot.n for dot in dots]),
            "symbol": ["circle-open" if one else "circle" for one in faint],
            "line": {"width": 2},
        },
        error_x=theme.whiskers(
            [dot.value for dot in dots], [dot.low for dot in dots], [dot.high for dot in dots]
        ),
        hovertext=[f"<b>{theme.label(dot.name)}</b><br>{theme.safe(dot.said)}" for dot in dots],
        hoverinfo="text",
        showlegend=False,
    )
    row = ROW + 18 * (lines - 1)
    return theme.figure(
        [marks],
        caption=caption,
        alt=alt,
        columns=columns,
        rows=rows,
        height=row * len(dots) + 70 + 15 * title.count("<br>"),
        annotations=notes,
        shapes=middle,
        xaxis={"title": {"text": title}, "nticks": 5, **axis.more},
        yaxis={"range": [-len(dots) + 0.55, 0.85], "visible": False},
    )
