"""Texts with their labels: which were scored, how, and how well."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.texts.adapted import LEAST_RATED, Measured, adapt, rated_texts
from cjlib.analyses.texts.language import languages, says_something
from cjlib.analyses.texts.scorer import LABELS, Floats, default_scorer, probabilities
from cjlib.errors import CjlibError, DataError, shown

Model: TypeAlias = "str | Path | Callable[[list[str]], Any]"
Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with how many texts are scored and how many there are."""
CHUNK = 20_000
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


def score(
    ids: Sequence[str], texts: Sequence[str | None], labels: NDArray[np.int64], model: Model, seed: int = 0, *, progress: Progress | None = None
) -> ScoredTexts:
    """Label every text that says something in English; the others keep a status and no label."""
    given = [text if isinstance(text, str) else "" for text in texts]
    status, spoken = _statuses(given)
    rows = np.flatnonzero(status == "scored")
    readable = [given[row] for row in rows]
    p, why, measured = _probabilities(readable, labels[rows], model, seed, progress)
    table = pd.DataFrame({"feedback_id": list(ids), "status": status, "language": spoken}).astype("str")
    table["language"] = table["language"].where(table["status"] != "no_text", None)
    return ScoredTexts(_with_scores(table, rows, p, why), measured)


def _statuses(texts: list[str]) -> tuple[NDArray[np.object_], list[str]]:
    spoken = languages(texts)
    status = [
        "no_text" if not says_something(text) else "scored" if language == "en" else "not_english"
        for text, language in zip(texts, spoken, strict=True)
    ]
    left_out = status.count("not_english")
    if left_out > status.count("scored") and left_out:
        main = Counter(language for language, one in zip(spoken, status, strict=True) if one == "not_english").most_common(3)
        raise DataError(
            f"texts: most are not English ({left_out:,} of {left_out + status.count('scored'):,}; {', '.join(f'{name} {n:,}' for name, n in main)}), and the scorer knows only English. "
            "Score them with a model of your own: model=folder or model=callable; NPS, CSAT and CES work as they are."
        )
    return np.array(status, dtype=object), spoken


def _with_scores(table: pd.DataFrame, rows: NDArray[np.intp], p: Floats, why: list[str]) -> pd.DataFrame:
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
        label=pd.Series(label, dtype="str"), **named, score=full[:, 2] - full[:, 0], confidence=confidence, why=pd.Series(reasons, dtype="str")
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
    if not enough:
        return *_in_chunks(texts, progress), None
    scorer = default_scorer()
    blocks = scorer.blocks(texts)
    adapted = adapt(rated_texts(texts, blocks, scorer.logits(blocks), labels, extra), seed)
    return adapted.probabilities, scorer.why(blocks, adapted.probabilities.argmax(1)), adapted.measured


def _in_chunks(texts: list[str], progress: Progress | None) -> tuple[Floats, list[str]]:
    """The default scorer's probabilities and reasons; a chunk at a time, so that a million texts need no more memory than their answers."""
    scorer = default_scorer()
    parts: list[Floats] = [np.zeros((0, 3))]
    why: list[str] = []
    for start in range(0, len(texts), CHUNK):
        blocks = scorer.blocks(texts[start : start + CHUNK])
        parts.append(probabilities(scorer.logits(blocks)))
        why += scorer.why(blocks, parts[-1].argmax(1))
        if progress is not None:
            progress(min(start + CHUNK, len(texts)), len(texts))
    return np.concatenate(parts), why


def _of_callable(texts: list[str], model: Callable[[list[str]], Any]) -> Floats:
    answers = np.asarray([row for start in range(0, len(texts), CHUNK) for row in model(texts[start : start + CHUNK])], dtype=float).reshape(-1, 3)
    if len(answers) != len(texts) or (answers < 0).any() or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
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
        raise CjlibError("model: a folder needs the extra: pip install 'customer-journey-notebooks[text]'.")
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]

    return np.asarray(SentenceTransformer(str(folder), local_files_only=True).encode(texts, normalize_embeddings=True), dtype=float)


CONTROL = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
"""Zero-width and direction marks: they hide words from a reader and from the scorer."""
