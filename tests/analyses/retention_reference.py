"""Retention counted by hand, so to speak: plain Python over lists of events, one customer after the other, no arrays and no SQL."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

UTC = ZoneInfo("UTC")
TICK = timedelta(microseconds=1)
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass
class Asked:
    """The options, as `cj.retention` calls them; start and return events are single names or None."""

    zone: str = "UTC"
    start_event: str | None = None
    return_event: str | None = None
    period: str = "week"
    periods: int = 3
    cohort: str = "first_ever"
    mode: str = "on"
    clock: str = "calendar"
    week_start: str = "monday"
    min_returns: int = 1
    period_zero: str = "cohort"
    by: bool = False
    start: datetime | None = None
    end: datetime | None = None
    until: datetime | None = None
    starts: list[datetime] = field(default_factory=list)


def instant(wall: datetime, zone: str) -> datetime:
    """The first instant at which the local clock shows at least this wall time."""
    found = wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    if local(found, zone) == wall:
        return found
    low, high = found - timedelta(days=2), found + timedelta(days=2)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (low, middle) if local(middle, zone) >= wall else (middle, high)
    return high


def local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def add_months(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    return wall.replace(
        year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1])
    )


def floor(wall: datetime, asked: Asked) -> datetime:
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if asked.period == "week":
        return midnight - timedelta(days=(midnight.weekday() + (asked.week_start == "sunday")) % 7)
    if asked.period in MONTHS:
        size = MONTHS[asked.period]
        return midnight.replace(day=1, month=(midnight.month - 1) // size * size + 1)
    return midnight


def period_starts(first: datetime, last: datetime, asked: Asked) -> list[datetime]:
    """Instants at which the calendar's periods begin, from one at or before `first` to one after `last`."""
    if asked.period == "hour":
        start = first - timedelta(
            seconds=(first.minute * 60 + first.second), microseconds=first.microsecond
        )
        return [
            start + timedelta(hours=k) for k in range(int((last - start) / timedelta(hours=1)) + 2)
        ]
    wall = floor(local(first, asked.zone), asked)
    starts = [instant(wall, asked.zone)]
    while starts[-1] <= last:
        wall = (
            add_months(wall, MONTHS[asked.period])
            if asked.period in MONTHS
            else wall + LENGTHS[asked.period]
        )
        starts.append(instant(wall, asked.zone))
    return starts


def period_of(moment: datetime, starts: list[datetime]) -> int:
    return max(k for k, start in enumerate(starts) if start <= moment)


def begins(at: datetime, cohort: int, k: int, asked: Asked) -> datetime | None:
    """When period k of a customer begins; None: after everything that is known."""
    if asked.clock == "calendar":
        return asked.starts[cohort + k] if cohort + k < len(asked.starts) else None
    if asked.period in LENGTHS:
        return at + k * LENGTHS[asked.period]
    return (
        at
        if k == 0
        else instant(add_months(local(at, asked.zone), k * MONTHS[asked.period]), asked.zone)
    )


def entries_of(events: list, asked: Asked) -> list[tuple]:
    """(cohort, at, group) of one customer; events are (time, name, group), in any order."""
    low, high = 0, len(asked.starts) - 2
    if asked.start is not None:
        low = period_of(max(asked.start, asked.starts[0]), asked.starts)
    if asked.end is not None:
        high = min(high, period_of(asked.end, asked.starts)) if asked.end >= asked.starts[0] else -1
    matching = sorted(one[0] for one in events if asked.start_event in (None, one[1]))
    placed = [(period_of(time, asked.starts), time) for time in matching]
    if asked.cohort == "first_ever":
        chosen = placed[:1]
    else:
        inside = [one for one in placed if low <= one[0] <= high]
        chosen = (
            inside[:1]
            if asked.cohort == "first_in_range"
            else [min(p for p in inside if p[0] == k) for k in sorted({k for k, _ in inside})]
        )
    rows = []
    for cohort, at in chosen:
        if low <= cohort <= high:
            tied = [
                group
                for time, name, group in events
                if time == at and asked.start_event in (None, name)
            ]
            rows.append((cohort, at, min(tied, key=lambda group: (group is None, str(group)))))
    return rows


def returns_in(
    events: list, at: datetime, begin: datetime, end: datetime | None, asked: Asked
) -> int:
    count = sum(
        1
        for time, name, _ in events
        if asked.return_event in (None, name)
        and time >= at
        and begin <= time
        and (end is None or time < end)
    )
    if begin <= at and (end is None or at < end):
        own = [name for time, name, _ in events if time == at and asked.start_event in (None, name)]
        count -= all(asked.return_event in (None, name) for name in own)
    return count


def returned(events: list, at: datetime, cohort: int, asked: Asked) -> dict[int, bool]:
    """Whether each period 0 … that has begun by the end of data holds enough returns, and so counts as returned."""
    enough, k = {}, 0
    while (begin := begins(at, cohort, k, asked)) is not None and begin <= asked.until:
        enough[k] = (
            returns_in(events, at, begin, begins(at, cohort, k + 1, asked), asked)
            >= asked.min_returns
        )
        k += 1
    if asked.mode == "on_or_after":
        judged = {k: any(enough[later] for later in enough if later >= k) for k in enough}
    elif asked.mode == "every":
        judged = {k: all(enough[earlier] for earlier in range(1, k + 1)) for k in enough}
    else:
        judged = dict(enough)
    return judged | {0: True if asked.period_zero == "cohort" else enough[0]}


def retention(customers: dict[str, list], asked: Asked) -> dict[tuple, tuple[int, int, bool]]:
    """(group, cohort, period) → (cohort_size, retained, complete)."""
    times = [time for events in customers.values() for time, *_ in events]
    last = max(times)
    asked.until = asked.until or last
    asked.starts = period_starts(min(times), asked.until, asked)
    cells = defaultdict(list)
    for events in customers.values():
        for cohort, at, group in entries_of(events, asked):
            cells[group if asked.by else "", cohort].append(
                (at, returned(events, at, cohort, asked))
            )
    answer = {}
    for (group, cohort), members in cells.items():
        for k in range(asked.periods + 1):
            begun = [begins(at, cohort, k, asked) for at, _ in members]
            if not any(begin is not None and begin <= asked.until for begin in begun):
                continue
            ends = [begins(at, cohort, k + 1, asked) for at, _ in members]
            complete = all(end is not None and end - TICK <= asked.until for end in ends)
            answer[group, cohort, k] = (
                len(members),
                sum(judged.get(k, False) for _, judged in members),
                complete,
            )
    return answer
