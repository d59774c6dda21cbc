"""Rows of dots, bars or pairs with their intervals, in a table; and a number over time, one panel a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme


@dataclass(frozen=True)
class Dot:
    """One number of a group: its bounds, what it rests on, what is said beside it (raw text); `strong` if it differs significantly."""

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
    """A dot a row with its whisker, in a table; hollow where it rests on too few."""
    if not dots:
        return theme.empty(caption, columns=columns)
    scale = _scale(axis, dots)
    return theme.rows_figure(
        marks.spec([_mark(dot) for dot in dots], scale, "dot"),
        caption=caption,
        alt=alt,
        columns=columns,
        rows=rows,
    )


def _scale(axis: Axis, dots: Sequence[Dot]) -> marks.Scale:
    low, high = axis.more.get("range", (None, None))
    form = str(axis.more.get("tickformat", ""))
    return marks.Scale(
        title=axis.title,
        percent="%" in form,
        signed=form.startswith("+"),
        middle=axis.middle,
        low=min((dot.low for dot in dots if dot.low < 0), default=0.0)
        if axis.more.get("rangemode") == "tozero"
        else low,
        high=high,
    )


def _mark(dot: Dot) -> marks.Mark:
    few = bool(theme.too_few(dot.n))
    return marks.Mark(
        name=dot.name,
        said=dot.said + theme.too_few(dot.n),
        value=theme.plain(dot.value),
        low=theme.plain(dot.low),
        high=theme.plain(dot.high),
        strong=dot.strong and not few,
        faint=few,
    )


MOST = 3


def level_unchanged(result: Any) -> str:
    """What a caption says where no level moved: nothing did, or it could not be told."""
    if "scale" in result.definition:
        return "Its scale may have changed, so no period is compared with another."
    searched = any(name.startswith("levels of") for name in result.families)
    return (
        "No change of its level outside normal variation."
        if searched
        else "Too few periods with enough customers to tell whether its level moved."
    )


@dataclass(frozen=True)
class Lines:
    """A table of `segment`, `period`, a value with its bounds and what it rests on, by the names of its columns."""

    table: pd.DataFrame
    value: str
    low: str
    high: str
    n: str

    def groups(self) -> dict[str, pd.DataFrame]:
        """The segments in the table's order, each by period."""
        return {
            str(name): self.table[self.table["segment"] == name].sort_values("period")
            for name in dict.fromkeys(self.table["segment"])
        }


def over_time(
    given: Lines, shifts: pd.DataFrame, axis: Axis, *, caption: str, alt: str
) -> go.Figure:
    """A line a segment with its band, hollow where a period rests on too few; a dotted upright where the level moved."""
    columns = ["segment", "period", axis.title, "low", "high", "customers"]
    table = given.table[["segment", "period", given.value, given.low, given.high, given.n]]
    if table[given.value].notna().sum() == 0:
        return theme.empty(caption, columns=columns)
    if len(set(table["period"])) == 1:
        return theme.empty(
            f"{caption} All answers are of one period: there is nothing to compare with yet.",
            columns=columns,
        )
    traces: list[go.Scatter] = []
    groups = given.groups()
    for place, (name, group) in enumerate(list(groups.items())[:MOST]):
        traces += _line(name, group, given, place)
    moved = shifts[shifts["segment"].isin(list(groups)[:MOST])] if len(shifts) else shifts
    uprights: list[dict[str, Any]] = [
        {
            "type": "line",
            "x0": start,
            "x1": start,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": theme.MUTED, "dash": "dot", "width": 2},
        }
        for start in (theme.plain(one) for one in moved.get("period", []))
    ]
    more = (
        f" {len(groups) - MOST} smaller segments are in the table only."
        if len(groups) > MOST
        else ""
    )
    return theme.figure(
        traces,
        caption=caption + more,
        alt=alt + more,
        columns=columns,
        rows=[
            [theme.plain(value) for value in row]
            for row in table.itertuples(index=False, name=None)
        ],
        height=330,
        shapes=uprights,
        showlegend=len(groups) > 1,
        xaxis={"type": "date", "nticks": 5},
        yaxis={"title": {"text": axis.title}, **axis.more},
    )


def _line(name: str, group: pd.DataFrame, given: Lines, place: int) -> list[go.Scatter]:
    colour = theme.COLOURS[place % len(theme.COLOURS)]
    x = [theme.plain(one) for one in group["period"]]
    low, high = ([theme.plain(one) for one in group[column]] for column in (given.low, given.high))
    tint = f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.15)"
    band = go.Scatter(
        x=x + x[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=tint,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
    few = (group[given.n] < MIN_N).tolist()
    line = go.Scatter(
        x=x,
        y=[theme.plain(one) for one in group[given.value]],
        mode="lines+markers",
        name=theme.label(name, 24),
        line={"color": colour, "dash": theme.DASHES[place % len(theme.DASHES)], "width": 2},
        marker={
            "size": 8,
            "color": [theme.MUTED if one else colour for one in few],
            "symbol": ["circle-open" if one else theme.SYMBOLS[place] for one in few],
        },
        hovertext=[
            f"<b>{theme.label(name)}</b><br>{start}: {value:.3g} (n = {n:,})"
            for start, value, n in zip(x, group[given.value], group[given.n], strict=True)
        ],
        hoverinfo="text",
    )
    return [band, line]


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
            name(record),
            record[share],
            record[f"{share}_low"],
            record[f"{share}_high"],
            n(record),
            f"{numbers.percent(record[share])} ({record[count]:,} of {n(record):,.0f})",
        )
        for record in records
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
