"""`cj reconcile`: our funnel or retention beside another tool's number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug
from cjlib.cli.terminal import console_as_wide_as_the_terminal, print_table
from cjlib.errors import CjlibError, shown

if TYPE_CHECKING:
    import pandas as pd

Journey = Annotated[Path, typer.Argument(metavar="JOURNEY", help="The journey file.")]
Theirs = Annotated[
    Path,
    typer.Argument(
        metavar="THEIRS",
        help="CSV: a column step or event (of retention: period, and cohort) and one of counts, or a column customer_id.",
    ),
]
MOST = 20
"""Customers shown; all of them are in the workbook."""


def reconcile_command(
    journey: Journey,
    theirs: Theirs,
    *,
    funnel: Annotated[
        str, typer.Option("--funnel", metavar="NAME", help="Which funnel of the file; the first.")
    ] = "",
    retention: Annotated[
        bool,
        typer.Option(
            "--retention",
            help="Retention in place of a funnel; so where theirs has a column period.",
        ),
    ] = False,
    semantics: Annotated[
        str,
        typer.Option("--semantics", metavar="TOOL", help="posthog, mixpanel, amplitude or ga4."),
    ] = "",
    excel: Annotated[
        Path | None,
        typer.Option("--excel", metavar="FILE", help="Write everything to a workbook, too."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Show a funnel or retention beside another tool's number, with the rule and the customers that explain the gap."""
    with faults(debug, journey=journey):
        import cjlib as cj

        their_table = _read(theirs)
        told = cj.read_journey(journey)
        log = told.read_events()
        if retention or "period" in their_table:
            ours = cj.retention(log, **told.retention_options(semantics=semantics))
        else:
            ours = cj.funnel(log, **told.funnel(funnel, semantics=semantics))
        beside = cj.reconcile(ours, their_table)
        console = console_as_wide_as_the_terminal()
        print_table(console, "Ours and theirs", beside.table)
        print_table(console, "Rules tried in place of ours", beside.explanations)
        print_table(console, "Customers behind the gap", beside.customers.head(MOST))
        if excel is not None:
            beside.to_excel(excel)
        print(f"\n{beside.headline}")


def _read(theirs: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(theirs, dtype={"customer_id": "str"})
    except OSError as fault:
        raise CjlibError(
            f"theirs: {shown(str(theirs))} cannot be read: {fault.strerror or fault}."
        ) from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise CjlibError(
            f"theirs: {shown(str(theirs))} is no CSV file with a line of column names."
        ) from None
