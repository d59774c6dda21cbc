"""Measures of support: tickets by the period they were opened in, as the map's support view reads them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cjlib.analyses.journey_map.support import Tickets, read_tickets
from cjlib.analyses.scorecard.inputs import Ground, Measured
from cjlib.analyses.scorecard.series import (
    Bools,
    Counts,
    Ints,
    Means,
    Shares,
    Survivals,
    counted,
    means_by,
)
from cjlib.sources.log.durations import microseconds

NAMES = (
    *(
        "tickets",
        "tickets_per_customer",
        "answered_in_24h",
        "median_seconds_to_first_response",
        "median_seconds_to_resolution",
    ),
    *("first_contact_resolution", "reopened", "abandonment", "handovers_per_ticket"),
)
A_DAY = microseconds("24h", "answered in")


def measures(ground: Ground) -> Iterator[Measured]:
    """How many tickets, how soon answered and resolved, how well."""
    support = ground.journey.support
    needs = (
        "support.opened" if support is None else ground.unseen({"support.opened": support.opened})
    )
    if needs or support is None:
        yield from (Measured(name, None, needs) for name in NAMES)
        return
    every = read_tickets(support, ground.log)
    period = ground.span.calendar.index(every.opened)
    mine = (period >= 0) & (every.opened <= ground.log.observed_until_us)
    tickets, period = every.only(mine), period[mine]
    lacks = _lacks(ground)
    for name, needed, series in _all(ground, tickets, period):
        lacking = ", ".join(lacks[one] for one in needed if lacks[one])
        yield Measured(name, None if lacking else series, lacking)


def _lacks(ground: Ground) -> dict[str, str]:
    """What is missing of each part that tickets may have."""
    support = ground.journey.support
    assert support is not None
    given = {
        name: getattr(support, name)
        for name in ("first_response", "resolved", "reopened", "abandoned")
    }
    found = {
        name: ground.unseen({f"support.{name}": event}) if event else f"support.{name}"
        for name, event in given.items()
    }
    return found | {"handled_by": "" if support.handled_by else "support.handled_by"}


def _all(
    ground: Ground, tickets: Tickets, period: Ints
) -> Iterator[tuple[str, tuple[str, ...], Shares | Counts | Means | Survivals]]:
    """Each measure with the parts it needs."""
    size, opened, until = ground.size, tickets.opened, tickets.observed_until
    answered, resolved = tickets.first_response >= 0, tickets.resolved >= 0

    def part(good: Bools, base: Bools) -> Shares:
        return Shares(counted(period[good & base], size), counted(period[base], size))

    soon = answered & (tickets.first_response - opened <= A_DAY)
    at_once = (tickets.responses <= 1) & ~tickets.reopened
    yield "tickets", (), Counts(counted(period, size))
    yield "tickets_per_customer", (), _per_customer(ground, tickets.customer, period)
    yield "answered_in_24h", ("first_response",), part(soon, opened + A_DAY <= until)
    yield (
        "median_seconds_to_first_response",
        ("first_response",),
        _until(tickets, tickets.first_response, period, size),
    )
    yield (
        "median_seconds_to_resolution",
        ("resolved",),
        _until(tickets, tickets.resolved, period, size),
    )
    yield "first_contact_resolution", ("first_response", "resolved"), part(at_once, resolved)
    yield "reopened", ("resolved", "reopened"), part(tickets.reopened, resolved)
    yield "abandonment", ("abandoned",), part(tickets.abandoned, np.ones(opened.size, dtype=bool))
    yield (
        "handovers_per_ticket",
        ("handled_by",),
        means_by(tickets.handovers.astype(np.float64), period, size),
    )


def _per_customer(ground: Ground, customer: Ints, period: Ints) -> Means:
    """Tickets ÷ active customers; customers are the units."""
    key, count = np.unique(customer * ground.size + period, return_counts=True)
    total, squares = (
        np.bincount(key % ground.size, weights=count.astype(float) ** power, minlength=ground.size)
        for power in (1, 2)
    )
    return Means(total.astype(np.float64), squares.astype(np.float64), ground.n_active)


def _until(tickets: Tickets, done: Ints, period: Ints, size: int) -> Survivals:
    came = done >= 0
    seconds = np.maximum(np.where(came, done, tickets.observed_until) - tickets.opened, 0) / 1e6
    return Survivals(seconds, came, period, size)
