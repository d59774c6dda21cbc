"""The map as files for a tracker or a slide: CSV of every table, one JSON of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(head: dict[str, Any], tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write each table as CSV and `journey_map.json` with all of them after `head` into a folder, made if need be; empty tables have no CSV.

    Text that a spreadsheet would run as a formula is prefixed with ' in the CSV files; the JSON has it as it is: missing is null, times are ISO text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        if len(table):
            path = folder / f"{name}.csv"
            safe_for_spreadsheets(table).to_csv(path, index=False)
            written.append(path)
    path = folder / "journey_map.json"
    whole = head | {name: records(table) for name, table in tables.items()}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    return [*written, path]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that a spreadsheet would take for a formula, prefixed with an apostrophe."""
    texts = {
        str(name): table[name]
        for name in table.columns
        if pd.api.types.is_string_dtype(table[name])
    }
    return table.assign(
        **{
            name: held.where(~held.str.startswith(_FORMULA, na=False), "'" + held)
            for name, held in texts.items()
        }
    )
