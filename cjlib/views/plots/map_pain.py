"""Where the journey hurts and which ways customers take: pain points, moments after which they leave, routes, support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from cjlib.analyses.journey_map.summary import FIRST_FROM, nothing_stands_out, significant_pains
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.rows import Pair, Row, bars, dumbbells

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

PAIN_COLUMNS = [
    "rank",
    "stage",
    "touchpoint",
    "customers",
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
    """The impact of the first pain points of a level, each with its 95% CI and the interval of its rank."""
    pains = held.pain_points
    rows = theme.records(significant_pains(pains, level).head(top))
    if not rows:
        return theme.empty(nothing_stands_out(pains, level), columns=PAIN_COLUMNS)
    names = [
        str(one["stage"]) if level == "stage" else f"{one['touchpoint']} ({one['stage']})"
        for one in rows
    ]
    said = [
        f"{numbers.ranks(one['rank_low'], one['rank_high'])}, first in {numbers.percent(one['share_first'])}, {one['affected']:,} affected"
        for one in rows
    ]
    y = [-k for k in range(len(rows))]
    notes, lines = theme.row_labels(names, said, [one["share_first"] >= FIRST_FROM for one in rows])
    impact = [one["impact"] for one in rows]
    bar = go.Bar(
        x=impact,
        y=y,
        orientation="h",
        width=0.28,
        marker={"color": theme.faded([one["affected"] for one in rows])},
        hoverinfo="skip",
    )
    whiskers = theme.interval_bars(
        impact, y, [one["impact_low"] for one in rows], [one["impact_high"] for one in rows]
    )
    one = rows[0]
    claim = (
        "is the biggest pain point"
        if one["share_first"] >= FIRST_FROM
        else "is among the biggest pain points"
    )
    unit = (
        "customers × severity × value at stake"
        if held.journey.value is not None
        else "customers × severity"
    )
    return theme.figure(
        [bar, *whiskers],
        caption=f"{names[0]} {claim}: {one['affected']:,} customers affected, first in {numbers.percent(one['share_first'])} of 1,000 draws of weights and shares.",
        alt=f"Bars of the impact of {len(rows)} pain points with 95% CIs, largest first.",
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


def _nothing_named(rows: list[dict[str, Any]]) -> str:
    """Why no touchpoint is named: one alone has nothing to be set beside."""
    if len(rows) == 1:
        return (
            f"Only {rows[0]['touchpoint']} has 30 good and 30 bad experiences: from one touchpoint alone nobody can tell whether it matters or "
            "whether unhappy customers leave everywhere."
        )
    return "No touchpoint differs significantly from the others in how experiences and later outcomes go together."


def moments(held: JourneyMap, *, outcome: str | None = None) -> go.Figure:
    """Touchpoints with both kinds of experience: the share with the good outcome after a good and after a bad one."""
    table = held.moments
    if not len(table):
        return theme.empty(
            "No touchpoint has answers of customers whose later events are seen, so there are no moments to compare.",
            columns=MOMENT_COLUMNS,
        )
    chosen = outcome or str(table["outcome"].iloc[0])
    every = theme.records(table[table["outcome"] == chosen])
    rows = sorted(
        (one for one in every if one["status"] != "too few"),
        key=lambda one: (not one["named"], -abs(one["difference"]), one["touchpoint"]),
    )
    if not rows:
        return theme.empty(
            "No touchpoint has 30 good and 30 bad experiences whose outcome is known.",
            columns=MOMENT_COLUMNS,
        )
    named = [one for one in rows if one["named"]]
    caption = named[0]["text"] if named else _nothing_named(rows)
    told = {
        "retained": "active afterwards",
        "converted": "converted afterwards",
        "promoter": "promoter next time",
    }[chosen]
    pairs = [
        Pair(
            f"{one['touchpoint']} ({one['stage']})",
            one["share_good"],
            one["share_bad"],
            f"{numbers.points(one['difference'])} ({numbers.points_interval(one['difference_low'], one['difference_high'])}); {one['n_good']:,} good, {one['n_bad']:,} bad",
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
    notable = sorted(
        (one for one in every if one["notable"]),
        key=lambda one: (-one["share_of_source"], str(one["source"]), str(one["target"])),
    )[:top]
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
            f"{numbers.percent(one['share_of_source'])} of {numbers.count_of(n, 'visit')}, {numbers.count_of(one['customers'], 'customer')}",
        )
        for one, n in zip(notable, visits, strict=True)
    ]
    first = notable[0]
    share = numbers.percent(first["share_of_source"])
    way = (
        f"{share} of the journeys begin at {first['target']}"
        if first["source"] == "(start)"
        else f"{share} of the visits to {first['source']} lead straight to {first['target']}"
    )
    caption = f"Unplanned: {way} ({numbers.count_of(first['customers'], 'customer')})."
    return bars(
        rows,
        axis="of the visits it starts from",
        caption=caption,
        alt=caption,
        columns=ROUTE_COLUMNS,
        table=[[theme.plain(row[name]) for name in ROUTE_COLUMNS] for row in every],
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

TOLD = {
    "answered_in_24h": "were answered within 24 hours",
    "first_contact_resolution": "were resolved at the first contact",
    "reopened": "were opened again",
    "abandoned": "were given up",
}


def support(held: JourneyMap, *, measure: str = "answered_in_24h") -> go.Figure:
    """One share of the tickets by the period in which they were opened."""
    table = held.support
    rows = theme.records(table[table["channel"].isna()]) if len(table) else []
    if not rows:
        return theme.empty(
            "The journey file does not say what a ticket is (key support), or there are none.",
            columns=SUPPORT_COLUMNS,
        )
    x = [one["period_start"] for one in rows]
    values = np.array([one[measure] for one in rows], dtype=float)
    drawn = go.Scatter(
        x=x,
        y=values.tolist(),
        mode="lines+markers",
        line={"color": theme.COLOURS[0]},
        marker={"size": 9, "color": theme.faded([one["tickets"] for one in rows])},
        error_y=theme.whiskers(
            values,
            [one[f"{measure}_low"] for one in rows],
            [one[f"{measure}_high"] for one in rows],
        ),
        hovertext=[
            f"{numbers.count_of(one['tickets'], 'ticket')}: {numbers.percent(one[measure])}"
            for one in rows
        ],
        hoverinfo="text",
    )
    last = rows[-1]
    told = TOLD.get(measure, measure.replace("_", " "))
    bounds = numbers.interval(last[f"{measure}_low"], last[f"{measure}_high"])
    caption = f"Of {numbers.count_of(last['tickets'], 'ticket')} opened from {last['period_start']:%Y-%m-%d}, {numbers.percent(last[measure])} {told} (95% CI {bounds})."
    shown = [[theme.plain(row[name]) for name in SUPPORT_COLUMNS] for row in rows]
    return theme.figure(
        [drawn],
        caption=caption,
        alt=caption,
        columns=SUPPORT_COLUMNS,
        rows=shown,
        height=300,
        yaxis=theme.percent_axis(),
        showlegend=False,
    )
