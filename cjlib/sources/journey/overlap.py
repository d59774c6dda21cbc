"""Whether two `where` conditions exclude each other, so that no event can meet both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cjlib.sources.journey.raw import mapping_of, number_of


def exclude_each_other(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether no event can meet both conditions: some column is asked for values that have nothing in common."""
    return any(
        _apart(one[column], other[column]) or _apart(other[column], one[column])
        for column in one.keys() & other.keys()
    )


def _apart(one: Any, other: Any) -> bool:
    values = _values(one)
    if values is not None:
        return all(not _passes(value, other) for value in values)
    low, high = _range(one)
    other_low, other_high = _range(other)
    return (high is not None and other_low is not None and high < other_low) or (
        low is not None and other_high is not None and low > other_high
    )


def _values(condition: Any) -> list[Any] | None:
    """The finitely many values a condition lets pass; None if they cannot be listed."""
    if isinstance(condition, Mapping):
        return [None] if str(condition.get("is_set")).casefold() == "false" else None
    return list(condition) if isinstance(condition, list | tuple) else [condition]


def _passes(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return any(_same(value, other) for other in (_values(condition) or []))
    return all(
        _passes_operator(value, operator, content) for operator, content in condition.items()
    )


def _passes_operator(value: Any, operator: str, content: Any) -> bool:
    if operator == "not":
        return not any(
            _same(value, other)
            for other in (content if isinstance(content, list | tuple) else [content])
        )
    if operator == "is_set":
        return (value is not None) == (str(content).casefold() == "true")
    if operator == "contains":
        return value is not None and str(content).casefold() in str(value).casefold()
    number, bound = number_of(value), number_of(content)
    if number is None or bound is None:
        return value is not None
    return number >= bound if operator == "min" else number <= bound


def _range(condition: Any) -> tuple[float | None, float | None]:
    written = mapping_of(condition)
    return number_of(written.get("min")), number_of(written.get("max"))


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    first, second = number_of(one), number_of(other)
    return str(one) == str(other) or (first is not None and first == second)
