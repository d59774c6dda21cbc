"""Columns of numbers as the tables of the map: a row a group and stage, or a group and touchpoint."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.groups import Groups

Columns = dict[str, np.ndarray]
COUNTS = {
    *(
        "customers",
        "customers_in_order",
        "events",
        "touchpoints_seen",
        "n_to_next",
        "ended_here",
        "still_moving",
        "went_back",
    ),
    *(
        "customers_further",
        "skipped",
        "n_feedback",
        "n_solicited",
        "n_scored",
        "n_nps",
        "n_csat",
        "n_ces",
    ),
}


def stacked(parts: list[Columns]) -> Columns:
    """The columns of each group, one below the other."""
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def framed(
    groups: Groups, columns: Columns, names: tuple[str, ...], texts: tuple[str, ...]
) -> pd.DataFrame:
    """The table with the column of the groups first; what was not counted is missing, counts are whole numbers."""
    size = len(columns["stage"])
    missing = {
        name: np.full(size, None, dtype=object) if name in texts else np.full(size, np.nan)
        for name in names
        if name not in columns
    }
    table = groups.columns(size // groups.size)
    return pd.DataFrame(table | {name: _column(name, (columns | missing)[name]) for name in names})


def _column(name: str, values: np.ndarray) -> pd.Series:
    if name in COUNTS:
        return counts_column(values)
    return pd.Series(values, dtype="str") if values.dtype == object else pd.Series(values)


def counts_column(values: np.ndarray) -> pd.Series:
    """Counts as int64; where one is not known, as Int64 with that one missing."""
    numbers = pd.Series(values, dtype="float64")
    return numbers.astype("Int64") if numbers.isna().any() else numbers.astype("int64")
