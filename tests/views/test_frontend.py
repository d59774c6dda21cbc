"""What a figure leaves in a notebook depends on who will show it; the page of a notebook that any tool has run is that of `cj run`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import plotly.io as pio
import pytest
from commandline import here

from cjlib.views import frontend
from cjlib.views.plots import theme

PLOTLY = "application/vnd.plotly.v1+json"


def drawn(text: str = "text") -> theme.Figure:
    trace = {"type": "bar", "x": [1, 2], "y": [3, 4], "name": text}
    return theme.figure([trace], caption=text, alt=text, columns=["x"], rows=[[1]], height=300)


@pytest.fixture
def cell(monkeypatch) -> dict:
    """A kernel that runs a cell, as nothing but a notebook tool does."""
    parent = {"header": {"msg_id": "1"}, "metadata": {}}
    monkeypatch.setattr(
        frontend, "_kernel", lambda: SimpleNamespace(get_parent=lambda channel: parent)
    )
    monkeypatch.setattr(frontend, "_brought", {})
    for name in ("CJLIB_MODE", "PLOTLY_RENDERER", *frontend._PERSON):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    return parent


def test_outside_a_notebook_and_in_a_report_only_the_data_are_left(cell, monkeypatch):
    monkeypatch.setenv("CJLIB_MODE", "report")
    assert sorted(frontend.bundle_of(drawn())) == [PLOTLY, "text/plain"]
    monkeypatch.delenv("CJLIB_MODE")
    monkeypatch.setattr(frontend, "_kernel", lambda: None)
    assert sorted(frontend.bundle_of(drawn())) == [PLOTLY, "text/plain"]


def test_the_first_figure_of_a_notebook_brings_plotly_for_all(cell):
    first, second = (frontend.bundle_of(drawn())["text/html"] for _ in range(2))
    assert len(first) > 1_000_000
    assert len(second) < 20_000
    assert "http" not in second
    cell["header"]["msg_id"] = "2"
    assert len(frontend.bundle_of(drawn())["text/html"]) == len(second)


def test_a_first_cell_that_runs_again_brings_it_again(cell):
    cell["metadata"]["cellId"] = "a"
    first = frontend.bundle_of(drawn())["text/html"]
    cell["header"]["msg_id"] = "2"
    assert len(frontend.bundle_of(drawn())["text/html"]) == len(first)


def test_names_of_the_data_stay_names(cell):
    hostile = "</script><img src=x onerror=alert(1)>"
    page = frontend.bundle_of(drawn(hostile))["text/html"]
    assert "<img" not in page
    assert page.count("</script>") == 1


def test_a_renderer_that_was_chosen_is_honoured(cell, monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "json")
    bundle = frontend.bundle_of(drawn("claim"))
    assert sorted(bundle) == ["application/json", "text/plain"]
    assert bundle["text/plain"].startswith("claim")


def test_widgets_are_for_persons(cell, monkeypatch):
    assert not frontend.has_widgets()
    monkeypatch.setenv("JPY_SESSION_NAME", "01_funnel.ipynb")
    assert frontend.has_widgets()
    monkeypatch.setenv("CJLIB_MODE", "report")
    assert not frontend.has_widgets()


# ---- the page of a notebook that another tool has run ---------------------------------------------------------------


@pytest.fixture
def executed(tmp_path) -> Path:
    notebook = nbformat.v4.new_notebook()
    output = nbformat.v4.new_output("display_data", data=drawn("The claim")._repr_mimebundle_())
    code = nbformat.v4.new_code_cell("cj.plot(result)", outputs=[output])
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Where?\n\n## Here\n\n[next](other.html)"),
        code,
    ]
    notebook.metadata["papermill"] = {"end_time": "2025-11-21T19:45:00+00:00", "duration": 2.0}
    path = tmp_path / "out.ipynb"
    nbformat.write(notebook, path)
    return path


def test_the_exporter_makes_the_page_of_a_report(executed):
    from cjlib.views.report.exporter import ReportExporter

    page, resources = ReportExporter().from_filename(str(executed))
    assert resources["output_extension"] == ".html"
    assert len(re.findall(r'data-fig="', page)) == 1
    assert "The claim" in page
    assert "2025-11-21 19:45 UTC" in page
    assert 'href="index.html"' not in page
    assert "../../" not in page


def test_the_command_writes_the_page_beside_the_notebook_or_into_a_folder(executed, tmp_path):
    said = here("render", executed)
    assert (said.code, said.out.strip()) == (0, str(executed.with_suffix(".html")))
    said = here("render", executed, "--out", tmp_path / "pages")
    assert (tmp_path / "pages" / "out.html").read_text(encoding="utf-8").count("data-fig=") == 1


def test_what_is_no_notebook_is_refused_in_words(tmp_path):
    (tmp_path / "x.ipynb").write_text(json.dumps([]), encoding="utf-8")
    for name, words in (("x", "is not a notebook"), ("absent", "there is no file")):
        said = here("render", tmp_path / f"{name}.ipynb")
        assert (said.code, words in said.err) == (2, True)
