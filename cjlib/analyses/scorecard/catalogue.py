"""What each measure is called, in which unit it is said, how it is counted, and which notebook explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cjlib.sources.journey import Journey
from cjlib.sources.journey.schema import MEASURES

Unit = Literal["share", "count", "number", "score", "seconds", "days"]
FUNNEL, RETENTION, SENTIMENT, CHURN, PATHS, MAP = (
    "01_funnel",
    "02_retention",
    "03_sentiment",
    "04_churn",
    "05_paths",
    "06_journey_map",
)
MILESTONE = "median_days_to_"


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue; measures of one `kind` tell one story."""

    label: str
    unit: Unit
    kind: str
    notebook: str
    definition: str


_SAME = "customers with a {0} in the period whom a {1} follows at or after it, before the period's end ÷ customers with a {0} in it"
_TICKETS = "of tickets opened in the period"
_KM = "Kaplan–Meier median, those not there yet censored at the end of data"

CATALOGUE: dict[str, Entry] = {
    "conversion_of_visitors": Entry(
        "Visitors who convert in the same period",
        "share",
        "conversion",
        FUNNEL,
        _SAME.format("visit", "conversion"),
    ),
    "conversion_of_leads": Entry(
        "Leads who convert in the same period",
        "share",
        "conversion",
        FUNNEL,
        _SAME.format("lead", "conversion"),
    ),
    "active_customers": Entry(
        "Active customers (events on the map)",
        "count",
        "activity",
        RETENTION,
        "customers with a mapped event that is not the churn event",
    ),
    "new_customers": Entry(
        "New customers",
        "count",
        "acquisition",
        FUNNEL,
        "customers whose first mapped event lies in the period",
    ),
    "retention": Entry(
        "Active again from the period before (events on the map)",
        "share",
        "coming back",
        RETENTION,
        "active in the period before and in this one ÷ active in the period before",
    ),
    "churn": Entry(
        "Churn",
        "share",
        "leaving",
        CHURN,
        "by event: first churn event in the period ÷ active in the period before without a churn event until then; by silence: silence reaches the limit in the "
        "period ÷ last activity less than the limit before its start",
    ),
    "value_per_active_customer": Entry(
        "Value per active customer",
        "number",
        "money",
        CHURN,
        "sum of value in the period ÷ active customers",
    ),
    "value_to_date_per_customer": Entry(
        "Value to date per customer",
        "number",
        "money",
        CHURN,
        "sum of value up to the period's end ÷ customers ever active",
    ),
    "expected_value_per_customer": Entry(
        "Expected value per buyer",
        "number",
        "money",
        CHURN,
        "mean of cj.customer_value over churn.horizon, at the end of the last complete period",
    ),
    "nps": Entry(
        "NPS",
        "score",
        "opinion",
        SENTIMENT,
        "100 × (share of 9–10 − share of 0–6) of the answers in the period",
    ),
    "csat": Entry(
        "Satisfied (CSAT)", "share", "satisfaction", SENTIMENT, "share of answers 4–5 on 1–5"
    ),
    "ces": Entry(
        "Found it easy (CES)", "share", "effort", SENTIMENT, "share of answers 5–7 on 1–7"
    ),
    "rating": Entry(
        "Rated well (4 or 5 stars)",
        "share",
        "rating",
        SENTIMENT,
        "share of star ratings of 4–5 on 1–5, half stars as they are",
    ),
    "response_share": Entry(
        "Answered when asked",
        "share",
        "answering",
        SENTIMENT,
        "answers with a score, unasked ones left out ÷ invitations",
    ),
    "click_through": Entry(
        "Click-through", "share", "advertising", MAP, "click events ÷ impression events"
    ),
    "bounce": Entry(
        "Sessions of one event",
        "share",
        "sessions",
        PATHS,
        "sessions of a single event ÷ sessions that start in the period",
    ),
    "median_seconds_per_session": Entry(
        "Median session",
        "seconds",
        "sessions",
        PATHS,
        "first to last event of sessions that start in the period, median",
    ),
    "mean_seconds_per_session": Entry(
        "Mean session",
        "seconds",
        "sessions",
        PATHS,
        "first to last event of sessions that start in the period, mean",
    ),
    "median_seconds_on_page": Entry(
        "Median time on a page",
        "seconds",
        "pages",
        PATHS,
        "page event to the next event of its session, a session's last page left out, median",
    ),
    "active_days_per_customer": Entry(
        "Active days per customer",
        "number",
        "use",
        RETENTION,
        "customer-days with activity ÷ active customers",
    ),
    "stickiness": Entry(
        "Stickiness",
        "share",
        "use",
        RETENTION,
        "mean of the days' active customers ÷ active customers of the period",
    ),
    "features_per_customer": Entry(
        "Features per customer",
        "number",
        "use",
        RETENTION,
        "distinct features used by active customers ÷ active customers",
    ),
    "renewal": Entry("Renewal", "share", "renewal", CHURN, _SAME.format("renewal due", "renewal")),
    "expansion": Entry(
        "Expansion",
        "share",
        "growth",
        MAP,
        "active customers with an expansion in the period ÷ active customers",
    ),
    "referral": Entry(
        "Referral",
        "share",
        "advocacy",
        MAP,
        "active customers who referred in the period ÷ active customers",
    ),
    "referred_customers": Entry(
        "Referred customers",
        "count",
        "advocacy",
        MAP,
        "customers whose first referred event lies in the period",
    ),
    "tickets": Entry("Tickets", "count", "tickets", MAP, "tickets opened in the period"),
    "tickets_per_customer": Entry(
        "Tickets per customer",
        "number",
        "tickets",
        MAP,
        "tickets opened in the period ÷ active customers",
    ),
    "answered_in_24h": Entry(
        "Answered within 24 hours",
        "share",
        "answers of support",
        MAP,
        f"first response within 24 hours, the end included ÷ those whose 24 hours are over, {_TICKETS}",
    ),
    "median_seconds_to_first_response": Entry(
        "Time to first response", "seconds", "answers of support", MAP, f"{_KM}, {_TICKETS}"
    ),
    "median_seconds_to_resolution": Entry(
        "Time to resolution",
        "seconds",
        "resolution",
        MAP,
        f"{_KM}, {_TICKETS}; abandoned ones count as not resolved",
    ),
    "first_contact_resolution": Entry(
        "Resolved at first contact",
        "share",
        "resolution",
        MAP,
        f"resolved with at most one response and never reopened ÷ resolved, {_TICKETS}",
    ),
    "reopened": Entry("Reopened", "share", "resolution", MAP, f"reopened ÷ resolved, {_TICKETS}"),
    "abandonment": Entry(
        "Abandoned", "share", "resolution", MAP, f"abandoned ÷ opened, {_TICKETS}"
    ),
    "handovers_per_ticket": Entry(
        "Handovers per ticket",
        "number",
        "handovers",
        MAP,
        f"changes of who handles the ticket ÷ tickets, {_TICKETS}",
    ),
}


def entry_of(measure: str) -> Entry:
    """A measure's line; milestones have one by their name."""
    if measure in CATALOGUE:
        return CATALOGUE[measure]
    name = measure.removeprefix(MILESTONE).replace("_", " ")
    return Entry(
        f"Days to {name}",
        "days",
        "milestones",
        FUNNEL,
        f"from a customer's first start, which lies in the period, to {name}: {_KM}",
    )


def better_of(measure: str, journey: Journey) -> str | None:
    """Which side is good: as the target says, else as the measure does; None for neither."""
    target = journey.targets.get(measure)
    if target is not None and target.better:
        return target.better
    return "lower" if measure.startswith(MILESTONE) else MEASURES[measure]
