"""A comparison of rows as a table with marks in it: HTML and inline SVG, there before any script, on paper and on a phone.

A mark stands on a scale that all rows share. Its places are percentages of its cell, so that it needs neither a size nor a script. Every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal

from cjlib.show import numbers

Kind = Literal["dot", "bar", "pair", "spark", "heat"]
MIME = "application/vnd.cjlib.rows+json"
"""What a table of marks leaves in a notebook's output: its data, from which a report makes its own."""
EDGE = 3.0
NEAR_EDGE = 6.0
"""Percent of a cell at either end that no mark reaches, so that none is cut."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A row: name, what it rests on, the number with its bounds, and what is said beside it.

    `other` is the second number of a pair; `series` the line of a sparkline, or the cells of a row of a heat table, with None where nothing is known;
    `band` is the normal variation of a sparkline.
    """

    name: str
    said: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    strong: bool = False
    faint: bool = False
    other: float | None = None
    group: str = ""
    series: Sequence[float | None] = ()
    band: Sequence[float | None] = ()
    target: float | None = None
    flagged: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the marks stand on: its title, how its numbers are written, and a line at what all are compared with."""

    title: str
    percent: bool = False
    signed: bool = False
    middle: float | None = None
    middle_name: str = ""
    low: float | None = None
    high: float | None = None

    def text(self, value: float) -> str:
        """A number of the scale."""
        if self.percent:
            whole = f"{100 * value:.10g}"
            return f"{'+' if self.signed and value > 0 else ''}{whole}%".replace("-", "−")
        plain = f"{value:,.10g}"
        return f"{'+' if self.signed and value > 0 else ''}{plain}".replace("-", "−")


def spec(
    marks: Sequence[Mark], scale: Scale, kind: Kind, names: Sequence[str] = ()
) -> dict[str, Any]:
    """The table as data; `names` are those of the two numbers of a pair, or of the columns of a heat table."""
    return {
        "marks": [asdict(mark) for mark in marks],
        "scale": asdict(scale),
        "kind": kind,
        "names": list(names),
    }


def table_html(held: Mapping[str, Any]) -> str:
    """The table of a spec, as `spec` makes it or as it is read back from a notebook."""
    marks = [Mark(**_finite(row)) for row in held["marks"]]
    scale, kind = Scale(**held["scale"]), held["kind"]
    names = [str(name) for name in held.get("names", ())]
    if kind == "heat":
        return _heat_html(marks, scale, names)
    low, high = _range(marks, scale, kind)
    counted = any(mark.n is not None for mark in marks)
    n_head = '<th scope="col">n</th>' if counted else ""
    title = escape(scale.title)
    legend = (
        f' <span class="cj-legend">● {escape(names[0])} ◇ {escape(names[1])}</span>'
        if len(names) == 2
        else ""
    )
    rows, group = [], ""
    for mark in marks:
        if mark.group != group:
            group = mark.group
            rows.append(_group(group, 4 if counted else 3))
        rows.append(_row(mark, scale, kind, (low, high), counted=counted))
    foot = (
        ""
        if kind == "spark"
        else f'<tfoot aria-hidden="true"><tr><td></td>{"<td></td>" if counted else ""}<td class="cj-mark">{_axis(scale, low, high)}</td><td></td></tr></tfoot>'
    )
    wide = " cj-wide" if max((len(mark.name) for mark in marks), default=0) > LONG_NAME else ""
    return (
        f'<table class="cj-marks{wide}"><thead><tr><th scope="col"><span class="cj-hidden">Row</span></th>{n_head}<th scope="col" class="cj-mark">{title}{legend}</th>'
        f'<th scope="col"><span class="cj-hidden">In words</span></th></tr></thead><tbody>{"".join(rows)}</tbody>{foot}</table>'
    )


LONG_NAME = 45
"""A name with more letters, such as a route, gets half of the table's width."""
DEEPEST = 0.42
"""How opaque the largest cell of a heat table is: text on it stays readable on both grounds."""


def _heat_html(marks: Sequence[Mark], scale: Scale, names: Sequence[str]) -> str:
    """A cell a row and column, the deeper the larger."""
    known = [value for mark in marks for value in mark.series if value is not None]
    top = max(known, default=0.0) or 1.0
    heads = "".join(f'<th scope="col"><bdi>{escape(name)}</bdi></th>' for name in names)
    rows = "".join(
        f'<tr class="cj-row"><th scope="row"><bdi>{escape(mark.name)}</bdi></th>'
        + "".join(_heat_cell(value, top, scale) for value in mark.series)
        + "</tr>"
        for mark in marks
    )
    return (
        f'<table class="cj-heat"><caption>{escape(scale.title)}</caption><thead><tr><th scope="col"><span class="cj-hidden">Row</span></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _heat_cell(value: float | None, top: float, scale: Scale) -> str:
    if value is None:
        return "<td>–</td>"
    text = numbers.percent(value) if scale.percent else numbers.number(value)
    depth = DEEPEST * max(0.0, value) / top
    return f'<td style="background-color: rgba(43, 115, 214, {depth:.3f})">{escape(text)}</td>'


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """Missing numbers as None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _group(name: str, columns: int) -> str:
    return f'<tr class="cj-group"><th scope="colgroup" colspan="{columns}"><bdi>{escape(name)}</bdi></th></tr>'


def _row(
    mark: Mark, scale: Scale, kind: Kind, bounds: tuple[float, float], *, counted: bool
) -> str:
    state = " cj-faint" if mark.faint else " cj-strong" if mark.strong else ""
    n = (
        f'<td class="cj-count">{"–" if mark.n is None else f"{mark.n:,.0f}"}</td>'
        if counted
        else ""
    )
    picture = spark(mark) if kind == "spark" else _picture(mark, scale, kind, *bounds)
    return (
        f'<tr class="cj-row{state}"><th scope="row"><bdi>{escape(mark.name)}</bdi></th>{n}'
        f'<td class="cj-mark">{picture}</td><td class="cj-said">{escape(mark.said)}</td></tr>'
    )


# ---- the marks -------------------------------------------------------------------------------------------------


def _picture(mark: Mark, scale: Scale, kind: Kind, low: float, high: float) -> str:
    def at(value: float) -> float:
        inside = min(max((value - low) / (high - low), 0.0), 1.0)
        return EDGE + (100 - 2 * EDGE) * inside

    parts = [] if scale.middle is None else [_upright(at(scale.middle))]
    if kind == "bar" and mark.value is not None:
        start, end = sorted((at(max(low, 0.0)), at(mark.value)))
        parts.append(
            f'<rect class="cj-bar" x="{start:.2f}%" y="5" width="{end - start:.2f}%" height="12" rx="2"/>'
        )
    if mark.low is not None and mark.high is not None:
        parts += _whisker(at(mark.low), at(mark.high), "cj-over" if kind == "bar" else "cj-line")
    if kind == "pair" and mark.value is not None and mark.other is not None:
        parts.append(_level(at(mark.value), at(mark.other), 11, "cj-line cj-thin-line"))
    if kind != "bar" and mark.value is not None:
        parts.append(f'<circle class="cj-dot" cx="{at(mark.value):.2f}%" cy="11" r="5"/>')
    if mark.other is not None:
        parts.append(
            f'<svg x="{at(mark.other):.2f}%" y="11" overflow="visible"><path class="cj-other" d="M0,-6L6,0L0,6L-6,0z"/></svg>'
        )
    return _svg("".join(parts))


def _whisker(low: float, high: float, css: str) -> list[str]:
    ends = "".join(
        f'<line class="{css}" x1="{x:.2f}%" x2="{x:.2f}%" y1="7" y2="15"/>' for x in (low, high)
    )
    return [_level(low, high, 11, css), ends]


def _level(start: float, end: float, y: float, css: str) -> str:
    return f'<line class="{css}" x1="{start:.2f}%" x2="{end:.2f}%" y1="{y:g}" y2="{y:g}"/>'


def _upright(x: float) -> str:
    return f'<line class="cj-middle" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="22"/>'


def _svg(body: str, height: int = 22) -> str:
    return f'<svg width="100%" height="{height}" aria-hidden="true" focusable="false">{body}</svg>'


def spark(mark: Mark) -> str:
    """A line over time with its normal variation as a band, the newest point marked, and a dashed line at the target."""
    known = [value for value in mark.series if value is not None]
    levels = [*known, *(bound for bound in mark.band if bound is not None)]
    levels += [mark.target] if mark.target is not None else []
    if not known:
        return ""
    low, high = min(levels), max(levels)
    spread = (high - low) or 1.0
    width, height, room = 120.0, 28.0, 22.0

    def y(value: float) -> float:
        return 3 + room * (high - value) / spread

    step = (width - 8) / max(1, len(mark.series) - 1)
    places = [(4 + k * step, y(value)) for k, value in enumerate(mark.series) if value is not None]
    line = "M" + "L".join(f"{x:.1f},{up:.1f}" for x, up in places)
    parts = []
    if len(mark.band) == 2 and None not in mark.band:
        top, bottom = y(float(mark.band[1] or 0.0)), y(float(mark.band[0] or 0.0))
        parts.append(
            f'<rect class="cj-band" x="0" y="{top:.1f}" width="{width:g}" height="{max(1.0, bottom - top):.1f}"/>'
        )
    if mark.target is not None:
        parts.append(f'<path class="cj-goal" d="M0,{y(mark.target):.1f}H{width:g}"/>')
    parts.append(f'<path class="cj-spark" d="{line}"/>')
    parts += [
        f'<path class="cj-flag" d="M{4 + k * step:.1f},{y(value) - 4:.1f}l4,4l-4,4l-4,-4z"/>'
        for k, value in enumerate(mark.series)
        if k in mark.flagged and value is not None
    ]
    x, up = places[-1]
    parts.append(f'<circle class="cj-dot" cx="{x:.1f}" cy="{up:.1f}" r="3.2"/>')
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="120" height="28" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


# ---- the scale -------------------------------------------------------------------------------------------------


def _range(marks: Sequence[Mark], scale: Scale, kind: Kind) -> tuple[float, float]:
    values = [
        value
        for mark in marks
        for value in (mark.value, mark.low, mark.high, mark.other)
        if value is not None
    ]
    values += [scale.middle] if scale.middle is not None else []
    values += [0.0] if kind == "bar" else []
    low = min(values, default=0.0) if scale.low is None else scale.low
    high = max(values, default=1.0) if scale.high is None else scale.high
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _axis(scale: Scale, low: float, high: float) -> str:
    places = {
        tick: EDGE + (100 - 2 * EDGE) * (tick - low) / (high - low) for tick in ticks(low, high)
    }
    texts = "".join(
        f'<text x="{place:.2f}%" y="12" text-anchor="{_anchor(place)}">{escape(scale.text(tick))}</text>'
        for tick, place in places.items()
    )
    named = f'<p class="cj-n">line: {escape(scale.middle_name)}</p>' if scale.middle_name else ""
    return _svg(texts, 16) + named


def _anchor(place: float) -> str:
    """A number at an edge stands beside its place, so that a narrow page cuts no sign off."""
    return "start" if place < NEAR_EDGE else "end" if place > 100 - NEAR_EDGE else "middle"


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers within the range, at most so many."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


STYLE = """
.cj-marks { width: 100%; table-layout: fixed; border-collapse: collapse; }
.cj-marks th, .cj-marks td { text-align: left; vertical-align: middle; padding: 0.3rem 0.6rem 0.3rem 0; max-width: none; }
.cj-marks thead th:first-child { width: 24%; }
.cj-marks thead th:last-child { width: 30%; }
.cj-marks thead th:nth-last-child(3):not(:first-child) { width: 4.5rem; text-align: right; padding-right: 0.8rem; }
.cj-wide thead th:first-child { width: 48%; }
.cj-wide thead th:last-child { width: 20%; }
.cj-marks .cj-count { text-align: right; padding-right: 0.8rem; font-variant-numeric: tabular-nums; }
.cj-marks tbody th { font-weight: 400; overflow-wrap: anywhere; }
.cj-marks .cj-strong th, .cj-marks .cj-strong .cj-said { font-weight: 650; }
.cj-marks .cj-group th { font-weight: 650; padding-top: 0.9rem; }
.cj-marks .cj-said { font-size: 0.875em; line-height: 1.35; }
.cj-marks .cj-legend { font-weight: 400; margin-left: 0.6rem; }
.cj-marks tfoot td { border: 0; padding-top: 0; }
.cj-marks svg { display: block; overflow: visible; }
.cj-marks text { font-size: 11.5px; fill: currentColor; }
.cj-marks .cj-dot { fill: #2b73d6; }
.cj-marks .cj-bar { fill: #2b73d6; }
.cj-marks .cj-line { stroke: #2b73d6; stroke-width: 2; }
.cj-marks .cj-thin-line { stroke: #767676; }
.cj-marks .cj-over { stroke: currentColor; stroke-width: 1.5; }
.cj-marks .cj-middle { stroke: #767676; stroke-width: 1; stroke-dasharray: 2 3; }
.cj-marks .cj-other { fill: none; stroke: #be3e15; stroke-width: 2; }
.cj-marks .cj-faint .cj-dot, .cj-marks .cj-faint .cj-bar { fill: none; stroke: #767676; stroke-width: 1.5; }
.cj-marks .cj-faint .cj-line { stroke: #767676; }
.cj-marks .cj-band { fill: #767676; opacity: 0.22; }
.cj-marks .cj-spark { fill: none; stroke: #2b73d6; stroke-width: 1.8; }
.cj-marks .cj-goal { fill: none; stroke: currentColor; stroke-width: 1.2; stroke-dasharray: 4 3; }
.cj-marks .cj-flag { fill: #be3e15; }
.cj-heat { border-collapse: separate; border-spacing: 2px; }
.cj-heat caption { text-align: left; font-size: 0.875em; padding-bottom: 0.3rem; }
.cj-heat th, .cj-heat td { padding: 0.35rem 0.6rem; border: 0; text-align: right; border-radius: 3px; font-variant-numeric: tabular-nums; }
.cj-heat tbody th { text-align: left; font-weight: 400; }
.cj-heat td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.cj-marks:has(.cj-spark) thead th:last-child { width: 52%; }
.cj-wide:has(.cj-spark) thead th:first-child { width: 30%; }
.cj-wide:has(.cj-spark) thead th:last-child { width: 46%; }
.cj-marks:has(.cj-spark) .cj-said { font-weight: 400; }
@media screen and (max-width: 40rem) {
  .cj-marks, .cj-marks tbody, .cj-marks thead, .cj-marks tfoot { display: block; }
  .cj-marks tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 0.6rem; padding: 0.35rem 0; border-bottom: 1px solid rgba(118, 118, 118, 0.3); }
  .cj-marks :is(th, td) { border: 0; padding: 0; display: block; }
  .cj-marks thead th:nth-last-child(3):not(:first-child) { width: auto; padding: 0; }
  .cj-marks thead th:first-child, .cj-marks thead th:last-child { width: auto; }
  .cj-marks .cj-count { padding: 0; }
  .cj-marks .cj-count::before { content: "n "; opacity: 0.75; }
  .cj-marks tbody .cj-mark, .cj-marks .cj-said, .cj-marks tfoot .cj-mark { grid-column: 1 / -1; }
  .cj-marks thead th:not(.cj-mark), .cj-marks tfoot td:not(.cj-mark) { display: none; }
}
"""
"""For a notebook and for a page alike."""
