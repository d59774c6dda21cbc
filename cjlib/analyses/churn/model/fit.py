"""Fit a churn model, choose among candidates, and show what it is worth beside baselines that need no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, UnanswerableError
from cjlib.analyses.churn.data.univariate import column_aucs, column_scores, counted_columns
from cjlib.analyses.churn.model import summary
from cjlib.analyses.churn.model.backtest import fit_log
from cjlib.analyses.churn.model.build import Evidence, assembled, enough, used_features
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.churn.model.encoding import learn_columns
from cjlib.analyses.churn.model.evaluate import Tested
from cjlib.analyses.churn.model.metrics import auc
from cjlib.analyses.churn.model.model_selection import (
    OF_TABLE,
    Settings,
    Training,
    blended,
    blends,
    by_content,
    choose,
    cross_calibrated,
    final_calibrator,
    fit_bases,
    fit_forecaster,
    folds_by_group,
    one_thread,
)
from cjlib.errors import CjlibError, check_seed, shown

Floats = NDArray[np.float64]


def fit_churn(data: ChurnData, *, keep: Sequence[str] = (), seed: int = 0) -> ChurnModel:
    """A model of who churns, chosen among candidates, beside baselines that need no model.

    Every figure rests on forecasts that did not know the outcome: of a table, five folds (customers
    equal in all features and outcome in one fold); of a log, rolling origin: a test cutoff is
    forecast by a model of earlier cutoffs whose horizon was over by then. Candidates are an
    additive spline model (`lr`), boosted trees (`hgb`; of a table also `hgb_wide`) and means of two
    of them, each raw or calibrated; the smallest log-loss wins. Columns that `.leaks` calls FAIL or
    DROP are left out. Nothing is resampled or weighted, so probabilities stay probabilities.

    Parameters
    ----------
    data
        From `churn_table` or `churn_data`.
    keep
        Columns to use although a rule calls them a leak.
    seed
        Of folds, trees and the bootstrap over customers (500 draws) that makes the intervals.

    Returns
    -------
    ChurnModel
        `.table`: `model` ("chosen", the candidates, then baselines: "prevalence",
        "best_single_column" or "recency", "recency_over_gap", "bgnbd"), `population` ("all",
        "active": seen within twice the horizon), `cutoff` (missing for tables and for means over
        cutoffs), `n`, `n_churned`, `auc`, `auc_low`, `auc_high`, `pr_auc`, `brier`, `log_loss`,
        `lift_10`, `lift_low`, `lift_high`, `ece`, `ece_floor` (what perfect probabilities would
        show), `empc` (expected maximum profit a customer: value 200, offer 10, contact 1).
        Unanswered where there is no feature, or too few of either outcome to learn from.

    Raises
    ------
    CjlibError
        If `data` is not what `cj.churn_data` or `cj.churn_table` gives, `keep` is no list of its
        features, or `seed` is no whole number of 0 or more.

    References
    ----------
    Verbraken, T., Verbeke, W. & Baesens, B. (2013), for `empc`. IEEE TKDE 25.
    """
    if not isinstance(data, ChurnData):
        raise CjlibError(
            f"data: must be what cj.churn_data or cj.churn_table gives. Got {shown(type(data).__name__)}."
        )
    check_seed(seed)
    if not data.answered:
        return ChurnModel.unanswered(data.reason)
    try:
        features = used_features(data, keep)
        with one_thread():
            fit = fit_log if data.of_log else _fit_table
            return fit(data, features, tuple(keep), seed)
    except UnanswerableError as lacking:
        return ChurnModel.unanswered(lacking.reason)


def _fit_table(
    data: ChurnData, features: list[str], keep: tuple[str, ...], seed: int
) -> ChurnModel:
    known = data.table[data.table["churned"].notna()].reset_index(drop=True)
    order, group = by_content(known[features], known["churned"].to_numpy(dtype=float))
    rows = known.iloc[order].reset_index(drop=True)
    churned = rows["churned"].to_numpy(dtype=float)
    folds = enough(churned)
    columns = learn_columns(rows, features, dates=data.dates, snapshot=data.snapshot)
    training = Training(columns, columns.matrix(rows), churned, group)
    fold = folds_by_group(group, churned, folds, seed)
    scores = out_of_fold(training, fold, OF_TABLE, seed)
    choice = choose(scores, churned, fold)
    best, alone = _best_column(rows[features], churned)
    tested = Tested(
        None,
        np.arange(churned.size),
        churned,
        None,
        {"chosen": cross_calibrated(choice.kind, blended(scores, choice.blend), churned, fold)}
        | {name: blended(scores, name) for name in blends(scores)}
        | {"prevalence": _share_elsewhere(churned, fold), "best_single_column": alone},
    )
    evidence = Evidence(
        [tested],
        ("prevalence", "best_single_column"),
        churned.size,
        _learning(training, fold, scores["lr"]),
        choice,
        f"{folds} folds; best single column: {best}",
    )
    forecaster = fit_forecaster(
        training, choice, final_calibrator(scores, choice, churned), OF_TABLE, seed
    )
    forecasts = rows[["customer_id", "churned"]].assign(churn_probability=tested.scores["chosen"])
    forecasts.insert(1, "cutoff", pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]"))
    return assembled(
        data,
        keep,
        forecaster,
        training,
        evidence,
        forecasts=forecasts,
        newest=data.table,
        latest=np.ones(churned.size, dtype=bool),
        chosen=forecaster.probability(training.matrix),
        settings=OF_TABLE,
        seed=seed,
    )


def out_of_fold(
    training: Training, fold: NDArray[np.int64], settings: Settings, seed: int
) -> dict[str, Floats]:
    """Each base model's forecasts of the rows it did not learn from."""
    scores = {name: np.empty(training.churned.size) for name in settings.bases}
    for one in np.unique(fold).tolist():
        test = fold == one
        for name, base in fit_bases(training.of(~test), settings.bases, settings, seed).items():
            scores[name][test] = base.probability(training.matrix[test])
    return scores


def _share_elsewhere(churned: Floats, fold: NDArray[np.int64]) -> Floats:
    """The share of churners over all: the same for everybody, so that it ranks nobody."""
    return np.full(fold.size, churned.mean())


def _best_column(features: pd.DataFrame, churned: Floats) -> tuple[str, Floats]:
    """The column that ranks best alone, with its out-of-fold scores."""
    figures = column_aucs(counted_columns(features, churned))
    best = max(sorted(figures), key=lambda name: figures[name])
    return best, np.clip(column_scores(features[best], churned), 0, 1)


def _learning(training: Training, fold: NDArray[np.int64], whole: Floats) -> summary.Learning:
    """AUC of the additive model from half and all of the training rows."""
    drawn = np.random.default_rng(0).random(training.churned.size) < summary.HALF
    score = np.full(training.churned.size, np.nan)
    for one in np.unique(fold).tolist():
        some = (fold != one) & drawn
        if 0 < training.churned[some].sum() < some.sum():
            score[fold == one] = fit_bases(training.of(some), ["lr"], OF_TABLE, 0)[
                "lr"
            ].probability(training.matrix[fold == one])
    half = auc(score, training.churned) if not np.isnan(score).any() else float("nan")
    return summary.Learning(half, auc(whole, training.churned))
