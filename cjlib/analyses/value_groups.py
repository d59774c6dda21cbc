"""Customer value by channel or cohort, and the value of a subscription from how long subscriptions last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.result import MIN_N, Result, metric
from cjlib.analyses.value import CustomerValue
from cjlib.errors import CjlibError, shown
from cjlib.sources.events import EventLog

Z95 = 1.959964
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueBy(Result):
    """Value by group; `by` is the column."""

    by: str


def value_by(value: CustomerValue, log: EventLog, *, by: str = "cohort") -> ValueBy:
    """Expected and past value of the customers of each group.

    Each customer counts in one group: by `"cohort"` the month of the first event in the log's zone, else the value of a column at the first event that has one;
    where events tie, the smallest as text. Mean with its 95 % interval over customers (normal approximation, of the mean, not of one customer).

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
        `.table`: the group, `customers`, `expected_value`, `mean_expected_value`, `mean_low`, `mean_high`, `mean_repeat_purchases`; cohorts by time, else largest first.
    """
    groups = _cohorts(log) if by == "cohort" else _first_values(log, by)
    known = value.table.assign(key=value.table["customer_id"].astype("str"))
    named = known["key"].map(groups)
    rows = [_row(by, name, known[(named == name).to_numpy()]) for name in sorted(named.dropna().unique().tolist())]
    rows += [_row(by, None, known[named.isna().to_numpy()])] if named.isna().any() else []
    table = pd.DataFrame(rows)
    if by != "cohort":
        table = table.sort_values("customers", ascending=False, kind="stable", ignore_index=True)
    return ValueBy(
        table=table,
        headline=_headline(table, by),
        definition={
            "group": "month of the first event" if by == "cohort" else f"{by} at the first event that has one",
            "interval": "95 %, of the mean over customers",
            "value": value.definition.get("horizon", "") + ", expected",
        },
        metrics={
            f"mean_expected_value_{row[by] or '(not set)'}": metric(row["mean_expected_value"], row["mean_low"], row["mean_high"], row["customers"])
            for row in rows
        },
        by=by,
    )


def _cohorts(log: EventLog) -> pd.Series:
    found = log.fetch("customer", "time")
    first = np.flatnonzero(np.append(True, np.diff(found["customer"]) != 0)) if found["customer"].size else np.zeros(0, dtype=np.int64)
    months = [f"{one:%Y-%m}" for one in log.moments(found["time"][first])]
    return pd.Series(months, index=[str(one) for one in log.customer_ids(found["customer"][first])], dtype="str")


def _first_values(log: EventLog, by: str) -> pd.Series:
    codes, values = log.codes(by)
    found = log.fetch("customer", "time")
    rows = pd.DataFrame({"customer": found["customer"], "time": found["time"], "code": codes})
    first = rows[rows["code"] >= 0].sort_values(["customer", "time", "code"], kind="stable").drop_duplicates("customer")
    ids = [str(one) for one in log.customer_ids(first["customer"].to_numpy(dtype=np.int32))]
    return pd.Series([str(values[code]) for code in first["code"].tolist()], index=ids, dtype="str")


def _row(by: str, name: str | None, rows: pd.DataFrame) -> dict[str, Any]:
    worth = rows["expected_value"].to_numpy(dtype=float)
    n = worth.size
    mean = float(worth.mean()) if n else float("nan")
    half = Z95 * float(worth.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
    return {
        by: name,
        "customers": n,
        "expected_value": float(worth.sum()),
        "mean_expected_value": mean,
        "mean_low": max(mean - half, 0.0) if not np.isnan(half) else half,
        "mean_high": mean + half,
        "mean_repeat_purchases": float(rows["repeat_purchases"].mean()) if n else float("nan"),
    }


def _headline(table: pd.DataFrame, by: str) -> str:
    readable = table[table["customers"] >= MIN_N]
    if len(readable) < 2:
        return f"There are too few groups of {MIN_N} customers to compare by {by}."
    best = readable.iloc[int(readable["mean_expected_value"].argmax())]
    rest = readable.iloc[int(readable["mean_expected_value"].argmin())]
    apart = "beyond noise" if best["mean_low"] > rest["mean_high"] else "but their intervals meet"
    return (
        f"Customers of {best[by]} are expected to bring {best['mean_expected_value']:,.2f} each ({best['mean_low']:,.2f} to {best['mean_high']:,.2f}, n = {best['customers']:,}), those of "
        f"{rest[by]} {rest['mean_expected_value']:,.2f} ({rest['mean_low']:,.2f} to {rest['mean_high']:,.2f}, n = {rest['customers']:,}), {apart}."
    )


def subscription_value(
    survival: Result, *, price: float, every_days: float = MONTH_DAYS, horizon_days: float | None = None, rate: float = 0.0
) -> Result:
    """What a subscription is worth from how long subscriptions last: price × the share still there at each payment day.

    Payments fall due on day 0, `every_days`, 2·`every_days`, … before the horizon; each counts with the share surviving beyond the day before it (the curve's value
    at that day), discounted by `rate` a year. Nothing is added beyond the curve's last day: what cannot be seen is not counted.

    Parameters
    ----------
    survival
        What `cj.survival` gave, without groups.
    price
        Of one payment.
    every_days
        Between payments.
    horizon_days
        To when; None: the curve's last day.
    rate
        Interest per year.

    Returns
    -------
    Result
        `.table`: `payment`, `day`, `share_surviving`, `value`, `cumulative_value`. `.metrics`: `value` with an interval from the curve's bounds.
    """
    curve = survival.table
    if "day" not in curve or curve["day"].duplicated().any():
        raise CjlibError("survival: must be one curve in days, as cj.survival(log, …) gives it without by=.")
    if not price >= 0 or not every_days > 0 or not rate > -1:
        raise CjlibError(f"price, every_days, rate: must be at least 0, above 0, above -1. Got {shown((price, every_days, rate))}.")
    end = float(curve["day"].max()) if horizon_days is None else min(float(horizon_days), float(curve["day"].max()))
    days = np.arange(0.0, end + 1e-9, every_days)
    place = np.searchsorted(curve["day"].to_numpy(dtype=float), days, side="right") - 1
    discount = (1 + rate) ** (-days / 365.25)

    def worth(column: str) -> np.ndarray:
        shares = curve[column].fillna(curve["share_surviving"]).to_numpy(dtype=float)
        return price * shares[place] * discount

    value = worth("share_surviving")
    table = pd.DataFrame(
        {"payment": np.arange(1, days.size + 1), "day": days, "share_surviving": value / np.where(price * discount > 0, price * discount, 1)}
    )
    table = table.assign(value=value, cumulative_value=np.cumsum(value))
    low, high = float(worth("share_surviving_low").sum()), float(worth("share_surviving_high").sum())
    total, n = float(value.sum()), int(curve["at_risk"].iloc[0])
    return Result(
        table=table,
        headline=f"A new subscription is worth {total:,.2f} over {end:,.0f} days ({low:,.2f} to {high:,.2f}, n = {n:,}): {days.size} payments of {price:,.2f}, as far as the curve reaches.",
        definition={
            "payments": f"every {every_days:,.4g} days from day 0",
            "interval": "from the 95 % bounds of the curve, all at once: wide",
            "discount": f"{rate:.1%} a year",
        },
        metrics={"value": metric(total, low, high, n)},
    )
