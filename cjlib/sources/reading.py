"""Reading an event log: open the source, check every row, quarantine what breaks the contract, prepare the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.errors import DataError, did_you_mean, shown
from cjlib.sources.engine import DuckDB, identifier, literal
from cjlib.sources.events import DAY, EventLog
from cjlib.sources.prepared import attach_attributes, prepare


def read_events(
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    timezone: str | None = None,
    observed_until: Any = None,
    dates: str | None = None,
    duplicates: str = "quarantine",
    quarantine_limit: float = 0.05,
    table: str | None = None,
    engine: Any = None,
    customers: Any = None,
) -> EventLog:
    """Read events (first thin version: replaced by the full data contract)."""
    duck = DuckDB()
    if isinstance(source, pd.DataFrame):
        duck.connection.register("given", source)
        duck.execute("CREATE TABLE raw AS SELECT * FROM given")
    else:
        path = str(source)
        reader = "read_parquet" if path.endswith(".parquet") else "read_csv"
        duck.execute(f"CREATE TABLE raw AS SELECT * FROM {reader}({literal(path)})")
    names = {(columns or {}).get(name, name): name for (name,) in duck.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = 'raw'")}
    for needed in ("customer_id", "event", "timestamp"):
        if needed not in names:
            raise DataError(f"source: there is no column {shown(needed)}.{did_you_mean(needed, names)}")
    types = dict(duck.rows("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'raw'"))
    zone = timezone or "UTC"
    stamp, kind = identifier(names["timestamp"]), types[names["timestamp"]]
    if kind == "TIMESTAMP WITH TIME ZONE":
        time = f"epoch_us({stamp})"
    elif kind == "VARCHAR":
        time = f"epoch_us(CAST({stamp} AS TIMESTAMPTZ))"
    else:
        time = f"epoch_us(CAST({stamp} AS TIMESTAMP) AT TIME ZONE {literal(zone)})"
    props = {ours: types[theirs] for ours, theirs in names.items() if ours not in ("customer_id", "event", "timestamp")}
    picks = "".join(f", {identifier(names[name])} AS {identifier(name)}" for name in props)
    distinct = "DISTINCT " if duplicates == "quarantine" else ""
    duck.execute(
        f"CREATE TABLE checked AS SELECT {distinct}{identifier(names['customer_id'])} AS customer_id, {identifier(names['event'])} AS event, {time} AS t{picks} "
        f"FROM raw WHERE {identifier(names['customer_id'])} IS NOT NULL AND {identifier(names['event'])} IS NOT NULL AND {stamp} IS NOT NULL"
    )
    properties = prepare(duck, "checked", props)
    if customers is not None:
        frame = customers if isinstance(customers, pd.DataFrame) else pd.read_parquet(customers)
        duck.connection.register("given_customers", frame.astype(str))
        properties += attach_attributes(
            duck, "given_customers", {str(name): "VARCHAR" for name in frame.columns if name != "customer_id" and name not in props}
        )
    log = EventLog(
        engine=duck,
        prepared="prepared",
        properties={one.name: one for one in properties},
        timezone=zone,
        observed_until_us=0,
        quality=pd.DataFrame({"check": ["rows read"], "rows": [duck.rows("SELECT count(*) FROM raw")[0][0]], "share": [1.0], "example": [""]}),
        quarantine=pd.DataFrame(),
        fingerprint=hashlib.blake2b(str(Path(str(source)) if not isinstance(source, pd.DataFrame) else "frame").encode(), digest_size=8).hexdigest(),
    )
    return _observed(log, observed_until)


def _observed(log: EventLog, until: Any) -> EventLog:
    from dataclasses import replace

    if until is not None:
        return replace(log, observed_until_us=log.instant(until, "observed_until", end=True))
    if log.span_us is None:
        return log
    last = log.moment(log.span_us[1])
    local_midnights = log.engine.rows(
        f"SELECT count(*) FROM (SELECT DISTINCT t FROM prepared) WHERE CAST(make_timestamptz(t) AT TIME ZONE {literal(log.timezone)} AS TIME) <> TIME '00:00:00'"
    )[0][0]
    end = log.instant(last.tz_localize(None).normalize(), "end", end=True) if local_midnights == 0 else log.span_us[1]
    return replace(log, observed_until_us=end)


__all__ = ["DAY", "read_events"]
