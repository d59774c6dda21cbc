"""Rows that equal another but for what a delivery adds, such as a row id or the time of an import: an export read twice counts everything twice."""

from __future__ import annotations

from collections.abc import Sequence

from cjlib.errors import listed
from cjlib.sources.ingest.open_source import QualityLine
from cjlib.sources.log.engine import DuckDB
from cjlib.sources.log.prepared_table import Property

TWICE = "rows equal but for what a delivery adds"
FEWEST = 30
LEAST_SHARE, LEAST_SHARE_OF_DAYS = 0.01, 0.2
"""Of the rows: below it repeats may be true ones; where times are whole days more events of a kind share one."""
MOST_COLUMNS = 3
UNIQUE = 0.99
"""A column in which so many of the values are different ones tells rows apart and says nothing of the event."""
HALF = 0.5
"""Of the rows of one value: of a delivery most repeat another, of a kind of product or channel few do."""
NEARLY_ALL = 0.95
TIMES, AMOUNTS = ("TIMESTAMP", "DATE"), ("DOUBLE",)


def delivered_twice(
    engine: DuckDB, properties: Sequence[Property], ties: int, events: int, *, whole_days: bool
) -> list[QualityLine]:
    """How many rows equal another in customer, event, time and all other columns but a few that a delivery adds; nothing where these may be events of their own.

    A delivery adds a column of which no value stands twice (a row id; then rows repeat in twos), a second time, or one that has few values (a batch), most rows of one of which
    repeat another and each of which is followed by the same one.
    """
    least = max(FEWEST, events * (LEAST_SHARE_OF_DAYS if whole_days else LEAST_SHARE))
    own = [one for one in properties if not one.of_customer]
    if ties < least or not own:
        return []
    differing = _differing(engine, own, least)
    if not differing or not all(_added(engine, own, one, differing, least) for one in differing):
        return []
    kept = ", ".join(["c", "t", "e", *(one.column for one in own if one not in differing)])
    (distinct,) = engine.rows(f"SELECT count(*) FROM (SELECT DISTINCT {kept} FROM prepared)")[0]
    again = events - distinct
    if again < least:
        return []
    names = listed([one.name for one in differing])
    text = (
        f"{again:,} of {events:,} rows equal another in all but {names}: an export delivered twice counts twice. "
        "Name the id of an event (id), read one delivery (where), or read without what differs (only): then they go to quarantine"
    )
    return [QualityLine(TWICE, again, text)]


def _differing(engine: DuckDB, own: Sequence[Property], least: float) -> list[Property]:
    """The columns in which most rows of one customer, event and instant differ from the one before, up to three; none where so few rows do."""
    before = ", ".join(
        f"lag({key}) OVER () AS before_{key}"
        for key in ("c", "t", "e", *(one.column for one in own))
    )
    signs = ", ".join(
        f"CASE WHEN {one.column} IS DISTINCT FROM before_{one.column} THEN '1' ELSE '0' END"
        for one in own
    )
    found = engine.rows(
        f"SELECT concat({signs}) AS differs, count(*) AS n FROM (SELECT *, {before} FROM prepared) "
        "WHERE c = before_c AND t = before_t AND e = before_e GROUP BY differs ORDER BY n DESC, differs LIMIT 1"
    )
    if not found or found[0][1] < least / 2:
        return []
    differing = [one for one, sign in zip(own, found[0][0], strict=True) if sign == "1"]
    return differing if 1 <= len(differing) <= MOST_COLUMNS else []


def _added(
    engine: DuckDB,
    own: Sequence[Property],
    column: Property,
    differing: Sequence[Property],
    least: float,
) -> bool:
    """Whether a column is one that a delivery adds."""
    if column.type in TIMES:
        return True
    if column.type in AMOUNTS:
        return False
    name = column.column
    kept = ", ".join(["c", "t", "e", *(one.column for one in own if one not in differing)])
    values, filled = engine.rows(f"SELECT count(DISTINCT {name}), count({name}) FROM prepared")[0]
    if filled and values >= UNIQUE * filled:
        return _as_often(engine, kept)
    shares = engine.rows(
        f"SELECT count(*) FILTER (n > 1) / count(*) AS share FROM (SELECT {name} AS value, count(*) OVER (PARTITION BY {kept}) AS n FROM prepared) "
        f"GROUP BY value HAVING count(*) >= {least} ORDER BY share DESC LIMIT 1"
    )
    return bool(shares) and shares[0][0] >= HALF and _one_after_another(engine, name)


def _as_often(engine: DuckDB, kept: str) -> bool:
    """Whether nearly all that repeat do so in twos, or in threes: events of their own come once, twice, three times."""
    (often,) = engine.rows(
        "SELECT greatest(count(*) FILTER (n % 2 = 0), count(*) FILTER (n % 3 = 0)) / count(*) "
        f"FROM (SELECT count(*) AS n FROM prepared GROUP BY {kept} HAVING count(*) > 1)"
    )[0]
    return often is not None and often >= NEARLY_ALL


def _one_after_another(engine: DuckDB, name: str) -> bool:
    """Whether the value of a row tells that of its repeat, as one delivery follows another; the products of an order stand in all combinations."""
    before = ", ".join(f"lag({key}) OVER () AS before_{key}" for key in ("c", "t", "e", name))
    pairs = (
        f"SELECT before_{name} AS one, {name} AS other, count(*) AS n FROM (SELECT *, {before} FROM prepared) "
        "WHERE c = before_c AND t = before_t AND e = before_e GROUP BY one, other"
    )
    (told,) = engine.rows(
        f"SELECT sum(most) / sum(n) FROM (SELECT max(n) AS most, sum(n) AS n FROM ({pairs}) GROUP BY one)"
    )[0]
    return told is not None and told >= NEARLY_ALL
