"""What a journey file says that churn data can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cjlib.sources.log.event_log import EventLog

if TYPE_CHECKING:  # who asks of a log alone does not wait for what reads journey files
    from cjlib.sources.journey import Journey


def churn_inputs(journey: Journey, log: EventLog) -> dict[str, Any]:
    """Options of `cj.churn_data` from a journey: feedback, the column of value, how long support waits, and what a customer of a contract is.

    Where leaving is an event and value has one too, only who has had the value's event (a payment) is a customer who can leave.

    Parameters
    ----------
    journey
        From `cj.read_journey`.
    log
        Its events.
    """
    options: dict[str, Any] = {}
    feedback = journey.read_feedback()
    if feedback is not None and feedback.frame["customer_id"].notna().any():
        options["feedback"] = feedback
    if journey.value is not None:
        options["value"] = journey.value.amount if journey.value.amount in log.properties else None
        if (
            journey.churn is not None
            and journey.churn.event is not None
            and journey.value.event is not None
        ):
            options["active_event"] = journey.value.event
    support = journey.support
    if support is not None and support.opened is not None and support.first_response is not None:
        options["waits"] = {"support": (support.opened, support.first_response)}
    return options
