"""Tables as HTML text: escaped, isolated, rounded for reading. Nothing here draws."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd


def table_html(table: pd.DataFrame, most: int = 200) -> str:
    """A table with column heads in scope, numbers rounded for reading, missing as a dash, texts escaped and isolated."""
    heads = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table.columns)
    rows = "".join(_row_html(table.columns, row) for row in table.head(most).itertuples(index=False, name=None))
    left = f'<p class="cj-more">{len(table) - most:,} more rows in .table</p>' if len(table) > most else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{left}"


def _row_html(columns: pd.Index, row: tuple[Any, ...]) -> str:
    cells = (f"<td>{'<bdi>' + escape(cell_text(value)) + '</bdi>' if isinstance(value, str) else escape(cell_text(value))}</td>" for value in row)
    return f"<tr>{''.join(cells)}</tr>"


def cell_text(value: Any) -> str:
    """A cell as a reader wants it: `0.4268`, `1,204`, `–` for missing."""
    if value is None or type(value).__name__ in ("NaTType", "NAType") or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
