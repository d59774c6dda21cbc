"""Measures of what customers say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.scores import ces, csat, nps
from cjlib.analyses.scorecard.inputs import Answers, Ground, Measured
from cjlib.analyses.scorecard.series import Ints, Promoters, Series, Shares, counted
from cjlib.sources.feedback.table import Feedback

SCORES = {"nps": nps, "csat": csat, "ces": ces}
GOOD = {"nps": "promoters", "csat": "satisfied", "ces": "easy"}
COLUMN = "period of the scorecard"


def measures(ground: Ground | Answers) -> Iterator[Measured]:
    """NPS, CSAT, CES, and how many of those asked answered."""
    feedback, needs = ground.feedback, _needs(ground.feedback)
    period = (
        np.zeros(0, dtype=np.int64) if needs or feedback is None else _periods(ground, feedback)
    )
    for name in SCORES:
        lacking = needs or _lacks(feedback, name, period)
        yield Measured(
            name,
            None if lacking or feedback is None else _scored(ground, feedback, name, period),
            lacking,
        )
    lacking = ", ".join(part for part in (needs, ground.missing("asked")) if part)
    yield Measured(
        "response_share",
        None if lacking or feedback is None else _answered(ground, feedback, period),
        lacking,
    )


def _needs(feedback: Feedback | None) -> str:
    if feedback is None:
        return "sources.feedback"
    return "" if feedback.frame["timestamp"].notna().any() else "dates in the feedback"


def _lacks(feedback: Feedback | None, name: str, period: Ints) -> str:
    given = feedback is not None and bool(
        (feedback.frame[name].notna().to_numpy() & (period >= 0)).any()
    )
    return "" if given else f"a score {name} in the feedback of these periods"


def _periods(ground: Ground | Answers, feedback: Feedback) -> Ints:
    """The period of each answer; −1 before the first, after the last and without a date."""
    times = feedback.frame["timestamp"]
    dated = times.notna().to_numpy()
    moments = (
        times[dated]
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    found = np.full(len(times), -1, dtype=np.int64)
    found[dated] = np.where(moments <= ground.until, ground.span.calendar.index(moments), -1)
    return found


def _scored(ground: Ground | Answers, feedback: Feedback, name: str, period: Ints) -> Series:
    """The score as its own analysis counts it, once for all periods."""
    mine = feedback.frame[period >= 0].assign(**{COLUMN: period[period >= 0].astype(str)})
    table = SCORES[name](replace(feedback, frame=mine, kept={}), by=COLUMN).table
    place = table["segment"].astype(int).to_numpy()
    n, good, bad = (
        _placed(table[column], place, ground.size, 0).astype(np.int64)
        for column in ("n", GOOD[name], table.columns[4])
    )
    if name != "nps":
        return Shares(good, n)
    value, low, high = (
        _placed(table[column], place, ground.size, np.nan) for column in ("value", "low", "high")
    )
    return Promoters(value, low, high, good, bad, n)


def _placed(column: pd.Series, place: np.ndarray, size: int, missing: float) -> np.ndarray:
    found = np.full(size, missing, dtype=np.float64)
    found[place] = column.to_numpy(dtype=float)
    return found


def _answered(ground: Ground | Answers, feedback: Feedback, period: Ints) -> Shares:
    """Answers with a score that were asked for, where the feedback says which were, ÷ invitations."""
    frame = feedback.frame
    unsolicited = frame["solicited"].eq(False).fillna(False).to_numpy(dtype=bool)
    scored = frame[list(SCORES)].notna().any(axis=1).to_numpy() & ~unsolicited
    asked = ground.of_role("asked").period
    return Shares(
        counted(period[scored & (period >= 0)], ground.size),
        counted(asked[asked >= 0], ground.size),
    )
