"""What a caller asks of a reading: the options that decide what is read, checked."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.ingest.validate import Rules
from cjlib.sources.log.time import instant_us, zone_of

USUAL_LIMIT = 0.05
"""The share of rows in quarantine above which reading stops, where nobody says another: one row in twenty."""


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
    id: str | None = None
    missing_ids: tuple[str, ...] = ()
    decimal: str | None = None
    source_zone: ZoneInfo | None = None

    def rules(self, time_column: str = "") -> Rules:
        """The rules of the check, as of now; the name of the column of times may say that they are in UTC."""
        zone = source_zone(self.source_zone, time_column)
        return Rules(
            zone or self.zone,
            self.zone_given or zone is not None,
            time.time_ns() // 1000,
            self.until,
            self.keep_duplicates,
        )

    @property
    def asked(self) -> list[str]:
        """The columns of the source that are asked for by name."""
        return [*self.columns, *(self.only or ()), *([self.id] if self.id else [])]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        named = self.source_zone.key if self.source_zone else None
        return asdict(self) | {"zone": self.zone.key, "source_zone": named}


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
    id: str | None,
    missing_ids: Any,
    decimal: str | None,
    source_timezone: str | None,
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
        _id_column(id),
        _missing_ids(missing_ids),
        checked_decimal(decimal),
        None if source_timezone is None else zone_of(source_timezone, "source_timezone"),
    )


_IN_UTC = re.compile(r"(^|[\W_])(utc|gmt)([\W_]|$)", re.IGNORECASE)


def source_zone(given: ZoneInfo | None, time_column: str) -> ZoneInfo | None:
    """In which zone a source's times without an offset are: the one that is given, or UTC where the column's name says so."""
    return ZoneInfo("UTC") if given is None and _IN_UTC.search(time_column) else given


def checked_decimal(given: str | None) -> str | None:
    """Which sign stands before decimals, checked."""
    if given not in (None, "point", "comma"):
        raise not_one_of("decimal", given, ["point", "comma"])
    return given


def _id_column(given: Any) -> str | None:
    if given is not None and (not isinstance(given, str) or not given.strip()):
        raise CjlibError(
            f"id: must be the column that tells events apart, such as 'message_id'. Got {shown(given)}."
        )
    return given


def _missing_ids(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    listed_ids = [given] if isinstance(given, str | int) else given
    if (
        not isinstance(listed_ids, Sequence | set | frozenset)
        or isinstance(given, bool)
        or not all(isinstance(one, str | int) for one in listed_ids)
    ):
        raise CjlibError(
            f"missing_ids: must be a list of ids that stand for nobody, such as ['undefined', '0']. Got {shown(given)}."
        )
    return tuple(sorted({str(one) for one in listed_ids}))


def checked_limit(limit: float | None) -> float:
    """The share of rows in quarantine above which reading stops, checked; the usual one where none is given."""
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
