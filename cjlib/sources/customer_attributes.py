"""What is known of customers beside their events: the columns of a customers table, one value a customer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cjlib.errors import DataError, did_you_mean, listed
from cjlib.sources.connect.files import find_files
from cjlib.sources.connect.remote import is_remote, open_remote
from cjlib.sources.ingest.column_types import property_column, text_types
from cjlib.sources.ingest.open_source import QualityLine, Raw, blank, open_files, open_frame
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property


def attach_attributes(
    engine: DuckDB, customers: Any, taken: Sequence[str], id_column: str = "customer_id"
) -> tuple[tuple[Property, ...], list[QualityLine]]:
    """Make `attributes`, one row a customer of the log in the order of their codes, and say what did not fit.

    Ids are compared as text, so that a table of numbers meets a log of texts. A column that the events have too stays the events'.
    """
    scratch = DuckDB()
    if is_remote(customers):
        raw = open_remote(scratch, customers, {})
    else:
        raw = (
            open_files(scratch, find_files(customers))
            if isinstance(customers, str | Path)
            else open_frame(scratch, customers, "customers")
        )
    if id_column not in raw.names:
        raise DataError(
            f"customers: there is no column {id_column!r}.{did_you_mean(id_column, raw.names)} The columns are: {listed(raw.names, most=30)}."
        )
    columns, names = _typed(scratch, raw, id_column, taken)
    engine.connection.register(
        "given_customers",
        scratch.connection.sql(f"SELECT {', '.join(columns)} FROM raw").to_arrow_table(),
    )
    engine.execute(
        f"CREATE TEMP TABLE customers AS SELECT * FROM given_customers WHERE NOT {blank('id')}"
    )
    engine.connection.unregister("given_customers")
    _one_row_each(engine, names)
    properties = tuple(
        Property(name, f"a{position}", kind, coded=True, of_customer=True)
        for position, (name, kind) in enumerate(names, start=1)
    )
    for one in properties:
        engine.execute(
            f"CREATE TEMP TABLE {one.dictionary} AS SELECT CAST(row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS INTEGER) AS code, value "
            f"FROM (SELECT DISTINCT {one.column} AS value FROM customers WHERE {one.column} IS NOT NULL) ORDER BY code"
        )
    picks = "".join(f", {one.dictionary}.code AS {one.column}" for one in properties)
    joins = "".join(
        f" LEFT JOIN {one.dictionary} ON {one.dictionary}.value = s.{one.column}"
        for one in properties
    )
    engine.execute(
        f"CREATE TEMP TABLE attributes AS SELECT c_names.code AS c{picks} FROM c_names LEFT JOIN customers s ON s.id = CAST(c_names.value AS VARCHAR){joins} "
        "ORDER BY c_names.code"
    )
    return properties, _findings(
        engine, [name for name in raw.names if name in taken and name != id_column]
    )


def _typed(
    engine: DuckDB, raw: Raw, id_column: str, taken: Sequence[str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """The SQL of id, a1, a2, …, and the attributes' names and types, sorted by name."""
    place = {name: f"c{position}" for position, name in enumerate(raw.names, start=1)}
    names = sorted(name for name in raw.names if name != id_column and name not in taken)
    kinds = dict(zip(raw.names, raw.types, strict=True))
    written = {place[name]: name for name in names if place[name] in raw.untyped}
    typed, _ = text_types(engine, written)
    values = [
        property_column(engine, name, place[name], typed.get(place[name], kinds[name]))
        for name in names
    ]
    own = property_column(engine, id_column, place[id_column], kinds[id_column])
    whole = (
        f"CASE WHEN {own.value} = trunc({own.value}) THEN CAST({own.value} AS BIGINT) END"
        if own.type == "DOUBLE"
        else own.value
    )
    picks = [f"trim(CAST({whole} AS VARCHAR)) AS id"]
    for position, one in enumerate(values, start=1):
        filled = f"CASE WHEN NOT {blank(one.value)} THEN trim({one.value}) END"
        picks.append(f"{filled if one.type == 'VARCHAR' else one.value} AS a{position}")
    return picks, [(one.name, one.type) for one in values]


def _one_row_each(engine: DuckDB, names: list[tuple[str, str]]) -> None:
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE customers AS SELECT DISTINCT {', '.join(['id', *(f'a{n}' for n in range(1, len(names) + 1))])} FROM customers"
    )
    twice = engine.rows(
        "SELECT id, count(*) OVER () FROM customers GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"
    )
    if twice:
        raise DataError(
            f"customers: {twice[0][1]:,} ids have several rows that differ, for example {twice[0][0]!r}. Give one row a customer, with what holds now."
        )


def _findings(engine: DuckDB, both: list[str]) -> list[QualityLine]:
    missing = engine.rows(
        "SELECT count(*), min(CAST(value AS VARCHAR)) FROM c_names WHERE CAST(value AS VARCHAR) NOT IN (SELECT id FROM customers)"
    )[0]
    found = [
        QualityLine(
            "customers not in the customers table", missing[0], missing[1] or "", counts_rows=False
        )
    ]
    if both:
        found.append(
            QualityLine(
                "columns of the customers table that the events have too",
                len(both),
                f"{', '.join(both)}: the events' are used",
                counts_rows=False,
            )
        )
    return found


__all__ = ["attach_attributes"]
