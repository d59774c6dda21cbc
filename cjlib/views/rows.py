"""The first rows of a table as a reader wants them: rounded, whole texts, nothing cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from cjlib.errors import CjlibError, shown
from cjlib.markup import cell_text, table_html


@dataclass(frozen=True, eq=False)
class Rows:
    """What `rows` gives; `.table` holds the rows as they are."""

    table: pd.DataFrame
    left_out: int

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """A line a row, cells apart by a bar."""
        heads = " | ".join(str(name) for name in self.table.columns)
        lines = (
            " | ".join(cell_text(cell, str(name)) for name, cell in zip(self.table.columns, row, strict=True))
            for row in self.table.itertuples(index=False, name=None)
        )
        return "\n".join([heads, *lines, *([f"{self.left_out:,} more rows"] if self.left_out else [])])

    @property
    def html(self) -> str:
        """A table, every text escaped."""
        if self.table.empty:
            return "<p>There are no rows.</p>"
        left = f"<p>{self.left_out:,} more rows.</p>" if self.left_out else ""
        return f'<div class="cj-table">{table_html(self.table)}</div>{left}'


def rows(table: pd.DataFrame, most: int = 10, *, columns: list[str] | None = None) -> Rows:
    """The first rows of a table, for a reader: numbers rounded, missing as a dash, texts whole and escaped, and how many rows are not shown.

    Parameters
    ----------
    table
        Any table of an analysis.
    most
        How many rows.
    columns
        Which columns, in order; None: all.
    """
    if not isinstance(table, pd.DataFrame):
        raise CjlibError(f"table: must be a table, such as result.table. Got {shown(type(table).__name__)}.")
    picked = table if columns is None else table[columns]
    return Rows(picked.head(most), max(len(table) - most, 0))
