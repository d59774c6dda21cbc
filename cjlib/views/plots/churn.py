"""Churn figures: which model is worth having, whether its probabilities hold, how far a list reaches, and whether forecasts held."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.analyses.churn.forecast_monitoring import PastForecasts
from cjlib.analyses.churn.metrics_by_segment import SegmentMetrics
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.churn.model.explanations import ChurnReasons
from cjlib.analyses.churn.model.summary import BASELINES
from cjlib.analyses.churn.targeting import TargetList, ValueAtRisk
from cjlib.shared.comparison import CLAIM
from cjlib.show.numbers import about, count_of, money, percent
from cjlib.views import marks
from cjlib.views.plots import theme
from cjlib.views.plots.rows import Axis, Dot, dot_rows

NAMES = {
    "chosen": "The chosen model",
    "lr": "Additive curves",
    "hgb": "Small trees",
    "hgb_wide": "Large trees",
    "lr+hgb": "Curves and small trees",
    "hgb+hgb_wide": "Small and large trees",
    "prevalence": "Same share for all",
    "best_single_column": "Best single column",
    "recency": "Time since last seen",
    "recency_over_gap": "… against usual gap",
    "bgnbd": "BG/NBD, purchases alone",
}
"""Models and baselines as a figure calls them."""
MOST_FEATURES = 4


def _population(model: ChurnModel) -> str:
    return "active" if (model.table["population"] == "active").any() else "all"


def _first_rows(model: ChurnModel) -> pd.DataFrame:
    """One row a model: the mean over cutoffs where there are several."""
    table = model.table[model.table["population"] == _population(model)]
    return table.drop_duplicates("model").reset_index(drop=True)


def models(result: ChurnModel) -> go.Figure:
    """A dot a model: AUC with its interval, the chosen one first, baselines hollow."""
    rows = _first_rows(result)
    chosen = rows.iloc[0]
    names = [NAMES[str(name)] for name in rows["model"]]
    gain = result.metrics["gain_over_baseline"]
    beyond = gain["low"] is not None and gain["low"] > 0
    verdict = (
        "beats every baseline significantly"
        if beyond
        else "is not significantly better than the best baseline"
    )
    caption = f"The chosen model {verdict}: AUC {chosen['auc']:.3f} ({chosen['auc_low']:.3f} to {chosen['auc_high']:.3f}, n = {chosen['n']:,})."
    columns = [
        "model",
        "AUC",
        "low",
        "high",
        "PR-AUC",
        "lift at 10%",
        "Brier",
        "calibration error",
        "its floor",
        "n",
    ]
    picked = rows.assign(model=names)[
        [
            "model",
            "auc",
            "auc_low",
            "auc_high",
            "pr_auc",
            "lift_10",
            "brier",
            "ece",
            "ece_floor",
            "n",
        ]
    ]
    drawn = [
        marks.Mark(
            name=name,
            said=f"{row['auc']:.3f}" + (", a simple rule" if row["model"] in BASELINES else ""),
            value=theme.plain(row["auc"]),
            low=theme.plain(row["auc_low"]),
            high=theme.plain(row["auc_high"]),
            strong=place == 0,
            faint=row["model"] in BASELINES,
        )
        for place, (name, row) in enumerate(zip(names, rows.to_dict("records"), strict=True))
    ]
    scale = marks.Scale(title="AUC: 0.5 is chance, 1 is perfect", low=0.4, high=1.0, middle=0.5)
    return theme.rows_figure(
        marks.spec(drawn, scale, "dot"),
        caption=caption,
        alt=f"Dots of the AUC of {len(rows)} models and baselines. {caption}",
        columns=columns,
        rows=picked.to_numpy(dtype=object).tolist(),
    )


def calibration(result: ChurnModel) -> go.Figure:
    """Predicted beside observed, in ten bins of equal size."""
    table = result.calibration
    top = (
        float(max(table["mean_predicted"].max(), table["high"].max())) * 1.05 if len(table) else 1.0
    )
    diagonal = go.Scatter(
        x=[0, top],
        y=[0, top],
        mode="lines",
        line={"color": theme.MUTED, "dash": "dot"},
        name="perfect",
        hoverinfo="skip",
    )
    dots = go.Scatter(
        x=table["mean_predicted"].tolist(),
        y=table["observed"].tolist(),
        mode="markers",
        marker={"size": 9, "color": theme.faded(table["n"])},
        error_y=theme.whiskers(table["observed"], table["low"], table["high"]),
        name="observed, 95% CI",
    )
    ece, floor, n = (
        result.metrics["ece"]["value"],
        result.metrics["ece_floor"]["value"],
        int(table["n"].sum()),
    )
    caption = _calibration_claim(ece, floor, n)
    return theme.figure(
        [diagonal, dots],
        caption=caption,
        alt=f"Ten dots of predicted against observed share of churners. {caption}",
        columns=["bin", "n", "mean predicted", "observed", "low", "high"],
        rows=table.to_numpy(dtype=object).tolist(),
        height=380,
        xaxis=theme.percent_axis(
            title={"text": "predicted probability of churning"}, range=[0, top]
        ),
        yaxis=theme.percent_axis(title={"text": "share that churned"}, range=[0, top]),
    )


def _calibration_claim(ece: float | None, floor: float | None, n: int) -> str:
    if ece is None or floor is None:
        return "Whether the probabilities hold cannot be said: one outcome only."
    fit = "well calibrated" if ece <= floor * 1.5 else "the level of churn moves"
    return f"Predictions are off by {100 * ece:.1f} points on average; {100 * floor:.1f} would be expected by chance (n = {n:,}): {fit}."


def lift(result: ChurnModel) -> go.Figure:
    """Share of churners in each tenth of the customers, from the highest risk down."""
    table = result.lift
    bars = go.Bar(
        x=table["decile"].tolist(),
        y=table["share_churned"].tolist(),
        marker={"color": theme.faded(table["n"])},
        error_y=theme.whiskers(table["share_churned"], table["low"], table["high"]),
        hoverinfo="skip",
        showlegend=False,
    )
    average = float(table["n_churned"].sum() / table["n"].sum())
    line = go.Scatter(
        x=[0.5, 10.5],
        y=[average, average],
        mode="lines",
        line={"color": theme.MUTED, "dash": "dot"},
        name="all customers",
    )
    first, n = table.iloc[0], int(table["n"].sum())
    caption = f"The top decile holds {about(first['cumulative_captured'])} of all churners: {percent(first['share_churned'])} of it churned, {percent(average)} of all (n = {n:,})."
    return theme.figure(
        [bars, line],
        caption=caption,
        alt=f"Bars of the share of churners by tenth of risk. {caption}",
        columns=[
            "tenth",
            "n",
            "churned",
            "share churned",
            "low",
            "high",
            "lift",
            "share of churners so far",
        ],
        rows=table.to_numpy(dtype=object).tolist(),
        height=340,
        xaxis={
            "title": {"text": "tenth of the customers, 1 = highest risk"},
            "tickvals": list(range(1, 11)),
            "range": [0.4, 10.6],
        },
        yaxis=theme.percent_axis(title={"text": "share that churned"}),
    )


def _with_n(value: float, form: str, n: int) -> str:
    """A number and what it rests on; of too few the row itself says so."""
    return f"{value:{form}}" if theme.too_few(n) else f"{value:{form}}, n = {n:,}"


def by_segment(result: SegmentMetrics) -> go.Figure:
    """A dot a segment: AUC with its interval, where there are enough of both outcomes."""
    table = result.table
    columns = [
        result.by or "segment",
        "rows",
        "churned",
        "share churned",
        "mean predicted",
        "AUC",
        "low",
        "high",
        "PR-AUC",
        "lift at 10%",
        "low",
        "high",
        "AUC of the others",
        "difference",
        "low",
        "high",
        "p value",
        "p adjusted",
    ]
    rows = [[theme.group_name([row[0]]), *row[1:]] for row in table.to_numpy(dtype=object).tolist()]
    dots = [
        Dot(
            theme.group_name([record["segment"]]),
            record["auc"],
            record["auc_low"],
            record["auc_high"],
            record["n"],
            _with_n(record["auc"], ".3f", record["n"]),
        )
        for record in theme.records(table[table["auc"].notna()])
    ]
    if not dots:
        return theme.empty(
            result.headline, columns=columns, words_in_figure="Too few of both outcomes"
        )
    axis = Axis("AUC: 0.5 is chance, 1 is perfect", {"range": [0.3, 1.0]}, middle=0.5)
    left = len(table) - len(dots)
    more = (
        f" {left} more {'group has' if left == 1 else 'groups have'} too few of both outcomes to judge."
        if left
        else ""
    )
    caption = result.headline + more
    return dot_rows(
        dots,
        axis,
        caption=caption,
        alt=f"Dots of the model's AUC by segment. {caption}",
        columns=columns,
        rows=rows,
    )


def effects(result: ChurnReasons) -> go.Figure:
    """A dot a level of the strongest features: the share of its customers that churned, with its interval."""
    table = result.effects
    names = table["feature"].drop_duplicates().head(MOST_FEATURES)
    shown = table[table["feature"].isin(names)]
    sure = shown["p_adjusted"].fillna(1.0) < CLAIM
    dots = [
        Dot(
            f"{row['feature']}: {row['level']}",
            row["share_churned"],
            row["low"],
            row["high"],
            row["n"],
            _with_n(row["share_churned"], ".1%", row["n"]),
            strong,
        )
        for row, strong in zip(theme.records(shown), sure.tolist(), strict=True)
    ]
    columns = ["feature", "level", "n", "churned", "share churned", "low", "high", "p adjusted"]
    picked = ["feature", "level", "n", "n_churned", "share_churned", "low", "high", "p_adjusted"]
    return dot_rows(
        dots,
        Axis("share that churned", dict(theme.percent_axis(rangemode="tozero"))),
        caption=result.headline,
        alt=f"Dots of the share that churned by level of {len(names)} features. {result.headline}",
        columns=columns,
        rows=table[picked].to_numpy(dtype=object).tolist(),
    )


def forecasts(result: PastForecasts) -> go.Figure:
    """What each past forecast expected, beside the share that churned with its interval; hollow where the horizon is not over."""
    table = result.table.sort_values("cutoff", ignore_index=True)
    x = [theme.plain(one) for one in table["cutoff"]]
    open_yet = table["observed_share"].isna()
    expected = go.Scatter(
        x=x,
        y=table["predicted_share"].tolist(),
        mode="markers",
        marker={
            "size": 11,
            "symbol": ["diamond-open" if one else "diamond" for one in open_yet],
            "color": theme.COLOURS[1],
        },
        name="forecast",
    )
    observed = go.Scatter(
        x=x,
        y=[theme.plain(one) for one in table["observed_share"]],
        mode="markers",
        marker={"size": 9, "color": theme.faded(table["n"])},
        error_y=theme.whiskers(
            table["observed_share"], table["observed_low"], table["observed_high"]
        ),
        name="observed, 95% CI",
    )
    return theme.figure(
        [expected, observed],
        caption=result.headline,
        alt=f"Forecast and observed share of churners by moment. {result.headline}",
        columns=[
            "moment",
            "state",
            "n",
            "churned",
            "predicted",
            "observed",
            "low",
            "high",
            "AUC",
            "low",
            "high",
            "lift at 10%",
            "calibration error",
            "its floor",
        ],
        rows=table.to_numpy(dtype=object).tolist(),
        height=340,
        xaxis={"type": "date", "nticks": 5},
        yaxis=theme.percent_axis(title={"text": "share that churned"}),
    )


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
    ground = f" if the offer keeps {about(result.offer.success_share)} of would-be leavers" if result.offer else ""  # fmt: skip
    caption = (
        f"Contacting {chosen:,} of {count_of(len(result.table), 'customer')} is expected to earn {money(earned)}{ground}{below}."
        if chosen
        else result.headline
    )
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
        yaxis=theme.money_axis("expected profit", tickformat=",", range=_tall(curve, shown)),
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
    sizes = [len(figure["data"]) for figure in figures.values()]
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
        f"Decided for a success rate of {about(given)}: nobody is on this list."
        if not result.metrics["n_selected"]["value"]
        else f"Decided for a success rate of {about(given)}; should nobody be persuaded, this list loses {money(-worst['profit_of_this_list'])}."
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
    "ChurnModel": {"models": models, "calibration": calibration, "lift": lift},
    "ChurnReasons": {"effects": effects},
    "SegmentMetrics": {"segments": by_segment},
    "PastForecasts": {"forecasts": forecasts},
    "ValueAtRisk": {"at_risk": at_risk},
    "TargetList": {"profit": profit, "sensitivity": sensitivity},
}
