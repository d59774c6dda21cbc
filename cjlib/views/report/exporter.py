"""The page of a notebook that any tool has run: `jupyter nbconvert --to cjreport out.ipynb`, and `cj render out.ipynb`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import Exporter

import cjlib
from cjlib.views.report.page import page_of
from cjlib.views.report.publishing import moment, within
from cjlib.views.report.render import render


class ReportExporter(Exporter):
    """nbconvert's exporter "cjreport": the page that `cj run` makes of a notebook."""

    file_extension = ".html"
    output_mimetype = "text/html"
    export_from_notebook = "Customer journey report"

    def from_notebook_node(  # pyright: ignore[reportIncompatibleMethodOverride] — an exporter returns what it makes
        self, nb: Any, resources: Any = None, **options: Any
    ) -> tuple[str, dict[str, Any]]:
        """The page, and what nbconvert knows of it."""
        nb, known = super().from_notebook_node(nb, resources, **options)
        name = str(known.get("metadata", {}).get("name") or "notebook")
        made = str(known.get("metadata", {}).get("modified_date") or "")
        return html_of(nb, name, made=made), known


def html_of(
    notebook: nbformat.NotebookNode, name: str, *, made: str = "", beside: Collection[str] = ()
) -> str:
    """The page of a notebook that was run.

    Parameters
    ----------
    notebook
        With its outputs.
    name
        Its name.
    made
        When it was run, where papermill has not written that into it.
    beside
        Names of the reports in the folder of the page; links lead to no others.
    """
    page = page_of(notebook, name)
    ended = notebook.metadata.get("papermill", {}).get("end_time")
    frame = {
        "journey": "",
        "made": moment(ended) if ended else made,
        "published": "",
        "version": cjlib.__version__,
        "provenance": [
            ("Notebook", name),
            (
                "Software",
                f"Customer Journey Notebooks {cjlib.__version__}, Python {sys.version.split()[0]}",
            ),
        ],
    }
    return within(render(page, frame=frame, name=name, parameters={}), {*beside, name})


def write_report(source: Path, out: Path | None = None) -> Path:
    """Write the page of a notebook that was run beside it, or into a folder, and say where."""
    target = (out or source.parent) / f"{source.stem}.html"
    beside = {page.stem for page in target.parent.glob("*.html")}
    notebook = nbformat.read(source, as_version=4)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(html_of(notebook, source.stem, beside=beside), encoding="utf-8")
    return target
