"""The look of every figure: one template, colours that all eyes can tell apart, labels that cannot be markup.

A figure stands on the page's own ground: paper and plot are transparent, data colours keep a contrast of 3 on white and on near-black
and can be told apart with every kind of colour blindness, and colour never carries a meaning alone. Text has one colour, the template's
grey, which can be read on both grounds; a page that knows its ground gives `layout.font.color` the full contrast (the reports do).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.show.units import in_units, unit_in_use
from cjlib.views import marks
from cjlib.views.frontend import bundle_of

COLOURS = ("#2b73d6", "#be3e15", "#0fa495", "#a144a3", "#9f8c18")
"""For groups, in order. The first also carries white text."""
MUTED = "#767676"
"""What recedes: too few observations, the rest, what is not the point."""
TRACK = "rgba(118,118,118,0.16)"
"""The ground of a bar: the whole of which the bar is a part."""
GRID = "rgba(118,118,118,0.28)"
SEQUENTIAL = (
    (0.0, "#eaf2fd"),
    (0.25, "#b4d1f6"),
    (0.5, "#75a8ea"),
    (0.75, "#2b73d6"),
    (1.0, "#123f80"),
)
"""Little to much, for heat maps: opaque cells, so the same on both grounds; cell text from `on`."""
DIVERGING = (
    (0.0, "#be3e15"),
    (0.25, "#e9a58c"),
    (0.5, "#f1f1ee"),
    (0.75, "#9cc0f0"),
    (1.0, "#2b73d6"),
)
"""Below to above a middle."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"


class Figure(go.Figure):
    """A plotly figure that leaves its data in a notebook, never plotly.js: the page that shows it has that once."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = bundle_of(self)
        if bundle:
            display(bundle, raw=True)
        else:
            self.show()  # in a renderer outside the notebook

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        meta = getattr(self.layout, "meta", None) or {}
        said = f"{meta.get('caption', '')}\n{meta.get('alt', '')}".strip()
        return {
            "application/vnd.plotly.v1+json": json.loads(str(self.to_json())),
            "text/plain": said,
        }


class Note(Figure):
    """What stands in place of a figure that cannot be drawn: the reason, as a sentence of the page."""

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        reason = getattr(self.layout, "meta", {})["caption"]
        return {"text/plain": reason, "text/html": f'<p class="cj-reason">{escape(reason)}</p>'}


def reason_note(reason: str) -> Note:
    """The note with this reason."""
    return Note(layout={"meta": {"caption": reason, "alt": reason, "columns": [], "rows": []}})


class Rows(Figure):
    """A comparison of rows, shown as a table with marks in it rather than as a picture."""

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        meta = getattr(self.layout, "meta", None) or {}
        table = marks.table_html(meta["table"])
        return {
            marks.MIME: json.loads(str(self.to_json()))["layout"]["meta"],
            "text/plain": f"{meta['caption']}\n{meta['alt']}",
            "text/html": f'<figure class="cj-rows"><style>{marks.STYLE}</style><figcaption>{escape(meta["caption"])}</figcaption>{table}</figure>',
        }


def rows_figure(
    table: dict[str, Any],
    *,
    caption: str,
    alt: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> Rows:
    """A table of marks, as `marks.spec` holds it, that explains itself as a figure does."""
    data = [[plain(value) for value in row] for row in rows]
    meta = {
        "caption": caption,
        "alt": alt,
        "columns": list(columns),
        "rows": data,
        "table": table,
    }
    scale = {**table["scale"], "title": in_units(table["scale"]["title"])}
    return Rows(layout={"meta": _in_units(meta) | {"table": {**table, "scale": scale}}})


@cache
def template() -> go.layout.Template:
    """The template of every figure."""
    axis = {
        "automargin": True,
        "gridcolor": GRID,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "ticklabelstandoff": 4,
        "tickangle": 0,
        "title": {"standoff": 8, "font": {"size": 12}},
        "tickfont": {"size": 12},
    }
    layout = {
        "font": {"family": FONT, "size": 13, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(COLOURS),
        "colorscale": {"sequential": SEQUENTIAL, "diverging": DIVERGING},
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "xaxis": axis,
        "yaxis": axis,
        "separators": ".,",
        "dragmode": False,  # so that a finger scrolls the page
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1, "font": {"family": FONT, "size": 13}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
            "title": {"text": ""},
            "traceorder": "normal",
        },
        "bargap": 0.35,
    }
    return go.layout.Template(layout=layout)


def figure(
    traces: Iterable[Any],
    *,
    caption: str,
    alt: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    height: int,
    **layout: Any,
) -> go.Figure:
    """A figure that explains itself.

    Parameters
    ----------
    traces
        plotly traces; text from data has passed `safe` or `label`.
    caption
        A claim made from the result, with its number and n; raw text.
    alt
        What a screen reader says in place of the picture; raw text.
    columns, rows
        Every number shown, as the table under the figure; raw text and plain values, units in the column heads.
    height
        In pixels; the width is the page's.
    **layout
        What this figure has of its own: axes, annotations, legend.
    """
    table = [[plain(value) for value in row] for row in rows]
    if uneven := [row for row in table if len(row) != len(columns)]:
        raise ValueError(
            f"rows: each must have {len(columns)} cells, one for each column. Got {len(uneven[0])}."
        )
    meta = {"caption": caption, "alt": alt, "columns": list(columns), "rows": table}
    drawn = Figure(
        data=list(traces),
        layout={"template": template(), "height": height, "meta": _in_units(meta), **layout},
    )
    return drawn if unit_in_use().is_customer else _of_units(drawn)


def _of_units(drawn: Figure) -> Figure:
    """The figure with its words said of what is counted."""
    traces: list[Any] = [*drawn.select_traces()]
    for trace in traces:
        for part in ("hovertemplate", "name"):
            if isinstance(getattr(trace, part, None), str):
                trace[part] = in_units(trace[part])
    titles: list[Any] = [axis["title"] for axis in (*drawn.select_xaxes(), *drawn.select_yaxes())]
    for words in [*titles, *drawn.select_annotations()]:
        words["text"] = words["text"] and in_units(words["text"])
    return drawn


def _in_units(meta: dict[str, Any]) -> dict[str, Any]:
    """What explains a figure, said of what is counted."""
    heads = [in_units(head) for head in meta["columns"]]
    return meta | {
        "caption": in_units(meta["caption"]),
        "alt": in_units(meta["alt"]),
        "columns": heads,
    }


def warm_up() -> None:
    """Load what the first figure would load, so that processes forked from here need not: plotly's classes, and the rules it checks them by."""
    position, words = [0], ["words"]
    traces = (
        go.Scatter(
            x=position,
            y=position,
            text=words,
            mode="lines+markers",
            marker={"color": MUTED},
            line={"color": MUTED},
            hovertemplate="%{text}",
        ),
        go.Bar(
            x=position,
            y=position,
            text=words,
            marker={"color": MUTED},
            hoverlabel={"align": "left"},
        ),
        go.Heatmap(z=[position], colorscale=SEQUENTIAL),
    )
    axis = {"tickvals": position, "ticktext": words, "range": [0, 1], "title": {"text": "words"}}
    note = {"text": "words", "x": 0, "y": 0, "showarrow": False}
    line = {"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1}
    drawn = figure(
        traces,
        caption="",
        alt="",
        columns=[],
        rows=[],
        height=10,
        xaxis=axis,
        yaxis=axis,
        annotations=[note],
        shapes=[line],
    )
    drawn._repr_mimebundle_()


def empty(
    caption: str, *, columns: Sequence[str], words_in_figure: str = "Nothing to show"
) -> go.Figure:
    """The figure of a result without values: says so, rather than drawing empty axes."""
    note = {
        "text": safe(words_in_figure),
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
    }
    hidden = {"visible": False}
    return figure(
        [],
        caption=caption,
        alt=caption,
        columns=columns,
        rows=[],
        height=120,
        annotations=[note],
        xaxis=hidden,
        yaxis=hidden,
    )


def plain(value: Any) -> Any:
    """A cell as JSON: Python values and text, None for missing, dates as ISO text without an empty clock."""
    if numbers.missing(value):
        return None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, pd.Timestamp):
        return (
            value.strftime("%Y-%m-%d")
            if value == value.normalize()
            else value.isoformat(sep=" ", timespec="minutes")
        )
    return value if isinstance(value, (str, int, float, bool)) else str(value)


# ---- text from data --------------------------------------------------------------------------------------------


def safe(text: object) -> str:
    """Text from data as plotly shows it letter by letter: no markup, no entity, no formula, no turned direction.

    plotly reads `<b>`, `<a href>` and `&amp;` in every label, and `$…$` as a formula where MathJax is loaded. Quotes stay: plotly
    would show `&quot;` as it stands. Text with right-to-left letters or marks is isolated, so that it cannot turn what stands beside it.
    """
    flat = " ".join(str(text).split())
    shown = (
        flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    )
    turns = any(unicodedata.bidirectional(character) in _TURNING for character in flat)
    return f"\u2068{shown}\u2069" if turns else shown


_TURNING = {"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def label(text: object, most: int = 28) -> str:
    """Text from data as a label: shortened by characters, then made safe; missing is "(not set)"."""
    return (
        "(not set)"
        if numbers.missing(text)
        else safe(numbers.short(" ".join(str(text).split()), most))
    )


def wrapped(text: str, width: int = 44) -> str:
    """Words of ours or of data, safe, broken into lines for an annotation or a hover box."""
    import textwrap

    return "<br>".join(safe(line) for line in textwrap.wrap(text, width)) or ""


def money_axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis of amounts, its title with the currency in use."""
    sign = numbers.currency_sign()
    return {"title": {"text": f"{title} ({safe(sign)})" if sign else title}, **more}


# ---- pieces of figures -----------------------------------------------------------------------------------------


def whiskers(
    value: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str = MUTED
) -> dict[str, Any]:
    """An interval as plotly's `error_x` or `error_y`; where a bound is missing there is no whisker."""
    middle, lower, upper = (np.asarray(each, dtype=float) for each in (value, low, high))
    up, down = (
        np.nan_to_num(np.maximum(0.0, each), nan=0.0) for each in (upper - middle, middle - lower)
    )
    return {
        "type": "data",
        "symmetric": False,
        "array": up.tolist(),
        "arrayminus": down.tolist(),
        "thickness": 1.5,
        "width": 4,
        "color": colour,
    }


def faded(n: ArrayLike, colour: str = COLOURS[0]) -> list[str]:
    """The colour of each mark: grey where it rests on fewer than 30."""
    return [
        colour if count >= MIN_N else MUTED
        for count in np.atleast_1d(np.asarray(n, dtype=float)).tolist()
    ]


def too_few(n: float) -> str:
    """What stands beside a number with too few observations; nothing beside others."""
    return f" (n = {n:,.0f}: too few to read)" if n < MIN_N else ""


def on(colour: str) -> str:
    """Black or white, whichever can be read on an opaque colour (`#rrggbb`)."""
    return "#ffffff" if contrast(colour, "#ffffff") >= contrast(colour, "#000000") else "#000000"


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two opaque colours (`#rrggbb`), 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def percent_axis(**more: Any) -> dict[str, Any]:
    """An axis of shares: `40%`."""
    return {"tickformat": ",.2~%", "rangemode": "tozero", **more}


_UNITS = (
    (1.0, "s", "s"),
    (60.0, "min", "min"),
    (3600.0, "hour", "hours"),
    (86400.0, "day", "days"),
    (31536000.0, "year", "years"),
)
_NICE = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86400 * days for days in (1, 2, 3, 5, 7, 14, 30, 60, 90, 180, 365)),
)
_ROUGH = (
    1,
    10,
    60,
    600,
    3600,
    21600,
    86400,
    604800,
    2592000,
    7776000,
    31536000,
    94608000,
    315360000,
)


def duration_axis(
    longest: float, *, shortest: float | None = None, ticks: int = 5, **more: Any
) -> dict[str, Any]:
    """An axis of seconds whose ticks are words: `2 hours`, `1 day`. With `shortest` it is logarithmic, from there to `longest`."""
    if shortest is not None:
        low, high = float(np.log10(shortest)), float(np.log10(longest))
        marks = _apart(
            [mark for mark in _ROUGH if shortest <= mark <= longest] or [longest],
            (high - low) / (ticks + 1),
        )
        scale: dict[str, Any] = {"type": "log", "range": [low, high]}
    else:
        step = next(
            (nice for nice in _NICE if longest / nice <= ticks),
            _NICE[-1] * -(-int(longest) // (_NICE[-1] * ticks)),
        )
        marks = [step * k for k in range(int(longest / step) + 1)]
        scale = {"range": [0, longest * 1.02 if longest > 0 else 1]}
    return {**scale, "tickvals": marks, "ticktext": [_tick(mark) for mark in marks], **more}


def _apart(marks: Sequence[float], least: float) -> list[float]:
    kept: list[float] = []
    for mark in marks:
        if not kept or np.log10(mark / kept[-1]) >= least:
            kept.append(mark)
    return kept


def _tick(seconds: float) -> str:
    if seconds == 0:
        return "0"
    size, one, many = next(unit for unit in reversed(_UNITS) if seconds >= unit[0] or unit[0] == 1)
    count = seconds / size
    return f"{count:.3g} {one if count == 1 else many}"


PHONE = 330
"""The width of a figure on a phone, in pixels."""


def note(
    text: str,
    *,
    x: float,
    y: float,
    right: bool = False,
    below: bool = False,
    size: int = 12,
    **more: Any,
) -> dict[str, Any]:
    """Words in a figure as an annotation, beginning (or with `right` ending) at a point; the text is markup and has passed `safe`."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xanchor": "right" if right else "left",
        "yanchor": "top" if below else "bottom",
        "align": "right" if right else "left",
        "showarrow": False,
        "font": {"size": size},
        **more,
    }


def row_labels(
    names: Sequence[str],
    said: Sequence[str],
    strong: Sequence[bool],
    *,
    up: int = 10,
    faint: Sequence[bool] = (),
) -> tuple[list[dict[str, Any]], int]:
    """Labels above rows at y = 0, −1, −2 …: the name at the left, its values at the right, or beneath it where they would meet on a phone.

    Returns the annotations and how many lines each label has. `names` and `said` are raw text; `up` is the distance from the row in pixels.
    """
    lines = (
        1
        if max(
            9.2 * len(numbers.short(name)) + 7.6 * len(text)
            for name, text in zip(names, said, strict=True)
        )
        <= PHONE
        else 2
    )
    notes = []
    for k, (name, text, bold) in enumerate(zip(names, said, strong, strict=True)):
        shown = label(name) if faint and faint[k] else f"<b>{label(name)}</b>"
        values = f"<b>{safe(text)}</b>" if bold else safe(text)
        place = {"y": -k, "yshift": up, "xref": "paper"}
        if lines == 2:
            notes.append(
                note(
                    f'{shown}<br><span style="font-size:12px">{values}</span>',
                    x=0,
                    size=13,
                    **place,
                )
            )
        else:
            notes += [note(shown, x=0, size=13, **place), note(values, x=1, right=True, **place)]
    return notes, lines


def interval_bars(x: ArrayLike, y: ArrayLike, low: ArrayLike, high: ArrayLike) -> list[go.Scatter]:
    """Horizontal 95% whiskers for the ends of bars: a dark line with a white rim, which shows on the bar and on either ground."""
    at, height, lower, upper = (np.asarray(each, dtype=float) for each in (x, y, low, high))
    has = ~(np.isnan(lower) | np.isnan(upper))
    lines = []
    for colour, thickness, width in (("#ffffff", 5, 5), ("#1b2430", 2, 4)):
        whisker = whiskers(at[has], lower[has], upper[has], colour) | {
            "thickness": thickness,
            "width": width,
        }
        lines.append(
            go.Scatter(
                x=at[has].tolist(),
                y=height[has].tolist(),
                mode="markers",
                marker={"size": 0.1, "opacity": 0},
                error_x=whisker,
                hoverinfo="skip",
                showlegend=False,
            )
        )
    return lines


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as Python values under their column names."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def by_columns(table: pd.DataFrame, first: str) -> list[str]:
    """The columns that name a group: all that stand before the result's own first column."""
    return [str(name) for name in table.columns[: list(table.columns).index(first)]]


def group_name(values: Iterable[Any]) -> str:
    """A group's name as raw text: its values joined; a missing one is "(not set)"."""
    return " · ".join("(not set)" if numbers.missing(value) else str(value) for value in values)
