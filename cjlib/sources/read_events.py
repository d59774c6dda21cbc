"""Reading an event log: from the cache or from its source, checked row by row, as an `EventLog`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import duckdb
import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.show.units import use_unit
from cjlib.sources.combine import ALL, SOURCE, combined, is_current, log_of_plain, plain_log
from cjlib.sources.connect import remote_of
from cjlib.sources.connect.files import Files, find_files, is_workbook
from cjlib.sources.connect.remote import is_remote
from cjlib.sources.identity.grain import GrainStep, attributes_of_units, unit_with_names
from cjlib.sources.identity.join import PeopleStep
from cjlib.sources.identity.options import DECLARED, OFF, Grain
from cjlib.sources.identity.splits import split_lines
from cjlib.sources.ingest import cache
from cjlib.sources.ingest.cache import folder_for
from cjlib.sources.ingest.columns import property_column, text_types
from cjlib.sources.ingest.open_source import QualityLine, Raw, open_table
from cjlib.sources.ingest.options import (
    ReaderOptions,
    Request,
    named_sources,
    no_encoding,
    said_of,
    source_and_options,
)
from cjlib.sources.ingest.prepare import log_of_files, log_of_table, prepare_in_memory
from cjlib.sources.ingest.quality_report import as_table, with_lines_of_people
from cjlib.sources.log.engine import DuckDB, blank, memory_limit
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.prepared_table import Property, make_events_view
from cjlib.sources.log.time import end_of_data

_LOG = logging.getLogger(__name__)


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
    encoding: str | None = None,
    source_timezone: str | None = None,
    preset: Any = None,
    query: str | None = None,
    where: Mapping[str, Any] | None = None,
    identities: Any = "declared",
    grain: Any = None,
) -> EventLog:
    """An event log, checked row by row.

    Every row is an event or stands in `log.quarantine` with its reason: a customer_id, event or
    timestamp that is missing or blank; a timestamp that cannot be read, that the clocks of
    `timezone` skipped, or that has not happened yet (later than now, or than `observed_until` where
    that is given); and rows equal to an earlier one in every column. Nothing is guessed: text dates
    that could be read day first or month first stop the reading unless a day above 12 decides for
    the whole column; times with an offset keep their instant, times without one are read in
    `timezone`.

    Parameters
    ----------
    source
        A path, glob or folder (Parquet, CSV, TSV, JSON lines; text also gzipped), a pandas, polars
        or Arrow table, a Journey, or another engine's table: a SQLAlchemy URL or engine, a Spark
        session or a chdb session with `table`, or a Spark DataFrame. In a URL `${NAME}` stands for
        that environment variable, so that no password need be written down. Or several sources: a
        mapping name → source, or name → `{"source": …, "columns": …}` with options of its own. The
        log then has a column `source`; see docs/sources.md.
    columns
        The source's name → our name, where they differ: `{"user_id": "customer_id", "ts":
        "timestamp"}`.
    event
        The name of every row's event, where no column names one, as in a table of orders:
        "purchase".
    timezone
        The business's zone, for times and bounds without an offset and for calendar periods; UTC,
        and said so, where none is given.
    observed_until
        To when the log is known to be complete; a date means to the end of that day. Without it the
        last event's time (for a log of whole days the end of the last day). Later rows go to
        quarantine.
    dates
        How text dates are written: "day_first", "month_first" or a format such as "%d/%m/%Y %H:%M";
        "excel_serial" for numbers as spreadsheets count days, "iso_week" for weeks (2025-W07), each its Monday.
    duplicates
        "quarantine", or "keep" where equal rows are real, such as orders without an id. None: as
        the source's journey file says, else "quarantine".
    quarantine_limit
        The share of rows, 0 to 1, above which reading stops; 0.05 is one row in twenty. None: as
        the source's journey file says, else 0.05.
    only
        The columns to read beyond the three needed ones, by their names in the log; None: all. Rows
        equal in all columns that are read count as duplicates, so keep the column that tells them
        apart (an event's id).
    table, engine
        The table of a database, "events" or "shop.events"; or the database, where the source is the
        table's name.
    pushdown
        Leave the events in their engine: the contract is checked by counting there, and `cj.funnel`
        and `cj.retention` are counted there. Only for tables of other engines; see docs/engines.md
        for what differs.
    customers
        A table with customer_id and one row a customer: a path, a frame, or the name of a table in
        the database of the events; its columns serve `by` and `where` like the events' own.
    refresh
        Read a database's table anew, whatever is kept of it in `CJ_CACHE_DIR`; see docs/engines.md
        for when a kept log is used.
    id
        The column that tells events apart, such as "message_id": of rows with one id the fullest is
        the event, the others go to quarantine as "repeated id" and do not count towards
        `quarantine_limit`. Rows without an id all stay.
    missing_ids
        Customer ids that stand for nobody, such as ["undefined", "0"]: their rows count as missing
        a customer_id.
    decimal
        "point" or "comma": what stands before decimals in numbers written as text, where a column
        does not show it.
    encoding
        How the text of a CSV or TSV file is written where that is not UTF-8: "cp1252" (Excel on
        Windows in western languages) or another of Python's names. A mark at the file's beginning
        wins; rows with a byte that the encoding does not know go to quarantine.
    source_timezone
        The zone in which the source wrote times without an offset, where it is not the business's;
        UTC where the time's column says so in its name, as in "Submit Date (UTC)".
    preset
        How a well-known tool's export becomes events: its name, such as "shopify" (`cj presets`
        lists them), or a file of one's own; see docs/presets.md. `columns`, `id`, `dates` and
        `source_timezone` win over what it says.
    query
        One SELECT in the database's own SQL, in the place of `table`; nothing is changed there.
    where
        The rows that count: a column, by its name in the source or in the log, and its value,
        values or condition as `cj.Step(where=)` takes them: `{"status": ["paid", "shipped"]}`. The
        others are left out and counted in `quality`.
    identities
        Which columns hold ids of one person, such as `{"known": ["customer_id", "email"],
        "anonymous": ["anonymous_id"]}`; see docs/identity.md for maps, hubs and rules. A row's
        customer is then a person, and `log.identities` says why. "declared": as the source's
        journey file says; None: each event counts under its own first id.
    grain
        What is counted in the place of customers: "account", "ticket", "order" or another word, where
        a column of that name (or with `_id`) of the events says which one an event is of, or of the
        customers table or a map who belongs where; `{"unit": "account", "column": "acct", "map":
        "people.csv"}` names them. The log's `customer_id` is then the unit, `person` who did it, and
        sentences say accounts; see docs/grain.md.

    Returns
    -------
    EventLog
        The events, with `quality` (what was checked and found) and `quarantine` (the rows that
        cannot be used).

    Raises
    ------
    DataError
        If the source is missing or damaged, a column is missing, dates are ambiguous, or too many
        rows cannot be used.
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
    options = ReaderOptions(
        columns=columns,
        event=event,
        timezone=timezone,
        observed_until=observed_until,
        dates=dates,
        duplicates=duplicates,
        quarantine_limit=quarantine_limit,
        only=only,
        table=table,
        engine=engine,
        pushdown=pushdown,
        customers=customers,
        refresh=refresh,
        id=id,
        missing_ids=missing_ids,
        decimal=decimal,
        encoding=encoding,
        source_timezone=source_timezone,
        preset=preset,
        query=query,
        where=where,
        identities=_said_of_ids(identities),
        grain=grain,
    )
    log = _log_of_several(source, options) if _is_several(source) else _log_of(source, options)
    use_unit(log.unit)
    return log


def _said_of_ids(given: Any) -> Any:
    """What a caller says of ids where None means that nothing was said."""
    if isinstance(given, str) and given == DECLARED:
        return None
    return OFF if given is None else given


def _log_of(source: Any, options: ReaderOptions, *, keep: bool = True) -> EventLog:
    """The log of one source, whatever it is."""
    if hasattr(source, "read_events"):
        return source.read_events(**options.given())
    request = options.request()
    place = remote_of(source, options.table, options.engine, options.query) or source
    if isinstance(place, str | Path) and is_workbook(place):
        place = find_files(place, options.table, request.encoding)
    if options.pushdown:
        return _pushed(place, request, options)
    try:
        log = _read(place, request, refresh=options.refresh, keep=keep)
        customers = _customers(place, options.customers)
        if options.one_of_several:
            return log
        if options.regroups:
            log = _regrouped({"": log}, options, customers, options.until_us())
        return _with_split_ids(_with_customers(log, customers, options.unit))
    except duckdb.OutOfMemoryException:
        raise CjlibError(
            f"source: reading needs more memory than {memory_limit()} allows, and the temporary folder is full. Raise CJ_MEMORY_LIMIT."
        ) from None
    except duckdb.Error as fault:
        raise DataError(
            f"source: {_named(place)} cannot be read ({type(fault).__name__}). A value in it is of a kind or size that no column of times, ids or numbers can hold."
        ) from None


# ---- several sources --------------------------------------------------------------------------------------------------


def _is_several(source: Any) -> bool:
    return isinstance(source, Mapping)


def _log_of_several(sources: Mapping[str, Any], options: ReaderOptions) -> EventLog:
    """One log of several sources, each read by itself with its own options."""
    if options.pushdown:
        raise CjlibError(
            "pushdown: several sources cannot be counted where they lie. Leave pushdown out, or join them there in a view."
        )
    parts: dict[str, tuple[Any, ReaderOptions]] = {}
    for name, given in named_sources(sources):
        with said_of(name):
            of_source, own = source_and_options(given)
            parts[name] = of_source, options.of_source(own)
    customers = _customers(None, options.customers)
    if options.regroups:
        logs, until = _logs_of(parts)
        log = _regrouped(logs, options, customers, until)
    else:
        log = _kept_log(parts) or _combined(parts)
    return _with_split_ids(_with_customers(log, customers, options.unit))


def _with_split_ids(log: EventLog) -> EventLog:
    """The log, its quality table saying where ids probably split."""
    return replace(log, quality=_with_lines(log.quality, split_lines(log)))


Parts: TypeAlias = Mapping[str, tuple[Any, ReaderOptions]]


def _logs_of(parts: Parts, *, keep: bool = True) -> tuple[dict[str, EventLog], int | None]:
    """The log of each source, in the cache where it is large and `keep` allows it, and the end of all where it is given for each."""
    logs: dict[str, EventLog] = {}
    for name, (source, own) in parts.items():
        with said_of(name):
            logs[name] = _log_of(source, own, keep=keep)
    ends = [own.until_us() for _, own in parts.values()]
    return logs, max(end for end in ends if end is not None) if None not in ends else None


def _combined(parts: Parts) -> EventLog:
    logs, until = _logs_of(parts)
    return combined(logs, until=until)


def _kept_log(parts: Parts) -> EventLog | None:
    """The log of several large files as they are now, prepared and kept first; None where it can be neither opened nor written, or they are none.

    Of one source alone it is that source's.
    """
    if len(parts) == 1:
        return None
    known: dict[str, Files] = {}
    for name, (source, own) in parts.items():
        with said_of(name):
            files = _files_of(source, own)
        known |= {} if files is None else {name: files}
    if len(known) < len(parts) or not cache.is_kept(sum(own.size for own in known.values())):
        return None
    place = cache.place_for_several(
        {name: (known[name], own.request().plain()) for name, (_, own) in parts.items()}
    )

    def fill(engine: DuckDB) -> dict[str, Any]:
        logs, until = _logs_of(parts, keep=False)
        return plain_log(combined(logs, until=until, engine=engine))

    kept = cache.from_cache(place, fill, is_current)
    return kept and log_of_plain(*kept)


def _files_of(source: Any, own: ReaderOptions) -> Files | None:
    """The files of a source, where it is some."""
    if not isinstance(source, str | Path) or remote_of(source, own.table, own.engine, own.query):
        return None
    return find_files(source, own.table if is_workbook(source) else None)


def _regrouped(
    logs: Mapping[str, EventLog], options: ReaderOptions, customers: Any, until: int | None
) -> EventLog:
    """One log, its customers people instead of ids, or accounts, tickets, orders instead of people."""
    zone, several = next(iter(logs.values())).zone, len(logs) > 1
    identities, grain = options.people, options.unit
    people = units = None
    if identities is not None and identities.join:
        people = PeopleStep(identities, customers, several=several)
    if grain is not None:
        units = GrainStep(grain, customers, zone, joined=people is not None)
    log = combined(logs, until=until, people=people, units=units)
    counted = log.quality if several else with_lines_of_people(log.quality, log.engine)
    lines = [line for step in (people, units) if step is not None for line in step.lines]
    log = replace(log, quality=_with_lines(counted, lines))
    if grain is None:
        return log
    unit = unit_with_names(grain.unit, log.engine, list(log.properties.values()))
    return replace(log, unit=unit)


def _pushed(source: Any, request: Request, options: ReaderOptions) -> EventLog:
    if not is_remote(source):
        raise CjlibError(
            f"pushdown: {_named(source)} lies in no engine that could count it. Leave pushdown out, or give a database and its table."
        )
    if options.customers is not None:
        raise CjlibError(
            "pushdown: a customers table cannot be joined to events that stay in their engine. Join it there in a view, or leave pushdown out."
        )
    if request.dates is not None:
        raise CjlibError(
            "pushdown: texts cannot be read as times in their engine, so dates means nothing there. Make a view that casts them."
        )
    asked = {
        "grain": options.unit,
        "id": request.id,
        "missing_ids": request.missing_ids,
        "decimal": request.decimal,
        "encoding": request.encoding,
        "source_timezone": request.source_zone,
        "identities": request.id_columns,
        "preset": request.preset,
        "where": request.where,
    }
    useless = [name for name, given in asked.items() if given]
    if useless:
        raise CjlibError(
            f"pushdown: {useless[0]} is for rows that are read, and here they stay in their engine. "
            "Do it there in a view, or leave pushdown out."
        )
    from cjlib.sources.pushdown.remote_log import Wanted, open_pushed

    wanted = Wanted(request.columns, request.event, request.only, request.rules(), request.limit)
    # Not an EventLog, but what analyses ask of one as far as its database can count it.
    return cast("EventLog", open_pushed(source, wanted, lambda: _read(source, request)))


def _read(source: Any, request: Request, *, refresh: bool = False, keep: bool = True) -> EventLog:
    notes: list[QualityLine] = []
    place = isinstance(source, str | Path)
    files = find_files(source, encoding=request.encoding) if place else source
    files = files if isinstance(files, Files) else None
    if request.encoding and files is None:
        raise no_encoding(_named(source))
    kept_here = files is not None and keep and cache.is_kept(files.size)
    kept = log_of_files(files, request) if files and kept_here else None
    if is_remote(source):
        kept = log_of_table(source, request, refresh=refresh)
        if kept:
            text = "the table's counts and times are as they were when it was read"
            notes.append(QualityLine("kept in the cache", 0, text, counts_rows=False))
    elif files and kept_here and kept is None:
        text = f"{folder_for(files)} cannot be written, or is held open: prepared in memory"
        notes.append(QualityLine("cache", 0, text, counts_rows=False))
    engine, facts = kept or prepare_in_memory(files if files else source, request)
    make_events_view(engine, facts.properties)
    (last,) = engine.rows("SELECT max(t) FROM prepared")[0]
    _LOG.info("%s: %d rows read", _named(source), facts.tally.rows)
    return EventLog(
        engine=engine,
        prepared="prepared",
        properties={column.name: column for column in facts.properties},
        timezone=request.zone.key,
        observed_until_us=end_of_data(last, request.zone, facts.whole_days)
        if request.until is None
        else request.until,
        quality=_with_lines(facts.quality, notes),
        quarantine=facts.quarantine,
    )


def _with_lines(quality: pd.DataFrame, lines: Sequence[QualityLine]) -> pd.DataFrame:
    """The quality table with lines that count no rows; of several sources they concern all."""
    if not lines:
        return quality
    more = as_table(lines, 0)
    if SOURCE in quality:
        more.insert(0, SOURCE, pd.Series(ALL, index=more.index, dtype="str"))
    return pd.concat([quality, more], ignore_index=True)


def _with_customers(log: EventLog, customers: Any, grain: Grain | None) -> EventLog:
    """The log with what a table knows of its customers, or of the units that it counts in their place."""
    if customers is None:
        return log
    id_column, of_units = "customer_id", []
    if grain is not None:
        customers, id_column, of_units = attributes_of_units(customers, grain)
    own, found = attach_attributes(log.engine, customers, log.columns, id_column)
    lines = [*of_units, *found]
    properties = [*log.properties.values(), *own]
    make_events_view(log.engine, properties)
    return replace(
        log,
        properties={column.name: column for column in properties},
        quality=_with_lines(log.quality, lines),
    )


def _customers(source: Any, customers: Any) -> Any:
    """The customers table: a name of a table in the database of the events is read from there."""
    if customers is None:
        return None
    a_file = (
        not isinstance(customers, str)
        or set(customers) & set("/\\*?")
        or Path(customers).suffix.casefold() in _OF_FILES
        or Path(customers).exists()
    )
    return source.beside(customers) if is_remote(source) and not a_file else customers


_OF_FILES = frozenset(
    {".parquet", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".gz", ".xlsx"}
)
"""What a file's name ends in, and no table's."""


def _named(source: Any) -> str:
    if is_remote(source):
        return source.place
    if isinstance(source, Files):
        return shown(source.name(0))
    return shown(str(source)) if isinstance(source, str | Path) else f"the {type(source).__name__}"


# ---- customers: what is known of them beside their events -------------------------------------------------------------


def attach_attributes(
    engine: DuckDB, customers: Any, taken: Sequence[str], id_column: str = "customer_id"
) -> tuple[tuple[Property, ...], list[QualityLine]]:
    """Make `attributes`, one row a customer of the log in the order of their codes, and say what did not fit.

    Ids are compared as text, so that a table of numbers meets a log of texts. A column that the events have too stays the events'.
    """
    scratch = DuckDB()
    raw = open_table(scratch, customers, "customers")
    if id_column not in raw.names:
        raise DataError(
            f"customers: there is no column {id_column!r}.{did_you_mean(id_column, raw.names)} The columns are: {listed(raw.names, most=30)}."
        )
    columns, names = _typed(scratch, raw, id_column, taken)
    engine.connection.register(
        "given_customers",
        scratch.connection.sql(f"SELECT {', '.join(columns)} FROM raw").to_arrow_table(),
    )
    engine.execute(
        f"CREATE TEMP TABLE customers AS SELECT * FROM given_customers WHERE NOT {blank('id')}"
    )
    engine.connection.unregister("given_customers")
    _one_row_each(engine, names)
    properties = tuple(
        Property(name, f"a{position}", kind, coded=True, of_customer=True)
        for position, (name, kind) in enumerate(names, start=1)
    )
    for column in properties:
        engine.execute(
            f"CREATE TEMP TABLE {column.dictionary} AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS INTEGER) AS code, value "
            f"FROM (SELECT DISTINCT {column.column} AS value FROM customers WHERE {column.column} IS NOT NULL) ORDER BY code"
        )
    picks = "".join(f", {column.dictionary}.code AS {column.column}" for column in properties)
    joins = "".join(
        f" LEFT JOIN {column.dictionary} ON {column.dictionary}.value = s.{column.column}"
        for column in properties
    )
    engine.execute(
        f"CREATE TEMP TABLE attributes AS SELECT c_names.code AS c{picks} FROM c_names LEFT JOIN customers s ON s.id = CAST(c_names.value AS VARCHAR){joins} "
        "ORDER BY c_names.code"
    )
    return properties, _findings(
        engine, [name for name in raw.names if name in taken and name != id_column]
    )


def _typed(
    engine: DuckDB, raw: Raw, id_column: str, taken: Sequence[str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """The SQL of id, a1, a2, …, and the attributes' names and types, sorted by name."""
    place = {name: f"c{position}" for position, name in enumerate(raw.names, start=1)}
    names = sorted(name for name in raw.names if name != id_column and name not in taken)
    kinds = dict(zip(raw.names, raw.types, strict=True))
    written = {place[name]: name for name in names if place[name] in raw.untyped}
    typed, _ = text_types(engine, written)
    values = [
        property_column(engine, name, place[name], typed.get(place[name], kinds[name]))
        for name in names
    ]
    own = property_column(engine, id_column, place[id_column], kinds[id_column])
    whole = (
        f"CASE WHEN {own.value} = trunc({own.value}) THEN CAST({own.value} AS BIGINT) END"
        if own.type == "DOUBLE"
        else own.value
    )
    picks = [f"trim(CAST({whole} AS VARCHAR)) AS id"]
    for position, one in enumerate(values, start=1):
        filled = f"CASE WHEN NOT {blank(one.value)} THEN trim({one.value}) END"
        picks.append(f"{filled if one.type == 'VARCHAR' else one.value} AS a{position}")
    return picks, [(value.name, value.type) for value in values]


def _one_row_each(engine: DuckDB, names: list[tuple[str, str]]) -> None:
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE customers AS SELECT DISTINCT {', '.join(['id', *(f'a{n}' for n in range(1, len(names) + 1))])} FROM customers"
    )
    twice = engine.rows(
        "SELECT id, count(*) OVER () FROM customers GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"
    )
    if twice:
        raise DataError(
            f"customers: {twice[0][1]:,} ids have several rows that differ, for example {twice[0][0]!r}. Give one row a customer, with what holds now."
        )


def _findings(engine: DuckDB, both: list[str]) -> list[QualityLine]:
    missing = engine.rows(
        "SELECT count(*), min(CAST(value AS VARCHAR)) FROM c_names WHERE CAST(value AS VARCHAR) NOT IN (SELECT id FROM customers)"
    )[0]
    found = [
        QualityLine(
            "customers not in the customers table", missing[0], missing[1] or "", counts_rows=False
        )
    ]
    if both:
        found.append(
            QualityLine(
                "columns of the customers table that the events have too",
                len(both),
                f"{', '.join(both)}: the events' are used",
                counts_rows=False,
            )
        )
    return found
