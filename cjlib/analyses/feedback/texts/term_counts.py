"""Words and pairs of words: how often each stands in each text, counted once for every model that asks, and which content words stand in which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.analyses.feedback.texts.text_features import LONGEST


@dataclass(frozen=True, eq=False)
class Counts:
    """A row a text, a column a term; `terms` in order of the alphabet."""

    terms: NDArray[np.str_]
    matrix: csr_matrix

    def of(self, rows: NDArray[np.intp]) -> Counts:
        """Some of the texts."""
        return Counts(self.terms, csr_matrix(self.matrix[rows]))

    def under(self, vocabulary: Mapping[str, int]) -> csr_matrix:
        """The columns of another vocabulary, itself in order of the alphabet; terms that it does not have are left out."""
        home = np.array([vocabulary.get(term, -1) for term in self.terms.tolist()], dtype=np.int64)
        own = np.flatnonzero(home >= 0)
        picked = csr_matrix(self.matrix[:, own])
        return csr_matrix(
            (picked.data, home[own][picked.indices], picked.indptr),
            shape=(picked.indptr.size - 1, len(vocabulary)),
        )


def counted(texts: Sequence[str]) -> Counts:
    """Words of two letters and more, and pairs of them, in small letters; equal texts are read once."""
    from sklearn.feature_extraction.text import CountVectorizer

    place = {text: row for row, text in enumerate(dict.fromkeys(text[:LONGEST] for text in texts))}
    counter = CountVectorizer(ngram_range=(1, 2), dtype=np.int32)  # pyright: ignore[reportArgumentType]
    try:
        matrix = csr_matrix(counter.fit_transform(list(place)))
    except ValueError:  # no text has a word
        return Counts(np.array([], dtype=str), csr_matrix((len(texts), 0), dtype=np.int32))
    rows = [place[text[:LONGEST]] for text in texts]
    return Counts(
        np.asarray(counter.get_feature_names_out(), dtype=object), csr_matrix(matrix[rows])
    )


WORDS_KEPT = 50_000
"""Words whose kind is remembered."""
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


@lru_cache(maxsize=WORDS_KEPT)
def _places(word: str) -> tuple[bool, bool, bool]:
    """Whether a word can stand alone, begin a pair, or end one."""
    content, negates = word not in function_words(), word in _NEGATIONS
    ends = content and not negates and not word.isdigit()
    return ends, negates or content, ends


def _content_terms(text: str) -> set[str]:
    """The content words and pairs of a text; told apart here, before they are counted, so that a million texts fit in memory."""
    words = _WORD.findall(_ADDRESS.sub(" ", text[:LONGEST]).lower())
    places = [_places(word) for word in words]
    terms = {word for word, (alone, _, _) in zip(words, places, strict=True) if alone}
    for at in range(1, len(words)):
        if places[at][2] and places[at - 1][1]:
            terms.add(f"{words[at - 1]} {words[at]}")
    return terms


def term_presence(texts: Sequence[str], least: int) -> tuple[csr_matrix, list[str]]:
    """A row a text, a column a content term (words and pairs) that stands in at least `least` texts; 1 where it stands. Equal texts are read once."""
    from sklearn.feature_extraction.text import CountVectorizer

    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    counter = CountVectorizer(analyzer=_content_terms, dtype=np.int64)  # pyright: ignore[reportArgumentType]
    try:
        matrix = csr_matrix(counter.fit_transform(list(place)))
    except ValueError:  # there is no term
        return csr_matrix((len(texts), 0), dtype=np.int64), []
    counts = csr_matrix(matrix[[place[text] for text in texts]])
    often = np.flatnonzero(np.bincount(counts.indices, minlength=len(counter.vocabulary_)) >= least)
    return csr_matrix(counts[:, often]), [
        str(term) for term in counter.get_feature_names_out()[often]
    ]
