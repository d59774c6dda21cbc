"""How good the forecasts were in each segment of the customers, and what other splits of the same log would have promised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from cjlib.analyses.churn.data.churn_data import NO_DATES, ChurnData, UnanswerableError
from cjlib.analyses.churn.model import metrics
from cjlib.analyses.churn.model.churn_model import ChurnModel
from cjlib.analyses.churn.model.fit import Forward, forward_of, thinned
from cjlib.analyses.churn.model.metrics import FEWEST_OUTCOMES, arrays_of, auc, pr_auc
from cjlib.analyses.churn.model.model_selection import OF_LOG, Training, fit_bases, one_thread
from cjlib.analyses.churn.model.summary import used_features
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.comparison import MIN_N, Family, family, known_at_once
from cjlib.shared.group_by import first_values
from cjlib.shared.repeated_answers import error_of_equals
from cjlib.shared.stats import Z95
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
MIXED_FOLDS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentMetrics(Result):
    """A model's measures by segment; `by` is the column, None without groups."""

    by: str | None = None


def metrics_by_segment(
    model: ChurnModel, customers: EventLog | pd.DataFrame, *, by: str | None
) -> SegmentMetrics:
    """How good the forecasts were among the customers of each segment.

    Every row of `model.forecasts` counts in one segment: the customer's value of the column at the
    first event that has one; where events tie, the smallest as text; of a table of customers, the
    value in their row. Segments with fewer than 30 customers, or fewer than 10 rows of either
    outcome, get counts without figures. The AUC of each is compared with that among all other
    customers.

    Parameters
    ----------
    model
        What `cj.fit_churn` gave for data of this log or table.
    customers
        The events, or the table that `cj.churn_table` was given, its id called `customer_id`
        (without one, customers are numbered by row).
    by
        A column; None: no groups.

    Returns
    -------
    SegmentMetrics
        `.table` as `model.by` gives it, and `auc_others`, `difference`, `difference_low`,
        `difference_high`, `p_value`, `p_adjusted`. Unanswered without groups, or where too few have
        enough of both outcomes.

    Raises
    ------
    CjlibError
        If `by` is no column, or `model` is not what `cj.fit_churn` gave: one that was read again
        keeps no forecasts.
    """
    if isinstance(model, ChurnModel) and not model.answered:
        return SegmentMetrics.unanswered(model.reason)
    if not isinstance(model, ChurnModel) or model.forecasts.empty:
        raise CjlibError(
            f"model: must be what cj.fit_churn gave; a model that was read again keeps no forecasts. Got {shown(type(model).__name__)}."
        )
    if by is None:
        return SegmentMetrics.unanswered(
            "There are no groups to compare: the data have no column for it."
        )
    values = model.forecasts["customer_id"].astype("str").map(_segments(customers, by))
    table = model.by(values)
    if table["auc"].notna().sum() < 2:
        reason = (
            f"Too few groups by {by} have enough of both outcomes to compare the model among them."
        )
        return replace(SegmentMetrics.unanswered(reason), by=by, table=table)
    compared, tests = _against_others(model, table, values.rename(by))
    return SegmentMetrics(
        table=compared,
        headline=_headline(compared, tests),
        definition={
            "segment": _meaning(customers, by),
            "rows": f"{len(model.forecasts):,} forecasts that did not know the outcome; a customer counts once a tested moment",
            "interval": "95%, bootstrap over customers",
            "comparison": tests.words,
            "too few": f"fewer than {MIN_N} rows or {FEWEST_OUTCOMES} of either outcome: counted, not judged",
        },
        metrics={
            f"auc_{_named(row['segment'])}": metric(
                row["auc"],
                row["auc_low"],
                row["auc_high"],
                row["n"],
                label=f"AUC among {_named(row['segment'])}",
                unit="number",
                better="higher",
            )
            for row in compared[compared["auc"].notna()].to_dict("records")
        },
        families={tests.name: tests.tests},
        by=by,
    )


def _against_others(
    model: ChurnModel, table: pd.DataFrame, values: pd.Series
) -> tuple[pd.DataFrame, Family]:
    """The AUC of each segment less that of all other customers; they are different people, so that their errors are independent."""
    rows = model.forecasts
    known = values.notna().to_numpy()
    columns = {name: np.full(len(table), np.nan) for name in ("auc_others", "error", "if_alike")}
    units, other_units = (np.zeros(len(table), dtype=np.int64) for _ in range(2))
    for place, (name, figure) in enumerate(zip(table["segment"], table["auc"], strict=True)):
        inside = known & (values.astype("str") == str(name)).to_numpy() if name else ~known
        units[place] = rows.loc[inside, "customer_id"].nunique()
        other_units[place] = rows.loc[~inside, "customer_id"].nunique()
        if np.isnan(figure):
            continue
        columns["auc_others"][place], others_error = _auc(rows[~inside])
        errors = [_auc(rows[inside])[1], others_error]
        columns["error"][place] = np.hypot(errors[0], errors[1])
        # An AUC near 1 seems to vary hardly at all: for p each side varies at least as both do.
        pairs = [_harmonic(rows.loc[side, "churned"]) for side in (inside, ~inside)]
        columns["if_alike"][place] = error_of_equals(errors, pairs)
    difference = table["auc"].to_numpy(dtype=float) - columns["auc_others"]
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * ndtr(-np.abs(difference) / columns["if_alike"])
    tests = family(
        f"AUC by {values.name}",
        p_value,
        units=units,
        other_units=other_units,
        follow_up=known_at_once("each tested moment, by the horizon of the model"),
    )
    return table.assign(
        auc_others=columns["auc_others"],
        difference=difference,
        difference_low=difference - Z95 * columns["error"],
        difference_high=difference + Z95 * columns["error"],
        p_value=tests.p_value,
        p_adjusted=tests.p_adjusted,
    ), tests


def _harmonic(churned: pd.Series) -> float:
    """How many rows of each outcome an AUC rests on: its variance falls with this."""
    positive, negative = float(churned.sum()), float((~churned.astype(bool)).sum())
    return positive * negative / max(positive + negative, 1.0)


def _auc(rows: pd.DataFrame) -> tuple[float, float]:
    """AUC and its standard error by the bootstrap over customers."""
    score, churned, customers, draws = arrays_of(rows)
    if not 0 < churned.sum() < churned.size:
        return float("nan"), float("nan")
    off = metrics.auc_deviations(score, churned, customers, draws)
    return auc(score, churned), float(np.nanstd(off))


def _segments(customers: EventLog | pd.DataFrame, by: str) -> pd.Series:
    """The segment of each customer, by id."""
    if not isinstance(customers, pd.DataFrame):
        return first_values(customers, by)
    if by not in customers.columns:
        raise CjlibError(
            f"by: there is no column {shown(by)}.{did_you_mean(by, customers.columns)} The table has: {listed(customers.columns, most=20)}."
        )
    numbered = pd.RangeIndex(1, len(customers) + 1)
    ids = customers["customer_id"] if "customer_id" in customers.columns else pd.Series(numbered)
    return (
        pd.Series(customers[by].to_numpy(), index=ids.astype("str").to_numpy())
        .groupby(level=0)
        .first()
    )


def _meaning(customers: EventLog | pd.DataFrame, by: str) -> str:
    return (
        f"{by} in the customer's row"
        if isinstance(customers, pd.DataFrame)
        else f"{by} at the customer's first event that has one"
    )


def _named(segment: Any) -> str:
    return "(not set)" if pd.isna(segment) else str(segment)


def _headline(table: pd.DataFrame, tests: Family) -> str:
    if not tests.claims.any():
        tested = int(table["auc"].notna().sum())
        return f"In none of {tested} groups that can be judged does the model rank significantly better or less well than in the others."
    claimed = table[tests.claims]
    row = claimed.iloc[int(claimed["difference"].abs().argmax())]
    way = "better" if row["difference"] > 0 else "less well"
    return (
        f"The model ranks {way} among {_named(row['segment'])} (AUC {row['auc']:.3f}, {row['auc_low']:.3f} to {row['auc_high']:.3f}, n = {row['n']:,}) "
        f"than among all others ({row['auc_others']:.3f})."
    )


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
