"""`cj cache`: what is prepared beside the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug
from cjlib.cli.terminal import console_as_wide_as_the_terminal, print_rows
from cjlib.errors import CjlibError, shown


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
        from cjlib.sources import cache

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
