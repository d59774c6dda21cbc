"""Which figures an attribution and a comparison of models can be drawn as."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import share_rows, theme

COLUMNS = [
    "channel",
    "touches",
    "converting journeys",
    "credited conversions",
    "share of conversions",
    "95% CI",
]
LINE = 19


def credit(result: Any, *, most: int = 12) -> go.Figure:
    """The credit of every channel under one model, as a share of conversions."""
    every = theme.records(result.table)
    total = int(result.metrics["conversions"]["value"] or 0)
    if not every or not total:
        return theme.empty(result.headline, columns=COLUMNS)
    rows = [_row(row, total) for row in every[:most]]
    costs = "cost_per_conversion" in result.table
    return share_rows.bars(
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


def _row(row: dict[str, Any], total: int) -> share_rows.Row:
    said = f"{numbers.percent(row['share_of_conversions'])} ({row['conversions']:,.1f} of {total:,} conversions)"
    return share_rows.Row(
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
    """For each channel a dot a model, with its interval: how much the choice of the model decides."""
    columns = ["channel", "model", *COLUMNS[3:]]
    every = theme.records(result.table)
    if not every or all(numbers.missing(row["share_of_conversions"]) for row in every):
        return theme.empty(result.headline, columns=columns)
    order = list(dict.fromkeys(row["model"] for row in every))
    channels = _largest(every, most)
    held = {(row["channel"], row["model"]): row for row in every}
    at, points, notes = 0.0, [], []
    for channel in channels:
        notes.append(
            theme.note(f"<b>{theme.label(channel, 40)}</b>", x=0, y=at, below=True, xref="paper")
        )
        at -= LINE + 2
        for model in order:
            notes.append(
                theme.note(
                    theme.safe(model), x=0, y=at - LINE / 2 + 9, below=True, xref="paper", size=11
                )
            )
            points.append((at - LINE / 2, held[channel, model]))
            at -= LINE
        at -= 10
    top = min(
        1.0,
        1.05
        * max(
            max(row["share_of_conversions"], _or_zero(row["share_of_conversions_high"]))
            for _, row in points
        )
        + 0.01,
    )
    shares = [row["share_of_conversions"] for _, row in points]
    return theme.figure(
        [
            go.Scatter(
                x=[theme.plain(share) for share in shares],
                y=[y for y, _ in points],
                mode="markers",
                marker={"size": 9, "color": theme.COLOURS[0]},
                error_x=theme.whiskers(
                    shares,
                    [row["share_of_conversions_low"] for _, row in points],
                    [row["share_of_conversions_high"] for _, row in points],
                ),
                hovertext=[
                    f"<b>{theme.label(row['channel'], 60)}</b>, {theme.safe(row['model'])}<br>{theme.safe(numbers.percent(row['share_of_conversions']))}"
                    for _, row in points
                ],
                hoverinfo="text",
                showlegend=False,
            )
        ],
        caption=result.headline,
        alt="For each channel a dot a model. "
        + "; ".join(
            f"{row['channel']} under {row['model']}: {numbers.percent(row['share_of_conversions'])}"
            for _, row in points
        )
        + ".",
        columns=columns,
        rows=[
            [row["channel"], row["model"], *_cells(row)[3:]]
            for row in sorted(every, key=lambda row: (row["channel"], order.index(row["model"])))
        ],
        height=round(-at) + 60,
        annotations=notes,
        # Room at the left for the names of the models, inside the figure so that a phone keeps its width.
        xaxis=theme.percent_axis(
            range=[-0.42 * top, top],
            nticks=5,
            tickvals=_ticks(top),
            title={"text": "share of conversions<br>95% CIs; credit, not cause"},
        ),
        yaxis={"range": [at, 6], "visible": False},
    )


def _or_zero(value: float) -> float:
    return 0.0 if numbers.missing(value) else value


def _ticks(top: float) -> list[float]:
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.25) if top / step <= 5)
    return [round(step * k, 2) for k in range(int(top / step) + 1)]


def _largest(every: list[dict[str, Any]], most: int) -> list[str]:
    total: dict[str, float] = {}
    for row in every:
        total[row["channel"]] = total.get(row["channel"], 0.0) + row["share_of_conversions"]
    return sorted(total, key=lambda name: (-round(total[name], 9), name))[:most]


VIEWS = {"Attribution": {"credit": credit}, "AttributionComparison": {"models": models}}
