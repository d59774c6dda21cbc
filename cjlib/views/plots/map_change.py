"""The map beside an earlier one, and if more went on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.share_rows import Pair, dumbbells
from cjlib.views.plots.stage_axis import stage_axis

if TYPE_CHECKING:
    from cjlib.analyses.journey_map.compare import MapChange
    from cjlib.analyses.journey_map.what_if import WhatIf

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
    if not rows or measure not in (
        "share_of_previous",
        "share_ended",
        "share_went_back",
        "share_skipped",
        "csat",
        "ces",
    ):
        return theme.empty(f"There is nothing to compare in {measure}.", columns=CHANGE_COLUMNS)
    pairs = [
        Pair(
            str(one["stage"]),
            one["now"],
            one["earlier"],
            f"{numbers.points(one['change'])}: {one['words']} (n = {one['n_earlier']:,} and {one['n_now']:,})",
            one["beyond_noise"],
        )
        for one in rows
    ]
    return dumbbells(
        pairs,
        names=("now", "earlier"),
        axis=measure.replace("_", " "),
        caption=held.headline,
        alt=held.headline,
        columns=CHANGE_COLUMNS,
        table=table,
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
    low, high = (
        [
            one["customers_future"] + one[f"extra_customers{end}"] - one["extra_customers"]
            for one in rows
        ]
        for end in ("_low", "_high")
    )
    bars_ = [
        go.Bar(
            x=[k - 0.18 for k in x],
            y=[one["customers_now"] for one in rows],
            width=0.32,
            name="now",
            marker={"color": theme.MUTED},
        ),
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
        xaxis=stage_axis([str(one["stage"]) for one in rows], x),
        yaxis={"title": {"text": "customers, in order"}, "rangemode": "tozero"},
        showlegend=True,
    )
