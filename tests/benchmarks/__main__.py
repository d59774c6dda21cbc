"""`python -m tests.benchmarks [--events N …] [--repeat R] [--tasks T …]`: ours beside the peers, interleaved, medians; writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

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
    "features": [],
}
Figures = dict[tuple[str, str], dict[str, float]]


def one_run(engine: str, task: str, path: Path, small: Path, timeout: int) -> dict | None:
    """One measurement in a fresh process; None where the engine fails, with its last words on the terminal."""
    engine, task = ("duckdb", "plain_table") if engine == "plain_table" else (engine, task)
    environment = {**os.environ, "OMP_NUM_THREADS": "4", "RETENTIONEERING_NO_TRACK": "1", "CJ_CACHE_DIR": tempfile.mkdtemp(prefix="cj-bench-")}
    command = [sys.executable, "-m", "tests.benchmarks.measure", engine, task, str(path), str(small)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT, env=environment)
    except subprocess.TimeoutExpired:
        print(f"  {engine} {task}: over {timeout} s", file=sys.stderr)
        return None
    if done.returncode:
        print(f"  {engine} {task}: {(done.stderr.strip().splitlines() or ['killed'])[-1][:200]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def measured(tasks: list[str], path: Path, small: Path, repeat: int, timeout: int) -> Figures:
    """Medians of `repeat` interleaved runs of every engine and task."""
    runs: dict[tuple[str, str], list[dict]] = {}
    for _ in range(repeat):
        for task in tasks:
            for engine in ["cjlib", *(peer for peer in PEERS[task] if peer == "plain_table" or find_spec(peer))]:
                result = one_run(engine, task, path, small, timeout)
                if result:
                    runs.setdefault((task, engine), []).append(result)
                    print(
                        f"  {task:12} {engine:16} {result['cpu']:7.2f} CPU s {result['wall']:7.2f} s {result['peak_gb']:5.2f} GB  {result['answer']}",
                        file=sys.stderr,
                    )
    scan = [one_run("duckdb", "scan", path, small, timeout) for _ in range(repeat)]
    runs[("scan", "duckdb")] = [one for one in scan if one]
    return {
        key: {name: statistics.median(one[name] for one in results) for name in ("cpu", "wall", "peak_gb")}
        for key, results in runs.items()
        if results
    }


def section(events: int, repeat: int, figures: Figures) -> str:
    """The result of one log size as Markdown."""
    scan = figures[("scan", "duckdb")]["cpu"]
    lines = [
        f"## {events:,} events, {max(events // 22, 1):,} customers, medians of {repeat}",
        "",
        "| task | engine | CPU s | wall s | peak GB | ÷ best peer | ÷ scan |",
        "|---|---|---|---|---|---|---|",
    ]
    for (task, engine), figure in sorted(
        figures.items(), key=lambda item: (list(PEERS).index(item[0][0]) if item[0][0] in PEERS else 99, item[1]["cpu"])
    ):
        peers = [other["cpu"] for (name, rival), other in figures.items() if name == task and rival != "cjlib"]
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
    parser = argparse.ArgumentParser(description="Ours beside the peers on the same file in one run.")
    parser.add_argument("--events", type=int, nargs="+", default=[1_100_000, 11_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "cj-bench")
    options = parser.parse_args()
    small = made_log.write(options.data / "small.parquet", 2_200)
    sections = []
    for events in options.events:
        path = made_log.write(options.data / f"events_{events}.parquet", events)
        sections.append(section(events, options.repeat, measured(options.tasks, path, small, options.repeat, options.timeout)))
        print(sections[-1])
    head = f"# Benchmarks\n\n`make bench` made this page. {machine()}\nOne process a figure, engines interleaved, imports not timed; peers read the file, cjlib works on the prepared log (its cost is the row `prepare`).\n"
    (ROOT / "docs" / "benchmarks.md").write_text("\n\n".join([head, *sections]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    assert set(MODULES) >= {peer for peers in PEERS.values() for peer in peers} - {"plain_table"}
    main()
