"""`cj`: run notebooks, send what they found, check a journey file, make a first one, make the sample.

Exit codes: 0 all went well · 1 a notebook failed · 2 wrong usage, parameters or journey file · 3 data missing, stale or beyond the quarantine limit ·
4 an alert fired · 130, 143 stopped by a signal. Progress and messages go to stderr; stdout gets one summary line, or one JSON object with `--json`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cjlib import __version__, platform
from cjlib.cli.check import check_command
from cjlib.cli.init import init_command
from cjlib.cli.other_tools import export, mcp_command, render_command, schema_command
from cjlib.cli.presets import presets_command
from cjlib.cli.projects import (
    cache_command,
    list_command,
    new_command,
    notebooks_command,
    sample_command,
)
from cjlib.cli.reconcile import reconcile_command
from cjlib.cli.run import run_command
from cjlib.cli.send import send_command

app = typer.Typer(
    name="cj",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Version = Annotated[bool, typer.Option("--version", help="Say which version this is, and end.")]


@app.callback(invoke_without_command=True)
def cj(version: Version = False) -> None:
    """Customer Journey Notebooks: the numbers you can defend."""
    if version:
        print(f"cj {__version__}")
        raise typer.Exit


app.command("new", short_help="Lay out a project of one's own.")(new_command)
app.command("run", short_help="Run notebooks and publish their reports.")(run_command)
app.command("check", short_help="Say what the data hold; run nothing.")(check_command)
app.command("init", short_help="Write a first journey file from your data.")(init_command)
app.command("send", short_help="Send the newest run by mail or chat.")(send_command)
app.command("render", short_help="Make the report of a notebook that was run.")(render_command)
app.command("list", short_help="Say which notebooks and parameters there are.")(list_command)
app.command("notebooks", short_help="See what you edited; bring newer notebooks.")(
    notebooks_command
)
app.command("schema", short_help="Write the journey file's keys for an editor.")(schema_command)
app.command("presets", short_help="List the tools whose exports are read.")(presets_command)
app.command("reconcile", short_help="Explain another tool's number.")(reconcile_command)
app.add_typer(export, name="export", short_help="Write the map or definitions for other tools.")
app.command("mcp", short_help="Answer an agent's questions, read-only.")(mcp_command)
app.command("sample", short_help="Write the sample business.")(sample_command)
app.command("cache", short_help="List or delete prepared logs.")(cache_command)


def main() -> None:
    """Entry point."""
    platform.speak_utf8()
    app()
