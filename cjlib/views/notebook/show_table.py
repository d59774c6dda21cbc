"""A table for readers: column heads in words, numbers rounded, missing as a dash; or a sentence where there are no rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from cjlib.analyses.result import Result, definition_html, folded_table_html
from cjlib.errors import CjlibError, not_one_of, shown


@dataclass(frozen=True, eq=False)
class ShownTable:
    """What `cj.table` gives."""

    frame: pd.DataFrame
    empty: str
    definition: Mapping[str, str]
    kinds: Mapping[str, str]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """The table in letters."""
        return self.frame.to_string(index=False) if len(self.frame) else self.empty

    @property
    def html(self) -> str:
        """The table with every text escaped."""
        held = (
            folded_table_html(self.frame, self.kinds)
            if len(self.frame)
            else f"<p>{escape(self.empty)}</p>"
        )
        return held + (definition_html(self.definition) if self.definition else "")


def table(
    rows: pd.DataFrame | Result,
    columns: Sequence[str] | None = None,
    *,
    empty: str = "There are no rows.",
) -> ShownTable:
    """A table as a reader wants it, without the index; that of a result with its definition.

    Parameters
    ----------
    rows
        A table, or a result, whose `.table` is shown with its definition beneath.
    columns
        Which columns, in order; None: all.
    empty
        What is said where there are no rows; of a result without any its headline says it.

    Returns
    -------
    ShownTable
        Shown in a notebook it is the table; `.text` and `.html` are its two forms.

    Raises
    ------
    CjlibError
        If `rows` is neither a table nor a result, or a column does not exist.
    """
    frame = rows.table if isinstance(rows, Result) else rows
    if not isinstance(frame, pd.DataFrame):
        raise CjlibError(
            f"rows: must be a pandas DataFrame, such as result.table, or a result. Got {shown(type(rows).__name__)}."
        )
    for name in columns or ():
        if name not in frame.columns and len(frame.columns):
            raise not_one_of("columns", name, [str(column) for column in frame.columns])
    chosen = frame if columns is None or frame.columns.empty else frame[list(columns)]
    if isinstance(rows, Result):
        return ShownTable(rows.readable(chosen), rows.headline, dict(rows.definition), rows.kinds)
    return ShownTable(chosen, empty, {}, {})
