"""`python -m tests.benchmarks.engines [EVENTS]`: the same questions of PostgreSQL, ClickHouse and Spark, and whether their tables are ours to the last digit.

The events are full of ties: their times are cut to quarters of an hour. PostgreSQL is started in a temporary folder on loopback, ClickHouse and Spark
in this process; what is missing is left out. Prints a table in Markdown, seconds by the wall clock, one run.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

import cjlib as cj
from tests.benchmarks import made_log
from tests.engines import servers

QUESTIONS: dict[str, Callable[[cj.EventLog], Any]] = {
    "funnel, 4 steps, 7 days": lambda log: cj.funnel(log, made_log.STEPS, window="7D"),
    "the same by channel": lambda log: cj.funnel(log, made_log.STEPS, window="7D", by="channel"),
    "retention, weeks": lambda log: cj.retention(log, period="week", periods=12),
    "transitions within 30 minutes": lambda log: cj.transitions(log, session_gap="30min"),
    "sessions, 30 minutes": lambda log: cj.sessions(log, gap="30min"),
    "lifecycle, months": lambda log: cj.lifecycle(log, period="month"),
    "survival, 60 days of silence": lambda log: cj.survival(log, inactive="60D"),
}
SPARK = {
    "spark.master": "local[4]",
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "4",
}


def events_of(folder: Path, rows: int) -> pd.DataFrame:
    """The log of the other benchmarks, its times cut to quarters of an hour."""
    path = made_log.write(folder / "events.parquet", rows)
    cut = "time_bucket(INTERVAL 15 MINUTE, timestamp AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    made = (
        duckdb.connect()
        .execute(
            f"SELECT * REPLACE ({cut} AS timestamp) FROM read_parquet($path)", {"path": str(path)}
        )
        .to_arrow_table()
        .to_pandas()
    )
    return made.assign(
        timestamp=made["timestamp"].dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    )


def engines(stack: ExitStack, folder: Path) -> Iterator[servers.Engine]:
    """The engines that can be had, each started when its turn comes."""

    def postgres() -> servers.Engine:
        return servers.postgres(stack.enter_context(servers.postgres_server()))

    for start in (
        lambda: stack.enter_context(servers.clickhouse(folder / "clickhouse")),
        postgres,
        lambda: stack.enter_context(servers.spark(folder, SPARK)),
    ):
        try:
            yield start()
        except (servers.Missing, ImportError) as missing:
            print(f"left out: {missing}", file=sys.stderr)


def timed(question: Callable[[], Any]) -> tuple[Any, float]:
    """An answer and how long it took."""
    begun = time.perf_counter()
    return question(), time.perf_counter() - begun


def same(away: Any, here: Any) -> bool:
    """Whether all tables of two results are equal to the last digit."""
    tables = [name for name, one in vars(here).items() if isinstance(one, pd.DataFrame)]
    lacks = {"cohort_comparisons", "cohort_change"}
    return all(
        getattr(away, name).equals(getattr(here, name)) for name in tables if name not in lacks
    )


def main(rows: int) -> None:
    """Ask all questions of all engines and print the table."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        events = events_of(folder, rows)
        log, took = timed(lambda: cj.read_events(events, timezone="Europe/Berlin"))
        answers = {name: timed(lambda ask=ask: ask(log)) for name, ask in QUESTIONS.items()}
        shown = {"": list(QUESTIONS), "rows": [len(answer.table) for answer, _ in answers.values()]}
        shown["here"] = [f"{seconds:.1f}" for _, seconds in answers.values()]
        opened = ["opening", log.n_events, f"{took:.1f}"]
        for engine in engines(stack, folder):
            engine.put(events, "events_of_a_year")
            away, took = timed(
                lambda engine=engine: cj.read_events(
                    engine.source, table="events_of_a_year", timezone="Europe/Berlin", pushdown=True
                )
            )
            opened.append(
                f"{took:.1f}, {'equal' if away.table().equals(log.table()) else 'not equal'}"
            )
            shown[engine.name] = []
            for name, ask in QUESTIONS.items():
                answer, seconds = timed(lambda ask=ask, away=away: ask(away))
                shown[engine.name].append(
                    f"{seconds:.1f}, {'equal' if same(answer, answers[name][0]) else 'not equal'}"
                )
                print(engine.name, name, shown[engine.name][-1], file=sys.stderr)
        print_table(shown, opened, log)


def print_table(shown: dict[str, list[Any]], opened: list[Any], log: cj.EventLog) -> None:
    """What was asked, run where, with what, how long, and whether it was equal."""
    shared = (
        log.n_events
        - log.engine.rows(f"SELECT count(*) FROM (SELECT DISTINCT c, t FROM {log.prepared})")[0][0]
    )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "sqlglot", "chdb", "psycopg", "pyspark")
    )
    print(
        f"{log.n_events:,} events of {log.n_customers:,} customers, {shared:,} of them at an instant that an earlier one has; Python {platform.python_version()}, {packages}.\n"
    )
    print(f"| {' | '.join(shown)} |\n|{' --- |' * len(shown)}")
    for row in (opened, *zip(*shown.values(), strict=True)):
        print(f"| {' | '.join(f'{one:,}' if isinstance(one, int) else one for one in row)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
