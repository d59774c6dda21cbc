"""The feedback table: who said what, when, and how they scored it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cjlib.errors import DataError, unknown_column

SCORES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7), "rating": (1, 5)}
"""The scores a row may carry, with the ends of their scales; more is better in each."""


@dataclass(frozen=True, eq=False)
class Feedback:
    """The answers, reviews and complaints of a business, checked.

    Attributes
    ----------
    frame
        One row a feedback, by `feedback_id`: `feedback_id`, `customer_id` (missing if anonymous), `timestamp` (aware, in the business's zone),
        `text`, `nps`, `csat`, `ces`, `rating` (float64, NaN = no answer), `source`, `solicited` (boolean, missing if not known), `stage`,
        `touchpoint`, then whatever else the source has.
    quality
        What the reading found: `check`, `rows`, `share`, `example`.
    quarantine
        The rows held back: `row`, `reason`, then the raw columns.
    asked
        How many were asked for a score, if that is known.
    """

    frame: pd.DataFrame
    timezone: str
    quality: pd.DataFrame
    quarantine: pd.DataFrame
    asked: int | None = None
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    """Answers that cost time, such as the scored texts, kept for the next question."""

    def segment(self, by: str | None, option: str = "by") -> pd.Series:
        """The segment of each row as text: "all" without `by`, "(not set)" where missing."""
        if by is None:
            return pd.Series("all", index=self.frame.index, dtype="str")
        if by not in self.frame.columns:
            raise unknown_column(option, by, self.frame.columns)
        return self.frame[by].astype("str").where(self.frame[by].notna(), "(not set)")


def read_feedback(source: pd.DataFrame, *, timezone: str = "UTC") -> Feedback:
    """Take a frame as feedback (first thin version)."""
    if not {"text", *SCORES} & set(source.columns):
        raise DataError("source: feedback needs a text or one of nps, csat, ces, rating.")
    frame = source.assign(**{name: source[name].astype(float) if name in source else np.nan for name in SCORES})
    if "feedback_id" not in frame:
        frame = frame.assign(feedback_id=[f"f{row:06d}" for row in range(len(frame))])
    for name in ("customer_id", "text", "source", "stage", "touchpoint"):
        if name not in frame:
            frame = frame.assign(**{name: pd.Series(None, index=frame.index, dtype="str")})
    ordered = frame.sort_values("feedback_id", ignore_index=True)
    return Feedback(frame=ordered, timezone=timezone, quality=pd.DataFrame(), quarantine=pd.DataFrame())
