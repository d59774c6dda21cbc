"""Which texts can be scored: those with words, in English."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cjlib.analyses.feedback.texts.text_features import emoji_balance

SHORTEST = 25
"""Characters below which a language is not decided: short texts are taken to be in the feedback's main language."""
LOOKED_AT = 400
_ENGLISH = frozenset(
    [
        "the",
        "and",
        "with",
        "have",
        "has",
        "had",
        "this",
        "that",
        "you",
        "your",
        "my",
        "they",
        "were",
        "from",
        "would",
        "been",
        "which",
        "there",
        "their",
        "what",
        "when",
        "because",
        "very",
        "is",
        "it",
        "its",
        "not",
        "just",
        "but",
        "about",
        "could",
        "of",
        "to",
        "are",
        "can",
        "how",
        "out",
        "now",
        "our",
        "us",
        "don't",
        "i'm",
        "get",
        "after",
        "who",
        "why",
        "if",
        "i've",
    ]
)
"""Small words that only English texts are full of."""
FEWEST_ENGLISH = 5
"""Five of them, and every fifth word one of them: English, and no model need be asked."""
_TAKEN_FOR = {"pcm": "en"}  # English with a typing error is told as Nigerian Pidgin
_NOT_LANGUAGE = re.compile(r"@\w+|https?://\S+|www\.\S+|#\w+|&\w+;|\S+@\S+\.\w+|\[[\w ]+\]")
_NOTHING_SAID = re.compile(
    r"[\W\d_]*(?:stop|unsubscribe|opt ?out|n/?a|none|nil|no comments?|nothing|no)?[\W\d_]*",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


def says_something(text: str) -> bool:
    """Whether there is anything to score: words other than an opt-out, or an emoji."""
    return _NOTHING_SAID.fullmatch(text) is None or emoji_balance(text) != 0


def languages(texts: Sequence[str]) -> list[str]:
    """The ISO code of each text's language; texts too short to tell take the most common of the others ("en" if there is none)."""
    known = {text: _decided(text) for text in dict.fromkeys(texts)}
    decided = [known[text] for text in texts]
    counted = Counter(language for language in decided if language)
    main = min(counted, key=lambda language: (-counted[language], language)) if counted else "en"
    return [language or main for language in decided]


def _decided(text: str) -> str:
    own = text[:LOOKED_AT].lower().split()
    if sum(word in _ENGLISH for word in own) >= max(FEWEST_ENGLISH, len(own) / 5):
        return "en"
    words = _SPACE.sub(" ", _NOT_LANGUAGE.sub(" ", text[: 4 * LOOKED_AT])).strip()[:LOOKED_AT]
    if sum(character.isalpha() for character in words) < SHORTEST or words.count(" ") < 2:
        return ""
    import py3langid

    language = str(py3langid.classify(words)[0])
    return _TAKEN_FOR.get(language, language)
