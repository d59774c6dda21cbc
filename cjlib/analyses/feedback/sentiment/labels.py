"""A label for each text, with probabilities and reasons, and how good the labels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.score_texts import (
    Measured,
    Model,
    Progress,
    ScoredTexts,
    score,
    scored_feedback,
)
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.stats import wilson
from cjlib.show.numbers import about, count_of
from cjlib.sources.feedback.table import Feedback


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
