"""Feedback as what features are made from: whose, when, how good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
NEGATIVE = {"nps": 6, "csat": 2, "ces": 3, "rating": 2, "text_score": -0.05}
"""A score of at most this is a bad one."""


@dataclass(frozen=True)
class Answers:
    """Feedback of the log's customers by time: which score, and whether it is a bad one."""

    customer: Codes
    time: Whole
    scores: Mapping[str, Floats]
    negative: Flags

    def of(self, first: int, end: int) -> Answers:
        """Those of the customers from `first` to before `end`, who are numbered from the first."""
        mine = (self.customer >= first) & (self.customer < end)
        scores = {name: score[mine] for name, score in self.scores.items()}
        return Answers(
            self.customer[mine] - np.int32(first), self.time[mine], scores, self.negative[mine]
        )


def find_answers(log: EventLog, ids: NDArray[Any], feedback: Feedback | pd.DataFrame) -> Answers:
    """The feedback of customers whose `ids` the log knows."""
    frame = feedback.frame if isinstance(feedback, Feedback) else feedback
    if not isinstance(frame, pd.DataFrame) or not {"customer_id", "timestamp"} <= set(
        frame.columns
    ):
        raise CjlibError(
            f"feedback: must be what cj.read_feedback gives, with customer_id and timestamp. Got {shown(type(feedback).__name__)}."
        )
    place = {str(one): code for code, one in enumerate(ids.tolist())}
    code = frame["customer_id"].astype("str").map(place)
    stamps = pd.to_datetime(frame["timestamp"])
    stamps = stamps.dt.tz_localize(log.zone) if stamps.dt.tz is None else stamps
    known = (code.notna() & stamps.notna()).to_numpy()
    time = stamps[known].dt.tz_convert("UTC").to_numpy(dtype="datetime64[us]").astype(np.int64)
    scores = {
        name: frame.loc[known, name].to_numpy(dtype=float, na_value=np.nan)
        for name in NEGATIVE
        if name in frame and frame[name].notna().any()
    }
    customer = code[known].to_numpy(dtype=np.int32)
    keys = [*(np.nan_to_num(one, nan=-9.0) for one in scores.values()), time, customer]
    order = np.lexsort(keys)
    bad = np.zeros(time.size, dtype=bool)
    for name, score in scores.items():
        bad |= score <= NEGATIVE[name]
    return Answers(
        customer[order].astype(np.int32),
        time[order],
        {name: score[order] for name, score in scores.items()},
        bad[order],
    )
