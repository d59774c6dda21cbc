"""Which figures a funnel, its trend, its change and its losses can be drawn as."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.views.plots import theme
from cjlib.views.plots.funnel_lost import change, next_after_drop_off
from cjlib.views.plots.funnel_segments import segment_steps, segments
from cjlib.views.plots.funnel_steps import steps
from cjlib.views.plots.funnel_time import time, trend


def funnel(result: Any) -> go.Figure:
    """The steps of a funnel; of one with groups, its segments."""
    return segments(result) if theme.by_columns(result.table, "step") else steps(result)


VIEWS = {
    "Funnel": {
        "funnel": funnel,
        "steps": steps,
        "segments": segments,
        "segment_steps": segment_steps,
        "time": time,
    },
    "FunnelTrend": {"trend": trend},
    "FunnelChange": {"change": change},
    "FunnelLost": {"next_after_drop_off": next_after_drop_off},
}
