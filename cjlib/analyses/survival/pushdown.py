"""Lives counted where the events lie: how many lasted how many days comes back."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.survival.durations import DAY
from cjlib.analyses.survival.group_comparison import Lifetimes
from cjlib.analyses.survival.sql import days_sql, tied_sql
from cjlib.errors import CjlibError
from cjlib.shared.first_events import Groups
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog


def lifetimes_there(
    log: EventLog, start: Step, lives: str, by: tuple[str, ...]
) -> tuple[Lifetimes, int]:
    """All lives without groups, and how many further events tie as the first; `lives` is the statement of one row a customer."""
    if by:
        raise CjlibError(
            "log: survival with by cannot be counted where the events lie. Fetch them once: cj.survival(log.read(), …)."
        )
    found = log.run(days_sql(log, lives)).sort_values(["lasted", "churned"])
    times = found["lives"].to_numpy(dtype="int64")
    days = np.repeat((found["lasted"].to_numpy(dtype="int64") // DAY).astype(np.float64), times)
    churned = np.repeat(found["churned"].to_numpy(dtype="int64") == 1, times)
    everyone = Groups((), pd.DataFrame(index=range(1)))
    lifetimes = Lifetimes(
        days, churned, np.zeros(days.size, dtype=np.int64), everyone, "day", whole=True
    )
    return lifetimes, int(log.run(tied_sql(log, start, lives))["tied"].iloc[0]) if days.size else 0
