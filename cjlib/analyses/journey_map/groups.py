"""Whose map it is: the group of each customer, from a column of the log, of the customers table, or from a mapping of ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.errors import CjlibError, shown
from cjlib.shared.group_by import MISSING, Values, names_given, order_of_groups, values_of
from cjlib.sources.log.event_log import EventLog

By = str | pd.Series | Mapping[Any, Any] | None


@dataclass(frozen=True)
class Groups:
    """`of` is the group of each customer code of the log (−1 = none), groups in the order of the table."""

    name: str | None
    of: np.ndarray | None
    size: int
    values: Values | None = None
    ranks: np.ndarray | None = None
    labels: tuple[Any, ...] = ()

    def columns(self, repeats: int) -> dict[str, pd.Series]:
        """The group column of a table in which each group has so many rows."""
        return self.columns_at(np.repeat(np.arange(self.size), repeats))

    def columns_at(self, group: np.ndarray) -> dict[str, pd.Series]:
        """The group column of a table whose rows belong to these groups."""
        if self.name is None:
            return {}
        if self.values is not None and self.ranks is not None:
            return self.values.columns(self.ranks[group])
        return {self.name: pd.Series([self.labels[k] for k in group], dtype="str")}

    def words(self) -> list[str]:
        """The groups as labels."""
        if self.name is None:
            return ["all"]
        held = next(iter(self.columns(1).values()))
        return ["(not set)" if pd.isna(one) else str(one) for one in held.tolist()]


def groups_of(log: EventLog | None, by: By, taken: tuple[str, ...]) -> Groups:
    """The groups that `by` names; those of a log, each customer by the first value that is not missing (tied: the smallest as text)."""
    if by is None:
        return Groups(None, None, 1)
    if log is None:
        raise CjlibError(
            "by: groups are groups of customers of the log, and there is none. Give the events, or leave by out."
        )
    if isinstance(by, pd.Series | Mapping):
        return _given(log, pd.Series(by), taken)
    if not isinstance(by, str):
        raise CjlibError(
            f"by: must be the name of one column, or a mapping from customer_id to group. Got {shown(by)}."
        )
    (name,) = names_given(by, "by", taken)
    values = values_of(log, (name,), where="TRUE", option="by")
    found = log.fetch("customer", "time")
    rank = np.full(len(log.customer_ids()), MISSING, dtype=np.int64)
    there = np.flatnonzero(values.rank != MISSING)
    code, time, ranks = found["customer"][there], found["time"][there], values.rank[there]
    first = np.flatnonzero(np.diff(code, prepend=-1))
    if first.size:
        tied = np.where(
            time == np.repeat(time[first], np.diff(np.r_[first, code.size])),
            ranks,
            np.iinfo(np.int64).max,
        )
        rank[code[first]] = np.minimum.reduceat(tied, first)
    present = np.zeros(rank.size, dtype=bool)
    present[found["customer"]] = True
    kinds, of = np.unique(rank[present], return_inverse=True)
    order = order_of_groups(np.bincount(of, minlength=kinds.size), kinds)
    place = np.empty(kinds.size, dtype=np.int64)
    place[order] = np.arange(kinds.size)
    every = np.full(rank.size, MISSING, dtype=np.int64)
    every[present] = place[of]
    return Groups(name, every, kinds.size, values, kinds[order])


def _given(log: EventLog, by: pd.Series, taken: tuple[str, ...]) -> Groups:
    (name,) = names_given(str(by.name) if by.name is not None else "group", "by", taken)
    ids = pd.Index([str(one) for one in log.customer_ids()])
    code = ids.get_indexer(pd.Index([str(one) for one in by.index]))
    known = (code >= 0) & by.notna().to_numpy()
    labels = by.astype("str").to_numpy(dtype=object)
    counts = pd.Series(labels[known], dtype="str").value_counts()
    ordered = sorted(counts.index, key=lambda one: (-counts[one], one))
    number = {one: k for k, one in enumerate(ordered)}
    of = np.full(len(ids), MISSING, dtype=np.int64)
    of[code[known]] = [number[one] for one in labels[known]]
    return Groups(name, of, len(ordered), labels=tuple(ordered))
