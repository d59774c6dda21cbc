"""Who comes back after the churn event: not by an exit survey; and events that were asked for and never occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cjlib.analyses.churn.data.event_arrays import Question
from cjlib.analyses.churn.data.log_leakage import FEWEST, TERMINAL
from cjlib.errors import did_you_mean, listed, shown
from cjlib.shared.periods import DAY
from cjlib.sources.log.conditions import as_step
from cjlib.sources.log.event_log import EventLog


def endings(log: EventLog, question: Question) -> tuple[str, ...]:
    """The event types that are no return after the churn event, where `active_event` does not say what is one.

    Those of which at least .9 of the events, of at least 30 customers, no later event of the customer follows but others of this kind, so that a confirmation before a survey is found
    as well. Only customers whose last event is more than a horizon before the end of data: of the others it is not known yet. The churn event itself is none, and may not follow.
    """
    if question.churn_event is None or question.active_event is not None:
        return ()
    left = log.match(question.churn_event, "churn_event")
    found: set[int] = set()
    while True:
        now = {
            code
            for code, every, final, customers in log.engine.rows(
                _followed(log, question.horizon, left, found)
            )
            if customers >= FEWEST and final >= TERMINAL * every
        }
        if now <= found:
            return tuple(sorted(log.event_names[code] for code in found))
        found |= now


def _followed(log: EventLog, horizon: int, left: str, ended: set[int]) -> str:
    """Of each event type: its events but the churn event, those that only the types `ended` follow, and its customers."""
    goes_on = f"gone OR e NOT IN ({', '.join(map(str, sorted(ended)))})" if ended else "TRUE"
    events = f"SELECT c, t, e, coalesce({left}, FALSE) AS gone FROM {log.prepared}"
    return (
        f"WITH all_events AS ({events}), lasts AS (SELECT c, max(t) FILTER (WHERE {goes_on}) AS stays, max(t) AS latest FROM all_events GROUP BY c) "
        f"SELECT e, count(*), count(*) FILTER (WHERE stays IS NULL OR t >= stays), count(DISTINCT c) FROM all_events JOIN lasts USING (c) "
        f"WHERE NOT gone AND latest < {log.observed_until_us - horizon} GROUP BY e"
    )


def endings_in_words(question: Question, customers: Sequence[NDArray[Any]]) -> dict[str, str]:
    """What is no return, and how many customers each cutoff keeps left for it; nothing where `active_event` says what is one."""
    if question.churn_event is None or question.active_event is not None:
        return {}
    if not question.endings:
        return {
            "return": "any event after the churn event; of no event type does the log show that (almost) nothing follows"
        }
    who = np.unique(np.concatenate(customers)).size
    return {
        "return": f"any event after the churn event but {listed(question.endings)}, which in the whole log (almost) nothing follows: {who:,} customers who had only such an event after "
        "they had left stay left (at one cutoff or more). active_event= says otherwise"
    }


def never(log: EventLog, question: Question) -> str:
    """What was asked for and never occurs, with the nearest name that does; empty where all occurs."""
    told = []
    for option, event in (
        ("churn_event", question.churn_event),
        ("active_event", question.active_event),
    ):
        if event is None:
            continue
        unknown = log.unknown_events(event)
        told += [
            f"{option}: {shown(name)} never occurs in the log.{did_you_mean(name, log.event_names)}"
            for name in unknown
        ]
        if (
            not unknown
            and not log.engine.rows(
                f"SELECT count(*) FROM {log.prepared} WHERE {log.match(event, option)}"
            )[0][0]
        ):
            told.append(f"{option}: {shown(str(as_step(event, option)))} never occurs in the log.")
    return "".join(f" {one}" for one in told)


def beyond_the_end(log: EventLog, newest: int) -> str:
    """That a cutoff lies after the end of data by more than the midnight that ends the last day: of the time between nothing is known."""
    if newest <= log.observed_until_us + DAY:
        return ""
    return (
        f" The cutoff {log.moment(newest):%Y-%m-%d} lies after the end of the data, {log.observed_until:%Y-%m-%d}: of the time between nothing is known, "
        "and it counts as silence. Give cutoffs=[log.observed_until] for today's forecast."
    )
