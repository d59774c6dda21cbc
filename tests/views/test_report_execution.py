"""A notebook runs in a kernel inside its process, and a job can be sent to another process."""

from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from commandline import NOTEBOOKS

from cjlib.platform import PROCESSES
from cjlib.views.report.execution import execute
from cjlib.views.report.redaction import Mask
from cjlib.views.report.worker import Job


def executed(source: Path, target: Path) -> Any:
    """The cells of a notebook that was run in a process of its own, since a process has one kernel."""
    told, tell = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_execute, args=(source, target, tell))
    process.start()
    process.join()
    assert process.exitcode == 0
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
    assert told.recv() == list(range(1, len(cells) + 1))
    assert told.recv() == 0, "what writes later would meet who writes next"
    return cells


def _execute(source: Path, target: Path, tell: Any) -> None:
    numbers: list[int] = []
    execute(source, target, {}, mask=Mask(["stands"]), done=numbers.append)
    tell.send(numbers)
    tell.send(sum(isinstance(thread, threading.Timer) for thread in threading.enumerate()))


def of_code(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])


def test_a_notebook_runs_and_is_written_without_secrets(tmp_path):
    cells = executed(NOTEBOOKS / "no_parameters.ipynb", tmp_path / "out.ipynb")
    assert cells[1]["outputs"][0]["text"] == ["as it •••\n"]


def test_a_kernel_leaves_no_history_and_a_notebook_may_load_a_debugger(tmp_path):
    cells = executed(NOTEBOOKS / "kernel.ipynb", tmp_path / "out.ipynb")
    assert cells[0]["outputs"][0]["text"][0].endswith("history: False\n")
    assert cells[1]["outputs"][0]["data"]["text/plain"] == ["'debugpy'"]
    assert cells[2]["outputs"][0]["data"]["text/plain"] == ["\"'debugpy'\""]


def test_every_kind_of_output_is_that_of_a_kernel_of_its_own(tmp_path):
    nbformat.write(
        of_code(
            "import sys; from IPython.display import HTML, display, clear_output, update_display\nprint('out'); display(HTML('<b>x</b>')); print('late')",
            "print('err', file=sys.stderr)",
            "h = display('first', display_id=True); h.update('second')",
            "print('gone'); clear_output(); print('stays')",
            "import ipywidgets as w; out = w.Output(); display(out)\nwith out: print('inside'); display(HTML('<i>y</i>'))",
            "with out: clear_output(wait=True); print('again')",
            "import asyncio; await asyncio.sleep(0); 1 + 1",
            "class A:\n    def _repr_mimebundle_(self, include=None, exclude=None): return {'text/plain': 'a', 'application/x-a+json': {'b': 1}}\nA()",
        ),
        tmp_path / "in.ipynb",
    )
    cells = executed(tmp_path / "in.ipynb", tmp_path / "out.ipynb")
    shown = [
        [
            "".join(output["text"]) if "text" in output else sorted(output["data"])
            for output in cell["outputs"]
        ]
        for cell in cells
    ]
    assert shown[0] == ["out\n", ["text/html", "text/plain"], "late\n"]
    assert shown[1] == ["err\n"]
    assert cells[2]["outputs"][0]["data"]["text/plain"] == ["'second'"]
    assert shown[3] == ["stays\n"]
    assert shown[4] == [["application/vnd.jupyter.widget-view+json", "text/plain"]]
    assert shown[5] == []
    assert cells[6]["outputs"][0]["data"]["text/plain"] == ["2"]
    assert cells[7]["outputs"][0]["data"]["application/x-a+json"] == {"b": 1}


def test_papermill_finds_the_engine_by_its_name():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["papermill.engine"]["cj"].partition(":")
    importlib.import_module("papermill")  # which loads its engines, this one too
    assert getattr(importlib.import_module(module), name).__name__ == "InProcessEngine"


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
    loaded = _loaded("cjlib.views.report.page, cjlib.views.report.run")
    assert {"nbconvert", "jinja2"} <= loaded
    assert not {"pandas", "duckdb", "rfc3987_syntax"} & loaded


def test_a_job_can_be_sent_to_another_process():
    job = Job(
        name="a",
        source=Path("a.ipynb"),
        folder=Path("out"),
        parameters={"x": 1},
        mask=Mask(["secret"]),
        environment={},
        frame={"provenance": [("Run", "1")]},
    )
    sent = pickle.loads(pickle.dumps(job))
    assert sent.page == Path("out/a.html")
    assert sent.mask("a secret") == "a •••"
