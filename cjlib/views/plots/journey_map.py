"""Which figures the journey map, its comparison and its what-if can be drawn as; here how customers feel and what changes from stage to stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.map_html.sentiment_lane import POINTS, middle_of, name_of, rows_of_group
from cjlib.views.plots import theme
from cjlib.views.plots.map_pain import moments, pain_points, routes, support
from cjlib.views.plots.persona_maps import groups
from cjlib.views.plots.rows import Pair, dumbbells

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
    from cjlib.analyses.journey_map.compare import MapChange
    from cjlib.analyses.journey_map.what_if import WhatIf


LINE_COLUMNS = ["stage", "measure", "n", "customers", "value", "low", "high", "named"]


def sentiment(
    held: JourneyMap, *, measure: str | None = None, group: str | None = None
) -> go.Figure:
    """The mean of one measure at each stage with its band; the lead measure unless another is asked for."""
    labels = held.groups.words()
    key = labels[0] if group is None else group
    line = rows_of_group(held.sentiment_line, held, None if key == "(not set)" else key)
    line = line[line["touchpoint"].isna()] if len(line) else line
    if not len(line):
        return theme.empty(
            "Nobody was asked how they feel: there is no sentiment line.", columns=LINE_COLUMNS
        )
    chosen = measure or str(line[line["lead"]]["measure"].iloc[0])
    rows = theme.records(line[line["measure"] == chosen].sort_values("position"))
    table = [
        [
            row[name]
            for name in (
                "stage",
                "measure",
                "n",
                "customers",
                "value",
                "value_low",
                "value_high",
                "named",
            )
        ]
        for row in rows
    ]
    if not rows:
        return theme.empty(f"There are no answers of the measure {chosen}.", columns=LINE_COLUMNS)
    called = name_of(held, chosen)
    return theme.figure(
        _line_traces(rows, called),
        caption=_caption(rows, called),
        alt=f"A line of {called} over {numbers.count_of(len(rows), 'stage')}, each with its 95% CI; the table below holds every number.",
        columns=LINE_COLUMNS,
        rows=table,
        height=340,
        annotations=[_badge(row) for row in rows if not numbers.missing(row["named"])],
        xaxis=stage_axis([str(row["stage"]) for row in rows], [row["position"] for row in rows]),
        yaxis={"title": {"text": called}, "zeroline": False},
        shapes=[
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": middle_of(held, chosen),
                "y1": middle_of(held, chosen),
                "line": {"dash": "dot", "width": 1, "color": theme.MUTED},
            }
        ],
        showlegend=False,
    )


def _caption(rows: list[dict[str, Any]], measure: str) -> str:
    """What stands out significantly, with its number; or between what the stages lie."""
    readable = [row for row in rows if row["customers"] >= MIN_N]
    if not readable:
        return f"No stage has answers of {MIN_N} customers: {measure} is too thin to read."
    if len(readable) == 1:
        return f"Only {readable[0]['stage']} has answers of {MIN_N} customers: there is no stage to compare with."
    named = [row for row in rows if not numbers.missing(row["named"])]
    others = [one["value"] for one in readable if numbers.missing(one["named"])]
    span = f"from {_number(min(others))} to {_number(max(others))}" if others else ""
    if not named:
        return f"No stage differs significantly: {measure}, {span}."
    told = [
        f"{one['stage']} is a {POINTS.get(one['named'], one['named'])} at {_number(one['value'])} ({_number(one['value_low'])} to {_number(one['value_high'])}, n = {one['n']:,})"
        for one in named
    ]
    return f"{numbers.joined(told)}; {'the other stages lie ' + span if span else 'no other stage can be read'} ({measure})."


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _line_traces(rows: list[dict[str, Any]], measure: str) -> list[go.Scatter]:
    x = [row["position"] for row in rows]
    held = [
        (row["position"], row["value_low"], row["value_high"])
        for row in rows
        if not numbers.missing(row["value_low"])
    ]
    band = go.Scatter(
        x=[k for k, _, _ in held] + [k for k, _, _ in reversed(held)],
        y=[low for _, low, _ in held] + [high for _, _, high in reversed(held)],
        fill="toself",
        fillcolor="rgba(43,115,214,0.18)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    hover = [
        f"<b>{theme.label(row['stage'])}</b><br>{row['value']:.2f} ({row['value_low']:.2f} to {row['value_high']:.2f})<br>n = {row['n']:,} of {numbers.count_of(row['customers'], 'customer')}"
        for row in rows
    ]
    few = [row["customers"] < MIN_N for row in rows]
    drawn = go.Scatter(
        x=x,
        y=[row["value"] for row in rows],
        mode="lines+markers",
        line={"color": theme.COLOURS[0], "width": 3},
        marker={
            "size": 10,
            "color": theme.faded([row["customers"] for row in rows]),
            "symbol": ["circle-open" if each else "circle" for each in few],
        },
        hovertext=hover,
        hoverinfo="text",
        name=measure,
    )
    return [band, drawn]


def _badge(one: dict[str, Any]) -> dict[str, Any]:
    low = one["named"] == "trough"
    return theme.note(
        f"<b>{theme.safe(POINTS.get(one['named'], one['named']))}</b>",
        x=one["position"],
        y=one["value"],
        below=low,
        yshift=-10 if low else 10,
    ) | {"xanchor": "center"}


CHANGE_COLUMNS = [
    "stage",
    "measure",
    "earlier",
    "now",
    "n_earlier",
    "n_now",
    "change",
    "change_low",
    "change_high",
    "p_adjusted",
    "significant",
    "words",
]


def change(held: MapChange, *, measure: str = "share_of_previous") -> go.Figure:
    """One share of each stage, earlier and now."""
    every = theme.records(held.table)
    rows = [one for one in every if one["measure"] == measure]
    table = [[theme.plain(row[name]) for name in CHANGE_COLUMNS] for row in every]
    if not rows or measure not in (
        "share_of_previous",
        "share_ended",
        "share_went_back",
        "share_skipped",
        "csat",
        "ces",
    ):
        return theme.empty(f"There is nothing to compare in {measure}.", columns=CHANGE_COLUMNS)
    pairs = [
        Pair(
            str(one["stage"]),
            one["now"],
            one["earlier"],
            f"{numbers.points(one['change'])}: {one['words']} (n = {one['n_earlier']:,} and {one['n_now']:,})",
            one["significant"],
        )
        for one in rows
    ]
    return dumbbells(
        pairs,
        names=("now", "earlier"),
        axis=measure.replace("_", " "),
        caption=held.headline,
        alt=held.headline,
        columns=CHANGE_COLUMNS,
        table=table,
    )


WHAT_IF_COLUMNS = [
    "stage",
    "share_of_previous",
    "share_future",
    "customers_now",
    "customers_future",
    "extra_customers",
    "extra_customers_low",
    "extra_customers_high",
]


def what_if(held: WhatIf) -> go.Figure:
    """Customers along the stages in order, now and if the shares were changed."""
    rows = theme.records(held.table)
    x = list(range(1, len(rows) + 1))
    low, high = (
        [
            one["customers_future"] + one[f"extra_customers{end}"] - one["extra_customers"]
            for one in rows
        ]
        for end in ("_low", "_high")
    )
    bars_ = [
        go.Bar(
            x=[k - 0.18 for k in x],
            y=[one["customers_now"] for one in rows],
            width=0.32,
            name="now",
            marker={"color": theme.MUTED},
        ),
        go.Bar(
            x=[k + 0.18 for k in x],
            y=[one["customers_future"] for one in rows],
            width=0.32,
            name="what if",
            marker={"color": theme.COLOURS[0]},
            error_y=theme.whiskers([one["customers_future"] for one in rows], low, high, "#1b2430"),
        ),
    ]
    return theme.figure(
        bars_,
        caption=held.headline,
        alt=held.headline,
        columns=WHAT_IF_COLUMNS,
        rows=[[row[name] for name in WHAT_IF_COLUMNS] for row in rows],
        height=340,
        xaxis=stage_axis([str(one["stage"]) for one in rows], x),
        yaxis={"title": {"text": "customers, in order"}, "rangemode": "tozero"},
        showlegend=True,
    )


def stage_axis(names: list[str], places: list[int]) -> dict[str, Any]:
    """Names at their places, a word a line; aslant where there are many."""
    shown = [
        "<br>".join(theme.safe(part) for part in numbers.short(name, 24).split(" "))
        for name in names
    ]
    return {
        "tickvals": places,
        "ticktext": shown,
        "showgrid": False,
        "range": [min(places) - 0.5, max(places) + 0.5],
        "tickangle": -45 if len(names) > 5 else 0,
    }


VIEWS = {
    "JourneyMap": {
        "sentiment": sentiment,
        "pain_points": pain_points,
        "moments": moments,
        "routes": routes,
        "support": support,
        "groups": groups,
    },
    "MapChange": {"change": change},
    "WhatIf": {"what_if": what_if},
}
