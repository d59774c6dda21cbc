"""The prepared log: customers, events and texts as dense integers, sorted once by customer, time and event.

One DuckDB table, `prepared`: `c` customer code, `t` microseconds UTC, `e` event code, `p1`, `p2`, … one column a property.
Codes follow the sorted ids, names and texts, and the sort ends with every column that can differ, so that the same rows in any
order give one table, byte for byte. Texts stand in dictionaries beside it: `c_names`, `e_names`, `p1_names`, … (code, value).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cjlib.sources.engine import DuckDB, identifier
from cjlib.sources.intake import blank

SHORT_KEY = 24
MANY_TIES = 0.02
"""The share of rows, equal in what the short key holds, from which sorting again is quicker than putting them in order one by one."""


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
    return tuple(Property(name, f"p{position}", kind, coded=kind == "VARCHAR") for position, (name, kind) in enumerate(sorted(types), start=1))


def make_dictionaries(engine: DuckDB, source: str, properties: Sequence[Property]) -> tuple[bool, bool]:
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
    engine.execute(f"CREATE OR REPLACE TEMP TABLE every AS SELECT DISTINCT {column} AS value FROM {source}")
    engine.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS INTEGER) AS code, value "
        f"FROM every WHERE NOT {blank('CAST(value AS VARCHAR)')} ORDER BY code"
    )
    (missing,) = engine.rows(f"SELECT (SELECT count(*) FROM every) > (SELECT count(*) FROM {name})")[0]
    engine.execute("DROP TABLE every")
    return missing


def make_sorted_table(engine: DuckDB, source: str, properties: Sequence[Property], where: str = "TRUE") -> None:
    """Make `prepared` from a relation of `id`, `name`, `t`, p1, …; rows whose id or name stands in no dictionary stay out."""
    picks = "".join(f", {_code(engine, one.dictionary) if one.coded else f's.{one.column}'} AS {one.column}" for one in properties)
    joins = "".join(f" LEFT JOIN {one.dictionary} ON {one.dictionary}.value = s.{one.column}" for one in properties if one.coded)
    _sort_into_prepared(
        engine,
        f"SELECT c_names.code AS c, s.t AS t, {_code(engine, 'e_names')} AS e{picks} FROM {source} s "
        f"JOIN c_names ON c_names.value = s.id JOIN e_names ON e_names.value = s.name{joins} WHERE {where}",
        properties,
    )


def _sort_into_prepared(engine: DuckDB, rows: str, properties: Sequence[Property]) -> None:
    """Make `prepared`: the rows sorted by every column, in its order.

    DuckDB sorts by a key of up to 24 bytes in less than half the time that a longer one takes. So the columns that fit decide first,
    and what they leave open, which is little unless a log is full of ties, is put in order after.
    """
    keys = _keys(properties)
    short = _fitting(engine, properties)
    engine.execute(f"CREATE TABLE sorted AS {rows} ORDER BY {', '.join(keys[:short])}")
    engine.execute("DROP TABLE IF EXISTS prepared")
    engine.execute("ALTER TABLE sorted RENAME TO prepared")
    if short < len(keys):
        _settle(engine, keys[:short], keys[short:])


def _fitting(engine: DuckDB, properties: Sequence[Property]) -> int:
    """How many of the columns, from the first on, make a key of up to 24 bytes; each has one byte more than its values."""
    bytes_of = {"UTINYINT": 1, "USMALLINT": 2, "INTEGER": 4, "BOOLEAN": 1, "DATE": 4}
    types = ["INTEGER", "BIGINT", _width(engine, "e_names"), *(_width(engine, one.dictionary) if one.coded else one.type for one in properties)]
    ends = list(itertools.accumulate(1 + bytes_of.get(kind, 8) for kind in types))
    return sum(end <= SHORT_KEY for end in ends)


def _settle(engine: DuckDB, settled: list[str], open_: list[str]) -> None:
    """Put rows that are equal in the settled columns into the order of the open ones."""
    beside = ", ".join(f"lag({key}) OVER () AS before_{key}, lead({key}) OVER () AS after_{key}" for key in settled)
    same = " OR ".join("(" + " AND ".join(f"{key} IS NOT DISTINCT FROM {side}_{key}" for key in settled) + ")" for side in ("before", "after"))
    tied = (
        f"SELECT place, {', '.join(settled + open_)} FROM (SELECT rowid AS place, {', '.join(settled + open_)}, {beside} FROM prepared) WHERE {same}"
    )
    engine.execute(f"CREATE TEMP TABLE tied AS {tied}")
    tied_rows, every = engine.rows("SELECT (SELECT count(*) FROM tied), (SELECT count(*) FROM prepared)")[0]
    if tied_rows > every * MANY_TIES:
        engine.execute(f"CREATE TABLE sorted AS SELECT * FROM prepared ORDER BY {', '.join(settled + open_)}")
        engine.execute("DROP TABLE prepared")
        engine.execute("ALTER TABLE sorted RENAME TO prepared")
    elif tied_rows:
        # Runs of tied rows stand in the order of the settled columns already: the n-th place belongs to the n-th row.
        numbered = f"SELECT row_number() OVER (ORDER BY {', '.join(settled + open_)}) AS n, {', '.join(open_)} FROM tied"
        engine.execute(
            f"UPDATE prepared SET {', '.join(f'{key} = r.{key}' for key in open_)} FROM ({numbered}) r "
            "JOIN (SELECT row_number() OVER (ORDER BY place) AS n, place FROM tied) p ON p.n = r.n WHERE prepared.rowid = p.place"
        )
    engine.execute("DROP TABLE tied")


def _code(engine: DuckDB, dictionary: str) -> str:
    """A code in as few bytes as its dictionary needs."""
    return f"CAST({dictionary}.code AS {_width(engine, dictionary)})"


def _width(engine: DuckDB, dictionary: str) -> str:
    size = engine.rows(f"SELECT count(*) FROM {dictionary}")[0][0]
    return "UTINYINT" if size <= 250 else "USMALLINT" if size <= 65_000 else "INTEGER"


def put_earlier_first(engine: DuckDB, properties: Sequence[Property]) -> None:
    """Put the events of the prepared log attached as `earlier` into `prepared` and its dictionaries, as if both had been prepared as one."""
    coded = {"c": "c_names", "e": "e_names", **{one.column: one.dictionary for one in properties if one.coded}}
    for names in coded.values():
        _join_dictionary(engine, names)
    parts = [_recoded(engine, properties, coded, source, which) for source, which in (("earlier.prepared", "theirs"), ("prepared", "ours"))]
    _sort_into_prepared(engine, f"SELECT * FROM ({' UNION ALL '.join(parts)})", properties)
    for names in coded.values():
        engine.execute(f"DROP TABLE {names}_moved")


def _join_dictionary(engine: DuckDB, names: str) -> None:
    """Make one dictionary of two; `…_moved` says which code each value had in either."""
    engine.execute(
        f"CREATE TEMP TABLE {names}_moved AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS INTEGER) AS code, * FROM "
        f"(SELECT coalesce(a.value, b.value) AS value, a.code AS theirs, b.code AS ours FROM earlier.{names} a FULL JOIN {names} b ON b.value = a.value)"
    )
    engine.execute(f"CREATE OR REPLACE TABLE {names} AS SELECT code, value FROM {names}_moved ORDER BY code")


def _recoded(engine: DuckDB, properties: Sequence[Property], coded: Mapping[str, str], source: str, which: str) -> str:
    """The events of one of the two logs with the codes of the joined dictionaries; a dictionary in which none moved need not be asked."""
    picks, joins = [], ""
    for column in _keys(properties):
        names = coded.get(column)
        moved = names and engine.rows(f"SELECT count(*) FROM {names}_moved WHERE {which} <> code")[0][0]
        joins += f" LEFT JOIN {names}_moved m_{column} ON m_{column}.{which} = s.{column}" if moved else ""
        code = f"m_{column}.code" if moved else f"s.{column}"
        width = "INTEGER" if column == "c" else _width(engine, names) if names else None
        picks.append(f"CAST({code} AS {width}) AS {column}" if width else f"s.{column} AS {column}")
    return f"SELECT {', '.join(picks)} FROM {source} s{joins}"


def has_unused_codes(engine: DuckDB, properties: Sequence[Property]) -> bool:
    """Whether a dictionary holds a value that no event of `prepared` has."""
    pairs = [("c", "c_names"), ("e", "e_names"), *((one.column, one.dictionary) for one in properties if one.coded)]
    tests = " OR ".join(f"(SELECT count(DISTINCT {column}) FROM prepared) < (SELECT count(*) FROM {names})" for column, names in pairs)
    return engine.rows(f"SELECT {tests}")[0][0]


def _keys(properties: Sequence[Property]) -> list[str]:
    return ["c", "t", "e", *(one.column for one in properties)]


def _neighbours(properties: Sequence[Property]) -> str:
    """Every row beside whether it equals the row before it in all columns (`again`) and in customer and time (`together`)."""
    keys = _keys(properties)
    before = ", ".join(f"lag({key}) OVER () AS before_{key}" for key in keys)
    again = " AND ".join(f"{key} IS NOT DISTINCT FROM before_{key}" for key in keys)
    return f"(SELECT {', '.join(keys)}, c IS NOT DISTINCT FROM before_c AND t = before_t AS together, {again} AS again FROM (SELECT {', '.join(keys)}, {before} FROM prepared))"


def count_neighbours(engine: DuckDB, properties: Sequence[Property]) -> tuple[int, int]:
    """How many events share the instant, and how many share every column, with the event before them.

    Equal rows are neighbours in a table sorted by all its columns: one streaming pass finds them.
    """
    return engine.rows(f"SELECT count(*) FILTER (together), count(*) FILTER (again) FROM {_neighbours(properties)}")[0]


def drop_repeats(engine: DuckDB, properties: Sequence[Property]) -> None:
    """Leave one of each run of equal rows; `repeated` has the id and time of those that go."""
    engine.execute(
        f"CREATE TEMP TABLE repeated AS SELECT DISTINCT n.value AS id, r.t FROM {_neighbours(properties)} r JOIN c_names n ON n.code = r.c WHERE again"
    )
    engine.execute(f"CREATE TABLE once AS SELECT {', '.join(_keys(properties))} FROM {_neighbours(properties)} WHERE NOT again")
    engine.execute("DROP TABLE prepared")
    engine.execute("ALTER TABLE once RENAME TO prepared")


def count_ties(engine: DuckDB) -> tuple[int, int, int]:
    """How many events share an instant with another of their customer, in how many instants, of how many customers."""
    later, instants, customers = engine.rows(
        "SELECT count(*), count(DISTINCT (c, t)), count(DISTINCT c) FROM (SELECT c, t, lag(c) OVER () AS before_c, lag(t) OVER () AS before_t FROM prepared) "
        "WHERE c = before_c AND t = before_t"
    )[0]
    # Every tied instant has one event that follows none of its own.
    return later + instants, instants, customers


def earlier_events(properties: Sequence[Property]) -> str:
    """SQL of the events of the log attached as `earlier` with their values: id, name, t, p1, and so on."""
    picks = "".join(f", {f'{one.column}_values.value' if one.coded else f's.{one.column}'} AS {one.column}" for one in properties)
    joins = "".join(
        f" LEFT JOIN earlier.{one.dictionary} {one.column}_values ON {one.column}_values.code = s.{one.column}" for one in properties if one.coded
    )
    return (
        f"SELECT c.value AS id, e.value AS name, s.t AS t{picks} FROM earlier.prepared s "
        f"JOIN earlier.c_names c ON c.code = s.c JOIN earlier.e_names e ON e.code = s.e{joins}"
    )


def make_events_view(engine: DuckDB, properties: Sequence[Property]) -> None:
    """Make the view `events`: the prepared log with names instead of codes, as any engine's table of events would be."""
    texts = [one for one in properties if one.coded]
    picks = "".join(f", {f'{one.dictionary}.value' if one.coded else f'prepared.{one.column}'} AS {identifier(one.name)}" for one in properties)
    joins = " LEFT JOIN attributes ON attributes.c = prepared.c" if any(one.of_customer for one in properties) else ""
    joins += "".join(
        f" LEFT JOIN {one.dictionary} ON {one.dictionary}.code = {'attributes' if one.of_customer else 'prepared'}.{one.column}" for one in texts
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP VIEW events AS SELECT c_names.value AS customer_id, e_names.value AS event, make_timestamp(prepared.t) AS timestamp{picks} "
        f"FROM prepared JOIN c_names ON c_names.code = prepared.c JOIN e_names ON e_names.code = prepared.e{joins}"
    )
