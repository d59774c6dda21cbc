"""The questions of value in the notebook on churn, put to a journey file and its log; one that does not fit is answered with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.churn.use.value_at_risk import ValueAtRisk, value_at_risk
from cjlib.analyses.result import Result
from cjlib.analyses.survival import survival
from cjlib.analyses.value.customer_lifetime_value import CustomerValue, customer_value
from cjlib.analyses.value.value_by_segment import (
    SubscriptionValue,
    ValueBy,
    subscription_value,
    value_by,
)
from cjlib.errors import CjlibError
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import MICROSECONDS, Duration
from cjlib.sources.log.event_log import EventLog
from cjlib.views.unanswered import Unanswered, because

KEPT, OFFER, CONTACT = 200.0, 10.0, 1.0
"""Verbraken, Verbeke & Baesens (2013)."""
UNVALUED = "The journey file does not say what money is, so customers have no value here. Add value: {event: …, amount: …}."


def customer_worth(
    journey: Journey, log: EventLog, *, horizon: Duration, **options: Any
) -> CustomerValue | Unanswered:
    """Expected value of each customer, as `cj.customer_value` counts it, of the money that the journey file names.

    Parameters
    ----------
    journey, log
        The file and its events.
    horizon
        How far ahead.
    **options
        Of `cj.customer_value`.
    """
    if journey.value is None:
        return _unanswered(UNVALUED)
    try:
        return customer_value(
            log, horizon=horizon, value=journey.value.amount, event=journey.value.event, **options
        )
    except CjlibError as fault:
        return _unanswered(because("What customers are worth cannot be said", fault))


def worth_by(
    worth: CustomerValue | Unanswered, log: EventLog, *, by: str | None = "cohort"
) -> ValueBy | Unanswered:
    """Value by group, where there is a value and a column to group by."""
    if isinstance(worth, Unanswered):
        return worth
    return (
        _unanswered("There are no groups to compare: the log has no column for it.")
        if by is None
        else value_by(worth, log, by=by)
    )


def contract_worth(journey: Journey, log: EventLog) -> SubscriptionValue | Unanswered:
    """What a contract is worth, where leaving is an event and money is paid again and again.

    A contract begins with the customer's first payment and ends with the event of leaving; the price is the mean amount of all payments above 0, the time between
    payments the median of the gaps between a customer's payments, in days.
    """
    money, churn = journey.value, journey.churn
    if money is None:
        return _unanswered(UNVALUED)
    if churn is None or churn.event is None:
        return _unanswered(
            "Nobody leaves here by an event, so there is no contract whose length could be told: what customers are worth is asked of their purchases."
        )
    try:
        price, every = _terms(log, money.event, money.amount)
        found = subscription_value(
            survival(log, start_event=money.event, **journey.survival_options()),
            price=price,
            every_days=every,
        )
    except CjlibError as fault:
        return _unanswered(because("What a contract is worth cannot be said", fault))
    said = (
        "the mean of all payments above 0; the time between them is the median of a customer's gaps"
    )
    return replace(found, definition={"price": f"{price:,.2f}: {said}", **found.definition})


def _terms(log: EventLog, event: Any, amount: str) -> tuple[float, float]:
    """Mean amount of a payment, and median days from one to the customer's next."""
    where = log.match(event, "event")
    amounts = log.numbers(amount, where=where)
    paid = amounts > 0
    found = log.fetch("customer", "time", where=where)
    customer, time = found["customer"][paid], found["time"][paid]
    gaps = np.diff(time)[np.diff(customer) == 0]
    if not gaps.size:
        raise CjlibError(
            "value: nobody has paid twice, so there is no time between payments. Name the event of payment in the journey file."
        )
    return float(np.sort(amounts[paid]).mean()), float(np.median(gaps)) / MICROSECONDS["D"]


def target_choice(
    journey: Journey,
    worth: Result,
    *,
    success_share: float,
    customer_worth: float = 0.0,
    budget: float = 0.0,
) -> dict[str, Any]:
    """What `cj.target_list` is asked with: costs and the worth of a kept customer as the journey file has them.

    A kept customer is worth `customer_worth` if it is given, else `value.kept` of the file, else what each is expected to bring, else 200. Where the file names no costs
    an offer costs 10 and a contact 1: with 200 the values for which the expected maximum profit was published.

    Parameters
    ----------
    journey
        The file.
    worth
        What `cj.customer_worth` gave.
    success_share
        Of contacted customers who would leave, the share that stays.
    customer_worth, budget
        0: as said above, and no limit.
    """
    costs = journey.costs
    kept = None if journey.value is None else journey.value.kept
    forecast = (
        worth
        if isinstance(worth, CustomerValue) and worth.table["expected_value"].notna().any()
        else KEPT
    )
    return {
        "offer_cost": OFFER if costs.offer is None else costs.offer,
        "contact_cost": CONTACT if costs.contact is None else costs.contact,
        "success_share": success_share,
        "value": customer_worth or (forecast if kept is None else kept),
        "budget": budget or None,
    }


def worth_at_risk(scores: ChurnScores, worth: Result) -> ValueAtRisk | Unanswered:
    """Value at risk, where customers have a value."""
    if isinstance(worth, Unanswered):
        return worth
    if worth.table["expected_value"].isna().all():
        return _unanswered(worth.headline)
    return value_at_risk(scores, worth)


def _unanswered(reason: str) -> Unanswered:
    return Unanswered.unanswered(reason)
