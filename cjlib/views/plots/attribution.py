"""Which figures an attribution and a comparison of models can be drawn as."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme
from cjlib.views.plots.rows import Row, bars

COLUMNS = [
    "channel",
    "touches",
    "converting journeys",
    "credited conversions",
    "share of conversions",
    "95% CI",
]


def credit(result: Any, *, most: int = 12) -> go.Figure:
    """The credit of every channel under one model, as a share of conversions."""
    every = theme.records(result.table)
    total = int(result.metrics["conversions"]["value"] or 0)
    if not every or not total:
        return theme.empty(result.headline, columns=COLUMNS)
    rows = [_row(row, total) for row in every[:most]]
    costs = "cost_per_conversion" in result.table
    return bars(
        rows,
        axis="share of conversions<br>95% CIs; credit, not cause",
        caption=result.headline,
        alt=f"Bars for {numbers.count_of(len(rows), 'channel')}. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=[*COLUMNS, *(["cost per conversion"] if costs else [])],
        table=[
            [*_cells(row), *([numbers.number(row["cost_per_conversion"])] if costs else [])]
            for row in every
        ],
    )


def _row(row: dict[str, Any], total: int) -> Row:
    said = f"{numbers.percent(row['share_of_conversions'])} ({row['conversions']:,.1f} of {total:,} conversions)"
    return Row(
        row["channel"],
        row["share_of_conversions"],
        row["share_of_conversions_low"],
        row["share_of_conversions_high"],
        total,
        said,
    )


def _cells(row: dict[str, Any]) -> list[Any]:
    return [
        row["channel"],
        row["touches"],
        row["journeys"],
        f"{row['conversions']:,.1f}",
        numbers.percent(row["share_of_conversions"]),
        numbers.interval(row["share_of_conversions_low"], row["share_of_conversions_high"]),
    ]


def models(result: Any, *, most: int = 5) -> go.Figure:
    """Channel by model: the share of conversions that each model credits, and so how much the choice of the model decides."""
    columns = ["channel", "model", *COLUMNS[3:]]
    every = theme.records(result.table)
    if not every or all(numbers.missing(row["share_of_conversions"]) for row in every):
        return theme.empty(result.headline, columns=columns)
    order = list(dict.fromkeys(row["model"] for row in every))
    held = {(row["channel"], row["model"]): row["share_of_conversions"] for row in every}
    drawn = [
        marks.Mark(
            name=channel,
            said="",
            series=[theme.plain(held[channel, model]) for model in order],
        )
        for channel in _largest(every, most)
    ]
    scale = marks.Scale(title="share of conversions; credit, not cause", percent=True)
    told = (
        f"{channel} under {model}: {numbers.percent(share)}"
        for (channel, model), share in held.items()
    )
    return theme.rows_figure(
        marks.spec(drawn, scale, "heat", order),
        caption=result.headline,
        alt=f"A row a channel, a column a model. {'; '.join(told)}.",
        columns=columns,
        rows=[
            [row["channel"], row["model"], *_cells(row)[3:]]
            for row in sorted(every, key=lambda row: (row["channel"], order.index(row["model"])))
        ],
    )


def _largest(every: list[dict[str, Any]], most: int) -> list[str]:
    total: dict[str, float] = {}
    for row in every:
        total[row["channel"]] = total.get(row["channel"], 0.0) + row["share_of_conversions"]
    return sorted(total, key=lambda name: (-round(total[name], 9), name))[:most]


VIEWS = {"Attribution": {"credit": credit}, "AttributionComparison": {"models": models}}
