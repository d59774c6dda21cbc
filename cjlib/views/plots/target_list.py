"""Figures of a target list: what contacting earns, at other success shares, and how much value is at risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.analyses.churn.targeting import TargetList, ValueAtRisk
from cjlib.show.numbers import about, count_of, money, percent
from cjlib.views.plots import theme

MARGIN = {"l": 8, "r": 16, "t": 30, "b": 40}


def profit(result: TargetList) -> go.Figure:
    """Expected profit by how many are contacted, the most profitable first."""
    curve, chosen = result.curve, int(result.metrics["n_selected"]["value"] or 0)
    line = go.Scatter(
        x=curve["n_contacted"].tolist(),
        y=curve["expected_profit"].tolist(),
        mode="lines",
        line={"color": theme.COLOURS[0], "width": 2},
        name="expected",
    )
    earned = float(result.metrics["expected_profit"]["value"] or 0)
    point = go.Scatter(
        x=[chosen],
        y=[earned],
        mode="markers",
        marker={"size": 11, "color": theme.COLOURS[1], "symbol": "diamond"},
        name="this list",
    )
    even = result.metrics["break_even_success_share"]["value"]
    below = f"; break-even at a success rate of {percent(even)}" if even is not None else ""
    caption = f"Contacting {chosen:,} of {count_of(len(result.table), 'customer')} is expected to earn {money(earned)}{below}."
    shown = _around_the_top(curve, earned)
    return theme.figure(
        [line, point],
        caption=caption,
        alt=f"Line of expected profit by customers contacted, rising to a top and falling. {caption}",
        columns=["contacted", "expected profit"],
        rows=curve.to_numpy(dtype=object).tolist(),
        height=340,
        xaxis={
            "title": {"text": "customers contacted, the most profitable first"},
            "range": [-0.02 * shown, shown],
            "nticks": 6,
        },
        yaxis={
            "title": {"text": "expected profit"},
            "tickformat": ",",
            "range": _tall(curve, shown),
        },
    )


def _around_the_top(curve: pd.DataFrame, earned: float) -> float:
    """How many contacts to show: up to where as much would be lost as the list earns, else the top could not be seen."""
    beyond = curve[(curve["expected_profit"] < -earned) & (curve["n_contacted"] > 0)]
    last = float(curve["n_contacted"].iloc[-1])
    return float(beyond["n_contacted"].iloc[0]) if len(beyond) and earned > 0 else last


def _tall(curve: pd.DataFrame, shown: float) -> list[float]:
    """The range of what is shown, with room for the mark at the top."""
    seen = curve.loc[curve["n_contacted"] <= shown, "expected_profit"]
    low, high = float(seen.min()), float(seen.max())
    room = 0.12 * (high - low) or 1.0
    return [low - room / 2, high + room]


def profit_choices(lists: Mapping[str, TargetList], start: int = 0) -> go.Figure:
    """The profit curve of several lists, one at a time; the table under the figure holds all of them."""
    figures = {name: profit(each).to_plotly_json() for name, each in lists.items()}
    names = list(figures)
    sizes = [len(one["data"]) for one in figures.values()]
    traces = [
        {**trace, "visible": place == start}
        for place, name in enumerate(names)
        for trace in figures[name]["data"]
    ]
    buttons = [
        {
            "label": theme.label(name, 40),
            "method": "update",
            "args": [
                {"visible": [place == at for at, size in enumerate(sizes) for _ in range(size)]},
                {
                    "xaxis.range": figures[name]["layout"]["xaxis"]["range"],
                    "yaxis.range": figures[name]["layout"]["yaxis"]["range"],
                },
            ],
        }
        for place, name in enumerate(names)
    ]
    first = figures[names[start]]["layout"]
    menu = {
        "name": "Success share",
        "buttons": buttons,
        "active": start,
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "pad": {"b": 12},
    }
    said = [
        f"{int(each.metrics['n_selected']['value'] or 0):,} contacts earn {money(float(each.metrics['expected_profit']['value'] or 0))} at {name}"
        for name, each in lists.items()
    ]
    return theme.figure(
        traces,
        caption=f"Profit depends on the success rate: {said[0]}, {said[-1]}.",
        alt=f"Profit curves, one choice at a time: {', '.join(names)}. The table below holds every choice.",
        columns=["choice", "contacted", "expected profit"],
        rows=[
            [name, *row]
            for name, each in lists.items()
            for row in each.curve.to_numpy(dtype=object).tolist()
        ],
        height=380,
        updatemenus=[menu],
        showlegend=False,
        xaxis=first["xaxis"],
        yaxis=first["yaxis"],
    )


def sensitivity(result: TargetList) -> go.Figure:
    """What this list, and the list made for it, would earn at other success shares."""
    table = result.sensitivity
    given = result.offer.success_share if result.offer else 0.0
    x = table["success_share"].tolist()
    traces = [
        go.Scatter(
            x=x,
            y=table[column].tolist(),
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            cliponaxis=False,
            name=name,
        )
        for column, name, colour, dash, symbol in (
            ("profit_of_this_list", "this list", theme.COLOURS[1], "solid", "diamond"),
            ("expected_profit", "a list made for that share", theme.COLOURS[0], "dash", "circle"),
        )
    ]
    worst = table.iloc[0]
    caption = (
        f"Decided for a success rate of {about(given)}; should nobody be persuaded, this list loses {money(-worst['profit_of_this_list'])}."
        if worst["profit_of_this_list"] < 0
        else f"Decided for a success rate of {about(given)}; no success rate makes this list lose money."
    )
    return theme.figure(
        traces,
        caption=caption,
        alt=f"Two lines of profit by success share. {caption}",
        columns=[
            "success share",
            "selected",
            "expected profit",
            "break-even probability",
            "profit of this list",
        ],
        rows=table.to_numpy(dtype=object).tolist(),
        height=340,
        xaxis=theme.percent_axis(title={"text": "success rate, should this be the truth"}),
        yaxis={"title": {"text": "profit"}, "tickformat": ","},
    )


def at_risk(result: ValueAtRisk) -> go.Figure:
    """Value at risk by risk and value: four groups of customers."""
    grid = result.grid
    names = [
        f"{'high' if one else 'lower'} value, {'high' if other else 'lower'} risk"
        for one, other in zip(grid["high_value"], grid["high_risk"], strict=True)
    ]
    at = -np.arange(len(grid), dtype=float)
    bars = go.Bar(
        x=grid["value_at_risk"].tolist(),
        y=at.tolist(),
        orientation="h",
        width=0.22,
        marker={"color": theme.faded(grid["customers"])},
        hoverinfo="skip",
        showlegend=False,
    )
    said = [
        f"{money(value)} at risk, {count_of(n, 'customer')}"
        for value, n in zip(grid["value_at_risk"], grid["customers"], strict=True)
    ]
    notes, lines = theme.row_labels(names, said, [place == 0 for place in range(len(grid))], up=16)
    return theme.figure(
        [bars],
        caption=result.headline,
        alt=f"Bars of value at risk in four groups. {result.headline}",
        columns=["group", "customers", "value if they stay", "value at risk"],
        rows=[
            [name, *row]
            for name, row in zip(
                names,
                grid[["customers", "value_if_stays", "value_at_risk"]]
                .to_numpy(dtype=object)
                .tolist(),
                strict=True,
            )
        ],
        height=90 + (44 + 34 * (lines - 1)) * len(grid),
        annotations=notes,
        margin=MARGIN,
        xaxis={"title": {"text": "value at risk"}, "rangemode": "tozero"},
        yaxis={"visible": False, "range": [at[-1] - 0.5, 0.9]},
    )


VIEWS: dict[str, dict[str, Callable[..., go.Figure]]] = {
    "ValueAtRisk": {"at_risk": at_risk},
    "TargetList": {"profit": profit, "sensitivity": sensitivity},
}
