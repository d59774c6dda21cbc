"""`cj export`: the journey map as a file for a slide or a printer, and the journey file's definitions for a semantic layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import JOURNEY, Debug
from cjlib.errors import CjlibError, not_one_of, shown

export = typer.Typer(
    help="Write the journey map or the journey file's definitions for other tools."
)


@export.callback()
def _only_subcommands() -> None:
    """Write the journey map or the journey file's definitions for other tools."""


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


@export.command("map")
def export_map_command(
    journey: Annotated[
        Path, typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file.")
    ] = Path(JOURNEY),
    *,
    style: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="svg, png, pdf or pptx; svg.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="A file; its ending says the format. Without it journey_map.FORMAT.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="COLUMN", help="Groups of customers, one map each.", show_default=False
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="With --by: the group to draw; the largest.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write the journey map as a poster: a picture, a page, or a slide with native shapes."""
    with faults(debug, journey=journey):
        target = _poster_file(out, style)
        if group is not None and by is None:
            raise CjlibError(
                f"--group: {shown(group)} is a group of a column; name the column with --by."
            )
        import cjlib as cj

        business = cj.read_journey(journey)
        made = cj.journey_map(
            business, business.read_events_if_named(), business.read_feedback(), by=by
        )
        print(f"{cj.poster(made, group).save(target)}: {made.headline.split('. ')[0]}")


def _poster_file(out: Path | None, style: str | None) -> Path:
    """The file to write; a format that its ending contradicts is refused before anything is read."""
    from cjlib.views.poster import FORMATS

    if style is not None and style not in FORMATS:
        raise not_one_of("--format", style, FORMATS)
    target = out or Path(f"journey_map.{style or FORMATS[0]}")
    ending = target.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise not_one_of("--out", ending or target.name, FORMATS)
    if style not in (None, ending):
        raise CjlibError(
            f"--format: {shown(style)} and the ending of {shown(str(target))} differ. Give one of the two."
        )
    return target
