"""The scorecard in words: numbers, periods, what lies outside normal variation, and what to know first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from cjlib.analyses.findings import Direction, Finding
from cjlib.analyses.scorecard.control_limits import FEWEST_PERIODS, RUN
from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.show.units import in_units
from cjlib.sources.journey import Journey
from cjlib.sources.journey.schema import MEASURES

HIGHLIGHT_COLUMNS = ["rank", "measure", "sentence", "reason", "notebook"]
FIRST = (
    "retention",
    "churn",
    "conversion_of_visitors",
    "conversion_of_leads",
    "nps",
    "csat",
    "value_per_active_customer",
    "active_customers",
    "tickets",
)
"""What is told where nothing is news."""
Side = Literal["better", "worse", "higher", "lower"]


@dataclass(frozen=True)
class Reading:
    """What is known of one measure in the period that is judged; `band` are its limits."""

    entry: Entry
    period: str
    better: str | None
    value: float
    low: float
    high: float
    n: int
    previous: float
    change: float
    significant: bool
    judged: bool
    constant: bool
    band: tuple[float, float]
    direction: int
    target: float
    year_before: float

    @property
    def enough(self) -> bool:
        """Whether the number can be read."""
        return self.n >= MIN_N or (self.entry.unit == "count" and not math.isnan(self.value))

    @property
    def moved(self) -> Side | None:
        """On which side of its normal variation it lies significantly; None where it does not."""
        return self.side(self.value > sum(self.band) / 2) if self.significant else None

    def side(self, up: bool) -> Side:
        """Going up or down, as good or bad where the measure has such a side."""
        if self.better is None:
            return "higher" if up else "lower"
        return "better" if up == (self.better == "higher") else "worse"

    @property
    def target_met(self) -> str | None:
        """Reached or missed, if the whole interval says so; else not clear; None without a target."""
        if math.isnan(self.target) or math.isnan(self.value):
            return None
        if math.isnan(self.low) or math.isnan(self.high):
            return "not clear"
        sign = -1 if self.better == "lower" else 1
        wanted, ends = sign * self.target, sorted((sign * self.low, sign * self.high))
        if ends[0] >= wanted:
            return "reached"
        return "missed" if ends[1] < wanted else "not clear"


# ---- numbers ------------------------------------------------------------------------------------------------------


def said(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "share":
        return numbers.percent(value)
    if unit == "seconds":
        return numbers.duration(value)
    if unit == "score":
        return numbers.signed(value)
    return f"{numbers.number(value)} days" if unit == "days" else numbers.number(value)


def interval(low: float, high: float, unit: str) -> str:
    """Both bounds; a missing one is open."""
    if math.isnan(low) and math.isnan(high):
        return "no interval"
    if unit == "share":
        return numbers.confidence(low, high)
    if math.isnan(high):
        return f"95% CI {said(low, unit)} or more"
    return f"95% CI {said(low, unit)} to {said(high, unit)}"


def resting(reading: Reading) -> str:
    """Interval and n."""
    return f"{interval(reading.low, reading.high, reading.entry.unit)}, n = {reading.n:,}"


def limits(reading: Reading) -> str:
    """The usual range."""
    low, high = (said(bound, reading.entry.unit) for bound in reading.band)
    return f"{low} to {high}"


def period_name(start: pd.Timestamp, period: str) -> str:
    """A period as one says it: `November 2025`, `Q4 2025`, `the week from 2025-11-03`."""
    if period == "month":
        return f"{start:%B %Y}"
    if period == "quarter":
        return f"Q{start.quarter} {start.year}"
    forms = {
        "year": "%Y",
        "week": "the week from %Y-%m-%d",
        "day": "%Y-%m-%d",
        "hour": "the hour from %Y-%m-%d %H:%M",
    }
    return start.strftime(forms[period])


# ---- one measure --------------------------------------------------------------------------------------------------


def change_words(reading: Reading, before: str) -> str:
    """Whether it lies outside normal variation, or why that cannot be said."""
    if math.isnan(reading.change):
        return "nothing to compare with"
    was = f"{said(reading.previous, reading.entry.unit)} in {before}"
    if not reading.enough:
        return f"too few to judge (n = {reading.n:,}); {was}"
    if reading.constant:
        return "the same in every period"
    if not reading.judged:
        return f"{was}; {FEWEST_PERIODS} complete periods are needed to know the normal variation"
    if reading.moved is None:
        return f"no significant change from {was}"
    return f"{reading.moved} than normal variation explains (usual range {limits(reading)}); {was}"


def words_of(reading: Reading, before: str) -> str:
    """Everything that is to be said of a measure: a change first, without one its target."""
    change = [change_words(reading, before)]
    if reading.direction:
        change.append(f"{'up' if reading.direction > 0 else 'down'} {RUN} periods in a row")
    target = (
        [f"{_TARGET[reading.target_met]} the target of {said(reading.target, reading.entry.unit)}"]
        if reading.target_met
        else []
    )
    parts = [*target, *change] if reading.moved is None else [*change, *target]
    if not math.isnan(reading.year_before):
        parts.append(f"a year before {said(reading.year_before, reading.entry.unit)}")
    return "; ".join(parts)


_TARGET = {"reached": "met", "missed": "missed", "not clear": "too close to call against"}


def sentence(reading: Reading, before: str) -> str:
    """The measure with its number, what it rests on, and everything there is to say of it."""
    value = said(reading.value, reading.entry.unit)
    return f"{reading.entry.label} in {reading.period}: {value} ({resting(reading)}): {words_of(reading, before)}."


def finding_of(reading: Reading, before: str, family: str, p_adjusted: float) -> Finding:
    """A measure outside its normal variation as a finding; customers concerned are those beyond the middle of the usual range, where it is a share of them."""
    directions: dict[str | None, Direction] = {"worse": "bad", "better": "good"}
    unit = reading.entry.unit
    value = said(reading.value, unit)
    off = abs(reading.value - sum(reading.band) / 2)
    return Finding(
        topic=reading.entry.label,
        claim=f"{reading.entry.label} in {reading.period} is {value} ({resting(reading)}), outside its usual range of {limits(reading)}; "
        f"{said(reading.previous, unit)} in {before}.",
        direction=directions.get(reading.moved, "neutral"),
        value=reading.value,
        low=reading.low,
        high=reading.high,
        n=reading.n,
        unit={"share": "share", "score": "points", "seconds": "seconds"}.get(unit, "number"),
        customers=round(off * reading.n)
        if unit == "share"
        else round(off)
        if unit == "count"
        else 0,
        family=family,
        p_adjusted=p_adjusted,
    )


# ---- the card -----------------------------------------------------------------------------------------------------


def highlights(readings: dict[str, Reading], before: str, most: int) -> pd.DataFrame:
    """The measures to know first, one of a kind: significantly worse, a target missed for certain, significantly better, then those without news."""
    stories = sorted(
        ((_story(measure, one), measure, one) for measure, one in readings.items() if one.enough),
        key=lambda story: (story[0][0], -story[0][1], list(readings).index(story[1])),
    )
    kinds: dict[str, tuple[str, Reading, str]] = {}
    for (_, _, reason), measure, one in stories:
        kinds.setdefault(one.entry.kind, (measure, one, reason))
    rows = [
        (rank, measure, sentence(one, before), reason, one.entry.notebook)
        for rank, (measure, one, reason) in enumerate(list(kinds.values())[:most], start=1)
    ]
    table = pd.DataFrame(rows, columns=HIGHLIGHT_COLUMNS)
    return table.astype({"rank": "int64"} | dict.fromkeys(HIGHLIGHT_COLUMNS[1:], "str"))


def _story(measure: str, one: Reading) -> tuple[int, float, str]:
    """Tier (smaller first), weight (larger first) and the reason in words."""
    if one.moved is not None and one.moved != "better":
        return 0, _outside(one), f"{one.moved} than normal variation explains"
    if one.target_met == "missed":
        return 1, abs(one.value - one.target) / max(abs(one.target), 1e-9), "target missed"
    if one.moved == "better":
        return 2, _outside(one), "better than normal variation explains"
    rank = FIRST.index(measure) if measure in FIRST else len(FIRST)
    return (3, -rank, "has a target") if one.target_met else (4, -rank, "no news")


def _outside(one: Reading) -> float:
    """How far from the middle of the limits, in their half width."""
    low, high = one.band
    return abs(one.value - (low + high) / 2) / max((high - low) / 2, 1e-12)


def headline(
    readings: dict[str, Reading],
    before: str,
    lacking: int,
    vanished: Mapping[str, int],
    doubts: Sequence[str],
) -> str:
    """What moved significantly, how many targets are met, what has nobody left in its base, what was probably not recorded or not delivered, and what is not measured."""
    judged = [
        reading
        for reading in readings.values()
        if reading.enough and reading.judged and not math.isnan(reading.change)
    ]
    period = next(iter(readings.values())).period if readings else "this period"
    parts: list[str] = []
    targets = [reading.target_met for reading in readings.values() if reading.target_met]
    if targets:
        met, missed = targets.count("reached"), targets.count("missed")
        close = len(targets) - met - missed
        open_ones = f", {close} too close to call" if close else ""
        of = f"of {numbers.count_of(len(targets), 'target')}"
        sides = f"{missed} {of} missed, {met} met" if missed else f"{met} {of} met"
        parts.append(f"{sides}{open_ones}")
    moved = _moved(judged, before, period)
    parts = [moved, *parts] if any(one.moved is not None for one in judged) else [*parts, moved]
    if vanished:
        parts.append(
            _of_nobody([readings[name].entry.label for name in vanished], vanished, before, period)
        )
    parts += doubts
    if lacking:
        parts.append(
            f"{numbers.count_of(lacking, 'KPI')} {'is' if lacking == 1 else 'are'} not measured"
        )
    return f"{'. '.join(parts)}."


def _of_nobody(labels: list[str], vanished: Mapping[str, int], before: str, period: str) -> str:
    """The measures that nobody is in the base of any more."""
    more = [f"{len(labels) - 2} more"] if len(labels) > 2 else []
    least = "" if len(labels) == 1 else "at least "
    return (
        f"{numbers.joined([*labels[:2], *more])} cannot be told of {period}: nobody is in the base, "
        f"{least}{min(vanished.values()):,} were in {before}"
    )


def _moved(judged: Sequence[Reading], before: str, period: str) -> str:
    if not judged:
        return f"{period[0].upper()}{period[1:]}: too few complete periods to know the normal variation of any KPI"
    moved = [one for one in judged if one.moved is not None]
    if not moved:
        return f"No KPI changed significantly from {before} to {period} ({len(judged)} judged)"
    first = max(moved, key=lambda one: (one.moved == "worse", _outside(one)))
    count = (
        f"{len(moved)} of {len(judged)} KPIs lie"
        if len(moved) > 1
        else f"1 of {len(judged)} KPIs lies"
    )
    value = said(first.value, first.entry.unit)
    return (
        f"{count} outside normal variation in {period}: {first.entry.label} is {value} ({resting(first)}), "
        f"{first.moved} than its usual range of {limits(first)}"
    )


Unit = Literal["share", "count", "number", "score", "seconds", "days"]
FUNNEL, RETENTION, SENTIMENT, CHURN, PATHS, MAP = (
    "01_funnel",
    "02_retention",
    "03_sentiment",
    "04_churn",
    "05_paths",
    "06_journey_map",
)
MILESTONE = "median_days_to_"


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue; measures of one `kind` tell one story."""

    label: str
    unit: Unit
    kind: str
    notebook: str
    definition: str


_SAME = "customers with a {0} in the period whom a {1} follows at or after it, before the period's end ÷ customers with a {0} in it"
_TICKETS = "of tickets opened in the period"
_KM = "Kaplan–Meier median, those not there yet censored at the end of data"

CATALOGUE: dict[str, Entry] = {
    "conversion_of_visitors": Entry("Visitors who convert in the same period", "share", "conversion", FUNNEL,
        _SAME.format("visit", "conversion")),
    "conversion_of_leads": Entry("Leads who convert in the same period", "share", "conversion", FUNNEL,
        _SAME.format("lead", "conversion")),
    "active_customers": Entry("Active customers (events on the map)", "count", "activity", RETENTION,
        "customers with a mapped event that is not the churn event"),
    "new_customers": Entry("New customers", "count", "acquisition", FUNNEL,
        "customers whose first mapped event lies in the period"),
    "retention": Entry("Retained from the period before (events on the map)", "share", "coming back", RETENTION,
        "active in the period before and in this one ÷ active in the period before"),
    "churn": Entry("Churn", "share", "leaving", CHURN,
        "by event: first churn event in the period ÷ active in the period before without a churn event until then; by silence: silence reaches the limit in the period ÷ last activity less than the limit before its start"),
    "value_per_active_customer": Entry("Value per active customer", "number", "money", CHURN,
        "sum of value in the period ÷ active customers"),
    "value_to_date_per_customer": Entry("Value to date per customer", "number", "money", CHURN,
        "sum of value up to the period's end ÷ customers ever active"),
    "expected_value_per_customer": Entry("Expected value per buyer", "number", "money", CHURN,
        "mean of cj.customer_value over churn.horizon, at the end of the last complete period"),
    "nps": Entry("NPS", "score", "opinion", SENTIMENT,
        "100 × (share of 9–10 − share of 0–6) of the answers in the period"),
    "csat": Entry("Satisfied (CSAT)", "share", "satisfaction", SENTIMENT,
        "share of answers 4–5 on 1–5; of another scale the same part"),
    "ces": Entry("Found it easy (CES)", "share", "effort", SENTIMENT,
        "share of answers 5–7 on 1–7; of another scale the same part"),
    "rating": Entry("Rated well", "share", "rating", SENTIMENT,
        "share of star ratings of 4–5 on 1–5, half stars as they are; of another scale the same part"),
    "response_share": Entry("Answered when asked", "share", "answering", SENTIMENT,
        "answers with a score, unasked ones left out ÷ invitations"),
    "click_through": Entry("Click-through", "share", "advertising", MAP,
        "click events ÷ impression events"),
    "bounce": Entry("Sessions of one event", "share", "sessions", PATHS,
        "sessions of a single event ÷ sessions that start in the period"),
    "median_seconds_per_session": Entry("Median session", "seconds", "sessions", PATHS,
        "first to last event of sessions that start in the period, median"),
    "mean_seconds_per_session": Entry("Mean session", "seconds", "sessions", PATHS,
        "first to last event of sessions that start in the period, mean"),
    "median_seconds_on_page": Entry("Median time on a page", "seconds", "pages", PATHS,
        "page event to the next event of its session, a session's last page left out, median"),
    "active_days_per_customer": Entry("Active days per customer", "number", "use", RETENTION,
        "customer-days with activity ÷ active customers"),
    "stickiness": Entry("Stickiness", "share", "use", RETENTION,
        "mean of the days' active customers ÷ active customers of the period"),
    "features_per_customer": Entry("Features per customer", "number", "use", RETENTION,
        "distinct features used by active customers ÷ active customers"),
    "renewal": Entry("Renewal", "share", "renewal", CHURN,
        _SAME.format("renewal due", "renewal")),
    "expansion": Entry("Expansion", "share", "growth", MAP,
        "active customers with an expansion in the period ÷ active customers"),
    "referral": Entry("Referral", "share", "advocacy", MAP,
        "active customers who referred in the period ÷ active customers"),
    "referred_customers": Entry("Referred customers", "count", "advocacy", MAP,
        "customers whose first referred event lies in the period"),
    "tickets": Entry("Tickets", "count", "tickets", MAP,
        "tickets opened in the period"),
    "tickets_per_customer": Entry("Tickets per customer", "number", "tickets", MAP,
        "tickets opened in the period ÷ active customers"),
    "answered_in_24h": Entry("Answered within 24 hours", "share", "answers of support", MAP,
        f"first response within 24 hours, the end included ÷ those whose 24 hours are over, {_TICKETS}"),
    "median_seconds_to_first_response": Entry("Time to first response", "seconds", "answers of support", MAP,
        f"{_KM}, {_TICKETS}"),
    "median_seconds_to_resolution": Entry("Time to resolution", "seconds", "resolution", MAP,
        f"{_KM}, {_TICKETS}; abandoned ones count as not resolved"),
    "first_contact_resolution": Entry("Resolved at first contact", "share", "resolution", MAP,
        f"resolved with at most one response and never reopened ÷ resolved, {_TICKETS}"),
    "reopened": Entry("Reopened", "share", "resolution", MAP,
        f"reopened ÷ resolved, {_TICKETS}"),
    "abandonment": Entry("Abandoned", "share", "resolution", MAP,
        f"abandoned ÷ opened, {_TICKETS}"),
    "handovers_per_ticket": Entry("Handovers per ticket", "number", "handovers", MAP,
        f"changes of who handles the ticket ÷ tickets, {_TICKETS}"),
}  # fmt: skip


def entry_of(measure: str) -> Entry:
    """A measure's line, said of what is counted; milestones have one by their name."""
    if measure in CATALOGUE:
        entry = CATALOGUE[measure]
        words = {"label": in_units(entry.label), "definition": in_units(entry.definition)}
        return replace(entry, **words)
    name = measure.removeprefix(MILESTONE).replace("_", " ")
    return Entry(
        f"Days to {name}",
        "days",
        "milestones",
        FUNNEL,
        f"from a customer's first start, which lies in the period, to {name}: {_KM}",
    )


def better_of(measure: str, journey: Journey) -> str | None:
    """Which side is good: as the target says, else as the measure does; None for neither."""
    target = journey.targets.get(measure)
    if target is not None and target.better:
        return target.better
    return "lower" if measure.startswith(MILESTONE) else MEASURES[measure]
