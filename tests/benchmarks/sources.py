"""What several sources cost: `python -m tests.benchmarks.sources EVENTS` prints one JSON line for one file and one for three.

The three files hold the rows of the one: what people do on the site, in the app and in the shop. Each is measured in a process of
its own, after a small reading.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

import cjlib as cj
from tests.benchmarks import made_log
from tests.benchmarks.measure import timed

SOURCES = {
    "site": "event IN ('view', 'cart', 'login')",
    "app": "event LIKE 'feature%'",
    "shop": "event IN ('checkout', 'purchase', 'support')",
}


def write(folder: Path, events: int) -> Path:
    """A folder with the log as one file, and as a file of each source."""
    whole = made_log.write(folder / "all.parquet", events)
    for name, rows in SOURCES.items():
        duckdb.sql(f"FROM '{whole}' WHERE {rows}").write_parquet(str(folder / f"{name}.parquet"))
    return folder


def read(folder: Path, sources: str) -> int:
    """How many events the log of one file or of three has."""
    if sources == "one":
        return cj.read_events(folder / "all.parquet", timezone="UTC").n_events
    files = {name: folder / f"{name}.parquet" for name in SOURCES}
    return cj.read_events(files, timezone="UTC").n_events


def measured(small: Path, large: Path, sources: str) -> dict[str, object]:
    """CPU seconds and peak memory of one reading, after a small one."""
    read(small, sources)
    return {"sources": sources} | timed(lambda: read(large, sources))


def main(events: int) -> None:
    """Make the files, then measure each way in a process of its own."""
    with TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write(small, 10_000)
        write(large, events)
        for sources in ("one", "three"):
            command = [sys.executable, "-m", "tests.benchmarks.sources"]
            caches = os.environ | {"CJ_CACHE_DIR": str(Path(folder) / f"caches of {sources}")}
            subprocess.run([*command, str(small), str(large), sources], check=True, env=caches)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(int(sys.argv[1]))
    else:
        print(json.dumps(measured(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
