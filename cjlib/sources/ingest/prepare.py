"""From a source to a prepared log: opened, checked, put in order, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cjlib.errors import unknown_column
from cjlib.sources.connect.files import Files
from cjlib.sources.connect.remote import is_remote, open_remote
from cjlib.sources.ingest.columns import log_names, read_columns
from cjlib.sources.ingest.open_source import Raw, blank, forget, open_files, open_frame
from cjlib.sources.ingest.options import Request
from cjlib.sources.ingest.parse_times import MISSING, UNREADABLE, Stamps, read_stamps
from cjlib.sources.ingest.quality_report import in_whole_days, quality_table, stop_above_limit
from cjlib.sources.ingest.quarantine import REPEATED_ID, Tally, quarantine_table
from cjlib.sources.ingest.validate import check
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property


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
    names = log_names(raw, request.columns, request.event)
    if request.id is not None:
        raw = _one_row_an_id(engine, raw, _place_of_id(raw, names, request.id))
    position = names.index("timestamp")
    place = f"c{position + 1}"
    stamps = read_stamps(engine, place, raw.types[position], request.dates)
    columns = read_columns(
        engine,
        raw,
        names,
        event=request.event,
        only=request.only,
        usable=_usable(names, stamps),
        decimal=request.decimal,
        missing_ids=request.missing_ids,
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
    return (
        open_remote(engine, source, request.columns, request.only)
        if is_remote(source)
        else open_frame(engine, source)
    )


def _usable(names: list[str], stamps: Stamps) -> str:
    """The rows of `raw` that have what an event needs: a row in quarantine decides no type."""
    needed = [f"c{position}" for position, name in enumerate(names, 1) if name in _NAMED]
    filled = " AND ".join(f"NOT {blank(f'CAST({place} AS VARCHAR)')}" for place in needed)
    return (
        f"(SELECT * FROM (SELECT *, {stamps.form} AS form FROM raw) "
        f"WHERE {filled} AND {stamps.k} NOT IN ({MISSING}, {UNREADABLE}))"
    )


_NAMED = ("customer_id", "event")


def _place_of_id(raw: Raw, names: list[str], column: str) -> str:
    for known in (names, list(raw.names)):
        if column in known:
            return f"c{known.index(column) + 1}"
    raise unknown_column("id", column, [*names], what="source")


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
    for view in ("timed", "untrimmed", "staged"):
        engine.execute(f"DROP VIEW IF EXISTS {view}")
    for table in ("worked", "repeated", "places", "near", "c_hashes"):
        engine.execute(f"DROP TABLE IF EXISTS {table}")
    forget(engine, raw)
