"""A journey file's plain content, looked at by rules that pass over what is not of the right shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from cjlib.sources.journey.yaml_parser import Place

Found: TypeAlias = tuple[Place, str]


def mapping_of(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items_of(value: Any) -> list[tuple[int | None, Any]]:
    """The items of a list with their positions; a value that stands without brackets has none."""
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return [] if value is None else [(None, value)]


def below(place: Place, position: int | None) -> Place:
    """The place of an item."""
    return place if position is None else (*place, position)


def number_of(value: Any) -> float | None:
    """The number that is written, or None."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
