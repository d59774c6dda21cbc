"""Asked and unasked side by side: scores of surveys beside what people write of their own accord, never averaged into one number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.quotes import representative, text_vectors
from cjlib.analyses.feedback.texts.score_texts import ratings_as_labels, scored_feedback
from cjlib.sources.feedback.table import Feedback

CROSSED = (("good_score_negative_text", 2, "negative"), ("bad_score_positive_text", 0, "positive"))
LEAST_TO_CALL = 3


def scored_texts(feedback: Feedback) -> pd.DataFrame:
    """The texts with their labels, one row a feedback in its order."""
    return scored_feedback(feedback).table


def beside(table: pd.DataFrame, feedback: Feedback, by: str | None, min_n: int) -> pd.DataFrame:
    """Per segment the score of those who were asked beside the mean text score of those who were not, with both ranks (1 = worst).

    Rows of which it is not known whether they were asked count on both sides. Ranks are among segments with at least `min_n` on both sides.
    """
    texts = scored_texts(feedback)
    unasked = (texts["status"] == "scored").to_numpy() & ~feedback.frame["solicited"].fillna(
        False
    ).to_numpy(dtype=bool)
    written = pd.DataFrame({"segment": feedback.segment(by), "score": texts["score"]})[unasked]
    ordered = written.sort_values(["segment", "score"]).groupby("segment")["score"]
    means = (
        pd.DataFrame(
            {
                "n_text": ordered.size(),
                "mean_score_of_text": ordered.mean(),
                "spread": ordered.std(),
            }
        )
        .rename_axis("segment")
        .reset_index()
    )
    both = table[["segment", "n", "value", "low", "high"]].merge(means, on="segment", how="outer")
    half = 1.959964 * both["spread"] / np.sqrt(both["n_text"])
    both = both.assign(
        n=both["n"].fillna(0).astype("int64"),
        n_text=both["n_text"].fillna(0).astype("int64"),
        text_low=both["mean_score_of_text"] - half,
        text_high=both["mean_score_of_text"] + half,
        method=pd.Series("model_index", index=both.index, dtype="str").where(
            both["n_text"].notna(), None
        ),
    ).drop(columns="spread")
    enough = (both["n"] >= min_n) & (both["n_text"] >= min_n)
    both["rank_by_score"] = both["value"].where(enough).rank(method="min")
    both["rank_by_text"] = both["mean_score_of_text"].where(enough).rank(method="min")
    both["rank_difference"] = both["rank_by_text"] - both["rank_by_score"]
    return both.sort_values(["n", "segment"], ascending=[False, True], ignore_index=True)


def crossed(feedback: Feedback, *, quotes: bool = True) -> pd.DataFrame:
    """Answers whose score and text disagree: `cell`, `n`, `of` (scored texts with that end of the score), `share`, `quote_1` … `quote_3` (scrubbed)."""
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
        found.append(
            {
                "cell": cell,
                "n": int(member.sum()),
                "of": of,
                "share": member.sum() / of if of else np.nan,
            }
            | named
        )
    return pd.DataFrame(found).astype({f"quote_{place}": "str" for place in (1, 2, 3)})
