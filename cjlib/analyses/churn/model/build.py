"""What both ways of fitting share: which features may be used, and how evidence becomes a model with its figures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, UnanswerableError
from cjlib.analyses.churn.data.leakage import whole_model
from cjlib.analyses.churn.model import evaluate, summary
from cjlib.analyses.churn.model.churn_model import ChurnModel, Fitted
from cjlib.analyses.churn.model.drift import drifted, learn_reference, no_drift
from cjlib.analyses.churn.model.evaluate import Tested
from cjlib.analyses.churn.model.explanations import learn_reasoning
from cjlib.analyses.churn.model.metrics import draw_customers
from cjlib.analyses.churn.model.model_selection import (
    Choice,
    Forecaster,
    Settings,
    Training,
)
from cjlib.analyses.churn.model.reason_effects import learn_effects
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.show.numbers import count_of

Floats = NDArray[np.float64]
FOLDS = 5
OUT = ("FAIL", "DROP")


def used_features(data: ChurnData, keep: Sequence[str]) -> list[str]:
    """The features without those that a rule leaves out, unless kept by name."""
    if isinstance(keep, str) or not isinstance(keep, Sequence | pd.Index):
        raise CjlibError(
            f"keep: must be a list of columns, such as [{shown(keep)}]. Got {shown(keep)}."
        )
    for name in keep:
        if name not in data.table.columns:
            raise CjlibError(
                f"keep: there is no column {shown(name)} among the features.{did_you_mean(name, data.features)}"
            )
    out = set(data.leaks.loc[data.leaks["level"].isin(OUT), "column"]) - set(keep)
    features = [name for name in data.features if name not in out] + [
        name for name in dict.fromkeys(keep) if name not in data.features
    ]
    if not features:
        left = f"; left out are {listed(sorted(out))}" if out else ""
        raise UnanswerableError(
            f"no feature is left to learn from{left}. Give others, or keep= what was known in time."
        )
    return features


def enough(churned: Floats) -> int:
    """How many folds the rarer outcome allows."""
    rarer = int(min(churned.sum(), churned.size - churned.sum())) if churned.size else 0
    if rarer < 10:
        raise UnanswerableError(
            f"{count_of(rarer, 'customer')} of the rarer outcome are too few to learn from; at least 10 are needed, 50 to rank models. Give a longer horizon or more customers."
        )
    return FOLDS


@dataclass(frozen=True)
class Evidence:
    """What an evaluation hands to the assembly of the model."""

    tested: Sequence[Tested]
    baselines: tuple[str, ...]
    draws_of: int
    learning: summary.Learning
    choice: Choice
    how: str


def assembled(
    data: ChurnData,
    keep: tuple[str, ...],
    forecaster: Forecaster,
    training: Training,
    evidence: Evidence,
    *,
    forecasts: pd.DataFrame,
    newest: pd.DataFrame,
    latest: NDArray[np.bool_],
    chosen: Floats,
    settings: Settings,
    seed: int,
    extra: dict[str, str] | None = None,
    horizon_us: int = 0,
) -> ChurnModel:
    """Figures, words and model together; `latest` are the training rows in which every customer is once, `chosen` the forecasts of all."""
    draws = draw_customers(evidence.draws_of, seed)
    table = evaluate.measured(evidence.tested, draws, seed)
    gained = evaluate.gain(evidence.tested, table, evidence.baselines, draws)
    last = evidence.tested[0].of(evidence.tested[0].populations[-1])
    reference = learn_reference(training.columns, training.matrix)
    reasoning = learn_reasoning(training, forecaster.additive, chosen, settings, seed)
    effects, _ = learn_effects(
        training.columns,
        reasoning.themes,
        np.asarray(reasoning.spread),
        training.matrix[latest],
        training.churned[latest],
        horizon_us,
    )
    head = summary.Facts(
        data, keep, table, gained, evidence.choice, evidence.learning, last, reasoning.fidelity
    )
    leaks = whole_model(data.leaks, float(summary.first_row(table, "chosen")["auc"]))
    return ChurnModel(
        table=table,
        headline=summary.headline(head),
        definition=summary.definition(head, evidence.how) | (extra or {}),
        metrics=summary.metrics(head),
        calibration=evaluate.calibration_table(last.scores["chosen"], last.churned),
        lift=evaluate.lift_table(last.scores["chosen"], last.churned),
        effects=effects,
        leaks=leaks,
        drift=drifted(training.columns, reference, training.columns.matrix(newest))
        if data.of_log
        else no_drift(),
        forecasts=forecasts,
        horizon_us=horizon_us,
        id_column=data.id_column,
        beats_baselines=summary.beats_baselines(head),
        verdict=summary.verdict(head),
        fitted=Fitted(forecaster, reference, reasoning),
        newest=newest,
    )
