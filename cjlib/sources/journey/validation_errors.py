"""All faults of a journey file in one error, each with its key, its line, what was given and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from cjlib.errors import LONGEST_SHOWN, JourneyError, did_you_mean, shown
from cjlib.sources.journey.fields import UnknownKey
from cjlib.sources.journey.yaml_parser import Fault, Parsed, Place

_PASSWORD = re.compile(r"(://[^:/@\s'\"]*:)[^@\s]*(@)")
_PLAIN_KEY = re.compile(r"[\w-]+")
_LIST_TYPES = {"tuple_type", "list_type", "set_type"}


def without_password(text: str) -> str:
    """The same text with the password of any URL in it replaced by `***`."""
    return _PASSWORD.sub(r"\1***\2", text)


def schema_faults(error: ValidationError) -> list[Fault]:
    """What the schema refuses, in our words."""
    found = [dict(one) for one in error.errors(include_url=False)]
    return [_worded(one) for one in found if not _short_by_faults(one)]


def _short_by_faults(error: Mapping[str, Any]) -> bool:
    """Whether a list is only too short because its faulty items were not counted: they have faults of their own."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _worded(error: Mapping[str, Any]) -> Fault:
    place: Place = tuple(error["loc"])
    context, given = error.get("ctx", {}), error["input"]
    if isinstance(given, UnknownKey):
        allowed = ", ".join(given.allowed)
        return Fault(
            place, f"unknown key.{did_you_mean(place[-1], given.allowed)} Keys here: {allowed}."
        )
    if error["type"] == "missing":
        return Fault(place, "the key is missing.")
    if error["type"] == "journey":
        at = tuple(context["at"])
        return Fault((*place, *at), context["text"] + _got(_below(given, at)))
    return Fault(place, _must_be(error["type"], context) + _got(given))


def _must_be(kind: str, context: Mapping[str, Any]) -> str:
    if kind in _LIST_TYPES:
        return "must be a list."
    if kind in ("too_short", "too_long"):
        return f"must have {'at least' if kind == 'too_short' else 'at most'} {context.get('min_length', context.get('max_length'))}."
    return "must be a mapping (key: value)." if kind == "dict_type" else "must be text."


def _below(value: Any, at: Place) -> Any:
    for key in at:
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    return value


def _got(given: Any) -> str:
    if given is None:
        return " It is empty."
    if isinstance(given, Mapping) or given == []:
        return ""
    # Before it is cut: a URL that has lost its end no longer looks like one.
    written = without_password(repr(given))
    return (
        f" Got {written if len(written) <= LONGEST_SHOWN else written[: LONGEST_SHOWN - 1] + '…'}."
    )


def raise_all(faults: Iterable[Fault], parsed: Parsed, source: str) -> None:
    """Raise one error that lists every fault in the order of the file; nothing when there is none."""
    placed = {
        (fault.line or parsed.line(fault.place) or 0, spelled(fault.place), fault.text)
        for fault in faults
    }
    if not placed:
        return
    lines = [
        f"  {f'line {line}, ' if line else ''}{f'{key}: ' if key else ''}{text}"
        for line, key, text in sorted(placed)
    ]
    raise JourneyError(
        f"{source} has {len(lines)} fault{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)
    )


def spelled(place: Place) -> str:
    """A place as one reads it: `stages[0].touchpoints[2].cost`."""
    parts = "".join(
        f".{part}"
        if _PLAIN_KEY.fullmatch(str(part)) and isinstance(part, str)
        else f"[{shown(part)}]"
        for part in place
    )
    return parts.removeprefix(".")
