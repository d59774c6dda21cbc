"""What moved between two runs of a notebook: every metric before → now, in words that say whether chance explains it.

The words are those of the cards (`summary_cards.py`); a move is called one only where it is significant over all numbers of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cjlib.analyses.metric_change import Change, changes
from cjlib.analyses.result import Metric
from cjlib.show import numbers
from cjlib.views.notebook.summary_cards import change_words, kind_of, said


@dataclass(frozen=True, kw_only=True)
class Move:
    """One metric in two runs; None where a run did not have it."""

    metric: str
    change: Change

    @property
    def old(self) -> Metric | None:
        """The metric in the run before."""
        return self.change.before

    @property
    def new(self) -> Metric | None:
        """The metric in the newer run."""
        return self.change.now

    @property
    def name(self) -> str:
        """The metric as a reader knows it from the cards."""
        return kind_of(self.metric, self.new or self.old or {}).words

    @property
    def same(self) -> bool:
        """Whether it has the same value in both."""
        return _value(self.old) == _value(self.new)

    @property
    def clear(self) -> bool:
        """Whether it moved by more than chance explains."""
        return self.change.significant

    @property
    def words(self) -> str:
        """What happened, in words."""
        if self.same:
            return "the same"
        if self.old is None or self.new is None:
            return "new" if self.old is None else "not in the newer run"
        return change_words(kind_of(self.metric, self.new), self.change)

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
    """Every metric of two runs of a notebook: clear moves first, then as the newer run lists them."""
    return moves_of_run({"": (old, new)})[""]


Metrics = Mapping[str, Metric]


def moves_of_run(notebooks: Mapping[str, tuple[Metrics, Metrics]]) -> dict[str, list[Move]]:
    """Of every notebook its metrics before and now, as moves that are corrected over all of them together."""
    places = [
        (notebook, metric)
        for notebook, (old, new) in notebooks.items()
        for metric in dict.fromkeys([*new, *old])
    ]
    compared = changes(
        [
            (notebooks[name][0].get(metric), notebooks[name][1].get(metric))
            for name, metric in places
        ]
    )
    moved: dict[str, list[Move]] = {notebook: [] for notebook in notebooks}
    for (notebook, metric), change in zip(places, compared, strict=True):
        moved[notebook].append(Move(metric=metric, change=change))
    return {name: sorted(own, key=lambda move: not move.clear) for name, own in moved.items()}
