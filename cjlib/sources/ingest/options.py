"""What a caller asks of a reading: the options that decide what is read, checked."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cjlib.errors import CjlibError, not_one_of, of_source, shown
from cjlib.sources.identity.options import CUSTOMER, Grain, Identities, grain_of, identities_of
from cjlib.sources.ingest.validate import Rules
from cjlib.sources.log.time import instant_us, zone_of
from cjlib.sources.presets.preset_file import Preset, preset_of

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
    encoding: str | None = None
    source_zone: ZoneInfo | None = None
    preset: Preset | None = None
    where: dict[str, Any] = field(default_factory=dict)
    id_columns: tuple[str, ...] = ()
    one_of_several: bool = False

    def rules(self, time_column: str = "") -> Rules:
        """The rules of the check, as of now; the name of the column of times may say that they are in UTC."""
        zone = source_zone(self.source_zone, time_column)
        return Rules(
            zone or self.zone,
            self.zone_given or zone is not None,
            time.time_ns() // 1000,
            self.until,
            self.keep_duplicates,
            self.one_of_several,
        )

    @property
    def asked(self) -> list[str]:
        """The columns of the source that are asked for by name."""
        if self.preset is not None:
            return []
        return [
            *self.columns,
            *(self.only or ()),
            *([self.id] if self.id else []),
            *self.where,
            *self.id_columns,
        ]

    @property
    def to_fetch(self) -> tuple[str, ...] | None:
        """Of a database's columns those that are fetched, by their names in the log; None: all."""
        return None if self.where or self.id or self.preset or self.id_columns else self.only

    @property
    def renamed_there(self) -> dict[str, str]:
        """The renamings of a database's columns; with a preset they are of what the preset gives."""
        return {} if self.preset is not None else self.columns

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it; what is kept of a source is the same alone and as one of several."""
        named = self.source_zone.key if self.source_zone else None
        plain = asdict(self) | {"zone": self.zone.key, "source_zone": named}
        del plain["one_of_several"]
        return plain


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """What a caller of `cj.read_events` may say, as it was said; None where nothing was."""

    columns: Any = None
    event: str | None = None
    timezone: str | None = None
    observed_until: Any = None
    dates: str | None = None
    duplicates: str | None = None
    quarantine_limit: float | None = None
    only: Any = None
    table: str | None = None
    query: str | None = None
    engine: Any = None
    pushdown: bool = False
    customers: Any = None
    refresh: bool = False
    id: str | None = None
    missing_ids: Any = None
    decimal: str | None = None
    encoding: str | None = None
    source_timezone: str | None = None
    preset: Any = None
    where: Any = None
    identities: Any = None
    grain: Any = None
    one_of_several: bool = False

    def given(self) -> dict[str, Any]:
        """What was said, as keywords."""
        return {name: value for name, value in vars(self).items() if value not in (None, False)}

    def of_source(self, own: Mapping[str, Any]) -> ReaderOptions:
        """The same with what is said of one source of several."""
        allowed = [one.name for one in fields(self) if one.name not in OF_ALL_SOURCES]
        for name in own:
            if name not in allowed:
                raise not_one_of("the option of a source", name, ["source", *allowed])
        return replace(self, customers=None, one_of_several=True, **own)

    def request(self) -> Request:
        """The options that decide what is read, checked."""
        if self.duplicates not in (None, "quarantine", "keep"):
            raise not_one_of("duplicates", self.duplicates, ["quarantine", "keep"])
        limit = checked_limit(self.quarantine_limit)
        if self.columns is not None and not isinstance(self.columns, Mapping):
            raise CjlibError(
                f"columns: must map the source's names to ours, such as {{'user_id': 'customer_id'}}. Got {shown(self.columns)}."
            )
        zone = zone_of(self.timezone)
        return Request(
            columns=dict(self.columns or {}),
            zone=zone,
            zone_given=self.timezone is not None,
            until=self.until_us(),
            dates=self.dates,
            keep_duplicates=self.duplicates == "keep",
            limit=limit,
            event=self.event,
            only=_only(self.only),
            id=_id_column(self.id),
            missing_ids=_missing_ids(self.missing_ids),
            decimal=checked_decimal(self.decimal),
            encoding=checked_encoding(self.encoding),
            source_zone=None
            if self.source_timezone is None
            else zone_of(self.source_timezone, "source_timezone"),
            preset=None if self.preset is None else preset_of(self.preset),
            where=_where(self.where),
            id_columns=self._id_columns(),
            one_of_several=self.one_of_several,
        )

    @property
    def people(self) -> Identities | None:
        """What is said of ids, checked; None where one column of ids says it all."""
        return identities_of(self.identities)

    @property
    def unit(self) -> Grain | None:
        """What is counted in the place of customers, checked; None where they are."""
        return grain_of(self.grain)

    def _id_columns(self) -> tuple[str, ...]:
        """The columns of which a row needs one: of ids that are joined, and of what is counted."""
        ids = () if self.people is None else self.people.columns
        return ids if self.unit is None else (*(ids or (CUSTOMER,)), *self.unit.unit.columns)

    @property
    def regroups(self) -> bool:
        """Whether rows get another customer than the one that they name."""
        return self.unit is not None or (self.people is not None and self.people.join)

    def until_us(self) -> int | None:
        """The end of data, where it is said, in microseconds UTC."""
        if self.observed_until is None:
            return None
        return instant_us(self.observed_until, zone_of(self.timezone), "observed_until", end=True)


OF_ALL_SOURCES = (
    "timezone",
    "pushdown",
    "customers",
    "refresh",
    "identities",
    "grain",
    "one_of_several",
)
"""The options that hold for a log as a whole and for no source of it alone."""


# ---- several sources --------------------------------------------------------------------------------------------------

ALL = "all sources"
"""What stands for the source in lines about all of them together."""


@contextmanager
def said_of(name: str) -> Iterator[None]:
    """Faults name the source of several that they are about."""
    try:
        yield
    except CjlibError as fault:
        raise of_source(fault, name) from None


def named_sources(sources: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The sources in the order of their names, so that the order in which they are given changes nothing."""
    if not sources:
        raise CjlibError(
            "source: an empty mapping names no source. Give name → source, such as {'web': 'web.parquet', 'shop': orders}."
        )
    for name in sources:
        if not isinstance(name, str) or not name.strip() or name.strip().casefold() == ALL:
            raise CjlibError(f"source: each source needs a name of its own. Got {shown(name)}.")
    return sorted(sources.items())


def source_and_options(given: Any) -> tuple[Any, dict[str, Any]]:
    """What one of several sources is, and what is said of reading it."""
    if not isinstance(given, Mapping):
        return given, {}
    if "source" not in given:
        raise CjlibError(
            "must have the key source, a path or a table, beside the options for reading it."
        )
    return given["source"], {name: value for name, value in given.items() if name != "source"}


# ---- single options ---------------------------------------------------------------------------------------------------


_ZONE_IN_NAME = re.compile(
    r"(?:^|[\W_])(utc|gmt)(?:[\W_]|$)|([A-Z][a-z]+/[A-Z][A-Za-z_]+)", re.IGNORECASE
)


def source_zone(given: ZoneInfo | None, time_column: str) -> ZoneInfo | None:
    """In which zone a source's times without an offset are: the one that is given, or that of the column's name, such as Time (UTC)."""
    said = None if given else _ZONE_IN_NAME.search(time_column)
    if said is None or said[1]:
        return ZoneInfo("UTC") if said else given
    return ZoneInfo(said[2]) if said[2] in available_timezones() else None


def checked_decimal(given: str | None) -> str | None:
    """Which sign stands before decimals, checked."""
    if given is not None and (not isinstance(given, str) or given not in ("point", "comma")):
        raise not_one_of("decimal", given, ["point", "comma"])
    return given


def checked_encoding(given: Any) -> str | None:
    """The encoding of a text file by the name that Python has for it, checked."""
    if given is None:
        return None
    try:
        name = codecs.lookup(given).name
        "".encode(name)
    except (LookupError, TypeError, ValueError):
        raise CjlibError(
            f"encoding: must be how the file's text is written, such as 'cp1252' (Excel on Windows in western languages), 'utf-8' or 'utf-16'. Got {shown(given)}."
        ) from None
    return name


def no_encoding(place: str) -> CjlibError:
    """The fault of an encoding for what is no text file."""
    return CjlibError(
        f"encoding: {place} is no text file, so it has none to name. Leave encoding out."
    )


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


def _where(given: Any) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise CjlibError(
            f"where: must map columns to the values that count, such as {{'status': ['paid', 'shipped']}}. Got {shown(given)}."
        )
    return dict(given or {})


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
