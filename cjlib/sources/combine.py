"""Several logs as one: one order of events over all, a column `source`, one table of quality and of quarantine.

Each log was read and checked by itself. Their ids, names and texts get dictionaries in common (ids of two types are compared as
text), their rows stand in the table `gathered`, where `people` may give rows another customer, and are put in the order that one
table of all rows would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import shown
from cjlib.show.numbers import duration
from cjlib.sources.identity.options import PERSON
from cjlib.sources.ingest import cache
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.ingest.options import ALL
from cjlib.sources.ingest.quality_report import (
    FUTURE,
    as_table,
    extent_of,
    in_whole_days,
    lines_of_alike_ids,
    lines_of_events,
)
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.log.prepared_table import (
    Property,
    count_ties,
    described,
    make_events_view,
    put_in_order,
    settle,
    width_for,
    write_prepared,
)
from cjlib.sources.log.time import DAY, end_of_data

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 1 << 17
ROW_GROUP = 122_880
SOURCE = "source"


@dataclass(frozen=True)
class Owners:
    """Whose each row of `gathered` is, in its order: a position among the names of customers."""

    names: pa.Array
    of_row: NDArray[np.int64]


People: TypeAlias = Callable[[DuckDB, Sequence[Property]], Owners | None]
"""A step between the rows of the sources and the log.

It gets the engine, with the table `gathered` (c, t, e and the properties given, coded by their dictionaries), and gives whose its rows
are; None where they are whose they say.
"""


Units: TypeAlias = Callable[[DuckDB, Sequence[Property]], list[Property]]
"""A step after it, which gives `gathered` and `c_names` what is counted in the place of customers, and them to the column `person`; it gives back the columns that are left."""


@dataclass(frozen=True)
class United:
    """A column of the combined log, and the column of each source that it is made of."""

    target: Property
    parts: Mapping[str, Property]


def combined(
    logs: Mapping[str, EventLog],
    *,
    until: int | None = None,
    people: People | None = None,
    units: Units | None = None,
    engine: DuckDB | None = None,
) -> EventLog:
    """One log of the events of several, each under the name of its source; one alone gets no column `source`.

    `until` is the end of data where somebody gave it; else it is the last event, of whichever source. The log lies in `engine`, else in
    memory.
    """
    engine, first = engine or DuckDB(), next(iter(logs.values()))
    columns = united_columns(logs, [] if units is None else [PERSON])
    properties = [column.target for column in columns]
    schema, sources = _gathered(engine, logs, columns)
    last = None
    if people is None and units is None:
        _fill(engine, "TABLE prepared", schema, _merged(list(sources)))
    else:
        _fill(engine, "TEMP TABLE gathered", schema, chain.from_iterable(sources))
        # The end of data is that of all rows, those included that are of no unit.
        ((last,),) = engine.rows("SELECT max(t) FROM gathered")
        if people is not None:
            _give_to_people(engine, people, properties)
        if units is not None:
            properties = units(engine, properties)
        ordered = put_in_order(engine, "SELECT * FROM gathered", properties)
        engine.execute("DROP TABLE gathered")
        settle(engine, properties, *ordered)
        write_prepared(engine, 0)
    make_events_view(engine, properties)
    whole_days = in_whole_days(engine, first.zone)
    if last is None:
        ((last,),) = engine.rows("SELECT max(t) FROM prepared")
    log = EventLog(
        engine=engine,
        prepared="prepared",
        properties={column.name: column for column in properties},
        timezone=first.timezone,
        observed_until_us=end_of_data(last, first.zone, whole_days) if until is None else until,
        quality=first.quality,
        quarantine=first.quarantine,
    )
    if len(logs) == 1:
        return log
    return replace(
        log,
        quality=_quality(log, logs, columns, whole_days),
        quarantine=stacked({name: one.quarantine for name, one in logs.items()}),
    )


# ---- kept logs ----------------------------------------------------------------------------------------------------


def plain_log(log: EventLog) -> dict[str, Any]:
    """What is known of a combined log beside its tables, as JSON can hold it, its quality and quarantine kept beside it."""
    tables = {
        name: cache.keep_table(log.engine, f"kept_{name}", getattr(log, name))
        for name in ("quality", "quarantine")
    }
    properties = [asdict(column) for column in log.properties.values()]
    waits = bool((log.quarantine["reason"] == FUTURE).any())
    kept = {"timezone": log.timezone, "observed_until_us": log.observed_until_us}
    return {**kept, **tables, "properties": properties, "only_for": _PROCESS if waits else None}


_PROCESS = uuid4().hex


def is_current(kept: Mapping[str, Any]) -> bool:
    """Whether a kept log still holds: rows that had not happened yet may have happened since, for all but the process that kept it."""
    return kept["only_for"] in (None, _PROCESS)


def log_of_plain(engine: DuckDB, kept: Mapping[str, Any]) -> EventLog:
    """The log of which `plain_log` kept the facts."""
    properties = [Property(**one) for one in kept["properties"]]
    make_events_view(engine, properties)
    quality, quarantine = (
        cache.kept_table(engine, f"kept_{name}", kept[name]) for name in ("quality", "quarantine")
    )
    return EventLog(
        engine=engine,
        prepared="prepared",
        properties={column.name: column for column in properties},
        timezone=kept["timezone"],
        observed_until_us=kept["observed_until_us"],
        quality=quality,
        # A table without rows has come back without its types.
        quarantine=quarantine.astype("str").astype({"row": "int64"}),
    )


# ---- columns in common --------------------------------------------------------------------------------------------


def united_columns(logs: Mapping[str, EventLog], made: Sequence[str] = ()) -> list[United]:
    """The columns of all logs: those of one name are one, of their type, a number where all are numbers, else text.

    Columns that are `made` are empty yet; a column of such a name, or one called source where there are several sources, gets another name.
    """
    parts: dict[str, dict[str, Property]] = {}
    for source, log in logs.items():
        for name, column in log.properties.items():
            parts.setdefault(name, {})[source] = column
    for name in (*made, *([SOURCE] if len(logs) > 1 else [])):
        if name in parts:
            parts[_free_name(name, parts)] = parts.pop(name)
        parts[name] = {}
    types = [(name, _common(set(types_of(logs, own).values()))) for name, own in parts.items()]
    return [United(target, parts[target.name]) for target in described(types)]


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    name = f"{name}_column"
    while name in taken:
        name += "_2"
    return name


def types_of(logs: Mapping[str, EventLog], parts: Mapping[str, Property]) -> dict[str, str]:
    """The type of a column in each source that has it; where it holds nothing its type says nothing."""
    return {
        source: column.type
        for source, column in parts.items()
        if not column.coded
        or logs[source].engine.rows(f"SELECT 1 FROM {column.dictionary} LIMIT 1")
    }


def _common(types: set[str]) -> str:
    if types == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    return types.pop() if len(types) == 1 else "VARCHAR"


# ---- rows in common -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """What one source gives for one column of `gathered`: SQL over its prepared log, and the values that its codes, or its texts, stand for."""

    pick: str
    meanings: pa.Array | None = None


def _gathered(
    engine: DuckDB, logs: Mapping[str, EventLog], columns: Sequence[United]
) -> tuple[pa.Schema, Iterator[Iterator[pa.RecordBatch]]]:
    """The coded rows of each log, a part of them at a time; their dictionaries are made before."""
    import pyarrow as pa

    ids = {log.id_type for log in logs.values()}
    targets = [
        Property("customer_id", "c", ids.pop() if len(ids) == 1 else "VARCHAR", coded=True),
        Property("timestamp", "t", "BIGINT", coded=False),
        Property("event", "e", "VARCHAR", coded=True),
    ]
    every = [
        *(
            United(target, {name: replace(target, type=log.id_type) for name, log in logs.items()})
            for target in targets
        ),
        *columns,
    ]
    parts = {
        name: [_part(log, name, one.target, one.parts.get(name)) for one in every]
        for name, log in logs.items()
    }
    codes = [
        _unite(engine, one.target, [own[position].meanings for own in parts.values()])
        if one.target.coded
        else [None] * len(logs)
        for position, one in enumerate(every)
    ]
    types = [
        pa.type_for_alias(_TYPES[one.target.type]) if own[0] is None else own[0].type
        for one, own in zip(every, codes, strict=True)
    ]
    schema = pa.schema(list(zip((one.target.column for one in every), types, strict=True)))
    return schema, (
        _coded(log, schema, parts[name], own)
        for (name, log), own in zip(logs.items(), zip(*codes, strict=True), strict=True)
    )


def _fill(engine: DuckDB, table: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Make a table of the rows, in their order."""
    import pyarrow as pa

    whole = _in_row_groups(batches)
    engine.connection.register("given", pa.RecordBatchReader.from_batches(schema, whole))
    engine.execute(f"CREATE {table} AS SELECT * FROM given")
    engine.connection.unregister("given")


def _in_row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of as many as DuckDB stores together, or a multiple: others it writes twice."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        rows = sum(map(len, waiting))
        if rows >= ROW_GROUP:
            together = pa.concat_batches(waiting)
            whole = rows // ROW_GROUP * ROW_GROUP
            yield together.slice(0, whole)
            waiting = [together.slice(whole)]
    yield from waiting


def _merged(sources: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """The rows of sources that are each sorted by customer, sorted by every column, a part of them at a time.

    Codes follow the ids in every dictionary, so that new codes leave the customers of a source in their order.
    """
    import pyarrow as pa

    waiting: dict[int, list[pa.RecordBatch]] = {place: [] for place in range(len(sources))}
    going_on = set(waiting)
    while going_on:
        # Those that hold back the others: what they give next may be of a customer whom the others have already.
        for place in _furthest_behind(waiting, going_on):
            batch = next(sources[place], None)
            if batch is None:
                going_on.remove(place)
            else:
                waiting[place].append(batch)
        ends = [_last_customer(waiting[place]) for place in going_on]
        parts = []
        for batches in waiting.values():
            whole, batches[:] = _split_before(batches, min(ends, default=None))
            parts += whole
        if parts:
            yield _sorted(pa.concat_batches(parts))


def _furthest_behind(
    waiting: Mapping[int, Sequence[pa.RecordBatch]], going_on: set[int]
) -> list[int]:
    ends = {place: _last_customer(waiting[place]) for place in going_on}
    return [place for place, end in ends.items() if end == min(ends.values())]


def _last_customer(batches: Sequence[pa.RecordBatch]) -> int:
    return batches[-1]["c"][-1].as_py() if batches else -1


def _split_before(
    batches: Sequence[pa.RecordBatch], customer: int | None
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """The rows of customers before one, and all others."""
    if customer is None:
        return [*batches], []
    whole, left = [], []
    for batch in batches:
        before = int(np.searchsorted(batch["c"].to_numpy(), customer))
        whole.append(batch.slice(0, before))
        left.append(batch.slice(before))
    return [one for one in whole if len(one)], [one for one in left if len(one)]


def _sorted(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows by every column in turn: runs that are sorted by customer and time already are only merged, and rows of one instant sorted."""
    import pyarrow as pa
    from pyarrow import compute

    c, t = (rows[name].to_numpy() for name in "ct")
    customer, time = c.astype(np.int64) - c.min(), t - t.min()
    width = int(time.max()) + 1
    if (int(customer.max()) + 1) * width < 2**63:
        instant = customer * width + time
        order = np.argsort(instant, kind="stable")
        instant = instant[order]
        again = instant[1:] == instant[:-1]
    else:
        order = np.lexsort((t, c))
        again = (c[order][1:] == c[order][:-1]) & (t[order][1:] == t[order][:-1])
    tied = np.flatnonzero(np.append(again, False) | np.insert(again, 0, False))
    if len(tied):
        keys = [(name, "ascending") for name in rows.schema.names]
        some = rows.take(pa.array(order[tied]))
        by_all = compute.call_function("sort_indices", [some], compute.SortOptions(keys))
        order[tied] = order[tied][by_all.to_numpy()]
    return rows.take(pa.array(order))


def _part(log: EventLog, source: str, target: Property, own: Property | None) -> _Part:
    import pyarrow as pa

    if not target.coded:
        return _Part(f"CAST({own.column if own else 'NULL'} AS {target.type})")
    if target.name == SOURCE:
        return _Part("0", pa.array([source]))
    if own is None:
        return _Part("CAST(NULL AS INTEGER)", pa.array([], pa.string()))
    values = f"CAST(value AS {target.type}) AS value FROM {own.dictionary} ORDER BY code"
    if own.coded:
        return _Part(own.column, _array(log.engine, f"SELECT {values}"))
    text = f"CAST({own.column} AS VARCHAR)"
    return _Part(text, _array(log.engine, f"SELECT DISTINCT {text} AS value FROM {log.prepared}"))


def _array(engine: DuckDB, sql: str) -> pa.Array:
    return engine.connection.sql(sql).to_arrow_table()["value"].combine_chunks()


def _unite(engine: DuckDB, target: Property, values: Sequence[pa.Array]) -> list[pa.Array]:
    """Make one dictionary of the values of all sources, sorted as text; of each source the codes of its values."""
    import pyarrow as pa
    from pyarrow import compute

    encoded = pa.chunked_array(values).dictionary_encode().combine_chunks()
    distinct = encoded.dictionary
    order = compute.call_function("array_sort_indices", [distinct.cast(pa.string())]).to_numpy()
    engine.connection.register("every", pa.table({"value": distinct.take(pa.array(order))}))
    engine.execute(
        f"CREATE TABLE {target.dictionary} AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value FROM every"
    )
    engine.connection.unregister("every")
    width = "INTEGER" if target.column == "c" else width_for(len(order))
    code = np.empty(len(order), dtype=_WIDTHS[width])
    code[order] = np.arange(len(order))
    codes = pa.array(code).take(encoded.indices)
    ends = np.cumsum([len(value) for value in values])
    return [codes.slice(end - len(one), len(one)) for one, end in zip(values, ends, strict=True)]


_WIDTHS = {"UTINYINT": "uint8", "USMALLINT": "uint16", "INTEGER": "int32"}
_TYPES = {
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "BOOLEAN": "bool",
    "DATE": "date32",
    "TIMESTAMP": "timestamp[us]",
}


def _coded(
    log: EventLog,
    schema: pa.Schema,
    parts: Sequence[_Part],
    codes: Sequence[pa.Array | None],
) -> Iterator[pa.RecordBatch]:
    """The rows of one source under the codes of the combined log."""
    import pyarrow as pa

    picks = ", ".join(
        f"{part.pick} AS {name}" for part, name in zip(parts, schema.names, strict=True)
    )
    found = log.engine.connection.sql(f"SELECT {picks} FROM {log.prepared}")
    for batch in found.to_arrow_reader(_AT_ONCE):
        turned = [
            column if own is None else own.take(_positions(column, part.meanings))
            for column, own, part in zip(batch.columns, codes, parts, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(turned, schema=schema)


def _positions(column: pa.Array, meanings: pa.Array | None) -> pa.Array:
    """The positions of a column's values: what codes are already, and texts are not."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_integer(column.type):
        return column
    return compute.call_function("index_in", [column], compute.SetLookupOptions(meanings))


def _give_to_people(engine: DuckDB, people: People, properties: Sequence[Property]) -> None:
    """Let a step say whose the rows are, and give `c_names` and `gathered` who they are."""
    import pyarrow as pa

    owners = people(engine, properties)
    if owners is None:
        return
    given = pa.table({"place": np.arange(len(owners.names)), "value": owners.names})
    engine.connection.register("given", given)
    engine.execute(
        "CREATE OR REPLACE TABLE c_names AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value "
        "FROM (SELECT DISTINCT value FROM given ORDER BY value)"
    )
    codes = engine.numbers(
        "SELECT n.code FROM given g JOIN c_names n USING (value) ORDER BY g.place"
    )
    engine.connection.unregister("given")
    engine.connection.register("given", pa.table({"c": codes["code"][owners.of_row]}))
    engine.execute("CREATE TEMP TABLE owned AS SELECT c FROM given")
    engine.connection.unregister("given")
    engine.execute("ALTER TABLE gathered RENAME TO rows_of_ids")
    engine.execute(
        "CREATE TEMP TABLE gathered AS SELECT o.c, r.* EXCLUDE (c) FROM rows_of_ids r POSITIONAL JOIN owned o"
    )
    engine.execute("DROP TABLE rows_of_ids")
    engine.execute("DROP TABLE owned")


# ---- what is said of them -----------------------------------------------------------------------------------------


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of several sources as one, the source before all other columns."""
    named = []
    for name, table in tables.items():
        own = table.rename(columns={SOURCE: f"{SOURCE} (column)"})
        own.insert(0, SOURCE, pd.Series(name, index=own.index, dtype="str"))
        named.append(own)
    filled = [one for one in named if len(one)] or named[:1]
    every = dict.fromkeys(column for one in named for column in one.columns)
    return pd.concat(filled, ignore_index=True).reindex(columns=list(every))


def _quality(
    log: EventLog, logs: Mapping[str, EventLog], columns: Sequence[United], whole_days: bool
) -> pd.DataFrame:
    """What was found in each source, then what holds of all events together."""
    read = sum(_rows_read(one) for one in logs.values())
    extent = extent_of(log.engine)
    lines = [
        QualityLine("rows read", read, ""),
        QualityLine("events used", extent.events, ""),
        *lines_of_events(
            log.engine,
            extent,
            tuple(log.properties.values()),
            count_ties(log.engine),
            log.zone,
            whole_days=whole_days,
        ),
        *_ids_of_two_types(logs),
        *_alike_across(log, logs),
        *_names_of_two_meanings(logs, columns),
    ]
    parts = {name: _of_source(log, logs, name) for name in logs}
    return stacked({**parts, ALL: as_table(lines, read)})


def _rows_read(log: EventLog) -> int:
    return int(log.quality.loc[log.quality["check"] == "rows read", "rows"].iloc[0])


def _alike_across(log: EventLog, logs: Mapping[str, EventLog]) -> list[QualityLine]:
    """Ids of different sources that may be one, as an address in capitals here and in small letters there."""
    own = pd.concat([one.quality for one in logs.values()]).groupby("check")["rows"].sum()
    return [line for line in lines_of_alike_ids(log.engine) if line.rows > own.get(line.check, 0)]


def _ids_of_two_types(logs: Mapping[str, EventLog]) -> list[QualityLine]:
    types = {name: log.id_type for name, log in logs.items()}
    if len(set(types.values())) == 1:
        return []
    whole = [name for name, kind in types.items() if kind == "BIGINT"]
    text = f"numbers in {', '.join(whole)}, text elsewhere: compared as text"
    return [QualityLine("customer ids of two types", log_rows(logs, whole), text)]


def log_rows(logs: Mapping[str, EventLog], names: Sequence[str]) -> int:
    """The events of some of the sources."""
    return sum(logs[name].n_events for name in names)


_WORDS = {
    "BIGINT": "whole numbers",
    "DOUBLE": "numbers",
    "VARCHAR": "text",
    "BOOLEAN": "true and false",
    "DATE": "dates",
    "TIMESTAMP": "times",
}


_MADE = {SOURCE: "where an event comes from", PERSON: "who did it"}


def _names_of_two_meanings(
    logs: Mapping[str, EventLog], columns: Sequence[United]
) -> list[QualityLine]:
    """Columns of one name that hold numbers here and texts there, and a column that had to be renamed."""
    found = []
    for column in columns:
        types = types_of(logs, column.parts)
        if column.target.type == "VARCHAR" and len(set(types.values())) > 1:
            words = ", ".join(f"{_WORDS[kind]} in {name}" for name, kind in types.items())
            text = f"{words}; read as text. Give the columns two names if they are two things"
            found.append(
                QualityLine(f"{column.target.name}: types differ", log_rows(logs, [*types]), text)
            )
        renamed = [name for name, own in column.parts.items() if own.name != column.target.name]
        if renamed:
            own = column.parts[renamed[0]].name
            text = f"called {column.target.name} here, for {own} names {_MADE[own]}"
            found.append(
                QualityLine(
                    f"{own}: a column of {', '.join(renamed)}", log_rows(logs, renamed), text
                )
            )
    return found


LONG = 2
"""So many times the longest silence before it a silence must be to say that a source has ended, or not yet begun."""
ENOUGH = 10


def _of_source(log: EventLog, logs: Mapping[str, EventLog], name: str) -> pd.DataFrame:
    """The quality of one source, and where it ends long before the others, or begins long after them."""
    own, whole = logs[name].span_us, log.span_us
    if own is None or whole is None or logs[name].n_events < ENOUGH:
        return logs[name].quality
    sides = [
        ("ends before the other sources", own[1], whole[1] - own[1], "after that", "last"),
        ("begins after the other sources", own[0], own[0] - whole[0], "before that", "first"),
    ]
    sides = [side for side in sides if side[2] > DAY]
    silence = _longest_silence(logs[name]) if sides else 0
    lines = [
        QualityLine(
            words,
            log.engine.rows(
                f"SELECT count(*) FROM prepared WHERE t {'>' if end == 'last' else '<'} {at}"
            )[0][0],
            f"its {end} event is of {logs[name].moment(at):%Y-%m-%d %H:%M}, {duration(gap / 1e6)} {'before the last' if end == 'last' else 'after the first'} of all; "
            f"if its export was cut there, what needs {shown(name)} is incomplete {when}",
            counts_rows=False,
        )
        for words, at, gap, when, end in sides
        if gap > LONG * silence
    ]
    return (
        pd.concat([logs[name].quality, as_table(lines, 0)], ignore_index=True)
        if lines
        else logs[name].quality
    )


def _longest_silence(log: EventLog) -> int:
    """The longest time between two events, counted in whole hours: few hours are looked at, however many events there are."""
    hour = 3_600_000_000
    hours = f"SELECT DISTINCT t // {hour} AS h FROM {log.prepared}"
    (longest,) = log.engine.rows(
        f"SELECT max(h - before) FROM (SELECT h, lag(h) OVER (ORDER BY h) AS before FROM ({hours}))"
    )[0]
    return (longest or 0) * hour
