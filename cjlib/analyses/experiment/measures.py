"""What an experiment measures: one number a customer, from what happened in the window after the exposure, and the same before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.experiment.assignment import times_of
from cjlib.errors import CjlibError, did_you_mean, listed, not_one_of, shown
from cjlib.shared.stats import Floats
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]
KINDS = ("share", "funnel", "count", "sum", "ratio", "time", "score")
ROLES = ("decision", "guardrail", "exploratory")
SCORED = ("nps", "csat", "ces", "rating", "sentiment")
DAY = 86_400_000_000


@dataclass(frozen=True)
class Measure:
    """One measure of an experiment.

    Parameters
    ----------
    name
        What the table calls it.
    event
        The event that counts: a name, a list of names, `cj.Step(…)`, or None: any event. Of
        "funnel": the list of steps.
    kind
        "share": customers with the event in the window. "funnel": customers who take the steps
        `event` in this order. "count": events a customer. "sum": the sum of `value` a customer.
        "ratio": the sum of `value` over all such events ÷ their number (or ÷ the number of events
        `per`). "time": days from the exposure to the first such event; who has none counts with the
        whole window (restricted mean, the area under the survival curve). "score": the mean of the
        score `value` over the answers in the window, of those who answered.
    value
        The column that is summed, of "sum" and "ratio"; of "score" one of "nps", "csat", "ces",
        "rating" and "sentiment".
    per
        Of "ratio": the event whose number is the denominator; None: the same event.
    better
        "higher" or "lower"; None: "lower" for "time", else "higher".
    role
        "decision": the verdict rests on it. "guardrail": it must not become worse. "exploratory":
        all else.
    winsorize
        A quantile such as 0.999: larger values of a customer count as the value there; None: as
        they stand.
    after
        How long after the exposure counting begins, such as "7D": with kind "share" and any event
        the share who are active again from then to the window's end (retention); None: at once.
    table
        Rows `customer_id`, `timestamp` and `value` from elsewhere, which count in place of the
        log's events; without `timestamp` each counts.

    Raises
    ------
    CjlibError
        If `kind`, `better` or `role` is none of those named, `value` is missing where it is summed
        or given where it is not, `per` is given without a ratio, `winsorize` does not lie between
        0.5 and 1 or caps a share, or `table` lacks a column.
    """

    name: str
    event: Event = None
    kind: Literal["share", "funnel", "count", "sum", "ratio", "time", "score"] = "share"
    value: str | None = None
    per: Event = None
    better: Literal["higher", "lower"] | None = None
    role: Literal["decision", "guardrail", "exploratory"] = "decision"
    winsorize: float | None = None
    after: Duration | None = None
    table: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.better is None:
            object.__setattr__(self, "better", "lower" if self.kind == "time" else "higher")
        for option, allowed in (
            ("kind", KINDS),
            ("role", ROLES),
            ("better", ("higher", "lower")),
        ):
            if getattr(self, option) not in allowed:
                raise not_one_of(option, getattr(self, option), allowed)
        self._check_value()
        if self.winsorize is not None and not 0.5 < self.winsorize < 1:
            raise CjlibError(
                f"winsorize: of measure {shown(self.name)}: must be a quantile between 0.5 and 1, such as 0.999. Got {shown(self.winsorize)}."
            )
        if self.kind == "funnel" and len(self.steps) < 2:
            raise CjlibError(
                f"event: of measure {shown(self.name)}: kind 'funnel' needs a list of two or more steps in their order. Got {shown(self.event)}."
            )
        if self.table is not None:
            self._check_table(self.table)

    def _check_value(self) -> None:
        if self.kind == "score" and self.value not in SCORED:
            raise not_one_of(f"value (of measure {shown(self.name)})", self.value, SCORED)
        if (self.kind in ("sum", "ratio", "score")) != (self.value is not None):
            raise CjlibError(
                f"value: of measure {shown(self.name)}: kinds 'sum' and 'ratio' need the column whose values are summed, the others take none. "
                f"Got kind={self.kind!r}, value={shown(self.value)}."
            )

    def _check_table(self, table: pd.DataFrame) -> None:
        needed = ["customer_id", *([self.value] if self.value else [])]
        missing = [name for name in needed if name not in table]
        if missing:
            raise CjlibError(
                f"table: of measure {shown(self.name)}: lacks the column {listed(missing)}. It has {listed(table.columns)}."
            )

    @property
    def is_share(self) -> bool:
        """Whether each customer counts as 0 or 1."""
        return self.kind in ("share", "funnel")

    @property
    def is_ratio(self) -> bool:
        """Whether customers have denominators of their own."""
        return self.kind in ("ratio", "score")

    @cached_property
    def steps(self) -> tuple[Any, ...]:
        """The steps of a funnel."""
        return tuple(self.event) if isinstance(self.event, list | tuple) else (self.event,)

    @property
    def counts_from(self) -> int:
        """Microseconds after the exposure from which outcomes count."""
        return 0 if self.after is None else microseconds(self.after, "after")

    @property
    def words(self) -> str:
        """For a definition."""
        event = as_step(self.event, "event") if self.kind != "funnel" else self.event
        what = {
            "share": f"customers with {event} in the window",
            "funnel": f"customers who take {' → '.join(str(as_step(step, 'event')) for step in self.steps)} in this order in the window",
            "count": f"{event} a customer",
            "sum": f"{self.value} of {event}, summed a customer",
            "ratio": f"{self.value} of {event} ÷ {as_step(self.per or self.event, 'per')}",
            "time": f"days from the exposure to the first {event}; without one the whole window (restricted mean)",
            "score": f"{self.value}, mean of the answers in the window, of those who answered",
        }[self.kind]
        capped = (
            f"; larger than the {self.winsorize:.1%} quantile counts as that"
            if self.winsorize
            else ""
        )
        later = f", from {self.after} after the exposure on" if self.after else ""
        elsewhere = ", from a table" if self.table is not None else ""
        return f"{what}{later}{elsewhere}; {self.better} is better; {self.role}{capped}"


def measures_given(given: Sequence[Measure | Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Measures as they are given to an analysis, or as a journey file holds them."""
    known = set(Measure.__dataclass_fields__)
    for one in given:
        if not isinstance(one, Measure) and not (
            isinstance(one, Mapping) and {"name"} <= set(one) <= known
        ):
            raise CjlibError(f"measures: must be a list of cj.Measure(…). Got {shown(one)}.")
    chosen = tuple(one if isinstance(one, Measure) else Measure(**one) for one in given)
    names = [one.name for one in chosen]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CjlibError(f"measures: {shown(twice)} stands twice. Give each measure its own name.")
    return chosen


@dataclass(frozen=True)
class CustomerValues:
    """One number a customer in the window, its denominator where the measure is a ratio, and both in the time before the exposure."""

    value: Floats
    base: Floats | None
    before: Floats
    base_before: Floats | None


NEVER = np.iinfo(np.int64).min // 2
"""The exposure of who was not exposed: so long ago that nothing lies in its window."""


@dataclass(frozen=True)
class Exposed:
    """Whose outcomes are counted.

    Attributes
    ----------
    customer, exposed_at
        Customer codes, ascending, and the first exposure of each.
    window
        Microseconds.
    codes
        How many customer codes the log has.
    """

    customer: Ints
    exposed_at: Ints
    window: int
    codes: int

    @cached_property
    def place_of(self) -> NDArray[np.int32]:
        """The place of each customer code among those exposed; −1 for nobody of them."""
        places = np.full(self.codes, -1, dtype=np.int32)
        places[self.customer] = np.arange(len(self.customer), dtype=np.int32)
        return places

    @cached_property
    def exposure_of(self) -> Ints:
        """The first exposure of each customer code."""
        times = np.full(self.codes, NEVER)
        times[self.customer] = self.exposed_at
        return times


@dataclass(frozen=True)
class _Happened:
    """What of a measure happened within a window of the exposure, before or after: the customer's place, microseconds since the exposure, the amount (None: 1 each)."""

    place: NDArray[np.int32]
    elapsed: Ints
    amount: Floats | None

    def summed(self, chosen: NDArray[np.bool_], customers: int) -> Floats:
        weights = None if self.amount is None else self.amount[chosen]
        return np.bincount(self.place[chosen], weights, customers).astype(float)


def customer_values(
    log: EventLog, measure: Measure, exposed: Exposed, feedback: Feedback | None = None
) -> CustomerValues:
    """The measure of each customer: in [exposure (+ after), exposure + window], and in [exposure − window, exposure)."""
    if measure.kind == "funnel":
        return _funnel_values(log, measure, exposed)
    happened = _happened(log, measure, measure.event, measure.value, exposed, feedback)
    if measure.kind == "time":
        return _time_values(happened, measure, exposed)
    value, before = _after_and_before(happened, measure, exposed)
    base = base_before = None
    if measure.is_share:
        value, before = (value > 0).astype(float), (before > 0).astype(float)
    if measure.is_ratio:
        denominator = _Happened(happened.place, happened.elapsed, None)
        if measure.per is not None:
            denominator = _happened(log, measure, measure.per, None, exposed, feedback)
        base, base_before = _after_and_before(denominator, measure, exposed)
    if measure.winsorize is not None and len(value):
        value = np.minimum(value, np.quantile(value, measure.winsorize))
        before = np.minimum(before, np.quantile(before, measure.winsorize))
    return CustomerValues(value, base, before, base_before)


def daily_values(
    log: EventLog,
    measure: Measure,
    exposed: Exposed,
    ends: Sequence[int],
    feedback: Feedback | None = None,
) -> list[tuple[Ints, Floats]]:
    """What each stretch of the window adds: the places of those to whom something happened in it, and how much; everybody else has 0."""
    happened = _happened(log, measure, measure.event, measure.value, exposed, feedback)
    inside = (happened.elapsed >= 0) & (happened.elapsed <= ends[-1])
    stretch = np.where(inside, np.searchsorted(np.asarray(ends), happened.elapsed), -1)
    added = []
    for number in range(len(ends)):
        part = stretch == number
        which, places = pd.factorize(happened.place[part])
        weights = None if happened.amount is None else happened.amount[part]
        added.append((places, np.bincount(which, weights, len(places)).astype(float)))
    return added


def _after_and_before(
    happened: _Happened, measure: Measure, exposed: Exposed
) -> tuple[Floats, Floats]:
    customers = len(exposed.customer)
    after, before = happened.elapsed >= measure.counts_from, happened.elapsed < 0
    return happened.summed(after, customers), happened.summed(before, customers)


def _time_values(happened: _Happened, measure: Measure, exposed: Exposed) -> CustomerValues:
    """Days to the first event. Everybody was followed for the whole window, so nobody is censored and the mean is the area under the survival curve."""
    inside = happened.elapsed >= measure.counts_from
    days = np.full(len(exposed.customer), exposed.window / DAY)
    np.minimum.at(days, happened.place[inside], happened.elapsed[inside] / DAY)
    return CustomerValues(days, None, np.zeros(len(days)), None)


def _funnel_values(log: EventLog, measure: Measure, exposed: Exposed) -> CustomerValues:
    """Whether each customer took the steps in order: each at or after the one before, which is the earliest that can be."""
    customers = len(exposed.customer)
    reached = np.full(customers, measure.counts_from)
    inside = np.ones(customers, dtype=bool)
    for step in measure.steps:
        happened = _happened(log, measure, step, None, exposed, None)
        later = inside[happened.place] & (happened.elapsed >= reached[happened.place])
        never = np.iinfo(np.int64).max
        first = np.full(customers, never)
        np.minimum.at(first, happened.place[later], happened.elapsed[later])
        inside &= first < never
        reached = np.where(inside, first, reached)
    return CustomerValues(inside.astype(float), None, np.zeros(customers), None)


def _happened(
    log: EventLog,
    measure: Measure,
    event: Event,
    column: str | None,
    exposed: Exposed,
    feedback: Feedback | None,
) -> _Happened:
    """The events, answers or rows of a measure that belong to those exposed and lie within a window of the exposure."""
    if measure.kind == "score":
        customer, time, amount = _answers(log, measure, feedback)
    elif measure.table is not None:
        customer, time, amount = _rows(log, measure.table, column, exposed)
    else:
        customer, time, amount = _events(log, event, column)
    elapsed = time - exposed.exposure_of[customer]
    near = (elapsed >= -exposed.window) & (elapsed <= exposed.window)
    if amount is not None:
        near &= ~np.isnan(amount)
    return _Happened(
        exposed.place_of[customer[near]], elapsed[near], None if amount is None else amount[near]
    )


def _events(log: EventLog, event: Event, column: str | None) -> tuple[Ints, Ints, Floats | None]:
    step = as_step(event, "event")
    for name in log.unknown_events(step):
        near = did_you_mean(name, log.event_names)
        raise CjlibError(f"measures: {shown(name)} never occurs in the log.{near}")
    where = log.match(step, "event")
    events = log.fetch("customer", "time", where=where)
    amount = None if column is None else np.asarray(log.numbers(column, where=where))
    return events["customer"], events["time"], amount


def _rows(
    log: EventLog, table: pd.DataFrame, column: str | None, exposed: Exposed
) -> tuple[Ints, Ints, Floats]:
    """Rows of a table that belong to customers of the log; without times each falls on the window's end, and so into it."""
    customer = log.codes_of_ids(table["customer_id"])
    amount = np.ones(len(table))
    if column is not None:
        amount = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
    known = (customer >= 0) & (exposed.place_of[customer] >= 0)
    if "timestamp" in table:
        time, timed = times_of(table["timestamp"], log, "table")
        known &= timed
    else:
        time = exposed.exposure_of[customer] + exposed.window
    return customer[known], time[known], amount[known]


def _answers(
    log: EventLog, measure: Measure, feedback: Feedback | None
) -> tuple[Ints, Ints, Floats]:
    """The answers to a score: NPS as −100, 0, 100, satisfied and found it easy as 0 or 1, ratings as given, sentiment from −1 to 1."""
    from cjlib.analyses.feedback.score_tables import CES, CSAT, NPS, on_its_scale
    from cjlib.analyses.feedback.score_texts import scored_feedback

    if feedback is None:
        raise CjlibError(
            f"feedback: measure {shown(measure.name)} is a score. Give the answers: feedback=cj.read_feedback(…), or sources.feedback in the journey file."
        )
    frame = feedback.frame
    name = str(measure.value)
    if name == "sentiment":
        amount = scored_feedback(feedback).table["score"].to_numpy(dtype=float)
    else:
        given = frame[name].to_numpy(dtype=float)
        scale = {"nps": NPS, "csat": CSAT, "ces": CES}.get(name)
        if scale is None:
            amount = given
        else:
            own = scale if name == "nps" else on_its_scale(scale, feedback.scales[name], None)
            amount = np.where(np.isnan(given), np.nan, own.points(given))
    time, known = times_of(frame["timestamp"], log, "feedback")
    customer = log.codes_of_ids(frame["customer_id"])
    known = known & (customer >= 0)
    return customer[known], time[known], amount[known]
