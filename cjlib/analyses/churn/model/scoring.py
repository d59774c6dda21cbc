"""ChurnScores of customers, in the order given, and how like those of training they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, TableSource
from cjlib.analyses.churn.data.column_types import as_features
from cjlib.analyses.churn.data.customer_table import customer_ids
from cjlib.analyses.churn.data.log_data import data_at
from cjlib.analyses.churn.data.snapshots import LogSource
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores
from cjlib.analyses.churn.model.drift import drifted, no_drift
from cjlib.analyses.result import Metric, metric
from cjlib.errors import CjlibError, shown
from cjlib.show.numbers import count_of, percent, timespan

NOBODY = "Nobody is left to forecast: no customer at this moment is one who could still leave."


def score(
    model: ChurnModel, data: ChurnData | pd.DataFrame | None, as_of: Any = None
) -> ChurnScores:
    """See `ChurnModel.score`."""
    frame = _frame(model, data, as_of)
    if frame.empty:
        return ChurnScores.unanswered(NOBODY)
    columns = model.forecaster.columns
    matrix = columns.matrix(frame)
    outside = columns.outside(frame)
    probability = model.forecaster.probability(matrix)
    ids = _ids(frame, model)
    drift = _drift(model, data, matrix)
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
        metrics=_metrics(model, table, drift),
        drift=drift,
        model=model,
        matrix=matrix,
    )


def score_today(model: ChurnModel, data: ChurnData) -> ChurnScores:
    """See `ChurnModel.score_today`."""
    source = data.source
    if isinstance(source, LogSource):
        now = data_at(source, [source.log.observed_until], model)
        return score(model, now)
    if not isinstance(source, TableSource):
        raise CjlibError("data: must be what cj.churn_data or cj.churn_table gave.")
    if len(source.open):
        return _named(score(model, source.open), "those whose outcome is still open")
    stayed = replace(data, table=data.table[data.table["churned"] == 0])
    return _named(
        score(model, stayed), "those who had not left; the model has learnt from them too"
    )


def _named(scores: ChurnScores, who: str) -> ChurnScores:
    return replace(scores, definition={"whom": who} | dict(scores.definition))


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


def _drift(model: ChurnModel, data: Any, matrix: NDArray[np.float64]) -> pd.DataFrame:
    """Against training; none of those who had stayed in the table of training, for they differ from those who left and not from tomorrow's customers."""
    if not model.horizon_us and not isinstance(data, pd.DataFrame):
        return no_drift()
    return drifted(model.forecaster.columns, model.reference, matrix)


def _headline(model: ChurnModel, table: pd.DataFrame, drift: pd.DataFrame) -> str:
    if not model.horizon_us:
        return f"{_alike(model, table)}{_beyond(table)}{_moved(drift)}"
    return f"{_expected(model, table)}{_beyond(table)}{_moved(drift)}"


def _alike(model: ChurnModel, table: pd.DataFrame) -> str:
    """A table of customers shows one moment: who left had left, and who will is not in it."""
    lift = model.metrics["lift_10"]
    ranked = (
        f"{count_of(len(table), 'customer')} ranked by how much they resemble those who had left"
    )
    if not model.beats_baselines:
        return f"{ranked}: no forecast, since the table has no dates. {model.verdict}"
    return (
        f"{ranked}: no forecast, since the table has no dates. Lift in the top decile {lift['value']:.2f} ({lift['low']:.2f} to {lift['high']:.2f}): "
        "so many times the share of all had left among the tenth ranked highest."
    )


def _expected(model: ChurnModel, table: pd.DataFrame) -> str:
    within = timespan(model.horizon_us)
    customers = count_of(len(table), "customer")
    if not _countable(model, table):
        return (
            f"{customers} ranked by their risk to churn within {within}. How many will is not forecast: "
            "too few earlier moments show how the share of churners moves."
        )
    probability = table["churn_probability"].to_numpy(dtype=float)
    low, high = model.forecaster.level.interval(probability)
    return f"Of {customers} about {probability.sum():,.0f} (95% CI {low:,.0f} to {high:,.0f}; {percent(probability.mean())}) are expected to churn within {within}."


def _countable(model: ChurnModel, table: pd.DataFrame) -> bool:
    """Whether a number of churners can be told: of one moment, from several that are over."""
    return model.forecaster.level.known and len(table["cutoff"].drop_duplicates()) == 1


def _metrics(model: ChurnModel, table: pd.DataFrame, drift: pd.DataFrame) -> dict[str, Metric]:
    n = len(table)
    made = {
        "share_outside_training": metric(
            float(table["outside_training"].mean()),
            n=n,
            label="Outside the range of training",
            unit="share",
        ),
        "drifted_features": metric(
            int((drift["level"] != "").sum()), n=n, label="Features that drifted", unit="number"
        ),
    }
    if not model.horizon_us or not _countable(model, table):
        return made
    probability = table["churn_probability"].to_numpy(dtype=float)
    low, high = model.forecaster.level.interval(probability)
    expected = metric(
        float(probability.mean()),
        low / n,
        high / n,
        n,
        label="Expected to churn",
        unit="share",
        better="lower",
    )
    count = metric(
        float(probability.sum()), low, high, n, label="Customers expected to churn", unit="number"
    )
    return {"mean_probability": expected, "expected_churners": count, **made}


def _beyond(table: pd.DataFrame) -> str:
    share = table["outside_training"].mean()
    return (
        f" {percent(share)} of them are outside what training saw in at least one feature."
        if share > 0
        else ""
    )


def _moved(drift: pd.DataFrame) -> str:
    """Names of features stand in `.drift`: they are no words for who reads the headline."""
    moved, large = int((drift["level"] != "").sum()), int((drift["level"] == "large").sum())
    if large:
        return f" These customers differ from those the model learned from ({large} of {len(drift)} features drifted far), so trust the ranking more than the percentages."
    return f" {moved} of {len(drift)} features have drifted since training." if moved else ""


def _definition(model: ChurnModel, table: pd.DataFrame) -> dict[str, str]:
    return {
        "model": model.definition.get("chosen", ""),
        "probability": _meaning(model),
        "rank": "1 = highest probability; ties by customer id",
        "decile": "1 = the tenth with the highest risk",
        "outside training": "a number beyond the smallest or largest of training, or a level that training did not have",
        "customers": f"{len(table):,}",
    }


def _meaning(model: ChurnModel) -> str:
    if not model.horizon_us:
        return "how many of customers like this one had left when the table was made: resemblance, no forecast"
    level = model.forecaster.level
    if not level.known:
        return "of churning within the horizon; too few earlier moments for an interval of the sum"
    return (
        f"of churning within the horizon, at the level of the newest moments; 95% CI of the sum by chance and by how far off such levels were at {level.moments} earlier moments. "
        "A season shows in it as far as these moments reach"
    )
