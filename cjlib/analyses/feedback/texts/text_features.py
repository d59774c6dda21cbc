"""The lexicon block: what VADER and the look of a text say about it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.feedback.texts.phrases import LONGEST, effort_kinds, emoji_balance
from cjlib.sources.feedback.lexicon import polarity

FEATURES = (
    "vader_negative", "vader_neutral", "vader_positive", "vader_compound", "vader_strength",
    "negations", "exclamations", "questions", "capitals", "length", "thanks", "positive_emoji", "negative_emoji", "effort",
)  # fmt: skip
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|\w+n[’']t)\b"
)
_THANKS = re.compile(r"\bthank(?:s|you|ful)?\b|\bthx\b|\bcheers\b")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")


@dataclass(frozen=True, eq=False)
class Looks:
    """What each text looks like: `lexicon`, one column a name in `FEATURES`, each roughly within −1…1; kinds of effort; emoji balance."""

    lexicon: NDArray[np.float64]
    effort: list[tuple[str, ...]]
    emoji: NDArray[np.int64]


def looks(texts: Sequence[str]) -> Looks:
    """Every text read once."""
    short = [text[:LONGEST] for text in texts]
    effort = [effort_kinds(text) for text in short]
    emoji = np.array([emoji_balance(text) for text in short], dtype=np.int64)
    rows = [
        _row(text, kinds, int(balance))
        for text, kinds, balance in zip(short, effort, emoji, strict=True)
    ]
    return Looks(np.array(rows, dtype=float).reshape(-1, len(FEATURES)), effort, emoji)


def _row(text: str, effort: tuple[str, ...], balance: int) -> list[float]:
    scores = polarity(text)
    words = max(text.count(" ") + 1, 1)
    small = text.lower()
    return [
        scores["neg"], scores["neu"], scores["pos"], scores["compound"], abs(scores["compound"]),
        min(len(_NEGATION.findall(small)), 4) / 4, min(text.count("!"), 4) / 4, min(text.count("?"), 4) / 4, min(len(_CAPITALS.findall(text)), 4) / 4,
        min(math.log1p(words) / 5, 1), float(bool(_THANKS.search(small))), float(balance > 0), float(balance < 0), min(len(effort), 2) / 2,
    ]  # fmt: skip
