"""Curves with their interval as a band, and which of several groups are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cjlib.views.plots import theme


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
