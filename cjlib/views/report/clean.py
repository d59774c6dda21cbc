"""HTML from a notebook as it may stand in a page: words, lists, tables and plain shapes; nothing that runs, loads or leaves its place."""

from __future__ import annotations

import re
import warnings
from html import escape, unescape
from itertools import count, islice

import bleach
from bleach.css_sanitizer import ALLOWED_CSS_PROPERTIES, CSSSanitizer
from markupsafe import Markup
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import markdown2html_mistune

_WORDS = "a abbr b bdi bdo blockquote br cite code dd del details dfn div dl dt em figcaption figure hr i ins kbd li mark ol p pre q s samp"
_TAGS = f"{_WORDS} section small span strong sub summary sup table tbody td tfoot th thead time tr u ul var caption col colgroup h1 h2 h3 h4 h5 h6".split()
_SVG = "http://www.w3.org/2000/svg"
_DRAWN = {
    "svg": {"viewBox", "xmlns", "width", "font-family", "font-size", "fill"},
    "path": {"d", "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-dasharray"},
    "rect": {"x", "y", "width", "height", "rx", "fill", "stroke", "stroke-width"},
    "circle": {"cx", "cy", "r", "fill", "stroke", "stroke-width"},
    "text": {"x", "y", "font-size", "font-weight", "font-style", "text-anchor", "fill"},
}
"""Shapes of our posters and marks, which can neither run nor load anything."""
_DRAWN_VALUE = re.compile(r"#?[\w\s.,%+'-]*")
"""Numbers, colours and paths: no `url(…)`, no entity, no escape."""
_EVERYWHERE = {"class", "title", "lang", "dir", "role", "style"}
_OF_TAG = {
    "a": {"href"},
    "col": {"span"},
    "details": {"open"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
_LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
_NOTEBOOK = re.compile(r"[\w-]+\.ipynb(#.*)?")
_ANYWHERE = ("#", "http://", "https://", "mailto:")
_UNSEEN = re.compile(r"<(style|script|title|template)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[dh]\b[^>]*)>(.*?)</t[dh]>", re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_NUMBER = re.compile(r"[-+−–±<>]?[\d.,\s]*(e[-+]?\d+)?\s?%?|[–-]|nan|NaN|None", re.IGNORECASE)


_MISSING = re.compile(r"(<td\b[^>]*>)\s*(?:NaN|NaT|&lt;NA&gt;)\s*(?=</td>)")
"""What pandas writes where nothing is known."""

FEWEST_STACKED, MOST_STACKED = 5, 8
"""On a phone a table of as many columns or more and as many rows or fewer stands row below row, each cell with its head."""


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay: a known one, and of a shape no value that leads elsewhere."""
    if name in _DRAWN.get(tag, ()):
        return value == _SVG if name == "xmlns" else bool(_DRAWN_VALUE.fullmatch(value))
    return name in _EVERYWHERE or name.startswith("aria-") or name in _OF_TAG.get(tag, ())


_STYLES = CSSSanitizer(
    allowed_css_properties=ALLOWED_CSS_PROPERTIES - {"cursor"}, allowed_svg_properties=()
)
"""Without the properties whose value may be an address that a browser loads."""


def clean(text: str) -> Markup:
    """HTML with only the tags and attributes of a text and of plain shapes; scripts, styles, forms, frames and `on…` are taken out, their words stay."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", category=UserWarning
        )  # bleach warns of text that looks like a path or an address
        safe = bleach.clean(
            _UNSEEN.sub("", text),
            tags={*_TAGS, *_DRAWN},
            attributes=_allowed,
            css_sanitizer=_STYLES,
            strip=True,
        ).strip()
    led = _LINK.sub(_led, safe)
    return Markup(
        _TABLE.sub(lambda found: f'<div class="cj-scroll">{_aligned(found[0])}</div>', led)
    )


def _led(link: re.Match[str]) -> str:
    """A link to a notebook leads to its report; one to a file that a mailed report leaves behind is its words alone."""
    target = unescape(link[1])
    if _NOTEBOOK.fullmatch(target):
        return link[0].replace(link[1], link[1].replace(".ipynb", ".html", 1), 1)
    return link[0] if target.startswith(_ANYWHERE) else f"<span>{link[2]}</span>"


def _aligned(table: str) -> str:
    """A table whose texts stand to the left, heads included; long names of columns may break at their underscores; what is missing is a dash."""
    head, end, body = _MISSING.sub(r"\1–", table).partition("</thead>")
    rows = [row[0] for row in islice(_ROW.finditer(body), 50)]
    texts = {
        place
        for row in rows
        for place, cell in enumerate(_CELL.finditer(row))
        if not _NUMBER.fullmatch(unescape(_TAG.sub("", cell[2])).strip())
    }
    broken = _CELL.sub(
        lambda cell: f"<{cell[1]}>{cell[2].replace('_', '_<wbr>')}</{cell[1][:2]}>", head
    )
    aligned = _ROW.sub(lambda row: _to_the_left(row[0], texts), broken + end + body)
    heads = [unescape(_TAG.sub("", cell[2])).strip() for cell in _CELL.finditer(head)]
    return (
        _stacked(aligned, heads)
        if len(heads) >= FEWEST_STACKED and len(rows) <= MOST_STACKED
        else aligned
    )


def _stacked(table: str, heads: list[str]) -> str:
    """A wide table of few rows, ready to stand row below row: its cells know their heads, and all stay a table to a screen reader."""
    head, end, body = table.partition("</thead>")
    named = _CELL.sub(
        lambda cell: f'<{cell[1]} role="columnheader">{cell[2]}</{cell[1][:2]}>', head
    )
    told = named.replace("<table", '<table role="table"', 1).replace("<tr", '<tr role="row"')
    return told + end + _ROW.sub(lambda row: _labelled(row[0], heads), body)


def _labelled(row: str, heads: list[str]) -> str:
    labels = iter(heads)

    def cell(found: re.Match[str]) -> str:
        role = "rowheader" if found[1].startswith("th") else "cell"
        return f'<{found[1]} role="{role}" data-label="{escape(next(labels, ""))}">{found[2]}</{found[1][:2]}>'

    return _CELL.sub(cell, row).replace("<tr", '<tr role="row"', 1)


def _to_the_left(row: str, texts: set[int]) -> str:
    places = count()
    return _CELL.sub(
        lambda cell: (
            cell[0].replace(f"<{cell[1]}", f'<{cell[1]} class="cj-text"', 1)
            if next(places) in texts and "class=" not in cell[1]
            else cell[0]
        ),
        row,
    )


def markdown(text: str) -> Markup:
    """Markdown of the notebook's author as clean HTML."""
    made = markdown2html_mistune(text)
    return clean(re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", made))


def code(source: str) -> Markup:
    """Python, highlighted."""
    return Markup(Highlight2HTML(pygments_lexer="ipython3")(source))


def terminal(text: str) -> Markup:
    """Text with terminal colours, such as a traceback."""
    return Markup(ansi2html(text))
