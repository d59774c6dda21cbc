"""What was known of each customer at a cutoff: every number from events at or before it, and from nothing else.

Floats are summed in the log's order, which is by customer, time, event and every further column, so that the same events give the same digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.activity import Activity, Answers, Codes, Flags, Floats, Kinds, Wait, Whole, changes
from cjlib.analyses.periods import DAY

WINDOWS = (30, 60, 90, 180)
KIND_DAYS = 90
WAIT_DAYS = 30
TRENDS = (30, 90)
SHRINK = 1.0
"""The snapshot's median gap counts like one gap of the customer's own."""
GROUPS = {
    "age, recency, frequency": ("age_days", "recency_days", "n_days", "span_days"),
    "money": ("value_mean", "value_sum", "value_last", "value_last_vs_mean"),
    "gaps": ("gap_median", "gap_mean", "gap_sd", "gap_max", "gap_last", "gap_cv", "recency_over_gap", "recency_over_age", "rate"),
}


@dataclass(frozen=True)
class Snapshot:
    """Customers with activity at or before a cutoff, by code, and their features; `bought` days, `first` to `last` for BG/NBD, in days."""

    cutoff: int
    customer: Whole
    features: pd.DataFrame
    n_days: Whole
    span: Whole
    age: Whole


def snapshot(activity: Activity, kinds: Kinds, cutoff: int, cutoff_day: int) -> Snapshot:
    """The features of everybody with activity at or before `cutoff`."""
    past = activity.t <= cutoff
    active = past if activity.counts is None else past & activity.counts
    c, t, day = activity.c[active], activity.t[active], activity.day[active]
    new = changes(c)
    starts = np.flatnonzero(new)
    customer = c[starts].astype(np.int64)
    home = np.cumsum(new, dtype=np.int32) - 1
    ends = np.append(starts[1:], c.size) - 1
    recency = (cutoff - t[ends]) / DAY
    age = (cutoff - t[starts]) / DAY
    days = _days(home, day, customer.size)
    features: dict[str, Any] = {
        "age_days": age,
        "recency_days": recency,
        "n_days": days.count.astype(float),
        "span_days": (t[ends] - t[starts]) / DAY,
    }
    features |= days.gaps(recency, age)
    value = None if activity.value is None else activity.value[active]
    features |= _windows(home, t, cutoff, customer.size, value)
    if value is not None:
        features |= _money(home, value, customer.size)
    place = np.full(activity.customers, -1, dtype=np.int32)
    place[customer] = np.arange(customer.size)
    features |= _kinds(activity, kinds, past, place, cutoff, customer.size)
    for wait in activity.waits:
        features |= _waiting(wait, place, cutoff, customer.size)
    if activity.answers is not None:
        features |= _stated(activity.answers, place, cutoff, customer.size)
    return Snapshot(cutoff, customer, pd.DataFrame(features), days.count, days.last - days.first, cutoff_day - days.first)


@dataclass(frozen=True)
class Days:
    """Days with activity, by customer: how many, the first and last, and the gaps between them in the order of time."""

    count: Whole
    first: Whole
    last: Whole
    gap: Codes
    home: Codes

    def gaps(self, recency: Floats, age: Floats) -> dict[str, Floats]:
        """How regular a customer is."""
        n, size = self.count - 1, self.count.size
        total = (self.last - self.first).astype(float)
        squares = np.bincount(self.home, weights=self.gap.astype(float) ** 2, minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(n > 0, total / n, np.nan)
            deviation = np.where(n > 1, np.sqrt(np.maximum(squares - total * mean, 0) / (n - 1)), np.nan)
            median, largest, last = self._ranked(n)
            typical = float(np.median(self.gap)) if self.gap.size else float("nan")
            usual = (total + SHRINK * typical) / (n + SHRINK)
            return {
                "gap_median": median,
                "gap_mean": mean,
                "gap_sd": deviation,
                "gap_max": largest,
                "gap_last": last,
                "gap_cv": deviation / mean,
                "recency_over_gap": recency / usual,
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
            ordered: Whole = np.sort(self.home.astype(np.int64) << 32 | self.gap.astype(np.int64)) & 0xFFFFFFFF
            begin = ends - sizes
            median[some] = np.asarray(ordered[begin + (sizes - 1) // 2] + ordered[begin + sizes // 2], dtype=float) / 2
            largest[some] = ordered[ends - 1].astype(float)
            last[some] = self.gap[ends - 1]
        return median, largest, last


def _days(home: Codes, day: Codes, customers: int) -> Days:
    key = home.astype(np.int64) << 32 | (day.astype(np.int64) + 2**31)
    new = np.flatnonzero(changes(key))
    own, when = home[new], day[new]
    count = np.bincount(own, minlength=customers)
    ends = np.cumsum(count)
    within = own[1:] == own[:-1]
    gap = np.diff(when)[within]
    first, last = when[ends - count].astype(np.int64), when[ends - 1].astype(np.int64)
    return Days(count, first, last, gap.astype(np.int32), own[1:][within])


def _windows(home: Codes, t: Whole, cutoff: int, customers: int, value: Floats | None) -> dict[str, Floats]:
    """Counts and value in the last 30 to 180 days, and how counts move."""
    found: dict[str, Floats] = {}
    recent = t > cutoff - max(WINDOWS) * DAY
    own, when = home[recent], t[recent]
    # One pass: each event in the smallest window that holds it, then summed outwards.
    width = len(WINDOWS)
    key = own * np.int64(width)
    for days in WINDOWS[:-1]:
        key += when <= cutoff - days * DAY
    counts = np.bincount(key, minlength=width * customers).reshape(customers, width).cumsum(axis=1)
    paid = None if value is None else np.nan_to_num(value[recent])
    sums = None if paid is None else np.bincount(key, weights=paid, minlength=width * customers).reshape(customers, width).cumsum(axis=1)
    for place, days in enumerate(WINDOWS):
        found[f"n_{days}d"] = np.asarray(counts[:, place], dtype=float)
        if sums is not None:
            found[f"value_{days}d"] = np.asarray(sums[:, place], dtype=float)
    for days in TRENDS:
        now, before = found[f"n_{days}d"], found[f"n_{2 * days}d"] - found[f"n_{days}d"]
        found[f"trend_{days}d"] = np.log((now + 0.5) / (before + 0.5))
    return found


def _money(home: Codes, value: Floats, customers: int) -> dict[str, Floats]:
    valued = ~np.isnan(value)
    own, paid = home[valued], value[valued]
    n = np.bincount(own, minlength=customers)
    total = np.bincount(own, weights=paid, minlength=customers)
    last = np.full(customers, np.nan)
    last[own] = paid  # in the order of time: the latest stays
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / n, np.nan)
        money = {"value_mean": mean, "value_sum": total, "value_last": last, "value_last_vs_mean": np.where(mean != 0, last / mean, np.nan)}
    returned = np.bincount(own[paid < 0], minlength=customers).astype(float)
    return money | ({"n_negative_values": returned} if returned.any() else {})


def _kinds(activity: Activity, kinds: Kinds, past: Flags, place: Codes, cutoff: int, customers: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if kinds.events:
        found |= _events(activity, kinds.events, past, place, cutoff, customers)
    if kinds.channels and activity.channel is not None:
        codes, values = activity.channel
        found |= _channel_shares(activity.c, codes, values, kinds.channels, known=past & (codes >= 0), place=place, customers=customers)
    for name in kinds.properties:
        codes, values = activity.properties.get(name, (np.full(past.size, -1, dtype=np.int32), []))
        known = past & (codes >= 0)
        home = place[activity.c[known]]
        mine = home >= 0
        last = np.full(customers, -1, dtype=np.int64)
        last[home[mine]] = codes[known][mine]
        texts = np.array([*(str(one) for one in values), None], dtype=object)
        found[f"last_{name}"] = pd.Series(texts[last], dtype="str")
    return found


def _events(activity: Activity, events: tuple[str, ...], past: Flags, place: Codes, cutoff: int, customers: int) -> dict[str, Floats]:
    """Per event name: how often in 90 days, and days since the last."""
    column = np.full(max(len(activity.names), 1), -1, dtype=np.int32)
    code = {name: position for position, name in enumerate(activity.names)}
    for position, name in enumerate(events):
        if name in code:
            column[code[name]] = position
    home, kind, when = place[activity.c[past]], column[activity.e[past]], activity.t[past]
    kept = np.flatnonzero((home >= 0) & (kind >= 0))
    key = home[kept].astype(np.int64) * len(events) + kind[kept]
    when = when[kept]
    never = np.iinfo(np.int64).min
    last = np.full(customers * len(events), never)
    last[key] = when  # in the order of time: the latest stays
    since = np.where(last == never, np.nan, (cutoff - last) / DAY).reshape(customers, len(events))
    recent = when > cutoff - KIND_DAYS * DAY
    counts = np.bincount(key[recent], minlength=customers * len(events)).reshape(customers, len(events)).astype(float)
    found = {f"n_{name}_{KIND_DAYS}d": counts[:, position] for position, name in enumerate(events)}
    return found | {f"days_since_{name}": since[:, position] for position, name in enumerate(events)}


def _channel_shares(
    c: Codes, codes: Codes, values: list[Any], channels: tuple[str, ...], *, known: Flags, place: Codes, customers: int
) -> dict[str, Floats]:
    column = np.full(len(values) + 1, -1, dtype=np.int32)
    for position, name in enumerate(channels):
        if name in values:
            column[values.index(name)] = position
    home, kind = place[c[known]], column[codes[known]]
    mine = home >= 0
    every = np.bincount(home[mine], minlength=customers)
    some = mine & (kind >= 0)
    key = home[some].astype(np.int64) * len(channels) + kind[some]
    counts = np.bincount(key, minlength=customers * len(channels)).reshape(customers, len(channels))
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
        name for name in names if name.startswith(("n_", "value_")) and name[-1] == "d" and name.split("_")[1].rstrip("d").isdigit()
    ]
    told["windows and trend"] += [name for name in names if name.startswith("trend_")]
    told["stated"] = [
        name for name in names if name.endswith(("_last", "_age_days")) and name.split("_")[0] in ("nps", "csat", "ces", "rating", "text")
    ]
    told["stated"] += [name for name in names if name == "negatives_90d"]
    placed = {name for members in told.values() for name in members}
    told["kind"] = [name for name in names if name not in placed]
    return {group: ", ".join(members) for group, members in told.items() if members}
