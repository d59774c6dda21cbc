"""What a reading counted of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

Reasons = dict[str, tuple[int, str]]
Span = tuple[int, Any, Any]
Kinds = dict[int, Span]


@dataclass(frozen=True)
class Tally:
    """The counts of one reading.

    `rows` read; of each kind of time its rows, earliest and latest; hours that come `twice`; of each reason its rows and smallest example;
    `first_future`, the earliest time that has not happened yet.
    """

    rows: int
    kinds: Kinds
    twice: int
    reasons: Reasons
    first_future: int | None

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**vars(self), "kinds": [[kind, *span] for kind, span in self.kinds.items()]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Tally:
        """From what `plain` gave."""
        kinds = {kind: (rows, low, high) for kind, rows, low, high in plain["kinds"]}
        reasons = {reason: (rows, example) for reason, (rows, example) in plain["reasons"].items()}
        return cls(plain["rows"], kinds, plain["twice"], reasons, plain["first_future"])


def reasons_of(held: pd.DataFrame) -> Reasons:
    """Of each reason its rows and its smallest example."""
    if held.empty:
        return {}
    return {
        str(reason): (len(rows), smallest(rows["example"]))
        for reason, rows in held.groupby("reason", sort=True)
    }


def smallest(examples: pd.Series) -> str:
    """The first of the examples, as text."""
    return min((str(one) for one in examples.dropna()), default="")[:80]
