"""Figures of the maps of several personas or groups: for each stage a dot a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.map_html.sentiment_lane import rows_of_group
from cjlib.views.plots import theme

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
    from cjlib.views.notebook.persona_maps import PersonaMaps


COLUMNS = ["stage", "group", "customers", "ended here", "share ended", "low", "high"]
NOT_COMPARED = "Where journeys of personas end is not compared: they are made of all that customers did, how far they came included."
Stages = Mapping[str, list[dict[str, Any]]]
"""The rows of the stages by group."""


def groups(held: JourneyMap, *, most: int = 5) -> go.Figure:
    """For each stage a dot a group: the share of those who entered whose journey ended there, of the largest groups of a map with `by=`."""
    of = held.groups
    if of.name is None:
        return theme.empty("The map has no groups to set side by side.", columns=COLUMNS)
    names = of.words()
    return _drawn(
        {
            name: theme.records(
                rows_of_group(held.table, held, None if name == "(not set)" else name)
            )
            for name in names
        },
        of.name,
        most,
        _caption(held.comparisons, of.name),
    )


def persona_groups(held: PersonaMaps, *, most: int = 6) -> go.Figure:
    """The same for personas, each counted on its own map."""
    if not held.maps:
        return theme.empty(held.text, columns=COLUMNS)
    return _drawn(
        {name: theme.records(one.table) for name, one in held.maps.items()},
        "persona",
        most,
        NOT_COMPARED,
    )


def _drawn(every: Stages, of: str, most: int, caption: str) -> go.Figure:
    shown = {name: rows for name, rows in list(every.items())[:most] if name}
    stages = list(
        dict.fromkeys(row["stage"] for rows in shown.values() for row in rows if _entered(row))
    )
    if not stages:
        return theme.empty(
            "Nobody entered a stage, so there is nothing to set side by side.", columns=COLUMNS
        )
    room = 26 + 19 * len(shown)
    notes = [
        theme.note(f"<b>{theme.label(stage, 40)}</b>", x=0, y=0.42 - k, xref="paper")
        for k, stage in enumerate(stages)
    ]
    more = f" {len(every) - most} smaller groups are not drawn." if len(every) > most else ""
    return theme.figure(
        [_trace(k, name, rows, stages, len(shown)) for k, (name, rows) in enumerate(shown.items())],
        caption=caption + more,
        alt=f"For each stage a row of dots, one a group of {of}: the share of those who entered whose journey ended there.",
        columns=COLUMNS,
        rows=[
            _told(row, name)
            for stage in stages
            for name, rows in shown.items()
            for row in rows
            if row["stage"] == stage
        ],
        height=room * len(stages) + 120,
        annotations=notes,
        showlegend=True,
        xaxis=theme.percent_axis(
            range=[-0.01, 1.01],
            nticks=6,
            title={
                "text": "share whose journey ended at the stage, 95% CI<br>hollow: fewer than 30 entered it"
            },
        ),
        yaxis={"range": [0.45 - len(stages), 0.75], "visible": False},
    )


def _entered(row: dict[str, Any]) -> int:
    return 0 if numbers.missing(row["customers"]) else int(row["customers"])


def _told(row: dict[str, Any], name: str) -> list[Any]:
    return [
        row["stage"],
        name,
        *(
            row[key]
            for key in (
                "customers",
                "ended_here",
                "share_ended",
                "share_ended_low",
                "share_ended_high",
            )
        ),
    ]


def _trace(k: int, name: str, rows: list[dict[str, Any]], stages: list[str], of: int) -> go.Scatter:
    rows = [row for row in rows if _entered(row)]
    share = [row["share_ended"] for row in rows]
    colour, symbol = theme.COLOURS[k % len(theme.COLOURS)], theme.SYMBOLS[k % len(theme.SYMBOLS)]
    low, high = ([row[f"share_ended_{end}"] for row in rows] for end in ("low", "high"))
    return go.Scatter(
        x=share,
        y=[0.28 - stages.index(row["stage"]) - 0.7 * (k + 0.5) / of for row in rows],
        name=theme.label(name, 34),
        mode="markers",
        marker={
            "size": 9,
            "color": colour,
            "symbol": [symbol if _entered(row) >= MIN_N else f"{symbol}-open" for row in rows],
        },
        error_x=theme.whiskers(share, low, high, colour) | {"width": 0},
        hovertext=[
            f"<b>{theme.label(name)}</b><br>{theme.safe(numbers.percent(row['share_ended']))} of {_entered(row):,}"
            for row in rows
        ],
        hoverinfo="text",
    )


def _caption(compared: pd.DataFrame, of: str) -> str:
    """The stage and the two groups furthest apart, of all pairs that differ significantly, followed equally long."""
    if not len(compared) or compared["p_adjusted"].isna().all():
        return f"Too few customers in the groups of {of} to compare where their journeys end."
    clear = compared[compared["p_adjusted"] < CLAIM]
    if not len(clear):
        return f"At no stage do the groups of {of} differ significantly in how many end there."
    one = theme.records(clear)[int(clear["difference"].abs().to_numpy().argmax())]
    sides = sorted(
        [
            (one["share_ended"], one["n"], one["group"]),
            (one["other_share_ended"], one["other_n"], one["other"]),
        ]
    )
    few, many = (f"{numbers.percent(share)} of {name} (n = {n:,})" for share, n, name in sides)
    return (
        f"The groups lie furthest apart at {one['stage']}: the journeys of {few} and of {many} end there, "
        "of those followed equally long after they entered it."
    )


VIEWS = {"PersonaMaps": {"groups": persona_groups}}
