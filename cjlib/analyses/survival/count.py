"""How long each customer stayed, and whether that ended in churn or in the end of data: from events, and from ready tables of durations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.survival.kaplan_meier import Curve, kaplan_meier
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown, unknown_column
from cjlib.shared.event_arrays import begins, whole_customers
from cjlib.shared.first_events import (
    Firsts,
    Groups,
    Whole,
    events_sql,
    first_events,
    grouped,
    together,
)
from cjlib.shared.repeated_rows import counted
from cjlib.shared.sql import between, instant, later, matching
from cjlib.shared.unrecorded import Stretch, longest_pause, some_first
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog, Log

DAY = 86_400_000_000
EXACT = 1 << 53
"""Whole numbers up to here are exact as floats."""
UNITS = ("day", "week", "month", "year")
ANY = Step(None)
NEVER_BEFORE, NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max
EVERYBODY = together()
_YES, _NO = {"yes", "true", "1", "1.0", "churned"}, {"no", "false", "0", "0.0", "stayed"}


@dataclass(frozen=True)
class Back:
    """How many had other events after the end of their life, and which of them most had; after a silence any event, and no name."""

    customers: int
    event: str = ""


@dataclass(frozen=True)
class Lifetimes:
    """How long each was observed, whether that ended in churn, and the group; of events also the stretch in which churn was probably not recorded, who was back after it, and when each life began."""

    length: NDArray[np.float64]
    churned: NDArray[np.bool_]
    group: Whole
    groups: Groups
    unit: str
    unrecorded: Stretch | None = None
    back: Back | None = None
    began: Whole | None = None

    @property
    def whole(self) -> bool:
        """Whether all lengths are whole numbers, and small enough to be exact."""
        exact = self.length.max(initial=0) < EXACT
        return bool(exact and (np.floor(self.length) == self.length).all())

    def of(self, group: int) -> Curve:
        """The curve of one group."""
        mine = self.group == group
        return kaplan_meier(self.length[mine], self.churned[mine])


def span_of(log: EventLog, start: Any, end: Any) -> Span:
    """The bounds given by the caller."""
    first = None if start is None else log.instant(start, "start")
    last = None if end is None else log.instant(end, "end", end=True)
    if first is not None and last is not None and last < first:
        raise CjlibError(
            f"end: must not lie before start. Got start {shown(start)}, end {shown(end)}."
        )
    return first, last


def lives_of(
    log: EventLog, start: Step, churn: Step | None, inactive: int, by: tuple[str, ...], span: Span
) -> tuple[Lifetimes, int]:
    """Every customer's life from the first event that matches `start`, if that lies in the span; and how many further events tie as the first."""
    firsts = first_events(log, start, "start_event", f"t <= {log.observed_until_us}")
    first, last = span
    firsts = firsts.only(
        (firsts.at >= (NEVER_BEFORE if first is None else first))
        & (firsts.at <= (NEVER if last is None else last))
    )
    if churn is None:
        ended, back = _first_silence(log, inactive, firsts)
    else:
        found = log.fetch("customer", "time", "row", where=log.match(churn, "churn_event"))
        first = _first_per_life(firsts, found["customer"], found["time"])
        ended = np.append(found["time"], NEVER)[first]
        again = log.match(_other_than(churn), "churn_event")
        every = log.fetch("row", where=again)["row"] if churn.first_time else found["row"]
        back = _back(log, every, firsts.customer, ended)
    days = (np.minimum(ended, log.observed_until_us) - firsts.at) // DAY
    group, groups = grouped(log, firsts, by, "by")
    lifetimes = Lifetimes(
        days.astype(np.float64),
        ended <= log.observed_until_us,
        group,
        groups,
        "day",
        _unrecorded(log, churn, firsts.at, ended),
        back,
        firsts.at,
    )
    return lifetimes, len(firsts.tied_row) - len(firsts)


def _unrecorded(log: EventLog, churn: Step | None, began: Whole, ended: Whole) -> Stretch | None:
    """The stretch in which nobody churned though many were to be expected, where no churn event at all lies inside."""
    stretch = None
    for every in some_first(began.size) if churn is not None else []:
        stretch = longest_pause(began[::every], ended[::every], log.observed_until_us)
        if stretch is None:
            break
    if churn is None or stretch is None:
        return None
    inside = f"t > {stretch.begins} AND t < {stretch.ends}"
    found = log.fetch("time", where=f"{log.match(churn, 'churn_event')} AND {inside}")
    return None if found["time"].size else stretch


def _still_of_the_end(churn: Step | None) -> int:
    """How long after the end of a life its events are still part of it: a day after a churn event, as a farewell; nothing after a silence."""
    return 0 if churn is None else DAY


def _other_than(churn: Step) -> Step:
    """The churn event each time it occurs."""
    return replace(churn, first_time=False)


def _back(log: EventLog, churn: Whole, customer: Whole, ended: Whole) -> Back:
    """Who had other events than the churn events, given by their rows, after the end."""
    since = np.full(log.n_customer_codes, NEVER)
    over = ended <= log.observed_until_us
    since[customer[over]] = ended[over] + DAY
    if not over.any():
        return Back(0)
    names, row, back = len(log.event_names), 0, 0
    had = np.zeros(names, dtype=np.int64)
    for rows in whole_customers(log):
        who, time = rows["customer"], rows["time"]
        later = (time >= since[who]) & (time <= log.observed_until_us)
        low, high = np.searchsorted(churn, (row, row + who.size))
        later[churn[low:high] - row] = False
        row += who.size
        place = np.flatnonzero(later)
        back += int(np.count_nonzero(begins(who[place])))
        several = int(who[-1]) - int(who[0]) + 1
        pair = (who[place] - who[0]).astype(np.int64) * names + rows["event"][place]
        had += np.bincount(counted(pair, several * names)[0] % names, minlength=names)
    return Back(back, log.event_names[int(had.argmax())] if back else "")


def lives_there(
    log: Log, start: Step, churn: Step | None, inactive: int, by: tuple[str, ...], span: Span
) -> tuple[Lifetimes, int]:
    """The same of events that lie in a database, without groups."""
    if by:
        raise CjlibError(
            "log: survival with by cannot be counted where the events lie. Fetch them once: cj.survival(log.read(), …)."
        )
    lives = lives_sql(log, start, churn, inactive, span)
    found = log.run(days_sql(log, lives)).sort_values(["lasted", "churned"])
    times = found["lives"].to_numpy(dtype="int64")
    days = np.repeat((found["lasted"].to_numpy(dtype="int64") // DAY).astype(np.float64), times)
    churned = np.repeat(found["churned"].to_numpy(dtype="int64") == 1, times)
    tied = int(log.run(tied_sql(log, start, lives))["tied"].iloc[0]) if days.size else 0
    group = np.zeros(days.size, dtype=np.int64)
    back = _back_there(log, lives, churn)
    return Lifetimes(days, churned, group, EVERYBODY, "day", back=back), tied


def _back_there(log: Log, lives: str, churn: Step | None) -> Back:
    """The same where the events lie."""
    joined = back_sql(log, lives, churn)
    found = log.run(f"SELECT COUNT(DISTINCT customer_id) AS back FROM ({joined}) AS back")
    back = int(found["back"].iloc[0])
    if churn is None or not back:
        return Back(back)
    kinds = log.run(
        f"SELECT event, COUNT(DISTINCT customer_id) AS back FROM ({joined}) AS back GROUP BY event"
    )
    return Back(
        back, str(kinds.sort_values(["back", "event"], ascending=[False, True])["event"].iloc[0])
    )


def _first_silence(log: EventLog, inactive: int, firsts: Firsts) -> tuple[Whole, Back]:
    """The moment at which a silence first reached its length, and who had any event after it; the last silence is the one up to the end of data."""
    source = events_sql(log, ANY, "event", "c, t", f"t <= {log.observed_until_us}")
    found = log.engine.columns(
        f"SELECT c, t, nc IS NOT NULL AND nc = c AS again FROM (SELECT c, t, lead(c) OVER () AS nc, lead(t) OVER () AS nt FROM {source}) "
        f"WHERE nc IS NULL OR nc <> c OR nt - t >= {inactive}"
    )
    first = _first_per_life(firsts, found["c"], found["t"])
    back = np.append(found["again"].astype(bool), False)[first]
    return np.append(found["t"] + inactive, NEVER)[first], Back(int(np.count_nonzero(back)))


def _first_per_life(firsts: Firsts, customer: Whole, times: Whole) -> Whole:
    """Of events sorted by customer and time the place of the first at or after the start of each life; −1 where there is none."""
    life_of = np.full(int(firsts.customer.max(initial=-1)) + 1, -1, dtype=np.int64)
    life_of[firsts.customer] = np.arange(len(firsts))
    place = np.flatnonzero(customer < life_of.size)
    place = place[life_of[customer[place]] >= 0]
    life, begun = life_of[customer[place]], firsts.at
    after = times[place] >= begun[life]
    life, place = life[after], place[after]
    first = begins(life)
    found = np.full(len(firsts), -1, dtype=np.int64)
    found[life[first]] = place[first]
    return found


def lifetimes_of(
    table: pd.DataFrame, duration: str, event: str, by: tuple[str, ...], unit: str
) -> Lifetimes:
    """Durations, events and groups of a table's rows, checked."""
    if not isinstance(table, pd.DataFrame):
        raise CjlibError(
            f"table: must be a DataFrame with one row a customer. Got {shown(type(table).__name__)}. For an event log use cj.survival."
        )
    if unit not in UNITS:
        raise not_one_of("unit", unit, UNITS)
    for option, column in (
        ("duration", duration),
        ("event", event),
        *(("by", name) for name in by),
    ):
        if column not in table.columns:
            raise unknown_column(option, column, table.columns)
        if isinstance(table[column], pd.DataFrame):
            raise CjlibError(
                f"{option}: several columns are called {shown(column)}. Leave all but one out."
            )
    lengths = _lengths(table[duration], duration)
    group, groups = _groups(table, by)
    return Lifetimes(lengths, _events(table[event], event), group, groups, unit)


def _lengths(column: pd.Series, name: str) -> NDArray[np.float64]:
    if pd.api.types.is_timedelta64_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(
            f"duration: column {shown(name)} must hold numbers. Got {shown(str(column.dtype))}. Divide lengths of time by the unit, as by pd.Timedelta('1D')."
        )
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = ~np.isfinite(numbers) | (numbers < 0)
    if wrong.any():
        raise DataError(
            f"duration: column {shown(name)} must hold numbers, 0 or more. {wrong.sum():,} of {len(column):,} rows do not: "
            f"{listed(column[wrong].unique().tolist(), most=3)}. Leave these rows out or fix them."
        )
    return numbers


def _events(column: pd.Series, name: str) -> NDArray[np.bool_]:
    answers = column.astype(object).map(
        lambda value: None if pd.isna(value) else str(value).strip().casefold().removesuffix(".")
    )
    wrong = ~answers.isin(_YES | _NO)
    if wrong.any():
        raise DataError(
            f"event: column {shown(name)} must say who churned, as true/false, 1/0 or yes/no. {int(wrong.sum()):,} of {len(column):,} rows do not: "
            f"{listed(column[wrong].unique().tolist(), most=3)}. Make it one of these."
        )
    return answers.isin(_YES).to_numpy()


def _groups(table: pd.DataFrame, by: tuple[str, ...]) -> tuple[NDArray[np.int64], Groups]:
    if not by:
        return np.zeros(len(table), dtype=np.int64), EVERYBODY
    keys = pd.DataFrame(
        {
            name: [None if pd.isna(value) else str(value) for value in table[name].astype(object)]
            for name in by
        },
        dtype="str",
    )
    rows = keys.groupby(list(by), sort=True, dropna=False)
    code = np.asarray(rows.ngroup(), dtype=np.int64)
    _, first = np.unique(code, return_index=True)
    values = table[list(by)].iloc[first].reset_index(drop=True)
    return code, Groups(
        by, values, np.logical_and.reduce(values.notna().to_numpy(dtype=bool), axis=1)
    )


Span = tuple[int | None, int | None]
"""First and last instant at which a life may begin, both included; None: no bound."""


def lives_sql(log: Log, start: Step, churn: Step | None, inactive: int, span: Span) -> str:
    """One row a customer: `customer_id`, `started_at`, `churned_at` (missing: censored at the end of data)."""
    until = instant(log.observed_until_us)
    first = f"SELECT customer_id, MIN(begun_at) AS started_at FROM ({matching(log, start, 'customer_id, timestamp AS begun_at')}) AS begun\n  WHERE begun_at <= {until} GROUP BY customer_id"
    ends = _churn_sql(log, churn) if churn is not None else _silence_sql(log, inactive, until)
    bounds = [
        f"started_at {sign} {instant(bound)}"
        for sign, bound in zip((">=", "<="), span, strict=True)
        if bound is not None
    ]
    within = f"WHERE {' AND '.join(bounds)}\n" if bounds else ""
    return (
        f"WITH started AS (\n  {first}\n),\nends AS (\n  {ends}\n)\n"
        "SELECT started.customer_id, started_at, MIN(ended_at) AS churned_at FROM started\n"
        f"LEFT JOIN ends ON ends.customer_id = started.customer_id AND seen_at >= started_at AND ended_at <= {until}\n"
        f"{within}GROUP BY started.customer_id, started_at\nORDER BY started.customer_id"
    )


def days_sql(log: Log, lives: str) -> str:
    """How many lives lasted how many whole days, and ended in churn or not; in microseconds, `lasted` being whole days."""
    until = instant(log.observed_until_us)
    lasted = between("started_at", f"COALESCE(churned_at, {until})")
    return (
        "SELECT churned, lasted - lasted % 86400000000 AS lasted, COUNT(*) AS lives FROM (\n"
        f"  SELECT CASE WHEN churned_at IS NULL THEN 0 ELSE 1 END AS churned, {lasted} AS lasted FROM ({lives}) AS lives\n"
        ") AS ended GROUP BY churned, lasted - lasted % 86400000000"
    )


def tied_sql(log: Log, start: Step, lives: str) -> str:
    """How many events tie as the first of a life, beyond one each."""
    begun = matching(log, start, "customer_id, timestamp AS begun_at")
    return (
        f"SELECT COUNT(*) - COUNT(DISTINCT lives.customer_id) AS tied FROM ({lives}) AS lives\n"
        f"  JOIN ({begun}) AS begun ON begun.customer_id = lives.customer_id AND begun_at = started_at"
    )


def back_sql(log: Log, lives: str, churn: Step | None) -> str:
    """The other events after the end of each life: `customer_id`, `event`."""
    since = later("churned_at", _still_of_the_end(churn))
    other = "" if churn is None else f" AND NOT COALESCE({log.portable(_other_than(churn))}, FALSE)"
    return (
        f"SELECT lives.customer_id, event FROM ({lives}) AS lives\n"
        f"  JOIN {log.events_sql} AS seen ON seen.customer_id = lives.customer_id\n"
        f"  WHERE timestamp >= {since} AND timestamp <= {instant(log.observed_until_us)}{other}"
    )


def _churn_sql(log: Log, churn: Step) -> str:
    return matching(log, churn, "customer_id, timestamp AS seen_at, timestamp AS ended_at")


def _silence_sql(log: Log, inactive: int, until: str) -> str:
    """Silences that reach their length; a gap of exactly that length does."""
    end = later("seen_at", inactive)
    return (
        f"SELECT customer_id, seen_at, {end} AS ended_at FROM (\n"
        "    SELECT customer_id, timestamp AS seen_at, LEAD(timestamp) OVER (PARTITION BY customer_id ORDER BY timestamp) AS next_at\n"
        f"    FROM {log.events_sql} AS heard WHERE timestamp <= {until}\n"
        f"  ) AS pauses WHERE next_at IS NULL OR next_at >= {end}"
    )
