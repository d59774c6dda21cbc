"""`cj sample`: the sample business."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import Debug


def sample_command(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(
        "data/sample"
    ),
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Another seed is another history of the same business."),
    ] = 0,
    customers: Annotated[int, typer.Option("--customers", min=1)] = 5_000,
    debug: Debug = False,
) -> None:
    """Write the sample business: events, feedback, customers, journey file."""
    with faults(debug):
        from cjlib import samples

        out.mkdir(parents=True, exist_ok=True)
        samples.write(out, customers=customers, seed=seed)
        print(f"{out}: a sample business of {customers:,} customers")
