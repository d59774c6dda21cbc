"""Forecasts that need no model of many features: what any candidate must beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cjlib.analyses.churn.data.customer_state import Snapshot
from cjlib.analyses.churn.data.snapshots import LogSource
from cjlib.analyses.churn.model.logistic import fit_ridge
from cjlib.analyses.value.bgnbd import Buyers, fit_bgnbd

Floats = NDArray[np.float64]
MOST_BUYERS = 20_000
FEWEST_REPEATERS = 10
WEEK = 7.0
HORIZON_OF_A_WEEK = 604_800_000_000


def baselines_at(
    rows: pd.DataFrame, moment: int, source: LogSource, known: pd.DataFrame, churned: Floats
) -> dict[str, Floats]:
    """Probabilities by baseline for the rows of a cutoff; recency through a sigmoid learnt from the `known` rows."""
    scores = {"prevalence": np.full(len(rows), churned.mean())}
    for name, column in (("recency", "recency_days"), ("recency_over_gap", "recency_over_gap")):
        if column in rows:
            scores[name] = _one_number(rows[column], known[column], churned)
    forecast = _no_purchase(rows, source, moment)
    return scores if forecast is None else scores | {"bgnbd": forecast}


def _one_number(values: pd.Series, known: pd.Series, churned: Floats) -> Floats:
    """A rising sigmoid of the logarithm; missing as the median."""
    middle = float(known.median()) if known.notna().any() else 0.0
    then, now = (
        np.log1p(np.maximum(one.fillna(middle).to_numpy(dtype=float), 0)) for one in (known, values)
    )
    if np.ptp(then) == 0 or churned.min() == churned.max():
        return np.full(now.size, churned.mean())
    slope = abs(float(fit_ridge(then[:, None], churned, 1e-6)[0]))
    centre = float(np.average(then))
    return expit(slope * (now - centre) + np.log(churned.mean() / (1 - churned.mean())))


def _no_purchase(rows: pd.DataFrame, source: LogSource, moment: int) -> Floats | None:
    """P(no active day in the horizon) by BG/NBD, fitted on everybody ever seen at the cutoff; None where churn is an event, or nobody returns."""
    if source.question.churn_event is not None:
        return None
    everyone = source.everyone[moment]
    x, recency, age = _history(everyone)
    if (x > 0).sum() < FEWEST_REPEATERS:
        return None
    some = np.linspace(0, x.size - 1, min(x.size, MOST_BUYERS)).astype(np.int64)
    model = fit_bgnbd(Buyers.merged(x[some], recency[some], age[some])[0])
    forecast = model.no_purchase(x, recency, age, source.question.horizon / HORIZON_OF_A_WEEK)
    ids = source.log.customer_ids(everyone.customer.astype(np.int32))
    return np.asarray(
        rows["customer_id"].map(pd.Series(forecast, index=pd.Index(ids.tolist()))), dtype=float
    )


def _history(everyone: Snapshot) -> tuple[Floats, Floats, Floats]:
    return (everyone.n_days - 1).astype(float), everyone.span / WEEK, everyone.age / WEEK
