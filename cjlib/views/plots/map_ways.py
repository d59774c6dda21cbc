"""Ways nobody planned, and how support does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.share_rows import Row, bars

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

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
    caption = f"Nobody planned it, yet {numbers.percent(first['share_of_source'])} of the visits to {first['source']} are followed by {first['target']} ({numbers.count_of(first['customers'], 'customer')})."
    if first["source"] == "(start)":
        caption = f"Nobody planned it, yet {numbers.percent(first['share_of_source'])} of the journeys begin at {first['target']} ({numbers.count_of(first['customers'], 'customer')})."
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
