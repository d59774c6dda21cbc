"""`cj new`, `cj sample`, `cj list`, `cj notebooks`, `cj cache`: a project, what it begins with, and what lies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cjlib.cli.faults import faults
from cjlib.cli.options import AsJson, Debug, Folder, Notebooks, folder_to_fill
from cjlib.cli.terminal import console_as_wide_as_the_terminal, print_rows
from cjlib.errors import CjlibError, shown


def list_command(
    notebooks: Notebooks = None,
    *,
    folder: Folder = None,
    as_json: AsJson = False,
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

        folder_to_fill(folder, "DIR")
        told = project.bring_notebooks(folder) if copy else project.states(folder)
        for name, words in told.items():
            print(f"{name}: {words}")


def new_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The project's folder; . for this one.")
    ],
    *,
    debug: Debug = False,
) -> None:
    """Lay out a project: journey.yml, notebooks/ to edit, Makefile, .gitignore and an example of a schedule, with the sample business to begin with."""
    with faults(debug):
        from cjlib import project

        project.lay_out(folder_to_fill(folder, "DIR"))
        print(f"{folder}: a project; next `cd {folder}` and `cj run`")


def sample_command(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(
        "data/sample"
    ),
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            metavar="N",
            help="Another seed is another history of the same business.",
        ),
    ] = 0,
    customers: Annotated[
        int,
        typer.Option("--customers", min=1, metavar="N", help="How many customers."),
    ] = 5_000,
    debug: Debug = False,
) -> None:
    """Write the sample business: events, feedback, customers, journey file."""
    with faults(debug):
        from cjlib import samples

        folder_to_fill(out, "--out").mkdir(parents=True, exist_ok=True)
        samples.write(out, customers=customers, seed=seed)
        print(f"{out}: a sample business of {customers:,} customers")


def cache_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to look, folders below included.")
    ] = Path(),
    *,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear", help="Delete the prepared logs; they are made again when they are needed."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Say which prepared logs are kept beside their sources, how large they are and when they were last used; or delete them."""
    with faults(debug):
        from cjlib.sources.ingest import cache

        if not folder.is_dir():
            raise CjlibError(
                f"DIR: there is no folder {shown(str(folder))}. Give the folder of the events, or none for this one."
            )
        found = [(place, cache.contents(place)) for place in cache.folders(folder.absolute())]
        for place, held in found:
            print_rows(
                console_as_wide_as_the_terminal(), str(place), cache.Kept._fields, held, ["bytes"]
            )
            if clear:
                cache.remove(place, [log.file for log in held])
        count, size = (
            sum(len(held) for _, held in found),
            sum(log.bytes for _, held in found for log in held),
        )
        logs = f"{count} prepared log{'' if count == 1 else 's'}, {size / 1e6:,.1f} MB"
        print(f"deleted: {logs}" if clear else logs)
