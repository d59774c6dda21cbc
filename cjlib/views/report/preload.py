"""What kernels find loaded: what every notebook needs, the analyses that are asked for, and the libraries of those that fit models."""

from __future__ import annotations

import re
from collections.abc import Iterable

import cjlib

EVERY = (
    "pandas",
    "duckdb",
    "cjlib.views.plots.theme:warm_up",
    "cjlib.views.notebook.summary_cards",
    "cjlib.views.notebook.show_table",
    "cjlib.sources.journey",
    "cjlib.sources.read_events",
    "cjlib.sources.feedback.table",
    "cjlib.views.report.kernel:without_debugger",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "psutil",
    "scipy.special",
    "scipy.sparse",
)
"""For every kernel."""
MODELS = (
    "scipy.optimize",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "sklearn.decomposition",
    "sklearn.cluster",
    "sklearn.isotonic",
    "sklearn.ensemble",
)
"""For kernels that fit models: more than a second."""
_FITTING = (
    "cjlib.analyses.churn",
    "cjlib.analyses.journey_map",
    "cjlib.analyses.paths.compare_paths",
    "cjlib.analyses.personas",
    "cjlib.analyses.feedback.sentiment",
    "cjlib.analyses.feedback.themes",
    "cjlib.views.path_questions",
    "cjlib.views.notebook.persona_maps",
)
"""Modules of ours that load those when they are used."""
_ASKED = re.compile(r"\bcj\.([a-z]\w*)")


def asked(code: str) -> frozenset[str]:
    """The modules of ours that a notebook's code asks for: those of every `cj.name` in it."""
    return frozenset(
        cjlib.MODULE_OF[name] for name in _ASKED.findall(code) if name in cjlib.MODULE_OF
    )


def fits_models(modules: Iterable[str]) -> bool:
    """Whether any of these modules loads the libraries of models; a wrong guess costs time only."""
    return not set(_FITTING).isdisjoint(modules)
