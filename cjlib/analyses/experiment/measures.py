"""What an experiment measures: one number a customer, from the events in the window after the exposure, and the same before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cjlib.errors import CjlibError, did_you_mean, not_one_of, shown
from cjlib.shared.stats import Floats
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]
KINDS = ("share", "count", "sum", "ratio")
ROLES = ("decision", "guardrail", "exploratory")


@dataclass(frozen=True)
class Measure:
    """One measure of an experiment.

    Parameters
    ----------
    name
        What the table calls it.
    event
        The event that counts: a name, a list of names or `cj.Step(…)`.
    kind
        "share": customers with the event in the window. "count": events a customer. "sum": the sum
        of `value` a customer. "ratio": the sum of `value` over all such events ÷ their number (or ÷
        the number of events `per`).
    value
        The column that is summed, of "sum" and "ratio".
    per
        Of "ratio": the event whose number is the denominator; None: the same event.
    better
        "higher" or "lower".
    role
        "decision": the verdict rests on it. "guardrail": it must not become worse. "exploratory":
        all else.
    winsorize
        A quantile such as 0.999: larger values of a customer count as the value there; None: as
        they stand.

    Raises
    ------
    CjlibError
        If `kind`, `better` or `role` is none of those named, `value` is missing where it is summed
        or given where it is not, or `winsorize` does not lie between 0.5 and 1.
    """

    name: str
    event: Event
    kind: Literal["share", "count", "sum", "ratio"] = "share"
    value: str | None = None
    per: Event = None
    better: Literal["higher", "lower"] = "higher"
    role: Literal["decision", "guardrail", "exploratory"] = "decision"
    winsorize: float | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.kind not in KINDS:
            raise not_one_of("kind", self.kind, KINDS)
        if self.role not in ROLES:
            raise not_one_of("role", self.role, ROLES)
        if self.better not in ("higher", "lower"):
            raise not_one_of("better", self.better, ("higher", "lower"))
        if (self.kind in ("sum", "ratio")) != (self.value is not None):
            raise CjlibError(
                f"value: of measure {shown(self.name)}: kinds 'sum' and 'ratio' need the column whose values are summed, the others take none. "
                f"Got kind={self.kind!r}, value={shown(self.value)}."
            )
        if self.winsorize is not None and not 0.5 < self.winsorize < 1:
            raise CjlibError(
                f"winsorize: of measure {shown(self.name)}: must be a quantile between 0.5 and 1, such as 0.999. Got {shown(self.winsorize)}."
            )

    @property
    def words(self) -> str:
        """For a definition."""
        what = {
            "share": f"customers with {as_step(self.event, 'event')} in the window",
            "count": f"{as_step(self.event, 'event')} a customer",
            "sum": f"{self.value} of {as_step(self.event, 'event')}, summed a customer",
            "ratio": f"{self.value} of {as_step(self.event, 'event')} ÷ {as_step(self.per or self.event, 'per')}",
        }[self.kind]
        capped = (
            f"; larger than the {self.winsorize:.1%} quantile counts as that"
            if self.winsorize
            else ""
        )
        return f"{what}; {self.better} is better; {self.role}{capped}"


def measures_given(given: Sequence[Measure | Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Measures as they are given to an analysis, or as a journey file holds them."""
    known = set(Measure.__dataclass_fields__)
    for one in given:
        if not isinstance(one, Measure) and not (
            isinstance(one, Mapping) and {"name", "event"} <= set(one) <= known
        ):
            raise CjlibError(f"measures: must be a list of cj.Measure(…). Got {shown(one)}.")
    return tuple(one if isinstance(one, Measure) else Measure(**one) for one in given)


@dataclass(frozen=True)
class CustomerValues:
    """One number a customer in the window, its denominator where the measure is a ratio, and both in the time before the exposure."""

    value: Floats
    base: Floats | None
    before: Floats
    base_before: Floats | None


def customer_values(
    log: EventLog, measure: Measure, customer: Ints, exposed_at: Ints, window: int
) -> CustomerValues:
    """The measure of each customer, `customer` ascending: events in [exposure, exposure + window], and in [exposure − window, exposure)."""
    value, before = _summed(log, measure.event, measure.value, customer, exposed_at, window)
    base = base_before = None
    if measure.kind == "share":
        value, before = (value > 0).astype(float), (before > 0).astype(float)
    if measure.kind == "ratio":
        denominator = measure.per if measure.per is not None else measure.event
        base, base_before = _summed(log, denominator, None, customer, exposed_at, window)
    if measure.winsorize is not None and len(value):
        value = np.minimum(value, np.quantile(value, measure.winsorize))
        before = np.minimum(before, np.quantile(before, measure.winsorize))
    return CustomerValues(value, base, before, base_before)


def _summed(
    log: EventLog,
    event: Event,
    column: str | None,
    customer: Ints,
    exposed_at: Ints,
    window: int,
) -> tuple[Floats, Floats]:
    """Per customer the number of events, or the sum of a column over them, after and before the exposure."""
    step = as_step(event, "event")
    for name in log.unknown_events(step):
        near = did_you_mean(name, log.event_names)
        raise CjlibError(f"measures: {shown(name)} never occurs in the log.{near}")
    where = log.match(step, "event")
    events = log.fetch("customer", "time", where=where)
    amount = (
        np.ones(len(events["time"]))
        if column is None
        else np.asarray(log.numbers(column, where=where))
    )
    place = np.searchsorted(customer, events["customer"])
    place = np.minimum(place, max(len(customer) - 1, 0))
    ours = (
        (customer[place] == events["customer"]) & ~np.isnan(amount)
        if len(customer)
        else np.zeros(len(amount), dtype=bool)
    )
    place, elapsed, amount = place[ours], (events["time"] - exposed_at[place])[ours], amount[ours]
    after = (elapsed >= 0) & (elapsed <= window)
    earlier = (elapsed < 0) & (elapsed >= -window)
    count = len(customer)
    return (
        np.bincount(place[after], weights=amount[after], minlength=count).astype(float),
        np.bincount(place[earlier], weights=amount[earlier], minlength=count).astype(float),
    )
