"""A funnel counted where the events lie: customers and shares of each step come back, times do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.funnel import cascade, words
from cjlib.analyses.funnel.rows import Question
from cjlib.analyses.funnel.table import COMPARED, shares, table_of
from cjlib.analyses.result import Metric, metric
from cjlib.errors import CjlibError
from cjlib.sources.events import EventLog

TIMES = ("median_seconds_from_previous", "mean_seconds_from_previous", "median_seconds_from_first")
TIMED = ("median_seconds_to_convert", "median_seconds_from_latest_start")


def check(asked: Question, sql: str) -> None:
    """Refuse what the statement would count differently."""
    beyond = [f"order='{asked.order}'"] if asked.order != "sequential" else []
    beyond += ["exclude"] if asked.exclude else []
    beyond += ["step_windows"] if any(gap is not None for gap in asked.step_windows) else []
    beyond += ["by"] if asked.by else []
    beyond += ["so many steps that overlap"] if not sql else []
    if beyond:
        raise CjlibError(f"log: a funnel with {', '.join(beyond)} cannot be counted where the events lie. Fetch them once: cj.funnel(log.read(), …).")


def counted(log: EventLog, asked: Question) -> tuple[pd.DataFrame, dict[str, Metric], dict[str, str]]:
    """Table, metrics and definition of a funnel that is counted in the log's own engine."""
    sql = cascade.open_statement(log, asked)
    check(asked, sql)
    found = log.run(sql).sort_values("step")
    reached, waiting = (found[name].to_numpy(dtype="int64").reshape(1, -1) for name in ("customers", "still_open"))
    missing = {name: np.full(reached.size, np.nan) for name in TIMES}
    named = shares(reached.ravel().tolist()) | {name: metric(float("nan")) for name in TIMED}
    return table_of(asked, reached, waiting, missing, {}), named, _definition(log, asked, int(reached[0, 0]))


def no_comparisons() -> pd.DataFrame:
    """No groups, nothing compared."""
    return pd.DataFrame({name: np.zeros(0) for name in COMPARED})


def _definition(log: EventLog, asked: Question, entered: int) -> dict[str, str]:
    said = {
        "steps": " → ".join(f"{k}. {step}" for k, step in enumerate(asked.in_words, start=1)),
        "window": words.window_words(asked),
        "order": words.ORDER[asked.order],
        "entry": words.ENTRY[asked.entry],
        "unit": "customers; each counts once",
        "ties": "events of one instant have no order and may fill steps in any; one event fills one step",
        "base": f"{words.count_of(entered, 'customer')} with a first event{words.bounds_words(log, asked)}",
        "still open": "customers short of the last step with a first event whose window ends after the end of data",
    }
    if asked.hold:
        said["held"] = f"all events of an attempt share their {', '.join(asked.hold)}; an event without one fills no step"
    said["end of data"] = f"{log.observed_until:%Y-%m-%d %H:%M} ({log.timezone})"
    if log.filters_in_words:
        said["filters"] = "; ".join(log.filters_in_words)
    unknown = [name for step in asked.steps for name in log.unknown_events(step)]
    if unknown:
        said["never in the log"] = ", ".join(map(repr, unknown))
    said["counted"] = "where the events lie, by the statement; times are not counted there: cj.funnel(log.read(), …) has them"
    said["intervals"] = f"Wilson 95 %; small: fewer than {asked.min_n}"
    said["sql"] = "the statement gives the same `customers` by step"
    return said
