"""Reading an event log: from the cache or from its source, checked row by row, as an `EventLog`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from cjlib.errors import CjlibError, DataError, shown
from cjlib.sources.cache import folder
from cjlib.sources.cache.lookup import log_of_files, log_of_table
from cjlib.sources.cache.store import folder_for
from cjlib.sources.connect.files import find_files
from cjlib.sources.connect.remote import is_remote, remote_of
from cjlib.sources.customer_attributes import attach_attributes
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.ingest.options import Request, requested
from cjlib.sources.ingest.prepare import Facts, prepare_in_memory
from cjlib.sources.ingest.quality_report import as_table
from cjlib.sources.log.engine import DuckDB, memory_limit
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.schema import make_events_view
from cjlib.sources.log.time import instant_us


def read_events(  # noqa: PLR0913 (each says one thing of the source)
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    event: str | None = None,
    timezone: str | None = None,
    observed_until: Any = None,
    dates: str | None = None,
    duplicates: str | None = None,
    quarantine_limit: float | None = None,
    only: Sequence[str] | None = None,
    table: str | None = None,
    engine: Any = None,
    pushdown: bool = False,
    customers: Any = None,
    refresh: bool = False,
    id: str | None = None,
    missing_ids: Sequence[str] | None = None,
    decimal: str | None = None,
    source_timezone: str | None = None,
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
        "quarantine", or "keep" where equal rows are real, such as orders without an id. None: as the source's journey file says, else "quarantine".
    quarantine_limit
        The share of rows, 0 to 1, above which reading stops; 0.05 is one row in twenty. None: as the source's journey file says, else 0.05.
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
    id
        The column that tells events apart, such as "message_id": of rows with one id the fullest is the event, the others go to quarantine as
        "repeated id" and do not count towards `quarantine_limit`. Rows without an id all stay.
    missing_ids
        Customer ids that stand for nobody, such as ["undefined", "0"]: their rows count as missing a customer_id.
    decimal
        "point" or "comma": what stands before decimals in numbers written as text, where a column does not show it.
    source_timezone
        The zone in which the source wrote times without an offset, where it is not the business's; UTC where the time's column says so
        in its name, as in "Submit Date (UTC)".

    Returns
    -------
    EventLog
        The events, with `quality` (what was checked and found) and `quarantine` (the rows that cannot be used).

    Raises
    ------
    DataError
        If the source is missing or damaged, a column is missing, dates are ambiguous, or too many rows cannot be used.
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
            "duplicates": duplicates,
            "quarantine_limit": quarantine_limit,
            "pushdown": pushdown or None,
            "refresh": refresh or None,
            "id": id,
            "missing_ids": missing_ids,
            "decimal": decimal,
            "source_timezone": source_timezone,
        }
        return source.read_events(
            **{name: value for name, value in given.items() if value is not None}
        )
    request = requested(
        columns=columns,
        timezone=timezone,
        until=observed_until,
        dates=dates,
        duplicates=duplicates,
        limit=quarantine_limit,
        event=event,
        only=only,
        id=id,
        missing_ids=missing_ids,
        decimal=decimal,
        source_timezone=source_timezone,
    )
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
        raise CjlibError(
            f"pushdown: {_named(source)} lies in no engine that could count it. Leave pushdown out, or give a database and its table."
        )
    if customers is not None:
        raise CjlibError(
            "pushdown: a customers table cannot be joined to events that stay in their engine. Join it there in a view, or leave pushdown out."
        )
    if request.dates is not None:
        raise CjlibError(
            "pushdown: texts cannot be read as times in their engine, so dates means nothing there. Make a view that casts them."
        )
    asked = {
        "id": request.id,
        "missing_ids": request.missing_ids,
        "decimal": request.decimal,
        "source_timezone": request.source_zone,
    }
    useless = [name for name, given in asked.items() if given]
    if useless:
        raise CjlibError(
            f"pushdown: {useless[0]} is for rows that are read, and here they stay in their engine. "
            "Do it there in a view, or leave pushdown out."
        )
    from cjlib.sources.pushdown.contract import Wanted, open_pushed

    return open_pushed(
        source,
        Wanted(request.columns, request.event, request.only, request.rules(), request.limit),
        lambda: _read(source, request, None),
    )


def _read(source: Any, request: Request, customers: Any, *, refresh: bool = False) -> EventLog:
    notes: list[QualityLine] = []
    files = find_files(source) if isinstance(source, str | Path) else None
    found = log_of_files(files, request) if files and files.size >= folder.LARGE else None
    if is_remote(source):
        found = log_of_table(source, request, refresh=refresh)
        notes += (
            [
                QualityLine(
                    "kept in the cache",
                    0,
                    "the table's counts and times are as they were when it was read",
                    counts_rows=False,
                )
            ]
            if found
            else []
        )
    if files and files.size >= folder.LARGE and found is None:
        notes.append(
            QualityLine(
                "cache",
                0,
                f"{folder_for(files)} cannot be written, or is held open: prepared in memory",
                counts_rows=False,
            )
        )
    engine, facts = found or prepare_in_memory(files if files else source, request)
    properties = facts.properties
    if customers is not None:
        own, more = attach_attributes(
            engine, _customers(source, customers), [one.name for one in properties]
        )
        properties, notes = properties + own, [*notes, *more]
    make_events_view(engine, properties)
    quality = (
        pd.concat([facts.quality, as_table(notes, facts.tally.rows)], ignore_index=True)
        if notes
        else facts.quality
    )
    return EventLog(
        engine=engine,
        prepared="prepared",
        properties={one.name: one for one in properties},
        timezone=request.zone.key,
        observed_until_us=_observed_until(engine, request, facts),
        quality=quality,
        quarantine=facts.quarantine,
    )


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


def _customers(source: Any, customers: Any) -> Any:
    """The customers table: a name of a table in the database of the events is read from there."""
    a_file = (
        not isinstance(customers, str)
        or set(customers) & set("/\\*?")
        or Path(customers).suffix.casefold() in _OF_FILES
        or Path(customers).exists()
    )
    return source.beside(customers) if is_remote(source) and not a_file else customers


_OF_FILES = frozenset({".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".gz"})
"""What a file's name ends in, and no table's."""


def _named(source: Any) -> str:
    if is_remote(source):
        return source.place
    return shown(str(source)) if isinstance(source, str | Path) else f"the {type(source).__name__}"


__all__ = ["read_events"]
