"""What a table of customers says each of them brings, where there are no purchases to forecast from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.result import Result, metric
from cjlib.analyses.value import NO_MONEY
from cjlib.analyses.value.customer_lifetime_value import CustomerValue, customer_value
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.shared.stats import Z95
from cjlib.show.numbers import about, count_of, money
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog

PARSES = 0.99


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedValue(Result):
    """Customers' value as a column states it; `amount` is the column."""

    amount: str


def stated_value(customers: pd.DataFrame, *, amount: str) -> StatedValue:
    """What each customer brings by a column of the table, such as a monthly charge: stated, not forecast, and over the column's own time.

    One row a customer; rows without an amount are left out and counted, negative amounts count as
    they stand. Mean with its 95% CI over customers (normal approximation).

    Parameters
    ----------
    customers
        One row a customer, with `customer_id` where they have one, else numbered by row.
    amount
        The column; text counts where at least 99% of its filled rows are numbers.

    Returns
    -------
    StatedValue
        `.table`: `customer_id`, `expected_value` (the amount), `decile` (1 = the most valuable
        tenth; ties by customer id), in the table's order.

    Raises
    ------
    CjlibError
        If there is no such column, or it holds no amounts.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> customers = pd.DataFrame({"customer_id": ["ana", "bob"], "monthly": [20.0, 30.0]})
    >>> cj.stated_value(customers, amount="monthly").metrics["mean_value"]["value"]
    25.0
    """
    if amount not in customers.columns:
        raise CjlibError(
            f"amount: there is no column {shown(amount)}.{did_you_mean(amount, customers.columns)} The table has: {listed(customers.columns, most=20)}."
        )
    read = _numbers(customers[amount], amount)
    known = read.notna().to_numpy()
    numbered = pd.Series(np.arange(1, len(customers) + 1).astype(str), dtype="str")
    ids = (
        customers["customer_id"].astype("str") if "customer_id" in customers.columns else numbered
    ).to_numpy()[known]
    values = read.to_numpy(dtype=float)[known]
    table = pd.DataFrame(
        {
            "customer_id": pd.Series(ids, dtype="str"),
            "expected_value": values,
            "decile": _deciles(values, ids),
        }
    )
    n, total = values.size, float(np.sort(values).sum())
    half = Z95 * float(values.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
    mean = total / n
    top = float(np.sort(values[table["decile"].to_numpy() == 1]).sum())
    return StatedValue(
        table=table,
        headline=(
            f"By {amount} {n:,} customers bring {money(total)} in all, {money(mean, 2)} each (95% CI {money(mean - half, 2)} to {money(mean + half, 2)})"
            + (
                f"; the most valuable tenth brings {about(top / total)} of it."
                if total > 0
                else "."
            )
        ),
        definition={
            "value": f"{amount}, as the table states it: no forecast, and over whatever time that column is for",
            "customers": f"{n:,}; {count_of(len(read) - n, 'row')} without an amount left out",
            "decile": "1 = the most valuable tenth; ties by customer id",
            "interval": "95%, of the mean over customers",
        },
        metrics={
            "mean_value": metric(
                mean,
                mean - half,
                mean + half,
                n,
                label="Mean value of a customer",
                unit="money",
                better="higher",
            ),
            "total_value": metric(
                total, n=n, label="Value of all customers", unit="money", better="higher"
            ),
        },
        amount=amount,
    )


def value_of(
    customers: EventLog | pd.DataFrame, *, value: str | None, horizon: Duration, **options: Any
) -> CustomerValue | StatedValue:
    """What each customer brings: of a log what `cj.customer_value` expects, of a table of customers what a column states.

    Parameters
    ----------
    customers
        The events, or one row a customer.
    value
        The column with the money; None: not known, and so no answer.
    horizon, **options
        As `cj.customer_value` takes them; a table has no time.

    Returns
    -------
    CustomerValue or StatedValue
        Both with `customer_id` and `expected_value`.

    Raises
    ------
    CjlibError
        If the column does not exist or holds no amounts; and as `cj.customer_value` says.
    """
    if value is None:
        return CustomerValue.unanswered(NO_MONEY)
    if not isinstance(customers, pd.DataFrame):
        return customer_value(customers, value=value, horizon=horizon, **options)
    return stated_value(customers, amount=value)


def _numbers(values: pd.Series, amount: str) -> pd.Series:
    read = pd.to_numeric(values, errors="coerce").astype(float)
    filled = values.notna() & (values.astype("str").str.strip() != "")
    finite = read[filled].map(np.isfinite)
    if not finite.any() or finite.mean() < PARSES:
        raise CjlibError(
            f"amount: column {shown(amount)} holds no amounts, such as {shown(values[filled].iloc[0] if filled.any() else '')}. Name a column of numbers."
        )
    return read.where(read.map(np.isfinite))


def _deciles(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    place = np.empty(values.size, dtype=np.int64)
    place[np.lexsort((ids.astype(str), -values))] = np.arange(values.size)
    return place * 10 // max(values.size, 1) + 1
