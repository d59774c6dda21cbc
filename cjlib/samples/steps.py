"""What people do on the way in (sign up, set up, activate) and, much later, for others (refer, review)."""

from __future__ import annotations

import numpy as np

from cjlib.samples.business import CHANNELS, DAY, DEVICES, END, MOBILE_BREAK, NEVER, code
from cjlib.samples.draws import Draws
from cjlib.samples.people import People
from cjlib.samples.rows import Rows, joined, rows
from cjlib.samples.subscriptions import Subscriptions


def simulate_steps(
    those: People, contracts: Subscriptions, seed: int, effects: frozenset[str]
) -> Rows:
    """Sign-up, onboarding, activation, referrals and reviews."""
    return joined(
        [
            *_way_in(Draws(seed, "way in"), those),
            *_failures(Draws(seed, "failures"), those, effects),
            *_for_others(Draws(seed, "for others"), contracts),
        ]
    )


def _way_in(draws: Draws, those: People) -> list[Rows]:
    """Signing up, the steps of the set-up, activating: on the web, with the device of the visit."""
    email = code(CHANNELS, "email")
    person = np.flatnonzero(those.signup < END)
    home = those.home[person]
    signup, device = those.signup[person], those.device[person]
    activated = those.activate[person] < NEVER
    count = np.where(
        activated, 2 + draws.pick((3, 4, 3), len(person)), draws.pick((3, 4, 3), len(person))
    )
    who = np.repeat(np.arange(len(person)), count)
    until = np.minimum(those.activate[person], signup + 3 * DAY)[who]
    time = (
        signup[who] + 30 + ((until - signup[who] - 60) * draws.uniform(len(who))).astype(np.int64)
    )
    referred = person[draws.happens(0.06, len(person))]
    return [
        rows("signup", person, signup, channel=home, device=device),
        rows("onboarding_step", person[who], time, channel=home[who], device=device[who]),
        rows("activate", person, those.activate[person], channel=home, device=device),
        rows("referral_accepted", referred, those.signup[referred] + 5, channel=email),
    ]


def _failures(draws: Draws, those: People, effects: frozenset[str]) -> list[Rows]:
    """Sign-ups that fail: rare, but for the weeks in which the form was broken on phones."""
    n = len(those.signup)
    broken = (
        (those.device == code(DEVICES, "mobile"))
        & (those.decides >= MOBILE_BREAK[0])
        & (those.decides < MOBILE_BREAK[1])
    )
    share = np.where(broken & ("mobile_signup_break" in effects), 0.6, 0.02)
    person = np.flatnonzero(draws.happens(share, n) & (np.arange(n) < those.known))
    return [
        rows(
            "signup_error",
            person,
            those.decides[person] + draws.between(40, 110, len(person)),
            channel=code(CHANNELS, "web"),
            device=those.device[person],
        )
    ]


def _for_others(draws: Draws, contracts: Subscriptions) -> list[Rows]:
    """Referrals and reviews by subscribers after their first month."""
    n = len(contracts.person)
    made = []
    for event, channel, share in (
        ("referral_sent", "email", 0.45),
        ("review_posted", "social", 0.28),
    ):
        time = contracts.start + draws.between(30 * DAY, 240 * DAY, n)
        does = draws.happens(share, n) & (time < contracts.end)
        made.append(
            rows(event, contracts.person[does], time[does], channel=code(CHANNELS, channel))
        )
    return made
