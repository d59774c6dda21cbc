"""What other splits of the same log would have promised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import NO_DATES, ChurnData, UnanswerableError
from cjlib.analyses.churn.model.backtest import Forward, forward_of, thinned
from cjlib.analyses.churn.model.build import used_features
from cjlib.analyses.churn.model.metrics import auc, pr_auc
from cjlib.analyses.churn.model.model_selection import OF_LOG, Training, fit_bases, one_thread
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, shown

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
MIXED_FOLDS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitComparison(Result):
    """The same model judged by three splits of one log."""


def compare_splits(data: ChurnData, *, seed: int = 0) -> SplitComparison:
    """The same boosted trees judged in three ways: only the first says what will happen.

    "rolling origin" forecasts the newest cutoff that can be from snapshots whose horizon was over;
    "no embargo" from all earlier snapshots; "random rows" mixes all rows of all cutoffs in three
    folds, so that a customer's other snapshots, and the future, are known.

    Parameters
    ----------
    data
        From `churn_data`.
    seed
        Of folds and trees.

    Returns
    -------
    SplitComparison
        `.table`: `split`, `n`, `n_churned`, `auc`, `pr_auc`. Unanswered for a table of customers,
        and where the log is too short.

    Raises
    ------
    CjlibError
        If `data` is not what `cj.churn_data` or `cj.churn_table` gives.
    """
    if not isinstance(data, ChurnData):
        raise CjlibError(
            f"data: must be what cj.churn_data gives. Got {shown(type(data).__name__)}."
        )
    if not data.answered:
        return SplitComparison.unanswered(data.reason)
    if not data.of_log:
        return SplitComparison.unanswered(
            f"{NO_DATES}, so nothing of the future can slip into its five folds; they are drawn at random."
        )
    try:
        with one_thread():
            forward = forward_of(data, used_features(data, ()), seed)
            stack = forward.stack
            tests = [moment for moment in stack.cutoffs if stack.can_forecast(moment)]
            if not tests:
                raise UnanswerableError("the log is too short for a rolling origin.")
            return _result(_splits(forward, tests[0]))
    except UnanswerableError as lacking:
        return SplitComparison.unanswered(lacking.reason)


def _result(table: pd.DataFrame) -> SplitComparison:
    figures = table.set_index("split")["auc"]
    honest, mixed = figures["rolling origin"], figures["random rows"]
    return SplitComparison(
        table=table,
        headline=(
            f"Judged as it will be used the model reaches AUC {honest:.3f} at the newest moment; random rows would have promised {mixed:.3f}."
        ),
        definition={
            "rolling origin": "forecast from snapshots whose horizon was over",
            "no embargo": "forecast from all earlier snapshots",
            "random rows": "all rows of all moments mixed in three folds: the future is known",
        },
    )


def _splits(forward: Forward, moment: int) -> pd.DataFrame:
    stack, seed = forward.stack, forward.seed
    training, now = stack.training, stack.cutoff == moment
    fold = np.random.default_rng(seed).integers(0, MIXED_FOLDS, stack.cutoff.size)
    mixed = np.empty(int(now.sum()))
    for one in range(MIXED_FOLDS):
        learnt = thinned(np.flatnonzero(fold != one))
        mixed[fold[now] == one] = _boosted(training, learnt, now & (fold == one), seed)
    scores = {
        "rolling origin": forward.made[moment]["hgb"]
        if moment in forward.made
        else _boosted(training, stack.before(moment), now, seed),
        "no embargo": _boosted(training, thinned(np.flatnonzero(stack.cutoff < moment)), now, seed),
        "random rows": mixed,
    }
    churned = training.churned[now]
    rows = [
        (name, churned.size, int(churned.sum()), auc(score, churned), pr_auc(score, churned))
        for name, score in scores.items()
    ]
    return pd.DataFrame(rows, columns=["split", "n", "n_churned", "auc", "pr_auc"]).astype(
        {"split": "str"}
    )


def _boosted(training: Training, learnt: Whole, asked: Flags, seed: int) -> Floats:
    return fit_bases(training.of(learnt), ["hgb"], OF_LOG, seed)["hgb"].probability(
        training.matrix[asked]
    )
