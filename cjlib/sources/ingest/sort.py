"""The order of the prepared log: rows sorted by every column, equal rows found beside one another, the table written once.

The rows are put in order in `ordered`, a temporary table: what is found there, and the rows that go, cost no second writing of the
log's file, which therefore holds nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.schema import Property, width_of

SHORT_KEY = 24
MANY_TIES = 0.02
"""The share of rows, equal in what the short key holds, from which sorting again is quicker than putting them in order one by one."""


def put_in_order(engine: DuckDB, rows: str, properties: Sequence[Property]) -> None:
    """Make `ordered`: the rows sorted by the first columns, as many as fit a short key.

    DuckDB sorts by a key of up to 24 bytes in less than half the time that a longer one takes. What the short key leaves open, which is
    little unless a log is full of ties, is put in order by `settle`.
    """
    keys = keys_of(properties)[: _fitting(engine, properties)]
    engine.execute(f"CREATE OR REPLACE TEMP TABLE ordered AS {rows} ORDER BY {', '.join(keys)}")


def keys_of(properties: Sequence[Property]) -> list[str]:
    """The columns of the prepared log, which are the keys of its order."""
    return ["c", "t", "e", *(one.column for one in properties)]


def _fitting(engine: DuckDB, properties: Sequence[Property]) -> int:
    """How many of the columns, from the first on, make a key of up to 24 bytes; each has one byte more than its values."""
    bytes_of = {"UTINYINT": 1, "USMALLINT": 2, "INTEGER": 4, "BOOLEAN": 1, "DATE": 4}
    types = [
        "INTEGER",
        "BIGINT",
        width_of(engine, "e_names"),
        *(width_of(engine, one.dictionary) if one.coded else one.type for one in properties),
    ]
    ends = list(itertools.accumulate(1 + bytes_of.get(kind, 8) for kind in types))
    return sum(end <= SHORT_KEY for end in ends)


def settle(engine: DuckDB, properties: Sequence[Property]) -> int:
    """Put `ordered` in order by every column; how many rows equal the row before them in every column.

    `runs` has those that the short key could not tell apart, in order: their `place` in `ordered`, the columns, and `again` where a row equals the one before.
    """
    keys = keys_of(properties)
    short = _fitting(engine, properties)
    near, every = _find_near(engine, keys[:short])
    if near > every * MANY_TIES and short < len(keys):
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE ordered AS SELECT * FROM ordered ORDER BY {', '.join(keys)}"
        )
        short, (near, _) = len(keys), _find_near(engine, keys)
    if not near:
        return 0
    _make_runs(engine, keys)
    if short < len(keys):
        moved = ", ".join(f"{key} = r.{key}" for key in keys[short:])
        engine.execute(f"UPDATE ordered SET {moved} FROM runs r WHERE ordered.rowid = r.place")
    return engine.rows("SELECT count(*) FROM runs WHERE again")[0][0]


def _find_near(engine: DuckDB, keys: Sequence[str]) -> tuple[int, int]:
    """Make `near`, the places of rows that equal the row before in some columns; how many there are, and of how many rows."""
    before = ", ".join(f"lag({key}) OVER () AS before_{key}" for key in keys)
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE near AS SELECT place FROM (SELECT rowid AS place, *, {before} FROM ordered) WHERE {_same(keys)}"
    )
    return engine.rows("SELECT (SELECT count(*) FROM near), (SELECT count(*) FROM ordered)")[0]


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
