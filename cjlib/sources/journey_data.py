"""From the sources of a journey file to the options of the readers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cjlib.errors import JourneyError
from cjlib.sources.journey_schema import Source
from cjlib.sources.places import expanded, located

if TYPE_CHECKING:
    from cjlib.sources.journey import Journey


def events_options(journey: Journey) -> dict[str, Any]:
    """The keywords of `cj.read_events`, `source` among them; the only moment at which `${…}` is looked up."""
    source = journey.sources.events
    options = _place(source, "sources.events", journey.folder) | {
        "columns": dict(source.columns) or None,
        "timezone": journey.timezone,
        "observed_until": source.observed_until,
        "dates": source.dates,
        "duplicates": source.duplicates,
        "quarantine_limit": source.quarantine_limit,
    }
    customers = journey.sources.customers
    if customers is not None:
        options["customers"] = _place(customers, "sources.customers", journey.folder)["source"]
    return options


def feedback_options(journey: Journey) -> dict[str, Any]:
    """The keywords of `cj.read_feedback`, `source` among them."""
    source = journey.sources.feedback
    if source is None:
        raise JourneyError("sources.feedback: the journey file names no feedback. Add sources: {feedback: {path: feedback.parquet}}.")
    options = _place(source, "sources.feedback", journey.folder) | {"columns": _feedback_columns(source.columns) or None, "dates": source.dates}
    return options | {"timezone": journey.timezone}


def _feedback_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(content) if isinstance(content, list) else content for name, content in columns.items()}


def _place(source: Source, key: str, folder: Path) -> dict[str, Any]:
    if source.path is not None:
        return {"source": located(source.path, folder, f"{key}.path")}
    return {"source": expanded(source.url or "", f"{key}.url"), "table": expanded(source.table or "", f"{key}.table")}
