"""What a caller says of ids: which columns hold those of known people, which anonymous ones, where else links stand, and what is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.show.units import CUSTOMERS, Unit, unit_of

CUSTOMER = "customer_id"
HUB_LIMIT = 10
DECLARED, OFF = "declared", "off"
"""As the source's journey file says; and no joining, which a caller of `cj.read_events` writes None."""
_KEYS = ("known", "anonymous", "maps", "hub_limit", "apart", "join")


@dataclass(frozen=True)
class MapTable:
    """A table that says which ids belong together: a path or a table, and which of its columns holds ids of which column of the log.

    Of a table of customers, other than of a map, nothing is asked: what it has beside customer_id belongs to that id.
    """

    source: Any
    columns: tuple[tuple[str, str], ...]
    name: str
    of_customers: bool = False


@dataclass(frozen=True)
class Identities:
    """The columns of ids, in the order in which they name a person, and the rules for joining them."""

    known: tuple[str, ...]
    anonymous: tuple[str, ...]
    maps: tuple[MapTable, ...] = ()
    hub_limit: int = HUB_LIMIT
    apart: tuple[str, ...] = ()
    join: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of ids, those of known people first."""
        return (*self.known, *self.anonymous)


def identities_of(given: Any) -> Identities | None:
    """What was said of ids, checked; None where nothing was, or that ids are not to be joined."""
    if given is None or (isinstance(given, str) and given == OFF):
        return None
    if not isinstance(given, Mapping):
        raise CjlibError(
            "identities: must say which columns hold ids, such as {'known': ['customer_id', 'email'], 'anonymous': ['anonymous_id']}, "
            f"or None for no joining. Got {shown(given)}."
        )
    for key in given:
        if key not in _KEYS:
            raise not_one_of("identities", key, list(_KEYS))
    known = tuple(name for name in _names(given, "known") if name != CUSTOMER)
    anonymous = _names(given, "anonymous")
    columns = (CUSTOMER, *known, *anonymous)
    twice = [one for position, one in enumerate(columns) if one in columns[:position]]
    if twice:
        raise CjlibError(
            f"identities: the column {shown(twice[0])} holds either ids of known people or anonymous ones. Name it once."
        )
    return Identities(
        (CUSTOMER, *known),
        anonymous,
        tuple(_map(one, place, columns) for place, one in enumerate(_listed(given.get("maps")), 1)),
        _limit(given.get("hub_limit", HUB_LIMIT)),
        tuple(sorted(set(_names(given, "apart")))),
        bool(given.get("join", True)),
    )


def _names(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = given.get(key) or ()
    names = (names,) if isinstance(names, str | int) else names
    if not isinstance(names, Sequence | set | frozenset) or not all(
        isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip()
        for name in names
    ):
        what = "ids" if key == "apart" else "columns"
        raise CjlibError(f"identities {key}: must be a list of {what}. Got {shown(given[key])}.")
    return tuple(str(name) for name in names)


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _map(given: Any, place: int, columns: Sequence[str]) -> MapTable:
    named = isinstance(given, Mapping)
    if named and ("source" not in given or set(given) - {"source", "columns"}):
        raise CjlibError(
            "identities maps: each map is a path, a table, or {'source': …, 'columns': {'their name': 'customer_id', …}}."
        )
    source = given["source"] if named else given
    renamed = dict(given.get("columns") or {}) if named else {}
    for ours in renamed.values():
        if ours not in (*columns, "timestamp"):
            raise not_one_of("identities maps columns", ours, [*columns, "timestamp"])
    name = f"map {Path(source).name if isinstance(source, str | Path) else place}"
    return MapTable(source, tuple(sorted(renamed.items())), name)


def _limit(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise CjlibError(
            f"identities hub_limit: must be a whole number from 1 up: to how many ids of one column, or to how many people, one id may belong. Got {shown(given)}."
        )
    return given


# ---- grain ------------------------------------------------------------------------------------------------------------

PERSON = "person"
"""The column of who did it, where a log counts something else than people."""
_GRAIN_KEYS = ("unit", "plural", "column", "map")


@dataclass(frozen=True)
class Grain:
    """What is counted: its words, with the columns that may name it, and a table of who belongs where."""

    unit: Unit
    map: Any = None
    map_columns: tuple[tuple[str, str], ...] = ()


def grain_of(given: Any) -> Grain | None:
    """What was said of the grain, checked; None where customers are counted."""
    if given is None or given == CUSTOMERS.one:
        return None
    options = {"unit": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping):
        raise CjlibError(
            f"grain: must name what is counted, such as 'account', or {{'unit': 'account', 'column': 'account_id'}}. Got {shown(given)}."
        )
    for key in options:
        if key not in _GRAIN_KEYS:
            raise not_one_of("grain", key, list(_GRAIN_KEYS))
    one, column = options.get("unit"), options.get("column")
    if not isinstance(one, str) or not one.strip():
        raise CjlibError(f"grain unit: must be a word such as 'account'. Got {shown(one)}.")
    table = options.get("map")
    renamed: Mapping[str, str] = {}
    if isinstance(table, Mapping):
        table, renamed = table.get("source"), table.get("columns") or {}
    columns = (column,) if column else (f"{one}_id", one)
    return Grain(
        unit_of(one.strip(), options.get("plural"), columns), table, tuple(renamed.items())
    )
