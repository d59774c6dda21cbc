"""From an executed notebook to what its page shows, in order: the answer first, then the sections as they stand in the notebook."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup

from cjlib.analyses.result import MIME as RESULT
from cjlib.views.marks import MIME as ROWS
from cjlib.views.notebook.summary_cards import SENTENCE_END
from cjlib.views.report.clean import clean, code, markdown, terminal
from cjlib.views.report.figures import MIME as PLOTLY
from cjlib.views.report.figures import Figure, plain_text, read_figure, read_rows, unbroken
from cjlib.views.report.labels import Labels

INJECTED, ERROR_MARK, KEEP_TEXT, PARAMETERS = (
    "injected-parameters",
    "papermill-error-cell-tag",
    "keep-text",
    "parameters",
)
SILENT = ("code", "unasked", "repeated")
"""Kinds of blocks that a reader sees only with the code: `repeated` is what the answer at the top has said."""
_HEADLINE = re.compile(r'<p class="cj-headline">(.*?)</p>', re.DOTALL)
_QUALITY_LINE = re.compile(r'class="cj-quality"[^>]*>\s*<p>(.*?)</p>', re.DOTALL)
_HEADING = re.compile(r"<h([1-6])[^>]*>(.*?)</h\1>", re.DOTALL)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")


_RESULT_HEADLINE = re.compile(
    r'(?<=<section class="cj-result">)(<p class="cj-headline">)(.*?)</p>', re.DOTALL
)
NOTHING = Markup("")
_QUALITY, _METHOD, _EXERCISE, _NEXT = (
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"data quality|the data\b", "limitations", "your turn", "next$")
)
EVIDENCE = 1_150
"""Pixels for pictures in the summary of a page, which is to be read in two minutes; the first picture always has room."""
AROUND, TALLEST = 220, 900
"""Pixels for the claim and the menu of a picture, and of the tallest one that a summary shows."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of a page: words, a figure, a picture, code, or what the notebook printed."""

    kind: str
    html: Markup = NOTHING
    figure: Figure | None = None
    source: str = ""
    alt: str = ""

    @property
    def height(self) -> int:
        """Pixels as a picture in a summary; 0 for what is no picture."""
        if self.figure:
            shown = not self.figure.unremarkable and self.figure.height <= TALLEST
            return self.figure.height + AROUND if shown else 0
        if self.kind != "html" or "cj-result" in self.html:
            return 0
        if "cj-poster" in self.html:
            return TALLEST
        return 0 if "<table" in self.html else AROUND


@dataclass
class Section:
    """What stands under one heading."""

    id: str = ""
    title: str = ""
    blocks: list[Block] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Captions and reasons so far."""
    dropped: bool = False
    """Whether an output was left out because it was a bare repr."""
    lead: int | None = None
    """The block that a summary shows of it."""

    @property
    def part(self) -> str:
        """What it is for: `opening`, `evidence`, `quality`, `method`, `exercise` or `next`."""
        if not self.title:
            return "opening"
        if any('class="cj-quality"' in block.html for block in self.blocks):
            return "quality"
        parts = {"quality": _QUALITY, "method": _METHOD, "exercise": _EXERCISE, "next": _NEXT}
        return next((part for part, title in parts.items() if title.match(self.title)), "evidence")

    @property
    def foldable(self) -> bool:
        """Whether a summary shows no more of it than its lead or its gist."""
        return self.seen and self.part in ("evidence", "method")

    @property
    def gist(self) -> str:
        """Its first claim, where a summary does not show the picture that makes it; none where the answer at the top has made it.

        Of a reason why there is nothing to show the first sentence: what to set, and where, is for whoever sets it.
        """
        if self.lead is not None or self.part != "evidence":
            return ""
        for block in self.blocks:
            if block.kind == "repeated":
                return "Not answered, for the reason at the top."
            if block.figure:
                whole = block.figure.claim == block.figure.caption
                return block.figure.claim if whole else ""
            if block.kind == "nothing":
                return unbroken(SENTENCE_END.split(plain_text(block.html))[0])
            if headline := _HEADLINE.search(block.html):
                return unbroken(plain_text(headline[1]))
        return ""

    @property
    def told(self) -> str:
        """Its one line where it is folded: what its data are."""
        lines = (_QUALITY_LINE.search(block.html) for block in self.blocks)
        return next((unbroken(plain_text(line[1])) for line in lines if line), "")

    @property
    def seen(self) -> bool:
        """Whether a reader who hides the code sees anything in it."""
        return any(block.kind not in SILENT for block in self.blocks)

    def settle(self) -> None:
        """Words before code that showed nothing, as for a question that was not asked, go with the code."""
        if not self.title or self.dropped:
            return
        blocks = self.blocks
        for at, block in enumerate(blocks):
            follow = next(
                (k for k in range(at + 1, len(blocks)) if blocks[k].kind not in SILENT), len(blocks)
            )
            ends = follow == len(blocks) or blocks[follow].kind in ("words", "heading")
            if block.kind == "words" and follow > at + 1 and ends:
                blocks[at] = replace(block, kind="unasked")


@dataclass
class Page:
    """All that a page shows of its notebook."""

    title: str
    answer: Markup
    """Headline and cards of the first `cj.summary`, for the top of the page."""
    sections: list[Section]
    error: dict[str, Any] | None
    facts: dict[str, Any]


def read_page(
    path: Path,
    *,
    error: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Page:
    """The page of an executed notebook.

    Parameters
    ----------
    path
        The notebook with its outputs.
    error
        What stopped it, or None. Cells behind the one that failed have not run and are left out.
    labels
        Names of the data → what the page calls them.
    """
    return page_of(nbformat.read(path, as_version=4), path.stem, error=error, labels=labels)


def page_of(
    notebook: nbformat.NotebookNode,
    name: str,
    *,
    error: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Page:
    """The same of a notebook in memory; one without a title has its name for one."""
    cells = [
        cell
        for cell in notebook.cells
        if not {INJECTED, ERROR_MARK} & set(cell.metadata.get("tags", []))
    ]
    reader = _Reader(Labels(labels or {}))
    read = 0
    for cell in cells:
        reader.read(cell)
        read += 1
        if reader.error is not None or (error is not None and _not_through(cell)):
            break
    stopped = None if error is None else {**error, "cell": read, "section": reader.section.title}
    sections = [section for section in reader.sections if section.blocks]
    if stopped is None:
        for section in sections:
            section.settle()
        sections = arranged(sections)
    return Page(
        title=reader.title or name,
        answer=reader.answer,
        sections=sections,
        error=None if stopped is None else {**stopped, "trace": reader.error or Markup("")},
        facts={
            "title": reader.title or name,
            "headline": reader.headline,
            "data": reader.data,
            "results": reader.results,
            "figures": reader.figures,
            "empty": [
                section.title for section in sections if section.dropped and not section.seen
            ],
            "seconds": notebook.metadata.get("papermill", {}).get("duration"),
            "error": stopped,
        },
    )


def arranged(sections: Iterable[Section]) -> list[Section]:
    """Answer, evidence, details, method; and of the evidence as many pictures in the summary as it has room for."""
    order = ("opening", "evidence", "exercise", "quality", "method", "next")
    ordered = sorted(sections, key=lambda section: order.index(section.part))
    left = EVIDENCE
    for section in ordered:
        if section.part != "evidence":
            continue
        height, lead = next(
            ((block.height, at) for at, block in enumerate(section.blocks) if block.height),
            (0, None),
        )
        if lead is not None and (height <= left or left == EVIDENCE):
            section.lead = lead
            left -= height
    return ordered


def _not_through(cell: Any) -> bool:
    """Whether papermill had not come to the end of this cell."""
    return cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("status") not in (
        "completed",
        "failed",
    )


def _said(headline: str, said: Iterable[str]) -> bool:
    """Whether a claim begins with it; spaces that do not break are spaces."""
    return any(plain_text(claim).startswith(headline) for claim in said)


class _Reader:
    """Goes through the cells once and keeps what it has seen: title, sections, number of figures, results."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.title = ""
        self.answer = Markup("")
        self.section = Section()
        self.sections = [self.section]
        self.data = ""
        self.figures = self.tables = 0
        self.results: list[dict[str, Any]] = []
        self.error: Markup | None = None
        self._ids: set[str] = set()
        self._level = 1

    @property
    def headline(self) -> str:
        """The first sentence of the answer, or of the first result where there is no answer."""
        first = _HEADLINE.search(self.answer)
        return (
            plain_text(first[1])
            if first
            else next(
                (str(result["headline"]) for result in self.results if result["headline"]), ""
            )
        )

    def read(self, cell: Any) -> None:
        if cell.cell_type == "markdown":
            self._markdown(cell.source)
        elif cell.cell_type == "code":
            if cell.source.strip():
                self._add(Block(kind="code", html=code(cell.source)))
            for output in cell.get("outputs", []):
                for block in self._blocks(
                    output, keep_text=KEEP_TEXT in cell.metadata.get("tags", [])
                ):
                    self._add(block)

    def _add(self, block: Block) -> None:
        """What a section has said it does not say again: the headline of a result under the figure that claims it, one reason for two questions."""
        said = self.section.said
        if block.kind == "nothing" and plain_text(block.html) in said:
            return
        if block.kind in ("nothing", "html") and self._answered(plain_text(block.html)):
            block = replace(block, kind="repeated")
        if block.kind == "html":
            block = replace(
                block,
                html=Markup(
                    _RESULT_HEADLINE.sub(
                        lambda found: "" if self._told(plain_text(found[2])) else found[0],
                        block.html,
                    )
                ),
            )
        if block.figure:
            news = self._news(block.figure.caption)
            block = replace(block, figure=replace(block.figure, claim=news))
        self.section.blocks.append(block)
        said.append(
            block.figure.caption
            if block.figure
            else plain_text(block.html)
            if block.kind == "nothing"
            else ""
        )

    def _told(self, headline: str) -> bool:
        return _said(headline, self.section.said) or self._answered(headline)

    def _answered(self, text: str) -> bool:
        """Whether the answer at the top of the page says just this, such as why it cannot be given."""
        return bool(text) and text in plain_text(self.answer)

    def _news(self, caption: str) -> str:
        """A caption without the sentences at its beginning that the answer at the top of the page has said."""
        answer, sentences = plain_text(self.answer), SENTENCE_END.split(caption)
        told = takewhile(lambda sentence: plain_text(sentence) in answer, sentences)
        return " ".join(sentences[len(list(told)) :])

    # ---- words ---------------------------------------------------------------------------------------------------

    def _markdown(self, source: str) -> None:
        text = markdown(source)
        at = 0
        for heading in _HEADING.finditer(text):
            self._words(text[at : heading.start()])
            self._heading(int(heading[1]), heading[2])
            at = heading.end()
        self._words(text[at:])

    def _words(self, text: str) -> None:
        if text.strip():
            self._add(Block(kind="words", html=Markup(text)))

    def _heading(self, level: int, inner: str) -> None:
        title = plain_text(inner)
        if level == 1 and not self.title:
            self.title = title
            return
        name = self._id(title)
        # No level is left out, whatever the notebook does: readers go through a page by its outline.
        self._level = max(2, min(level, self._level + 1))
        if self._level == 2:
            self.section = Section(id=name, title=title)
            self.sections.append(self.section)
            return
        self._add(Block(kind="heading", html=Markup(inner), source=name, alt=f"h{self._level}"))

    def _id(self, title: str) -> str:
        stem = re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-") or "part"
        names = chain((stem,), (f"{stem}-{number}" for number in count(2)))
        name = next(name for name in names if f"s-{name}" not in self._ids)
        self._ids.add(f"s-{name}")
        return f"s-{name}"

    # ---- outputs -------------------------------------------------------------------------------------------------

    def _blocks(self, output: Any, *, keep_text: bool) -> Iterator[Block]:
        if output.output_type == "error":
            self.error = terminal("\n".join(output.traceback))
        elif output.output_type == "stream":
            text = output.text.strip("\n")
            if text:
                yield Block(
                    kind="printed" if output.name == "stdout" else "messages", html=terminal(text)
                )
        else:
            yield from self._shown(output.data, keep_text=keep_text)

    def _shown(self, data: Mapping[str, Any], *, keep_text: bool) -> Iterator[Block]:
        """The richest form of an output that a page can show; a bare repr is none, unless its cell is tagged `keep-text`."""
        self._results(
            data.get(RESULT),
            _meta(data.get(PLOTLY, {})).get("result"),
            data.get(ROWS, {}).get("result"),
        )
        if ROWS in data:
            self.tables += 1
            yield Block(
                kind="figure",
                figure=read_rows(self.labels.figure(data[ROWS], shown=True), self.tables),
            )
        elif PLOTLY in data and not data[PLOTLY].get("data"):
            yield Block(kind="nothing", html=Markup("<p>{}</p>").format(_caption(data[PLOTLY])))
        elif PLOTLY in data:
            self.figures += 1
            yield Block(
                kind="figure",
                figure=read_figure(
                    self.labels.figure(data[PLOTLY]),
                    self.figures,
                    self.section.title or self.title,
                ),
            )
        elif "text/html" in data:
            yield from self._html(Markup(unbroken(self.labels.html(clean(data["text/html"])))))
        elif "text/markdown" in data:
            yield Block(kind="words", html=markdown(data["text/markdown"]))
        elif mime := next((mime for mime in _IMAGES if mime in data), None):
            yield Block(
                kind="image",
                source=_data_url(mime, data[mime]),
                alt=self.section.title or self.title,
            )
        elif keep_text and data.get("text/plain", "").strip():
            yield Block(kind="printed", html=terminal(data["text/plain"]))
        else:
            self.section.dropped = True

    def _html(self, text: Markup) -> Iterable[Block]:
        if not text.strip():
            return []
        if 'class="cj-reason"' in text:
            return [Block(kind="nothing", html=text)]
        if not self.data and (said := _QUALITY_LINE.search(text)):
            self.data = plain_text(said[1])
        if not self.answer and "cj-headline" in text and "cj-result" not in text:
            self.answer = text
            return []
        return [Block(kind="html", html=text)]

    def _results(self, *results: Mapping[str, Any] | None) -> None:
        """Keep what results say, each once: of those shown all, of those only drawn what they have found."""
        for result in map(self.labels.result, filter(None, results)):
            kept = {
                "kind": result.get("kind"),
                "headline": result.get("headline", ""),
                "definition": result.get("definition") or {},
                "metrics": result.get("metrics") or {},
                "findings": result.get("findings") or [],
                "families": result.get("families") or {},
            }
            if kept not in self.results:
                self.results.append(kept)


def _caption(spec: Mapping[str, Any]) -> str:
    """What a figure without marks says in their place."""
    return str(_meta(spec).get("caption") or "There is nothing to show.")


def _meta(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = (spec.get("layout") or {}).get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _data_url(mime: str, content: str) -> str:
    """A picture in the page itself. An SVG too is a picture here: as an image it can neither run nor load anything."""
    encoded = (
        base64.b64encode(content.encode()).decode()
        if mime == "image/svg+xml"
        else "".join(content.split())
    )
    return f"data:{mime};base64,{encoded}"
