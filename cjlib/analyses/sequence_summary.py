"""Sessions, paths and transitions in words: shares, counts, and what every definition of them says."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from cjlib.analyses.result import Metric
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import confidence, count_of, percent, timespan
from cjlib.sources.log.durations import MICROSECONDS
from cjlib.sources.log.event_log import EventLog

START, END, OTHER = "(start)", "(end)", "(other)"
HOUR, DAY = MICROSECONDS["h"], MICROSECONDS["D"]
ENOUGH = 30
"""Times that are all whole hours are a sign of coarse data from so many different ones on."""


def as_common(counts: pd.Series) -> str:
    """What a sentence about the most common adds where another is as common."""
    return " (others are as common)" if (counts == counts.max()).sum() > 1 else ""


def of_few(customers: int) -> str:
    """What is said of what comes most often where few customers do it, such as a robot that visits all day."""
    return f"{count_of(customers, 'customer')} alone: fewer than {MIN_N}, too few to call it common"


def share_words(one: Metric) -> str:
    """`43.2% (95% CI 41.0–45.4%)`."""
    within = confidence(one["low"], one["high"])
    return f"{percent(one['value'])} ({within})" if within else percent(one["value"])


def gap_of(gap: int | None, resolution: int) -> int | None:
    """The pause that cuts: none where times are too coarse for the one given, since every pause is longer."""
    return None if gap is not None and gap < resolution else gap


def gap_in_words(gap: int | None, given: int | None = None, resolution: int = 0) -> str:
    """How the log was cut."""
    if gap != given and given is not None:
        return f"none: times are whole {unit_of(resolution)}, too coarse for pauses of {timespan(given)}, so a customer's whole history is one"
    return (
        "none: a customer's whole history is one"
        if gap is None
        else f"a pause longer than {timespan(gap)} starts a new one"
    )


def unit_of(resolution: int) -> str:
    """A resolution in words."""
    return "days" if resolution == DAY else "hours"


def base_of(log: EventLog, events: int, customers: int) -> dict[str, str]:
    """What was counted and what was left out."""
    span = (
        f"{log.span[0]:%Y-%m-%d} to {log.span[1]:%Y-%m-%d} ({log.timezone})" if log.span else "none"
    )
    words = {"events": f"{count_of(events, 'event')} of {count_of(customers, 'customer')}, {span}"}
    if log.filters_in_words:
        words["only events"] = " and ".join(log.filters_in_words)
    words["left out"] = (
        f"{count_of(len(log.quarantine), 'row')} in quarantine when the log was read"
    )
    return words


def ties_in_words(tied: int) -> str:
    """The rule for ties with how often it decided."""
    return f"events of one instant are ordered by name, then by their other columns ({count_of(tied, 'event')} at an instant shared with another)"


def free_mark(mark: str, names: Collection[str]) -> str:
    """A mark of ours that no name of the data has: `(none)`, or `((none))` where something is called `(none)`."""
    while mark in names:
        mark = f"({mark})"
    return mark


def reserved_names(names: Sequence[str], *marks: str) -> dict[str, str]:
    """A warning for events that are called like a mark of ours."""
    taken = [mark for mark in marks if mark in names]
    if not taken:
        return {}
    ours = ", ".join(free_mark(mark, names) for mark in taken)
    return {
        "warning": f"the log has events called {', '.join(taken)}: our own marks are written {ours}"
    }


def time_resolution(log: EventLog) -> int:
    """The unit in which a log's times are whole, in microseconds: a day, an hour, or 0 for anything finer, too few times to tell, or events that lie elsewhere."""
    return log.counted(_resolution_here, lambda _: 0)


def _resolution_here(log: EventLog) -> int:
    ((whole,),) = log.engine.rows(f"SELECT min(t % {HOUR}) = max(t % {HOUR}) FROM {log.prepared}")
    if not whole:
        return 0
    different = f"SELECT count(DISTINCT t % {DAY}), count(DISTINCT t) FROM {log.prepared}"
    ((days, times),) = log.engine.rows(different)
    if times < ENOUGH:
        return 0
    # Midnights have two remainders where clocks change.
    return DAY if days <= 2 else HOUR
