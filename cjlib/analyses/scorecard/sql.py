"""The count of active customers as SQL for any engine: what most measures divide by."""

from __future__ import annotations

from cjlib.analyses.scorecard.inputs import Ground
from cjlib.sources.log.condition_sql import timestamp_sql


def active_sql(ground: Ground) -> str:
    """Active customers by period, oldest first; `first_time` of a touchpoint is left out, as it needs a query of its own."""
    log, mapping = ground.log, ground.journey.mapping
    seen = {one.position for one in mapping if not one.backstage}
    tests = [
        log.portable(one.event, "stages")
        for one in mapping
        if not one.backstage or one.position not in seen
    ]
    mapped = " OR ".join(dict.fromkeys(tests)) or "FALSE"
    without = (
        ""
        if ground.churn_event is None
        else f" AND NOT {log.portable(ground.churn_event, 'churn.event')}"
    )
    starts = ground.starts.tolist()
    spans = ",\n    ".join(
        f"({place}, {timestamp_sql(starts[place])}, {timestamp_sql(starts[place + 1])})"
        for place in ground.span.drawn
    )
    return (
        f"WITH periods AS (\n  SELECT * FROM (VALUES\n    {spans}\n  ) AS p(position, started_at, ended_at)\n),\nactivity AS (\n"
        f"  SELECT customer_id, timestamp FROM {log.events_sql} AS given WHERE ({mapped}){without}\n)\n"
        "SELECT p.position, COUNT(DISTINCT a.customer_id) AS active_customers\n"
        "FROM periods p LEFT JOIN activity a ON a.timestamp >= p.started_at AND a.timestamp < p.ended_at\n"
        "GROUP BY p.position ORDER BY p.position"
    )
