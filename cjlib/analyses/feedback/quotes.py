"""Quotes that stand for a group of comments: typical, not extreme; from different people; scrubbed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.sources.feedback.texts import scrub

SHORTEST, LONGEST_QUOTE = 20, 300
SAME_BEGINNING = 40
QUOTES = ("quote_1", "quote_2", "quote_3")
"""Columns of a table that quotes."""


def text_vectors(texts: Sequence[str]) -> csr_matrix:
    """TF-IDF rows of length 1, for telling which texts are alike."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return csr_matrix(
            TfidfVectorizer(
                min_df=2 if len(texts) > 50 else 1, sublinear_tf=True, stop_words="english"
            ).fit_transform(texts)
        )
    except ValueError:  # nothing but function words
        return csr_matrix((len(texts), 1))


def representative(
    rows: pd.DataFrame, vectors: csr_matrix, most: int = 3
) -> list[tuple[str, str, str]]:
    """Up to `most` (feedback_id, label, scrubbed text) nearest to the centroid of the rows, their labels in the group's proportion.

    `rows` has `feedback_id`, `customer_id`, `timestamp`, `label`, `text` and `position`, the row of `vectors`. Texts of 20–300 characters, each from another
    customer and day; ties by feedback_id.
    """
    return Said.of(rows, vectors).typical(np.arange(len(rows)), most)


@dataclass(frozen=True, eq=False)
class Said:
    """Comments to quote from: each with who said it and when, its label and its vector."""

    ids: list[str]
    customers: list[Any]
    times: list[Any]
    labels: list[Any]
    texts: list[str]
    vectors: csr_matrix

    @staticmethod
    def of(rows: pd.DataFrame, vectors: csr_matrix) -> Said:
        """These rows, as `representative` takes them."""
        ids, customers, times, labels, texts = (
            rows[name].tolist()
            for name in ("feedback_id", "customer_id", "timestamp", "label", "text")
        )
        return Said(
            ids, customers, times, labels, texts, csr_matrix(vectors[rows["position"].to_numpy()])
        )

    def typical(self, group: NDArray[np.int64], most: int = 3) -> list[tuple[str, str, str]]:
        """The quotes of a group of them, as `representative` chooses."""
        if not group.size:
            return []
        near = dict(
            zip(group.tolist(), _nearness(csr_matrix(self.vectors[group])).tolist(), strict=True)
        )
        fitting = sorted(
            (-near[k], self.ids[k], k)
            for k in near
            if SHORTEST <= len(str(self.texts[k])) <= LONGEST_QUOTE
        )
        chosen: list[int] = []
        for label, places in _places([self.labels[k] for k in near], most):
            chosen += self._apart(
                [k for _, _, k in fitting if self.labels[k] == label], chosen, places
            )
        ordered = sorted(chosen, key=lambda k: (-near[k], self.ids[k]))
        return [(self.ids[k], str(self.labels[k]), scrub(self.texts[k])[0]) for k in ordered]

    def _apart(self, candidates: list[int], chosen: list[int], places: int) -> list[int]:
        people = {self.customers[k] for k in chosen if pd.notna(self.customers[k])}
        texts = {_gist(self.texts[k]) for k in chosen}
        days = {self.times[k].date() for k in chosen if pd.notna(self.times[k])}
        picked: list[int] = []
        for strict in (True, False):  # another day where there is one
            for k in candidates:
                if len(picked) == places:
                    return picked
                day = self.times[k].date() if pd.notna(self.times[k]) else None
                gist = _gist(self.texts[k])
                if gist in texts or self.customers[k] in people or (strict and day in days):
                    continue
                picked.append(k)
                texts.add(gist)
                days.add(day)
                if pd.notna(self.customers[k]):
                    people.add(self.customers[k])
        return picked


def _nearness(group: csr_matrix) -> NDArray[np.float64]:
    return np.round(
        np.asarray(group @ np.asarray(group.mean(axis=0)).ravel(), dtype=np.float64).ravel(), 9
    )


def _places(labels: list[Any], most: int) -> list[tuple[str, int]]:
    """How many quotes each label gets: by share, largest remainders first; labels by how many have them."""
    counts = sorted(Counter(label for label in labels if pd.notna(label)).items())
    total = sum(count for _, count in counts)
    exact = {label: count / total * most for label, count in counts}
    places = {label: math.floor(share) for label, share in exact.items()}
    for label in sorted(exact, key=lambda one: places[one] - exact[one])[
        : most - sum(places.values())
    ]:
        places[label] += 1
    return [(label, places[label]) for label, _ in sorted(counts, key=lambda one: -one[1])]


def _gist(text: str) -> str:
    """The letters of the beginning: quotes that differ only in signs, capitals or their end say the same."""
    return "".join(character for character in text.casefold() if character.isalpha())[
        :SAME_BEGINNING
    ]
