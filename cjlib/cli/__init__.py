"""`cj`: run notebooks, check a journey file, make a first one, make the sample; one module for each command.

Exit codes: 0 all went well · 1 a notebook failed · 2 wrong usage, parameters or journey file · 3 data missing, stale or beyond the quarantine limit ·
4 an alert fired · 130, 143 stopped by a signal. Progress and messages go to stderr; stdout gets one summary line, or one JSON object with `--json`.
"""

from __future__ import annotations

import typer

from cjlib.cli.cache import cache_command
from cjlib.cli.check import check_command
from cjlib.cli.init import init_command
from cjlib.cli.notebooks import list_command
from cjlib.cli.run import run_command
from cjlib.cli.sample import sample_command

app = typer.Typer(
    name="cj",
    help="Customer Journey Notebooks: the numbers you can defend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run_command)
app.command("list")(list_command)
app.command("check")(check_command)
app.command("init")(init_command)
app.command("sample")(sample_command)
app.command("cache")(cache_command)


def main() -> None:
    """Entry point."""
    app()
