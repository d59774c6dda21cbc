"""The field's words: what a reader meets never says what `BANNED` holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cjlib.shared.comparison import CLAIM
from cjlib.views.report.page import read_page
from cjlib.views.report.render import render

ROOT = Path(__file__).parents[1]
BANNED = {
    "beyond noise": "significantly",
    "beyond chance": "significantly",
    "beyond what is ordinary": "outside normal variation",
    "ordinary variation": "normal variation",
    "commonest": "most common",
    "gone quiet": "lapsed",
    "held back": "quarantined",
    "to mend": "to fix",
    "by lot": "at random",
    "riskiest tenth": "top decile",
    "nobody asked": "not surveyed",
    "of what came": "of actuals",
    "goes with, not": "association, not causation",
    "it is not shown to cause": "association, not causation",
    "by heart": "overfit",
    "kinds of customers": "personas",
    "tone of texts": "sentiment",
    "was through": "succeeded",
    "should not have happened": "internal error",
    "has not enough for": "lacks the inputs for",
    "enter the chain": "start",
    "goes on, in order": "arrived from previous stage",
    "ends here": "drop-off",
    "whom is it worth": "who is worth",
    "whom does it pay": "who is worth",
    r"\d %(?!})": "percent without a space",
}
PATTERN = re.compile("|".join(rf"(?<!\w)(?:{words})(?!\w)" for words in BANNED), re.IGNORECASE)
READ = [
    *sorted(ROOT.glob("docs/**/*.md")),
    ROOT / "README.md",
    *sorted(ROOT.glob("notebooks/*.ipynb")),
    *sorted(ROOT.glob("cjlib/**/*.py")),
    *sorted(ROOT.glob("cjlib/views/templates/*")),
]


def words_of(path: Path) -> str:
    """What a person reads of a file: of a notebook its sources."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_says_it_in_our_own_words(path):
    found = [
        f"line {number}: {line.strip()[:80]}"
        for number, line in enumerate(words_of(path).splitlines(), start=1)
        if PATTERN.search(line)
    ]
    assert found == []


LEVEL = re.compile(r"\b(?:p|p_adjusted)`? (?:is )?(?:below|<) 0?(\.\d+)")
SAMPLE_RATIO = 0.001


def test_every_file_names_the_level_at_which_sentences_claim():
    files = [path for path in READ if path.suffix in (".md", ".ipynb")]
    named = [
        (path.name, level)
        for path in files
        if path.name != "how_often_wrong.md"  # counts at other levels too
        for level in LEVEL.findall(words_of(path))
    ]
    assert len(named) >= 8
    assert [one for one in named if float(one[1]) not in (CLAIM, SAMPLE_RATIO)] == []


FRAME = {
    "journey": "",
    "made": "2025-01-01 00:00 UTC",
    "published": "",
    "version": "0",
    "provenance": [],
}


def said_in(html: str) -> str:
    """What a person reads of a page, the words of customers apart."""
    unread = r"<(script|style|i|q|blockquote)\b.*?</\1>"
    return re.sub(r"<[^<>]*>", " ", re.sub(unread, " ", html, flags=re.DOTALL))


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_no_report_of_the_sample_says_it_in_our_own_words(path):
    html = render(read_page(path), frame=FRAME, name=path.stem, parameters={})
    assert [found[0] for found in PATTERN.finditer(said_in(html))] == []
