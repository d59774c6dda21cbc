"""How customers feel, by what they write: labels for texts, and shares of negatives that can be defended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.score_tables import SAME_MONTHS
from cjlib.analyses.feedback.score_texts import (
    RATINGS,
    TOPIC_SHIFT,
    Model,
    Progress,
    ScoredTexts,
    counts_in_words,
    quality_in_words,
    scored_feedback,
    scorer_in_words,
    scorer_metrics,
)
from cjlib.analyses.feedback.scorer import LABELS
from cjlib.analyses.feedback.sentiment_shares import (
    FEWEST_AUDITED,
    against_others,
    by_segment,
    changes,
    comparable,
    label_index,
    records,
    rows_of,
    share_of,
)
from cjlib.analyses.findings import Finding, topic_of_segment
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import DataError, listed, shown
from cjlib.shared.change_points import level_shifts
from cjlib.shared.comparison import MIN_N, others_in_words
from cjlib.show.numbers import about, capitalised, confidence, count_of, missing, signed
from cjlib.sources.feedback.doubtful_answers import changed_scale
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.feedback.texts import scrub

COMPARED_RATINGS = "the ratings that the scorer was fitted to (−1, 0, 1): what it learnt from them is in no interval of its scores"
METHODS = {
    "ppi++": "labels and model",
    "audit_wilson": "labels alone",
    "model_index": "model alone",
}
"""How a share of negatives was estimated, in words."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sentiment(Result):
    """Sentiment by segment (and period).

    `.against_others`: the mean score of each segment beside all others together, but those named before it (`without`). `.changes`: neighbouring periods, by share where an audit allows it, else by mean
    score. `.shifts`: from which period on the mean score is another one. All with `p_value` and `p_adjusted`, customers being the units; all three compare
    the ratings in place of the scores where the scorer was fitted to them (`by_ratings`).
    `.shares`: labels as the model gives them, an index.
    """

    against_others: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    shifts: pd.DataFrame = field(default_factory=pd.DataFrame)
    audited: bool = False
    by_ratings: bool = False
    shares: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def telling(self) -> Collection[str]:
        """What the texts say, and how good the labels are."""
        wanted = ("share_negative", "mean_score", "accuracy")
        return [name for name in self.metrics if name in wanted or name.startswith("mean_score_")]

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

    Each scored text counts once. Counting a classifier's labels gives a share that is wrong by .3
    and an interval that never covers, so without an `audit` there is no share: `model_index` is the
    mean probability of negative. With one, each segment's share is estimated from its own labels
    and the model's probabilities by PPI++ (never pooled between segments); below 30 labels from the
    labels alone (Wilson); without any it stays an index.

    Parameters
    ----------
    feedback
        The feedback table.
    by
        A column of it, such as "stage"; None: all together.
    period
        Also by calendar period: day, week, month, quarter, year.
    audit
        A table (or CSV) with `feedback_id` and `label` (negative, neutral, positive) made by people
        on a random sample: see `audit_sample`.
    model, progress
        As in `score_texts`.
    min_n
        A row that rests on fewer texts is marked `small_n`.

    Returns
    -------
    Sentiment
        `.table`: `segment`, [`period`], `n`, `n_scored`, `n_left_out`, `n_audited`,
        `share_negative`, `low`, `high`, `method` (ppi++, audit_wilson, model_index), `model_index`,
        `mean_score`, `mean_low`, `mean_high`, `small_n`. `.shares`: shares of the three labels as
        the model gives them (an index).
        `.changes`: with `period`, neighbouring periods of a segment: `difference` of shares
        (audited) or of mean scores, interval, `p_adjusted`, `significant`.

    Raises
    ------
    CjlibError
        If `by` is no column, or `period` is none of the five or the feedback has no dates; and as
        `cj.score_texts` says.
    DataError
        If there is no such file, the audit lacks a column, or has a label or a feedback_id that is
        not known.

    References
    ----------
    Angelopoulos, A. N., Duchi, J. C. & Zrnic, T. (2023). PPI++: Efficient prediction-powered
    inference. arXiv:2311.01453.
    """
    scored = scored_feedback(feedback, model, 0, progress)
    labels = audit_labels(audit, scored.table)
    rows = rows_of(feedback, scored, by, period, labels)
    counts = scored.table["status"].value_counts()
    if not counts.get("scored", 0):
        return Sentiment.unanswered(
            f"Sentiment cannot be told: no text says anything in English ({counts_in_words(counts)})."
        )
    table, whole, audited = by_segment(rows, min_n), share_of(rows, min_n), bool(labels)
    others, others_family = against_others(rows, min_n)
    fitted = bool(rows["rating"].notna().any())
    far = others["difference"].abs() >= (0 if fitted else TOPIC_SHIFT)
    doubtful = _changed_scale(feedback) if fitted else ""
    over_time = rows.drop(columns="period") if doubtful and period else rows
    changed, changes_family = changes(over_time, table, min_n)
    told = comparable(over_time[over_time["status"] == "scored"], min_n)
    shifts = level_shifts(
        "levels of the mean text score", told if "period" in told else None, least=min_n
    )
    families = [tested for tested in (others_family, changes_family, shifts) if tested.tests]
    return Sentiment(
        table=table,
        headline=_headline(whole, scored, audited, others[others_family.claims & far])
        + (
            f" But {doubtful}; the scorer was fitted to them, and no time is compared with another."
            if doubtful
            else ""
        ),
        definition=_definition(scored, by, period, labels, model, min_n)
        | ({"period": f"{period}; {feedback.last_period(period)}"} if period else {})
        | {"compared": COMPARED_RATINGS if fitted else "mean scores"}
        | {"tests": "; ".join(tested.words for tested in families)}
        | ({"same months": SAME_MONTHS} if others_family.tests else {})
        | ({"scale": doubtful} if doubtful else {}),
        metrics=_metrics(whole, table, scored, by, audited),
        findings=_findings(
            others[others_family.claims & far], others_family.name, by, _ground(rows, fitted)
        ),
        families={tested.name: tested.tests for tested in families},
        against_others=others,
        changes=changed if period else pd.DataFrame(),
        shifts=shifts.table if period else pd.DataFrame(),
        audited=audited,
        by_ratings=fitted,
        shares=label_index(rows),
    )


def _changed_scale(feedback: Feedback) -> str:
    """That the scale of a rating that labels texts may have changed; nothing where none seems to have."""
    found = (changed_scale(feedback.frame, name) for name in RATINGS)
    return next((one.words for one in found if one is not None), "")


def _ground(rows: pd.DataFrame, fitted: bool) -> str:
    """What the scores that are compared rest on."""
    rated = count_of(int(rows.loc[rows["status"] == "scored", "rating"].notna().sum()), "rating")
    return f"by {rated}, −1 to 1" if fitted else "a model index"


def _findings(claimed: pd.DataFrame, name: str, by: str | None, ground: str) -> list[Finding]:
    """A segment whose texts are significantly less or more happy than those of the others."""
    return [
        Finding(
            topic=topic_of_segment("sentiment", str(by), row["segment"]),
            claim=f"Texts of {row['segment']} are {'less' if row['difference'] < 0 else 'more'} positive than {others_in_words(row['without'])}: mean score "
            f"{signed(row['mean_score'], 2)} against {signed(row['other_mean_score'], 2)} (95% CI of the difference {signed(row['difference_low'], 2)} to "
            f"{signed(row['difference_high'], 2)}, {count_of(row['customers'], 'customer')}; {ground}).",
            direction="bad" if row["difference"] < 0 else "good",
            family=name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=row["customers"],
            unit="index",
            customers=row["customers"],
            figure="sentiment",
        )
        for row in claimed.to_dict("records")
    ]


def _headline(
    whole: dict[str, Any], scored: ScoredTexts, audited: bool, claimed: pd.DataFrame
) -> str:
    counts = counts_in_words(scored.table["status"].value_counts())
    if whole["method"] == "model_index" or not audited:
        bounds = (
            "all alike, so no interval"
            if missing(whole["mean_low"])
            else f"95% CI {signed(whole['mean_low'], 2)} to {signed(whole['mean_high'], 2)}"
        )
        return (
            f"{_lowest(claimed)}The mean score of {_which(scored)} is {signed(whole['mean_score'], 2)} ({bounds}; −1 negative, 1 positive), "
            f"an index, not a share: read its direction, not its height; {counts}. {capitalised(quality_in_words(scored.measured))}."
        )
    interval = f"{confidence(whole['low'], whole['high'])}, {whole['n_audited']:,} texts labelled by people"
    return f"{about(whole['share_negative'])} of {_which(scored).removeprefix('all ')} are negative ({interval}); {counts}."


def _which(scored: ScoredTexts) -> str:
    """Which texts a score of all rests on."""
    foreign = (scored.table["status"] == "not_english").any()
    return "the texts in English" if foreign else "all texts"


def _lowest(claimed: pd.DataFrame) -> str:
    """The segment whose texts are furthest below the others', where any is significantly."""
    below = claimed[claimed["difference"] < 0]
    if below.empty:
        return ""
    row = below.sort_values(["difference", "segment"]).iloc[0]
    return (
        f"Texts of {row['segment']} are less positive than {others_in_words(row['without'])}: mean score {signed(row['mean_score'], 2)} against "
        f"{signed(row['other_mean_score'], 2)} ({count_of(int(row['customers']), 'customer')}). "
    )


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
        "mean score": "p_positive − p_negative, −1 to 1; t interval, by customers where one wrote several",
        "small n": f"below {min_n} customers with scored texts",
    } | scorer_in_words(model, scored.measured)


def _metrics(
    whole: dict[str, Any], table: pd.DataFrame, scored: ScoredTexts, by: str | None, audited: bool
) -> dict[str, Metric]:
    counts = scored.table["status"].value_counts()
    scale = "" if scored.measured is None else scored.measured.scale

    def mean(row: dict[str, Any], label: str) -> Metric:
        return metric(
            row["mean_score"], row["mean_low"], row["mean_high"], row["n_scored"],
            label=label, unit="number", better="higher", scale=scale,
        )  # fmt: skip

    named = {
        "mean_score": mean(whole, "Mean text score, −1 to 1 (model index)"),
        "model_index": metric(
            whole["model_index"], n=whole["n_scored"], label="Model index for negative",
            unit="number", better="lower", scale=scale,
        ),
    }  # fmt: skip
    if audited:
        named["share_negative"] = metric(
            whole["share_negative"], whole["low"], whole["high"], whole["n_audited"],
            label="Texts that are negative", unit="share", better="lower",
        )  # fmt: skip
    if by is not None and "period" not in table:
        named |= {
            f"mean_score_{row['segment']}": mean(
                row, f"Sentiment at {row['segment']}, −1 to 1 (model index)"
            )
            for row in records(table)
        }
    return named | scorer_metrics(counts, len(scored.table), scored.measured)


def audit_sample(
    feedback: Feedback,
    *,
    by: str | None = None,
    per_segment: int = 60,
    seed: int = 0,
    path: str | Path | None = None,
) -> pd.DataFrame:
    """A random sample of scored texts for people to label: `per_segment` from each segment, in shuffled order, the model's label hidden.

    Only what is drawn at random can stand for the rest: label every row, in any order, and leave
    none out because it is hard. `feedback_id` and `text` are given (personal data removed), `label`
    is empty and takes negative, neutral or positive. With `path` the sample is written as CSV (a
    cell that a spreadsheet would run as a formula is prefixed with ').

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    by
        The column whose values are the segments; None: one segment.
    per_segment
        How many texts of each segment; all of a segment that has fewer.
    seed
        Of the draw and of the order.
    path
        Where to write the sample as CSV; None: nowhere.

    Returns
    -------
    pandas.DataFrame
        `feedback_id`, `text`, `label` (empty); a row for each text drawn.

    Raises
    ------
    DataError
        If no text says anything in English, so that there is nothing to label.
    CjlibError
        If `by` is no column of the feedback.
    """
    scored = scored_feedback(feedback).table
    rows = pd.DataFrame(
        {
            "feedback_id": scored["feedback_id"],
            "text": feedback.frame["text"].to_numpy(),
            "segment": feedback.segment(by),
        }
    )[scored["status"] == "scored"]
    rng = np.random.default_rng(seed)
    drawn = [
        group.iloc[np.sort(rng.permutation(len(group))[:per_segment])]
        for _, group in rows.sort_values("feedback_id").groupby("segment")
    ]
    if not drawn:
        raise DataError("audit_sample: no text was scored, so there is nothing to label.")
    sample = pd.concat(drawn)
    shuffled = sample.iloc[rng.permutation(len(sample))].reset_index(drop=True)
    shuffled = pd.DataFrame(
        {
            "feedback_id": shuffled["feedback_id"],
            "text": [scrub(text)[0] for text in shuffled["text"]],
            "label": "",
        }
    )
    if path is not None:
        _safe_for_spreadsheets(shuffled).to_csv(path, index=False)
    return shuffled


def _safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    risky = table["text"].str.startswith(("=", "+", "-", "@", "\t", "\r"))
    return table.assign(text=table["text"].where(~risky, "'" + table["text"]))


def _read_audit(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"audit: there is no file {shown(str(path))}. Draw one with cj.audit_sample(feedback, path=…) and fill in its labels."
        )
    return pd.read_csv(path, dtype={"feedback_id": "str", "label": "str"})


def audit_labels(audit: pd.DataFrame | str | Path | None, scored: pd.DataFrame) -> dict[str, float]:
    """1 for negative, 0 for the others, by feedback_id."""
    if audit is None:
        return {}
    table = audit if isinstance(audit, pd.DataFrame) else _read_audit(Path(audit))
    absent = [name for name in ("feedback_id", "label") if name not in table.columns]
    if absent:
        raise DataError(
            f"audit: needs the columns 'feedback_id' and 'label'. Missing: {listed(absent)}. It has: {listed(table.columns)}."
        )
    written = table.assign(
        feedback_id=table["feedback_id"].astype("str"),
        label=table["label"].astype("str").str.strip().str.lower(),
    ).dropna(subset=["label"])
    labelled = written[(written["label"] != "") & (written["label"] != "nan")]
    wrong = sorted(set(labelled["label"]) - set(LABELS))
    if wrong:
        raise DataError(f"audit: labels must be one of {listed(LABELS)}. Got {listed(wrong)}.")
    unknown = sorted(set(labelled["feedback_id"]) - set(scored["feedback_id"]))
    if unknown:
        raise DataError(
            f"audit: {len(unknown):,} feedback_id are not in the feedback, such as {listed(unknown, most=3)}. Was it drawn from another file?"
        )
    return {
        str(feedback_id): float(label == "negative")
        for feedback_id, label in zip(labelled["feedback_id"], labelled["label"], strict=True)
    }
