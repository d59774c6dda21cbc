"""Tables as HTML text: escaped, isolated, rounded for reading. Nothing here draws.

What a column holds is in its name, here as everywhere: `share…` and `…_share` are shares, shown as percentages; `…_seconds…` are seconds, shown as
days, hours, minutes. `difference…` in a table of shares is a difference of them, in points; `low` and `high` are of the kind of the column before them,
and stand in its cell: `77.5% (77.0 to 78.1%)`. Probabilities are shown as shares: `…probability`, `p_no_purchase`, what was `predicted` and what was
`observed` beside it; a `p_value` is none: below 0.001 it is `<0.001`. `csat` and `ces` with bounds are shares too. Profit, revenue, price, cost and the
expected value are money. What a name does not say its table's maker does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.show import numbers
from cjlib.show.units import head_in_units

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd

_DAY = re.compile(r"\d{4}-\d{2}(-\d{2})?")
"""A day or month: on a phone it would be cut at its hyphens."""
_INSTANT = re.compile(r"\b(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)([+-]\d{2}:\d{2})?")
"""A day, a time of it and the offset from UTC: a line ends between them, never within one."""


@dataclass(frozen=True)
class _Shown:
    """A column as it is shown: its head, its place in the table, what it holds, and whether its bounds are the two columns after it."""

    head: str
    place: int
    kind: str
    bounded: bool


def table_html(table: pd.DataFrame, most: int = 60, kinds: Mapping[str, str] | None = None) -> str:
    """A table with column heads in scope, numbers rounded for reading, missing as a dash, texts escaped and isolated; bounds stand beside their number.

    `kinds` says of a column by its name what it holds, where the name does not: as `column_kinds`.
    """
    columns = _shown_columns(table, kinds or {})
    heads = "".join(
        f'<th scope="col"{_CLASS if column.bounded else ""}>{escape(_head(column))}</th>'
        for column in columns
    )
    rows = "".join(
        _row_html(columns, row) for row in table.head(most).itertuples(index=False, name=None)
    )
    left = (
        f'<p class="cj-more">{len(table) - most:,} more rows in .table</p>'
        if len(table) > most
        else ""
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{left}"


_CLASS = ' class="cj-bounds"'


def _head(column: _Shown) -> str:
    """A column's name in words; seconds are shown as days, hours and minutes, so their column is one of time."""
    words = head_in_units(column.head).replace("_", " ")
    return re.sub(r"\bseconds\b", "time", words) if column.kind == "seconds" else words


def _shown_columns(table: pd.DataFrame, kinds: Mapping[str, str]) -> list[_Shown]:
    names = [str(name) for name in table.columns]
    numeric = [kind.kind in "iuf" for kind in table.dtypes]
    held = column_kinds(names, kinds)
    columns: list[_Shown] = []
    place = 0
    while place < len(names):
        bounded = numeric[place] and _bounds_follow(names, place)
        head = f"{names[place]} (low to high)" if bounded else names[place]
        columns.append(_Shown(head, place, held[place], bounded))
        place += 3 if bounded else 1
    return columns


def _bounds_follow(names: Sequence[str], place: int) -> bool:
    """Whether the next two columns are `low` and `high` of this one, under these names or with its own before them."""
    own, *after = names[place : place + 3]
    if len(after) < 2 or own.endswith(("low", "high")) or not after[0].endswith("low"):
        return False
    stem = after[0].removesuffix("low")
    return after[1] == f"{stem}high" and (own + "_").startswith(stem)


def _row_html(columns: Sequence[_Shown], row: tuple[Any, ...]) -> str:
    cells = (
        _bounded_html(column.kind, row[column.place : column.place + 3])
        if column.bounded
        else _cell_html(column.kind, row[column.place])
        for column in columns
    )
    return f"<tr>{''.join(cells)}</tr>"


def _bounded_html(kind: str, values: Sequence[Any]) -> str:
    own, low, high = _bounded_texts(kind, values)
    if low == high == "–":
        return f"<td{_CLASS}>{escape(own)}</td>"
    unit = next(
        (unit for unit in ("%", " points") if low.endswith(unit) and high.endswith(unit)), ""
    )
    return f"<td{_CLASS}>{escape(own)} <span>({escape(low.removesuffix(unit))} to {escape(high)})</span></td>"


def _bounded_texts(kind: str, values: Sequence[Any]) -> list[str]:
    """A number and its bounds; plain ones with as many decimals as show two digits of the interval's width."""
    width = values[2] - values[1]
    if kind or isinstance(values[0], int) or not (math.isfinite(width) and width > 0):
        return [cell_text(value, kind) for value in values]
    places = max(0, 1 - math.floor(math.log10(width)))
    return [
        "–" if math.isnan(value) else f"{value:,.{places}f}".replace("-", "−") for value in values
    ]


def _cell_html(kind: str, value: Any) -> str:
    text = escape(cell_text(value, kind))
    if _DAY.fullmatch(text):
        return f'<td class="cj-text cj-day">{text}</td>'
    text = _INSTANT.sub(
        lambda found: " ".join(_whole(part) for part in found.groups()[:2]) + _whole(found[3]), text
    )
    return (
        f"<td><bdi>{text}</bdi></td>"
        if isinstance(value, str) and any(character.isalpha() for character in value)
        else f"<td>{text}</td>"
    )


def _whole(part: str | None) -> str:
    return f'<span class="cj-day">{part}</span>' if part else ""


def column_kinds(columns: Iterable[str], given: Mapping[str, str] | None = None) -> list[str]:
    """What each column of a table holds: `share`, `points`, `margin` (of a share, in points), `seconds`, `p`, `money`, or nothing for plain numbers and texts."""
    names = list(columns)
    split = [re.split(r"[_ ]", column) for column in names]
    shares = any("share" in words for words in split)
    kinds: list[str] = []
    for name, words in zip(names, split, strict=True):
        own = next(
            (unit for unit in ("share", "seconds") if unit in words),
            "points" if shares and words[0] == "difference" else "",
        )
        own = "share" if _is_share(name, words, names) else own
        own = (
            "p"
            if name.replace("_", " ") in P_VALUES
            else "money"
            if _is_money(words) and not own
            else own
        )
        bound = not own and words[-1] in ("low", "high")
        kinds.append((given or {}).get(name, kinds[-1] if bound and kinds else own))
    return kinds


P_VALUES = ("p", "p value", "q value", "p adjusted", "adjusted p")
MONEY = {"profit", "revenue", "money", "price", "cost", "spent"}


def _is_money(words: Sequence[str]) -> bool:
    return not MONEY.isdisjoint(words) or list(words) == ["expected", "value"]


def _is_share(name: str, words: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a column whose name has no `share` in it is shown as one: a probability, what came of predicted ones, or the share of a good or bad answer."""
    if words[-1] in ("probability", "predicted") or name in ("p_no_purchase", "p no purchase"):
        return True
    return (name == "observed" and any(one.endswith("predicted") for one in names)) or (
        name in ("csat", "ces") and f"{name}_low" in names
    )


def cell_text(value: Any, kind: str = "") -> str:
    """A cell as a reader wants it: `42.7%` of a share, `+2.7 points`, `1 d 5 h` of seconds, `1,204`, `–` for missing."""
    if (
        value is None
        or type(value).__name__ in ("NaTType", "NAType")
        or (isinstance(value, float) and math.isnan(value))
    ):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return (
            _number_text(value, kind).replace("-", "−") if value < 0 else _number_text(value, kind)
        )
    return str(value).removesuffix(" 00:00:00")


_WRITERS = {
    "share": numbers.percent,
    "points": numbers.points,
    "margin": lambda value: f"±{100 * value:.1f} points",
    "seconds": numbers.duration,
    "p": numbers.p_value,
    "money": numbers.amount,
}


def _number_text(value: float, kind: str) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if kind in _WRITERS and math.isfinite(value):
        return _WRITERS[kind](value)
    return numbers.plain(value, digits=4)
