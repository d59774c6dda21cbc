"""What comments are about and how they feel: themes, the words of unhappy and of happy ones, sentiment of texts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.rows import Axis, Dot, Lines, Row, bars, dot_rows, level_unchanged, over_time

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
        parts + ([f"NPS {numbers.signed(row['nps'])}"] if row["nps_customers"] >= MIN_N else [])
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
        if result.with_detractors["p_adjusted"].notna().any()
        else f"Whether a theme goes with unhappy answers cannot be told: of none did {MIN_N} customers who rated write, and {MIN_N} others not."
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
    given = Lines(table, "share_of_comments", "low", "high", "customers")
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
    readable = table[table["customers"] >= MIN_N]
    if readable.empty:
        return theme.empty(
            f"No stage has comments of {MIN_N} customers: too few to show which themes they carry.",
            columns=columns,
        )
    order = [
        row["theme"]
        for row in theme.records(result.table)
        if row["kind"] == "taxonomy" and row["n"]
    ]
    grid = readable.pivot_table(index="theme", columns="stage", values="share_of_comments").reindex(
        order
    )
    cells = theme.records(readable)
    top = max(cells, key=lambda row: (row["share_of_comments"], row["theme"], row["stage"]))
    alike = (
        " (another as much)"
        if sum(row["share_of_comments"] == top["share_of_comments"] for row in cells) > 1
        else ""
    )
    caption = (
        f"“{top['theme']}” at {top['stage']} is the most frequent{alike}: {numbers.percent(top['share_of_comments'])} of {numbers.count_of(top['comments'], 'comment')}. "
        f"Stages with comments of fewer than {MIN_N} customers are in the table only."
        if top["n"]
        else "None of the themes stands in a comment of these stages."
    )
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


SIDES = ("detractor", "promoter")


def drivers(result: Any, *, most: int = 8) -> go.Figure:
    """The strongest terms of each side: how much more often they stand in unhappy comments than in happy ones."""
    table = theme.records(result.table)
    names = ("term", "side", "n_detractor", "n_promoter", "share_of_detractors", "share_of_promoters", "difference", "difference_low",
             "difference_high", "log_odds", "z", "p_value", "q_value", "quote")  # fmt: skip
    strongest = [
        row for side in SIDES for row in [row for row in table if row["side"] == side][:most]
    ]
    dots = [
        Dot(
            row["term"],
            100 * row["difference"],
            100 * row["difference_low"],
            100 * row["difference_high"],
            row["n_detractor"] + row["n_promoter"],
            f"{numbers.percent(row['share_of_detractors'])} of unhappy, {numbers.percent(row['share_of_promoters'])} of happy",
            bool(row["q_value"] < CLAIM),
        )
        for row in sorted(strongest, key=lambda row: (-row["difference"], row["term"]))
    ]
    axis = Axis(
        "share of unhappy comments with the word less that of happy ones, in points",
        {"tickformat": "+~f"},
        middle=0.0,
    )
    return dot_rows(
        dots,
        axis,
        caption=result.headline,
        alt=result.headline,
        columns=[name.replace("_", " ") for name in names],
        rows=[[row[name] for name in names] for row in table],
    )


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
        f"from {one['period']:%Y-%m-%d} on {'the ratings given with the texts differ by' if result.by_ratings else 'it differs by'} {numbers.signed(one['difference'], 2)} ({one['segment']}, n = {one['n_after']:,})"
        for one in moved[:3]
    ]
    caption = "Mean score of the texts, −1 to 1, a model index. " + (
        f"Outside normal variation: {'; '.join(told)}." if told else level_unchanged(result)
    )
    given = Lines(result.table, "mean_score", "mean_low", "mean_high", "customers")
    return over_time(
        given, shifts, Axis("mean text score (model index)"), caption=caption, alt=caption
    )


VIEWS = {
    "Themes": {"themes": themes, "detractors": detractors, "trend": trend, "stages": stages},
    "Drivers": {"drivers": drivers},
    "Sentiment": {"sentiment": sentiment, "time": time},
}
