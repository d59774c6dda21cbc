"""Measures of impressions, sessions and pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cjlib.analyses.scorecard.inputs import Ground, Measured
from cjlib.analyses.scorecard.series import Medians, Shares, counted, means_by
from cjlib.shared.event_arrays import opens
from cjlib.sources.log.durations import microseconds

GAP = microseconds("30min", "gap")
SECOND = 1e6


def measures(ground: Ground) -> Iterator[Measured]:
    """Click-through, bounce, and how long sessions and pages last."""
    needs = ground.missing("impression", "click")
    if needs:
        yield Measured("click_through", None, needs)
    else:
        click, impression = (ground.of_role(role).period for role in ("click", "impression"))
        yield Measured(
            "click_through",
            Shares(*(counted(one[one >= 0], ground.size) for one in (click, impression))),
        )
    yield from _sessions(ground)
    needs = ground.missing("page")
    yield Measured("median_seconds_on_page", None if needs else _on_page(ground), needs)


def _sessions(ground: Ground) -> Iterator[Measured]:
    """Sessions of all events, as `cj.sessions(log)` cuts them, by the period they start in."""
    every, _ = ground.read
    opening = np.flatnonzero(opens(every.customer, every.time, GAP))
    events = np.diff(opening, append=every.time.size)
    start, period = every.time[opening], every.period[opening]
    mine = (period >= 0) & (start <= ground.until)
    period, events, seconds = (
        period[mine],
        events[mine],
        (every.time[opening + events - 1] - start)[mine] / SECOND,
    )
    yield Measured(
        "bounce", Shares(counted(period[events == 1], ground.size), counted(period, ground.size))
    )
    yield Measured("median_seconds_per_session", Medians(seconds, period, ground.size))
    yield Measured("mean_seconds_per_session", means_by(seconds, period, ground.size))


def _on_page(ground: Ground) -> Medians:
    """From a page event to the customer's next event, if that comes within the session."""
    every, _ = ground.read
    at = ground.positions(ground.journey.roles.page, "roles.page")
    at = at[
        (at < every.time.size - 1)
        & (every.time[at] >= ground.starts[0])
        & (every.time[at] <= ground.until)
    ]
    length = every.time[at + 1] - every.time[at]
    stays = (every.customer[at + 1] == every.customer[at]) & (length <= GAP)
    return Medians(length[stays] / SECOND, every.period[at[stays]], ground.size)
