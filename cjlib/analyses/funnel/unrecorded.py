"""A step that does not occur in a part of the log, where many customers stood before it."""

from __future__ import annotations

import numpy as np

from cjlib.analyses.funnel.count import Attempts, Counted
from cjlib.analyses.funnel.instants import Instants, Ints
from cjlib.analyses.funnel.options import Question
from cjlib.shared.unrecorded import NEARLY_ALL, Stretch, longest_stretch, some_first
from cjlib.sources.log.event_log import EventLog


def unrecorded_step(log: EventLog, asked: Question, counted: Counted) -> tuple[int, Stretch] | None:
    """The first step (from 0) that nobody at all did for so long that it was probably not recorded, and when."""
    if asked.order == "any":
        return None
    found = None
    for every in some_first(len(counted.attempts)):
        found = _unrecorded(
            log, asked, counted.attempts.take(np.arange(0, len(counted.attempts), every))
        )
        if found is None:
            return None
    if found is None:
        return None
    step, others = found[0], _occurred(counted.attempts.instants, *found)
    stretch = _stretch(log, counted.attempts, step, others) if others.size else found[1]
    return None if stretch is None else (step, stretch)


def _unrecorded(log: EventLog, asked: Question, attempts: Attempts) -> tuple[int, Stretch] | None:
    """The first step that these attempts lack for too long, and when."""
    for step in range(1, len(asked.steps)):
        stretch = _stretch(log, attempts, step)
        if stretch is not None:
            return step, stretch
    return None


def _stretch(
    log: EventLog, attempts: Attempts, step: int, others: Ints | None = None
) -> Stretch | None:
    """For how long these attempts lack a step, which occurred at other times too."""
    before, went_on = attempts.depth >= step, attempts.depth > step
    if not went_on.any():
        return None
    here, there = attempts.times(step - 1), attempts.times(step)
    wait = int(np.quantile(there[went_on] - here[went_on], NEARLY_ALL, method="higher"))
    return longest_stretch(there[went_on], here[before], wait, log.observed_until_us, others)


def _occurred(instants: Instants, step: int, stretch: Stretch) -> Ints:
    """When anybody did the step strictly inside the stretch, outside the counted attempts."""
    at = np.flatnonzero((instants.time > stretch.begins) & (instants.time < stretch.ends))
    kinds = [any(mask >> step & 1 for mask in kind) for kind in instants.kinds]
    return instants.time[at[np.array(kinds, dtype=bool)[instants.kind[at]]]]


def unrecorded_words(log: EventLog, asked: Question, counted: Counted, since: int = 0) -> str:
    """That a step does not occur in a part of the log that ends after `since`; "" where each occurs throughout."""
    found = unrecorded_step(log, asked, counted)
    if found is None or found[1].ends <= since:
        return ""
    step, stretch = found
    return stretch.words(log, asked.in_words[step])
