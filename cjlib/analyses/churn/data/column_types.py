"""What each column of a customer table is: number, date, category, identifier or constant, whatever it is stored as."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.model.encoding import DAY_SECONDS, Columns
from cjlib.errors import CjlibError, listed, shown

UNIQUE_SHARE = 0.95
FEWEST_TO_TELL = 20
PARSES = 0.99
_ODD_LEVELS = {"unknown", "?", "n/a", "na", "none", "null", "-", "missing", "not available"}
_ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./]\d{1,2}[./]\d{1,2}")


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
        _OTHER_DATE.fullmatch(one.strip()) is not None for one in levels
    ) >= PARSES * len(levels):
        return "looks like dates, of which day and month cannot be told apart: give them as dates"
    odd = sorted({one for one in levels if one.strip().lower() in _ODD_LEVELS})
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
