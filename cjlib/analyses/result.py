"""The one shape of an answer: table, headline, definition, metrics, SQL."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.show.tables import table_html

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd

MIN_N = 30
"""A number that rests on fewer than this many customers is shown as such: greyed, with its n, never as a finding."""

LONG = 16
"""Rows above which a table is folded: a reader scrolls past what nobody reads line by line."""

MIME = "application/vnd.cjlib.result+json"
"""What a result leaves in a notebook's output for the report and for run.json."""

Metric = dict[str, float | int | None]


def metric(
    value: float, low: float | None = None, high: float | None = None, n: int | None = None
) -> Metric:
    """One entry of `.metrics`; what is not a number becomes None, so that it can be written as JSON."""
    return {
        "value": _plain(value),
        "low": _plain(low),
        "high": _plain(high),
        "n": None if n is None else int(n),
    }


def _plain(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """An answer that explains itself.

    Attributes
    ----------
    table
        The numbers, tidy: counts are int64, shares 0–1, durations float64 in `…_seconds`.
    headline
        One sentence a stakeholder can read, with n and interval, saying what is uncertain.
    definition
        What decided the numbers, in order: option → value in words.
    metrics
        Name → `{"value", "low", "high", "n"}`, for comparing runs and for alerts.
    sql
        The statement that gives the same counts; `log.run(result.sql)` runs it as it stands.
    """

    table: pd.DataFrame
    headline: str
    definition: Mapping[str, str]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    sql: str = ""

    @property
    def kinds(self) -> Mapping[str, str]:
        """What columns of `.table` hold where their names do not say it, as `cjlib.show.tables.column_kinds`: for showing only."""
        return {}

    @property
    def telling(self) -> Collection[str]:
        """Metrics that say something on a card; all of them, unless the headline says already that there is nothing to count."""
        return self.metrics

    def readable(self, table: pd.DataFrame) -> pd.DataFrame:
        """`.table`, or columns of it, as readers see it: names of the code in words. `.table` itself keeps them."""
        return table

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/plain": f"{self.headline}\n\n{self.table.to_string(max_rows=30)}",
            "text/html": result_html(self),
            MIME: {
                "kind": type(self).__name__,
                "headline": self.headline,
                "definition": dict(self.definition),
                "metrics": dict(self.metrics),
            },
        }


def result_html(result: Result) -> str:
    """Headline, table and folded definition; every text escaped, since names come from data."""
    sql = (
        f'<details class="cj-sql"><summary>SQL</summary><pre>{escape(result.sql)}</pre></details>'
        if result.sql
        else ""
    )
    return (
        f'<section class="cj-result"><p class="cj-headline">{escape(result.headline)}</p>'
        f'<div class="cj-table">{folded_table_html(result.readable(result.table), result.kinds)}</div>{definition_html(result.definition)}{sql}</section>'
    )


def folded_table_html(table: pd.DataFrame, kinds: Mapping[str, str] | None = None) -> str:
    """A table as HTML; a long one is folded, with its number of rows; of one without rows no empty head is shown."""
    if table.empty:
        return '<p class="cj-more">The table has no rows.</p>'
    held = table_html(table, kinds=kinds)
    return (
        held
        if len(table) <= LONG
        else f"<details><summary>Show the table: {len(table):,} rows</summary>{held}</details>"
    )


def definition_html(definition: Mapping[str, str]) -> str:
    """The definition as a folded card."""
    rows = "".join(
        f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>"
        for key, value in definition.items()
    )
    return f'<details class="cj-definition"><summary>How this was counted</summary><dl>{rows}</dl></details>'
