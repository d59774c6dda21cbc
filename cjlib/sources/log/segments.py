"""Which columns of a log make groups that a reader can compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from cjlib.errors import unknown_column
from cjlib.sources.log.event_log import EventLog

USUAL = (
    "channel",
    "source",
    "medium",
    "utm_source",
    "utm_medium",
    "platform",
    "device",
    "device_type",
    "segment",
    "plan",
    "contract",
    "country",
    "region",
)
"""Names that columns for segments usually have, in the order in which one is chosen."""
MOST_VALUES = 20


def segment_columns(log: EventLog, *, most: int = MOST_VALUES) -> list[str]:
    """The text columns of the log and of its customers with at least 2 and at most `most` values; those with a usual name first."""
    fitting = [name for name in log.columns if 2 <= _values(log, name) <= most]
    rank = {name: place for place, name in enumerate(USUAL)}
    return sorted(fitting, key=lambda name: (rank.get(name.casefold(), len(USUAL)), name))


def segment_column(
    log: EventLog | pd.DataFrame, *wanted: str | Sequence[str] | None
) -> str | list[str] | None:
    """The column to compare groups by: the first wanted one that is given, else the log's first column with a usual name, else none.

    Empty text and None ask for nothing; `"none"` asks for no groups. A wanted column that the log does not have is an error with the nearest name.

    Parameters
    ----------
    log
        The event log, or a table of customers.
    *wanted
        Names in order of preference, such as a notebook's parameter and the `by` of the journey file; a list names several columns together.
    """
    for one in wanted:
        if one == "none":
            return None
        if one:
            names = [one] if isinstance(one, str) else list(one)
            for name in names:
                _check_column(log, name)
            return one if isinstance(one, str) else names
    names = list(log.columns) if isinstance(log, pd.DataFrame) else segment_columns(log)
    return usual_column(names)


def _check_column(log: EventLog | pd.DataFrame, name: str) -> None:
    if not isinstance(log, pd.DataFrame):
        log.property(name, "by")
    elif name not in log.columns:
        raise unknown_column("by", name, log.columns)


def usual_column(names: Iterable[str]) -> str | None:
    """The first of the usual names that is among these, upper and lower case being the same; none where none is."""
    written = {name.casefold(): name for name in names}
    return next((written[usual] for usual in USUAL if usual in written), None)


def _values(log: EventLog, name: str) -> int:
    column = log.property(name, "by")
    return log.engine.rows(f"SELECT count(*) FROM {column.dictionary}")[0][0] if column.coded else 0
