"""Reading an event log: open the source, check every row, quarantine what breaks the contract, prepare the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from cjlib.errors import CjlibError, DataError, not_one_of, shown
from cjlib.sources import cache
from cjlib.sources.attributes import attach_attributes
from cjlib.sources.checking import Rules, check, quarantine_table
from cjlib.sources.columns import read_columns
from cjlib.sources.engine import DuckDB, literal, memory_limit
from cjlib.sources.events import EventLog
from cjlib.sources.files import Files, find_files
from cjlib.sources.instants import instant_us, zone_of
from cjlib.sources.intake import Raw, forget, open_added, open_files, open_frame
from cjlib.sources.kept import folder_for
from cjlib.sources.prepared import Property, make_events_view
from cjlib.sources.quality import as_table, in_whole_days, quality_table, stop_above_limit
from cjlib.sources.stamps import Finding, read_stamps
from cjlib.sources.tally import Tally
from cjlib.sources.warehouse import Remote, is_remote, open_remote, remote_of


def read_events(
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    event: str | None = None,
    timezone: str | None = None,
    observed_until: Any = None,
    dates: str | None = None,
    duplicates: str = "quarantine",
    quarantine_limit: float = 0.05,
    only: Sequence[str] | None = None,
    table: str | None = None,
    engine: Any = None,
    pushdown: bool = False,
    customers: Any = None,
    refresh: bool = False,
) -> EventLog:
    """An event log, checked row by row.

    Every row is an event or stands in `log.quarantine` with its reason: a customer_id, event or timestamp that is missing or
    blank; a timestamp that cannot be read, that the clocks of `timezone` skipped, or that has not happened yet (later than now,
    or than `observed_until` where that is given); and rows equal to an earlier one in every column. Nothing is guessed: text
    dates that could be read day first or month first stop the reading unless a day above 12 decides for the whole column; times
    with an offset keep their instant, times without one are read in `timezone`.

    Parameters
    ----------
    source
        A path, glob or folder (Parquet, CSV, TSV, JSON lines; text also gzipped), a pandas, polars or Arrow table, a Journey, or another
        engine's table: a SQLAlchemy URL or engine, a Spark session or a chdb session with `table`, or a Spark DataFrame. In a URL `${NAME}`
        stands for that environment variable, so that no password need be written down.
    columns
        The source's name → our name, where they differ: `{"user_id": "customer_id", "ts": "timestamp"}`.
    event
        The name of every row's event, where no column names one, as in a table of orders: "purchase".
    timezone
        The business's zone, for times and bounds without an offset and for calendar periods; UTC, and said so, where none is given.
    observed_until
        To when the log is known to be complete; a date means to the end of that day. Without it the last event's time (for a log
        of whole days the end of the last day). Later rows go to quarantine.
    dates
        How text dates are written: "day_first", "month_first" or a format such as "%d/%m/%Y %H:%M".
    duplicates
        "quarantine", or "keep" where equal rows are real, such as orders without an id.
    quarantine_limit
        The share of rows, 0 to 1, above which reading stops; 0.05 is one row in twenty.
    only
        The columns to read beyond the three needed ones, by their names in the log; None: all. Rows equal in all columns that are read count
        as duplicates, so keep the column that tells them apart (an event's id).
    table, engine
        The table of a database, "events" or "shop.events"; or the database, where the source is the table's name.
    pushdown
        Leave the events in their engine: the contract is checked by counting there, and `cj.funnel` and `cj.retention` are counted
        there. Only for tables of other engines; see docs/engines.md for what differs.
    customers
        A table with customer_id and one row a customer: a path, a frame, or the name of a table in the database of the events; its columns serve
        `by` and `where` like the events' own.
    refresh
        Read a database's table anew, whatever is kept of it in `CJ_CACHE_DIR`; see docs/engines.md for when a kept log is used.

    Returns
    -------
    EventLog
        The events, with `quality` (what was checked and found) and `quarantine` (the rows held back).

    Raises
    ------
    DataError
        If the source is missing or damaged, a column is missing, dates are ambiguous, or too many rows would be held back.
    CjlibError
        If an option is not one of those allowed.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("ana", "view", "2024-01-01 10:00"), ("ana", "buy", "2024-01-02 09:30"), ("bob", "view", None)]
    >>> log = read_events(pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]), timezone="Europe/Paris", quarantine_limit=0.5)
    >>> log.n_events, log.n_customers, list(log.quarantine["reason"])
    (2, 1, ['missing timestamp'])
    """
    if hasattr(source, "read_events"):
        given = {
            "columns": columns,
            "event": event,
            "timezone": timezone,
            "observed_until": observed_until,
            "dates": dates,
            "customers": customers,
            "only": only,
            "table": table,
            "engine": engine,
            "pushdown": pushdown or None,
            "refresh": refresh or None,
        }
        options = {name: value for name, value in given.items() if value is not None}
        options |= {"duplicates": duplicates} if duplicates != "quarantine" else {}
        return source.read_events(**options, **({"quarantine_limit": quarantine_limit} if quarantine_limit != 0.05 else {}))
    request = replace(_request(columns, timezone, observed_until, dates, duplicates, quarantine_limit), event=event, only=_only(only))
    held = remote_of(source, table, engine) or source
    if pushdown:
        return _pushed(held, request, customers)
    try:
        return _read(held, request, customers, refresh=refresh)
    except duckdb.OutOfMemoryException:
        raise CjlibError(
            f"source: reading needs more memory than {memory_limit()} allows, and the temporary folder is full. Raise CJ_MEMORY_LIMIT."
        ) from None
    except duckdb.Error as fault:
        raise DataError(
            f"source: {_named(held)} cannot be read ({type(fault).__name__}). A value in it is of a kind or size that no column of times, ids or numbers can hold."
        ) from None


def _pushed(source: Any, request: Request, customers: Any) -> EventLog:
    if not is_remote(source):
        raise CjlibError(f"pushdown: {_named(source)} lies in no engine that could count it. Leave pushdown out, or give a database and its table.")
    if customers is not None:
        raise CjlibError(
            "pushdown: a customers table cannot be joined to events that stay in their engine. Join it there in a view, or leave pushdown out."
        )
    if request.dates is not None:
        raise CjlibError("pushdown: texts cannot be read as times in their engine, so dates means nothing there. Make a view that casts them.")
    from cjlib.sources.warehouse.opening import Wanted, open_pushed

    return open_pushed(
        source, Wanted(request.columns, request.event, request.only, request.rules(), request.limit), lambda: _read(source, request, None)
    )


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
        return Rules(self.zone, self.zone_given, time.time_ns() // 1000, self.until, self.keep_duplicates)


@dataclass(frozen=True)
class Facts:
    """What is kept of a reading beside the prepared table.

    `growable` says whether each row was read by itself, so that files that are added to the source need only be read themselves.
    """

    properties: tuple[Property, ...]
    id_type: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    growable: bool
    late: str
    tally: Tally
    whole_days: bool
    quality: pd.DataFrame
    quarantine: pd.DataFrame

    @property
    def kinds(self) -> tuple[str, list[tuple[str, str]]]:
        """The type of the ids and of each property."""
        return self.id_type, [(one.name, one.type) for one in self.properties]


def _only(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence | set | frozenset) or not all(isinstance(one, str) for one in given):
        raise CjlibError(f"only: must be a list of columns, such as ['channel', 'value'], or [] for none. Got {shown(given)}.")
    return tuple(sorted(set(given)))


def _request(columns: Mapping[str, str] | None, timezone: str | None, until: Any, dates: str | None, duplicates: str, limit: float) -> Request:
    if duplicates not in ("quarantine", "keep"):
        raise not_one_of("duplicates", duplicates, ["quarantine", "keep"])
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 1:
        raise CjlibError(f"quarantine_limit: must be a share from 0 to 1; 0.05 is one row in twenty. Got {shown(limit)}.")
    if columns is not None and not isinstance(columns, Mapping):
        raise CjlibError(f"columns: must map the source's names to ours, such as {{'user_id': 'customer_id'}}. Got {shown(columns)}.")
    zone = zone_of(timezone)
    until_us = None if until is None else instant_us(until, zone, "observed_until", end=True)
    return Request(dict(columns or {}), zone, timezone is not None, until_us, dates, duplicates == "keep", float(limit))


def _read(source: Any, request: Request, customers: Any, *, refresh: bool = False) -> EventLog:
    notes: list[Finding] = []
    files = find_files(source) if isinstance(source, str | Path) else None
    found = _through_cache(files, request) if files and files.size >= cache.LARGE else None
    if is_remote(source):
        found = _table_through_cache(source, request, refresh=refresh)
        notes += (
            [Finding("kept in the cache", 0, "the table's counts and times are as they were when it was read", counts_rows=False)] if found else []
        )
    if files and files.size >= cache.LARGE and found is None:
        notes.append(Finding("cache", 0, f"{folder_for(files)} cannot be written, or is held open: prepared in memory", counts_rows=False))
    engine, facts = found or _in_memory(files if files else source, request)
    properties = facts.properties
    if customers is not None:
        own, more = attach_attributes(engine, _customers(source, customers), [one.name for one in properties])
        properties, notes = properties + own, [*notes, *more]
    make_events_view(engine, properties)
    quality = pd.concat([facts.quality, as_table(notes, facts.tally.rows)], ignore_index=True) if notes else facts.quality
    return EventLog(
        engine=engine,
        prepared="prepared",
        properties={one.name: one for one in properties},
        timezone=request.zone.key,
        observed_until_us=_observed_until(engine, request, facts),
        quality=quality,
        quarantine=facts.quarantine,
    )


def _in_memory(source: Any, request: Request) -> tuple[DuckDB, Facts]:
    engine = DuckDB()
    return engine, _prepare(engine, source, request)


def _prepare(engine: DuckDB, source: Any, request: Request) -> Facts:
    return _checked(engine, _opened(engine, source, request), request)


def _checked(engine: DuckDB, raw: Raw, request: Request, before: Facts | None = None) -> Facts:
    """Check an opened source and prepare what holds, after the events of the log attached as `earlier` if there are facts of one."""
    columns = read_columns(engine, raw, request.columns, request.event, request.only)
    stamps = read_stamps(engine, columns.timestamp.place, columns.timestamp.type, request.dates)
    if before and (columns.customer_id.type, [(one.name, one.type) for one in columns.properties]) != before.kinds:
        raise _OtherColumnsError
    rules = request.rules()
    checked = check(engine, raw, columns, stamps, rules, before.tally if before else None)
    whole_days = in_whole_days(engine, request.zone)
    quality, quarantine = quality_table(engine, checked, request.zone, whole_days), quarantine_table(checked.held, raw)
    if before:
        quarantine = pd.concat([before.quarantine, quarantine], ignore_index=True)
    stop_above_limit(quality, quarantine, checked.tally.reasons, checked.tally.rows, request.limit)
    _forget_source(engine, raw)
    return Facts(
        properties=checked.properties,
        id_type=columns.customer_id.type,
        names=raw.names,
        types=raw.types,
        growable=stamps.native,
        late=rules.late,
        tally=checked.tally,
        whole_days=whole_days,
        quality=quality,
        quarantine=quarantine,
    )


class _OtherColumnsError(Exception):
    """The files that came later make another type of some column."""


def _opened(engine: DuckDB, source: Any, request: Request) -> Raw:
    if isinstance(source, Files):
        return open_files(engine, source)
    return open_remote(engine, source, request.columns, request.only) if is_remote(source) else open_frame(engine, source)


def _forget_source(engine: DuckDB, raw: Raw) -> None:
    """Let go of the source and of what was made on the way: only the prepared log stays."""
    for view in ("timed", "staged"):
        engine.execute(f"DROP VIEW {view}")
    for table in ("worked", "repeated"):
        engine.execute(f"DROP TABLE IF EXISTS {table}")
    forget(engine, raw)


def _observed_until(engine: DuckDB, request: Request, facts: Facts) -> int:
    """The end of data: what the caller said, else the last event, for a log of whole days the end of that day."""
    if request.until is not None:
        return request.until
    last = engine.rows("SELECT max(t) FROM prepared")[0][0]
    if last is None:
        return 0
    if not facts.whole_days:
        return last
    day = pd.Timestamp(last, unit="us", tz="UTC").tz_convert(request.zone).date()
    return instant_us(day, request.zone, "observed_until", end=True)


# ---- the cache ---------------------------------------------------------------------------------------------------


def _through_cache(files: Files, request: Request) -> tuple[DuckDB, Facts] | None:
    options = asdict(request) | {"zone": request.zone.key, "until": request.until}

    def prepare(engine: DuckDB, earlier: cache.Earlier | None) -> dict[str, Any] | None:
        facts = _grown(engine, files, request, earlier) if earlier else _prepare(engine, files, request)
        return facts and _keep(engine, facts)

    found = cache.from_cache(cache.place_for(files, options), prepare, _is_current(request))
    return None if found is None else (found[0], _kept(*found))


def _table_through_cache(table: Remote, request: Request, *, refresh: bool) -> tuple[DuckDB, Facts] | None:
    """The kept log of a database's table that its server counts as it did; None where none is kept and none can be."""
    identity = getattr(table, "identity", None)
    if identity is None or "CJ_CACHE_DIR" not in os.environ:
        return None
    from cjlib.sources.warehouse.state import state_of

    options = asdict(request) | {"zone": request.zone.key, "until": request.until}
    place = cache.place_for_table(identity, state_of(table, request.columns, request.only), options)  # type: ignore[arg-type] (only databases have an identity)
    if place is None:
        return None
    if refresh:
        place.path.unlink(missing_ok=True)
        return None

    def prepare(engine: DuckDB, earlier: cache.Earlier | None) -> dict[str, Any] | None:
        return None if earlier else _keep(engine, _prepare(engine, table, request))

    found = cache.from_cache(place, prepare, _is_current(request))
    return None if found is None else (found[0], _kept(*found))


def _is_current(request: Request) -> cache.IsCurrent:
    """Whether kept facts still hold: no row that lay in the future then lies in the past now."""

    def is_current(kept: dict[str, Any]) -> bool:
        future, rules = kept["tally"]["first_future"], request.rules()
        return future is None or (kept["late"] == rules.late and future > rules.latest_on_the_wall)

    return is_current


def _customers(source: Any, customers: Any) -> Any:
    """The customers table: a name of a table in the database of the events is read from there."""
    a_file = (
        not isinstance(customers, str) or set(customers) & set("/\\*?") or Path(customers).suffix.casefold() in _OF_FILES or Path(customers).exists()
    )
    return source.beside(customers) if is_remote(source) and not a_file else customers


_OF_FILES = frozenset({".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".gz"})
"""What a file's name ends in, and no table's."""


def _grown(engine: DuckDB, files: Files, request: Request, earlier: cache.Earlier) -> Facts | None:
    """The kept log of the files there were before, and after it the files that have come since; None where these are of another make."""
    many = len(earlier.facts["held"])
    if files.kind != "parquet" or not earlier.facts["growable"]:
        return None
    engine.execute(f"ATTACH {literal(str(earlier.path))} AS earlier (READ_ONLY)")
    try:
        before = _kept(engine, earlier.facts, "earlier.")
        if many == 1:
            before.quarantine.insert(2, "file", pd.Series(files.name(0), index=before.quarantine.index, dtype="str"))
        raw = open_added(engine, files, many, Raw(before.names, before.types))
        return _checked(engine, raw, request, before) if raw else None
    except (_OtherColumnsError, DataError):
        # All files together decide what a column is and how much is wrong, and say it.
        return None
    finally:
        engine.execute("DETACH earlier")


def _keep(engine: DuckDB, facts: Facts) -> dict[str, Any]:
    tables = {name: cache.keep_table(engine, f"kept_{name}", getattr(facts, name)) for name in ("quality", "quarantine")}
    plain = {name: value for name, value in vars(facts).items() if name not in tables}
    return plain | tables | {"properties": [asdict(one) for one in facts.properties], "tally": facts.tally.plain()}


def _kept(engine: DuckDB, kept: dict[str, Any], database: str = "") -> Facts:
    tables = {name: cache.kept_table(engine, f"{database}kept_{name}", kept[name]) for name in ("quality", "quarantine")}
    # A table without rows has come back without its types.
    tables["quarantine"] = tables["quarantine"].astype("str").astype({"row": "int64"})
    plain = {one.name: kept[one.name] for one in fields(Facts)}
    read = {"properties": tuple(Property(**one) for one in kept["properties"]), "tally": Tally.of(kept["tally"])}
    every: dict[str, Any] = plain | read | tables | {name: tuple(kept[name]) for name in ("names", "types")}
    return Facts(**every)


def _named(source: Any) -> str:
    if is_remote(source):
        return source.place
    return shown(str(source)) if isinstance(source, str | Path) else f"the {type(source).__name__}"


__all__ = ["read_events"]
