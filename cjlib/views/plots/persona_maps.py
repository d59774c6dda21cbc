"""Figures of the maps of several personas."""

from __future__ import annotations

from cjlib.views.plots.map_groups import persona_groups

VIEWS = {"PersonaMaps": {"groups": persona_groups}}
