"""ClickHouse, embedded."""

from __future__ import annotations

import json

from chdb import session

from tests.benchmarks.made_log import CUTOFF_US, STEPS


def _rows(sql: str, path: str) -> list[list]:
    answer = session.Session().query(
        sql.replace("EVENTS", f"file('{path}', Parquet)"), "JSONCompact"
    )
    return json.loads(str(answer))["data"]


def funnel(path: str) -> object:
    """`windowFunnel`, the engine's own function: counts only, no times."""
    conditions = ", ".join(f"event = '{step}'" for step in STEPS)
    rows = _rows(
        f"SELECT level, count() FROM (SELECT customer_id, windowFunnel(604800)(toUInt64(toUnixTimestamp(timestamp)), {conditions}) AS level FROM EVENTS GROUP BY customer_id) GROUP BY level",
        path,
    )
    levels = {int(level): int(count) for level, count in rows}
    return [
        sum(count for level, count in levels.items() if level >= k)
        for k in range(1, len(STEPS) + 1)
    ]


def retention(path: str) -> object:
    """Distinct customer-weeks joined with each customer's first."""
    return int(
        _rows(
            "WITH weeks AS (SELECT DISTINCT customer_id, toMonday(timestamp) AS w FROM EVENTS), firsts AS (SELECT customer_id, min(w) AS f FROM weeks GROUP BY customer_id) "
            "SELECT count() FROM weeks JOIN firsts USING (customer_id) WHERE dateDiff('week', f, w) <= 12",
            path,
        )[0][0]
    )


def sessions(path: str) -> object:
    """Differences of a customer's sorted times."""
    return int(
        _rows(
            "SELECT sum(arrayCount(d -> d > 1800, arrayDifference(ts)) + 1) FROM (SELECT arraySort(groupArray(toUnixTimestamp(timestamp))) AS ts FROM EVENTS GROUP BY customer_id)",
            path,
        )[0][0]
    )


def transitions(path: str) -> object:
    """Neighbours in a customer's sorted events."""
    return int(
        _rows(
            "SELECT sum(n) FROM (SELECT pair, count() AS n, avg(d) FROM (SELECT arrayJoin(arrayZip(arrayMap((x, y) -> (x.2, y.2), arrayPopBack(s), arrayPopFront(s)), "
            "arrayMap((x, y) -> y.1 - x.1, arrayPopBack(s), arrayPopFront(s)))) AS z, z.1 AS pair, z.2 AS d FROM "
            "(SELECT arraySort(groupArray((toUnixTimestamp(timestamp), event))) AS s FROM EVENTS GROUP BY customer_id)) WHERE d <= 1800 GROUP BY pair)",
            path,
        )[0][0]
    )


def features(path: str) -> object:
    """Sixteen features in one GROUP BY."""
    ago = f"({CUTOFF_US} - t)"
    windows = ", ".join(
        f"countIf({ago} < {days} * 86400000000) AS n_{days}, sumIf(value, {ago} < {days} * 86400000000) AS s_{days}"
        for days in (30, 60, 90)
    )
    names = [
        "n",
        "active_days",
        "recency",
        "age",
        "span",
        "s",
        "mean",
        "largest",
        "kinds",
        "channels",
        "n_30",
        "s_30",
        "n_60",
        "s_60",
        "n_90",
        "s_90",
    ]
    rows = _rows(
        f"SELECT count(), {', '.join(f'sum({name})' for name in names)} FROM (SELECT customer_id, count() AS n, uniqExact(intDiv(t, 86400000000)) AS active_days, {CUTOFF_US} - max(t) AS recency, "
        f"{CUTOFF_US} - min(t) AS age, max(t) - min(t) AS span, sum(value) AS s, avg(value) AS mean, max(value) AS largest, uniqExact(event) AS kinds, uniqExact(channel) AS channels, {windows} "
        f"FROM (SELECT customer_id, event, channel, value, toUnixTimestamp64Micro(timestamp) AS t FROM EVENTS WHERE t <= {CUTOFF_US}) GROUP BY customer_id)",
        path,
    )
    return int(rows[0][0])


TASKS = {
    "funnel": funnel,
    "retention": retention,
    "sessions": sessions,
    "transitions": transitions,
    "features": features,
}
