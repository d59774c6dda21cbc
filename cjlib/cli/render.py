"""`cj render`: the report of a notebook that another tool has run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug
from cjlib.errors import CjlibError, shown


def render_command(
    notebooks: Annotated[
        list[Path],
        typer.Argument(metavar="EXECUTED.ipynb…", help="Notebooks with their outputs."),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where the pages go; without it beside the notebooks.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Make the report of notebooks that papermill, Lab or a scheduler has run."""
    with faults(debug):
        from cjlib.views.report import read_notebook
        from cjlib.views.report.exporter import write_report

        for notebook in notebooks:
            if not notebook.is_file():
                raise CjlibError(
                    f"notebook: there is no file {shown(str(notebook))}. Give a notebook that was run, such as papermill's output."
                )
            read_notebook(notebook)  # what is no notebook is refused in words
            print(write_report(notebook, out))
