"""Which figures a funnel, its trend, its change and its losses can be drawn as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
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
    """The steps for each window and by segment for each column, one at a time; the table under the figure holds all of them."""
    figures = {
        **{name: steps(each) for name, each in windows.items()},
        **{name: segment_steps(each) for name, each in groups.items()},
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


LOST_COLUMNS = [
    "next event",
    "lost",
    "share of lost",
    "95% CI",
    "went on",
    "share of those who went on",
    "95% CI of it",
    "difference among those compared",
    "adjusted p",
    "significant",
]
CHANGE_COLUMNS = [
    "step",
    "event",
    "customers",
    "share of first step",
    "customers before",
    "share before",
    "difference",
    "95% CI of the difference",
    "adjusted p",
    "verdict",
]


def next_after_drop_off(result: Any, *, most: int = 10) -> go.Figure:
    """For the most common next events, the share of those lost and of those who went on that had it next."""
    table: pd.DataFrame = result.table
    if table.empty:
        return theme.empty("Nobody was lost here.", columns=LOST_COLUMNS)
    every = theme.records(table)
    rows = every[:most]
    more = (
        f" {numbers.count_of(len(every) - most, 'rarer event is', 'rarer events are')} in the table only."
        if len(every) > most
        else ""
    )
    said = [
        f"{numbers.percent(row['share_of_lost'])} lost, {numbers.percent(row['share_of_went_on'])} went on"
        for row in rows
    ]
    labels, lines = theme.row_labels(
        [row["event"] for row in rows], said, [_clear(row) for row in rows]
    )
    pitch = 36 + 18 * lines
    return theme.figure(
        _dumbbells(
            rows,
            ("share_of_lost", "share_of_went_on"),
            ("lost", "went on"),
            (theme.COLOURS[1], theme.COLOURS[0]),
        ),
        caption=result.headline + more,
        alt="For each next event a filled dot for those lost and a hollow diamond for those who went on. "
        + "; ".join(
            f"{row['event']}: {numbers.percent(row['share_of_lost'])} of those lost, {numbers.percent(row['share_of_went_on'])} of those who went on"
            for row in rows
        )
        + ".",
        columns=LOST_COLUMNS,
        rows=[_lost_row(row) for row in every],
        height=pitch * len(rows) + 110,
        annotations=labels,
        showlegend=True,
        xaxis=theme.percent_axis(
            range=[-0.01, _top(rows, ("share_of_lost", "share_of_went_on"))],
            nticks=5,
            title={
                "text": "share whose next event was this<br>bold: significantly different among those compared"
            },
        ),
        yaxis={"range": [0.6 - len(rows), (14 + 20 * lines) / pitch], "visible": False},
    )


def _clear(row: dict[str, Any]) -> bool:
    return not numbers.missing(row["p_adjusted"]) and row["p_adjusted"] < CLAIM


def _lost_row(row: dict[str, Any]) -> list[Any]:
    return [
        row["event"],
        row["lost"],
        numbers.percent(row["share_of_lost"]),
        numbers.interval(row["share_of_lost_low"], row["share_of_lost_high"]),
        row["went_on"],
        numbers.percent(row["share_of_went_on"]),
        numbers.interval(row["share_of_went_on_low"], row["share_of_went_on_high"]),
        numbers.points(row["difference"]),
        row["p_adjusted"],
        "not compared" if numbers.missing(row["p_adjusted"]) else "yes" if _clear(row) else "no",
    ]


def change(result: Any) -> go.Figure:
    """Each step's share of the first, now and in the span before, with the verdict in words."""
    table: pd.DataFrame = result.table
    every = theme.records(table)
    rows = [row for row in every if row["step"] > 1]
    if not rows:
        return theme.empty("There is no second step to compare.", columns=CHANGE_COLUMNS)
    said = [
        f"{numbers.percent(row['previous_share_of_first'])} → {numbers.percent(row['share_of_first'])}, {row['verdict']}"
        for row in rows
    ]
    labels, lines = theme.row_labels(
        [row["event"] for row in rows],
        said,
        [row["verdict"] in ("better", "worse") for row in rows],
    )
    pitch = 36 + 18 * lines
    return theme.figure(
        _dumbbells(
            rows,
            ("share_of_first", "previous_share_of_first"),
            ("now", "before"),
            (theme.COLOURS[0], theme.MUTED),
        ),
        caption=result.headline,
        alt="For each step a filled dot for now and a hollow diamond for the span before. "
        + "; ".join(f"{row['event']}: {text}" for row, text in zip(rows, said, strict=True))
        + ".",
        columns=CHANGE_COLUMNS,
        rows=[_change_row(row) for row in every],
        height=pitch * len(rows) + 100,
        annotations=labels,
        showlegend=True,
        xaxis=theme.percent_axis(
            range=[-0.01, _top(rows, ("share_of_first", "previous_share_of_first"))],
            nticks=5,
            title={"text": "share of the first step"},
        ),
        yaxis={"range": [0.6 - len(rows), (14 + 20 * lines) / pitch], "visible": False},
    )


def _change_row(row: dict[str, Any]) -> list[Any]:
    return [
        row["step"],
        row["event"],
        row["customers"],
        numbers.percent(row["share_of_first"]),
        row["previous_customers"],
        numbers.percent(row["previous_share_of_first"]),
        numbers.points(row["difference"]),
        numbers.points_interval(row["difference_low"], row["difference_high"]),
        row["p_adjusted"],
        row["verdict"],
    ]


# ---- dumbbells -------------------------------------------------------------------------------------------------


def _top(rows: list[dict[str, Any]], columns: tuple[str, str]) -> float:
    return min(
        1.01,
        1.06
        * max(
            (row[column] for row in rows for column in columns if not numbers.missing(row[column])),
            default=1.0,
        )
        + 0.005,
    )


def _dumbbells(
    rows: list[dict[str, Any]],
    columns: tuple[str, str],
    names: tuple[str, str],
    colours: tuple[str, str],
) -> list[go.Scatter]:
    lines_x, lines_y = [], []
    for k, row in enumerate(rows):
        lines_x += [theme.plain(row[columns[0]]), theme.plain(row[columns[1]]), None]
        lines_y += [-float(k), -float(k), None]
    link = go.Scatter(
        x=lines_x,
        y=lines_y,
        mode="lines",
        line={"color": theme.MUTED, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    return [
        link,
        *(
            _ends(rows, *end)
            for end in zip(columns, names, colours, ("circle", "diamond-open"), strict=True)
        ),
    ]


def _ends(
    rows: list[dict[str, Any]], column: str, name: str, colour: str, symbol: str
) -> go.Scatter:
    return go.Scatter(
        x=[theme.plain(row[column]) for row in rows],
        y=[-float(at) for at in range(len(rows))],
        name=name,
        mode="markers",
        marker={
            "size": 11,
            "color": colour,
            "symbol": symbol,
            "line": {"width": 2, "color": colour},
        },
        hovertext=[
            f"<b>{theme.label(row['event'], 60)}</b><br>{name}: {theme.safe(numbers.percent(row[column]))}"
            for row in rows
        ],
        hoverinfo="text",
    )


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
