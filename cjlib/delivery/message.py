"""What a run says to people who did not open it: subject, findings, key figures and the map, made from the published reports alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cjlib.errors import CjlibError
from cjlib.views.report import publishing
from cjlib.views.report.figures import unbroken
from cjlib.views.report.run_store import Run

LONGEST_SUBJECT = 150
MOST_ALERTS = 5
"""So many stand in the first lines; the others are counted."""
PICTURE_WIDTH = 1600
_POSTER = re.compile(r'<svg[^>]*class="cj-poster"[^>]*>.*?</svg>', re.DOTALL)
_WORDS = re.compile(r'aria-label="([^"]*)"')
KINDS = {"html": "text/html", "pdf": "application/pdf"}


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    kind: str
    """Its media type."""
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent: the same words to every target."""

    subject: str
    text: str
    html: str
    picture: bytes | None
    """The map as PNG; in the mail it is `cid:map`."""
    attachments: Sequence[Attachment] = ()


def message_of(
    out: Path, runs: Sequence[Run], *, links: str | None, attach: Iterable[str] = ()
) -> tuple[Message, list[str]]:
    """The message of the newest of these runs, and what a person should know of it.

    Parameters
    ----------
    out
        The folder of reports.
    runs
        Newest first, the first is the one that is told; what it did not make is told as it was last published.
    links
        The web address of the folder; without it the message names the reports and links nothing.
    attach
        "html" and "pdf": which files of each report go with it.
    """
    published = [
        report for report in publishing.reports(runs) if (out / f"{report.name}.html").exists()
    ]
    briefing = publishing.briefing(
        {report.name: report.results for report in published},
        titles={report.name: report.title for report in published},
        span=next((report.span for report in published if report.span), ""),
    )
    picture, map_words, notes = _map(runs)
    run = runs[0]
    alerts = alert_lines(run)
    business = ", ".join(run.facts[key] for key in ("journey", "set") if run.facts.get(key))
    content: dict[str, Any] = {
        "business": business,
        "subject": _subject(alerts, business, briefing),
        "briefing": briefing,
        "alerts": alerts,
        "over": OVER,
        "most_alerts": MOST_ALERTS,
        "rows": _rows(publishing.tiles(published)),
        "reports": published,
        "base": f"{links.rstrip('/')}/" if links else "",
        "map_words": map_words,
        "made": publishing.moment(run.facts["started"]),
        "run": run.id,
    }
    message = Message(
        subject=content["subject"],
        text=_templates(False).get_template("mail.txt.j2").render(content).strip() + "\n",
        html=_templates(True).get_template("mail.html.j2").render(content),
        picture=picture,
        attachments=_attachments(out, run, [report.name for report in published], attach),
    )
    return message, notes


@cache
def _templates(escaped: bool) -> Environment:
    made = Environment(
        loader=PackageLoader("cjlib.delivery", "templates"),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["line"] = one_line
    made.filters["unbroken"] = unbroken
    return made


def alert_lines(run: Run) -> list[tuple[str, str]]:
    """What stands first: alerts that have just begun, those that go on and since when, those that are over; each with what it is called."""
    told = [
        alert for alert in run.facts.get("alerts", []) if alert["fired"] or alert.get("cleared")
    ]
    named = [(_called(alert), alert["words"]) for alert in told]
    return sorted(named, key=lambda line: (line[0] != NEW, line[0] == OVER))


NEW, OVER = "Alert", "Alert over"


def _called(alert: Mapping[str, Any]) -> str:
    if not alert["fired"]:
        return OVER
    return NEW if alert.get("new", True) else f"Alert since {alert['since'][:10]}"


def _subject(
    alerts: Sequence[tuple[str, str]], business: str, briefing: publishing.Briefing
) -> str:
    said = ": ".join(alerts[0]) if alerts else briefing.title or briefing.headline
    if len(alerts) > 1:
        said = f"({len(alerts)} alerts) {said}"
    return one_line(f"{business}: {said}" if business else said, LONGEST_SUBJECT)


_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing round."""
_BREAKS = ("Cc", "Zl", "Zp", "Cs")
"""Unicode's kinds of control characters and breaks."""


def one_line(text: str, most: int = 1000) -> str:
    """A text from the data as it may stand in a header: one line, and nothing in it that is not seen."""
    seen = _TURNS.sub("", text)
    letters = (" " if unicodedata.category(letter) in _BREAKS else letter for letter in seen)
    line = " ".join("".join(letters).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _map(runs: Sequence[Run]) -> tuple[bytes | None, str, list[str]]:
    """The map as a picture and in words, if one of the reports shows it; and why there is none."""
    drawing = _drawing(runs)
    if drawing is None:
        return None, "", []
    from cjlib.views.poster.files import INSTALL, picture

    try:
        drawn = picture(drawing, PICTURE_WIDTH)
    except CjlibError:
        why = f"The message has no picture of the map: that needs CairoSVG and the cairo library ({INSTALL})."
        return None, "", [why]
    words = _WORDS.search(drawing)
    return drawn, unescape(words[1]) if words else "", []


def _drawing(runs: Sequence[Run]) -> str | None:
    """The newest map, from the pages of its own run."""
    pages = [run.folder / f"{name}.html" for run in runs for name in run.facts["notebooks"]]
    texts = (page.read_text(encoding="utf-8") for page in pages if page.exists())
    found = (_POSTER.search(text) for text in texts)
    return next((match[0] for match in found if match), None)


def _attachments(
    out: Path, run: Run, reports: Sequence[str], attach: Iterable[str]
) -> list[Attachment]:
    kinds = list(attach)
    if "html" in kinds and run.facts.get("shared_assets"):
        raise CjlibError(
            "attach: reports made with --shared-assets do not open alone. Run without it, or attach pdf."
        )
    return [_attachment(out / f"{name}.{kind}") for kind in kinds for name in ("index", *reports)]


def _attachment(path: Path) -> Attachment:
    if not path.is_file():
        remedy = " Make it: cj run --pdf." if path.suffix == ".pdf" else ""
        raise CjlibError(f"attach: there is no {path.name} in the folder of reports.{remedy}")
    kind = KINDS[path.suffix.removeprefix(".")]
    return Attachment(name=path.name, kind=kind, content=path.read_bytes())


def _rows(cards: Sequence[Mapping[str, Any]], width: int = 2) -> list[list[Mapping[str, Any]]]:
    """The tiles in rows."""
    return [list(cards[start : start + width]) for start in range(0, len(cards), width)]
