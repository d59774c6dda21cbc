"""Sessions, paths and transitions in words: shares, counts, and what every definition of them says."""

from __future__ import annotations

from collections.abc import Sequence

from cjlib.analyses.result import Metric
from cjlib.show.numbers import confidence, count_of, percent, timespan
from cjlib.sources.log.event_log import EventLog

START, END, OTHER = "(start)", "(end)", "(other)"


def share_words(one: Metric) -> str:
    """`43.2% (95% CI 41.0–45.4%)`."""
    within = confidence(one["low"], one["high"])
    return f"{percent(one['value'])} ({within})" if within else percent(one["value"])


def gap_in_words(gap: int | None) -> str:
    """How the log was cut."""
    return (
        "none: a customer's whole history is one"
        if gap is None
        else f"a pause longer than {timespan(gap)} starts a new one"
    )


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


def reserved_names(names: Sequence[str]) -> dict[str, str]:
    """A warning for events that are called like a mark of ours."""
    taken = [name for name in (START, END, OTHER) if name in names]
    return (
        {
            "warning": f"the log has events called {', '.join(taken)}: they stand in rows of their own beside our marks"
        }
        if taken
        else {}
    )
