"""Silences that count as having left: whether they are no more than the rhythm in which customers come."""

from __future__ import annotations

import numpy as np

from cjlib.shared.comparison import MIN_N
from cjlib.shared.first_events import events_sql
from cjlib.show.numbers import timespan
from cjlib.sources.ingest.thin_end import THIN, ThinEnd, thin_end
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.event_log import EventLog


def rhythm_in_words(log: EventLog, length: int, activity: Event = None) -> str:
    """That most silences of a length which counts as having left were broken within as long again, for the definition; "" where they were not.

    `activity` is what breaks a silence; None: any event.
    """
    return broken_in_words(*silences_broken(log, length, activity), length)


def broken_in_words(broken: int, silences: int, length: int) -> str:
    """The same of so many silences, of which so many were broken."""
    if silences < MIN_N or 2 * broken <= silences:
        return ""
    return (
        f"{broken:,} of {silences:,} silences of {timespan(length)} were broken within as long again: it is shorter than the rhythm of many, "
        "who are no churners"
    )


def silences_broken(log: EventLog, length: int, activity: Event = None) -> tuple[int, int]:
    """How many silences of at least that length ended within as long again, of those that could be watched for it."""
    step, until = as_step(activity, "active_event"), log.observed_until_us
    source = events_sql(log, step, "active_event", "c, t", f"t <= {until}")
    found = log.engine.columns(
        f"SELECT nc = c AND nt - t <= {2 * length} AS broken FROM (SELECT c, t, lead(c) OVER () AS nc, lead(t) OVER () AS nt FROM {source}) "
        f"WHERE (nc IS NULL OR nc <> c OR nt - t >= {length}) AND t <= {until - 2 * length}"
    )["broken"]
    return int(np.count_nonzero(found == 1)), len(found)


def thin_end_of(log: EventLog) -> ThinEnd | None:
    """The last days in which many customers are missing, as the reading found them where it looked at the same events."""
    read = not log.filters and log.span_us is not None and log.span_us[1] == log.observed_until_us
    if read and THIN not in set(log.quality["check"]):
        return None
    return thin_end(log.engine, log.prepared, log.observed_until_us)


def late_in_words(log: EventLog) -> str:
    """That many customers are missing in the last days; "" where they are not."""
    thin = thin_end_of(log)
    return "" if thin is None else thin.words(log.zone)


def warned(rhythm: str) -> str:
    """What a headline adds where a silence is a rhythm, or a total is in doubt."""
    return f" But {rhythm}." if rhythm else ""
