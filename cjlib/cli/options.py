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
        metavar="NOTEBOOK",
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
JourneyArgument = Annotated[
    Path, typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file.")
]
JourneyOption = Annotated[
    Path | None,
    typer.Option(
        "--journey",
        envvar="CJ_JOURNEY",
        metavar="FILE",
        help="The journey file; without it journey.yml of this folder.",
        show_default=False,
    ),
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
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of words.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def data_folder(path: Path) -> Path:
    """The folder of `--data`, which must be there."""
    if not path.is_dir():
        raise CjlibError(
            f"--data: there is no folder {shown(str(path))}. Give the folder that the journey file's relative paths start from."
        )
    return path.absolute()


def folder_to_fill(path: Path, option: str) -> Path:
    """A folder to write to, which is made where it is not there yet; a file of that name is refused."""
    if path.exists() and not path.is_dir():
        raise CjlibError(
            f"{option}: {shown(str(path))} is a file. Give a folder; one that is not there is made."
        )
    return path


def file_to_write(path: Path, option: str = "--out") -> Path:
    """A file to write, in a folder that is there."""
    if path.is_dir():
        raise CjlibError(f"{option}: {shown(str(path))} is a folder. Give a file in it.")
    if not path.parent.is_dir():
        raise CjlibError(
            f"{option}: there is no folder {shown(str(path.parent))}. Make it first, or give a file in another."
        )
    return path
