"""Drivers: the words that go with unhappy answers, and those that go with happy ones."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.dot_rows import Axis, Dot, dot_rows

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


VIEWS = {"Drivers": {"drivers": drivers}}
