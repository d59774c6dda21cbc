"""Quotes that stand for a group of comments: typical, not extreme; from different people; scrubbed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.sources.scrub import scrub

SHORTEST, LONGEST_QUOTE = 20, 300
SAME_BEGINNING = 40


def text_vectors(texts: Sequence[str]) -> csr_matrix:
    """TF-IDF rows of length 1, for telling which texts are alike."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return csr_matrix(TfidfVectorizer(min_df=2 if len(texts) > 50 else 1, sublinear_tf=True, stop_words="english").fit_transform(texts))
    except ValueError:  # nothing but function words
        return csr_matrix((len(texts), 1))


def representative(rows: pd.DataFrame, vectors: csr_matrix, most: int = 3) -> list[tuple[str, str, str]]:
    """Up to `most` (feedback_id, label, scrubbed text) nearest to the centroid of the rows, their labels in the group's proportion.

    `rows` has `feedback_id`, `customer_id`, `timestamp`, `label`, `text` and `position`, the row of `vectors`. Texts of 20–300 characters, each from another
    customer and day; ties by feedback_id.
    """
    if rows.empty:
        return []
    near = _nearness(rows["position"].to_numpy(), vectors)
    shown = rows[["feedback_id", "customer_id", "timestamp", "label", "text"]].assign(near=-near)
    fitting = shown[shown["text"].str.len().between(SHORTEST, LONGEST_QUOTE)].sort_values(["near", "feedback_id"])
    chosen: list[pd.Series] = []
    for label, places in _places(rows["label"], most):
        chosen += _apart(fitting[fitting["label"] == label], chosen, places)
    order = sorted(chosen, key=lambda row: (row["near"], row["feedback_id"]))
    return [(str(row["feedback_id"]), str(row["label"]), scrub(str(row["text"]))[0]) for row in order]


def _nearness(positions: NDArray[np.int64], vectors: csr_matrix) -> NDArray[np.float64]:
    group = csr_matrix(vectors[positions])
    return np.round(np.asarray(group @ np.asarray(group.mean(axis=0)).ravel(), dtype=np.float64).ravel(), 9)


def _places(labels: pd.Series, most: int) -> list[tuple[str, int]]:
    """How many quotes each label gets: by share, largest remainders first."""
    counts = labels.value_counts().sort_index()
    exact = counts / counts.sum() * most
    places = np.floor(exact).astype(int)
    for label in (exact - places).sort_values(ascending=False, kind="stable").index[: most - int(places.sum())]:
        places[label] += 1
    return [(str(label), int(places[label])) for label in counts.sort_values(ascending=False, kind="stable").index]


def _gist(text: str) -> str:
    """The letters of the beginning: quotes that differ only in signs, capitals or their end say the same."""
    return "".join(character for character in text.casefold() if character.isalpha())[:SAME_BEGINNING]


def _apart(candidates: pd.DataFrame, chosen: list[pd.Series], places: int) -> list[pd.Series]:
    people = {row["customer_id"] for row in chosen if pd.notna(row["customer_id"])}
    texts = {_gist(row["text"]) for row in chosen}
    days = {row["timestamp"].date() for row in chosen if pd.notna(row["timestamp"])}
    picked: list[pd.Series] = []
    for strict in (True, False):  # another day where there is one
        for _, row in candidates.iterrows():
            if len(picked) == places:
                return picked
            day = row["timestamp"].date() if pd.notna(row["timestamp"]) else None
            gist = _gist(row["text"])
            if gist in texts or row["customer_id"] in people or (strict and day in days):
                continue
            picked.append(row)
            texts.add(gist)
            days.add(day)
            if pd.notna(row["customer_id"]):
                people.add(row["customer_id"])
    return picked
