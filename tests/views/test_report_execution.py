"""Where processes are not forked kernels start as usual, and a job can be sent to another process."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import nbformat
from commandline import NOTEBOOKS
from markupsafe import Markup

from cjlib.views.report.clean import CLEANED, clean
from cjlib.views.report.execution import execute
from cjlib.views.report.job import Job
from cjlib.views.report.kernels import OwnKernel
from cjlib.views.report.redaction import Mask


def test_without_forking_a_notebook_runs_in_a_kernel_of_this_environment(tmp_path):
    assert OwnKernel.nursery is None
    kernels: list[int] = []
    cells: list[int] = []
    target = tmp_path / "out.ipynb"
    execute(
        NOTEBOOKS / "no_parameters.ipynb",
        target,
        {},
        mask=Mask(["stands"]),
        done=cells.append,
        kernel=kernels.append,
    )
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written["cells"][1]["outputs"][0]["text"] == ["as it •••\n"]
    assert len(kernels) == 1
    assert cells == [2]


def test_a_kernel_leaves_no_history_and_loads_no_debugger_and_a_notebook_may_do_so_itself(tmp_path):
    target = tmp_path / "out.ipynb"
    execute(
        NOTEBOOKS / "kernel.ipynb",
        target,
        {},
        mask=Mask([]),
        done=lambda number: None,
        kernel=lambda process: None,
    )
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written["cells"][0]["outputs"][0]["text"] == ["debugger: False, history: False\n"]
    assert written["cells"][1]["outputs"][0]["data"]["text/plain"] == ["'debugpy'"]
    assert written["cells"][2]["outputs"][0]["data"]["text/plain"] == ["\"'debugpy'\""]


def test_html_that_a_cell_has_shown_is_told_as_it_is_written_so_that_it_can_be_cleaned_ahead(
    tmp_path,
):
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    show = "from IPython.display import HTML, display; display(HTML('<b>one</b>'))"
    cells = [nbformat.v4.new_code_cell(code) for code in (show, "import time; time.sleep(1)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    shown: list[str] = []
    execute(
        source,
        target,
        {},
        mask=Mask([]),
        done=lambda number: None,
        kernel=lambda process: None,
        shown=shown.append,
    )
    assert shown == ["<b>one</b>"]


def test_what_was_cleaned_ahead_is_not_cleaned_again(monkeypatch):
    text = "<p onclick='x()'>words</p>"
    cleaned = clean(text)
    assert cleaned == "<p>words</p>"
    monkeypatch.setitem(CLEANED, text, Markup("<p>kept</p>"))
    assert clean(text) == "<p>kept</p>"
    assert clean(text + " ") == cleaned


def _loaded(module: str) -> set[str]:
    code = f"import {module}, sys; print(*(name for name, loaded in sys.modules.items() if loaded))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_command_line_answers_without_loading_what_only_a_run_needs():
    assert not {
        "pandas",
        "duckdb",
        "papermill",
        "nbformat",
        "nbconvert",
        "plotly",
        "jinja2",
        "sklearn",
    } & _loaded("cjlib.cli, cjlib.views.report")


def test_rendering_loads_neither_pandas_nor_the_grammars_that_nobody_needs():
    loaded = _loaded("cjlib.views.report.page, cjlib.views.report.publishing")
    assert {"nbconvert", "jinja2"} <= loaded
    assert not {"pandas", "duckdb", "rfc3987_syntax"} & loaded


def test_a_job_can_be_sent_to_another_process():
    job = Job(
        name="a",
        source=Path("a.ipynb"),
        folder=Path("out"),
        parameters={"x": 1},
        mask=Mask(["secret"]),
        frame={"provenance": [("Run", "1")]},
    )
    sent = pickle.loads(pickle.dumps(job))
    assert sent.page == Path("out/a.html")
    assert sent.mask("a secret") == "a •••"
