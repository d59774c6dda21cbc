"""Plain SQL on the file, the limits (only decoding the columns), and the plainest prepared table."""

from __future__ import annotations

import duckdb

from tests.benchmarks.made_log import CUTOFF_US, STEPS

WEEK = 7 * 86_400_000_000
GAP = 30 * 60_000_000
DAY = 86_400_000_000


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE VIEW events AS SELECT customer_id AS c, event AS e, epoch_us(timestamp) AS t, channel, value FROM read_parquet($1)".replace(
            "$1", f"'{path}'"
        )
    )
    return connection


def scan(path: str) -> object:
    """Decode customer, event and time, and nothing else."""
    return (
        _connect(path)
        .execute("SELECT bit_xor(hash(c)), bit_xor(hash(e)), sum(t) FROM events")
        .fetchall()[0][2]
    )


def plain_table(path: str) -> object:
    """The plainest prepared table: dense codes by sorted dictionaries, sorted by customer, time, event; no checks."""
    connection = _connect(path)
    for name, column in (("cs", "c"), ("es", "e"), ("hs", "channel")):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER (ORDER BY v) - 1 AS code, v FROM (SELECT DISTINCT {column} AS v FROM events)"
        )
    connection.execute(
        "CREATE TABLE prepared AS SELECT cs.code::INT AS c, t, es.code::UTINYINT AS e, hs.code::UTINYINT AS h, value FROM events "
        "JOIN cs ON cs.v = events.c JOIN es ON es.v = events.e LEFT JOIN hs ON hs.v = events.channel ORDER BY 1, 2, 3"
    )
    return connection.execute("SELECT count(*) FROM prepared").fetchall()[0][0]


def funnel(path: str) -> object:
    """The cascade of running maxima in plain windows."""
    steps = ", ".join(f"'{step}'" for step in STEPS)
    cases = " ".join(
        f"WHEN '{step}' THEN {position}" for position, step in enumerate(STEPS, start=1)
    )
    window = "(PARTITION BY c ORDER BY t, k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    ctes = [
        f"s0 AS (SELECT c, t, CASE e {cases} END AS k FROM events WHERE e IN ({steps}))",
        f"s1 AS (SELECT *, max(CASE WHEN k = 1 THEN t END) OVER {window} AS m1 FROM s0)",
    ]
    ctes += [
        f"s{k} AS (SELECT *, max(CASE WHEN k = {k} AND t - m{k - 1} <= {WEEK} THEN m{k - 1} END) OVER {window} AS m{k} FROM s{k - 1})"
        for k in range(2, len(STEPS) + 1)
    ]
    counts = ", ".join(
        f"count(DISTINCT CASE WHEN m{k} IS NOT NULL THEN c END)" for k in range(1, len(STEPS) + 1)
    )
    ends = "(SELECT median(d) FROM (SELECT min(t) - min(m4) AS d FROM s4 WHERE m4 IS NOT NULL GROUP BY c))"
    return list(
        _connect(path)
        .execute(f"WITH {', '.join(ctes)} SELECT {counts}, {ends} FROM s4")
        .fetchall()[0]
    )[: len(STEPS)]


def retention(path: str) -> object:
    """Distinct customer-weeks joined with each customer's first."""
    return (
        _connect(path)
        .execute(
            "WITH weeks AS (SELECT DISTINCT c, (t // 86400000000 + 3) // 7 AS w FROM events), firsts AS (SELECT c, min(w) AS f FROM weeks GROUP BY c), "
            "cells AS (SELECT f, w - f AS p, count(*) AS n FROM weeks JOIN firsts USING (c) GROUP BY ALL) SELECT sum(n) FROM cells WHERE p <= 12"
        )
        .fetchall()[0][0]
    )


def sessions(path: str) -> object:
    """Lag, flag, running sum, group."""
    return (
        _connect(path)
        .execute(
            f"WITH lagged AS (SELECT c, t, e, lag(t) OVER (PARTITION BY c ORDER BY t, e) AS before FROM events), flagged AS (SELECT *, sum(CASE WHEN before IS NULL OR t - before > {GAP} "
            "THEN 1 ELSE 0 END) OVER (PARTITION BY c ORDER BY t, e RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM lagged), "
            "grouped AS (SELECT c, s, count(*) AS n, max(t) - min(t) AS length FROM flagged GROUP BY c, s) SELECT count(*), sum(length) FROM grouped"
        )
        .fetchall()[0][0]
    )


def transitions(path: str) -> object:
    """Lead per customer, pairs within the gap."""
    return (
        _connect(path)
        .execute(
            f"WITH paired AS (SELECT e, lead(e) OVER w AS f, lead(t) OVER w - t AS d FROM events WINDOW w AS (PARTITION BY c ORDER BY t, e)), "
            f"counted AS (SELECT e, f, count(*) AS n, avg(d) FROM paired WHERE f IS NOT NULL AND d <= {GAP} GROUP BY e, f) SELECT sum(n) FROM counted"
        )
        .fetchall()[0][0]
    )


def features(path: str) -> object:
    """Sixteen features: first to (customer, day), then to customer; distinct codes as bits."""
    connection = _connect(path)
    for name, column in (("es", "e"), ("hs", "channel")):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER (ORDER BY v) - 1 AS code, v FROM (SELECT DISTINCT {column} AS v FROM events)"
        )
    windows = ", ".join(
        f"sum(CASE WHEN d < {days} THEN n ELSE 0 END) AS n_{days}, sum(CASE WHEN d < {days} THEN s ELSE 0 END) AS s_{days}"
        for days in (30, 60, 90)
    )
    rows = connection.execute(
        f"WITH days AS (SELECT c, ({CUTOFF_US} - t) // {DAY} AS d, count(*) AS n, sum(value) AS s, count(value) AS v, max(value) AS m, min(t) AS first, max(t) AS last, "
        f"bit_or(1::BIGINT << es.code) AS es, bit_or(1::BIGINT << hs.code) AS hs FROM events JOIN es ON es.v = events.e JOIN hs ON hs.v = events.channel WHERE t <= {CUTOFF_US} GROUP BY c, d), "
        f"customers AS (SELECT c, sum(n) AS n, count(*) AS active_days, {CUTOFF_US} - max(last) AS recency, {CUTOFF_US} - min(first) AS age, max(last) - min(first) AS span, "
        f"sum(s) AS s, sum(s) / sum(v) AS mean, max(m) AS largest, bit_count(bit_or(es)) AS kinds, bit_count(bit_or(hs)) AS channels, {windows} FROM days GROUP BY c) "
        "SELECT count(*), sum(n), sum(active_days), sum(recency), sum(age), sum(span), sum(s), sum(mean), sum(largest), sum(kinds), sum(channels), sum(n_30), sum(s_30), sum(n_60), sum(s_60), "
        "sum(n_90), sum(s_90) FROM customers"
    ).fetchall()
    return rows[0][0]


TASKS = {
    "scan": scan,
    "plain_table": plain_table,
    "funnel": funnel,
    "retention": retention,
    "sessions": sessions,
    "transitions": transitions,
    "features": features,
}
