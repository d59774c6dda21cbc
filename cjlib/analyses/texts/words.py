"""Content words and pairs of words: which of them stand in which comment."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from cjlib.analyses.texts.phrases import LONGEST

_WORD = re.compile(r"\b\w[\w'’]*\w\b")
_ADDRESS = re.compile(r"@\w+|https?://\S+|www\.\S+")
_NEGATIONS = frozenset({"not", "no", "never", "cannot", "without", "don't", "can't"})
# Function words on sklearn's list that customers of a business use as content.
_CONTENT = frozenset(
    ["bill", "call", "computer", "cry", "describe", "detail", "empty", "fill", "find", "fire", "full", "mill", "move", "serious", "show", "system", "thick",
     "thin", "together"]
)  # fmt: skip
_EMPTY = frozenset(
    ["ve", "ll", "re", "don", "didn", "doesn", "wasn", "isn", "aren", "couldn", "wouldn", "won", "hasn", "haven", "hadn", "shouldn", "im", "ive", "id",
     "dont", "didnt", "just", "got", "get", "did", "does", "doing", "really", "also", "one", "would", "could", "like", "said", "say", "says", "going",
     "went", "go", "us", "thing", "things", "lot", "even", "still", "much", "bit"]
)  # fmt: skip


@cache
def function_words() -> frozenset[str]:
    """Words that carry no content: they come out on top of every comparison otherwise."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return (ENGLISH_STOP_WORDS - _CONTENT - _NEGATIONS) | _EMPTY


def _is_content(words: tuple[str, ...]) -> bool:
    if len(words) == 1:
        return words[0] not in function_words() and words[0] not in _NEGATIONS and not words[0].isdigit()
    first, last = words
    return last not in function_words() and last not in _NEGATIONS and (first in _NEGATIONS or first not in function_words()) and not last.isdigit()


def _content_terms(text: str) -> set[str]:
    """The content words and pairs of a text; told apart here, before they are counted, so that a million texts fit in memory."""
    words = _WORD.findall(_ADDRESS.sub(" ", text[:LONGEST]).lower())
    return {" ".join(term) for term in (*((word,) for word in words), *itertools.pairwise(words)) if _is_content(term)}


def term_presence(texts: Sequence[str], least: int) -> tuple[csr_matrix, list[str]]:
    """A row a text, a column a content term (words and pairs) that stands in at least `least` texts; 1 where it stands."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(analyzer=_content_terms, min_df=least, dtype=np.int64)  # pyright: ignore[reportArgumentType]
    try:
        counts = csr_matrix(counter.fit_transform(texts))
    except ValueError:  # no term is left
        return csr_matrix((len(texts), 0), dtype=np.int64), []
    return counts, [str(term) for term in counter.get_feature_names_out()]
