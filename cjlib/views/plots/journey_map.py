"""Which figures the journey map, its comparison, its what-if and the maps of personas can be drawn as."""

from __future__ import annotations

from cjlib.views.plots.map_change import change, what_if
from cjlib.views.plots.map_feelings import sentiment
from cjlib.views.plots.map_groups import groups
from cjlib.views.plots.map_pain import moments, pain_points
from cjlib.views.plots.map_ways import routes, support

VIEWS = {
    "JourneyMap": {
        "sentiment": sentiment,
        "pain_points": pain_points,
        "moments": moments,
        "routes": routes,
        "support": support,
        "groups": groups,
    },
    "MapChange": {"change": change},
    "WhatIf": {"what_if": what_if},
}
