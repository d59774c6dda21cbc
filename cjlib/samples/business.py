"""What Northlight is: its year, its names, its prices, and the effects that are planted in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cjlib.errors import CjlibError, listed, not_one_of, shown

ZONE: Final = "Europe/Berlin"
DAY: Final = 86_400
START: Final = 1_735_686_000
"""2025-01-01 00:00 in Berlin, as seconds since 1970 UTC; every time of the simulation is counted so."""
END: Final = START + 365 * DAY
"""2026-01-01 00:00 in Berlin; nothing happens at or after it."""
NEVER: Final = 2**40
"""A moment that does not come."""
SUMMER_TIME: Final = (1_743_296_400, 1_761_440_400)
"""From when to when Berlin is two hours ahead of UTC in 2025."""
WINDOW: Final = 14 * DAY
"""The purchase funnel's window: whoever buys in time does so within it, counted from the first visit."""

EVENTS: Final = (
    "activate",
    "ad_click",
    "ad_impression",
    "banner_dismissed",
    "blog_visit",
    "cancel",
    "demo_video",
    "feature_automation",
    "feature_board",
    "feature_capture",
    "feature_coaching",
    "feature_reminder",
    "feature_report",
    "feature_template",
    "login",
    "onboarding_step",
    "payment",
    "pricing_view",
    "referral_accepted",
    "referral_sent",
    "renewal_due",
    "renewed",
    "review_posted",
    "signup",
    "signup_error",
    "subscribe",
    "survey_sent",
    "ticket_abandoned",
    "ticket_first_response",
    "ticket_opened",
    "ticket_reopened",
    "ticket_resolved",
    "ticket_waiting",
    "upgrade",
    "visit",
)
CHANNELS: Final = ("ad", "app", "email", "phone", "social", "store", "web")
DEVICES: Final = ("desktop", "mobile", "tablet")
PLANS: Final = ("basic", "pro", "business")
CAMPAIGNS: Final = ("always_on", "newsletter", "spring_push")
FEATURES: Final = tuple(name for name in EVENTS if name.startswith("feature_"))
STAGES: Final = (
    "Awareness",
    "Consideration",
    "Onboarding",
    "Purchase",
    "Usage",
    "Support",
    "Renewal",
    "Advocacy",
)
PERSONAS: Final = ("Planners", "On the go", "Guided")

PRICES: Final = (12.0, 29.0, 79.0)
PRICES_AFTER_CHANGE: Final = (15.0, 36.0, 95.0)

PRICE_CHANGE: Final = START + 181 * DAY - 3_600
"""2025-07-01 00:00 in Berlin."""
MOBILE_BREAK: Final = (START + 250 * DAY - 3_600, START + 271 * DAY - 3_600)
"""2025-09-08 00:00 to 2025-09-29 00:00 in Berlin."""
CAMPAIGN_DAYS: Final = (131, 138)
"""2025-05-12 to 2025-05-18, as days since 1 January."""

EFFECTS: Final = (
    "mobile_signup_break",
    "email_converts_better",
    "price_change",
    "slow_support",
    "hated_onboarding",
    "payment_moment",
    "campaign_spike",
    "personas",
)


def code(names: tuple[str, ...], name: str) -> int:
    """The number that stands for a name while the year is simulated."""
    return names.index(name)


def chosen_effects(effects: bool | Collection[str]) -> frozenset[str]:
    """The effects asked for: all, none, or those named."""
    if isinstance(effects, bool):
        return frozenset(EFFECTS if effects else ())
    if isinstance(effects, str) or not isinstance(effects, Collection):
        remedy = (
            f" For one effect write {{{shown(effects)}}}."
            if isinstance(effects, str)
            else f" The names are {listed(EFFECTS)}."
        )
        raise CjlibError(
            f"effects: must be True, False or a set of names. Got {shown(effects)}.{remedy}"
        )
    for name in sorted(effects, key=str):
        if name not in EFFECTS:
            raise not_one_of("effects", name, EFFECTS)
    return frozenset(effects)
