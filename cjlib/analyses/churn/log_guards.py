"""Guards for features from a log: events that end a customer's life, columns that are as of now, and columns that know the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.activity import Activity
from cjlib.analyses.churn.guards import Finding, as_table, find_telling
from cjlib.sources.events import EventLog

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
TERMINAL = 0.9
FEWEST = 30
MOST_ROWS = 10_000


def log_leaks(log: EventLog, activity: Activity, table: pd.DataFrame, features: tuple[str, ...], horizon: int) -> pd.DataFrame:
    """Every rule for logs, and on the newest labelled cutoff every rule for tables."""
    found = [*_terminal(activity, features, horizon, log.observed_until_us), *_undated(log, features)]
    taken = {(one.column, one.level) for one in found}
    leaks = _of_newest(table, features)
    rest = leaks[[(row.column, "FAIL") not in taken for row in leaks.itertuples()]] if len(leaks) else leaks
    return pd.concat([as_table(found), rest], ignore_index=True) if found else rest.reset_index(drop=True)


def _of_newest(table: pd.DataFrame, features: tuple[str, ...]) -> pd.DataFrame:
    known = table["churned"].notna()
    rows = np.flatnonzero(known & (table["cutoff"] == table["cutoff"].where(known).max()))
    if rows.size > MOST_ROWS:
        rows = rows[np.linspace(0, rows.size - 1, MOST_ROWS).astype(np.int64)]
    churned = table["churned"].to_numpy(dtype=float)[rows]
    if not 0 < churned.sum() < churned.size:
        return as_table([])
    return find_telling(table[list(features)].take(rows).reset_index(drop=True), churned)


def _terminal(activity: Activity, features: tuple[str, ...], horizon: int, until: int) -> list[Finding]:
    """Events that no later event of the customer follows.

    Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet.
    """
    if len(activity.names) < 2:
        return []
    settled, every, final = _ends(activity, horizon, until)
    found = []
    for code in np.flatnonzero(final >= TERMINAL * np.maximum(every, 1)).tolist():
        event, share = activity.names[code], final[code] / every[code]
        customers = np.unique(activity.c[settled & (activity.e == code)]).size
        if customers < FEWEST:
            continue
        own = [name for name in (f"n_{event}_90d", f"days_since_{event}") if name in features]
        text = f"after {event} almost nobody comes back ({share:.0%} of {customers:,} customers who had it): it is churn, not a sign of it. It is left out; consider churn_event={event!r}."
        found += [Finding(name, "FAIL", "terminal event", share, text) for name in own]
    return found


def _ends(activity: Activity, horizon: int, until: int) -> tuple[Flags, Whole, Whole]:
    """Which rows are of settled customers; of each event name, how many of them there are, and how many at a customer's last instant."""
    sizes = np.diff(activity.starts, append=activity.c.size)
    last = activity.t[activity.starts + sizes - 1]
    settled = np.repeat(last < until - horizon, sizes)
    e, names = activity.e[settled], len(activity.names)
    at_end = (activity.t == np.repeat(last, sizes))[settled]
    return settled, np.bincount(e, minlength=names), np.bincount(e[at_end], minlength=names)


def _undated(log: EventLog, features: tuple[str, ...]) -> list[Finding]:
    """Columns of the customers file."""
    return [
        Finding(
            name,
            "WARN",
            "undated",
            float("nan"),
            f"{name} comes from the customers file as it is now, without the date from which it holds: at an earlier cutoff it may have been another.",
        )
        for name in features
        if name in log.properties and log.properties[name].of_customer
    ]
