"""Guards for features from a log: events that end a customer's life, columns that are as of now, and columns that know the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.activity import Activity
from cjlib.analyses.churn.guards import Finding, as_table, find_leaks
from cjlib.sources.events import EventLog

Floats = NDArray[np.float64]
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
    labelled = table[table["churned"].notna()]
    if labelled.empty:
        return as_table([])
    rows = labelled[labelled["cutoff"] == labelled["cutoff"].max()]
    if len(rows) > MOST_ROWS:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
    churned = rows["churned"].to_numpy(dtype=float)
    if churned.min() == churned.max():
        return as_table([])
    return find_leaks(rows[list(features)].reset_index(drop=True), churned, by_value=False)


def terminal_shares(activity: Activity, horizon: int, until: int) -> pd.DataFrame:
    """`event`, `customers`, `share_last`: of the events of a name, those that no later event of the customer follows.

    Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet.
    """
    last = np.full(activity.customers, np.iinfo(np.int64).min)
    last[activity.c] = activity.t
    settled = last[activity.c] < until - horizon
    final = settled & (activity.t == last[activity.c])
    names = len(activity.names)
    every = np.bincount(activity.e[settled], minlength=names)
    ends = np.bincount(activity.e[final], minlength=names)
    pairs = np.unique(activity.c[settled].astype(np.int64) * max(names, 1) + activity.e[settled])
    customers = np.bincount(pairs % max(names, 1), minlength=names)
    share = np.divide(ends, every, out=np.zeros(names), where=every > 0)
    return pd.DataFrame({"event": pd.Series(activity.names, dtype="str"), "customers": customers[:names], "share_last": share[:names]})


def _terminal(activity: Activity, features: tuple[str, ...], horizon: int, until: int) -> list[Finding]:
    if len(activity.names) < 2:
        return []
    found = []
    for event, customers, share in terminal_shares(activity, horizon, until).to_numpy().tolist():
        if share < TERMINAL or customers < FEWEST:
            continue
        own = [name for name in (f"n_{event}_90d", f"days_since_{event}") if name in features]
        text = f"after {event} almost nobody comes back ({share:.0%} of {customers:,} customers who had it): it is churn, not a sign of it. It is left out; consider churn_event={event!r}."
        found += [Finding(name, "FAIL", "terminal event", share, text) for name in own]
    return found


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
