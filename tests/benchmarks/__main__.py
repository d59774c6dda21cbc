"""`python -m tests.benchmarks [--events N …] [--repeat R] [--tasks T …]`: ours beside the peers, interleaved, medians; writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks import made_log
from tests.benchmarks.measure import MODULES

ROOT = Path(__file__).parents[2]
PEERS = {
    "prepare": ["plain_table"],
    "funnel": ["chdb", "polars", "pandas", "duckdb", "retentioneering"],
    "retention": ["chdb", "polars", "pandas", "duckdb"],
    "sessions": ["chdb", "polars", "pandas", "duckdb", "retentioneering"],
    "transitions": ["chdb", "polars", "pandas", "duckdb", "retentioneering"],
    "paths": [],
    "features": ["chdb", "polars", "pandas", "duckdb"],
}
Figures = dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True)
class Ground:
    """What all runs on one log share: the log, a small one to warm up on, a folder for prepared logs, and how long a run may take."""

    path: Path
    small: Path
    caches: Path
    timeout: int

    def run(self, engine: str, task: str) -> dict[str, Any] | None:
        """One measurement in a fresh process; None where the engine fails, with its last words on the terminal.

        Our tasks find the log prepared; the preparing itself always starts from nothing.
        """
        module, what = ("duckdb", "plain_table") if engine == "plain_table" else (engine, task)
        cache = tempfile.mkdtemp(dir=self.caches) if task == "prepare" else str(self.caches)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "4",
            "RETENTIONEERING_NO_TRACK": "1",
            "CJ_CACHE_DIR": cache,
        }
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.measure",
            module,
            what,
            str(self.path),
            str(self.small),
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=self.timeout,
                check=False,
                cwd=ROOT,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            say(f"  {engine} {task}: over {self.timeout} s")
            return None
        finally:
            if task == "prepare":
                shutil.rmtree(cache)
        if done.returncode:
            say(f"  {engine} {task}: {(done.stderr.strip().splitlines() or ['killed'])[-1][:200]}")
            return None
        return json.loads(done.stdout.strip().splitlines()[-1])


def say(words: str) -> None:
    """Progress, beside the answer."""
    print(words, file=sys.stderr, flush=True)


def missing_peers() -> list[str]:
    """The peers that are not installed here."""
    return sorted(
        {
            peer
            for peers in PEERS.values()
            for peer in peers
            if peer != "plain_table" and not find_spec(peer)
        }
    )


def measured(tasks: list[str], ground: Ground, repeat: int) -> Figures:
    """Medians of `repeat` interleaved runs of every engine and task."""
    pairs = [
        (task, engine)
        for task in tasks
        for engine in ["cjlib", *PEERS[task]]
        if engine not in missing_peers()
    ]
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for task, engine in [*pairs, ("scan", "duckdb")] * repeat:
        result = ground.run(engine, task)
        if result:
            runs.setdefault((task, engine), []).append(result)
            say(
                f"  {task:12} {engine:16} {result['cpu']:7.2f} CPU s {result['wall']:7.2f} s {result['peak_gb']:5.2f} GB  {result['answer']}"
            )
    return {
        key: {
            name: statistics.median(one[name] for one in results)
            for name in ("cpu", "wall", "peak_gb")
        }
        for key, results in runs.items()
    }


def section(events: int, repeat: int, figures: Figures) -> str:
    """The result of one log size as Markdown."""
    scan = figures.get(("scan", "duckdb"), {}).get("cpu", float("nan"))
    lines = [
        f"## {events:,} events, {max(events // 22, 1):,} customers, medians of {repeat}",
        "",
        "| task | engine | CPU s | wall s | peak GB | ÷ best peer | ÷ scan |",
        "|---|---|---|---|---|---|---|",
    ]
    for (task, engine), figure in sorted(
        figures.items(),
        key=lambda item: (
            list(PEERS).index(item[0][0]) if item[0][0] in PEERS else 99,
            item[1]["cpu"],
        ),
    ):
        peers = [
            other["cpu"]
            for (name, rival), other in figures.items()
            if name == task and rival != "cjlib"
        ]
        ratio = f"{figure['cpu'] / min(peers):.2f}" if peers else "–"
        lines.append(
            f"| {task} | {engine} | {figure['cpu']:.2f} | {figure['wall']:.2f} | {figure['peak_gb']:.2f} | {ratio} | {figure['cpu'] / scan:.1f} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """What it ran on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, Python {platform.python_version()}, {platform.system()}; shared with other work, so read ratios."


def main() -> None:
    """Make the logs, measure, print, keep."""
    parser = argparse.ArgumentParser(
        description="Ours beside the peers on the same file in one run."
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_100_000, 11_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "cj-bench")
    options = parser.parse_args()
    small = made_log.write(options.data / "small.parquet", 2_200)
    for peer in missing_peers():
        say(f"{peer} is not installed here and is left out: pip install -e '.[bench]' brings it.")
    sections = []
    for events in options.events:
        path = made_log.write(options.data / f"events_{events}.parquet", events)
        with tempfile.TemporaryDirectory(prefix="caches-", dir=options.data) as caches:
            figures = measured(
                options.tasks, Ground(path, small, Path(caches), options.timeout), options.repeat
            )
        sections.append(section(events, options.repeat, figures))
        print(sections[-1])
        # Each size as soon as it is there: a later one may take hours, or more memory than there is.
        (ROOT / "docs" / "benchmarks.md").write_text(
            "\n\n".join([head(), *sections]) + "\n", encoding="utf-8"
        )


def head() -> str:
    """What the page is, where it was made, and who is missing."""
    absent = missing_peers()
    left_out = (
        f" Not installed there, hence not in the tables: {', '.join(absent)}." if absent else ""
    )
    return (
        f"# Benchmarks\n\n`make bench` made this page. {machine()}{left_out}\n\n"
        "One process a figure, engines interleaved, imports not timed; peers read the file, cjlib works on the prepared log (its cost is the row `prepare`). "
        "The tasks are near, not equal: `tests/benchmarks/` has every one."
    )


if __name__ == "__main__":
    assert set(MODULES) >= {peer for peers in PEERS.values() for peer in peers} - {"plain_table"}
    main()
