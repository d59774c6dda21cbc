"""The field's words: what a reader meets never says what `BANNED` holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

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
    r"\d %": "percent without a space",
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
