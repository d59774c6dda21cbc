"""Customer value by channel or cohort, and the value of a subscription from how long subscriptions last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.result import Result, metric
from cjlib.analyses.value.customer_lifetime_value import CustomerValue
from cjlib.errors import CjlibError, DataError, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import first_values, names_given
from cjlib.show.numbers import count_of, percent
from cjlib.sources.log.event_log import EventLog

Z95 = 1.959964
FIGURES = (
    "customers",
    "expected_value",
    "mean_expected_value",
    "mean_low",
    "mean_high",
    "mean_value_to_date",
    "mean_lifetime_value",
    "mean_repeat_purchases",
)
BOUNDS = ("share_surviving_low", "share_surviving_high")
MONTH_DAYS = 365.25 / 12
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class SubscriptionValue(Result):
    """The worth of one subscription, payment by payment; `price` is that of one payment, `end_day` the day to which payments are counted."""

    price: float
    end_day: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueBy(Result):
    """Value by group; `by` is the column."""

    by: str


def value_by(value: CustomerValue, log: EventLog, *, by: str = "cohort") -> ValueBy:
    """Expected and past value of the customers of each group: who has bought, no one else.

    Each customer counts in one group: by `"cohort"` the month of the first event in the log's zone, else the value of a column at the first event that has one;
    where events tie, the smallest as text. Lifetime value is what a customer has brought to date and what is expected within the value's horizon.
    Mean of the expected with its 95% CI over customers (normal approximation, of the mean, not of one customer).

    Parameters
    ----------
    value
        What `cj.customer_value` gave for this log.
    log
        The events.
    by
        `"cohort"`, or a column.

    Returns
    -------
    ValueBy
        `.table`: the group, `customers`, `expected_value`, `mean_expected_value`, `mean_low`, `mean_high`, `mean_value_to_date`, `mean_lifetime_value`,
        `mean_repeat_purchases`; cohorts by time, else largest first.

    Raises
    ------
    CjlibError
        When the log has no such column, or `value` is no result of `cj.customer_value`.
    """
    if not isinstance(value, CustomerValue):
        raise CjlibError(
            f"value: must be what cj.customer_value(log, …) gave. Got {shown(type(value).__name__)}."
        )
    names_given(by, "by", taken=FIGURES)
    groups = _cohorts(log) if by == "cohort" else first_values(log, by)
    known = value.table.assign(key=value.table["customer_id"].astype("str"))
    named = known["key"].map(groups)
    rows = [
        _row(by, name, known[(named == name).to_numpy()])
        for name in sorted(named.dropna().unique().tolist())
    ]
    rows += [_row(by, None, known[named.isna().to_numpy()])] if named.isna().any() else []
    table = pd.DataFrame(rows)
    if by != "cohort":
        table = table.sort_values("customers", ascending=False, kind="stable", ignore_index=True)
    return ValueBy(
        table=table,
        headline=_headline(table, by),
        definition={
            "customers": f"{len(known):,} who have bought; the others are in no group",
            "group": "month of the first event"
            if by == "cohort"
            else f"{by} at the first event that has one",
            "expected value": f"within {value.definition['horizon']} of {value.definition['as of']}",
            "lifetime value": "what customers brought to date and the expected value together; older groups have had more time",
            "interval": "95%, of the mean expected value over customers",
        },
        metrics={
            f"mean_expected_value_{row[by] or '(not set)'}": metric(
                row["mean_expected_value"], row["mean_low"], row["mean_high"], row["customers"]
            )
            for row in rows
        },
        by=by,
    )


def _cohorts(log: EventLog) -> pd.Series:
    found = log.fetch("customer", "time")
    first = (
        np.flatnonzero(np.append(True, np.diff(found["customer"]) != 0))
        if found["customer"].size
        else np.zeros(0, dtype=np.int64)
    )
    months = [f"{one:%Y-%m}" for one in log.moments(found["time"][first])]
    return pd.Series(
        months, index=[str(one) for one in log.customer_ids(found["customer"][first])], dtype="str"
    )


def _row(by: str, name: str | None, rows: pd.DataFrame) -> dict[str, Any]:
    worth = rows["expected_value"].to_numpy(dtype=float)
    n = worth.size
    mean, past = float(worth.mean()), float(rows["value_to_date"].mean())
    half = Z95 * float(worth.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
    return {
        by: name,
        "customers": n,
        "expected_value": float(worth.sum()),
        "mean_expected_value": mean,
        "mean_low": max(mean - half, 0.0) if not np.isnan(half) else half,
        "mean_high": mean + half,
        "mean_value_to_date": past,
        "mean_lifetime_value": past + mean,
        "mean_repeat_purchases": float(rows["repeat_purchases"].mean()),
    }


def _headline(table: pd.DataFrame, by: str) -> str:
    readable = table[table["customers"] >= MIN_N]
    if len(readable) < 2:
        return f"There are too few groups of {MIN_N} customers to compare by {by}."
    if not readable["mean_expected_value"].notna().all():
        return "What customers are expected to bring is not known: too few bought again for more than 0."
    best = readable.iloc[int(readable["mean_expected_value"].argmax())]
    rest = readable.iloc[int(readable["mean_expected_value"].argmin())]
    apart = "beyond noise" if best["mean_low"] > rest["mean_high"] else "but their intervals meet"
    return (
        f"Customers of {best[by]} are expected to bring {best['mean_expected_value']:,.2f} each ({best['mean_low']:,.2f} to {best['mean_high']:,.2f}, n = {best['customers']:,}), those of "
        f"{rest[by]} {rest['mean_expected_value']:,.2f} ({rest['mean_low']:,.2f} to {rest['mean_high']:,.2f}, n = {rest['customers']:,}), {apart}. "
        f"With what they brought already that is {best['mean_lifetime_value']:,.2f} and {rest['mean_lifetime_value']:,.2f}."
    )


def subscription_value(
    survival: Result,
    *,
    price: float,
    every_days: float = MONTH_DAYS,
    horizon_days: float | None = None,
    rate: float = 0.0,
) -> SubscriptionValue:
    """What a subscription is worth from how long subscriptions last: price × the share still there at each payment day.

    Payments fall due on day 0, `every_days`, 2·`every_days`, … before the horizon; a payment counts with the curve's value at its day, so who has left on or
    before that day does not pay, and is discounted by `rate` a year. Nothing is added beyond the curve's last day: what cannot be seen is not counted.

    Parameters
    ----------
    survival
        What `cj.survival` gave, without groups.
    price
        Of one payment.
    every_days
        Between payments.
    horizon_days
        To when; None, or later than that: the curve's last day.
    rate
        Interest per year.

    Returns
    -------
    SubscriptionValue
        `.table`: `payment`, `day`, `share_surviving`, `value`, `cumulative_value`, `cumulative_low`, `cumulative_high`. `.metrics`: `value` with an interval from
        the curve's bounds.

    Raises
    ------
    CjlibError
        When the curve has groups, or a number cannot be used.
    """
    curve = _one_curve(survival)
    _check_terms(price, every_days, horizon_days, rate)
    last = float(curve["day"].iloc[-1])
    end = last if horizon_days is None else min(float(horizon_days), last)
    days = np.arange(0.0, max(end, 1e-9), every_days)
    at = np.searchsorted(curve["day"].to_numpy(dtype=float), days, side="right") - 1
    shares = curve["share_surviving"].to_numpy(dtype=float)[at]
    worth = price * (1 + rate) ** (-days / 365.25)
    low, high = (
        np.cumsum(worth * np.where(np.isnan(bound), shares, bound))
        for bound in (curve[name].to_numpy(dtype=float)[at] for name in BOUNDS)
    )
    table = pd.DataFrame(
        {
            "payment": np.arange(1, days.size + 1),
            "day": days,
            "share_surviving": shares,
            "value": worth * shares,
        }
    )
    table = table.assign(
        cumulative_value=table["value"].cumsum(), cumulative_low=low, cumulative_high=high
    )
    total, n = float(table["cumulative_value"].iloc[-1]), int(curve["at_risk"].iloc[0])
    return SubscriptionValue(
        table=table,
        headline=(
            f"A new subscription is worth {total:,.2f} over {end:,.0f} days ({low[-1]:,.2f} to {high[-1]:,.2f}, n = {n:,}): {count_of(days.size, 'payment')} of {price:,.2f}, "
            f"each as likely as a customer is still there. What comes after the curve's last day, {last:,.0f}, is not counted."
        ),
        definition={
            "payments": f"every {every_days:,.4g} days from day 0, before day {end:,.0f}",
            "share": "the curve's value at the payment's day: who has left on or before it does not pay",
            "interval": "from the 95% bounds of the curve, all at once: wide",
            "discount": f"{percent(rate)} a year",
            **{f"curve: {name}": text for name, text in survival.definition.items()},
        },
        metrics={"value": metric(total, float(low[-1]), float(high[-1]), n)},
        price=float(price),
        end_day=end,
    )


def _one_curve(survival: Result) -> pd.DataFrame:
    curve = survival.table if isinstance(survival, Result) else pd.DataFrame()
    if (
        not {"day", "share_surviving", *BOUNDS} <= set(curve.columns)
        or curve["day"].duplicated().any()
    ):
        raise CjlibError(
            "survival: must be one curve in days, as cj.survival(log, …) gives it without by=."
        )
    if curve.empty:
        raise DataError(
            "survival: nobody is in it, so nothing can be said of how long a subscription lasts. Look at its definition."
        )
    return curve


def _check_terms(price: float, every_days: float, horizon_days: float | None, rate: float) -> None:
    asked: dict[str, tuple[Any, float, str]] = {
        "price": (price, -TINY, "0 or more"),
        "every_days": (every_days, 0, "above 0"),
        "rate": (rate, -1, "above -1"),
    }
    if horizon_days is not None:
        asked["horizon_days"] = (horizon_days, 0, "above 0")
    for name, (given, above, allowed) in asked.items():
        number = isinstance(given, int | float | np.integer | np.floating) and not isinstance(
            given, bool
        )
        if not number or not above < given < np.inf:
            raise CjlibError(f"{name}: must be a number, {allowed}. Got {shown(given)}.")
