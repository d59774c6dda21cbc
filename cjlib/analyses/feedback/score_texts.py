"""Texts with their labels: which were scored, how, and how well."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.answer_ends import ends_of
from cjlib.analyses.feedback.scorer import (
    CHUNK,
    LABELS,
    LEAST_RATED,
    Floats,
    Measured,
    adapt,
    default_scorer,
    probabilities,
    rated_texts,
)
from cjlib.analyses.feedback.text_features import (
    FEATURES,
    Counts,
    counted,
    languages,
    says_something,
)
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, DataError, shown
from cjlib.shared.stats import wilson
from cjlib.show.numbers import about, count_of
from cjlib.sources.feedback.table import SCORES, Feedback
from cjlib.sources.ingest.cache import shared_in_run

Scales: TypeAlias = "Mapping[str, tuple[int, int]]"
Model: TypeAlias = "str | Path | Callable[[list[str]], Any]"
Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with how far the work is and how far it goes: a step a text, two where ratings may adapt the scorer."""
RATINGS = ("nps", "rating", "csat")
"""The scores that label a text, the first that a row has."""
TOPIC_SHIFT = 0.2
"""A scorer that was not fitted to ratings errs in one direction with what a segment writes about, and nothing in the texts says how far: in samples in which no
stage is worse than another it set stages up to .14 apart. Smaller differences of its scores are no finding; where a scorer was fitted, ratings are compared instead.
"""


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """`table`, one row a text in the order given, and `measured` where ratings allowed it."""

    table: pd.DataFrame
    measured: Measured | None


def ratings_as_labels(frame: pd.DataFrame, scales: Scales = SCORES) -> NDArray[np.int64]:
    """0, 1, 2 by the first rating a row has (nps 0–6 / 7–8 / 9–10; rating and csat 1–2 / 3 / 4–5, or the same parts of another scale); −1 without one."""
    return _first_ratings(frame, scales)[0]


def kinds_of_ratings(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Which question the label of each row stems from: 0 nps, 1 rating, 2 csat; −1 without one."""
    return _first_ratings(frame, SCORES)[1]


def ratings_learnt(
    frame: pd.DataFrame, measured: Measured | None, scales: Scales = SCORES
) -> Floats:
    """The ratings, −1, 0 or 1, where the scorer was fitted to them; missing everywhere if it was not."""
    fitted = measured is not None and measured.adapted
    labels = ratings_as_labels(frame, scales)
    return np.where(fitted & (labels >= 0), labels - 1.0, np.nan)


def within_kinds(rating: pd.Series, kind: pd.Series) -> pd.Series:
    """The ratings less what their kind has in common: an NPS of 8 is neutral where 4 of 5 is positive."""
    return rating - rating.groupby(kind).transform("mean") + rating.mean()


def _first_ratings(
    frame: pd.DataFrame, scales: Scales
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels = np.full(len(frame), -1, dtype=np.int64)
    kinds = labels.copy()
    for kind, name in enumerate(RATINGS):
        if name in frame:
            bad_to, good_from = ends_of(name, scales)
            score = frame[name].to_numpy(dtype=float)
            first = (labels < 0) & ~np.isnan(score)
            label = np.where(score <= bad_to, 0, np.where(score >= good_from, 2, 1))
            labels = np.where(first, label, labels)
            kinds = np.where(first, kind, kinds)
    return labels, kinds


def scored_feedback(
    feedback: Feedback, model: Model = "default", seed: int = 0, progress: Progress | None = None
) -> ScoredTexts:
    """The feedback's texts with their labels, in its order; the same feedback is scored once, and so is the same content read anew, or in another notebook of a run."""
    key = ("scored", str(model) if isinstance(model, Path) else model, seed)
    if key not in feedback.kept:
        frame = feedback.frame
        ids, texts = frame["feedback_id"].tolist(), frame["text"].tolist()
        labels = ratings_as_labels(frame, feedback.scales)
        if model == "default" and len(texts) <= CHUNK:
            content = tuple(text if isinstance(text, str) else None for text in texts)
            feedback.kept[key] = _of_content(tuple(ids), content, labels.tobytes(), seed)
        else:
            feedback.kept[key] = score(ids, texts, labels, model, seed, progress=progress)
    return feedback.kept[key]


@lru_cache(maxsize=2)
def _of_content(
    ids: tuple[str, ...], texts: tuple[str | None, ...], labels: bytes, seed: int
) -> ScoredTexts:
    def scored() -> ScoredTexts:
        return score(ids, texts, np.frombuffer(labels, dtype=np.int64), "default", seed)

    content = hashlib.sha256(json.dumps([ids, texts, seed]).encode() + labels).hexdigest()
    place = shared_in_run(f"texts-{content}.parquet", lambda path: _write(scored(), path))
    return scored() if place is None else _read(place)


def _write(scored: ScoredTexts, path: Path) -> None:
    table = scored.table.copy()
    table.attrs["measured"] = scored.measured and asdict(scored.measured)
    table.to_parquet(path)


def _read(path: Path) -> ScoredTexts:
    table = pd.read_parquet(path)
    measured = table.attrs.pop("measured")
    return ScoredTexts(table, measured and Measured(**measured))


def score(
    ids: Sequence[str],
    texts: Sequence[str | None],
    labels: NDArray[np.int64],
    model: Model,
    seed: int = 0,
    *,
    progress: Progress | None = None,
) -> ScoredTexts:
    """Label every text that says something in English; the others keep a status and no label."""
    given = [text if isinstance(text, str) else "" for text in texts]
    status, spoken = _statuses(given)
    rows = np.flatnonzero(status == "scored")
    readable = [given[row] for row in rows]
    p, why, measured = _probabilities(readable, labels[rows], model, seed, progress)
    table = pd.DataFrame({"feedback_id": list(ids), "status": status, "language": spoken}).astype(
        "str"
    )
    table["language"] = table["language"].where(table["status"] != "no_text", None)
    return ScoredTexts(_with_scores(table, rows, p, why), measured)


def _statuses(texts: list[str]) -> tuple[NDArray[np.object_], list[str]]:
    spoken = languages(texts)
    status = [
        "no_text" if not says_something(text) else "scored" if language == "en" else "not_english"
        for text, language in zip(texts, spoken, strict=True)
    ]
    return np.array(status, dtype=object), spoken


def _with_scores(
    table: pd.DataFrame, rows: NDArray[np.intp], p: Floats, why: list[str]
) -> pd.DataFrame:
    full = np.full((len(table), 3), np.nan)
    full[rows] = p
    label = np.full(len(table), None, dtype=object)
    label[rows] = np.array(LABELS, dtype=object)[p.argmax(1)] if rows.size else []
    reasons = np.full(len(table), None, dtype=object)
    reasons[rows] = why
    confidence = np.full(len(table), np.nan)
    confidence[rows] = p.max(1, initial=0)
    named = {f"p_{name}": full[:, column] for column, name in enumerate(LABELS)}
    return table.assign(
        label=pd.Series(label, dtype="str"),
        **named,
        score=full[:, 2] - full[:, 0],
        confidence=confidence,
        why=pd.Series(reasons, dtype="str"),
    )


def _probabilities(
    texts: list[str], labels: NDArray[np.int64], model: Model, seed: int, progress: Progress | None
) -> tuple[Floats, list[str], Measured | None]:
    if callable(model):
        return _of_callable(texts, model), [""] * len(texts), None
    extra = None if model == "default" else _embedded(texts, Path(model))
    enough = int((labels >= 0).sum()) >= LEAST_RATED and np.unique(labels[labels >= 0]).size > 1
    if extra is not None and not enough:
        raise DataError(
            f"model: a model of sentence embeddings needs at least {LEAST_RATED} texts with a rating to learn from. There are {int((labels >= 0).sum())}."
        )
    total = len(texts) * (2 if enough else 1)

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, total)

    logits, lexicon, why, counts = _in_chunks(texts, tell)
    if not enough:
        return probabilities(logits), why, None
    adapted = adapt(
        rated_texts(texts, lexicon, logits, labels, extra, counts),
        seed,
        lambda done: tell(len(texts) + done),
    )
    tell(total)
    p = adapted.probabilities
    return p, _why_anew(texts, why, logits.argmax(1), p.argmax(1)), adapted.measured


def _in_chunks(
    texts: list[str], tell: Callable[[int], None]
) -> tuple[Floats, Floats, list[str], Counts | None]:
    """The default scorer's logits, lexicon features and reasons; and the counts of words, where all texts are one chunk."""
    scorer = default_scorer()
    logits, lexicon = np.zeros((len(texts), len(LABELS))), np.zeros((len(texts), len(FEATURES)))
    why: list[str] = []
    counts = None
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        counts = counted(some)
        blocks, part = scorer.blocks(some, counts), slice(start, start + len(some))
        logits[part], lexicon[part] = scorer.logits(blocks), blocks.looks.lexicon
        why += scorer.why(blocks, logits[part].argmax(1))
        tell(part.stop)
    return logits, lexicon, why, counts if len(texts) <= CHUNK else None


def _why_anew(
    texts: list[str], why: list[str], before: NDArray[np.int64], now: NDArray[np.int64]
) -> list[str]:
    """The reasons, read again where the adapted label is another one."""
    scorer, reasons = default_scorer(), list(why)
    changed = np.flatnonzero(before != now)
    for start in range(0, changed.size, CHUNK):
        rows = changed[start : start + CHUNK]
        some = [texts[row] for row in rows.tolist()]
        for row, reason in zip(
            rows.tolist(), scorer.why(scorer.blocks(some, counted(some)), now[rows]), strict=True
        ):
            reasons[row] = reason
    return reasons


def _of_callable(texts: list[str], model: Callable[[list[str]], Any]) -> Floats:
    if not texts:
        return np.empty((0, 3))
    answers = np.asarray(
        [
            row
            for start in range(0, len(texts), CHUNK)
            for row in model(texts[start : start + CHUNK])
        ],
        dtype=float,
    )
    if (
        answers.shape != (len(texts), 3)
        or (answers < 0).any()
        or not np.allclose(answers.sum(axis=1), 1, atol=1e-3)
    ):
        raise CjlibError(
            f"model: must return a row (negative, neutral, positive) of probabilities for each text. Got shape {answers.shape} for {len(texts)} texts."
        )
    return answers


def _embedded(texts: list[str], folder: Path) -> Floats:
    if not folder.is_dir():
        raise CjlibError(
            f"model: must be 'default', a folder with a sentence-embedding model, or a callable. There is no folder {shown(str(folder))}."
        )
    if importlib.util.find_spec("sentence_transformers") is None:
        raise CjlibError(
            "model: a folder needs the extra: pip install 'customer-journey-notebooks[text]'."
        )
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]

    return np.asarray(
        SentenceTransformer(str(folder), local_files_only=True).encode(
            texts, normalize_embeddings=True
        ),
        dtype=float,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredFeedback(Result):
    """One row a text, in the order given; `.measured` says how good the labels are where ratings allowed it."""

    measured: Measured | None


def score_texts(
    texts_or_feedback: Sequence[str] | Feedback,
    *,
    model: Model = "default",
    seed: int = 0,
    progress: Progress | None = None,
) -> ScoredFeedback:
    """Label each text negative, neutral or positive, with probabilities and the words that decided.

    Every row is one text, in the order given. Texts that say nothing (empty, digits, an opt-out
    word) and texts that are not English get a status and no label, also where that is most of them
    or all. With 50 or more rated texts (nps, csat, rating) the scorer is fitted to them and used
    only if it is better, by more than one standard error, in 5-fold cross-validation; rated rows
    then carry out-of-fold probabilities.

    Parameters
    ----------
    texts_or_feedback
        A list of texts, or the feedback.
    model
        "default"; a folder with a sentence-embedding model (extra `text`; needs ratings); or a
        callable that takes a list of texts and returns a row of three probabilities (negative,
        neutral, positive) for each.
    seed
        Of the folds.
    progress
        Called every 20,000 texts with how far the work is and how far it goes: a step a text, two
        where ratings may adapt the scorer. `cj.progress_bar()` shows it.

    Returns
    -------
    ScoredFeedback
        `.table`: `feedback_id` (position for a list), `status` (scored, no_text, not_english),
        `language`, `label`, `p_negative`, `p_neutral`, `p_positive` (sum 1), `score` (−1…1),
        `confidence`, `why`. `.metrics`: n, n_scored, n_no_text, n_not_english, and with ratings
        accuracy, macro_f1, ece.

    Raises
    ------
    CjlibError
        If one text is given in place of a list, there is no such folder, the extra `text` is not
        installed, or a callable does not return three probabilities for each text.
    DataError
        If a folder is given but fewer than 50 texts have a rating to learn from.

    Examples
    --------
    >>> import cjlib as cj
    >>> texts = ["The delivery was quick and the staff were lovely.", "Terrible, never again.", ""]
    >>> cj.score_texts(texts).table[["status", "label"]].fillna("").values.tolist()
    [['scored', 'positive'], ['scored', 'negative'], ['no_text', '']]
    """
    scored = _scored(texts_or_feedback, model, seed, progress)
    counts = scored.table["status"].value_counts()
    return ScoredFeedback(
        table=scored.table.copy(deep=False),
        headline=f"{counts_in_words(counts)}; {quality_in_words(scored.measured)}.",
        definition=scorer_in_words(model, scored.measured),
        metrics=scorer_metrics(counts, len(scored.table), scored.measured),
        measured=scored.measured,
    )


def _scored(
    given: Sequence[str] | Feedback, model: Model, seed: int, progress: Progress | None
) -> ScoredTexts:
    if isinstance(given, Feedback):
        return scored_feedback(given, model, seed, progress)
    if isinstance(given, str):
        raise CjlibError(
            f"texts: must be a list of texts or the feedback. Got one text, {shown(given)}: put it into a list."
        )
    texts = [text if isinstance(text, str) else "" for text in given]
    return score(
        [str(position) for position in range(len(texts))],
        texts,
        np.full(len(texts), -1),
        model,
        seed,
        progress=progress,
    )


def counts_in_words(counts: pd.Series) -> str:
    """How many texts were scored, and how many were left out for what."""
    parts = [f"{count_of(int(counts.get('scored', 0)), 'text')} scored"]
    parts += [
        f"{int(counts[status]):,} {words}: left out"
        for status, words in (("not_english", "not English"), ("no_text", "without words"))
        if counts.get(status, 0)
    ]
    return ", ".join(parts)


def quality_in_words(measured: Measured | None) -> str:
    """How often the labels agree with the ratings, beside always saying the most common label; if there are ratings."""
    if measured is None:
        return "accuracy not measured on your data, and probabilities not calibrated on it"
    return (
        f"on {_measured_on(measured)} {about(measured.accuracy)} of the labels agree with the rating "
        f"(always saying {measured.majority}: {about(measured.majority_accuracy)}; macro-F1 {measured.macro_f1:.2f})"
    )


def _measured_on(measured: Measured) -> str:
    part = f"a random {measured.n:,} of " if measured.n < measured.n_rated else ""
    return f"{part}your {measured.n_rated:,} rated texts"


def scorer_in_words(model: Model, measured: Measured | None) -> dict[str, str]:
    """What decided the labels, as entries of a definition."""
    named = {
        "scorer": model
        if isinstance(model, str)
        else str(model)
        if isinstance(model, Path)
        else getattr(model, "__name__", "a callable"),
        "accuracy": quality_in_words(measured),
        "not supported": "sarcasm, emotions, languages other than English, aspects within one sentence, a person's mood over time",
    }
    if measured is None:
        return named
    kept = (
        "used: better by more than one standard error"
        if measured.adapted
        else "not used: not better than the default by more than one standard error"
    )
    return named | {
        "adapted to your ratings": f"{kept} (5-fold macro-F1 {measured.adapted_macro_f1:.3f} against {measured.default_macro_f1:.3f})",
        "calibration": f"expected error of the confidence {measured.ece:.3f}; a perfect model of this size would show {measured.ece_floor:.3f}",
    }


def scorer_metrics(counts: pd.Series, n: int, measured: Measured | None) -> dict[str, Metric]:
    """How many texts were scored, and how well."""
    words = {"scored": "Texts scored", "no_text": "Without words", "not_english": "Not in English"}
    named = {"n": metric(n, label="Texts", unit="number")} | {
        f"n_{status}": metric(int(counts.get(status, 0)), label=label, unit="number")
        for status, label in words.items()
    }
    if measured is None:
        return named
    low, high = wilson(round(measured.accuracy * measured.n), measured.n)
    quality = {
        "accuracy": metric(measured.accuracy, float(low), float(high), measured.n, label="Labels that agree with the rating", unit="share", better="higher"),
        "majority_accuracy": metric(measured.majority_accuracy, n=measured.n, label=f"Agree if always {measured.majority}", unit="share"),
    }  # fmt: skip
    others = {
        "macro_f1": "Macro-F1",
        "ece": "Error of the confidence",
        "ece_floor": "Error of a perfect model's confidence",
        "default_macro_f1": "Macro-F1 of the default",
        "adapted_macro_f1": "Macro-F1 adapted to the ratings",
    }
    return named | quality | {
        name: metric(getattr(measured, name), n=measured.n, label=label, unit="number", better="lower" if name.startswith("ece") else "higher")
        for name, label in others.items()
    }  # fmt: skip
