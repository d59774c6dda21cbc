"""Lifetimes from a table that already has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.survival.group_comparison import UNITS, Lifetimes
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown, unknown_column
from cjlib.shared.first_events import Groups

_YES, _NO = {"yes", "true", "1", "1.0", "churned"}, {"no", "false", "0", "0.0", "stayed"}


def lifetimes_of(
    table: pd.DataFrame, duration: str, event: str, by: tuple[str, ...], unit: str
) -> Lifetimes:
    """Durations, events and groups of a table's rows, checked."""
    if not isinstance(table, pd.DataFrame):
        raise CjlibError(
            f"table: must be a DataFrame with one row a customer. Got {shown(type(table).__name__)}. For an event log use cj.survival."
        )
    if unit not in UNITS:
        raise not_one_of("unit", unit, UNITS)
    for option, column in (
        ("duration", duration),
        ("event", event),
        *(("by", name) for name in by),
    ):
        if column not in table.columns:
            raise unknown_column(option, column, table.columns)
        if isinstance(table[column], pd.DataFrame):
            raise CjlibError(
                f"{option}: several columns are called {shown(column)}. Leave all but one out."
            )
    lengths = _lengths(table[duration], duration)
    group, groups = _groups(table, by)
    return Lifetimes(
        lengths,
        _events(table[event], event),
        group,
        groups,
        unit,
        whole=bool((lengths % 1 == 0).all()),
    )


def _lengths(column: pd.Series, name: str) -> NDArray[np.float64]:
    if pd.api.types.is_timedelta64_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(
            f"duration: column {shown(name)} must hold numbers. Got {shown(str(column.dtype))}. Divide lengths of time by the unit, as by pd.Timedelta('1D')."
        )
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = ~np.isfinite(numbers) | (numbers < 0)
    if wrong.any():
        raise DataError(
            f"duration: column {shown(name)} must hold numbers, 0 or more. {wrong.sum():,} of {len(column):,} rows do not: "
            f"{listed(column[wrong].unique().tolist(), most=3)}. Leave these rows out or mend them."
        )
    return numbers


def _events(column: pd.Series, name: str) -> NDArray[np.bool_]:
    said = column.astype(object).map(
        lambda value: None if pd.isna(value) else str(value).strip().casefold().removesuffix(".")
    )
    wrong = ~said.isin(_YES | _NO)
    if wrong.any():
        raise DataError(
            f"event: column {shown(name)} must say who churned, as true/false, 1/0 or yes/no. {int(wrong.sum()):,} of {len(column):,} rows do not: "
            f"{listed(column[wrong].unique().tolist(), most=3)}. Make it one of these."
        )
    return said.isin(_YES).to_numpy()


def _groups(table: pd.DataFrame, by: tuple[str, ...]) -> tuple[NDArray[np.int64], Groups]:
    if not by:
        return np.zeros(len(table), dtype=np.int64), Groups((), pd.DataFrame(index=range(1)))
    keys = pd.DataFrame({name: _as_text(table[name]) for name in by})
    rows = keys.groupby(list(by), sort=True, dropna=False)
    code = np.asarray(rows.ngroup(), dtype=np.int64)
    _, first = np.unique(code, return_index=True)
    return code, Groups(by, table[list(by)].iloc[first].reset_index(drop=True))


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(object).map(_text).astype("str").reset_index(drop=True)


def _text(value: Any) -> Any:
    return None if pd.isna(value) else str(value)
