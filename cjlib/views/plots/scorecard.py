"""The scorecard as cards below one another: what a measure is, what is to be said of it, and its trend within its control limits."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cjlib.analyses.scorecard.summary import entry_of, period_name, said
from cjlib.errors import not_one_of
from cjlib.show import numbers
from cjlib.views.plots import theme

COLUMNS = ["measure", "period", "value", "low", "high", "n", "usual from", "usual to", "mark"]
LINE, NAME, SPARK, GAP = 16, 22, 52, 26
"""Pixels of a line of words, of the name, of the trend, and between two cards."""
WIDTH = 50
"""Characters of a line that fit 390 pixels."""


@dataclass(frozen=True)
class Card:
    """One measure: its table row, its trend, and its words broken into lines."""

    row: dict[str, Any]
    trend: pd.DataFrame
    lines: list[str]

    @property
    def height(self) -> int:
        """Pixels."""
        return NAME + LINE * len(self.lines) + GAP + (SPARK if self.drawn else 0)

    @cached_property
    def periods(self) -> list[dict[str, Any]]:
        """The trend, row by row."""
        return theme.records(self.trend)

    @cached_property
    def drawn(self) -> bool:
        """Whether there is a trend: two values at least."""
        return int(self.trend["value"].notna().sum()) > 1

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest of all that is drawn."""
        shown = self.trend[["value", "band_low", "band_high"]].to_numpy(dtype=float)
        return (np.nanmin(shown), np.nanmax(shown)) if np.isfinite(shown).any() else (0.0, 1.0)

    def scaled(self, values: Any, bottom: float) -> np.ndarray:
        """Values as pixels within the trend of this card."""
        low, high = self.ends
        return (
            bottom
            + 4
            + (np.asarray(values, dtype=float) - low)
            / (high - low if high > low else 1.0)
            * (SPARK - 8)
        )


def cards(result: Any, *, measures: Sequence[str] | None = None) -> go.Figure:
    """A card a measure: value, words, and the trend within its control limits."""
    held = _cards(result, measures)
    if not held:
        return theme.empty(
            result.headline, columns=COLUMNS, words_in_figure="No measure has a complete period"
        )
    bottoms = -np.cumsum([card.height for card in held]) + GAP
    periods = len(held[0].trend)
    height = int(-bottoms[-1]) + 70
    traces = [
        _bands(held, bottoms),
        _targets(held, bottoms),
        _lines(held, bottoms),
        _marks(held, bottoms, result.period),
    ]
    return theme.figure(
        traces,
        caption=_caption(result),
        alt=_alt(held),
        columns=COLUMNS,
        rows=[row for card in held for row in _rows(card, result.period)],
        height=height,
        annotations=[
            note
            for card, bottom in zip(held, bottoms, strict=True)
            for note in _notes(card, float(bottom))
        ],
        showlegend=True,
        hoverdistance=12,
        xaxis={
            "range": [-0.3, periods - 0.7],
            "showgrid": False,
            **_ticks(held[0].trend, result.period),
        },
        yaxis={"range": [float(bottoms[-1]) - 6, 6], "visible": False, "fixedrange": True},
    )


def _cards(result: Any, measures: Sequence[str] | None) -> list[Card]:
    table = result.table[result.table["status"] != "not measured"]
    for name in measures or ():
        if name not in set(table["measure"]):
            raise not_one_of("measures", name, table["measure"])
    rows = [row for row in theme.records(table) if measures is None or row["measure"] in measures]
    trends = {
        name: part.reset_index(drop=True)
        for name, part in result.trend.groupby("measure", sort=False)
    }
    drawn = [row for row in rows if trends[row["measure"]]["value"].notna().any()]
    return [
        Card(
            row,
            trends[row["measure"]],
            textwrap.wrap(f"{_resting(row)}. {row['words'][:1].upper()}{row['words'][1:]}.", WIDTH),
        )
        for row in drawn
    ]


def _resting(row: dict[str, Any]) -> str:
    unit = entry_of(row["measure"]).unit
    return f"95% CI {said(row['low'], unit)} to {said(row['high'], unit)}, n = {row['n']:,}"


def _notes(card: Card, bottom: float) -> list[dict[str, Any]]:
    entry, top = entry_of(card.row["measure"]), bottom + card.height - GAP
    strong = card.row["status"] == "measured"
    name, value = theme.label(entry.label, 40), theme.safe(said(card.row["value"], entry.unit))
    lines = "<br>".join(theme.safe(line) for line in card.lines)
    place = {"xref": "paper", "below": True}
    return [
        theme.note(f"<b>{name}</b>" if strong else name, x=0, y=top, size=14, **place),
        theme.note(
            f"<b>{value}</b>" if strong else f"{value} (too few)",
            x=1,
            y=top,
            size=14,
            right=True,
            **place,
        ),
        theme.note(lines, x=0, y=top - NAME, size=12, **place),
    ]


# ---- what is drawn: one trace a kind of mark, cards apart by gaps --------------------------------------------------


def _bands(held: Sequence[Card], bottoms: np.ndarray) -> go.Scatter:
    x, y = [], []
    for card, bottom in zip(held, bottoms, strict=True):
        known = card.trend["band_low"].notna() & card.trend["band_high"].notna()
        at = np.flatnonzero(known.to_numpy()).tolist()
        if at:
            low, high = (
                card.scaled(card.trend.loc[known, name], bottom).tolist()
                for name in ("band_low", "band_high")
            )
            x += [*at, *reversed(at), at[0], None]
            y += [*low, *reversed(high), low[0], None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=theme.TRACK,
        name="normal variation",
        hoverinfo="skip",
    )


def _targets(held: Sequence[Card], bottoms: np.ndarray) -> go.Scatter:
    """Targets that lie within what is drawn; the words name the others."""
    x, y = [], []
    for card, bottom in zip(held, bottoms, strict=True):
        at = float(card.scaled([card.row["target"]], bottom)[0])
        if bottom <= at <= bottom + SPARK:
            x += [-0.3, len(card.trend) - 0.7, None]
            y += [at, at, None]
    line = {"color": theme.COLOURS[2], "width": 1.5, "dash": "dash"}
    return go.Scatter(
        x=x, y=y, mode="lines", line=line, name="target", hoverinfo="skip", showlegend=bool(x)
    )


def _lines(held: Sequence[Card], bottoms: np.ndarray) -> go.Scatter:
    x, y = [], []
    for card, bottom in zip(held, bottoms, strict=True):
        pixels = card.scaled(card.trend["value"], bottom)
        x += [*range(len(pixels)), None]
        y += [*(theme.plain(pixel) for pixel in pixels), None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": theme.COLOURS[0], "width": 2},
        name="value",
        hoverinfo="skip",
        showlegend=False,
    )


def _marks(held: Sequence[Card], bottoms: np.ndarray, period: str) -> go.Scatter:
    x, y, symbol, colour, size, text = [], [], [], [], [], []
    for card, bottom in zip(held, bottoms, strict=True):
        unit = entry_of(card.row["measure"]).unit
        for place, one in enumerate(card.periods):
            if numbers.missing(one["value"]) or not card.drawn:
                continue
            x.append(place)
            y.append(float(card.scaled([one["value"]], bottom)[0]))
            symbol.append(
                "diamond" if one["flagged"] else "circle" if one["complete"] else "circle-open"
            )
            colour.append(theme.COLOURS[1] if one["flagged"] else theme.COLOURS[0])
            size.append(9 if one["flagged"] else 6)
            text.append(_hover(card, one, unit, period))
    marker = {"symbol": symbol, "color": colour, "size": size}
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker=marker,
        name="value; diamond: outside the control limits",
        hovertext=text,
        hoverinfo="text",
    )


def _hover(card: Card, one: dict[str, Any], unit: str, period: str) -> str:
    band = (
        ""
        if numbers.missing(one["band_low"])
        else f"<br>usual range {said(one['band_low'], unit)} to {said(one['band_high'], unit)}"
    )
    note = "" if one["complete"] else "<br>not over yet, or not covered from its start"
    start = theme.safe(period_name(one["period_start"], period))
    return f"<b>{theme.label(entry_of(card.row['measure']).label)}</b><br>{start}: {said(one['value'], unit)}, n = {one['n']:,}{band}{note}"


def _ticks(trend: pd.DataFrame, period: str) -> dict[str, Any]:
    last = len(trend) - 1
    places = sorted({0, last} if last < 8 else {0, last // 2, last})
    forms = {"month": "%b %Y", "quarter": "%b %Y", "year": "%Y", "hour": "%H:%M"}
    labels = [
        trend["period_start"][place].strftime(forms.get(period, "%Y-%m-%d")) for place in places
    ]
    return {"tickvals": places, "ticktext": labels, "side": "bottom"}


def _rows(card: Card, period: str) -> list[list[Any]]:
    marks = [
        "outside the control limits"
        if one["flagged"]
        else ""
        if one["complete"]
        else "not complete"
        for one in card.periods
    ]
    names = ("value", "low", "high", "n", "band_low", "band_high")
    return [
        [
            entry_of(card.row["measure"]).label,
            period_name(one["period_start"], period),
            *(one[name] for name in names),
            mark,
        ]
        for one, mark in zip(card.periods, marks, strict=True)
    ]


def _caption(result: Any) -> str:
    """The headline, and how many marks stand out beside how many would by chance; nothing of it where no mark could be judged."""
    if not result.flags:
        return result.headline
    lie = numbers.count_of(result.flags, "point lies", "points lie")
    return f"{result.headline} {lie} outside the control limits (about {result.expected_flags:.1f} expected by chance)."


def _alt(held: Sequence[Card]) -> str:
    each = (
        f"{entry_of(card.row['measure']).label} {said(card.row['value'], entry_of(card.row['measure']).unit)}, {card.row['words']}"
        for card in held
    )
    return f"{numbers.count_of(len(held), 'card')}, each with a line over the periods within its control limits. {'. '.join(each)}."


VIEWS = {"Scorecard": {"cards": cards}}
