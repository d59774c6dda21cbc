"""Polars, lazily from the file."""

from __future__ import annotations

import polars as pl

from tests.benchmarks.made_log import CUTOFF_US, STEPS

WEEK = pl.duration(days=7)
GAP = pl.duration(minutes=30)


def _sorted(path: str) -> pl.LazyFrame:
    return (
        pl.scan_parquet(path)
        .select("customer_id", "event", "timestamp")
        .sort("customer_id", "timestamp", "event")
    )


def funnel(path: str) -> object:
    """The cascade of running maxima over each customer's step events, with times."""
    order = {step: k for k, step in enumerate(STEPS, start=1)}
    frame = (
        pl.scan_parquet(path)
        .select("customer_id", "event", "timestamp")
        .filter(pl.col("event").is_in(STEPS))
        .with_columns(k=pl.col("event").replace_strict(order, return_dtype=pl.Int8))
        .sort("customer_id", "timestamp", "k")
        .with_columns(
            m1=pl.when(pl.col("k") == 1).then("timestamp").forward_fill().over("customer_id")
        )
    )
    for k in range(2, len(STEPS) + 1):
        fits = (pl.col("k") == k) & (pl.col("timestamp") - pl.col(f"m{k - 1}") <= WEEK)
        frame = frame.with_columns(
            pl.when(fits).then(f"m{k - 1}").forward_fill().over("customer_id").alias(f"m{k}")
        )
    last = f"m{len(STEPS)}"
    reached = frame.group_by("customer_id").agg(
        *(pl.col(f"m{k}").is_not_null().any().alias(f"r{k}") for k in range(1, len(STEPS) + 1)),
        seconds=(
            pl.col("timestamp").filter(pl.col(last).is_not_null()).first()
            - pl.col(last).drop_nulls().first()
        ).dt.total_seconds(),
    )
    answer = reached.select(
        *(pl.col(f"r{k}").sum() for k in range(1, len(STEPS) + 1)), pl.col("seconds").median()
    ).collect()
    return list(answer.row(0)[: len(STEPS)])


def retention(path: str) -> object:
    """Distinct customer-weeks beside each customer's first."""
    weeks = (
        pl.scan_parquet(path)
        .select("customer_id", w=pl.col("timestamp").dt.truncate("1w"))
        .unique()
    )
    cells = weeks.with_columns(f=pl.col("w").min().over("customer_id")).with_columns(
        p=(pl.col("w") - pl.col("f")).dt.total_days() // 7
    )
    return (
        cells.filter(pl.col("p") <= 12)
        .group_by("f", "p")
        .len()
        .select(pl.col("len").sum())
        .collect()
        .item()
    )


def sessions(path: str) -> object:
    """Shift, flag, running sum, group."""
    starts = (pl.col("timestamp") - pl.col("timestamp").shift() > GAP) | (
        pl.col("customer_id") != pl.col("customer_id").shift()
    )
    split = _sorted(path).with_columns(s=starts.fill_null(True).cum_sum())
    grouped = split.group_by("s").agg(
        pl.len(), (pl.col("timestamp").max() - pl.col("timestamp").min()).alias("length")
    )
    return grouped.select(pl.len()).collect().item()


def transitions(path: str) -> object:
    """Neighbours within the gap."""
    paired = _sorted(path).with_columns(
        f=pl.col("event").shift(-1),
        d=pl.col("timestamp").shift(-1) - pl.col("timestamp"),
        same=pl.col("customer_id") == pl.col("customer_id").shift(-1),
    )
    counted = (
        paired.filter(pl.col("same") & (pl.col("d") <= GAP))
        .group_by("event", "f")
        .agg(pl.len().alias("n"), pl.col("d").mean())
    )
    return counted.select(pl.col("n").sum()).collect().item()


def features(path: str) -> object:
    """Sixteen features in one group."""
    cutoff = pl.lit(CUTOFF_US).cast(pl.Datetime("us", "UTC"))
    t, value = pl.col("timestamp"), pl.col("value")
    recent = {days: t > cutoff - pl.duration(days=days) for days in (30, 60, 90)}
    grouped = (
        pl.scan_parquet(path)
        .filter(t <= cutoff)
        .group_by("customer_id")
        .agg(
            pl.len().alias("n"),
            t.dt.date().n_unique().alias("active_days"),
            (cutoff - t.max()).dt.total_seconds().alias("recency"),
            (cutoff - t.min()).dt.total_seconds().alias("age"),
            (t.max() - t.min()).dt.total_seconds().alias("span"),
            value.sum().alias("s"),
            value.mean().alias("mean"),
            value.max().alias("largest"),
            pl.col("event").n_unique().alias("kinds"),
            pl.col("channel").n_unique().alias("channels"),
            *(inside.sum().alias(f"n_{days}") for days, inside in recent.items()),
            *(value.filter(inside).sum().alias(f"s_{days}") for days, inside in recent.items()),
        )
    )
    return grouped.select(pl.len(), pl.exclude("customer_id").sum()).collect().row(0)[0]


TASKS = {
    "funnel": funnel,
    "retention": retention,
    "sessions": sessions,
    "transitions": transitions,
    "features": features,
}
