"""Texts with their labels: which were scored, how, and how well."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.texts.adaptation import LEAST_RATED, Measured, adapt, rated_texts
from cjlib.analyses.feedback.texts.language import languages, says_something
from cjlib.analyses.feedback.texts.scorer import (
    CHUNK,
    LABELS,
    Floats,
    default_scorer,
    probabilities,
)
from cjlib.analyses.feedback.texts.term_counts import Counts, counted
from cjlib.analyses.feedback.texts.text_features import FEATURES
from cjlib.errors import CjlibError, DataError, shown
from cjlib.sources.feedback.table import Feedback

Model: TypeAlias = "str | Path | Callable[[list[str]], Any]"
Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with how far the work is and how far it goes: a step a text, two where ratings may adapt the scorer."""
_CUTS = {"nps": (6, 9), "rating": (2, 4), "csat": (2, 4)}


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """`table`, one row a text in the order given, and `measured` where ratings allowed it."""

    table: pd.DataFrame
    measured: Measured | None


def ratings_as_labels(frame: pd.DataFrame) -> NDArray[np.int64]:
    """0, 1, 2 by the first rating a row has (nps 0–6 / 7–8 / 9–10; rating and csat 1–2 / 3 / 4–5); −1 without one."""
    labels = np.full(len(frame), -1, dtype=np.int64)
    for name, (bad_to, good_from) in _CUTS.items():
        if name in frame:
            score = frame[name].to_numpy(dtype=float)
            label = np.where(score <= bad_to, 0, np.where(score >= good_from, 2, 1))
            labels = np.where((labels < 0) & ~np.isnan(score), label, labels)
    return labels


def scored_feedback(
    feedback: Feedback, model: Model = "default", seed: int = 0, progress: Progress | None = None
) -> ScoredTexts:
    """The feedback's texts with their labels, in its order; the same feedback is scored once, and so is the same content read anew."""
    key = ("scored", str(model) if isinstance(model, Path) else model, seed)
    if key not in feedback.kept:
        frame = feedback.frame
        ids, texts, labels = (
            frame["feedback_id"].tolist(),
            frame["text"].tolist(),
            ratings_as_labels(frame),
        )
        if model == "default" and len(texts) <= CHUNK:
            said = tuple(text if isinstance(text, str) else None for text in texts)
            feedback.kept[key] = _of_content(tuple(ids), said, labels.tobytes(), seed)
        else:
            feedback.kept[key] = score(ids, texts, labels, model, seed, progress=progress)
    return feedback.kept[key]


@lru_cache(maxsize=2)
def _of_content(
    ids: tuple[str, ...], texts: tuple[str | None, ...], labels: bytes, seed: int
) -> ScoredTexts:
    return score(ids, texts, np.frombuffer(labels, dtype=np.int64), "default", seed)


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
    every = len(texts) * (2 if enough else 1)

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, every)

    logits, lexicon, why, counts = _in_chunks(texts, tell)
    if not enough:
        return probabilities(logits), why, None
    adapted = adapt(
        rated_texts(texts, lexicon, logits, labels, extra, counts),
        seed,
        lambda done: tell(len(texts) + done),
    )
    tell(every)
    return (
        adapted.probabilities,
        _why_anew(texts, why, logits.argmax(1), adapted.probabilities.argmax(1)),
        adapted.measured,
    )


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
