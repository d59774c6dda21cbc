"""What each customer is worth, as the journey file or a table states it, and customer value by channel or cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.value import NO_MONEY, confidence_in_money
from cjlib.analyses.value.customer_lifetime_value import CustomerValue, customer_value
from cjlib.errors import CjlibError, did_you_mean, listed, not_a_log, shown
from cjlib.shared.comparison import (
    MIN_N,
    MeanComparison,
    group_means_against_others,
    known_at_once,
    named_in_turn,
    not_compared_with,
    others_in_words,
)
from cjlib.shared.group_by import first_values, left_out_words, names_given
from cjlib.shared.silences import warned
from cjlib.shared.stats import mean_interval, part_of_sum
from cjlib.show.numbers import about, count_of, money
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
FIGURES = (
    "customers",
    "expected_value",
    "mean_expected_value",
    "mean_low",
    "mean_high",
    "mean_value_to_date",
    "mean_lifetime_value",
    "mean_repeat_purchases",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "without",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueBy(Result):
    """Value by group; `by` is the column."""

    by: str = ""


def value_by(
    value: CustomerValue | StatedValue, log: EventLog | pd.DataFrame, *, by: str | None = "cohort"
) -> ValueBy:
    """Expected and past value of the customers of each group: who has bought, no one else.

    Each customer counts in one group: by `"cohort"` the month of the first event in the log's zone,
    else the value of a column at the first event that has one; where events tie, the smallest as
    text. Lifetime value is what a customer has brought to date and what is expected within the
    value's horizon. Mean of the expected with its 95% CI (t; of the mean, not of one customer) over
    customers drawn again with both models fitted to them again. Each group of at least 30 customers is tested against all others together, p-values
    adjusted over the groups; interval and p of the difference are of one test, which works on the
    logarithms of means, since money has long tails. Cohorts are not tested: they differ in age, and
    with it in how many still buy.

    Parameters
    ----------
    value
        What `cj.customer_value` gave for this log.
    log
        The events.
    by
        `"cohort"`, or a column; None: there is nothing to group by.

    Returns
    -------
    ValueBy
        `.table`: the group, `customers`, `expected_value`, `mean_expected_value`, `mean_low`,
        `mean_high`, `mean_value_to_date`, `mean_lifetime_value`, `mean_repeat_purchases`, and
        against all others `difference`, `difference_low`, `difference_high`, `p_value`,
        `p_adjusted`, `without`: the groups that differ more, named before and not among the others;
        cohorts by time, else largest first.

    Raises
    ------
    CjlibError
        If `value` is not what `cj.customer_value` gave, `log` is no event log, or there is no such
        column.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a
    general approach. Statistics in Medicine 27.
    """
    if isinstance(value, StatedValue):
        return ValueBy.unanswered(
            "A table of customers has no dates, so what customers brought to date and are yet to bring cannot be told apart."
        )
    if not isinstance(value, CustomerValue):
        raise CjlibError(
            f"value: must be what cj.customer_value(log, …) gave. Got {shown(type(value).__name__)}."
        )
    if not value.answered:
        return ValueBy.unanswered(value.reason)
    if by is None:
        return ValueBy.unanswered("There are no groups to compare: the log has no column for it.")
    names_given(by, "by", taken=FIGURES)
    if not isinstance(log, EventLog):
        raise not_a_log(log)
    groups = _cohorts(log) if by == "cohort" else first_values(log, by, _known_at(log, value))
    customers = value.table.assign(group=value.table["customer_id"].astype("str").map(groups))
    if customers["expected_value"].isna().any():
        return ValueBy.unanswered(
            "What customers are expected to bring is not known: too few bought again for more than 0, or as much was paid back as was bought."
        )
    names: list[str | None] = sorted(customers["group"].dropna().unique().tolist())
    names += [None] if customers["group"].isna().any() else []
    code = customers["group"].map({name: place for place, name in enumerate(names)})
    group = np.asarray(code.fillna(len(names) - 1), dtype=np.int64)
    comparable = np.array(
        [name is not None or log.missing_by_event(by) for name in names], dtype=bool
    )
    compared, told, without = _compared(customers, group, names, comparable, by)
    ends = value.ends_of_means(group, len(names)).T
    figures = pd.DataFrame(
        [
            {by: name} | _figures(customers[_in_group(customers["group"], name)], drawn)
            for name, drawn in zip(names, ends, strict=True)
        ]
    )
    table = figures.assign(**told.columns(), without=pd.Series(without, dtype="str"))
    claimed = table[told.claims]
    if by != "cohort":
        table = table.sort_values("customers", ascending=False, kind="stable", ignore_index=True)
    within = f"in the next {value.definition['horizon']}"
    return ValueBy(
        table=table,
        headline=(
            _cohort_headline(table, within)
            if by == "cohort"
            else _headline(table, claimed, by, compared, within)
        )
        + warned(value.definition.get("totals", "")),
        definition=_definition(
            value, by, len(customers), compared.words + left_out_words(comparable)
        ),
        metrics=_metrics(table, by),
        findings=_findings(claimed, by, compared, within),
        families={compared.name: compared.tests} if compared.tests else {},
        by=by,
    )


def _compared(
    customers: pd.DataFrame,
    group: NDArray[np.int64],
    names: list[str | None],
    comparable: NDArray[np.bool_],
    by: str,
) -> tuple[MeanComparison, MeanComparison, list[str]]:
    """Each group beside all others, and beside those not named before it, with who they are."""
    worth = customers["expected_value"].to_numpy(dtype=float)

    def beside(others: NDArray[np.bool_]) -> MeanComparison:
        return group_means_against_others(
            f"mean expected value by {by}",
            group,
            worth,
            len(names),
            follow_up=known_at_once("the forecast's day, for the same horizon"),
            min_n=MIN_N if by != "cohort" else len(customers) + 1,
            beside=others,
        )

    overall, told, others = named_in_turn(beside, comparable)
    return overall, told, not_compared_with([_shown(name) for name in names], others)


def _definition(value: CustomerValue, by: str, customers: int, compared: str) -> dict[str, str]:
    group, tests = f"{by} at the first event up to the forecast's day that has one", compared
    if by == "cohort":
        group = "month of the first event"
        tests = "none: cohorts differ in age, and with it in how many still buy"
    return {
        "customers": f"{customers:,} who have bought; the others are in no group",
        "group": group,
        "expected value": f"within {value.definition['horizon']} of {value.definition['as of']}",
        "lifetime value": "what customers brought to date and the expected value together; older groups have had more time",
        "interval": "95%, of the mean expected value, over customers and fits of the models",
        "differences": "of the forecast, which is fitted to all customers together and draws each towards their average: true ones are rather larger",
        "tests": tests,
    }


def _metrics(table: pd.DataFrame, by: str) -> dict[str, Metric]:
    return {
        f"mean_expected_value_{_shown(row[by])}": metric(
            row["mean_expected_value"],
            row["mean_low"],
            row["mean_high"],
            row["customers"],
            label=f"Expected value, {_shown(row[by])}",
            unit="money",
            better="higher",
        )
        for row in table.to_dict("records")
    }


def _in_group(groups: pd.Series, name: str | None) -> pd.Series:
    return groups.isna() if name is None else groups == name


def _known_at(log: EventLog, value: CustomerValue) -> NDArray[np.int64]:
    """The end of the forecast's day for each customer code: a group that became known later may have been made by what was forecast."""
    day = log.instant(value.definition["as of"], "as_of", end=True)
    return np.full(log.n_customer_codes, day, dtype=np.int64)


def _cohorts(log: EventLog) -> pd.Series:
    events = log.fetch("customer", "time")
    first = np.flatnonzero(np.diff(events["customer"], prepend=-1))
    months = [f"{moment:%Y-%m}" for moment in log.moments(events["time"][first])]
    ids = [str(customer) for customer in log.customer_ids(events["customer"][first])]
    return pd.Series(months, index=ids, dtype="str")


def _figures(rows: pd.DataFrame, drawn: Floats) -> dict[str, Any]:
    worth = np.sort(rows["expected_value"].to_numpy(dtype=float))
    low, high = _interval(worth, drawn)
    mean, past = float(worth.mean()), float(rows["value_to_date"].mean())
    return {
        "customers": worth.size,
        "expected_value": float(worth.sum()),
        "mean_expected_value": mean,
        "mean_low": low if np.isnan(low) else max(low, 0.0),
        "mean_high": high,
        "mean_value_to_date": past,
        "mean_lifetime_value": past + mean,
        "mean_repeat_purchases": float(rows["repeat_purchases"].mean()),
    }


def _interval(worth: Floats, drawn: Floats) -> tuple[float, float]:
    """The 95% t interval of a mean, or as far as its draws reach, in which the models are fitted again; none where it has no spread."""
    low, high = mean_interval(worth)
    if np.isnan(low):
        return low, high
    below, above = (worth.mean() * drawn).tolist()
    return float(np.fmin(low, below)), float(np.fmax(high, above))


def _headline(
    table: pd.DataFrame, claimed: pd.DataFrame, by: str, compared: MeanComparison, within: str
) -> str:
    """The largest difference of those named in turn: a group that brings much makes no news of all the others."""
    total, n = float(table["expected_value"].sum()), int(table["customers"].sum())
    base = f"{count_of(n, 'customer')} are expected to bring {money(total / n, 2)} each {within}"
    if not compared.tests:
        return f"{base}; there are too few groups of {MIN_N} customers to compare by {by}."
    clear = claimed.sort_values("difference", key=abs, ascending=False, kind="stable")
    if clear.empty:
        return f"{base}; no {by} differs significantly from the others ({count_of(compared.tests, 'group')} compared)."
    row = clear.iloc[0]
    return f"Customers of {_shown(row[by])} are expected to bring {_amounts(row, within)} {len(clear):,} of {count_of(compared.tests, 'group')} {'differs' if len(clear) == 1 else 'differ'} significantly from the others."


def _amounts(row: pd.Series, within: str) -> str:
    more = row["difference"] > 0
    low, high = sorted(abs(row[name]) for name in ("difference_low", "difference_high"))
    return (
        f"{money(row['mean_expected_value'], 2)} each {within} (n = {row['customers']:,}), "
        f"{money(abs(row['difference']), 2)} {'more' if more else 'less'} than {others_in_words(row['without'])} (95% CI of the forecast {money(low, 2)} to {money(high, 2)})."
    )


def _shown(name: Any) -> str:
    return "(not set)" if pd.isna(name) else str(name)


def _cohort_headline(table: pd.DataFrame, within: str) -> str:
    total, n = float(table["expected_value"].sum()), int(table["customers"].sum())
    if not total > 0:
        return f"{count_of(n, 'customer')} are expected to bring nothing more {within}."
    most = table.iloc[int(table["expected_value"].argmax())]
    part = part_of_sum(float(most["expected_value"]), table["expected_value"].to_numpy(float))
    size = "" if np.isnan(part) else f", {about(part)},"
    return (
        f"{count_of(n, 'customer')} are expected to bring {money(total, 2)} {within}; the largest part{size} comes from the "
        f"{count_of(most['customers'], 'customer')} first seen in {most['cohort']}."
    )


def _findings(
    claimed: pd.DataFrame, by: str, compared: MeanComparison, within: str
) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            topic=f"value by {by}",
            claim=f"Customers of {_shown(row[by])} are worth {'more' if row['difference'] > 0 else 'less'}: {_amounts(row, within)}",
            direction="good" if row["difference"] > 0 else "bad",
            family=compared.name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=int(row["customers"]),
            unit="money",
            customers=int(row["customers"]),
            money=abs(row["difference"]) * row["customers"],
            figure="groups",
        )
        for _, row in claimed.sort_values(
            "difference", key=abs, ascending=False, kind="stable"
        ).iterrows()
    )


PARSES = 0.99


@dataclass(frozen=True, kw_only=True, eq=False)
class StatedValue(Result):
    """Customers' value as a column states it; `amount` is the column."""

    amount: str


def stated_value(customers: pd.DataFrame, *, amount: str) -> StatedValue:
    """What each customer brings by a column of the table, such as a monthly charge: stated, not forecast, and over the column's own time.

    One row a customer; rows without an amount are left out and counted, negative amounts count as
    they stand. Mean with its 95% CI over customers (t).

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
    mean, (low, high) = total / n, mean_interval(np.sort(values))
    top = float(np.sort(values[table["decile"].to_numpy() == 1]).sum())
    of_all = part_of_sum(top, values)
    return StatedValue(
        table=table,
        headline=(
            f"By {amount} {count_of(n, 'customer')} {'brings' if n == 1 else 'bring'} {money(total)} in all, {money(mean, 2)} each{confidence_in_money(low, high, ' (', ')')}"
            + (
                f"; the most valuable tenth brings {about(of_all)} of it."
                if n >= MIN_N and not np.isnan(of_all)
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
                low,
                high,
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
