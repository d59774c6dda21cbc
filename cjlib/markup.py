"""Tables as HTML text: escaped, isolated, rounded for reading. Nothing here draws.

What a column holds is in its name, here as everywhere: `share…` and `…_share` are shares, shown as percentages; `…_seconds…` are seconds, shown as
days, hours, minutes. `difference…` in a table of shares is a difference of them, in points; `low` and `high` are of the kind of the column before them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd

_DAY = re.compile(r"\d{4}-\d{2}(-\d{2})?")
"""A day or month: on a phone it would be cut at its hyphens."""


def table_html(table: pd.DataFrame, most: int = 60) -> str:
    """A table with column heads in scope, numbers rounded for reading, missing as a dash, texts escaped and isolated."""
    heads = "".join(f'<th scope="col">{escape(str(name).replace("_", " "))}</th>' for name in table.columns)
    kinds = column_kinds(str(name) for name in table.columns)
    rows = "".join(_row_html(kinds, row) for row in table.head(most).itertuples(index=False, name=None))
    left = f'<p class="cj-more">{len(table) - most:,} more rows in .table</p>' if len(table) > most else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{left}"


def _row_html(kinds: Sequence[str], row: tuple[Any, ...]) -> str:
    return f"<tr>{''.join(_cell_html(kind, value) for kind, value in zip(kinds, row, strict=True))}</tr>"


def _cell_html(kind: str, value: Any) -> str:
    text = escape(cell_text(value, kind))
    if _DAY.fullmatch(text):
        return f'<td class="cj-text cj-day">{text}</td>'
    return f"<td><bdi>{text}</bdi></td>" if isinstance(value, str) and any(character.isalpha() for character in value) else f"<td>{text}</td>"


def column_kinds(columns: Iterable[str]) -> list[str]:
    """What each column of a table holds: `share`, `points`, `seconds`, or nothing for plain numbers and texts."""
    split = [re.split(r"[_ ]", column) for column in columns]
    shares = any("share" in words for words in split)
    kinds: list[str] = []
    for words in split:
        own = next((unit for unit in ("share", "seconds") if unit in words), "points" if shares and words[0] == "difference" else "")
        bound = not own and words[-1] in ("low", "high")
        kinds.append(kinds[-1] if bound and kinds else own)
    return kinds


def cell_text(value: Any, kind: str = "") -> str:
    """A cell as a reader wants it: `42.7 %` of a share, `+2.7 points`, `1 d 5 h` of seconds, `1,204`, `–` for missing."""
    if value is None or type(value).__name__ in ("NaTType", "NAType") or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _number_text(value, kind).replace("-", "−") if value < 0 else _number_text(value, kind)
    return str(value).removesuffix(" 00:00:00")


def _number_text(value: float, kind: str) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if kind == "share":
        return "<0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"
    if kind == "points":
        return f"{100 * value:+.1f} points" if round(100 * value, 1) else "±0.0 points"
    if kind == "seconds" and math.isfinite(value):
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
