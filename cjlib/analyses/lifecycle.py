"""Who is new, who stays, who returns after a pause, who pauses: period by period, adding up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Better, Metric, Result, metric
from cjlib.errors import did_you_mean, not_a_log, not_one_of, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.first_events import Whole, events_sql
from cjlib.shared.periods import (
    WEEK_STARTS,
    Calendar,
    Period,
    WeekStart,
    calendar,
    check_period,
)
from cjlib.shared.sql import first_there, instant, matching
from cjlib.shared.stats import wilson
from cjlib.show.numbers import confidence, percent_within
from cjlib.sources.log.conditions import Event, Step, as_step
from cjlib.sources.log.event_log import EventLog, Log

LABELS: dict[str, tuple[str, Better]] = {
    "active": ("Active customers", "higher"),
    "new": ("New customers", "higher"),
    "resurrected": ("Reactivated customers", "higher"),
    "dormant": ("Lapsed customers", "lower"),
}
KINDS = ("new", "returning", "resurrected", "dormant")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifecycle(Result):
    """How the active customers of each period came about, and who of the period before is missing."""

    period: str


def lifecycle(
    log: EventLog,
    *,
    event: Event = None,
    period: Period = "month",
    week_start: WeekStart = "monday",
) -> Lifecycle:
    """New, returning, resurrected and dormant customers of every calendar period.

    A customer is active in a period (in the log's zone) that holds an event, and counts there once,
    as **new** (the customer's first event of the log), **returning** (active in the period before
    as well) or **resurrected** (active before, but not in the period before). **Dormant** is who
    was active in the period before and is not in this one: counted once, in the first period
    without an event, as a positive number. Dormant is not lost: who comes back is resurrected. So
    active = new + returning + resurrected, and active − active before = new + resurrected −
    dormant. The first period knows no earlier one: everyone is new there. Every period from the
    first event to the end of data has a row; one that has not ended is marked, since its dormant
    may still come. With a first period that the log covers in part nothing is compared.

    Parameters
    ----------
    log
        The events.
    event
        What makes a customer active: a name, a list of names (any of them), None (any event) or
        `cj.Step(…)`.
    period
        "hour", "day", "week", "month", "quarter" or "year".
    week_start
        "monday" or "sunday".

    Returns
    -------
    Lifecycle
        `.table`: `period_start` (local), `new`, `returning`, `resurrected`, `dormant`, `active`,
        `complete`; by period. `.metrics`, of the last complete period: `active`, `new`,
        `resurrected`, `dormant`, `share_of_previous_returning` (Wilson, 95%), `gained_per_dormant`
        ((new + resurrected) ÷ dormant, missing where nobody is dormant).

    Raises
    ------
    CjlibError
        If `log` is no event log, or `period` or `week_start` is none of those named.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> days = pd.to_datetime(["2024-01-05", "2024-02-05", "2024-04-05", "2024-02-06"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": ["u1", "u1", "u1", "u2"], "event": "visit", "timestamp": days}))
    >>> cj.lifecycle(log).table[["new", "returning", "resurrected", "dormant"]].to_numpy().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 1, 0]]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    check_period(period)
    if week_start not in WEEK_STARTS:
        raise not_one_of("week_start", week_start, WEEK_STARTS)
    step = as_step(event, "event")
    bounds = _bounds(log, step)
    if bounds is None:
        table = _table(
            np.zeros((0, len(KINDS)), dtype=np.int64),
            pd.DatetimeIndex([], dtype="datetime64[us]"),
            np.zeros(0, dtype=bool),
        )
        return Lifecycle(
            table=table,
            headline="No customer is active: nothing to count.",
            definition=_definition(log, step, period, week_start),
            period=period,
        )
    periods = calendar(*bounds, period, log.zone, week_start=week_start)
    complete = periods.starts[1:] - 1 <= log.observed_until_us
    whole = periods.begins_whole(log.span_us[0] if log.span_us else bounds[0])
    sql = _sql(log, step, periods)
    kinds = log.counted(_kinds_here, _kinds_there, step, periods, sql)
    table = _table(kinds, periods.labels, complete)
    return Lifecycle(
        table=table,
        headline=_headline(table, period, whole),
        definition=_definition(log, step, period, week_start),
        metrics=_metrics(table, whole),
        sql=sql,
        period=period,
    )


def _bounds(log: EventLog, step: Step) -> tuple[int, int] | None:
    """First matching event and end of data."""
    first = log.counted(_first_here, first_there, step)
    until = log.observed_until_us
    return None if first is None or first > until else (first, until)


def _first_here(log: EventLog, step: Step) -> int | None:
    return log.engine.rows(f"SELECT min(t) FROM {log.prepared} WHERE {log.match(step)}")[0][0]


def _active(log: EventLog, step: Step, periods: Calendar) -> tuple[Whole, Whole]:
    """Customer and period of all activity, each pair once, by customer and period."""
    source = events_sql(
        log, step, "event", f"c, {periods.index_sql()} AS p", f"t <= {log.observed_until_us}"
    )
    found = log.engine.columns(
        f"SELECT c, p FROM (SELECT c, p, lag(c) OVER () AS pc, lag(p) OVER () AS pp FROM {source}) WHERE pc IS NULL OR pc <> c OR pp <> p"
    )
    return found["c"].astype(np.int64), found["p"].astype(np.int64)


def _kinds_here(log: EventLog, step: Step, periods: Calendar, sql: str) -> Whole:
    """Customers of each kind; rows: periods."""
    return _kinds(*_active(log, step, periods), len(periods))


def _kinds(customer: Whole, period: Whole, periods: int) -> Whole:
    same = np.append(False, customer[1:] == customer[:-1])
    gap = np.append(0, np.diff(period))
    # Whoever has no further activity, or pauses, is missing in the period after this one, if there is one.
    pauses = np.append((~same[1:]) | (gap[1:] > 1), True)[: period.size]
    counted = (~same, same & (gap == 1), same & (gap > 1), pauses & (period + 1 < periods))
    at = (period, period, period, period + 1)
    return np.stack(
        [
            np.bincount(where[which], minlength=periods)
            for where, which in zip(at, counted, strict=True)
        ],
        axis=1,
    )


def _kinds_there(log: Log, step: Step, periods: Calendar, sql: str) -> Whole:
    """The same where the events lie: one row a period comes back."""
    return log.run(sql).sort_values("period_start")[list(KINDS)].to_numpy(dtype="int64")


def _table(kinds: Whole, labels: pd.DatetimeIndex, complete: NDArray[np.bool_]) -> pd.DataFrame:
    counts = {kind: kinds[:, place].astype(np.int64) for place, kind in enumerate(KINDS)}
    return pd.DataFrame(
        {
            "period_start": labels,
            **counts,
            "active": kinds[:, :3].sum(axis=1).astype(np.int64),
            "complete": complete,
        }
    )


def _metrics(table: pd.DataFrame, whole: bool) -> dict[str, Metric]:
    """Of the last complete period that has one before it; the first one says nothing but who was there, and no more where the log covers it in part."""
    ended = np.flatnonzero(table["complete"])
    if not ended.size:
        return {}
    last = table.iloc[int(ended[-1])]
    counts = {
        kind: metric(int(last[kind]), label=label, unit="number", better=better)
        for kind, (label, better) in LABELS.items()
    }
    place = int(ended[-1])
    before = int(table["active"].iloc[place - 1]) if place > 1 or (place and whole) else 0
    if not before:
        return counts
    low, high = wilson(int(last["returning"]), before)
    gained = (
        (int(last["new"]) + int(last["resurrected"])) / int(last["dormant"])
        if last["dormant"]
        else float("nan")
    )
    shares = {
        "share_of_previous_returning": metric(
            int(last["returning"]) / before,
            float(low),
            float(high),
            before,
            label="Stayed active from the period before",
            unit="share",
            better="higher",
        )
    }
    return (
        counts
        | shares
        | {
            "gained_per_dormant": metric(
                gained,
                label="New and reactivated per lapsed customer",
                unit="number",
                better="higher",
            )
        }
    )


def _headline(table: pd.DataFrame, period: str, whole: bool) -> str:
    """The last complete period against the one before."""
    ended = np.flatnonzero(table["complete"])
    if ended.size < 2:
        return f"No two {period}s have ended yet: no change can be given."
    if ended[-1] == 1 and not whole:
        first, only = (_named(pd.Timestamp(start), period) for start in table["period_start"][:2])
        return (
            f"{table['active'].iloc[1]:,} customers were active in the {period} of {only}. The log covers the one before ({first}) in part only: "
            "no change can be given, and who is new cannot be told from who was there before."
        )
    place = int(ended[-1])
    last, before = table.iloc[place], int(table["active"].iloc[place - 1])
    name = _named(pd.Timestamp(last["period_start"]), period)
    change = f"{last['active']:,} customers were active in the {period} of {name}, {before:,} in the one before"
    flows = (
        f"{last['new']:,} new and {last['resurrected']:,} reactivated, {last['dormant']:,} lapsed"
    )
    if before < MIN_N:
        return f"{change}: {flows}. That is fewer than {MIN_N}: too few to read."
    low, high = wilson(int(last["returning"]), before)
    share = percent_within(last["returning"] / before, float(low), float(high))
    stayed = f"{share} of the {before:,} stayed active ({confidence(float(low), float(high))})"
    return f"{change}: {flows}; {stayed}. Lapsed customers who return count as reactivated."


def _named(start: pd.Timestamp, period: str) -> str:
    return {
        "hour": f"{start:%Y-%m-%d %H:%M}",
        "month": f"{start:%Y-%m}",
        "quarter": f"{start:%Y-%m}",
        "year": f"{start:%Y}",
    }.get(period, f"{start:%Y-%m-%d}")


def _definition(log: EventLog, step: Step, period: str, week_start: str) -> dict[str, str]:
    told = {
        "active": f"has {step} in the period",
        "period": f"calendar {period} in {log.timezone}"
        + (f", from {week_start}" if period == "week" else ""),
        "new": "the customer's first such event of the log",
        "returning": "active in the period before as well",
        "resurrected": "active earlier, not in the period before",
        "dormant": "active in the period before, not in this one; counted once; not lost, since whoever returns is resurrected",
        "first period": "knows no earlier one: everyone is new there, and in the next who was not seen in it; one that the log covers in part is not compared with",
        "complete": f"the period has ended by the end of data ({log.observed_until}); dormant of one that has not may still come",
    }
    told |= {"filter": " and ".join(log.filters_in_words)} if log.filters_in_words else {}
    told |= log.counted(
        lambda _: {}, lambda _: {"counted": "where the events lie, by the statement"}
    )
    names = log.event_names
    unknown = [
        f"event: {shown(name)} never occurs.{did_you_mean(name, names)}"
        for name in log.unknown_events(step)
    ]
    return told | ({"warning": " ".join(unknown)} if unknown else {})


def _sql(log: EventLog, step: Step, periods: Calendar) -> str:
    """One row a period: `period_start`, `new`, `returning`, `resurrected`, `dormant`, `active`."""
    rows = (
        f"({place}, {instant(begin)}, {instant(end)}, CAST('{label}' AS TIMESTAMP))"
        for place, (begin, end, label) in enumerate(
            zip(periods.starts[:-1], periods.starts[1:], periods.labels, strict=True)
        )
    )
    found = matching(log, step, "customer_id, timestamp AS seen_at")
    return (
        f"WITH periods AS (\n  SELECT * FROM (VALUES {', '.join(rows)}) AS listed (period, begins, ends, period_start)\n),\n"
        f"active AS (\n  SELECT DISTINCT customer_id, period FROM ({found}) AS seen JOIN periods ON seen_at >= begins AND seen_at < ends\n"
        f"  WHERE seen_at <= {instant(log.observed_until_us)}\n),\n"
        "placed AS (\n  SELECT period, LAG(period) OVER (PARTITION BY customer_id ORDER BY period) AS before,\n"
        "    LEAD(period) OVER (PARTITION BY customer_id ORDER BY period) AS after FROM active\n),\n"
        "moves AS (\n"
        "  SELECT period, CASE WHEN before IS NULL THEN 1 ELSE 0 END AS new, CASE WHEN before = period - 1 THEN 1 ELSE 0 END AS returning,\n"
        "    CASE WHEN before < period - 1 THEN 1 ELSE 0 END AS resurrected, 0 AS dormant FROM placed\n"
        "  UNION ALL SELECT period + 1, 0, 0, 0, 1 FROM placed WHERE after IS NULL OR after > period + 1\n)\n"
        'SELECT period_start, CAST(COALESCE(SUM(moves.new), 0) AS BIGINT) AS "new", CAST(COALESCE(SUM(moves.returning), 0) AS BIGINT) AS "returning",\n'
        "  CAST(COALESCE(SUM(moves.resurrected), 0) AS BIGINT) AS resurrected, CAST(COALESCE(SUM(moves.dormant), 0) AS BIGINT) AS dormant,\n"
        "  CAST(COALESCE(SUM(moves.new + moves.returning + moves.resurrected), 0) AS BIGINT) AS active\n"
        "FROM periods LEFT JOIN moves ON moves.period = periods.period\n"
        "GROUP BY periods.period, period_start ORDER BY period_start"
    )


__all__ = ["Lifecycle", "lifecycle"]
