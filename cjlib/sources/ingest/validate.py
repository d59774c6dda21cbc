"""Checking an opened source against the data contract and preparing what holds: fast where all is well, in full where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

from cjlib.errors import DataError
from cjlib.sources.ingest.columns import Columns
from cjlib.sources.ingest.open_source import QualityLine, Raw, forget
from cjlib.sources.ingest.parse_times import (
    DATE,
    EARLIEST,
    INSTANT,
    MISSING,
    NAIVE,
    SPREADSHEET,
    UNREADABLE,
    Stamps,
)
from cjlib.sources.ingest.quality_report import (
    AFTER,
    FUTURE,
    REASONS,
    Checked,
    Kinds,
    Tally,
    reasons_of,
    rows_held,
    written,
)
from cjlib.sources.log.engine import DuckDB, blank, literal, trimmed
from cjlib.sources.log.prepared_table import (
    Property,
    coded_rows,
    count_ties,
    described,
    drop_repeats,
    has_many_ids,
    has_unused_codes,
    hashes_of_ids,
    make_dictionaries,
    put_in_order,
    settle,
    write_prepared,
)
from cjlib.sources.log.time import DAY, Clock, clock

ANYWHERE = 14 * 3_600_000_000
"""The clocks furthest ahead of UTC show 14 hours more."""


@dataclass(frozen=True)
class Rules:
    """What the caller decided about the reading."""

    zone: ZoneInfo
    zone_given: bool
    now: int
    until: int | None
    keep_duplicates: bool
    one_of_several: bool = False

    @property
    def late(self) -> str:
        """The reason of a row that is later than anything can be."""
        return FUTURE if self.until is None or self.until >= self.now else AFTER

    @property
    def latest(self) -> int:
        """The last instant that can have happened."""
        return self.now if self.until is None else self.until

    @property
    def latest_on_the_wall(self) -> int:
        """The same for wall-clock times whose zone nobody named: it may be that late already somewhere."""
        return self.latest + (ANYWHERE if self.until is None and not self.zone_given else 0)


def check(
    engine: DuckDB,
    raw: Raw,
    columns: Columns,
    stamps: Stamps,
    rules: Rules,
) -> Checked:
    """Make `prepared` and its dictionaries from the rows that hold the contract; `held` has the others."""
    _stage(engine, raw, columns, stamps)
    kinds = _kinds(engine, columns, stamps)
    _no_spreadsheet(engine, kinds, columns)
    _no_unknown_zone(kinds, rules)
    hands = clock(rules.zone, *_wall_span(kinds))
    skipped, twice = _clock_changes(engine, hands, kinds)
    _timed(engine, hands, kinds)
    late = _late(engine, kinds, rules)
    properties = described([(column.name, column.type) for column in columns.properties])
    no_time = any((skipped, late, *(kind in kinds for kind in (MISSING, UNREADABLE, SPREADSHEET))))
    wrong, ordered = _order(engine, columns, properties, rules, no_time=no_time)
    again = settle(engine, properties, *ordered)
    repeats = 0 if rules.keep_duplicates else again
    if repeats:
        drop_repeats(engine)
    # Rows that are merged with those of other sources are not asked for their position.
    write_prepared(engine, 0 if rules.one_of_several else repeats)
    held = rows_held(
        engine,
        raw,
        columns,
        properties,
        wrong=wrong,
        repeated=repeats > 0,
    )
    tally = Tally(
        sum(count for count, _, _ in kinds.values()) + len(raw.broken),
        kinds,
        twice,
        reasons_of(held),
        late,
    )
    kept = (
        [QualityLine("exact duplicates kept", again, "")] if again and rules.keep_duplicates else []
    )
    return Checked(
        properties=properties,
        tally=tally,
        findings=(
            *raw.notes,
            *stamps.findings,
            *_wall_findings(tally.kinds, rules, tally.twice),
            *kept,
            *columns.notes,
        ),
        held=held,
        ties=count_ties(engine),
    )


def _order(
    engine: DuckDB,
    columns: Columns,
    properties: tuple[Property, ...],
    rules: Rules,
    *,
    no_time: bool,
) -> tuple[bool, tuple[int, int]]:
    """Make the dictionaries and `ordered`, repeats still in it; whether some row cannot be used, and what `put_in_order` says."""
    no_id, no_name, some_padded = make_dictionaries(engine, "timed", properties)
    if some_padded:
        _trim(engine, _texts(columns, properties))
        no_id, no_name, _ = make_dictionaries(engine, "timed", properties)
    wrong = no_id or no_name or no_time
    if wrong:
        _judge(engine, columns, rules)
    # Rows without id or name meet no code and stay out by themselves: only the time has to be asked of each row.
    used = f"t IS NOT NULL AND NOT ({_is_late(rules)})" if no_time else "TRUE"
    hashed = not no_id and has_many_ids(engine) and hashes_of_ids(engine)
    rows = coded_rows(engine, "timed", properties, used, hashed=hashed)
    ordered = put_in_order(engine, rows, properties)
    if wrong and has_unused_codes(engine, properties):
        make_dictionaries(engine, "(SELECT * FROM judged WHERE reason IS NULL)", properties)
        rows = coded_rows(engine, "judged", properties, "reason IS NULL")
        ordered = put_in_order(engine, rows, properties)
    return wrong, ordered


def _texts(columns: Columns, properties: tuple[Property, ...]) -> list[str]:
    """The texts among the columns of `timed`."""
    ids = ["id"] if columns.customer_id.type == "VARCHAR" else []
    return [*ids, "name", *(column.column for column in properties if column.coded)]


def _trim(engine: DuckDB, columns: Sequence[str]) -> None:
    """Take the blanks off both ends of texts of `timed`."""
    texts = ", ".join(f"{trimmed(column)} AS {column}" for column in columns)
    engine.execute("ALTER VIEW timed RENAME TO untrimmed")
    engine.execute(f"CREATE TEMP VIEW timed AS SELECT * REPLACE ({texts}) FROM untrimmed")


def _kinds(engine: DuckDB, columns: Columns, stamps: Stamps) -> Kinds:
    """Of each kind of time its rows, the earliest and the latest; where every row has a time a file of times knows them without being read."""
    if stamps.native:
        place = columns.timestamp.place
        rows, times = engine.rows(f"SELECT count(*), count({place}) FROM raw")[0]
        ends = f"SELECT min({place}) AS {place} FROM raw UNION ALL SELECT max({place}) FROM raw"
        low, high = engine.rows(
            f"SELECT min(w), max(w) FROM (SELECT {stamps.w} AS w FROM ({ends}))"
        )[0]
        if rows and rows == times and low >= EARLIEST:
            return {int(stamps.k): (rows, low, high)}
    return {
        kind: (count, low, high)
        for kind, count, low, high in engine.rows(
            "SELECT k, count(*), min(w), max(w) FROM staged GROUP BY k ORDER BY k"
        )
    }


def _stage(engine: DuckDB, raw: Raw, columns: Columns, stamps: Stamps) -> None:
    """Make the view `staged`: row, id, name, w, k, p1, …, and every column of the source, c1, c2, ….

    Times that have to be worked out of texts or numbers are worked out once: the table `worked` then takes the place of `raw`.
    """
    lost = (
        f"w < {EARLIEST}"
        if stamps.native
        else f"k NOT IN ({MISSING}, {SPREADSHEET}) AND (w IS NULL OR w < {EARLIEST})"
    )
    missing = f"WHEN w IS NULL THEN {MISSING} " if stamps.native else ""
    row, places = (
        next((f"{column}, " for column in ("line", "place") if raw.row.startswith(column)), ""),
        ", ".join(raw.places),
    )
    source = (
        f"SELECT {row}{places}, CASE WHEN w >= {EARLIEST} THEN w END AS w, "
        f"CAST(CASE {missing}WHEN {lost} THEN {UNREADABLE} ELSE k END AS UTINYINT) AS k "
        f"FROM (SELECT *, {stamps.w} AS w, {stamps.k} AS k FROM (SELECT *, {stamps.form} AS form FROM raw))"
    )
    if not stamps.native:
        engine.execute(f"CREATE TEMP TABLE worked AS {source}")
        forget(engine, raw)
        source, row = "SELECT *, rowid FROM worked", row or "rowid + 1 AS row, "
    properties = "".join(
        f", {one.value} AS p{position}" for position, one in enumerate(columns.properties, start=1)
    )
    engine.execute(
        f"CREATE TEMP VIEW staged AS SELECT {row}{columns.customer_id.value} AS id, {columns.event.value} AS name, w, k{properties}, {places} FROM ({source})"
    )


def _no_spreadsheet(engine: DuckDB, kinds: Kinds, columns: Columns) -> None:
    serial, times = (
        kinds.get(SPREADSHEET, (0, 0, 0))[0],
        sum(count for kind, (count, _, _) in kinds.items() if kind != MISSING),
    )
    if 2 * serial > times:
        example = engine.rows(
            f"SELECT min({written(columns)}) FROM staged WHERE k = {SPREADSHEET}"
        )[0][0]
        raise DataError(
            f"source: the times are numbers such as {example}, as spreadsheets count days since 1900. If they are, say so: dates='excel_serial'; "
            "else name another column of times."
        )


def _no_unknown_zone(kinds: Kinds, rules: Rules) -> None:
    """Times with an offset beside times without one cannot be put in order until somebody says whose clock the latter are."""
    wall = sum(kinds[kind][0] for kind in (NAIVE, DATE) if kind in kinds)
    if wall and INSTANT in kinds and not rules.zone_given:
        raise DataError(
            f"source: {kinds[INSTANT][0]:,} times have an offset from UTC and {wall:,} have none, so that their order is unknown. "
            "Say in which zone those without one were written: timezone='Europe/Berlin' or the like."
        )


def _wall_span(kinds: Kinds) -> tuple[int, int]:
    spans = [
        (low, high)
        for kind, (_, low, high) in kinds.items()
        if kind in (NAIVE, DATE) and low is not None
    ]
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else (0, 0)


def _clock_changes(engine: DuckDB, hands: Clock, kinds: Kinds) -> tuple[int, int]:
    """How many times the clocks never showed, and how many they showed twice."""
    if NAIVE not in kinds or not hands.changes:
        return 0, 0
    tests = f"count(*) FILTER ({hands.skipped('w')}), count(*) FILTER ({hands.twice('w')})"
    return engine.rows(f"SELECT {tests} FROM staged WHERE k = {NAIVE}")[0]


def _timed(engine: DuckDB, hands: Clock, kinds: Kinds) -> None:
    """Make the view `timed`: staged, with `t`."""
    wall = (
        f"CASE WHEN {hands.skipped('w')} THEN NULL ELSE {hands.utc('w')} END"
        if hands.changes
        else hands.utc("w")
    )
    per_kind = {INSTANT: "w", NAIVE: wall, DATE: hands.utc_of_day("w")}
    used = [kind for kind in per_kind if kind in kinds]
    time = (
        per_kind[used[0]]
        if len(used) == 1
        else f"CASE k {' '.join(f'WHEN {kind} THEN {sql}' for kind, sql in per_kind.items())} END"
    )
    engine.execute(f"CREATE TEMP VIEW timed AS SELECT *, {time} AS t FROM staged")


def _judge(engine: DuckDB, columns: Columns, rules: Rules) -> None:
    """Make the view `judged`: timed, with the `reason` where a row cannot be used."""
    no_id = blank("id") if columns.customer_id.type == "VARCHAR" else "id IS NULL"
    tests = (
        (no_id, REASONS[0]),
        (blank("name"), REASONS[1]),
        (f"k = {MISSING}", REASONS[2]),
        (f"k IN ({UNREADABLE}, {SPREADSHEET})", REASONS[3]),
        ("t IS NULL", REASONS[4]),
        (_is_late(rules), rules.late),
    )
    reason = f"CASE {' '.join(f'WHEN {test} THEN {literal(words)}' for test, words in tests)} END"
    engine.execute(f"CREATE TEMP VIEW judged AS SELECT *, {reason} AS reason FROM timed")


def _late(engine: DuckDB, kinds: Kinds, rules: Rules) -> int | None:
    """The earliest time that cannot have happened yet; None where there is none."""
    highest = [high for _, _, high in kinds.values() if high is not None]
    if not highest or max(highest) + DAY <= rules.latest:
        return None
    return engine.rows(f"SELECT min(t) FROM timed WHERE {_is_late(rules)}")[0][0]


def _is_late(rules: Rules) -> str:
    return f"t > CASE WHEN k = {INSTANT} THEN {rules.latest} ELSE {rules.latest_on_the_wall} END"


def _wall_findings(kinds: Kinds, rules: Rules, twice: int) -> list[QualityLine]:
    read = (
        f"read in {rules.zone.key}"
        if rules.zone_given
        else "read as UTC, for no timezone was given: name the business's zone with timezone='Europe/Berlin' or the like"
    )
    found = [
        QualityLine(
            words, kinds[kind][0], f"{wall_words(kinds[kind][1], date=kind == DATE)}, {read}"
        )
        for kind, words in ((NAIVE, "times without a zone"), (DATE, "dates without a time"))
        if kind in kinds
    ]
    return [
        *found,
        *(
            [QualityLine("hours that come twice", twice, "the clocks went back; read as the first")]
            if twice
            else []
        ),
    ]


def wall_words(microseconds: int, *, date: bool = False) -> str:
    """Microseconds of a wall clock as text: `2024-03-31 02:30:00`."""
    written = pd.Timestamp(microseconds, unit="us").isoformat(sep=" ")
    return written[:10] if date else written


__all__ = ["Rules", "check", "wall_words"]
