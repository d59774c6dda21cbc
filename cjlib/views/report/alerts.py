"""Alerts: conditions on metrics that end a run with exit code 4, so that a scheduler can wake someone.

`conversion<0.05` fires when the metric `conversion` of any notebook of the run is below 0.05. `.low`, `.high` and `.n` name its bounds and its n:
`conversion.high<0.05` fires only when the whole interval is below, which is the condition to choose when a chance dip should wake nobody.
`01_funnel:conversion<5%` asks one notebook only. An alert that cannot be checked, because the metric is not there or has no value, fires too:
a watch that sees nothing must not be silent.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cjlib.analyses.result import Metric
from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.views.notebook.summary_cards import kind_of, said

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
