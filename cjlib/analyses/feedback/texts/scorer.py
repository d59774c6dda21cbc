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

from cjlib.analyses.feedback.texts.term_counts import Counts
from cjlib.analyses.feedback.texts.text_features import FEATURES, Looks, looks

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer

Floats = NDArray[np.float64]
LABELS = ("negative", "neutral", "positive")
FILE = Path(__file__).with_name("default_scorer.npz")
CHUNK = 20_000
"""Texts read at once, so that a million need no more memory than their answers."""
EFFORT_LOGIT = 0.65
"""Added to negative for each kind of effort told of, two kinds at most."""
EMOJI_LOGIT = 2.0
"""Added to positive or negative by the sign of positive minus negative emoji."""


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
        return np.column_stack(
            [
                negative,
                np.zeros(effort.size),
                EMOJI_LOGIT * (self.looks.emoji > 0).astype(np.float64),
            ]
        )


@dataclass(frozen=True, eq=False)
class Scorer:
    """Weights of the default scorer: a row a term (or lexicon feature), a column a label."""

    vocabulary: tuple[str, ...]
    idf: Floats
    word_weights: Floats
    lexicon_weights: Floats
    intercept: Floats

    @cached_property
    def _weigh(self) -> TfidfTransformer:
        from sklearn.feature_extraction.text import TfidfTransformer

        weigh = TfidfTransformer(sublinear_tf=True)
        weigh.idf_ = self.idf
        return weigh

    @cached_property
    def _column(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.vocabulary)}

    @cached_property
    def _push(self) -> Floats:
        """By how much a term moves a text to a label rather than to the next best, a column a label."""
        others = [
            np.delete(self.word_weights, label, axis=1).max(axis=1) for label in range(len(LABELS))
        ]
        return self.word_weights - np.column_stack(others)

    def blocks(self, texts: Sequence[str], counts: Counts) -> Blocks:
        """The features of texts, one row each; `counts` are those of these texts."""
        words = (
            csr_matrix(self._weigh.transform(counts.under(self._column)))
            if texts
            else csr_matrix((0, len(self.vocabulary)))
        )
        return Blocks(words, looks(texts))

    def logits(self, blocks: Blocks) -> Floats:
        """One row a text, one column a label."""
        return (
            blocks.words @ self.word_weights
            + blocks.looks.lexicon @ self.lexicon_weights
            + self.intercept
            + blocks.by_hand
        )

    def why(self, blocks: Blocks, labels: NDArray[np.int64], most: int = 3) -> list[str]:
        """The words, emoji or phrases that moved each text most towards its label, strongest first."""
        words = blocks.words
        push = words.data * self._push[words.indices, np.repeat(labels, np.diff(words.indptr))]
        return [
            self._reasons(blocks, row, int(label), push, most)
            for row, label in enumerate(labels.tolist())
        ]

    def _reasons(self, blocks: Blocks, row: int, label: int, pushed: Floats, most: int) -> str:
        start, end = blocks.words.indptr[row], blocks.words.indptr[row + 1]
        columns, push = blocks.words.indices[start:end], pushed[start:end]
        found = [
            (float(push[at]), self.vocabulary[columns[at]])
            for at in np.argsort(-push, kind="stable")[:most]
            if push[at] > 0
        ]
        if label == 0:
            found += [(EFFORT_LOGIT, f"[{kind}]") for kind in blocks.looks.effort[row][:2]]
        if blocks.looks.emoji[row] * (label - 1) > 0:
            found.append((EMOJI_LOGIT, "[emoji]"))
        return ", ".join(
            term for _, term in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:most]
        )


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
