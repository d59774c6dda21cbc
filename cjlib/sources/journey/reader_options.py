"""From the sources of a journey file to the options of the readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, JourneyError, did_you_mean, listed, shown
from cjlib.sources.connect import remote_of
from cjlib.sources.connect.files import Files, expanded, find_files, is_workbook, located
from cjlib.sources.connect.remote import Remote
from cjlib.sources.identity.options import DECLARED
from cjlib.sources.ingest.columns import property_column, text_types
from cjlib.sources.ingest.csv_json import csv_layout
from cjlib.sources.ingest.open_source import Raw, open_files, open_remote
from cjlib.sources.ingest.options import checked_encoding, no_encoding
from cjlib.sources.journey.fields import simplest
from cjlib.sources.journey.schema import (
    EventSource,
    Experiment,
    FeedbackSource,
    Grain,
    IdentityRules,
    Measure,
    Source,
    Sources,
)
from cjlib.sources.log.engine import DuckDB, identifier
from cjlib.sources.presets.preset_file import is_file_name


def events_options(sources: Sources, folder: Path, timezone: str | None) -> dict[str, Any]:
    """The keywords of `cj.read_events`, `source` among them; the only moment at which `${…}` is looked up."""
    source = sources.events
    if source is None:
        raise JourneyError(
            "sources.events: the journey file names no events, only feedback. Add sources: {events: {path: events.parquet}}."
        )
    if isinstance(source, tuple):
        options: dict[str, Any] = {
            "source": {
                one.name: _of_events(sources, one, f"sources.events[{position}]", folder)
                for position, one in enumerate(source)
            }
        }
    else:
        options = _of_events(sources, source, "sources.events", folder)
    options["timezone"] = timezone
    if sources.customers is not None:
        options["customers"] = _customers(sources, folder)
    return options


def conditions_of(customers: str | Mapping[str, Any]) -> dict[str, Any]:
    """Column → value, as `customers=` says it: `region=North, plan=pro`, or a mapping."""
    if isinstance(customers, Mapping):
        return dict(customers)
    if not isinstance(customers, str):
        raise CjlibError(
            f"customers: must be a text such as 'region=North', or column → value. Got {shown(customers)}."
        )
    if not customers.strip():
        return {}
    pairs = [pair.partition("=") for pair in customers.split(",") if pair.strip()]
    whole = all(equals and column.strip() and value.strip() for column, equals, value in pairs)
    if not pairs or not whole:
        raise CjlibError(
            f"customers: {shown(customers)} cannot be read. Write column=value, with commas between several: 'region=North, plan=pro'."
        )
    return {column.strip(): value.strip() for column, _, value in pairs}


def is_value(column: pd.Series, value: Any) -> NDArray[np.bool_]:
    """Which rows of a column of a table hold a value, or one of a list of values; numbers are compared as numbers, all else as text."""
    wanted = {
        str(one).casefold() for one in (value if isinstance(value, list | tuple) else [value])
    }
    if pd.api.types.is_float_dtype(column):
        column = column.map("{:g}".format)
    return column.astype("str").str.casefold().isin(wanted).to_numpy()


def overridden(options: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of `cj.read_events` with what a caller says in their place, for each source of several."""
    source = options.get("source")
    if "source" in overrides or not isinstance(source, Mapping):
        return {**options, **overrides}
    kept = {
        name: {key: value for key, value in own.items() if key not in overrides}
        for name, own in source.items()
    }
    return {**options, "source": kept, **overrides}


def _of_events(sources: Sources, source: EventSource, key: str, folder: Path) -> dict[str, Any]:
    """How one source of events is read."""
    place = _place(source, key, folder)
    options = place | {
        "columns": _columns(sources, source.columns, place) or None,
        "observed_until": source.observed_until,
        "dates": source.dates,
        "duplicates": source.duplicates,
        "quarantine_limit": source.quarantine_limit,
        "id": source.id,
        "missing_ids": list(source.missing_ids) or None,
        "decimal": source.decimal,
        "source_timezone": source.timezone,
        "preset": _preset(source, folder),
        "event": source.event,
        "where": source.where or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def identities_options(rules: IdentityRules | None, folder: Path, asked: Any) -> Any:
    """What `cj.read_events` is told of ids: what a caller asks; else what the file says, without joining where the caller wants none."""
    if rules is None or not (asked is None or isinstance(asked, str)):
        return asked
    return {
        "known": rules.known,
        "anonymous": rules.anonymous,
        "maps": [
            {"source": located(one.path, folder, "identities.maps.path"), "columns": one.columns}
            for one in rules.maps
        ],
        "hub_limit": rules.hub_limit,
        "apart": rules.apart,
        "join": asked == DECLARED,
    }


def grain_options(grain: Grain | None, folder: Path) -> dict[str, Any] | None:
    """What `cj.read_events` is told of what is counted; None where customers are."""
    if grain is None:
        return None
    told: dict[str, Any] = grain.model_dump(exclude={"map"}, exclude_none=True)
    if grain.map is not None:
        place = located(grain.map.path, folder, "grain.map.path")
        told["map"] = {"source": place, "columns": grain.map.columns}
    return told


def feedback_options(sources: Sources, folder: Path, timezone: str | None) -> dict[str, Any]:
    """The keywords of `cj.read_feedback`, `source` among them."""
    source = sources.feedback
    if source is None:
        raise JourneyError(
            "sources.feedback: the journey file names no feedback. Add sources: {feedback: {path: feedback.parquet}}."
        )
    if isinstance(source, tuple):
        parts = {
            one.name: _of_feedback(sources, one, f"sources.feedback[{position}]", folder)
            for position, one in enumerate(source)
        }
        return {"source": parts} | ({} if timezone is None else {"timezone": timezone})
    options = _of_feedback(sources, source, "sources.feedback", folder)
    return options | ({} if timezone is None else {"timezone": timezone})


def _of_feedback(
    sources: Sources, source: FeedbackSource, key: str, folder: Path
) -> dict[str, Any]:
    """How one source of feedback is read."""
    place = _place(source, key, folder)
    own = {
        name: tuple(content) if isinstance(content, list) else content
        for name, content in source.columns.items()
    }
    options = {
        "source": _table_here(place) if _is_inside(place) else place["source"],
        "columns": _columns(sources, own, place) or None,
    }
    options |= {
        "encoding": None if _is_inside(place) else source.encoding,
        "dates": source.dates,
        "asked": source.asked,
        "decimal": source.decimal,
        "source_timezone": source.timezone,
        "missing": list(source.missing) or None,
        "quarantine_limit": source.quarantine_limit,
        "preset": _preset(source, folder),
    }
    return {key: value for key, value in options.items() if value is not None}


def _preset(source: EventSource | FeedbackSource, folder: Path) -> str | Path | None:
    """A preset by its name; one of one's own lies beside the journey file."""
    given = source.preset
    return folder / given if given is not None and is_file_name(given) else given


def _place(source: Source, key: str, folder: Path) -> dict[str, Any]:
    """Where a source lies, as keywords: source, and the table or the query where it is a database."""
    inside = {
        name: expanded(given, f"{key}.{name}")
        for name in ("table", "query")
        if (given := getattr(source, name)) is not None
    }
    if source.encoding is not None:
        inside["encoding"] = source.encoding
    if source.path is not None:
        return {"source": located(source.path, folder, f"{key}.path"), **inside}
    return {"source": expanded(source.url or "", f"{key}.url"), **inside}


def _columns(sources: Sources, own: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """The renamings of one source: those of `sources.columns` that fit it, then its own."""
    shared = sources.columns
    if not shared:
        return dict(own)
    names = _remote(place).names() if _is_remote(place) else _names(_files(place), list(shared))
    return {name: ours for name, ours in shared.items() if name in names} | dict(own)


def _files(place: Mapping[str, Any]) -> Files:
    encoding = checked_encoding(place.get("encoding"))
    return find_files(place["source"], place.get("table"), encoding)


def _names(files: Files, asked: list[str]) -> list[str]:
    """The columns of the first file, without reading its rows where the format allows it."""
    if files.kind == "csv":
        return csv_layout(files.paths[0], files.encoding).names
    engine = DuckDB()
    return list(open_files(engine, replace(files, paths=files.paths[:1]), asked).names)


def _is_remote(place: Mapping[str, Any]) -> bool:
    """Whether a source is a table, or a query, of a database."""
    return _is_inside(place) and not is_workbook(place["source"])


def _is_inside(place: Mapping[str, Any]) -> bool:
    """Whether a source is a part of what its path or its url names: a table, a query, a sheet."""
    return "table" in place or "query" in place


def _remote(place: Mapping[str, Any]) -> Remote:
    """The table of a database."""
    found = remote_of(place["source"], place.get("table"), None, place.get("query"))
    assert found is not None  # with a table's name it is found or refused
    return found


def _table_here(place: Mapping[str, Any]) -> Any:
    """A whole table of a database, or a sheet, as an Arrow table."""
    engine = DuckDB()
    raw = _opened(engine, place, [])
    picks = ", ".join(
        f"c{position} AS {identifier(name)}" for position, name in enumerate(raw.names, start=1)
    )
    return engine.connection.sql(f"SELECT {picks} FROM raw").to_arrow_table()


def _opened(engine: DuckDB, place: Mapping[str, Any], asked: list[str]) -> Raw:
    if not _is_remote(place):
        return open_files(engine, _files(place), asked)
    if checked_encoding(place.get("encoding")):
        raise no_encoding(_remote(place).place)
    return open_remote(engine, _remote(place), {})


def customers_table(sources: Sources, folder: Path) -> pd.DataFrame | None:
    """The customers table with our names for its columns, its texts typed as the reader of events would type them."""
    source = sources.customers
    if source is None:
        return None
    place = _place(source, "sources.customers", folder)
    return _renamed(place, _columns(sources, source.columns, place), source.decimal).to_pandas()


def experiment_options(plan: Experiment, name: str, folder: Path) -> dict[str, Any]:
    """An experiment of the file as keywords of `cj.experiment`; what it does not say is left out."""
    options: dict[str, Any] = {
        "variant": plan.variant,
        "control": plan.control,
        "window": plan.window,
        "stop": plan.stop,
        "by": list(plan.by),
        "measures": [_measure(measure, spec) for measure, spec in plan.measures.items()],
    }
    if plan.exposure is not None:
        options["exposure"] = simplest(plan.exposure)
    if plan.assignment is not None:
        options["assignment"] = _assignment_table(plan.assignment, name, folder)
    if plan.planned_shares:
        options["planned_shares"] = dict(plan.planned_shares)
    if plan.plan is not None:
        options["plan"] = folder / plan.plan
    for key in ("planned_customers", "linked_by"):
        if getattr(plan, key) is not None:
            options[key] = getattr(plan, key)
    return options


def _measure(name: str, spec: Measure) -> dict[str, Any]:
    """A measure as keywords of `cj.Measure`."""
    events = {"event": spec.event, "per": spec.per}
    return (
        {"name": name}
        | spec.model_dump(include=spec.model_fields_set - set(events))
        | {key: simplest(step) for key, step in events.items() if step is not None}
    )


def _assignment_table(source: Source, name: str, folder: Path) -> pd.DataFrame:
    """The table of who was assigned to which arm of an experiment, and when."""
    place = _place(source, f"experiments.{name}.assignment", folder)
    return _renamed(place, {}, source.decimal).to_pandas()


def _customers(sources: Sources, folder: Path) -> Any:
    """The customers table as `read_events` takes it: its path or its table in a database, or the table itself where columns have other names."""
    source = sources.customers
    assert source is not None
    place = _place(source, "sources.customers", folder)
    columns = _columns(sources, source.columns, place)
    if columns or source.decimal or source.encoding or is_workbook(place["source"]):
        return _renamed(place, columns, source.decimal)
    return _remote(place) if _is_remote(place) else place["source"]


def _renamed(
    place: Mapping[str, Any], columns: Mapping[str, str], decimal: str | None = None
) -> Any:
    """The table under our names, with the types that the reader of events would give its columns."""
    engine = DuckDB()
    raw = _opened(engine, place, list(columns))
    unknown = [name for name in columns if name not in raw.names]
    if unknown:
        raise CjlibError(
            f"sources.customers.columns: there is no column {shown(unknown[0])}.{did_you_mean(unknown[0], raw.names)} The source has: {listed(raw.names, most=20)}."
        )
    places = [f"c{position}" for position in range(1, len(raw.names) + 1)]
    written = dict(zip(places, raw.names, strict=True))
    untyped = {place: name for place, name in written.items() if place in raw.untyped}
    typed, _ = text_types(engine, untyped, decimal=decimal)
    read = [
        property_column(engine, name, place, typed.get(place, kind))
        for name, place, kind in zip(raw.names, places, raw.types, strict=True)
    ]
    picks = ", ".join(
        f"{one.value} AS {identifier(columns.get(one.name, one.name))}" for one in read
    )
    return engine.connection.sql(f"SELECT {picks} FROM raw").to_arrow_table()
