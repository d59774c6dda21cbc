"""`cj presets`: which tools' exports are read as they are, and how."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug
from cjlib.cli.terminal import console_as_wide_as_the_terminal, print_rows


def presets_command(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A preset, to see its file: copy it to make one of your own.", show_default=False
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    debug: Debug = False,
) -> None:
    """List the tools whose exports are read as they are, or show one preset's file."""
    with faults(debug, as_json):
        from cjlib.sources.presets.preset_file import preset_text, presets

        if name is not None:
            print(preset_text(name), end="")
            return
        rows = [
            (preset.name, preset.reads, preset.title, preset.source, preset.checked)
            for preset in presets()
        ]
        names = ("preset", "reads", "title", "source", "checked")
        if as_json:
            listed = [dict(zip(names, row, strict=True)) for row in rows]
            print(json.dumps(listed, ensure_ascii=False))
            return
        print_rows(console_as_wide_as_the_terminal(), "Presets", names[:3], [row[:3] for row in rows], [])  # fmt: skip
