"""As-of joins: for each moment of a customer the event next to it in time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def event_beside(
    customer: Ints,
    moment: Ints,
    event_customer: Ints,
    event_time: Ints,
    *,
    side: Literal["at_or_before", "after"],
    within: int,
) -> Ints:
    """The position of the same customer's last event at or before each moment, or of the first strictly after it; −1 without one.

    Parameters
    ----------
    customer, moment
        Of the answers: codes, microseconds; in any order.
    event_customer, event_time
        Of the events, by customer and time; of several at one instant the last counts before, the first after.
    side
        "at_or_before" or "after".
    within
        At most so many microseconds away, the end included.
    """
    answers = _table(customer, moment)
    answers["answer"] = np.arange(len(answers))
    events = _table(event_customer, event_time)
    events["event"] = np.arange(len(events))
    joined = pd.merge_asof(
        answers.sort_values("time", kind="stable"),
        events.sort_values("time", kind="stable"),
        on="time",
        by="customer",
        direction="backward" if side == "at_or_before" else "forward",
        allow_exact_matches=side == "at_or_before",
        tolerance=within,
    )
    position = np.full(len(answers), -1, dtype=np.int64)
    position[joined["answer"].to_numpy()] = joined["event"].fillna(-1).to_numpy(dtype=np.int64)
    return position


def _table(customer: Ints, time: Ints) -> pd.DataFrame:
    return pd.DataFrame({"customer": customer.astype(np.int64), "time": time.astype(np.int64)})
