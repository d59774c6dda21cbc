"""A page as one HTML file that opens offline: nothing is loaded from anywhere, and only our own two scripts and plotly may run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cjlib.views import map_style, marks
from cjlib.views.report.clean import clean, code, markdown, terminal
from cjlib.views.report.figures import packed
from cjlib.views.report.page import Page
from cjlib.views.report.parameters import for_readers

GLOSSARY = {
    "95% CI": "Confidence interval: of a hundred such intervals about 95 hold the true value. A wide one means few data.",
    "significant": "Chance alone would hardly give a difference as large: adjusted p below .0025 over all that was compared.",
    "adjusted p": "The p-value after all comparisons made together were taken into account.",
    "median": "Half lie below it, half above.",
    "NPS": "Net promoter score: percent who answer 9 or 10 less percent who answer 0 to 6, from −100 to +100.",
    "CSAT": "The share who say that they are satisfied.",
    "CES": "Customer effort score: the share who found it easy.",
    "AUC": "How often a customer who left was ranked above one who stayed: .5 is chance, 1 is always.",
    "cohort": "Customers who started in the same period.",
    "quarantined": "Set aside with the reason, and not counted.",
    "censored": "Not gone by the end of the data: what comes later is not known.",
    "log odds": "How much more often a word stands on one side than on the other; 0 is equally often.",
    "detractors": "Customers who answer 0 to 6 of 10.",
    "promoters": "Customers who answer 9 or 10 of 10.",
    "markov": "Credit by how many conversions would be lost if the channel were taken out of the paths.",
    "persona": "A group of customers with like habits, found in what they do.",
}
"""What a reader is told who points at a term or taps it."""
HOME = "../../"
"""How a page in a run's folder reaches the folder of reports; publishing takes it out."""


@cache
def environment() -> Environment:
    """Templates with every value escaped that does not say it is markup, and no value missing silently."""
    return Environment(
        loader=PackageLoader("cjlib.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def own(name: str) -> Markup:
    """A style or script of ours as it stands in the page."""
    return Markup(files("cjlib.views").joinpath("templates", name).read_text(encoding="utf-8"))


def policy(*scripts: str, shared: bool = False) -> str:
    """The content security policy: these scripts by their hash, plotly from a blob of this page (or the shared file), nothing else from anywhere."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    where = "file: 'self'" if shared else "blob:"
    return (
        f"default-src 'none'; script-src {hashes} {where}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "form-action 'none'; base-uri 'none'"
    )


@cache
def plotly_source() -> bytes:
    """plotly.js as it comes with the installed plotly: always the version that the figures were made for."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


@cache
def packed_plotly() -> Markup:
    """plotly.js as it stands in a page."""
    return packed(plotly_source())


def warm_up() -> None:
    """Load what the first page would load, so that processes forked from here need not: parsers, highlighter, templates, plotly."""
    clean("<p></p>")
    markdown("words")
    code("pass")
    terminal("words")
    environment().get_template("report.html.j2")
    packed_plotly()


def asset_name() -> str:
    """The shared file's name: another plotly is another file, so an old report never meets a new library."""
    return f"plotly-{hashlib.sha256(plotly_source()).hexdigest()[:12]}.min.js"


def write_asset(out: Path) -> None:
    """Put the shared plotly.js where pages find it."""
    target = out / "assets" / asset_name()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(".tmp")
        aside.write_bytes(plotly_source())
        os.replace(aside, target)


def style_of_maps(page: Page) -> Markup:
    """The style of the journey map's picture, where a page shows one."""
    shows = any("cj-map" in block.html for section in page.sections for block in section.blocks)
    if not shows:
        return Markup("")
    return Markup(map_style.style())


def render(
    page: Page,
    *,
    frame: Mapping[str, Any],
    name: str,
    parameters: Mapping[str, Any],
    shared: bool = False,
) -> str:
    """The HTML of a page.

    Parameters
    ----------
    page
        What the notebook shows.
    frame
        `journey, made, published, version, provenance` (pairs of name and value): what stands around it; `before, after`: name and title of
        the reports beside it, where there are any.
    name
        The notebook's name.
    parameters
        What was given in place of the notebook's defaults.
    shared
        Whether plotly.js is a file beside the reports instead of a part of this one.
    """
    early, late = own("early.js"), own("report.js")
    figures = bool(page.facts["figures"])
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            frame=frame,
            page_name=f"{name}.html",
            policy=policy(early, late, shared=shared),
            style=own("style.css") + Markup(marks.STYLE) + style_of_maps(page),
            early=early,
            late=late,
            contents=[section for section in page.sections if section.title and section.seen],
            figures=figures,
            asset=f"{HOME}assets/{asset_name()}" if figures and shared else "",
            library=packed_plotly() if figures and not shared else "",
            stamp=f"{page.facts['data']} · made {frame['made']}"
            if page.facts["data"]
            else f"Made {frame['made']}",
            provenance=[*frame["provenance"], *_told(page.facts)],
            parameters=[(key, for_readers(value)) for key, value in parameters.items()],
            glossary=_glossary(page),
            before=frame.get("before"),
            after=frame.get("after"),
        )
    )


def _glossary(page: Page) -> dict[str, str]:
    """The terms that the page uses."""
    texts = [page.answer, *(block.html for section in page.sections for block in section.blocks)]
    texts += [
        block.figure.caption
        for section in page.sections
        for block in section.blocks
        if block.figure
    ]
    words = " ".join(" ".join(texts).split())
    return {
        term: meaning
        for term, meaning in GLOSSARY.items()
        if re.search(rf"(?<!\w){re.escape(term)}(?!\w)", words)
    }


def _told(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the notebook itself says of its making: how long it took, which rows it used and which it left out."""
    told = [("Took", f"{facts['seconds']:.1f} s")] if facts["seconds"] else []
    if facts["data"]:
        told.append(("Data", facts["data"]))
    definitions = [result["definition"] or {} for result in facts["results"]]
    for name, key in (("Rows used", "rows used"), ("Rows left out", "rows left out")):
        told += [(name, str(definition[key])) for definition in definitions if key in definition][
            :1
        ]
    return told
