"""The support view: tickets by period, how soon they are answered and solved, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.mapped_events import Bools, Ints
from cjlib.analyses.journey_map.stages import SECOND
from cjlib.analyses.survival.kaplan_meier import kaplan_meier
from cjlib.shared.group_by import MISSING, values_of
from cjlib.shared.periods import calendar
from cjlib.shared.repeated_rows import share_interval
from cjlib.shared.stats import share
from cjlib.sources.journey import Support
from cjlib.sources.log.event_log import EventLog

DAY = 86_400 * SECOND
ROLES = ("opened", "first_response", "resolved", "reopened", "abandoned", "waiting")


@dataclass(frozen=True)
class Tickets:
    """One row a ticket that was opened: whose (code in the log), instants (−1 = never), counts, and its channel in words."""

    customer: Ints
    opened: Ints
    first_response: Ints
    resolved: Ints
    responses: Ints
    reopened: Bools
    abandoned: Bools
    handovers: Ints
    waiting_loops: Ints
    channel: np.ndarray
    observed_until: int

    def only(self, rows: Bools) -> Tickets:
        """Some of the tickets."""
        return Tickets(
            **{
                name: value if name == "observed_until" else value[rows]
                for name, value in vars(self).items()
            }
        )


def support_view(support: Support, period: str, log: EventLog) -> pd.DataFrame:
    """`.support`: a row a period of opening, and for each of its channels another.

    A ticket is the events of one `ticket_id`; without that column an `opened` event starts the customer's next ticket. It belongs to the period of its first
    `opened` event; tickets without one are left out. Answered within 24 hours (end included) counts tickets whose 24 hours are over. Times are Kaplan–Meier
    medians with open tickets censored. First contact: resolved with at most one response and never reopened, of those resolved. A handover is a change of
    `handled_by` between neighbouring events of a ticket; a waiting loop each return to `waiting` after the first.
    """
    tickets = read_tickets(support, log)
    if not tickets.opened.size:
        return pd.DataFrame()
    periods = calendar(int(tickets.opened.min()), int(tickets.opened.max()), period, log.zone)
    index = periods.index(tickets.opened)
    rows = []
    for k in range(len(periods)):
        inside = tickets.only(index == k)
        if inside.opened.size:
            rows.append({"period_start": periods.labels[k], "channel": None} | _row(inside))
            rows += [
                {"period_start": periods.labels[k], "channel": name}
                | _row(inside.only(inside.channel == name))
                for name in sorted(set(inside.channel) - {""})
            ]
    table = pd.DataFrame(rows)
    return table.assign(
        period_start=pd.to_datetime(table["period_start"]).astype("datetime64[us]"),
        channel=table["channel"].astype("str"),
    )


def read_tickets(support: Support, log: EventLog) -> Tickets:
    """The tickets of a log, by the instant of opening."""
    given = [name for name in ROLES if getattr(support, name) is not None]
    conditions = {
        name: f"coalesce({log.match(getattr(support, name), f'support.{name}')}, FALSE)"
        for name in given
    }
    where = f"({' OR '.join(conditions.values())})"
    flags = {name: f"CAST({test} AS TINYINT)" for name, test in conditions.items()}
    found = log.computed(where, customer="c", time="t", **flags)
    size = found["customer"].size
    role = {
        name: found[name].astype(bool) if name in flags else np.zeros(size, dtype=bool)
        for name in ROLES
    }
    ticket = _ticket(support, log, where, found["customer"].astype(np.int64), role["opened"])
    channel = (
        log.codes("channel", where=where)
        if "channel" in log.properties
        else (np.full(size, MISSING), [])
    )
    agent = (
        values_of(log, (support.handled_by,), where=where, option="support.handled_by").rank
        if support.handled_by
        else np.full(size, MISSING)
    )
    # Of one instant: opening first, then what answers it, so that a ticket answered at once is answered.
    stage = np.select([role[name] for name in ROLES], range(len(ROLES)), len(ROLES))
    known = np.flatnonzero(ticket >= 0)
    order = known[np.lexsort((stage[known], found["time"][known], ticket[known]))]
    return _gathered(
        ticket[order],
        found["time"][order],
        {name: held[order] for name, held in role.items()},
        agent[order],
        (channel[0][order], channel[1]),
        log,
        customer=found["customer"][order].astype(np.int64),
    )


def _ticket(support: Support, log: EventLog, where: str, customer: Ints, opened: Bools) -> Ints:
    if support.ticket_id == "customer_id":
        return customer
    if support.ticket_id:
        return values_of(log, (support.ticket_id,), where=where, option="support.ticket_id").rank
    number = np.cumsum(opened)
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    before = (
        np.repeat(number[first] - opened[first], np.diff(np.r_[first, customer.size]))
        if first.size
        else number
    )
    return np.where(number > before, number, -1)


def _gathered(
    ticket: Ints,
    time: Ints,
    role: dict[str, Bools],
    agent: Ints,
    channel: tuple[Any, list[Any]],
    log: EventLog,
    *,
    customer: Ints,
) -> Tickets:
    _, of = np.unique(ticket, return_inverse=True)
    size = int(of.max()) + 1 if of.size else 0
    begin = _first(of, time, role["opened"], size)
    late = time >= begin[of] if of.size else np.zeros(0, dtype=bool)
    counted = {name: np.bincount(of[held & late], minlength=size) for name, held in role.items()}
    codes, names = channel
    first_row = np.full(size, -1, dtype=np.int64)
    rows = np.flatnonzero(role["opened"])[::-1]
    first_row[of[rows]] = rows
    words = np.array([*(str(name) for name in names), ""], dtype=object)
    tickets = Tickets(
        customer=customer[first_row] if size else np.zeros(0, dtype=np.int64),
        opened=begin,
        first_response=_first(of, time, role["first_response"] & late, size),
        resolved=_first(of, time, role["resolved"] & late, size),
        responses=counted["first_response"],
        reopened=counted["reopened"] > 0,
        abandoned=counted["abandoned"] > 0,
        handovers=_handovers(of, agent, size),
        waiting_loops=np.maximum(counted["waiting"] - 1, 0),
        channel=words[codes[first_row]] if size else np.zeros(0, dtype=object),
        observed_until=log.observed_until_us,
    )
    return tickets.only(tickets.opened >= 0) if size else tickets


def _first(of: Ints, time: Ints, rows: Bools, size: int) -> Ints:
    found = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(found, of[rows], time[rows])
    return np.where(found == np.iinfo(np.int64).max, -1, found)


def _handovers(of: Ints, agent: Ints, size: int) -> Ints:
    """Changes of who handles a ticket; events that nobody handles are passed over."""
    known = np.flatnonzero(agent != MISSING)
    ticket, who = of[known], agent[known]
    changed = (np.diff(ticket) == 0) & (np.diff(who) != 0)
    return np.bincount(ticket[1:][changed], minlength=size)


def _row(tickets: Tickets) -> dict[str, Any]:
    opened, until = tickets.opened, tickets.observed_until
    over = opened + DAY <= until
    soon = (tickets.first_response >= 0) & (tickets.first_response - opened <= DAY)
    solved = tickets.resolved >= 0
    once = solved & (tickets.responses <= 1) & ~tickets.reopened
    n = opened.size
    row: dict[str, Any] = {
        "tickets": n,
        "median_seconds_to_first_response": _median(opened, tickets.first_response, until),
    }
    row |= _share("answered_in_24h", soon, over, tickets.customer)
    row["median_seconds_to_resolution"] = _median(opened, tickets.resolved, until)
    row |= _share("first_contact_resolution", once, solved, tickets.customer)
    row |= _share("reopened", tickets.reopened, solved, tickets.customer)
    row |= _share("abandoned", tickets.abandoned, np.ones(n, dtype=bool), tickets.customer)
    return row | {
        "handovers_per_ticket": tickets.handovers.sum() / n,
        "waiting_loops_per_ticket": tickets.waiting_loops.sum() / n,
    }


def _share(name: str, flag: Bools, base: Bools, customer: Ints) -> dict[str, float]:
    flagged = flag[base]
    low, high = share_interval(flagged, customer[base], np.zeros(flagged.size, dtype=np.int64), 1)
    value = float(share(np.count_nonzero(flagged), flagged.size))
    return {name: value, f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}


def _median(opened: Ints, done: Ints, until: int) -> float:
    """The time by which half are done (Kaplan–Meier); missing where half never are."""
    came = done >= 0
    seconds = np.maximum(np.where(came, done, until) - opened, 0) / SECOND
    return kaplan_meier(seconds, came).median if opened.size else float("nan")
