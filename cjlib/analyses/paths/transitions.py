"""Transitions: which event follows which, how often, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.paths.pair_counts import Pairs, Tally, tally
from cjlib.analyses.paths.pushdown import Around, pairs_there, smallest_first, words_there
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import (
    END,
    START,
    as_common,
    base_of,
    free_mark,
    gap_in_words,
    gap_of,
    of_few,
    reserved_names,
    ties_in_words,
    time_resolution,
)
from cjlib.errors import not_a_log
from cjlib.shared.comparison import MIN_N
from cjlib.shared.event_arrays import (
    SECOND,
    Codes,
    Flags,
    Ints,
    gap_microseconds,
    named,
    sessions_sql,
    text_rank,
    tied_events,
    whole_customers,
)
from cjlib.shared.group_by import CustomerGroups, group_by, names_given
from cjlib.shared.repeated_rows import (
    RowsOfCustomers,
    RowsWithinBases,
    interval_in_words,
    measured_every,
)
from cjlib.shared.stats import share
from cjlib.show.numbers import confidence, count_of, percent, timespan
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.engine import identifier, literal
from cjlib.sources.log.event_log import EventLog, Log

COLUMNS = (
    "source",
    "target",
    "count",
    "customers",
    "share_of_source",
    "share_of_source_low",
    "share_of_source_high",
    "median_seconds",
    "mean_seconds",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Transitions(Result):
    """Pairs of neighbouring events; `by` names the group columns that come first in `.table`."""

    by: tuple[str, ...] = ()


def transitions(
    log: EventLog, *, by: str | Sequence[str] | None = None, session_gap: Duration | None = None
) -> Transitions:
    """How often each event is followed at once by each other.

    Every event is paired with the customer's next one; a repeat is a transition to itself.
    "(start)" stands before the customer's first event and "(end)" after the last; with
    `session_gap`, before and after each session, and no pair crosses a pause longer than it. Events
    of one instant are ordered by name, then by their other columns. A pair counts as often as it
    occurs; `customers` counts each customer once. `share_of_source` is the share of all pairs with
    that source, those to "(end)" included.

    Parameters
    ----------
    log
        The events.
    by
        Column or columns that group customers, by their first value that is not missing (several:
        by the first event that has any).
    session_gap
        The longest pause inside a session; None: the whole history is one.

    Returns
    -------
    Transitions
        `.table`: [by], `source`, `target`, `count`, `customers`, `share_of_source`,
        `share_of_source_low`, `share_of_source_high` (by customers), `median_seconds`,
        `mean_seconds` (missing at the ends); by count falling, then names; groups by customers,
        then value.

    Raises
    ------
    CjlibError
        If a column of `by` does not exist, or `session_gap` has no unit.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> times = pd.to_datetime(["2025-01-01 10:00", "2025-01-01 10:01", "2025-01-01 10:05"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": ["view", "cart", "buy"], "timestamp": times}))
    >>> cj.transitions(log).table[["source", "target", "median_seconds"]].to_dict("list")["median_seconds"]
    [nan, nan, 240.0, 60.0]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    given_gap = gap_microseconds(session_gap, "session_gap")
    resolution = time_resolution(log) if given_gap is not None else 0
    gap = gap_of(given_gap, resolution)
    names = log.event_names
    start, end = free_mark(START, names), free_mark(END, names)
    grouping, pairs, alike, around = log.counted(
        _pairs, pairs_there, gap, names_given(by, "by", COLUMNS)
    )
    table = _sorted([*names, start, end], grouping, pairs, alike)
    metrics = _metrics(table, around)
    definition = {
        "unit": "the pair of neighbouring events; customers beside it",
        "repeats": "kept: an event after itself is a transition",
        "ends": f"{start} and {end} around each {'customer' if gap is None else 'session'}",
        "session_gap": gap_in_words(gap, given_gap, resolution),
        **_by_in_words(grouping),
        "ties": ties_in_words(around.tied),
        "interval": interval_in_words("pairs", log.counted(_measured_here, lambda _: 1)),
        **base_of(log, around.events, around.customers),
        **reserved_names(names, START, END),
        **log.counted(lambda _: {}, words_there),
    }
    headline = _headline(table, grouping.names if grouping else (), around.customers)
    return Transitions(
        table=table,
        headline=headline,
        definition=definition,
        metrics=metrics,
        sql=_sql(log, gap, grouping.names if grouping else (), (start, end)),
        by=grouping.names if grouping else (),
    )


def _by_in_words(grouping: CustomerGroups | None) -> dict[str, str]:
    if grouping is None:
        return {}
    several = (
        "; of several columns, those of the first event that has any"
        if len(grouping.names) > 1
        else ""
    )
    return {
        "by": f"{', '.join(grouping.names)}: the customer's first value that is not missing{several}"
    }


REPEATED = np.ones(1, dtype=np.int64)
"""Of moves, the kind of those that repeat the event."""


@dataclass(frozen=True)
class Alike:
    """How alike the pairs of a customer are: each among those of its source, and among all moves those that repeat the event."""

    pairs: RowsWithinBases
    repeats: RowsWithinBases


def _pairs(
    log: EventLog, gap: int | None, by: tuple[str, ...]
) -> tuple[CustomerGroups | None, Pairs, RowsOfCustomers, Around]:
    grouping = group_by(log, by, taken=COLUMNS) if by else None
    names = len(log.event_names)
    counted = tally((names + 2) ** 2 * max(1, len(grouping or ())))
    alike = Alike(RowsWithinBases(names + 2), RowsWithinBases(2))
    every = _measured_here(log)
    events = tied = customers = stretches = 0
    for number, rows in enumerate(whole_customers(log)):
        customer, time, event = rows["customer"], rows["time"], rows["event"]
        group = grouping.of[customer] if grouping else np.zeros(1, dtype=np.int64)
        begins = np.append(True, customer[1:] != customer[:-1])
        look = None if number % every else alike
        stretches += _add((counted, look), (customer, time, event, group), gap, names, begins)
        tied += tied_events(customer, time)
        events, customers = events + customer.size, customers + int(np.count_nonzero(begins))
    pairs = counted.pairs()
    return (
        grouping,
        pairs,
        alike.pairs.of(pairs.keys),
        Around(events, tied, customers, stretches, alike.repeats.of(REPEATED)),
    )


def _measured_here(log: EventLog) -> int:
    return measured_every(log.n_events, log.n_customers)


def _add(
    counted: tuple[Tally, Alike | None],
    rows: tuple[Codes, Ints, Codes, Ints],
    gap: int | None,
    names: int,
    begins: Flags,
) -> int:
    """Add a pair a row (to the next event or the end), and one a stretch from the start; how many stretches there are."""
    who, time, event, group = rows
    base, start, end = names + 2, names, names + 1
    last = np.append(begins[1:], True)
    microseconds = np.zeros(who.size, dtype=np.int64)
    np.subtract(time[1:], time[:-1], out=microseconds[:-1])
    if gap is not None:
        last |= microseconds > gap
    microseconds *= ~last
    source = group * base + event.astype(np.intp)
    key = source * base
    key[:-1] += np.where(last[:-1], end, event[1:])
    key[-1] += end
    first = np.append(0, np.flatnonzero(last[:-1]) + 1)
    from_start = (source[first] - event[first] + start) * base + event[first]
    pairs, alike = counted
    pairs.add(key, who, microseconds)
    pairs.add(from_start, who[first])
    if alike is not None:
        alike.pairs.add(np.append(key, from_start), np.append(who, who[first]))
        moves = np.flatnonzero(~last)
        alike.repeats.add((event[moves] == event[moves + 1]).astype(np.int64), who[moves])
    return first.size


def _sorted(
    labels: list[str], grouping: CustomerGroups | None, pairs: Pairs, alike: RowsOfCustomers
) -> pd.DataFrame:
    base = len(labels)
    group, source, target = (
        pairs.keys // (base * base),
        pairs.keys // base % base,
        pairs.keys % base,
    )
    ends = (source == base - 2) | (target == base - 1)
    of_source = group * base + source
    total = (
        np.bincount(of_source, weights=pairs.sizes)[of_source].astype(np.int64)
        if of_source.size
        else np.zeros(0, dtype=np.int64)
    )
    low, high = alike.interval(pairs.sizes, total)
    rank = text_rank(labels)
    order = np.lexsort((rank[target], rank[source], -pairs.sizes, group))
    columns = {
        **(grouping.columns(group[order]) if grouping else {}),
        "source": named(labels, source[order]),
        "target": named(labels, target[order]),
        "count": pairs.sizes[order].astype(np.int64),
        "customers": pairs.customers[order],
        "share_of_source": share(pairs.sizes, total)[order],
        "share_of_source_low": low[order],
        "share_of_source_high": high[order],
        "median_seconds": np.where(ends, np.nan, pairs.median)[order],
        "mean_seconds": np.where(ends, np.nan, pairs.mean)[order],
    }
    return pd.DataFrame(columns)


def _metrics(table: pd.DataFrame, around: Around) -> dict[str, Metric]:
    customers = around.customers
    inner = table.loc[~_at_ends(table)]
    pairs = int(inner["count"].sum())
    repeats = int(inner.loc[inner["source"] == inner["target"], "count"].sum())
    low, high = (float(bound[0]) for bound in around.repeats.interval([repeats], [pairs]))
    return {
        "transitions": metric(pairs, n=customers, label="Moves", unit="number"),
        "distinct_transitions": metric(
            len(inner[["source", "target"]].drop_duplicates()),
            n=customers,
            label="Different moves",
            unit="number",
        ),
        "stretches": metric(around.stretches, n=customers, label="Histories", unit="number"),
        "share_of_repeats": metric(
            repeats / pairs if pairs else float("nan"),
            low,
            high,
            n=pairs,
            label="Repeats of the same event",
            unit="share",
        ),
    }


def _at_ends(table: pd.DataFrame) -> pd.Series:
    return table["median_seconds"].isna()


def _headline(table: pd.DataFrame, by: tuple[str, ...], customers: int) -> str:
    inner = table.loc[~_at_ends(table)]
    if inner.empty:
        return f"None of {count_of(customers, 'customer')} has two events in a row, so there are no transitions."
    row = inner.sort_values("count", ascending=False, kind="stable").iloc[0]
    leaving = round(row["count"] / row["share_of_source"])
    if leaving < MIN_N:
        moves = count_of(int(inner["count"].sum()), "move")
        return f"{moves} of {count_of(customers, 'customer')}: too few to name the most common ({row['source']} is left fewer than {MIN_N} times)."
    if row["customers"] < MIN_N:
        return (
            f"{count_of(int(inner['count'].sum()), 'move')} of {count_of(customers, 'customer')}; the most common, from {row['source']} to {row['target']}, is of "
            f"{of_few(row['customers'])}."
        )
    target = "itself" if row["source"] == row["target"] else row["target"]
    alike = as_common(inner["count"])
    group = "".join(
        f" in {name} {row[name] if pd.notna(row[name]) else '(not set)'}" for name in by
    )
    return (
        f"The most common move{group} is from {row['source']} to {target}{alike}: {count_of(row['count'], 'time')} by {count_of(row['customers'], 'customer')}, "
        f"{percent(row['share_of_source'])} of what follows {row['source']} ({confidence(row['share_of_source_low'], row['share_of_source_high'])}, "
        f"n = {leaving:,}), half of them within {timespan(round(row['median_seconds'] * SECOND))}."
    )


def _sql(log: EventLog, gap: int | None, by: Sequence[str], marks: tuple[str, str]) -> str:
    start, end = (literal(mark) for mark in marks)
    grouped = bool(by) and not any(log.property(name, "by").of_customer for name in by)
    group = "".join(f"{identifier(name)}, " for name in by) if grouped else ""
    values = f", first_values AS (\n{first_values_sql(log, by)}\n)" if grouped else ""
    joined = " LEFT JOIN first_values v ON v.customer_id = s.customer_id" if grouped else ""
    group_of = "".join(f"v.{identifier(name)}, " for name in by) if grouped else ""
    return (
        f"{sessions_sql(log, gap)}, neighbours AS (\n"
        "  SELECT customer_id, event,\n"
        "    LEAD(event) OVER (PARTITION BY customer_id, session ORDER BY n) AS following,\n"
        "    LAG(event) OVER (PARTITION BY customer_id, session ORDER BY n) AS preceding\n"
        "  FROM visits\n"
        "), pairs AS (\n"
        f"  SELECT customer_id, event AS source, COALESCE(following, {end}) AS target FROM neighbours\n"
        f"  UNION ALL SELECT customer_id, {start} AS source, event AS target FROM neighbours WHERE preceding IS NULL\n"
        f"){values}, counted AS (\n"
        f"  SELECT s.customer_id, {group_of}source, target, COUNT(*) AS times FROM pairs s{joined}\n"
        f"  GROUP BY s.customer_id, {group_of}source, target\n"
        ")\n"
        f"SELECT {group}source, target, CAST(SUM(times) AS BIGINT) AS count, COUNT(*) AS customers\n"
        f"FROM counted\nGROUP BY {group}source, target\nORDER BY count DESC, source, target"
    )


def first_values_sql(log: EventLog, by: Sequence[str]) -> str:
    """The groups of `group_by` as a portable statement: one row a customer who has any of the values."""
    columns = ", ".join(identifier(name) for name in by)
    any_set = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    return (
        f"  SELECT customer_id, {columns} FROM (\n"
        f"    SELECT customer_id, {columns}, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp{smallest_first(by)}) AS k\n"
        f"    FROM {log.events_sql} AS given WHERE {any_set}\n"
        "  ) placed_values WHERE k = 1"
    )
