"""Who is in which arm of an experiment: the first exposure decides, and who saw several arms is in none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
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
    """The arm of each exposed customer.

    Raises
    ------
    CjlibError
        If nobody was exposed, there are not two arms, or no arm is called like the control.
    """
    where = log.match(as_step(exposure, "exposure"), "exposure")
    events = log.fetch("customer", "time", where=where)
    codes, values = log.codes(variant, where=where, option="variant")
    customer, time = events["customer"].astype(np.int64), events["time"]
    if not len(customer):
        raise CjlibError(
            f"exposure: {shown(str(as_step(exposure, 'exposure')))} never occurs in the log. Events: {listed(log.event_names, most=9)}."
        )
    exposed = len(np.unique(customer))
    named = codes >= 0
    customer, time, code = customer[named], time[named], codes[named].astype(np.int64)
    arms = [str(value) for value in values]
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
