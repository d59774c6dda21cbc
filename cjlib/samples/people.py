"""Who comes: first contact, visits, and how far each gets towards buying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.samples.business import (
    CAMPAIGN_DAYS,
    CAMPAIGNS,
    CHANNELS,
    DAY,
    DEVICES,
    END,
    MOBILE_BREAK,
    NEVER,
    PRICE_CHANGE,
    Draws,
    Floats,
    Rows,
    Whole,
    code,
    day_of,
    joined,
    rows,
    taken,
)

ANONYMOUS_SHARE = 0.12
"""Visitors without an account, for each known person; they never sign up."""
CAMPAIGN_SHARE = 0.08
SIGNUP, SIGNUP_EMAIL, SIGNUP_CAMPAIGN, SIGNUP_BROKEN = 0.55, 0.74, 0.15, 0.07
ACTIVATE, SUBSCRIBE, SUBSCRIBE_EMAIL = 0.76, 0.62, 0.78
LATE_ACTIVATE, LATE_SUBSCRIBE = 0.08, 0.10
"""Of those who get there: the share that does so only after the funnel's window."""

MONTHS = (1.10, 1.05, 1.02, 1.00, 0.98, 0.92, 0.86, 0.90, 1.00, 1.05, 1.10, 1.02)
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEKDAYS = (1.05, 1.05, 1.05, 1.02, 0.98, 0.88, 0.92)
ARRIVAL = ("web", "ad", "social", "email", "store")


@dataclass(frozen=True)
class People:
    """One entry a person; the first `known` have an account or a cookie with consent, the others stay anonymous."""

    known: int
    persona: Whole
    home: Whole
    plan: Whole
    device: Whole
    channel: Whole
    campaign: NDArray[np.bool_]
    satisfaction: Floats
    engagement: Floats
    first_visit: Whole
    decides: Whole
    chance_signup: Floats
    chance_convert: Floats
    signup: Whole
    activate: Whole
    subscribe: Whole

    @property
    def after_price_change(self) -> NDArray[np.bool_]:
        """Whose sign-up falls on or after the day of the new prices."""
        return (self.signup >= PRICE_CHANGE) & (self.signup < NEVER)


def simulate_people(customers: int, seed: int, effects: frozenset[str]) -> tuple[People, Rows]:
    """Everybody who comes in the year, and what they do until they sign up."""
    draws = Draws(seed, "people")
    n = customers + round(customers * ANONYMOUS_SHARE)
    known = np.arange(n) < customers
    persona = draws.pick(SHARES, n)
    channel = np.array([code(CHANNELS, name) for name in ARRIVAL])[
        draws.pick(habit("arrival", effects), n, persona)
    ]
    device = draws.pick(habit("device", effects), n, persona)
    day = draws.pick(arrivals_by_day(), n)
    campaign = draws.happens(CAMPAIGN_SHARE, n) & known & ("campaign_spike" in effects)
    day = np.where(campaign, CAMPAIGN_DAYS[0] + draws.pick((3, 5, 4, 3, 2, 1, 1), n), day)
    channel = np.where(campaign, code(CHANNELS, "ad"), channel)
    device = np.where(channel == code(CHANNELS, "store"), code(DEVICES, "tablet"), device)
    first_visit = draws.clock(day)
    visits, decides = _visits(Draws(seed, "visits"), first_visit, campaign, known)
    signup, activate, convert = _chances(channel, device, campaign, known, decides, effects)
    steps = _steps(Draws(seed, "steps"), decides, signup, activate, convert)
    everyone = People(
        known=customers,
        persona=persona,
        plan=draws.pick(habit("plan", effects), n, persona),
        home=draws.pick(habit("home", effects), n, persona),
        device=device,
        channel=channel,
        campaign=campaign,
        satisfaction=draws.bell(n),
        engagement=draws.uniform(n),
        first_visit=first_visit,
        decides=decides,
        chance_signup=signup,
        chance_convert=signup * activate * (1 - LATE_ACTIVATE) * convert * (1 - LATE_SUBSCRIBE),
        signup=steps[0],
        activate=steps[1],
        subscribe=steps[2],
    )
    return everyone, joined(
        [
            *_awareness(Draws(seed, "awareness"), everyone, effects),
            *_consideration(Draws(seed, "consideration"), everyone, visits, effects),
        ]
    )


def arrivals_by_day() -> Floats:
    """The relative number of newcomers on each day of the year: mild seasons, quieter weekends."""
    months = np.repeat(MONTHS, MONTH_LENGTHS)
    return months * np.asarray(WEEKDAYS)[(np.arange(365) + 2) % 7]


def _visits(
    draws: Draws, first: Whole, campaign: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[tuple[Whole, Whole], Whole]:
    """Later visits (person, time), none more than four days after the first, and everybody's last one."""
    n = len(first)
    more = np.where(
        campaign, 0, np.where(known, draws.pick((45, 30, 15, 10), n), draws.pick((80, 20), n))
    )
    person = np.repeat(np.arange(n), more)
    days = draws.pick((30, 30, 22, 18), len(person))
    same_day = first[person] + draws.between(300, 7_200, len(person))
    time = np.where(days == 0, same_day, draws.clock(day_of(first[person]) + days))
    last = first.copy()
    np.maximum.at(last, person, time)
    return (person, time), last


def _chances(
    channel: Whole,
    device: Whole,
    campaign: NDArray[np.bool_],
    known: NDArray[np.bool_],
    decides: Whole,
    effects: frozenset[str],
) -> tuple[Floats, float, Floats]:
    """The probability of signing up, of activating then, and of subscribing then."""
    email = (channel == code(CHANNELS, "email")) & ("email_converts_better" in effects)
    broken = (
        (device == code(DEVICES, "mobile"))
        & (decides >= MOBILE_BREAK[0])
        & (decides < MOBILE_BREAK[1])
        & ("mobile_signup_break" in effects)
    )
    signup = np.select(
        [~known, broken, campaign, email],
        [0.0, SIGNUP_BROKEN, SIGNUP_CAMPAIGN, SIGNUP_EMAIL],
        SIGNUP,
    )
    return signup, ACTIVATE, np.where(email, SUBSCRIBE_EMAIL, SUBSCRIBE)


def _steps(
    draws: Draws, decides: Whole, signup: Floats, activate: float, convert: Floats
) -> tuple[Whole, Whole, Whole]:
    """When each signs up, activates and subscribes; in time means at most 13.5 days after the first visit."""
    n = len(decides)
    signed = np.where(draws.happens(signup, n), decides + draws.between(120, 1_200, n), NEVER)
    late = draws.happens(LATE_ACTIVATE, n)
    delay = np.where(late, draws.between(15 * DAY, 30 * DAY, n), draws.skewed(300, 4 * DAY, n))
    activated = np.where((signed < NEVER) & draws.happens(activate, n), signed + delay, NEVER)
    late = draws.happens(LATE_SUBSCRIBE, n)
    delay = np.where(
        late, draws.between(15 * DAY, 45 * DAY, n), draws.skewed(600, 5.4 * DAY, n, power=2)
    )
    subscribed = np.where((activated < NEVER) & draws.happens(convert, n), activated + delay, NEVER)
    return signed, activated, subscribed


def _awareness(draws: Draws, those: People, effects: frozenset[str]) -> list[Rows]:
    """Advertisements seen and clicked and articles read before the first visit."""
    n = len(those.first_visit)
    ad, social, web = (code(CHANNELS, name) for name in ("ad", "social", "web"))
    by_ad = those.channel == ad
    seen = np.repeat(
        np.arange(n), np.where(by_ad, 1 + draws.pick((5, 3, 2), n), draws.pick((7, 2, 1), n))
    )
    seen_at = those.first_visit[seen] - draws.skewed(60, 14 * DAY, len(seen), power=2)
    push = np.where(those.campaign, code(CAMPAIGNS, "spring_push"), code(CAMPAIGNS, "always_on"))
    clicks = np.flatnonzero(by_ad)
    stray = np.flatnonzero(~by_ad & draws.happens(0.22, n))
    stray_at = those.first_visit[stray] - draws.between(DAY, 20 * DAY, len(stray))
    reads = np.repeat(np.arange(n), draws.pick(habit("articles", effects), n, those.persona))
    read_at = those.first_visit[reads] - draws.skewed(3_600, 25 * DAY, len(reads), power=2)
    return [
        rows(
            "ad_impression",
            seen,
            seen_at,
            channel=ad,
            device=those.device[seen],
            campaign=push[seen],
        ),
        rows(
            "ad_click",
            clicks,
            those.first_visit[clicks] - draws.between(3, 40, len(clicks)),
            channel=ad,
            device=those.device[clicks],
            campaign=push[clicks],
        ),
        rows(
            "ad_click",
            stray,
            stray_at,
            channel=ad,
            device=those.device[stray],
            campaign=push[stray],
        ),
        rows(
            "blog_visit",
            reads,
            read_at,
            channel=np.where(draws.happens(0.3, len(reads)), social, web),
            device=those.device[reads],
        ),
    ]


def _consideration(
    draws: Draws, those: People, later: tuple[Whole, Whole], effects: frozenset[str]
) -> list[Rows]:
    """Visits, what is looked at in them, and the late visits of people who did not sign up."""
    n = len(those.first_visit)
    back = np.flatnonzero(
        (those.signup == NEVER) & (np.arange(n) < those.known) & draws.happens(0.25, n)
    )
    back_at = draws.clock(day_of(those.decides[back]) + draws.between(20, 120, len(back)))
    person = np.concatenate([np.arange(n), later[0], back])
    time = np.concatenate([those.first_visit, later[1], back_at])
    own = (np.arange(len(person)) < n) | draws.happens(0.6, len(person))
    other = np.array([code(CHANNELS, name) for name in ("web", "ad", "social", "email")])[
        draws.pick((50, 20, 18, 12), len(person))
    ]
    channel = np.where(own, those.channel[person], other)
    campaign = np.select(
        [
            those.campaign[person],
            channel == code(CHANNELS, "ad"),
            channel == code(CHANNELS, "email"),
        ],
        [
            code(CAMPAIGNS, "spring_push"),
            code(CAMPAIGNS, "always_on"),
            code(CAMPAIGNS, "newsletter"),
        ],
        -1,
    )
    visits = rows(
        "visit", person, time, channel=channel, device=those.device[person], campaign=campaign
    )
    prices, video = (
        habit("looks", effects)[those.persona[visits["person"]], position] for position in (0, 1)
    )
    return [
        visits,
        _within(draws, visits, "pricing_view", prices, 300),
        _within(draws, visits, "demo_video", video, 600),
        _within(draws, visits, "banner_dismissed", 0.10, 15),
    ]


def _within(draws: Draws, visits: Rows, event: str, share: float | Floats, seconds: int) -> Rows:
    """An event in some of the visits, a little after they began."""
    some = taken(visits, draws.happens(share, len(visits["time"])))
    time = some["time"] + draws.between(2, seconds, len(some["time"]))
    return rows(
        event,
        some["person"],
        np.minimum(time, END - 1),
        channel=some["channel"],
        device=some["device"],
    )


SHARES = (0.35, 0.40, 0.25)
"""Planners, On the go, Guided."""

HABITS: Mapping[str, tuple[tuple[float, ...], ...]] = {
    # Relative frequencies of: desktop, mobile, tablet.
    "device": ((0.88, 0.09, 0.03), (0.06, 0.90, 0.04), (0.70, 0.18, 0.12)),
    # … of the channel of the first visit: web, ad, social, email, store.
    "arrival": (
        (0.62, 0.20, 0.03, 0.15, 0.00),
        (0.14, 0.34, 0.45, 0.07, 0.00),
        (0.26, 0.18, 0.04, 0.28, 0.24),
    ),
    # … of the channel in which one signs up, pays and logs in: ad, app, email, phone, social, store, web.
    "home": (
        (0, 0.04, 0, 0, 0, 0, 0.96),
        (0, 0.96, 0, 0, 0, 0, 0.04),
        (0, 0.02, 0.06, 0.62, 0, 0.26, 0.04),
    ),
    # … of 0, 1, 2 articles read before the first visit.
    "articles": ((0.40, 0.40, 0.20), (0.90, 0.09, 0.01), (0.60, 0.30, 0.10)),
    # Probability of looking at the prices, at the video, in one visit.
    "looks": ((0.75, 0.05), (0.20, 0.05), (0.25, 0.50)),
    # Relative frequencies of: basic, pro, business.
    "plan": ((0.08, 0.84, 0.08), (0.94, 0.05, 0.01), (0.08, 0.12, 0.80)),
    # … of 1, 2, 3, 4 sessions in an active week.
    "sessions": ((0.18, 0.34, 0.30, 0.18), (0.10, 0.28, 0.32, 0.30), (0.45, 0.35, 0.15, 0.05)),
    # … of 0, 1, 2, 3 features used in a session.
    "used": ((0.02, 0.18, 0.34, 0.46), (0.15, 0.43, 0.30, 0.12), (0.08, 0.36, 0.34, 0.22)),
    # … of automation, board, capture, coaching, reminder, report, template.
    "features": (
        (0.31, 0.34, 0.01, 0.01, 0.01, 0.31, 0.01),
        (0.01, 0.01, 0.48, 0.01, 0.47, 0.01, 0.01),
        (0.02, 0.02, 0.01, 0.55, 0.01, 0.02, 0.37),
    ),
    # Tickets per month of a contract.
    "tickets": ((0.14,), (0.14,), (0.34,)),
    # Relative frequencies of tickets by: ad, app, email, phone, social, store, web.
    "ticket_channel": (
        (0, 0.03, 0.27, 0.05, 0, 0, 0.65),
        (0, 0.80, 0.10, 0.03, 0, 0, 0.07),
        (0, 0.02, 0.10, 0.70, 0, 0.13, 0.05),
    ),
    # … of company sizes: 1, 2-10, 11-50, 51-200.
    "company_size": ((0.03, 0.17, 0.70, 0.10), (0.82, 0.14, 0.03, 0.01), (0.02, 0.08, 0.15, 0.75)),
    # First and last year of birth.
    "born": ((1972, 1992), (1988, 2007), (1952, 1974)),
}


def habit(name: str, effects: frozenset[str]) -> Floats:
    """A habit's numbers, a row a persona; all rows are the average where there are no personas."""
    table = np.asarray(HABITS[name], dtype=float)
    return table if "personas" in effects else np.tile(np.asarray(SHARES) @ table, (len(SHARES), 1))
