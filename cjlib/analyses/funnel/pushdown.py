"""A funnel counted where the events lie: for each step customers and the times in the middle come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cjlib.analyses.funnel import sql, summary
from cjlib.analyses.funnel.by_group import (
    GroupComparison,
    compared_groups,
    landmark_step,
    nothing_compared,
    why_not,
)
from cjlib.analyses.funnel.options import Question
from cjlib.analyses.funnel.sql import Timed
from cjlib.analyses.funnel.tables import TIMED, Grouping, shares, table_of, timed
from cjlib.analyses.result import Metric
from cjlib.errors import CjlibError
from cjlib.shared.comparison import FollowUp
from cjlib.shared.group_by import Values, order_of_groups, values_found
from cjlib.shared.sql import MILLION
from cjlib.shared.stats import median_ranks
from cjlib.sources.log.event_log import Log

TIMES = ("median_seconds_from_previous", "mean_seconds_from_previous", "median_seconds_from_first")


@dataclass(frozen=True, eq=False)
class Found:
    """What counting finds: the table, that of all customers together, metrics, comparisons, definition and the statement."""

    table: pd.DataFrame
    overall: pd.DataFrame
    metrics: dict[str, Metric]
    compared: GroupComparison
    definition: dict[str, str]
    sql: str


def counted(log: Log, asked: Question) -> Found:
    """A funnel that is counted in the log's own engine."""
    statement = None if asked.hold or not Timed.fits(log, asked) else Timed(log, asked)
    _check(log, asked, statement)
    written = sql.statement(log, asked)[0]
    if statement is None:
        return _without_times(log, asked, written)
    whole = _Answer.of(log, asked.ungrouped())
    overall = whole.table()
    definition = _definition(log, asked, whole.entered, timed=True)
    if not asked.by:
        compared = nothing_compared(asked)
        return Found(overall, overall, whole.metrics(), compared, definition, written)
    grouped = _Answer.of(log, asked)
    definition["groups"] = (
        f"{', '.join(asked.by)}: {summary.by_words(asked)}; missing is a group of its own"
    )
    if asked.by_step is not None:
        definition["left out of the groups"] = (
            f"{summary.count_of(whole.entered - grouped.entered, 'customer')} who never reached step {asked.by_step}"
        )
    compared = _compared(log, asked, whole.entered)
    definition["comparisons"] = compared.words
    return Found(grouped.table(), overall, whole.metrics(), compared, definition, written)


def _compared(log: Log, asked: Question, entered: int) -> GroupComparison:
    """The groups compared, by a statement of its own: first entries whose windows have ended."""
    reason = why_not(asked)
    if reason or asked.window is None:
        return nothing_compared(asked, reason)
    at_entry = replace(
        asked, entry="first", entrants="closed", by_value=f"step_{landmark_step(asked)}"
    )
    answer = _Answer.of(log, at_entry)
    if answer.groups is None:
        return nothing_compared(asked)
    left_out = entered - _Answer.of(log, at_entry.ungrouped()).entered
    return compared_groups(
        log,
        asked,
        answer.reached,
        Grouping(*answer.groups, np.zeros(0, dtype=np.int64)),
        FollowUp("the customer's first entry", asked.window, left_out),
    )


def _check(log: Log, asked: Question, statement: Timed | None) -> None:
    """Refuse what a statement would count differently."""
    beyond = [f"order='{asked.order}'"] if asked.order != "sequential" else []
    beyond += ["exclude"] if asked.exclude else []
    beyond += ["step_windows"] if any(gap is not None for gap in asked.step_windows) else []
    if asked.by and asked.by_value != "all":
        beyond += ["by several columns"] if len(asked.by) > 1 else []
        beyond += ["by where steps overlap"] if statement is not None and statement.overlaps else []
    beyond += ["by and so many steps, or hold"] if asked.by and statement is None else []
    if beyond or not sql.open_statement(log, asked.ungrouped()):
        said = ", ".join(beyond or ["so many steps that overlap"])
        raise CjlibError(
            f"log: a funnel with {said} cannot be counted where the events lie. Fetch them once: cj.funnel(log.read(), …)."
        )


# ---- with times ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Middle:
    """The times of one group and place near the middle, of so many in all."""

    times: np.ndarray
    through: np.ndarray
    total: int
    whole: int
    rest: int
    waiting: int

    def at(self, rank: int) -> int:
        """The time of a rank, 0-based."""
        return int(self.times[np.searchsorted(self.through, rank, side="right")])

    @property
    def median(self) -> float:
        """The median in seconds."""
        low, high = self.at((self.total - 1) // 2), self.at(self.total // 2)
        return (low + (high - low) / 2) / MILLION

    @property
    def mean(self) -> float:
        """The mean in seconds."""
        return (self.whole / self.total * MILLION + self.rest / self.total) / MILLION

    def metric(self, name: str) -> Metric:
        """The median with its interval."""
        low, high = median_ranks(self.total)
        middle = (float(self.at((self.total - 1) // 2)) + float(self.at(self.total // 2))) / 2
        bounds = (
            (self.at(low) / MILLION, self.at(high) / MILLION)
            if self.total >= 6
            else (float("nan"), float("nan"))
        )
        return timed(name, middle / MILLION, *bounds, n=self.total)


@dataclass(frozen=True, eq=False)
class _Answer:
    """The answer of a timed statement: groups in the table's order, and for each group and place what lies in the middle."""

    asked: Question
    groups: tuple[Values, np.ndarray] | None
    size: int
    places: dict[tuple[int, int], _Middle]

    @classmethod
    def of(cls, log: Log, asked: Question) -> _Answer:
        statement = Timed(log, asked)
        found = log.run(statement.text())
        if not asked.by:
            return cls(asked, None, 1, _middles(found, np.zeros(len(found), dtype=np.int64)))
        values = values_found(log, asked.by, [found[name] for name in statement.groups])
        ranks, group = np.unique(values.rank, return_inverse=True)
        entered = np.zeros(ranks.size, dtype=np.int64)
        first = (found["place"] == 1).to_numpy()
        entered[group[first]] = found["total"].to_numpy(dtype="int64")[first]
        order = order_of_groups(entered, ranks)
        place = np.empty(ranks.size, dtype=np.int64)
        place[order] = np.arange(ranks.size)
        return cls(asked, (values, ranks[order]), ranks.size, _middles(found, place[group]))

    @cached_property
    def reached(self) -> np.ndarray:
        """Customers who reached each step: group × step."""
        return self._numbers(lambda middle: middle.total)

    @property
    def entered(self) -> int:
        """Customers of all groups."""
        return int(self.reached[:, 0].sum())

    def _numbers(self, of: Callable[[_Middle], int]) -> np.ndarray:
        steps = range(1, len(self.asked.steps) + 1)
        rows = [
            [of(self.places[group, k]) if (group, k) in self.places else 0 for k in steps]
            for group in range(self.size)
        ]
        return np.array(rows, dtype=np.int64).reshape(self.size, len(self.asked.steps))

    def table(self) -> pd.DataFrame:
        """`.table`."""
        n = len(self.asked.steps)
        times = {name: np.full((self.size, n), np.nan) for name in TIMES}
        for (group, place), middle in self.places.items():
            if 2 <= place <= n:
                times[TIMES[0]][group, place - 1], times[TIMES[1]][group, place - 1] = (
                    middle.median,
                    middle.mean,
                )
            elif n + 2 <= place <= 2 * n:
                times[TIMES[2]][group, place - n - 1] = middle.median
        named = {} if self.groups is None else self.groups[0].columns(np.repeat(self.groups[1], n))
        waiting = self._numbers(lambda middle: middle.waiting)
        return table_of(
            self.asked,
            self.reached,
            waiting,
            {name: column.ravel() for name, column in times.items()},
            named,
        )

    def metrics(self) -> dict[str, Metric]:
        """`.metrics`, of all customers together."""
        n = len(self.asked.steps)
        named = shares(self.reached[0].tolist())
        for name, place in zip(TIMED, (2 * n, 2 * n + 1), strict=True):
            middle = self.places.get((0, place)) if n > 1 else None
            named[name] = _untimed(name) if middle is None else middle.metric(name)
        return named


def _untimed(name: str) -> Metric:
    return timed(name, float("nan"), float("nan"), float("nan"), n=0)


def _middles(found: pd.DataFrame, group: np.ndarray) -> dict[tuple[int, int], _Middle]:
    names = ("place", "lasted", "through", "total", "waiting", "whole", "rest")
    held = {name: found[name].to_numpy(dtype="int64") for name in names}
    order = np.lexsort((held["lasted"], held["place"], group))
    held = {name: column[order] for name, column in held.items()} | {"group": group[order]}
    begins = (
        np.flatnonzero(
            np.append(True, (np.diff(held["group"]) != 0) | (np.diff(held["place"]) != 0))
        )
        if len(order)
        else order
    )
    ends = np.append(begins, len(order))[1:]
    return {
        (int(held["group"][begin]), int(held["place"][begin])): _Middle(
            held["lasted"][begin:end],
            held["through"][begin:end],
            *(int(held[name][begin]) for name in ("total", "whole", "rest", "waiting")),
        )
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    }


# ---- without ---------------------------------------------------------------------------------------------------------


def _without_times(log: Log, asked: Question, written: str) -> Found:
    found = log.run(sql.open_statement(log, asked)).sort_values("step")
    reached, waiting = (
        found[name].to_numpy(dtype="int64").reshape(1, -1) for name in ("customers", "still_open")
    )
    missing = {name: np.full(reached.size, np.nan) for name in TIMES}
    named = shares(reached.ravel().tolist()) | {name: _untimed(name) for name in TIMED}
    table = table_of(asked, reached, waiting, missing, {})
    return Found(
        table,
        table,
        named,
        nothing_compared(asked),
        _definition(log, asked, int(reached[0, 0]), timed=False),
        written,
    )


def _definition(log: Log, asked: Question, entered: int, *, timed: bool) -> dict[str, str]:
    said = {
        "steps": " → ".join(f"{k}. {step}" for k, step in enumerate(asked.in_words, start=1)),
        "window": summary.window_words(asked),
        "order": summary.ORDER[asked.order],
        "entry": summary.ENTRY[asked.entry],
        "unit": "customers; each counts once",
        "ties": "events of one instant have no order and may fill steps in any; one event fills one step",
        "base": f"{summary.count_of(entered, 'customer')} with a first event{summary.bounds_words(log, asked)}",
        "still open": "customers short of the last step with a first event whose window ends after the end of data",
    }
    if asked.hold:
        said["held"] = (
            f"all events of an attempt share their {', '.join(asked.hold)}; an event without one fills no step"
        )
    said["end of data"] = f"{log.observed_until:%Y-%m-%d %H:%M} ({log.timezone})"
    if log.filters_in_words:
        said["filters"] = "; ".join(log.filters_in_words)
    unknown = [name for step in asked.steps for name in log.unknown_events(step)]
    if unknown:
        said["never in the log"] = ", ".join(map(repr, unknown))
    times = (
        "; only values around the median are fetched"
        if timed
        else "; times are not counted there: cj.funnel(log.read(), …) has them"
    )
    said["counted"] = f"in the database, by the statement{times}"
    said["intervals"] = f"Wilson 95%; small: fewer than {asked.min_n}"
    said["sql"] = "the statement gives the same `customers` by step"
    return said
