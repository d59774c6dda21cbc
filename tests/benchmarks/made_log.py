"""A year of a made-up business as one Parquet file: 22 events a customer on average, ids in no order, a fifth of the events funnel steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STEPS = ["view", "cart", "checkout", "purchase"]
NAMES = [*STEPS, *(f"feature_{number:02d}" for number in range(14)), "support", "login"]
WEIGHTS = np.array([0.10, 0.05, 0.03, 0.02, *([0.03] * 14), 0.06, 0.32])
CHANNELS = ["web", "app", "email", "phone", "store", "ad"]
YEAR_SECONDS = 365 * 86_400
START = np.datetime64("2025-01-01T00:00:00", "us")
CHUNK = 5_000_000
CUTOFF_US = 1_763_164_800_000_000
"""2025-11-15, where the features look back from."""


def write(path: Path, events: int, seed: int = 0) -> Path:
    """Write the log unless it is there already; customers = events / 22, visits cluster in bursts of minutes."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    customers = max(events // 22, 1)
    aside = path.with_suffix(".writing")
    with pq.ParquetWriter(aside, schema(), compression="zstd") as writer:
        for first in range(0, events, CHUNK):
            writer.write_table(_chunk(rng, min(CHUNK, events - first), customers))
    aside.rename(path)
    return path


def schema() -> pa.Schema:
    """The columns of the file."""
    return pa.schema(
        {
            "customer_id": pa.string(),
            "event": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "channel": pa.string(),
            "value": pa.float64(),
        }
    )


def _chunk(rng: np.random.Generator, rows: int, customers: int) -> pa.Table:
    # Activity differs between customers; a visit is a burst of events minutes apart.
    who = (customers * rng.beta(0.9, 1.6, rows)).astype(np.int64) % customers
    visit = (who * 7919 + rng.integers(0, 6, rows) * 104_729) % YEAR_SECONDS
    seconds = (visit + rng.exponential(900, rows).astype(np.int64)) % YEAR_SECONDS
    events = rng.choice(len(NAMES), size=rows, p=WEIGHTS / WEIGHTS.sum())
    value = np.where(events == STEPS.index("purchase"), np.round(rng.gamma(2, 20, rows), 2), np.nan)
    # A multiplicative hash keeps the ids in no order of time or size.
    ids = pa.array(np.char.mod("u%08d", (np.arange(customers) * 48_271) % 99_999_989))
    return pa.table(
        {
            "customer_id": pa.DictionaryArray.from_arrays(pa.array(who.astype(np.int32)), ids).cast(
                pa.string()
            ),
            "event": pa.DictionaryArray.from_arrays(
                pa.array(events.astype(np.int32)), pa.array(NAMES)
            ).cast(pa.string()),
            "timestamp": pa.array(START + seconds.astype("timedelta64[s]")).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "channel": pa.DictionaryArray.from_arrays(
                pa.array(rng.integers(0, 6, rows).astype(np.int32)), pa.array(CHANNELS)
            ).cast(pa.string()),
            "value": pa.array(value, mask=np.isnan(value)),
        },
        schema=schema(),
    )
