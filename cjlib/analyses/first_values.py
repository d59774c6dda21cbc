"""A group for each customer: the first value of a column that is not missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.sources.engine import identifier
from cjlib.sources.events import EventLog


@dataclass(frozen=True)
class FirstValues:
    """Groups of customers: `codes` by customer code, `values` one row a group, `place` where each group stands in a table."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    values: pd.DataFrame
    place: NDArray[np.int64]
    rule: str = "the customer's first value that is not missing"

    def columns(self, group: NDArray[np.int64]) -> dict[str, pd.Series]:
        """The group columns of a table."""
        return {name: self.values[name].take(group).reset_index(drop=True) for name in self.names}


def first_values(log: EventLog, by: str | Sequence[str] | None, customer: NDArray[np.int32]) -> FirstValues:
    """The group of each customer; several columns: the values of the customer's first event that has any of them."""
    names = (by,) if isinstance(by, str) else tuple(by or ())
    size = int(customer.max(initial=-1)) + 1
    if not names:
        return FirstValues((), np.zeros(size, dtype=np.int64), pd.DataFrame(index=range(1)), np.zeros(1, dtype=np.int64))
    columns = [log.codes(name, option="by") for name in names]
    present = np.flatnonzero(np.any([codes >= 0 for codes, _ in columns], axis=0))
    who, at = np.unique(customer[present], return_index=True)
    held = np.full((size, len(names)), -1, dtype=np.int64)
    for position, (codes, _) in enumerate(columns):
        held[who, position] = codes[present[at]]
    # Missing stands last, so it takes the code after the last value.
    lasting = np.where(held < 0, [len(values) for _, values in columns], held)
    unique, codes = np.unique(lasting, axis=0, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    frame = pd.DataFrame(
        {name: _column([*values, None], unique[:, position]) for position, (name, (_, values)) in enumerate(zip(names, columns, strict=True))}
    )
    sizes = np.bincount(codes[np.unique(customer)], minlength=len(unique))
    place = np.empty(len(unique), dtype=np.int64)
    place[np.lexsort((np.arange(len(unique)), -sizes))] = np.arange(len(unique))
    return FirstValues(names, codes, frame, place)


def _column(values: list[Any], codes: NDArray[np.int64]) -> pd.Series:
    picked = [values[code] for code in codes.tolist()]
    if all(value is None or isinstance(value, str) for value in values):
        return pd.Series(pd.array(picked, dtype="str"))
    return pd.Series(picked)


def first_values_sql(log: EventLog, by: Sequence[str]) -> str:
    """The same groups as a portable statement: one row a customer who has any of the values."""
    columns = ", ".join(identifier(name) for name in by)
    text = "".join(f", CAST({identifier(name)} AS VARCHAR)" for name in by)
    any_set = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in by)
    return (
        f"  SELECT customer_id, {columns} FROM (\n"
        f"    SELECT customer_id, {columns}, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY timestamp, event{text}) AS k\n"
        f"    FROM {log.events_sql} WHERE {any_set}\n"
        "  ) placed_values WHERE k = 1"
    )
