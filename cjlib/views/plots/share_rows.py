"""Shares one below the other in a table: a bar and its interval, or two marks joined by a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme


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
    """A bar a row with its whisker, in a table."""
    drawn = [
        marks.Mark(
            name=row.name,
            said=row.said + theme.too_few(row.n),
            value=theme.plain(row.share),
            low=theme.plain(row.low),
            high=theme.plain(row.high),
            faint=bool(theme.too_few(row.n)),
        )
        for row in rows
    ]
    scale = marks.Scale(title=_plain(axis), percent=True)
    return theme.rows_figure(
        marks.spec(drawn, scale, "bar"), caption=caption, alt=alt, columns=columns, rows=table
    )


def _plain(axis: str) -> str:
    """The title of a picture's axis as text of a table."""
    return unescape(axis.replace("<br>", "; "))


@dataclass(frozen=True)
class Pair:
    """Two shares of one thing: `strong` if they differ significantly."""

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
    """Two marks a row joined by a line, in a table: a filled dot for the one, a hollow diamond for the other."""
    drawn = [
        marks.Mark(
            name=pair.name,
            said=pair.said,
            value=theme.plain(pair.one),
            other=theme.plain(pair.other),
            strong=pair.strong,
        )
        for pair in pairs
    ]
    scale = marks.Scale(title=_plain(axis), percent=True)
    return theme.rows_figure(
        marks.spec(drawn, scale, "pair", names),
        caption=caption,
        alt=alt,
        columns=columns,
        rows=table,
    )
