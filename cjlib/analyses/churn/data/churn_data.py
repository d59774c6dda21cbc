"""What a churn model learns from: one row a customer (and cutoff), the label, the features, and what is suspicious about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cjlib.analyses.churn.data.snapshots import LogSource
from cjlib.analyses.result import Result

NO_DATES = "A table of customers shows one moment and has no dates"


class UnanswerableError(Exception):
    """What the data lack; whoever asks turns it into an unanswered result."""

    @property
    def reason(self) -> str:
        """As a headline."""
        return f"Who will leave cannot be said: {self}"


@dataclass(frozen=True)
class TableSource:
    """The table of customers as it was given, and the column that says who left."""

    table: pd.DataFrame
    target: str

    @property
    def open(self) -> pd.DataFrame:
        """Customers whose outcome is blank."""
        outcome = self.table[self.target]
        return self.table[outcome.isna() | (outcome.astype("str").str.strip() == "")]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnData(Result):
    """Customers, label and features.

    Attributes
    ----------
    table
        `customer_id`, [`cutoff`], `churned` (1, 0, missing where the horizon is not over), then the
        features.
    features
        Their names.
    population
        Who is in it: `population`, `customers`, `rows`, `churned`, `share_churned` with its
        interval.
    leaks
        `column`, `level` (FAIL, DROP, WARN, INFO), `rule`, `figure`, `text`. FAIL and DROP columns
        stay out of the model unless kept by name.
    columns
        What each source column was taken for: `column`, `kind`, `values`, `missing`, `note`.
    id_column
        What the table called the customer; a table to be scored may call it so.
    dates, snapshot
        Columns of a table that were dates, now days before the snapshot (ISO; empty without dates).
    source
        For data from a log: the log and the options, so that a fit can test that no feature looks
        past its cutoff; else the table of customers.
    """

    features: tuple[str, ...]
    population: pd.DataFrame
    leaks: pd.DataFrame
    columns: pd.DataFrame
    of_log: bool
    id_column: str = ""
    dates: tuple[str, ...] = ()
    snapshot: str = ""
    source: LogSource | TableSource | None = field(default=None, repr=False)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnData:
        """No data to learn from, and the reason."""
        return super().unanswered(
            reason,
            features=(),
            population=pd.DataFrame(),
            leaks=pd.DataFrame(columns=["column", "level", "rule", "figure", "text"]),
            columns=pd.DataFrame(),
            of_log=False,
        )
