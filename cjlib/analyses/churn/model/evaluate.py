"""How good forecasts were that did not know the outcome: the rows of `.table`, `.calibration` and `.lift`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.model import metrics
from cjlib.analyses.churn.model.metrics import Draws
from cjlib.shared.stats import share, wilson

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
POINTS = ("auc", "pr_auc", "brier", "log_loss", "lift_10", "ece", "ece_floor", "empc")
COLUMNS = (
    "n",
    "n_churned",
    "auc",
    "auc_low",
    "auc_high",
    "pr_auc",
    "brier",
    "log_loss",
    "lift_10",
    "lift_low",
    "lift_high",
    "ece",
    "ece_floor",
    "empc",
)
POPULATIONS = ("all", "active")


@dataclass(frozen=True)
class Tested:
    """The forecasts for one cutoff (None: a table without time), by model; the first is the chosen one."""

    cutoff: pd.Timestamp | None
    customers: Whole
    churned: Floats
    active: NDArray[np.bool_] | None
    scores: Mapping[str, Floats]

    def of(self, population: str) -> Tested:
        """The forecasts for one population."""
        if population == "all" or self.active is None:
            return self
        return Tested(
            self.cutoff,
            self.customers[self.active],
            self.churned[self.active],
            None,
            {name: score[self.active] for name, score in self.scores.items()},
        )

    @property
    def populations(self) -> tuple[str, ...]:
        """Those there are."""
        return POPULATIONS if self.active is not None else POPULATIONS[:1]


def points(score: Floats, churned: Floats, seed: int) -> dict[str, float]:
    """Every figure without its interval; NaN where one outcome only occurred."""
    if not 0 < churned.sum() < churned.size:
        return dict.fromkeys(POINTS, float("nan"))
    return {
        "auc": metrics.auc(score, churned),
        "pr_auc": metrics.pr_auc(score, churned),
        "brier": metrics.brier(score, churned),
        "log_loss": metrics.log_loss(score, churned),
        "lift_10": metrics.lift(score, churned),
        "ece": metrics.ece(score, churned),
        "ece_floor": metrics.ece_floor(score, seed),
        "empc": metrics.empc(score, churned),
    }


def measured(tested: Sequence[Tested], draws: Draws, seed: int) -> pd.DataFrame:
    """A row each for model, population and cutoff; the mean over the cutoffs first."""
    rows: list[dict[str, Any]] = []
    for population in tested[0].populations:
        if rows and all(one.active is not None and one.active.all() for one in tested):
            rows += [row | {"population": population} for row in rows]
            continue
        parts = [one.of(population) for one in tested]
        for model in parts[0].scores:
            rows += _rows_of(
                model, population, [one for one in parts if one.churned.size], draws, seed
            )
    table = pd.DataFrame(rows)
    kinds = {name: "int64" if name in ("n", "n_churned") else "float64" for name in COLUMNS}
    order = {name: place for place, name in enumerate(tested[0].scores)}
    ranked = table.assign(
        place=table["model"].map(order),
        later=[-np.inf if pd.isna(one) else -one.timestamp() for one in table["cutoff"]],
    )
    ranked = ranked.sort_values(
        ["population", "later", "place"], kind="stable", ignore_index=True, key=_population_first
    )
    stamps = pd.to_datetime(
        pd.Series(
            [pd.NaT if pd.isna(one) else one for one in ranked["cutoff"]], dtype=_kind_of(tested)
        )
    )
    return ranked[["model", "population"]].assign(
        cutoff=stamps, **{name: ranked[name].to_numpy(dtype=kind) for name, kind in kinds.items()}
    )


def _population_first(values: pd.Series) -> pd.Series:
    return (
        values.map({name: place for place, name in enumerate(POPULATIONS)})
        if values.name == "population"
        else values
    )


def _kind_of(tested: Sequence[Tested]) -> Any:
    known = [one.cutoff for one in tested if one.cutoff is not None]
    return pd.DatetimeTZDtype("us", known[0].tz) if known and known[0].tz else "datetime64[us]"


def _rows_of(
    model: str, population: str, parts: Sequence[Tested], draws: Draws, seed: int
) -> list[dict[str, Any]]:
    found, auc_off, lift_off = [], [], []
    for one in parts:
        score = one.scores[model]
        for kept, off in zip(
            (auc_off, lift_off),
            metrics.deviations(score, one.churned, one.customers, draws),
            strict=True,
        ):
            kept.append(off)
        found.append(points(score, one.churned, seed))
    names = {"model": model, "population": population}
    rows = [
        names | _row(one.cutoff, one.churned.size, int(one.churned.sum()), figures, auc, lift)
        for one, figures, auc, lift in zip(parts, found, auc_off, lift_off, strict=True)
    ]
    if len(parts) < 2:
        return rows
    mean = {name: float(np.mean([figures[name] for figures in found])) for name in POINTS}
    n, lost = sum(one.churned.size for one in parts), sum(int(one.churned.sum()) for one in parts)
    return [
        names | _row(None, n, lost, mean, np.mean(auc_off, axis=0), np.mean(lift_off, axis=0)),
        *rows,
    ]


def _row(
    cutoff: pd.Timestamp | None,
    n: int,
    lost: int,
    figures: dict[str, float],
    auc_off: Floats,
    lift_off: Floats,
) -> dict[str, Any]:
    auc_low, auc_high = metrics.bounds(figures["auc"], auc_off, 0.0, 1.0)
    lift_low, lift_high = metrics.bounds(figures["lift_10"], lift_off, 0.0)
    intervals = {
        "auc_low": auc_low,
        "auc_high": auc_high,
        "lift_low": lift_low,
        "lift_high": lift_high,
    }
    return {"cutoff": cutoff, "n": n, "n_churned": lost} | figures | intervals


@dataclass(frozen=True)
class Gain:
    """The chosen model's AUC less that of the best baseline, with the paired interval."""

    baseline: str
    value: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0


def gain(
    tested: Sequence[Tested], table: pd.DataFrame, baselines: Sequence[str], draws: Draws
) -> Gain:
    """Against the baseline with the highest AUC, over the same draws, in the last population (the active one where there is one)."""
    population = tested[0].populations[-1]
    first = (
        table[table["population"] == population].drop_duplicates("model").set_index("model")["auc"]
    )
    best = max(
        baselines,
        key=lambda name: (
            first.get(name, np.nan) if first.get(name, np.nan) == first.get(name, np.nan) else 0.0
        ),
    )
    off = []
    for one in (part.of(population) for part in tested):
        chosen = metrics.auc_deviations(one.scores["chosen"], one.churned, one.customers, draws)
        off.append(
            chosen - metrics.auc_deviations(one.scores[best], one.churned, one.customers, draws)
        )
    value = float(first["chosen"] - first[best])
    return Gain(best, value, *metrics.bounds(value, np.mean(off, axis=0)))


def calibration_table(score: Floats, churned: Floats) -> pd.DataFrame:
    """Ten bins of equal size: predicted beside observed."""
    cell = metrics.calibration_bins(score)
    bins = np.unique(cell)
    n = np.bincount(cell, minlength=metrics.BINS)[bins]
    hits = np.bincount(cell, weights=churned, minlength=metrics.BINS)[bins]
    predicted = np.bincount(cell, weights=score, minlength=metrics.BINS)[bins] / n
    low, high = wilson(hits, n)
    return pd.DataFrame(
        {
            "bin": np.arange(1, bins.size + 1),
            "n": n.astype(np.int64),
            "mean_predicted": predicted,
            "observed": hits / n,
            "low": low,
            "high": high,
        }
    )


def lift_table(score: Floats, churned: Floats) -> pd.DataFrame:
    """Tenths of the customers from the highest risk down."""
    order = np.argsort(-score, kind="stable")
    decile = np.empty(score.size, dtype=np.int64)
    decile[order] = np.arange(score.size) * 10 // max(score.size, 1)
    n = np.bincount(decile, minlength=10)
    hits = np.bincount(decile, weights=churned, minlength=10)
    observed = share(hits, n)
    low, high = wilson(hits, n)
    lost = max(churned.sum(), 1)
    return pd.DataFrame(
        {
            "decile": np.arange(1, 11),
            "n": n.astype(np.int64),
            "n_churned": hits.astype(np.int64),
            "share_churned": observed,
            "low": low,
            "high": high,
            "lift": observed / (churned.mean() if churned.size else np.nan)
            if churned.sum()
            else np.full(10, np.nan),
            "cumulative_captured": np.cumsum(hits) / lost,
        }
    )
