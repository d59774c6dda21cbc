"""Measures of contacts: what customers say, sessions and pages, tickets of support."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.scores import ces, csat, nps
from cjlib.analyses.journey_map.support import Tickets, read_tickets
from cjlib.analyses.scorecard.inputs import Answers, Ground, Measured
from cjlib.analyses.scorecard.series import (
    Bools,
    Counts,
    Ints,
    Means,
    Medians,
    Promoters,
    Series,
    Shares,
    Survivals,
    counted,
    means_by,
)
from cjlib.shared.event_arrays import opens
from cjlib.shared.repeated_rows import share_interval
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.durations import microseconds

SCORES = {"nps": nps, "csat": csat, "ces": ces, "rating": partial(csat, score="rating")}
GOOD = {"nps": "promoters", "csat": "satisfied", "ces": "easy", "rating": "satisfied"}
COLUMN = "period of the scorecard"


def feedback_measures(ground: Ground | Answers) -> Iterator[Measured]:
    """NPS, CSAT, CES, star ratings, and how many of those asked answered."""
    feedback, needs = ground.feedback, _needs(ground.feedback)
    period = (
        np.zeros(0, dtype=np.int64) if needs or feedback is None else _periods(ground, feedback)
    )
    for name in SCORES:
        lacking = needs or _without_score(feedback, name, period)
        yield Measured(
            name,
            None if lacking or feedback is None else _scored(ground, feedback, name, period),
            lacking,
        )
    lacking = ", ".join(part for part in (needs, ground.missing("asked")) if part)
    answered = None if lacking or feedback is None else _answered(ground, feedback, period)
    if answered is not None and (answered.count > answered.n).any():
        answered, lacking = None, "an asked event for every answer: some periods have more answers"
    yield Measured("response_share", answered, lacking)


def _needs(feedback: Feedback | None) -> str:
    if feedback is None:
        return "sources.feedback"
    return "" if feedback.frame["timestamp"].notna().any() else "dates in the feedback"


def _without_score(feedback: Feedback | None, name: str, period: Ints) -> str:
    given = feedback is not None and bool(
        (feedback.frame[name].notna().to_numpy() & (period >= 0)).any()
    )
    return "" if given else f"a score {name} in the feedback of these periods"


def _periods(ground: Ground | Answers, feedback: Feedback) -> Ints:
    """The period of each answer; −1 before the first, after the last and without a date."""
    times = feedback.frame["timestamp"]
    dated = times.notna().to_numpy()
    moments = (
        times[dated]
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    found = np.full(len(times), -1, dtype=np.int64)
    found[dated] = np.where(moments <= ground.until, ground.span.calendar.index(moments), -1)
    return found


def _scored(ground: Ground | Answers, feedback: Feedback, name: str, period: Ints) -> Series:
    """The score as its own analysis counts it, once for all periods."""
    mine = feedback.frame[period >= 0].assign(**{COLUMN: period[period >= 0].astype(str)})
    table = SCORES[name](replace(feedback, frame=mine, kept={}), by=COLUMN).table
    place = table["segment"].astype(int).to_numpy()
    n, good, bad = (
        _placed(table[column], place, ground.size, 0).astype(np.int64)
        for column in ("n", GOOD[name], table.columns[4])
    )
    value, low, high = (
        _placed(table[column], place, ground.size, np.nan) for column in ("value", "low", "high")
    )
    if name != "nps":
        return Shares(good, n, (low, high))
    return Promoters(value, low, high, good, bad, n)


def _placed(column: pd.Series, place: np.ndarray, size: int, missing: float) -> np.ndarray:
    found = np.full(size, missing, dtype=np.float64)
    found[place] = column.to_numpy(dtype=float)
    return found


def _answered(ground: Ground | Answers, feedback: Feedback, period: Ints) -> Shares:
    """Answers with a score that were asked for, where the feedback says which were, ÷ invitations."""
    frame = feedback.frame
    unsolicited = frame["solicited"].eq(False).fillna(False).to_numpy(dtype=bool)
    scored = frame[list(SCORES)].notna().any(axis=1).to_numpy() & ~unsolicited
    asked = ground.of_role("asked").period
    return Shares(
        counted(period[scored & (period >= 0)], ground.size),
        counted(asked[asked >= 0], ground.size),
    )


GAP = microseconds("30min", "gap")
SECOND = 1e6


def web_measures(ground: Ground) -> Iterator[Measured]:
    """Click-through, bounce, and how long sessions and pages last."""
    needs = ground.missing("impression", "click")
    if needs:
        yield Measured("click_through", None, needs)
    else:
        clicks, impressions = (
            counted(period[period >= 0], ground.size)
            for period in (ground.of_role(role).period for role in ("click", "impression"))
        )
        yield Measured("click_through", Shares(clicks, impressions))
    yield from _sessions(ground)
    needs = ground.missing("page")
    yield Measured("median_seconds_on_page", None if needs else _on_page(ground), needs)


def _sessions(ground: Ground) -> Iterator[Measured]:
    """Sessions of all events, as `cj.sessions(log)` cuts them, by the period they start in."""
    rows, _ = ground.read
    opening = np.flatnonzero(opens(rows.customer, rows.time, GAP))
    events = np.diff(opening, append=rows.time.size)
    start, period = rows.time[opening], rows.period[opening]
    seconds = (rows.time[opening + events - 1] - start) / SECOND
    mine = (period >= 0) & (start <= ground.until)
    period, events, seconds = period[mine], events[mine], seconds[mine]
    yield Measured(
        "bounce", Shares(counted(period[events == 1], ground.size), counted(period, ground.size))
    )
    yield Measured("median_seconds_per_session", Medians(seconds, period, ground.size))
    yield Measured("mean_seconds_per_session", means_by(seconds, period, ground.size))


def _on_page(ground: Ground) -> Medians:
    """From a page event to the customer's next event, if that comes within the session."""
    rows, _ = ground.read
    time, customer = rows.time, rows.customer
    at = ground.positions(ground.journey.roles.page, "roles.page")
    at = at[(at < time.size - 1) & (time[at] >= ground.starts[0]) & (time[at] <= ground.until)]
    length = time[at + 1] - time[at]
    stays = (customer[at + 1] == customer[at]) & (length <= GAP)
    return Medians(length[stays] / SECOND, rows.period[at[stays]], ground.size)


SUPPORT_NAMES = (
    "tickets",
    "tickets_per_customer",
    "answered_in_24h",
    "median_seconds_to_first_response",
    "median_seconds_to_resolution",
    "first_contact_resolution",
    "reopened",
    "abandonment",
    "handovers_per_ticket",
)
A_DAY = microseconds("24h", "answered in")


def support_measures(ground: Ground) -> Iterator[Measured]:
    """How many tickets, how soon answered and resolved, how well."""
    support = ground.journey.support
    needs = (
        "support.opened" if support is None else ground.unseen({"support.opened": support.opened})
    )
    if needs or support is None:
        yield from (Measured(name, None, needs) for name in SUPPORT_NAMES)
        return
    tickets = read_tickets(support, ground.log)
    period = ground.span.calendar.index(tickets.opened)
    mine = (period >= 0) & (tickets.opened <= ground.log.observed_until_us)
    tickets, period = tickets.only(mine), period[mine]
    lacks = _missing_parts(ground)
    for name, needed, series in _all(ground, tickets, period):
        lacking = ", ".join(lacks[part] for part in needed if lacks[part])
        yield Measured(name, None if lacking else series, lacking)


def _missing_parts(ground: Ground) -> dict[str, str]:
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
        inside = base & (period >= 0)
        bounds = share_interval(good[inside], tickets.customer[inside], period[inside], size)
        return Shares(counted(period[good & base], size), counted(period[base], size), bounds)

    soon = answered & (tickets.first_response - opened <= A_DAY)
    at_once = (tickets.responses <= 1) & ~tickets.reopened
    yield "tickets", (), Counts(counted(period, size), adds_up=True)
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
    return means_by(count.astype(float), key % ground.size, ground.size, ground.n_active)


def _until(tickets: Tickets, done: Ints, period: Ints, size: int) -> Survivals:
    came = done >= 0
    seconds = np.maximum(np.where(came, done, tickets.observed_until) - tickets.opened, 0) / 1e6
    return Survivals(seconds, came, period, size)
