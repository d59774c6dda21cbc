"""Sessions and transitions counted where the events lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.paths.pair_counts import Pairs, mean_seconds
from cjlib.shared.event_arrays import Ints, sessions_sql
from cjlib.shared.group_by import (
    MISSING,
    CustomerGroups,
    order_of_groups,
    values_found,
)
from cjlib.shared.repeated_rows import RowsOfCustomers
from cjlib.shared.sql import MILLION, as_text, between, log_order, middles
from cjlib.show.numbers import count_of
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log

REPEATED = {"leavers": "first_of_source", "squares": "times", "products": "times_of_source"}
"""Sums of a pair's rows: how many customers begin their source with it, of how often it and its source come in each customer."""


@dataclass(frozen=True)
class Around:
    """What a definition says beside the pairs: events in all, those that share an instant, customers, stretches; and how alike the moves of a customer are in whether they repeat the event."""

    events: int
    tied: int
    customers: int
    stretches: int
    repeats: RowsOfCustomers


def words_there(log: Log) -> dict[str, str]:
    """What a definition says of events that lie in a database."""
    rows = log.quality.set_index("check")["rows"]
    return {
        "left out": f"{count_of(int(rows['rows read'] - rows['events used']), 'row')} when the log was opened, as its quality tells",
        "counted": "where the events lie, by a statement like the one shown; only what stands in the tables came here",
    }


def sessions_there(log: Log, gap: int) -> pd.DataFrame:
    """`.table` of sessions: one row a session comes back."""
    told = "channel" in log.columns
    found = log.run(rows_sql(log, gap)).sort_values(
        ["customer_id", "session"], key=_as_sorted, ignore_index=True
    )
    columns = {
        "customer_id": found["customer_id"],
        "session": found["session"].astype("int64"),
        "start": log.moments(found["began_at"].to_numpy(dtype="datetime64[us]").astype("int64")),
        "seconds": found["lasted"].astype("int64") / MILLION,
        "events": found["events"].astype("int64"),
        "first_event": found["first_event"].astype("str"),
        "last_event": found["last_event"].astype("str"),
    }
    return pd.DataFrame(columns | ({"channel": found["channel"].astype("str")} if told else {}))


def _as_sorted(column: pd.Series) -> pd.Series:
    """Ids stand in the order of their text, as in the prepared log."""
    return column.astype("str") if column.name == "customer_id" else column


def rows_sql(log: Log, gap: int) -> str:
    """One row a session: customer, number, start, length, events, first and last event, and the channel if the log has channels."""
    told = "channel" in log.columns
    flags = (
        {
            "place": f"ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY {log_order(log)})",
            "told": "channel",
        }
        if told
        else {}
    )
    # The place among all columns decides between tied events; `n` is enough for their names.
    first_told = (
        ", MIN(CASE WHEN told IS NOT NULL THEN place END) OVER (PARTITION BY customer_id, session) AS told_at"
        if told
        else ""
    )
    channel = ", MAX(CASE WHEN place = told_at THEN told END) AS channel" if told else ""
    return (
        f"{sessions_sql(log, gap, **flags)}, ends AS (\n"
        "  SELECT visits.*, MIN(n) OVER (PARTITION BY customer_id, session) AS first_n, MAX(n) OVER (PARTITION BY customer_id, session) AS last_n"
        f"{first_told} FROM visits\n"
        ")\n"
        f"SELECT customer_id, session, MIN(timestamp) AS began_at, {between('MIN(timestamp)', 'MAX(timestamp)')} AS lasted, COUNT(*) AS events,\n"
        f"  MAX(CASE WHEN n = first_n THEN event END) AS first_event, MAX(CASE WHEN n = last_n THEN event END) AS last_event{channel}\n"
        "FROM ends GROUP BY customer_id, session"
    )


def pairs_there(
    log: Log, gap: int | None, by: tuple[str, ...]
) -> tuple[CustomerGroups | None, Pairs, RowsOfCustomers, Around]:
    """The pairs, by group, source and target; a source or target beyond the names is "(start)" or "(end)"."""
    found = log.run(pairs_sql(log, gap, by))
    grouping, group = _groups(log, by, found)
    base = len(log.event_names) + 2
    place = {name: code for code, name in enumerate(log.event_names)}
    source, target = (
        found[column].map(place).fillna(base - mark).to_numpy(dtype="int64")
        for column, mark in (("source", 2), ("target", 1))
    )
    key = (group * base + source) * base + target
    order = np.argsort(key)
    held = {
        name: found[name].to_numpy(dtype="int64")[order]
        for name in ("counted", "customers", "whole", "rest", "lower", "upper", *REPEATED)
    }
    size = held["counted"]
    mean = mean_seconds(held["whole"], held["rest"], size)
    pairs = Pairs(
        key[order],
        size,
        held["customers"],
        mean,
        (held["lower"] / MILLION + held["upper"] / MILLION) / 2,
    )
    return (
        grouping,
        pairs,
        _alike(pairs.keys // base, held),
        Around(
            log.n_events,
            _tied(log),
            log.n_customers,
            int(found.loc[found["source"].isna(), "counted"].sum()),
            _repeats(log, gap),
        ),
    )


def _repeats(log: Log, gap: int | None) -> RowsOfCustomers:
    """Of the moves of each customer those that repeat the event."""
    inside = "OVER (PARTITION BY customer_id, session ORDER BY n)"
    sums = {"squares": "y * y", "products": "y * moves", "base_squares": "moves * moves"}
    summed = "".join(
        f"CAST(COALESCE(SUM({sum_of}), 0) AS BIGINT) AS {name}, " for name, sum_of in sums.items()
    )
    found = log.run(
        f"{sessions_sql(log, gap)}, neighbours AS (\n"
        f"  SELECT customer_id, event, LEAD(event) {inside} AS following FROM visits\n"
        "), held AS (\n"
        "  SELECT customer_id, COUNT(*) AS moves, SUM(CASE WHEN event = following THEN 1 ELSE 0 END) AS y\n"
        "  FROM neighbours WHERE following IS NOT NULL GROUP BY customer_id\n"
        f") SELECT {summed}CAST(COALESCE(SUM(moves), 0) AS BIGINT) AS base, COUNT(*) AS customers FROM held"
    )
    return RowsOfCustomers(
        *(
            found[name].to_numpy(dtype="int64")
            for name in ("squares", "products", "base_squares", "base", "customers")
        )
    )


def _alike(source: Ints, held: dict[str, Ints]) -> RowsOfCustomers:
    """How alike the pairs of a customer are, each among those of its source; a pair that comes y times in n of a customer has y rows of each sum."""
    _, of_source = np.unique(source, return_inverse=True)

    def total(of_pairs: Ints) -> Ints:
        return np.bincount(of_source, of_pairs).astype(np.int64)[of_source]

    return RowsOfCustomers(
        held["squares"],
        held["products"],
        total(held["products"]),
        total(held["counted"]),
        total(held["leavers"]),
    )


def pairs_sql(log: Log, gap: int | None, by: tuple[str, ...]) -> str:
    """One row a pair and group: how many, of how many customers, the sum of the times between them, and the two in the middle."""
    inside = "OVER (PARTITION BY customer_id, session ORDER BY n)"
    held = "".join(f", g{position}" for position, _ in enumerate(by, start=1))
    joined = (
        f"\n  LEFT JOIN ({_first_values(log, by)}) AS valued ON valued.of_customer = customer_id"
        if by
        else ""
    )
    return (
        f"{sessions_sql(log, gap)}, neighbours AS (\n"
        f"  SELECT customer_id, n, event, LEAD(event) {inside} AS following, LAG(event) {inside} AS preceding,\n"
        f"    {between('timestamp', f'LEAD(timestamp) {inside}')} AS until_next\n"
        "  FROM visits\n"
        "), pairs AS (\n"
        # The first of each session stands on two sides: after the start, and before what follows it.
        "  SELECT customer_id, n, CASE WHEN side = 0 THEN event END AS source, CASE WHEN side = 0 THEN following ELSE event END AS target,\n"
        f"    CASE WHEN side = 0 AND following IS NOT NULL THEN until_next ELSE 0 END AS lasted{held}\n"
        f"  FROM neighbours CROSS JOIN (VALUES (0), (1)) AS sides (side){joined}\n"
        "  WHERE side = 0 OR preceding IS NULL\n"
        "), marked AS (\n"
        f"  SELECT source, target, lasted{held},\n"
        "    CASE WHEN ROW_NUMBER() OVER (PARTITION BY customer_id, source, target ORDER BY n) = 1 THEN 1 ELSE 0 END AS first_of_customer,\n"
        "    CASE WHEN ROW_NUMBER() OVER (PARTITION BY customer_id, source ORDER BY n) = 1 THEN 1 ELSE 0 END AS first_of_source,\n"
        "    COUNT(*) OVER (PARTITION BY customer_id, source, target) AS times,\n"
        "    COUNT(*) OVER (PARTITION BY customer_id, source) AS times_of_source\n"
        "  FROM pairs\n"
        f"), {middles('marked', f'source, target{held}', {'customers': 'first_of_customer', **REPEATED})}"
    )


def _first_values(log: Log, by: tuple[str, ...]) -> str:
    """The values of each customer's first event that has any of them."""
    picks = "".join(
        f", {as_text(name)} AS g{position}" for position, name in enumerate(by, start=1)
    )
    any_set = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    return (
        f"SELECT customer_id AS of_customer{''.join(f', g{position}' for position, _ in enumerate(by, start=1))} FROM (\n"
        f"    SELECT customer_id{picks}, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp{smallest_first(by)}) AS place\n"
        f"    FROM {log.events_sql} AS given WHERE {any_set}\n"
        "  ) AS placed_values WHERE place = 1"
    )


def smallest_first(by: Sequence[str]) -> str:
    """The tie rule of `group_by`: of events of one instant the smallest values as text, missing last."""
    if len(by) == 1:
        return f", {as_text(by[0])}"
    return "".join(
        f", CASE WHEN {identifier(name)} IS NULL THEN 1 ELSE 0 END, {as_text(name)}" for name in by
    )


def _groups(
    log: Log, names: tuple[str, ...], found: pd.DataFrame
) -> tuple[CustomerGroups | None, Ints]:
    if not names:
        return None, np.zeros(len(found), dtype=np.int64)
    columns = [f"g{position}" for position, _ in enumerate(names, start=1)]
    values = values_found(log, names, [found[column] for column in columns])
    ranks, first, group = np.unique(values.rank, return_index=True, return_inverse=True)
    sized = log.run(
        f"SELECT {', '.join(columns)}, COUNT(*) AS customers FROM ({_first_values(log, names)}) AS valued GROUP BY {', '.join(columns)}"
    )
    size = {
        tuple(row[:-1]): row[-1]
        for row in sized.astype(object)
        .where(sized.notna(), None)
        .itertuples(index=False, name=None)
    }
    keys = (
        found[columns]
        .astype(object)
        .where(found[columns].notna(), None)
        .iloc[first]
        .itertuples(index=False, name=None)
    )
    customers = np.array([size.get(key, 0) for key in keys], dtype=np.int64)
    customers[ranks == MISSING] = log.n_customers - sum(size.values())
    order = order_of_groups(customers, ranks)
    place = np.argsort(order)
    nobody = np.zeros(0, dtype=np.int64)
    return CustomerGroups(names, values, ranks[order], nobody), place[group].astype(np.int64)


def _tied(log: Log) -> int:
    """How many events share their instant with another event of the same customer."""
    shared = f"SELECT COUNT(*) AS together FROM {log.events_sql} AS given GROUP BY customer_id, timestamp HAVING COUNT(*) > 1"
    return int(
        log.run(
            f"SELECT CAST(COALESCE(SUM(together), 0) AS BIGINT) AS tied FROM ({shared}) AS instants"
        )["tied"].iloc[0]
    )
