"""The same experiment look by look, day by day since the exposure, and group by group: what a verdict should be held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from cjlib.shared.group_by import groups_by_each
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
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """Into which cell each customer falls: one for each combination of groups that occurs.

    Attributes
    ----------
    of
        The cell of each customer.
    columns
        Column → names of its groups, and the group of each cell, −1 where it has none.
    number
        How many cells there are.
    """

    of: Ints
    columns: Mapping[str, tuple[Sequence[str], Ints]]
    number: int

    @classmethod
    def by(cls, log: EventLog, columns: Sequence[str], assigned: Assignment) -> Cells:
        """The cells of these columns, as known at the exposure."""
        known_at = np.full(log.n_customer_codes, np.iinfo(np.int64).min)
        known_at[assigned.customer] = assigned.exposed_at
        joint = np.zeros(len(assigned.customer), dtype=np.int64)
        groups = {}
        for column, found in groups_by_each(log, columns, known_at=known_at).items():
            own = found.of[assigned.customer]
            # One column at a time, so that however many there are the numbers stay small.
            joint = pd.factorize(joint * (len(found.labels) + 1) + own + 1)[0].astype(np.int64)
            groups[column] = (found.labels, own)
        number = int(joint.max()) + 1
        first = np.zeros(number, dtype=np.int64)
        first[joint] = np.arange(len(joint))
        cells = {column: (labels, own[first]) for column, (labels, own) in groups.items()}
        return cls(joint, cells, number)


@dataclass(frozen=True)
class Looks:
    """At most 30 looks, evenly spaced, microseconds UTC, and the first at which each customer's window was over."""

    times: Ints
    first: Ints

    @classmethod
    def of(cls, assigned: Assignment, horizon: int) -> Looks:
        """The looks of an experiment."""
        complete_at = assigned.exposed_at + horizon
        times = np.linspace(complete_at.min(), complete_at.max(), MOST_LOOKS + 1)[1:]
        times = times.astype("int64")
        times[-1] = complete_at.max()
        return cls(times, np.searchsorted(times, complete_at))


@dataclass(frozen=True)
class Slices:
    """One measure counted by look, cell and arm; every reading is a sum of these."""

    measure: Measure
    arms: Sequence[str]
    moments: Moments
    cells: Cells
    looks: int

    @classmethod
    def of(
        cls,
        measure: Measure,
        values: CustomerValues,
        assigned: Assignment,
        cells: Cells,
        looks: Looks,
        rules: Rules,
    ) -> Slices:
        """Count a measure."""
        arms, times = len(assigned.arms), len(looks.times)
        group = (looks.first * cells.number + cells.of) * arms + assigned.arm
        moments = Moments.of(
            values, group, times * cells.number * arms, covariates=adjusts(measure, rules)
        )
        return cls(measure, assigned.arms, moments, cells, times)

    def part(self, *, look: int | None = None, inside: Bools | None = None) -> Moments:
        """The moments of each arm: all customers, or those of a look (and before) and of some cells."""
        shape = (self.looks, self.cells.number, len(self.arms))
        until = self.looks if look is None else look + 1
        chosen = slice(None) if inside is None else inside
        n, sums, products = (
            part[:until, chosen].sum(axis=(0, 1)) for part in self.moments.by(*shape)
        )
        return Moments(self.moments.names, self.moments.centre, n, sums, products)

    def inside(self, column: str, group: str) -> Bools:
        """Which cells lie in a group."""
        labels, of = self.cells.columns[column]
        return of == list(labels).index(group)


def look_rows(slices: Slices, looks: Looks, rules: Rules) -> Iterator[dict[str, Any]]:
    """What each look would have shown, with the customers whose window was over by then."""
    for number, look in enumerate(looks.times):
        for reading in readings(slices.arms, slices.measure, slices.part(look=number), rules):
            yield {"look": look} | reading


def segment_rows(slices: Slices, rules: Rules) -> Iterator[dict[str, Any]]:
    """Each arm against the control within each group of each column."""
    for column, (labels, _) in slices.cells.columns.items():
        for label in labels:
            moments = slices.part(inside=slices.inside(column, label))
            for reading in readings(slices.arms, slices.measure, moments, rules):
                yield {"column": column, "group": label} | reading


def novelty_rows(
    log: EventLog, assigned: Assignment, measure: Measure, exposed: Exposed, rules: Rules
) -> Iterator[dict[str, Any]]:
    """The difference that each day since the exposure adds; a difference that fades was novelty. Counts and sums only."""
    days = min(MOST_DAYS, exposed.window // DAY)
    if measure.kind not in ("count", "sum") or measure.after or days < 2:
        return
    ends = [exposed.window * day // days for day in range(1, days + 1)]
    plain, sizes = replace(rules, cuped=False), assigned.sizes
    for end, (places, added) in zip(ends, daily_values(log, measure, exposed, ends), strict=True):
        arms = len(assigned.arms)
        sums, squares = (
            np.bincount(assigned.arm[places], weights=added**power, minlength=arms).astype(float)
            for power in (1, 2)
        )
        moments = Moments(("value",), np.zeros(1), sizes, sums[:, None], squares[:, None, None])
        for reading in readings(assigned.arms, measure, moments, plain):
            yield {"days": end / DAY} | reading


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
    arms: Sequence[str], measure: Measure, moments: Moments, rules: Rules
) -> Iterator[dict[str, Any]]:
    """Every arm against the control, the first; nothing where a side has fewer than 30."""
    for arm in range(1, len(arms)):
        sizes = int(moments.n[arm]), int(moments.n[0])
        if min(sizes) < MIN_N:
            continue
        found = estimate(measure, moments.aggregates(0), moments.aggregates(arm), rules)
        yield {
            "variant": arms[arm],
            "measure": measure.name,
            "customers": sizes[0],
            "control_customers": sizes[1],
            "control_value": found.control_value,
            "value": found.value,
            "p_value": found.p_value,
        } | {name: getattr(found, name) for name in INTERVALS}
