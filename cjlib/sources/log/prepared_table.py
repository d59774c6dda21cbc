"""The prepared log: customers, events and texts as dense integers, sorted once by customer, time and event.

One DuckDB table, `prepared`: `c` customer code, `t` microseconds UTC, `e` event code, `p1`, `p2`, … one column a property.
Codes follow the sorted ids, names and texts, and the sort ends with every column that can differ, so that the same rows in any
order give one table, byte for byte. Texts stand in dictionaries beside it: `c_names`, `e_names`, `p1_names`, … (code, value).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cjlib.sources.log.engine import DuckDB, blank, identifier, literal, padded


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
) -> tuple[bool, bool, bool]:
    """Make `c_names`, `e_names` and one dictionary a coded property from `id`, `name`, p1, … of a relation.

    Gives back whether an id and whether a name was missing or blank somewhere, and whether some text has a blank at an end.
    """
    coded = {column.dictionary: column.column for column in properties if column.coded}
    dictionaries = {"c_names": "id", "e_names": "name", **coded}
    for name, column in dictionaries.items():
        _dictionary(engine, name, f"SELECT DISTINCT {column} AS value FROM {source}")
    texts = " UNION ALL ".join(
        f"SELECT {literal(name)} AS name, {_WRITTEN} AS text FROM {name}" for name in dictionaries
    )
    found = engine.rows(
        f"SELECT name, count_if(nothing), count_if(ends AND NOT nothing) FROM "
        f"(SELECT name, {blank('text')} AS nothing, {padded('text')} AS ends FROM ({texts})) GROUP BY name"
    )
    blanks = {name for name, nothing, _ in found if nothing}
    for name in blanks:
        _dictionary(engine, name, f"SELECT value FROM {name} WHERE NOT {blank(_WRITTEN)}")
    return "c_names" in blanks, "e_names" in blanks, any(ends for _, _, ends in found)


_WRITTEN = "CAST(value AS VARCHAR)"


def _dictionary(engine: DuckDB, name: str, values: str) -> None:
    """One dictionary, sorted as text, so that "the smallest as text" is the smallest code."""
    engine.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value "
        f"FROM ({values} ORDER BY {_WRITTEN})"
    )


MANY_IDS = 1_000


def has_many_ids(engine: DuckDB) -> bool:
    """Whether there are so many ids that to find them by their hashes is quicker."""
    return engine.rows("SELECT count(*) FROM c_names")[0][0] >= MANY_IDS


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
    widths = _widths(engine, properties)
    picks = "".join(
        f", {_code(column.dictionary, widths) if column.coded else f's.{column.column}'} AS {column.column}"
        for column in properties
    )
    joins = "".join(
        f" LEFT JOIN {column.dictionary} ON {column.dictionary}.value = s.{column.column}"
        for column in properties
        if column.coded
    )
    customers = (
        "c_hashes AS customers ON customers.value = hash(s.id)"
        if hashed
        else "c_names AS customers ON customers.value = s.id"
    )
    return (
        f"SELECT customers.code AS c, s.t AS t, {_code('e_names', widths)} AS e{picks} FROM {source} s "
        f"JOIN {customers} JOIN e_names ON e_names.value = s.name{joins} WHERE {where}"
    )


def _code(dictionary: str, widths: Mapping[str, str]) -> str:
    return f"CAST({dictionary}.code AS {widths[dictionary]})"


def _widths(engine: DuckDB, properties: Sequence[Property]) -> dict[str, str]:
    """Of the dictionary of each coded column the type of its codes."""
    dictionaries = ["e_names", *(column.dictionary for column in properties if column.coded)]
    counts = (f"SELECT {literal(name)}, count(*) FROM {name}" for name in dictionaries)
    return {name: width_for(size) for name, size in engine.rows(" UNION ALL ".join(counts))}


def width_for(values: int) -> str:
    """The type of a code of one of so many values, in as few bytes as hold them all."""
    return "UTINYINT" if values <= 250 else "USMALLINT" if values <= 65_000 else "INTEGER"


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
    texts = [column for column in properties if column.coded]
    picks = "".join(
        f", {f'{column.dictionary}.value' if column.coded else f'prepared.{column.column}'} AS {identifier(column.name)}"
        for column in properties
    )
    joins = (
        " LEFT JOIN attributes ON attributes.c = prepared.c"
        if any(column.of_customer for column in properties)
        else ""
    )
    joins += "".join(
        f" LEFT JOIN {text.dictionary} ON {text.dictionary}.code = {'attributes' if text.of_customer else 'prepared'}.{text.column}"
        for text in texts
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP VIEW events AS SELECT c_names.value AS customer_id, e_names.value AS event, make_timestamp(prepared.t) AS timestamp{picks} "
        f"FROM prepared JOIN c_names ON c_names.code = prepared.c JOIN e_names ON e_names.code = prepared.e{joins}"
    )


# ---- its order --------------------------------------------------------------------------------------------------------

SHORT_KEY = 24
MANY_TIES = 0.02
"""The share of rows, equal in what the short key holds, from which sorting again is quicker than putting them in order one by one."""


def put_in_order(engine: DuckDB, rows: str, properties: Sequence[Property]) -> tuple[int, int]:
    """Make `ordered`: the rows sorted by the first columns, as many as fit a short key; of how many rows and columns.

    DuckDB sorts by a key of up to 24 bytes in less than half the time that a longer one takes. What the short key leaves open, which is
    little unless a log is full of ties, is put in order by `settle`.
    """
    short = _fitting(engine, properties)
    keys = ", ".join(keys_of(properties)[:short])
    ((every,),) = engine.rows(f"CREATE OR REPLACE TEMP TABLE ordered AS {rows} ORDER BY {keys}")
    return every, short


def keys_of(properties: Sequence[Property]) -> list[str]:
    """The columns of the prepared log, which are the keys of its order."""
    return ["c", "t", "e", *(column.column for column in properties)]


def _fitting(engine: DuckDB, properties: Sequence[Property]) -> int:
    """How many of the columns, from the first on, make a key of up to 24 bytes; each has one byte more than its values."""
    bytes_of = {"UTINYINT": 1, "USMALLINT": 2, "INTEGER": 4, "BOOLEAN": 1, "DATE": 4}
    widths = _widths(engine, properties)
    types = [
        "INTEGER",
        "BIGINT",
        widths["e_names"],
        *(widths[column.dictionary] if column.coded else column.type for column in properties),
    ]
    ends = list(itertools.accumulate(1 + bytes_of.get(kind, 8) for kind in types))
    return sum(end <= SHORT_KEY for end in ends)


def settle(engine: DuckDB, properties: Sequence[Property], every: int, short: int) -> int:
    """Put `ordered`, sorted by the `short` key of its `every` row, in order by every column; how many rows equal the row before in every column.

    `runs` has those that the short key could not tell apart, in order: their `place` in `ordered`, the columns, and `again` where a row equals the one before.
    """
    keys = keys_of(properties)
    near = _find_near(engine, keys[:short])
    if near > every * MANY_TIES and short < len(keys):
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE ordered AS SELECT * FROM ordered ORDER BY {', '.join(keys)}"
        )
        short, near = len(keys), _find_near(engine, keys)
    if not near:
        return 0
    _make_runs(engine, keys)
    if short < len(keys):
        moved = ", ".join(f"{key} = r.{key}" for key in keys[short:])
        engine.execute(f"UPDATE ordered SET {moved} FROM runs r WHERE ordered.rowid = r.place")
    return engine.rows("SELECT count(*) FROM runs WHERE again")[0][0]


def _find_near(engine: DuckDB, keys: Sequence[str]) -> int:
    """Make `near`, the places of rows that equal the row before in some columns; how many there are."""
    before = ", ".join(f"lag({key}) OVER () AS before_{key}" for key in keys)
    return engine.rows(
        f"CREATE OR REPLACE TEMP TABLE near AS SELECT place FROM (SELECT rowid AS place, *, {before} FROM ordered) WHERE {_same(keys)}"
    )[0][0]


def _same(keys: Sequence[str]) -> str:
    # A customer's code is never missing, so the first row equals none.
    return " AND ".join(f"{key} IS NOT DISTINCT FROM before_{key}" for key in keys)


def _make_runs(engine: DuckDB, keys: Sequence[str]) -> None:
    """Make `runs` of the rows in `near` and those before them."""
    columns = ", ".join(keys)
    tied = f"SELECT rowid AS place, {columns} FROM ordered WHERE rowid IN (SELECT place FROM near UNION SELECT place - 1 FROM near)"
    before = ", ".join(f"lag({key}) OVER (ORDER BY {columns}) AS before_{key}" for key in keys)
    engine.execute(f"CREATE OR REPLACE TEMP TABLE tied AS {tied}")
    # Tied rows stand in the order of the short key already: the n-th place belongs to the n-th row.
    engine.execute(
        f"CREATE TEMP TABLE runs AS SELECT place, {columns}, {_same(keys)} AS again "
        f"FROM (SELECT row_number() OVER (ORDER BY {columns}) AS n, {columns}, {before} FROM tied) "
        "JOIN (SELECT row_number() OVER (ORDER BY place) AS n, place FROM tied) USING (n)"
    )
    engine.execute("DROP TABLE tied")


def drop_repeats(engine: DuckDB) -> None:
    """Leave one of each run of equal rows; `repeated` has the id and time of those that go."""
    engine.execute(
        "CREATE TEMP TABLE repeated AS SELECT DISTINCT n.value AS id, r.t FROM runs r JOIN c_names n ON n.code = r.c WHERE again"
    )
    engine.execute("DELETE FROM ordered WHERE rowid IN (SELECT place FROM runs WHERE again)")


def count_ties(engine: DuckDB) -> tuple[int, int, int]:
    """How many events share an instant with another of their customer, in how many instants, of how many customers."""
    later, instants, customers = engine.rows(
        "SELECT count(*), count(DISTINCT (c, t)), count(DISTINCT c) FROM (SELECT c, t, lag(c) OVER () AS before_c, lag(t) OVER () AS before_t FROM prepared) "
        "WHERE c = before_c AND t = before_t"
    )[0]
    # Every tied instant has one event that follows none of its own.
    return later + instants, instants, customers


def write_prepared(engine: DuckDB, dropped: int) -> None:
    """Make `prepared` from `ordered`, from which some rows have been dropped: each row's position is its row id."""
    if dropped or engine.database:
        engine.execute("CREATE TABLE prepared AS SELECT * FROM ordered")
        engine.execute("DROP TABLE ordered")
    else:
        engine.execute("ALTER TABLE ordered RENAME TO prepared")
    for table in ("near", "runs"):
        engine.execute(f"DROP TABLE IF EXISTS {table}")
