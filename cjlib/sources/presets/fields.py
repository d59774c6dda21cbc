"""The fields that a preset names, as SQL over an opened source: columns, paths into nested values, and a few operations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cjlib.errors import CjlibError
from cjlib.sources.ingest.columns import property_column, text_types
from cjlib.sources.ingest.open_source import QualityLine, Raw
from cjlib.sources.log.engine import DuckDB, blank, identifier, literal
from cjlib.sources.presets.preset_file import Condition, Field, folded

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<key>\w+)=(?P<value>[^\]]*)\]|\[(?P<place>\d*)\]")
_NESTED = ("STRUCT", "MAP", "LIST", "JSON", "VARIANT", "UNION")
_WITH_OFFSET = r"(Z|[+-][0-9]{2}:?[0-9]{0,2})\s*$"


class Fields:
    """The cells that a preset's fields need: each is worked out once a row, or once an order of several rows.

    `cells` are the SQL of f1, f2, … over the source's rows. A field's SQL is over these names.
    `used` are the columns that became a field whole, `notes` what a person should know.
    """

    def __init__(
        self,
        engine: DuckDB,
        raw: Raw,
        *,
        grouped: bool,
        decimal: str | None,
        named: Mapping[str, Field],
    ) -> None:
        self.engine, self.raw, self.grouped, self.decimal = engine, raw, grouped, decimal
        self.named = named
        self.places = dict(zip(raw.names, raw.places, strict=True))
        self.types = dict(zip(raw.places, raw.types, strict=True))
        self.cells: dict[str, str] = {}
        self.used: set[str] = set()
        self.unread: dict[str, str] = {}
        self.notes: list[QualityLine] = []
        self._spelled: dict[str, list[str]] = defaultdict(list)
        for name in raw.names:
            self._spelled[folded(name)].append(name)

    # ---- a field's value -------------------------------------------------------------------------------------------

    def value(self, field: Field | None) -> str | None:
        """SQL of a field over the cells; None where the source has nothing of it."""
        if isinstance(field, list):
            before = set(self.used)
            values = [one for one in map(self.value, field) if one is not None]
            self.used = self.used if len(values) < 2 else before
            return self._first_filled(values)
        if isinstance(field, dict):
            return self._operation(field)
        if field is None:
            return None
        name = self.column(field)
        if name is not None:
            self.used.add(name)
            return self._cell(self.places[name])
        nested = self._nested(field)
        return None if nested is None else self._cell(nested)

    def column(self, name: str) -> str | None:
        """The source's column of this name, whatever its capitals and blanks."""
        if name in self.places:
            return name
        alike = self._spelled.get(folded(name), [])
        return alike[0] if len(alike) == 1 else None

    def matching(self, pattern: str) -> list[tuple[str, str]]:
        """The columns that match a pattern with a *, each with what stands for it."""
        shape = re.compile(_shape(pattern, "(.*)"), re.IGNORECASE)
        found = ((name, shape.fullmatch(name)) for name in self.raw.names)
        return [(name, match[1] if match.groups() else name) for name, match in found if match]

    def _first_filled(self, values: Sequence[str]) -> str | None:
        if len(values) < 2:
            return values[0] if values else None
        return f"coalesce({', '.join(filled_text(value) for value in values)})"

    def _cell(self, sql: str, how: str = "first") -> str:
        """The name of a cell; in an order of several rows the first that is filled, or the sum, or all of them."""
        if self.grouped:
            test = f"FILTER (NOT {blank(f'CAST({sql} AS VARCHAR)')})"
            sql = {
                "first": f"arg_min({sql}, line) {test}",
                "sum": f"sum({sql})",
                "names": f"string_agg(CAST({sql} AS VARCHAR), ', ' ORDER BY line) {test}",
                "different": f"count(DISTINCT {sql}) {test}",
            }[how]
        return self.cells.setdefault(sql, f"f{len(self.cells) + 1}")

    # ---- operations ------------------------------------------------------------------------------------------------

    def _operation(self, field: dict[str, Any]) -> str | None:
        if "text" in field:
            return literal(field["text"])
        if "sum" in field:
            return self._sum(field["sum"])
        if "minus" in field:
            number = self._number(field["minus"])
            return None if number is None else f"(-{self._cell(number)})"
        if "names" in field:
            return self._names(field["names"])
        if "plus_minutes" in field:
            return self._later(field["to"], field["plus_minutes"])
        return self._by_pattern(field)

    def _sum(self, factors: Sequence[str | list[str]]) -> str | None:
        factors = [self._there(factor) for factor in factors]
        inside = [one for one in map(self._elements, factors) if one is not None]
        if len(inside) == len(factors):
            items = {items for items, _ in inside if items}
            product = " * ".join(f"TRY_CAST({_element(path)} AS DOUBLE)" for _, path in inside)
            if len(items) != 1:
                raise CjlibError(f"preset: a sum is over one list, not over {len(items)}.")
            return self._cell(f"list_sum(list_transform({items.pop()}, lambda x: {product}))")
        numbers = [self._number(factor) for factor in factors]
        if None in numbers:
            return None
        product = " * ".join(str(number) for number in numbers)
        texts = [self._raw_value(factor) for factor in factors]
        some = " OR ".join(f"NOT {blank(f'CAST({text} AS VARCHAR)')}" for text in texts if text)
        unread = f"CAST(({some}) AND ({product}) IS NULL AS BIGINT)"
        self.unread[" × ".join(factors)] = self._cell(unread, "sum")
        return self._cell(product, "sum")

    def _there(self, names: str | list[str]) -> str:
        """Of several names of a column the one that the source has."""
        each = [names] if isinstance(names, str) else names
        return next((one for one in each if self._raw_value(one) is not None), each[0])

    def _names(self, names: str | list[str]) -> str | None:
        path = self._there(names)
        items, inner = self._elements(path) or ("", "")
        if items:
            texts = f"list_transform({items}, lambda x: {_element(inner)})"
            return self._cell(f"array_to_string({texts}, ', ')")
        value = self._raw_value(path)
        return None if value is None else self._cell(value, "names")

    def _later(self, start: Field, minutes: Field) -> str | None:
        """A time so many minutes after another, its offset kept."""
        begin = self.value(start)
        number = self._number(minutes)
        if begin is None or number is None:
            return None
        text, wait = (
            f"CAST({begin} AS VARCHAR)",
            f"to_minutes(CAST({self._cell(number)} AS BIGINT))",
        )
        instant = f"CAST(TRY_CAST({text} AS TIMESTAMPTZ) + {wait} AS VARCHAR)"
        wall = f"CAST(TRY_CAST({text} AS TIMESTAMP) + {wait} AS VARCHAR)"
        return f"CASE WHEN regexp_matches({text}, '{_WITH_OFFSET}') THEN {instant} ELSE {wall} END"

    def _by_pattern(self, field: dict[str, Any]) -> str | None:
        """A column by a pattern of its name, or one that a column with another ending stands beside."""
        patterns = field.get("like") or field["beside"]
        found = [
            pair
            for one in ([patterns] if isinstance(patterns, str) else patterns)
            for pair in self.matching(one)
        ]
        names = list(dict.fromkeys(pair["like" not in field] for pair in found))
        names = [name for name in names if name in self.places]
        if len(names) > 1:
            others = ", ".join(names[1:])
            self.notes.append(
                QualityLine(
                    f"{names[0]!r} was read", 0, f"and not {others}"[:200], counts_rows=False
                )
            )
        return self.value(names[0]) if names else None

    # ---- numbers, paths and lists ----------------------------------------------------------------------------------

    def _number(self, field: Field) -> str | None:
        """SQL of a number over the source's own columns."""
        if isinstance(field, list):
            numbers = [one for one in map(self._number, field) if one is not None]
            return f"coalesce({', '.join(numbers)})" if numbers else None
        if isinstance(field, dict):
            return None
        name = self.column(field)
        if name is None:
            nested = self._nested(field)
            return None if nested is None else f"TRY_CAST({nested} AS DOUBLE)"
        place = self.places[name]
        if self.types[place] != "VARCHAR":
            return f"CAST({place} AS DOUBLE)"
        kinds, notes = text_types(self.engine, {place: name}, decimal=self.decimal)
        read = property_column(self.engine, name, place, kinds[place])
        self.notes += notes
        return read.value if read.type in ("BIGINT", "DOUBLE") else f"TRY_CAST({place} AS DOUBLE)"

    def _raw_value(self, path: str) -> str | None:
        name = self.column(path)
        return self.places[name] if name is not None else self._nested(path)

    def _nested(self, path: str) -> str | None:
        """SQL of a value inside a column: `properties.time`, `event_params[key=medium].value.*`."""
        found = self._inside(path)
        if found is None:
            return None
        name, steps = found
        every = steps.endswith(".*")
        inner = self._column_of(name)
        for step in _STEP.finditer(steps.removesuffix(".*")):
            inner = inner.step(step)
        return inner.first_filled() if every else inner.value()

    def _column_of(self, name: str) -> _Inner:
        """A column to look into: as the engine knows it, or as JSON where it is text."""
        place = self.places[name]
        if self.types[place] == "VARCHAR":
            return _Inner(self.json(name), None)
        (kind,) = self.engine.connection.sql(f"SELECT {place} FROM raw").types
        return _Inner(place, kind)

    def _inside(self, path: str) -> tuple[str, str] | None:
        """The column that a path begins with, and the rest of the path."""
        for cut in sorted((match.start() for match in re.finditer(r"[.\[]", path)), reverse=True):
            name = self.column(path[:cut])
            if name is not None:
                return name, path[cut:]
        return None

    def json(self, name: str) -> str:
        """SQL of a column as JSON; missing where its text is none."""
        place = self.places[name]
        if self.types[place] == "VARCHAR":
            return f"CASE WHEN json_valid({place}) THEN CAST({place} AS JSON) END"
        return f"to_json({place})"

    def _elements(self, path: str) -> tuple[str, str] | None:
        """SQL of the list that `items[].price` goes through, and the path inside an element."""
        outer, found, inner = path.partition("[]")
        if not found:
            return None
        name = self.column(outer)
        if name is not None:
            return f"json_extract({self.json(name)}, '$[*]')", inner
        inside = self._inside(outer)
        if inside is None:
            return None
        within = self._column_of(inside[0])
        for step in _STEP.finditer(inside[1]):
            within = within.step(step)
        return f"json_extract({within.as_json()}, '$[*]')", inner

    def is_nested(self, name: str) -> bool:
        """Whether a column holds lists or objects."""
        place = self.places[name]
        kind = self.types[place]
        if kind != "VARCHAR":
            return kind.startswith(_NESTED) or kind.endswith("]")
        held = f"CASE WHEN json_valid({place}) THEN json_type({place}) IN ('OBJECT', 'ARRAY') END"
        return bool(
            self.engine.rows(
                f"SELECT bool_or({held}) FROM (SELECT {place} FROM raw WHERE {place} IS NOT NULL LIMIT 200)"
            )[0][0]
        )

    def keys(self, name: str) -> list[str]:
        """The fields of the objects in a column."""
        whole = self.json(name)
        rows = self.engine.rows(
            f"SELECT DISTINCT unnest(json_keys(o)) AS key FROM (SELECT {whole} AS o FROM raw) "
            "WHERE json_type(o) = 'OBJECT' ORDER BY key"
        )
        return [key for (key,) in rows]

    def values_at(self, path: str) -> list[str]:
        """The different texts that rows have at a path."""
        nested = self._nested(path)
        if nested is None:
            return []
        rows = self.engine.rows(
            f"SELECT DISTINCT {nested} AS text FROM raw WHERE text IS NOT NULL ORDER BY 1"
        )
        return [text for (text,) in rows]

    # ---- conditions ------------------------------------------------------------------------------------------------

    def holds(self, condition: Condition) -> str | None:
        """SQL: whether a condition holds; None where the source has not all of its fields."""
        tests = []
        for field, values in condition.items():
            held = self.asked(field)
            if held is None:
                return None
            tests.append(f"coalesce({self._test(field, held, values)}, FALSE)")
        return " AND ".join(tests) or "TRUE"

    def asked(self, field: str) -> str | None:
        """The value of a field, or of one of the preset's columns, that a condition asks for; its column is not used up by it."""
        before = set(self.used)
        value = self.value(self.named.get(field, field))
        self.used = before
        return value

    def _test(self, field: str, held: str, values: Any) -> str:
        text = f"trim(CAST({held} AS VARCHAR))"
        if values in ("filled", "missing"):
            return f"{'NOT ' if values == 'filled' else ''}{blank(text)}"
        if isinstance(values, list):
            shapes = "|".join(_shape(str(value), ".*") for value in values)
            return f"regexp_full_match({text}, {literal(f'(?is)({shapes})')})"
        named = self.named.get(field, field)
        number = None if isinstance(named, dict) else self._number(named)
        bounds = {"min": ">=", "max": "<="}
        cell = held if isinstance(named, dict) else self._cell(number or "CAST(NULL AS DOUBLE)")
        self.unread[field] = f"CAST(NOT {blank(text)} AND {cell} IS NULL AS BIGINT)"
        return " AND ".join(f"{cell} {bounds[end]} {float(n)}" for end, n in values.items())

    def different(self, field: Field) -> str | None:
        """How many different values the rows of an order have; None where rows are not put together."""
        if not self.grouped or not isinstance(field, str | list):
            return None
        first = next((one for one in ([field] if isinstance(field, str) else field) if isinstance(one, str) and self.column(one)), None)  # fmt: skip
        return self._cell(self.places[str(self.column(first))], "different") if first else None


def filled_text(value: str) -> str:
    """SQL of a value as text, missing where it is blank."""
    text = f"CAST({value} AS VARCHAR)"
    return f"CASE WHEN NOT {blank(text)} THEN {text} END"


@dataclass(frozen=True)
class _Inner:
    """A value inside a column: its SQL, and its type where it is not JSON."""

    sql: str
    kind: DuckDBPyType | None

    def step(self, step: re.Match[str]) -> _Inner:
        """One step further in."""
        native = self._native_step(step)
        if native is not None:
            return native
        if step["name"]:
            return _Inner(f"json_extract({self.as_json()}, {_pointer(step['name'])})", None)
        elements = f"json_extract({self.as_json()}, '$[*]')"
        if step["key"]:
            key = f"json_extract_string(x, {_pointer(step['key'])})"
            return _Inner(f"{elements}[{_place_in(elements, key, step['value'])}]", None)
        return _Inner(f"{elements}[{int(step['place'] or 0) + 1}]", None)

    def _native_step(self, step: re.Match[str]) -> _Inner | None:
        if self.kind is None:
            return None
        if step["name"]:
            kind = _fields(self.kind).get(step["name"])
            return kind and _Inner(f"{self.sql}.{identifier(step['name'])}", kind)
        if self.kind.id != "list":
            return None
        kind = _children(self.kind)["child"]
        if not step["key"]:
            return _Inner(f"{self.sql}[{int(step['place'] or 0) + 1}]", kind)
        if step["key"] not in _fields(kind):
            return None
        key = f"x.{identifier(step['key'])}"
        return _Inner(f"{self.sql}[{_place_in(self.sql, key, step['value'])}]", kind)

    def as_json(self) -> str:
        """SQL of it as JSON."""
        return self.sql if self.kind is None else f"to_json({self.sql})"

    def value(self) -> str:
        """SQL of it as a value: a text where it was JSON."""
        if self.kind is not None and self.kind.id not in ("struct", "list", "map"):
            return self.sql
        return f"json_extract_string({self.as_json()}, '$')"

    def first_filled(self) -> str:
        """SQL of the first field of it that is filled, as text."""
        if self.kind is not None and self.kind.id == "struct":
            fields = (f"{self.sql}.{identifier(name)}" for name in _fields(self.kind))
            return f"coalesce({', '.join(f'CAST({field} AS VARCHAR)' for field in fields)})"
        texts = f"json_extract_string({self.as_json()}, '$.*')"
        return f"list_filter({texts}, lambda x: x IS NOT NULL)[1]"


def _fields(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """The fields of a struct with their types; none of anything else."""
    return _children(kind) if kind.id == "struct" else {}


def _children(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return dict(cast("list[tuple[str, DuckDBPyType]]", kind.children))


def _place_in(elements: str, key: str, value: str) -> str:
    """SQL of the place of the first element with this key."""
    return f"list_position(list_transform({elements}, lambda x: {key}), {literal(value)})"


def _element(path: str) -> str:
    """SQL of what stands at a path inside the element x of a JSON list."""
    inner = _Inner("x", None)
    for step in _STEP.finditer(path):
        inner = inner.step(step)
    return inner.value()


def _pointer(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return literal(f'$."{escaped}"')


def _shape(pattern: str, any_text: str) -> str:
    """A regular expression of a pattern in which * stands for anything."""
    return any_text.join(re.escape(part) for part in pattern.split("*"))
