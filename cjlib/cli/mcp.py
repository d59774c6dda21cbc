"""`cj mcp`: the journey for agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cjlib.cli.faults import faults
from cjlib.cli.options import JOURNEY, Debug
from cjlib.errors import CjlibError


def mcp_command(
    journey: Annotated[
        Path, typer.Argument(envvar="CJ_JOURNEY", metavar="JOURNEY", help="The journey file.")
    ] = Path(JOURNEY),
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
