"""Which figures a funnel, its trend, its change and its losses can be drawn as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.funnel_lost import change, next_after_drop_off
from cjlib.views.plots.funnel_segments import segment_steps, segments
from cjlib.views.plots.funnel_steps import STEP_COLUMNS, named, step_rows, steps
from cjlib.views.plots.funnel_time import time, trend


def funnel(result: Any) -> go.Figure:
    """The steps of a funnel; of one with groups, its segments."""
    return segments(result) if theme.by_columns(result.table, "step") else steps(result)


COLUMNS = ["choice", "group", *STEP_COLUMNS]
_OWN = ("annotations", "height", "xaxis", "yaxis")
"""What a choice brings of the layout; all else is the same for each."""


def choices(windows: Mapping[str, Any], groups: Mapping[str, Any], start: int = 0) -> go.Figure:
    """The steps for each window and the segments for each column, one at a time; the table under the figure holds all of them."""
    figures = {
        **{name: steps(each) for name, each in windows.items()},
        **{name: segments(each) for name, each in groups.items()},
    }
    drawn = {name: figure.to_plotly_json() for name, figure in figures.items()}
    names = list(drawn)
    traces = [
        {**trace, "visible": place == start}
        for place, name in enumerate(names)
        for trace in drawn[name]["data"]
    ]
    sizes = [len(drawn[name]["data"]) for name in names]
    buttons = [
        {
            "label": theme.label(name, 40),
            "method": "update",
            "args": [
                {"visible": [place == at for at, size in enumerate(sizes) for _ in range(size)]},
                _layout(drawn[name]),
            ],
        }
        for place, name in enumerate(names)
    ]
    first = _layout(drawn[names[start]])
    menu = {
        "name": "Show the funnel",
        "buttons": buttons,
        "active": start,
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "pad": {"b": 12},
    }
    return theme.figure(
        traces,
        caption=_caption(windows),
        alt=f"The funnel, one choice at a time: {numbers.joined(names)}. The table below holds every choice.",
        columns=COLUMNS,
        rows=[
            row for name, each in {**windows, **groups}.items() for row in _rows(name, each.table)
        ],
        height=first.pop("height"),
        updatemenus=[menu],
        barmode="overlay",
        showlegend=False,
        **first,
    )


def _layout(drawn: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "annotations": [],
        **{name: drawn["layout"][name] for name in _OWN if name in drawn["layout"]},
    }


def _rows(choice: str, table: Any) -> list[list[Any]]:
    by = theme.by_columns(table, "step")
    return [
        [choice, " · ".join(row[: len(by)]) or None, *row[len(by) :]] for row in step_rows(table)
    ]


def _caption(windows: Mapping[str, Any]) -> str:
    """How the share that gets through moves with the window."""
    tables = {name: each.table for name, each in windows.items()}
    table = next(iter(tables.values()))
    last, entered = table["event"].iloc[-1], int(table["customers"].iloc[0])
    if entered < MIN_N:
        return f"Too few to read a share: {numbers.count_of(entered, 'customer')} entered."
    every = numbers.joined(
        f"{numbers.percent(each['share_of_first'].iloc[-1])} {name}"
        for name, each in tables.items()
    )
    return f"Of {numbers.count_of(entered, 'customer')}, so many reach {named(last)}: {every}."


VIEWS = {
    "Funnel": {
        "funnel": funnel,
        "steps": steps,
        "segments": segments,
        "segment_steps": segment_steps,
        "time": time,
    },
    "FunnelTrend": {"trend": trend},
    "FunnelChange": {"change": change},
    "FunnelLost": {"next_after_drop_off": next_after_drop_off},
}
