"""A table for readers: column heads in words, numbers rounded, missing as a dash; or a sentence where there are no rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.markup import table_html


@dataclass(frozen=True, eq=False)
class ShownTable:
    """What `cj.table` gives."""

    frame: pd.DataFrame
    empty: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """The table in letters."""
        return self.frame.to_string(index=False) if len(self.frame) else self.empty

    @property
    def html(self) -> str:
        """The table with every text escaped."""
        return table_html(self.frame) if len(self.frame) else f"<p>{escape(self.empty)}</p>"


def table(frame: pd.DataFrame, columns: Sequence[str] | None = None, *, empty: str = "There are no rows.") -> ShownTable:
    """A table as a reader wants it, without the index.

    Parameters
    ----------
    frame
        Such as a result's `.table`.
    columns
        Which columns, in order; None: all.
    empty
        What is said where there are no rows.
    """
    if not isinstance(frame, pd.DataFrame):
        raise CjlibError(f"frame: must be a pandas DataFrame, such as result.table. Got {shown(type(frame).__name__)}.")
    for name in columns or ():
        if name not in frame.columns:
            raise not_one_of("columns", name, [str(one) for one in frame.columns])
    return ShownTable(frame if columns is None or not len(frame.columns) else frame[list(columns)], empty)
