"""How good the forecasts were in each segment of the customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from cjlib.analyses.churn.model import metrics
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.comparison import MIN_N, Family, family, known_at_once
from cjlib.shared.group_by import first_values
from cjlib.shared.stats import Z95
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
FEWEST_OUTCOMES = 10
FIGURES = ("auc", "auc_low", "auc_high", "pr_auc", "lift_10", "lift_low", "lift_high")


def by_segment(
    forecasts: pd.DataFrame, values: pd.Series | Sequence[Any], min_n: int = MIN_N
) -> pd.DataFrame:
    """See `ChurnModel.by`."""
    segment = pd.Series(np.asarray(values, dtype=object))
    if len(segment) != len(forecasts):
        raise CjlibError(
            f"values: must have one value for each of the {len(forecasts):,} rows of .forecasts. Got {len(segment):,}."
        )
    known = segment.astype("str").where(segment.notna(), None)
    rows = [
        _row(name, forecasts[(known == name).to_numpy()], min_n)
        for name in sorted(known.dropna().unique())
    ]
    rows += [_row(None, forecasts[known.isna().to_numpy()], min_n)] if known.isna().any() else []
    table = pd.DataFrame(
        rows, columns=["segment", "n", "n_churned", "share_churned", "mean_predicted", *FIGURES]
    )
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def _row(name: str | None, rows: pd.DataFrame, min_n: int) -> dict[str, Any]:
    score, churned = (
        rows["churn_probability"].to_numpy(dtype=float),
        rows["churned"].to_numpy(dtype=float),
    )
    row = {
        "segment": name,
        "n": len(rows),
        "n_churned": int(churned.sum()),
        "share_churned": churned.mean(),
        "mean_predicted": score.mean(),
    }
    if len(rows) < min_n or min(churned.sum(), (1 - churned).sum()) < FEWEST_OUTCOMES:
        return row | dict.fromkeys(FIGURES, np.nan)
    score, churned, customers, draws = _arrays(rows)
    auc, lift = metrics.auc(score, churned), metrics.lift(score, churned)
    auc_off, lift_off = metrics.deviations(score, churned, customers, draws)
    auc_low, auc_high = metrics.bounds(auc, auc_off, 0, 1)
    lift_low, lift_high = metrics.bounds(lift, lift_off, 0)
    return row | dict(
        zip(
            FIGURES,
            [auc, auc_low, auc_high, metrics.pr_auc(score, churned), lift, lift_low, lift_high],
            strict=True,
        )
    )


def _arrays(rows: pd.DataFrame) -> tuple[Floats, Floats, NDArray[np.int64], metrics.Draws]:
    ids = rows["customer_id"].to_numpy(dtype=object).astype(str)
    names, customers = np.unique(ids, return_inverse=True)
    return (
        rows["churn_probability"].to_numpy(dtype=float),
        rows["churned"].to_numpy(dtype=float),
        customers.astype(np.int64),
        metrics.draw_customers(names.size, 0),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentMetrics(Result):
    """A model's measures by segment; `by` is the column, None without groups."""

    by: str | None = None


def metrics_by_segment(
    model: ChurnModel, customers: EventLog | pd.DataFrame, *, by: str | None
) -> SegmentMetrics:
    """How good the forecasts were among the customers of each segment.

    Every row of `model.forecasts` counts in one segment: the customer's value of the column at the
    first event that has one; where events tie, the smallest as text; of a table of customers, the
    value in their row. Segments with fewer than 30 customers, or fewer than 10 rows of either
    outcome, get counts without figures. The AUC of each is compared with that among all other
    customers.

    Parameters
    ----------
    model
        What `cj.fit_churn` gave for data of this log or table.
    customers
        The events, or the table that `cj.churn_table` was given, its id called `customer_id`
        (without one, customers are numbered by row).
    by
        A column; None: no groups.

    Returns
    -------
    SegmentMetrics
        `.table` as `model.by` gives it, and `auc_others`, `difference`, `difference_low`,
        `difference_high`, `p_value`, `p_adjusted`. Unanswered without groups, or where too few have
        enough of both outcomes.

    Raises
    ------
    CjlibError
        If `by` is no column, or `model` is not what `cj.fit_churn` gave: one that was read again
        keeps no forecasts.
    """
    if isinstance(model, ChurnModel) and not model.answered:
        return SegmentMetrics.unanswered(model.reason)
    if not isinstance(model, ChurnModel) or model.forecasts.empty:
        raise CjlibError(
            f"model: must be what cj.fit_churn gave; a model that was read again keeps no forecasts. Got {shown(type(model).__name__)}."
        )
    if by is None:
        return SegmentMetrics.unanswered(
            "There are no groups to compare: the data have no column for it."
        )
    values = model.forecasts["customer_id"].astype("str").map(_segments(customers, by))
    table = model.by(values)
    if table["auc"].notna().sum() < 2:
        reason = (
            f"Too few groups by {by} have enough of both outcomes to compare the model among them."
        )
        return replace(SegmentMetrics.unanswered(reason), by=by, table=table)
    compared, tests = _against_others(model, table, values.rename(by))
    return SegmentMetrics(
        table=compared,
        headline=_headline(compared, tests),
        definition={
            "segment": _meaning(customers, by),
            "rows": f"{len(model.forecasts):,} forecasts that did not know the outcome; a customer counts once a tested moment",
            "interval": "95%, bootstrap over customers",
            "comparison": tests.words,
            "too few": f"fewer than {MIN_N} rows or {FEWEST_OUTCOMES} of either outcome: counted, not judged",
        },
        metrics={
            f"auc_{_named(row['segment'])}": metric(
                row["auc"],
                row["auc_low"],
                row["auc_high"],
                row["n"],
                label=f"AUC among {_named(row['segment'])}",
                unit="number",
                better="higher",
            )
            for row in compared[compared["auc"].notna()].to_dict("records")
        },
        families={tests.name: tests.tests},
        by=by,
    )


def _against_others(
    model: ChurnModel, table: pd.DataFrame, values: pd.Series
) -> tuple[pd.DataFrame, Family]:
    """The AUC of each segment less that of all other customers; they are different people, so that their errors are independent."""
    rows = model.forecasts
    known = values.notna().to_numpy()
    columns = {name: np.full(len(table), np.nan) for name in ("auc_others", "error")}
    units, other_units = (np.zeros(len(table), dtype=np.int64) for _ in range(2))
    for place, (name, auc) in enumerate(zip(table["segment"], table["auc"], strict=True)):
        inside = known & (values.astype("str") == str(name)).to_numpy() if name else ~known
        units[place] = rows.loc[inside, "customer_id"].nunique()
        other_units[place] = rows.loc[~inside, "customer_id"].nunique()
        if np.isnan(auc):
            continue
        columns["auc_others"][place], others_error = _auc(rows[~inside])
        columns["error"][place] = np.hypot(_auc(rows[inside])[1], others_error)
    difference = table["auc"].to_numpy(dtype=float) - columns["auc_others"]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * ndtr(-np.abs(difference) / columns["error"])
    tests = family(
        f"AUC by {values.name}",
        p_value,
        units=units,
        other_units=other_units,
        follow_up=known_at_once("each tested moment, by the horizon of the model"),
    )
    return table.assign(
        auc_others=columns["auc_others"],
        difference=difference,
        difference_low=difference - Z95 * columns["error"],
        difference_high=difference + Z95 * columns["error"],
        p_value=tests.p_value,
        p_adjusted=tests.p_adjusted,
    ), tests


def _auc(rows: pd.DataFrame) -> tuple[float, float]:
    """AUC and its standard error by the bootstrap over customers."""
    score, churned, customers, draws = _arrays(rows)
    if not 0 < churned.sum() < churned.size:
        return float("nan"), float("nan")
    off = metrics.auc_deviations(score, churned, customers, draws)
    return metrics.auc(score, churned), float(np.nanstd(off))


def _segments(customers: EventLog | pd.DataFrame, by: str) -> pd.Series:
    """The segment of each customer, by id."""
    if not isinstance(customers, pd.DataFrame):
        return first_values(customers, by)
    if by not in customers.columns:
        raise CjlibError(
            f"by: there is no column {shown(by)}.{did_you_mean(by, customers.columns)} The table has: {listed(customers.columns, most=20)}."
        )
    numbered = pd.RangeIndex(1, len(customers) + 1)
    ids = customers["customer_id"] if "customer_id" in customers.columns else pd.Series(numbered)
    return (
        pd.Series(customers[by].to_numpy(), index=ids.astype("str").to_numpy())
        .groupby(level=0)
        .first()
    )


def _meaning(customers: EventLog | pd.DataFrame, by: str) -> str:
    return (
        f"{by} in the customer's row"
        if isinstance(customers, pd.DataFrame)
        else f"{by} at the customer's first event that has one"
    )


def _named(segment: Any) -> str:
    return "(not set)" if pd.isna(segment) else str(segment)


def _headline(table: pd.DataFrame, tests: Family) -> str:
    if not tests.claims.any():
        tested = int(table["auc"].notna().sum())
        return f"The model ranks about equally well in all {tested} groups that can be judged: no significant difference."
    claimed = table[tests.claims]
    row = claimed.iloc[int(claimed["difference"].abs().argmax())]
    way = "better" if row["difference"] > 0 else "less well"
    return (
        f"The model ranks {way} among {_named(row['segment'])} (AUC {row['auc']:.3f}, {row['auc_low']:.3f} to {row['auc_high']:.3f}, n = {row['n']:,}) "
        f"than among all others ({row['auc_others']:.3f})."
    )
