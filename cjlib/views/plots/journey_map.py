"""Figures of the journey map: the sentiment line, pain points, moments that matter, routes; what changed, and what if."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from cjlib import words
from cjlib.analyses.result import MIN_N
from cjlib.views.picture_mood import NAMES, SCALES, mood_caption, rows_of_group
from cjlib.views.plots import theme
from cjlib.views.plots.share_rows import Pair, Row, bars, dumbbells

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
    from cjlib.analyses.journey_map.compare import MapChange
    from cjlib.analyses.journey_map.future import WhatIf

LINE_COLUMNS = ["stage", "measure", "n", "customers", "value", "low", "high", "named"]


def sentiment(held: JourneyMap, *, measure: str | None = None, group: str | None = None) -> go.Figure:
    """The mean of one measure at each stage with its band; the lead measure unless another is asked for."""
    labels = held._source.groups.words()
    key = labels[0] if group is None else group
    line = rows_of_group(held.sentiment_line, held, None if key == "(not set)" else key)
    line = line[line["touchpoint"].isna()] if len(line) else line
    if not len(line):
        return theme.empty("Nobody was asked how they feel: there is no sentiment line.", columns=LINE_COLUMNS)
    chosen = measure or str(line[line["lead"]]["measure"].iloc[0])
    rows = theme.records(line[line["measure"] == chosen].sort_values("position"))
    table = [[one[name] for name in ("stage", "measure", "n", "customers", "value", "value_low", "value_high", "named")] for one in rows]
    if not rows:
        return theme.empty(f"There are no answers of the measure {chosen}.", columns=LINE_COLUMNS)
    return theme.figure(
        _line_traces(rows, chosen),
        caption=mood_caption(held, key if held._source.groups.name else None),
        alt=f"A line of {NAMES[chosen]} over {len(rows)} stages, each with its 95 % interval; the table below holds every number.",
        columns=LINE_COLUMNS,
        rows=table,
        height=340,
        annotations=[_badge(one) for one in rows if not words.missing(one["named"])],
        xaxis=_stage_axis([str(one["stage"]) for one in rows], [one["position"] for one in rows]),
        yaxis={"title": {"text": NAMES[chosen]}, "zeroline": False},
        shapes=[
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": SCALES[chosen][1],
                "y1": SCALES[chosen][1],
                "line": {"dash": "dot", "width": 1, "color": theme.MUTED},
            }
        ],
        showlegend=False,
    )


def _line_traces(rows: list[dict[str, Any]], measure: str) -> list[go.Scatter]:
    x = [one["position"] for one in rows]
    held = [(one["position"], one["value_low"], one["value_high"]) for one in rows if not words.missing(one["value_low"])]
    band = go.Scatter(
        x=[k for k, _, _ in held] + [k for k, _, _ in reversed(held)],
        y=[low for _, low, _ in held] + [high for _, _, high in reversed(held)],
        fill="toself",
        fillcolor="rgba(43,115,214,0.18)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    hover = [
        f"<b>{theme.label(one['stage'])}</b><br>{one['value']:.2f} ({one['value_low']:.2f} to {one['value_high']:.2f})<br>n = {one['n']:,} of {one['customers']:,} customers"
        for one in rows
    ]
    few = [one["n"] < MIN_N for one in rows]
    drawn = go.Scatter(
        x=x,
        y=[one["value"] for one in rows],
        mode="lines+markers",
        line={"color": theme.COLOURS[0], "width": 3},
        marker={"size": 10, "color": theme.faded([one["n"] for one in rows]), "symbol": ["circle-open" if each else "circle" for each in few]},
        hovertext=hover,
        hoverinfo="text",
        name=NAMES[measure],
    )
    return [band, drawn]


def _badge(one: dict[str, Any]) -> dict[str, Any]:
    low = one["named"] == "trough"
    return theme.note(f"<b>{theme.safe(one['named'])}</b>", x=one["position"], y=one["value"], below=low, yshift=-10 if low else 10) | {
        "xanchor": "center"
    }


def _stage_axis(names: list[str], places: list[int]) -> dict[str, Any]:
    shown = ["<br>".join(theme.safe(part) for part in words.short(name, 24).split(" ")) for name in names]
    return {
        "tickvals": places,
        "ticktext": shown,
        "showgrid": False,
        "range": [min(places) - 0.5, max(places) + 0.5],
        "tickangle": -45 if len(names) > 5 else 0,
    }


PAIN_COLUMNS = [
    "rank",
    "stage",
    "touchpoint",
    "affected",
    "lost",
    "unhappy",
    "slow",
    "effortful",
    "severity",
    "impact",
    "impact_low",
    "impact_high",
    "rank_low",
    "rank_high",
    "share_first",
]


def pain_points(held: JourneyMap, *, level: str = "stage", top: int = 8) -> go.Figure:
    """The impact of the first pain points of a level, each with its 95 % interval and the interval of its rank."""
    pains = held.pain_points
    rows = theme.records(pains[(pains["level"] == level) & (pains["impact"] > 0)].head(top)) if len(pains) else []
    if not rows:
        return theme.empty(f"No {level} stands out as a pain point.", columns=PAIN_COLUMNS)
    names = [str(one["stage"]) if level == "stage" else f"{one['touchpoint']} ({one['stage']})" for one in rows]
    said = [f"rank {one['rank_low']}–{one['rank_high']}, first in {words.percent(one['share_first'])}, {one['affected']:,} customers" for one in rows]
    y = [-k for k in range(len(rows))]
    notes, lines = theme.row_labels(names, said, [one["share_first"] >= 0.8 for one in rows])
    impact = [one["impact"] for one in rows]
    bar = go.Bar(x=impact, y=y, orientation="h", width=0.28, marker={"color": theme.faded([one["affected"] for one in rows])}, hoverinfo="skip")
    whiskers = theme.interval_bars(impact, y, [one["impact_low"] for one in rows], [one["impact_high"] for one in rows])
    one = rows[0]
    claim = "is the first pain point" if one["share_first"] >= 0.8 else "is among the first pain points"
    unit = "customers × severity × value at stake" if held.journey.value is not None else "customers × severity"
    return theme.figure(
        [bar, *whiskers],
        caption=f"{names[0]} {claim}: {one['affected']:,} customers affected, first in {words.percent(one['share_first'])} of 1,000 draws of weights and shares.",
        alt=f"Bars of the impact of {len(rows)} pain points with 95 % intervals, largest first.",
        columns=PAIN_COLUMNS,
        rows=[[row[name] for name in PAIN_COLUMNS] for row in rows],
        height=56 + len(rows) * (44 + 16 * lines),
        annotations=notes,
        xaxis={"title": {"text": f"impact: {unit}"}, "rangemode": "tozero", "nticks": 5},
        yaxis={"visible": False, "range": [-len(rows) + 0.6, 0.9]},
        showlegend=False,
    )


MOMENT_COLUMNS = [
    "stage",
    "touchpoint",
    "outcome",
    "n_good",
    "n_bad",
    "share_good",
    "share_bad",
    "difference",
    "difference_low",
    "difference_high",
    "excess",
    "p_adjusted",
    "excess_p_adjusted",
    "named",
    "status",
]


def moments(held: JourneyMap, *, outcome: str | None = None) -> go.Figure:
    """Touchpoints with both kinds of experience: the share with the good outcome after a good and after a bad one."""
    table = held.moments
    if not len(table):
        return theme.empty("Without events and feedback there are no moments to compare.", columns=MOMENT_COLUMNS)
    chosen = outcome or str(table["outcome"].iloc[0])
    every = theme.records(table[table["outcome"] == chosen])
    rows = sorted(
        (one for one in every if one["status"] != "too few"), key=lambda one: (not one["named"], -abs(one["difference"]), one["touchpoint"])
    )
    if not rows:
        return theme.empty("No touchpoint has 30 good and 30 bad experiences whose outcome is known.", columns=MOMENT_COLUMNS)
    named = [one for one in rows if one["named"]]
    caption = (
        named[0]["text"]
        if named
        else "No touchpoint stands out: where bad experiences go with worse outcomes, they do so everywhere alike, or chance explains it."
    )
    told = {"retained": "active afterwards", "converted": "converted afterwards", "promoter": "promoter next time"}[chosen]
    pairs = [
        Pair(
            f"{one['touchpoint']} ({one['stage']})",
            one["share_good"],
            one["share_bad"],
            f"{words.points(one['difference'])} ({words.points_interval(one['difference_low'], one['difference_high'])}); {one['n_good']:,} good, {one['n_bad']:,} bad",
            one["named"],
        )
        for one in rows
    ]
    return dumbbells(
        pairs,
        names=("after a good experience", "after a bad one"),
        axis=told,
        caption=caption,
        alt=f"Pairs of shares {told}, after good and bad experiences at {len(rows)} touchpoints.",
        columns=MOMENT_COLUMNS,
        table=[[theme.plain(row[name]) for name in MOMENT_COLUMNS] for row in every],
    )


ROUTE_COLUMNS = [
    "source",
    "target",
    "kind",
    "planned",
    "moves",
    "customers",
    "share_of_source",
    "share_of_source_low",
    "share_of_source_high",
    "median_seconds",
    "notable",
]


def routes(held: JourneyMap, *, top: int = 8) -> go.Figure:
    """The moves nobody planned that many make, as a share of the visits they start from."""
    every = theme.records(held.routes)
    notable = sorted((one for one in every if one["notable"]), key=lambda one: (-one["share_of_source"], str(one["source"]), str(one["target"])))[
        :top
    ]
    if not notable:
        return theme.empty("No route that nobody planned is taken by many.", columns=ROUTE_COLUMNS)
    visits = [round(one["moves"] / one["share_of_source"]) for one in notable]
    rows = [
        Row(
            f"{one['source']} → {one['target']} ({one['kind']})",
            one["share_of_source"],
            one["share_of_source_low"],
            one["share_of_source_high"],
            n,
            f"{words.percent(one['share_of_source'])} of {n:,} visits, {words.count_of(one['customers'], 'customer')}",
        )
        for one, n in zip(notable, visits, strict=True)
    ]
    first = notable[0]
    caption = f"Nobody planned it, yet {words.percent(first['share_of_source'])} of the visits to {first['source']} are followed by {first['target']} ({first['customers']:,} customers)."
    if first["source"] == "(start)":
        caption = f"Nobody planned it, yet {words.percent(first['share_of_source'])} of the journeys begin at {first['target']} ({first['customers']:,} customers)."
    return bars(
        rows,
        axis="of the visits it starts from",
        caption=caption,
        alt=caption,
        columns=ROUTE_COLUMNS,
        table=[[theme.plain(row[name]) for name in ROUTE_COLUMNS] for row in every],
    )


CHANGE_COLUMNS = [
    "stage",
    "measure",
    "earlier",
    "now",
    "n_earlier",
    "n_now",
    "change",
    "change_low",
    "change_high",
    "p_adjusted",
    "beyond_noise",
    "words",
]


def change(held: MapChange, *, measure: str = "share_of_previous") -> go.Figure:
    """One share of each stage, earlier and now."""
    every = theme.records(held.table)
    rows = [one for one in every if one["measure"] == measure]
    table = [[theme.plain(row[name]) for name in CHANGE_COLUMNS] for row in every]
    if not rows or measure not in ("share_of_previous", "share_ended", "share_went_back", "share_skipped", "csat", "ces"):
        return theme.empty(f"There is nothing to compare in {measure}.", columns=CHANGE_COLUMNS)
    pairs = [
        Pair(
            str(one["stage"]),
            one["now"],
            one["earlier"],
            f"{words.points(one['change'])}: {one['words']} (n = {one['n_earlier']:,} and {one['n_now']:,})",
            one["beyond_noise"],
        )
        for one in rows
    ]
    return dumbbells(
        pairs, names=("now", "earlier"), axis=measure.replace("_", " "), caption=held.headline, alt=held.headline, columns=CHANGE_COLUMNS, table=table
    )


WHAT_IF_COLUMNS = [
    "stage",
    "share_of_previous",
    "share_future",
    "customers_now",
    "customers_future",
    "extra_customers",
    "extra_customers_low",
    "extra_customers_high",
]


def what_if(held: WhatIf) -> go.Figure:
    """Customers along the stages in order, now and if the shares were changed."""
    rows = theme.records(held.table)
    x = list(range(1, len(rows) + 1))
    low, high = ([one["customers_future"] + one[f"extra_customers{end}"] - one["extra_customers"] for one in rows] for end in ("_low", "_high"))
    bars_ = [
        go.Bar(x=[k - 0.18 for k in x], y=[one["customers_now"] for one in rows], width=0.32, name="now", marker={"color": theme.MUTED}),
        go.Bar(
            x=[k + 0.18 for k in x],
            y=[one["customers_future"] for one in rows],
            width=0.32,
            name="what if",
            marker={"color": theme.COLOURS[0]},
            error_y=theme.whiskers([one["customers_future"] for one in rows], low, high, "#1b2430"),
        ),
    ]
    return theme.figure(
        bars_,
        caption=held.headline,
        alt=held.headline,
        columns=WHAT_IF_COLUMNS,
        rows=[[row[name] for name in WHAT_IF_COLUMNS] for row in rows],
        height=340,
        xaxis=_stage_axis([str(one["stage"]) for one in rows], x),
        yaxis={"title": {"text": "customers, in order"}, "rangemode": "tozero"},
        showlegend=True,
    )


SUPPORT_COLUMNS = [
    "period_start",
    "tickets",
    "median_seconds_to_first_response",
    "answered_in_24h",
    "answered_in_24h_low",
    "answered_in_24h_high",
    "median_seconds_to_resolution",
    "first_contact_resolution",
    "reopened",
    "abandoned",
    "handovers_per_ticket",
    "waiting_loops_per_ticket",
]


def support(held: JourneyMap, *, measure: str = "answered_in_24h") -> go.Figure:
    """One share of the tickets by the period in which they were opened."""
    table = held.support
    rows = theme.records(table[table["channel"].isna()]) if len(table) else []
    if not rows:
        return theme.empty("The journey file does not say what a ticket is (key support), or there are none.", columns=SUPPORT_COLUMNS)
    x = [one["period_start"] for one in rows]
    values = np.array([one[measure] for one in rows], dtype=float)
    drawn = go.Scatter(
        x=x,
        y=values.tolist(),
        mode="lines+markers",
        line={"color": theme.COLOURS[0]},
        marker={"size": 9, "color": theme.faded([one["tickets"] for one in rows])},
        error_y=theme.whiskers(values, [one[f"{measure}_low"] for one in rows], [one[f"{measure}_high"] for one in rows]),
        hovertext=[f"{one['tickets']:,} tickets: {words.percent(one[measure])}" for one in rows],
        hoverinfo="text",
    )
    last = rows[-1]
    caption = f"{words.percent(last[measure])} {measure.replace('_', ' ')} of {last['tickets']:,} tickets opened from {last['period_start']:%Y-%m-%d} ({words.interval(last[f'{measure}_low'], last[f'{measure}_high'])})."
    shown = [[theme.plain(row[name]) for name in SUPPORT_COLUMNS] for row in rows]
    return theme.figure(
        [drawn], caption=caption, alt=caption, columns=SUPPORT_COLUMNS, rows=shown, height=300, yaxis=theme.percent_axis(), showlegend=False
    )


VIEWS = {
    "JourneyMap": {"sentiment": sentiment, "pain_points": pain_points, "moments": moments, "routes": routes, "support": support},
    "MapChange": {"change": change},
    "WhatIf": {"what_if": what_if},
}
