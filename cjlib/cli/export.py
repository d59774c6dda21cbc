"""`cj export metrics`: the journey file's definitions for a semantic layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import JOURNEY, Debug

export = typer.Typer(help="Write the journey file's definitions for other tools.")


@export.callback()
def _only_subcommands() -> None:
    """Write the journey file's definitions for other tools."""


@export.command("metrics")
def export_metrics_command(
    journey: Annotated[
        Path, typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file.")
    ] = Path(JOURNEY),
    *,
    style: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="dbt or ossie (formerly OSI).")
    ] = "dbt",
    table: Annotated[
        str,
        typer.Option(
            "--table",
            metavar="NAME",
            help="The events in the warehouse: a dbt model, or database.schema.table. Without it as the journey file says.",
            show_default=False,
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A file; stdout.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write events, funnels, cohorts and value as a semantic layer has them: dbt's (MetricFlow) or Apache Ossie's."""
    with faults(debug, journey=journey):
        import cjlib as cj
        from cjlib.agents.semantic_layer import semantic_layer

        business = cj.read_journey(journey)
        written = semantic_layer(business, business.read_events(), style, table=table)
        if out is None:
            print(written, end="")
        else:
            out.write_text(written, encoding="utf-8")
            print(f"{out}: the definitions of {business.name}")
