"""Pieces of `.sql` that several analyses share: instants as literals, and the events that match a step with its `first_time`."""

from __future__ import annotations

import pandas as pd

from cjlib.sources.conditions import Step
from cjlib.sources.events import EventLog


def instant(microseconds: int) -> str:
    """An instant as a literal."""
    return f"CAST('{pd.Timestamp(int(microseconds), unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"


def later(expression: str, microseconds: int) -> str:
    """An instant so much later (or earlier), in elapsed time."""
    if microseconds == 0:
        return expression
    seconds = f"{abs(microseconds) / 1_000_000:.6f}".rstrip("0").rstrip(".")
    return f"{expression} {'+' if microseconds > 0 else '-'} INTERVAL '{seconds}' SECOND"


def matching(log: EventLog, step: Step, picks: str) -> str:
    """Columns of the events that match a step, as a SELECT that ends in its WHERE."""
    if step.first_time is False:
        return f"SELECT {picks} FROM {log.events_sql} AS matched WHERE {log.portable(step)}"
    source = with_first(log, step, log.events_sql, "cj_first_at")
    return f"SELECT {picks} FROM ({source}) AS matched WHERE {log.portable(step)} AND timestamp = cj_first_at"


def with_first(log: EventLog, step: Step, source: str, name: str) -> str:
    """The events with the instant of the customer's first one that the step's `first_time` speaks of."""
    among = log.portable(step if step.first_time is True else Step(step.event))
    return f"SELECT read.*, MIN(CASE WHEN {among} THEN timestamp END) OVER (PARTITION BY customer_id) AS {name} FROM {source} AS read"
