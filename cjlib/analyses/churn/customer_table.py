"""A ready table, one row a customer, as churn data: types found and shown, identifiers dropped, blanks handled, leaks named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.columns import Columns
from cjlib.analyses.churn.data import ChurnData
from cjlib.analyses.churn.guards import as_table, find_leaks, identifier_finding
from cjlib.analyses.result import metric
from cjlib.analyses.stats import wilson
from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.words import confidence, percent

POSITIVE = {"1", "yes", "true", "y", "t", "churned"}
NEGATIVE = {"0", "no", "false", "n", "f", "stayed"}
UNIQUE_SHARE = 0.95
PARSES = 0.99
_ODD_LEVELS = {"unknown", "?", "n/a", "na", "none", "null", "-", "missing", "not available"}


def churn_table(df: pd.DataFrame, *, target: str, id: str | None = None, positive: Any = None, as_of: Any = None) -> ChurnData:
    """One row a customer, with a column that says who churned, as data a churn model can learn from.

    `target` may be bool, 0/1, yes/no or true/false in any case; any other pair of values needs `positive`, the value of those who churned. Rows with a blank
    target are left out and counted. The `id` is never a feature, nor is any column (not float, not date) that differs for more than 95 % of the customers. Text
    that reads as numbers in at least 99 % of its rows becomes numbers, the rest missing. Categories keep their text; missing is a level of its own. Dates become
    days before `as_of` (default: the latest date in the table).

    Returns
    -------
    ChurnData
        See there; `.columns` says what each column was taken for.

    Raises
    ------
    CjlibError
        When the target is unknown or has values that cannot be told apart.
    DataError
        When only one outcome occurs.
    """
    _check_column(df, target, "target")
    if id is not None:
        _check_column(df, id, "id")
    outcome = _outcome(df[target], target, positive)
    known = outcome.notna().to_numpy()
    rows, churned = df[known].reset_index(drop=True), outcome[known].to_numpy(dtype=float)
    if len(rows) == 0 or churned.min() == churned.max():
        raise DataError(f"target: column {shown(target)} holds only one outcome in {len(rows):,} rows, so there is nothing to tell apart.")
    ids = rows[id].astype("str") if id is not None else pd.Series([f"{row + 1}" for row in range(len(rows))], dtype="str")
    typed, described, identifiers = _typed(rows.drop(columns=[target, *([id] if id else [])]), as_of)
    snapshot = None if as_of is None else _snapshot(as_of)
    leaks = find_leaks(typed, churned, as_of=snapshot)
    named = [identifier_finding(column, rows[column], churned) for column in identifiers]
    if id is not None:
        named += [finding for finding in [identifier_finding(id, rows[id], churned)] if finding.level == "FAIL"]
    leaks = pd.concat([as_table(named), leaks], ignore_index=True) if named else leaks
    features = typed.copy()
    for column in typed.columns:
        if pd.api.types.is_datetime64_any_dtype(typed[column]):
            features[column] = _days_before(typed[column], snapshot)
    copies = int(features.assign(churned=churned).duplicated().sum())
    table = pd.concat([pd.DataFrame({"customer_id": ids, "churned": churned}), features], axis=1)
    blank = int((~known).sum())
    low, high = wilson(churned.sum(), churned.size)
    return ChurnData(
        table=table,
        headline=_headline(churned, features.shape[1], leaks, blank),
        definition=_definition(target, positive, id, blank, copies, leaks),
        metrics={"share_churned": metric(churned.mean(), float(low), float(high), churned.size)},
        features=tuple(features.columns),
        population=_population(churned),
        leaks=leaks,
        columns=described,
        of_log=False,
        id_column=id or "",
    )


def as_features(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A table to be scored, its columns as training had them: blanks missing, dates as days before the latest."""
    typed = {}
    for name in columns.names:
        values = frame[name]
        if pd.api.types.is_datetime64_any_dtype(values):
            values = _days_before(values, None)
        elif not pd.api.types.is_numeric_dtype(values):
            values = _without_blanks(values)
        typed[name] = values
    return frame.assign(**typed)


def _check_column(df: pd.DataFrame, column: str, option: str) -> None:
    if column not in df.columns:
        raise CjlibError(
            f"{option}: there is no column {shown(column)}.{did_you_mean(column, df.columns)} The table has: {listed(df.columns, most=20)}."
        )


def _outcome(values: pd.Series, target: str, positive: Any) -> pd.Series:
    """1, 0, or missing where the target is blank."""
    text = values.map(_as_word, na_action="ignore").astype(object)
    text = text.where(text.notna() & (text != ""), None)
    present = sorted(set(text.dropna()))
    if positive is not None:
        wanted = _as_word(positive)
        if wanted not in present:
            raise CjlibError(f"positive: {shown(positive)} never occurs in {shown(target)}. It holds: {listed(present)}.")
        return _as_outcome(text, {wanted})
    strange = [word for word in present if word not in POSITIVE | NEGATIVE]
    if strange:
        raise CjlibError(
            f"target: column {shown(target)} holds {listed(present)}. Say which value means churned, such as positive={shown(present[0])}."
        )
    return _as_outcome(text, POSITIVE)


def _as_outcome(text: pd.Series, positive: set[str]) -> pd.Series:
    return pd.Series(np.where(text.isna(), np.nan, text.isin(positive).to_numpy(dtype=float)), index=text.index)


def _snapshot(as_of: Any) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(as_of)
    except (ValueError, TypeError):
        raise CjlibError(f"as_of: must be a date, such as '2025-06-30'. Got {shown(as_of)}.") from None
    return stamp.tz_localize(None) if stamp.tz is not None else stamp


def _as_word(value: Any) -> str:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.strip().lower()


def _typed(rows: pd.DataFrame, as_of: Any) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Each column as number, date or text; what it was taken for; and the identifiers."""
    kept, described, identifiers = {}, [], []
    for column in rows.columns:
        values, kind, note = _as_type(rows[column])
        if (
            kind != "date"
            and not pd.api.types.is_float_dtype(rows[column])
            and kind != "number of text"
            and values.nunique() > UNIQUE_SHARE * len(rows) > 20
        ):
            identifiers.append(column)
            kind, note = "identifier", "left out: different for almost every customer"
        elif values.nunique(dropna=False) < 2:
            kind, note = "constant", "left out: one value only"
        else:
            kept[column] = values
        described.append({"column": column, "kind": kind, "values": int(values.nunique()), "missing": int(values.isna().sum()), "note": note})
    return pd.DataFrame(kept), pd.DataFrame(described, columns=["column", "kind", "values", "missing", "note"]), identifiers


def _as_type(values: pd.Series) -> tuple[pd.Series, str, str]:
    if pd.api.types.is_bool_dtype(values):
        return values.astype("str"), "category", ""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float), "number", ""
    if pd.api.types.is_datetime64_any_dtype(values):
        return (values.dt.tz_localize(None) if values.dt.tz is not None else values), "date", "days before the snapshot"
    text = _without_blanks(values)
    filled = text.dropna()
    numbers = pd.to_numeric(filled, errors="coerce")
    if len(filled) and numbers.notna().mean() >= PARSES:
        blank = len(values) - int(numbers.notna().sum())
        return (
            pd.to_numeric(text, errors="coerce").astype(float),
            "number of text",
            f"numbers stored as text; {blank} blank or unreadable: missing" if blank else "numbers stored as text",
        )
    odd = sorted({one for one in filled.unique() if one.strip().lower() in _ODD_LEVELS})
    return text.astype("str"), "category", f"level {listed(odd)} kept as it is: perhaps missing" if odd else ""


def _without_blanks(values: pd.Series) -> pd.Series:
    text = values.astype("str").where(values.notna(), None)
    return text.where(text.isna() | (text.str.strip() != ""), None)


def _days_before(values: pd.Series, as_of: pd.Timestamp | None) -> pd.Series:
    latest = values.max() if as_of is None else as_of
    return (latest - values).dt.total_seconds() / 86_400


def _population(churned: np.ndarray) -> pd.DataFrame:
    low, high = wilson(churned.sum(), churned.size)
    row = {"population": "all", "customers": churned.size, "rows": churned.size, "churned": int(churned.sum()), "share_churned": churned.mean()}
    return pd.DataFrame([row | {"share_churned_low": float(low), "share_churned_high": float(high)}])


def _headline(churned: np.ndarray, features: int, leaks: pd.DataFrame, blank: int) -> str:
    low, high = wilson(churned.sum(), churned.size)
    failed = leaks.loc[leaks["level"] == "FAIL", "column"].unique().tolist()
    named = f" Left out because they know the outcome: {listed(failed)}." if failed else ""
    without = f" {blank:,} rows without an outcome are left out." if blank else ""
    return f"{percent(churned.mean())} of {churned.size:,} customers churned ({confidence(float(low), float(high))}); {features} columns may explain it.{without}{named}"


def _definition(target: str, positive: Any, id_column: str | None, blank: int, copies: int, leaks: pd.DataFrame) -> dict[str, str]:
    levels = leaks["level"].value_counts()
    return {
        "unit": "one row a customer" + (f", named by {id_column}" if id_column else ", numbered by row"),
        "churned": f"{target} = {positive}" if positive is not None else f"{target} says so",
        "left out": f"{blank:,} rows with a blank target",
        "duplicates": f"{copies:,} rows equal another in all features and the outcome: kept, always in one fold",
        "leaks": ", ".join(f"{levels[level]} {level}" for level in ("FAIL", "DROP", "WARN", "INFO") if level in levels) or "none found",
        "tenure": "columns that count time so far are censored follow-up, not a lifetime",
    }
