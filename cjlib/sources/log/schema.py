"""The prepared log: customers, events and texts as dense integers, sorted once by customer, time and event.

One DuckDB table, `prepared`: `c` customer code, `t` microseconds UTC, `e` event code, `p1`, `p2`, … one column a property.
Codes follow the sorted ids, names and texts, and the sort ends with every column that can differ, so that the same rows in any
order give one table, byte for byte. Texts stand in dictionaries beside it: `c_names`, `e_names`, `p1_names`, … (code, value).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cjlib.sources.ingest.open_source import blank
from cjlib.sources.log.engine import DuckDB, identifier


@dataclass(frozen=True)
class Property:
    """One column of the log beyond customer, event and time.

    `column` is its name in the prepared table (or in `attributes`, when it belongs to the customer and not to the event);
    `type` the DuckDB type of its values: BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP (UTC) or VARCHAR; `coded` whether the column
    holds codes of a dictionary.
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


def described(types: Sequence[tuple[str, str]]) -> tuple[Property, ...]:
    """Properties, sorted by name, as columns p1, p2, … of the prepared log: texts coded, all else as it is."""
    return tuple(
        Property(name, f"p{position}", kind, coded=kind == "VARCHAR")
        for position, (name, kind) in enumerate(sorted(types), start=1)
    )


def make_dictionaries(
    engine: DuckDB, source: str, properties: Sequence[Property]
) -> tuple[bool, bool]:
    """Make `c_names`, `e_names` and one dictionary a coded property from `id`, `name`, p1, … of a relation.

    Gives back whether an id and whether a name was missing or blank somewhere.
    """
    no_id = _dictionary(engine, "c_names", source, "id")
    no_name = _dictionary(engine, "e_names", source, "name")
    for one in properties:
        if one.coded:
            _dictionary(engine, one.dictionary, source, one.column)
    return no_id, no_name


def _dictionary(engine: DuckDB, name: str, source: str, column: str) -> bool:
    """One dictionary, sorted as text, so that "the smallest as text" is the smallest code; whether a value was missing or blank."""
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE every AS SELECT DISTINCT {column} AS value FROM {source}"
    )
    written = "CAST(value AS VARCHAR)"
    engine.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value "
        f"FROM (SELECT value FROM every WHERE NOT {blank(written)} ORDER BY {written})"
    )
    (missing,) = engine.rows(
        f"SELECT (SELECT count(*) FROM every) > (SELECT count(*) FROM {name})"
    )[0]
    engine.execute("DROP TABLE every")
    return missing


def hashes_of_ids(engine: DuckDB) -> bool:
    """Make `c_hashes`, the hash of each id in `c_names` beside its code; whether no two ids have one hash."""
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE c_hashes AS SELECT code, hash(value) AS value FROM c_names"
    )
    return engine.rows("SELECT count(*) = count(DISTINCT value) FROM c_hashes")[0][0]


def coded_rows(
    engine: DuckDB,
    source: str,
    properties: Sequence[Property],
    where: str = "TRUE",
    *,
    hashed: bool = False,
) -> str:
    """SQL of the prepared log's columns, in no order, from a relation of `id`, `name`, `t`, p1, …; rows whose id or name stands in no dictionary stay out.

    Where the ids are all in the dictionary and all hashes differ, ids are found by their hashes, which is a tenth quicker.
    """
    picks = "".join(
        f", {_code(engine, one.dictionary) if one.coded else f's.{one.column}'} AS {one.column}"
        for one in properties
    )
    joins = "".join(
        f" LEFT JOIN {one.dictionary} ON {one.dictionary}.value = s.{one.column}"
        for one in properties
        if one.coded
    )
    customers = (
        "c_hashes AS customers ON customers.value = hash(s.id)"
        if hashed
        else "c_names AS customers ON customers.value = s.id"
    )
    return (
        f"SELECT customers.code AS c, s.t AS t, {_code(engine, 'e_names')} AS e{picks} FROM {source} s "
        f"JOIN {customers} JOIN e_names ON e_names.value = s.name{joins} WHERE {where}"
    )


def _code(engine: DuckDB, dictionary: str) -> str:
    """A code in as few bytes as its dictionary needs."""
    return f"CAST({dictionary}.code AS {width_of(engine, dictionary)})"


def width_of(engine: DuckDB, dictionary: str) -> str:
    """The type of a code of a dictionary, in as few bytes as hold them all."""
    size = engine.rows(f"SELECT count(*) FROM {dictionary}")[0][0]
    return "UTINYINT" if size <= 250 else "USMALLINT" if size <= 65_000 else "INTEGER"


def has_unused_codes(engine: DuckDB, properties: Sequence[Property]) -> bool:
    """Whether a dictionary holds a value that no event of `ordered` has."""
    pairs = [
        ("c", "c_names"),
        ("e", "e_names"),
        *((one.column, one.dictionary) for one in properties if one.coded),
    ]
    tests = " OR ".join(
        f"(SELECT count(DISTINCT {column}) FROM ordered) < (SELECT count(*) FROM {names})"
        for column, names in pairs
    )
    return engine.rows(f"SELECT {tests}")[0][0]


def make_events_view(engine: DuckDB, properties: Sequence[Property]) -> None:
    """Make the view `events`: the prepared log with names instead of codes, as any engine's table of events would be."""
    texts = [one for one in properties if one.coded]
    picks = "".join(
        f", {f'{one.dictionary}.value' if one.coded else f'prepared.{one.column}'} AS {identifier(one.name)}"
        for one in properties
    )
    joins = (
        " LEFT JOIN attributes ON attributes.c = prepared.c"
        if any(one.of_customer for one in properties)
        else ""
    )
    joins += "".join(
        f" LEFT JOIN {one.dictionary} ON {one.dictionary}.code = {'attributes' if one.of_customer else 'prepared'}.{one.column}"
        for one in texts
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP VIEW events AS SELECT c_names.value AS customer_id, e_names.value AS event, make_timestamp(prepared.t) AS timestamp{picks} "
        f"FROM prepared JOIN c_names ON c_names.code = prepared.c JOIN e_names ON e_names.code = prepared.e{joins}"
    )
