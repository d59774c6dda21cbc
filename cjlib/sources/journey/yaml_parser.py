"""YAML as a journey file uses it: every plain value is text, and the key says what it means.

So `no`, `on`, `404`, `007`, `1.10` and `2025-01-31` stay what was written, whichever YAML version an editor believes in. Only an empty
value, `~` and `null` are missing. Every node's line is kept, so that a fault can be found in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from pydantic import ValidationError

from cjlib.errors import LONGEST_SHOWN, JourneyError, did_you_mean, shown
from cjlib.sources.journey.fields import ONE, SEVERAL, UnknownKey

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys and 0-based positions from the top."""

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 20_000
DEEPEST = 40
_MISSING = ("", "~", "null", "Null", "NULL")
_PLAIN_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a journey file: where it stands, and what was given, what is allowed, what to do."""

    place: Place
    text: str
    line: int | None = None


@dataclass(frozen=True)
class Parsed:
    """A file's content as mappings, lists and texts, with the line of each place and what the YAML itself got wrong."""

    data: Any
    lines: Mapping[Place, int]
    faults: tuple[Fault, ...]

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest one around it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def parse(text: str) -> Parsed:
    """The content of YAML text; never raises for what the text holds."""
    if len(text) > MOST_CHARACTERS:
        return _broken(
            f"the file has {len(text):,} characters; a journey file has at most {MOST_CHARACTERS:,}. Is it the data itself?"
        )
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _broken(_in_plain_words(error, text), mark.line + 1 if mark else None)
    except yaml.YAMLError as error:
        return _broken(
            f"not readable as YAML: {str(error).splitlines()[0]}. Save it as plain text in UTF-8."
        )
    except RecursionError:
        return _broken(f"lists and mappings stand more than {DEEPEST} deep inside one another.")
    if node is None:
        return _broken(
            "the file is empty. `cj init FILE` writes a first journey file from your data, `cj init --template` a commented one."
        )
    return _Builder().built(node)


def _broken(text: str, line: int | None = None) -> Parsed:
    return Parsed(None, {}, (Fault((), text, line),))


def _in_plain_words(error: yaml.MarkedYAMLError, text: str) -> str:
    problem, mark = error.problem or "", error.problem_mark
    if "'\\t'" in problem:
        return "a tab where YAML wants spaces. Indent with spaces only."
    if "mapping values are not allowed" in problem:
        return "a second colon in one line, or a wrong indent. Put quotes round a text that holds ': '."
    if "single document" in (error.context or "") + problem:
        return "a second document begins here ('---'). A journey file is one document."
    written = (
        text.splitlines()[mark.line].strip() if mark and mark.line < len(text.splitlines()) else ""
    )
    remedy = "Check indent and brackets there, and put quotes round a text that holds one of : ? # , [ ] { }."
    return f"not readable as YAML: {problem}. The line reads {shown(written)}. {remedy}"


class _TooMuchError(Exception):
    """More values, or deeper, than a journey file can mean."""


class _Builder:
    """Turns composed nodes into data, counting every value, so that aliases cannot blow a small file up."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.faults: list[Fault] = []
        self.values = 0

    def built(self, node: yaml.Node) -> Parsed:
        try:
            data = self.value(node, ())
        except _TooMuchError as reason:
            return _broken(str(reason), node.start_mark.line + 1)
        return Parsed(data, self.lines, tuple(self.faults))

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.values += 1
        if self.values > MOST_VALUES or len(place) > DEEPEST:
            raise _TooMuchError(
                f"more than {MOST_VALUES:,} values or {DEEPEST} levels, aliases (*name) counted each time. Write fewer, without aliases."
            )
        self.lines.setdefault(place, node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS:
            self.fault(
                place,
                f"the YAML tag {shown(node.tag)} is not allowed. Write plain text, lists and mappings.",
            )
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.value(item, (*place, position)) for position, item in enumerate(node.value)
            ]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if plain and node.value in _MISSING else node.value

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(
                    Fault(place, "a key must be text, not a list or a mapping.", line)
                )
                continue
            key = key_node.value
            if key in made:
                self.faults.append(
                    Fault(
                        (*place, key),
                        f"the key stands twice here, first in line {self.lines[(*place, key)]}. Keep one of them.",
                        line,
                    )
                )
                continue
            self.lines[(*place, key)] = line
            made[key] = self.value(value_node, (*place, key))
        return made

    def fault(self, place: Place, text: str) -> None:
        self.faults.append(Fault(place, text, self.lines[place]))


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
    place: Place = tuple(part for part in error["loc"] if part not in (ONE, SEVERAL))
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
        (fault.line or parsed.line(fault.place) or 0, _key(fault.place, parsed.data), fault.text)
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


def _key(place: Place, data: Any) -> str:
    """A place as one reads it; below one source of several with the name of the source."""
    if place[:2] != ("sources", "events") or len(place) < 3 or not isinstance(place[2], int):
        return spelled(place)
    name = _below(data, place[:2])[place[2]]
    name = name.get("name") if isinstance(name, Mapping) else None
    return f"{spelled(place)} (source {shown(name)})" if isinstance(name, str) else spelled(place)


def spelled(place: Place) -> str:
    """A place as one reads it: `stages[0].touchpoints[2].cost`."""
    parts = "".join(
        f".{part}"
        if _PLAIN_KEY.fullmatch(str(part)) and isinstance(part, str)
        else f"[{shown(part)}]"
        for part in place
    )
    return parts.removeprefix(".")
