"""What a caller asks of a reading: the options that decide what is read, checked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.ingest.validate import Rules
from cjlib.sources.log.time import instant_us, zone_of

USUAL_LIMIT = 0.05
"""The share of rows held back above which reading stops, where nobody says another: one row in twenty."""


@dataclass(frozen=True)
class Request:
    """The options of a reading that decide what is read."""

    columns: dict[str, str]
    zone: ZoneInfo
    zone_given: bool
    until: int | None
    dates: str | None
    keep_duplicates: bool
    limit: float
    event: str | None = None
    only: tuple[str, ...] | None = None

    def rules(self) -> Rules:
        """The rules of the check, as of now."""
        return Rules(
            self.zone, self.zone_given, time.time_ns() // 1000, self.until, self.keep_duplicates
        )

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self) | {"zone": self.zone.key}


def requested(
    *,
    columns: Mapping[str, str] | None,
    timezone: str | None,
    until: Any,
    dates: str | None,
    duplicates: str | None,
    limit: float | None,
    event: str | None,
    only: Any,
) -> Request:
    """The options as they were given, checked."""
    if duplicates not in (None, "quarantine", "keep"):
        raise not_one_of("duplicates", duplicates, ["quarantine", "keep"])
    share = checked_limit(limit)
    if columns is not None and not isinstance(columns, Mapping):
        raise CjlibError(
            f"columns: must map the source's names to ours, such as {{'user_id': 'customer_id'}}. Got {shown(columns)}."
        )
    zone = zone_of(timezone)
    until_us = None if until is None else instant_us(until, zone, "observed_until", end=True)
    return Request(
        dict(columns or {}),
        zone,
        timezone is not None,
        until_us,
        dates,
        duplicates == "keep",
        share,
        event,
        _only(only),
    )


def checked_limit(limit: float | None) -> float:
    """The share of rows held back above which reading stops, checked; the usual one where none is given."""
    if limit is None:
        return USUAL_LIMIT
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 1:
        raise CjlibError(
            f"quarantine_limit: must be a share from 0 to 1; 0.05 is one row in twenty. Got {shown(limit)}."
        )
    return float(limit)


def _only(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if (
        isinstance(given, str)
        or not isinstance(given, Sequence | set | frozenset)
        or not all(isinstance(one, str) for one in given)
    ):
        raise CjlibError(
            f"only: must be a list of columns, such as ['channel', 'value'], or [] for none. Got {shown(given)}."
        )
    return tuple(sorted(set(given)))
