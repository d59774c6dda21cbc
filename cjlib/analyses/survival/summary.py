"""Survival in one sentence, and what decided it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cjlib.analyses.findings import Direction, Finding
from cjlib.analyses.survival.count import Back, Span
from cjlib.analyses.survival.kaplan_meier import Curve
from cjlib.errors import did_you_mean, shown
from cjlib.shared.comparison import MIN_N, others_in_words
from cjlib.shared.risk_comparison import LogRank
from cjlib.show.numbers import confidence, count_of, percent_within, places_apart, timespan
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.event_log import EventLog

TAKEN = (
    "day",
    "at_risk",
    "churned",
    "censored",
    "share_surviving",
    "n",
    "p_value",
    "p_adjusted",
    "without",
    "customer_id",
)
"""Columns of the tables, which a column of `by` cannot also be called."""


def headline(
    curve: Curve,
    unit: str,
    limit: float,
    comparisons: pd.DataFrame,
    differ: int,
    doubt: str,
    *,
    over_all: bool,
    min_n: int,
    who: str,
    back: Back | None = None,
) -> str:
    """When half have churned, or how many have not at the end; how many of those who did were back later; how many groups differ, and the `doubt` about them."""
    n, churned = int(curve.at_risk[0]), int(curve.churned.sum())
    if n == 0:
        return f"No {who} to follow: nothing to count."
    if n < min_n:
        return f"Only {count_of(n, who)} ({churned:,} churned): too few to read a curve from."
    return f"{_half(curve, unit, limit)} {_seen(n, churned, who, back)} {_differing(comparisons, differ, doubt, over_all=over_all)}".strip()


def _half(curve: Curve, unit: str, limit: float) -> str:
    low, high = curve.median_interval
    if not math.isnan(curve.median):
        reach = f"{low:g}–{high:g}" if not math.isnan(high) else f"{low:g} or more"
        return f"Half have churned by {unit} {curve.median:g} (95% CI {reach})."
    share, below, above, _ = curve.at(limit)
    within = "" if math.isnan(below) else f" ({confidence(below, above)})"
    return f"{percent_within(share, below, above)}{within} are still there after {limit:g} {unit}s; the median is not reached."


def _seen(n: int, churned: int, who: str, back: Back | None) -> str:
    again = f", {_again(back)}" if back is not None and back.customers else ""
    return f"Of {count_of(n, who)}, {churned:,} churned while observed{again}; the others are counted only as long as they were seen."


def _again(back: Back) -> str:
    if not back.event:
        return f"{back.customers:,} of whom had events again later"
    most = f" (most often “{back.event}”)" if back.customers >= MIN_N else ""
    return f"{back.customers:,} of whom had other events more than a day later{most}"


def after_the_end(churned: int, back: Back | None) -> dict[str, str]:
    """For the definition: that a life ends once, and who was seen later."""
    if back is None:
        return {}
    told = _again(back) if back.customers else "none of whom was seen again later"
    return {"after the end": f"{churned:,} churned, {told}; a life is counted to its first end"}


def _differing(comparisons: pd.DataFrame, beyond: int, doubt: str, *, over_all: bool) -> str:
    if comparisons.empty:
        return ""
    compared = int(comparisons["p_adjusted"].notna().sum())
    if not compared:
        return "No groups can be compared: too few are in them, or nobody churned while two were followed."
    if not beyond:
        same = " who began in the same months, as some do over all the time" if over_all else ""
        return f"None of {compared} groups differs significantly from the others{same}."
    return f"{beyond} of {compared} groups {'differs' if beyond == 1 else 'differ'} significantly from the others{doubt}."


def of_log(
    log: EventLog,
    start: Step,
    span: Span,
    churn: Step | None,
    inactive: int,
    *,
    tied: int,
    by: tuple[str, ...],
) -> dict[str, str]:
    """What decided lives that come from events."""
    said = (
        f"the first {churn} at or after the start"
        if churn
        else f"the moment a silence reaches {timespan(inactive)}, the first time it does; later returns do not undo it"
    )
    told = {
        "life begins": f"the customer's first {start}"
        if start.names or start.where
        else "the customer's first event",
        "churn": said,
        "censored": f"all others, at the end of data ({log.observed_until})",
        "time": "whole elapsed days of 86,400 s, rounded down",
        "ties": f"{count_of(tied, 'further event')} at the same instant as a first event"
        if tied
        else "no two events tie as a first event",
    }
    bounds = [
        f"{word} {log.moment(bound):%Y-%m-%d %H:%M}"
        for word, bound in zip(("from", "to"), span, strict=True)
        if bound is not None
    ]
    told |= {"begins in": " ".join(bounds)} if bounds else {}
    told |= (
        {"by": f"{', '.join(by)}: value at the first event; where events tie, the smallest as text"}
        if by
        else {}
    )
    told |= {"filter": " and ".join(log.filters_in_words)} if log.filters_in_words else {}
    steps = {"start_event": start} | ({"churn_event": churn} if churn else {})
    known = log.event_names
    unknown = [
        f"{option}: {shown(name)} never occurs.{did_you_mean(name, known)}"
        for option, step in steps.items()
        for name in log.unknown_events(step)
    ]
    return told | ({"warning": " ".join(unknown)} if unknown else {})


def of_table(duration: str, event: str, by: tuple[str, ...], unit: str) -> dict[str, str]:
    """What decided lives that come ready."""
    told = {
        "lifetimes": f"column {duration!r}, in {unit}s",
        "churn": f"column {event!r}",
        "censored": "all others, at their duration",
    }
    return told | ({"by": ", ".join(by)} if by else {})


def counts(curve: Curve, unit: str, limit: float) -> dict[str, str]:
    """What went in, and how intervals were made."""
    return {
        "curve": "Kaplan–Meier; at one time churn comes before censoring",
        "counted": f"{int(curve.at_risk[0]):,}, of whom {int(curve.churned.sum()):,} churned and {count_of(int(curve.censored.sum()), 'is', 'are')} censored",
        "interval": "95%: log(−log) Greenwood for shares, missing where the share is 1 or 0; by logits of the restricted mean",
        "told up to": f"{unit} {curve.followed_until:g}, the last to which a tenth of them, 30 at most, were followed",
        "restricted mean": f"mean {unit}s survived up to {unit} {limit:g}, the shortest of the groups' last {unit}s",
    }


@dataclass(frozen=True)
class Differing:
    """A group whose curve differs from that of all others together (`without` those named before): both curves, the test, its adjusted p."""

    name: str
    without: str
    curve: Curve
    others: Curve
    test: LogRank
    p_adjusted: float

    @property
    def limit(self) -> float:
        """The time to which both sides were followed."""
        return min(self.curve.followed_until, self.others.followed_until)

    @property
    def certain(self) -> bool:
        """Whether all or none of a side leave in that time."""
        return any(curve.at(self.limit)[0] in (0, 1) for curve in (self.curve, self.others))


def findings(
    differing: Sequence[Differing], name: str, unit: str, doubt: str
) -> tuple[Finding, ...]:
    """Groups that stay longer or shorter than the others, or leave at other times; `doubt` says why they may not."""
    return tuple(_finding(one, name, unit, doubt) for one in differing)


def _finding(one: Differing, name: str, unit: str, doubt: str) -> Finding:
    limit = one.limit
    stayed, low, high = one.curve.restricted_mean_interval(limit)
    others = one.others.restricted_mean(limit)[0]
    places = places_apart(stayed, others, least=0)
    n = int(one.curve.at_risk[0])
    direction = _direction(one)
    kept = (
        f"stay {stayed:.{places}f} {unit}s on average over the first {limit:.4g} (95% CI {low:.{places}f}–{high:.{places}f}), "
        f"{others_in_words(one.without)} {others:.{places}f}{doubt}."
    )
    when = (
        f"churn at other times than {others_in_words(one.without)} ({int(one.curve.churned.sum()):,} did, {one.test.expected:,.0f} were to be expected), and "
        if direction == "neutral"
        else ""
    )
    return Finding(
        topic=name,
        claim=f"{one.name}: {count_of(n, 'customer')} {when}{kept}",
        direction=direction,
        value=stayed,
        low=low,
        high=high,
        n=n,
        unit="number",
        customers=n,
        family=name,
        p_adjusted=one.p_adjusted,
        figure="means",
    )


def _direction(one: Differing) -> Direction:
    """Good or bad where the difference of the means lies clear of 0 (Zou and Donner's interval) and the test says the same; curves that cross are neither."""
    stayed, low, high = one.curve.restricted_mean_interval(one.limit)
    others, others_low, others_high = one.others.restricted_mean_interval(one.limit)
    longer, shorter = (
        stayed - others > math.hypot(stayed - low, others_high - others),
        others - stayed > math.hypot(high - stayed, others - others_low),
    )
    fewer = one.test.seen < one.test.expected
    if longer and fewer:
        return "good"
    return "bad" if shorter and not fewer else "neutral"
