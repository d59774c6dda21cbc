"""What makes answers doubtful as a whole: a scale that seems to have changed on a day, answers delivered twice, and one customer who gave many of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import shown
from cjlib.show.numbers import about, percent
from cjlib.sources.ingest.open_source import QualityLine

FEWEST, LEAST_BEYOND, LEAST_AT_BOUND = 50, 0.2, 0.05
BY_CHANCE = 1e-6
"""So rarely chance alone would keep all answers of a time within the bound, were they as those of the other time."""
MANY_OF_ONE, MANY_AGAIN = 0.05, 0.1
LONG_TEXT = 40
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChangedScale:
    """From a moment on (or until then) answers lie beyond a bound that all others keep: `quiet` answers keep it, of the `others` this share does not."""

    score: str
    at: pd.Timestamp
    earlier: bool
    quiet: int
    others: int
    bound: float
    above: bool
    share: float

    @property
    def words(self) -> str:
        """In a sentence without its full stop."""
        when = ("before", "from then on") if self.earlier else ("since", "before")
        beyond = "above" if self.above else "below"
        return (
            f"{when[0]} {self.at:%Y-%m-%d} none of {self.quiet:,} answers to {self.score} lies {beyond} {self.bound:g}, {when[1]} {about(self.share)} of {self.others:,} do: "
            "the scale may have changed"
        )


def changed_scale(frame: pd.DataFrame, score: str) -> ChangedScale | None:
    """The moment on one side of which no answer to a score lies beyond a bound that at least a fifth of the others pass; None where chance explains it.

    As where a question of 1 to 5 is asked from 1 to 10 from a day on: a mean that moves then says nothing of customers.
    """
    rows = frame[frame[score].notna() & frame["timestamp"].notna()].sort_values("timestamp")
    if len(rows) < 2 * FEWEST or rows["timestamp"].nunique() < 2:
        return None
    value, times = rows[score].to_numpy(dtype=float), rows["timestamp"]
    found = [
        (chance, ChangedScale(score, times.iloc[place], earlier, *counts, bound, above, share))
        for above, sign in ((True, 1.0), (False, -1.0))
        for earlier, order in ((True, 1), (False, -1))
        for bound in np.unique(value).tolist()
        if (told := _beyond(sign * value[::order], sign * bound)) is not None
        for chance, first, counts, share in [told]
        for place in [first if earlier else len(value) - 1 - first]
    ]
    return min(found, key=lambda one: (one[0], one[1].bound))[1] if found else None


def _beyond(value: Floats, bound: float) -> tuple[float, int, tuple[int, int], float] | None:
    """The chance that so many first answers keep a bound, where they end, both numbers, and the share of the others beyond it; None where that is nothing special."""
    beyond = value > bound
    if not beyond.any():
        return None
    first = int(beyond.argmax())
    share = float(beyond[first:].mean())
    enough = min(first, value.size - first) >= FEWEST and share >= LEAST_BEYOND
    if not enough or (value[:first] == bound).mean() < LEAST_AT_BOUND:
        return None
    chance = first * float(np.log1p(-min(share, 1 - 1e-9)))
    return (
        (chance, first, (first, value.size - first), share) if chance < np.log(BY_CHANCE) else None
    )


def _anonymous_twice(frame: pd.DataFrame, scales: Mapping[str, tuple[int, int]]) -> int:
    """How many answers without a customer equal another one in time, text, place and scores; only long texts where times are whole days, since many people write "ok" on a day."""
    nobody = frame[frame["customer_id"].isna()]
    if nobody["timestamp"].isna().all():
        in_days = True
    else:
        times = nobody["timestamp"].dropna()
        in_days = bool((times.dt.normalize() == times).all())
    long = nobody["text"].str.len() >= LONG_TEXT
    told = nobody[long.fillna(False).astype(bool)] if in_days else nobody
    return int(told.duplicated(["timestamp", "text", "stage", "touchpoint", *scales]).sum())


def lines_of_doubtful_answers(
    frame: pd.DataFrame, scales: Mapping[str, tuple[int, int]]
) -> list[QualityLine]:
    """The lines of the quality table."""
    changed = [one for name in scales if (one := changed_scale(frame, name)) is not None]
    lines = [
        QualityLine(
            f"{one.score}: scale may have changed",
            one.quiet,
            f"{one.words}. Bring both times onto one scale, or read one of them alone",
        )
        for one in changed
    ]
    again = _anonymous_twice(frame, scales)
    if again >= max(FEWEST, MANY_AGAIN * len(frame)):
        text = (
            f"{again:,} of {len(frame):,} answers without a customer equal another in time, text, place and scores, and all count: "
            "were they delivered twice? An id of an answer (feedback_id) tells"
        )
        lines.append(QualityLine("anonymous answers that repeat", again, text))
    named = frame["customer_id"].dropna().value_counts()
    if not len(named) or named.iloc[0] < max(FEWEST, MANY_OF_ONE * len(frame)) or len(named) == 1:
        return lines
    most = sorted(named.index[named == named.iloc[0]])[0]
    rows = int(named.iloc[0])
    text = f"{shown(most)} gave {rows:,} of {len(frame):,} answers ({percent(rows / len(frame))}): a shared account or a program?"
    return [*lines, QualityLine("many answers of one customer", rows, text)]
