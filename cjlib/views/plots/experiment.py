"""An experiment: what each arm changed, how that looked at each look, whether it fades, and in which groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from cjlib.analyses.experiment.summary import NO_SPREAD
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
    "95% CI",
    "verdict",
]
INTERVALS = {
    "always_valid": ("always_low", "always_high", "95% CI at every look"),
    "fixed": ("difference_low", "difference_high", "95% CI"),
}
SLICE_INTERVALS = {
    "always_valid": ("always_low", "always_high", "95% CI at every look"),
    "fixed": ("low", "high", "95% CI"),
}
RELATIVE = {
    "always_valid": ("relative_always_low", "relative_always_high"),
    "fixed": ("relative_low", "relative_high"),
}


def effects(result: Any) -> go.Figure:
    """A dot an arm and measure: the relative difference from control, with the interval that the stop rule goes by."""
    table = theme.records(result.table)
    low, high = RELATIVE[result.stop]
    dots = [_effect(row, result, row[low], row[high]) for row in table]
    return dot_rows(
        dots,
        Axis(
            f"difference from control, as a share of its value, {INTERVALS[result.stop][2]}",
            {"tickformat": "+.0%"},
            middle=0.0,
        ),
        caption=result.headline,
        alt=f"{result.headline} " + "; ".join(f"{dot.name}: {dot.said}" for dot in dots),
        columns=COLUMNS,
        rows=[_cells(row, *INTERVALS[result.stop][:2]) for row in table],
    )


def _effect(row: dict[str, Any], result: Any, low: float, high: float) -> Dot:
    """The relative difference of a measure; words alone where its interval leaves open what it is."""
    n = min(row["customers"], row["control_customers"])
    if numbers.too_wide(low, high):
        words = f"{row['verdict']}; {numbers.change_interval(low, high)}: too wide to tell"
        return Dot(_name(row, result), math.nan, math.nan, math.nan, n, words)
    return Dot(
        _name(row, result),
        row["relative"],
        low,
        high,
        n,
        f"{numbers.change(row['relative'])} · {row['verdict']}",
        row["verdict"] in ("better", "worse"),
    )


def looks(result: Any) -> go.Figure:
    """The first decision measure at every look, with the interval that may be looked at every day."""
    table = theme.records(_first(result.looks))
    return _lines(
        result,
        table,
        at="look",
        bounds=("always_low", "always_high"),
        title="customers whose window was over by",
        caption=" ".join(_decided(result, rows) for rows in _by_arm(table).values()),
    )


def _decided(result: Any, rows: Sequence[dict[str, Any]]) -> str:
    """From which look on the band of an arm leaves out 0 to the end."""
    last, outside = rows[-1], [row["always_low"] > 0 or row["always_high"] < 0 for row in rows]
    value, low, high = (
        _difference(result, last["measure"], last[name])
        for name in ("difference", "always_low", "always_high")
    )
    since = len(rows) - next((k for k, out in enumerate(reversed(outside)) if not out), len(rows))
    band = (
        f"the band leaves out 0 from {rows[since]['look']:%Y-%m-%d} on"
        if since < len(rows)
        else "the band does not leave out 0"
    )
    within = NO_SPREAD if math.isnan(last["always_low"]) else f"95% CI at every look {low.removesuffix(' points')} to {high}"  # fmt: skip
    return (
        f"“{last['variant']}”, {last['measure']}: {value} at the last of {numbers.count_of(len(rows), 'look')} "
        f"({within}); {band}."
    )


def novelty(result: Any) -> go.Figure:
    """What each day since the exposure adds to the difference."""
    table = theme.records(_first(result.novelty))
    return _lines(
        result,
        table,
        at="days",
        bounds=("low", "high"),
        title="days since the first exposure",
        caption=" ".join(_added(rows) for rows in _by_arm(table).values()),
    )


def _added(rows: Sequence[dict[str, Any]]) -> str:
    """On which days the interval of what an arm adds leaves out 0; of so many days some do by chance, so that is no claim of a difference."""
    days = [numbers.number(row["days"]) for row in rows if row["low"] > 0 or row["high"] < 0]
    those = f"{'day' if len(days) == 1 else 'days'} {numbers.joined(days)}" if days else "none of them"  # fmt: skip
    return (
        f"“{rows[0]['variant']}”, {rows[0]['measure']}: of {numbers.count_of(len(rows), 'day')} since the exposure "
        f"the 95% CI of what a day adds leaves out 0 on {those}; by chance it does on one day in 20."
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
            f"{_difference(result, row['measure'], row['difference'])} (n = {row['customers']:,} and {row['control_customers']:,})",
            row["p_adjusted"] < CLAIM,
        )
        for row in table
    ]
    names = ["column", "group", "variant", "measure", "customers", "control_customers"]
    values = ["difference", "low", "high", "p_adjusted"]
    return dot_rows(
        dots,
        _axis(result, table),
        caption=f"{_significant(table)} Groups are exploratory: they decide nothing.",
        alt="; ".join(f"{dot.name}: {numbers.number(dot.value)}" for dot in dots),
        columns=[*names, *values],
        rows=[[row[name] for name in (*names, *values)] for row in table],
    )


def _axis(result: Any, table: Sequence[dict[str, Any]]) -> Axis:
    """The axis of differences: of shares in percent."""
    shares = bool(table) and _of_shares(result, table[0]["measure"])
    form = {"tickformat": "+.0%"} if shares else {}
    return Axis(f"difference from control, 95% CI{' (points)' if shares else ''}", form, middle=0.0)


def _significant(table: Sequence[dict[str, Any]]) -> str:
    """Which groups differ from the control, after correction over all of them."""
    clear = [f"{row['group']} ({row['column']})" for row in table if row["p_adjusted"] < CLAIM]
    if not table:
        return "No group has enough customers on both sides."
    if not clear:
        return f"No group by itself differs significantly from the control, corrected for {numbers.count_of(len(table), 'group')}."
    return f"Of {numbers.count_of(len(table), 'group')} significantly different from the control: {numbers.joined(clear)}."


def plan(result: Any) -> go.Figure:
    """Days until an effect of each size is shown, measure by measure."""
    table = theme.records(result.table.dropna(subset=["days"]))
    names = list(dict.fromkeys(row["measure"] for row in table))
    said = [
        f"{theme.safe(numbers.percent(row['effect'], 0))}: {row['customers_per_arm']:,} customers an arm"
        for row in table
    ]
    traces = _measures(table, names, "effect", "days", said)
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


def detectable(result: Any) -> go.Figure:
    """The smallest effect that a test of so many days shows, measure by measure."""
    table = theme.records(result.detectable)
    columns = ["measure", "days", "customers_per_arm", "effect"]
    if not table:
        return theme.empty("Too few customers a day for a curve.", columns=columns)
    names = list(dict.fromkeys(row["measure"] for row in table))
    said = [
        f"{theme.safe(numbers.percent(row['effect']))}: {row['customers_per_arm']:,} customers an arm"
        for row in table
    ]
    traces = _measures(table, names, "days", "effect", said)
    caption = f"{names[0]}: {_detected(table, names[0])}."
    return theme.figure(
        traces,
        caption=caption,
        alt=f"{caption} " + "; ".join(f"{name}: {_detected(table, name)}" for name in names[1:]),
        columns=columns,
        rows=[[row[name] for name in columns] for row in table],
        height=340,
        showlegend=len(names) > 1,
        xaxis={
            "title": {"text": "days of the whole test"},
            "type": "log",
            "tickvals": sorted({row["days"] for row in table}),
        },
        yaxis=theme.percent_axis(title={"text": "smallest change shown"}),
    )


def _measures(
    table: Sequence[dict[str, Any]], names: Sequence[str], x: str, y: str, said: Sequence[str]
) -> list[go.Scatter]:
    """A line for each measure."""
    traces = []
    for place, name in enumerate(names):
        rows = [
            (row, words) for row, words in zip(table, said, strict=True) if row["measure"] == name
        ]
        traces.append(
            go.Scatter(
                x=[row[x] for row, _ in rows],
                y=[row[y] for row, _ in rows],
                mode="lines+markers",
                name=theme.label(name),
                line={"color": theme.COLOURS[place % len(theme.COLOURS)], "width": 2.5},
                hovertext=[words for _, words in rows],
                hoverinfo="text",
            )
        )
    return traces


def _detected(table: Sequence[dict[str, Any]], measure: str) -> str:
    rows = [row for row in table if row["measure"] == measure]
    first, last = rows[0], rows[-1]
    return f"a test of {first['days']} days shows a change of {numbers.percent(first['effect'], 0)} or more, one of {last['days']} days {numbers.percent(last['effect'], 0)}"


def holdout(result: Any) -> go.Figure:
    """The share that left of those contacted and of the control group."""
    table = theme.records(result.table)
    dots = [
        Dot(
            row["arm"],
            row["share_left"],
            row["low"],
            row["high"],
            row["customers"],
            f"{numbers.percent(row['share_left'])} of {row['customers']:,}",
            row["arm"] == "contacted",
        )
        for row in table
    ]
    columns = ["arm", "listed", "customers", "left", "share_left", "low", "high"]
    return dot_rows(
        dots,
        Axis("share that left, 95% CI", theme.percent_axis()),
        caption=result.headline,
        alt=f"{result.headline} " + "; ".join(f"{dot.name}: {dot.said}" for dot in dots),
        columns=columns,
        rows=[[row[name] for name in columns] for row in table],
    )


SLICE = ["choice", "group", "arm", "customers", "control customers", "value", "control"]
SLICE += ["difference", "low", "high"]


def slice_figure(name: str, rows: Sequence[dict[str, Any]], stop: str) -> go.Figure:
    """One choice of the explorer: the difference in each group, with the interval that the stop rule goes by."""
    return slice_choices({name: rows}, stop)


def slice_choices(choices: Mapping[str, Sequence[dict[str, Any]]], stop: str) -> go.Figure:
    """Choices of the explorer, one at a time; the table under the figure holds all of them."""
    low, high, words = SLICE_INTERVALS[stop]
    names = list(choices)
    most = max((len(rows) for rows in choices.values()), default=0)
    columns = [*SLICE[:-2], f"low ({words})", "high"]
    if not most:
        return theme.empty("Too few customers on a side to compare.", columns=columns)
    traces = [
        _slice_trace(rows, low, high, visible=place == 0)
        for place, rows in enumerate(choices.values())
    ]
    caption = f"Difference from control, {words}. Exploratory: a group or an earlier look decides nothing."
    return theme.figure(
        traces,
        caption=caption,
        alt=f"{caption} Choices: {numbers.joined(names)}. The table below holds every choice.",
        columns=columns,
        rows=[
            [
                name,
                row["group"],
                *(row[key] for key in ("variant", "customers", "control_customers")),
                *(row[key] for key in ("value", "control_value", "difference", low, high)),
            ]
            for name, rows in choices.items()
            for row in rows
        ],
        height=170 + 34 * most,
        updatemenus=[_menu(names)] if len(names) > 1 else [],
        xaxis={
            "title": {"text": "difference from control"},
            "rangemode": "tozero",
            "zeroline": True,
        },
        yaxis={"automargin": True, "autorange": "reversed"},
    )


def _slice_trace(
    rows: Sequence[dict[str, Any]], low: str, high: str, *, visible: bool
) -> go.Scatter:
    return go.Scatter(
        x=[row["difference"] for row in rows],
        y=[theme.label(row["group"], 40) for row in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [row[high] - row["difference"] for row in rows],
            "arrayminus": [row["difference"] - row[low] for row in rows],
        },
        mode="markers",
        marker={"size": 10, "color": theme.COLOURS[0]},
        visible=visible,
        hovertext=[
            f"{theme.safe(row['group'])}: {numbers.number(row['difference'])} ({numbers.number(row[low])} to {numbers.number(row[high])})"
            for row in rows
        ],
        hoverinfo="text",
    )


def _menu(names: Sequence[str]) -> dict[str, Any]:
    """A list that shows one trace at a time."""
    buttons = [
        {
            "label": theme.label(name, 40),
            "method": "update",
            "args": [{"visible": [at == place for at in range(len(names))]}, {}],
        }
        for place, name in enumerate(names)
    ]
    place = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "pad": {"b": 12}}
    return {"name": "Show", "buttons": buttons, "active": 0, **place}


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
    arms = _by_arm(table)
    for place, (arm, rows) in enumerate(arms.items()):
        traces += curve(
            [row[at] for row in rows],
            [row["difference"] for row in rows],
            [row[bounds[0]] for row in rows],
            [row[bounds[1]] for row in rows],
            place=place,
            name=theme.label(arm),
        )
    return theme.figure(
        traces,
        caption=caption,
        alt=f"{caption} {result.headline}",
        columns=columns,
        rows=[[row[name] for name in columns] for row in table],
        height=340,
        showlegend=len(arms) > 1,
        xaxis={"title": {"text": title}},
        yaxis={"title": {"text": "difference from control"}, "zeroline": True},
    )


def _by_arm(table: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    arms: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        arms.setdefault(row["variant"], []).append(row)
    return arms


def _difference(result: Any, measure: str, value: float) -> str:
    """A difference of a measure in points where it is one of shares."""
    return numbers.points(value) if _of_shares(result, measure) else numbers.signed(value, 2)


def _of_shares(result: Any, measure: str) -> bool:
    return result.table.set_index("measure")["kind"][[measure]].iloc[0] in ("share", "funnel")


def _name(row: dict[str, Any], result: Any) -> str:
    return row["measure"] if len(result.verdict) == 1 else f"{row['variant']}: {row['measure']}"


def _cells(row: dict[str, Any], low: str, high: str) -> list[Any]:
    return [
        row["variant"],
        row["measure"],
        row["role"],
        row["customers"],
        row["control_customers"],
        row["value"],
        row["control_value"],
        row["difference"],
        f"{numbers.number(row[low])} to {numbers.number(row[high])}",
        row["verdict"],
    ]


VIEWS = {
    "Experiment": {
        "effects": effects,
        "looks": looks,
        "novelty": novelty,
        "segments": segments,
    },
    "ExperimentPlan": {"plan": plan, "detectable": detectable},
    "Holdout": {"holdout": holdout},
}
