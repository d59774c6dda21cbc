"""The step between the rows of all sources and the log: whose each row is, as `cjlib.sources.combine` asks it, and what was found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cjlib.errors import DataError, listed, shown, unknown_column
from cjlib.show.numbers import count_of
from cjlib.sources.connect.files import find_files
from cjlib.sources.connect.remote import is_remote
from cjlib.sources.identity.options import CUSTOMER, Identities, MapTable
from cjlib.sources.identity.resolve import UNDATED, IdSpace, Pairs, Resolved, resolve
from cjlib.sources.ingest.columns import GIVEN_ID
from cjlib.sources.ingest.open_source import QualityLine, open_files, open_frame, open_remote
from cjlib.sources.log.engine import BLANKS, DuckDB, blank, identifier, literal

BEFORE_AFTER = "customers before and after joining ids"
HUBS = "hubs: ids that would join too many, cut"
CHAIN = "longest chain of links"
GIVEN_TO_KNOWN = "events given to a known person by an anonymous id"
NEVER_MEET = "ids that never meet"
FREQUENT = 30
SHOWN_HUBS = 3


class PeopleStep:
    """Joins the ids of a log as its `Identities` say; after the call the table `identities` stands in the engine, and `lines` tell of it."""

    def __init__(self, identities: Identities, customers: Any = None, *, several: bool) -> None:
        self.identities = identities
        self.several = several
        self.tables = list(identities.maps)
        if customers is not None:
            self.tables.append(MapTable(customers, (), "customers table", of_customers=True))
        self.lines: list[QualityLine] = []

    def __call__(self, engine: DuckDB, rows: str) -> str | None:
        """The relation (place, customer_id) of whose each row is."""
        there = {name: kind for name, kind, *_ in engine.rows(f"DESCRIBE {rows}")}
        places = {
            name: GIVEN_ID if name == CUSTOMER else name
            for name in self.identities.columns
            if (GIVEN_ID if name == CUSTOMER else name) in there
        }
        links = [
            _open_links(engine, table, self.identities, n) for n, table in enumerate(self.tables)
        ]
        columns = [
            name
            for name in self.identities.columns
            if name in places or any(name in one.columns for one in links)
        ]
        _check_columns(self.identities, columns, [*there])
        known = sum(name in self.identities.known for name in columns)
        sizes = tuple(
            _dictionary(engine, n, name, rows, places.get(name), links)
            for n, name in enumerate(columns)
        )
        space = IdSpace(tuple(columns), known, sizes)
        found, place = self._resolved(engine, rows, space, places, links)
        _write(engine, found, place, space, "source" if self.several else None, rows)
        self.lines = _lines(engine, found, space)
        for n in range(len(columns)):
            engine.execute(f"DROP TABLE ids_{n}")
        for one in links:
            engine.execute(f"DROP TABLE {one.relation}")
        return "owners"

    def _resolved(
        self,
        engine: DuckDB,
        rows: str,
        space: IdSpace,
        places: dict[str, str],
        links: Sequence[_Links],
    ) -> tuple[Resolved, Any]:
        picks, joins = ["r.place AS place", "epoch_us(r.timestamp) AS t"], []
        for n, name in enumerate(space.columns):
            picks.append(
                f"CAST(coalesce(i{n}.code, -1) AS INTEGER) AS k{n}"
                if name in places
                else f"CAST(-1 AS INTEGER) AS k{n}"
            )
            if name in places:
                joins.append(
                    f" LEFT JOIN ids_{n} i{n} ON i{n}.value = {_comparable(name, f'r.{identifier(places[name])}')}"
                )
        arrays = engine.numbers(f"SELECT {', '.join(picks)} FROM {rows} r{''.join(joins)}")
        tables = [one for link in links for one in _pairs(engine, space, link)]
        apart = [
            int(start) + code
            for n, (name, start) in enumerate(zip(space.columns, space.starts, strict=False))
            for (code,) in engine.rows(
                f"SELECT code FROM ids_{n} WHERE value IN ({', '.join(literal(_same(name, one)) for one in self.identities.apart) or 'NULL'})"
            )
        ]
        codes = [arrays.pop(f"k{n}") for n in range(len(space.columns))]
        found = resolve(
            space, codes, arrays["t"], tables, hub_limit=self.identities.hub_limit, apart=apart
        )
        return found, arrays["place"]


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
    text = f"trim(CAST({sql} AS VARCHAR), {BLANKS})"
    text = f"lower({text})" if _is_mail(column) else text
    return f"CASE WHEN NOT {blank(text)} THEN {text} END"


def _dictionary(
    engine: DuckDB,
    position: int,
    name: str,
    rows: str,
    place: str | None,
    links: Sequence[_Links],
) -> int:
    """Make the dictionary of a column's ids; how many there are."""
    parts = (
        [f"SELECT DISTINCT {_comparable(name, identifier(place))} AS value FROM {rows}"]
        if place
        else []
    )
    parts += [
        f"SELECT DISTINCT l{n} AS value FROM {one.relation}"
        for one in links
        for n, column in enumerate(one.columns)
        if column == name
    ]
    engine.execute(
        f"CREATE TEMP TABLE ids_{position} AS SELECT CAST(row_number() OVER (ORDER BY value) - 1 AS INTEGER) AS code, value "
        f"FROM (SELECT DISTINCT value FROM ({' UNION ALL '.join(parts)})) WHERE value IS NOT NULL"
    )
    return engine.rows(f"SELECT count(*) FROM ids_{position}")[0][0]


@dataclass(frozen=True)
class _Links:
    """A table of links in the engine: the ids l0, l1, …, whose ids they are, and the time t."""

    relation: str
    columns: tuple[str, ...]
    reason: str


def _open_links(engine: DuckDB, given: MapTable, identities: Identities, position: int) -> _Links:
    scratch = DuckDB()
    if is_remote(given.source):
        raw = open_remote(scratch, given.source, {})
    elif isinstance(given.source, str | Path):
        raw = open_files(scratch, find_files(given.source))
    else:
        raw = open_frame(scratch, given.source, f"identities {given.name}")
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


def _write(
    engine: DuckDB, found: Resolved, place: Any, space: IdSpace, source: str | None, rows: str
) -> None:
    """Make `owners`, whose each row is, `given_ids`, under which id it came, and the table `identities`."""
    starts = space.starts
    every = " UNION ALL ".join(
        f"SELECT code + {starts[n]} AS node, value, {n} AS k, {literal(name)} AS kind FROM ids_{n}"
        for n, name in enumerate(space.columns)
    )
    engine.execute(f"CREATE TEMP TABLE all_ids AS {every}")
    engine.connection.register(
        "given", pa.table({"node": np.unique(np.concatenate([found.people, found.person]))})
    )
    # Two people whose ids read alike, one a customer id and one a cookie, are two people.
    engine.execute(
        "CREATE TEMP TABLE people_names AS SELECT node, k, CASE WHEN row_number() OVER (PARTITION BY value ORDER BY node) = 1 THEN value "
        "ELSE value || ' (' || kind || ')' END AS name FROM given JOIN all_ids USING (node)"
    )
    engine.connection.unregister("given")
    engine.connection.register(
        "given", pa.table({"place": place, "node": found.person, "own": found.given})
    )
    engine.execute(
        "CREATE TEMP TABLE owners AS SELECT g.place, n.name AS customer_id, g.node, g.own FROM given g JOIN people_names n USING (node)"
    )
    engine.connection.unregister("given")
    entries = {
        "node": found.ids,
        "person": found.people,
        "links": found.links,
        "why": found.why,
        "start": pa.array(found.start, mask=found.start == UNDATED),
        "until": pa.array(found.end, mask=found.end == UNDATED),
        "linked": pa.array(found.linked_at, mask=found.linked_at == UNDATED),
    }
    engine.connection.register("given", pa.table(entries))
    reasons = ", ".join(f"({n}, {literal(words)})" for n, words in enumerate(found.reasons))
    engine.execute(
        'CREATE TABLE identities AS SELECT i.value AS id, i.kind AS kind, n.name AS person, g.start AS "from", g.until AS "to", '
        "g.linked AS linked_at, g.links AS links, r.words AS reason FROM given g JOIN all_ids i USING (node) "
        f"JOIN people_names n ON n.node = g.person JOIN (VALUES {reasons}) r(why, words) ON r.why = g.why "
        "ORDER BY g.node, g.start NULLS FIRST"
    )
    engine.connection.unregister("given")
    source = "CAST(r.source AS VARCHAR)" if source else "'all'"
    engine.execute(
        f"CREATE TEMP TABLE per_source AS SELECT {source} AS source, count(DISTINCT o.own) AS before, count(DISTINCT o.node) AS after "
        f"FROM owners o JOIN {rows} r ON r.place = o.place GROUP BY ALL ORDER BY source"
    )


def _lines(engine: DuckDB, found: Resolved, space: IdSpace) -> list[QualityLine]:
    counts = engine.rows("SELECT source, before, after FROM per_source")
    before, after = engine.rows("SELECT count(DISTINCT own), count(DISTINCT node) FROM owners")[0]
    per_source = [
        f"{source} {one:,} → {other:,}" for source, one, other in counts if len(counts) > 1
    ]
    words = "; ".join([f"{before:,} → {after:,}", *per_source])
    anonymous = int(
        np.count_nonzero(
            (found.given >= space.n_known) & (found.person < space.n_known) & (found.person >= 0)
        )
    )
    lines = [
        QualityLine(BEFORE_AFTER, before - after, words, counts_rows=False),
        QualityLine(GIVEN_TO_KNOWN, anonymous, ""),
        QualityLine(
            CHAIN, int(found.links.max(initial=0)), _chain_words(engine), counts_rows=False
        ),
        QualityLine(HUBS, len(found.hubs), _hub_words(engine, found), counts_rows=False),
        *_never_meet(engine, found, space),
    ]
    for table in ("all_ids", "people_names", "per_source"):
        engine.execute(f"DROP TABLE {table}")
    return lines


def _chain_words(engine: DuckDB) -> str:
    found = engine.rows(
        "SELECT id, kind, person FROM identities WHERE links > 1 ORDER BY links DESC, kind, id LIMIT 1"
    )
    return f"from {found[0][1]} {shown(found[0][0])} to {shown(found[0][2])}" if found else ""


def _hub_words(engine: DuckDB, found: Resolved) -> str:
    """The hubs that would have joined most."""
    order = np.lexsort((found.hubs, -found.joined))[:SHOWN_HUBS]
    words = []
    for node, joined in zip(found.hubs[order], found.joined[order], strict=True):
        value, kind = engine.rows(f"SELECT value, kind FROM all_ids WHERE node = {node}")[0]
        words.append(f"{kind} {shown(value)} ({joined:,})")
    more = len(found.hubs) - len(words)
    return ", ".join(words) + (f" and {count_of(more, 'more', 'more')}" if more else "")


def _never_meet(engine: DuckDB, found: Resolved, space: IdSpace) -> list[QualityLine]:
    """Columns of ids with no link to any other: where there are many, their people are probably counted twice."""
    column = space.column_of
    linked = np.zeros(len(space.columns), dtype=bool)
    joined = found.ids != found.people
    for ends in (found.ids[joined], found.people[joined]):
        linked[np.unique(column[ends])] = True
    linked[column[found.hubs]] = True
    used = np.bincount(column[np.unique(found.given[found.given >= 0])], minlength=len(linked))
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
