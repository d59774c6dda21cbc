"""The same experiment look by look, day by day since the exposure, and group by group: what a verdict should be held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.experiment.assignment import Assignment
from cjlib.analyses.experiment.estimates import Moments, Rules, estimate
from cjlib.analyses.experiment.measures import (
    DAY,
    CustomerValues,
    Exposed,
    Measure,
    daily_values,
)
from cjlib.shared.comparison import MIN_N, FollowUp, family
from cjlib.shared.group_by import group_by
from cjlib.sources.log.event_log import EventLog

MOST_LOOKS = 30
MOST_DAYS = 14
INTERVALS = ("difference", "low", "high", "always_low", "always_high")
LOOKS = ["look", "variant", "measure", "customers", *INTERVALS]
NOVELTY = ["days", "variant", "measure", "customers", *INTERVALS[:3]]
SEGMENTS = [
    *("column", "group", "variant", "measure", "customers", "control_customers"),
    *(*INTERVALS[:3], "p_value"),
]
Ints = NDArray[np.int64]


def look_times(assigned: Assignment, horizon: int) -> tuple[Ints, Ints]:
    """At most 30 looks, evenly spaced, in microseconds UTC, and the first look at which each customer's window was over."""
    complete_at = assigned.exposed_at + horizon
    times = np.linspace(complete_at.min(), complete_at.max(), MOST_LOOKS + 1)[1:].astype("int64")
    times[-1] = complete_at.max()
    return times, np.searchsorted(times, complete_at)


def looks(
    assigned: Assignment,
    measure: Measure,
    values: CustomerValues,
    times: Ints,
    first_look: Ints,
    rules: Rules,
) -> list[dict[str, Any]]:
    """What each look would have shown of a measure, with the customers whose window was over by then."""
    arms = len(assigned.arms)
    so_far = Moments.of(
        values,
        first_look * arms + assigned.arm,
        len(times) * arms,
        covariates=adjusts(measure, rules),
    ).accumulated(arms, len(times))
    return [
        {"look": look} | reading
        for number, look in enumerate(times)
        for reading in readings(assigned.arms, measure, so_far, number * arms, rules)
    ]


def novelty(
    log: EventLog, assigned: Assignment, measure: Measure, exposed: Exposed, rules: Rules
) -> list[dict[str, Any]]:
    """The difference that each day since the exposure adds; a difference that fades was novelty. Counts and sums only."""
    days = min(MOST_DAYS, exposed.window // DAY)
    if measure.kind not in ("count", "sum") or measure.after or days < 2:
        return []
    ends = [exposed.window * day // days for day in range(1, days + 1)]
    plain = replace(rules, cuped=False)
    rows = []
    for end, (places, added) in zip(ends, daily_values(log, measure, exposed, ends), strict=True):
        arms = len(assigned.arms)
        group = assigned.arm[places]
        moments = Moments(
            ("value",),
            np.zeros(1),
            assigned.sizes,
            np.bincount(group, weights=added, minlength=arms)[:, None].astype(float),
            np.bincount(group, weights=added**2, minlength=arms)[:, None, None].astype(float),
        )
        rows += [
            {"days": end / DAY} | row for row in readings(assigned.arms, measure, moments, 0, plain)
        ]
    return rows


def groups_of(
    log: EventLog, by: Sequence[str], assigned: Assignment
) -> list[tuple[str, Ints, Sequence[str]]]:
    """Each column with the group of each customer, as known at the exposure, and the groups' names."""
    known_at = np.full(log.n_customers, np.iinfo(np.int64).min)
    known_at[assigned.customer] = assigned.exposed_at
    columns = []
    for column in by:
        groups = group_by(log, column, known_at=known_at)
        columns.append((column, groups.of[assigned.customer], groups.labels))
    return columns


def segments(
    assigned: Assignment,
    measure: Measure,
    values: CustomerValues,
    columns: Sequence[tuple[str, Ints, Sequence[str]]],
    rules: Rules,
) -> list[dict[str, Any]]:
    """Each arm against the control within each group of each column."""
    arms = len(assigned.arms)
    rows = []
    for column, group, labels in columns:
        # Who is in no group stands behind the last one.
        known = np.where(group >= 0, group, len(labels))
        moments = Moments.of(
            values,
            known * arms + assigned.arm,
            (len(labels) + 1) * arms,
            covariates=adjusts(measure, rules),
        )
        rows += [
            {"column": column, "group": label} | reading
            for place, label in enumerate(labels)
            for reading in readings(assigned.arms, measure, moments, place * arms, rules)
        ]
    return rows


def segments_table(rows: Sequence[dict[str, Any]], follow_up: FollowUp) -> pd.DataFrame:
    """All groups of all columns, adjusted together: exploratory."""
    table = pd.DataFrame(rows, columns=SEGMENTS)
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


def adjusts(measure: Measure, rules: Rules) -> bool:
    """Whether a measure is read with what customers did before: means and ratios, where asked for."""
    return rules.cuped and not measure.is_share and measure.kind != "time"


def readings(
    arms: Sequence[str], measure: Measure, moments: Moments, first: int, rules: Rules
) -> Iterator[dict[str, Any]]:
    """Every arm against the control, which stands at `first` with the others behind it; nothing where a side has fewer than 30."""
    for arm in range(1, len(arms)):
        sizes = int(moments.n[first + arm]), int(moments.n[first])
        if min(sizes) < MIN_N:
            continue
        found = estimate(measure, moments.aggregates(first), moments.aggregates(first + arm), rules)
        yield {
            "variant": arms[arm],
            "measure": measure.name,
            "customers": sizes[0],
            "control_customers": sizes[1],
            "p_value": found.p_value,
        } | {name: getattr(found, name) for name in INTERVALS}
