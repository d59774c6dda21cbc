"""`cj list`: which notebooks there are; `cj notebooks`: what became of a project's, and newer ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug, Folder, Notebooks
from cjlib.cli.terminal import console_as_wide_as_the_terminal


def list_command(
    notebooks: Notebooks = None,
    *,
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    debug: Debug = False,
) -> None:
    """Say which notebooks there are, and their parameters with type, default and meaning."""
    with faults(debug, as_json):
        from rich.table import Table

        from cjlib.views.report.discovery import find_notebooks

        found = find_notebooks(notebooks or [], folder)
        if as_json:
            fields = ("kind", "default", "meaning")
            content = {
                one.name: {
                    "question": one.question,
                    "parameters": {
                        name: {key: str(getattr(p, key)) for key in fields}
                        for name, p in one.parameters.items()
                    },
                }
                for one in found
            }
            print(json.dumps(content, ensure_ascii=False))
            return
        console = console_as_wide_as_the_terminal()
        for one in found:
            console.print(
                f"[bold]{escape(one.name)}[/bold]  {escape(one.question)}", soft_wrap=True
            )
            table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
            for parameter in one.parameters.values():
                table.add_row(
                    *(
                        escape(text)
                        for text in (
                            parameter.name,
                            str(parameter.kind),
                            parameter.default,
                            parameter.meaning,
                        )
                    )
                )
            console.print(table)


def notebooks_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The project's folder of notebooks.")
    ] = Path("notebooks"),
    *,
    copy: Annotated[
        bool,
        typer.Option(
            "--copy",
            help="Bring what is missing or newer; beside a notebook that was edited, never over it.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Say which of a project's notebooks were edited and which have a newer version; or bring those."""
    with faults(debug):
        from cjlib import project

        told = project.bring_notebooks(folder) if copy else project.states(folder)
        for name, words in told.items():
            print(f"{name}: {words}")
