"""`cj check`: what the journey file and its data hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults, note
from cjlib.cli.options import JOURNEY, Data, Debug, Verbose, data_folder
from cjlib.cli.terminal import console_as_wide_as_the_terminal, print_table


def check_command(
    journey: Annotated[
        Path,
        typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file."),
    ] = Path(JOURNEY),
    *,
    data: Data = None,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Read the journey file and all its data, run nothing, and say what is there and what is not mapped."""
    with faults(debug, journey=journey, verbose=verbose):
        if data is not None:
            os.environ["CJ_DATA"] = str(data_folder(data))
        from cjlib.sources.connect.files import text_of

        text_of(journey)  # what cannot be read is told before all that reads data is imported
        from cjlib.show.units import in_units
        from cjlib.sources.journey.check import check_journey

        check = check_journey(journey)
        console = console_as_wide_as_the_terminal()
        for title, words in _TITLES.items():
            table = getattr(check, title)
            if "check" in table:
                table = table.assign(check=table["check"].map(in_units))
            print_table(console, words, table)
        for warning in check.warnings:
            note(f"Note: {warning}")
        print(f"\n{check.headline}")
    raise typer.Exit(check.exit_code)


_TITLES = {
    "events": "Events in the log",
    "quality": "Quality: what was read, used and left out",
    "feedback_quality": "Quality of the feedback",
    "unmapped": "In the log, not in the journey file",
    "silent": "In the journey file, never in the log",
}
