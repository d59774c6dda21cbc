"""From a source to a prepared log: opened, checked, put in order, and what is known of it; found again where it is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.errors import CjlibError, unknown_column
from cjlib.sources.connect.database import Database
from cjlib.sources.connect.files import Files
from cjlib.sources.connect.remote import Remote, is_remote
from cjlib.sources.ingest import cache
from cjlib.sources.ingest.columns import (
    log_names,
    property_column,
    read_columns,
    text_types,
)
from cjlib.sources.ingest.open_source import (
    QualityLine,
    Raw,
    forget,
    names_to_read,
    open_files,
    open_frame,
    open_remote,
)
from cjlib.sources.ingest.options import Request
from cjlib.sources.ingest.parse_times import MISSING, UNREADABLE, Stamps, read_stamps
from cjlib.sources.ingest.quality_report import (
    REPEATED_ID,
    Tally,
    in_whole_days,
    quality_table,
    quarantine_table,
    stop_above_limit,
)
from cjlib.sources.ingest.validate import check
from cjlib.sources.log.conditions import Step, bound_by_type, condition_sql
from cjlib.sources.log.engine import DuckDB, blank, trimmed
from cjlib.sources.log.prepared_table import Property
from cjlib.sources.log.time import zone_of
from cjlib.sources.presets.apply import apply_preset, must_read


@dataclass(frozen=True)
class Facts:
    """What is kept of a reading beside the prepared table."""

    properties: tuple[Property, ...]
    late: str
    tally: Tally
    whole_days: bool
    quality: pd.DataFrame
    quarantine: pd.DataFrame


def prepare_in_memory(source: Any, request: Request) -> tuple[DuckDB, Facts]:
    """The prepared log of a source in an engine of its own."""
    engine = DuckDB()
    return engine, prepare(engine, source, request)


def prepare(engine: DuckDB, source: Any, request: Request) -> Facts:
    """Make the prepared log of a source: files, a table in memory or one of another engine."""
    raw = _opened(engine, source, request)
    if request.preset is not None:
        raw, request = _with_preset(engine, raw, request)
    names = log_names(raw, request.columns, request.event, request.id_columns)
    if request.where:
        raw = _rows_that_count(engine, raw, names, request)
    if request.id is not None:
        raw = _one_row_an_id(engine, raw, _place_of(raw, names, request.id, "id"))
    position = names.index("timestamp")
    place = f"c{position + 1}"
    stamps = read_stamps(engine, place, raw.types[position], request.dates)
    columns = read_columns(
        engine,
        raw,
        names,
        event=request.event,
        only=request.only,
        usable=_usable(names, stamps, request.id_columns),
        decimal=request.decimal,
        missing_ids=request.missing_ids,
        id_columns=request.id_columns,
    )
    rules = request.rules(raw.names[position])
    checked = check(engine, raw, columns, stamps, rules)
    whole_days = in_whole_days(engine, request.zone)
    quality = quality_table(engine, checked, request.zone, whole_days)
    quarantine = quarantine_table(checked.held, raw)
    stop_above_limit(quality, quarantine, checked.tally.reasons, checked.tally.rows, request.limit)
    _forget_source(engine, raw)
    return Facts(
        properties=checked.properties,
        late=rules.late,
        tally=checked.tally,
        whole_days=whole_days,
        quality=quality,
        quarantine=quarantine,
    )


def _opened(engine: DuckDB, source: Any, request: Request) -> Raw:
    if isinstance(source, Files):
        return open_files(engine, source, request.asked)
    if not is_remote(source):
        return open_frame(engine, source, asked=request.asked)
    return open_remote(engine, source, request.renamed_there, request.to_fetch)


def _with_preset(engine: DuckDB, raw: Raw, request: Request) -> tuple[Raw, Request]:
    """The source as its preset reads it, and what then is left to ask."""
    preset = request.preset
    assert preset is not None  # only called where there is one
    must_read(preset, "events")
    if request.event is not None:
        raise CjlibError(
            f"event: the preset {preset.name} names the events. Leave event out, or the preset."
        )
    if request.id is not None:
        preset = replace(preset, id=request.id)
    applied = apply_preset(engine, raw, preset, request.columns, request.decimal)
    zone = request.source_zone or (None if applied.zone is None else zone_of(applied.zone))
    dates = request.dates or preset.dates
    left = replace(request, columns={}, id=applied.id, source_zone=zone, dates=dates, preset=None)
    return applied.raw, left


def _usable(names: list[str], stamps: Stamps, id_columns: tuple[str, ...]) -> str:
    """The rows of `raw` that have what an event needs: a row in quarantine decides no type."""
    named = ("event",) if id_columns else ("customer_id", "event")
    needed = [f"c{position}" for position, name in enumerate(names, 1) if name in named]
    filled = "".join(f"NOT {blank(f'CAST({place} AS VARCHAR)')} AND " for place in needed)
    return (
        f"(SELECT * FROM (SELECT *, {stamps.form} AS form FROM raw) "
        f"WHERE {filled}{stamps.k} NOT IN ({MISSING}, {UNREADABLE}))"
    )


def _place_of(raw: Raw, names: list[str], column: str, option: str) -> str:
    """The place of a column, by its name in the log or in the source."""
    for known in (names, list(raw.names)):
        if column in known:
            return f"c{known.index(column) + 1}"
    raise unknown_column(option, column, [*names], what="source")


def _rows_that_count(engine: DuckDB, raw: Raw, names: list[str], request: Request) -> Raw:
    """The source without the rows that `where` leaves out; how many they are goes to the quality table."""
    tests = []
    for name, condition in request.where.items():
        place = _place_of(raw, names, name, "where")
        kind = raw.types[raw.places.index(place)]
        # Texts that are all numbers are compared as numbers, whatever wrote them.
        if kind == "VARCHAR":
            typed, _ = text_types(engine, {place: name}, decimal=request.decimal)
            kind = typed[place]
        column = property_column(engine, name, place, kind)
        value = trimmed(column.value) if column.type == "VARCHAR" else column.value
        option = f"where {name}"
        tests.append(condition_sql(value, condition, option, bound_by_type(column.type, option)))
    engine.execute(
        f"CREATE TEMP TABLE counted AS SELECT * FROM (SELECT {raw.row} AS line, {', '.join(raw.places)} FROM raw) "
        f"WHERE {' AND '.join(f'({test})' for test in tests)}"
    )
    rows, counted = engine.rows(
        "SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM counted)"
    )[0]
    forget(engine, raw)
    engine.execute("ALTER TABLE counted RENAME TO raw")
    words = str(Step(None, where=request.where)).removeprefix("any event where ")
    note = QualityLine("left out by where", rows - counted, f"counted: {words}", counts_rows=False)
    return replace(raw, row="line", tables=("raw",), views=(), notes=(*raw.notes, note))


def _one_row_an_id(engine: DuckDB, raw: Raw, place: str) -> Raw:
    """The source without rows whose id an earlier one has: the fullest row of an id stays, of equally full ones the smallest.

    What goes stands in the source's `broken`, so that it reaches quarantine.
    """
    filled = " + ".join(
        f"CAST(NOT {blank(f'CAST({one} AS VARCHAR)')} AS INTEGER)" for one in raw.places
    )
    order = ", ".join(f"CAST({one} AS VARCHAR)" for one in raw.places)
    nobody = blank(f"CAST({place} AS VARCHAR)")
    engine.execute(
        f"CREATE TEMP TABLE delivered AS SELECT *, CASE WHEN {nobody} THEN 1 ELSE row_number() OVER "
        f"(PARTITION BY CAST({place} AS VARCHAR) ORDER BY {filled} DESC, {order}, line) END AS nth "
        f"FROM (SELECT {raw.row} AS line, {', '.join(raw.places)} FROM raw)"
    )
    forget(engine, raw)
    texts = ", ".join(f"CAST({one} AS VARCHAR) AS {one}" for one in raw.places)
    again = engine.frame(
        f"SELECT line AS row, '{REPEATED_ID}' AS reason, CAST({place} AS VARCHAR) AS example, {texts} "
        "FROM delivered WHERE nth > 1 ORDER BY line"
    )
    engine.execute(
        f"CREATE TEMP TABLE raw AS SELECT line, {', '.join(raw.places)} FROM delivered "
        "WHERE nth = 1 ORDER BY line"
    )
    engine.execute("DROP TABLE delivered")
    broken = pd.concat([one for one in (raw.broken, again) if len(one)] or [again])
    return replace(raw, row="line", broken=broken, tables=("raw",), views=())


def _forget_source(engine: DuckDB, raw: Raw) -> None:
    """Let go of the source and of what was made on the way: only the prepared log stays."""
    for view in ("judged", "timed", "untrimmed", "staged"):
        engine.execute(f"DROP VIEW IF EXISTS {view}")
    for table in ("worked", "repeated", "places", "near", "c_hashes"):
        engine.execute(f"DROP TABLE IF EXISTS {table}")
    forget(engine, raw)


# ---- kept logs --------------------------------------------------------------------------------------------------------


def log_of_files(files: Files, request: Request) -> tuple[DuckDB, Facts] | None:
    """The kept log of files as they are now, prepared first if it is not there; None where it can be neither opened nor written."""
    return _from_cache(cache.place_for(files, request.plain()), files, request)


def log_of_table(table: Remote, request: Request, *, refresh: bool) -> tuple[DuckDB, Facts] | None:
    """The kept log of a database's table that its server counts as it did; None where none is kept and none can be."""
    if not isinstance(table, Database) or table.identity is None or not cache.given_folder():
        return None
    state = table.state(names_to_read(table.names(), request.renamed_there, request.to_fetch))
    place = cache.place_for_table(table.identity, state, request.plain())
    if refresh:
        place.unlink(missing_ok=True)
        return None
    return _from_cache(place, table, request)


def _from_cache(place: Path, source: Any, request: Request) -> tuple[DuckDB, Facts] | None:
    def fill(engine: DuckDB) -> dict[str, Any]:
        return _plain(engine, prepare(engine, source, request))

    def is_current(kept: dict[str, Any]) -> bool:
        """No row that lay in the future then lies in the past now."""
        future, rules = kept["tally"]["first_future"], request.rules()
        return future is None or (kept["late"] == rules.late and future > rules.latest_on_the_wall)

    found = cache.from_cache(place, fill, is_current)
    return found and (found[0], _facts(*found))


def _plain(engine: DuckDB, facts: Facts) -> dict[str, Any]:
    """Facts as JSON can hold them, their tables kept beside the log."""
    tables = {
        name: cache.keep_table(engine, f"kept_{name}", getattr(facts, name))
        for name in ("quality", "quarantine")
    }
    plain = {name: value for name, value in vars(facts).items() if name not in tables}
    return (
        plain
        | tables
        | {
            "properties": [asdict(column) for column in facts.properties],
            "tally": facts.tally.plain(),
        }
    )


def _facts(engine: DuckDB, kept: dict[str, Any]) -> Facts:
    """Facts from what `_plain` gave."""
    tables = {
        name: cache.kept_table(engine, f"kept_{name}", kept[name])
        for name in ("quality", "quarantine")
    }
    # A table without rows has come back without its types.
    tables["quarantine"] = tables["quarantine"].astype("str").astype({"row": "int64"})
    plain = {field.name: kept[field.name] for field in fields(Facts)}
    read = {
        "properties": tuple(Property(**one) for one in kept["properties"]),
        "tally": Tally.of(kept["tally"]),
    }
    stated: dict[str, Any] = plain | read | tables
    return Facts(**stated)
