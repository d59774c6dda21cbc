"""`cj export`, `cj schema`, `cj render`, `cj mcp`: what slides, semantic layers, editors, other runners of notebooks and agents take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import JOURNEY, Debug, JourneyArgument, file_to_write, folder_to_fill
from cjlib.errors import CjlibError, not_one_of, shown

export = typer.Typer(
    help="Write the journey map or the journey file's definitions for other tools.",
    no_args_is_help=True,
)


@export.command("metrics")
def export_metrics_command(
    journey: JourneyArgument = Path(JOURNEY),
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
            file_to_write(out).write_text(written, encoding="utf-8")
            print(f"{out}: the definitions of {business.name}")


@export.command("map")
def export_map_command(
    journey: JourneyArgument = Path(JOURNEY),
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
    return file_to_write(target)


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
            file_to_write(out).write_text(schema_text(), encoding="utf-8")
            print(f"{out}: the keys of a journey file")


def render_command(
    notebooks: Annotated[
        list[Path],
        typer.Argument(metavar="EXECUTED.ipynb", help="Notebooks with their outputs."),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where the pages go; without it beside the notebooks.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Make the report of notebooks that papermill, Lab or a scheduler has run."""
    with faults(debug):
        from cjlib.views.report import read_notebook
        from cjlib.views.report.exporter import write_report

        if out is not None:
            folder_to_fill(out, "--out")
        for notebook in notebooks:
            if not notebook.is_file():
                raise CjlibError(
                    f"notebook: there is no file {shown(str(notebook))}. Give a notebook that was run, such as papermill's output."
                )
            read_notebook(notebook)  # what is no notebook is refused in words
            print(write_report(notebook, out))


def mcp_command(
    journey: JourneyArgument = Path(JOURNEY),
    *,
    show_ids: Annotated[
        bool, typer.Option("--show-ids", help="Let answers hold customers' ids.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Answer an agent's questions about the journey over stdin and stdout (Model Context Protocol), read-only."""
    with faults(debug, journey=journey):
        try:
            import mcp.server.stdio  # noqa: F401
        except ImportError:
            raise CjlibError(
                "mcp: the protocol's package is not installed. Install it: pip install 'customer-journey-notebooks[mcp]'."
            ) from None
        import cjlib as cj
        from cjlib.agents.questions import Business
        from cjlib.agents.server import serve
        from cjlib.packaged import meant_journey
        from cjlib.views.report.redaction import Mask, named_in

        business = Business(cj.read_journey(journey))
        secrets = Mask(
            named_in([meant_journey(journey).read_text(encoding="utf-8", errors="replace")])
        )
        serve(business, show_ids=show_ids, mask=secrets)
