"""What moved between two runs of a notebook: every metric before → now, in words that say whether chance explains it.

The words and the interval of the difference are those of the cards (`views/answer.py`): a change is called one only if the 95% CI of the
difference leaves out 0. That interval takes the two runs as independent; runs over mostly the same customers vary less, so "no clear change"
is said too often rather than too seldom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cjlib.analyses.result import Metric
from cjlib.show import numbers
from cjlib.views.notebook.summary_cards import change_words, difference_bounds, few, kind_of, said


@dataclass(frozen=True, kw_only=True)
class Move:
    """One metric in two runs; None where a run did not have it."""

    metric: str
    old: Metric | None
    new: Metric | None

    @property
    def name(self) -> str:
        """The metric as a reader knows it from the cards."""
        return kind_of(self.metric, self.new or self.old).words

    @property
    def same(self) -> bool:
        """Whether it has the same value in both."""
        return _value(self.old) == _value(self.new)

    @property
    def clear(self) -> bool:
        """Whether it moved by more than chance explains."""
        if self.same or self.old is None or self.new is None or few(self.old) or few(self.new):
            return False
        bounds = difference_bounds(self.new, self.old)
        return bounds is not None and not bounds[0] <= 0 <= bounds[1]

    @property
    def words(self) -> str:
        """What happened, in words."""
        if self.same:
            return "the same"
        if self.old is None or self.new is None:
            return "new" if self.old is None else "not in the newer run"
        return change_words(self.metric, self.new, self.old)

    def shown(self, entry: Metric | None) -> str:
        """The number with its interval and n, as far as they are known."""
        if entry is None or entry["value"] is None:
            return numbers.DASH
        unit = kind_of(self.metric, entry).unit
        parts = []
        if entry["low"] is not None and entry["high"] is not None:
            parts.append(f"{said(entry['low'], unit)} to {said(entry['high'], unit)}")
        if entry["n"] is not None:
            parts.append(f"n = {entry['n']:,}")
        return said(entry["value"], unit) + (f" ({', '.join(parts)})" if parts else "")


def _value(entry: Metric | None) -> float | None:
    return None if entry is None else entry["value"]


def metrics_of(results: Sequence[Mapping[str, Any]]) -> dict[str, Metric]:
    """The metrics of all results of a notebook; where two results share a name the later ones are told apart by their place."""
    found: dict[str, Metric] = {}
    for result in results:
        for name, entry in (result.get("metrics") or {}).items():
            free, place = name, 2
            while free in found and found[free] != entry:
                free, place = f"{name} ({place})", place + 1
            found[free] = entry
    return found


def moves(old: Mapping[str, Metric], new: Mapping[str, Metric]) -> list[Move]:
    """Every metric of the two runs: clear moves first, then as the newer run lists them."""
    every = [
        Move(metric=name, old=old.get(name), new=new.get(name))
        for name in dict.fromkeys([*new, *old])
    ]
    return sorted(every, key=lambda move: not move.clear)
