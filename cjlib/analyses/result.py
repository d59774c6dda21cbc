"""The one shape of an answer: table, headline, definition, metrics, SQL."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from cjlib.analyses.findings import Finding
from cjlib.errors import CjlibError
from cjlib.show.tables import table_html
from cjlib.show.units import in_units
from cjlib.show.wording import Wording, told_in, wording_in_use

if TYPE_CHECKING:  # what renders reports does not wait for pandas
    import pandas as pd
    import polars as pl
    import pyarrow as pa

LONG = 16
"""Rows above which a table is folded: a reader scrolls past what nobody reads line by line."""

MIME = "application/vnd.cjlib.result+json"
"""What a result leaves in a notebook's output for the report and for run.json."""

Metric = dict[str, Any]
"""`value`, `low`, `high`, `n`, and how the number is shown: `label`, `unit`, `better`."""
Unit = Literal["share", "difference", "change", "points", "seconds", "money", "number"]
Better = Literal["higher", "lower", ""]


def metric(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    *,
    label: str = "",
    unit: Unit | Literal[""] = "",
    better: Better = "",
    scale: str = "",
    target: float | None = None,
    target_met: str = "",
    trend: Sequence[float | None] = (),
) -> Metric:
    """One entry of `.metrics`, and all that a card needs to show it; what is not a number becomes None, so that it can be written as JSON.

    Parameters
    ----------
    value, low, high, n
        The number, its 95% CI, and the customers (or answers) it rests on.
    label
        What it is, in words: "Conversion".
    unit
        "share" (0–1, shown in percent), "difference" (of shares, shown in points), "change" (as a share of what it was, shown in percent with its sign), "points", "seconds", "money", "number".
    better
        Which direction is good for the business: "higher", "lower", or "" where neither is.
    scale
        What the number was measured with, where that is fitted anew to the data of each run, or to when, where that moves with the data; numbers of different scales are not compared.
    target, target_met
        What the number should reach, and whether it does ("reached", "missed", "not clear"); None and "" where no target is set.
    trend
        The number in the newest complete periods, the oldest first; None where it is not known.
    """
    entry: Metric = {
        "value": _plain(value),
        "low": _plain(low),
        "high": _plain(high),
        "n": None if n is None else int(n),
        "label": label,
        "unit": unit,
        "better": better,
    }
    told = {"target": target, "target_met": target_met} if target_met else {}
    seen = {"trend": [_plain(one) for one in trend]} if len(trend) else {}
    return entry | ({"scale": scale} if scale else {}) | told | seen


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
    findings
        What it has to say beyond the headline, for a briefing to rank.
    families
        Every family of tests it looked at, with the number of its comparisons; findings are corrected over all families of a run.
    reason
        Why the data cannot answer; "" where they can.
    wording
        The units and the currency that it is told in, whatever is read afterwards.
    """

    table: pd.DataFrame
    headline: str
    definition: Mapping[str, str]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    sql: str = ""
    findings: Sequence[Finding] = ()
    families: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    wording: Wording = field(default_factory=wording_in_use, init=False, repr=False)

    def __post_init__(self) -> None:
        # Sentences are written of customers; a log may count accounts, tickets or orders.
        in_words = {in_units(option): in_units(words) for option, words in self.definition.items()}
        metrics = {
            name: {**one, "label": in_units(one.get("label", ""))}
            for name, one in self.metrics.items()
        }
        said = {"headline": in_units(self.headline), "reason": in_units(self.reason)}
        for name, value in (said | {"definition": in_words, "metrics": metrics}).items():
            object.__setattr__(self, name, value)

    @property
    def answered(self) -> bool:
        """Whether the data could answer; where not, the headline is the reason and every table is empty."""
        return not self.reason

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> Self:
        """The result of a question that the data cannot answer: the reason as headline, and no rows.

        `empty` gives fields that a result of this class has beside those of every result.
        """
        import pandas as pd

        return cls(table=pd.DataFrame(), headline=reason, definition={}, reason=reason, **empty)

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

    def to_arrow(self) -> pa.Table:
        """`.table` as an Arrow table; a column of mixed values becomes text.

        Returns
        -------
        pyarrow.Table
            The columns of `.table`, times with their zone.
        """
        import pandas as pd
        import pyarrow as pa

        mixed = [
            name
            for name, column in self.table.items()
            if pd.api.types.infer_dtype(column, skipna=True).startswith("mixed")
        ]
        as_text = {
            str(name): self.table[name].map(str).where(self.table[name].notna()) for name in mixed
        }
        return pa.Table.from_pandas(self.table.assign(**as_text), preserve_index=False)

    def to_polars(self) -> pl.DataFrame:
        """`.table` as a polars DataFrame.

        Returns
        -------
        polars.DataFrame
            As `to_arrow` has it.

        Raises
        ------
        CjlibError
            If polars is not installed.
        """
        try:
            import polars as pl
        except ImportError:
            raise CjlibError(
                "to_polars: polars is not installed. Install it: pip install 'customer-journey-notebooks[polars]'."
            ) from None
        return pl.DataFrame(pl.from_arrow(self.to_arrow()))

    def to_excel(self, path: str | Path) -> Path:
        """Write an Excel workbook: the headline with every metric, the definition, `.table` and each further table.

        Numbers stay numbers; text stays text also where it begins as a formula does; instants are
        the local wall clock.

        Parameters
        ----------
        path
            The file, ending in .xlsx; one that is there is written anew.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        CjlibError
            If XlsxWriter is not installed, `path` does not end in .xlsx or its folder does not
            exist, or a table has more rows than a sheet.
        """
        from cjlib.show.workbook import write_workbook

        return write_workbook(path, self._sheets())

    def _sheets(self) -> dict[str, pd.DataFrame]:
        import pandas as pd

        metrics = [
            {
                "": entry.get("label") or name,
                "value": entry["value"],
                "95% low": entry["low"],
                "95% high": entry["high"],
                "n": entry["n"],
            }
            for name, entry in self.metrics.items()
        ]
        lines = pd.DataFrame(self.definition.items(), columns=["", "how it was counted"])
        further = {
            field.name.replace("_", " ").capitalize(): getattr(self, field.name)
            for field in fields(self)
            if not field.name.startswith("_") and field.name != "table"
        }
        return {
            "Headline": pd.concat(
                [pd.DataFrame({"": [self.headline]}), pd.DataFrame(metrics)], ignore_index=True
            ),
            "Definition": lines,
            "Table": self.table,
        } | {
            name: table
            for name, table in further.items()
            if isinstance(table, pd.DataFrame) and len(table) and table is not self.table
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        with told_in(self.wording):
            html = result_html(self)
        return {
            "text/plain": f"{self.headline}\n\n{self.table.to_string(max_rows=30)}",
            "text/html": html,
            MIME: {
                "kind": type(self).__name__,
                "headline": self.headline,
                "definition": dict(self.definition),
                "metrics": {name: written(one) for name, one in self.metrics.items()},
                "findings": [finding.plain() for finding in self.findings],
                "families": dict(self.families),
                "reason": self.reason,
            },
        }


def written(entry: Metric) -> Metric:
    """A metric as it is stored: nine digits, since the last ones differ from processor to processor."""
    return {
        name: float(f"{value:.9g}") if isinstance(value, float) and math.isfinite(value) else value
        for name, value in entry.items()
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
