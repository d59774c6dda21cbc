"""Which events are meant: names, lists of names, `Step`, and the `where` language that everything shares.

Conditions are SQL text in the portable part of DuckDB's dialect. `Coded` columns (text kept as small integers in the
prepared log) are tested by asking their dictionary, so that one language serves the file, the prepared log and a warehouse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import pandas as pd

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.log.engine import literal
from cjlib.sources.log.time import instant_us

Where: TypeAlias = Mapping[str, Any]
Event: TypeAlias = "str | Sequence[str] | Step | None"
"""An event as options take it: a name, a list of names (any of them), None (any event), or a Step."""

OPERATORS = ("not", "contains", "is_set", "min", "max")
EFFECTS = ("drop_customer", "stop_here")


@dataclass(frozen=True)
class Step:
    """Events that count as one step.

    Parameters
    ----------
    event
        A name, a list of names (any of them), or None (any event).
    where
        Column → condition; all must hold. A value = equals; a list = any of; `{"not": value or
        list}` (a missing value passes); `{"contains": text}` (ignores case); `{"is_set": True}`;
        `{"min": x, "max": y}` (both included). `event` and `channel` are columns too.
    first_time
        False: every matching event. True: only the customer's first event that matches the whole
        step. "event": only the customer's first event of that name, and it must match `where`.
        "First" looks at the whole log given; if several events tie for first, each of them is
        first.
    may_be_absent
        Whether a funnel may count a step that never occurs in the log as 0; without it the name is
        refused as a probable slip.

    Raises
    ------
    CjlibError
        If `event` is neither a name, a list of names nor None, `where` does not map columns to
        conditions, or `first_time` is none of the three. A column or an event that the log does not
        have is refused by what the step is given to.
    """

    event: str | Sequence[str] | None = None
    where: Where = field(default_factory=dict)
    first_time: bool | Literal["event"] = False
    may_be_absent: bool = False

    def __post_init__(self) -> None:
        if self.first_time not in (True, False, "event"):
            raise not_one_of("Step(first_time=)", self.first_time, [False, True, "event"])
        if self.event is not None and not isinstance(self.event, str | list | tuple):
            raise CjlibError(
                f"Step: event must be a name, a list of names, or None (any event). Got {shown(self.event)}."
            )
        if self.event is not None and not self.names:
            raise CjlibError(
                "Step: an empty list of events matches nothing. Give a name, a list of names, or None for any event."
            )
        if any(not isinstance(name, str) for name in self.names):
            raise CjlibError(f"Step: event names must be text. Got {shown(self.event)}.")
        if not isinstance(self.where, Mapping) or any(not isinstance(c, str) for c in self.where):
            raise CjlibError(
                f"Step: where must map names of columns to conditions, such as {{'channel': 'web'}}. Got {shown(self.where)}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The event names, empty for any event."""
        return (
            ()
            if self.event is None
            else (self.event,)
            if isinstance(self.event, str)
            else tuple(self.event)
        )

    def __str__(self) -> str:
        """The step in words, as tables and labels show it."""
        words = " or ".join(self.names) or "any event"
        conditions = ", ".join(
            f"{column} {_condition_words(value)}" for column, value in self.where.items()
        )
        first = "first " if self.first_time else ""
        return f"{first}{words} where {conditions}" if conditions else f"{first}{words}"


@dataclass(frozen=True)
class Exclude:
    """An event that must not happen between two steps of a funnel.

    It looks strictly between the instants at which the steps `after` and `before` were reached; at
    those very instants it does not count. If `before` was not reached, it looks from `after`, not
    included, to the end of the window, included.

    Parameters
    ----------
    event
        A name, a list of names (any of them), None (any event), or a Step.
    after, before
        Positions of the two steps, 1-based, `after` < `before`.
    effect
        "drop_customer": a customer all of whose deepest attempts are hit leaves every step.
        "stop_here": the attempt ends there.

    Raises
    ------
    CjlibError
        If `event` is no event, `after` and `before` are not positions of two steps in this order,
        or `effect` is neither of the two.
    """

    event: Event
    after: int = 1
    before: int = 2
    effect: Literal["drop_customer", "stop_here"] = "drop_customer"

    def __post_init__(self) -> None:
        as_step(self.event, "Exclude(event=)")
        positions = (self.after, self.before)
        if (
            any(
                isinstance(position, bool) or not isinstance(position, int)
                for position in positions
            )
            or not 1 <= self.after < self.before
        ):
            raise CjlibError(
                f"Exclude: after and before must be positions of two steps, counted from 1, after < before. Got after={shown(self.after)}, before={shown(self.before)}."
            )
        if self.effect not in EFFECTS:
            raise not_one_of("Exclude(effect=)", self.effect, EFFECTS)

    @property
    def step(self) -> Step:
        """The excluded events."""
        return as_step(self.event, "Exclude(event=)")


def as_step(event: Event, option: str) -> Step:
    """Whatever an option was given, as a Step."""
    if isinstance(event, Step):
        return event
    if event is None or isinstance(event, str):
        return Step(event)
    if isinstance(event, Sequence) and event and all(isinstance(name, str) for name in event):
        return Step(list(event))
    raise CjlibError(
        f"{option}: must be an event name, a list of names, None (any event) or cj.Step(…). Got {shown(event)}."
    )


def _condition_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{operator} {content}" for operator, content in value.items())
    return f"in {list(value)}" if isinstance(value, list | tuple | set) else f"= {value}"


def condition_sql(
    expression: str,
    value: Any,
    option: str,
    bound: Callable[[Any], str],
    upper: Callable[[Any], str] | None = None,
) -> str:
    """The SQL of one condition on one column; `bound` writes a value in the column's own type, `upper` the one of `max`."""
    if isinstance(value, Mapping):
        unknown = [operator for operator in value if operator not in OPERATORS]
        if unknown or not value:
            raise not_one_of(f"{option} operator", unknown[0] if unknown else value, OPERATORS)
        return " AND ".join(
            _operator_sql(
                expression,
                operator,
                content,
                option,
                upper if upper and operator == "max" else bound,
            )
            for operator, content in value.items()
        )
    return _any_of(expression, value, bound)


def _operator_sql(
    expression: str, operator: str, content: Any, option: str, bound: Callable[[Any], str]
) -> str:
    if operator == "not":
        present, missing = _parted(content)
        among = (
            f"{expression} IN ({', '.join(bound(one) for one in present)})" if present else "FALSE"
        )
        # A missing value passes, unless missing itself is what is not wanted.
        return (
            f"({expression} IS NOT NULL AND NOT ({among}))"
            if missing
            else f"({expression} IS NULL OR NOT ({among}))"
        )
    if operator == "is_set":
        if not isinstance(content, bool):
            raise CjlibError(f"{option}: is_set takes True or False. Got {shown(content)}.")
        return f"{expression} IS {'NOT ' if content else ''}NULL"
    if _is_missing(content):
        raise CjlibError(
            f"{option}: {operator} needs a value. Got {shown(content)}. Leave the operator out where there is no bound."
        )
    if operator == "contains":
        # lower() on both sides and strpos rather than LIKE: a text holding % or _ means itself.
        return f"STRPOS(LOWER(CAST({expression} AS VARCHAR)), LOWER({literal(str(content))})) > 0"
    return f"{expression} {'>=' if operator == 'min' else '<='} {bound(content)}"


def _any_of(expression: str, value: Any, bound: Callable[[Any], str]) -> str:
    present, missing = _parted(value)
    among = f"{expression} IN ({', '.join(bound(one) for one in present)})" if present else ""
    both = " OR ".join(part for part in (among, f"{expression} IS NULL" if missing else "") if part)
    return f"({both})" if both else "FALSE"


def _parted(value: Any) -> tuple[list[Any], bool]:
    """The values that are there, and whether missing is one of those given; a set in the order of its texts."""
    values = (
        sorted(value, key=str)
        if isinstance(value, set | frozenset)
        else list(value)
        if isinstance(value, list | tuple)
        else [value]
    )
    present = [one for one in values if not _is_missing(one)]
    return present, len(present) < len(values)


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def bound_by_type(sql_type: str, option: str) -> Callable[[Any], str]:
    """How a value is written for a column of this DuckDB type; a value that cannot be of it is an error that says so."""
    if sql_type == "VARCHAR":
        return lambda value: literal(str(value))
    if sql_type == "BOOLEAN":
        return lambda value: literal(_as_bool(value, option))
    if sql_type.startswith(("TIMESTAMP", "DATE")):
        return lambda value: f"CAST({literal(_as_instant(value, option))} AS {sql_type})"
    return lambda value: literal(_as_number(value, option))


def _as_number(value: Any, option: str) -> int | float:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        try:
            return int(value) if str(value).lstrip("-").isdigit() else float(value)
        except (TypeError, ValueError):
            raise CjlibError(f"{option}: the column holds numbers. Got {shown(value)}.") from None
    return int(value) if float(value).is_integer() else float(value)


def _as_bool(value: Any, option: str) -> bool:
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    if str(value).casefold() not in words:
        raise CjlibError(f"{option}: the column holds true and false. Got {shown(value)}.")
    return words[str(value).casefold()]


def _as_instant(value: Any, option: str) -> str:
    microseconds = instant_us(value, ZoneInfo("UTC"), option)
    return pd.Timestamp(microseconds, unit="us").isoformat(sep=" ")


def timestamp_sql(microseconds: int) -> str:
    """An instant as SQL, in UTC."""
    return f"CAST('{pd.Timestamp(microseconds, unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"


__all__ = [
    "Event",
    "Exclude",
    "Step",
    "Where",
    "as_step",
    "bound_by_type",
    "condition_sql",
    "timestamp_sql",
]
