"""The models to choose from, with settings as measured on public tables and logs: not to be tuned per data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as students_t

from cjlib.analyses.churn.model.base_models import Additive, Bag, fit_additive, fit_ridge, grow
from cjlib.analyses.churn.model.encoding import Columns
from cjlib.analyses.churn.model.metrics import log_loss

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Base = Additive | Bag
BLENDS: Mapping[str, tuple[str, ...]] = {
    "lr": ("lr",),
    "hgb": ("hgb",),
    "hgb_wide": ("hgb_wide",),
    "lr+hgb": ("lr", "hgb"),
    "hgb+hgb_wide": ("hgb", "hgb_wide"),
}
IN_WORDS = {
    "lr": "additive spline model",
    "hgb": "boosted trees",
    "hgb_wide": "wide boosted trees",
    "lr+hgb": "mean of additive spline model and boosted trees",
    "hgb+hgb_wide": "mean of two kinds of boosted trees",
}
WORTH_CALIBRATING = 0.0005
"""Log-loss that a calibrated forecast must gain to be preferred to a raw one."""
FEWEST_TO_STOP = 100
"""Rows below which boosting grows a fixed number of trees, for a seventh of them could not tell when to stop."""
STOPS = 2
"""Boosting that stops early is done twice, stopped by other rows each time, and averaged: a seventh of the rows is a noisy judge."""
THREADS = 1
BINS = 64
"""Steps that boosting sees of a number: with 255 no forecast of the sets measured got better, and each tree cost a third more. A category with more levels asks for as many."""
MOST_COPIES = 5
"""With more rows than this to a distinct row the table is coarse: equal rows are different customers, not copies."""
LEAST, MOST = 0.002, 0.998
KINDS = ("raw", "sigmoid", "isotonic")
FEWEST_HORIZONS = 2.0
"""That the earlier moments must span together, for their errors to say anything of the next."""
Z95 = 1.959964
STEPS = 20


@dataclass(frozen=True)
class Settings:
    """What differs between tables and logs; `bases` are the models to choose among and mix, `rows_of_curves` and `rows_compared` bound the additive model's training and its check."""

    bases: tuple[str, ...]
    normal: bool
    penalty: float
    boosting: Mapping[str, Any]
    stops_early: bool
    rows_of_curves: int
    rows_compared: int


OF_TABLE = Settings(
    bases=("lr", "hgb", "hgb_wide"),
    normal=False,
    penalty=1.0,
    boosting={
        "learning_rate": 0.1,
        "max_iter": 400,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 20,
        "l2_regularization": 5,
        "max_features": 0.4,
        "early_stopping": True,
        "n_iter_no_change": 15,
    },
    stops_early=True,
    rows_of_curves=30_000,
    rows_compared=20_000,
)
OF_LOG = Settings(
    bases=(
        "lr",
        "hgb",
    ),  # the library's defaults overfit snapshots: never chosen, and more expensive than all else
    normal=True,
    penalty=1 / 0.3,
    boosting={
        "learning_rate": 0.15,
        "max_iter": 40,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 40,
        "l2_regularization": 10,
        "max_features": 0.4,
        "early_stopping": False,
    },
    stops_early=False,
    rows_of_curves=12_000,
    rows_compared=5_000,
)


@dataclass(frozen=True)
class Training:
    """Rows to learn from: features as arrays, outcome, and which rows belong together."""

    columns: Columns
    matrix: Floats
    churned: Floats
    group: Whole

    def of(self, rows: NDArray[Any]) -> Training:
        """Some of the rows."""
        _, group = np.unique(self.group[rows], return_inverse=True)
        return Training(self.columns, self.matrix[rows], self.churned[rows], group.astype(np.int64))


def one_thread() -> Any:
    """A context in which a fit runs on one thread: results do not depend on the machine, and trees this small cost many times more over threads.

    Libraries loaded within the context are not limited by it, so that boosting is loaded before.
    """
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    return threadpool_limits(THREADS)


def fit_bases(
    training: Training, names: Iterable[str], settings: Settings, seed: int
) -> dict[str, Base]:
    """Fit some of the base models."""
    return {name: _fit(name, training, settings, seed) for name in sorted(set(names))}


def _fit(name: str, training: Training, settings: Settings, seed: int) -> Base:
    if name == "lr":
        return fit_additive(
            training.columns,
            training.matrix,
            training.churned,
            normal=settings.normal,
            penalty=settings.penalty,
            most_rows=settings.rows_of_curves,
        )
    bins = (
        max(BINS, *(len(levels) for levels in training.columns.levels))
        if training.columns.levels
        else BINS
    )
    options: dict[str, Any] = {"max_bins": bins} | (
        dict(settings.boosting) if name == "hgb" else {"early_stopping": False}
    )
    stops: list[NDArray[np.bool_] | None] = [None]
    if name == "hgb" and settings.stops_early:
        if training.churned.size < FEWEST_TO_STOP:
            options |= {"early_stopping": False, "max_iter": 50}
        else:
            stops = [
                held_out(training.group, training.churned, seed, part) for part in range(STOPS)
            ]
    categories = len(training.columns.categories)
    grown = [
        grow(
            training.matrix,
            training.churned,
            categories=categories,
            seed=seed + place,
            held_out=stop,
            settings=options,
        )
        for place, stop in enumerate(stops)
    ]
    return Bag(tuple(grown))


def blends(scores: Mapping[str, Floats]) -> list[str]:
    """The base models there are, and their mixtures."""
    return [name for name, parts in BLENDS.items() if set(parts) <= set(scores)]


def blended(scores: Mapping[str, Floats], name: str) -> Floats:
    """The mean of a blend's base forecasts."""
    parts = [scores[base] for base in BLENDS[name]]
    return parts[0] if len(parts) == 1 else np.asarray(sum(parts[1:], parts[0]) / len(parts))


@dataclass(frozen=True)
class Choice:
    """Which blend, calibrated how; `losses` has the log-loss of each blend and kind."""

    blend: str
    kind: str
    losses: Mapping[tuple[str, str], float]


def choose(scores: Mapping[str, Floats], churned: Floats, fold: Whole) -> Choice:
    """The blend and calibration with the smallest log-loss on forecasts that did not know the outcome, calibration cross-fitted."""
    losses = {
        (name, kind): round(
            log_loss(cross_calibrated(kind, blended(scores, name), churned, fold), churned), 9
        )
        for name in blends(scores)
        for kind in KINDS
    }
    raw = min((pair for pair in losses if pair[1] == "raw"), key=lambda pair: losses[pair])
    best = min(losses, key=lambda pair: losses[pair])
    chosen = best if losses[raw] - losses[best] > WORTH_CALIBRATING else raw
    return Choice(*chosen, losses)


@dataclass(frozen=True)
class Level:
    """How far, in log-odds, the churners of a moment were from what the model said of them.

    Attributes
    ----------
    shift
        Of the newest moments: it is added to every forecast.
    error
        Standard error of that for the next moment, as earlier moments were from those that were over by then; NaN where too few are known.
    freedom
        Degrees of freedom of the error: how many horizons it was seen over.
    moments
        How many moments were compared.
    """

    shift: float = 0.0
    error: float = float("nan")
    freedom: float = float("nan")
    moments: int = 0

    @property
    def known(self) -> bool:
        """Whether a number of churners can be forecast."""
        return self.moments > 0

    def interval(self, probability: Floats) -> tuple[float, float]:
        """95% bounds of the number of churners among customers of these probabilities: chance, and the movement of the level."""
        expected = float(probability.sum())
        half = float(students_t.ppf(0.975, self.freedom)) * self.error
        chance = Z95**2 * float((probability * (1 - probability)).sum())
        down = float(shifted(probability, -half).sum())
        up = float(shifted(probability, half).sum())
        low = expected - np.sqrt((expected - down) ** 2 + chance)
        high = expected + np.sqrt((up - expected) ** 2 + chance)
        return max(0.0, float(np.floor(low))), min(float(probability.size), float(np.ceil(high)))


UNKNOWN = Level()


@dataclass(frozen=True)
class Forecaster:
    """What makes a probability of features: the base models of the chosen blend, and their calibration.

    `additive` is there always, to give reasons.
    """

    columns: Columns
    blend: str
    bases: Mapping[str, Base]
    additive: Additive
    calibrator: Calibrator
    level: Level = UNKNOWN

    def probability(self, matrix: Floats) -> Floats:
        """P(churn)."""
        scores = {name: self.bases[name].probability(matrix) for name in BLENDS[self.blend]}
        calibrated = np.clip(self.calibrator.of(blended(scores, self.blend)), 0.0, 1.0)
        return shifted(calibrated, self.level.shift)


def fit_forecaster(
    training: Training, choice: Choice, calibrator: Calibrator, settings: Settings, seed: int
) -> Forecaster:
    """The chosen model on all training rows."""
    bases = fit_bases(training, {*BLENDS[choice.blend], "lr"}, settings, seed)
    additive = cast(Additive, bases["lr"])
    used = {name: bases[name] for name in BLENDS[choice.blend]}
    return Forecaster(training.columns, choice.blend, used, additive, calibrator)


def final_calibrator(scores: Mapping[str, Floats], choice: Choice, churned: Floats) -> Calibrator:
    """The calibration learnt from all forecasts that did not know the outcome."""
    return fit_calibrator(choice.kind, blended(scores, choice.blend), churned)


def by_content(features: pd.DataFrame, churned: Floats) -> tuple[Whole, Whole]:
    """Rows sorted by a hash of their content, and (in that order) the number of the distinct row each is a copy of."""
    texts = features.astype(
        {
            name: "str"
            for name in features.columns
            if not pd.api.types.is_numeric_dtype(features[name])
        }
    )
    # Joined without a name: whatever a feature is called, it is part of the content.
    hashed = pd.util.hash_pandas_object(
        pd.concat([texts, pd.Series(churned, index=texts.index)], axis=1), index=False
    ).to_numpy()
    order = np.argsort(hashed, kind="stable")
    ranked = hashed[order]
    group = np.cumsum(np.append(False, ranked[1:] != ranked[:-1])).astype(np.int64)
    distinct = int(group[-1]) + 1 if group.size else 0
    return order, (np.arange(order.size) if order.size > MOST_COPIES * distinct else group)


def folds_by_group(group: Whole, churned: Floats, folds: int, seed: int) -> Whole:
    """Folds with about equal shares of churners; rows of one group in one fold."""
    groups = int(group.max()) + 1
    lost = np.bincount(group, weights=churned, minlength=groups) > 0
    fold = np.empty(groups, dtype=np.int64)
    rng = np.random.default_rng(seed)
    for outcome in (False, True):
        members = np.flatnonzero(lost == outcome)
        fold[rng.permutation(members)] = np.arange(members.size) % folds
    return fold[group]


def held_out(group: Whole, churned: Floats, seed: int, part: int) -> NDArray[np.bool_]:
    """About one row in seven, whole groups, for boosting to know when to stop; no row is in two parts."""
    return folds_by_group(group, churned, 7, seed + 1) == part


@dataclass(frozen=True)
class Calibrator:
    """`raw` leaves scores alone; `sigmoid` has slope and intercept on the log-odds; `isotonic` is a line through (`x`, `y`)."""

    kind: str
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def of(self, score: Floats) -> Floats:
        """Calibrated probabilities."""
        if self.kind == "raw":
            return score
        if self.kind == "sigmoid":
            slope, intercept = self.y
            return expit(slope * _log_odds(score) + intercept)
        return np.clip(np.interp(score, self.x, self.y), LEAST, MOST)


def fit_calibrator(kind: str, score: Floats, churned: Floats) -> Calibrator:
    """Learn from forecasts that did not know the outcome."""
    if kind == "sigmoid":
        slope, intercept = fit_ridge(_log_odds(score)[:, None], churned, 1e-6).tolist()
        # A falling line would turn a forecast that is wrong by chance into one that looks right: nothing is known but the share.
        return Calibrator(
            kind, y=(slope, intercept) if slope > 0 else (0.0, float(logit(churned.mean())))
        )
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(out_of_bounds="clip").fit(score, churned)
        return Calibrator(
            kind, tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist())
        )
    return Calibrator("raw")


def cross_calibrated(kind: str, score: Floats, churned: Floats, fold: NDArray[np.int64]) -> Floats:
    """Each fold calibrated by what the other folds say."""
    if kind == "raw":
        return score
    calibrated = np.empty(score.size)
    for one in np.unique(fold).tolist():
        calibrated[fold == one] = fit_calibrator(kind, score[fold != one], churned[fold != one]).of(
            score[fold == one]
        )
    return calibrated


def _log_odds(score: Floats) -> Floats:
    return logit(np.clip(score, 1e-6, 1 - 1e-6))


def learn_level(
    moment: Whole,
    horizon: int,
    probability: Floats,
    churned: Floats,
    forecasts: dict[int, tuple[Floats, Floats]],
) -> Level:
    """The level of the newest moments, and how far off such a level was at each earlier one.

    A moment's level is that of the moments up to one horizon before the newest that was over by then. Of moments in `forecasts` (probability, churned)
    the error is that of the forecast which did not know the outcome.
    """
    moments = np.unique(moment)
    rows = [moment == time for time in moments]
    deviation = np.array([deviation_of(probability[at], churned[at]) for at in rows])
    size = np.array([_information(probability[at]) for at in rows])
    errors, noise = [], []
    for place, time in enumerate(moments.tolist()):
        past = _newest(moments, time - horizon, horizon)
        if not past.any():
            continue
        error = deviation[place] - deviation[past].mean()
        if time in forecasts:
            error = deviation_of(*forecasts[time])
        errors.append(error)
        noise.append(1 / size[place])
    newest = _newest(moments, int(moments[-1]), horizon)
    horizons = _horizons(moments[len(moments) - len(errors) :], horizon) if errors else 0.0
    if horizons < FEWEST_HORIZONS:
        return UNKNOWN
    # Moments closer than a horizon share events: they are about as informative as the horizons that they span.
    own = 1 / size[newest].mean() / max(1.0, _horizons(moments[newest], horizon))
    squared = np.mean(np.square(errors)) - np.mean(noise)
    return Level(
        shift=float(deviation[newest].mean()),
        error=float(np.sqrt(max(squared, own))),
        freedom=horizons,
        moments=len(errors),
    )


def _newest(moments: Whole, until: int, horizon: int) -> NDArray[np.bool_]:
    """The newest moment up to `until`, and those up to a horizon before it."""
    over = moments <= until
    return over & (moments >= moments[over][-1] - horizon) if over.any() else over


def _horizons(moments: Whole, horizon: int) -> float:
    """How many horizons the labels of some moments span together."""
    return float(moments[-1] - moments[0]) / horizon + 1


def _information(probability: Floats) -> float:
    return max(float((probability * (1 - probability)).sum()), 1e-9)


def deviation_of(probability: Floats, churned: Floats) -> float:
    """What must be added to the log-odds so that as many churn as did (half a customer more or less where all or none did)."""
    wanted = min(max(float(churned.sum()), 0.5), churned.size - 0.5)
    shift = 0.0
    for _ in range(STEPS):
        now = shifted(probability, shift)
        step = (wanted - float(now.sum())) / _information(now)
        shift += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-9:
            break
    return shift


def shifted(probability: Floats, shift: float) -> Floats:
    """Probabilities whose log-odds are higher by so much."""
    if shift == 0.0:
        return probability
    return np.asarray(expit(logit(probability) + shift))
