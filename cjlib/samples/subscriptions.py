"""What subscribers do with their contract: pay, renew, upgrade, ask for help, cancel, come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.samples.business import (
    CHANNELS,
    DAY,
    END,
    NEVER,
    PLANS,
    PRICES,
    PRICES_AFTER_CHANGE,
    Draws,
    Floats,
    Rows,
    Whole,
    code,
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
