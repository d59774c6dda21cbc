"""Shares of negatives by segment from a model and a random sample of labels; segments and periods compared.

References
----------
Angelopoulos, A., Duchi, J. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.score_tables import months_of
from cjlib.analyses.feedback.score_texts import (
    ScoredTexts,
    kinds_of_ratings,
    ratings_learnt,
    within_kinds,
)
from cjlib.shared.clustered_comparison import answers_within, compare_answers, two_sided
from cjlib.shared.comparison import (
    Family,
    MeanComparison,
    family,
    known_at_once,
    named_in_turn,
    not_compared_with,
)
from cjlib.shared.periods import check_period
from cjlib.shared.repeated_answers import (
    OF_TEXTS,
    CustomerAnswers,
    customer_codes,
    error_of_equals,
    sides_within,
)
from cjlib.shared.risk_comparison import Within, also_within
from cjlib.shared.stats import Z95, Floats, wilson
from cjlib.sources.feedback.table import Feedback

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
FEWEST_AUDITED = 30
"""Below so many customers with audit labels in a segment the model adds next to nothing, and what was learnt from them covers too little: Wilson on the labels alone."""
CHANGE = ["segment", "period", "earlier", "measure", "difference", "difference_low", "difference_high", "p_value"]  # fmt: skip
COLUMNS = [
    "n",
    "n_scored",
    "n_left_out",
    "n_audited",
    "share_negative",
    "low",
    "high",
    "method",
    "model_index",
    "mean_score",
    "mean_low",
    "mean_high",
    "small_n",
    "customers",
]


def rows_of(
    feedback: Feedback,
    scored: ScoredTexts,
    by: str | None,
    period: str | None,
    labels: dict[str, float],
) -> pd.DataFrame:
    """One row a feedback, by id: what its text says, and what people said of it.

    `segment`, [`period`], `month`, `status`, `label`, `score`, `f` (the model's probability of negative), `y` (1 where people labelled it
    negative, 0 where another, else missing), `g`, which is f recalibrated on the labels, `rating` (−1, 0, 1) where the scorer was fitted to it, and its `kind`.
    """
    table = scored.table
    rows = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "status": table["status"],
            "label": table["label"],
            "score": table["score"],
            "customer": customer_codes(feedback.frame["customer_id"]),
            "kind": kinds_of_ratings(feedback.frame),
            "month": months_of(feedback),
        }
    )
    rows = rows.assign(y=table["feedback_id"].map(labels), f=table["p_negative"].to_numpy())
    rows = rows.assign(
        g=_recalibrated(rows),
        rating=ratings_learnt(feedback.frame, scored.measured, feedback.scales),
    )
    if period is None:
        return rows
    check_period(period, ("day", "week", "month", "quarter", "year"))
    return rows.assign(period=feedback.periods(period))


def by_segment(rows: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """A row a segment (and period), largest segments first."""
    keys = [name for name in ("segment", "period") if name in rows]
    table = pd.DataFrame(
        [
            dict(zip(keys, key, strict=True)) | share_of(group, min_n)
            for key, group in rows.groupby(keys)
        ],
        columns=[*keys, *COLUMNS],
    )
    sizes = table.groupby("segment")["n"].transform("sum")
    return (
        table.assign(size=-sizes)
        .sort_values(["size", *keys], ignore_index=True)
        .drop(columns="size")
    )


def _recalibrated(rows: pd.DataFrame) -> NDArray[np.float64]:
    f = rows["f"].to_numpy(dtype=float)
    labelled = (rows["y"].notna() & rows["f"].notna()).to_numpy()
    y = rows["y"].fillna(0).to_numpy(dtype=float)
    if labelled.sum() < FEWEST_AUDITED or len(set(y[labelled])) < 2:
        return f
    return np.where(np.isnan(f), np.nan, recalibrated(np.nan_to_num(f, nan=0.5), labelled, y))


def share_of(group: pd.DataFrame, min_n: int) -> dict[str, Any]:
    """What is known of a segment: counts, the share of negatives where there are labels, the model's index, the mean score."""
    scored = group[group["status"] == "scored"]
    scores = text_answers(scored)
    estimate, method, audited = _share(scored)
    low, high = scores.mean_interval(OF_TEXTS)
    return {
        "n": len(group),
        "n_scored": len(scored),
        "n_left_out": len(group) - len(scored),
        "n_audited": audited,
        "share_negative": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "method": method,
        "model_index": float(np.sort(scored["f"].to_numpy(dtype=float)).mean())
        if len(scored)
        else float("nan"),
        "mean_score": scores.mean,
        "mean_low": low,
        "mean_high": high,
        "small_n": scores.customers < min_n,
        "customers": scores.customers,
    }


def _share(scored: pd.DataFrame) -> tuple[Estimate, str, int]:
    labelled = scored["y"].notna().to_numpy()
    n = int(labelled.sum())
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan")), "model_index", 0
    y, g = scored["y"].to_numpy(dtype=float)[labelled], scored["g"].to_numpy(dtype=float)
    customer = scored["customer"].to_numpy(dtype=np.int64)
    audited = CustomerAnswers.of(y, customer[labelled])
    if audited.customers < FEWEST_AUDITED or y.std() == 0:
        low, high = wilson(y.mean() * audited.effective_n, audited.effective_n)
        return Estimate(float(y.mean()), float(low), float(high)), "audit_wilson", n
    return (
        ppi_mean(g[labelled], y, g[~labelled], customer[labelled], customer[~labelled]),
        "ppi++",
        n,
    )


def label_index(rows: pd.DataFrame) -> pd.DataFrame:
    """How the model's labels divide each segment's texts: an index, no shares."""
    scored = rows[rows["status"] == "scored"]
    counted = scored.groupby(["segment", "label"]).size().rename("n").reset_index()
    return counted.assign(
        index_of_texts=counted["n"] / counted.groupby("segment")["n"].transform("sum")
    )


def text_answers(scored: pd.DataFrame) -> CustomerAnswers:
    """The scores of texts, and whose they are."""
    return CustomerAnswers.of(
        scored["score"].to_numpy(dtype=float), scored["customer"].to_numpy(dtype=np.int64)
    )


def comparable(scored: pd.DataFrame, min_n: int) -> pd.DataFrame:
    """Texts with what is compared of them as `value`: the rating where the scorer was fitted to ratings, in segments with at least `min_n` raters; else the score.

    A fitted scorer has learnt the luck of a segment with the words that stand only there, and texts that nobody rated, as tickets, are read otherwise than those it
    learnt from; the spread of its scores shows neither. Values are less what their kind of rating has in common: an NPS of 8 is neutral where 4 of 5 is positive.
    """
    rated = scored["rating"].notna()
    if not rated.any():
        return scored.assign(value=scored["score"], kind=0)
    told = scored[rated]
    raters = told.groupby("segment")["customer"].nunique()
    told = told[told["segment"].isin(raters.index[raters >= min_n])]
    return told.assign(value=within_kinds(told["rating"], told["kind"]))


def _sides(
    told: pd.DataFrame, own: Flags, others: Flags
) -> tuple[CustomerAnswers, CustomerAnswers]:
    """The values of two sides, compared within each kind of rating that both have."""
    return sides_within(*_values(told), told["kind"].to_numpy(dtype=np.int64), own, others)


def _sides_by_month(
    told: pd.DataFrame, own: Flags, others: Flags
) -> tuple[CustomerAnswers, CustomerAnswers]:
    """The same within each kind of rating and month that both have."""
    cells = np.asarray(told.groupby(["kind", "month"]).ngroup(), dtype=np.int64)
    return sides_within(*_values(told), cells, own, others)


def _values(told: pd.DataFrame) -> tuple[Floats, NDArray[np.int64]]:
    return told["value"].to_numpy(dtype=float), told["customer"].to_numpy(dtype=np.int64)


def against_others(rows: pd.DataFrame, min_n: int) -> tuple[pd.DataFrame, MeanComparison]:
    """The mean score of each segment beside that of all others together, named in turn; nothing where there is but one.

    What is claimed holds within the same months too.
    """
    scored = comparable(rows[rows["status"] == "scored"], min_n)
    names = sorted(scored["segment"].unique())
    names = names if len(names) > 1 else []
    inside = np.array([(scored["segment"] == name).to_numpy() for name in names])

    def pairs(beside: Flags) -> list[tuple[CustomerAnswers, CustomerAnswers]]:
        return [
            _sides(scored, inside[row], np.asarray(inside[others].any(axis=0)))
            for row, others in enumerate(beside)
        ]

    def compare(beside: Flags) -> MeanComparison:
        name, follow_up = "text score of segments against the others", known_at_once("the text")
        compared = compare_answers(name, pairs(beside), follow_up=follow_up, min_n=min_n)

        def within(row: int) -> Within:
            others = np.asarray(inside[beside[row]].any(axis=0))
            return answers_within(_sides_by_month(scored, inside[row], others), min_n)

        return also_within(compared, within)

    _, tested, beside = named_in_turn(compare, np.ones(len(names), dtype=bool))
    compared = pairs(beside)
    table = pd.DataFrame(
        {
            "segment": pd.Series(names, dtype="str"),
            "n": [own.n for own, _ in compared],
            "customers": [own.customers for own, _ in compared],
            "other_customers": [other.customers for _, other in compared],
            "mean_score": tested.mean,
            "other_mean_score": tested.other_mean,
        }
    )
    return table.assign(**tested.columns(), without=not_compared_with(names, beside)), tested


def changes(rows: pd.DataFrame, table: pd.DataFrame, min_n: int) -> tuple[pd.DataFrame, Family]:
    """Neighbouring periods of a segment: by share where both are audited, else by mean score, or by the ratings that the scorer was fitted to."""
    name, follow_up = "sentiment of periods against the one before", known_at_once("the text")
    periods: list[tuple[object, dict[str, Any], dict[str, Any]]] = []
    sides: list[tuple[CustomerAnswers, CustomerAnswers]] = []
    told = comparable(rows[rows["status"] == "scored"], min_n)
    measure = "rating" if told["rating"].notna().any() else "mean_score"
    places = told.groupby(["segment", "period"]).indices if "period" in rows else {}
    inside = {at: np.isin(np.arange(len(told)), held) for at, held in places.items()}
    for segment, group in table.sort_values("period").groupby("segment") if inside else ():
        for before, now in itertools.pairwise(records(group)):
            keys = [(segment, row["period"]) for row in (now, before)]
            if min(before["customers"], now["customers"]) >= min_n and all(
                key in inside for key in keys
            ):
                periods.append((segment, before, now))
                sides.append(_sides(told, inside[keys[0]], inside[keys[1]]))
    means = compare_answers(name, sides, follow_up=follow_up, min_n=min_n)
    differences = zip(means.difference, means.low, means.high, means.p_value, strict=True)
    lines = [_change(*pair, measure, mean) for pair, mean in zip(periods, differences, strict=True)]
    pairs = pd.DataFrame(lines, columns=CHANGE)
    tested = family(
        name,
        pairs["p_value"],
        units=[own.customers for own, _ in sides],
        other_units=[other.customers for _, other in sides],
        follow_up=follow_up,
        min_n=min_n,
    )
    adjusted = pairs.assign(p_adjusted=tested.p_adjusted, significant=tested.claims)
    return adjusted, tested


def _change(
    segment: object,
    before: dict[str, Any],
    now: dict[str, Any],
    measure: str,
    mean: tuple[float, ...],
) -> tuple[object, ...]:
    """A change by share where people labelled both periods, else the one of the mean."""
    named = (segment, now["period"], before["period"])
    if {before["method"], now["method"]} != {"ppi++"}:  # fewer than 30 customers with labels
        return (*named, measure, *mean)
    errors = [(row["high"] - row["low"]) / (2 * Z95) for row in (before, now)]
    difference, error = now["share_negative"] - before["share_negative"], float(np.hypot(*errors))
    bounds = (difference - Z95 * error, difference + Z95 * error)
    if_equal = error_of_equals(errors, [before["n_audited"], now["n_audited"]])
    return (*named, "share_negative", difference, *bounds, two_sided(difference, if_equal))


def records(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows, each as names and values."""
    return ({str(name): value for name, value in row.items()} for row in table.to_dict("records"))


FOLDS = 10


@dataclass(frozen=True)
class Estimate:
    """A share with its 95% CI."""

    value: float
    low: float
    high: float


def recalibrated(f: Floats, labelled: NDArray[np.bool_], y: Floats) -> Floats:
    """The model's probability after a logistic regression, in one variable, on the labelled rows, cross-fitted.

    A labelled row gets what was learnt without its own tenth of the labels, any other the mean of all: labels that calibrated their own row would
    make the model look better than it is.
    """
    from scipy.special import expit, logit

    x = logit(np.clip(f, 1e-4, 1 - 1e-4))
    rows = np.flatnonzero(labelled)
    fold = np.full(f.size, -1)
    fold[rows] = np.random.default_rng(0).permutation(rows.size) % FOLDS
    lines = [
        _line(x[labelled & (fold != left_out)], y[labelled & (fold != left_out)])
        for left_out in range(FOLDS)
    ]
    fitted = np.array([expit(intercept + slope * x) for intercept, slope in lines])
    return np.where(labelled, fitted[np.maximum(fold, 0), np.arange(f.size)], fitted.mean(axis=0))


def _line(known: Floats, truth: Floats) -> Floats:
    """Intercept and slope of a logistic regression in one variable."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(at: Floats) -> tuple[float, Floats]:
        p = np.clip(expit(at[0] + at[1] * known), 1e-9, 1 - 1e-9)
        # A whisper of a ridge keeps the slope finite where the labels are perfectly separated.
        value = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum() + 0.01 * at[1] ** 2
        return float(value), np.array(
            [(p - truth).sum(), ((p - truth) * known).sum() + 0.02 * at[1]]
        )

    return minimize(loss, np.array([0.0, 1.0]), jac=True, method="BFGS").x


def ppi_mean(
    f_labelled: Floats,
    y: Floats,
    f_rest: Floats,
    customer: Ints | None = None,
    customer_rest: Ints | None = None,
) -> Estimate:
    """PPI++ of one segment: λ·mean(f over the rest) + mean(y − λ·f over the labelled).

    The interval is Wilson's of as many labels as would have the same variance, fewer by Student's t with n − 3 degrees: it stays between 0 and 1. `customer` and `customer_rest`
    number who wrote the texts, where some wrote several; n then counts customers.
    """
    from scipy.special import stdtrit

    n, rest = y.size, f_rest.size
    both = np.concatenate([f_labelled, f_rest])
    spread = both.var(ddof=1)
    covariance = np.cov(y, f_labelled, ddof=1)[0, 1]
    tuned = (
        0.0
        if spread == 0 or rest == 0
        else float(np.clip(covariance / ((1 + n / rest) * spread), 0, 1))
    )
    residual = y - tuned * f_labelled
    value = tuned * (f_rest.mean() if rest else 0.0) + residual.mean()
    # λ and the calibration are learnt from the same labels: two degrees of freedom more are gone.
    who = np.arange(n) if customer is None else customer
    others = n + np.arange(rest) if customer_rest is None else customer_rest
    people = np.unique(who).size
    moves = np.concatenate([_moves(residual, people, 3), tuned * _moves(f_rest, rest, 1)])
    _, place = np.unique(np.concatenate([who, others]), return_inverse=True)
    variance = float((np.bincount(place, weights=moves) ** 2).sum())
    value = min(max(float(value), 0.0), 1.0)
    shrunk = (n * value + 2) / (n + 4)
    alike = shrunk * (1 - shrunk) / variance if variance > 0 else float(people)
    alike *= (Z95 / float(stdtrit(max(people - 3, 1), 0.975))) ** 2
    low, high = wilson(value * alike, alike)
    return Estimate(value, float(low), float(high))


def _moves(values: Floats, people: int, lost: int) -> Floats:
    """What each value moves the mean by, widened for the degrees of freedom lost; of a single value nothing is known."""
    if values.size < 2:
        return np.zeros(values.size)
    return (values - values.mean()) / values.size * np.sqrt(people / max(people - lost, 1))
