"""Figures of what customers say: those of results whose own module has none."""

from __future__ import annotations

from cjlib.views.plots.scores import aftermath

VIEWS = {"Aftermath": {"aftermath": aftermath}}
