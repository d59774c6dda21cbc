"""Retention as curves: the average of complete cells, by group, and what cohorts are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N, others_in_words
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.retention_cohorts import cohort_name

COLUMNS = [
    "period",
    "came back",
    "of",
    "cohorts",
    "share",
    "95% CI",
    "mean of cohorts",
    "one population",
]


def average(result: Any, *, most: int = 4) -> go.Figure:
    """The pooled share of complete cells by period, with its interval; without groups beside it the same for one population throughout."""
    by = list(result.by)
    columns = [*by, *COLUMNS]
    groups = _groups(result, by)
    if not groups:
        return theme.empty(result.headline, columns=columns)
    fixed = {_key(row, by): row for row in theme.records(result.fixed_average)}
    traces = []
    for place, (name, rows) in enumerate(list(groups.items())[:most]):
        traces += curve(
            [row["period"] for row in rows],
            [row["share"] for row in rows],
            [row["share_low"] for row in rows],
            [row["share_high"] for row in rows],
            place=place,
            name=theme.label(name or "all complete cells", 24),
            faint=rows[0]["eligible"] < MIN_N,
            hovertext=[_hover(row, name, result.period) for row in rows],
        )
    if not by and len(result.fixed_average):
        traces.append(_fixed(result))
    left = len(groups) - most
    more = (
        f" {numbers.count_of(left, 'smaller group is', 'smaller groups are')} in the table only."
        if left > 0
        else ""
    )
    last = max(row["period"] for rows in groups.values() for row in rows)
    return theme.figure(
        traces,
        caption=_caption(result, groups) + more,
        alt=_alt(result, groups) + more,
        columns=columns,
        rows=[_row(row, by, fixed) for rows in groups.values() for row in rows],
        height=380,
        showlegend=True,
        **_axes(result.period, last),
    )


def _came_back(row: dict[str, Any]) -> str:
    interval = numbers.interval(row["share_low"], row["share_high"])
    return f"{numbers.percent(row['share'])} ({interval}) of {row['eligible']:,}"


def _axes(period: str, last: int) -> dict[str, Any]:
    """Periods to the right, the share that came back upwards."""
    return {
        "xaxis": {
            "title": {"text": f"{period}"},
            "range": [-0.2, last + 0.3],
            "dtick": max(1, -(-last // 12)),
            "showgrid": False,
        },
        "yaxis": theme.percent_axis(range=[0, 1.03], title={"text": "share that came back"}),
    }


CHANGE_COLUMNS = ["side", "period", "came back", "of", "cohorts", "share", "95% CI"]


def change(result: Any) -> go.Figure:
    """The average before and from the cohort with which returns change, in the periods that both sides have completed."""
    cut = theme.records(result.cohort_change)
    rows = theme.records(result.before_and_after)
    if result.by or not cut or not rows or cut[0]["p_value"] >= CLAIM:
        return theme.empty(
            "Before and after no cohort do returns differ significantly.", columns=CHANGE_COLUMNS
        )
    since = cohort_name(cut[0]["cohort"], result.period)
    sides = {
        side: [row for row in rows if row["side"] == side] for side in ("before", "from then on")
    }
    names = {"before": f"cohorts before {since}", "from then on": f"from {since} on"}
    traces = []
    for place, (side, points) in enumerate(sides.items()):
        traces += curve(
            [row["period"] for row in points],
            [row["share"] for row in points],
            [row["share_low"] for row in points],
            [row["share_high"] for row in points],
            place=place,
            name=theme.label(names[side], 30),
            faint=points[0]["eligible"] < MIN_N,
            hovertext=[_hover(row, names[side], result.period) for row in points],
        )
    before, after = (points[-1] for points in sides.values())
    last = after["period"]
    said = (
        f"{_came_back(before)} who started before {since} came back in {result.period} {last}, "
        f"{_came_back(after)} who started later."
    )
    return theme.figure(
        traces,
        caption=said,
        alt=f"Two curves of the share that came back in each {result.period}. {said}",
        columns=CHANGE_COLUMNS,
        rows=[
            [
                names[row["side"]],
                row["period"],
                row["retained"],
                row["eligible"],
                row["cohorts"],
                numbers.percent(row["share"]),
                numbers.interval(row["share_low"], row["share_high"]),
            ]
            for row in rows
        ],
        height=380,
        showlegend=True,
        **_axes(result.period, last),
    )


def _groups(result: Any, by: list[str]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in theme.records(result.average):
        groups.setdefault(theme.group_name(row[name] for name in by), []).append(row)
    return groups


def _key(row: dict[str, Any], by: list[str]) -> tuple[Any, ...]:
    return (*(theme.group_name([row[name]]) for name in by), row["period"])


def _fixed(result: Any) -> go.Scatter:
    rows = theme.records(result.fixed_average)
    return go.Scatter(
        x=[row["period"] for row in rows],
        y=[row["share"] for row in rows],
        mode="lines",
        line={"color": theme.COLOURS[1], "width": 2, "dash": "dash"},
        name=f"one population: {rows[0]['eligible']:,} followed to {result.period} {rows[-1]['period']}",
        hovertext=[
            f"{numbers.percent(row['share'])} of the same {row['eligible']:,} in {result.period} {row['period']}"
            for row in rows
        ],
        hoverinfo="text",
    )


def _hover(row: dict[str, Any], name: str, period: str) -> str:
    lines = [
        f"{period} {row['period']}: {numbers.percent(row['share'])} of {row['eligible']:,}",
        f"95% CI {numbers.interval(row['share_low'], row['share_high'])}",
    ]
    lines.append(
        f"mean of {numbers.count_of(row['cohorts'], 'cohort')}: {numbers.percent(row['mean_share'])}"
    )
    return "<br>".join(
        [*([f"<b>{theme.label(name)}</b>"] if name else []), *(theme.safe(line) for line in lines)]
    )


def _caption(result: Any, groups: dict[str, list[dict[str, Any]]]) -> str:
    if result.by:
        return group_caption(result)
    rows = theme.records(result.fixed_average)
    if len(rows) < 2 or rows[0]["eligible"] < MIN_N:
        return result.headline
    first, last = rows[1], rows[-1]
    later = (
        ""
        if first is last
        else f", {numbers.percent(last['share'])} ({numbers.interval(last['share_low'], last['share_high'])}) in {result.period} {last['period']}"
    )
    start = f"{numbers.percent(first['share'])} ({numbers.interval(first['share_low'], first['share_high'])}) came back in {result.period} 1"
    return f"Of the {first['eligible']:,} followed through {result.period} {last['period']}, {start}{later}."


def group_caption(result: Any) -> str:
    """Which group differs significantly from the others."""
    rows = theme.records(result.comparisons)
    of = " and ".join(result.by)
    if not rows:
        return f"The groups of {of} are not compared: too few customers, or a customer may stand in several cohorts."
    period = f"{result.period} {int(result.average['period'].max())}"
    clear = sorted(
        (row for row in rows if row["p_adjusted"] < CLAIM), key=lambda row: -abs(row["difference"])
    )
    if not clear:
        return f"No significant difference between the {len(rows)} groups of {of} in {period}."
    first = clear[0]
    name = theme.group_name(first[column] for column in result.by)
    more = (
        f"; {len(clear)} of {len(rows)} groups differ significantly"
        if len(clear) > 1
        else "; no other group differs significantly"
    )
    return (
        f"{name} stands out in {period}: {numbers.percent(first['share'])} of its {first['customers']:,} came back, "
        f"{numbers.points(first['difference'], first['difference_low'], first['difference_high'])} against {others_in_words(first['without'])} ({numbers.points_interval(first['difference_low'], first['difference_high'])}){more}."
    )


def _alt(result: Any, groups: dict[str, list[dict[str, Any]]]) -> str:
    said = []
    for name, rows in groups.items():
        shares = ", ".join(
            f"{result.period} {row['period']} {numbers.percent(row['share'])}"
            for row in rows
            if row["period"]
        )
        said.append(f"{name + ': ' if name else ''}{shares or 'no complete period'}")
    return f"Falling curves: the share that came back in each {result.period}. {'; '.join(said)}."


def _row(
    row: dict[str, Any], by: list[str], fixed: dict[tuple[Any, ...], dict[str, Any]]
) -> list[Any]:
    same = fixed.get(_key(row, by))
    return [
        *(theme.group_name([row[name]]) for name in by),
        row["period"],
        row["retained"],
        row["eligible"],
        row["cohorts"],
        numbers.percent(row["share"]),
        numbers.interval(row["share_low"], row["share_high"]),
        numbers.percent(row["mean_share"]),
        None if same is None else numbers.percent(same["share"]),
    ]


# ---- value ----------------------------------------------------------------------------------------------------------------


VALUE_COLUMNS = [
    "period",
    "customers",
    "value",
    "value per customer",
    "net share of first value",
    "95% CI",
    "gross share of first value",
    "95% CI of that",
]
WAYS = (
    ("net_share_of_first_value", "net: all that is spent"),
    ("gross_share_of_first_value", "gross: nobody counts for more than at first"),
)


def _shorter(result: Any) -> str:
    """What period 0 is by the calendar: who starts on the 20th has ten days of it, so that later months may bring more without a customer who spends more."""
    if not result.definition["clock"].startswith("calendar"):
        return ""
    return f" (what is left of the calendar {result.period} when they start)"


def value(result: Any) -> go.Figure:
    """What cohorts are worth in each period, as a share of their value in period 0: net and gross, with intervals; groups are drawn one by one in the table."""
    if "value" not in result.average:
        return theme.empty(
            "There is no money to follow: name it in the journey file (value: {amount: column}) or count with value='column'.",
            columns=VALUE_COLUMNS,
        )
    by = list(result.by)
    rows = theme.records(result.average)
    first = (
        [
            row
            for row in rows
            if theme.group_name(row[name] for name in by)
            == theme.group_name(rows[0][name] for name in by)
        ]
        if rows
        else []
    )
    columns = [*by, *VALUE_COLUMNS]
    if len(first) < 2:
        return theme.empty(result.headline, columns=columns)
    traces = []
    for place, (name, said) in enumerate(WAYS):
        traces += curve(
            [row["period"] for row in first],
            [row[name] for row in first],
            [row[f"{name}_low"] for row in first],
            [row[f"{name}_high"] for row in first],
            place=place,
            name=said,
            hovertext=[
                f"{result.period} {row['period']}: {numbers.percent(row[name])} of {result.period} 0"
                for row in first
            ],
        )
    last = first[-1]
    whose = f"{theme.group_name(last[name] for name in by)}: " if by else ""
    net, gross = (
        f"{numbers.percent(last[name])} ({numbers.interval(last[f'{name}_low'], last[f'{name}_high'])})"
        for name, _ in WAYS
    )
    return theme.figure(
        traces,
        caption=f"{whose}In {result.period} {last['period']}, {numbers.count_of(last['eligible'], 'customer')} {'is' if last['eligible'] == 1 else 'are'} worth {net} of what they spent in {result.period} 0{_shorter(result)}; gross {gross}.",
        alt=f"Two curves by {result.period}: net and gross share of the value of {result.period} 0{_shorter(result)}.",
        columns=columns,
        rows=[_value_row(row, by) for row in rows],
        height=380,
        showlegend=True,
        xaxis={
            "title": {"text": result.period},
            "dtick": max(1, -(-last["period"] // 12)),
            "showgrid": False,
        },
        yaxis=theme.percent_axis(title={"text": f"share of the value in {result.period} 0"}),
    )


def _value_row(row: dict[str, Any], by: list[str]) -> list[Any]:
    shares = [
        cell
        for name, _ in WAYS
        for cell in (
            numbers.percent(row[name]),
            numbers.interval(row[f"{name}_low"], row[f"{name}_high"]),
        )
    ]
    groups = (theme.group_name([row[name]]) for name in by)
    return [
        *groups,
        row["period"],
        row["eligible"],
        numbers.number(row["value"]),
        numbers.number(row["value_per_member"]),
        *shares,
    ]


def curve(
    x: Sequence[float],
    share: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    place: int,
    name: str,
    steps: bool = False,
    faint: bool = False,
    **more: Any,
) -> list[go.Scatter]:
    """A line and the band of its interval; `place` picks colour, dash and symbol, `steps` draws a staircase, `faint` too few to read."""
    colour = theme.MUTED if faint else theme.COLOURS[place % len(theme.COLOURS)]
    shape = "hv" if steps else "linear"
    line = go.Scatter(
        x=list(x),
        y=list(share),
        mode="lines" if steps else "lines+markers",
        line={
            "color": colour,
            "width": 2.5,
            "dash": theme.DASHES[place % len(theme.DASHES)],
            "shape": shape,
        },
        marker={
            "size": 7,
            "symbol": f"{theme.SYMBOLS[place % len(theme.SYMBOLS)]}{'-open' if faint else ''}",
            "color": colour,
        },
        name=name,
        legendgroup=str(place),
        hoverinfo="text",
        **more,
    )
    return [*_band(x, low, high, colour, shape, place), line]


def _band(
    x: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    colour: str,
    shape: str,
    place: int,
) -> list[go.Scatter]:
    known = [
        k
        for k, (below, above) in enumerate(zip(low, high, strict=True))
        if not (np.isnan(below) or np.isnan(above))
    ]
    if not known:
        return []
    edge = {
        "mode": "lines",
        "line": {"width": 0, "color": colour, "shape": shape},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": str(place),
    }
    upper = go.Scatter(x=[x[k] for k in known], y=[high[k] for k in known], **edge)
    lower = go.Scatter(
        x=[x[k] for k in known],
        y=[low[k] for k in known],
        fill="tonexty",
        fillcolor=_clear(colour),
        **edge,
    )
    return [upper, lower]


def _clear(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
