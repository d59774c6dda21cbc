"""Shares one below the other: a bar and its interval under a name that may need several lines, or two marks joined by a line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import theme

LINE = 17
"""Pixels of a line of text."""
MARK = 30
"""Pixels of a bar with its margin."""
WIDTH = 44
"""Characters of a line that fit 390 pixels."""
MOST_LINES = 4


@dataclass(frozen=True)
class Row:
    """One share: its name, the share and its bounds, what it rests on, and what is said beside it (raw text)."""

    name: str
    share: float
    low: float
    high: float
    n: float
    said: str


def rows_of(
    records: Sequence[dict[str, Any]],
    share: str,
    name: Callable[[dict[str, Any]], str],
    n: Callable[[dict[str, Any]], float],
    count: str,
) -> list[Row]:
    """Records as rows; `count` names the column that is said beside the share."""
    return [
        Row(
            name(one),
            one[share],
            one[f"{share}_low"],
            one[f"{share}_high"],
            n(one),
            f"{numbers.percent(one[share])} ({one[count]:,} of {n(one):,.0f})",
        )
        for one in records
    ]


def bars(
    rows: Sequence[Row],
    *,
    axis: str,
    caption: str,
    alt: str,
    columns: Sequence[str],
    table: Sequence[Sequence[Any]],
) -> go.Figure:
    """A bar a row with its whisker, the name above it in as many lines as it needs."""
    names = [_lines(row.name) for row in rows]
    heights = [LINE * (len(lines) + 1) + MARK for lines in names]
    # The axis counts pixels from the top, so that every row has the room its name needs.
    ends = [-sum(heights[: k + 1]) for k in range(len(heights))]
    middles = [end + MARK / 2 + 2 for end in ends]
    total = sum(heights)
    notes = []
    for lines, row, end, height in zip(names, rows, ends, heights, strict=True):
        small = theme.too_few(row.n)
        text = "<br>".join(theme.safe(line) for line in lines)
        shown = text if small else f"<b>{text}</b>"
        notes.append(
            theme.note(
                f"{shown}<br>{theme.safe(row.said + small)}",
                x=0,
                y=end + height - 2,
                below=True,
                xref="paper",
            )
        )
    drawn = go.Bar(
        x=[theme.plain(row.share) for row in rows],
        y=middles,
        width=14,
        orientation="h",
        marker={"color": theme.faded([row.n for row in rows])},
        hovertext=[
            f"<b>{theme.wrapped(row.name)}</b><br>{theme.safe(row.said)}<br>95% CI {theme.safe(numbers.interval(row.low, row.high))}"
            for row in rows
        ],
        hoverinfo="text",
        showlegend=False,
    )
    whiskers = theme.interval_bars(
        [row.share for row in rows], middles, [row.low for row in rows], [row.high for row in rows]
    )
    return theme.figure(
        [drawn, *whiskers],
        caption=caption,
        alt=alt,
        columns=columns,
        rows=table,
        height=total + 60,
        annotations=notes,
        xaxis=theme.percent_axis(
            range=[0, _top([row.high for row in rows] + [row.share for row in rows])],
            nticks=5,
            title={"text": axis},
        ),
        yaxis={"range": [-total - 4, 4], "visible": False},
    )


def _lines(name: str) -> list[str]:
    lines = textwrap.wrap(" ".join(name.split()), WIDTH) or [""]
    return (
        lines
        if len(lines) <= MOST_LINES
        else [*lines[: MOST_LINES - 1], numbers.short(" ".join(lines[MOST_LINES - 1 :]), WIDTH)]
    )


def _top(shares: Sequence[float]) -> float:
    return min(
        1.01, 1.06 * max((one for one in shares if not numbers.missing(one)), default=1.0) + 0.005
    )


@dataclass(frozen=True)
class Pair:
    """Two shares of one thing: `strong` if they differ beyond noise."""

    name: str
    one: float
    other: float
    said: str
    strong: bool


def dumbbells(
    pairs: Sequence[Pair],
    *,
    names: tuple[str, str],
    axis: str,
    caption: str,
    alt: str,
    columns: Sequence[str],
    table: Sequence[Sequence[Any]],
) -> go.Figure:
    """Two marks a row joined by a line: a filled dot for the one, a hollow diamond for the other."""
    lines = [_lines(pair.name) for pair in pairs]
    said = [_lines(pair.said) for pair in pairs]
    heights = [
        LINE * (len(one) + len(other)) + MARK for one, other in zip(lines, said, strict=True)
    ]
    ends = [-sum(heights[: k + 1]) for k in range(len(heights))]
    middles = [end + MARK / 2 + 2 for end in ends]
    notes = []
    for each, told, pair, end, height in zip(lines, said, pairs, ends, heights, strict=True):
        name, values = ("<br>".join(theme.safe(line) for line in part) for part in (each, told))
        shown = f"<b>{name}</b><br>{f'<b>{values}</b>' if pair.strong else values}"
        notes.append(theme.note(shown, x=0, y=end + height - 2, below=True, xref="paper"))
    joined_x: list[float | None] = []
    joined_y: list[float | None] = []
    for pair, middle in zip(pairs, middles, strict=True):
        joined_x += [pair.one, pair.other, None]
        joined_y += [middle, middle, None]
    link = go.Scatter(
        x=joined_x,
        y=joined_y,
        mode="lines",
        line={"color": theme.MUTED, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    marks = [
        go.Scatter(
            x=values,
            y=middles,
            name=theme.label(name),
            mode="markers",
            marker={
                "size": 11,
                "color": colour,
                "symbol": symbol,
                "line": {"width": 2, "color": colour},
            },
            hovertext=[
                f"<b>{theme.wrapped(pair.name)}</b><br>{theme.safe(name)}: {theme.safe(numbers.percent(value))}"
                for pair, value in zip(pairs, values, strict=True)
            ],
            hoverinfo="text",
        )
        for values, name, colour, symbol in (
            ([pair.one for pair in pairs], names[0], theme.COLOURS[0], "circle"),
            ([pair.other for pair in pairs], names[1], theme.COLOURS[1], "diamond-open"),
        )
    ]
    total = sum(heights)
    return theme.figure(
        [link, *marks],
        caption=caption,
        alt=alt,
        columns=columns,
        rows=table,
        height=total + 110,
        annotations=notes,
        showlegend=True,
        xaxis=theme.percent_axis(
            range=[-0.01, _top([pair.one for pair in pairs] + [pair.other for pair in pairs])],
            nticks=5,
            title={"text": axis},
        ),
        yaxis={"range": [-total - 4, 4], "visible": False},
    )
