"""A sheet of an Excel workbook as a table: its first row that is filled has the names, what follows are rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown


def sheet_table(file: Path, sheet: str | None) -> pd.DataFrame:
    """The cells of a sheet, of the only one where none is named; numbers, dates and texts as Excel has them."""
    name, cells = _cells(file, sheet)
    while cells and _width(cells[0]) == 0:
        cells.pop(0)
    # A title stands above the names in one cell alone.
    while len(cells) > 1 and _width(cells[0]) == 1 < _width(cells[1]):
        cells.pop(0)
    if not cells:
        raise DataError(f"source: the sheet {shown(name)} of {shown(file.name)} is empty.")
    header, *rows = cells
    kept = [position for position, cell in enumerate(header) if str(cell).strip()]
    names = [str(header[position]).strip() for position in kept]
    filled = [[row[position] for position in kept] for row in rows if _width(row)]
    table = pd.DataFrame(filled, columns=pd.Index(names), dtype=object)
    return table.replace({"": None})


def _width(row: list[Any]) -> int:
    return sum(str(cell).strip() != "" for cell in row)


def _cells(file: Path, sheet: str | None) -> tuple[str, list[list[Any]]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_path(str(file)) as book:
            name = _chosen(file, book.sheet_names, sheet)
            return name, book.get_sheet_by_name(name).to_python(skip_empty_area=True)
    except CalamineError:
        raise DataError(
            f"source: {shown(file.name)} cannot be read as an Excel workbook. It is damaged, locked by a password, or of another format. Save it again as .xlsx."
        ) from None


def _chosen(file: Path, sheets: list[str], sheet: str | None) -> str:
    if sheet is None and len(sheets) == 1:
        return sheets[0]
    if sheet in sheets:
        return sheet
    if sheet is None:
        raise CjlibError(
            f"table: {shown(file.name)} has {len(sheets)} sheets: {listed(sheets)}. Name the one to read, such as table={sheets[0]!r}."
        )
    raise CjlibError(
        f"table: {shown(file.name)} has no sheet {shown(sheet)}.{did_you_mean(sheet, sheets)} It has: {listed(sheets)}."
    )
