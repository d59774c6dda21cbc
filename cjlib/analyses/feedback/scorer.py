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

from cjlib.analyses.feedback.text_features import FEATURES, Counts, Looks, looks

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer
from collections.abc import Callable

from scipy.sparse import hstack

from cjlib.analyses.feedback.text_features import counted

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
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


Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
FOLDS = 5
LEAST_RATED = 50
MOST_RATED = 15_000
"""Of more rated texts a seeded sample, each label in its share, is learnt from and measured on."""
FLOOR_DRAWS = 50
_TEMPERATURES = np.geomspace(0.25, 6.0, 60)


@dataclass(frozen=True, eq=False)
class Measured:
    """How good the labels are on `n` of `n_rated` rated texts, out of fold."""

    n: int
    n_rated: int
    accuracy: float
    macro_f1: float
    ece: float
    ece_floor: float
    default_macro_f1: float
    adapted_macro_f1: float
    adapted: bool
    majority: str
    """The most common label of the ratings."""
    majority_accuracy: float
    """How often always saying it would be right."""

    @property
    def scale(self) -> str:
        """What scores of a scorer fitted to these ratings may be compared with: themselves."""
        return f"fitted to {self.n_rated} ratings: {self.macro_f1:.6f}, {self.ece:.6f}"


@dataclass(frozen=True, eq=False)
class Adapted:
    """Probabilities of every text after adapting or calibrating, and how they were measured; rated texts carry out-of-fold ones."""

    probabilities: Floats
    measured: Measured


@dataclass(frozen=True, eq=False)
class Rated:
    """Texts, what the default says of them, and their labels: 0, 1, 2, or −1 where a text has no rating; `counts` of the words of all, if they were kept."""

    texts: list[str]
    dense: Floats
    logits: Floats
    labels: Labels
    counts: Counts | None

    def sample(self, seed: int) -> NDArray[np.intp]:
        """The rated texts that are learnt from, in order."""
        rows = np.flatnonzero(self.labels >= 0)
        if rows.size <= MOST_RATED:
            return rows
        kept = []
        rng = np.random.default_rng(seed)
        for label in np.unique(self.labels[rows]):
            alike = rows[self.labels[rows] == label]
            kept.append(rng.permutation(alike)[: round(MOST_RATED * alike.size / rows.size)])
        return np.sort(np.concatenate(kept))


def rated_texts(
    texts: list[str],
    lexicon: Floats,
    logits: Floats,
    labels: Labels,
    extra: Floats | None = None,
    counts: Counts | None = None,
) -> Rated:
    """Gather what an adapted scorer learns from; `extra` are more columns, such as embeddings."""
    dense = [lexicon, np.clip(logits, -6, 6) / 2] + ([] if extra is None else [extra])
    return Rated(texts, np.hstack(dense), logits, labels, counts)


def adapt(given: Rated, seed: int, tell: Callable[[int], None]) -> Adapted:
    """Choose between the default and an adapted scorer by cross-validation, and set the temperature of the one chosen; `tell` hears how many texts are done."""
    rows = given.sample(seed)
    truth, default, dense = given.labels[rows], given.logits[rows], given.dense[rows]
    folds = _folds(truth, seed)
    known = (
        counted([given.texts[row] for row in rows.tolist()])
        if given.counts is None
        else given.counts.of(rows)
    )
    whole = _fit(known, dense, truth)
    own = np.zeros((rows.size, 3))
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fitted = _fit(known.of(inside), dense[inside], truth[inside], near=whole)
        own[outside] = fitted.logits(known.of(outside), dense[outside])
    gain = _gain(truth, default, own, folds)
    better = bool(gain.mean() > gain.std(ddof=1) / np.sqrt(FOLDS))
    chosen = own if better else default
    everywhere = _everywhere(given, whole, tell) if better else given.logits
    p = probabilities(everywhere / _temperature(chosen, truth))
    p[rows] = probabilities(chosen / _temperatures_by_fold(chosen, truth, folds)[:, None])
    ece, floor = calibration_error(p[rows], truth, seed)
    guess = p[rows].argmax(1)
    times = np.bincount(truth, minlength=len(LABELS))
    measured = Measured(
        majority=LABELS[int(times.argmax())], majority_accuracy=float(times.max() / rows.size), n=rows.size, n_rated=int((given.labels >= 0).sum()), accuracy=float((guess == truth).mean()), macro_f1=macro_f1(truth, guess), ece=ece,
        ece_floor=floor, default_macro_f1=macro_f1(truth, default.argmax(1)), adapted_macro_f1=macro_f1(truth, own.argmax(1)), adapted=better,
    )  # fmt: skip
    return Adapted(p, measured)


def _gain(truth: Labels, default: Floats, own: Floats, folds: Labels) -> Floats:
    """By how much the adapted macro-F1 is the better, fold by fold."""
    parts = [folds == fold for fold in range(FOLDS)]
    return np.array(
        [
            macro_f1(truth[part], own[part].argmax(1))
            - macro_f1(truth[part], default[part].argmax(1))
            for part in parts
        ]
    )


@dataclass(frozen=True, eq=False)
class Own:
    """A scorer fitted to the user's ratings; `column` is the place of each term that stood in enough of its texts."""

    column: dict[str, int]
    weigh: TfidfTransformer
    model: LogisticRegression

    def logits(self, counts: Counts, dense: Floats) -> Floats:
        """One row a text, one column a label; far below the others for a label it has not met."""
        values = self.model.decision_function(
            _beside(self.weigh.transform(counts.under(self.column)), dense)
        )
        own = np.full((len(dense), 3), -20.0)
        own[:, self.model.classes_] = (
            np.column_stack([-values, values]) if values.ndim == 1 else values
        )
        return own


def _fit(counts: Counts, dense: Floats, labels: Labels, near: Own | None = None) -> Own:
    """Fit until nothing moves any more, so that every machine gives the same digits; beginning `near` another fit saves half the time and changes no answer."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    often = np.flatnonzero(
        np.bincount(counts.matrix.indices, minlength=1) >= (2 if labels.size >= 200 else 1)
    )
    weigh = TfidfTransformer(sublinear_tf=True)
    known = _beside(weigh.fit_transform(counts.matrix[:, often]), dense)
    terms = counts.terms[often].tolist()
    model = LogisticRegression(
        C=2.0,
        solver="newton-cg",
        max_iter=200,
        tol=1e-6,
        class_weight="balanced",
        warm_start=True,
    )
    if near is not None and np.array_equal(near.model.classes_, np.unique(labels)):
        # Of fewer than 200 texts rarer terms count, which the other fit may not know.
        own, dense_from = np.zeros((len(near.model.coef_), len(terms))), len(near.column)
        known_to_both = [place for place, term in enumerate(terms) if term in near.column]
        own[:, known_to_both] = near.model.coef_[
            :, [near.column[terms[place]] for place in known_to_both]
        ]
        model.coef_ = np.hstack([own, near.model.coef_[:, dense_from:]])
        model.intercept_ = near.model.intercept_
    return Own({term: column for column, term in enumerate(terms)}, weigh, model.fit(known, labels))


def _beside(words: object, dense: Floats) -> csr_matrix:
    return csr_matrix(hstack([words, csr_matrix(dense)]))


def _everywhere(given: Rated, own: Own, tell: Callable[[int], None]) -> Floats:
    """The adapted logits of every text, a chunk at a time."""
    if given.counts is not None:
        return own.logits(given.counts, given.dense)
    parts = []
    for start in range(0, len(given.texts), CHUNK):
        texts = given.texts[start : start + CHUNK]
        parts.append(own.logits(counted(texts), given.dense[start : start + CHUNK]))
        tell(start + len(texts))
    return np.concatenate(parts)


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
    losses = [
        -np.log(np.maximum(probabilities(logits / t)[np.arange(truth.size), truth], 1e-12)).mean()
        for t in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _temperatures_by_fold(logits: Floats, truth: Labels, folds: NDArray[np.int64]) -> Floats:
    """For each rated text the temperature that the other folds ask for."""
    by_fold = np.array(
        [_temperature(logits[folds != fold], truth[folds != fold]) for fold in range(FOLDS)]
    )
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
    floor = [
        _gap(rng.random(confidence.size) < confidence, confidence, cell, bins)
        for _ in range(FLOOR_DRAWS)
    ]
    return _gap(guess == truth, confidence, cell, bins), float(np.mean(floor))


def _gap(right: NDArray[np.bool_], confidence: Floats, cell: NDArray[np.intp], bins: int) -> float:
    n = np.bincount(cell, minlength=bins)
    hits, sure = (
        np.bincount(cell, weights=right, minlength=bins),
        np.bincount(cell, weights=confidence, minlength=bins),
    )
    return float(np.abs(hits - sure).sum() / n.sum())
