"""`cj init`: a first journey file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import JOURNEY, Debug
from cjlib.errors import CjlibError, not_one_of, shown


def init_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE…",
            help="Events, or a table of customers that says who left, as CSV or Parquet; or several files of one business: events of web, shop, desk, customers, feedback.",
            show_default=False,
        ),
    ] = None,
    *,
    customer: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Who, where the guess is wrong.", show_default=False),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="What happened, where the guess is wrong.", show_default=False
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="When, where the guess is wrong.", show_default=False),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            "--feedback",
            metavar="FILE",
            help="Comments, surveys or reviews; alone or beside FILE.",
            show_default=False,
        ),
    ] = None,
    dbt: Annotated[
        Path | None,
        typer.Option(
            "--from-dbt",
            metavar="FILE",
            help="dbt's target/manifest.json: its sources and models, in place of a file of events.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="NAME",
            help="With --from-dbt: the one of events.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            help="Begin with a trade's journey instead: saas, ecommerce, …",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the journey file goes.")
    ] = Path(JOURNEY),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    debug: Debug = False,
) -> None:
    """Write a first journey file from a file of events or a table of customers that says who left (and feedback), from feedback alone, from dbt's manifest, or from a template."""
    with faults(debug):
        begun = [bool(files) or feedback is not None, template is not None, dbt is not None]
        if begun.count(True) != 1 or (table is not None and dbt is None):
            raise CjlibError(
                "init: give either a file of events (cj init events.csv) or a table of customers (cj init customers.csv), or one of feedback (cj init --feedback reviews.csv), "
                "or dbt's manifest (cj init --from-dbt target/manifest.json, with --table NAME where it guesses wrong), or a template (cj init --template saas)."
            )
        chosen = {
            name: column
            for name, column in {"customer": customer, "event": event, "time": time}.items()
            if column is not None
        }
        if chosen and len(files or []) != 1:
            raise CjlibError(
                f"--{next(iter(chosen))}: names a column of one file of events: cj init events.csv --{next(iter(chosen))} COLUMN."
            )
        if out.exists() and not force:
            raise CjlibError(
                f"--out: {shown(str(out))} is there already. Give another name with --out, or overwrite it with --force."
            )
        if dbt is not None:
            from cjlib.sources.journey.scaffold.dbt_manifest import from_dbt

            written = from_dbt(dbt, table or "")
        else:
            written = _first_journey(files or [], feedback, template, out, chosen)
        from cjlib.sources.journey import json_schema

        out.write_text(json_schema.HEAD + written, encoding="utf-8")
        (out.parent / json_schema.NAME).write_text(json_schema.schema_text(), encoding="utf-8")
        print(f"{out}: read it, decide where it asks you to, then `cj check {out}`")


def _first_journey(
    files: list[Path],
    feedback: Path | None,
    template: str | None,
    out: Path,
    columns: Mapping[str, str],
) -> str:
    from cjlib.sources.journey import scaffold

    home = out.absolute().parent
    if len(files) > 1:
        from cjlib.sources.journey.scaffold.several import journey_of_several

        return journey_of_several(files, home, [] if feedback is None else [feedback])
    if files:
        return scaffold.first_journey(files[0], folder=home, feedback=feedback, **columns)
    if feedback is not None:
        return scaffold.feedback_alone(feedback, folder=home)
    names = list(scaffold.template_names())
    if template not in names:
        raise not_one_of("--template", template, names)
    return scaffold.template(template)
