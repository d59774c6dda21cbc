"""What a log counts: an account, a ticket or an order in the place of the person who did something.

After the step a row's customer is its unit, and the person stands in the column `person`. A row's own column says its unit; where it says none, a
table of who belongs where does, as of the row's time. Rows of no unit are left out and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.show.units import Unit, names_to_keep
from cjlib.sources.identity.options import CUSTOMER, PERSON, Grain
from cjlib.sources.ingest.columns import GIVEN_ID
from cjlib.sources.ingest.open_source import QualityLine, Raw, open_table
from cjlib.sources.log.engine import DuckDB, blank, identifier, trimmed
from cjlib.sources.log.prepared_table import Property

WITHOUT = "events of no {one}"
DIFFER = "columns of the customers table that differ among the people of one {one}"
_FIRST, _LAST = -(2**63), 2**63 - 1


class GrainStep:
    """Gives each row of `gathered` its unit; after the call `members` says who belonged where, and `lines` tell of it."""

    def __init__(self, grain: Grain, customers: Any, zone: ZoneInfo, *, joined: bool) -> None:
        self.grain = grain
        self.joined = joined
        self.zone = zone
        self.customers = customers
        self.lines: list[QualityLine] = []

    def __call__(self, engine: DuckDB, properties: Sequence[Property]) -> list[Property]:
        """Put the unit in the place of the customer, and the customer into the column `person`."""
        own = next(
            (
                column
                for name in self.grain.unit.columns
                for column in properties
                if column.name == name
            ),
            None,
        )
        belonging = self._belonging(engine)
        if own is None and not belonging:
            raise self._no_column(properties)
        person = next(column for column in properties if column.name == PERSON)
        engine.execute(
            f"CREATE TEMP TABLE row_units AS SELECT r.* EXCLUDE ({person.column}), coalesce({', '.join(_units(own, belonging))}) AS unit "
            f"FROM gathered r{_joins(own, belonging)}"
        )
        self._write_members(engine, belonging=belonging)
        rows, without = engine.rows(
            "SELECT count(*), count(*) FILTER (unit IS NULL) FROM row_units"
        )[0]
        if rows and without == rows:
            raise DataError(
                f"grain: none of the {rows:,} events has {_a(self.grain.unit.one)}. Do {listed(self.grain.unit.columns)} and the map write ids as the events do?"
            )
        _put_in_place(engine, person, self._nobody(properties))
        self.lines.append(
            QualityLine(
                WITHOUT.format(one=self.grain.unit.one),
                without,
                "they are not counted" if without else "",
            )
        )
        return self._left(engine, properties)

    def _left(self, engine: DuckDB, properties: Sequence[Property]) -> list[Property]:
        """The columns without the ids as they were given, where nothing was joined: `person` holds them."""
        given = [column for column in properties if column.name == GIVEN_ID and not self.joined]
        for one in given:
            engine.execute(f"ALTER TABLE gathered DROP COLUMN {one.column}")
        return [column for column in properties if column not in given]

    def _nobody(self, properties: Sequence[Property]) -> str:
        """SQL of which rows are of a unit and of no person."""
        if self.joined:
            return "r.c IN (SELECT code FROM person_names WHERE value = '')"
        given = next((column for column in properties if column.name == GIVEN_ID), None)
        return "TRUE" if given is None else f"(r.{given.column} IS NULL)"

    def _no_column(self, properties: Sequence[Property]) -> CjlibError:
        there = [column.name for column in properties if column.name != PERSON]
        wanted = " or ".join(map(repr, self.grain.unit.columns))
        return CjlibError(
            f"grain: neither the events nor the customers table have a column {wanted}.{did_you_mean(self.grain.unit.columns[-1], there)} "
            f"The events have: {listed(there, most=20)}. Name the column: grain: {{unit: {self.grain.unit.one}, column: …}}, or a table of who belongs where: map: people.csv."
        )

    def _belonging(self, engine: DuckDB) -> bool:
        """Make `belonging` (person, unit, start, until) of the map, or of a customers table of people; whether there is any."""
        pairs = None
        if self.grain.map is not None:
            pairs = self._pairs(self.grain.map, dict(self.grain.map_columns), "grain map")
        elif self.customers is not None:
            pairs = self._pairs(self.customers, {}, "customers")
        if pairs is None:
            return False
        engine.connection.register("given", pairs)
        engine.execute(
            f"CREATE TEMP TABLE belonging AS SELECT person, unit, coalesce(CASE WHEN row_number() OVER own > 1 THEN t END, {_FIRST}) AS start, "
            f"coalesce(lead(t) OVER own, {_LAST}) AS until FROM given WINDOW own AS (PARTITION BY person ORDER BY t)"
        )
        engine.connection.unregister("given")
        return True

    def _pairs(self, source: Any, renamed: Mapping[str, str], name: str) -> pd.DataFrame | None:
        """`person`, `unit` and `t` of a table; None where a customers table does not say who belongs where."""
        scratch = DuckDB()
        raw = open_table(scratch, source, name)
        names = [renamed.get(column, column) for column in raw.names]
        place = dict(zip(names, raw.places, strict=True))
        unit = next((one for one in self.grain.unit.columns if one in place), None)
        if unit is None or CUSTOMER not in place:
            if name == "customers":
                return None
            missing = CUSTOMER if unit else " or ".join(self.grain.unit.columns)
            raise DataError(
                f"{name}: there is no column {missing}. It has: {listed(raw.names, most=20)}. Say which of its columns are {CUSTOMER} and "
                f"{self.grain.unit.columns[0]}: map: {{path: …, columns: {{their name: {CUSTOMER}}}}}."
            )
        scratch.execute(f"SET TimeZone = '{self.zone.key}'")
        time = (
            f"epoch_us(TRY_CAST({place['timestamp']} AS TIMESTAMPTZ))"
            if "timestamp" in place and name != "customers"
            else "NULL"
        )
        pairs = scratch.frame(
            f"SELECT DISTINCT {_text(place[CUSTOMER])} AS person, {_text(place[unit])} AS unit, CAST({time} AS BIGINT) AS t FROM raw "
            f"WHERE {_text(place[CUSTOMER])} IS NOT NULL AND {_text(place[unit])} IS NOT NULL ORDER BY ALL"
        ).astype({"t": "Int64"})
        self._check(pairs, name)
        return pairs

    def _check(self, pairs: pd.DataFrame, name: str) -> None:
        """One unit a person, or one at a time."""
        several = pairs[pairs.groupby("person")["unit"].transform("nunique") > 1]
        unclear = several[several["t"].isna() | several.duplicated(["person", "t"], keep=False)]
        if unclear.empty:
            return
        person = unclear["person"].iloc[0]
        units = sorted(pairs.loc[pairs["person"] == person, "unit"])
        raise DataError(
            f"{name}: {count_words(unclear['person'].nunique())} in several {self.grain.unit.many}, for example {shown(person)} in {listed(units, most=3)}. "
            f"Give a map with a column timestamp, from when each holds (map: {{path: …}}), or name the {self.grain.unit.one} in the events' own column {self.grain.unit.columns[0]}."
        )

    def _write_members(self, engine: DuckDB, *, belonging: bool) -> None:
        """Make `members`: to which unit a person belonged, from when (included) on: as the events say, and of who has none as the map does."""
        listed_too = (
            " UNION ALL SELECT person, unit, start AS t FROM belonging WHERE person NOT IN (SELECT person FROM seen)"
            if belonging
            else ""
        )
        engine.execute(
            "CREATE TABLE members AS WITH seen AS (SELECT trim(CAST(n.value AS VARCHAR)) AS person, CAST(unit AS VARCHAR) AS unit, t FROM "
            "(SELECT c, t, max(unit) AS unit FROM row_units WHERE unit IS NOT NULL GROUP BY c, t) JOIN c_names n ON n.code = c "
            "QUALIFY unit IS DISTINCT FROM lag(unit) OVER (PARTITION BY c ORDER BY t)) "
            f'SELECT person, unit, t AS "from" FROM (SELECT * FROM seen{listed_too}) ORDER BY ALL'
        )


def count_words(people: int) -> str:
    """How many people are, as the beginning of a sentence."""
    return f"{people:,} {'customer is' if people == 1 else 'customers are'}"


def _a(word: str) -> str:
    return f"{'an' if word[0].casefold() in 'aeio' else 'a'} {word}"


def _text(sql: str) -> str:
    text = trimmed(f"CAST({sql} AS VARCHAR)")
    return f"CASE WHEN NOT {blank(text)} THEN {text} END"


def _units(own: Property | None, belonging: bool) -> list[str]:
    """SQL of what may say a row's unit, the row itself first."""
    parts = []
    if own is not None:
        value = "own.value" if own.coded else f"r.{own.column}"
        whole = (
            f"CASE WHEN {value} = trunc({value}) THEN CAST({value} AS BIGINT) END"
            if own.type == "DOUBLE"
            else value
        )
        as_given = own.type == "BIGINT" and not belonging
        parts.append(whole if as_given else _text(whole))
    return [*parts, "b.unit"] if belonging else parts


def _joins(own: Property | None, belonging: bool) -> str:
    joins = (
        f" LEFT JOIN {own.dictionary} own ON own.code = r.{own.column}"
        if own is not None and own.coded
        else ""
    )
    return joins + (
        " JOIN c_names n ON n.code = r.c LEFT JOIN belonging b ON b.person = trim(CAST(n.value AS VARCHAR)) AND r.t >= b.start AND r.t < b.until"
        if belonging
        else ""
    )


def _put_in_place(engine: DuckDB, person: Property, nobody: str) -> None:
    """Make `c_names` and `gathered` anew: the unit as customer, the customer as the property `person`."""
    engine.execute("ALTER TABLE c_names RENAME TO person_names")
    for table, values in (
        (
            person.dictionary,
            f"SELECT DISTINCT CAST(n.value AS VARCHAR) AS value FROM row_units r JOIN person_names n ON n.code = r.c WHERE NOT {nobody} AND unit IS NOT NULL",
        ),
        ("c_names", "SELECT DISTINCT unit AS value FROM row_units WHERE unit IS NOT NULL"),
    ):
        engine.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value FROM ({values} ORDER BY CAST(value AS VARCHAR))"
        )
    columns = [name for (name, *_) in engine.rows("DESCRIBE gathered")]
    of_person = f"CASE WHEN NOT {nobody} THEN p.code END AS {person.column}"
    picks = ", ".join(
        {"c": "u.code AS c", person.column: of_person}.get(name, f"r.{name}") for name in columns
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE gathered AS SELECT {picks} FROM row_units r JOIN c_names u ON u.value = r.unit "
        f"JOIN person_names n ON n.code = r.c LEFT JOIN {person.dictionary} p ON p.value = CAST(n.value AS VARCHAR)"
    )
    for table in ("row_units", "person_names"):
        engine.execute(f"DROP TABLE {table}")
    engine.execute("DROP TABLE IF EXISTS belonging")


# ---- what is known of a unit beside its events ------------------------------------------------------------------------


def attributes_of_units(customers: Any, grain: Grain) -> tuple[Any, str, list[QualityLine]]:
    """The customers table with a row a unit, the column that names it, and what is said of it.

    A table that names units stays; of a table of people who belong to units a column stays that is the same for all people of each.
    """
    scratch = DuckDB()
    raw = open_table(scratch, customers, "customers")
    unit = next((column for column in grain.unit.columns if column in raw.names), None)
    if unit is None or CUSTOMER not in raw.names:
        return customers, unit or CUSTOMER, []
    return _rolled_up(scratch, raw, unit, grain)


def _rolled_up(
    engine: DuckDB, raw: Raw, unit: str, grain: Grain
) -> tuple[Any, str, list[QualityLine]]:
    place = dict(zip(raw.names, raw.places, strict=True))
    others = [name for name in raw.names if name not in (unit, CUSTOMER)]
    key = _text(place[unit])
    differ = [
        name
        for name in others
        if engine.rows(
            f"SELECT 1 FROM raw WHERE {key} IS NOT NULL GROUP BY {key} HAVING count(DISTINCT {place[name]}) > 1 LIMIT 1"
        )
    ]
    picks = "".join(
        f", min({place[name]}) AS {identifier(name)}" for name in others if name not in differ
    )
    table = engine.connection.sql(
        f"SELECT {key} AS {identifier(unit)}{picks} FROM raw WHERE {key} IS NOT NULL GROUP BY {key} ORDER BY {key}"
    ).to_arrow_table()
    lines = [
        QualityLine(
            DIFFER.format(one=grain.unit.one),
            len(differ),
            f"{', '.join(differ)}: left out",
            counts_rows=False,
        )
    ]
    return table, unit, lines if differ else []


def unit_with_names(unit: Unit, engine: DuckDB, properties: Sequence[Property]) -> Unit:
    """The unit, its words leaving alone what the data call something with the word customer."""
    found = [
        name for (name,) in engine.rows("SELECT value FROM e_names WHERE value ILIKE '%customer%'")
    ]
    for column in properties:
        if column.coded and column.type == "VARCHAR":
            found += [
                name
                for (name,) in engine.rows(
                    f"SELECT value FROM {column.dictionary} WHERE value ILIKE '%customer%' ORDER BY value LIMIT 100"
                )
            ]
    return replace(unit, names=names_to_keep([*found, *(column.name for column in properties)]))
