"""A funnel in time: how long converting took, and how the share that converts moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.errors import not_one_of
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.funnel_steps import named

TIME_COLUMNS = ["share of those who got there", "customers", "within"]
MARKS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 1.0)
POINTS = 200
"""A curve of more points looks the same and makes the report heavier."""


def time(result: Any, *, step: int | None = None) -> go.Figure:
    """How long those who reached a step (the last) took from step 1: the share of them that was there by each time, the median marked."""
    table: pd.DataFrame = result.table
    final = int(table["step"].max()) if len(table) else 1
    to = final if step is None else step
    if step is None and final == 1:
        return theme.empty(
            "The funnel has one step: there is no way to time.", columns=TIME_COLUMNS
        )
    if to not in range(2, final + 1):
        raise not_one_of("step", step, range(2, final + 1))
    customers = result.customers()
    there = customers[customers["steps_reached"] >= to]
    seconds = np.sort(
        (there[f"step_{to}_at"] - there["step_1_at"]).dt.total_seconds().to_numpy(dtype=float)
    )
    events = dict(zip(table["step"], table["event"], strict=True))
    if not seconds.size:
        return theme.empty(f"Nobody reached {named(events[to])}.", columns=TIME_COLUMNS)
    reached = np.arange(1, seconds.size + 1) / seconds.size
    thin = np.unique(np.linspace(0, seconds.size - 1, POINTS).round().astype(int))
    median = float(np.median(seconds))
    colour = theme.COLOURS[0] if seconds.size >= MIN_N else theme.MUTED
    axis = _time_axis(seconds)
    floor = 10 ** axis["range"][0] if axis.get("type") == "log" else 0.0
    x = np.maximum(seconds[thin], floor)
    curve = go.Scatter(
        x=x.tolist(),
        y=reached[thin].tolist(),
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2.5},
        hovertext=[
            f"{numbers.percent(y)} within {numbers.duration(s)}"
            for s, y in zip(seconds[thin], reached[thin], strict=True)
        ],
        hoverinfo="text",
    )
    at = max(median, floor)
    mark = go.Scatter(
        x=[at, at],
        y=[0, 0.5],
        mode="lines+markers",
        line={"color": colour, "dash": "dot", "width": 1.5},
        marker={"size": [0, 9], "color": colour},
        hoverinfo="skip",
    )
    return theme.figure(
        [curve, mark],
        caption=_time_caption(result, seconds, median, events, to),
        alt=f"A rising curve: the share of the {seconds.size:,} customers who reached {named(events[to])} that was there by each time after {named(events[1])}.",
        columns=TIME_COLUMNS,
        rows=[
            [
                numbers.percent(mark),
                int(np.ceil(mark * seconds.size)),
                numbers.duration(_quantile(seconds, mark)),
            ]
            for mark in MARKS
        ],
        height=340,
        annotations=[_median_note(at, axis, median)],
        showlegend=False,
        xaxis={
            **axis,
            "title": {
                "text": f"time from {theme.label(events[1], 18)} to {theme.label(events[to], 18)}"
            },
        },
        yaxis=theme.percent_axis(
            range=[0, 1.03], title={"text": f"share of the {seconds.size:,} who got there"}
        ),
    )


def _quantile(seconds: Any, share: float) -> float:
    return float(np.quantile(seconds, share))


def _time_axis(seconds: Any) -> dict[str, Any]:
    """Logarithmic where the slow half lies more than a factor of 20 beyond the fast tenth, else linear."""
    fast, slow, longest = (
        float(np.quantile(seconds, 0.1)),
        float(np.quantile(seconds, 0.9)),
        float(seconds[-1]),
    )
    if slow <= 20 * max(fast, 1.0):
        return theme.duration_axis(longest)
    return theme.duration_axis(longest * 1.05, shortest=max(1.0, float(np.quantile(seconds, 0.01))))


def _median_note(at: float, axis: dict[str, Any], median: float) -> dict[str, Any]:
    low, high = axis["range"]
    x = float(np.log10(at)) if axis.get("type") == "log" else at
    late = (x - low) > 0.4 * (high - low)
    return theme.note(
        f"<b>half within<br>{theme.safe(numbers.duration(median))}</b>",
        x=x,
        y=0.5,
        right=late,
        below=not late,
        xshift=-8 if late else 10,
        yanchor="middle",
        size=13,
    )


def _time_caption(result: Any, seconds: Any, median: float, events: dict[int, str], to: int) -> str:
    n = seconds.size
    if n < MIN_N:
        return f"Only {numbers.count_of(n, 'customer')} reached {named(events[to])}: too few to read a typical time."
    said = (
        f"Half of the {n:,} who reached {named(events[to])} were there within {numbers.duration(median)} of {named(events[1])}, "
        f"nine in ten within {numbers.duration(_quantile(seconds, 0.9))}"
    )
    latest = result.metrics.get("median_seconds_from_latest_start", {}).get("value")
    beside = (
        f"; counted from their last visit, half within {numbers.duration(latest)}"
        if latest is not None and to == max(events)
        else ""
    )
    return f"{said}{beside}. Those who did not get there are not in these times."


# ---- the share that converts, by when they entered -------------------------------------------------------------

TREND_COLUMNS = [
    "entered in the period from",
    "customers",
    "converted",
    "share",
    "95% CI",
    "still in progress",
    "period complete",
    "against all other complete periods",
    "95% CI of the difference",
    "adjusted p",
]


def trend(result: Any) -> go.Figure:
    """The share that converted by the period of entry, with its interval as a band; what may still rise is hollow."""
    table: pd.DataFrame = result.table
    if table.empty or table["customers"].sum() == 0:
        return theme.empty("Nobody entered this funnel.", columns=TREND_COLUMNS)
    rows = theme.records(table)
    seen = [row for row in rows if row["customers"] > 0]
    if len(seen) == 1:
        entered = numbers.count_of(seen[0]["customers"], "customer")
        return theme.empty(
            f"All {entered} entered in one period: there is nothing to compare with yet.",
            columns=TREND_COLUMNS,
        )
    closed = [row for row in seen if row["complete"]]
    top = max(row["share_high"] for row in seen)
    return theme.figure(
        [*_band(closed), *_line(seen, closed)],
        caption=result.headline,
        alt=f"A line with a band: the share that converted for each of {len(rows)} periods of entry. Hollow marks are periods whose customers are still in progress, or that were asked for in part.",
        columns=TREND_COLUMNS,
        rows=[_trend_row(row) for row in rows],
        height=340,
        annotations=[_unusual_note(row) for row in closed if _unusual(row)],
        showlegend=True,
        xaxis={"type": "date", "title": {"text": "entered in the period from"}, "nticks": 5},
        yaxis=theme.percent_axis(
            range=[0, min(1.0, top * 1.08) or 1.0], title={"text": "share that converted"}
        ),
    )


def _unusual(row: dict[str, Any]) -> bool:
    return not numbers.missing(row["p_adjusted"]) and row["p_adjusted"] < CLAIM


def _unusual_note(row: dict[str, Any]) -> dict[str, Any]:
    low = row["difference"] < 0
    at = {
        "x": theme.plain(row["period_start"]),
        "y": row["share"],
        "xanchor": "center",
        "yshift": -8 if low else 8,
    }
    return theme.note("<b>low</b>" if low else "<b>high</b>", below=low, **at)


def _trend_row(row: dict[str, Any]) -> list[Any]:
    return [
        row["period_start"],
        row["customers"],
        row["converted"],
        numbers.percent(row["share"]),
        numbers.interval(row["share_low"], row["share_high"]),
        row["still_open"],
        "yes" if row["complete"] else "no",
        numbers.points(row["difference"]),
        numbers.points_interval(row["difference_low"], row["difference_high"]),
        row["p_adjusted"],
    ]


def _band(rows: list[dict[str, Any]]) -> list[go.Scatter]:
    x = [theme.plain(row["period_start"]) for row in rows]
    shared: dict[str, Any] = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    fill = "rgba(43,115,214,0.20)"
    return [
        go.Scatter(y=[row["share_low"] for row in rows], showlegend=False, **shared),
        go.Scatter(
            y=[row["share_high"] for row in rows],
            fill="tonexty",
            fillcolor=fill,
            name="95% CI",
            **shared,
        ),
    ]


def _line(seen: list[dict[str, Any]], closed: list[dict[str, Any]]) -> list[go.Scatter]:
    blue = theme.COLOURS[0]
    kinds = [
        (
            "complete",
            [row for row in closed if row["customers"] >= MIN_N],
            {"symbol": "circle", "color": blue},
        ),
        (
            "not complete",
            [row for row in seen if not row["complete"]],
            {"symbol": "circle-open", "color": blue},
        ),
        (
            f"fewer than {MIN_N} customers",
            [row for row in closed if row["customers"] < MIN_N],
            {"symbol": "x-thin-open", "color": theme.MUTED},
        ),
    ]
    joined = go.Scatter(
        x=[theme.plain(row["period_start"]) for row in closed],
        y=[row["share"] for row in closed],
        mode="lines",
        line={"color": blue, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    return [joined, *(_marked(name, rows, marker) for name, rows, marker in kinds if rows)]


def _marked(name: str, rows: list[dict[str, Any]], marker: dict[str, Any]) -> go.Scatter:
    said = [
        f"{theme.plain(row['period_start'])}<br>{theme.safe(numbers.percent(row['share']))} of {row['customers']:,} ({theme.safe(numbers.interval(row['share_low'], row['share_high']))})"
        for row in rows
    ]
    return go.Scatter(
        x=[theme.plain(row["period_start"]) for row in rows],
        y=[row["share"] for row in rows],
        name=name,
        mode="markers",
        marker={"size": 9, "line": {"width": 2, "color": marker["color"]}, **marker},
        hovertext=said,
        hoverinfo="text",
    )
