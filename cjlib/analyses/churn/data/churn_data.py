"""What a churn model learns from: one row a customer (and cutoff), the label, the features, and what is suspicious about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.event_arrays import (
    Activity,
    Flags,
    Floats,
    Kinds,
    Question,
    Whole,
    blocks,
    fetch_activity,
    find_answers,
)
from cjlib.analyses.churn.data.features import (
    RETURNED,
    Snapshot,
    features_of,
    over_usual_gap,
    snapshot,
)
from cjlib.analyses.result import Result
from cjlib.shared.event_arrays import keep_freed_memory
from cjlib.shared.periods import DAY, zone_offsets
from cjlib.sources.log.event_log import EventLog

NO_DATES = "A table of customers shows one moment and has no dates"
FIRST_DAYS = 30
NEVER = np.iinfo(np.int64).min
"""Before every instant."""


class UnanswerableError(Exception):
    """What the data lack; whoever asks turns it into an unanswered result."""

    @property
    def reason(self) -> str:
        """As a headline."""
        return f"Who will leave cannot be said: {self}"


@dataclass(frozen=True)
class TableSource:
    """The table of customers as it was given, and the column that says who left."""

    table: pd.DataFrame
    target: str

    @property
    def open(self) -> pd.DataFrame:
        """Customers whose outcome is blank."""
        outcome = self.table[self.target]
        return self.table[outcome.isna() | (outcome.astype("str").str.strip() == "")]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnData(Result):
    """Customers, label and features.

    Attributes
    ----------
    table
        `customer_id`, [`cutoff`], `churned` (1, 0, missing where the horizon is not over), then the
        features.
    features
        Their names.
    population
        Who is in it: `population`, `customers`, `rows`, `churned`, `share_churned` with its
        interval.
    leaks
        `column`, `level` (FAIL, DROP, WARN, INFO), `rule`, `figure`, `text`. FAIL and DROP columns
        stay out of the model unless kept by name.
    columns
        What each source column was taken for: `column`, `kind`, `values`, `missing`, `note`.
    id_column
        What the table called the customer; a table to be scored may call it so.
    dates, snapshot
        Columns of a table that were dates, now days before the snapshot (ISO; empty without dates).
    source
        For data from a log: the log and the options, so that a fit can test that no feature looks
        past its cutoff; else the table of customers.
    """

    features: tuple[str, ...]
    population: pd.DataFrame
    leaks: pd.DataFrame
    columns: pd.DataFrame
    of_log: bool
    id_column: str = ""
    dates: tuple[str, ...] = ()
    snapshot: str = ""
    source: LogSource | TableSource | None = field(default=None, repr=False)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnData:
        """No data to learn from, and the reason."""
        return super().unanswered(
            reason,
            features=(),
            population=pd.DataFrame(),
            leaks=pd.DataFrame(columns=["column", "level", "rule", "figure", "text"]),
            columns=pd.DataFrame(),
            of_log=False,
        )


@dataclass(frozen=True)
class Part:
    """One cutoff: everybody seen, who of them is at risk, asked for and active, and what happened to them; `features` are of those asked for.

    `ended` are those not at risk who would be, were every event after the churn event a return.
    """

    snapshot: Snapshot
    at_risk: Flags
    ended: Flags
    asked: Flags
    active: Flags
    churned: Floats
    features: Mapping[str, Any]

    @property
    def left_before(self) -> int:
        """How many had left and not come back."""
        return int((~self.at_risk).sum())


@dataclass(frozen=True)
class Seen:
    """What the whole log says: how many customers had begun in its first days; of each event name, how many events settled customers had, and how many at their last instant."""

    begun: int
    every: Whole
    final: Whole

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.begun + other.begun, self.every + other.every, self.final + other.final)


@dataclass(frozen=True)
class LogSource:
    """The log and the question, to make the same features again; and who everybody is at each cutoff, for BG/NBD."""

    log: EventLog
    question: Question
    kinds: Kinds
    everyone: Mapping[int, Snapshot]

    def features(self, cutoff: int, log: EventLog) -> pd.DataFrame:
        """The features at a cutoff from another log, such as one cut at the cutoff."""
        ids = log.customer_ids()
        (part,), _ = parts_of(log, self.question, self.kinds, [cutoff], ids)
        return pd.DataFrame(
            {**part.features, "customer_id": ids[part.snapshot.customer[part.asked]]}
        )


def parts_of(
    log: EventLog, question: Question, kinds: Kinds, moments: Sequence[int], ids: NDArray[Any]
) -> tuple[list[Part], Seen]:
    """A part each for the cutoffs, and what was seen on the way."""
    answers = None if question.feedback is None else find_answers(log, ids, question.feedback)
    pieces: list[list[Part]] = [[] for _ in moments]
    seen = Seen(0, *(np.zeros(len(log.event_names), dtype=np.int64) for _ in range(2)))
    days = [_local_day(log, moment) for moment in moments]
    keep_freed_memory()
    for block in blocks(log, ids.size):
        activity = fetch_activity(log, question, block, answers)
        seen += _seen(log, activity, question.horizon)
        for place, moment in enumerate(moments):
            found = snapshot(activity, moment, days[place])
            pieces[place].append(_part(log, activity, question, kinds, found, block.first))
    return [_joined(piece) for piece in pieces], seen


def _local_day(log: EventLog, moment: int) -> int:
    """The local calendar day of an instant, as a number."""
    wall = zone_offsets(moment, moment, log.zone).local(np.array([moment], dtype=np.int64))
    return int(wall[0] // DAY)


def _seen(log: EventLog, activity: Activity, horizon: int) -> Seen:
    """Settled are customers whose last event is more than a horizon before the end of data: of the others it is not known yet what follows."""
    names = len(activity.names)
    begin = log.span_us[0] if log.span_us else 0
    begun = int((activity.t[activity.starts] < begin + FIRST_DAYS * DAY).sum())
    sizes = np.diff(activity.starts, append=activity.c.size)
    last = activity.t[activity.starts + sizes - 1]
    settled = np.repeat(last < log.observed_until_us - horizon, sizes)
    at_end = settled & (activity.t == np.repeat(last, sizes))
    return Seen(
        begun,
        np.bincount(activity.e[settled], minlength=names),
        np.bincount(activity.e[at_end], minlength=names),
    )


def _part(
    log: EventLog, activity: Activity, question: Question, kinds: Kinds, found: Snapshot, first: int
) -> Part:
    recency = found.cutoff - found.last
    at_risk, ended = _at_risk(activity, found, question.endings)
    asked = (
        at_risk if question.active_within is None else at_risk & (recency <= question.active_within)
    )
    known = question.labelled(found.cutoff, log.observed_until_us)
    churned = (
        _happened(activity, question, found) if known else np.full(found.customer.size, np.nan)
    )
    who = np.zeros(activity.customers, dtype=bool)
    who[found.customer[asked]] = True
    features = features_of(activity.only(who, found.cutoff), kinds, found.cutoff)
    return Part(
        replace(found, customer=found.customer + first),
        at_risk,
        ended,
        asked,
        (recency <= 2 * question.horizon) & at_risk,
        churned,
        features,
    )


def _at_risk(activity: Activity, found: Snapshot, endings: tuple[str, ...]) -> tuple[Flags, Flags]:
    """Those without a churn event so far, or with activity after the last one that is no ending; and those whose activity after it was endings only."""
    if activity.churns is None:
        return np.ones(found.customer.size, dtype=bool), np.zeros(found.customer.size, dtype=bool)
    past = activity.t <= found.cutoff
    active = past if activity.counts is None else past & activity.counts
    gone, seen = _latest(activity, past & activity.churns), _latest(activity, active)
    anyhow = (seen > gone)[found.customer]
    codes = [code for code, name in enumerate(activity.names) if name in endings]
    if not codes:
        return anyhow, np.zeros(found.customer.size, dtype=bool)
    back = (_latest(activity, active & ~np.isin(activity.e, codes)) > gone)[found.customer]
    back |= gone[found.customer] == NEVER
    return back, anyhow & ~back


def _latest(activity: Activity, events: Flags) -> Whole:
    """The instant of each customer's last of some events."""
    last = np.full(activity.customers, NEVER)
    last[activity.c[events]] = activity.t[events]
    return last


def _happened(activity: Activity, question: Question, found: Snapshot) -> Floats:
    inside = (activity.t > found.cutoff) & (activity.t <= found.cutoff + question.horizon)
    if activity.churns is not None:
        inside &= activity.churns
    elif activity.counts is not None:
        inside &= activity.counts
    met = np.zeros(activity.customers, dtype=bool)
    met[activity.c[inside]] = True
    return (met[found.customer] if activity.churns is not None else ~met[found.customer]).astype(
        float
    )


def _joined(pieces: Sequence[Part]) -> Part:
    """The blocks of one cutoff as one, and what only all of them together can say."""
    shots = [piece.snapshot for piece in pieces]
    customer, last, n_days, span, age = (
        np.concatenate([getattr(shot, name) for shot in shots])
        for name in ("customer", "last", "n_days", "span", "age")
    )
    at_risk, ended, asked, active, churned = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("at_risk", "ended", "asked", "active", "churned")
    )
    gaps = np.zeros(max(shot.gaps.size for shot in shots), dtype=np.int64)
    for shot in shots:
        gaps[: shot.gaps.size] += shot.gaps
    features = {
        name: _as_one([piece.features[name] for piece in pieces]) for name in pieces[0].features
    }
    features["recency_over_gap"] = over_usual_gap(
        features["recency_days"], n_days[asked], span[asked], gaps
    )
    returned = any(shot.returned for shot in shots)
    if not returned:
        features.pop(RETURNED, None)
    return Part(
        Snapshot(shots[0].cutoff, customer, last, n_days, span, age, gaps, returned),
        at_risk,
        ended,
        asked,
        active,
        churned,
        features,
    )


def _as_one(columns: Sequence[Any]) -> Any:
    return (
        np.concatenate(columns)
        if isinstance(columns[0], np.ndarray)
        else pd.concat([pd.Series(column) for column in columns], ignore_index=True).array
    )
