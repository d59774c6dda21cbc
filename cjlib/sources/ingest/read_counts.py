"""What a reading counted of its rows: numbers that add up, so that files read on different days give what they give together."""

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

    def __add__(self, other: Tally) -> Tally:
        """What both have together."""
        futures = [one.first_future for one in (self, other) if one.first_future is not None]
        kinds = {
            kind: _joined(self.kinds.get(kind), other.kinds.get(kind))
            for kind in sorted(self.kinds | other.kinds)
        }
        return Tally(
            self.rows + other.rows,
            kinds,
            self.twice + other.twice,
            _both(self.reasons, other.reasons),
            min(futures, default=None),
        )

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


def _joined(one: Span | None, other: Span | None) -> Span:
    """Rows, earliest and latest (None where no time could be read) of both."""
    spans = [span for span in (one, other) if span is not None]
    lows, highs = ([span[place] for span in spans if span[place] is not None] for place in (1, 2))
    return sum(rows for rows, _, _ in spans), min(lows, default=None), max(highs, default=None)


def _both(one: Reasons, other: Reasons) -> Reasons:
    together = {}
    for reason in sorted(one | other):
        found = [reasons[reason] for reasons in (one, other) if reason in reasons]
        together[reason] = (
            sum(rows for rows, _ in found),
            min((example for _, example in found if example), default=""),
        )
    return together
