"""A ready table, one row a customer, as churn data: types found and shown, identifiers dropped, blanks handled, leaks named."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, TableSource
from cjlib.analyses.churn.data.leakage import as_table, find_leaks, identifier_finding
from cjlib.analyses.churn.model.encoding import DAY_SECONDS, Columns
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
UNIQUE_SHARE = 0.95
FEWEST_TO_TELL = 20
PARSES = 0.99
_ODD_LEVELS = {"unknown", "?", "n/a", "na", "none", "null", "-", "missing", "not available"}
_ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./]\d{1,2}[./]\d{1,2}")


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


@dataclass(frozen=True)
class Typed:
    """A table's columns as numbers, dates and texts: `kept`, the `identifiers` apart, and what each was taken for."""

    kept: pd.DataFrame
    identifiers: pd.DataFrame
    described: pd.DataFrame

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns that are dates."""
        return tuple(
            name
            for name in self.kept.columns
            if pd.api.types.is_datetime64_any_dtype(self.kept[name])
        )


def typed(rows: pd.DataFrame) -> Typed:
    """Each column as number, date or text, and the identifiers: neither float nor date, and different for more than 95% of the rows."""
    kept, identifiers, described = {}, {}, []
    for column in rows.columns:
        values, kind, note = as_type(rows[column])
        if (
            kind != "date"
            and not _measured(rows[column], values)
            and values.nunique() > UNIQUE_SHARE * len(rows) > FEWEST_TO_TELL
        ):
            identifiers[column] = values
            kind, note = "identifier", "left out: different for almost every customer"
        elif values.nunique(dropna=False) < 2:
            kind, note = "constant", "left out: one value only"
        else:
            kept[column] = values
        described.append(
            {
                "column": column,
                "kind": kind,
                "values": int(values.nunique()),
                "missing": int(values.isna().sum()),
                "note": note,
            }
        )
    told = pd.DataFrame(described, columns=["column", "kind", "values", "missing", "note"])
    return Typed(
        pd.DataFrame(kept, index=rows.index), pd.DataFrame(identifiers, index=rows.index), told
    )


def _measured(given: pd.Series, values: pd.Series) -> bool:
    """Whether a column holds measurements, which differ without naming anybody: floats, and text that reads as numbers with decimals."""
    if pd.api.types.is_float_dtype(given):
        return True
    return (
        pd.api.types.is_float_dtype(values)
        and not pd.api.types.is_integer_dtype(given)
        and bool((values.dropna() % 1 != 0).any())
    )


def as_type(values: pd.Series) -> tuple[pd.Series, str, str]:
    """A column as floats, datetimes or texts; its kind; and what should be known of it."""
    if pd.api.types.is_bool_dtype(values):
        return _texts(values), "category", ""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return _number(values.astype(float), "number", "")
    dates = as_dates(values)
    if dates is not None:
        return (
            dates,
            "date",
            "days before the snapshot"
            + ("" if pd.api.types.is_datetime64_any_dtype(values) else "; stored as text"),
        )
    if pd.api.types.is_timedelta64_dtype(values):
        return values.dt.total_seconds() / DAY_SECONDS, "number", "a length, in days"
    text = _without_blanks(values)
    numbers = _each(text, lambda filled: pd.to_numeric(filled, errors="coerce").astype(float))
    read, filled = int(numbers.notna().sum()), int(text.notna().sum())
    if filled and read >= PARSES * filled:
        blank = len(values) - read
        note = (
            f"numbers stored as text; {blank} blank or unreadable: missing"
            if blank
            else "numbers stored as text"
        )
        return _number(numbers, "number of text", note)
    return text, "category", _said_of_levels(text)


def _number(values: pd.Series, kind: str, note: str) -> tuple[pd.Series, str, str]:
    endless = np.isinf(values.to_numpy(dtype=float, na_value=np.nan))
    if not endless.any():
        return values, kind, note
    more = f"{int(endless.sum())} infinite: missing"
    return values.mask(endless), kind, f"{note}; {more}" if note else more


def _said_of_levels(text: pd.Series) -> str:
    levels = text.dropna().unique().tolist()
    if levels and sum(
        _OTHER_DATE.fullmatch(level.strip()) is not None for level in levels
    ) >= PARSES * len(levels):
        return "looks like dates, of which day and month cannot be told apart: give them as dates"
    odd = sorted({level for level in levels if level.strip().lower() in _ODD_LEVELS})
    return f"level {listed(odd)} kept as it is: perhaps missing" if odd else ""


def as_dates(values: pd.Series) -> pd.Series | None:
    """Datetimes without a zone (the time on the wall), from datetimes, dates, periods, or text that is YYYY-MM-DD [HH:MM…] in 99% of its rows; else None."""
    if isinstance(values.dtype, pd.ArrowDtype) and str(values.dtype).startswith(
        ("timestamp", "date")
    ):
        values = pd.to_datetime(values.astype(object))
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(values):
        return (values.dt.tz_localize(None) if values.dt.tz is not None else values).dt.as_unit(
            "us"
        )
    if not (
        pd.api.types.is_string_dtype(values)
        or pd.api.types.is_object_dtype(values)
        or isinstance(values.dtype, pd.CategoricalDtype)
    ):
        return None
    text = _without_blanks(values)
    filled = int(text.notna().sum())
    first = text.dropna().iloc[0].strip() if filled else ""
    if not (
        _ISO_DATE.fullmatch(first)
        or any(isinstance(one, datetime.date) for one in values.head(1000))
    ):
        return None
    found = _each(text, _read_dates)
    return found if int(found.notna().sum()) >= PARSES * filled else None


def _read_dates(texts: pd.Series) -> pd.Series:
    shaped = texts.where(texts.str.strip().str.fullmatch(_ISO_DATE))
    return (
        pd.to_datetime(shaped.str.strip(), format="ISO8601", errors="coerce", utc=True)
        .dt.tz_localize(None)
        .dt.as_unit("us")
    )


def _each(text: pd.Series, read: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """What each text reads as, every different one read once."""
    codes, levels = pd.factorize(text)
    found = read(pd.Series(levels, dtype="str"))
    return found.reindex(codes).set_axis(text.index)


def _texts(values: pd.Series) -> pd.Series:
    """As text, missing where missing; what no file could hold is replaced."""
    try:
        return values.astype("str").where(values.notna(), None)
    except UnicodeEncodeError:
        return values.map(
            lambda one: str(one).encode("utf-8", "replace").decode(), na_action="ignore"
        ).astype("str")


def _without_blanks(values: pd.Series) -> pd.Series:
    text = _texts(values)
    return text.where(text.isna() | (text.str.strip() != ""), None)


def snapshot_of(as_of: Any, table: pd.DataFrame, dates: tuple[str, ...]) -> pd.Timestamp | None:
    """The day that the table shows: as given, else the latest of its dates; None without either."""
    if as_of is None:
        latest = [table[name].max() for name in dates]
        return max((one for one in latest if not pd.isna(one)), default=None)
    try:
        stamp = pd.Timestamp(as_of)
    except (ValueError, TypeError):
        stamp = pd.NaT
    if pd.isna(stamp):
        raise CjlibError(f"as_of: must be a date, such as '2025-06-30'. Got {shown(as_of)}.")
    return stamp.tz_localize(None) if stamp.tz is not None else stamp


def days_before(values: pd.Series, snapshot: pd.Timestamp) -> pd.Series:
    """Days from each date to the snapshot; negative for later ones."""
    return (snapshot - values).dt.total_seconds() / DAY_SECONDS


def as_features(frame: pd.DataFrame, columns: Columns, as_of: Any = None) -> pd.DataFrame:
    """A table to be scored, its columns as training had them: blanks missing, dates as days before the snapshot.

    The snapshot is `as_of`; without it that of training or, if the table has later dates, the latest of them, so that the same rows mean the same
    whatever stands beside them. Columns that held dates after the snapshot in training, such as a contract's end, have no say in it.
    """
    dated = [
        name
        for name in columns.numbers
        if name in columns.dates or pd.api.types.is_datetime64_any_dtype(frame[name])
    ]
    dates = {name: read for name in dated if (read := as_dates(frame[name])) is not None}
    lows = dict(zip(columns.numbers, columns.lows, strict=True))
    moved = snapshot_of(
        as_of,
        pd.DataFrame(dates, index=frame.index),
        tuple(name for name in dates if lows[name] >= 0),
    )
    known = None if as_of is not None or not columns.snapshot else pd.Timestamp(columns.snapshot)
    snapshot = max((one for one in (moved, known) if one is not None), default=None)
    made = {}
    for name in columns.names:
        if name in dates and snapshot is not None:
            made[name] = days_before(dates[name], snapshot)
        elif not pd.api.types.is_numeric_dtype(
            frame[name]
        ) and not pd.api.types.is_timedelta64_dtype(frame[name]):
            made[name] = _without_blanks(frame[name])
    return frame.assign(**made)
