"""The event with which a customer's time begins, who ties with it, and its values of `by`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.shared.group_by import MISSING, Values, smallest_tied, values_of
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog, Log

Whole = NDArray[np.int64]
LAST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Firsts:
    """The first matching event of every customer, or of every customer and period, by customer and period.

    Attributes
    ----------
    customer, at, period
        Customer code, instant (microseconds UTC), and period (0 unless asked for).
    agree
        Whether a condition holds for all events that tie as the first.
    tied_row, tied_entry
        Positions in the log of the events that tie as the first (themselves included), and whose first they are.
    """

    customer: Whole
    at: Whole
    period: Whole
    agree: NDArray[np.bool_]
    tied_row: Whole
    tied_entry: Whole

    def __len__(self) -> int:
        return len(self.customer)

    def only(self, kept: NDArray[np.bool_]) -> Firsts:
        """Some of them."""
        if kept.all():
            return self
        place, at, tied = np.cumsum(kept) - 1, self.at, kept[self.tied_entry]
        return Firsts(
            self.customer[kept],
            at[kept],
            self.period[kept],
            self.agree[kept],
            self.tied_row[tied],
            place[self.tied_entry[tied]].astype(np.int64),
        )


def events_sql(
    log: EventLog, step: Step, option: str, columns: str, where: str, *, joins: bool = False
) -> str:
    """The matching events in the log's order, as a subquery; `joins` says that the columns hold a first-time step."""
    # A first-time step is tested by a join, which need not keep the order that streaming windows rest on.
    order = " ORDER BY rowid" if step.first_time or joins else ""
    return (
        f"(SELECT {columns} FROM {log.prepared} WHERE {log.match(step, option)} AND {where}{order})"
    )


def first_events(
    log: EventLog,
    step: Step,
    option: str,
    where: str,
    *,
    period: str = "0",
    each_period: bool = False,
    agree: tuple[str, bool] = ("TRUE", False),
) -> Firsts:
    """The first matching events; `period` and `agree` are SQL over the prepared table, `agree` with whether it holds a first-time step."""
    columns = (
        "c, t, rowid AS r"
        + (f", {period} AS p" if each_period else "")
        + ("" if agree[0] == "TRUE" else f", ({agree[0]}) AS own")
    )
    source = events_sql(log, step, option, columns, where, joins=agree[1])
    new = "pc IS NULL OR pc <> c" + (" OR pp <> p" if each_period else "")
    before = "lag(c) OVER () AS pc, lag(t) OVER () AS pt" + (
        ", lag(p) OVER () AS pp" if each_period else ""
    )
    # Without a period to tell apart, it is worked out for the few events that are left.
    placed = "p" if each_period else f"{period} AS p"
    own = "TRUE" if agree[0] == "TRUE" else "coalesce(own, FALSE)"
    return _with_ties(
        log.engine.numbers(
            f"SELECT c, t, r, {placed}, CAST({own} AS TINYINT) AS own, CAST(({new}) AS TINYINT) AS new "
            f"FROM (SELECT *, {before} FROM {source}) WHERE {new} OR pt = t"
        )
    )


def _with_ties(found: dict[str, NDArray[Any]]) -> Firsts:
    """Split what was found into first events and those that tie with one."""
    new = found["new"].astype(bool)
    first = np.flatnonzero(new)
    entry = (np.cumsum(new) - 1).astype(np.int64)
    customer, at = found["c"][first].astype(np.int64), found["t"][first]
    tied = (found["c"] == customer[entry]) & (found["t"] == at[entry]) if first.size else new
    agree = np.ones(first.size, dtype=bool)
    np.logical_and.at(agree, entry[tied], found["own"].astype(bool)[tied])
    return Firsts(
        customer,
        at,
        found["p"][first].astype(np.int64),
        agree,
        found["r"][tied].astype(np.int64),
        entry[tied],
    )


def nobody() -> Firsts:
    """No customer at all."""
    nothing = np.zeros(0, dtype=np.int64)
    return Firsts(nothing, nothing, nothing, nothing.astype(bool), nothing, nothing)


@dataclass(frozen=True)
class Groups:
    """The values of one or more columns at first events: one row a group that somebody is in, by value as text, missing last; and which may be compared with others."""

    names: tuple[str, ...]
    values: pd.DataFrame
    comparable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)

    def columns(self, codes: Whole) -> dict[str, pd.Series]:
        """What codes stand for, one column a name of `by`."""
        return {name: self.values[name].take(codes).reset_index(drop=True) for name in self.names}

    def rank(self, codes: Whole) -> Whole:
        """The place of each group in a table: largest first, then by value as text, missing last."""
        size = np.bincount(codes, minlength=len(self))
        return np.argsort(np.argsort(-size, kind="stable"), kind="stable")


def together(rows: int = 1) -> Groups:
    """No groups: so many rows of all customers."""
    return Groups((), pd.DataFrame(index=range(rows)), np.ones(rows, dtype=bool))


def groups_at(log: Log, values: Values, rank: Whole) -> tuple[Whole, Groups]:
    """The place of each rank among the groups that somebody is in, and the groups."""
    by_text, code = np.unique(np.where(rank == MISSING, LAST, rank), return_inverse=True)
    ranks = np.where(by_text == LAST, MISSING, by_text)
    groups = Groups(
        values.names, pd.DataFrame(values.columns(ranks)), values.comparable(log, ranks)
    )
    return code.astype(np.int64), groups


def grouped(
    log: EventLog, firsts: Firsts, columns: Sequence[str], option: str
) -> tuple[Whole, Groups]:
    """One code a first event; where events tie, the smallest values as text, missing last."""
    if not columns:
        return np.zeros(len(firsts), dtype=np.int64), together()
    values = values_of(log, columns, where="TRUE", option=option, rows=firsts.tied_row)
    return groups_at(log, values, smallest_tied(values.rank, firsts.tied_entry, len(firsts)))
