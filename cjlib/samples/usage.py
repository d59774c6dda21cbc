"""What people do with the product, week by week after they signed up."""

from __future__ import annotations

import numpy as np

from cjlib.samples.business import (
    CHANNELS,
    DAY,
    DEVICES,
    END,
    EVENTS,
    FEATURES,
    MOBILE_BREAK,
    NEVER,
    Draws,
    Floats,
    Rows,
    Whole,
    code,
    day_of,
    joined,
    rows,
)
from cjlib.samples.people import People, habit
from cjlib.samples.subscriptions import Subscriptions

WEEKS = 53
FIRST, LAST, FADE = (0.35, 0.52, 0.82), (0.01, 0.08, 0.48), (2.0, 4.0, 8.5)
"""Share active in the first week, share after a long time, weeks to fade; for people who signed up only, activated, subscribed."""
SPREAD = (0.22, 1.2)
PRICE_CHANGE_ON_USE = 0.55
DECLINE = (28 * DAY, 0.5)
"""Before a contract ends, use falls to a half for this long."""
PAUSE_SHARE = 0.14
AT_ONCE = 250_000
"""Weeks of customers simulated in one piece, which bounds the memory."""


def simulate_usage(
    those: People, contracts: Subscriptions, seed: int, effects: frozenset[str]
) -> Rows:
    """Log-ins and features used."""
    person = np.flatnonzero(those.signup < END)
    draws = Draws(seed, "usage")
    pause = _pauses(draws, len(person))
    ends, returns = (
        _of_all(those, contracts, moment) for moment in (contracts.end, contracts.returns)
    )
    made = []
    step = max(1, AT_ONCE // WEEKS)
    for begin in range(0, len(person), step):
        some = person[begin : begin + step]
        active = draws.uniform(len(some), WEEKS) < _chance(
            those, some, ends[some], returns[some], pause[begin : begin + step], effects
        )
        who, week = np.nonzero(active)
        day = day_of(those.signup[some[who]]) + 7 * week + np.where(week == 0, 1, 0)
        made.append(_sessions(draws, those, some[who], day, (ends, returns), effects))
    return joined(made) if made else rows("login", person, those.signup[person])


def _of_all(those: People, contracts: Subscriptions, moment: Whole) -> Whole:
    """A moment of each contract, for everybody."""
    every = np.full(len(those.signup), NEVER)
    every[contracts.person] = moment
    return every


def _pauses(draws: Draws, n: int) -> Whole:
    """First week and end of a pause of five to ten weeks that some take."""
    begin = np.where(draws.happens(PAUSE_SHARE, n), draws.between(3, 30, n), WEEKS)
    return np.stack([begin, begin + draws.between(5, 11, n)], axis=1)


def _chance(
    those: People, some: Whole, ends: Whole, returns: Whole, pause: Whole, effects: frozenset[str]
) -> Floats:
    """The probability that each is active in each week since signing up."""
    week = np.arange(WEEKS)[None, :]
    begins = those.signup[some][:, None] + 7 * DAY * week
    kind = (begins + 7 * DAY > those.activate[some][:, None]).astype(int) + (
        begins + 7 * DAY > those.subscribe[some][:, None]
    )
    first, last, fade = (np.asarray(values)[kind] for values in (FIRST, LAST, FADE))
    chance = (last + (first - last) * np.exp(-week / fade)) * (
        SPREAD[0] + SPREAD[1] * those.engagement[some][:, None]
    )
    if "price_change" in effects:
        chance = np.where(
            those.after_price_change[some][:, None] & (week > 0),
            PRICE_CHANGE_ON_USE * chance,
            chance,
        )
    chance = np.where(
        (begins > ends[:, None] - DECLINE[0]) & (begins < ends[:, None]),
        DECLINE[1] * chance,
        chance,
    )
    away = (begins >= ends[:, None]) & (begins < returns[:, None])
    paused = (week >= pause[:, :1]) & (week < pause[:, 1:])
    return np.where(away | paused | (begins >= END), 0.0, chance)


def _sessions(
    draws: Draws,
    those: People,
    person: Whole,
    day: Whole,
    contract: tuple[Whole, Whole],
    effects: frozenset[str],
) -> Rows:
    """The sessions of active weeks: a log-in and the features used after it."""
    count = 1 + draws.pick(habit("sessions", effects), len(person), those.persona[person])
    person, day = np.repeat(person, count), np.repeat(day, count)
    day = day + draws.between(0, 7, len(day))
    weekday = (day + 2) % 7
    day = day + np.where((weekday >= 5) & draws.happens(0.5, len(day)), 7 - weekday, 0)
    time = draws.clock(day)
    ends, returns = contract
    there = (time < ends[person]) | (time >= returns[person])
    person, time = person[there], time[there]
    n = len(person)
    channel = np.where(draws.happens(0.95, n), those.home[person], code(CHANNELS, "web"))
    desk = np.where(
        those.device[person] == code(DEVICES, "tablet"),
        code(DEVICES, "tablet"),
        code(DEVICES, "desktop"),
    )
    device = np.select(
        [channel == code(CHANNELS, "app"), channel == code(CHANNELS, "web")],
        [code(DEVICES, "mobile"), desk],
        -1,
    )
    used = draws.pick(habit("used", effects), n, those.persona[person])
    which = np.repeat(np.arange(n), used)
    position = np.arange(len(which)) - np.repeat(np.cumsum(used) - used, used)
    feature = draws.pick(habit("features", effects), len(which), those.persona[person[which]])
    # A double click: two features in one second. It must be another feature, else the rows would be exact duplicates.
    apart = np.where(draws.happens(0.985, len(which)), draws.between(10, 240, len(which)), 0)
    summed = np.cumsum(apart)
    before = np.concatenate([[0], summed])[np.cumsum(used) - used]
    at = time[which] + summed - before[which] + 1
    repeated = (apart == 0) & (position > 0)
    feature = np.where(
        repeated & (feature == np.roll(feature, 1)), (feature + 1) % len(FEATURES), feature
    )
    by_phone = feature == FEATURES.index("feature_coaching")
    event = np.array([code(EVENTS, name) for name in FEATURES])[feature]
    return joined(
        [
            rows("login", person, time, channel=channel, device=device),
            rows(
                event,
                person[which],
                at,
                channel=np.where(by_phone, code(CHANNELS, "phone"), channel[which]),
                device=np.where(by_phone, -1, device[which]),
            ),
        ]
    )


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
