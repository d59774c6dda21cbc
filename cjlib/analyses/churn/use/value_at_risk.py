"""What stands to be lost: each customer's value times the chance of losing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.churn.use.targeting import EXPECTED, value_if_stays
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.show.numbers import about, count_of

TOP = 0.2
COLUMNS = [
    "customer_id",
    "churn_probability",
    "expected_value",
    "value_if_stays",
    "value_at_risk",
    "rank",
    "high_value",
    "high_risk",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueAtRisk(Result):
    """Value at risk by customer; `.grid` counts customers and sums value by risk and value."""

    grid: pd.DataFrame

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ValueAtRisk:
        """No value at risk, and the reason."""
        return super().unanswered(reason, grid=pd.DataFrame())


def value_at_risk(scores: ChurnScores | pd.DataFrame, value: Result | pd.DataFrame) -> ValueAtRisk:
    """Value at risk = probability of churning × what the customer brings who stays, for each customer known to both.

    A forecast of `cj.customer_value` has the chance of no purchase in it already; it is divided
    out, so that nobody's leaving is counted twice: value at risk and what is expected in spite of
    it sum to what all would bring if they stayed. High value: the most valuable fifth; high risk:
    the riskiest fifth; ties by customer id. Customers known to one side only are counted, not
    guessed.

    Parameters
    ----------
    scores
        What `model.score()` gave, or a table with `customer_id` and `churn_probability`, one row a
        customer.
    value
        What `cj.customer_value` gave, or a table with `customer_id` and `expected_value` (and
        `p_no_purchase`, where the value allows for it).

    Returns
    -------
    ValueAtRisk
        `.table`: `customer_id`, `churn_probability`, `expected_value`, `value_if_stays`,
        `value_at_risk`, `rank`, `high_value`, `high_risk`.
        `.grid`: `high_value`, `high_risk`, `customers`, `expected_value`, `value_if_stays`,
        `value_at_risk`.

    Raises
    ------
    CjlibError
        If either is neither a result nor a table, lacks a column, or has several rows of one
        customer.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> scores = pd.DataFrame({"customer_id": ["ana", "bob"], "churn_probability": [0.5, 0.1]})
    >>> value = pd.DataFrame({"customer_id": ["ana", "bob"], "expected_value": [100.0, 200.0]})
    >>> cj.value_at_risk(scores, value).table["value_at_risk"].tolist()
    [50.0, 20.0]
    """
    for given in (scores, value):
        if isinstance(given, Result) and not given.answered:
            return ValueAtRisk.unanswered(given.reason)
    if isinstance(value, Result) and EXPECTED in value.table and value.table[EXPECTED].isna().all():
        return ValueAtRisk.unanswered(value.headline)
    risk, worth = _risk(scores), _worth(value)
    both = risk.merge(worth, on="key", how="inner").sort_values("key", ignore_index=True)
    table = both.assign(
        value_at_risk=both["churn_probability"] * both["value_if_stays"],
        high_value=_top(both["value_if_stays"]),
        high_risk=_top(both["churn_probability"]),
    )
    table = table.sort_values(
        "value_at_risk", ascending=False, kind="stable", ignore_index=True
    ).assign(rank=np.arange(1, len(both) + 1))
    total, at_risk = float(table["value_if_stays"].sum()), float(table["value_at_risk"].sum())
    hot = table[table["high_value"] & table["high_risk"]]
    share = at_risk / total if total else float("nan")
    return ValueAtRisk(
        table=table[COLUMNS],
        headline=_headline(table, hot, at_risk, total),
        definition={
            "value at risk": "probability of churning × what the customer brings who stays, over the value's horizon",
            "value if stays": "the expected value; where that allows for no purchase at all, divided by the chance of a purchase",
            "high": "the top fifth; ties by customer id",
            "left out": f"{len(risk) - len(both):,} customers with a forecast but no value, {len(worth) - len(both):,} with a value but no forecast",
        },
        metrics={
            "value_at_risk": metric(
                at_risk, n=len(table), label="Value at risk", unit="money", better="lower"
            ),
            "share_at_risk": metric(
                share, n=len(table), label="Share of value at risk", unit="share", better="lower"
            ),
            "high_both": metric(
                len(hot), n=len(table), label="High value and high risk", unit="number"
            ),
        },
        grid=_grid(table),
    )


def _headline(table: pd.DataFrame, hot: pd.DataFrame, at_risk: float, total: float) -> str:
    if table.empty:
        return "No customer has both a forecast and a value."
    part = f" ({about(at_risk / total)})" if total else ""
    return (
        f"{at_risk:,.0f} of the {total:,.0f}{part} that {count_of(len(table), 'customer')} would bring if all stayed is at risk; "
        f"{len(hot):,} are among both the most valuable and the riskiest fifth and hold {float(hot['value_at_risk'].sum()):,.0f} of it."
    )


def _risk(scores: Result | pd.DataFrame) -> pd.DataFrame:
    return _known(scores, "churn_probability", "scores")[
        ["key", "customer_id", "churn_probability"]
    ]


def _worth(value: Result | pd.DataFrame) -> pd.DataFrame:
    known = _known(value, EXPECTED, "value")
    return known.assign(value_if_stays=value_if_stays(known))[["key", EXPECTED, "value_if_stays"]]


def _known(given: Result | pd.DataFrame, column: str, option: str) -> pd.DataFrame:
    frame = given.table if isinstance(given, Result) else given
    if not isinstance(frame, pd.DataFrame):
        made = "model.score()" if option == "scores" else "cj.customer_value"
        raise CjlibError(
            f"{option}: must be what {made} gave, or a table with customer_id and {column}. Got {shown(type(given).__name__)}."
        )
    for name in ("customer_id", column):
        if name not in frame.columns:
            raise CjlibError(
                f"{option}: there is no column {name!r}.{did_you_mean(name, frame.columns)} The columns are {listed(frame.columns)}."
            )
    known = frame[pd.to_numeric(frame[column], errors="coerce").notna()]
    keys = known["customer_id"].astype("str")
    if keys.duplicated().any():
        raise CjlibError(
            f"{option}: {int(keys.duplicated().sum()):,} customers have several rows. Give one row a customer: one cutoff."
        )
    return known.assign(key=keys)


def _top(values: pd.Series) -> np.ndarray:
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-values.to_numpy(dtype=float), kind="stable")[: round(TOP * len(values))]] = (
        True
    )
    return chosen


def _grid(table: pd.DataFrame) -> pd.DataFrame:
    sums = [EXPECTED, "value_if_stays", "value_at_risk"]
    rows = []
    for valuable in (True, False):
        for risky in (True, False):
            group = table[(table["high_value"] == valuable) & (table["high_risk"] == risky)]
            rows.append((valuable, risky, len(group), *group[sums].sum().astype(float)))
    return pd.DataFrame(rows, columns=["high_value", "high_risk", "customers", *sums])
