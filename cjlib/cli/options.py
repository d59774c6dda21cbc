"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.errors import CjlibError, shown

JOURNEY = "journey.yml"
"""The journey file of a folder."""

Notebooks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NOTEBOOK…",
        help="Names or paths: 01_funnel, funnel, my/own.ipynb. None: all.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--notebooks",
        metavar="DIR",
        help="Folder of notebooks instead of notebooks/.",
        show_default=False,
    ),
]
JourneyFile = Annotated[
    Path, typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where the journey file's relative paths start.",
        show_default=False,
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say on stderr what is read, kept and run.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def data_folder(path: Path) -> Path:
    """The folder of `--data`, which must be there."""
    if not path.is_dir():
        raise CjlibError(
            f"--data: there is no folder {shown(str(path))}. Give the folder that the journey file's relative paths start from."
        )
    return path.absolute()
