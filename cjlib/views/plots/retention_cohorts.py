"""Cohorts as a grid: a row a cohort, a column a period, the share in the cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.errors import not_one_of
from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme

COLUMNS = ["cohort", "customers in it", "period", "came back", "share", "95% CI", "complete"]
PITCH = 24
"""Height of a row in pixels."""
GREY = "#d9d9d6"
"""The ground of a cell with too few customers: opaque, so the same on both grounds."""


def cohorts(result: Any, *, group: str | None = None, most: int = 24) -> go.Figure:
    """The share of each cohort that came back, period by period; beneath the average of the complete cells. A result with groups is drawn one group at a time."""
    by = list(result.by)
    columns = [*by, *COLUMNS]
    table, average, name = _of_group(result, by, group)
    if table.empty:
        return theme.empty(result.headline, columns=columns)
    names = [cohort_name(value, result.period) for value in table["cohort"]]
    order = list(dict.fromkeys(names))
    shown = order[-most:]
    cells = [
        row
        for row, cohort in zip(theme.records(table.assign(cohort=names)), names, strict=True)
        if cohort in shown
    ]
    grid = [
        *_average_cells(average, result),
        *[_cell(row, len(shown) - 1 - shown.index(row["cohort"]) + 1, result) for row in cells],
    ]
    width = int(table["period"].max())
    sizes = table.assign(cohort=names).groupby("cohort", sort=False)["cohort_size"].max()
    left = len(order) - len(shown)
    more = (
        f" {numbers.count_of(left, 'earlier cohort is', 'earlier cohorts are')} in the table only."
        if left
        else ""
    )
    return theme.figure(
        [_heat(grid, width, len(shown)), *_hatch(grid), _texts(grid)],
        caption=_caption(result, name) + more,
        alt=_alt(average, result, name) + more,
        columns=columns,
        rows=[
            _row(row, by)
            for row in theme.records(
                result.table.assign(
                    cohort=[cohort_name(value, result.period) for value in result.table["cohort"]]
                )
            )
        ],
        height=PITCH * (len(shown) + 1) + 120,
        showlegend=False,
        barmode="overlay",
        xaxis=_x_axis(result, width),
        yaxis=_y_axis(shown, sizes, bool(len(average))),
    )


def _of_group(
    result: Any, by: list[str], group: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Table and average of one group, the largest unless another is named."""
    if not by:
        return result.table, result.average, ""
    tables = [theme.records(frame[by]) for frame in (result.table, result.average)]
    named = [[theme.group_name(row[column] for column in by) for row in rows] for rows in tables]
    known = list(dict.fromkeys(named[0]))
    if group is not None and group not in known:
        raise not_one_of("group", group, known)
    chosen = group or (known[0] if known else "")
    table, average = (
        frame[[name == chosen for name in names]]
        for frame, names in zip((result.table, result.average), named, strict=True)
    )
    return table, average, chosen


def cohort_name(value: Any, period: str) -> str:
    """A cohort as raw text: its date, its month, or its value."""
    if not isinstance(value, pd.Timestamp):
        return theme.group_name([value])
    return value.strftime(
        {"hour": "%Y-%m-%d %H:%M", "month": "%Y-%m", "quarter": "%Y-%m", "year": "%Y"}.get(
            period, "%Y-%m-%d"
        )
    )


def _cell(row: dict[str, Any], y: int, result: Any) -> dict[str, Any]:
    share, n = row["share"], row["cohort_size"]
    small, certain = n < MIN_N, row["period"] == 0 and numbers.missing(row["share_low"])
    text = (
        _short(n)
        if certain
        else f"({100 * share:.0f})"
        if small
        else f"{100 * share:.0f}{'' if row['complete'] else '+'}"
    )
    hover = [
        f"{row['cohort']}, {result.period} {row['period']}",
        f"{row['retained']:,} of {n:,}: {numbers.percent(share)}",
    ]
    if not certain:
        hover.append(
            f"95% CI {numbers.interval(row['share_low'], row['share_high'])}{theme.too_few(n)}"
        )
    if not row["complete"]:
        hover.append(f"this {result.period} is not over: the share can only rise")
    return {
        "x": row["period"],
        "y": y,
        "share": share,
        "text": text,
        "small": small,
        "certain": certain,
        "open": not row["complete"],
        "hover": hover,
        "bold": False,
    }


def _short(count: int) -> str:
    """A count that fits a narrow cell: `845`, `2.7k`, `24k`; the hover and the table have all of it."""
    return (
        f"{count}"
        if count < 1000
        else f"{count / 1000:.1f}k"
        if count < 9_950
        else f"{count / 1000:.0f}k"
    )


def _average_cells(average: pd.DataFrame, result: Any) -> list[dict[str, Any]]:
    cells = []
    for row in theme.records(average):
        as_cell = {
            **row,
            "cohort": "all complete cells",
            "cohort_size": row["eligible"],
            "complete": True,
        }
        cells.append({**_cell(as_cell, 0, result), "bold": row["eligible"] >= MIN_N})
    return cells


def _heat(grid: list[dict[str, Any]], width: int, rows: int) -> go.Heatmap:
    z = np.full((rows + 1, width + 1), np.nan)
    hover = np.full((rows + 1, width + 1), "", dtype=object)
    for cell in grid:
        if not (cell["certain"] or cell["small"]):
            z[cell["y"], cell["x"]] = cell["share"]
        hover[cell["y"], cell["x"]] = "<br>".join(theme.safe(line) for line in cell["hover"])
    return go.Heatmap(
        z=z.tolist(),
        zmin=0,
        zmax=_top(grid),
        colorscale=theme.SEQUENTIAL,
        showscale=False,
        xgap=2,
        ygap=2,
        hovertext=hover.tolist(),
        hoverinfo="text",
        hoverongaps=False,
    )


def _top(grid: list[dict[str, Any]]) -> float:
    return (
        max((cell["share"] for cell in grid if not (cell["certain"] or cell["small"])), default=1.0)
        or 1.0
    )


def _hatch(grid: list[dict[str, Any]]) -> list[go.Bar]:
    """Grey ground for cells with too few, hatching for those whose period is not over."""
    bars = []
    for name, kept, marker in (
        (
            "too few",
            [cell for cell in grid if cell["small"] and not cell["certain"]],
            {"color": GREY},
        ),
        (
            "not over",
            [cell for cell in grid if cell["open"] and not cell["certain"]],
            {
                "color": "rgba(0,0,0,0)",
                "pattern": {
                    "shape": "/",
                    "fgcolor": "#6b7280",
                    "size": 7,
                    "solidity": 0.18,
                    "fillmode": "overlay",
                },
            },
        ),
    ):
        if kept:
            bars.append(
                go.Bar(
                    x=[0.94] * len(kept),
                    y=[cell["y"] for cell in kept],
                    base=[cell["x"] - 0.47 for cell in kept],
                    orientation="h",
                    width=0.9,
                    marker={**marker, "line": {"width": 0}},
                    name=name,
                    hovertext=[
                        "<br>".join(theme.safe(line) for line in cell["hover"]) for cell in kept
                    ],
                    hoverinfo="text",
                )
            )
    return bars


def _texts(grid: list[dict[str, Any]]) -> go.Scatter:
    """The number in each cell, in a colour that can be read there; outside coloured cells the page's own."""
    top = _top(grid)
    colours = [
        theme.MUTED
        if cell["certain"]
        else "#1b2430"
        if cell["small"]
        else theme.on(shade(cell["share"] / top))
        for cell in grid
    ]
    return go.Scatter(
        x=[cell["x"] for cell in grid],
        y=[cell["y"] for cell in grid],
        text=[f"<b>{cell['text']}</b>" if cell["bold"] else cell["text"] for cell in grid],
        mode="text",
        textfont={"size": 10, "color": colours},
        hoverinfo="skip",
    )


def shade(share: float) -> str:
    """The colour that plotly gives a share on the sequential scale."""
    stops = theme.SEQUENTIAL
    above = next((k for k, (at, _) in enumerate(stops) if at >= min(share, 1.0)), len(stops) - 1)
    if above == 0:
        return stops[0][1]
    (low, one), (high, other) = stops[above - 1], stops[above]
    part = (min(share, 1.0) - low) / (high - low)
    mixed = (
        round(int(one[at : at + 2], 16) * (1 - part) + int(other[at : at + 2], 16) * part)
        for at in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _x_axis(result: Any, width: int) -> dict[str, Any]:
    many = max(1, -(-(width + 1) // 14))
    ticks = list(range(0, width + 1, many))
    title = f"share in %, by {result.period}; {result.period} 0: customers<br>34+ hatched: not over · (34) grey: under {MIN_N}"
    return {
        "tickvals": ticks,
        "ticktext": [str(k) for k in ticks],
        "side": "top",
        "showgrid": False,
        "range": [-0.5, width + 0.5],
        "title": {"text": title},
    }


def _y_axis(shown: list[str], sizes: pd.Series, averaged: bool) -> dict[str, Any]:
    labels = [theme.label(name, 16) for name in reversed(shown)]
    bottom = ["<b>all</b>"] if averaged else [""]
    return {
        "tickvals": list(range(len(shown) + 1)),
        "ticktext": [*bottom, *labels],
        "showgrid": False,
        "range": [-0.5, len(shown) + 0.5],
    }


def _caption(result: Any, group: str) -> str:
    return (
        f"{group}: one of the groups of {' and '.join(result.by)}. {result.headline}"
        if group
        else result.headline
    )


def _alt(average: pd.DataFrame, result: Any, group: str) -> str:
    said = "; ".join(
        f"{result.period} {row['period']}: {numbers.percent(row['share'])} of {row['eligible']:,}"
        for row in theme.records(average)
        if row["period"]
    )
    whose = f" of {group}" if group else ""
    return f"A grid of shares: a row for each cohort{whose}, a column for each {result.period}. Average of complete cells: {said or 'none is complete yet'}."


def _row(row: dict[str, Any], by: list[str]) -> list[Any]:
    return [
        *(theme.group_name([row[name]]) for name in by),
        row["cohort"],
        row["cohort_size"],
        row["period"],
        row["retained"],
        numbers.percent(row["share"]),
        numbers.interval(row["share_low"], row["share_high"]),
        "yes" if row["complete"] else "no: can only rise",
    ]
