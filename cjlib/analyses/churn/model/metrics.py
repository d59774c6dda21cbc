"""How good churn probabilities are: ranking, calibration, profit, each with its noise; and the tables of a test that did not know the outcome.

ChurnScores are probabilities of churn, outcomes 1 for churned. Weighted versions serve the bootstrap: a draw is a count for each customer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betainc

from cjlib.errors import CjlibError
from cjlib.shared.comparison import MIN_N
from cjlib.shared.stats import share, wilson

Floats = NDArray[np.float64]
DRAWS = 500
BINS = 10
TOP = 0.1
LARGEST_DRAW = 20_000
CHUNK = 50
"""Draws looked at together: as many as fit in little memory."""
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


FEWEST_OUTCOMES = 10
FIGURES = ("auc", "auc_low", "auc_high", "pr_auc", "lift_10", "lift_low", "lift_high")


def auc(score: Floats, churned: Floats, weight: Floats | None = None) -> float:
    """Chance that a churner scores above a stayer, ties counting half; NaN with one class only."""
    return float(
        _auc_of_draws(
            score, churned, np.ones((1, score.size)) if weight is None else weight[None, :]
        )[0]
    )


def _by_level(score: Floats, churned: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Churners and stayers at each level of the score, from the lowest up; a row a draw."""
    order = np.argsort(score, kind="stable")
    return _levels(score[order], churned[order], weights[:, order])


def _levels(ranked: Floats, churned: Floats, every: Floats) -> tuple[Floats, Floats]:
    """As `_by_level`, of scores that rise already."""
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    lost = every * churned
    if starts.size < ranked.size:
        every, lost = np.add.reduceat(every, starts, axis=1), np.add.reduceat(lost, starts, axis=1)
    return lost, every - lost


def _auc_of_draws(score: Floats, churned: Floats, weights: Floats) -> Floats:
    if score.size == 0:
        return np.full(len(weights), np.nan)
    return _auc_of_levels(*_by_level(score, churned, weights))


def _auc_of_levels(lost: Floats, kept: Floats) -> Floats:
    below = np.cumsum(kept, axis=1) - kept / 2
    pairs = lost.sum(axis=1) * kept.sum(axis=1)
    return np.divide(
        (lost * below).sum(axis=1), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0
    )


def pr_auc(score: Floats, churned: Floats) -> float:
    """Average precision; NaN where nobody churned."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(churned, score)) if churned.any() else float("nan")


def brier(score: Floats, churned: Floats) -> float:
    """Mean squared error of the probabilities."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(churned, score, pos_label=1))


def log_loss(score: Floats, churned: Floats) -> float:
    """Mean negative log-likelihood, probabilities clipped to 1e-9."""
    from sklearn.metrics import log_loss as mean_negative_log_likelihood

    clipped = np.clip(score, 1e-9, 1 - 1e-9)
    return float(mean_negative_log_likelihood(churned, clipped, labels=[0, 1]))


def lift(score: Floats, churned: Floats, top: float = TOP, weight: Floats | None = None) -> float:
    """Share of churners among the `top` with the highest scores ÷ share among all; a group of equal scores at the edge is taken in part."""
    return float(
        _lift_of_draws(
            score, churned, np.ones((1, score.size)) if weight is None else weight[None, :], top
        )[0]
    )


def _lift_of_draws(score: Floats, churned: Floats, weights: Floats, top: float) -> Floats:
    if score.size == 0:
        return np.full(len(weights), np.nan)
    return _lift_of_levels(*_by_level(score, churned, weights), top)


def _lift_of_levels(lost_by_level: Floats, kept_by_level: Floats, top: float) -> Floats:
    hits, kept = lost_by_level[:, ::-1], kept_by_level[:, ::-1]
    size = hits + kept
    total, lost = size.sum(axis=1, keepdims=True), hits.sum(axis=1, keepdims=True)
    room = np.clip(top * total - (np.cumsum(size, axis=1) - size), 0, size)
    taken = np.divide(room, size, out=np.zeros_like(size), where=size > 0)
    caught, expected = (taken * hits).sum(axis=1), (top * lost)[:, 0]
    return np.divide(caught, expected, out=np.full(expected.shape, np.nan), where=expected > 0)


def calibration_bins(score: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """The equal-mass bin of each score, 0 to bins − 1; equal scores share a bin."""
    edges = np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, score, side="right")


def ece(score: Floats, churned: Floats) -> float:
    """Expected calibration error over ten equal-mass bins."""
    return float(_ece_of_draws(score, churned[None, :])[0])


def ece_floor(score: Floats, seed: int) -> float:
    """The mean error that perfect probabilities of this size would show: outcomes drawn from the scores themselves."""
    rng = np.random.default_rng(seed)
    return float(_ece_of_draws(score, (rng.random((200, score.size)) < score).astype(float)).mean())


def _ece_of_draws(score: Floats, outcomes: Floats) -> Floats:
    cell = calibration_bins(score)
    predicted = np.bincount(cell, weights=score, minlength=BINS)
    observed = np.stack([np.bincount(cell, weights=row, minlength=BINS) for row in outcomes])
    return np.abs(observed - predicted).sum(axis=1) / score.size


def empc(
    score: Floats,
    churned: Floats,
    *,
    value: float = 200,
    offer: float = 10,
    contact: float = 1,
    alpha: float = 6,
    beta: float = 14,
) -> float:
    """Expected maximum profit per customer of a retention campaign whose success share is Beta(alpha, beta).

    References
    ----------
    Verbraken, T., Verbeke, W. & Baesens, B. (2013). A novel profit maximizing metric for measuring classification performance of customer churn prediction models. IEEE TKDE 25.
    """
    lost, kept = churned.mean(), 1 - churned.mean()
    hits, alarms = _hull(score, churned)
    delta, phi = offer / value, contact / value
    with np.errstate(divide="ignore"):
        edges = (kept * (delta + phi) * np.diff(alarms) / (lost * np.diff(hits)) + phi) / (
            1 - delta
        )
    bounds = np.clip(np.concatenate([[0.0], edges, [1.0]]), 0, 1)
    mass = np.diff(betainc(alpha, beta, bounds))
    first_moment = alpha / (alpha + beta) * np.diff(betainc(alpha + 1, beta, bounds))
    profit = (
        value * ((1 - delta) * first_moment - phi * mass) * lost * hits
        - value * (delta + phi) * mass * kept * alarms
    )
    return float(profit.sum())


def _hull(score: Floats, churned: Floats) -> tuple[Floats, Floats]:
    """The upper convex hull of (share of stayers, share of churners) contacted, from (0, 0) to (1, 1)."""
    levels, level = np.unique(-score, return_inverse=True)
    hits = np.append(
        0, np.cumsum(np.bincount(level, weights=churned, minlength=levels.size)) / churned.sum()
    )
    alarms = np.append(
        0,
        np.cumsum(np.bincount(level, weights=1 - churned, minlength=levels.size))
        / (1 - churned).sum(),
    )
    kept: list[int] = []
    for point in range(hits.size):
        while len(kept) > 1 and _turns_left(alarms, hits, kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return hits[kept], alarms[kept]


def _turns_left(x: Floats, y: Floats, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0)


@dataclass(frozen=True)
class Draws:
    """A bootstrap over customers, not rows: how often each customer is in each draw, of those in `drawn`.

    With more than 20,000 customers an even choice of them is drawn from, and the deviations are scaled to the size of all.
    """

    drawn: NDArray[np.int64]
    weights: NDArray[np.uint8]
    shrink: float

    def intervals(
        self, customers: NDArray[np.int64], of: Callable[[NDArray[np.int64], Floats], Floats]
    ) -> Floats:
        """A value a draw (the last axis) of each figure that `of(rows, weights)` gives, as its deviation from that figure without weights, scaled."""
        place = np.searchsorted(self.drawn, customers)
        inside = (place < self.drawn.size) & (
            self.drawn[np.minimum(place, self.drawn.size - 1)] == customers
        )
        rows = np.flatnonzero(inside)
        whole = of(rows, np.ones((1, rows.size)))
        parts = [
            of(rows, self.weights[start : start + CHUNK, place[rows]].astype(float))
            for start in range(0, len(self.weights), CHUNK)
        ]
        return (np.concatenate(parts, axis=-1) - whole) * self.shrink


def draw_customers(customers: int, seed: int, draws: int = DRAWS) -> Draws:
    """Draws of customers 0 … `customers` − 1, with replacement."""
    rng = np.random.default_rng(seed)
    m = min(customers, LARGEST_DRAW)
    drawn = (
        np.arange(customers) if m == customers else np.sort(rng.choice(customers, m, replace=False))
    )
    weights = np.stack(
        [
            np.minimum(np.bincount(rng.integers(0, m, m), minlength=m), 255).astype(np.uint8)
            for _ in range(draws)
        ]
    )
    return Draws(drawn, weights, float(np.sqrt(m / max(customers, 1))))


def auc_deviations(
    score: Floats, churned: Floats, customers: NDArray[np.int64], draws: Draws
) -> Floats:
    """How far the AUC of each draw lies from the AUC."""
    return deviations(score, churned, customers, draws)[0]


def deviations(
    score: Floats, churned: Floats, customers: NDArray[np.int64], draws: Draws
) -> tuple[Floats, Floats]:
    """How far the AUC, and the lift at 10%, of each draw lie from those of all."""
    order = np.argsort(score, kind="stable")
    ranked, outcome = score[order], churned[order]

    def figures(rows: NDArray[np.int64], weights: Floats) -> Floats:
        if rows.size == 0:
            return np.full((2, len(weights)), np.nan)
        lost, kept = _levels(ranked[rows], outcome[rows], weights)
        return np.stack([_auc_of_levels(lost, kept), _lift_of_levels(lost, kept, TOP)])

    auc_off, lift_off = draws.intervals(customers[order], figures)
    return auc_off, lift_off


def bounds(
    value: float, deviations: Floats, least: float = -np.inf, most: float = np.inf
) -> tuple[float, float]:
    """95% bounds of a figure from the deviations of its draws; NaN where no draw has one."""
    known = deviations[~np.isnan(deviations)]
    if known.size == 0 or np.isnan(value):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(max(value + low, least)), float(min(value + high, most))


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
        "auc": auc(score, churned),
        "pr_auc": pr_auc(score, churned),
        "brier": brier(score, churned),
        "log_loss": log_loss(score, churned),
        "lift_10": lift(score, churned),
        "ece": ece(score, churned),
        "ece_floor": ece_floor(score, seed),
        "empc": empc(score, churned),
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
                model, population, [part for part in parts if part.churned.size], draws, seed
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
            deviations(score, one.churned, one.customers, draws),
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
    n, lost = (
        sum(part.churned.size for part in parts),
        sum(int(part.churned.sum()) for part in parts),
    )
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
    auc_low, auc_high = bounds(figures["auc"], auc_off, 0.0, 1.0)
    lift_low, lift_high = bounds(figures["lift_10"], lift_off, 0.0)
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
    def significant(self) -> bool:
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
        chosen = auc_deviations(one.scores["chosen"], one.churned, one.customers, draws)
        off.append(chosen - auc_deviations(one.scores[best], one.churned, one.customers, draws))
    value = float(first["chosen"] - first[best])
    return Gain(best, value, *bounds(value, np.mean(off, axis=0)))


def calibration_table(score: Floats, churned: Floats) -> pd.DataFrame:
    """Ten bins of equal size: predicted beside observed."""
    cell = calibration_bins(score)
    bins = np.unique(cell)
    n = np.bincount(cell, minlength=BINS)[bins]
    hits = np.bincount(cell, weights=churned, minlength=BINS)[bins]
    predicted = np.bincount(cell, weights=score, minlength=BINS)[bins] / n
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


def by_segment(
    forecasts: pd.DataFrame, values: pd.Series | Sequence[Any], min_n: int = MIN_N
) -> pd.DataFrame:
    """See `ChurnModel.by`."""
    segment = pd.Series(np.asarray(values, dtype=object))
    if len(segment) != len(forecasts):
        raise CjlibError(
            f"values: must have one value for each of the {len(forecasts):,} rows of .forecasts. Got {len(segment):,}."
        )
    known = segment.astype("str").where(segment.notna(), None)
    rows = [
        _segment_row(name, forecasts[(known == name).to_numpy()], min_n)
        for name in sorted(known.dropna().unique())
    ]
    rows += (
        [_segment_row(None, forecasts[known.isna().to_numpy()], min_n)]
        if known.isna().any()
        else []
    )
    table = pd.DataFrame(
        rows, columns=["segment", "n", "n_churned", "share_churned", "mean_predicted", *FIGURES]
    )
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def _segment_row(name: str | None, rows: pd.DataFrame, min_n: int) -> dict[str, Any]:
    score, churned = (
        rows["churn_probability"].to_numpy(dtype=float),
        rows["churned"].to_numpy(dtype=float),
    )
    row = {
        "segment": name,
        "n": len(rows),
        "n_churned": int(churned.sum()),
        "share_churned": churned.mean(),
        "mean_predicted": score.mean(),
    }
    if len(rows) < min_n or min(churned.sum(), (1 - churned).sum()) < FEWEST_OUTCOMES:
        return row | dict.fromkeys(FIGURES, np.nan)
    score, churned, customers, draws = arrays_of(rows)
    ranking, gained = auc(score, churned), lift(score, churned)
    auc_off, lift_off = deviations(score, churned, customers, draws)
    auc_low, auc_high = bounds(ranking, auc_off, 0, 1)
    lift_low, lift_high = bounds(gained, lift_off, 0)
    return row | dict(
        zip(
            FIGURES,
            [ranking, auc_low, auc_high, pr_auc(score, churned), gained, lift_low, lift_high],
            strict=True,
        )
    )


def arrays_of(rows: pd.DataFrame) -> tuple[Floats, Floats, Whole, Draws]:
    """Probability, outcome and customer of each forecast, and draws of these customers."""
    ids = rows["customer_id"].to_numpy(dtype=object).astype(str)
    names, customers = np.unique(ids, return_inverse=True)
    return (
        rows["churn_probability"].to_numpy(dtype=float),
        rows["churned"].to_numpy(dtype=float),
        customers.astype(np.int64),
        draw_customers(names.size, 0),
    )
