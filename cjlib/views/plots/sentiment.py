"""Sentiment: shares where people labelled a sample, an index where nobody did, and the axis says which."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.dot_rows import Axis, Dot, dot_rows
from cjlib.views.plots.over_time import Lines, level_unchanged, over_time

INDEX = "model index for negative (no audit: read its direction, not its height)"
SHARE = "share of negative texts"
COLUMNS = (
    "segment",
    "n",
    "n_scored",
    "n_left_out",
    "n_audited",
    "share_negative",
    "low",
    "high",
    "method",
    "model_index",
    "mean_score",
    "mean_low",
    "mean_high",
)


def sentiment(result: Any) -> go.Figure:
    """By segment: with an audit the share of negatives and its interval, without one the model's index, which has none; over time if counted so."""
    if "period" in result.table:
        return time(result)
    table = theme.records(result.table)
    dots = [_dot(row, audited=result.audited) for row in table]
    axis = (
        Axis(SHARE, theme.percent_axis(range=[0, 1]))
        if result.audited
        else Axis(INDEX, {"range": [0, 1]})
    )
    alt = (
        f"{axis.title} by segment: " + "; ".join(f"{dot.name} {dot.said}" for dot in dots[:8]) + "."
    )
    told = result.readable(result.table[list(COLUMNS)])
    rows = [list(row.values()) for row in theme.records(told)]
    return dot_rows(
        dots,
        axis,
        caption=result.headline,
        alt=alt,
        columns=[str(name).replace("_", " ") for name in told.columns],
        rows=rows,
    )


def _dot(row: dict[str, Any], *, audited: bool) -> Dot:
    if audited and row["method"] != "model_index":
        said = f"{numbers.percent(row['share_negative'])} · {row['n_audited']:,} labels"
        return Dot(
            row["segment"], row["share_negative"], row["low"], row["high"], row["n_scored"], said
        )
    value = row["model_index"] if not audited else float("nan")
    text = (
        f"index {numbers.number(row['model_index'])} · n = {row['n_scored']:,}"
        if not audited
        else "no labels: no share"
    )
    return Dot(row["segment"], value, float("nan"), float("nan"), row["n_scored"], text)


def time(result: Any) -> go.Figure:
    """The mean score of texts by period (an index), with the periods from which its level moved outside normal variation."""
    if "period" not in result.table:
        return theme.empty(
            "Not counted by period: give period='month'.", columns=["segment", "period"]
        )
    shifts = result.shifts[result.shifts["p_adjusted"] < CLAIM]
    moved = theme.records(shifts)
    told = [
        f"from {one['period']:%Y-%m-%d} on it is {numbers.signed(one['difference'], 2)} ({one['segment']}, n = {one['n_after']:,})"
        for one in moved[:3]
    ]
    caption = "Mean score of the texts, −1 to 1, a model index. " + (
        f"Outside normal variation: {'; '.join(told)}." if told else level_unchanged(result)
    )
    given = Lines(result.table, "mean_score", "mean_low", "mean_high", "n_scored")
    return over_time(
        given, shifts, Axis("mean text score (model index)"), caption=caption, alt=caption
    )


VIEWS = {"Sentiment": {"sentiment": sentiment, "time": time}}
