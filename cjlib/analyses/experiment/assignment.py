"""Who is in which arm of an experiment: the first exposure decides, and who saw several arms is in none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.event_log import EventLog

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Assignment:
    """The arms of an experiment.

    Attributes
    ----------
    customer
        Customer codes, ascending, each in one arm.
    exposed_at
        The first exposure of each, microseconds UTC.
    arm
        A position in `arms`.
    arms
        The variants as text, control first.
    in_several, without_variant
        Customers left out: seen in more than one arm; exposed without a variant.
    """

    customer: Ints
    exposed_at: Ints
    arm: Ints
    arms: tuple[str, ...]
    in_several: int
    without_variant: int

    def only(self, kept: NDArray[np.bool_]) -> Assignment:
        """Some of the customers."""
        return Assignment(
            self.customer[kept],
            self.exposed_at[kept],
            self.arm[kept],
            self.arms,
            self.in_several,
            self.without_variant,
        )

    @property
    def sizes(self) -> Ints:
        """Customers of each arm."""
        return np.bincount(self.arm, minlength=len(self.arms))


def assign(log: EventLog, exposure: Event, variant: str, control: Any) -> Assignment:
    """The arm of each exposed customer, by a column of the exposures.

    Raises
    ------
    CjlibError
        If nobody was exposed, there are not two arms, or no arm is called like the control.
    """
    where = log.match(as_step(exposure, "exposure"), "exposure")
    customer, time = _exposures(log, exposure, where)
    codes, values = log.codes(variant, where=where, option="variant")
    return _first_exposures(
        customer, time, codes.astype(np.int64), [str(value) for value in values], variant, control
    )


def assign_from(
    log: EventLog, table: pd.DataFrame, exposure: Event | None, variant: str, control: Any
) -> Assignment:
    """The arm of each customer of a table `customer_id`, `variant`, `timestamp`; exposed at that time, or at the first `exposure` from it on.

    Raises
    ------
    CjlibError
        If the table lacks a column, names nobody of the log, or the arms do not fit.
    """
    missing = [name for name in ("customer_id", variant, "timestamp") if name not in table]
    if missing:
        raise CjlibError(
            f"assignment: needs the columns customer_id, {variant} and timestamp. Missing: {listed(missing)}."
        )
    customer = log.codes_of_ids(table["customer_id"])
    time, timed = times_of(table["timestamp"], log, "assignment")
    usable = (customer >= 0) & timed
    if not usable.any():
        raise CjlibError(
            "assignment: no customer_id of it with a timestamp is in the log. "
            f"It has {listed(table['customer_id'].head(3).tolist())}, the log {listed(log.customer_ids()[:3].tolist())}."
        )
    arms = sorted(table.loc[usable, variant].dropna().astype(str).unique())
    code = pd.Categorical(table.loc[usable, variant].astype("str"), categories=arms).codes
    rows = pd.DataFrame(
        {
            "customer": customer[usable],
            "time": time[usable],
            "code": code.astype("int64"),
        }
    ).sort_values(["customer", "time"], kind="stable")
    if exposure is not None:
        rows = _exposed_from(log, exposure, rows)
    customers, times, codes = (rows[name].to_numpy() for name in ("customer", "time", "code"))
    return _first_exposures(customers, times, codes, arms, variant, control)


def times_of(timestamps: pd.Series, log: EventLog, option: str) -> tuple[Ints, NDArray[np.bool_]]:
    """Microseconds UTC of a column of times, wall clock being the log's, and which of them are there.

    Raises
    ------
    CjlibError
        If one cannot be read.
    """
    try:
        time = pd.to_datetime(timestamps)
    except (ValueError, TypeError) as error:
        raise CjlibError(
            f"{option}: its timestamps cannot be read: {listed(timestamps.head(3).tolist())}. Write them as 2025-03-01 12:00."
        ) from error
    local = (
        time.dt.tz_localize(log.zone, ambiguous=True, nonexistent="shift_forward")
        if time.dt.tz is None
        else time
    )
    instant = local.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    known = instant.notna().to_numpy()
    return np.where(known, instant.astype("int64").to_numpy(), 0), known


def _exposed_from(log: EventLog, exposure: Event, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of those who were exposed, at the first exposure from their assignment on."""
    where = log.match(as_step(exposure, "exposure"), "exposure")
    customer, time = _exposures(log, exposure, where)
    exposures = pd.DataFrame({"customer": customer, "exposed_at": time})
    joined = pd.merge_asof(
        rows.sort_values("time", kind="stable"),
        exposures.sort_values("exposed_at", kind="stable"),
        left_on="time",
        right_on="exposed_at",
        by="customer",
        direction="forward",
    )
    joined = joined[joined["exposed_at"].notna()]
    return joined.assign(time=joined["exposed_at"].astype("int64")).sort_values(
        ["customer", "time"], kind="stable"
    )


def _exposures(log: EventLog, exposure: Event, where: str) -> tuple[Ints, Ints]:
    events = log.fetch("customer", "time", where=where)
    if not len(events["time"]):
        raise CjlibError(
            f"exposure: {shown(str(as_step(exposure, 'exposure')))} never occurs in the log. Events: {listed(log.event_names, most=9)}."
        )
    return events["customer"].astype(np.int64), events["time"]


def _first_exposures(
    customer: Ints, time: Ints, code: Ints, arms: list[str], variant: str, control: Any
) -> Assignment:
    """Each customer once, in the arm of the first exposure; rows by customer and time, code −1: no variant."""
    exposed = int(np.count_nonzero(np.diff(customer, prepend=-1)))
    named = code >= 0
    customer, time, code = customer[named], time[named], code[named]
    if len(arms) < 2:
        raise CjlibError(
            f"variant: an experiment needs two arms. {shown(variant)} holds {listed(arms)}."
        )
    if str(control) not in arms:
        raise CjlibError(
            f"control: no arm is called {shown(control)}.{did_you_mean(str(control), arms)} {shown(variant)} holds {listed(arms)}."
        )
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    lowest = np.minimum.reduceat(code, first) if len(first) else code
    highest = np.maximum.reduceat(code, first) if len(first) else code
    one_arm = lowest == highest
    order = [str(control), *(arm for arm in arms if arm != str(control))]
    place = np.array([order.index(arm) for arm in arms], dtype=np.int64)
    return Assignment(
        customer[first][one_arm],
        time[first][one_arm],
        place[lowest[one_arm]],
        tuple(order),
        int(np.count_nonzero(~one_arm)),
        exposed - len(first),
    )
