"""From a source to a prepared log: opened, checked, put in order, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from cjlib.sources.connect.files import Files
from cjlib.sources.connect.remote import is_remote, open_remote
from cjlib.sources.ingest.columns import read_columns
from cjlib.sources.ingest.open_source import Raw, forget, open_files, open_frame
from cjlib.sources.ingest.options import Request
from cjlib.sources.ingest.parse_times import read_stamps
from cjlib.sources.ingest.quality_report import in_whole_days, quality_table, stop_above_limit
from cjlib.sources.ingest.quarantine import quarantine_table
from cjlib.sources.ingest.read_counts import Tally
from cjlib.sources.ingest.validate import check
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property


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


def prepare_in_memory(source: Any, request: Request) -> tuple[DuckDB, Facts]:
    """The prepared log of a source in an engine of its own."""
    engine = DuckDB()
    return engine, prepare(engine, source, request)


def prepare(engine: DuckDB, source: Any, request: Request) -> Facts:
    """Make the prepared log of a source: files, a table in memory or one of another engine."""
    return check_and_prepare(engine, _opened(engine, source, request), request)


def check_and_prepare(
    engine: DuckDB, raw: Raw, request: Request, before: Facts | None = None
) -> Facts:
    """Check an opened source and prepare what holds, after the events of the log attached as `earlier` if there are facts of one."""
    columns = read_columns(engine, raw, request.columns, request.event, request.only)
    stamps = read_stamps(engine, columns.timestamp.place, columns.timestamp.type, request.dates)
    if (
        before
        and (columns.customer_id.type, [(one.name, one.type) for one in columns.properties])
        != before.kinds
    ):
        raise OtherColumnsError
    rules = request.rules()
    checked = check(engine, raw, columns, stamps, rules, before.tally if before else None)
    whole_days = in_whole_days(engine, request.zone)
    quality, quarantine = (
        quality_table(engine, checked, request.zone, whole_days),
        quarantine_table(checked.held, raw),
    )
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


class OtherColumnsError(Exception):
    """The files that came later make another type of some column."""


def _opened(engine: DuckDB, source: Any, request: Request) -> Raw:
    if isinstance(source, Files):
        return open_files(engine, source)
    return (
        open_remote(engine, source, request.columns, request.only)
        if is_remote(source)
        else open_frame(engine, source)
    )


def _forget_source(engine: DuckDB, raw: Raw) -> None:
    """Let go of the source and of what was made on the way: only the prepared log stays."""
    for view in ("timed", "staged"):
        engine.execute(f"DROP VIEW {view}")
    for table in ("worked", "repeated", "places", "near", "c_hashes"):
        engine.execute(f"DROP TABLE IF EXISTS {table}")
    forget(engine, raw)
