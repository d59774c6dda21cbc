"""A ready table, one row a customer, as churn data: types found and shown, identifiers dropped, blanks handled, leaks named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, TableSource
from cjlib.analyses.churn.data.column_types import Typed, as_type, days_before, snapshot_of, typed
from cjlib.analyses.churn.data.leakage import as_table, find_leaks, identifier_finding
from cjlib.analyses.result import metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.stats import wilson
from cjlib.show.numbers import confidence, percent

POSITIVE = {"1", "yes", "true", "y", "t", "churned"}
NEGATIVE = {"0", "no", "false", "n", "f", "stayed"}
MOST_OUTCOMES = 20
OUR_NAMES = ("customer_id", "cutoff", "churned")
_WHOLE = re.compile(r"[+-]?\d+\.0*")
_LEFT = re.compile(
    r"churn|\bleft|leav|lost|gone|attrit|exited|cancel|terminat|closed|inactiv|lapsed|unsub|former|^yes|^true"
)
_STAYED = re.compile(r"^(?:not|non|no|never)\b|retain|stay|kept|exist")


def churn_table(
    df: pd.DataFrame, *, target: str, id: str | None = None, positive: Any = None, as_of: Any = None
) -> ChurnData:
    """One row a customer, with a column that says who churned, as data a churn model can learn from.

    `target` may be bool, 0/1, yes/no or true/false in any case; any other values need `positive`,
    the value of those who churned: all others stayed. Rows with a blank target are left out and
    counted. The `id` is never a feature, nor is any column (not float, not date) that differs for
    more than 95% of the customers. Text that reads as numbers in at least 99% of its rows becomes
    numbers, the rest missing; so is what is infinite. Categories keep their text; missing is a
    level of its own. Dates, also text that is YYYY-MM-DD, become days before `as_of` (default: the
    latest date in the table); lengths of time become days.

    Parameters
    ----------
    df
        One row a customer.
    target
        The column that says who churned.
    id
        The column that names the customer; None: rows are numbered.
    positive
        The value of `target` that means churned.
    as_of
        The day that the table shows, from which dates count back; None: the latest date in it.

    Returns
    -------
    ChurnData
        See there; `.columns` says what each column was taken for. Unanswered where only one outcome
        occurs.

    Raises
    ------
    CjlibError
        If `df` is no table or two columns have one name, `target` or `id` is no column or both are
        the same, the values of `target` do not tell who churned (give `positive`), `positive` never
        occurs, `as_of` is no date, or a property is called as a column of churn data.
    """
    table = _named(df)
    target, id = _column(table, target, "target"), None if id is None else _column(table, id, "id")
    if target == id:
        raise CjlibError(
            f"id: must be another column than the target. Got {shown(id)} for both. Leave id out if customers have no name."
        )
    outcome = _outcome(table[target], target, positive)
    known = outcome.notna().to_numpy()
    rows, churned = table[known].reset_index(drop=True), outcome[known].to_numpy(dtype=float)
    if len(rows) == 0 or churned.min() == churned.max():
        return ChurnData.unanswered(
            f"Who will leave cannot be said: column {shown(target)} holds only one outcome in {len(rows):,} rows, so there is nothing to tell apart. Give customers who left and customers who stayed."
        )
    found = typed(rows.drop(columns=[target, *([id] if id else [])]))
    _check_names(found.kept)
    snapshot = snapshot_of(as_of, found.kept, found.dates)
    leaks = _leaks(found, rows, churned, id, None if as_of is None else snapshot)
    features = found.kept.assign(
        **{
            name: days_before(found.kept[name], snapshot)
            for name in found.dates
            if snapshot is not None
        }
    )
    called = id or ("customer_id" if "customer_id" in found.identifiers else "")
    ids = (
        customer_ids(rows[called])
        if called
        else pd.Series([f"{row + 1}" for row in range(len(rows))], dtype="str")
    )
    counts = Counts(
        int((~known).sum()),
        int(features.assign(churned=churned).duplicated().sum()),
        int(ids.duplicated().sum()),
    )
    low, high = wilson(churned.sum(), churned.size)
    apart = found.identifiers.drop(columns=list(OUR_NAMES), errors="ignore")
    return ChurnData(
        table=pd.concat(
            [pd.DataFrame({"customer_id": ids, "churned": churned}), features, apart], axis=1
        ),
        headline=_headline(churned, features.shape[1], leaks, counts),
        definition=_definition(target, positive, called, counts, leaks),
        metrics={
            "share_churned": metric(
                churned.mean(),
                float(low),
                float(high),
                churned.size,
                label="Share that left",
                unit="share",
                better="lower",
            )
        },
        features=tuple(features.columns),
        population=_population(churned),
        leaks=leaks,
        columns=found.described,
        of_log=False,
        id_column=called,
        dates=found.dates,
        snapshot="" if snapshot is None else snapshot.isoformat(),
        source=TableSource(table, target),
    )


@dataclass(frozen=True)
class Counts:
    """Rows with a blank target, rows that are copies of others, and rows whose id another row has."""

    blank: int
    copies: int
    repeated: int


def customer_ids(values: pd.Series) -> pd.Series:
    """Ids as text, whole floats without their point; who has none is called by the row."""
    if pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 == 0).all()):
        values = values.astype("Int64")
    text = values.astype("str").where(values.notna(), None)
    return text.where(
        text.notna(),
        pd.Series(
            [f"(no id, row {row + 1})" for row in range(len(text))], index=text.index, dtype="str"
        ),
    )


def _named(df: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns called by texts, each by another."""
    if not isinstance(df, pd.DataFrame):
        raise CjlibError(
            f"df: must be a DataFrame with one row a customer. Got {shown(type(df).__name__)}. For an event log use cj.churn_data."
        )
    table = df.set_axis([str(name) for name in df.columns], axis=1)
    twice = table.columns[table.columns.duplicated()].unique().tolist()
    if twice:
        raise CjlibError(
            f"df: every column needs a name of its own; {listed(twice)} stands for several. Rename them, or leave all but one out."
        )
    return table


def _check_names(features: pd.DataFrame) -> None:
    """Columns of our own tables cannot be features as well."""
    taken = [name for name in OUR_NAMES if name in features.columns]
    if taken:
        remedy = (
            "Say id='customer_id' if it names the customer, or rename it."
            if "customer_id" in taken
            else "Rename it, or leave it out."
        )
        raise CjlibError(
            f"df: a property cannot be called {listed(taken)}: churn data have columns of that name. {remedy}"
        )


def _column(df: pd.DataFrame, column: Any, option: str) -> str:
    name = str(column)
    if name not in df.columns:
        raise CjlibError(
            f"{option}: there is no column {shown(column)}.{did_you_mean(name, df.columns)} The table has: {listed(df.columns, most=20)}."
        )
    return name


def _outcome(values: pd.Series, target: str, positive: Any) -> pd.Series:
    """1, 0, or missing where the target is blank."""
    text = values.astype(object).map(_as_word, na_action="ignore").astype(object)
    text = text.where(text.notna() & (text != ""), None)
    called = _as_given(values, text)
    if positive is not None:
        wanted = next((word for word in _words_of(positive) if word in called), None)
        if wanted is None:
            raise CjlibError(
                f"positive: {shown(positive)} never occurs in {shown(target)}. It holds: {listed(called.values())}."
            )
        return _as_outcome(text, {wanted})
    if any(word not in POSITIVE | NEGATIVE for word in called):
        raise CjlibError(_which(target, text, called))
    return _as_outcome(text, POSITIVE)


def _as_given(values: pd.Series, text: pd.Series) -> dict[str, str]:
    """Each word that occurs, in order, and how the table writes it."""
    there = text.notna().to_numpy()
    pairs = {
        (word, str(value).strip())
        for word, value in zip(text[there], values[there].astype(object), strict=True)
    }
    return {
        word: min(value for one, value in pairs if one == word)
        for word in sorted({word for word, _ in pairs})
    }


def _which(target: str, text: pd.Series, called: dict[str, str]) -> str:
    """What to say of a target whose values do not tell who churned."""
    if len(called) > MOST_OUTCOMES:
        return f"target: column {shown(target)} holds {len(called):,} different values; a target says who churned. Name another column, or one of the values with positive=."
    counts = text.value_counts()
    left = [word for word in called if _LEFT.search(word) and not _STAYED.search(word)]
    likely = left[0] if left else min(called, key=lambda word: (counts[word], word))
    return f"target: column {shown(target)} holds {listed(called.values())}. Say which value means churned, such as positive={shown(called[likely])}; all others stayed."


def _as_outcome(text: pd.Series, positive: set[str]) -> pd.Series:
    return pd.Series(
        np.where(text.isna(), np.nan, text.isin(positive).to_numpy(dtype=float)), index=text.index
    )


def _as_word(value: Any) -> str:
    text = str(value).strip().lower()
    return text.split(".")[0] if _WHOLE.fullmatch(text) else text.removesuffix(".")


def _words_of(positive: Any) -> list[str]:
    """How the value of those who churned may be written in a table: True also as 1, and 1 also as true."""
    word = _as_word(positive)
    also = (
        {"true": "1", "false": "0"}
        if isinstance(positive, bool | np.bool_)
        else {"1": "true", "0": "false"}
    )
    return [word, *([also[word]] if word in also else [])]


def _leaks(
    found: Typed,
    rows: pd.DataFrame,
    churned: NDArray[np.float64],
    id_column: str | None,
    as_of: pd.Timestamp | None,
) -> pd.DataFrame:
    leaks = find_leaks(found.kept, churned, as_of=as_of)
    named = [
        identifier_finding(name, found.identifiers[name], churned)
        for name in found.identifiers.columns
    ]
    if id_column is not None:
        named += [
            finding
            for finding in [identifier_finding(id_column, as_type(rows[id_column])[0], churned)]
            if finding.level == "FAIL"
        ]
    return pd.concat([as_table(named), leaks], ignore_index=True) if named else leaks


def _population(churned: np.ndarray) -> pd.DataFrame:
    low, high = wilson(churned.sum(), churned.size)
    row = {
        "population": "all",
        "customers": churned.size,
        "rows": churned.size,
        "churned": int(churned.sum()),
        "share_churned": churned.mean(),
    }
    return pd.DataFrame(
        [row | {"share_churned_low": float(low), "share_churned_high": float(high)}]
    )


def _headline(churned: np.ndarray, features: int, leaks: pd.DataFrame, counts: Counts) -> str:
    low, high = wilson(churned.sum(), churned.size)
    failed = leaks.loc[leaks["level"] == "FAIL", "column"].unique().tolist()
    named = f" Left out because they know the outcome: {listed(failed)}." if failed else ""
    without = f" {counts.blank:,} rows without an outcome are left out." if counts.blank else ""
    again = (
        f" {counts.repeated:,} rows have an id that an earlier row has: one row a customer is expected."
        if counts.repeated
        else ""
    )
    return f"{percent(churned.mean())} of {churned.size:,} customers churned ({confidence(float(low), float(high))}); {features} columns may explain it.{without}{again}{named}"


def _definition(
    target: str, positive: Any, id_column: str, counts: Counts, leaks: pd.DataFrame
) -> dict[str, str]:
    levels = leaks["level"].value_counts()
    return {
        "unit": "one row a customer"
        + (f", named by {id_column}" if id_column else ", numbered by row"),
        "churned": f"{target} = {positive}; all others stayed"
        if positive is not None
        else f"{target} says so",
        "left out": f"{counts.blank:,} rows with a blank target",
        "duplicates": f"{counts.copies:,} rows equal another in all features and the outcome: kept, always in one fold",
        "repeated ids": f"{counts.repeated:,} rows have an id that an earlier row has"
        if id_column
        else "no id",
        "leaks": ", ".join(
            f"{levels[level]} {level}"
            for level in ("FAIL", "DROP", "WARN", "INFO")
            if level in levels
        )
        or "none found",
        "tenure": "columns that count time so far are censored follow-up, not a lifetime",
    }
