"""`cj schema`: the journey file's keys for an editor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug


def schema_command(
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A file instead of stdout.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write the journey file's keys as JSON schema, by which an editor completes them."""
    with faults(debug):
        from cjlib.sources.journey.json_schema import schema_text

        if out is None:
            print(schema_text(), end="")
        else:
            out.write_text(schema_text(), encoding="utf-8")
