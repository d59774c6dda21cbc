"""What the evidence amounts to: a model with its figures, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, UnanswerableError
from cjlib.analyses.churn.data.leakage import whole_model
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.churn.model.encoding import drifted, learn_reference, no_drift
from cjlib.analyses.churn.model.explanations import Fidelity, Fitted, learn_effects, learn_reasoning
from cjlib.analyses.churn.model.metrics import (
    Gain,
    Tested,
    calibration_table,
    draw_customers,
    gain,
    lift_table,
    measured,
)
from cjlib.analyses.churn.model.model_selection import (
    IN_WORDS,
    Choice,
    Forecaster,
    Settings,
    Training,
)
from cjlib.analyses.result import Metric, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.silences import warned
from cjlib.show.numbers import about, count_of, percent

FEWEST_CHURNERS = 50
FEWEST_ROWS = 300
TOO_GOOD = 0.98
HALF = 0.5
WORTH_MORE = 0.003
WEAK, STRONG = 0.7, 0.8
BASELINES = {
    "prevalence": "the base-rate baseline",
    "best_single_column": "the best single column",
    "recency": "how long ago customers were last seen",
    "recency_over_gap": "how long ago, against their usual gap",
    "bgnbd": "BG/NBD from purchases alone",
}
FIGURES = {
    "pr_auc": ("PR-AUC", "higher"),
    "brier": ("Brier score", "lower"),
    "log_loss": ("Log-loss", "lower"),
    "ece": ("Calibration error", "lower"),
    "ece_floor": ("Calibration error by chance", ""),
    "empc": ("Expected maximum profit a customer", "higher"),
}
Floats = NDArray[np.float64]
FOLDS = 5
OUT = ("FAIL", "DROP")


@dataclass(frozen=True)
class Learning:
    """AUC from half of the training rows, and from all."""

    half: float
    whole: float

    @property
    def sentence(self) -> str:
        """Whether more data would help."""
        if np.isnan(self.half) or np.isnan(self.whole):
            return "too few rows to say whether more of them would help"
        growth = self.whole - self.half
        said = (
            "more rows of this kind would probably help"
            if growth > WORTH_MORE
            else "more rows of this kind would hardly help; other features might"
        )
        return f"AUC {self.half:.3f} with half of the rows, {self.whole:.3f} with all: {said}"


@dataclass(frozen=True)
class Facts:
    """What the words are made from."""

    data: ChurnData
    keep: tuple[str, ...]
    table: pd.DataFrame
    gain: Gain
    choice: Choice
    learning: Learning
    last: Tested
    fidelity: Fidelity

    @property
    def population(self) -> str:
        """The last population of the table: the active one where there is one."""
        return "active" if (self.table["population"] == "active").any() else "all"

    @property
    def chosen(self) -> pd.Series:
        """The chosen model's first row (the mean over cutoffs) in that population."""
        return first_row(self.table, "chosen", self.population)


def first_row(table: pd.DataFrame, model: str, population: str = "all") -> pd.Series:
    """A model's first row: the mean over cutoffs where there are several."""
    return table[(table["model"] == model) & (table["population"] == population)].iloc[0]


def headline(facts: Facts) -> str:
    """How good, beyond which baseline, and what to mind."""
    row = facts.chosen
    parts = [
        verdict(facts),
        *_few(row),
        *_both_populations(facts),
        *_level(facts),
        *_leaks(facts),
    ]
    return " ".join(parts) + warned(facts.data.definition.get("silences", ""))


def beats_baselines(facts: Facts) -> bool:
    """Whether the ranking is better than chance and than every baseline, significantly."""
    return facts.gain.significant and not _no_signal(facts)


def _no_signal(facts: Facts) -> bool:
    return _silent(facts) or not facts.chosen["auc_low"] > 0.5


def verdict(facts: Facts) -> str:
    """Whether the model is worth having."""
    row, gain = facts.chosen, facts.gain
    who = f"{row['n']:,} {'rows of active customers' if facts.population == 'active' else 'customers'}, {row['n_churned']:,} churned"
    scope = f"AUC {row['auc']:.3f} (95% CI {row['auc_low']:.3f} to {row['auc_high']:.3f}; {who}; 0.5 is chance)"
    if _no_signal(facts):
        return f"No signal: the model ranks customers no better than chance, {scope}."
    if not gain.significant:
        return (
            f"The model does not beat {BASELINES[gain.baseline]} significantly: {scope}, difference {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}). "
            "Use that baseline."
        )
    lift = f"lift in the top decile {row['lift_10']:.2f} ({row['lift_low']:.2f} to {row['lift_high']:.2f})"
    return f"The model is {_strength(row['auc'])}: {scope}; {lift}. It beats {BASELINES[gain.baseline]} by {gain.value:.3f} AUC ({gain.low:.3f} to {gain.high:.3f})."


def _strength(auc: float) -> str:
    """In one plain word."""
    return "weak" if auc < WEAK else "fair" if auc < STRONG else "strong"


def _silent(facts: Facts) -> bool:
    """Whether the forecasts of a table gain so little over the share of churners that choosing among candidates explains it: log n in log-likelihood."""
    row, same = facts.chosen, first_row(facts.table, "prevalence")
    return not facts.data.of_log and bool(
        (same["log_loss"] - row["log_loss"]) * row["n"] <= np.log(row["n"])
    )


def _few(row: pd.Series) -> list[str]:
    if row["n_churned"] < FEWEST_CHURNERS or row["n"] < FEWEST_ROWS:
        return [
            f"Too few to rank models ({row['n']:,} rows, {row['n_churned']:,} churned): read the intervals, not the figures."
        ]
    return []


def _both_populations(facts: Facts) -> list[str]:
    if facts.population == "all":
        return []
    everyone = first_row(facts.table, "chosen", "all")
    if everyone["n"] == facts.chosen["n"]:
        return []
    return [
        f"Over all {everyone['n']:,} rows of the data it reads {everyone['auc']:.3f}, since those long lapsed are easy to tell."
    ]


def _level(facts: Facts) -> list[str]:
    if not facts.data.of_log or facts.last.churned.size == 0:
        return []
    predicted, observed = facts.last.scores["chosen"].mean(), facts.last.churned.mean()
    return [
        f"At the last tested moment it forecast {percent(predicted)}; {percent(observed)} of {count_of(facts.last.churned.size, 'customer')} churned."
    ]


def _leaks(facts: Facts) -> list[str]:
    leaks, said = facts.data.leaks, []
    failed = leaks.loc[leaks["level"] == "FAIL", "column"].drop_duplicates().tolist()
    out = [name for name in failed if name not in facts.keep]
    if out:
        said.append(f"Left out because they know the outcome: {listed(out)}.")
    kept = [
        name
        for name in leaks.loc[leaks["level"].isin(["FAIL", "DROP"]), "column"]
        .drop_duplicates()
        .tolist()
        if name in facts.keep
    ]
    if kept:
        said.append(
            f"Kept by name although a rule calls them leaks: {listed(kept)}; the figures may be too good."
        )
    if facts.chosen["auc"] >= TOO_GOOD:
        said.append("So good a model usually knows the outcome: look before believing.")
    return said


def definition(facts: Facts, how: str) -> dict[str, str]:
    """What decided the figures."""
    choice = facts.choice
    calibrated = "" if choice.kind == "raw" else f", calibrated ({choice.kind})"
    candidates = len({blend for blend, _ in choice.losses})
    judged = (
        f"the smallest log-loss of {candidates} candidates"
        if candidates
        else "nothing earlier could judge the candidates"
    )
    out = (
        facts.data.leaks.loc[facts.data.leaks["level"].isin(["FAIL", "DROP"]), "column"]
        .drop_duplicates()
        .tolist()
    )
    left = [name for name in out if name not in facts.keep]
    return {
        "chosen": f"{choice.blend}: {IN_WORDS[choice.blend]}{calibrated}; {judged}",
        "tested on": how,
        "interval": "95%, bootstrap over customers, 500 draws (of at most 20,000 customers, scaled)",
        "baselines": "rows of .table; they need no model",
        "calibration error": "never without its floor: what perfect probabilities would show at this size",
        "profit": "expected maximum profit a customer: value 200, offer 10, contact 1, success share Beta(6, 14)",
        "learning curve": facts.learning.sentence,
        "reasons": f"{facts.fidelity.word}; rank correlation with the score {facts.fidelity.spearman:.3f}, same first reason after redrawing {about(facts.fidelity.first)}",
        "left out": listed(left) if left else "no column",
        "kept by name": listed(facts.keep) if facts.keep else "none",
        "resampling": "none, no class weights: probabilities stay probabilities",
    }


def metrics(facts: Facts) -> dict[str, Metric]:
    """The chosen model's figures, and the gain over the best baseline."""
    row, n = facts.chosen, int(facts.chosen["n"])
    last, fidelity = facts.last, facts.fidelity

    def number(value: float, label: str, better: Any, *bounds: float) -> Metric:
        low, high = bounds or (None, None)
        return metric(float(value), low, high, n, label=label, unit="number", better=better)

    shares = {
        "reason_spearman": ("Rank correlation of reasons and score", fidelity.spearman),
        "reason_top_decile_overlap": ("Top decile in common", fidelity.overlap),
        "reason_stability": ("Same three reasons after redrawing", fidelity.steady),
        "reason_stability_first": ("Same first reason after redrawing", fidelity.first),
    }
    observed = {
        "observed_share": ("Churned at the last tested moment", last.churned),
        "predicted_share": ("Forecast for the last tested moment", last.scores["chosen"]),
    }
    return {
        "auc": number(
            row["auc"],
            "AUC: 0.5 is chance, 1 perfect",
            "higher",
            float(row["auc_low"]),
            float(row["auc_high"]),
        ),
        "lift_10": number(
            row["lift_10"],
            "Lift in the top decile",
            "higher",
            float(row["lift_low"]),
            float(row["lift_high"]),
        ),
        "gain_over_baseline": number(
            facts.gain.value,
            "AUC above the best baseline",
            "higher",
            facts.gain.low,
            facts.gain.high,
        ),
        **{name: number(row[name], *words) for name, words in FIGURES.items()},
        **{
            name: metric(value, n=n, label=label, unit="share", better="higher")
            for name, (label, value) in shares.items()
        },
        **{
            name: metric(
                float(values.mean()), n=values.size, label=label, unit="share", better="lower"
            )
            for name, (label, values) in observed.items()
        },
    }


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
    learning: Learning
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
    table = measured(evidence.tested, draws, seed)
    gained = gain(evidence.tested, table, evidence.baselines, draws)
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
    head = Facts(
        data, keep, table, gained, evidence.choice, evidence.learning, last, reasoning.fidelity
    )
    leaks = whole_model(data.leaks, float(first_row(table, "chosen")["auc"]))
    return ChurnModel(
        table=table,
        headline=headline(head),
        definition=definition(head, evidence.how) | (extra or {}),
        metrics=metrics(head),
        calibration=calibration_table(last.scores["chosen"], last.churned),
        lift=lift_table(last.scores["chosen"], last.churned),
        effects=effects,
        leaks=leaks,
        drift=drifted(training.columns, reference, training.columns.matrix(newest))
        if data.of_log
        else no_drift(),
        forecasts=forecasts,
        horizon_us=horizon_us,
        id_column=data.id_column,
        beats_baselines=beats_baselines(head),
        verdict=verdict(head),
        fitted=Fitted(forecaster, reference, reasoning),
        newest=newest,
    )
