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
from cjlib.shared.first_events import Groups, Whole
from cjlib.shared.two_samples import benjamini_hochberg

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
    comparisons = _comparisons(lifetimes, order, min_n)
    metrics = _metrics(overall, lifetimes.unit, limit)
    unit = lifetimes.unit
    told = dict(definition) | summary.counts(overall, unit, limit, comparisons, min_n)
    return {
        "table": _table(lifetimes, order, curves),
        "summary": _summary(lifetimes, order, curves, limit),
        "comparisons": comparisons,
        "headline": summary.headline(overall, unit, limit, comparisons, min_n, who),
        "definition": told,
        "metrics": metrics,
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


def _comparisons(lifetimes: Lifetimes, order: Whole, min_n: int) -> pd.DataFrame:
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
    return pd.DataFrame(
        {
            **lifetimes.groups.columns(shown),
            "p_value": p_values,
            "p_adjusted": benjamini_hochberg(p_values),
        }
    )


def _metrics(curve: Curve, unit: str, limit: float) -> dict[str, Metric]:
    """Median and restricted mean of all together, and the share surviving at a few landmarks."""
    n = int(curve.at_risk[0])
    mean, error = curve.restricted_mean(limit)
    half = Z * error
    metrics = {
        f"median_{unit}s": metric(curve.median, *curve.median_interval, n),
        f"rmst_{unit}s": metric(mean, max(mean - half, 0), min(mean + half, limit), n),
    }
    for landmark in LANDMARKS if unit == "day" else ():
        if landmark <= curve.time[-1]:
            share, low, high, _ = curve.at(landmark)
            metrics[f"share_surviving_day_{landmark}"] = metric(share, low, high, n)
    return metrics
