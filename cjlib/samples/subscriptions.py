"""What subscribers do with their contract: pay, renew, upgrade, ask for help, cancel, come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.samples.business import (
    CHANNELS,
    DAY,
    DEVICES,
    END,
    EVENTS,
    FEATURES,
    MOBILE_BREAK,
    NEVER,
    PLANS,
    PRICES,
    PRICES_AFTER_CHANGE,
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

MONTH = 30 * DAY
TERM = 90 * DAY
CANCEL_PER_MONTH = 0.035
"""Of customers of middling engagement and the old prices; twice as high for the least engaged, half for the most."""
PRICE_CHANGE_ON_CANCEL = 1.7
NOT_RENEWED = 0.05
BAD_PAYMENT_CANCELS = 0.45
BAD_EXPERIENCE = -0.9
"""Experiences below this, on a scale of mean 0 and standard deviation 1, are bad ones."""
COME_BACK = 0.10


@dataclass(frozen=True)
class Subscriptions:
    """One entry a subscriber: who, from when, to when; `returns` is when a former customer subscribes again."""

    person: Whole
    home: Whole
    start: Whole
    end: Whole
    returns: Whole
    plan: Whole
    upgraded: Whole
    first_payment: Floats
    tickets: Tickets
    renewals: tuple[Whole, Whole]


def simulate_subscriptions(
    those: People, seed: int, effects: frozenset[str]
) -> tuple[Subscriptions, Rows]:
    """Every contract of the year and its events."""
    draws = Draws(seed, "subscriptions")
    person = np.flatnonzero(those.subscribe < END)
    start, n = those.subscribe[person], len(person)
    plan = those.plan[person]
    first_payment = 0.55 * those.satisfaction[person] + 0.835 * draws.bell(n)
    first_unrenewed = 1 + (np.log(1 - draws.uniform(n)) / np.log(1 - NOT_RENEWED)).astype(np.int64)
    before_support = np.minimum.reduce(
        [
            start + DAY + _wait(draws, those, person, effects),
            start + first_unrenewed * TERM - draws.between(60, DAY, n),
            _after_bad_payment(draws, start, first_payment, effects),
        ]
    )
    asked, end = simulate_tickets(
        Draws(seed, "tickets"), person, start, before_support, those.persona[person], effects
    )
    returns = np.where(
        draws.happens(COME_BACK, n) & (end < END), end + draws.between(30 * DAY, 80 * DAY, n), NEVER
    )
    upgraded = np.where(
        draws.happens(0.15, n) & (plan < 2), start + draws.between(20 * DAY, 250 * DAY, n), NEVER
    )
    upgraded = np.where(upgraded < end, upgraded, NEVER)
    renewal_events, renewals = _renewals(
        Draws(seed, "renewals"), person, those.home[person], (start, end), first_unrenewed
    )
    every = Subscriptions(
        person,
        those.home[person],
        start,
        end,
        returns,
        plan,
        upgraded,
        first_payment,
        asked,
        renewals,
    )
    prices_changed = those.after_price_change[person] & ("price_change" in effects)
    made = [
        *_contract(every),
        *_payments(Draws(seed, "payments"), every, prices_changed),
        *renewal_events,
        asked.rows,
    ]
    return every, joined(made)


def _wait(draws: Draws, those: People, person: Whole, effects: frozenset[str]) -> Whole:
    """Time until a customer would cancel for no planted reason but the new prices."""
    n = len(person)
    hazard = CANCEL_PER_MONTH * 2.0 ** (1.0 - 2.0 * those.engagement[person])
    if "price_change" in effects:
        hazard = np.where(those.after_price_change[person], PRICE_CHANGE_ON_CANCEL * hazard, hazard)
    return np.minimum(-np.log(1 - draws.uniform(n)) / hazard * MONTH, NEVER / 4).astype(np.int64)


def _after_bad_payment(
    draws: Draws, start: Whole, first_payment: Floats, effects: frozenset[str]
) -> Whole:
    """When those cancel whom the first invoice put off: within four weeks of it."""
    n = len(start)
    cancels = (
        draws.happens(BAD_PAYMENT_CANCELS, n)
        & (first_payment < BAD_EXPERIENCE)
        & ("payment_moment" in effects)
    )
    return np.where(cancels, start + draws.between(4 * DAY, 27 * DAY, n), NEVER)


def _contract(those: Subscriptions) -> list[Rows]:
    """Beginning, end, change and second beginning of each contract."""
    back = those.returns < END
    plan = those.plan + (those.upgraded < END)
    return [
        rows("subscribe", those.person, those.start, channel=those.home, plan=those.plan),
        rows("cancel", those.person, those.end, channel=those.home, plan=plan),
        rows(
            "subscribe",
            those.person[back],
            those.returns[back],
            channel=those.home[back],
            plan=plan[back],
        ),
        rows(
            "upgrade",
            those.person,
            those.upgraded,
            channel=those.home,
            plan=np.minimum(those.plan + 1, len(PLANS) - 1),
        ),
    ]


def _payments(draws: Draws, those: Subscriptions, prices_changed: NDArray[np.bool_]) -> list[Rows]:
    """One payment at the start of each 30 days of a contract, the first in the same second as the subscription."""
    made = []
    for start, end in (
        (those.start, np.minimum(those.end, END)),
        (those.returns, np.where(those.returns < END, END, those.returns)),
    ):
        count = -((start - end) // MONTH)
        who = np.repeat(np.arange(len(start)), count)
        number = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
        time = (
            start[who] + number * MONTH + np.where(number > 0, draws.between(0, 7_200, len(who)), 0)
        )
        plan = those.plan[who] + (time >= those.upgraded[who])
        value = np.where(
            prices_changed[who], np.asarray(PRICES_AFTER_CHANGE)[plan], np.asarray(PRICES)[plan]
        )
        made.append(
            rows(
                "payment", those.person[who], time, channel=those.home[who], value=value, plan=plan
            )
        )
    return made


def _renewals(
    draws: Draws, person: Whole, home: Whole, contract: tuple[Whole, Whole], first_unrenewed: Whole
) -> tuple[list[Rows], tuple[Whole, Whole]]:
    """Reminders a week before each term of 90 days ends, and the renewals that follow."""
    start, end = contract
    made, renewed_by, renewed_at = [], [], []
    for term in range(1, 5):
        due = start + term * TERM - 7 * DAY
        active = due < end
        made.append(
            rows("renewal_due", person[active], due[active], channel=code(CHANNELS, "email"))
        )
        renewed = due + draws.skewed(3_600, 5.5 * DAY, len(person), power=2)
        keeps = (renewed < end) & (term < first_unrenewed)
        made.append(rows("renewed", person[keeps], renewed[keeps], channel=home[keeps]))
        renewed_by.append(person[keeps & (renewed < END)])
        renewed_at.append(renewed[keeps & (renewed < END)])
    return made, (np.concatenate(renewed_by), np.concatenate(renewed_at))


HOUR = 3_600
MOST = 12
"""Tickets a customer can open in the year."""
SLOW_SHARE = 0.15
SLOW_WAIT = (50 * HOUR, 120 * HOUR)
WAIT = (20 * 60, 34 * HOUR)
SLOW_CANCELS = 0.35
AGENTS = 12


@dataclass(frozen=True)
class Tickets:
    """One entry a ticket, in the order they were opened; `resolved` is NEVER where the customer gave up."""

    person: Whole
    opened: Whole
    channel: Whole
    slow: NDArray[np.bool_]
    resolved: Whole
    rows: Rows


def simulate_tickets(
    draws: Draws, person: Whole, start: Whole, end: Whole, persona: Whole, effects: frozenset[str]
) -> tuple[Tickets, Whole]:
    """All tickets of the subscribers, and when their contracts end now that some were kept waiting."""
    n = len(person)
    per_month = habit("tickets", effects)[persona, 0]
    gaps = -np.log(1 - draws.uniform(n, MOST)) / per_month[:, None] * 30 * DAY
    opened = (
        start[:, None] + 600 + np.cumsum(np.minimum(gaps, NEVER / 100), axis=1).astype(np.int64)
    )
    slow = draws.uniform(n, MOST) < SLOW_SHARE
    gives_up = (draws.uniform(n, MOST) < 0.05) & ~slow
    lost = (
        slow
        & (draws.uniform(n, MOST) < SLOW_CANCELS)
        & ("slow_support" in effects)
        & (opened < end[:, None])
    )
    leaves = np.where(lost, opened + (3 + 26 * draws.uniform(n, MOST)) * DAY, NEVER).astype(
        np.int64
    )
    leaves = np.where(lost & (leaves < opened + SLOW_WAIT[1]), opened + SLOW_WAIT[1] + 600, leaves)
    end = np.minimum(end, leaves.min(axis=1))
    who, which = np.nonzero((opened < end[:, None]) & (opened < END))
    order = np.argsort(opened[who, which], kind="stable")
    who, which = who[order], which[order]
    return _handled(
        draws,
        _Opened(
            person[who], opened[who, which], persona[who], slow[who, which], gives_up[who, which]
        ),
        effects,
    ), end


@dataclass(frozen=True)
class _Opened:
    person: Whole
    opened: Whole
    persona: Whole
    slow: NDArray[np.bool_]
    gives_up: NDArray[np.bool_]


def _handled(draws: Draws, those: _Opened, effects: frozenset[str]) -> Tickets:
    """What happens to each ticket."""
    person, opened, gives_up = those.person, those.opened, those.gives_up
    n = len(person)
    number = np.arange(n)
    channel = draws.pick(habit("ticket_channel", effects), n, those.persona)
    answered = opened + np.where(those.slow, draws.between(*SLOW_WAIT, n), draws.skewed(*WAIT, n))
    first, second = draws.between(0, AGENTS, n), draws.between(0, AGENTS, n)
    last = np.where(draws.happens(0.2, n), second, first)
    waits = draws.happens(0.3, n) & ~gives_up
    asked = answered + draws.between(HOUR, 12 * HOUR, n)
    resolved = np.where(
        gives_up, NEVER, np.where(waits, asked, answered) + draws.skewed(900, 60 * HOUR, n, power=2)
    )
    again = draws.happens(0.1, n) & ~gives_up
    reopened = np.where(again, resolved + draws.between(4 * HOUR, 5 * DAY, n), NEVER)
    resolved_again = np.where(again, reopened + draws.between(2 * HOUR, 3 * DAY, n), NEVER)
    abandoned = np.where(gives_up, opened + draws.between(DAY, 3 * DAY, n), NEVER)
    answered = np.where(gives_up, NEVER, answered)
    made = [
        rows("ticket_opened", person, opened, channel=channel, ticket=number),
        rows(
            "ticket_first_response", person, answered, channel=channel, ticket=number, agent=first
        ),
        rows(
            "ticket_waiting",
            person,
            np.where(waits, asked, NEVER),
            channel=channel,
            ticket=number,
            agent=first,
        ),
        rows("ticket_resolved", person, resolved, channel=channel, ticket=number, agent=last),
        rows("ticket_reopened", person, reopened, channel=channel, ticket=number, agent=last),
        rows("ticket_resolved", person, resolved_again, channel=channel, ticket=number, agent=last),
        rows("ticket_abandoned", person, abandoned, channel=channel, ticket=number),
    ]
    return Tickets(person, opened, channel, those.slow, resolved, joined(made))


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
