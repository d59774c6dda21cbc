"""What a run may be asked of a journey: parameters checked before a notebook starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.journey import Journey
from cjlib.sources.journey.schema import PERIODS
from cjlib.sources.log.durations import microseconds
from cjlib.sources.log.time import instant_us

_DURATIONS = (
    *("window", "inactive", "within", "horizon", "active_within", "value_horizon"),
    *("session_gap", "lookback"),
)
_ENDLESS = ("window", "session_gap", "inactive")
_DAYS = ("start", "end", "split")
_WORDS = {"mode": ("on", "on_or_after", "every"), "period": PERIODS}


def refuse_parameters(journey: Journey, given: Mapping[str, Any]) -> None:
    """Refuse a parameter of a run that no notebook can use: a duration without a unit, a funnel that the journey does not have.

    A parameter that is left empty means "as in the journey file" and is never refused; names that
    are not known here are the notebook's own.

    Raises
    ------
    CjlibError
        With the parameter, what was given and what is allowed.
    """
    filled = {name: value for name, value in given.items() if value is not None and value != ""}
    for name, value in filled.items():
        if name in _DURATIONS:
            _refuse_duration(name, value)
        elif name in _DAYS and not isinstance(value, date):
            instant_us(value, ZoneInfo(journey.timezone or "UTC"), name)
        else:
            allowed = {**_WORDS, "funnel": tuple(journey.funnels)}.get(name)
            if allowed is not None and value not in allowed:
                raise not_one_of(name, value, allowed)


def _refuse_duration(name: str, value: Any) -> None:
    if not (name in _ENDLESS and value == "none") and microseconds(value, name) == 0:
        raise CjlibError(f"{name}: must be longer than nothing, such as 14D. Got {shown(value)}.")
