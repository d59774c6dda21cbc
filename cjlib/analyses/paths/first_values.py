"""A group for each customer: the first value of a column that is not missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.shared.group_by import MISSING, Values, names_given, order_of_groups, values_of
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class FirstValues:
    """Groups of customers: `codes` by customer code (−1 = not in the log), `place` where each group stands in a table."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    place: NDArray[np.int64]
    ranks: NDArray[np.int64]
    values: Values | None

    def columns(self, group: NDArray[np.int64]) -> dict[str, pd.Series]:
        """The group columns of a table."""
        return {} if self.values is None else self.values.columns(self.ranks[group])

    def in_words(self) -> dict[str, str]:
        """The rule, for a definition."""
        several = (
            "; of several columns, those of the first event that has any"
            if len(self.names) > 1
            else ""
        )
        return (
            {
                "by": f"{', '.join(self.names)}: the customer's first value that is not missing{several}"
            }
            if self.names
            else {}
        )


def first_values(
    log: EventLog, by: str | Sequence[str] | None, taken: Sequence[str]
) -> FirstValues:
    """The group of each customer; several columns: the values of the customer's first event that has any of them."""
    names = names_given(by, "by", taken)
    if not names:
        nothing = np.zeros(1, dtype=np.int64)
        return FirstValues((), nothing, nothing, nothing, None)
    customer = log.fetch("customer")["customer"]
    size = int(customer[-1]) + 1 if customer.size else 0
    values = values_of(log, names, where="TRUE", option="by")
    rank = np.full(size, MISSING, dtype=np.int64)
    present = np.flatnonzero(values.rank != MISSING)
    first = present[np.flatnonzero(np.diff(customer[present], prepend=-1))]
    rank[customer[first]] = values.rank[first]
    there = np.zeros(size, dtype=bool)
    there[customer] = True
    ranks, codes = np.unique(rank[there], return_inverse=True)
    place = np.empty(ranks.size, dtype=np.int64)
    place[order_of_groups(np.bincount(codes, minlength=ranks.size), ranks)] = np.arange(ranks.size)
    of_customer = np.full(size, -1, dtype=np.int64)
    of_customer[there] = codes
    return FirstValues(names, of_customer, place, ranks, values)


def first_values_sql(log: EventLog, by: Sequence[str]) -> str:
    """The same groups as a portable statement: one row a customer who has any of the values."""
    columns = ", ".join(identifier(name) for name in by)
    text = "".join(f", CAST({identifier(name)} AS VARCHAR)" for name in by)
    any_set = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    return (
        f"  SELECT customer_id, {columns} FROM (\n"
        f"    SELECT customer_id, {columns}, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp, event{text}) AS k\n"
        f"    FROM {log.events_sql} AS given WHERE {any_set}\n"
        "  ) placed_values WHERE k = 1"
    )
