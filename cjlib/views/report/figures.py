"""A plotly figure as the page needs it: JSON that cannot leave its script, a caption, words for a screen reader, and its numbers as a table."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from cjlib.show.tables import cell_text, column_kinds
from cjlib.views.marks import table_html

_UNITS = re.compile(
    r"(?<=\d) (?=%)|(?<=\bn) (?== )|(?<=\bn =) (?=\d)|(?<=\bp) (?=(<|&lt;|=) 0)|(?<=\bp [<=]) (?=0)|(?<=\bp &lt;) (?=0)"
)
_UNREMARKABLE = re.compile(r"No (statistically )?significant difference\b")
MIME = "application/vnd.plotly.v1+json"
DEFAULT_HEIGHT = 420
NOTHING = Markup("")
MOST_HEIGHT = 20_000
MOST_ROWS = 500
LARGE = 1_500
"""Letters of JSON above which a figure is packed."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a page. `id` is the contract with tests and with the script: one `data-fig` for each figure of the notebook."""

    id: str
    number: int
    caption: str
    claim: str
    """What of the caption the page's answer does not say already."""
    alt: str
    height: int
    json: Markup
    packed: Markup | None
    """The same, compressed, where that is much shorter."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int
    """Rows beyond those that the page lists."""
    numeric: tuple[bool, ...]
    """Which columns hold numbers, for their alignment."""
    table: Markup = NOTHING
    """A table with marks in it, which stands in place of a picture."""

    @property
    def unremarkable(self) -> bool:
        """Whether it compares and finds nothing: the claim is enough, the picture is folded."""
        return bool(_UNREMARKABLE.match(self.caption))


def read_figure(spec: Mapping[str, Any], number: int, heading: str) -> Figure:
    """The figure of a notebook's output; what its maker did not say is taken from the figure itself.

    Parameters
    ----------
    spec
        `data` and `layout` of plotly's mimetype; `layout.meta` may hold caption, alt, columns and rows.
    number
        Its number on the page, from 1.
    heading
        Above it on the page: the caption of last resort.
    """
    layout = dict(spec.get("layout") or {})
    traces = [dict(trace) for trace in spec.get("data") or []]
    meta = layout.get("meta") if isinstance(layout.get("meta"), Mapping) else {}
    assert isinstance(meta, Mapping)
    caption = str(meta.get("caption") or plain_text(_title(layout)) or heading)
    columns, rows = (
        _told(meta)
        if meta.get("rows") is not None and meta.get("columns")
        else trace_table(traces, layout)
    )
    menus = _menus(layout)
    for shown_by_the_page in ("title", "meta", "updatemenus"):
        layout.pop(shown_by_the_page, None)
    height = layout.get("height")
    told = in_script({"data": traces, "layout": layout, "menus": menus})
    return Figure(
        id=f"fig-{number}",
        number=number,
        caption=unbroken(caption),
        claim=unbroken(caption),
        alt=str(
            meta.get("alt")
            or f"{_kinds(traces)}: {caption}. The numbers are in the table below it."
        ),
        height=int(height)
        if isinstance(height, (int, float)) and 0 < height < MOST_HEIGHT
        else DEFAULT_HEIGHT,
        json=told,
        packed=packed(told.encode()) if len(told) > LARGE else None,
        **_listed(columns, rows),
    )


ROW_HEIGHT = 38
"""Pixels of a row of marks."""


def read_rows(meta: Mapping[str, Any], number: int) -> Figure:
    """A table of marks of a notebook's output, with its numbers as a table like those under a picture."""
    shown = meta["table"]
    return Figure(
        id=f"rows-{number}",
        number=number,
        caption=unbroken(str(meta["caption"])),
        claim=unbroken(str(meta["caption"])),
        alt=str(meta["alt"]),
        height=ROW_HEIGHT * len(shown["marks"]) + 2 * ROW_HEIGHT,
        json=Markup(""),
        packed=None,
        table=Markup(unbroken(table_html(shown))),
        **_listed(meta["columns"], meta["rows"]),
    )


def _listed(columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Every number shown, as the fields of a figure."""
    kinds = column_kinds(str(column) for column in columns)
    return {
        "columns": tuple(str(column) for column in columns),
        "rows": tuple(
            tuple(unbroken(cell_text(value, kind)) for value, kind in zip(row, kinds, strict=False))
            for row in rows[:MOST_ROWS]
        ),
        "more_rows": max(0, len(rows) - MOST_ROWS),
        "numeric": tuple(
            not any(_has_letters(row[place]) for row in rows[:MOST_ROWS] if place < len(row))
            for place in range(len(columns))
        ),
    }


def _has_letters(value: Any) -> bool:
    return isinstance(value, str) and any(character.isalpha() for character in value)


def in_script(value: Any) -> Markup:
    """JSON that may stand in a `<script>`: nothing in it can end the script, open a comment or break a line of it."""
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: they become null, as plotly writes them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _menus(layout: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plotly's menus as the page's own lists: a label, the choices, and what each does."""
    return [
        {
            "label": plain_text(menu.get("name") or "Show"),
            "active": int(menu.get("active") or 0),
            "options": [
                {
                    "label": plain_text(button.get("label") or place),
                    "method": button.get("method", "restyle"),
                    "args": button.get("args") or [],
                }
                for place, button in enumerate(menu.get("buttons") or [], 1)
            ],
        }
        for menu in layout.get("updatemenus") or []
        if menu.get("visible", True)
    ]


def _title(layout: Mapping[str, Any]) -> str:
    title = layout.get("title")
    return str((title.get("text") if isinstance(title, Mapping) else title) or "")


def plain_text(label: object) -> str:
    """What a reader sees of a label that plotly reads as markup."""
    return " ".join(
        html.unescape(re.sub(r"<[^<>]*>", " ", str(label)))
        .replace("\u2068", "")
        .replace("\u2069", "")
        .split()
    )


def unbroken(text: str) -> str:
    """Words whose numbers stay with their units at the end of a line: `20.5%`, `n = 12`, `p < 0.001`; code keeps the spaces it has."""
    parts = re.split(r"(<pre\b.*?</pre>)", text, flags=re.DOTALL)
    return "".join(
        part if part.startswith("<pre") else _UNITS.sub("\u00a0", part) for part in parts
    )


def _kinds(traces: Sequence[Mapping[str, Any]]) -> str:
    kinds = dict.fromkeys(str(trace.get("type", "scatter")) for trace in traces)
    return f"Chart ({', '.join(kinds)})" if kinds else "Empty chart"


def _told(meta: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    return list(meta["columns"]), [list(row) for row in meta["rows"]]


# ---- the table of a figure that brought none -----------------------------------------------------------------------


def trace_table(
    traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]
) -> tuple[list[str], list[list[Any]]]:
    """Every number the traces hold, also of those that a choice hides for now: one row a point, its trace named first."""
    rows: list[dict[str, Any]] = []
    for place, trace in enumerate(traces, 1):
        name = plain_text(trace.get("name") or f"series {place}")
        rows += [{"series": name, **point} for point in _points(trace, layout)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if len(traces) == 1 and "series" in columns and not traces[0].get("name"):
        columns.remove("series")
    return columns, [[row.get(column) for column in columns] for row in rows]


def _points(trace: Mapping[str, Any], layout: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    if "link" in trace:
        return _links(trace)
    if trace.get("z") is not None:
        return _cells(trace)
    pairs = {
        "labels": "label",
        "parents": "parent",
        "values": "value",
        "x": _axis(layout, trace, "x"),
        "y": _axis(layout, trace, "y"),
    }
    columns = {
        named: decoded(trace[key]) for key, named in pairs.items() if trace.get(key) is not None
    }
    texts = decoded(trace["text"]) if isinstance(trace.get("text"), (list, tuple, Mapping)) else []
    if texts and not columns:
        columns = {"text": texts}
    longest = max((len(values) for values in columns.values()), default=0)
    return [{name: _cell(values, at) for name, values in columns.items()} for at in range(longest)]


def _links(trace: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    labels = decoded(trace.get("node", {}).get("label") or [])
    link = trace["link"]
    ends = zip(
        decoded(link.get("source") or []),
        decoded(link.get("target") or []),
        decoded(link.get("value") or []),
        strict=False,
    )
    return [
        {"from": _cell(labels, int(source)), "to": _cell(labels, int(target)), "value": value}
        for source, target, value in ends
    ]


def _cells(trace: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    grid = decoded(trace["z"])
    across, down = decoded(trace.get("x") or []), decoded(trace.get("y") or [])
    for row, values in enumerate(grid):
        for column, value in enumerate(values if isinstance(values, list) else [values]):
            yield {
                "row": _cell(down, row, row + 1),
                "column": _cell(across, column, column + 1),
                "value": value,
            }


def _axis(layout: Mapping[str, Any], trace: Mapping[str, Any], letter: str) -> str:
    """The axis by its title, since `x` says nothing to a reader."""
    name = str(trace.get(f"{letter}axis") or letter)
    title = (layout.get(f"{letter}axis{name[1:]}") or {}).get("title") or ""
    return plain_text(title.get("text") if isinstance(title, Mapping) else title) or letter


def _cell(values: Sequence[Any], at: int, otherwise: Any = None) -> Any:
    value = values[at] if 0 <= at < len(values) else otherwise
    return plain_text(value) if isinstance(value, str) else value


def decoded(values: Any) -> list[Any]:
    """An array as plotly writes it, typed arrays (`bdata`, base64) included."""
    if isinstance(values, Mapping) and "bdata" in values:
        import numpy as np

        flat = np.frombuffer(
            base64.b64decode(values["bdata"]),
            dtype=np.dtype(str(values["dtype"])).newbyteorder("<"),
        )
        shape = [int(part) for part in str(values.get("shape") or flat.size).split(",")]
        return flat.reshape(shape).tolist()
    return list(values) if isinstance(values, (list, tuple)) else [values]


LETTERS = np.array([*range(1, 5), *range(14, 32), *range(32, 60), *range(61, 127)], dtype=np.uint8)
"""116 signs of one byte that HTML keeps as they are: neither `<` nor the ends of lines."""


def packed(content: bytes) -> Markup:
    """Content compressed, as text that can stand in a page: an eighth shorter than base 64."""
    return Markup(base116(gzip.compress(content, compresslevel=9, mtime=0)))


def base116(content: bytes) -> str:
    """Six bytes as seven letters, the highest first; the last ones as many as are needed."""
    missing = -len(content) % 6
    whole = np.frombuffer(content + bytes(missing), dtype=np.uint8).reshape(-1, 6)
    numbers = whole.astype(np.uint64) @ (256 ** np.arange(5, -1, -1, dtype=np.uint64))
    digits = np.empty((numbers.size, 7), dtype=np.uint8)
    for place in reversed(range(7)):
        numbers, digits[:, place] = np.divmod(numbers, np.uint64(116))
    return LETTERS[digits].tobytes()[: digits.size - missing].decode("ascii")
