"""`cj send`: the newest run to those who are named in the journey file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cjlib.cli.faults import faults, note, stopping_on_signals
from cjlib.cli.options import JOURNEY, AsJson, Debug, JourneyOption
from cjlib.errors import CjlibError, shown

if TYPE_CHECKING:
    from cjlib.delivery.sending import Sent
    from cjlib.sources.journey.schema import Delivery


def send_command(
    *,
    journey: JourneyOption = None,
    out: Annotated[
        Path, typer.Option("--out", envvar="CJ_OUT", metavar="DIR", help="Where the reports are.")
    ] = Path("reports"),
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="ID", help="Another run than the newest.", show_default=False
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send also what may have arrived already.")
    ] = False,
    only_alerts: Annotated[
        bool,
        typer.Option("--only-alerts", help="Send only where an alert has begun or is over."),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Send the newest run to the targets of the journey file, to each once."""
    file = journey or Path(JOURNEY)
    with faults(debug, as_json, file), stopping_on_signals():
        sent = send_run(file, out.absolute(), run_id=run, again=again, only_alerts=only_alerts)
        print(_as_json(sent) if as_json else in_words(sent))
    raise typer.Exit(0 if all(one.well for one in sent) else 1)


def delivery_of(file: Path) -> Delivery:
    """Where a journey file says to send."""
    from cjlib.sources.journey import read_journey

    delivery = read_journey(file).delivery
    if delivery is None:
        raise CjlibError(
            f"--journey: {shown(file.name)} does not say where to send. Add delivery: {{to: [you@example.com], smtp: 'smtps://…', from: …}}."
        )
    return delivery


def send_run(
    file: Path,
    out: Path,
    *,
    run_id: str | None = None,
    again: bool = False,
    only_alerts: bool = False,
) -> list[Sent]:
    """Send a run as its journey file says; what went wrong is said on stderr."""
    from cjlib.delivery.sending import UNCLEAR, deliver
    from cjlib.views.report.redaction import Mask, named_in

    delivery = delivery_of(file)
    mask = Mask(named_in([file.read_text(encoding="utf-8")]))
    sent = deliver(out, delivery, mask, note, run_id=run_id, again=again, only_alerts=only_alerts)
    for one in sent:
        if one.state == UNCLEAR:
            note(
                f"cj: UNCLEAR whether {one.to} has it: {one.why}. Look there; cj send --again sends it once more."
            )
        elif not one.well:
            note(f"cj: not sent to {one.to}: {one.why}. cj send tries again.")
    return sent


def _as_json(sent: list[Sent]) -> str:
    return json.dumps(
        {"sent": [{"to": one.to, "state": one.state, "why": one.why} for one in sent]},
        ensure_ascii=False,
    )


def in_words(sent: list[Sent]) -> str:
    """How many targets ended how."""
    states = dict.fromkeys(one.state for one in sent)
    return " · ".join(f"{sum(one.state == state for one in sent)} {state}" for state in states)
