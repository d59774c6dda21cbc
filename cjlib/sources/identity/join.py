"""The step between the rows of all sources and the log: whose each row is, as `cjlib.sources.combine` asks it, and what was found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cjlib.errors import DataError, listed, shown, unknown_column
from cjlib.show.numbers import count_of
from cjlib.sources.combine import Owners
from cjlib.sources.identity.options import CUSTOMER, Identities, MapTable
from cjlib.sources.identity.resolve import NOBODY, UNDATED, IdSpace, Pairs, Resolved, resolve
from cjlib.sources.ingest.columns import GIVEN_ID
from cjlib.sources.ingest.open_source import QualityLine, open_table
from cjlib.sources.log.engine import DuckDB, blank, literal, trimmed
from cjlib.sources.log.prepared_table import Property

BEFORE_AFTER = "customers before and after joining ids"
HUBS = "hubs: ids that would join too many, cut"
CHAIN = "longest chain of links"
GIVEN_TO_KNOWN = "events given to a known person by an anonymous id"
NEVER_MEET = "ids that never meet"
FREQUENT = 30
SHOWN_HUBS = 3
VISIT = 30 * 60 * 1_000_000
"""Events of one device that follow one another so soon are one person's, who logs in in the end."""


class PeopleStep:
    """Joins the ids of a log as its `Identities` say; after the call the table `identities` stands in the engine, and `lines` tell of it."""

    def __init__(self, identities: Identities, customers: Any = None, *, several: bool) -> None:
        self.identities = identities
        self.several = several
        self.tables = list(identities.maps)
        if customers is not None:
            self.tables.append(MapTable(customers, (), "customers table", of_customers=True))
        self.lines: list[QualityLine] = []

    def __call__(self, engine: DuckDB, properties: Sequence[Property]) -> Owners:
        """Whose each row of `gathered` is."""
        there = {column.name: column for column in properties}
        own_name = {
            name: GIVEN_ID if name == CUSTOMER else name for name in self.identities.columns
        }
        places = {name: there[own] for name, own in own_name.items() if own in there}
        links = [
            _open_links(engine, table, self.identities, n) for n, table in enumerate(self.tables)
        ]
        columns = [
            name
            for name in self.identities.columns
            if name in places or any(name in link.columns for link in links)
        ]
        _check_columns(self.identities, columns, [*there])
        known = sum(name in self.identities.known for name in columns)
        sizes = tuple(
            _dictionary(engine, n, name, places.get(name), links) for n, name in enumerate(columns)
        )
        space = IdSpace(tuple(columns), known, sizes)
        found = self._resolved(engine, space, places, links)
        ids = _values_of(engine, space)
        for relation in (
            *(f"ids_{n}" for n in range(len(columns))),
            *(link.relation for link in links),
        ):
            engine.execute(f"DROP TABLE {relation}")
        owners = _write(engine, found, space, ids)
        self.lines = _lines(engine, found, space, ids, self._counts(engine, there, found))
        return owners

    def _resolved(
        self,
        engine: DuckDB,
        space: IdSpace,
        places: Mapping[str, Property],
        links: Sequence[_Links],
    ) -> Resolved:
        rows = engine.numbers("SELECT t FROM gathered")["t"]
        codes = [
            _codes(engine, n, name, places[name])
            if name in places
            else np.full(len(rows), NOBODY, dtype=np.int32)
            for n, name in enumerate(space.columns)
        ]
        tables = [pair for link in links for pair in _pairs(engine, space, link)]
        apart = [
            int(start) + code
            for n, (name, start) in enumerate(zip(space.columns, space.starts, strict=False))
            for (code,) in engine.rows(
                f"SELECT code FROM ids_{n} WHERE value IN ({', '.join(literal(_same(name, one)) for one in self.identities.apart) or 'NULL'})"
            )
        ]
        return resolve(
            space,
            codes,
            rows,
            tables,
            hub_limit=self.identities.hub_limit,
            apart=apart,
            visit=VISIT,
        )

    def _counts(
        self, engine: DuckDB, there: Mapping[str, Property], found: Resolved
    ) -> list[tuple[str, int, int]]:
        """Of all rows, and of several sources of each one's, the customers before and after."""
        counts = [("", _different(found.given), _different(found.person))]
        if not self.several:
            return counts
        column = there["source"]
        of_row = engine.numbers(f"SELECT CAST({column.column} AS INTEGER) AS s FROM gathered")["s"]
        for code, name in engine.rows(f"SELECT code, value FROM {column.dictionary} ORDER BY code"):
            own = of_row == code
            counts.append((name, _different(found.given[own]), _different(found.person[own])))
        return counts


def _different(ids: NDArray[np.int64]) -> int:
    ordered = np.sort(ids)
    return int(np.count_nonzero(np.diff(ordered))) + (len(ordered) > 0)


def _check_columns(identities: Identities, columns: Sequence[str], there: Sequence[str]) -> None:
    """Every column of ids must stand somewhere, customer_id aside."""
    for name in identities.columns:
        if name not in columns and name != CUSTOMER:
            raise unknown_column("identities", name, there, what="log")


# ---- ids as text and as numbers ---------------------------------------------------------------------------------------


def _is_mail(column: str) -> bool:
    return "mail" in column.casefold()


def _same(column: str, text: str) -> str:
    return text.strip().lower() if _is_mail(column) else text.strip()


def _comparable(column: str, sql: str) -> str:
    """SQL of an id as it is compared: without blanks at its ends, an address without upper and lower case; missing where blank."""
    text = _of_log(column, trimmed(f"CAST({sql} AS VARCHAR)"))
    return f"CASE WHEN NOT {blank(text)} THEN {text} END"


def _of_log(column: str, sql: str) -> str:
    """The same of an id of the log, whose texts are neither blank nor have blanks at their ends."""
    text = f"CAST({sql} AS VARCHAR)"
    return f"lower({text})" if _is_mail(column) else text


def _dictionary(
    engine: DuckDB, position: int, name: str, place: Property | None, links: Sequence[_Links]
) -> int:
    """Make the dictionary of a column's ids; how many there are."""
    parts = [
        f"SELECT l{n} AS value FROM {link.relation}"
        for link in links
        for n, column in enumerate(link.columns)
        if column == name
    ]
    if place is not None:
        column, source = ("value", place.dictionary) if place.coded else (place.column, "gathered")
        parts.append(f"SELECT {_of_log(name, column)} AS value FROM {source}")
    engine.execute(
        f"CREATE TEMP TABLE ids_{position} AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS code, value "
        f"FROM (SELECT DISTINCT value FROM ({' UNION ALL '.join(parts)}) WHERE value IS NOT NULL ORDER BY value)"
    )
    return engine.rows(f"SELECT count(*) FROM ids_{position}")[0][0]


def _codes(engine: DuckDB, position: int, name: str, place: Property) -> NDArray[np.int32]:
    """Each row's id of a column, as its code in the dictionary of ids; −1 where it has none."""
    if not place.coded:
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE numbers AS SELECT row_number() OVER () - 1 AS code, value "
            f"FROM (SELECT DISTINCT {place.column} AS value FROM gathered WHERE {place.column} IS NOT NULL ORDER BY value)"
        )
        values = engine.numbers("SELECT value FROM numbers ORDER BY code")["value"]
        given = engine.numbers(
            f"SELECT {place.column} IS NULL AS none, coalesce({place.column}, 0) AS value FROM gathered"
        )
        of_row = np.where(given["none"], NOBODY, np.searchsorted(values, given["value"]))
        source = "numbers"
    else:
        of_row = engine.numbers(
            f"SELECT CAST(coalesce({place.column}, -1) AS INTEGER) AS k FROM gathered"
        )["k"]
        source = place.dictionary
    meaning = engine.numbers(
        f"SELECT CAST(coalesce(i.code, -1) AS INTEGER) AS k FROM {source} n "
        f"LEFT JOIN ids_{position} i ON i.value = {_of_log(name, 'n.value')} ORDER BY n.code"
    )["k"]
    # A row without an id has the position −1: the last entry, which means none.
    return np.append(meaning, np.int32(NOBODY))[of_row]


@dataclass(frozen=True)
class _Links:
    """A table of links in the engine: the ids l0, l1, …, whose ids they are, and the time t."""

    relation: str
    columns: tuple[str, ...]
    reason: str


def _open_links(engine: DuckDB, given: MapTable, identities: Identities, position: int) -> _Links:
    scratch = DuckDB()
    raw = open_table(scratch, given.source, f"identities {given.name}")
    renamed = dict(given.columns)
    named = [renamed.get(name, name) for name in raw.names]
    ids = [
        (name, place)
        for place, name in zip(raw.places, named, strict=True)
        if name in identities.columns
    ]
    if given.of_customers:
        ids.sort(key=lambda one: one[0] != CUSTOMER)
    else:
        _check_map(given, raw.names, ids, identities)
    time = "NULL"
    if "timestamp" in named and not given.of_customers:
        time = f"epoch_us(TRY_CAST({raw.places[named.index('timestamp')]} AS TIMESTAMPTZ))"
    picks = [f"{_comparable(name, place)} AS l{n}" for n, (name, place) in enumerate(ids)]
    picks.append(f"CAST({time} AS BIGINT) AS t")
    found = scratch.connection.sql(f"SELECT DISTINCT {', '.join(picks)} FROM raw")
    engine.connection.register("given", found.to_arrow_table())
    engine.execute(f"CREATE TEMP TABLE links_{position} AS SELECT * FROM given")
    engine.connection.unregister("given")
    return _Links(f"links_{position}", tuple(name for name, _ in ids), given.name)


def _check_map(
    given: MapTable, there: Sequence[str], ids: Sequence[tuple[str, str]], identities: Identities
) -> None:
    missing = [name for name, _ in given.columns if name not in there]
    if not missing and len(ids) >= 2:
        return
    what = (
        f"there is no column {shown(missing[0])}" if missing else "fewer than two columns hold ids"
    )
    raise DataError(
        f"identities {given.name}: {what}. It has: {listed(there, most=20)}. Say which of its columns hold ids of which column of the log "
        f"({listed(identities.columns)}): columns: {{their name: {identities.columns[-1]}}}."
    )


def _pairs(engine: DuckDB, space: IdSpace, links: _Links) -> list[Pairs]:
    """The links of a table: of each row the first id with every other."""
    pairs = []
    for n, name in enumerate(links.columns[1:], start=1):
        left, right = space.columns.index(links.columns[0]), space.columns.index(name)
        found = engine.numbers(
            f"SELECT a.code + {space.starts[left]} AS a, b.code + {space.starts[right]} AS b, coalesce(l.t, {UNDATED}) AS t "
            f"FROM {links.relation} l JOIN ids_{left} a ON a.value = l.l0 JOIN ids_{right} b ON b.value = l.l{n}"
        )
        pairs.append(Pairs(found["a"], found["b"], found["t"], links.reason))
    return pairs


# ---- what was found out -----------------------------------------------------------------------------------------------


def _values_of(engine: DuckDB, space: IdSpace) -> pa.Array:
    """Every id as text, by its number."""
    parts = [
        engine.connection.sql(f"SELECT value FROM ids_{n} ORDER BY code").to_arrow_table()["value"]
        for n in range(len(space.columns))
    ]
    return pa.chunked_array(
        [chunk for part in parts for chunk in part.chunks], pa.string()
    ).combine_chunks()


def _write(engine: DuckDB, found: Resolved, space: IdSpace, ids: pa.Array) -> Owners:
    """Make the table `identities`; whose each row is."""
    of_nobody = found.person == NOBODY
    used = np.zeros(len(ids), dtype=bool)
    used[found.person[~of_nobody]] = True
    is_person = used.copy()
    is_person[found.people] = True
    people = np.flatnonzero(is_person)
    names = _names_of_people(engine, people, space, ids)
    entries = {
        "id": ids.take(pa.array(found.ids)),
        "kind": _in_words(space.column_of[found.ids], space.columns),
        "person": names.take(pa.array((np.cumsum(is_person) - 1)[found.people])),
        "from": pa.array(found.start, mask=found.start == UNDATED),
        "to": pa.array(found.end, mask=found.end == UNDATED),
        "linked_at": pa.array(found.linked_at, mask=found.linked_at == UNDATED),
        "links": found.links,
        "reason": _in_words(found.why, found.reasons),
    }
    engine.connection.register("given", pa.table(entries))
    engine.execute("CREATE TABLE identities AS SELECT * FROM given")
    engine.connection.unregister("given")
    own = names.filter(pa.array(used[people]))
    # Where something else than people is counted, an event may be of no person.
    if of_nobody.any():
        own = pa.concat_arrays([own, pa.array([""], names.type)])
    return Owners(own, np.where(of_nobody, len(own) - 1, (np.cumsum(used) - 1)[found.person]))


def _names_of_people(
    engine: DuckDB, people: NDArray[np.int64], space: IdSpace, ids: pa.Array
) -> pa.Array:
    """What people are called, by their ids' numbers: two whose ids read alike, one a customer id and one a cookie, are two people."""
    kind = _in_words(space.column_of[people], space.columns)
    given = pa.table({"node": people, "value": ids.take(pa.array(people)), "kind": kind})
    engine.connection.register("given", given)
    names = engine.connection.sql(
        "SELECT CASE WHEN row_number() OVER (PARTITION BY value ORDER BY node) = 1 THEN value "
        "ELSE value || ' (' || kind || ')' END AS name FROM given ORDER BY node"
    ).to_arrow_table()["name"]
    engine.connection.unregister("given")
    return names.combine_chunks()


def _in_words(places: NDArray[np.int64], words: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(places.astype(np.int32), pa.array(words))


def _lines(
    engine: DuckDB,
    found: Resolved,
    space: IdSpace,
    ids: pa.Array,
    counts: Sequence[tuple[str, int, int]],
) -> list[QualityLine]:
    _, before, after = counts[0]
    words = "; ".join(f"{source} {one:,} → {other:,}".strip() for source, one, other in counts)
    anonymous = int(
        np.count_nonzero(
            (found.given >= space.n_known) & (found.person < space.n_known) & (found.person >= 0)
        )
    )
    return [
        QualityLine(BEFORE_AFTER, before - after, words, counts_rows=False),
        QualityLine(GIVEN_TO_KNOWN, anonymous, ""),
        QualityLine(
            CHAIN, int(found.links.max(initial=0)), _chain_words(engine), counts_rows=False
        ),
        QualityLine(HUBS, len(found.hubs), _hub_words(found, space, ids), counts_rows=False),
        *_never_meet(found, space),
    ]


def _chain_words(engine: DuckDB) -> str:
    found = engine.rows(
        "SELECT id, kind, person FROM identities WHERE links > 1 ORDER BY links DESC, kind, id LIMIT 1"
    )
    return f"from {found[0][1]} {shown(found[0][0])} to {shown(found[0][2])}" if found else ""


def _hub_words(found: Resolved, space: IdSpace, ids: pa.Array) -> str:
    """The hubs that would have joined most."""
    order = np.lexsort((found.hubs, -found.joined))[:SHOWN_HUBS]
    words = []
    for node, joined in zip(found.hubs[order], found.joined[order], strict=True):
        kind = space.columns[space.column_of[node]]
        words.append(f"{kind} {shown(ids[node].as_py())} ({joined:,})")
    more = len(found.hubs) - len(words)
    return ", ".join(words) + (f" and {count_of(more, 'more', 'more')}" if more else "")


def _never_meet(found: Resolved, space: IdSpace) -> list[QualityLine]:
    """Columns of ids with no link to any other: where there are many, their people are probably counted twice."""
    column = space.column_of
    linked = np.zeros(len(space.columns), dtype=bool)
    joined = found.ids != found.people
    for ends in (found.ids[joined], found.people[joined]):
        linked[column[ends]] = True
    linked[column[found.hubs]] = True
    is_given = np.zeros(len(column), dtype=bool)
    is_given[found.given[found.given >= 0]] = True
    used = np.bincount(column[is_given], minlength=len(linked))
    lonely = [
        n
        for n in range(len(linked))
        if not linked[n] and used[n] >= FREQUENT and (np.delete(used, n) >= FREQUENT).any()
    ]
    return [
        QualityLine(
            NEVER_MEET,
            int(used[n]),
            f"no event and no map links {space.columns[n]} to another column of ids: who has both is counted twice",
            counts_rows=False,
        )
        for n in lonely
    ]
