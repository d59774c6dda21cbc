"""Sessions: a customer's events, cut where they pause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.paths.pushdown import sessions_there, words_there
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import (
    base_of,
    gap_in_words,
    share_words,
    time_resolution,
    unit_of,
)
from cjlib.errors import not_a_log
from cjlib.shared.event_arrays import (
    AT_ONCE,
    SECOND,
    Block,
    Ints,
    customer_column,
    named,
    opens,
    sessions_sql,
    spans,
    stacked,
    whole_customers,
)
from cjlib.shared.repeated_rows import rows_of_customers
from cjlib.shared.stats import share
from cjlib.show.numbers import count_of, timespan
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log

Floats = NDArray[np.float64]
LENGTHS = np.array([1, 2, 3, 6, 11, 21])
"""Where the classes of `.lengths` begin, in events."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions(Result):
    """One row a session; `.lengths` counts them by how many events they hold: `events` ("1", "2", "3–5", …), `sessions`, `share` with bounds."""

    lengths: pd.DataFrame = field(default_factory=pd.DataFrame)


def sessions(log: EventLog, *, gap: Duration = "30min") -> Sessions:
    """The sessions of every customer.

    A customer's events in the order of their times are cut wherever the pause since the event
    before is **longer than** `gap`; a pause of exactly `gap` stays inside. A session lasts from its
    first event to its last, so that one of a single event lasts 0 seconds. Events of one instant
    stand in the order of their names, then of their other columns. The session's channel is that of
    its first event that has one.

    Parameters
    ----------
    log
        The events.
    gap
        The longest pause inside a session: `"30min"`, `"2h"`, a timedelta.

    Returns
    -------
    Sessions
        `.table`: `customer_id`, `session` (1-based, per customer), `start` (aware), `seconds`,
        `events`, `first_event`, `last_event`, and `channel` if the log has channels; by customer,
        then session. Unanswered where all times are whole hours or days and `gap` is shorter.
        `.metrics`: `sessions`, `customers`, `median_seconds`, `mean_events`, `share_of_one_event`
        (interval by customers).

    Raises
    ------
    CjlibError
        If `gap` is not a duration with its unit.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> times = pd.to_datetime(["2025-01-01 10:00", "2025-01-01 10:30", "2025-01-01 11:01"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": ["view", "cart", "view"], "timestamp": times}))
    >>> cj.sessions(log, gap="30min").table["events"].tolist()
    [2, 1]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    length = microseconds(gap, "gap")
    resolution = time_resolution(log)
    if length < resolution:
        return Sessions.unanswered(
            f"All times are whole {unit_of(resolution)}, too coarse for sessions cut by pauses of {timespan(length)}. Give a gap of {timespan(resolution)} or more."
        )
    table = log.counted(_table, sessions_there, length)
    seconds, events = table["seconds"].to_numpy(), table["events"].to_numpy()
    customer = np.cumsum(table["session"].to_numpy() == 1) - 1
    lengths = _lengths(events, customer)
    metrics = _metrics(
        seconds, events, lengths.iloc[0], customers=int(customer.max(initial=-1)) + 1
    )
    definition = {
        "unit": "the session; a customer may have several",
        "gap": gap_in_words(length),
        "length": "from the first event of the session to its last; one event alone lasts 0 seconds",
        **base_of(log, int(events.sum()), int(metrics["customers"]["value"] or 0)),
        **log.counted(lambda _: {}, words_there),
    }
    sql = (
        f"{sessions_sql(log, length)}\nSELECT customer_id, session, MIN(timestamp) AS started_at, MAX(timestamp) AS ended_at, COUNT(*) AS events\n"
        "FROM visits\nGROUP BY customer_id, session\nORDER BY customer_id, session"
    )
    return Sessions(
        table=table,
        headline=_headline(metrics, length),
        definition=definition,
        metrics=metrics,
        sql=sql,
        lengths=lengths,
    )


def session_bounds(log: EventLog, gap: int) -> dict[str, NDArray[Any]]:
    """The sessions as columns: customer code, number, start in microseconds, seconds, first and last event code, events."""
    return stacked((_bounds(rows, gap) for rows in whole_customers(log)), log.n_events) or _bounds(
        _nothing(), gap
    )


def _nothing() -> Block:
    return {
        "customer": np.zeros(0, np.int32),
        "time": np.zeros(0, np.int64),
        "event": np.zeros(0, np.uint8),
    }


def _bounds(rows: Block, gap: int) -> dict[str, NDArray[Any]]:
    customer, time = rows["customer"], rows["time"]
    opening = np.flatnonzero(opens(customer, time, gap))
    events = np.diff(opening, append=customer.size)
    closing = opening + events - 1
    who = customer[opening]
    firsts = np.flatnonzero(np.diff(who, prepend=-1))
    return {
        "c": who,
        "session": np.arange(1, who.size + 1) - np.repeat(firsts, np.diff(firsts, append=who.size)),
        "start": time[opening],
        "seconds": (time[closing] - time[opening]) / SECOND,
        "events": events,
        "first": rows["event"][opening],
        "last": rows["event"][closing],
    }


def _table(log: EventLog, gap: int) -> pd.DataFrame:
    opened, names = session_bounds(log, gap), log.event_names
    channel = {"channel": _channels(log, opened["events"])} if "channel" in log.columns else {}
    columns = {
        "customer_id": customer_column(log, opened.pop("c")),
        "session": opened["session"],
        "start": log.moments(opened.pop("start")),
        "seconds": opened["seconds"],
        "events": opened["events"],
        "first_event": named(names, opened.pop("first")),
        "last_event": named(names, opened.pop("last")),
    }
    return pd.DataFrame(columns | channel, copy=False)


def _channels(log: EventLog, events: Ints) -> pd.Series:
    codes, values = log.codes("channel", option="channel")
    row = np.cumsum(events) - events
    first = codes[row]
    later = np.flatnonzero((first < 0) & (events > 1)) if values else np.zeros(0, dtype=np.int64)
    for low in range(0, later.size, AT_ONCE):
        several = later[low : low + AT_ONCE]
        rows = spans(row[several], events[several])
        told = np.flatnonzero(codes[rows] >= 0)
        held, at = np.unique(np.repeat(several, events[several])[told], return_index=True)
        first[held] = codes[rows[told[at]]]
    return named([*values, None], np.where(first < 0, len(values), first))


def _lengths(events: Ints, customer: Ints) -> pd.DataFrame:
    length = np.searchsorted(LENGTHS, events, side="right") - 1
    counts = np.bincount(length, minlength=LENGTHS.size)
    alike = rows_of_customers(length, customer, LENGTHS.size, np.bincount(customer))
    low, high = alike.interval(counts, events.size)
    ends = [*(LENGTHS[1:] - 1).tolist(), None]
    names = [
        f"{first:,} and more"
        if last is None
        else f"{first}"
        if first == last
        else f"{first}–{last}"
        for first, last in zip(LENGTHS.tolist(), ends, strict=True)
    ]
    columns = {
        "events": names,
        "sessions": counts.astype(np.int64),
        "share": share(counts, events.size),
        "share_low": low,
        "share_high": high,
    }
    return pd.DataFrame(columns).astype({"events": "str"})


def _metrics(seconds: Floats, events: Ints, alone: pd.Series, customers: int) -> dict[str, Metric]:
    n = events.size
    return {
        "sessions": metric(n, n=n, label="Sessions", unit="number"),
        "customers": metric(customers, n=customers, label="Customers", unit="number"),
        "median_seconds": metric(
            float(np.median(seconds)) if n else float("nan"),
            n=n,
            label="Median session",
            unit="seconds",
        ),
        "mean_events": metric(
            float(events.mean()) if n else float("nan"),
            n=n,
            label="Events per session",
            unit="number",
        ),
        "share_of_one_event": metric(
            alone["share"],
            alone["share_low"],
            alone["share_high"],
            n,
            label="Sessions of one event",
            unit="share",
        ),
    }


def _headline(metrics: dict[str, Metric], gap: int) -> str:
    n = int(metrics["sessions"]["value"] or 0)
    if n == 0:
        return "The log has no events, so there are no sessions."
    middle = float(metrics["median_seconds"]["value"] or 0)
    return (
        f"{count_of(n, 'session')} of {count_of(metrics['customers']['value'], 'customer')}: half last {timespan(round(middle * SECOND))} or less; "
        f"{share_words(metrics['share_of_one_event'])} are a single event. A gap other than {timespan(gap)} would cut them differently."
    )
