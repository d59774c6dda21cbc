"""Pieces of SQL that several analyses share: instants as literals, events that match a step with its `first_time`, the middle of many lengths."""

from __future__ import annotations

import pandas as pd

from cjlib.sources.log.conditions import Step
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import Log

MILLION = 1_000_000


def instant(microseconds: int) -> str:
    """An instant as a literal."""
    return f"CAST('{pd.Timestamp(int(microseconds), unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"


def later(expression: str, microseconds: int) -> str:
    """An instant so much later (or earlier), in elapsed time."""
    if microseconds == 0:
        return expression
    seconds = f"{abs(microseconds) / 1_000_000:.6f}".rstrip("0").rstrip(".")
    return f"{expression} {'+' if microseconds > 0 else '-'} INTERVAL '{seconds}' SECOND"


def matching(log: Log, step: Step, picks: str) -> str:
    """Columns of the events that match a step, as a SELECT that ends in its WHERE."""
    if step.first_time is False:
        return f"SELECT {picks} FROM {log.events_sql} AS matched WHERE {log.portable(step)}"
    source = with_first(log, step, log.events_sql, "cj_first_at")
    return f"SELECT {picks} FROM ({source}) AS matched WHERE {log.portable(step)} AND timestamp = cj_first_at"


def with_first(log: Log, step: Step, source: str, name: str) -> str:
    """The events with the instant of the customer's first one that the step's `first_time` speaks of."""
    among = log.portable(step if step.first_time is True else Step(step.event))
    return f"SELECT read.*, MIN(CASE WHEN {among} THEN timestamp END) OVER (PARTITION BY customer_id) AS {name} FROM {source} AS read"


def first_there(log: Log, step: Step) -> int | None:
    """The first matching event of a log whose events lie in another engine, in microseconds; None if there is none."""
    first = log.run(
        f"SELECT MIN(seen_at) AS first_at FROM ({matching(log, step, 'timestamp AS seen_at')}) AS seen"
    )["first_at"].iloc[0]
    return None if pd.isna(first) else int(pd.Timestamp(first).as_unit("us").asm8.view("i8"))


def between(early: str, late: str) -> str:
    """Whole microseconds from one instant to another."""
    return f"DATE_DIFF('microsecond', {early}, {late})"


def log_order(log: Log) -> str:
    """The one order of a customer's events that leaves only equal rows tied: the prepared log's."""
    rest = (
        f", CASE WHEN {name} IS NULL THEN 1 ELSE 0 END, {name}"
        for name in map(identifier, sorted(log.columns))
    )
    return f"timestamp, event{''.join(rest)}"


def as_text(column: str) -> str:
    """A column as text, which every engine gives back alike."""
    return f"CAST({identifier(column)} AS VARCHAR)"


def middles(source: str, keys: str, sums: dict[str, str], length: str = "lasted") -> str:
    """CTEs and a SELECT over a named relation: for each key the sums asked for, and of its lengths the sum and the two in the middle.

    Gives `counted`, `whole` and `rest` (the sum of the lengths in seconds and microseconds: together they overflow), `lower` and `upper` (equal
    where the number is odd), as whole numbers: no engine is asked for a median, which they compute differently.
    """
    return (
        f"{_ranked(source, keys, sums, length)}\n"
        f"SELECT {keys}, {_totals({'counted': 'counted', **{name: name for name in sums}, **_parts(length)})},\n"
        f"  MIN(CASE WHEN 2 * through >= total THEN {length} END) AS lower, MIN(CASE WHEN 2 * through > total THEN {length} END) AS upper\n"
        f"FROM ranked GROUP BY {keys}"
    )


def near_middle(
    source: str, keys: str, sums: dict[str, str], wide: str, length: str = "lasted"
) -> str:
    """The same with one row for every length in the middle; where the condition `wide` holds, wide enough for the 95% CI of a median.

    `through` is how many are at most that long, `total` how many there are, the sums stand on every row of a key. The ranks of the interval's ends
    lie within 0.98 √n + 1 of n ÷ 2, so that 2 √(n + 64) ranks, found without a root, hold them: a small part of the lengths.
    """
    far = f"CASE WHEN {wide} THEN 4 * total + 256 ELSE 0 END"
    totals = _totals(
        {**{name: name for name in sums}, **_parts(length)}, f" OVER (PARTITION BY {keys})"
    )
    return (
        f"{_ranked(source, keys, sums, length)}, summed AS (\n"
        f"  SELECT {keys}, {length}, through, through - counted AS before, total, {totals} FROM ranked\n"
        ")\n"
        f"SELECT {keys}, {length}, CAST(through AS BIGINT) AS through, CAST(total AS BIGINT) AS total, {', '.join([*sums, 'whole', 'rest'])} FROM summed\n"
        f"WHERE (2 * through >= total OR (total - 2 * through) * (total - 2 * through) <= {far})\n"
        f"  AND (2 * before <= total OR (2 * before - total) * (2 * before - total) <= {far})"
    )


def _ranked(source: str, keys: str, sums: dict[str, str], length: str) -> str:
    added = "".join(f", SUM({expression}) AS {name}" for name, expression in sums.items())
    return (
        f"spread AS (\n  SELECT {keys}, {length}, COUNT(*) AS counted{added} FROM {source} GROUP BY {keys}, {length}\n"
        "), ranked AS (\n"
        f"  SELECT spread.*, CAST(SUM(counted) OVER (PARTITION BY {keys} ORDER BY {length} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS through,\n"
        f"    CAST(SUM(counted) OVER (PARTITION BY {keys}) AS BIGINT) AS total FROM spread\n"
        ")"
    )


def _parts(length: str) -> dict[str, str]:
    """The sum of lengths as seconds and what is left of them: together they overflow."""
    return {
        "whole": f"counted * CAST(({length} - {length} % {MILLION}) / {MILLION} AS BIGINT)",
        "rest": f"counted * ({length} % {MILLION})",
    }


def _totals(sums: dict[str, str], over: str = "") -> str:
    return ", ".join(
        f"CAST(SUM({expression}){over} AS BIGINT) AS {name}" for name, expression in sums.items()
    )
