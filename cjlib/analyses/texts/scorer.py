"""The default scorer: negative, neutral or positive, without a label of the user's own.

One multinomial logistic regression on two blocks, the lexicon features and TF-IDF of words and word pairs, plus two terms written by
hand on the logits: emoji and effort phrases. `scripts/train_sentiment.py` makes `default_scorer.npz` from two permissively licensed
sets (see NOTICE); the file holds plain arrays, no pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.analyses.texts.features import FEATURES, Looks, looks
from cjlib.analyses.texts.phrases import LONGEST

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

Floats = NDArray[np.float64]
LABELS = ("negative", "neutral", "positive")
FILE = Path(__file__).with_name("default_scorer.npz")
CHUNK = 20_000
"""Texts read at once, so that a million need no more memory than their answers."""
EFFORT_LOGIT = 0.65
"""Added to negative for each kind of effort told of, two kinds at most."""
EMOJI_LOGIT = 2.0
"""Added to positive or negative by the sign of positive minus negative emoji."""


def vectorizer(vocabulary: Sequence[str]) -> TfidfVectorizer:
    """Words and pairs of words of this vocabulary, each document's counts damped by a logarithm."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), vocabulary={term: column for column, term in enumerate(vocabulary)}, sublinear_tf=True)


@dataclass(frozen=True, eq=False)
class Blocks:
    """What the scorer sees of some texts: the two blocks and the two hand-written terms."""

    words: csr_matrix
    looks: Looks

    @property
    def by_hand(self) -> Floats:
        """What emoji and effort phrases add to the logits."""
        effort = np.array([min(len(kinds), 2) for kinds in self.looks.effort], dtype=np.float64)
        negative = EFFORT_LOGIT * effort + EMOJI_LOGIT * (self.looks.emoji < 0).astype(np.float64)
        return np.column_stack([negative, np.zeros(effort.size), EMOJI_LOGIT * (self.looks.emoji > 0).astype(np.float64)])


@dataclass(frozen=True, eq=False)
class Scorer:
    """Weights of the default scorer: a row a term (or lexicon feature), a column a label."""

    vocabulary: tuple[str, ...]
    idf: Floats
    word_weights: Floats
    lexicon_weights: Floats
    intercept: Floats

    @cached_property
    def _vectorizer(self) -> TfidfVectorizer:
        words = vectorizer(self.vocabulary)
        words.idf_ = self.idf
        return words

    def blocks(self, texts: Sequence[str]) -> Blocks:
        """The features of texts, one row each."""
        short = [text[:LONGEST] for text in texts]
        words = csr_matrix(self._vectorizer.transform(short)) if short else csr_matrix((0, len(self.vocabulary)))
        return Blocks(words, looks(short))

    def logits(self, blocks: Blocks) -> Floats:
        """One row a text, one column a label."""
        return blocks.words @ self.word_weights + blocks.looks.lexicon @ self.lexicon_weights + self.intercept + blocks.by_hand

    def why(self, blocks: Blocks, labels: NDArray[np.int64], most: int = 3) -> list[str]:
        """The words, emoji or phrases that moved each text most towards its label, strongest first."""
        terms = np.array(self.vocabulary, dtype=object)
        return [self._reasons(blocks, row, int(label), terms, most) for row, label in enumerate(labels)]

    def _reasons(self, blocks: Blocks, row: int, label: int, terms: NDArray[np.object_], most: int) -> str:
        start, end = blocks.words.indptr[row], blocks.words.indptr[row + 1]
        columns = blocks.words.indices[start:end]
        others = [other for other in range(len(LABELS)) if other != label]
        push = blocks.words.data[start:end] * (self.word_weights[columns, label] - self.word_weights[columns][:, others].max(axis=1))
        found = [(float(push[at]), str(terms[columns[at]])) for at in np.argsort(-push, kind="stable")[:most] if push[at] > 0]
        if label == 0:
            found += [(EFFORT_LOGIT, f"[{kind}]") for kind in blocks.looks.effort[row][:2]]
        if blocks.looks.emoji[row] * (label - 1) > 0:
            found.append((EMOJI_LOGIT, "[emoji]"))
        return ", ".join(term for _, term in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:most])


def probabilities(logits: Floats) -> Floats:
    """Softmax by row; rows sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=0))
    return powers / powers.sum(axis=1, keepdims=True)


@cache
def default_scorer() -> Scorer:
    """The scorer that ships, read from plain arrays."""
    with np.load(FILE, allow_pickle=False) as held:
        assert tuple(held["features"].tolist()) == FEATURES
        return Scorer(
            vocabulary=tuple(str(held["vocabulary"]).split("\n")),
            idf=held["idf"].astype(float),
            word_weights=held["word_weights"].astype(float),
            lexicon_weights=held["lexicon_weights"].astype(float),
            intercept=held["intercept"].astype(float),
        )
