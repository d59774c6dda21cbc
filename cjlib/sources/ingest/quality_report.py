"""What the reading found: the rows in quarantine, each with its reason, and the quality table `check`, `rows`, `share`, `example`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import DataError, listed, shown
from cjlib.show.numbers import count_of, percent
from cjlib.sources.ingest.columns import Columns
from cjlib.sources.ingest.delivered_twice import delivered_twice
from cjlib.sources.ingest.open_source import QualityLine, Raw
from cjlib.sources.ingest.parse_times import NAIVE, SPREADSHEET, UNREADABLE, why_no_time
from cjlib.sources.ingest.thin_end import line_of_thin_end
from cjlib.sources.log.engine import DuckDB, blank, literal
from cjlib.sources.log.prepared_table import Property, count_ties

if TYPE_CHECKING:
    import pyarrow as pa

DUPLICATE = "exact duplicate"
REPEATED_ID = "repeated id"
FUTURE = "in the future"
AFTER = "later than observed_until"
REASONS = (
    "missing customer_id",
    "missing event",
    "missing timestamp",
    "unreadable timestamp",
    "hour that does not exist",
    FUTURE,
    DUPLICATE,
)

Reasons = dict[str, tuple[int, str]]
Span = tuple[int, Any, Any]
Kinds = dict[int, Span]


@dataclass(frozen=True)
class Tally:
    """The counts of one reading.

    `rows` read; of each kind of time its rows, earliest and latest; hours that come `twice`; of each reason its rows and smallest example;
    `first_future`, the earliest time that has not happened yet.
    """

    rows: int
    kinds: Kinds
    twice: int
    reasons: Reasons
    first_future: int | None

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**vars(self), "kinds": [[kind, *span] for kind, span in self.kinds.items()]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Tally:
        """From what `plain` gave."""
        kinds = {kind: (rows, low, high) for kind, rows, low, high in plain["kinds"]}
        reasons = {reason: (rows, example) for reason, (rows, example) in plain["reasons"].items()}
        return cls(plain["rows"], kinds, plain["twice"], reasons, plain["first_future"])


def reasons_of(held: pd.DataFrame) -> Reasons:
    """Of each reason its rows and its smallest example."""
    if held.empty:
        return {}
    return {
        str(reason): (len(rows), smallest(rows["example"]))
        for reason, rows in held.groupby("reason", sort=True)
    }


def smallest(examples: pd.Series) -> str:
    """The first of the examples, as text."""
    return min((str(one) for one in examples.dropna()), default="")[:80]


@dataclass(frozen=True)
class Checked:
    """What the check found; the events stand in `prepared`, `held` has the rows that cannot be used."""

    properties: tuple[Property, ...]
    tally: Tally
    findings: tuple[QualityLine, ...]
    held: pd.DataFrame
    ties: tuple[int, int, int]


# ---- the rows that cannot be used ---------------------------------------------------------------------------------


def rows_held(
    engine: DuckDB,
    raw: Raw,
    columns: Columns,
    properties: tuple[Property, ...],
    *,
    wrong: bool,
    repeated: bool,
) -> pd.DataFrame:
    """The rows in quarantine: `row`, `reason`, `example`, then c1, c2, … as text."""
    texts = "".join(f", CAST({place} AS VARCHAR) AS {place}" for place in raw.places)
    asked = []
    if wrong:
        example = (
            f"CASE WHEN reason LIKE 'missing %' THEN NULL WHEN k IN ({UNREADABLE}, {SPREADSHEET}) THEN {written(columns)} "
            f"WHEN t IS NOT NULL THEN CAST(make_timestamp(t) AS VARCHAR) WHEN k = {NAIVE} THEN CAST(make_timestamp(w) AS VARCHAR) END"
        )
        asked.append(
            f"SELECT row, reason, {example} AS example{texts} FROM {_numbered(engine, raw, 'judged')} WHERE reason IS NOT NULL"
        )
    if repeated:
        source = "judged" if wrong else "timed"
        numbered = _numbered(engine, raw, _near_repeats(engine, raw, source))
        asked.append(_repeats(columns, properties, numbered, texts, wrong=wrong))
    parts = ([raw.broken] if len(raw.broken) else []) + (
        [engine.frame(" UNION ALL ".join(asked))] if asked else []
    )
    names = ["row", "reason", "example", *raw.places]
    together = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
    extra = [name for name in together.columns if name not in names]
    return together.reindex(columns=[*names, *extra]).sort_values(
        "row", kind="stable", ignore_index=True
    )


def written(columns: Columns) -> str:
    """The time of a row as the source has it."""
    return f"CAST({columns.timestamp.place} AS VARCHAR)"


def _numbered(engine: DuckDB, raw: Raw, timed: str) -> str:
    """Rows of `timed` or of what was made of it with the position of each in its source."""
    has_row = engine.rows("SELECT count(*) FROM (DESCRIBE timed) WHERE column_name = 'row'")[0][0]
    return timed if has_row else f"(SELECT {raw.row} AS row, * FROM {timed})"


def _near_repeats(engine: DuckDB, raw: Raw, source: str) -> str:
    """The source itself, or where a file knows its places its rows at the times of `repeated`: two looks at little of it are quicker than one at all."""
    if not raw.row.startswith("place"):
        return source
    with engine.finding_few():
        engine.execute(
            f"CREATE TEMP TABLE places AS SELECT place FROM {source} SEMI JOIN repeated USING (t)"
        )
        engine.execute(
            f"CREATE TEMP TABLE near AS SELECT * FROM {source} SEMI JOIN places USING (place)"
        )
    return "near"


def _repeats(
    columns: Columns, properties: tuple[Property, ...], numbered: str, texts: str, *, wrong: bool
) -> str:
    """SQL of the second and later rows of those that are equal in every column: the first of the source is the event."""
    values = [
        f"CASE WHEN NOT {blank(f'p{position}')} THEN p{position} END"
        if one.type == "VARCHAR"
        else f"p{position}"
        for position, one in enumerate(columns.properties, start=1)
    ]
    return (
        f"SELECT row, {literal(DUPLICATE)} AS reason, CAST(id AS VARCHAR) || ', ' || name || ', ' || CAST(make_timestamp(t) AS VARCHAR) AS example{texts} "
        f"FROM (SELECT *, row_number() OVER (PARTITION BY {', '.join(['id', 'name', 't', *values])} ORDER BY row) AS n FROM {numbered} "
        f"SEMI JOIN repeated USING (id, t){' WHERE reason IS NULL' if wrong else ''}) WHERE n > 1"
    )


def quarantine_table(held: pd.DataFrame, raw: Raw) -> pd.DataFrame:
    """The rows in quarantine as the analyst sees them: `row`, `reason`, the file where there are several, then the raw columns as text."""
    taken = {"row", "reason", "file"}
    names = {
        f"c{position}": f"{name} (column)" if name in taken else name
        for position, name in enumerate(raw.names, start=1)
    }
    texts = [column for column in held.columns if column not in ("row", "example")]
    table = pd.DataFrame(
        {"row": held["row"].to_numpy("int64")}
        | {names.get(column, column): pd.Series(held[column], dtype="str") for column in texts}
    )
    if not raw.file_rows:
        return table
    ends = pd.Series([rows for _, rows in raw.file_rows]).cumsum()
    which = ends.searchsorted(table["row"], side="left")
    starts = (ends - [rows for _, rows in raw.file_rows]).to_numpy()
    table.insert(2, "file", pd.Series([raw.file_rows[one][0] for one in which], dtype="str"))
    return table.assign(row=table["row"] - starts[which])


# ---- what the reading found, as a table ---------------------------------------------------------------------------

UNITS = (("minutes", 60_000_000), ("seconds", 1_000_000), ("milliseconds", 1_000))
MOST_NAMES_COMPARED = 500
REMEDIES = {
    "missing customer_id": "give columns={…} if another column holds the id",
    "missing event": "give columns={…} if another column names the event",
    "missing timestamp": "give columns={…} if another column holds the time",
    "unreadable timestamp": "say how times are written, dates='%d/%m/%Y %H:%M' or the like",
    "hour that does not exist": "name the zone the times were written in with timezone=",
    FUTURE: "check the clock that wrote them and the timezone; for planned events give observed_until=",
    "later than observed_until": "give a later observed_until, or none",
    REPEATED_ID: "rows with one id are one event",
    DUPLICATE: "keep them with duplicates='keep' where equal rows are real, such as orders without an id",
    "wrong number of fields": "quote texts that hold the separator or a line break",
    "quote that does not close": 'write a quote inside a quoted text twice ("") and close every one',
    "unreadable line": "write one JSON object a line",
    "byte that the encoding does not know": "name the encoding that the file was written in",
}


def quality_table(
    engine: DuckDB, checked: Checked, zone: ZoneInfo, whole_days: bool
) -> pd.DataFrame:
    """The quality table of a log: counts, reasons, what was found out about times, ties and names."""
    extent = extent_of(engine)
    lines = [
        QualityLine("rows read", checked.tally.rows, ""),
        QualityLine("events used", extent.events, ""),
        *_reasons(checked.tally.reasons),
        *checked.findings,
        *lines_of_events(
            engine, extent, checked.properties, checked.ties, zone, whole_days=whole_days
        ),
        *_doubtful_ids(engine, extent),
    ]
    return as_table(lines, checked.tally.rows)


@dataclass(frozen=True)
class Extent:
    """How many events and customers a log has, and its first and last instant; None where there is no event."""

    events: int
    customers: int
    first: int | None
    last: int | None


def extent_of(engine: DuckDB) -> Extent:
    """The extent of the prepared log."""
    (counts,) = engine.rows(
        "SELECT count(*), (SELECT count(*) FROM c_names), min(t), max(t) FROM prepared"
    )
    return Extent(*counts)


def lines_of_events(
    engine: DuckDB,
    extent: Extent,
    properties: Sequence[Property],
    ties: tuple[int, int, int],
    zone: ZoneInfo,
    *,
    whole_days: bool,
) -> list[QualityLine]:
    """What is said of the events of a log together: ties, repeats, span, how fine its times are, customers, names."""
    counted = dict(
        engine.rows(
            "SELECT n.value, count(*) FROM prepared p JOIN e_names n ON n.code = p.e GROUP BY n.value ORDER BY n.value"
        )
    )
    repeats = delivered_twice(engine, properties, ties[0], extent.events, whole_days=whole_days)
    lines = [_ties(ties), *repeats]
    if extent.first is not None and extent.last is not None:
        lines += [
            _span(extent.first, extent.last, extent.events, zone),
            *line_of_thin_end(engine, zone),
            _resolution(engine, extent.events, whole_days),
        ]
    return [
        *lines,
        QualityLine("customers", extent.customers, "", counts_rows=False),
        QualityLine("event names", len(counted), "", counts_rows=False),
        *_alike(counted),
        *_no_times(engine, extent.first, extent.events),
    ]


def with_lines_of_people(quality: pd.DataFrame, engine: DuckDB) -> pd.DataFrame:
    """The quality table of a log whose rows have got other customers: who has how many events is counted anew."""
    (customers,) = engine.rows("SELECT count(*) FROM c_names")[0]
    counted = quality.copy()
    for line in (_ties(count_ties(engine)), QualityLine("customers", customers, "")):
        of_line = counted["check"] == line.check
        share = (
            line.rows / counted["rows"].iloc[0]
            if counted["share"][of_line].notna().any()
            else float("nan")
        )
        counted.loc[of_line, ["rows", "share", "example"]] = [line.rows, share, line.example]
    return counted


NO_TIMES = "times that may stand for none"
YEAR_1971 = 31_536_000_000_000


def _no_times(engine: DuckDB, first: int | None, used: int) -> list[QualityLine]:
    """Times of 1970 and before in a log of later ones."""
    if first is None or first >= YEAR_1971:
        return []
    (rows,) = engine.rows(f"SELECT count(*) FROM prepared WHERE t < {YEAR_1971}")[0]
    text = "before 1971: programs write 1970-01-01 or 1900-01-01 where they know no time; leave them out of the file"
    return [QualityLine(NO_TIMES, rows, text)] if 2 * rows < used else []


NOBODY = "ids that may stand for nobody"
DAMAGED = "ids damaged by a spreadsheet"
ALIKE = "ids that differ only in capitals"
WRITTEN_ALIKE = "ids that differ only in how they are written"
_INVISIBLE = r"[\x{00a0}\x{200b}-\x{200f}\x{2060}\x{feff}\s]+"
_MAY_BE_ALIKE = r"[^!-~]|^0|^[=']|\.0+$"
_AS_A_NUMBER = r"^(?:=?\"|')?0*([0-9]+)(?:\.0+)?\"?$"
"""What spreadsheets and data frames do to an id that is a number: zeros lost in front, .0 behind, a sign that keeps it text."""
NOBODY_WORDS = (
    *("undefined", "null", "(null)", "\\n", "none", "(none)", "nil", "nan", "n/a", "na", "unknown", "anonymous", "anon", "guest"),
    *("(not set)", "not set", "-", "--", "?", "#n/a", "missing", "default", "test", "nobody", "deleted", "[deleted]", "redacted", "[redacted]", "(redacted)"),
    *("{}", "[]", '""', "x", "xx", "xxx", "dummy", "no user", "not logged in", "logged out", "visitor", "total", "totals", "grand total", "subtotal"),
    *("sum", "summe", "gesamt", "gesamtsumme", "insgesamt", "somme", "totale", "suma", "overall"),
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
NOBODY_NUMBERS = ("0", "-1", "0.0", "999999", "9999999", "99999999", "999999999")
TESTERS = "ids of testers"
TEST_ADDRESS = r"^(tests?|testing|tester|testuser|qa|demo|dummy|fake)[0-9._-]*(\+[^@]*)?@|\+(test|qa)[^@]*@|@(example|test|mailinator)\.(com|org|net)$"
"""An address that nobody buys with; where most are so the data are made up, and nothing is said."""
TOO_OFTEN = 0.05
ENOUGH_TO_COMPARE = 20
PLACES = 100
FAR_MORE = 4
"""So many times the rows of the next id make one look like several people."""


def _doubtful_ids(engine: DuckDB, extent: Extent) -> list[QualityLine]:
    """Ids that tools write where there is no customer, that a spreadsheet has rounded, or that may be one."""
    import pyarrow as pa
    from pyarrow import compute

    used = extent.events
    ids, folded = _ids_and_folded(engine)

    def where(test: str, texts: pa.Array, options: compute.FunctionOptions) -> list[int]:
        found = compute.call_function(test, [texts], options)
        return np.flatnonzero(found.to_numpy(zero_copy_only=False)).tolist()

    def written(pattern: str) -> list[int]:
        return where("match_substring_regex", ids, compute.MatchSubstringOptions(pattern))

    words = set(where("is_in", folded, compute.SetLookupOptions(pa.array(NOBODY_WORDS))))
    named = {*words, *where("is_in", ids, compute.SetLookupOptions(pa.array(NOBODY_NUMBERS)))}
    named |= {_far_more_often(engine, extent)} - {-1}
    found = []
    # Codes follow the ids.
    for code in sorted(named):
        customer = ids[code].as_py()
        (rows,) = engine.rows(f"SELECT count(*) FROM prepared WHERE c = {code}")[0]
        if code in words or rows > TOO_OFTEN * used:
            share = f"{shown(customer)} has {percent(rows / used)} of the events"
            found.append(
                QualityLine(NOBODY, rows, f"{share}; missing_ids: [{customer}] leaves them out")
            )
    why = (
        "a spreadsheet has rounded them, so several customers may share one; export the ids as text"
    )
    rounded = written("^[0-9]([.,][0-9]+)?[eE][+][0-9]+$")
    if rounded:
        text = f"{shown(ids[rounded[0]].as_py())}: {why}"
        found.append(QualityLine(DAMAGED, len(rounded), text, counts_rows=False))
    elif len(ids) > 1 and len(written("^[1-9][0-9]{14}0+$")) == len(ids):
        text = f"all end in 0 after 15 digits: {why}"
        found.append(QualityLine(DAMAGED, len(ids), text, counts_rows=False))
    testers = where("match_substring_regex", folded, compute.MatchSubstringOptions(TEST_ADDRESS))
    if testers and 2 * len(testers) < len(ids):
        some = listed((ids[code].as_py() for code in testers), most=3)
        text = f"{some}: missing_ids leaves them out"
        found.append(QualityLine(TESTERS, len(testers), text, counts_rows=False))
    return found + _alike_ids(ids, folded)


def _ids_and_folded(engine: DuckDB) -> tuple[pa.Array, pa.Array]:
    """The customers' ids, and the same without blanks around them and capitals."""
    from pyarrow import compute

    table = engine.connection.sql("SELECT CAST(value AS VARCHAR) AS id FROM c_names")
    ids = table.to_arrow_table()["id"].combine_chunks()
    trimmed = compute.call_function("utf8_trim", [ids], compute.TrimOptions(" "))
    return ids, compute.call_function("utf8_lower", [trimmed])


def lines_of_alike_ids(engine: DuckDB) -> list[QualityLine]:
    """Ids of a log that may be one."""
    return _alike_ids(*_ids_and_folded(engine))


def _alike_ids(ids: pa.Array, folded: pa.Array) -> list[QualityLine]:
    # Ids that are all in small letters differ in more than capitals.
    alike = 0 if folded == ids else len(ids) - len(folded.unique())
    text = "they count as different customers; write them alike if they are not"
    capitals = [QualityLine(ALIKE, alike, text, counts_rows=False)] if alike else []
    return capitals + _written_alike(folded)


def _written_alike(folded: pa.Array) -> list[QualityLine]:
    """Ids that are one once what cannot be seen and what programs add to numbers is taken off."""
    from pyarrow import compute

    marked = compute.call_function(
        "match_substring_regex", [folded], compute.MatchSubstringOptions(_MAY_BE_ALIKE)
    )
    if not marked.true_count:
        return []
    # One letter with its accent, or a letter and an accent: both look the same.
    plain = compute.call_function("utf8_normalize", [folded], compute.Utf8NormalizeOptions("NFC"))
    edges, gaps = f"^{_INVISIBLE}|{_INVISIBLE}$", _INVISIBLE
    for pattern, kept in ((edges, ""), (gaps, " "), (_AS_A_NUMBER, r"\1")):
        options = compute.ReplaceSubstringOptions(pattern, kept)
        plain = compute.call_function("replace_substring_regex", [plain], options)
    more = 0 if plain == folded else len(folded.unique()) - len(plain.unique())
    if not more:
        return []
    spelled = pd.DataFrame({"plain": plain.to_pandas(), "id": folded.to_pandas()})
    several = spelled.drop_duplicates().groupby("plain")["id"].agg(["size", "min", "max"])
    one = several[several["size"] > 1].iloc[0]
    text = f"{shown(one['min'])} and {shown(one['max'])} count as different customers; write them alike if they are not"
    return [QualityLine(WRITTEN_ALIKE, more, text, counts_rows=False)]


def _far_more_often(engine: DuckDB, extent: Extent) -> int:
    """The code of the one id that has far more rows than any other, and more than a twentieth; -1 where there is none.

    Rows stand in the order of the ids, so whoever has a twentieth of them is met at several of a hundred places.
    """
    if extent.customers < ENOUGH_TO_COMPARE:
        return -1
    met = engine.rows(
        f"SELECT 1 FROM prepared WHERE rowid % {max(1, extent.events // PLACES)} = 0 GROUP BY c HAVING count(*) >= {TOO_OFTEN * PLACES - 1} LIMIT 1"
    )
    if not met:
        return -1
    (most, rows), (_, next_rows) = engine.rows(
        "SELECT c, count(*) FROM prepared GROUP BY c ORDER BY 2 DESC, c LIMIT 2"
    )
    return most if rows >= FAR_MORE * next_rows else -1


def as_table(lines: Sequence[QualityLine], rows: int) -> pd.DataFrame:
    """Findings as rows of the quality table; a share is of the rows read."""
    shares = [line.rows / rows if rows and line.counts_rows else np.nan for line in lines]
    return pd.DataFrame(
        {
            "check": pd.Series([line.check for line in lines], dtype="str"),
            "rows": np.array([line.rows for line in lines], dtype="int64"),
            "share": np.array(shares, dtype="float64"),
            "example": pd.Series([line.example for line in lines], dtype="str"),
        }
    )


def _reasons(found: Reasons) -> list[QualityLine]:
    """One line a reason, those of the contract also when no row had it: what was looked for is part of the answer."""
    return [
        QualityLine(reason, *found.get(reason, (0, "")))
        for reason in (*REASONS, *sorted(set(found) - set(REASONS)))
    ]


def _ties(ties: tuple[int, int, int]) -> QualityLine:
    events, instants, customers = ties
    words = (
        f"{count_of(instants, 'instant')} of {count_of(customers, 'customer')}; such events have no order"
        if events
        else ""
    )
    return QualityLine("tied events (same customer, same instant)", events, words)


def _span(first: int, last: int, used: int, zone: ZoneInfo) -> QualityLine:
    start, end = (
        pd.Timestamp(one, unit="us", tz="UTC").tz_convert(zone).isoformat(sep=" ")
        for one in (first, last)
    )
    return QualityLine("span", used, f"{start} to {end}")


def _resolution(engine: DuckDB, used: int, whole_days: bool) -> QualityLine:
    """The coarsest unit in which all times are whole: local days, else minutes to microseconds, which every zone's offset keeps."""
    if whole_days:
        return QualityLine("times are whole", used, "days")
    for name, unit in UNITS:
        if not engine.rows(f"SELECT 1 FROM prepared WHERE t % {unit} <> 0 LIMIT 1"):
            return QualityLine("times are whole", used, name)
    return QualityLine("times are whole", used, "microseconds")


def in_whole_days(engine: DuckDB, zone: ZoneInfo) -> bool:
    """Whether there are events and every one is at the first instant of a local day: a few are asked before all."""
    few = engine.columns("SELECT t FROM prepared LIMIT 1000")["t"]
    if len(few) == 0 or not first_of_days(few, zone):
        return False
    return len(few) < 1000 or first_of_days(
        engine.columns("SELECT DISTINCT t FROM prepared")["t"], zone
    )


def first_of_days(microseconds: NDArray[np.int64], zone: ZoneInfo) -> bool:
    """Whether each instant is the first of a local day."""
    local = (
        pd.DatetimeIndex(microseconds.astype("datetime64[us]")).tz_localize("UTC").tz_convert(zone)
    )
    midnights = (
        local.tz_localize(None)
        .normalize()
        .tz_localize(zone, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward")
    )
    return bool((local == midnights).all())


def _alike(counts: dict[str, int]) -> list[QualityLine]:
    """Names that may mean one event: equal but for capitals, spaces and signs, or one the inflected first word of the other."""
    folded = {name: _folded(name) for name in sorted(counts)}
    groups: dict[str, list[str]] = {}
    for name, key in folded.items():
        groups.setdefault("".join(key), []).append(name)
    pairs = [tuple(names) for _, names in sorted(groups.items()) if len(names) > 1]
    if len(folded) <= MOST_NAMES_COMPARED:
        pairs += [
            pair for pair in combinations(folded, 2) if _inflected(folded[pair[0]], folded[pair[1]])
        ]
    return [
        QualityLine(
            "similar event names",
            sum(counts[name] for name in names) - max(counts[name] for name in names),
            " / ".join(shown(name) for name in names),
        )
        for names in pairs
    ]


def _folded(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name).casefold()))


def _inflected(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other or min(len(one), len(other)) > 1:
        return False
    short, long = sorted((one[0], other[0]), key=len)
    return len(short) > 3 and long in {short + ending for ending in ("d", "ed", "s", "ing")}


def _remedy(reason: str, example: str, remedies: Mapping[str, str]) -> str:
    """What to do, by the value where that says what is wrong with it."""
    why = why_no_time(example) if reason == "unreadable timestamp" else None
    return f"it {why}" if why else remedies[reason]


def stop_above_limit(
    quality: pd.DataFrame, quarantine: pd.DataFrame, reasons: Reasons, rows: int, limit: float, remedies: Mapping[str, str] = REMEDIES
) -> None:  # fmt: skip
    """An error that says what is wrong, how often and what to do, if more than the limit would be quarantined."""
    held = sum(count for reason, (count, _) in reasons.items() if reason != REPEATED_ID)
    if not rows or held / rows <= limit:
        return
    lines = [
        f"{reason}: {count:,}{f' (such as {shown(example)})' if example else ''}; {_remedy(reason, example, remedies)}"
        for reason, (count, example) in sorted(
            reasons.items(), key=lambda item: (-item[1][0], item[0])
        )
    ]
    raise DataError(
        f"source: {held:,} of {rows:,} rows ({100 * held / rows:.1f}%) cannot be used; quarantine_limit allows {100 * limit:.1f}%. "
        + " · ".join(lines)
        + ". Fix the data, or accept the loss with a higher quarantine_limit. The rows are in this error's .quarantine.",
        quality=quality,
        quarantine=quarantine,
    )
