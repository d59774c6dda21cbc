"""Leaks in a log: what the customers file says of those who left, and what only long absence tells."""

from __future__ import annotations

import numpy as np
import pandas as pd

import cjlib as cj

START = pd.Timestamp("2024-01-01", tz="UTC")
N, DAYS = 600, 300


def members(seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weekly visits from the first days on until leaving, by a cancellation, at a time of one's own; the file knows who left and why."""
    rng = np.random.default_rng(seed)
    rows, file = [], []
    for one in range(N):
        begin, end = rng.uniform(0, 20), rng.uniform(30, 900)
        rows += [(f"c{one:03d}", "visit", day) for day in np.arange(begin, min(end, DAYS), 7)]
        left = end < DAYS
        rows += [(f"c{one:03d}", "cancel", end)] if left else []
        reason = rng.choice(["price", "moved"]) if left else None
        file.append(
            (
                f"c{one:03d}",
                reason,
                0.0 if left else 20.0,
                not left,
                rng.choice(["north", "south"]),
                rng.choice(["phone", "shop"]),
            )
        )
    log = pd.DataFrame(rows, columns=["customer_id", "event", "day"])
    log["timestamp"] = START + pd.to_timedelta(log.pop("day").round(3), unit="D")
    return log, pd.DataFrame(
        file,
        columns=[
            "customer_id",
            "why",
            "last_invoice",
            "active_now",
            "region",
            "reason_for_joining",
        ],
    )


def test_columns_of_the_customers_file_that_know_the_outcome_fail_and_honest_ones_do_not():
    events, file = members()
    data = cj.churn_data(
        cj.read_events(events, customers=file, observed_until=START + pd.Timedelta("300D")),
        horizon="60D",
        churn_event="cancel",
        cutoffs=[START + pd.Timedelta("240D")],
    )
    failed = data.leaks[data.leaks["level"] == "FAIL"]
    assert set(failed["column"]) == {"why", "last_invoice", "active_now"}
    assert "'active_now', 'last_invoice', 'why'" in data.headline
    named = data.leaks[data.leaks["column"] == "reason_for_joining"]
    assert named["level"].tolist() == ["WARN", "INFO"]


def test_a_count_of_days_is_judged_among_those_seen_lately():
    events, _ = members()
    visits = events[events["event"] == "visit"]
    last = visits.groupby("customer_id")["timestamp"].transform("max")
    data = cj.churn_data(
        cj.read_events(
            visits[(last < START + pd.Timedelta("150D")) | (last > START + pd.Timedelta("262D"))]
        ),
        horizon="30D",
        cutoffs=[START + pd.Timedelta("263D")],
    )
    rows = data.population.set_index("population")["churned"]
    assert rows["all"] > 9 * rows["active"] > 0
    assert not (data.leaks["level"] == "FAIL").any()
