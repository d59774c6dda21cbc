"""Lifecycle: who makes up each period's active customers, and above all who has lapsed, below zero."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.retention_cohorts import cohort_name

COLUMNS = ["period", "new", "returning", "resurrected", "dormant", "active", "complete"]
HEADS = ["period", "new", "retained", "reactivated", "lapsed", "active", "complete"]
KINDS = (
    ("returning", "retained", theme.COLOURS[0], ""),
    ("resurrected", "reactivated", theme.COLOURS[2], "."),
    ("new", "new", theme.COLOURS[4], "/"),
    ("dormant", "lapsed", theme.COLOURS[1], "\\"),
)


def lifecycle(result: Any, *, most: int = 60) -> go.Figure:
    """Stacked bars: new, returning and resurrected customers above zero, dormant below; a period that is not over is pale."""
    every = theme.records(result.table)
    if not every:
        return theme.empty(result.headline, columns=COLUMNS)
    rows = every[-most:]
    left = len(every) - len(rows)
    more = (
        f" {numbers.count_of(left, f'earlier {result.period} is', f'earlier {result.period}s are')} in the table only."
        if left
        else ""
    )
    return theme.figure(
        [_bars(rows, *kind, result.period) for kind in KINDS],
        caption=result.headline + more,
        alt=_alt(rows, result.period) + more,
        columns=HEADS,
        rows=[
            [
                cohort_name(row["period_start"], result.period),
                *(row[name] for name in COLUMNS[1:-1]),
                "yes" if row["complete"] else "no",
            ]
            for row in every
        ],
        height=400,
        barmode="relative",
        bargap=0.2,
        showlegend=True,
        xaxis=_axis(rows, result.period),
        yaxis={
            "title": {"text": "customers; below zero: lapsed"},
            "zeroline": True,
            "zerolinecolor": theme.MUTED,
            "zerolinewidth": 1.5,
            **_ticks(rows),
        },
    )


def _bars(
    rows: list[dict[str, Any]], kind: str, name: str, colour: str, pattern: str, period: str
) -> go.Bar:
    sign = -1 if kind == "dormant" else 1
    return go.Bar(
        x=list(range(len(rows))),
        y=[sign * row[kind] for row in rows],
        name=name,
        marker={
            "color": colour,
            "opacity": [1.0 if row["complete"] else 0.45 for row in rows],
            "pattern": {
                "shape": pattern,
                "solidity": 0.25,
                "fgcolor": "#ffffff",
                "fillmode": "overlay",
            },
            "line": {"width": 0},
        },
        hovertext=[
            f"{theme.safe(cohort_name(row['period_start'], period))}: {row[kind]:,} {name}{'' if row['complete'] else ', not over yet'}"
            for row in rows
        ],
        hoverinfo="text",
    )


def _ticks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ticks without a minus: dormant is a count of people."""
    top = max(
        max((row["active"] for row in rows), default=0),
        max((row["dormant"] for row in rows), default=0),
        1,
    )
    step = next(
        size * factor
        for size in (10**k for k in range(12))
        for factor in (1, 2, 5)
        if top / (size * factor) <= 5
    )
    low, high = (
        -(-max((row[kind] for row in rows), default=0) // step) for kind in ("dormant", "active")
    )
    marks = [step * k for k in range(-low, high + 1)]
    return {"tickvals": marks, "ticktext": [f"{abs(mark):,}" for mark in marks]}


def _axis(rows: list[dict[str, Any]], period: str) -> dict[str, Any]:
    every = max(1, -(-len(rows) // 6))
    ticks = list(range(0, len(rows), every))
    labels = [cohort_name(rows[k]["period_start"], period) for k in ticks]
    open_at = [k for k, row in enumerate(rows) if not row["complete"]]
    title = f"{period}; pale: not over yet" if open_at else period
    return {
        "tickvals": ticks,
        "ticktext": [theme.safe(name) for name in labels],
        "showgrid": False,
        "title": {"text": title},
        "tickangle": -35 if len(labels) > 4 else 0,
    }


def _alt(rows: list[dict[str, Any]], period: str) -> str:
    said = (
        f"{cohort_name(row['period_start'], period)}: {row['new']:,} new, {row['returning']:,} retained, {row['resurrected']:,} reactivated, {row['dormant']:,} lapsed"
        for row in rows[-6:]
    )
    return f"Stacked bars by {period}. The last ones: {'; '.join(said)}."


VIEWS = {"Lifecycle": {"lifecycle": lifecycle}}
