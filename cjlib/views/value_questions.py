"""The questions of value in the notebook on churn, put to a journey file and its log; one that does not fit is answered with the reason."""

from __future__ import annotations

from typing import Any

from cjlib.analyses.churn.model.churn_model import ChurnScores
from cjlib.analyses.churn.use.value_at_risk import ValueAtRisk, value_at_risk
from cjlib.analyses.result import Result
from cjlib.analyses.value.contract_worth import contract_worth  # noqa: F401 — where churn looks for it
from cjlib.analyses.value.customer_lifetime_value import CustomerValue, customer_value
from cjlib.analyses.value.value_by_segment import ValueBy, value_by
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog
from cjlib.views.unanswered import Unanswered

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
    worth = customer_value(log, **journey.value_options(horizon=horizon), **options)
    return worth if worth.answered else _unanswered(worth.reason)


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
