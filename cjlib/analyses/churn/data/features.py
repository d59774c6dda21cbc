"""What was known of each customer at a cutoff: every number from events at or before it, and from nothing else.

Floats are summed in the log's order, which is by customer, time, event and every further column, so that the same events give the same digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.event_arrays import (
    Activity,
    Answers,
    Codes,
    Floats,
    Kinds,
    Paid,
    Wait,
    Whole,
    changes,
)
from cjlib.shared.periods import DAY

WINDOWS = (30, 60, 90, 180)
KIND_DAYS = 90
WAIT_DAYS = 30
TRENDS = (30, 90)
NOWHERE = -(2**62)
RETURNED = "n_negative_values"
GROUPS = {
    "age, recency, frequency": ("age_days", "recency_days", "n_days", "span_days"),
    "money": ("value_mean", "value_sum", "value_last", "value_last_vs_mean"),
    "gaps": (
        "gap_median",
        "gap_mean",
        "gap_sd",
        "gap_max",
        "gap_last",
        "gap_cv",
        "recency_over_gap",
        "recency_over_age",
        "rate",
    ),
}
SHRINK = 1.0
"""The snapshot's median gap counts like one gap of the customer's own."""


@dataclass(frozen=True)
class Past:
    """Events at or before a cutoff in the log's order, with the time of each and its customer by place."""

    cutoff: int
    customers: int
    home: Codes
    t: Whole


def features_of(activity: Activity, kinds: Kinds, cutoff: int) -> dict[str, Any]:
    """The features of customers all of whose events are at or before `cutoff`, each with at least one that is activity.

    `recency_over_gap` is not divided yet: see `over_usual_gap`.
    """
    sizes = np.diff(activity.starts, append=activity.c.size)
    customer = activity.c[activity.starts]
    past = Past(
        cutoff,
        customer.size,
        np.repeat(np.arange(customer.size, dtype=np.int32), sizes),
        activity.t,
    )
    active = slice(None) if activity.counts is None else activity.counts
    home, t = past.home[active], past.t[active]
    starts = np.flatnonzero(changes(home))
    first, last = t[starts], t[np.append(starts[1:], t.size)[: starts.size] - 1]
    recency, age = (cutoff - last) / DAY, (cutoff - first) / DAY
    days = days_of(home, activity.day[active], starts)
    features: dict[str, Any] = {
        "age_days": age,
        "recency_days": recency,
        "n_days": days.count.astype(float),
        "span_days": (last - first) / DAY,
    }
    features |= days.gaps(recency, age)
    paid = None if activity.value is None else activity.value.of(activity.counts, past.home, past.t)
    features |= _windows(t, starts, cutoff, paid)
    if paid is not None:
        features |= _money(paid, customer.size)
    features |= _kinds(activity, kinds, past)
    place = np.full(activity.customers, -1, dtype=np.int32)
    place[customer] = np.arange(customer.size)
    for wait in activity.waits:
        features |= _waiting(wait, place, cutoff, customer.size)
    if activity.answers is not None:
        features |= _stated(activity.answers, place, cutoff, customer.size)
    return features


def _windows(t: Whole, starts: Whole, cutoff: int, paid: Paid | None) -> dict[str, Floats]:
    """Counts and value in the last 30 to 180 days, and how counts move."""
    found: dict[str, Floats] = {}
    width = len(WINDOWS)
    sums = None
    if paid is not None:
        recent = paid.time > cutoff - max(WINDOWS) * DAY
        own, when = paid.home[recent], paid.time[recent]
        # One pass: each payment in the smallest window that holds it, then summed outwards.
        key = own * np.int64(width)
        for days in WINDOWS[:-1]:
            key += when <= cutoff - days * DAY
        sums = (
            np.bincount(key, weights=paid.amount[recent], minlength=width * starts.size)
            .reshape(-1, width)
            .cumsum(axis=1)
        )
    for place, days in enumerate(WINDOWS):
        inside = t > cutoff - days * DAY
        found[f"n_{days}d"] = (
            np.add.reduceat(inside.view(np.int8), starts, dtype=np.int32).astype(float)
            if starts.size
            else np.zeros(0)
        )
        if sums is not None:
            found[f"value_{days}d"] = np.asarray(sums[:, place], dtype=float)
    for days in TRENDS:
        now, before = found[f"n_{days}d"], found[f"n_{2 * days}d"] - found[f"n_{days}d"]
        found[f"trend_{days}d"] = np.log((now + 0.5) / (before + 0.5))
    return found


def _money(paid: Paid, customers: int) -> dict[str, Floats]:
    n = np.bincount(paid.home, minlength=customers)
    total = np.bincount(paid.home, weights=paid.amount, minlength=customers)
    last = np.full(customers, np.nan)
    last[paid.home] = paid.amount  # in the order of time: the latest stays
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / n, np.nan)
        money = {
            "value_mean": mean,
            "value_sum": total,
            "value_last": last,
            "value_last_vs_mean": np.where(mean != 0, last / mean, np.nan),
        }
    returned = np.bincount(paid.home[paid.amount < 0], minlength=customers).astype(float)
    return money | {RETURNED: returned}


def _kinds(activity: Activity, kinds: Kinds, past: Past) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if kinds.events:
        found |= _events(activity, kinds.events, past)
    if kinds.channels and activity.channel is not None:
        codes, values = activity.channel
        found |= _channel_shares(codes, values, kinds.channels, past)
    for name in kinds.properties:
        codes, values = activity.properties.get(
            name, (np.full(past.home.size, -1, dtype=np.int32), [])
        )
        known = codes >= 0
        last = np.full(past.customers, -1, dtype=np.int64)
        last[past.home[known]] = codes[known]
        texts = np.array([*(str(value) for value in values), None], dtype=object)
        found[f"last_{name}"] = pd.Series(texts[last], dtype="str").array
    return found


def _events(activity: Activity, events: tuple[str, ...], past: Past) -> dict[str, Floats]:
    """Per event name: how often in 90 days, and days since the last."""
    key, when = _cells(past, activity.e, _columns(activity.names, events), len(events)), past.t
    if key.min(initial=0) < 0:
        key, when = key[key >= 0], when[key >= 0]
    size = past.customers * len(events)
    never = np.iinfo(np.int64).min
    last = np.full(size, never)
    last[key] = when  # in the order of time: the latest stays
    since = np.where(last == never, np.nan, (past.cutoff - last) / DAY).reshape(-1, len(events))
    counts = (
        np.bincount(key[when > past.cutoff - KIND_DAYS * DAY], minlength=size)
        .reshape(-1, len(events))
        .astype(float)
    )
    found = {f"n_{name}_{KIND_DAYS}d": counts[:, position] for position, name in enumerate(events)}
    return found | {
        f"days_since_{name}": since[:, position] for position, name in enumerate(events)
    }


def _columns(values: Sequence[Any], wanted: tuple[str, ...]) -> Whole:
    """The column of each code; far below 0 for one without a column, and (last) for a missing value."""
    column = np.full(len(values) + 1, NOWHERE)
    place = {str(value): position for position, value in enumerate(values)}
    for position, name in enumerate(wanted):
        if name in place:
            column[place[name]] = position
    return column


def _cells(past: Past, codes: NDArray[Any], column: Whole, width: int) -> Whole:
    """Each event's cell in a table of customers by columns; below 0 where it has none."""
    key = column[codes]
    key += past.home * np.int64(width)
    return key


def _channel_shares(
    codes: Codes, values: list[Any], channels: tuple[str, ...], past: Past
) -> dict[str, Floats]:
    every = np.bincount(past.home[codes >= 0], minlength=past.customers)
    key = _cells(past, codes, _columns(values, channels), len(channels))
    counts = np.bincount(key[key >= 0], minlength=past.customers * len(channels)).reshape(
        -1, len(channels)
    )
    shares = counts / np.maximum(every, 1)[:, None]
    return {f"share_channel_{name}": shares[:, position] for position, name in enumerate(channels)}


def _waiting(wait: Wait, place: Codes, cutoff: int, customers: int) -> dict[str, Floats]:
    """How long customers who asked within 30 days waited for an answer: the longest and the latest, in days; an open one waits until the cutoff."""
    home = place[wait.customer]
    mine = (wait.opened <= cutoff) & (wait.opened > cutoff - WAIT_DAYS * DAY) & (home >= 0)
    answered = (wait.answered >= 0) & (wait.answered <= cutoff)
    length = np.where(answered, wait.answered - wait.opened, cutoff - wait.opened)[mine] / DAY
    longest, last = np.full(customers, np.nan), np.full(customers, np.nan)
    np.fmax.at(longest, home[mine], length)
    last[home[mine]] = length
    return {f"wait_{wait.name}_max_{WAIT_DAYS}d": longest, f"wait_{wait.name}_last": last}


def _stated(answers: Answers, place: Codes, cutoff: int, customers: int) -> dict[str, Floats]:
    home = place[answers.customer]
    past = (answers.time <= cutoff) & (home >= 0)
    found: dict[str, Floats] = {}
    for name, score in answers.scores.items():
        known = past & ~np.isnan(score)
        last, when = np.full(customers, np.nan), np.full(customers, np.nan)
        last[home[known]] = score[known]
        when[home[known]] = (cutoff - answers.time[known]) / DAY
        found |= {f"{name}_last": last, f"{name}_age_days": when}
    recent = past & answers.negative & (answers.time > cutoff - KIND_DAYS * DAY)
    return found | {"negatives_90d": np.bincount(home[recent], minlength=customers).astype(float)}


def groups_in_words(features: Mapping[str, Any] | tuple[str, ...]) -> dict[str, str]:
    """The features by group, for `.definition`."""
    names = list(features)
    told = {group: [name for name in members if name in names] for group, members in GROUPS.items()}
    told["windows and trend"] = [
        name
        for name in names
        if name.startswith(("n_", "value_"))
        and name[-1] == "d"
        and name.split("_")[1].rstrip("d").isdigit()
    ]
    told["windows and trend"] += [name for name in names if name.startswith("trend_")]
    told["stated"] = [
        name
        for name in names
        if name.endswith(("_last", "_age_days"))
        and name.split("_")[0] in ("nps", "csat", "ces", "rating", "text")
    ]
    told["stated"] += [name for name in names if name == "negatives_90d"]
    placed = {name for members in told.values() for name in members}
    told["kind"] = [name for name in names if name not in placed]
    return {group: ", ".join(members) for group, members in told.items() if members}


@dataclass(frozen=True)
class Snapshot:
    """Customers with activity at or before a cutoff, by number, and the instant of their last; days with activity, `span` and `age` in days for BG/NBD.

    `gaps` counts the gaps of each length, in days; `returned` says whether anybody had a negative value.
    """

    cutoff: int
    customer: Whole
    last: Whole
    n_days: Whole
    span: Whole
    age: Whole
    gaps: Whole
    returned: bool


def snapshot(activity: Activity, cutoff: int, cutoff_day: int) -> Snapshot:
    """Everybody with activity at or before `cutoff`."""
    active = activity.t <= cutoff
    if activity.counts is not None:
        active &= activity.counts
    c = activity.c[active]
    starts = np.flatnonzero(changes(c))
    sizes = np.diff(starts, append=c.size)
    days = days_of(
        np.repeat(np.arange(starts.size, dtype=np.int32), sizes), activity.day[active], starts
    )
    last = activity.t[active][starts + sizes - 1]
    returned = activity.value is not None and bool(
        (activity.value.amount[active[activity.value.row]] < 0).any()
    )
    return Snapshot(
        cutoff,
        c[starts].astype(np.int64),
        last,
        days.count,
        days.last - days.first,
        cutoff_day - days.first,
        np.bincount(days.gap),
        returned,
    )


def over_usual_gap(recency: Floats, n_days: Whole, span: Whole, gaps: Whole) -> Floats:
    """Recency against the customer's mean gap, to which the median of all `gaps` counts as one more."""
    with np.errstate(invalid="ignore"):
        usual = (span.astype(float) + SHRINK * _median(gaps)) / (n_days - 1 + SHRINK)
    return recency / usual


def _median(counts: Whole) -> float:
    """The median of 0, 1, 2, … that occur so often; NaN of nothing."""
    ends = np.cumsum(counts)
    if not counts.sum():
        return float("nan")
    low, high = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right").tolist()
    return (low + high) / 2


@dataclass(frozen=True)
class Days:
    """Days with activity, by customer: how many, the first and last, and the gaps between them in the order of time."""

    count: Whole
    first: Whole
    last: Whole
    gap: Codes
    home: Codes

    def gaps(self, recency: Floats, age: Floats) -> dict[str, Floats]:
        """How regular a customer is; `recency_over_gap` is not divided yet: see `over_usual_gap`."""
        n, size = self.count - 1, self.count.size
        total = (self.last - self.first).astype(float)
        squares = np.bincount(self.home, weights=self.gap.astype(float) ** 2, minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(n > 0, total / n, np.nan)
            deviation = np.where(
                n > 1, np.sqrt(np.maximum(squares - total * mean, 0) / (n - 1)), np.nan
            )
            median, largest, last = self._ranked(n)
            return {
                "gap_median": median,
                "gap_mean": mean,
                "gap_sd": deviation,
                "gap_max": largest,
                "gap_last": last,
                "gap_cv": deviation / mean,
                "recency_over_gap": recency,
                "recency_over_age": np.where(age > 0, recency / age, 0.0),
                "rate": self.count / (age + 1),
            }

    def _ranked(self, n: Whole) -> tuple[Floats, Floats, Floats]:
        """Median, largest and latest gap; NaN without one."""
        some = n > 0
        ends = np.cumsum(n)[some]
        sizes = n[some]
        median, largest, last = (np.full(n.size, np.nan) for _ in range(3))
        if ends.size:
            ordered: Whole = (
                np.sort(self.home.astype(np.int64) << 32 | self.gap.astype(np.int64)) & 0xFFFFFFFF
            )
            begin = ends - sizes
            median[some] = (
                np.asarray(
                    ordered[begin + (sizes - 1) // 2] + ordered[begin + sizes // 2], dtype=float
                )
                / 2
            )
            largest[some] = ordered[ends - 1].astype(float)
            last[some] = self.gap[ends - 1]
        return median, largest, last


def days_of(home: Codes, day: Codes, starts: Whole) -> Days:
    """The days of customers whose events are given by customer and time, each customer's first at `starts`."""
    new = changes(day)
    new[starts] = True
    rows = np.flatnonzero(new)
    own, when = home[rows], day[rows]
    count = np.bincount(own, minlength=starts.size)
    ends = np.cumsum(count)
    within = own[1:] == own[:-1]
    gap = np.diff(when)[within]
    first, last = when[ends - count].astype(np.int64), when[ends - 1].astype(np.int64)
    return Days(count, first, last, gap.astype(np.int32), own[1:][within])
