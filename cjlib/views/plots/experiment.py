"""An experiment: what each arm changed, how that looked at each look, whether it fades, and in which groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.retention_curves import curve
from cjlib.views.plots.rows import Axis, Dot, dot_rows

COLUMNS = [
    "arm",
    "measure",
    "role",
    "customers",
    "control customers",
    "value",
    "control",
    "difference",
    "95% CI at every look",
    "verdict",
]
CHANGE = "difference from control, as a share of its value, 95% CI at every look"


def effects(result: Any) -> go.Figure:
    """A dot an arm and measure: the relative difference from control, with the interval that holds at every look."""
    table = theme.records(result.table)
    dots = [
        Dot(
            _name(row, result),
            row["relative"],
            row["relative_always_low"],
            row["relative_always_high"],
            min(row["customers"], row["control_customers"]),
            f"{_percent(row['relative'])} · {row['verdict']}",
            row["verdict"] in ("better", "worse"),
        )
        for row in table
    ]
    return dot_rows(
        dots,
        Axis(CHANGE, {"tickformat": "+.0%"}, middle=0.0),
        caption=result.headline,
        alt=f"{result.headline} " + "; ".join(f"{dot.name}: {dot.said}" for dot in dots),
        columns=COLUMNS,
        rows=[_cells(row) for row in table],
    )


def looks(result: Any) -> go.Figure:
    """The first decision measure at every look, with the interval that may be looked at every day."""
    return _lines(
        result,
        theme.records(_first(result.looks)),
        at="look",
        bounds=("always_low", "always_high"),
        title="customers whose window was over by",
        caption="{measure}: the difference from control at each look. The verdict comes where the band, which holds at every look (95% CI), leaves out 0.",
    )


def novelty(result: Any) -> go.Figure:
    """What each day since the exposure adds to the difference."""
    return _lines(
        result,
        theme.records(_first(result.novelty)),
        at="days",
        bounds=("low", "high"),
        title="days since the first exposure",
        caption="{measure}: the difference that each day since the exposure adds (95% CI a day, read one by one). A difference that fades was novelty.",
    )


def segments(result: Any) -> go.Figure:
    """The first decision measure within each group; exploratory."""
    table = theme.records(_first(result.segments))
    dots = [
        Dot(
            f"{row['column']}: {row['group']}",
            row["difference"],
            row["low"],
            row["high"],
            min(row["customers"], row["control_customers"]),
            f"n = {row['customers']:,} and {row['control_customers']:,}",
            row["p_adjusted"] < CLAIM,
        )
        for row in table
    ]
    names = ["column", "group", "variant", "measure", "customers", "control_customers"]
    values = ["difference", "low", "high", "p_adjusted"]
    return dot_rows(
        dots,
        Axis("difference from control, 95% CI", middle=0.0),
        caption="Exploratory: groups decide nothing. Bold: statistically significant over all groups together.",
        alt="; ".join(f"{dot.name}: {numbers.number(dot.value)}" for dot in dots),
        columns=[*names, *values],
        rows=[[row[name] for name in (*names, *values)] for row in table],
    )


def plan(result: Any) -> go.Figure:
    """Days until an effect of each size is shown, measure by measure."""
    table = theme.records(result.table.dropna(subset=["days"]))
    names = list(dict.fromkeys(row["measure"] for row in table))
    traces = []
    for place, name in enumerate(names):
        rows = [row for row in table if row["measure"] == name]
        traces.append(
            go.Scatter(
                x=[row["effect"] for row in rows],
                y=[row["days"] for row in rows],
                mode="lines+markers",
                name=theme.label(name),
                line={"color": theme.COLOURS[place % len(theme.COLOURS)], "width": 2.5},
                hovertext=[
                    f"{theme.safe(numbers.percent(row['effect'], 0))}: {row['customers_per_arm']:,} customers an arm"
                    for row in rows
                ],
                hoverinfo="text",
            )
        )
    columns = ["measure", "baseline", "effect", "difference", "customers_per_arm", "days"]
    return theme.figure(
        traces,
        caption=result.headline,
        alt=result.headline,
        columns=columns,
        rows=[[row[name] for name in columns] for row in table],
        height=340,
        showlegend=len(names) > 1,
        xaxis=theme.percent_axis(title={"text": "true change"}),
        yaxis={"title": {"text": "days"}, "type": "log"},
    )


def _first(table: Any) -> Any:
    """The rows of the first measure."""
    return table[table["measure"] == table["measure"].iloc[0]] if len(table) else table


def _lines(
    result: Any,
    table: Sequence[dict[str, Any]],
    *,
    at: str,
    bounds: tuple[str, str],
    title: str,
    caption: str,
) -> go.Figure:
    columns = [at, "variant", "customers", "difference", *bounds]
    if not table:
        return theme.empty("Too few customers for a curve.", columns=columns)
    traces = []
    arms = list(dict.fromkeys(row["variant"] for row in table))
    for place, arm in enumerate(arms):
        rows = [row for row in table if row["variant"] == arm]
        traces += curve(
            [row[at] for row in rows],
            [row["difference"] for row in rows],
            [row[bounds[0]] for row in rows],
            [row[bounds[1]] for row in rows],
            place=place,
            name=theme.label(arm),
        )
    words = caption.format(measure=table[0]["measure"])
    return theme.figure(
        traces,
        caption=words,
        alt=f"{words} {result.headline}",
        columns=columns,
        rows=[[row[name] for name in columns] for row in table],
        height=340,
        showlegend=len(arms) > 1,
        xaxis={"title": {"text": title}},
        yaxis={"title": {"text": "difference from control"}, "zeroline": True},
    )


def _name(row: dict[str, Any], result: Any) -> str:
    return row["measure"] if len(result.verdict) == 1 else f"{row['variant']}: {row['measure']}"


def _percent(share: float) -> str:
    return numbers.DASH if numbers.missing(share) else f"{numbers.signed(100 * share, 1)}%"


def _cells(row: dict[str, Any]) -> list[Any]:
    return [
        row["variant"],
        row["measure"],
        row["role"],
        row["customers"],
        row["control_customers"],
        row["value"],
        row["control_value"],
        row["difference"],
        f"{numbers.number(row['always_low'])} to {numbers.number(row['always_high'])}",
        row["verdict"],
    ]


VIEWS = {
    "Experiment": {
        "effects": effects,
        "looks": looks,
        "novelty": novelty,
        "segments": segments,
    },
    "ExperimentPlan": {"plan": plan},
}
