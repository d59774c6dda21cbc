"""Where everybody stands at a cutoff: since when, until when, and on which days they were active."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cjlib.analyses.churn.data.event_arrays import Activity, Codes, Floats, Whole, changes

SHRINK = 1.0
"""The snapshot's median gap counts like one gap of the customer's own."""


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
