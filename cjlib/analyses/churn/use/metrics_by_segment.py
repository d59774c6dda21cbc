"""How good the forecasts were in each segment of the customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.model import metrics
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import first_values
from cjlib.sources.log.event_log import EventLog

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
    _, customers = np.unique(
        rows["customer_id"].to_numpy(dtype=object).astype(str), return_inverse=True
    )
    draws = metrics.draw_customers(int(customers.max()) + 1, 0)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelBy(Result):
    """A model's measures by segment; `by` is the column, None without groups."""

    by: str | None


def model_by(model: ChurnModel, customers: EventLog | pd.DataFrame, *, by: str | None) -> ModelBy:
    """How good the forecasts were among the customers of each segment.

    Every row of `model.forecasts` counts in one segment: the customer's value of the column at the first event that has one; where events tie, the smallest as
    text; of a table of customers, the value in their row. Segments with fewer than 30 rows, or fewer than 10 of either outcome, get counts without figures.

    Parameters
    ----------
    model
        What `cj.fit_churn` gave for data of this log or table.
    customers
        The events, or the table that `cj.churn_table` was given, its id called `customer_id` (without one, customers are numbered by row).
    by
        A column; None: no groups.

    Returns
    -------
    ModelBy
        `.table` as `model.by` gives it.

    Raises
    ------
    CjlibError
        When there is no such column, or the model keeps no forecasts.
    """
    if not isinstance(model, ChurnModel) or model.forecasts.empty:
        raise CjlibError(
            f"model: must be what cj.fit_churn gave; a model that was read again keeps no forecasts. Got {shown(type(model).__name__)}."
        )
    values = (
        pd.Series(None, index=model.forecasts.index, dtype="str")
        if by is None
        else model.forecasts["customer_id"].astype("str").map(_segments(customers, by))
    )
    table = model.by(values) if by is not None else model.by(values).iloc[:0]
    return ModelBy(
        table=table,
        headline=_headline(table, by),
        definition={
            "segment": _meaning(customers, by) if by else "none",
            "rows": f"{len(model.forecasts):,} forecasts that did not know the outcome; a customer counts once a tested moment",
            "interval": "95%, bootstrap over customers",
            "too few": f"fewer than {MIN_N} rows or {FEWEST_OUTCOMES} of either outcome: counted, not judged",
        },
        metrics={
            f"auc_{_named(row['segment'])}": metric(
                row["auc"], row["auc_low"], row["auc_high"], row["n"]
            )
            for row in table[table["auc"].notna()].to_dict("records")
        },
        by=by,
    )


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


def _headline(table: pd.DataFrame, by: str | None) -> str:
    if by is None:
        return "There are no groups to compare: the data have no column for it."
    known = table[table["auc"].notna()]
    if len(known) < 2:
        return (
            f"Too few groups by {by} have enough of both outcomes to compare the model among them."
        )
    best, worst = known.iloc[int(known["auc"].argmax())], known.iloc[int(known["auc"].argmin())]
    apart = "beyond noise" if best["auc_low"] > worst["auc_high"] else "but their intervals meet"
    said = [
        f"{_named(one['segment'])} (AUC {one['auc']:.3f}, {one['auc_low']:.3f} to {one['auc_high']:.3f}, n = {one['n']:,})"
        for one in (best, worst)
    ]
    return f"The model ranks best among {said[0]} and least well among {said[1]}, {apart}."
