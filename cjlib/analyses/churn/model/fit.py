"""Fit a churn model, choose among candidates, and test it forward in time: each cutoff forecast by what could have been known then, beside baselines that need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cjlib.analyses.churn.data.churn_data import ChurnData, LogSource, UnanswerableError
from cjlib.analyses.churn.data.features import Snapshot
from cjlib.analyses.churn.data.leakage import Leak, as_table
from cjlib.analyses.churn.data.univariate import column_aucs, column_scores, counted_columns
from cjlib.analyses.churn.model import summary
from cjlib.analyses.churn.model.base_models import fit_ridge
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.churn.model.encoding import learn_columns
from cjlib.analyses.churn.model.metrics import Tested, auc
from cjlib.analyses.churn.model.model_selection import (
    OF_LOG,
    OF_TABLE,
    UNKNOWN,
    Calibrator,
    Choice,
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
    learn_level,
    one_thread,
    shifted,
)
from cjlib.analyses.churn.model.summary import Evidence, assembled, enough, used_features
from cjlib.errors import CjlibError, check_seed, shown
from cjlib.shared.bgnbd import Buyers, fit_bgnbd
from cjlib.shared.periods import DAY

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
TESTS = 3
MOST_ROWS = 60_000
"""Training rows of a log, evenly thinned beyond."""
FEWEST = 10
DEFAULT = Choice("lr+hgb", "raw", {})
"""Where no earlier snapshot can judge."""
MOST_BUYERS = 20_000
FEWEST_REPEATERS = 10
WEEK = 7.0
HORIZON_OF_A_WEEK = 604_800_000_000


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
        _learning_of_table(training, fold, scores["lr"]),
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


def _learning_of_table(
    training: Training, fold: NDArray[np.int64], whole: Floats
) -> summary.Learning:
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


@dataclass(frozen=True)
class Stack:
    """Labelled rows of all cutoffs, by customer and cutoff."""

    rows: pd.DataFrame
    training: Training
    cutoff: Whole
    horizon: int

    @property
    def cutoffs(self) -> list[int]:
        """Newest first."""
        return np.unique(self.cutoff)[::-1].tolist()

    def before(self, moment: int) -> NDArray[np.int64]:
        """Rows whose horizon was over at a moment, thinned."""
        return thinned(np.flatnonzero(self.cutoff + self.horizon <= moment))

    def both_outcomes(self, rows: NDArray[np.int64]) -> bool:
        """Whether there are enough of either to learn from."""
        lost = self.training.churned[rows].sum()
        return bool(min(lost, rows.size - lost) >= FEWEST)

    def can_forecast(self, moment: int) -> bool:
        """Whether what was known at a cutoff is enough to forecast it, and its own rows are of both outcomes."""
        return self.both_outcomes(self.before(moment)) and bool(
            np.ptp(self.training.churned[self.cutoff == moment])
        )


def thinned(rows: Whole) -> Whole:
    """At most `MOST_ROWS` of some rows, evenly."""
    return (
        rows
        if rows.size <= MOST_ROWS
        else rows[np.linspace(0, rows.size - 1, MOST_ROWS).astype(np.int64)]
    )


_MADE: WeakKeyDictionary[ChurnData, tuple[tuple[str, ...], Forward]] = WeakKeyDictionary()
"""The forecasts of the last fit of some data, for as long as these are held: `compare_splits` asks for one of them again."""


def forward_of(data: ChurnData, features: list[str], seed: int) -> Forward:
    """The forecasts of the last fit with the same features and seed, else none yet."""
    known, made = _MADE.get(data, ((), None))
    return (
        made
        if made is not None and known == tuple(features) and made.seed == seed
        else Forward(_stack(data, _source(data), features), {}, seed)
    )


def fit_log(data: ChurnData, features: list[str], keep: tuple[str, ...], seed: int) -> ChurnModel:
    """See `fit_churn`."""
    source = _source(data)
    untrue = untruncated(data, source)
    if untrue:
        data = replace(data, leaks=pd.concat([as_table(untrue), data.leaks], ignore_index=True))
        features = [
            name for name in features if name in keep or name not in {one.column for one in untrue}
        ]
    stack = _stack(data, source, features)
    enough(stack.training.churned)
    tests = [moment for moment in stack.cutoffs if stack.can_forecast(moment)][:TESTS]
    rolling = bool(tests)
    forward = Forward(stack, {}, seed) if rolling else _by_customer(stack, seed)
    if rolling:
        _MADE[data] = (tuple(features), forward)
    tests = tests or stack.cutoffs[:TESTS]
    settled = {moment: forward.settled(moment) for moment in tests}
    tested = [_tested(stack, source, moment, forward, settled[moment], seed) for moment in tests]
    choice, calibrator = forward.newest()
    everything = stack.before(np.iinfo(np.int64).max // 2)
    training = stack.training.of(everything)
    forecaster = fit_forecaster(training, choice, calibrator, OF_LOG, seed)
    probability = forecaster.probability(training.matrix)
    level = learn_level(
        stack.cutoff[everything],
        stack.horizon,
        probability,
        training.churned,
        _without_outcome(tests, tested) if rolling else {},
    )
    level = level if rolling else UNKNOWN
    forecaster = replace(forecaster, level=level)
    newest = data.table[data.table["cutoff"] == data.table["cutoff"].max()].reset_index(drop=True)
    evidence = Evidence(
        tested,
        tuple(name for name in tested[0].scores if name in summary.BASELINES),
        int(stack.training.group.max()) + 1,
        _learning_of_log(stack, tests[0], forward),
        choice,
        forward.how,
    )
    return assembled(
        data,
        keep,
        forecaster,
        training,
        evidence,
        forecasts=_forecasts(stack, tests, tested),
        newest=newest,
        chosen=shifted(probability, level.shift),
        latest=stack.cutoff[everything] == stack.cutoff[everything].max(),
        settings=OF_LOG,
        seed=seed,
        extra=_told(data, source, untrue),
        horizon_us=source.question.horizon,
    )


def _source(data: ChurnData) -> LogSource:
    if not isinstance(data.source, LogSource):
        raise CjlibError(
            f"data: comes from a log but does not hold it. Make it with cj.churn_data. Got {shown(type(data).__name__)}."
        )
    return data.source


def untruncated(data: ChurnData, source: LogSource) -> list[Leak]:
    """Features that differ when nothing after the cutoff is in the log: the truncation test, on the newest labelled cutoff."""
    labelled = data.table[data.table["churned"].notna()]
    if labelled.empty:
        return []
    stamp = labelled["cutoff"].max()
    rows = labelled[labelled["cutoff"] == stamp].reset_index(drop=True)
    moment = int(
        rows["cutoff"]
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)[0]
    )
    again = source.features(moment, source.log.where(end=stamp))
    aligned = rows[["customer_id"]].merge(
        again, on="customer_id", how="left", validate="one_to_one"
    )
    found = []
    for name in data.features:
        if name not in aligned.columns:
            continue
        same = (rows[name] == aligned[name]) | (rows[name].isna() & aligned[name].isna())
        if not same.all():
            text = f"{name} is another for {int((~same).sum()):,} customers when events after the cutoff are taken away: it looks ahead. It is left out."
            found.append(Leak(name, "FAIL", "looks ahead", float((~same).mean()), text))
    return found


def _stack(data: ChurnData, source: LogSource, features: list[str]) -> Stack:
    known = data.table[data.table["churned"].notna()]
    if known.empty:
        raise UnanswerableError(
            "no cutoff has its horizon behind it, so nothing can be learnt. Give earlier cutoffs or a shorter horizon."
        )
    rows = known.assign(place=known["customer_id"].astype("str")).sort_values(
        ["place", "cutoff"], kind="stable", ignore_index=True
    )
    _, customer = np.unique(rows.pop("place").to_numpy(dtype=object), return_inverse=True)
    columns = learn_columns(rows, features)
    training = Training(
        columns,
        columns.matrix(rows),
        rows["churned"].to_numpy(dtype=float),
        customer.astype(np.int64),
    )
    cutoff = (
        rows["cutoff"]
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    return Stack(rows, training, cutoff, source.question.horizon)


@dataclass(frozen=True)
class Forward:
    """Forecasts of a cutoff by what was known at it, made once."""

    stack: Stack
    made: dict[int, Mapping[str, Floats]]
    seed: int
    how: str = "rolling origin: each test cutoff forecast by all earlier snapshots whose horizon was over by then"

    def scores(self, moment: int) -> Mapping[str, Floats]:
        """Each base model's forecasts of a cutoff's rows."""
        if moment not in self.made:
            past = self.stack.before(moment)
            now = np.flatnonzero(self.stack.cutoff == moment)
            bases = fit_bases(self.stack.training.of(past), OF_LOG.bases, OF_LOG, self.seed)
            self.made[moment] = {
                name: base.probability(self.stack.training.matrix[now])
                for name, base in bases.items()
            }
        return self.made[moment]

    def settled(self, moment: int) -> tuple[Choice, Calibrator]:
        """What could be chosen before a cutoff: by the newest snapshot whose horizon was over, itself forecast with the embargo."""
        judges = [
            earlier
            for earlier in self.stack.cutoffs
            if earlier + self.stack.horizon <= moment and self.stack.can_forecast(earlier)
        ]
        return self._chosen(judges[:1])

    def newest(self) -> tuple[Choice, Calibrator]:
        """The choice for the future, by all snapshots that were forecast: the level of a single one is that of its season."""
        return self._chosen([moment for moment in self.stack.cutoffs if moment in self.made])

    def _chosen(self, judges: Sequence[int]) -> tuple[Choice, Calibrator]:
        if not judges:
            return DEFAULT, Calibrator("raw")
        parts = [self.scores(judge) for judge in judges]
        scores = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        rows = np.concatenate([np.flatnonzero(self.stack.cutoff == judge) for judge in judges])
        churned = self.stack.training.churned[rows]
        _, group = np.unique(self.stack.training.group[rows], return_inverse=True)
        lost = churned.sum()
        if min(lost, churned.size - lost) < FEWEST:
            return DEFAULT, Calibrator("raw")
        choice = choose(
            scores, churned, folds_by_group(group.astype(np.int64), churned, 5, self.seed)
        )
        return choice, final_calibrator(scores, choice, churned)


class ByCustomer(Forward):
    """For a log too short for rolling origin: folds over customers."""

    def settled(self, moment: int) -> tuple[Choice, Calibrator]:
        """As `newest`; there is nothing earlier to choose by."""
        return DEFAULT, Calibrator("raw")


def _by_customer(stack: Stack, seed: int) -> Forward:
    fold = folds_by_group(stack.training.group, stack.training.churned, 5, seed)
    scores = {name: np.empty(fold.size) for name in OF_LOG.bases}
    for one in range(5):
        bases = fit_bases(
            stack.training.of(np.flatnonzero(fold != one)), OF_LOG.bases, OF_LOG, seed
        )
        for name, base in bases.items():
            scores[name][fold == one] = base.probability(stack.training.matrix[fold == one])
    made: dict[int, Mapping[str, Floats]] = {
        moment: {name: score[stack.cutoff == moment] for name, score in scores.items()}
        for moment in stack.cutoffs[:TESTS]
    }
    how = "five folds over customers, not over time: the log is too short for a rolling origin, so the figures read too high"
    return ByCustomer(stack, made, seed, how)


def _tested(
    stack: Stack,
    source: LogSource,
    moment: int,
    forward: Forward,
    settled: tuple[Choice, Calibrator],
    seed: int,
) -> Tested:
    now = np.flatnonzero(stack.cutoff == moment)
    rows = stack.rows.iloc[now]
    bases = forward.scores(moment)
    choice, calibrator = settled
    scores = {"chosen": np.clip(calibrator.of(blended(bases, choice.blend)), 0, 1)} | {
        name: blended(bases, name) for name in blends(bases)
    }
    past = stack.before(moment)
    learn = past if past.size else np.arange(stack.cutoff.size)
    scores |= baselines_at(
        rows, moment, source, stack.rows.iloc[learn], stack.training.churned[learn]
    )
    active = rows["recency_days"].to_numpy() * DAY <= 2 * source.question.horizon + 0.5
    return Tested(
        rows["cutoff"].iloc[0],
        stack.training.group[now],
        stack.training.churned[now],
        active,
        scores,
    )


def _learning_of_log(stack: Stack, moment: int, forward: Forward) -> summary.Learning:
    """AUC at a test cutoff from half of the customers and from all."""
    now, past = stack.cutoff == moment, stack.before(moment)
    if not past.size:
        return summary.Learning(float("nan"), float("nan"))
    churned, half = stack.training.churned[now], float("nan")
    drawn = np.random.default_rng(0).random(int(stack.training.group.max()) + 1) < summary.HALF
    some = past[drawn[stack.training.group[past]]]
    if stack.both_outcomes(some):
        base = fit_bases(stack.training.of(some), ["lr"], OF_LOG, 0)["lr"]
        half = auc(base.probability(stack.training.matrix[now]), churned)
    return summary.Learning(half, auc(forward.scores(moment)["lr"], churned))


def _forecasts(stack: Stack, tests: Sequence[int], tested: Sequence[Tested]) -> pd.DataFrame:
    parts = [
        stack.rows.loc[stack.cutoff == moment, ["customer_id", "cutoff", "churned"]].assign(
            churn_probability=one.scores["chosen"]
        )
        for moment, one in zip(tests, tested, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _without_outcome(
    tests: Sequence[int], tested: Sequence[Tested]
) -> dict[int, tuple[Floats, Floats]]:
    """The chosen forecasts of the tested cutoffs, and what happened."""
    return {
        moment: (part.scores["chosen"], part.churned)
        for moment, part in zip(tests, tested, strict=True)
    }


def _told(data: ChurnData, source: LogSource, untrue: Sequence[Leak]) -> dict[str, str]:
    said = (
        f"{len(untrue)} features look ahead and are left out" if untrue else "equal, cell by cell"
    )
    return {
        "horizon": data.definition["horizon"],
        "population": "all: the rows of the data; active: with activity within twice the horizon before the cutoff",
        "truncation test": f"features of the newest labelled cutoff from the log cut at it: {said}",
        **{key: data.definition[key] for key in ("silences",) if key in data.definition},
    }


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
