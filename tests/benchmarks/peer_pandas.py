"""Pandas, as an analyst writes it."""

from __future__ import annotations

import pandas as pd

from tests.benchmarks.made_log import CUTOFF_US, STEPS

COLUMNS = ["customer_id", "event", "timestamp"]
WEEK = pd.Timedelta(days=7)
GAP = pd.Timedelta(minutes=30)


def _sorted(path: str) -> pd.DataFrame:
    frame = pd.read_parquet(path, columns=COLUMNS)
    frame = frame.assign(
        customer_id=frame["customer_id"].astype("category").cat.codes,
        event=frame["event"].astype("category"),
    )
    return frame.sort_values(["customer_id", "timestamp", "event"], ignore_index=True)


def funnel(path: str) -> object:
    """The cascade of running maxima over each customer's step events, with times."""
    frame = pd.read_parquet(path, columns=COLUMNS, filters=[("event", "in", STEPS)])
    frame = frame.assign(
        k=frame["event"].map({step: k for k, step in enumerate(STEPS, start=1)}).astype("int8"),
        c=frame["customer_id"].astype("category").cat.codes,
    )
    frame = frame.sort_values(["c", "timestamp", "k"], ignore_index=True)
    latest = frame["timestamp"].where(frame["k"] == 1).groupby(frame["c"]).ffill()
    counts = [int(frame.loc[latest.notna(), "c"].nunique())]
    for k in range(2, len(STEPS) + 1):
        latest = (
            latest.where((frame["k"] == k) & (frame["timestamp"] - latest <= WEEK))
            .groupby(frame["c"])
            .ffill()
        )
        counts.append(int(frame.loc[latest.notna(), "c"].nunique()))
    first = frame[latest.notna()].assign(start=latest).groupby("c").first()
    (first["timestamp"] - first["start"]).median()
    return counts


def retention(path: str) -> object:
    """Distinct customer-weeks beside each customer's first."""
    frame = pd.read_parquet(path, columns=["customer_id", "timestamp"])
    days = frame["timestamp"].astype("int64") // 86_400_000_000
    weeks = pd.DataFrame(
        {"c": frame["customer_id"].astype("category").cat.codes, "w": (days + 3) // 7}
    ).drop_duplicates()
    period = weeks["w"] - weeks.groupby("c")["w"].transform("min")
    return int((period <= 12).sum())


def sessions(path: str) -> object:
    """Shift, flag, running sum, group."""
    frame = _sorted(path)
    starts = (frame["timestamp"].diff() > GAP) | (
        frame["customer_id"] != frame["customer_id"].shift()
    )
    grouped = frame["timestamp"].groupby(starts.cumsum()).agg(["min", "max", "size"])
    return len(grouped)


def transitions(path: str) -> object:
    """Neighbours within the gap."""
    frame = _sorted(path)
    elapsed = frame["timestamp"].shift(-1) - frame["timestamp"]
    near = (frame["customer_id"] == frame["customer_id"].shift(-1)) & (elapsed <= GAP)
    pairs = pd.DataFrame({"a": frame["event"], "b": frame["event"].shift(-1), "d": elapsed})[near]
    return int(pairs.groupby(["a", "b"], observed=True)["d"].agg(["size", "mean"])["size"].sum())


def features(path: str) -> object:
    """Sixteen features by groups of customers."""
    frame = pd.read_parquet(path)
    frame = frame.assign(
        t=frame["timestamp"].astype("datetime64[us, UTC]").astype("int64"),
        c=frame["customer_id"].astype("category").cat.codes,
    )
    frame = frame[frame["t"] <= CUTOFF_US]
    frame = frame.assign(
        day=frame["t"] // 86_400_000_000, ago=(CUTOFF_US - frame["t"]) // 86_400_000_000
    )
    by = frame.groupby("c")
    found = by.agg(
        n=("t", "size"),
        first=("t", "min"),
        last=("t", "max"),
        s=("value", "sum"),
        mean=("value", "mean"),
        largest=("value", "max"),
    )
    found = found.assign(
        recency=CUTOFF_US - found["last"],
        age=CUTOFF_US - found["first"],
        span=found["last"] - found["first"],
    )
    for name, column in (("active_days", "day"), ("kinds", "event"), ("channels", "channel")):
        found[name] = frame[["c", column]].drop_duplicates().groupby("c").size()
    for days in (30, 60, 90):
        found[[f"n_{days}", f"s_{days}"]] = (
            frame[frame["ago"] < days].groupby("c")["value"].agg(["size", "sum"])
        )
    found.sum()
    return len(found)


TASKS = {
    "funnel": funnel,
    "retention": retention,
    "sessions": sessions,
    "transitions": transitions,
    "features": features,
}
