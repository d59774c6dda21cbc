"""Solicited and unsolicited side by side: scores of surveys beside what people write of their own accord, never averaged into one number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.quotes import representative, text_vectors
from cjlib.analyses.feedback.texts.score_texts import ratings_as_labels, scored_feedback
from cjlib.shared.repeated_answers import CustomerAnswers, customer_codes
from cjlib.shared.stats import wilson
from cjlib.sources.feedback.table import Feedback

CROSSED = (("good_score_negative_text", 2, "negative"), ("bad_score_positive_text", 0, "positive"))
BESIDE = ["segment", "n", "value", "low", "high", "n_text", "mean_score_of_text", "text_low", "text_high", "method", "rank_by_score",
          "rank_by_text", "rank_difference"]  # fmt: skip


def scored_texts(feedback: Feedback) -> pd.DataFrame:
    """The texts with their labels, one row a feedback in its order."""
    return scored_feedback(feedback).table


def beside(table: pd.DataFrame, feedback: Feedback, by: str | None, min_n: int) -> pd.DataFrame:
    """Per segment the score of the solicited answers beside the mean text score of the unsolicited ones, with both ranks (1 = worst).

    Ranks are among segments with at least `min_n` on both sides; no rows where there are not both solicited scores and unsolicited texts.
    """
    texts = scored_texts(feedback)
    unsolicited = feedback.frame["solicited"].eq(False).fillna(False).to_numpy(dtype=bool)
    written = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "score": texts["score"],
            "customer": customer_codes(feedback.frame["customer_id"]),
        }
    )[unsolicited & (texts["status"] == "scored").to_numpy()]
    if table.empty or written.empty:
        return pd.DataFrame(columns=BESIDE)
    means = pd.DataFrame(
        [_text_row(str(segment), rows) for segment, rows in written.groupby("segment")]
    )
    both = table[["segment", "n", "value", "low", "high"]].merge(means, on="segment", how="outer")
    both = both.assign(
        n=both["n"].fillna(0).astype("int64"),
        n_text=both["n_text"].fillna(0).astype("int64"),
        method=pd.Series("model_index", index=both.index, dtype="str").where(
            both["n_text"].notna(), None
        ),
    )
    enough = (both["n"] >= min_n) & (both["n_text"] >= min_n)
    both["rank_by_score"] = both["value"].where(enough).rank(method="min")
    both["rank_by_text"] = both["mean_score_of_text"].where(enough).rank(method="min")
    both["rank_difference"] = both["rank_by_text"] - both["rank_by_score"]
    return both.sort_values(["n", "segment"], ascending=[False, True], ignore_index=True)[BESIDE]


def _text_row(segment: str, rows: pd.DataFrame) -> dict[str, object]:
    answers = CustomerAnswers.of(
        rows["score"].to_numpy(dtype=float), rows["customer"].to_numpy(dtype=np.int64)
    )
    low, high = answers.mean_interval
    return {
        "segment": segment,
        "n_text": answers.n,
        "mean_score_of_text": answers.mean,
        "text_low": low,
        "text_high": high,
    }


def crossed(feedback: Feedback, *, quotes: bool = True) -> pd.DataFrame:
    """Answers whose score and text disagree.

    `cell`, `n`, `of` (scored texts with that end of the score), `share`, `low`, `high` (Wilson), `quote_1` … `quote_3` (scrubbed).
    """
    texts = scored_texts(feedback)
    ends = ratings_as_labels(feedback.frame)
    written = (texts["status"] == "scored").to_numpy()
    rows = feedback.frame.assign(label=texts["label"])[written].reset_index(drop=True)
    ends = ends[written]
    vectors = text_vectors(rows["text"].tolist()) if quotes and len(rows) else None
    rows = rows.assign(position=np.arange(len(rows)))
    found = []
    for cell, end, label in CROSSED:
        member = (ends == end) & (rows["label"] == label).to_numpy()
        of = int((ends == end).sum())
        said = (
            [quote for _, _, quote in representative(rows[member], vectors)]
            if vectors is not None and member.any()
            else []
        )
        named = {
            f"quote_{place + 1}": said[place] if place < len(said) else None for place in range(3)
        }
        low, high = wilson(int(member.sum()), of)
        found.append(
            {
                "cell": cell,
                "n": int(member.sum()),
                "of": of,
                "share": member.sum() / of if of else np.nan,
                "low": float(low),
                "high": float(high),
            }
            | named
        )
    return pd.DataFrame(found).astype({f"quote_{place}": "str" for place in (1, 2, 3)})
