"""What the map does not cover: events that no touchpoint claims, and touchpoints whose events never occur."""

from __future__ import annotations

import pandas as pd

from cjlib.analyses.journey_map.stage_mapping import Places, claimed
from cjlib.sources.log.event_log import EventLog

UNMAPPED = ["event", "events", "customers", "first_at", "last_at"]
SILENT = ["stage", "touchpoint", "event"]


def unmapped(log: EventLog, places: Places) -> pd.DataFrame:
    """`.unmapped`: one row an event name with events that no touchpoint claims, commonest first."""
    mapped = claimed(log, (one.event for one in places.mapping))
    counted = log.engine.frame(
        "SELECT n.value AS event, count(*) AS events, count(DISTINCT c) AS customers, min(t) AS first_at, max(t) AS last_at "
        f"FROM (SELECT c, t, e FROM {log.prepared} WHERE NOT coalesce({mapped}, FALSE)) p JOIN e_names n ON n.code = p.e "
        "GROUP BY n.value ORDER BY events DESC, event"
    )
    times = {name: log.moments(counted[name].to_numpy()) for name in ("first_at", "last_at")}
    return counted.assign(**times)[UNMAPPED]


def silent(log: EventLog, places: Places) -> pd.DataFrame:
    """`.silent`: the events of touchpoints that the log never has, in the file's order."""
    rows = []
    for one in places.mapping:
        missing = log.unknown_events(one.event) if not one.event.where else _never(log, one.event)
        rows += [(one.stage, one.touchpoint, name) for name in missing]
    return pd.DataFrame(rows, columns=SILENT, dtype="str")


def _never(log: EventLog, event) -> list[str]:
    found = log.engine.rows(
        f"SELECT count(*) FROM {log.prepared} WHERE {log.match(event, 'touchpoint')}"
    )[0][0]
    return [] if found else [str(event)]
