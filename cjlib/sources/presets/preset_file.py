"""A preset as its YAML file says it: read, checked, listed, and recognised from the columns of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from cjlib.errors import CjlibError, did_you_mean, listed, shown

FOLDER = Path(__file__).parent
OPERATIONS = ("sum", "minus", "plus_minutes", "names", "like", "beside", "text", "together")
FIRST_EVENT = "the event"

Field: TypeAlias = str | list[Any] | dict[str, Any]
"""A column or a path such as `properties.time`; a list is the first one that is filled; a mapping an operation."""
Condition: TypeAlias = dict[str, Any]
"""A field → the values it has, `filled` or `missing`, or `{min: , max: }`."""


@dataclass(frozen=True)
class PresetEvent:
    """One kind of event that a row, or an order of several rows, makes."""

    name: str | None
    """The event's name; a * stands for what `columns_like` matched."""
    name_from: Field | None
    timestamp: Field
    when: Condition = field(default_factory=dict)
    unless: Condition = field(default_factory=dict)
    columns: dict[str, Field] = field(default_factory=dict)
    columns_like: str | None = None

    @property
    def in_words(self) -> str:
        """Its name in a message."""
        return self.name or FIRST_EVENT


@dataclass(frozen=True)
class Preset:
    """How one kind of export is read."""

    name: str
    title: str
    source: str
    checked: str
    reads: str
    recognise: tuple[tuple[str, ...], ...]
    events: tuple[PresetEvent, ...]
    customer_id: Field | None = None
    timestamp: Field | None = None
    people: dict[str, str] = field(default_factory=dict)
    """The columns of ids of `known` people and of `anonymous` devices, where the export has both."""
    one_per: Field | None = None
    """What rows of one order have in common: they become one row."""
    rows: str | None = None
    """A list inside a row: each of its elements becomes a row."""
    id: Field | None = None
    columns: dict[str, Field] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    """Objects whose fields become columns."""
    keeps_others: bool = True
    """Whether columns that the preset does not name stay."""
    not_counted: tuple[Condition, ...] = ()
    scales: dict[str, Any] = field(default_factory=dict)
    timezone: str | None = None
    zone_in: str | None = None
    """A path at which some row says in which zone the times are written."""
    dates: str | None = None
    note: str = ""

    @property
    def worth(self) -> list[str]:
        """The events that bring money, or take it back."""
        return [event.name for event in self.events if event.name and "value" in event.columns]


_KEYS = frozenset(
    {"title", "source", "checked", "reads", "recognise", "events", "event", "customer_id", "timestamp", "one_per", "rows", "id", "columns",
     "open", "not_counted", "scales", "timezone", "zone_in", "dates", "note", "others", "people"}
)  # fmt: skip
_PEOPLE = frozenset({"known", "anonymous"})
_EVENT_KEYS = frozenset(
    {"event", "event_from", "timestamp", "when", "unless", "columns", "columns_like"}
)


@cache
def preset_names() -> tuple[str, ...]:
    """The presets that come with this package, by name."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yml")))


def presets() -> list[Preset]:
    """Every preset that comes with this package, by name."""
    return [preset_of(name) for name in preset_names()]


def preset_of(given: Any, option: str = "preset") -> Preset:
    """A preset by its name, or one of one's own by its file.

    Raises
    ------
    CjlibError
        There is no such preset, or its file is none.
    """
    if isinstance(given, Preset):
        return given
    if isinstance(given, Path) or (isinstance(given, str) and is_file_name(given)):
        return _from_file(Path(given), option)
    return _of_this_package(_own_file(given, option))


@cache
def _of_this_package(file: Path) -> Preset:
    """A preset that comes with this package: read once, since `cj init` asks all of them what they recognise."""
    return _from_file(file, "preset")


def preset_text(name: str) -> str:
    """The file of a preset that comes with this package."""
    return _own_file(name, "preset").read_text(encoding="utf-8")


def _own_file(name: Any, option: str) -> Path:
    if name not in preset_names():
        raise CjlibError(
            f"{option}: there is no preset {shown(name)}.{did_you_mean(name, preset_names())} "
            f"There are: {listed(preset_names(), most=40)}; one of your own is a file, such as my_shop.yml."
        )
    return FOLDER / f"{name}.yml"


def is_file_name(given: str) -> bool:
    """Whether this names a preset's file rather than a preset of this package."""
    return given.casefold().endswith((".yml", ".yaml"))


def recognised(names: Iterable[str], reads: str) -> Preset | None:
    """The preset of events or of feedback whose identifying columns a source has all; of several the one that asks for most."""
    there = {folded(name) for name in names}
    able = [
        preset
        for preset in presets()
        if preset.reads == reads
        and all(any(folded(one) in there for one in either) for either in preset.recognise)
    ]
    return max(able, key=lambda preset: len(preset.recognise), default=None)


def folded(name: str) -> str:
    """A column's name without capitals, blanks and signs, for tools write `Created At` and `created_at`."""
    return re.sub(r"[\W_]+", "", name.casefold()) or name


# ---- reading ---------------------------------------------------------------------------------------------------------


def _from_file(path: Path, option: str) -> Preset:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise CjlibError(
            f"{option}: there is no file {shown(str(path))}. A preset of one's own lies beside the journey file."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        reason = str(fault).replace("\n", " ")
        raise CjlibError(f"{option}: {shown(path.name)} cannot be read: {reason}") from None
    return _Checked(f"{option} {path.name}").preset(path.stem, content)


class _Checked:
    """The content of a preset's file, checked key by key; every error names the file and the key."""

    def __init__(self, place: str) -> None:
        self.place = place

    def preset(self, name: str, content: Any) -> Preset:
        given = self._mapping(content, "the file", _KEYS)
        reads = given.get("reads", "events")
        if reads not in ("events", "feedback"):
            raise self._fault("reads", "must be events or feedback", reads)
        if given.get("others", "kept") not in ("kept", "left out"):
            raise self._fault("others", "must be kept or left out", given["others"])
        people = self._mapping(given.get("people", {}), "people", _PEOPLE)
        for needed in ("title", *(("customer_id",) if reads == "events" else ())):
            if not given.get(needed):
                raise self._fault(needed, "is missing", None)
        return Preset(
            name=name,
            title=given["title"],
            source=given.get("source", ""),
            checked=given.get("checked", ""),
            reads=reads,
            recognise=tuple(
                tuple(one) if isinstance(one, list) else (one,)
                for one in self._list(given.get("recognise", []), "recognise")
            ),
            events=self._events(given) if reads == "events" else (),
            customer_id=self._optional(given, "customer_id"),
            timestamp=self._optional(given, "timestamp"),
            people=people if set(people) == _PEOPLE else {},
            one_per=self._optional(given, "one_per"),
            rows=given.get("rows"),
            id=self._optional(given, "id"),
            columns=self._fields(given.get("columns", {}), "columns"),
            keeps_others=given.get("others") != "left out",
            open=tuple(self._list(given.get("open", []), "open")),
            not_counted=tuple(
                self._condition(one, "not_counted")
                for one in self._list(given.get("not_counted", []), "not_counted")
            ),
            scales=given.get("scales", {}),
            timezone=given.get("timezone"),
            zone_in=given.get("zone_in"),
            dates=given.get("dates"),
            note=given.get("note", ""),
        )

    def _events(self, given: Mapping[str, Any]) -> tuple[PresetEvent, ...]:
        if "events" not in given:
            if "event" not in given or "timestamp" not in given:
                raise self._fault(
                    "events", "is missing: a list, or event and timestamp by their columns", None
                )
            name = self._field(given["event"], "event")
            return (PresetEvent(None, name, self._field(given["timestamp"], "timestamp")),)
        listed_events = self._list(given["events"], "events")
        return tuple(self._event(event, given.get("timestamp")) for event in listed_events)

    def _event(self, content: Any, usual_time: Any) -> PresetEvent:
        given = self._mapping(content, "events", _EVENT_KEYS)
        time = given.get("timestamp", usual_time)
        if ("event" in given) == ("event_from" in given):
            raise self._fault(
                "events", "each needs event, its name, or event_from, a column", given
            )
        if time is None and "columns_like" not in given:
            raise self._fault("events.timestamp", "is missing", given)
        return PresetEvent(
            name=given.get("event"),
            name_from=self._optional(given, "event_from"),
            timestamp="" if time is None else self._field(time, "events.timestamp"),
            when=self._condition(given.get("when", {}), "events.when"),
            unless=self._condition(given.get("unless", {}), "events.unless"),
            columns=self._fields(given.get("columns", {}), "events.columns"),
            columns_like=given.get("columns_like"),
        )

    def _fields(self, content: Any, key: str) -> dict[str, Field]:
        given = self._mapping(content, key, None)
        return {name: self._field(one, f"{key}.{name}") for name, one in given.items()}

    def _optional(self, given: Mapping[str, Any], key: str) -> Field | None:
        return self._field(given[key], key) if key in given else None

    def _field(self, content: Any, key: str) -> Field:
        if isinstance(content, str) and content.strip():
            return content
        if isinstance(content, list) and content:
            return [self._field(one, key) for one in content]
        if isinstance(content, dict) and any(name in OPERATIONS for name in content):
            return content
        raise self._fault(
            key, f"must be a column, a list of them, or one of {listed(OPERATIONS)}", content
        )

    def _condition(self, content: Any, key: str) -> Condition:
        given = self._mapping(content, key, None)
        for values in given.values():
            fits = values in ("filled", "missing") or (
                isinstance(values, list)
                or (isinstance(values, dict) and values and set(values) <= {"min", "max"})
            )
            if not fits:
                raise self._fault(
                    key, "must be a list of values, filled, missing, or {min: 0}", values
                )
        return given

    def _mapping(self, content: Any, key: str, allowed: frozenset[str] | None) -> dict[str, Any]:
        if not isinstance(content, dict):
            raise self._fault(key, "must be a mapping, key: value", content)
        for name in content:
            if allowed is not None and name not in allowed:
                raise CjlibError(
                    f"{self.place}: {shown(name)} is no key of {key}.{did_you_mean(name, allowed)} "
                    f"Keys are: {listed(sorted(allowed), most=30)}."
                )
        return content

    def _list(self, content: Any, key: str) -> Sequence[Any]:
        if not isinstance(content, list):
            raise self._fault(key, "must be a list", content)
        return content

    def _fault(self, key: str, must: str, given: Any) -> CjlibError:
        got = "" if given is None else f" Got {shown(given)}."
        return CjlibError(f"{self.place}: {key} {must}.{got}")
