"""What it costs to make people of ids: `python -m tests.benchmarks.identity PEOPLE EVENTS [join]` prints one JSON line.

Each person has a known id and an anonymous one. A third of the events carry the anonymous id alone, a third the known one, a
third both. Without `join` the same file is read with ids as they stand: the difference is what resolving costs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

import cjlib as cj
from tests.benchmarks.measure import timed

IDENTITIES = {"known": ["customer_id"], "anonymous": ["anonymous_id"]}


def write(path: Path, people: int, events: int) -> None:
    """A Parquet file of events of so many people, each under two ids."""
    duckdb.execute("SELECT setseed(0.5)")
    duckdb.execute(
        f"""COPY (
            SELECT CASE WHEN kind > 0 THEN 'user-' || person END AS customer_id,
                CASE WHEN kind < 2 THEN 'device-' || hash(person) END AS anonymous_id,
                ['visit', 'cart', 'buy', 'help'][1 + CAST(hash(n) % 4 AS BIGINT)] AS event,
                TIMESTAMP '2024-01-01' + to_seconds(CAST(hash(n * 7) % 31000000 AS BIGINT)) AS timestamp
            FROM (SELECT n, CAST(hash(n * 3) % {people} AS BIGINT) AS person, hash(n * 5) % 3 AS kind FROM range({events}) AS r(n))
        ) TO '{path}' (FORMAT parquet)"""
    )


def read(path: Path, *, join: bool) -> cj.EventLog:
    """The log, its customers people or ids."""
    if join:
        return cj.read_events(path, timezone="UTC", identities=IDENTITIES, duplicates="keep")
    first = "coalesce(customer_id, anonymous_id)"
    ids = duckdb.sql(f"SELECT {first} AS customer_id, anonymous_id, event, timestamp FROM '{path}'")
    plain = path.with_suffix(".plain.parquet")
    ids.write_parquet(str(plain))
    return cj.read_events(plain, timezone="UTC", identities=None, duplicates="keep")


def main(people: int, events: int, *, join: bool) -> dict[str, object]:
    """CPU seconds, peak memory and customers of one reading, after a small one."""
    with TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        write(small, 50, 1_000)
        write(large, people, events)
        read(small, join=join)
        return timed(lambda: read(large, join=join).n_customers)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), join="join" in sys.argv)))
