"""Adapting the scorer to the user's own ratings, where that is better, and measuring it either way.

The same blocks are fitted on the user's texts with the default's logits as extra features. It is used only if its 5-fold macro-F1
beats the default's on the same folds by more than one standard error: with few ratings it often does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from cjlib.analyses.texts.scorer import Blocks, probabilities

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
FOLDS = 5
LEAST_RATED = 50
FLOOR_DRAWS = 50
_TEMPERATURES = np.geomspace(0.25, 6.0, 60)


@dataclass(frozen=True, eq=False)
class Measured:
    """How good the labels are on rated texts, out of fold."""

    n: int
    accuracy: float
    macro_f1: float
    ece: float
    ece_floor: float
    default_macro_f1: float
    adapted_macro_f1: float
    adapted: bool


@dataclass(frozen=True, eq=False)
class Adapted:
    """Probabilities of every text after adapting or calibrating, and how they were measured; rated texts carry out-of-fold ones."""

    probabilities: Floats
    measured: Measured


@dataclass(frozen=True, eq=False)
class Rated:
    """Texts, what the default says of them, and their labels: 0, 1, 2, or −1 where a text has no rating."""

    texts: Sequence[str]
    dense: Floats
    logits: Floats
    labels: Labels

    @property
    def rows(self) -> NDArray[np.intp]:
        """Which texts have a rating."""
        return np.flatnonzero(self.labels >= 0)


def rated_texts(texts: Sequence[str], blocks: Blocks, logits: Floats, labels: Labels, extra: Floats | None = None) -> Rated:
    """Gather what an adapted scorer learns from; `extra` are more columns, such as embeddings."""
    dense = [blocks.looks.lexicon, np.clip(logits, -6, 6) / 2] + ([] if extra is None else [extra])
    return Rated(texts, np.hstack(dense), logits, labels)


def adapt(given: Rated, seed: int) -> Adapted:
    """Choose between the default and an adapted scorer by cross-validation, and set the temperature of the one chosen."""
    rows = given.rows
    truth, default = given.labels[rows], given.logits[rows]
    folds = _folds(truth, seed)
    own = np.zeros((rows.size, 3))
    for fold in range(FOLDS):
        own[folds == fold] = _fit_and_score(given, rows[folds != fold], rows[folds == fold])
    gain = np.array(
        [
            macro_f1(truth[folds == fold], own[folds == fold].argmax(1)) - macro_f1(truth[folds == fold], default[folds == fold].argmax(1))
            for fold in range(FOLDS)
        ]
    )
    better = bool(gain.mean() > gain.std(ddof=1) / np.sqrt(FOLDS))
    chosen = own if better else default
    everywhere = _fit_and_score(given, rows, np.arange(len(given.texts))) if better else given.logits
    p = probabilities(everywhere / _temperature(chosen, truth))
    p[rows] = probabilities(chosen / _temperatures_by_fold(chosen, truth, folds)[:, None])
    ece, floor = calibration_error(p[rows], truth, seed)
    guess = p[rows].argmax(1)
    measured = Measured(
        n=rows.size, accuracy=float((guess == truth).mean()), macro_f1=macro_f1(truth, guess), ece=ece, ece_floor=floor,
        default_macro_f1=macro_f1(truth, default.argmax(1)), adapted_macro_f1=macro_f1(truth, own.argmax(1)), adapted=better,
    )  # fmt: skip
    return Adapted(p, measured)


def _fit_and_score(given: Rated, train: NDArray[np.intp], score: NDArray[np.intp]) -> Floats:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if train.size >= 200 else 1, sublinear_tf=True)
    known = hstack([words.fit_transform([given.texts[row] for row in train]), csr_matrix(given.dense[train])]).tocsr()
    model = LogisticRegression(C=2.0, max_iter=2000, class_weight="balanced").fit(known, given.labels[train])
    asked = hstack([words.transform([given.texts[row] for row in score]), csr_matrix(given.dense[score])]).tocsr()
    own = np.full((score.size, 3), -20.0)
    values = model.decision_function(asked)
    own[:, model.classes_] = np.column_stack([-values, values]) if values.ndim == 1 else values
    return own


def _folds(labels: Labels, seed: int) -> NDArray[np.int64]:
    """A fold for each rated text, each label spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(labels.size, dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        fold[rng.permutation(rows)] = np.arange(rows.size) % FOLDS
    return fold


def _temperature(logits: Floats, truth: Labels) -> float:
    """The divisor of the logits with the smallest log-loss."""
    losses = [-np.log(np.maximum(probabilities(logits / t)[np.arange(truth.size), truth], 1e-12)).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _temperatures_by_fold(logits: Floats, truth: Labels, folds: NDArray[np.int64]) -> Floats:
    """For each rated text the temperature that the other folds ask for."""
    by_fold = np.array([_temperature(logits[folds != fold], truth[folds != fold]) for fold in range(FOLDS)])
    return by_fold[folds]


def macro_f1(truth: Labels, guess: Labels) -> float:
    """Mean F1 over the labels that occur in the truth."""
    scores = []
    for label in np.unique(truth):
        both = int(((truth == label) & (guess == label)).sum())
        scores.append(2 * both / (int((truth == label).sum()) + int((guess == label).sum())))
    return float(np.mean(scores))


def calibration_error(p: Floats, truth: Labels, seed: int, bins: int = 10) -> tuple[float, float]:
    """Expected calibration error of the confidence, and the floor: the same for outcomes drawn from the model's own probabilities."""
    guess, confidence = p.argmax(1), p.max(1)
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    cell = np.searchsorted(edges, confidence, side="right")
    rng = np.random.default_rng(seed)
    floor = [_gap(rng.random(confidence.size) < confidence, confidence, cell, bins) for _ in range(FLOOR_DRAWS)]
    return _gap(guess == truth, confidence, cell, bins), float(np.mean(floor))


def _gap(right: NDArray[np.bool_], confidence: Floats, cell: NDArray[np.intp], bins: int) -> float:
    n = np.bincount(cell, minlength=bins)
    hits, sure = np.bincount(cell, weights=right, minlength=bins), np.bincount(cell, weights=confidence, minlength=bins)
    return float(np.abs(hits - sure).sum() / n.sum())
