"""What the keys of a journey file may hold: texts, numbers, durations, zones, events. Each says itself what it allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cjlib.errors import CjlibError, did_you_mean
from cjlib.sources.log.conditions import EFFECTS, OPERATORS, Exclude, Step
from cjlib.sources.log.durations import microseconds

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def fault(text: str, *at: str | int) -> PydanticCustomError:
    """A fault of a value; `at` names the key below the value where it stands."""
    return PydanticCustomError("journey", "{text}", {"text": text, "at": at})


@dataclass(frozen=True)
class UnknownKey:
    """Stands for the value of a key that its section does not know, so that the fault can name those it knows."""

    allowed: tuple[str, ...]


class Section(BaseModel):
    """A mapping of the file: frozen, every key known, a key left empty as good as not written (unless empty means something)."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    empty_means: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise fault(f"must be a mapping with {cls.keys_in_words()}.")
        allowed = cls.keys()
        known = {
            key: content
            for key, content in value.items()
            if key in allowed and (content is not None or key in cls.empty_means)
        }
        return known | {key: UnknownKey(allowed) for key in value if key not in allowed}

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys as the file writes them."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def keys_in_words(cls) -> str:
        """The keys as a message lists them."""
        return f"the keys {', '.join(cls.keys())}"


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise fault("must be text, and not empty. Put quotes round it if it looks like null.")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(_text(one) for one in value)
    return (_text(value),)


def _number(
    low: float | None, high: float | None, *, whole: bool = False
) -> Callable[[Any], float]:
    allowed = "a whole number" if whole else "a number"
    limits = (
        f" from {low:g} to {high:g}"
        if low is not None and high is not None
        else f" of {low:g} or more"
        if low is not None
        else ""
    )

    def checked(value: Any) -> float:
        read = _as_number(value)
        if (
            read is None
            or (whole and not read.is_integer())
            or (low is not None and read < low)
            or (high is not None and read > high)
        ):
            raise fault(f"must be {allowed}{limits}.")
        return int(read) if whole else read

    return checked


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not (
        isinstance(value, int | float)
        or (isinstance(value, str) and _NUMBER.fullmatch(value.strip()))
    ):
        return None
    read = float(value)
    return read if read - read == 0 else None


def _flag(value: Any) -> bool:
    return _truth(value)


def _truth(value: Any, *at: str) -> bool:
    words = {"true": True, "false": False}
    if str(value).casefold() not in words:
        raise fault("must be true or false.", *at)
    return words[str(value).casefold()]


def _duration(value: Any) -> str:
    try:
        length = microseconds(value, "duration")
    except CjlibError:
        raise fault("must be a duration with its unit, such as 14D, 6h, 30min or 90s.") from None
    if length == 0:
        raise fault("must be a duration longer than nothing, such as 14D, 6h, 30min or 90s.")
    return value.strip() if isinstance(value, str) else f"{length}us"


def _no_limit(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().casefold() == "none" else value


def _zone(value: Any) -> str:
    name = _text(value).strip()
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise fault(
            f"must be a zone of the IANA list, such as Europe/Berlin or UTC.{did_you_mean(name, available_timezones())}"
        ) from None
    return name


def one_of(*names: str) -> BeforeValidator:
    """A word out of a few."""

    def checked(value: Any) -> str:
        if value not in names:
            raise fault(f"must be one of {', '.join(names)}.{did_you_mean(value, names)}")
        return value

    return BeforeValidator(checked)


Text: TypeAlias = Annotated[str, BeforeValidator(_text)]
Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]
Number: TypeAlias = Annotated[float, BeforeValidator(_number(None, None))]
Amount: TypeAlias = Annotated[float, BeforeValidator(_number(0, None))]
Share: TypeAlias = Annotated[float, BeforeValidator(_number(0, 1))]
Count: TypeAlias = Annotated[int, BeforeValidator(_number(1, None, whole=True))]
Duration: TypeAlias = Annotated[str, BeforeValidator(_duration)]
Window: TypeAlias = Annotated[Duration | None, BeforeValidator(_no_limit)]
Zone: TypeAlias = Annotated[str, BeforeValidator(_zone)]


def whole(low: int, high: int) -> BeforeValidator:
    """A whole number from `low` to `high`, both included."""
    return BeforeValidator(_number(low, high, whole=True))


# ---- events ------------------------------------------------------------------------------------------------------


def _condition(condition: Any) -> Any:
    if isinstance(condition, Mapping):
        unknown = [operator for operator in condition if operator not in OPERATORS]
        if unknown or not condition:
            near = did_you_mean(unknown[0], OPERATORS) if unknown else ""
            raise fault(f"an operator must be one of {', '.join(OPERATORS)}.{near}", *unknown[:1])
        return {operator: _operand(operator, content) for operator, content in condition.items()}
    if isinstance(condition, Sequence) and not isinstance(condition, str) and not condition:
        raise fault("an empty list matches nothing. Name at least one value.")
    return condition


def _operand(operator: str, content: Any) -> Any:
    if operator == "is_set":
        return _truth(content, operator)
    if isinstance(content, Mapping) or (
        operator != "not" and (content is None or isinstance(content, list))
    ):
        raise fault("must be one value.", operator)
    return content


def _first_time(value: Any) -> bool | Literal["event"]:
    if value == "event":
        return "event"
    try:
        return _flag(value)
    except PydanticCustomError:
        raise fault("must be true, false or event.") from None


def _names(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if not names:
        raise fault("an empty list matches nothing. Name at least one event.")
    return names


Names: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_names)]


Conditions: TypeAlias = dict[str, Annotated[Any, BeforeValidator(_condition)]]


class _EventMapping(Section):
    """What is common to the ways of naming events: text and lists stand for a mapping with `event` alone."""

    where: Conditions = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, Step):
            return {"event": value.names or None, "where": value.where} | (
                {"first_time": value.first_time} if value.first_time else {}
            )
        return {"event": value} if isinstance(value, str | list | tuple) else value

    @classmethod
    def keys_in_words(cls) -> str:
        """What an event may be."""
        return f"{super().keys_in_words()}, or an event name, or a list of names (put quotes round a name that looks like null)"


class NamedEventSpec(_EventMapping):
    """An event of a touchpoint: it has a name, and each of its rows counts."""

    event: Names

    def step(self) -> Step:
        """The same as `cj.Step`."""
        return Step(_one_or_list(self.event), where=self.where)


class EventSpec(_EventMapping):
    """An event as the file writes it: a name, a list of names (any of them), or a mapping; without `event`, any event."""

    event: Names | None = None
    first_time: Annotated[bool | Literal["event"], BeforeValidator(_first_time)] = False

    def step(self) -> Step:
        """The same as `cj.Step`."""
        return Step(_one_or_list(self.event), where=self.where, first_time=self.first_time)


def _one_or_list(names: tuple[str, ...] | None) -> str | list[str] | None:
    return None if names is None else names[0] if len(names) == 1 else list(names)


class ExcludeSpec(EventSpec):
    """An event that must not happen between two steps."""

    after: Count = 1
    before: Count = 2
    effect: Annotated[Literal["drop_customer", "stop_here"], one_of(*EFFECTS)] = "drop_customer"

    def exclude(self) -> Exclude:
        """The same as `cj.Exclude`."""
        if self.after >= self.before:
            raise fault(
                f"must be a later step than after (counted from 1), which is {self.after}.",
                "before",
            )
        return Exclude(
            simplest(self.step()), after=self.after, before=self.before, effect=self.effect
        )


class _Made:
    """Validates as one model, gives what a method of that model makes of it."""

    def __init__(self, spec: type[Section], method: str) -> None:
        self.spec, self.method = spec, method

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(vars)
        return core_schema.no_info_after_validator_function(
            lambda spec: getattr(spec, self.method)(),
            handler.generate_schema(self.spec),
            serialization=written,
        )


EventField: TypeAlias = Annotated[Step, _Made(EventSpec, "step")]
NamedEvent: TypeAlias = Annotated[Step, _Made(NamedEventSpec, "step")]
ExcludeField: TypeAlias = Annotated[Exclude, _Made(ExcludeSpec, "exclude")]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


ONE, SEVERAL = "<one>", "<several>"
"""What pydantic puts into the place of a fault to say which of two shapes it took the value for."""

Listed = BeforeValidator(_listed)
"""A list; one alone may stand without brackets."""


def simplest(step: Step) -> str | list[str] | Step | None:
    """A step as an analyst would type it: a name or a list where that says it all."""
    if step.where or step.first_time:
        return step
    return (
        None if step.event is None else step.names[0] if len(step.names) == 1 else list(step.names)
    )
