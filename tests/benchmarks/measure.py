"""One task of one engine in a process of its own: `python -m tests.benchmarks.measure ENGINE TASK FILE SMALL_FILE` prints one JSON line.

Imports are not timed; everything runs once on the small file before. CPU is user + system time of this process, all threads.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module

MODULES = {
    "cjlib": "ours",
    "duckdb": "peer_duckdb",
    "chdb": "peer_chdb",
    "polars": "peer_polars",
    "pandas": "peer_pandas",
    "retentioneering": "peer_retentioneering",
}


def timed(task: Callable[[], object]) -> dict[str, object]:
    """CPU, wall and what came out."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    answer = task()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu": cpu,
        "wall": time.perf_counter() - started,
        "peak_gb": after.ru_maxrss / 2**20,
        "answer": answer if isinstance(answer, int | float | list) else None,
    }


def main(engine: str, task: str, path: str, small: str) -> dict[str, object]:
    """Warm up on the small file, then measure on the large one."""
    module = import_module(f"tests.benchmarks.{MODULES[engine]}")
    if engine != "cjlib":
        module.TASKS[task](small)
        return timed(lambda: module.TASKS[task](path))
    warm = module.prepare(small)
    if task == "prepare":
        return timed(lambda: module.prepare(path).n_events)
    module.TASKS[task](warm)
    log = module.prepare(path)
    return timed(lambda: module.TASKS[task](log))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:5])))
