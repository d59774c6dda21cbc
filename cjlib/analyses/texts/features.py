"""The lexicon block: what VADER and the look of a text say about it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.texts.phrases import LONGEST, effort_kinds, emoji_balance

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

FEATURES = (
    "vader_negative", "vader_neutral", "vader_positive", "vader_compound", "vader_strength",
    "negations", "exclamations", "questions", "capitals", "length", "thanks", "positive_emoji", "negative_emoji", "effort",
)  # fmt: skip
REACH = 3
"""How many words before a sentiment word VADER looks at."""
_NEGATION = re.compile(r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|\w+n[’']t)\b")
_THANKS = re.compile(r"\bthank(?:s|you|ful)?\b|\bthx\b|\bcheers\b")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")


@cache
def lexicon() -> SentimentIntensityAnalyzer:
    """VADER with the same answers in a third of the time: around each sentiment word it reads its neighbours, not the whole text once more."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Vader

    class Near(Vader):
        @staticmethod
        def _negation_check(valence: float, words_and_emoticons: list[str], start_i: int, i: int) -> float:
            first = max(i - REACH, 0)
            return Vader._negation_check(valence, words_and_emoticons[first:i], start_i, i - first)

        @staticmethod
        def _special_idioms_check(valence: float, words_and_emoticons: list[str], i: int) -> float:
            return Vader._special_idioms_check(valence, words_and_emoticons[i - REACH : i + REACH], REACH)

    return Near()


@dataclass(frozen=True, eq=False)
class Looks:
    """What each text looks like: `lexicon`, one column a name in `FEATURES`, each roughly within −1…1; kinds of effort; emoji balance."""

    lexicon: NDArray[np.float64]
    effort: list[list[str]]
    emoji: NDArray[np.int64]


def looks(texts: Sequence[str]) -> Looks:
    """Every text read once."""
    short = [text[:LONGEST] for text in texts]
    effort = [effort_kinds(text) for text in short]
    emoji = np.array([emoji_balance(text) for text in short], dtype=np.int64)
    rows = [_row(text, kinds, int(balance)) for text, kinds, balance in zip(short, effort, emoji, strict=True)]
    return Looks(np.array(rows, dtype=float).reshape(-1, len(FEATURES)), effort, emoji)


def _row(text: str, effort: list[str], balance: int) -> list[float]:
    scores = lexicon().polarity_scores(text)
    words = max(text.count(" ") + 1, 1)
    small = text.lower()
    return [
        scores["neg"], scores["neu"], scores["pos"], scores["compound"], abs(scores["compound"]),
        min(len(_NEGATION.findall(small)), 4) / 4, min(text.count("!"), 4) / 4, min(text.count("?"), 4) / 4, min(len(_CAPITALS.findall(text)), 4) / 4,
        min(math.log1p(words) / 5, 1), float(bool(_THANKS.search(small))), float(balance > 0), float(balance < 0), min(len(effort), 2) / 2,
    ]  # fmt: skip
