"""A stage of which nothing occurs in a part of the log, though many customers came before it meanwhile."""

from __future__ import annotations

import numpy as np

from cjlib.analyses.journey_map.stages import StageCounts
from cjlib.shared.unrecorded import NEARLY_ALL, Stretch, longest_stretch, some_first
from cjlib.sources.log.event_log import EventLog

NEVER = np.iinfo(np.int64).max


def unrecorded_words(counts: StageCounts, log: EventLog) -> str:
    """That the first stage of that kind was probably not recorded for a time, in a sentence without its full stop; "" where each occurs throughout."""
    walk = counts.walk
    entered = np.where(counts.entered, walk.time_at(walk.entries), NEVER)
    some = slice(None, None, some_first(walk.customers)[0])
    for stage in walk.places.counted[1:]:
        here, before = entered[:, stage], entered[:, :stage].min(axis=1)
        if _stretch(here[some], before[some], walk.observed_until, None) is None:
            continue
        every = walk.time[walk.stage == stage]
        found = _stretch(here, before, walk.observed_until, every)
        if found is not None:
            return found.words(log, walk.places.stages[stage])
    return ""


def _stretch(
    here: np.ndarray, before: np.ndarray, until: int, every: np.ndarray | None
) -> Stretch | None:
    """The time in which nobody came to a stage, of those who had come to an earlier one before, and of which no event occurs (`every` tells when any does)."""
    came = (before < NEVER) & (before <= here)
    went_on = came & (here < NEVER)
    if not went_on.any():
        return None
    wait = int(np.quantile(here[went_on] - before[went_on], NEARLY_ALL, method="higher"))
    return longest_stretch(here[went_on], before[came], wait, until, every)
