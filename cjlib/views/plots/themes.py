"""Themes: how often, how unhappy, since when, at which stage."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.dot_rows import Axis, Dot, dot_rows
from cjlib.views.plots.over_time import Lines, over_time
from cjlib.views.plots.share_rows import Row, bars

KINDS = {"taxonomy": "", "candidate": "candidate: ", "uncovered": ""}


def themes(result: Any, *, most: int = 16) -> go.Figure:
    """Share of comments by theme, candidates and the uncovered rest below; beside it the mean text score and NPS."""
    table = theme.records(result.table)
    shown = [row for row in table if row["n"]][:most]
    rows = [
        Row(
            KINDS[row["kind"]] + row["theme"],
            row["share_of_comments"],
            row["low"],
            row["high"],
            row["n"],
            _said(row),
        )
        for row in shown
    ]
    names = (
        "theme",
        "kind",
        "n",
        "share_of_comments",
        "low",
        "high",
        "mean_score",
        "nps",
        "n_nps",
        "top_words",
        "quote_1",
    )
    alt = (
        "Share of comments by theme: "
        + "; ".join(f"{row.name} {numbers.percent(row.share)}" for row in rows[:8])
        + "."
    )
    columns = [name.replace("_", " ") for name in names]
    return bars(
        rows,
        axis="share of comments; one may carry several themes",
        caption=result.headline,
        alt=alt,
        columns=columns,
        table=[[row[name] for name in names] for row in table],
    )


def _said(row: dict[str, Any]) -> str:
    parts = [
        f"{numbers.percent(row['share_of_comments'])} (n = {row['n']:,})",
        f"text {numbers.signed(row['mean_score'], 2)}",
    ]
    return " · ".join(
        parts + ([f"NPS {numbers.signed(row['nps'])}"] if row["n_nps"] >= MIN_N else [])
    )


def detractors(result: Any) -> go.Figure:
    """How much more often comments with the theme are unhappy than comments without it; bold where significant."""
    table = theme.records(result.with_detractors)
    names = (
        "theme",
        "n_unhappy",
        "n",
        "share_unhappy",
        "other_unhappy",
        "other_n",
        "other_share_unhappy",
        "difference",
        "difference_low",
        "difference_high",
        "p_adjusted",
    )
    columns = [name.replace("_", " ") for name in names]
    ordered = sorted(table, key=lambda row: (-row["difference"], row["theme"]))
    dots = [
        Dot(row["theme"], 100 * row["difference"], 100 * row["difference_low"], 100 * row["difference_high"], row["n"],
            f"{numbers.percent(row['share_unhappy'])} against {numbers.percent(row['other_share_unhappy'])}", bool(row["p_adjusted"] < CLAIM))
        for row in ordered
    ]  # fmt: skip
    found = [row for row in ordered if row["p_adjusted"] < CLAIM and row["difference"] > 0]
    caption = (
        f"Unhappy answers go most with “{found[0]['theme']}”: {numbers.percent(found[0]['share_unhappy'])} of {found[0]['n']:,} rated comments with it, "
        f"{numbers.percent(found[0]['other_share_unhappy'])} of the others. Association, not causation."
        if found
        else "No theme goes significantly more with unhappy answers."
    )
    axis = Axis("difference of the share unhappy, in points", {"tickformat": "+~f"}, middle=0.0)
    return dot_rows(
        dots,
        axis,
        caption=caption,
        alt=caption,
        columns=columns,
        rows=[[row[name] for name in names] for row in ordered],
    )


def trend(result: Any) -> go.Figure:
    """The most common themes by month."""
    order = [row["theme"] for row in theme.records(result.table) if row["kind"] == "taxonomy"]
    table = result.trend.rename(columns={"theme": "segment"})
    table = table.assign(segment=pd.Categorical(table["segment"], order, ordered=True)).sort_values(
        ["segment", "period"]
    )
    table = table.assign(segment=table["segment"].astype("str"))
    caption = "Share of each month's comments with a theme, the most common themes; the band is the 95% CI."
    given = Lines(table, "share_of_comments", "low", "high", "comments")
    return over_time(
        given,
        pd.DataFrame(),
        Axis("share of the month's comments", theme.percent_axis()),
        caption=caption,
        alt=caption,
    )


def stages(result: Any) -> go.Figure:
    """Theme by stage: the share of the stage's comments."""
    table = result.by_stage
    rows = [
        [
            row[name]
            for name in ("theme", "stage", "n", "comments", "share_of_comments", "low", "high")
        ]
        for row in theme.records(table)
    ]
    columns = ["theme", "stage", "n", "comments of the stage", "share", "low", "high"]
    readable = table[table["comments"] >= MIN_N]
    if readable.empty:
        return theme.empty(
            "No stage has enough comments to show which themes they carry.", columns=columns
        )
    order = [
        row["theme"]
        for row in theme.records(result.table)
        if row["kind"] == "taxonomy" and row["n"]
    ]
    grid = readable.pivot_table(index="theme", columns="stage", values="share_of_comments").reindex(
        order
    )
    top = max(
        theme.records(readable),
        key=lambda row: (row["share_of_comments"], row["theme"], row["stage"]),
    )
    caption = f"“{top['theme']}” at {top['stage']} is the most frequent: {numbers.percent(top['share_of_comments'])} of {numbers.count_of(top['comments'], 'comment')}. Stages with fewer than 30 are in the table only."
    heat = go.Heatmap(
        z=grid.to_numpy().tolist(),
        x=list(range(grid.shape[1])),
        y=[-place for place in range(grid.shape[0])],
        colorscale=[list(one) for one in theme.SEQUENTIAL],
        showscale=False,
        xgap=2,
        ygap=2,
        text=[
            [numbers.about(value).removesuffix("%") for value in row]
            for row in grid.to_numpy().tolist()
        ],
        texttemplate="%{text}",
        hoverinfo="skip",
    )
    return theme.figure(
        [heat],
        caption=caption,
        alt=f"Heat map of themes by stage. {caption}",
        columns=columns,
        rows=rows,
        height=30 * grid.shape[0] + 144,
        xaxis={
            "tickvals": list(range(grid.shape[1])),
            "ticktext": [theme.label(name, 14) for name in grid.columns],
            "side": "top",
            "title": {"text": "in % of the stage's comments"},
            "ticklabeloverflow": "allow",
            "showgrid": False,
            "tickangle": -40,
        },
        yaxis={
            "tickvals": [-place for place in range(grid.shape[0])],
            "ticktext": [theme.label(name, 16) for name in grid.index],
            "showgrid": False,
        },
    )


VIEWS = {"Themes": {"themes": themes, "detractors": detractors, "trend": trend, "stages": stages}}
