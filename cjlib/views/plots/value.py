"""Customer value: who is worth how much, and whether the last forecast came true."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go

from cjlib.analyses.value.contract_worth import SubscriptionValue
from cjlib.analyses.value.customer_lifetime_value import CustomerValue
from cjlib.analyses.value.value_by_segment import StatedValue, ValueBy
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import about, count_of, joined, missing, money, number, percent
from cjlib.views.plots import theme
from cjlib.views.plots.retention_curves import curve
from cjlib.views.plots.rows import Axis, Dot, dot_rows


def deciles(result: CustomerValue | StatedValue) -> go.Figure:
    """Expected value of each tenth of the customers, the most valuable first."""
    table = result.table
    value = "expected_value" if table["expected_value"].notna().any() else "expected_purchases"
    what = (
        result.amount
        if isinstance(result, StatedValue)
        else "expected value"
        if value == "expected_value"
        else "expected purchases"
    )
    summed = table.groupby("decile").agg(n=(value, "size"), total=(value, "sum")).reset_index()
    total = float(summed["total"].sum())
    # Of a balance nothing is a part.
    parts = total > 0 and table[value].min() >= 0
    summed["share"] = summed["total"] / total if parts else float("nan")
    bars = go.Bar(
        x=summed["decile"].tolist(),
        y=summed["total"].tolist(),
        marker={"color": theme.faded(summed["n"])},
        hoverinfo="skip",
        showlegend=False,
    )
    first, said = summed.iloc[0], number if value == "expected_purchases" else money
    held = about(first["share"]) if parts else said(first["total"])
    everybody = f"{count_of(len(table), 'customer')} ({said(total)})"
    caption = (
        f"The most valuable tenth holds {held} of the {what} of all {everybody}."
        if len(table) >= MIN_N
        else f"The {what} of {everybody}: fewer than {MIN_N}, too few for tenths."
    )
    return theme.figure(
        [bars],
        caption=caption,
        alt=f"Bars of {what} by tenth of customers. {caption}",
        columns=["tenth", "customers", what, "share of all"],
        rows=summed.to_numpy(dtype=object).tolist(),
        height=320,
        xaxis={
            "title": {"text": "tenth of the customers, 1 = most valuable"},
            "tickvals": list(range(1, 11)),
            "range": [0.4, 10.6],
        },
        yaxis={"title": {"text": what}, "rangemode": "tozero"}
        if value == "expected_purchases"
        else theme.money_axis(what, rangemode="tozero"),
    )


def backtest(result: CustomerValue) -> go.Figure:
    """Expected against actual in the last third of the log, as a share of the actual."""
    table = result.backtest
    columns = [
        "measure",
        "customers",
        "days held out",
        "expected",
        "actual",
        "expected ÷ actual",
        "within chance",
    ]
    known = table[table["ratio"].notna()]
    if known.empty:
        forecast = table["expected"].iloc[0]
        said = (
            "No backtest was possible: too few customers bought again before the last third of the log."
            if missing(forecast)
            else f"In the last {count_of(table['held_out_days'].iloc[0], 'day')} the forecast would have given {number(forecast)} purchases, and none came."
        )
        return theme.empty(said, columns=columns)
    at = -known.index.to_numpy(dtype=float)
    bars = go.Bar(
        x=known["ratio"].tolist(),
        y=at.tolist(),
        orientation="h",
        width=0.35,
        marker={"color": theme.COLOURS[0]},
        hoverinfo="skip",
        showlegend=False,
    )
    names = [
        f"{measure}: {percent(value)} of actuals"
        for measure, value in zip(known["measure"], known["ratio"], strict=True)
    ]
    notes, _ = theme.row_labels(names, [""] * len(known), [False] * len(known), up=22)
    first = known.iloc[0]
    shares = joined(
        f"{percent(row['ratio'])} of actual {row['measure']}" for row in known.to_dict("records")
    )
    caption = f"In the last {count_of(first['held_out_days'], 'day')} the forecast would have given {shares} (n = {first['customers']:,})."
    return theme.figure(
        [bars],
        caption=caption,
        alt=f"Bars of expected against actual. {caption}",
        columns=columns,
        rows=table.to_numpy(dtype=object).tolist(),
        height=80 + 70 * len(known),
        annotations=notes,
        shapes=[
            {
                "type": "line",
                "x0": 1,
                "x1": 1,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": theme.MUTED, "dash": "dot"},
            }
        ],
        xaxis=theme.percent_axis(
            title={"text": "share of actuals; the dotted line is all of them"}
        ),
        yaxis={"visible": False, "range": [at[-1] - 0.6, 0.8]},
    )


def not_forecast(result: StatedValue) -> go.Figure:
    """A stated value has no backtest."""
    return theme.empty(
        f"{result.amount} is stated by the table, not forecast: there is nothing to hold against what came.",
        columns=["measure"],
    )


def _said(value: float, n: int) -> str:
    """A number and what it rests on; of too few the row itself says so."""
    return f"{value:,.2f}" if theme.too_few(n) else f"{value:,.2f}, n = {n:,}"


def groups(result: ValueBy) -> go.Figure:
    """A dot a group: mean expected value with its interval."""
    table = result.table
    value = "mean_expected_value"
    names = [theme.group_name([one]) for one in table[result.by]]
    dots = [
        Dot(
            theme.group_name([record[result.by]]),
            record[value],
            record["mean_low"],
            record["mean_high"],
            record["customers"],
            _said(record[value], record["customers"]),
        )
        for record in theme.records(table[table[value].notna()])
    ]
    columns = [
        result.by,
        "customers",
        "expected value",
        "mean expected",
        "low",
        "high",
        "mean to date",
        "mean lifetime",
        "mean repeat purchases",
        "difference from the others",
        "low",
        "high",
        "p",
        "p adjusted",
    ]
    rows = [
        [name, *row[1:]]
        for name, row in zip(names, table.to_numpy(dtype=object).tolist(), strict=True)
    ]
    axis = Axis("mean expected value of a customer", {"rangemode": "tozero"})
    return dot_rows(
        dots,
        axis,
        caption=result.headline,
        alt=f"Dots of mean expected value by group. {result.headline}",
        columns=columns,
        rows=rows,
    )


def payments(result: SubscriptionValue) -> go.Figure:
    """What a subscription has brought by each payment, with its interval."""
    table = result.table
    # The last step reaches to the end of what is counted.
    traces = curve(
        [*table["day"], result.end_day],
        *(
            [*table[name], table[name].iloc[-1]]
            for name in ("cumulative_value", "cumulative_low", "cumulative_high")
        ),
        place=0,
        name="brought so far",
        steps=True,
    )
    return theme.figure(
        traces,
        caption=result.headline,
        alt=f"Stairs of what a subscription has brought, payment by payment. {result.headline}",
        columns=["payment", "day", "share still there", "value", "value so far", "low", "high"],
        rows=table.to_numpy(dtype=object).tolist(),
        height=320,
        showlegend=False,
        xaxis={"title": {"text": "days since the subscription began"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "value so far"}, "rangemode": "tozero", "tickformat": ","},
    )


VIEWS: dict[str, dict[str, Callable[..., go.Figure]]] = {
    "CustomerValue": {"deciles": deciles, "backtest": backtest},
    "StatedValue": {"deciles": deciles, "backtest": not_forecast},
    "ValueBy": {"groups": groups},
    "SubscriptionValue": {"payments": payments},
}
