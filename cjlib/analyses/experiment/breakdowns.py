"""The same experiment look by look, day by day since the exposure, and group by group: what a verdict should be held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.experiment.assignment import Assignment
from cjlib.analyses.experiment.estimates import estimate
from cjlib.analyses.experiment.measures import CustomerValues, Measure, customer_values
from cjlib.shared.comparison import MIN_N, FollowUp, family
from cjlib.shared.group_by import group_by
from cjlib.sources.log.event_log import EventLog

DAY = 86_400_000_000
MOST_LOOKS = 30
MOST_DAYS = 14
INTERVALS = ("difference", "low", "high", "always_low", "always_high")
Bools = NDArray[np.bool_]


def looks(
    assigned: Assignment,
    measured: Sequence[tuple[Measure, CustomerValues]],
    horizon: int,
    *,
    cuped: bool,
    planned: int | None,
    comparisons: int,
) -> pd.DataFrame:
    """What each look would have shown: at most 30 times, evenly spaced, with the customers whose window was over by then."""
    complete_at = assigned.exposed_at + horizon
    times = np.linspace(complete_at.min(), complete_at.max(), MOST_LOOKS + 1)[1:].astype("int64")
    rows = [
        {"look": look} | reading
        for look in times
        for reading in _readings(
            assigned,
            measured,
            complete_at <= look,
            cuped=cuped,
            planned=planned,
            comparisons=comparisons,
        )
    ]
    table = pd.DataFrame(rows, columns=["look", "variant", "measure", "customers", *INTERVALS])
    table["look"] = pd.to_datetime(table["look"], unit="us", utc=True)
    return table


def novelty(
    log: EventLog, assigned: Assignment, measures: Sequence[Measure], horizon: int
) -> pd.DataFrame:
    """The difference that each day since the exposure adds; a difference that fades was novelty. Counts and sums only."""
    days = min(MOST_DAYS, horizon // DAY)
    additive = [one for one in measures if one.kind in ("count", "sum")]
    rows = []
    for measure in additive if days > 1 else ():
        ends = [horizon * day // days for day in range(1, days + 1)]
        so_far = np.zeros(len(assigned.customer))
        for end in ends:
            until = customer_values(log, measure, assigned.customer, assigned.exposed_at, end)
            added = CustomerValues(until.value - so_far, None, until.before, None)
            so_far = until.value
            everyone = np.ones(len(so_far), dtype=bool)
            rows += [
                {"days": end / DAY} | reading
                for reading in _readings(assigned, [(measure, added)], everyone, cuped=False)
            ]
    return pd.DataFrame(rows, columns=["days", "variant", "measure", "customers", *INTERVALS[:3]])


def segments(
    log: EventLog,
    by: Sequence[str],
    assigned: Assignment,
    measured: Sequence[tuple[Measure, CustomerValues]],
    follow_up: FollowUp,
    *,
    cuped: bool,
) -> pd.DataFrame:
    """Each arm against the control within each value of each column, as known at the exposure; adjusted over all of them."""
    known_at = np.full(len(log.customer_ids()), np.iinfo(np.int64).min)
    known_at[assigned.customer] = assigned.exposed_at
    rows = []
    for column in by:
        groups = group_by(log, column, known_at=known_at)
        of = groups.of[assigned.customer]
        for position, label in enumerate(groups.labels):
            rows += [
                {"column": column, "group": label} | reading
                for reading in _readings(assigned, measured, of == position, cuped=cuped)
            ]
    names = ["column", "group", "variant", "measure", "customers", "control_customers"]
    table = pd.DataFrame(rows, columns=[*names, *INTERVALS[:3], "p_value"])
    if len(table):
        tested = family(
            "segments of the experiment",
            table["p_value"],
            units=table["customers"],
            other_units=table["control_customers"],
            follow_up=follow_up,
        )
        table["p_adjusted"] = tested.p_adjusted
    return table


def _readings(
    assigned: Assignment,
    measured: Sequence[tuple[Measure, CustomerValues]],
    chosen: Bools,
    *,
    cuped: bool,
    planned: int | None = None,
    comparisons: int = 1,
) -> Iterator[dict[str, Any]]:
    """Every arm and measure over some of the customers; nothing where a side has fewer than 30."""
    control = chosen & (assigned.arm == 0)
    for measure, values in measured:
        for arm in range(1, len(assigned.arms)):
            treated = chosen & (assigned.arm == arm)
            if min(np.count_nonzero(control), np.count_nonzero(treated)) < MIN_N:
                continue
            found = estimate(
                measure,
                values,
                control,
                treated,
                cuped=cuped and measure.kind != "share",
                planned=planned,
                comparisons=comparisons,
            )
            yield {
                "variant": assigned.arms[arm],
                "measure": measure.name,
                "customers": int(np.count_nonzero(treated)),
                "control_customers": int(np.count_nonzero(control)),
                "p_value": found.p_value,
            } | {name: getattr(found, name) for name in INTERVALS}
