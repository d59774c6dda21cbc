"""Guards for features from a log: events that end a customer's life, columns that are as of now, and columns that know the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.leakage import Leak, as_table, find_telling
from cjlib.analyses.churn.data.snapshots import Seen
from cjlib.analyses.churn.data.univariate import FEWEST as FEWEST_OUTCOMES
from cjlib.shared.periods import DAY
from cjlib.show.numbers import about
from cjlib.sources.log.event_log import EventLog

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
TERMINAL = 0.9
FEWEST = 30
MOST_ROWS = 10_000


def log_leaks(
    log: EventLog, seen: Seen, table: pd.DataFrame, features: tuple[str, ...], horizon: int
) -> pd.DataFrame:
    """Every rule for logs, and on the newest labelled cutoff what a column alone says; of columns of the customers file also what its values and gaps say."""
    given = tuple(
        name for name in features if name in log.properties and log.properties[name].of_customer
    )
    found = [*_terminal(log, seen, features, horizon), *_undated(given)]
    taken = {(one.column, one.level) for one in found}
    leaks = _of_newest(table, features, given, horizon)
    rest = (
        leaks[[(row.column, "FAIL") not in taken for row in leaks.itertuples()]]
        if len(leaks)
        else leaks
    )
    return (
        pd.concat([as_table(found), rest], ignore_index=True)
        if found
        else rest.reset_index(drop=True)
    )


def _of_newest(
    table: pd.DataFrame, features: tuple[str, ...], given: tuple[str, ...], horizon: int
) -> pd.DataFrame:
    """Judged on those seen within twice the horizon, since any honest count of days tells who is long gone; with too few of them only what was given, on all."""
    known = table["churned"].notna()
    newest = known & (table["cutoff"] == table["cutoff"].where(known).max())
    active = newest & (table["recency_days"] <= 2 * horizon / DAY)
    enough = bool(
        table.loc[active, "churned"].value_counts().reindex([0.0, 1.0], fill_value=0).min()
        >= FEWEST_OUTCOMES
    )
    rows = np.flatnonzero(active if enough else newest)
    if rows.size > MOST_ROWS:
        rows = rows[np.linspace(0, rows.size - 1, MOST_ROWS).astype(np.int64)]
    churned = table["churned"].to_numpy(dtype=float)[rows]
    if not 0 < churned.sum() < churned.size:
        return as_table([])
    return find_telling(
        table[list(features if enough else given)].take(rows).reset_index(drop=True),
        churned,
        given=given,
    )


def _terminal(log: EventLog, seen: Seen, features: tuple[str, ...], horizon: int) -> list[Leak]:
    """Events that no later event of the customer follows.

    Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet.
    """
    if len(log.event_names) < 2:
        return []
    found = []
    for code in np.flatnonzero(seen.final >= TERMINAL * np.maximum(seen.every, 1)).tolist():
        event, share = log.event_names[code], seen.final[code] / seen.every[code]
        customers = (
            _settled(log, code, log.observed_until_us - horizon)
            if seen.every[code] >= FEWEST
            else 0
        )
        if customers < FEWEST:
            continue
        own = [name for name in (f"n_{event}_90d", f"days_since_{event}") if name in features]
        text = f"after {event} almost nobody comes back ({about(share)} of {customers:,} customers who had it): it is churn, not a sign of it. It is left out; consider churn_event={event!r}, or say with active_event= what counts as activity."
        found += [Leak(name, "FAIL", "terminal event", share, text) for name in own]
    return found


def _settled(log: EventLog, code: int, before: int) -> int:
    """How many customers with an event had their last event of all before a moment."""
    gone = f"SELECT c FROM {log.prepared} GROUP BY c HAVING max(t) < {before}"
    return log.engine.rows(
        f"SELECT count(DISTINCT c) FROM {log.prepared} WHERE e = {code} AND c IN ({gone})"
    )[0][0]


def _undated(given: tuple[str, ...]) -> list[Leak]:
    """Columns of the customers file."""
    text = "{} comes from the customers file as it is now, without the date from which it holds: at an earlier cutoff it may have been another."
    return [Leak(name, "WARN", "undated", float("nan"), text.format(name)) for name in given]
