"""Shares of negatives by segment from a model and a random sample of labels; changes from one period to the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.sentiment.ppi import Estimate, ppi_mean, recalibrated
from cjlib.analyses.feedback.texts.score_texts import ScoredTexts
from cjlib.shared.periods import check_period
from cjlib.shared.repeated_answers import customer_codes
from cjlib.shared.stats import Z95, mean_interval, wilson
from cjlib.shared.two_samples import benjamini_hochberg
from cjlib.sources.feedback.table import Feedback

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


def rows_of(
    feedback: Feedback,
    scored: ScoredTexts,
    by: str | None,
    period: str | None,
    labels: dict[str, float],
) -> pd.DataFrame:
    """One row a feedback, by id: what its text says, and what people said of it.

    `segment`, [`period`], `status`, `label`, `score`, `f` (the model's probability of negative), `y` (1 where people labelled it
    negative, 0 where another, else missing) and `g`, which is f recalibrated on the labels.
    """
    table = scored.table
    rows = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "status": table["status"],
            "label": table["label"],
            "score": table["score"],
            "customer": customer_codes(feedback.frame["customer_id"]),
        }
    )
    rows = rows.assign(y=table["feedback_id"].map(labels), f=table["p_negative"].to_numpy())
    rows = rows.assign(g=_recalibrated(rows))
    if period is None:
        return rows
    check_period(period, ("day", "week", "month", "quarter", "year"))
    return rows.assign(period=feedback.periods(period))


def by_segment(rows: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """A row a segment (and period), largest segments first."""
    keys = [name for name in ("segment", "period") if name in rows]
    table = pd.DataFrame(
        [
            dict(zip(keys, key, strict=True)) | share_of(group, min_n)
            for key, group in rows.groupby(keys)
        ],
        columns=[*keys, *COLUMNS],
    )
    sizes = table.groupby("segment")["n"].transform("sum")
    return (
        table.assign(size=-sizes)
        .sort_values(["size", *keys], ignore_index=True)
        .drop(columns="size")
    )


def _recalibrated(rows: pd.DataFrame) -> NDArray[np.float64]:
    f = rows["f"].to_numpy(dtype=float)
    labelled = (rows["y"].notna() & rows["f"].notna()).to_numpy()
    y = rows["y"].fillna(0).to_numpy(dtype=float)
    if labelled.sum() < FEWEST_AUDITED or len(set(y[labelled])) < 2:
        return f
    return np.where(np.isnan(f), np.nan, recalibrated(np.nan_to_num(f, nan=0.5), labelled, y))


def share_of(group: pd.DataFrame, min_n: int) -> dict[str, Any]:
    """What is known of a segment: counts, the share of negatives where there are labels, the model's index, the mean score."""
    scored = group[group["status"] == "scored"]
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
        "model_index": float(np.sort(scored["f"].to_numpy(dtype=float)).mean())
        if len(scored)
        else float("nan"),
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


def label_index(rows: pd.DataFrame) -> pd.DataFrame:
    """How the model's labels divide each segment's texts: an index, no shares."""
    scored = rows[rows["status"] == "scored"]
    counted = scored.groupby(["segment", "label"]).size().rename("n").reset_index()
    return counted.assign(
        index_of_texts=counted["n"] / counted.groupby("segment")["n"].transform("sum")
    )


def changes(table: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """Neighbouring periods of a segment: by share where both are audited, else by mean score."""
    pairs = []
    for segment, group in table.sort_values("period").groupby("segment"):
        periods = list(records(group))
        for before, now in itertools.pairwise(periods):
            if min(before["n_scored"], now["n_scored"]) >= min_n:
                pairs.append(
                    {"segment": segment, "period": now["period"], "earlier": before["period"]}
                    | _change(before, now)
                )
    columns = [
        "segment",
        "period",
        "earlier",
        "measure",
        "difference",
        "difference_low",
        "difference_high",
        "p_value",
    ]
    found = pd.DataFrame(pairs, columns=columns)
    adjusted = benjamini_hochberg(found["p_value"].to_numpy(dtype=float))
    return found.assign(p_adjusted=adjusted, beyond_noise=adjusted < 0.05)


def _change(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    from scipy.special import ndtr

    audited = "ppi++" in (before["method"], now["method"]) and "model_index" not in (
        before["method"],
        now["method"],
    )
    measure, columns = (
        ("share_negative", ("share_negative", "low", "high"))
        if audited
        else ("mean_score", ("mean_score", "mean_low", "mean_high"))
    )
    (old, old_low, old_high), (new, new_low, new_high) = (
        [one[name] for name in columns] for one in (before, now)
    )
    error = np.hypot(old_high - old_low, new_high - new_low) / (2 * Z95)
    p = float(2 * ndtr(-abs(new - old) / error)) if error > 0 else float(new == old)
    return {
        "measure": measure,
        "difference": new - old,
        "difference_low": new - old - Z95 * error,
        "difference_high": new - old + Z95 * error,
        "p_value": p,
    }


def records(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows, each as names and values."""
    return ({str(name): value for name, value in row.items()} for row in table.to_dict("records"))
