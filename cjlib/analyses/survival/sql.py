"""Customers' lives as one portable statement: who started when, and when each first churned; the curve follows from these two."""

from __future__ import annotations

from cjlib.shared.sql import between, instant, later, matching
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import Log

Span = tuple[int | None, int | None]
"""First and last instant at which a life may begin, both included; None: no bound."""


def lives_sql(log: Log, start: Step, churn: Step | None, inactive: int, span: Span) -> str:
    """One row a customer: `customer_id`, `started_at`, `churned_at` (missing: censored at the end of data)."""
    until = instant(log.observed_until_us)
    first = f"SELECT customer_id, MIN(begun_at) AS started_at FROM ({matching(log, start, 'customer_id, timestamp AS begun_at')}) AS begun\n  WHERE begun_at <= {until} GROUP BY customer_id"
    ends = _churn_sql(log, churn) if churn is not None else _silence_sql(log, inactive, until)
    bounds = [
        f"started_at {sign} {instant(bound)}"
        for sign, bound in zip((">=", "<="), span, strict=True)
        if bound is not None
    ]
    within = f"WHERE {' AND '.join(bounds)}\n" if bounds else ""
    return (
        f"WITH started AS (\n  {first}\n),\nends AS (\n  {ends}\n)\n"
        "SELECT started.customer_id, started_at, MIN(ended_at) AS churned_at FROM started\n"
        f"LEFT JOIN ends ON ends.customer_id = started.customer_id AND seen_at >= started_at AND ended_at <= {until}\n"
        f"{within}GROUP BY started.customer_id, started_at\nORDER BY started.customer_id"
    )


def days_sql(log: Log, lives: str) -> str:
    """How many lives lasted how many whole days, and ended in churn or not; in microseconds, `lasted` being whole days."""
    until = instant(log.observed_until_us)
    lasted = between("started_at", f"COALESCE(churned_at, {until})")
    return (
        "SELECT churned, lasted - lasted % 86400000000 AS lasted, COUNT(*) AS lives FROM (\n"
        f"  SELECT CASE WHEN churned_at IS NULL THEN 0 ELSE 1 END AS churned, {lasted} AS lasted FROM ({lives}) AS lives\n"
        ") AS ended GROUP BY churned, lasted - lasted % 86400000000"
    )


def tied_sql(log: Log, start: Step, lives: str) -> str:
    """How many events tie as the first of a life, beyond one each."""
    begun = matching(log, start, "customer_id, timestamp AS begun_at")
    return (
        f"SELECT COUNT(*) - COUNT(DISTINCT lives.customer_id) AS tied FROM ({lives}) AS lives\n"
        f"  JOIN ({begun}) AS begun ON begun.customer_id = lives.customer_id AND begun_at = started_at"
    )


def _churn_sql(log: Log, churn: Step) -> str:
    return matching(log, churn, "customer_id, timestamp AS seen_at, timestamp AS ended_at")


def _silence_sql(log: Log, inactive: int, until: str) -> str:
    """Silences that reach their length; a gap of exactly that length does."""
    end = later("seen_at", inactive)
    return (
        f"SELECT customer_id, seen_at, {end} AS ended_at FROM (\n"
        "    SELECT customer_id, timestamp AS seen_at, LEAD(timestamp) OVER (PARTITION BY customer_id ORDER BY timestamp) AS next_at\n"
        f"    FROM {log.events_sql} AS heard WHERE timestamp <= {until}\n"
        f"  ) AS pauses WHERE next_at IS NULL OR next_at >= {end}"
    )
