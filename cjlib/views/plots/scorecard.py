"""The scorecard as a table: what a measure is, its trend within normal variation, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.analyses.scorecard.summary import entry_of, interval, period_name, said
from cjlib.errors import not_one_of
from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme

COLUMNS = ["measure", "period", "value", "low", "high", "n", "usual from", "usual to", "mark"]
VERDICTS = {
    "missed": "Target missed",
    "not clear": "Too close to the target to call",
    "reached": "Target met",
    "": "No target",
}
"""What is said of a KPI's target; missed ones come first."""


@dataclass(frozen=True)
class Card:
    """One measure: its table row and its trend."""

    row: dict[str, Any]
    trend: pd.DataFrame

    @cached_property
    def periods(self) -> list[dict[str, Any]]:
        """The trend, row by row."""
        return theme.records(self.trend)

    @property
    def met(self) -> str:
        """Whether the target is met; "" where there is none."""
        met = self.row["target_met"]
        return met if isinstance(met, str) else ""

    @property
    def mark(self) -> marks.Mark:
        """The row of the table: name, trend within normal variation, and words."""
        row, entry = self.row, entry_of(self.row["measure"])
        strong = row["status"] == "measured"
        value = said(row["value"], entry.unit) + ("" if strong else " (too few)")
        newest = self.periods[-1]
        return marks.Mark(
            name=entry.label,
            said=f"{value} ({_resting(row)}). {numbers.capitalised(row['words'])}.",
            strong=self.met == "missed",
            faint=not strong,
            group=VERDICTS[self.met],
            series=[
                theme.plain(period["value"]) if period["complete"] else None
                for period in self.periods
            ],
            band=[theme.plain(newest["band_low"]), theme.plain(newest["band_high"])],
            target=theme.plain(row["target"]),
            flagged=[place for place, one in enumerate(self.periods) if one["flagged"]],
        )


def cards(result: Any, *, measures: Sequence[str] | None = None) -> go.Figure:
    """A row a measure, missed targets first: value, words, and the trend within its normal variation."""
    return _drawn(result, _cards(result, measures), _caption(result))


def targets(result: Any) -> go.Figure:
    """The measures with a target alone; where none is set all."""
    every = _cards(result, None)
    aimed = [card for card in every if card.met]
    if not aimed:
        return _drawn(result, every, _caption(result))
    counts = [
        f"{sum(card.met == met for card in aimed)} {words}"
        for met, words in (
            ("missed", "missed"),
            ("reached", "met"),
            ("not clear", "too close to call"),
        )
    ]
    return _drawn(
        result, aimed, f"{numbers.count_of(len(aimed), 'target')}: {numbers.joined(counts)}."
    )


def _drawn(result: Any, held: Sequence[Card], caption: str) -> go.Figure:
    if not held:
        return theme.empty(
            result.headline, columns=COLUMNS, words_in_figure="No measure has a complete period"
        )
    ordered = sorted(held, key=lambda card: list(VERDICTS).index(card.met))
    title = f"last {numbers.count_of(len(held[0].trend), result.period)}; band: normal variation; dashes: target; diamond: outside"
    return theme.rows_figure(
        marks.spec([card.mark for card in ordered], marks.Scale(title=title), "spark"),
        caption=caption,
        alt=_alt(ordered),
        columns=COLUMNS,
        rows=[row for card in ordered for row in _rows(card, result.period)],
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
    return [
        Card(row, trends[row["measure"]])
        for row in rows
        if trends[row["measure"]]["value"].notna().any()
    ]


def _resting(row: dict[str, Any]) -> str:
    unit = entry_of(row["measure"]).unit
    return f"{interval(row['low'], row['high'], unit)}, n = {row['n']:,}"


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
    return f"{numbers.count_of(len(held), 'KPI')}, each with a line over the periods within its normal variation. {'. '.join(each)}."


VIEWS = {"Scorecard": {"cards": cards, "targets": targets}}
