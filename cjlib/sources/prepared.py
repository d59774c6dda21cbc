"""The prepared log: customers, events and texts as dense integers, sorted once by customer, time and event.

One DuckDB table, `prepared`: `c` customer code, `t` microseconds UTC, `e` event code, `p1`, `p2`, … one column a property.
Codes follow the sorted ids, names and texts, and the sort ends with every column that can differ, so that the same rows in any
order give one table, byte for byte. Texts stand in dictionaries beside it: `c_names`, `e_names`, `p1_names`, … (code, value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cjlib.sources.engine import DuckDB, identifier

NATIVE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
)


@dataclass(frozen=True)
class Property:
    """One column of the log beyond customer, event and time.

    `column` is its name in the prepared table (or in `attributes`, when it belongs to the customer and not to the event);
    `type` the DuckDB type of its values; `coded` whether the column holds codes of a dictionary.
    """

    name: str
    column: str
    type: str
    coded: bool
    of_customer: bool = False

    @property
    def dictionary(self) -> str:
        """The table of its values."""
        return f"{self.column}_names"


def prepare(engine: DuckDB, source: str, properties: Mapping[str, str]) -> tuple[Property, ...]:
    """Make `prepared`, its dictionaries and the view `events` from a checked relation.

    `source` names a table or view with `customer_id`, `event` (text or whole numbers), `t` (BIGINT, microseconds UTC) and the
    properties, given as name → DuckDB type.
    """
    described = [
        Property(name, f"p{position}", kind, coded=kind not in NATIVE) for position, (name, kind) in enumerate(sorted(properties.items()), start=1)
    ]
    _dictionary(engine, "c_names", source, "customer_id")
    _dictionary(engine, "e_names", source, "event")
    for one in described:
        if one.coded:
            _dictionary(engine, one.dictionary, source, identifier(one.name))
    _sorted_table(engine, source, described)
    _events_view(engine, described)
    return tuple(described)


def attach_attributes(engine: DuckDB, source: str, attributes: Mapping[str, str]) -> tuple[Property, ...]:
    """Make `attributes`, one row a customer of the log: the columns of the customers table, coded as text."""
    described = [
        Property(name, f"a{position}", kind, coded=True, of_customer=True)
        for position, (name, kind) in enumerate(sorted(attributes.items()), start=1)
    ]
    for one in described:
        _dictionary(engine, one.dictionary, source, identifier(one.name))
    picks = "".join(f", {one.dictionary}.code AS {one.column}" for one in described)
    joins = "".join(f" LEFT JOIN {one.dictionary} ON {one.dictionary}.value = s.{identifier(one.name)}" for one in described)
    engine.execute(
        f"CREATE TABLE attributes AS SELECT c_names.code AS c{picks} FROM c_names "
        f"LEFT JOIN {source} s ON s.customer_id = c_names.value{joins} ORDER BY c_names.code"
    )
    return tuple(described)


def _dictionary(engine: DuckDB, name: str, source: str, column: str) -> None:
    # Sorted as text: "the smallest as text" is then the smallest code.
    engine.execute(
        f"CREATE TABLE {name} AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR), value) - 1 AS INTEGER) AS code, value "
        f"FROM (SELECT DISTINCT {column} AS value FROM {source} WHERE {column} IS NOT NULL) ORDER BY code"
    )


def _sorted_table(engine: DuckDB, source: str, properties: Sequence[Property]) -> None:
    names = engine.rows("SELECT count(*) FROM e_names")[0][0]
    width = "UTINYINT" if names <= 250 else "USMALLINT" if names <= 65_000 else "INTEGER"
    picks = "".join(f", {f'{one.dictionary}.code' if one.coded else f's.{identifier(one.name)}'} AS {one.column}" for one in properties)
    joins = "".join(f" LEFT JOIN {one.dictionary} ON {one.dictionary}.value = s.{identifier(one.name)}" for one in properties if one.coded)
    keys = "".join(f", {one.column}" for one in properties)
    engine.execute(
        f"CREATE TABLE prepared AS SELECT c_names.code AS c, s.t AS t, CAST(e_names.code AS {width}) AS e{picks} FROM {source} s "
        f"JOIN c_names ON c_names.value = s.customer_id JOIN e_names ON e_names.value = s.event{joins} ORDER BY c, t, e{keys}"
    )


def _events_view(engine: DuckDB, properties: Sequence[Property]) -> None:
    picks = "".join(f", {f'{one.dictionary}.value' if one.coded else f'prepared.{one.column}'} AS {identifier(one.name)}" for one in properties)
    joins = "".join(f" LEFT JOIN {one.dictionary} ON {one.dictionary}.code = prepared.{one.column}" for one in properties if one.coded)
    engine.execute(
        f"CREATE VIEW events AS SELECT c_names.value AS customer_id, e_names.value AS event, make_timestamp(prepared.t) AS timestamp{picks} "
        f"FROM prepared JOIN c_names ON c_names.code = prepared.c JOIN e_names ON e_names.code = prepared.e{joins}"
    )
