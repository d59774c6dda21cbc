"""Tables as HTML text: escaped, isolated, rounded for reading. Nothing here draws.

What a column holds is in its name, here as everywhere: `share…` and `…_share` are shares, shown as percentages; `…_seconds…` are seconds, shown as
days, hours, minutes.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd


def table_html(table: pd.DataFrame, most: int = 60) -> str:
    """A table with column heads in scope, numbers rounded for reading, missing as a dash, texts escaped and isolated."""
    heads = "".join(f'<th scope="col">{escape(str(name).replace("_", " "))}</th>' for name in table.columns)
    rows = "".join(_row_html(table.columns, row) for row in table.head(most).itertuples(index=False, name=None))
    left = f'<p class="cj-more">{len(table) - most:,} more rows in .table</p>' if len(table) > most else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{left}"


def _row_html(columns: pd.Index, row: tuple[Any, ...]) -> str:
    return f"<tr>{''.join(_cell_html(str(column), value) for column, value in zip(columns, row, strict=True))}</tr>"


def _cell_html(column: str, value: Any) -> str:
    text = escape(cell_text(value, column))
    return f"<td><bdi>{text}</bdi></td>" if isinstance(value, str) and any(character.isalpha() for character in value) else f"<td>{text}</td>"


def cell_text(value: Any, column: str = "") -> str:
    """A cell as a reader wants it: `42.7 %` of a share, `1 d 5 h` of seconds, `1,204`, `–` for missing."""
    if value is None or type(value).__name__ in ("NaTType", "NAType") or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _float_text(value, column) if isinstance(value, float) else str(value).removesuffix(" 00:00:00")


def _float_text(value: float, column: str) -> str:
    words = column.split("_")
    if "share" in words:
        return "<0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"
    if "seconds" in words and math.isfinite(value):
        return elapsed_text(value)
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def elapsed_text(seconds: float) -> str:
    """Seconds in their two largest units: `1 d 5 h`, `12 min 30 s`, `4.2 s`."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    left, parts = round(abs(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count} {unit}"] if count else []
    return ("−" if seconds < 0 else "") + " ".join(parts[:2])
