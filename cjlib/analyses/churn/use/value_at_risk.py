"""What stands to be lost: each customer's value times the chance of losing it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.show.numbers import about

TOP = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueAtRisk(Result):
    """Value at risk by customer; `.grid` counts customers and sums value by risk and value."""

    grid: pd.DataFrame


def value_at_risk(scores: ChurnScores | pd.DataFrame, value: Result | pd.DataFrame) -> ValueAtRisk:
    """Value at risk = probability of churning × expected value, for each customer known to both.

    High value: the most valuable fifth; high risk: the riskiest fifth; ties by customer id. Customers known to one side only are counted, not guessed.

    Parameters
    ----------
    scores
        What `model.score()` gave, or a table with `customer_id` and `churn_probability`, one row a customer.
    value
        What `cj.customer_value` gave, or a table with `customer_id` and `expected_value`.

    Returns
    -------
    ValueAtRisk
        `.table`: `customer_id`, `churn_probability`, `expected_value`, `value_at_risk`, `rank`, `high_value`, `high_risk`. `.grid`: `high_value`, `high_risk`,
        `customers`, `expected_value`, `value_at_risk`.
    """
    risk, worth = (
        _frame(scores, "churn_probability", "scores"),
        _frame(value, "expected_value", "value"),
    )
    both = risk.merge(worth, on="key", how="inner").sort_values("key", ignore_index=True)
    lost = both["churn_probability"] * both["expected_value"]
    table = both.assign(
        value_at_risk=lost,
        high_value=_top(both["expected_value"]),
        high_risk=_top(both["churn_probability"]),
    )
    table = table.sort_values(
        "value_at_risk", ascending=False, kind="stable", ignore_index=True
    ).assign(rank=np.arange(1, len(both) + 1))
    columns = [
        "customer_id",
        "churn_probability",
        "expected_value",
        "value_at_risk",
        "rank",
        "high_value",
        "high_risk",
    ]
    grid = _grid(table)
    total, sum_at_risk = float(table["expected_value"].sum()), float(table["value_at_risk"].sum())
    hot = table[table["high_value"] & table["high_risk"]]
    share = sum_at_risk / total if total else float("nan")
    return ValueAtRisk(
        table=table[columns],
        headline=(
            f"{sum_at_risk:,.0f} of an expected {total:,.0f} ({about(share)}) is at risk among {len(table):,} customers; {len(hot):,} are among both the most valuable and "
            f"the riskiest fifth and hold {float(hot['value_at_risk'].sum()):,.0f} of it."
        )
        if len(table)
        else "No customer has both a forecast and a value.",
        definition={
            "value at risk": "probability of churning × expected value over the value's horizon",
            "high": "the top fifth; ties by customer id",
            "left out": f"{len(risk) - len(both):,} customers with a forecast but no value, {len(worth) - len(both):,} with a value but no forecast",
        },
        metrics={
            "value_at_risk": metric(sum_at_risk, n=len(table)),
            "share_at_risk": metric(share, n=len(table)),
            "high_both": metric(len(hot), n=len(table)),
        },
        grid=grid,
    )


def _frame(given: Result | pd.DataFrame, column: str, option: str) -> pd.DataFrame:
    frame = given.table if isinstance(given, Result) else given
    if not isinstance(frame, pd.DataFrame):
        made = "model.score()" if option == "scores" else "cj.customer_value"
        raise CjlibError(
            f"{option}: must be what {made} gave, or a table with customer_id and {column}. Got {shown(type(given).__name__)}."
        )
    for name in ("customer_id", column):
        if name not in frame.columns:
            raise CjlibError(
                f"{option}: there is no column {name!r}.{did_you_mean(name, frame.columns)} The columns are {listed(frame.columns)}."
            )
    picked = frame[["customer_id", column]].assign(key=frame["customer_id"].astype("str"))
    picked = picked[pd.to_numeric(picked[column], errors="coerce").notna()]
    if picked["key"].duplicated().any():
        raise CjlibError(
            f"{option}: {int(picked['key'].duplicated().sum()):,} customers have several rows. Give one row a customer: one cutoff."
        )
    return picked if option == "scores" else picked.drop(columns="customer_id")


def _top(values: pd.Series) -> np.ndarray:
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-values.to_numpy(dtype=float), kind="stable")[: round(TOP * len(values))]] = (
        True
    )
    return chosen


def _grid(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for valuable in (True, False):
        for risky in (True, False):
            some = table[(table["high_value"] == valuable) & (table["high_risk"] == risky)]
            rows.append(
                (
                    valuable,
                    risky,
                    len(some),
                    float(some["expected_value"].sum()),
                    float(some["value_at_risk"].sum()),
                )
            )
    return pd.DataFrame(
        rows, columns=["high_value", "high_risk", "customers", "expected_value", "value_at_risk"]
    )
