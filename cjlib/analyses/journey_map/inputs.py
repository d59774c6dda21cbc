"""What a map is made of: the journey file, the log's walk, the feedback and the money, all of them or those of some customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.feedback import Opinions, read_opinions
from cjlib.analyses.journey_map.mapped_events import (
    Bools,
    Ints,
    Places,
    Walk,
    claimed,
    codes_of,
    places_of,
    read_walk,
)
from cjlib.analyses.journey_map.support import support_view
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.group_by import MISSING, CustomerGroups, group_by, names_given, numbered
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

By = str | pd.Series | Mapping[Any, Any] | None
UNMAPPED = ["event", "events", "customers", "first_at", "last_at"]
SILENT = ["stage", "touchpoint", "event"]
Happened = tuple[Ints, Ints]
"""Customer codes and instants of events, by customer and time."""


@dataclass(frozen=True)
class Acts:
    """What customers did: the log, their way through it, the events behind the stage, the money, and what all maps of the log have in common."""

    log: EventLog
    walk: Walk
    back: Walk
    money: Money | None
    shared: Shared

    def only(self, customers: Bools) -> Acts:
        """Those of some customers, by code."""
        return replace(
            self,
            walk=self.walk.only(customers[self.walk.codes]),
            back=self.back.only(customers[self.back.codes]),
        )


@dataclass(frozen=True, eq=False)
class Source:
    """What a map is made of; without a log `acts` is None, without feedback `opinions` is. `kept` are tables already made of it."""

    journey: Journey
    places: Places
    groups: Groups
    acts: Acts | None
    opinions: Opinions | None
    churn: pd.Series | None
    feedback: Feedback | None = field(default=None, repr=False)
    kept: dict[Any, pd.DataFrame] = field(default_factory=dict, repr=False)

    def once(self, key: Any, made: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table that is the same whatever the groups are, made at the first question; who changes it changes a copy."""
        if key not in self.kept:
            self.kept[key] = made()
        return self.kept[key].copy(deep=False)

    @property
    def stages(self) -> list[str]:
        """The stages in order."""
        return list(self.places.stages)

    @property
    def walk(self) -> Walk | None:
        """The customers' way."""
        return self.acts and self.acts.walk

    @property
    def log(self) -> EventLog | None:
        """The log."""
        return self.acts and self.acts.log

    def acts_of(self, group: int) -> Acts | None:
        """What the customers of one group did."""
        of = self.groups.of
        return self.acts if self.acts is None or of is None else self.acts.only(of == group)

    def only(self, customers: Bools) -> Source:
        """The same of some customers alone, by code, with what they said."""
        assert self.acts is not None, "a map without events knows no customers"
        groups = Groups(None, np.where(customers, 0, -1))
        return replace(
            self,
            groups=groups,
            acts=self.acts.only(customers),
            opinions=self.opinions and self.opinions.only(customers),
            kept={},
        )


_READ: WeakValueDictionary[tuple[int, int, int], Source] = WeakValueDictionary()
"""What maps that are still held were made of, by the identities of journey, log and feedback, which they hold too."""


def read_source(
    journey: Journey,
    log: EventLog | None,
    feedback: Feedback | None,
    churn: Any,
    by: By,
    taken: tuple[str, ...],
) -> Source:
    """Read what a map is made of, or take it from a map of the same that is still held; `taken` are names that groups may not have."""
    groups = groups_of(log, by, taken)
    key = (id(journey), id(log), id(feedback))
    whole = _READ.get(key) or _whole(journey, log, feedback)
    _READ[key] = whole
    if groups.of is None and churn is None:
        return whole
    opinions = (
        whole.opinions
        if whole.opinions is None or groups.of is None
        else whole.opinions.grouped(groups.of)
    )
    return replace(whole, groups=groups, opinions=opinions, churn=_probabilities(churn))


def _whole(journey: Journey, log: EventLog | None, feedback: Feedback | None) -> Source:
    places = places_of(journey)
    opinions = None if feedback is None else read_opinions(feedback, log, journey, places)
    return Source(
        journey,
        places,
        Groups(None, None),
        None if log is None else _acts(journey, log, opinions),
        opinions,
        None,
        feedback,
    )


def _acts(journey: Journey, log: EventLog, opinions: Opinions | None) -> Acts:
    walk, back = read_walk(journey, log)
    spoke = np.zeros(len(log.customer_ids()), dtype=bool)
    if opinions is not None:
        code = opinions.rows["code"].to_numpy()
        spoke[code[code >= 0]] = True
    return Acts(log, walk, back, read_money(journey, log), Shared(journey, log, walk, spoke))


def _probabilities(churn: Any) -> pd.Series | None:
    """The newest probability of each customer, by id as text."""
    if churn is None:
        return None
    scored = churn if isinstance(churn, pd.DataFrame) else churn.score().table
    absent = [name for name in ("customer_id", "churn_probability") if name not in scored]
    if absent:
        raise CjlibError(
            f"churn: must be a model of cj.fit_churn or its scores with customer_id and churn_probability. Missing: {shown(absent)}."
        )
    ordered = scored.sort_values("cutoff", kind="stable") if "cutoff" in scored else scored
    newest = ordered.assign(customer_id=ordered["customer_id"].astype("str")).drop_duplicates(
        "customer_id", keep="last"
    )
    return newest.set_index("customer_id")["churn_probability"]


@dataclass(frozen=True)
class Groups:
    """`of` is the group of each customer code of the log (−1 = none), groups in the order of the table; `found` where `by` is a column."""

    name: str | None
    of: np.ndarray | None
    labels: tuple[str, ...] = ("all",)
    found: CustomerGroups | None = None

    @property
    def size(self) -> int:
        """How many there are; 1 where all customers are one."""
        return len(self.labels)

    def columns(self, repeats: int) -> dict[str, pd.Series]:
        """The group column of a table in which each group has so many rows."""
        return self.columns_at(np.repeat(np.arange(self.size), repeats))

    def columns_at(self, group: np.ndarray) -> dict[str, pd.Series]:
        """The group column of a table whose rows belong to these groups."""
        if self.name is None:
            return {}
        if self.found is not None:
            return self.found.columns(group)
        return {self.name: pd.Series([self.labels[k] for k in group], dtype="str")}

    def words(self) -> list[str]:
        """The groups as labels."""
        return list(self.labels)

    def known_since(self, log: EventLog) -> tuple[Ints, bool]:
        """When the group of each customer code became known, at the first event with a value; and whether some may have become known only after the customer's first event.

        A group that the caller gives is taken as known always. What others have at every event has no time, so that it may have become known late.
        """
        size, last = len(log.customer_ids()), np.iinfo(np.int64).max
        if self.found is None:
            return np.full(size, np.iinfo(np.int64).min), False
        events = log.fetch("customer", "time")
        first, since = np.full(size, last), np.full(size, last)
        some = self.found.by.rank != MISSING
        np.minimum.at(first, events["customer"], events["time"])
        np.minimum.at(since, events["customer"][some], events["time"][some])
        undated = not self.found.by.comparable(log, self.found.ranks).all()
        return since, undated or bool(np.any((since < last) & (since > first)))


def groups_of(log: EventLog | None, by: By, taken: tuple[str, ...]) -> Groups:
    """The groups that `by` names, as `group_by` finds them, or gives."""
    if by is None:
        return Groups(None, None)
    if log is None:
        raise CjlibError(
            "by: groups are groups of customers of the log, and there is none. Give the events, or leave by out."
        )
    if isinstance(by, pd.Series | Mapping):
        return _given(log, pd.Series(by), taken)
    if not isinstance(by, str):
        raise CjlibError(
            f"by: must be the name of one column, or a mapping from customer_id to group. Got {shown(by)}."
        )
    found = group_by(log, by, taken=taken)
    return Groups(by, found.of, tuple(found.labels), found)


def _given(log: EventLog, by: pd.Series, taken: tuple[str, ...]) -> Groups:
    (name,) = names_given("group" if by.name is None else str(by.name), "by", taken)
    code = codes_of(log, by.index)
    known = (code >= 0) & by.notna().to_numpy()
    labels, rank = np.unique(by[known].astype("str").to_numpy(dtype=object), return_inverse=True)
    order, group = numbered(rank)
    of = np.full(len(log.customer_ids()), MISSING, dtype=np.int64)
    of[code[known]] = group
    return Groups(name, of, tuple(labels[order]))


@dataclass(frozen=True)
class Money:
    """The value events of the log: customer code, time, amount (missing amounts left out)."""

    code: Ints
    time: Ints
    amount: np.ndarray

    def after(self, code: np.ndarray, entry: Ints, within: int | None = None) -> np.ndarray:
        """The sum at or after the entry of each of these customers (each once), all of it or that so soon after."""
        size = int(max(self.code.max(initial=-1), code.max(initial=-1))) + 1
        since = np.full(size, np.iinfo(np.int64).max)
        since[code] = entry
        counts = self.time >= since[self.code]
        if within is not None:
            counts &= self.time - within <= since[self.code]
        return np.bincount(self.code[counts], weights=self.amount[counts], minlength=size)[code]


def read_money(journey: Journey, log: EventLog) -> Money | None:
    """The value events, None where the journey file names none."""
    if journey.value is None:
        return None
    where = "TRUE" if journey.value.event is None else log.match(journey.value.event, "value.event")
    found = log.fetch("customer", "time", where=where)
    amount = log.numbers(journey.value.amount, where=where, option="value.amount")
    given = ~np.isnan(amount)
    return Money(found["customer"].astype(np.int64)[given], found["time"][given], amount[given])


def mean_after(
    money: Money | None, walk: Walk, entries: Ints, chosen: Bools | None = None
) -> tuple[float, float, int]:
    """Mean value after entry of the chosen customers (all), its standard error, and how many they are; without money 1 each."""
    who = np.flatnonzero(entries >= 0 if chosen is None else (entries >= 0) & chosen)
    if not who.size:
        return float("nan"), float("nan"), 0
    if money is None:
        return 1.0, 0.0, who.size
    values = money.after(walk.codes[who].astype(np.int64), walk.time[entries[who]])
    error = float(values.std(ddof=1) / np.sqrt(who.size)) if who.size > 1 else float("nan")
    return float(values.mean()), error, who.size


def at_stake(money: Money | None, walk: Walk, entries: Ints, went_on: Bools) -> tuple[float, float]:
    """Mean value after entry of those who went on to a later stage; of fewer than 30, of all who came."""
    chosen = went_on if np.count_nonzero(went_on & (entries >= 0)) >= MIN_N else None
    mean, error, _ = mean_after(money, walk, entries, chosen)
    return mean, error


def costs(walk: Walk, back: Walk, place: Ints, size: int) -> np.ndarray:
    """The cost of all events of each place (the stage or touchpoint of each position); NaN where the file names none."""
    cost = walk.places.cost
    events = sum(np.bincount(part.place, minlength=cost.size) for part in (walk, back))
    known, total = np.zeros(size, dtype=bool), np.zeros(size)
    known[place[~np.isnan(cost)]] = True
    np.add.at(total, place, np.nan_to_num(cost) * events)
    return np.where(known, total, np.nan)


def unmapped(log: EventLog, places: Places) -> pd.DataFrame:
    """`.unmapped`: one row an event name with events that no touchpoint claims, most common first."""
    mapped = claimed(log, (entry.event for entry in places.mapping))
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
    for entry in places.mapping:
        missing = (
            log.unknown_events(entry.event) if not entry.event.where else _never(log, entry.event)
        )
        rows += [(entry.stage, entry.touchpoint, name) for name in missing]
    return pd.DataFrame(rows, columns=SILENT, dtype="str")


def _never(log: EventLog, event) -> list[str]:
    found = log.engine.rows(
        f"SELECT count(*) FROM {log.prepared} WHERE {log.match(event, 'touchpoint')}"
    )[0][0]
    return [] if found else [str(event)]


@dataclass(frozen=True, eq=False)
class Shared:
    """Of all customers of a log; `spoke` are those, by code, whose feedback is on the map."""

    journey: Journey
    log: EventLog
    walk: Walk
    spoke: Bools

    @cached_property
    def unmapped(self) -> pd.DataFrame:
        """Events that no touchpoint claims."""
        return unmapped(self.log, self.walk.places)

    @cached_property
    def silent(self) -> pd.DataFrame:
        """Touchpoints that never occur."""
        return silent(self.log, self.walk.places)

    @cached_property
    def support(self) -> pd.DataFrame:
        """The support view; empty where the journey file has none."""
        support = self.journey.support
        return (
            pd.DataFrame()
            if support is None
            else support_view(support, self.journey.scorecard.period, self.log)
        )

    @cached_property
    def active(self) -> Happened:
        """Mapped events, without those of leaving, of those who spoke."""
        if self.journey.churn is None or self.journey.churn.event is None:
            return self._theirs(self.walk.code, self.walk.time)
        gone = self.log.match(self.journey.churn.event, "churn.event")
        front = ", ".join(str(place) for place in np.flatnonzero(self.walk.places.front)) or "NULL"
        found = self.log.fetch(
            "customer",
            "time",
            where=f"({self.journey.mapping_sql(self.log)}) IN ({front}) AND NOT coalesce({gone}, FALSE)",
        )
        return self._theirs(found["customer"], found["time"])

    @cached_property
    def converted(self) -> Happened | None:
        """Conversions of those who spoke; None where the journey file does not say what one is."""
        if self.journey.roles.convert is None:
            return None
        found = self.log.fetch(
            "customer", "time", where=self.log.match(self.journey.roles.convert, "roles.convert")
        )
        return self._theirs(found["customer"], found["time"])

    def _theirs(self, code: np.ndarray, time: Ints) -> Happened:
        rows = self.spoke[code]
        return code[rows].astype(np.int64), time[rows]
