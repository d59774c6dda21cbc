"""An analysis more is five new files and one line: proved on a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]

ANALYSIS = '''"""How many customers come a second time."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cjlib.analyses.result import Result, metric
from cjlib.shared.stats import wilson
from cjlib.show.numbers import confidence, percent
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeat(Result):
    """The answer of `cj.repeat`."""


def repeat(log: EventLog) -> Repeat:
    """Customers with events on two days or more ÷ all customers, with Wilson's interval."""
    days = log.fetch("customer", "time")
    table = pd.DataFrame({"customer": days["customer"], "day": days["time"] // 86_400_000_000})
    again = int((table.groupby("customer")["day"].nunique() > 1).sum())
    low, high = (float(bound) for bound in wilson(again, log.n_customers))
    share = again / log.n_customers
    return Repeat(
        table=pd.DataFrame({"customers": [log.n_customers], "again": [again], "share": [share]}),
        headline=f"{percent(share)} of {log.n_customers:,} customers came again ({confidence(low, high)}).",
        definition={"again": "events on two days or more"},
        metrics={"again": metric(share, low, high, log.n_customers, label="Came again", unit="share")},
    )
'''
PLOT = '''"""How many customers come a second time, as a bar."""

from __future__ import annotations

import plotly.graph_objects as go

from cjlib.analyses.repeat import Repeat
from cjlib.views.plots import theme


def draw(result: Repeat) -> go.Figure:
    """The share that came again."""
    share = result.table["share"].tolist()
    return theme.figure(
        [go.Bar(x=share, y=[0], orientation="h")],
        caption=result.headline,
        alt="One bar.",
        columns=["share"],
        rows=[share],
        height=160,
    )


VIEWS = {"Repeat": {"share": draw}}
'''
CELLS = [
    (
        "markdown",
        "# How many customers come a second time?\n\n**The decision it serves:** none.",
        [],
    ),
    ("code", 'journey: str = "../data/sample/journey.yml"  # journey file', ["parameters"]),
    ("code", "import cjlib as cj", []),
    ("code", "again = cj.repeat(cj.read_journey(journey).read_events())\ncj.summary(again)", []),
    ("code", "cj.plot(again)", []),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the repository with the eighth analysis in it."""
    copy = tmp_path_factory.mktemp("eighth") / "copy"
    for part in ("cjlib", "notebooks", "data"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "cjlib/analyses/repeat.py").write_text(ANALYSIS, encoding="utf-8")
    (copy / "cjlib/views/plots/repeat.py").write_text(PLOT, encoding="utf-8")
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
    )
    for kind, source, tags in CELLS:
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
        cell["metadata"]["tags"] = tags
        notebook["cells"].append(cell)
    nbformat.write(notebook, copy / "notebooks/08_repeat.ipynb")
    table = copy / "cjlib/__init__.py"
    lines = table.read_text(encoding="utf-8")
    first = '    "cjlib.samples": ['
    assert first in lines
    table.write_text(
        lines.replace(first, f'    "cjlib.analyses.repeat": ["Repeat", "repeat"],\n{first}'),
        encoding="utf-8",
    )
    return copy


def test_it_is_run_by_name_and_its_figure_stands_in_its_report(copy):
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "cjlib",
            "run",
            "repeat",
            "--journey",
            "data/sample/journey.yml",
        ],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    page = (copy / "reports/08_repeat.html").read_text(encoding="utf-8")
    assert page.count("data-fig=") == 1
    assert "customers came again (95% CI" in page
    assert "Came again" in page
