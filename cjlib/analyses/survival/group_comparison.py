"""From lifetimes to the answer: a curve for each group, its summary, and which groups differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Metric, metric
from cjlib.analyses.survival import summary
from cjlib.analyses.survival.kaplan_meier import Curve, Z, kaplan_meier, log_rank
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown, unknown_column
from cjlib.shared.comparison import Family, family
from cjlib.shared.first_events import Groups, Whole
from cjlib.shared.risk_comparison import SameAge

UNITS = ("day", "week", "month", "year")
LANDMARKS = (30, 90, 180, 365)
"""Days whose share surviving is a metric, as far as the curve reaches."""


@dataclass(frozen=True)
class Lifetimes:
    """How long each was observed, whether that ended in churn, and the group."""

    length: NDArray[np.float64]
    churned: NDArray[np.bool_]
    group: Whole
    groups: Groups
    unit: str
    whole: bool

    def of(self, group: int) -> Curve:
        """The curve of one group."""
        mine = self.group == group
        return kaplan_meier(self.length[mine], self.churned[mine])


def answer(
    lifetimes: Lifetimes, min_n: int, definition: Mapping[str, str], who: str
) -> dict[str, Any]:
    """The fields of the result."""
    order = (
        np.argsort(lifetimes.groups.rank(lifetimes.group))
        if lifetimes.length.size
        else np.zeros(0, dtype=np.int64)
    )
    curves = [lifetimes.of(int(group)) for group in order]
    overall = kaplan_meier(lifetimes.length, lifetimes.churned)
    limit = min((float(curve.time[-1]) for curve in curves), default=0.0)
    comparisons, tested = _comparisons(lifetimes, order, min_n)
    summaries = _summary(lifetimes, order, curves, limit)
    metrics = _metrics(overall, lifetimes.unit, limit)
    unit = lifetimes.unit
    words = dict(definition) | summary.counts(overall, unit, limit)
    words |= {"comparisons": f"log-rank; {tested.words}"} if tested.tests else {}
    return {
        "table": _table(lifetimes, order, curves),
        "summary": summaries,
        "comparisons": comparisons,
        "headline": summary.headline(overall, unit, limit, comparisons, min_n, who),
        "definition": words,
        "metrics": metrics,
        "findings": summary.findings(summaries, comparisons, tested.name, unit),
        "families": {tested.name: tested.tests} if tested.tests else {},
    }


def _table(lifetimes: Lifetimes, order: Whole, curves: list[Curve]) -> pd.DataFrame:
    rows = np.repeat(order, [curve.time.size for curve in curves]).astype(np.int64)

    def joined(name: str, kind: str = "float64") -> NDArray[Any]:
        return (
            np.concatenate([getattr(curve, name) for curve in curves]).astype(kind)
            if curves
            else np.zeros(0, dtype=kind)
        )

    numbers = {
        lifetimes.unit: joined("time", "int64" if lifetimes.whole else "float64"),
        "at_risk": joined("at_risk", "int64"),
        "churned": joined("churned", "int64"),
        "censored": joined("censored", "int64"),
        "share_surviving": joined("share"),
        "share_surviving_low": joined("low"),
        "share_surviving_high": joined("high"),
    }
    return pd.DataFrame({**lifetimes.groups.columns(rows), **numbers})


def _summary(lifetimes: Lifetimes, order: Whole, curves: list[Curve], limit: float) -> pd.DataFrame:
    means = np.array([curve.restricted_mean(limit) for curve in curves]).reshape(-1, 2)
    half = Z * means[:, 1]
    numbers = {
        "n": np.array([curve.at_risk[0] for curve in curves], dtype=np.int64),
        "churned": np.array([curve.churned.sum() for curve in curves], dtype=np.int64),
        f"median_{lifetimes.unit}s": np.array([curve.median for curve in curves], dtype=float),
        f"rmst_{lifetimes.unit}s": means[:, 0],
        "rmst_low": np.maximum(means[:, 0] - half, 0.0),
        "rmst_high": np.minimum(means[:, 0] + half, limit),
        f"rmst_limit_{lifetimes.unit}s": np.full(len(curves), limit),
    }
    return pd.DataFrame({**lifetimes.groups.columns(order), **numbers})


def _comparisons(lifetimes: Lifetimes, order: Whole, min_n: int) -> tuple[pd.DataFrame, Family]:
    """Each group against all others together."""
    sizes = np.bincount(lifetimes.group, minlength=len(lifetimes.groups))
    others = lifetimes.length.size - sizes
    shown = (
        order[(sizes[order] >= max(min_n, 1)) & (others[order] > 0)]
        if lifetimes.groups.names
        else order[:0]
    )
    p_values = np.array(
        [
            log_rank(lifetimes.length, lifetimes.churned, lifetimes.group == group)
            for group in shown
        ],
        dtype=float,
    )
    tested = family(
        f"survival by {', '.join(lifetimes.groups.names)}",
        p_values,
        units=sizes[shown],
        other_units=others[shown],
        follow_up=SameAge("the start", 0),
        min_n=min_n,
    )
    columns = {"p_value": tested.p_value, "p_adjusted": tested.p_adjusted}
    return pd.DataFrame(lifetimes.groups.columns(shown) | columns), tested


def _metrics(curve: Curve, unit: str, limit: float) -> dict[str, Metric]:
    """Median and restricted mean of all together, and the share surviving at a few landmarks."""
    n = int(curve.at_risk[0])
    mean, error = curve.restricted_mean(limit)
    half = Z * error
    metrics = {
        f"median_{unit}s": metric(
            curve.median,
            *curve.median_interval,
            n,
            label=f"Median lifetime in {unit}s",
            unit="number",
            better="higher",
        ),
        f"rmst_{unit}s": metric(
            mean,
            max(mean - half, 0),
            min(mean + half, limit),
            n,
            label=f"Mean {unit}s up to {unit} {limit:g}",
            unit="number",
            better="higher",
        ),
    }
    for landmark in LANDMARKS if unit == "day" else ():
        if landmark <= curve.time[-1]:
            share, low, high, _ = curve.at(landmark)
            metrics[f"share_surviving_day_{landmark}"] = metric(
                share,
                low,
                high,
                n,
                label=f"Still customers after {landmark} days",
                unit="share",
                better="higher",
            )
    return metrics


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
