"""ChurnScores of customers, in the order given, and how like those of training they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.data.churn_data import ChurnData
from cjlib.analyses.churn.data.column_types import as_features
from cjlib.analyses.churn.data.customer_table import customer_ids
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores
from cjlib.analyses.churn.model.drift import drifted
from cjlib.analyses.result import metric
from cjlib.errors import CjlibError, shown
from cjlib.show.numbers import percent, timespan


def score(
    model: ChurnModel, data: ChurnData | pd.DataFrame | None, as_of: Any = None
) -> ChurnScores:
    """See `ChurnModel.score`."""
    frame = _frame(model, data, as_of)
    columns = model.forecaster.columns
    matrix = columns.matrix(frame)
    outside = columns.outside(frame)
    probability = model.forecaster.probability(matrix)
    ids = _ids(frame, model)
    drift = (
        drifted(columns, model.reference, matrix)
        if data is not None or model.horizon_us
        else model.drift
    )
    cutoffs = (
        frame["cutoff"]
        if model.horizon_us and "cutoff" in frame
        else pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    )
    order = np.lexsort(
        (
            cutoffs.to_numpy(dtype="datetime64[us]"),
            ids.to_numpy(dtype=object).astype(str),
            -probability,
        )
    )
    rank = np.empty(len(frame), dtype=np.int64)
    rank[order] = np.arange(1, len(frame) + 1)
    table = pd.DataFrame(
        {
            "customer_id": ids.to_numpy(),
            "cutoff": cutoffs.to_numpy()
            if cutoffs.dtype == "datetime64[us]"
            else cutoffs.reset_index(drop=True),
            "churn_probability": probability,
            "rank": rank,
            "decile": (rank - 1) * 10 // max(len(frame), 1) + 1,
            "outside_training": outside,
        }
    )
    return ChurnScores(
        table=table,
        headline=_headline(model, table, drift),
        definition=_definition(model, table),
        metrics={
            "mean_probability": metric(
                float(probability.mean()) if len(table) else float("nan"), n=len(table)
            ),
            "share_outside_training": metric(
                float(outside.mean()) if len(table) else float("nan"), n=len(table)
            ),
            "drifted_features": metric(int((drift["level"] != "").sum()), n=len(table)),
        },
        drift=drift,
        model=model,
        matrix=matrix,
    )


def _frame(model: ChurnModel, data: ChurnData | pd.DataFrame | None, as_of: Any) -> pd.DataFrame:
    if data is None:
        return model.newest.reset_index(drop=True)
    if isinstance(data, ChurnData):
        return data.table.reset_index(drop=True)
    if not isinstance(data, pd.DataFrame):
        raise CjlibError(
            f"data: must be ChurnData or a table with the features. Got {shown(type(data).__name__)}."
        )
    frame = data.set_axis([str(name) for name in data.columns], axis=1).reset_index(drop=True)
    model.forecaster.columns.check(frame)
    return as_features(frame, model.forecaster.columns, as_of)


def _ids(frame: pd.DataFrame, model: ChurnModel) -> pd.Series:
    for name in ("customer_id", model.id_column):
        if name and name in frame:
            return frame[name] if model.horizon_us else customer_ids(frame[name])
    return pd.Series(np.arange(1, len(frame) + 1).astype(str), dtype="str")


def _headline(model: ChurnModel, table: pd.DataFrame, drift: pd.DataFrame) -> str:
    if table.empty:
        return "There is nobody to score."
    expected = table["churn_probability"].sum()
    within = f" within {timespan(model.horizon_us)}" if model.horizon_us else ""
    said = f"Of {len(table):,} customers about {expected:,.0f} ({percent(expected / len(table))}) are expected to churn{within}."
    return f"{said}{_beyond(table)}{_moved(drift)}"


def _beyond(table: pd.DataFrame) -> str:
    share = table["outside_training"].mean()
    return (
        f" {percent(share)} of them are outside what training saw in at least one feature."
        if share > 0
        else ""
    )


def _moved(drift: pd.DataFrame) -> str:
    """Names of features stand in `.drift`: they are no words for who reads the headline."""
    shifted, large = int((drift["level"] != "").sum()), int((drift["level"] == "large").sum())
    if large:
        return f" They are not like the customers of training: {large} of {len(drift)} features changed greatly, so trust the order more than the level."
    return f" {shifted} of {len(drift)} features have shifted since training." if shifted else ""


def _definition(model: ChurnModel, table: pd.DataFrame) -> dict[str, str]:
    return {
        "model": model.definition.get("chosen", ""),
        "rank": "1 = highest probability; ties by customer id",
        "decile": "1 = the tenth with the highest risk",
        "outside training": "a number beyond the smallest or largest of training, or a level that training did not have",
        "customers": f"{len(table):,}",
    }
