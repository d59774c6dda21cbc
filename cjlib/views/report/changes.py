"""What moved between two runs of a notebook: every metric before → now, in words that say whether chance explains it.

Here too are the alerts: which numbers of a run should wake someone.

The words are those of the cards (`summary_cards.py`); a move is called one only where it is significant over all numbers of the run.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cjlib.analyses.metric_change import Change, changes
from cjlib.analyses.result import Metric
from cjlib.errors import CjlibError, did_you_mean, shown
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


_WRITTEN = re.compile(
    r"\s*(?:(?P<notebook>[\w.-]+):)?(?P<metric>.+?)(?:\.(?P<part>low|high|n|value))?\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?P<percent>%?)\s*"
)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Alert:
    """One condition, as it was written and as it is read."""

    written: str
    notebook: str | None
    metric: str
    part: str
    sign: str
    limit: float

    def check(self, metrics: Mapping[str, Mapping[str, Metric]]) -> dict[str, Any]:
        """Whether it fires, and why in words.

        Parameters
        ----------
        metrics
            Notebook → metric → `value, low, high, n`.
        """
        asked: dict[str, Mapping[str, Metric]] = {
            name: found for name, found in metrics.items() if self.notebook in (None, name)
        }
        values = {
            name: found[self.metric].get(self.part)
            for name, found in asked.items()
            if self.metric in found
        }
        fired: dict[str, Any] = {"alert": self.written, "fired": True, "value": None}
        if not values:
            every = [metric for found in asked.values() for metric in found]
            return fired | {
                "words": f"cannot be checked: no metric {shown(self.metric)} in this run.{did_you_mean(self.metric, every)}"
            }
        known = {name: float(value) for name, value in values.items() if value is not None}
        if len(known) < len(values):
            return fired | {
                "words": f"cannot be checked: {self.metric} has no {self.part} in this run."
            }
        hits = {
            name: value for name, value in known.items() if _SIGNS[self.sign](value, self.limit)
        }
        name, value = next(iter((hits or known).items()))
        part = {
            "value": "",
            "low": " at its lower bound",
            "high": " at its upper bound",
            "n": " in its n",
        }[self.part]
        unit = "number" if self.part == "n" else kind_of(self.metric, asked[name][self.metric]).unit
        value_said, limit_said = (said(each, unit) for each in (value, self.limit))
        return fired | {
            "fired": bool(hits),
            "value": value,
            "words": f"{self.metric} is {value_said}{part} in {name}; the alert is {self.sign} {limit_said}.",
        }


def read_alerts(written: Iterable[str]) -> list[Alert]:
    """The alerts of the command line; CjlibError for one that is none."""
    return [_read(text) for text in written]


def _read(text: str) -> Alert:
    found = _WRITTEN.fullmatch(text)
    try:
        limit = float(found["limit"]) / (100 if found["percent"] else 1) if found else None
    except ValueError:
        limit = None
    if found is None or limit is None:
        raise CjlibError(
            f"--alert: must be a metric, one of < <= > >=, and a number, such as 'conversion<0.05' or '01_funnel:conversion.high<5%'. Got {shown(text)}."
        )
    return Alert(
        text.strip(),
        found["notebook"],
        found["metric"].strip(),
        found["part"] or "value",
        found["sign"],
        limit,
    )
