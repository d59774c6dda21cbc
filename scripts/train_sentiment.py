"""Train the default sentiment scorer and write cjlib/analyses/feedback/default_scorer.npz.

    python scripts/train_sentiment.py DATA_DIR [OUT]

DATA_DIR holds `vader_ground_truth/` (MIT) and `clothing_reviews/` (CC0), as gzip-compressed CSV. No other text is used: the sets that may
not be redistributed stay for testing alone. Weights are rounded to 16-bit floats. A second run on the same processor writes the same bytes; on
another the solver stops elsewhere within its tolerance, and weights differ by up to .05 (they reach 3).
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections import Counter
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from cjlib.analyses.feedback.scorer import FILE
from cjlib.analyses.feedback.text_features import FEATURES, LONGEST, looks

REVIEW_WEIGHT = 0.1  # one genre at full weight makes the scorer worse on every other
RATED_TERMS, REVIEW_TERMS = 3, 60  # a term must stand in so many texts of a source
CLEAR = 0.5  # a mean rating at least so far from zero is not neutral


def rated(data: Path) -> tuple[list[str], np.ndarray]:
    """Messages and review sentences with the mean of twenty raters: below −0.5 negative, above 0.5 positive."""
    folder = data / "vader_ground_truth"
    frames = [
        pd.read_csv(folder / f"{name}_snippets.csv.gz")
        for name in ("social_media", "amazon_review")
    ]
    both = pd.concat(frames)
    means = both["mean_sentiment"].to_numpy()
    return [unescape(text) for text in both["text"]], np.where(
        means <= -CLEAR, 0, np.where(means >= CLEAR, 2, 1)
    )


def reviews(data: Path) -> tuple[list[str], np.ndarray]:
    """Reviews by stars: 1–2 negative, 3 neutral, 4–5 positive."""
    frame = pd.read_csv(data / "clothing_reviews" / "clothing_reviews.csv.gz").dropna(
        subset=["review_text"]
    )
    texts = (frame["title"].fillna("") + ". " + frame["review_text"]).str.lstrip(". ")
    return texts.tolist(), np.where(frame["rating"] <= 2, 0, np.where(frame["rating"] == 3, 1, 2))


def vocabulary(sources: list[tuple[list[str], int]]) -> list[str]:
    """The sorted terms that stand in enough texts of a source."""
    terms = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()
    kept: set[str] = set()
    for texts, least in sources:
        documents = Counter(term for text in texts for term in set(terms(text[:LONGEST])))
        kept |= {term for term, count in documents.items() if count >= least}
    return sorted(kept)


def train(data: Path) -> dict[str, np.ndarray]:
    """The arrays of the scorer."""
    (messages, message_labels), (opinions, opinion_labels) = rated(data), reviews(data)
    terms = vocabulary([(messages, RATED_TERMS), (opinions, REVIEW_TERMS)])
    texts = [text[:LONGEST] for text in [*messages, *opinions]]
    words = TfidfVectorizer(
        ngram_range=(1, 2),
        vocabulary={term: column for column, term in enumerate(terms)},
        sublinear_tf=True,
    )
    block = hstack([words.fit_transform(texts), csr_matrix(looks(texts).lexicon)]).tocsr()
    weights = np.concatenate([np.ones(len(messages)), np.full(len(opinions), REVIEW_WEIGHT)])
    model = LogisticRegression(C=1.0, max_iter=3000, class_weight="balanced")
    with threadpool_limits(1):  # sums in another order differ in the last digit
        model.fit(block, np.concatenate([message_labels, opinion_labels]), sample_weight=weights)
    coefficients = model.coef_.T.astype(np.float16)
    return {
        "features": np.array(FEATURES),
        "vocabulary": np.array("\n".join(terms)),
        "idf": words.idf_.astype(np.float16),
        "word_weights": coefficients[: len(terms)],
        "lexicon_weights": coefficients[len(terms) :],
        "intercept": model.intercept_.astype(np.float16),
    }


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    """An npz with fixed dates inside, so that equal arrays are equal bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.save(held, array, allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", date_time=(2026, 1, 1, 0, 0, 0)),
                held.getvalue(),
                zipfile.ZIP_DEFLATED,
                9,
            )


if __name__ == "__main__":
    write(train(Path(sys.argv[1])), Path(sys.argv[2]) if len(sys.argv) > 2 else FILE)
