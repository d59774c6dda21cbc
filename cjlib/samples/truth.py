"""What is true of the sample business: the planted effects, and true values that an estimate can be held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa

from cjlib.samples import opinions, people, subscriptions, support, usage
from cjlib.samples.business import (
    CAMPAIGN_DAYS,
    CHANNELS,
    DAY,
    DEVICES,
    EFFECTS,
    END,
    MOBILE_BREAK,
    PERSONAS,
    PRICE_CHANGE,
    START,
    WINDOW,
    ZONE,
)
from cjlib.samples.frames import dirt, person_ids
from cjlib.samples.people import SHARES


@dataclass(frozen=True)
class Effect:
    """One planted effect.

    Attributes
    ----------
    name
        What `effects=` calls it.
    active
        Whether it is in this sample.
    what
        What was done, in one sentence.
    start, end
        From when (included) to when (not included); missing where it holds all year.
    size
        Its parameters: probabilities, factors, or standard deviations, as the names say.
    find
        How an analysis finds it.
    """

    name: str
    active: bool
    what: str
    start: pd.Timestamp | None
    end: pd.Timestamp | None
    size: Mapping[str, float]
    find: str


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of a sample.

    Attributes
    ----------
    effects
        Name → `Effect`, also those that are switched off.
    conversion
        True shares of the purchase funnel (`entrants="closed"`, window 14 days) by `dimension` and `value`: `customers` who visit at least
        14 days before the end, `share_signed_up` and `share_converted`: the mean of their probabilities, before chance decided.
        The overall row has the dimension and value "all". The channel and device are those of the first visit.
    customers
        One row a visitor: `customer_id`, `persona`, `satisfaction` and `engagement` (latent), `share_signed_up`, `share_converted`.
    dirt
        Kind of fault → number of rows that have it.
    """

    effects: Mapping[str, Effect]
    conversion: pd.DataFrame
    customers: pd.DataFrame
    dirt: Mapping[str, int]


def truth_of(those: people.People, chosen: frozenset[str]) -> Truth:
    """The truth of a simulated year."""
    customers = pd.DataFrame(
        {
            "customer_id": person_ids(those).to_pandas(),
            "persona": pa.array(PERSONAS).take(pa.array(those.persona)).to_pandas()
            if "personas" in chosen
            else "all",
            "satisfaction": those.satisfaction,
            "engagement": those.engagement,
            "share_signed_up": those.chance_signup,
            "share_converted": those.chance_convert,
        }
    )
    return Truth(
        effects=MappingProxyType({name: _effect(name, name in chosen) for name in EFFECTS}),
        conversion=_conversion(those),
        customers=customers,
        dirt=MappingProxyType(dirt(those.known)),
    )


def _conversion(those: people.People) -> pd.DataFrame:
    """Mean probabilities of those whose window is over, in all and by channel and device of the first visit."""
    closed = those.first_visit + WINDOW < END
    parts = []
    for dimension, names, codes in (
        ("all", ("all",), np.zeros_like(those.channel)),
        ("channel", CHANNELS, those.channel),
        ("device", DEVICES, those.device),
    ):
        for position, name in enumerate(names):
            some = closed & (codes == position)
            if some.any():
                parts.append(
                    (
                        dimension,
                        name,
                        int(some.sum()),
                        those.chance_signup[some].mean(),
                        those.chance_convert[some].mean(),
                    )
                )
    return pd.DataFrame(
        parts, columns=["dimension", "value", "customers", "share_signed_up", "share_converted"]
    )


def _moment(seconds: int) -> pd.Timestamp:
    return pd.Timestamp(seconds, unit="s", tz="UTC").tz_convert(ZONE)


def _effect(name: str, active: bool) -> Effect:
    what, start, end, size, find = _EFFECTS[name]
    return Effect(
        name,
        active,
        what,
        None if start is None else _moment(start),
        None if end is None else _moment(end),
        MappingProxyType(dict(size)),
        find,
    )


_IN_TIME = (1 - people.LATE_ACTIVATE) * (1 - people.LATE_SUBSCRIBE) * people.ACTIVATE

_EFFECTS: Mapping[str, tuple[str, int | None, int | None, Mapping[str, float], str]] = {
    "mobile_signup_break": (
        "For three weeks the sign-up form is broken on phones.",
        *MOBILE_BREAK,
        {"share_signed_up": people.SIGNUP_BROKEN, "share_signed_up_otherwise": people.SIGNUP},
        "Funnel visit → signup of these weeks by device; signup_error events on phones.",
    ),
    "email_converts_better": (
        "People whose first visit comes by e-mail sign up and subscribe more often.",
        None,
        None,
        {
            "share_signed_up": people.SIGNUP_EMAIL,
            "share_signed_up_otherwise": people.SIGNUP,
            "share_converted": people.SIGNUP_EMAIL * people.SUBSCRIBE_EMAIL * _IN_TIME,
            "share_converted_otherwise": people.SIGNUP * people.SUBSCRIBE * _IN_TIME,
        },
        "The purchase funnel by channel.",
    ),
    "price_change": (
        "Who signs up from 1 July on pays more, is active in fewer weeks and cancels sooner.",
        PRICE_CHANGE,
        None,
        {
            "factor_on_share_active": usage.PRICE_CHANGE_ON_USE,
            "factor_on_cancel_hazard": subscriptions.PRICE_CHANGE_ON_CANCEL,
        },
        "Weekly retention of cohorts before and after 1 July; survival from the sign-up.",
    ),
    "slow_support": (
        "Of customers whose ticket waits more than 48 hours for a first answer, some cancel within 30 days of opening it.",
        None,
        None,
        {
            "share_of_tickets_slow": support.SLOW_SHARE,
            "share_cancelling_in_addition": support.SLOW_CANCELS,
            "sd_lower_satisfaction": -opinions.SLOW_TICKET,
        },
        "Cancels within 30 days of ticket_opened by the time to ticket_first_response.",
    ),
    "hated_onboarding": (
        "Experiences in the stage Onboarding are worse than in the stages before and after it.",
        None,
        None,
        {"sd_lower_satisfaction": -opinions.HATED},
        "CSAT, NPS and text by stage: a trough between Consideration and Purchase.",
    ),
    "payment_moment": (
        "Of customers whose first payment is a bad experience, some cancel within four weeks of it.",
        None,
        None,
        {"share_cancelling_in_addition": subscriptions.BAD_PAYMENT_CANCELS},
        "Moments that matter: activity 30 to 60 days after a good and a bad CSAT at the touchpoint payment.",
    ),
    "campaign_spike": (
        "For a week an advertisement brings many visitors who rarely sign up.",
        START + CAMPAIGN_DAYS[0] * DAY - 3_600,
        START + CAMPAIGN_DAYS[1] * DAY - 3_600,
        {
            "share_of_customers": people.CAMPAIGN_SHARE,
            "share_signed_up": people.SIGNUP_CAMPAIGN,
            "share_signed_up_otherwise": people.SIGNUP,
        },
        "Visits per day, and the funnel by campaign (spring_push).",
    ),
    "personas": (
        "Three kinds of customers use the product in different ways: Planners, On the go, Guided.",
        None,
        None,
        {
            name.lower().replace(" ", "_"): share
            for name, share in zip(PERSONAS, SHARES, strict=True)
        },
        "Shares of channels and features per customer.",
    ),
}
