"""What the processes of a run find loaded: what every notebook needs, the analyses that are asked for, and the libraries of those that fit models.

One process loads it, and all others are forked from that one (`multiprocessing`'s forkserver); where there is no fork each loads what it needs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import cjlib

EVERY = (
    "pandas",
    "duckdb",
    "typer",
    "rich.console",
    "cjlib.views.notebook.summary_cards",
    "cjlib.views.notebook.show_table",
    "cjlib.sources.journey",
    "cjlib.sources.read_events",
    "cjlib.sources.feedback.table",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "psutil",
    "scipy.special",
    "scipy.sparse",
    "cjlib.views.report.warm",
)
"""For every process."""
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
"""For notebooks that fit models: more than a second."""
_FITTING = (
    "cjlib.analyses.churn",
    "cjlib.analyses.journey_map",
    "cjlib.analyses.paths.compare_paths",
    "cjlib.analyses.personas",
    "cjlib.analyses.feedback.sentiment",
    "cjlib.analyses.feedback.themes",
    "cjlib.views.notebook.persona_maps",
)
"""Modules of ours that load those when they are used."""
_ASKED = re.compile(r"\bcj\.([a-z]\w*)")


def asked(code: str) -> frozenset[str]:
    """The modules of ours that a notebook's code asks for: those of every `cj.name` in it."""
    return frozenset(
        cjlib.MODULE_OF[name] for name in _ASKED.findall(code) if name in cjlib.MODULE_OF
    )


def to_load(modules: Iterable[str]) -> list[str]:
    """What to load for notebooks that ask for these modules of ours."""
    wanted = sorted(modules)
    return [*EVERY, *wanted, *(() if set(_FITTING).isdisjoint(wanted) else MODELS)]


def without_grammars() -> None:
    """Let jsonschema do without `rfc3987_syntax`: 1.2 s in every process on an installation with JupyterLab, for addresses that notebooks have not.

    Call it before nbformat or jsonschema is imported.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore[reportArgumentType]


def without_debugger() -> None:
    """Let ipykernel do without `debugpy`, which takes as long as all else of its start; a notebook may import it all the same."""
    sys.modules["debugpy"] = None  # pyright: ignore[reportArgumentType]
    try:
        import ipykernel.debugger  # noqa: F401 — it looks for debugpy once, when it is imported
    finally:
        del sys.modules["debugpy"]


def prepare_environment(data: Path | None, at_once: int) -> None:
    """What notebooks find in their environment: report mode, their part of the processors where so many run at once, and the data folder if one was given."""
    os.environ["CJLIB_MODE"] = "report"
    os.environ.setdefault("CJ_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if data is not None:
        os.environ["CJ_DATA"] = str(data)
