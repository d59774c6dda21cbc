"""What a contract is worth: payments weighted by how long contracts last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.result import Result, metric
from cjlib.analyses.value import NO_MONEY, confidence_in_money
from cjlib.errors import CjlibError, DataError, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.stats import Z95, enough_followed, mean_interval
from cjlib.show.numbers import about, count_of, money, percent
from cjlib.sources.journey import Journey
from cjlib.sources.log.conditions import Event
from cjlib.sources.log.durations import MICROSECONDS
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
DAY = MICROSECONDS["D"]
MONTH_DAYS = 365.25 / 12
TINY = float(np.finfo(float).tiny)
RECURS, MOST, NEAR = 3, 0.5, 0.25
"""Payments recur where most payers pay so often, and where this share of gaps is so near to the payer's own median gap."""
MOST_PLANS = 12
"""More first amounts than these are no price list."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SubscriptionValue(Result):
    """The worth of one subscription, payment by payment.

    Attributes
    ----------
    price
        Of one payment: the one given, or the mean of the payments seen.
    end_day
        The day to which payments are counted.
    plans
        The same by plan: `plan` (the first payment), `customers`, `every_days`, `value`, `value_low`, `value_high`; empty where there is one.
    """

    price: float = float("nan")
    end_day: float = float("nan")
    plans: pd.DataFrame = field(default_factory=pd.DataFrame)


def contract_worth(journey: Journey, log: EventLog | pd.DataFrame) -> SubscriptionValue:
    """What a contract brings, where leaving is an event and the same customers pay again and again.

    A contract begins with a customer's first payment above 0 and ends with the first event of
    leaving at or after it, else at the end of data; its payments are those from the one to the
    other, refunds taken off: also those after the leaving, at its instant, until a next payment. What a contract has brought by an age is the sum over all payments up
    to that age of (share of contracts that last so long) × (payment ÷ contracts still followed
    then): each plan counts with those who chose it and for as long as they keep it. Counted up to
    the last age that at least 30 contracts were followed to. Payments recur if at least half of the
    payers who were followed for two and a half gaps paid three times or more, and at least half of
    all gaps lie within a quarter of the payer's own median gap; else the reason is told, with what
    a payer has paid.

    Parameters
    ----------
    journey
        Its `value` says what a payment is, its `churn` which event ends a contract.
    log
        The events.

    Returns
    -------
    SubscriptionValue
        `.table`: `payment`, `day`, `share_surviving`, `value`, `cumulative_value`,
        `cumulative_low`, `cumulative_high`: one row for each median gap, with the payments nearer
        to it than to its neighbours. `.plans`. `.metrics`: `value` with its 95% CI over customers.

    Raises
    ------
    CjlibError
        If the journey file's column of money holds no numbers.

    References
    ----------
    Ghosh, D. & Lin, D. Y. (2000). Nonparametric analysis of recurrent events and death. Biometrics
    56.
    """
    if not isinstance(log, EventLog):
        return SubscriptionValue.unanswered(
            "A table of customers has no dates, so payments cannot be followed. Where a column counts the time so far, ask cj.survival_table."
        )
    if journey.value is None:
        return SubscriptionValue.unanswered(NO_MONEY)
    if journey.churn is None or journey.churn.event is None:
        return SubscriptionValue.unanswered(
            "No event ends a contract in this journey file, so its length is not known: see what customers are expected to buy instead."
        )
    if journey.value.amount not in log.properties:
        return SubscriptionValue.unanswered(
            f"What a contract is worth is not known: the log has no column {shown(journey.value.amount)}."
        )
    contracts = _contracts(log, journey.value.event, journey.value.amount, journey.churn.event)
    payers = contracts.followed.size
    if payers < MIN_N:
        return SubscriptionValue.unanswered(
            f"{count_of(payers, 'customer')} paid: fewer than {MIN_N}, too few to say what a contract is worth."
        )
    fault = _why_no_contract(contracts)
    return _counted(contracts, log) if not fault else _per_payer(contracts, fault)


@dataclass(frozen=True, eq=False)
class _Contracts:
    """Contracts by position: how long each was followed and whether it ended; and every payment by contract and age. Times in microseconds."""

    followed: Ints
    ended: Flags
    of: Ints
    age: Ints
    amount: Floats

    @property
    def first_amount(self) -> Floats:
        """The first payment of each contract."""
        return self.amount[np.flatnonzero(np.diff(self.of, prepend=-1))]

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """`contract` and `gap`: the time from each payment above 0 to the contract's next at another instant."""
        of, age = self.of[self.amount > 0], self.age[self.amount > 0]
        same = (np.diff(of) == 0) & (np.diff(age) > 0)
        return pd.DataFrame({"contract": of[1:][same], "gap": np.diff(age)[same]})

    @property
    def every(self) -> float:
        """The median gap."""
        return float(self.gaps["gap"].median())

    def only(self, chosen: Flags) -> _Contracts:
        """Those that a mask chooses."""
        mine = chosen[self.of]
        return _Contracts(
            self.followed[chosen],
            self.ended[chosen],
            (np.cumsum(chosen) - 1)[self.of[mine]],
            self.age[mine],
            self.amount[mine],
        )


def _contracts(log: EventLog, payment: Event, amount: str, leaving: Event) -> _Contracts:
    where = log.match(payment, "value.event")
    amounts = np.nan_to_num(log.numbers(amount, where=where))
    rows = log.fetch("customer", "time", where=where)
    # Sorted by amount as well: a sum must not depend on the order of rows of one instant.
    order = np.lexsort((-amounts, rows["time"], rows["customer"]))
    paid = pd.DataFrame(
        {"customer": rows["customer"][order], "time": rows["time"][order], "amount": amounts[order]}
    )
    paid = paid[paid["amount"] != 0]
    start = paid[paid["amount"] > 0].groupby("customer")["time"].min()
    left = pd.DataFrame(log.fetch("customer", "time", where=log.match(leaving, "churn.event")))
    left = left[left["time"] >= left["customer"].map(start)]
    end = left.groupby("customer")["time"].min().reindex(start.index)
    until = end.fillna(log.observed_until_us).astype("int64")
    paid = _late_refunds_at_the_end(paid, until)
    paid = paid[
        (paid["time"] >= paid["customer"].map(start))
        & (paid["time"] <= paid["customer"].map(until))
    ]
    of = np.searchsorted(start.index.to_numpy(), paid["customer"].to_numpy())
    return _Contracts(
        (until - start).to_numpy(dtype=np.int64),
        end.notna().to_numpy(),
        of.astype(np.int64),
        paid["time"].to_numpy(dtype=np.int64) - start.to_numpy(dtype=np.int64)[of],
        paid["amount"].to_numpy(dtype=float),
    )


def _late_refunds_at_the_end(paid: pd.DataFrame, until: pd.Series) -> pd.DataFrame:
    """What is paid back after the leaving counts at its instant, unless the customer has begun to pay again: a refund follows the leaving that it settles."""
    end = paid["customer"].map(until)
    later = paid[(paid["amount"] > 0) & (paid["time"] > end)]
    again = paid["customer"].map(later.groupby("customer")["time"].min())
    settles = (paid["amount"] < 0) & (paid["time"] > end) & ~(paid["time"] >= again)
    return paid.assign(time=paid["time"].where(~settles, end).astype("int64"))


def _why_no_contract(contracts: _Contracts) -> str:
    """Why payments do not recur; "" where they do."""
    gaps = contracts.gaps
    if gaps.empty:
        return "No customer paid twice"
    long_enough = contracts.followed >= 2.5 * contracts.every
    payments = np.bincount(contracts.of[contracts.amount > 0], minlength=contracts.followed.size)[
        long_enough
    ]
    often = int(np.count_nonzero(payments >= RECURS))
    if payments.size < MIN_N:
        return f"Only {count_of(payments.size, 'payer')} had the time for {RECURS} payments"
    if often < payments.size * MOST:
        return f"Only {often:,} of {count_of(payments.size, 'payer')} with the time for it paid {RECURS} times or more"
    own = gaps.groupby("contract")["gap"].transform("median")
    regular = float(((gaps["gap"] - own).abs() <= NEAR * own).mean())
    if regular < MOST:
        return f"Only {about(regular)} of the times between payments are regular"
    return ""


def _per_payer(contracts: _Contracts, fault: str) -> SubscriptionValue:
    sums = np.sort(np.bincount(contracts.of, contracts.amount, contracts.followed.size)).astype(
        float
    )
    mean, (low, high) = float(sums.mean()), mean_interval(sums)
    within = confidence_in_money(low, high, " (", f", n = {sums.size:,})")
    reason = f"{fault}, so there is no contract to value. A payer paid {money(mean, 2)} on average{within}."
    return replace(
        SubscriptionValue.unanswered(reason),
        metrics={
            "value_per_payer": metric(
                mean, low, high, sums.size, label="Value per payer", unit="money", better="higher"
            )
        },
    )


def _counted(contracts: _Contracts, log: EventLog) -> SubscriptionValue:
    brought = _Brought(contracts)
    every, end = contracts.every, brought.end
    days = np.arange(0.0, end + 1, every)
    upper = np.append(days[1:] - every / 2, end)
    value, low, high = brought.by(upper)
    table = pd.DataFrame(
        {
            "payment": np.arange(1, days.size + 1),
            "day": days / DAY,
            "share_surviving": brought.surviving(days),
            "value": np.diff(value, prepend=0.0),
            "cumulative_value": value,
            "cumulative_low": low,
            "cumulative_high": high,
        }
    )
    n, price = (
        contracts.followed.size,
        float(np.sort(contracts.amount[contracts.amount > 0]).mean()),
    )
    plans = _plans(contracts, end)
    return SubscriptionValue(
        table=table,
        headline=(
            f"A contract has brought {money(value[-1], 2)} in its first {count_of(end // DAY, 'day')} ({confidence_in_money(low[-1], high[-1], after=', ')}n = {n:,}), "
            f"paid about every {every / DAY:,.3g} days. What comes later is not counted."
        ),
        definition={
            "contract": "from the first payment seen to the first event of leaving, else to the end of data; one that began before the log counts from its first payment in it",
            "value": "each payment, weighted by the share of contracts that last so long and divided by those still followed then; refunds are taken off, those after leaving too",
            "price": f"{money(price, 2)}, the mean of all payments above 0; the value is counted from the payments themselves, at the prices of their days: after a change a new contract brings something else",
            "counted to": f"day {end / DAY:,.0f}, the last to which {MIN_N} contracts were followed",
            "plans": f"{len(plans):,}, told by the first payment" if len(plans) else "one",
            "interval": "95%, over customers (Ghosh and Lin); missing where nobody has left yet",
            "observed until": f"{log.observed_until:%Y-%m-%d}",
        },
        metrics={
            "value": metric(
                value[-1],
                low[-1],
                high[-1],
                n,
                label="Value of a contract",
                unit="money",
                better="higher",
                scale=f"to day {end // DAY:.0f}",
            )
        },
        price=price,
        end_day=end / DAY,
        plans=plans,
    )


class _Brought:
    """What a contract has brought by an age, with its variance over customers."""

    def __init__(self, contracts: _Contracts, end: float | None = None) -> None:
        self.contracts = contracts
        followed = np.sort(contracts.followed)
        self.end = float(followed[-min(MIN_N, followed.size)]) if end is None else end
        self.left_at = np.unique(contracts.followed[contracts.ended])
        left = np.bincount(
            np.searchsorted(self.left_at, contracts.followed[contracts.ended]),
            minlength=self.left_at.size,
        )
        at_risk = self._at_risk(followed, self.left_at)
        self.share = np.append(1.0, np.cumprod(1 - left / at_risk))
        weight = self.share[np.searchsorted(self.left_at, contracts.age)]
        followed_then = self._at_risk(followed, contracts.age)
        self.credit = contracts.amount * weight / followed_then
        order = np.argsort(contracts.age, kind="stable")
        self.paid_at = contracts.age[order]
        self.sums = np.append(0.0, np.cumsum(self.credit[order]))
        self.sums_at_risk = np.append(0.0, np.cumsum((self.credit / followed_then)[order]))
        # Of contracts that end at one instant each takes its share of what is left: at risk less those who leave, as in Greenwood's formula.
        staying = np.maximum(at_risk - left, 1.0)
        hazard = left / (at_risk * staying)
        self.hazard = np.append(0.0, np.cumsum(hazard))
        self.hazard_by_sum = np.append(0.0, np.cumsum(hazard * self._paid_by(self.left_at)))
        self.staying = np.append(staying, 1.0)[np.searchsorted(self.left_at, contracts.followed)]

    @staticmethod
    def _at_risk(followed: Ints, ages: NDArray[Any]) -> Floats:
        return (followed.size - np.searchsorted(followed, ages)).astype(float)

    def _paid_by(self, ages: NDArray[Any]) -> Floats:
        return self.sums[np.searchsorted(self.paid_at, ages, side="right")]

    def surviving(self, ages: Floats) -> Floats:
        """The share of contracts that last longer."""
        return self.share[np.searchsorted(self.left_at, ages, side="right")]

    def by(self, ages: Floats) -> tuple[Floats, Floats, Floats]:
        """The value of the payments up to each age, and its 95% CI."""
        value = self._paid_by(ages)
        if not self.left_at.size:  # how long contracts last is not known while nobody has left
            unknown = np.full(value.size, np.nan)
            return value, unknown, unknown
        half = Z95 * np.array([self._error(age) for age in ages.tolist()])
        return value, value - half, value + half

    def _error(self, age: float) -> float:
        """From the influence of each customer: what it paid and would have been expected to, whether it left and what was then still to come."""
        contracts = self.contracts
        seen = contracts.age <= age
        paid = np.bincount(contracts.of[seen], self.credit[seen], contracts.followed.size)
        until = np.minimum(contracts.followed, age)
        expected = self.sums_at_risk[np.searchsorted(self.paid_at, until, side="right")]
        total = float(self._paid_by(np.array([age]))[0])
        place = np.searchsorted(self.left_at, until, side="right")
        risk = total * self.hazard[place] - self.hazard_by_sum[place]
        left = contracts.ended & (contracts.followed <= age)
        lost = np.where(left, (total - self._paid_by(contracts.followed)) / self.staying, 0.0)
        return float(np.sqrt(np.sum((paid - expected - lost + risk) ** 2)))


def _plans(contracts: _Contracts, end: float) -> pd.DataFrame:
    """The value by the first payment, where first payments are those of a price list."""
    first = contracts.first_amount.round(2)
    prices, sizes = np.unique(first, return_counts=True)
    if not np.count_nonzero(sizes >= MIN_N) >= 2 or prices.size > MOST_PLANS:
        return pd.DataFrame()
    rows = []
    for price, size in zip(prices.tolist(), sizes.tolist(), strict=True):
        plan = contracts.only(first == price)
        brought = _Brought(plan)
        until = min(end, brought.end)
        value, low, high = brought.by(np.array([until]))
        rows.append((price, size, plan.every / DAY, until / DAY, value[0], low[0], high[0]))
    columns = ["plan", "customers", "every_days", "end_day", "value", "value_low", "value_high"]
    return pd.DataFrame(rows, columns=columns)


def subscription_value(
    survival: Result,
    *,
    price: float,
    every_days: float = MONTH_DAYS,
    horizon_days: float | None = None,
    rate: float = 0.0,
) -> SubscriptionValue:
    """What a subscription is worth from how long subscriptions last: price × the share still there at each payment day.

    Payments fall due on day 0, `every_days`, 2·`every_days`, … before the horizon; a payment counts
    with the curve's value at its day, so who has left on or before that day does not pay, and is
    discounted by `rate` a year. Nothing is added beyond the last day to which a tenth, 30 at
    most, were followed: what cannot be seen is not counted.

    Parameters
    ----------
    survival
        What `cj.survival` gave, without groups.
    price
        Of one payment.
    every_days
        Between payments.
    horizon_days
        To when; None, or later than that: the last day to which enough were followed.
    rate
        Interest per year.

    Returns
    -------
    SubscriptionValue
        `.table`: `payment`, `day`, `share_surviving`, `value`, `cumulative_value`,
        `cumulative_low`, `cumulative_high`. `.metrics`: `value` with an interval from the variance
        of the curve (Greenwood).

    Raises
    ------
    CjlibError
        If `survival` is not one curve in days, or a number is missing or out of range.
    DataError
        If nobody is in the curve.
    """
    curve = _one_curve(survival)
    _check_terms(price, every_days, horizon_days, rate)
    last = _followed_until(curve)
    end = last if horizon_days is None else min(float(horizon_days), last)
    days = np.arange(0.0, max(end, 1e-9), every_days)
    at = np.searchsorted(curve["day"].to_numpy(dtype=float), days, side="right") - 1
    shares = curve["share_surviving"].to_numpy(dtype=float)[at]
    worth = price * (1 + rate) ** (-days / 365.25)
    table = pd.DataFrame(
        {
            "payment": np.arange(1, days.size + 1),
            "day": days,
            "share_surviving": shares,
            "value": worth * shares,
        }
    )
    so_far = np.cumsum(worth * shares)
    half = Z95 * _greenwood(curve, days, so_far)
    low, high = so_far - half, so_far + half
    table = table.assign(cumulative_value=so_far, cumulative_low=low, cumulative_high=high)
    total, n = float(table["cumulative_value"].iloc[-1]), int(curve["at_risk"].iloc[0])
    within = confidence_in_money(low[-1], high[-1], after=", ")
    return SubscriptionValue(
        table=table,
        headline=(
            f"A new subscription is worth {money(total, 2)} over {end:,.0f} days ({within}n = {n:,}): {count_of(days.size, 'payment')} of {money(price, 2)}, "
            f"each as likely as a customer is still there. What comes after day {last:,.0f}, the last to which enough were followed, is not counted."
        ),
        definition={
            "payments": f"every {every_days:,.4g} days from day 0, before day {end:,.0f}",
            "share": "the curve's value at the payment's day: who has left on or before it does not pay",
            "interval": "95%, from the variance of the curve (Greenwood); missing where nobody has left yet",
            "discount": f"{percent(rate)} a year",
            **{f"curve: {name}": text for name, text in survival.definition.items()},
        },
        metrics={
            "value": metric(
                total,
                float(low[-1]),
                float(high[-1]),
                n,
                label="Value of a new subscription",
                unit="money",
                better="higher",
                scale=f"to day {end:.0f}",
            )
        },
        price=float(price),
        end_day=end,
    )


def _greenwood(curve: pd.DataFrame, days: Floats, so_far: Floats) -> Floats:
    """The standard error of each sum of payments: a share lost at a time takes every later payment with it. Missing where nobody has left yet."""
    left, at_risk, time = (
        curve[name].to_numpy(dtype=float) for name in ("churned", "at_risk", "day")
    )
    hazard = np.divide(
        left, at_risk * (at_risk - left), out=np.zeros(left.size), where=at_risk > left
    )
    before = np.append(0.0, so_far)[np.searchsorted(days, time)]
    variance = np.array(
        [
            float(np.sum(((total - before)[time <= day]) ** 2 * hazard[time <= day]))
            for day, total in zip(days.tolist(), so_far.tolist(), strict=True)
        ]
    )
    return np.where((variance > 0) | (days == 0), np.sqrt(variance), np.nan)


def _followed_until(curve: pd.DataFrame) -> float:
    """The last day to which enough were followed, as of any curve."""
    at_risk = curve["at_risk"].to_numpy()
    return float(curve["day"].to_numpy()[at_risk >= enough_followed(int(at_risk[0]))][-1])


def _one_curve(survival: Result) -> pd.DataFrame:
    curve = survival.table if isinstance(survival, Result) else pd.DataFrame()
    if (
        not {"day", "at_risk", "churned", "share_surviving"} <= set(curve.columns)
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
