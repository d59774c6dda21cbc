"""How customers feel, by what they write: labels for texts, and shares of negatives that can be defended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.analyses.feedback.sentiment.audit_sample import audit_labels, audit_sample
from cjlib.analyses.feedback.sentiment.labels import (
    ScoredFeedback,
    counts_in_words,
    quality_in_words,
    score_texts,
    scorer_in_words,
    scorer_metrics,
)
from cjlib.analyses.feedback.sentiment.shares import (
    FEWEST_AUDITED,
    by_segment,
    changes,
    label_index,
    records,
    rows_of,
    share_of,
)
from cjlib.analyses.feedback.texts.score_texts import Model, Progress, ScoredTexts, scored_feedback
from cjlib.analyses.result import Metric, Result, metric
from cjlib.shared.change_points import level_shifts
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import about, signed
from cjlib.sources.feedback.table import Feedback

METHODS = {
    "ppi++": "labels and model",
    "audit_wilson": "labels alone",
    "model_index": "model alone",
}
"""How a share of negatives was estimated, in words."""

__all__ = ["ScoredFeedback", "Sentiment", "audit_sample", "score_texts", "sentiment"]


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

    def readable(self, table: pd.DataFrame) -> pd.DataFrame:
        """Methods in words, and the index called what it is."""
        told = table.assign(method=table["method"].replace(METHODS)) if "method" in table else table
        return told.rename(columns={"model_index": "model's index of negative"})


def sentiment(
    feedback: Feedback,
    *,
    by: str | None = None,
    period: str | None = None,
    audit: pd.DataFrame | str | Path | None = None,
    model: Model = "default",
    progress: Progress | None = None,
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
    model, progress
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
    scored = scored_feedback(feedback, model, 0, progress)
    labels = audit_labels(audit, scored.table)
    rows = rows_of(feedback, scored, by, period, labels)
    table, whole, audited = by_segment(rows, min_n), share_of(rows, min_n), bool(labels)
    return Sentiment(
        table=table,
        headline=_headline(whole, scored, audited),
        definition=_definition(scored, by, period, labels, model, min_n),
        metrics=_metrics(whole, table, scored, by, audited),
        changes=changes(table, min_n) if period else pd.DataFrame(),
        shifts=level_shifts(
            "levels of the mean text score",
            rows[rows["status"] == "scored"].rename(columns={"score": "value"}),
            least=min_n,
        ).table
        if period
        else pd.DataFrame(),
        audited=audited,
        shares=label_index(rows),
    )


def _headline(whole: dict[str, Any], scored: ScoredTexts, audited: bool) -> str:
    counts = counts_in_words(scored.table["status"].value_counts())
    if whole["method"] == "model_index" or not audited:
        return (
            f"Model index {whole['model_index']:.2f} for negative, an index, not a share: read its direction, not its height "
            f"(mean score {signed(whole['mean_score'], 2)}); {counts}; {quality_in_words(scored.measured)}."
        )
    interval = f"95% CI {about(whole['low'])} to {about(whole['high'])}, {whole['n_audited']:,} texts labelled by people"
    return f"{about(whole['share_negative'])} of the texts are negative ({interval}); {counts}."


def _definition(
    scored: ScoredTexts,
    by: str | None,
    period: str | None,
    labels: dict[str, float],
    model: Model,
    min_n: int,
) -> dict[str, str]:
    method = (
        f"PPI++ per segment from {len(labels):,} labels made by people; below {FEWEST_AUDITED} labels from the labels alone"
        if labels
        else "no audit: model index only, no share"
    )
    return {
        "share of negatives": method,
        "base": counts_in_words(scored.table["status"].value_counts()),
        "by": by or "all together",
        "period": period or "all together",
        "audit": "must be a random sample: labels chosen otherwise bias the share"
        if labels
        else "none; cj.audit_sample(feedback) draws one to label",
        "mean score": "p_positive − p_negative, −1 to 1; t interval",
        "small n": f"below {min_n} scored texts",
    } | scorer_in_words(model, scored.measured)


def _metrics(
    whole: dict[str, Any], table: pd.DataFrame, scored: ScoredTexts, by: str | None, audited: bool
) -> dict[str, Metric]:
    counts = scored.table["status"].value_counts()
    named = {
        "mean_score": metric(
            whole["mean_score"], whole["mean_low"], whole["mean_high"], whole["n_scored"]
        ),
        "model_index": metric(whole["model_index"], n=whole["n_scored"]),
    }
    if audited:
        named["share_negative"] = metric(
            whole["share_negative"], whole["low"], whole["high"], whole["n_audited"]
        )
    if by is not None and "period" not in table:
        named |= {
            f"mean_score_{row['segment']}": metric(
                row["mean_score"], row["mean_low"], row["mean_high"], row["n_scored"]
            )
            for row in records(table)
        }
    return named | scorer_metrics(counts, len(scored.table), scored.measured)
