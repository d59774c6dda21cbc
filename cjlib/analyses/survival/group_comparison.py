"""From lifetimes to the answer: a curve for each group, its summary, and which groups differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Metric, metric
from cjlib.analyses.survival import summary
from cjlib.analyses.survival.kaplan_meier import Curve, Z, kaplan_meier, log_rank
from cjlib.shared.comparison import Family, SameAge, family
from cjlib.shared.first_events import Groups, Whole

UNITS = ("day", "week", "month", "year")
LANDMARKS = (30, 90, 180, 365)
"""Days whose share surviving is a metric, as far as the curve reaches."""


@dataclass(frozen=True)
class Lifetimes:
    """How long each was observed, whether that ended in churn, and the group."""

    length: NDArray[np.float64]
    churned: NDArray[np.bool_]
    group: Whole
    groups: Groups
    unit: str
    whole: bool

    def of(self, group: int) -> Curve:
        """The curve of one group."""
        mine = self.group == group
        return kaplan_meier(self.length[mine], self.churned[mine])


def answer(
    lifetimes: Lifetimes, min_n: int, definition: Mapping[str, str], who: str
) -> dict[str, Any]:
    """The fields of the result."""
    order = (
        np.argsort(lifetimes.groups.rank(lifetimes.group))
        if lifetimes.length.size
        else np.zeros(0, dtype=np.int64)
    )
    curves = [lifetimes.of(int(group)) for group in order]
    overall = kaplan_meier(lifetimes.length, lifetimes.churned)
    limit = min((float(curve.time[-1]) for curve in curves), default=0.0)
    comparisons, tested = _comparisons(lifetimes, order, min_n)
    summaries = _summary(lifetimes, order, curves, limit)
    metrics = _metrics(overall, lifetimes.unit, limit)
    unit = lifetimes.unit
    words = dict(definition) | summary.counts(overall, unit, limit)
    words |= {"comparisons": f"log-rank; {tested.words}"} if tested.tests else {}
    return {
        "table": _table(lifetimes, order, curves),
        "summary": summaries,
        "comparisons": comparisons,
        "headline": summary.headline(overall, unit, limit, comparisons, min_n, who),
        "definition": words,
        "metrics": metrics,
        "findings": summary.findings(summaries, comparisons, tested.name, unit),
        "families": {tested.name: tested.tests} if tested.tests else {},
    }


def _table(lifetimes: Lifetimes, order: Whole, curves: list[Curve]) -> pd.DataFrame:
    rows = np.repeat(order, [curve.time.size for curve in curves]).astype(np.int64)

    def joined(name: str, kind: str = "float64") -> NDArray[Any]:
        return (
            np.concatenate([getattr(curve, name) for curve in curves]).astype(kind)
            if curves
            else np.zeros(0, dtype=kind)
        )

    numbers = {
        lifetimes.unit: joined("time", "int64" if lifetimes.whole else "float64"),
        "at_risk": joined("at_risk", "int64"),
        "churned": joined("churned", "int64"),
        "censored": joined("censored", "int64"),
        "share_surviving": joined("share"),
        "share_surviving_low": joined("low"),
        "share_surviving_high": joined("high"),
    }
    return pd.DataFrame({**lifetimes.groups.columns(rows), **numbers})


def _summary(lifetimes: Lifetimes, order: Whole, curves: list[Curve], limit: float) -> pd.DataFrame:
    means = np.array([curve.restricted_mean(limit) for curve in curves]).reshape(-1, 2)
    half = Z * means[:, 1]
    numbers = {
        "n": np.array([curve.at_risk[0] for curve in curves], dtype=np.int64),
        "churned": np.array([curve.churned.sum() for curve in curves], dtype=np.int64),
        f"median_{lifetimes.unit}s": np.array([curve.median for curve in curves], dtype=float),
        f"rmst_{lifetimes.unit}s": means[:, 0],
        "rmst_low": np.maximum(means[:, 0] - half, 0.0),
        "rmst_high": np.minimum(means[:, 0] + half, limit),
        f"rmst_limit_{lifetimes.unit}s": np.full(len(curves), limit),
    }
    return pd.DataFrame({**lifetimes.groups.columns(order), **numbers})


def _comparisons(lifetimes: Lifetimes, order: Whole, min_n: int) -> tuple[pd.DataFrame, Family]:
    """Each group against all others together."""
    sizes = np.bincount(lifetimes.group, minlength=len(lifetimes.groups))
    others = lifetimes.length.size - sizes
    shown = (
        order[(sizes[order] >= max(min_n, 1)) & (others[order] > 0)]
        if lifetimes.groups.names
        else order[:0]
    )
    p_values = np.array(
        [
            log_rank(lifetimes.length, lifetimes.churned, lifetimes.group == group)
            for group in shown
        ],
        dtype=float,
    )
    tested = family(
        f"survival by {', '.join(lifetimes.groups.names)}",
        p_values,
        units=sizes[shown],
        other_units=others[shown],
        follow_up=SameAge("the start", 0),
        min_n=min_n,
    )
    columns = {"p_value": tested.p_value, "p_adjusted": tested.p_adjusted}
    return pd.DataFrame(lifetimes.groups.columns(shown) | columns), tested


def _metrics(curve: Curve, unit: str, limit: float) -> dict[str, Metric]:
    """Median and restricted mean of all together, and the share surviving at a few landmarks."""
    n = int(curve.at_risk[0])
    mean, error = curve.restricted_mean(limit)
    half = Z * error
    metrics = {
        f"median_{unit}s": metric(
            curve.median,
            *curve.median_interval,
            n,
            label=f"Median lifetime in {unit}s",
            unit="number",
            better="higher",
        ),
        f"rmst_{unit}s": metric(
            mean,
            max(mean - half, 0),
            min(mean + half, limit),
            n,
            label=f"Mean {unit}s up to {unit} {limit:g}",
            unit="number",
            better="higher",
        ),
    }
    for landmark in LANDMARKS if unit == "day" else ():
        if landmark <= curve.time[-1]:
            share, low, high, _ = curve.at(landmark)
            metrics[f"share_surviving_day_{landmark}"] = metric(
                share,
                low,
                high,
                n,
                label=f"Still customers after {landmark} days",
                unit="share",
                better="higher",
            )
    return metrics
