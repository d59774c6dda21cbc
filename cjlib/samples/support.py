"""Tickets: opened, answered late or in time, solved, opened again; and what a long wait does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cjlib.samples.business import DAY, END, NEVER
from cjlib.samples.draws import Draws, Rows, Whole, joined, rows
from cjlib.samples.people import habit

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
