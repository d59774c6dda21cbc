"""A funnel's steps: how many reach each, and how many are lost after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme

STEP_COLUMNS = [
    "step",
    "event",
    "customers",
    "share of first step",
    "95% CI",
    "share of step before",
    "95% CI of that share",
    "did not go on",
    "still in progress",
    "median time from step before",
]


BAR = 20
"""Height of a bar in pixels."""


@dataclass(frozen=True)
class Loss:
    """Those who reached a step and not the next."""

    step: int
    before: str
    after: str
    lost: int
    base: int
    share: float
    low: float
    high: float
    still_open: int


def losses(table: pd.DataFrame) -> list[Loss]:
    """The loss after each step but the last, of a table without groups."""
    rows = theme.records(table)
    return [
        Loss(
            step=here["step"],
            before=here["event"],
            after=following["event"],
            lost=here["customers"] - following["customers"],
            base=here["customers"],
            share=1 - following["share_of_previous"],
            low=1 - following["share_of_previous_high"],
            high=1 - following["share_of_previous_low"],
            still_open=here["still_open"],
        )
        for here, following in pairwise(rows)
    ]


# ---- steps -----------------------------------------------------------------------------------------------------


def steps(result: Any) -> go.Figure:
    """Each step's customers as a bar of those at step 1, with its interval and the loss after it; all groups together."""
    table: pd.DataFrame = result.overall
    if table.empty or table["customers"].iloc[0] == 0:
        return theme.empty("Nobody entered this funnel.", columns=STEP_COLUMNS)
    rows = theme.records(table)
    entered = rows[0]["customers"]
    lost = losses(table)
    y = -np.arange(len(rows), dtype=float)
    labels, lines = theme.row_labels(
        [f"{row['step']}  {row['event']}" for row in rows],
        [_count(row) for row in rows],
        [entered >= MIN_N] * len(rows),
        up=BAR // 2,
    )
    pitch = 80 + 18 * lines
    bar = {"y": y.tolist(), "orientation": "h", "width": BAR / pitch}
    drawn = [
        go.Bar(x=[1.0] * len(rows), marker={"color": theme.TRACK}, hoverinfo="skip", **bar),
        go.Bar(
            x=table["share_of_first"].tolist(),
            marker={"color": theme.faded([entered] * len(rows))},
            hovertext=[_hover(row) for row in rows],
            hoverinfo="text",
            **bar,
        ),
        *theme.interval_bars(
            table["share_of_first"], y, table["share_of_first_low"], table["share_of_first_high"]
        ),
    ]
    scale = f"bar: share of the {numbers.count_of(entered, 'customer')} at step 1<br>line across its end: 95% CI"
    return theme.figure(
        drawn,
        caption=steps_caption(table, result.biggest_losses),
        alt=_steps_alt(table),
        columns=STEP_COLUMNS,
        rows=step_rows(table),
        height=pitch * len(rows) + 24,
        annotations=labels + _loss_notes(lost, result.biggest_losses),
        barmode="overlay",
        showlegend=False,
        xaxis={
            "range": [0, 1.004],
            "showgrid": False,
            "showticklabels": False,
            "title": {"text": scale},
        },
        yaxis={
            "range": [0.3 - len(rows) + 30 / pitch, (BAR + 20 * lines) / pitch],
            "visible": False,
        },
    )


def _hover(row: dict[str, Any]) -> str:
    lines = [numbers.count_of(row["customers"], "customer")]
    if row["step"] > 1:
        lines += [
            f"{numbers.percent(row['share_of_first'])} of step 1 ({numbers.interval(row['share_of_first_low'], row['share_of_first_high'])})",
            f"{numbers.percent(row['share_of_previous'])} of the step before ({numbers.interval(row['share_of_previous_low'], row['share_of_previous_high'])})",
            f"median time from the step before: {numbers.duration(row['median_seconds_from_previous'])}",
        ]
    return f"<b>{theme.label(row['event'], 60)}</b><br>" + "<br>".join(
        theme.safe(line) for line in lines
    )


def _count(row: dict[str, Any]) -> str:
    if row["step"] == 1:
        return numbers.count_of(row["customers"], "customer")
    return f"{row['customers']:,} · {numbers.percent(row['share_of_first'])} of first"


def _loss_notes(lost: list[Loss], top: Sequence[int]) -> list[dict[str, Any]]:
    notes = []
    for k, loss in enumerate(lost):
        said = f"↓ {loss.lost:,} did not go on ({numbers.percent(loss.share)}){', too few to read' if loss.base < MIN_N else ''}"
        more = [f"{_how_many(loss)} of them still in progress"] if loss.still_open else []
        if loss.step in top and loss.base >= MIN_N:
            said = f"<b>{theme.safe(said)}</b>"
            more.insert(
                0,
                "<b>biggest drop-off</b>"
                if len(top) == 1
                else f"<b>one of the {len(top)} biggest drop-offs</b>",
            )
        else:
            said = theme.safe(said)
        notes.append(
            theme.note(
                f"{said}<br>{' · '.join(more)}" if more else said,
                x=0,
                y=-k,
                yshift=-BAR // 2,
                below=True,
                xref="paper",
            )
        )
    return notes


def _how_many(loss: Loss) -> str:
    return "all" if loss.still_open == loss.lost else f"{loss.still_open:,}"


def steps_caption(table: pd.DataFrame, biggest: Sequence[int]) -> str:
    """What the steps claim: where most are lost, how sure that is, and how many go all the way."""
    first, last = table.iloc[0], table.iloc[-1]
    entered = int(first["customers"])
    if len(table) == 1:
        return f"{numbers.count_of(entered, 'customer')} did {named(first['event'])}."
    through = f"{numbers.percent(last['share_of_first'])} ({numbers.interval(last['share_of_first_low'], last['share_of_first_high'])}) of {numbers.count_of(entered, 'customer')}"
    if entered < MIN_N:
        return f"Too few to read a share: {numbers.count_of(entered, 'customer')} did {named(first['event'])}, {int(last['customers']):,} reached {named(last['event'])}."
    lost = losses(table)
    top = [lost[step - 1] for step in biggest]
    if not top:
        return f"Nobody is lost: all {numbers.count_of(entered, 'customer')} reach {named(last['event'])}."
    if len(top) > 1:
        between = numbers.joined(
            f"{named(loss.before)} ({loss.lost:,} of {loss.base:,})" for loss in top
        )
        return f"The biggest drop-offs, after {between}, are too alike to rank; {through} reach {named(last['event'])}."
    loss = top[0]
    waiting = f", {_how_many(loss)} of them still in progress" if loss.still_open else ""
    return (
        f"Most are lost between {named(loss.before)} and {named(loss.after)}: {loss.lost:,} of {loss.base:,} "
        f"({numbers.percent(loss.share)}, {numbers.interval(loss.low, loss.high)}) do not go on{waiting}; {through} reach {named(last['event'])}."
    )


def named(text: str) -> str:
    """An event in a sentence."""
    return f"“{numbers.short(text, 60)}”"


def _steps_alt(table: pd.DataFrame) -> str:
    every = (
        f"step {row['step']}, {row['event']}: {numbers.count_of(row['customers'], 'customer')}"
        + (f", {numbers.percent(row['share_of_first'])} of step 1" if row["step"] > 1 else "")
        for row in theme.records(table)
    )
    return f"Horizontal bars, one for each step of the funnel. {'; '.join(every)}."


def step_rows(table: pd.DataFrame) -> list[list[Any]]:
    """The numbers of the steps as the table under the figure shows them; columns that name a group first."""
    groups = theme.by_columns(table, "step")
    rows = theme.records(table)
    return [
        [
            *(group_text(row[name]) for name in groups),
            row["step"],
            row["event"],
            row["customers"],
            numbers.percent(row["share_of_first"]),
            numbers.interval(row["share_of_first_low"], row["share_of_first_high"]),
            numbers.percent(row["share_of_previous"]),
            numbers.interval(row["share_of_previous_low"], row["share_of_previous_high"]),
            row["customers"] - following["customers"]
            if following is not None and following["step"] > row["step"]
            else None,
            row["still_open"],
            numbers.duration(row["median_seconds_from_previous"]),
        ]
        for row, following in zip(rows, [*rows[1:], None], strict=True)
    ]


def group_text(value: Any) -> str:
    """One value of a group as raw text."""
    return theme.group_name([value])
