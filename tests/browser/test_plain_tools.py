"""Figures of a notebook that papermill ran and plain nbconvert turned into a page, without a network."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter

pytestmark = pytest.mark.browser

CODE = """
import pandas as pd, cjlib as cj
from itertools import product
rows = [(f"c{n}", e, pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(n, "h")) for n, e in product(range(99), ["a", "b"])]
funnel = cj.funnel(cj.read_events(pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"])), ["a", "b"], window="9D")
"""


def test_plain_nbconvert_shows_every_figure(tmp_path: Path, browser):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    sources = [CODE, "cj.plot(funnel)", "cj.plot(funnel)"]
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    executed = papermill.execute_notebook(
        str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), progress_bar=False
    )
    html, _ = HTMLExporter().from_notebook_node(executed)
    (tmp_path / "out.html").write_text(html, encoding="utf-8")
    page = browser.new_context(offline=True).new_page()
    page.goto((tmp_path / "out.html").as_uri())
    page.wait_for_function(
        "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4", timeout=120_000
    )
    assert page.locator(".js-plotly-plot").count() == 2
