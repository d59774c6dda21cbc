"""Two prepared logs made one: what a folder held before, attached as `earlier`, and what has come since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cjlib.sources.ingest.sort import keys_of, put_in_order
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property, width_of


def put_earlier_first(engine: DuckDB, properties: Sequence[Property]) -> None:
    """Put the events of the prepared log attached as `earlier` into `ordered` and the dictionaries, as if both had been prepared as one."""
    coded = {
        "c": "c_names",
        "e": "e_names",
        **{one.column: one.dictionary for one in properties if one.coded},
    }
    for names in coded.values():
        _join_dictionary(engine, names)
    parts = [
        _recoded(engine, properties, coded, source, which)
        for source, which in (("earlier.prepared", "theirs"), ("ordered", "ours"))
    ]
    put_in_order(engine, f"SELECT * FROM ({' UNION ALL '.join(parts)})", properties)
    for names in coded.values():
        engine.execute(f"DROP TABLE {names}_moved")


def _join_dictionary(engine: DuckDB, names: str) -> None:
    """Make one dictionary of two; `…_moved` says which code each value had in either."""
    engine.execute(
        f"CREATE TEMP TABLE {names}_moved AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS INTEGER) AS code, * FROM "
        f"(SELECT coalesce(a.value, b.value) AS value, a.code AS theirs, b.code AS ours FROM earlier.{names} a FULL JOIN {names} b ON b.value = a.value)"
    )
    engine.execute(
        f"CREATE OR REPLACE TABLE {names} AS SELECT code, value FROM {names}_moved ORDER BY code"
    )


def _recoded(
    engine: DuckDB,
    properties: Sequence[Property],
    coded: Mapping[str, str],
    source: str,
    which: str,
) -> str:
    """The events of one of the two logs with the codes of the joined dictionaries; a dictionary in which none moved need not be asked."""
    picks, joins = [], ""
    for column in keys_of(properties):
        names = coded.get(column)
        moved = (
            names and engine.rows(f"SELECT count(*) FROM {names}_moved WHERE {which} <> code")[0][0]
        )
        joins += (
            f" LEFT JOIN {names}_moved m_{column} ON m_{column}.{which} = s.{column}"
            if moved
            else ""
        )
        code = f"m_{column}.code" if moved else f"s.{column}"
        width = "INTEGER" if column == "c" else width_of(engine, names) if names else None
        picks.append(f"CAST({code} AS {width}) AS {column}" if width else f"s.{column} AS {column}")
    return f"SELECT {', '.join(picks)} FROM {source} s{joins}"


def earlier_events(properties: Sequence[Property]) -> str:
    """SQL of the events of the log attached as `earlier` with their values: id, name, t, p1, and so on."""
    picks = "".join(
        f", {f'{one.column}_values.value' if one.coded else f's.{one.column}'} AS {one.column}"
        for one in properties
    )
    joins = "".join(
        f" LEFT JOIN earlier.{one.dictionary} {one.column}_values ON {one.column}_values.code = s.{one.column}"
        for one in properties
        if one.coded
    )
    return (
        f"SELECT c.value AS id, e.value AS name, s.t AS t{picks} FROM earlier.prepared s "
        f"JOIN earlier.c_names c ON c.code = s.c JOIN earlier.e_names e ON e.code = s.e{joins}"
    )
