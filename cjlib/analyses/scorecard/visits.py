"""Measures of impressions, sessions and pages."""

from __future__ import annotations

from collections.abc import Iterator

from cjlib.analyses.paths.sessions import session_bounds
from cjlib.analyses.scorecard.ground import Ground, Measured
from cjlib.analyses.scorecard.series import Medians, Shares, counted, means_by
from cjlib.sources.durations import microseconds

GAP = microseconds("30min", "gap")
SECOND = 1e6


def measures(ground: Ground) -> Iterator[Measured]:
    """Click-through, bounce, and how long sessions and pages last."""
    needs = ground.missing("impression", "click")
    if needs:
        yield Measured("click_through", None, needs)
    else:
        click, impression = (ground.of_role(role).period for role in ("click", "impression"))
        yield Measured("click_through", Shares(*(counted(one[one >= 0], ground.size) for one in (click, impression))))
    yield from _sessions(ground)
    needs = ground.missing("page")
    yield Measured("median_seconds_on_page", None if needs else _on_page(ground), needs)


def _sessions(ground: Ground) -> Iterator[Measured]:
    """Sessions of all events, as `cj.sessions(log)` cuts them, by the period they start in."""
    opened = session_bounds(ground.log, GAP)
    period = ground.span.calendar.index(opened["start"])
    mine = (period >= 0) & (opened["start"] <= ground.log.observed_until_us)
    period, seconds = period[mine], (opened["end"] - opened["start"])[mine] / SECOND
    yield Measured("bounce", Shares(counted(period[opened["events"][mine] == 1], ground.size), counted(period, ground.size)))
    yield Measured("median_seconds_per_session", Medians(seconds, period, ground.size))
    yield Measured("mean_seconds_per_session", means_by(seconds, period, ground.size))


def _on_page(ground: Ground) -> Medians:
    """From a page event to the customer's next event, if that comes within the session."""
    log, role = ground.log, ground.journey.roles.page
    # The pages are picked outside the window: a condition that is a join would change the order that lead rests on.
    following = f"SELECT *, lead(c) OVER () AS nc, lead(t) OVER () AS nt FROM {log.prepared}"
    found = log.engine.numbers(
        f"SELECT t, nt - t AS length FROM ({following}) WHERE {log.match(role, 'roles.page')} AND nc = c AND nt - t <= {GAP} "
        f"AND t >= {int(ground.starts[0])} AND t <= {log.observed_until_us}"
    )
    return Medians(found["length"] / SECOND, ground.span.calendar.index(found["t"]), ground.size)
