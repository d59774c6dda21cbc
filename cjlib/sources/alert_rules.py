"""What should wake someone, as it is written in a journey file and on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY = "any"
EVENTS = ("moved", "missed", "finding")
ALLOWED = (
    "must be a metric, one of < <= > >=, and a number, such as 'conversion<0.05' or '01_funnel:conversion.high<5% until 6%'; "
    "or 'moved: METRIC', 'missed: METRIC', 'finding: WORDS', each also with the word any, save moved."
)
_FIGURE = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
_NAMED = r"(?:(?P<notebook>[\w.-]+):)?(?P<metric>.+?)"
_NUMBER = re.compile(
    rf"\s*{_NAMED}(?:\.(?P<part>low|high|n|value))?\s*(?P<sign><=|>=|<|>)\s*(?P<limit>{_FIGURE})(?P<percent>%?)"
    rf"(?:\s+until\s+(?P<until>{_FIGURE})(?P<until_percent>%?))?\s*"
)
_EVENT = re.compile(rf"\s*(?P<kind>{'|'.join(EVENTS)}):\s*(?P<rest>\S.*?)\s*")


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """One alert, as it was written and as it is read."""

    written: str
    kind: str
    """number, moved, missed or finding."""
    metric: str
    """The metric; of a finding words of its topic or claim; "any"."""
    notebook: str | None = None
    part: str = "value"
    sign: str = ""
    limit: float = 0.0
    until: float | None = None
    """The number at which it is over; None: past the limit by a margin."""


def read_rule(written: object) -> AlertRule | None:
    """The alert of a text, or of a mapping with one entry, which YAML makes of `moved: conversion`; None if it is none."""
    if isinstance(written, Mapping) and len(written) == 1:
        written = ": ".join(str(part) for part in next(iter(written.items())))
    if not isinstance(written, str):
        return None
    event = _EVENT.fullmatch(written)
    return _event(event, written) if event else _number(written)


def _event(found: re.Match[str], written: str) -> AlertRule | None:
    kind, rest = found["kind"], found["rest"]
    if kind == "moved" and rest == ANY:
        return None
    named = re.fullmatch(_NAMED, rest) if kind != "finding" else None
    return AlertRule(
        written=written.strip(),
        kind=kind,
        metric=named["metric"] if named else rest,
        notebook=named["notebook"] if named else None,
    )


def _number(written: str) -> AlertRule | None:
    found = _NUMBER.fullmatch(written)
    if found is None:
        return None
    limit = _figure(found["limit"], found["percent"])
    until = _figure(found["until"], found["until_percent"])
    if limit is None or (found["until"] and not _beyond(until, limit, found["sign"])):
        return None
    return AlertRule(
        written=written.strip(),
        kind="number",
        metric=found["metric"].strip(),
        notebook=found["notebook"],
        part=found["part"] or "value",
        sign=found["sign"],
        limit=limit,
        until=until,
    )


def _figure(text: Any, percent: str) -> float | None:
    try:
        return float(text) / (100 if percent else 1)
    except (TypeError, ValueError):
        return None


def _beyond(until: float | None, limit: float, sign: str) -> bool:
    """Whether an alert that is over there would not fire there."""
    return until is not None and (until >= limit if "<" in sign else until <= limit)
