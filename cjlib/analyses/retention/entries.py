"""Who enters which cohort, when, and with which value of `by`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.groups import MISSING, values_of
from cjlib.analyses.retention.question import Question, Scope
from cjlib.sources.conditions import Step
from cjlib.sources.events import EventLog

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """One entry a customer and cohort, by customer and period.

    Attributes
    ----------
    customer, at, period
        Customer code, instant of the cohort event (microseconds UTC), and its place in the calendar.
    own
        Whether the cohort's own event is a return event, so that it must not count as its own return.
    row
        Position in the log of an event at that instant.
    tied_row, tied_entry
        Positions in the log of the events that tie as the cohort event, and the entry they belong to.
    group, cohort
        Which group of `by`, and which cohort (its period, or with `cohort_by` its value), as codes.
    """

    customer: Whole
    at: Whole
    period: Whole
    own: NDArray[np.bool_]
    tied_row: Whole
    tied_entry: Whole
    group: Whole
    cohort: Whole

    def __len__(self) -> int:
        return len(self.customer)


def events_sql(log: EventLog, step: Step, option: str, columns: str, where: str, *, joins: bool = False) -> str:
    """The matching events in the log's order, as a subquery; `joins` says that the columns hold a first-time step."""
    # A first-time step is tested by a join, which need not keep the order that streaming windows rest on.
    order = " ORDER BY rowid" if step.first_time or joins else ""
    return f"(SELECT {columns} FROM {log.prepared} WHERE {log.match(step, option)} AND {where}{order})"


def entries_of(log: EventLog, question: Question, scope: Scope) -> Entries:
    """The customers' cohort events: the first in the whole log, the first in range, or the first of every period."""
    if scope.nobody:
        nothing = np.zeros(0, dtype=np.int64)
        return Entries(nothing, nothing, nothing, nothing.astype(bool), nothing, nothing, nothing, nothing)
    index = scope.periods.index_sql()
    in_range = f"t >= {scope.begin} AND t < {scope.stop} AND " if question.cohort != "first_ever" else ""
    columns = f"c, t, rowid AS r, {index} AS p, ({log.match(question.return_event, 'return_event')}) AS own"
    joins = bool(question.return_event.first_time)
    source = events_sql(log, question.start_event, "start_event", columns, f"{in_range}t <= {scope.until}", joins=joins)
    new = "pc IS NULL OR pc <> c" + (" OR pp <> p" if question.recurring else "")
    found = log.engine.columns(
        f"SELECT c, t, r, p, own, ({new}) AS new FROM "
        f"(SELECT c, t, r, p, own, lag(c) OVER () AS pc, lag(t) OVER () AS pt, lag(p) OVER () AS pp FROM {source}) WHERE {new} OR pt = t"
    )
    return _in_range(_with_ties({name: np.asarray(column) for name, column in found.items()}), scope)


def _with_ties(found: dict[str, NDArray[Any]]) -> Entries:
    """Split what was found into first events and those that tie with one."""
    new = found["new"].astype(bool)
    first = np.flatnonzero(new)
    entry = np.cumsum(new) - 1
    customer, at = found["c"][first].astype(np.int64), found["t"][first]
    tied = (found["c"] == customer[entry]) & (found["t"] == at[entry]) if first.size else new
    own = np.ones(first.size, dtype=bool)
    # If any of the tied events is no return event, that one is the cohort's own.
    np.logical_and.at(own, entry[tied], found["own"].astype(bool)[tied])
    nothing = np.zeros(first.size, dtype=np.int64)
    return Entries(
        customer=customer,
        at=at,
        period=found["p"][first].astype(np.int64),
        own=own,
        tied_row=found["r"][tied].astype(np.int64),
        tied_entry=entry[tied],
        group=nothing,
        cohort=found["p"][first].astype(np.int64),
    )


def _in_range(entries: Entries, scope: Scope) -> Entries:
    """Only the entries whose period is asked for."""
    kept = (entries.period >= scope.first) & (entries.period <= scope.last)
    if kept.all():
        return entries
    place, at = np.cumsum(kept) - 1, entries.at
    tied = kept[entries.tied_entry]
    return Entries(
        customer=entries.customer[kept],
        at=at[kept],
        period=entries.period[kept],
        own=entries.own[kept],
        tied_row=entries.tied_row[tied],
        tied_entry=place[entries.tied_entry[tied]],
        group=entries.group[kept],
        cohort=entries.cohort[kept],
    )


@dataclass(frozen=True)
class Groups:
    """The values of one or more columns at the cohort event: one row a group that somebody entered, by value as text, missing last."""

    columns: tuple[str, ...]
    values: pd.DataFrame

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, codes: Whole) -> pd.DataFrame:
        """What codes stand for, one row each."""
        return self.values.iloc[codes].reset_index(drop=True)


def grouped(log: EventLog, entries: Entries, question: Question) -> tuple[Entries, Groups, Groups | None]:
    """The entries with their group of `by` and, with `cohort_by`, their cohort; and what the codes stand for."""
    group, groups = _codes(log, entries, question.by, "by")
    if question.cohort_by is None:
        return replace(entries, group=group), groups, None
    cohort, cohorts = _codes(log, entries, (question.cohort_by,), "cohort_by")
    return replace(entries, group=group, cohort=cohort), groups, cohorts


def _codes(log: EventLog, entries: Entries, columns: tuple[str, ...], option: str) -> tuple[Whole, Groups]:
    """One code an entry; where events tie, the smallest values as text, missing last."""
    if not columns:
        return np.zeros(len(entries), dtype=np.int64), Groups((), pd.DataFrame(index=range(1)))
    values = values_of(log, columns, where="TRUE", option=option)
    picked = values.rank[entries.tied_row]
    last = np.iinfo(np.int64).max
    smallest = np.full(len(entries), last)
    np.minimum.at(smallest, entries.tied_entry, np.where(picked == MISSING, last, picked))
    present, code = np.unique(smallest, return_inverse=True)
    held = values.columns(np.where(present == last, MISSING, present))
    return code.astype(np.int64), Groups(columns, pd.DataFrame(held))
