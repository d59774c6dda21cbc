"""`cj new`: a project of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug


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

        project.lay_out(folder)
        print(f"{folder}: a project; next `cd {folder}` and `cj run`")
