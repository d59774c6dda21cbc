"""How good the forecasts were in each segment of the customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn import measures
from cjlib.analyses.result import MIN_N
from cjlib.errors import CjlibError

FEWEST_OUTCOMES = 10
FIGURES = ("auc", "auc_low", "auc_high", "pr_auc", "lift_10", "lift_low", "lift_high")


def by_segment(forecasts: pd.DataFrame, values: pd.Series | Sequence[Any], min_n: int = MIN_N) -> pd.DataFrame:
    """See `ChurnModel.by`."""
    segment = pd.Series(np.asarray(values, dtype=object))
    if len(segment) != len(forecasts):
        raise CjlibError(f"values: must have one value for each of the {len(forecasts):,} rows of .forecasts. Got {len(segment):,}.")
    known = segment.astype("str").where(segment.notna(), None)
    rows = [_row(name, forecasts[(known == name).to_numpy()], min_n) for name in sorted(known.dropna().unique())]
    rows += [_row(None, forecasts[known.isna().to_numpy()], min_n)] if known.isna().any() else []
    table = pd.DataFrame(rows, columns=["segment", "n", "n_churned", "share_churned", "mean_predicted", *FIGURES])
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def _row(name: str | None, rows: pd.DataFrame, min_n: int) -> dict[str, Any]:
    score, churned = rows["churn_probability"].to_numpy(dtype=float), rows["churned"].to_numpy(dtype=float)
    row = {"segment": name, "n": len(rows), "n_churned": int(churned.sum()), "share_churned": churned.mean(), "mean_predicted": score.mean()}
    if len(rows) < min_n or min(churned.sum(), (1 - churned).sum()) < FEWEST_OUTCOMES:
        return row | dict.fromkeys(FIGURES, np.nan)
    _, customers = np.unique(rows["customer_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    draws = measures.draw_customers(int(customers.max()) + 1, 0)
    auc, lift = measures.auc(score, churned), measures.lift(score, churned)
    auc_low, auc_high = measures.bounds(auc, measures.auc_deviations(score, churned, customers, draws), 0, 1)
    lift_low, lift_high = measures.bounds(lift, measures.lift_deviations(score, churned, customers, draws), 0)
    return row | dict(zip(FIGURES, [auc, auc_low, auc_high, measures.pr_auc(score, churned), lift, lift_low, lift_high], strict=True))
