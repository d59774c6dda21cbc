"""The map as files for a tracker or a slide: CSV of every table, one JSON of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from cjlib.analyses.journey_map.map import JourneyMap

TABLES = ("table", "touchpoints", "routes", "unmapped", "silent", "sentiment_line", "patterns", "moments", "pain_points", "quotes", "support")
NAMES = {"table": "stages"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(held: JourneyMap, folder: Path) -> list[Path]:
    """Write `stages.csv`, `pain_points.csv` … and `journey_map.json` into a folder, made if need be; empty tables are not written.

    Text that a spreadsheet would run as a formula is prefixed with ' in the CSV files; the JSON has it as it is. The JSON also carries the digest of the
    journey file, so that file and map together say what the report shows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TABLES:
        table = getattr(held, name)
        if len(table):
            path = folder / f"{NAMES.get(name, name)}.csv"
            safe_for_spreadsheets(table).to_csv(path, index=False)
            written.append(path)
    path = folder / "journey_map.json"
    path.write_text(json.dumps(as_json(held), ensure_ascii=False, indent=1), encoding="utf-8")
    return [*written, path]


def as_json(held: JourneyMap) -> dict[str, Any]:
    """The whole map as plain values: missing is null, times are ISO text."""
    tables = {NAMES.get(name, name): records(getattr(held, name)) for name in TABLES}
    head = {"journey": held.journey.name, "journey_hash": held.journey.hash, "headline": held.headline, "definition": dict(held.definition)}
    return head | {"metrics": dict(held.metrics)} | tables


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that a spreadsheet would take for a formula, prefixed with an apostrophe."""
    texts = {str(name): table[name] for name in table.columns if pd.api.types.is_string_dtype(table[name])}
    return table.assign(**{name: held.where(~held.str.startswith(_FORMULA, na=False), "'" + held) for name, held in texts.items()})
