"""How customers feel, by what they write: labels for texts, and shares of negatives that can be defended."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.periods import check_period
from cjlib.analyses.ppi import Estimate, ppi_mean, recalibrated
from cjlib.analyses.result import MIN_N, Metric, Result, metric
from cjlib.analyses.shifts import level_shifts
from cjlib.analyses.stats import benjamini_hochberg, mean_interval, wilson
from cjlib.analyses.texts.scored import Measured, Model, Progress, ScoredTexts, ratings_as_labels, score
from cjlib.analyses.texts.scorer import LABELS
from cjlib.errors import CjlibError, DataError, listed, shown
from cjlib.sources.feedback import Feedback
from cjlib.sources.scrub import scrub

FEWEST_AUDITED = 15
"""Below so many audit labels in a segment the model adds nothing: Wilson on the labels alone."""
COLUMNS = [
    "n",
    "n_scored",
    "n_left_out",
    "n_audited",
    "share_negative",
    "low",
    "high",
    "method",
    "model_index",
    "mean_score",
    "mean_low",
    "mean_high",
    "small_n",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredFeedback(Result):
    """One row a text, in the order given; `.measured` says how good the labels are where ratings allowed it."""

    measured: Measured | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sentiment(Result):
    """Sentiment by segment (and period).

    `.changes`: neighbouring periods, by share where an audit allows it, else by mean score. `.shifts`: from which period on the mean score is another one.
    `.shares`: labels as the model gives them, an index.
    """

    changes: pd.DataFrame
    shifts: pd.DataFrame
    audited: bool
    shares: pd.DataFrame = field(default_factory=pd.DataFrame)


def score_texts(
    texts_or_feedback: Sequence[str] | Feedback, *, model: Model = "default", seed: int = 0, progress: Progress | None = None
) -> ScoredFeedback:
    """Label each text negative, neutral or positive, with probabilities and the words that decided.

    Every row is one text, in the order given. Texts that say nothing (empty, digits, an opt-out word) and texts that are not English get a status and
    no label. With 50 or more rated texts (nps, csat, rating) the scorer is fitted to them and used only if it is better, by more than one standard error, in
    5-fold cross-validation; rated rows then carry out-of-fold probabilities.

    Parameters
    ----------
    texts_or_feedback
        A list of texts, or the feedback.
    model
        "default"; a folder with a sentence-embedding model (extra `text`; needs ratings); or a callable that takes a list of texts and returns a row of
        three probabilities (negative, neutral, positive) for each.
    seed
        Of the folds.
    progress
        Called with how many texts are scored and how many there are, every 20,000 texts; not while a scorer is fitted to ratings.

    Returns
    -------
    ScoredFeedback
        `.table`: `feedback_id` (position for a list), `status` (scored, no_text, not_english), `language`, `label`, `p_negative`, `p_neutral`,
        `p_positive` (sum 1), `score` (−1…1), `confidence`, `why`. `.metrics`: n, n_scored, n_no_text, n_not_english, and with ratings accuracy, macro_f1, ece.

    Raises
    ------
    DataError
        When most texts are not English.
    """
    scored = _scored(texts_or_feedback, model, seed, progress)
    counts = scored.table["status"].value_counts()
    return ScoredFeedback(
        table=scored.table,
        headline=f"{_counts_in_words(counts)}; {_quality_in_words(scored.measured)}.",
        definition=_scorer_in_words(model, scored.measured),
        metrics=_scorer_metrics(counts, len(scored.table), scored.measured),
        measured=scored.measured,
    )


def _scored(given: Sequence[str] | Feedback, model: Model, seed: int, progress: Progress | None = None) -> ScoredTexts:
    if not isinstance(given, Feedback):
        if isinstance(given, str):
            raise CjlibError(f"texts: must be a list of texts or the feedback. Got one text, {shown(given)}: put it into a list.")
        texts = [text if isinstance(text, str) else "" for text in given]
        return score([str(position) for position in range(len(texts))], texts, np.full(len(texts), -1), model, seed, progress=progress)
    key = f"scored_{model if isinstance(model, str | Path) else id(model)}_{seed}"
    if key not in given.kept:
        frame = given.frame
        given.kept[key] = score(frame["feedback_id"].tolist(), frame["text"].tolist(), ratings_as_labels(frame), model, seed, progress=progress)
    return given.kept[key]


def _counts_in_words(counts: pd.Series) -> str:
    parts = [f"{int(counts.get('scored', 0)):,} texts scored"]
    parts += [
        f"{int(counts[status]):,} {words}: left out"
        for status, words in (("not_english", "not English"), ("no_text", "without words"))
        if counts.get(status, 0)
    ]
    return ", ".join(parts)


def _quality_in_words(measured: Measured | None) -> str:
    if measured is None:
        return "accuracy not measured on your data, and probabilities not calibrated on it"
    return f"on your {measured.n:,} rated texts {measured.accuracy:.0%} of the labels agree with the rating (macro-F1 {measured.macro_f1:.2f})"


def _scorer_in_words(model: Model, measured: Measured | None) -> dict[str, str]:
    named = {
        "scorer": model if isinstance(model, str) else str(model) if isinstance(model, Path) else getattr(model, "__name__", "a callable"),
        "accuracy": _quality_in_words(measured),
        "not supported": "sarcasm, emotions, languages other than English, aspects within one sentence, a person's mood over time",
    }
    if measured is None:
        return named
    kept = "used: better by more than one standard error" if measured.adapted else "not used: no better than the default beyond noise"
    return named | {
        "adapted to your ratings": f"{kept} (5-fold macro-F1 {measured.adapted_macro_f1:.3f} against {measured.default_macro_f1:.3f})",
        "calibration": f"expected error of the confidence {measured.ece:.3f}; a perfect model of this size would show {measured.ece_floor:.3f}",
    }


def _scorer_metrics(counts: pd.Series, n: int, measured: Measured | None) -> dict[str, Metric]:
    named = {"n": metric(n)} | {f"n_{status}": metric(int(counts.get(status, 0))) for status in ("scored", "no_text", "not_english")}
    if measured is None:
        return named
    low, high = wilson(round(measured.accuracy * measured.n), measured.n)
    quality = {"accuracy": metric(measured.accuracy, float(low), float(high), measured.n)}
    return (
        named
        | quality
        | {name: metric(getattr(measured, name), n=measured.n) for name in ("macro_f1", "ece", "ece_floor", "default_macro_f1", "adapted_macro_f1")}
    )


def audit_sample(feedback: Feedback, *, by: str | None = None, per_segment: int = 60, seed: int = 0, path: str | Path | None = None) -> pd.DataFrame:
    """A random sample of scored texts for people to label: `per_segment` from each segment, in shuffled order, the model's label hidden.

    Only what is drawn at random can stand for the rest: label every row, in any order, and leave none out because it is hard. `feedback_id` and `text`
    are given (personal data removed), `label` is empty and takes negative, neutral or positive. With `path` the sample is written as CSV (a cell that a spreadsheet would run as a
    formula is prefixed with ').
    """
    scored = _scored(feedback, "default", 0).table
    rows = pd.DataFrame(
        {
            "feedback_id": scored["feedback_id"],
            "text": [
                None if text is None else scrub(text)[0] for text in feedback.frame["text"].astype(object).where(feedback.frame["text"].notna(), None)
            ],
            "segment": feedback.segment(by),
        }
    )[scored["status"] == "scored"]
    rng = np.random.default_rng(seed)
    drawn = [group.iloc[np.sort(rng.permutation(len(group))[:per_segment])] for _, group in rows.sort_values("feedback_id").groupby("segment")]
    if not drawn:
        raise DataError("audit_sample: no text was scored, so there is nothing to label.")
    sample = pd.concat(drawn)
    shuffled = sample.iloc[rng.permutation(len(sample))][["feedback_id", "text"]].assign(label="").reset_index(drop=True)
    if path is not None:
        _safe_for_spreadsheets(shuffled).to_csv(path, index=False)
    return shuffled


def _safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    risky = table["text"].str.startswith(("=", "+", "-", "@", "\t", "\r"))
    return table.assign(text=table["text"].where(~risky, "'" + table["text"]))


def sentiment(
    feedback: Feedback,
    *,
    by: str | None = None,
    period: str | None = None,
    audit: pd.DataFrame | str | Path | None = None,
    model: Model = "default",
    min_n: int = MIN_N,
) -> Sentiment:
    """Share of negative texts by segment, where people have labelled a random sample; otherwise an index that shows direction, not height.

    Each scored text counts once. Counting a classifier's labels gives a share that is wrong by .3 and an interval that never covers, so without an `audit`
    there is no share: `model_index` is the mean probability of negative. With one, each segment's share is estimated from its own labels and the model's
    probabilities by PPI++ (never pooled between segments); below 15 labels from the labels alone (Wilson); without any it stays an index.

    Parameters
    ----------
    feedback
        The feedback table.
    by
        A column of it, such as "stage"; None: all together.
    period
        Also by calendar period: day, week, month, quarter, year.
    audit
        A table (or CSV) with `feedback_id` and `label` (negative, neutral, positive) made by people on a random sample: see `audit_sample`.
    model
        As in `score_texts`.
    min_n
        A row that rests on fewer texts is marked `small_n`.

    Returns
    -------
    Sentiment
        `.table`: `segment`, [`period`], `n`, `n_scored`, `n_left_out`, `n_audited`, `share_negative`, `low`, `high`, `method` (ppi++, audit_wilson,
        model_index), `model_index`, `mean_score`, `mean_low`, `mean_high`, `small_n`. `.shares`: shares of the three labels as the model gives them (an index).
        `.changes`: with `period`, neighbouring periods of a segment: `difference` of shares (audited) or of mean scores, interval, `p_adjusted`, `beyond_noise`.
    """
    scored = _scored(feedback, model, 0)
    rows = _rows(feedback, scored, by, period)
    labels = _audit_labels(audit, scored.table)
    rows = rows.assign(y=rows["feedback_id"].map(labels), f=scored.table["p_negative"].to_numpy())
    rows = rows.assign(g=_recalibrated(rows))
    keys = ["segment"] if period is None else ["segment", "period"]
    table = pd.DataFrame([dict(zip(keys, key, strict=True)) | _segment(group, min_n) for key, group in rows.groupby(keys)], columns=[*keys, *COLUMNS])
    sizes = table.groupby("segment")["n"].transform("sum")
    order = table.assign(size=-sizes).sort_values(["size", *keys], ignore_index=True).drop(columns="size")
    whole = _segment(rows, min_n)
    audited = bool(labels)
    return Sentiment(
        table=order,
        headline=_headline(whole, scored, audited),
        definition=_definition(scored, by, period, labels, model, min_n),
        metrics=_metrics(whole, order, scored, by, audited),
        changes=_changes(order, rows, min_n) if period else pd.DataFrame(),
        shifts=level_shifts(rows[rows["status"] == "scored"].rename(columns={"score": "value"}), least=min_n) if period else pd.DataFrame(),
        audited=audited,
        shares=_label_index(rows),
    )


def _rows(feedback: Feedback, scored: ScoredTexts, by: str | None, period: str | None) -> pd.DataFrame:
    table = scored.table
    rows = pd.DataFrame(
        {
            "feedback_id": table["feedback_id"],
            "segment": feedback.segment(by),
            "status": table["status"],
            "label": table["label"],
            "score": table["score"],
        }
    )
    if period is None:
        return rows
    check_period(period, ("day", "week", "month", "quarter", "year"))
    return rows.assign(period=feedback.periods(period))


def _audit_labels(audit: pd.DataFrame | str | Path | None, scored: pd.DataFrame) -> dict[str, float]:
    """1 for negative, 0 for the others, by feedback_id."""
    if audit is None:
        return {}
    table = audit if isinstance(audit, pd.DataFrame) else pd.read_csv(audit, dtype={"feedback_id": "str", "label": "str"})
    absent = [name for name in ("feedback_id", "label") if name not in table.columns]
    if absent:
        raise DataError(f"audit: needs the columns 'feedback_id' and 'label'. Missing: {listed(absent)}. It has: {listed(table.columns)}.")
    written = table.assign(feedback_id=table["feedback_id"].astype("str"), label=table["label"].astype("str").str.strip().str.lower()).dropna(
        subset=["label"]
    )
    labelled = written[(written["label"] != "") & (written["label"] != "nan")]
    wrong = sorted(set(labelled["label"]) - set(LABELS))
    if wrong:
        raise DataError(f"audit: labels must be one of {listed(LABELS)}. Got {listed(wrong)}.")
    unknown = sorted(set(labelled["feedback_id"]) - set(scored["feedback_id"]))
    if unknown:
        raise DataError(
            f"audit: {len(unknown):,} feedback_id are not in the feedback, such as {listed(unknown, most=3)}. Was it drawn from another file?"
        )
    return {str(one): float(label == "negative") for one, label in zip(labelled["feedback_id"], labelled["label"], strict=True)}


def _recalibrated(rows: pd.DataFrame) -> NDArray[np.float64]:
    f = rows["f"].to_numpy(dtype=float)
    labelled = (rows["y"].notna() & rows["f"].notna()).to_numpy()
    y = rows["y"].fillna(0).to_numpy(dtype=float)
    if labelled.sum() < FEWEST_AUDITED or len(set(y[labelled])) < 2:
        return f
    return np.where(np.isnan(f), np.nan, recalibrated(np.nan_to_num(f, nan=0.5), labelled, y))


def _segment(group: pd.DataFrame, min_n: int) -> dict[str, Any]:
    scored = group[group["status"] == "scored"].sort_values("feedback_id")
    scores = np.sort(scored["score"].to_numpy(dtype=float))
    estimate, method, audited = _share(scored)
    low, high = mean_interval(scores)
    return {
        "n": len(group),
        "n_scored": len(scored),
        "n_left_out": len(group) - len(scored),
        "n_audited": audited,
        "share_negative": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": method,
        "model_index": float(np.sort(scored["f"].to_numpy(dtype=float)).mean()) if len(scored) else float("nan"),
        "mean_score": float(scores.mean()) if scores.size else float("nan"),
        "mean_low": low,
        "mean_high": high,
        "small_n": len(scored) < min_n,
    }


def _share(scored: pd.DataFrame) -> tuple[Estimate, str, int]:
    labelled = scored["y"].notna().to_numpy()
    n = int(labelled.sum())
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan")), "model_index", 0
    y, g = scored["y"].to_numpy(dtype=float)[labelled], scored["g"].to_numpy(dtype=float)
    if n < FEWEST_AUDITED or y.std() == 0:
        low, high = wilson(y.sum(), n)
        return Estimate(float(y.mean()), float(low), float(high)), "audit_wilson", n
    return ppi_mean(g[labelled], y, g[~labelled]), "ppi++", n


def _label_index(rows: pd.DataFrame) -> pd.DataFrame:
    scored = rows[rows["status"] == "scored"]
    counted = scored.groupby(["segment", "label"]).size().rename("n").reset_index()
    return counted.assign(index_of_texts=counted["n"] / counted.groupby("segment")["n"].transform("sum"))


def _changes(table: pd.DataFrame, rows: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """Neighbouring periods of a segment: by share where both are audited, else by mean score."""
    pairs = []
    for segment, group in table.sort_values("period").groupby("segment"):
        periods = list(_dicts(group))
        for before, now in itertools.pairwise(periods):
            if min(before["n_scored"], now["n_scored"]) >= min_n:
                pairs.append({"segment": segment, "period": now["period"], "earlier": before["period"]} | _change(before, now))
    columns = ["segment", "period", "earlier", "measure", "difference", "difference_low", "difference_high", "p_value"]
    changes = pd.DataFrame(pairs, columns=columns)
    adjusted = benjamini_hochberg(changes["p_value"].to_numpy(dtype=float))
    return changes.assign(p_adjusted=adjusted, beyond_noise=adjusted < 0.05)


def _change(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    from scipy.special import ndtr

    audited = "ppi++" in (before["method"], now["method"]) and "model_index" not in (before["method"], now["method"])
    measure, columns = ("share_negative", ("share_negative", "low", "high")) if audited else ("mean_score", ("mean_score", "mean_low", "mean_high"))
    (old, old_low, old_high), (new, new_low, new_high) = ([one[name] for name in columns] for one in (before, now))
    error = np.hypot(old_high - old_low, new_high - new_low) / (2 * 1.959964)
    p = float(2 * ndtr(-abs(new - old) / error)) if error > 0 else float(new == old)
    return {
        "measure": measure,
        "difference": new - old,
        "difference_low": new - old - 1.959964 * error,
        "difference_high": new - old + 1.959964 * error,
        "p_value": p,
    }


def _headline(whole: dict[str, Any], scored: ScoredTexts, audited: bool) -> str:
    counts = _counts_in_words(scored.table["status"].value_counts())
    if whole["method"] == "model_index" or not audited:
        return (
            f"Model index {whole['model_index']:.2f} for negative, an index, not a share: read its direction, not its height "
            f"(mean score {whole['mean_score']:+.2f}); {counts}; {_quality_in_words(scored.measured)}."
        )
    interval = f"95 % interval {whole['low']:.0%} to {whole['high']:.0%}, {whole['n_audited']:,} texts labelled by people"
    return f"{whole['share_negative']:.0%} of the texts are negative ({interval}); {counts}."


def _definition(scored: ScoredTexts, by: str | None, period: str | None, labels: dict[str, float], model: Model, min_n: int) -> dict[str, str]:
    method = (
        f"PPI++ per segment from {len(labels):,} labels made by people; below {FEWEST_AUDITED} labels from the labels alone"
        if labels
        else "no audit: model index only, no share"
    )
    return {
        "share of negatives": method,
        "base": _counts_in_words(scored.table["status"].value_counts()),
        "by": by or "all together",
        "period": period or "all together",
        "audit": "must be a random sample: labels chosen otherwise bias the share"
        if labels
        else "none; cj.audit_sample(feedback) draws one to label",
        "mean score": "p_positive − p_negative, −1 to 1; t interval",
        "small n": f"below {min_n} scored texts",
    } | _scorer_in_words(model, scored.measured)


def _metrics(whole: dict[str, Any], table: pd.DataFrame, scored: ScoredTexts, by: str | None, audited: bool) -> dict[str, Metric]:
    counts = scored.table["status"].value_counts()
    named = {
        "mean_score": metric(whole["mean_score"], whole["mean_low"], whole["mean_high"], whole["n_scored"]),
        "model_index": metric(whole["model_index"], n=whole["n_scored"]),
    }
    if audited:
        named["share_negative"] = metric(whole["share_negative"], whole["low"], whole["high"], whole["n_audited"])
    if by is not None and "period" not in table:
        named |= {
            f"mean_score_{row['segment']}": metric(row["mean_score"], row["mean_low"], row["mean_high"], row["n_scored"]) for row in _dicts(table)
        }
    return named | _scorer_metrics(counts, len(scored.table), scored.measured)


def _dicts(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    return ({str(name): value for name, value in row.items()} for row in table.to_dict("records"))
