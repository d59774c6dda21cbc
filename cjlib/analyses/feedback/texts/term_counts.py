"""How often each word and pair of words stands in each text, counted once for every model that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.analyses.feedback.texts.phrases import LONGEST


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
