"""What the processes of a run find loaded."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from cjlib.views.report.discovery import find_notebooks
from cjlib.views.report.preload import EVERY, MODELS, asked, to_load

SHIPPED = Path(__file__).parents[2] / "notebooks"


def test_a_notebook_asks_for_the_modules_of_the_names_in_its_code():
    assert asked(
        "import cjlib as cj\ncj.plot(cj.funnel(log, cj.Step('a')))\ncj.nothing_of_ours()"
    ) == {
        "cjlib.views.plots",
        "cjlib.analyses.funnel",
    }
    assert asked("print('no')") == frozenset()


def test_the_shipped_notebooks_that_fit_models_are_known():
    fitting = {one.name for one in find_notebooks([], SHIPPED) if MODELS[0] in to_load(one.modules)}
    assert fitting == {"03_sentiment", "04_churn", "05_paths", "06_journey_map"}


def test_everything_that_is_to_be_loaded_can_be_and_starts_no_thread():
    code = f"""
        import importlib, os, threading
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        for name in {[*EVERY, *MODELS]!r}:
            importlib.import_module(name)
        assert threading.active_count() == 1, threading.enumerate()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
