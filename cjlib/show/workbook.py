"""Tables as an Excel workbook: numbers stay numbers, text stays text, whatever it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cjlib.errors import CjlibError, shown

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_575
"""Below the head of a sheet."""
LONGEST_TEXT = 32_767
LONGEST_NAME = 31
WIDEST = 80


def write_workbook(path: str | Path, sheets: Mapping[str, pd.DataFrame]) -> Path:
    """Write one sheet for each table; text is never a formula or a link, instants are wall clock without zone."""
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError
    except ImportError:
        raise CjlibError(
            "to_excel: XlsxWriter is not installed. Install it: pip install 'customer-journey-notebooks[excel]'."
        ) from None
    file = Path(path)
    _check(file, sheets)
    try:
        with Workbook(str(file), {"remove_timezone": True, "in_memory": True}) as book:
            for name, table in sheets.items():
                _write_sheet(book, name, table)
    except FileCreateError:
        raise CjlibError(
            f"path: {shown(str(path))} cannot be written. Is it open in another program?"
        ) from None
    return file


def _check(file: Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    if file.suffix.lower() != ".xlsx":
        raise CjlibError(f"path: must end in .xlsx. Got {shown(str(file))}.")
    if not file.parent.is_dir():
        raise CjlibError(f"path: there is no folder {shown(str(file.parent))}. Make it first.")
    for name, table in sheets.items():
        if len(table) > MOST_ROWS:
            raise CjlibError(
                f"to_excel: the sheet {name} would have {len(table):,} rows, Excel holds {MOST_ROWS:,}. Take the table by .to_arrow()."
            )


def _write_sheet(book: Workbook, name: str, table: pd.DataFrame) -> None:
    head = book.add_format({"bold": True})
    dated = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet(name[:LONGEST_NAME])
    sheet.freeze_panes(1, 0)
    for position, (title, column) in enumerate(table.items()):
        sheet.write_string(0, position, str(title), head)
        _write_column(sheet, position, column, dated)


def _write_column(sheet: Worksheet, position: int, column: pd.Series, dated: Format) -> None:
    width = len(str(column.name))
    for row, value in enumerate(column.tolist(), start=1):
        width = max(width, _write_cell(sheet, row, position, value, dated))
    sheet.set_column(position, position, min(width + 2, WIDEST))


def _write_cell(sheet: Worksheet, row: int, position: int, value: Any, dated: Format) -> int:
    """Write one value; how wide it is."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return 0
    if isinstance(value, bool):
        sheet.write_boolean(row, position, value)
        return 5
    if isinstance(value, int | float) and abs(value) < float("inf"):
        sheet.write_number(row, position, value)
        return 12
    if isinstance(value, pd.Timestamp) and value.year >= 1900:
        sheet.write_datetime(row, position, value.to_pydatetime(), dated)
        return 19
    text = str(value)[:LONGEST_TEXT]
    sheet.write_string(row, position, text)
    return len(text)
