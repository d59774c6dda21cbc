"""The random sample that people label, and the labels they made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.scorer import LABELS
from cjlib.analyses.feedback.texts.solicited_vs_unsolicited import scored_texts
from cjlib.errors import DataError, listed, shown
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.feedback.texts import scrub


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
    scored = scored_texts(feedback)
    rows = pd.DataFrame(
        {
            "feedback_id": scored["feedback_id"],
            "text": [
                None if text is None else scrub(text)[0]
                for text in feedback.frame["text"]
                .astype(object)
                .where(feedback.frame["text"].notna(), None)
            ],
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
    shuffled = (
        sample.iloc[rng.permutation(len(sample))][["feedback_id", "text"]]
        .assign(label="")
        .reset_index(drop=True)
    )
    if path is not None:
        _safe_for_spreadsheets(shuffled).to_csv(path, index=False)
    return shuffled


def _safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    risky = table["text"].str.startswith(("=", "+", "-", "@", "\t", "\r"))
    return table.assign(text=table["text"].where(~risky, "'" + table["text"]))


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"audit: there is no file {shown(str(path))}. Draw one with cj.audit_sample(feedback, path=…) and fill in its labels."
        )
    return pd.read_csv(path, dtype={"feedback_id": "str", "label": "str"})


def audit_labels(audit: pd.DataFrame | str | Path | None, scored: pd.DataFrame) -> dict[str, float]:
    """1 for negative, 0 for the others, by feedback_id."""
    if audit is None:
        return {}
    table = audit if isinstance(audit, pd.DataFrame) else _read(Path(audit))
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
        str(one): float(label == "negative")
        for one, label in zip(labelled["feedback_id"], labelled["label"], strict=True)
    }
