"""Which column is which, what type each has in the log, and the SQL of its values.

Text is read as a number where every usable row writes one. Words for "none", such as N/A, are
missing then, and counted; a comma is a decimal one only where no other reading fits, or it is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.sources.ingest.open_source import NEEDED, QualityLine, Raw, renamed, wanted
from cjlib.sources.log.engine import DuckDB, blank, literal

MONEY = "value"
"""What the log calls the money of an event: its texts are read as numbers, for programs write "12.50" into JSON so that no cent is lost."""


@dataclass(frozen=True)
class Column:
    """One column of the source as it is read: its name in the log, its place c1, c2, … in `raw`, its type and the SQL of its value."""

    name: str
    place: str
    type: str
    value: str


_OFTEN = {
    "customer_id": ("customer", "customerid", "user_id", "userid", "user", "client_id", "account_id", "case_id", "visitor_id", "person_id", "distinct_id",
                    "member_id", "case:concept:name", "uid", "id"),
    "event": ("event_name", "event_type", "eventname", "activity", "action", "concept:name", "type", "name"),
    "timestamp": ("event_time", "time", "ts", "datetime", "date", "time:timestamp", "created_at", "occurred_at", "event_timestamp", "at"),
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The three needed columns and the properties, these sorted by name."""

    customer_id: Column
    event: Column
    timestamp: Column
    properties: tuple[Column, ...]
    notes: tuple[QualityLine, ...] = ()


GIVEN_ID = "given_customer_id"
"""The column of the customer ids as the source has them, where `customer_id` may come of other columns of ids."""


def log_names(
    raw: Raw,
    given: Mapping[str, str] | None,
    event: str | None = None,
    id_columns: Sequence[str] = (),
) -> list[str]:
    """The columns of a source by their names in the log; an error where one is missing or stands twice.

    Where one of several `id_columns` is there, it need not be customer_id.
    """
    names = _renamed(raw.names, given or {}, raw.inside)
    _one_event_only(names, event)
    there = [*names, *(["event"] if event is not None else [])]
    _all_needed([*there, "customer_id"] if set(id_columns) & set(names) else there, raw)
    _no_name_by_case_only(names)
    return names


def read_columns(
    engine: DuckDB,
    raw: Raw,
    names: Sequence[str],
    *,
    event: str | None = None,
    only: Collection[str] | None = None,
    usable: str = "raw",
    decimal: str | None = None,
    missing_ids: Collection[str] = (),
    id_columns: Sequence[str] = (),
) -> Columns:
    """The columns by their names in the log, each with its type.

    `event` names every row's event where no column does; `usable` are the rows that decide what
    type a text has. Of the columns that are not needed those that `only` names, or all. Where there
    are `id_columns`, a row's customer is the first of them that it has.
    """
    place = {name: f"c{position}" for position, name in enumerate(names, start=1)}
    kind = dict(zip(names, raw.types, strict=True))
    ids = {
        name: _id_column(engine, name, place[name], kind[name], missing_ids)
        for name in id_columns or ("customer_id",)
        if name in place
    }
    properties = sorted(
        name for name in names if name not in (*NEEDED, *ids) and name in wanted(names, only)
    )
    written = {
        place[name]: name
        for name in properties
        if place[name] in raw.untyped or (name == MONEY and kind[name] == "VARCHAR")
    }
    typed, notes = text_types(engine, written, usable, decimal)
    notes += _infinite(
        engine, {name: place[name] for name in properties if kind[name] in ("FLOAT", "DOUBLE")}
    )
    columns = [
        *(
            property_column(engine, name, place[name], typed.get(place[name], kind[name]))
            for name in properties
        ),
        *_ids_as_properties(ids, names if id_columns else ()),
    ]
    return Columns(
        customer_id=_first_of(list(ids.values())) if id_columns else ids["customer_id"],
        event=_event_column(place, event),
        timestamp=Column("timestamp", place["timestamp"], kind["timestamp"], place["timestamp"]),
        properties=tuple(sorted(columns, key=lambda one: one.name)),
        notes=tuple(notes),
    )


def _infinite(engine: DuckDB, floats: Mapping[str, str]) -> list[QualityLine]:
    """What a person should know of numbers without end, which are missing."""
    if not floats:
        return []
    counts = ", ".join(f"count(*) FILTER (isinf({place}))" for place in floats.values())
    found = zip(floats, engine.rows(f"SELECT {counts} FROM raw")[0], strict=True)
    return [
        QualityLine(f"{name}: infinite numbers", rows, "read as missing")
        for name, rows in found
        if rows
    ]


def _first_of(ids: Sequence[Column]) -> Column:
    """A row's customer: the first id that it has."""
    texts = [f"CAST({one.value} AS VARCHAR)" for one in ids]
    filled = ", ".join(f"CASE WHEN NOT {blank(text)} THEN {text} END" for text in texts)
    return Column("customer_id", ids[0].place, "VARCHAR", f"coalesce({filled})")


def _ids_as_properties(ids: Mapping[str, Column], names: Sequence[str]) -> list[Column]:
    """The columns of ids once more, as columns of the log: customer_id under a name of its own."""
    if not names:
        return []
    if GIVEN_ID in names:
        raise CjlibError(
            f"identities: the source has a column {GIVEN_ID!r}, which is what the log calls customer_id before ids are joined. "
            f"Give it another name: columns={{{GIVEN_ID!r}: 'source_customer_id'}}."
        )
    return [
        replace(one, name=GIVEN_ID if name == "customer_id" else name) for name, one in ids.items()
    ]


def _without(value: str, missing: Collection[str]) -> str:
    """SQL of an id, missing where it is one of those that stand for nobody."""
    if not missing:
        return value
    nobody = ", ".join(literal(one.strip()) for one in missing)
    return f"CASE WHEN trim(CAST({value} AS VARCHAR)) NOT IN ({nobody}) THEN {value} END"


def _event_column(place: Mapping[str, str], event: str | None) -> Column:
    if event is not None:
        return Column("event", place["timestamp"], "VARCHAR", literal(event))
    return Column("event", place["event"], "VARCHAR", f"CAST({place['event']} AS VARCHAR)")


def _one_event_only(names: Sequence[str], event: str | None) -> None:
    if event is None:
        return
    if not isinstance(event, str) or not event.strip():
        raise CjlibError(
            f"event: must be the name of every row's event, such as 'purchase'. Got {shown(event)}."
        )
    if "event" in names:
        raise CjlibError(
            f"event: {shown(event)} cannot name every row's event, for the source has a column 'event'. "
            "Leave event out, or give that column another name: columns={'event': 'source_event'}."
        )


def _renamed(
    names: Sequence[str], given: Mapping[str, str], inside: Sequence[str] = ()
) -> list[str]:
    for theirs, ours in given.items():
        if not isinstance(theirs, str) or not isinstance(ours, str) or not ours.strip():
            raise CjlibError(
                "columns: must map the source's names to ours, such as {'user_id': 'customer_id'}. "
                f"Got {shown(theirs)}: {shown(ours)}."
            )
        if theirs not in names:
            swapped = (
                " It maps the source's name to ours: columns={'user_id': 'customer_id'}."
                if ours in names
                else ""
            )
            raise CjlibError(
                f"columns: the source has no column {shown(theirs)}.{did_you_mean(theirs, [*names, *inside])}{swapped} It has: {listed(names, most=20)}."
            )
    ours_of = renamed(names, given)
    for theirs, ours in given.items():
        if ours_of.count(ours) > 1:
            raise CjlibError(
                f"columns: {shown(theirs)} cannot be called {shown(ours)}: another column has that name. Give that one another name too: "
                f"columns={{{theirs!r}: {ours!r}, {ours!r}: {'source_' + ours!r}}}."
            )
    return ours_of


def _all_needed(names: Sequence[str], raw: Raw) -> None:
    missing = [name for name in NEEDED if name not in names]
    if not missing:
        return
    guesses = {
        guess: name
        for name in missing
        if (guess := _likely(name, [one for one in (*names, *raw.inside) if one not in NEEDED]))
    }
    remedy = f" Did you mean columns={guesses!r}?" if guesses else ""
    if len(guesses) < len(missing):
        remedy += " Name the columns: columns={'their name': 'customer_id', …}; if every row is the same event, name it: event='purchase'."
    raise DataError(
        f"source: there is no column {listed(missing)}. The columns are: {listed((*raw.names, *raw.inside), most=30)}.{remedy}"
    )


def _likely(name: str, names: Sequence[str]) -> str | None:
    """The column that most likely is meant: a name often used for it, else the nearest spelling."""
    # An object is not meant where its fields are columns too.
    names = [one for one in names if not any(other.startswith(f"{one}.") for other in names)]
    folded = {one.casefold().replace(" ", "_"): one for one in reversed(names)}
    folded |= {
        one.rpartition(".")[2].casefold(): one
        for one in reversed(names)
        if one.rpartition(".")[2].casefold() not in folded
    }
    often = next((folded[one] for one in (name, *_OFTEN[name]) if one in folded), None)
    if often:
        return often
    near = did_you_mean(name, names)
    return next((one for one in names if near and shown(one) in near), None)


def _no_name_by_case_only(names: Sequence[str]) -> None:
    folded: dict[str, str] = {}
    for name in names:
        if folded.setdefault(name.casefold(), name) != name:
            raise DataError(
                f"source: the columns {shown(folded[name.casefold()])} and {shown(name)} differ only in capitals, which SQL does not tell apart. "
                f"Rename one: columns={{{name!r}: {name + '_2'!r}}}."
            )


def _id_column(
    engine: DuckDB, name: str, place: str, kind: str, missing_ids: Collection[str]
) -> Column:
    """Ids stay text if they were text; whole numbers stay whole, also where missing ids made them floats."""
    text = Column(name, place, "VARCHAR", f"CAST({place} AS VARCHAR)")
    if kind in ("DOUBLE", "FLOAT"):
        fractions = engine.rows(
            f"SELECT count(*) FROM raw WHERE NOT isnan({place}) AND ({place} <> trunc({place}) OR abs({place}) >= 9007199254740992)"
        )[0][0]
        whole = f"CASE WHEN NOT isnan({place}) THEN CAST({place} AS BIGINT) END"
        column = Column(name, place, "BIGINT", whole) if fractions == 0 else text
    else:
        own = property_column(engine, name, place, kind)
        column = own if own.type in ("BIGINT", "VARCHAR") else text
    return replace(column, value=_without(column.value, missing_ids))


# ---- the type of a column ------------------------------------------------------------------------------------------

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
)
_WHOLE_NUMBER = "-?(0|[1-9][0-9]*)"
_PLAIN_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE]-?[0-9]+)?"
_ANY_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_SAMPLE = 2_000
NO_VALUES = (
    *("n/a", "na", "n.a.", "#n/a", "#na", "#value!", "#null!", "#div/0!", "null", "(null)", "none", "(none)", "nil", "nan"),
    *("-", "--", "–", "—", "\\n", ".", "?", "not set", "(not set)", "not available", "undefined", "unknown", "missing"),
    *("#ref!", "#name?", "#num!", "#error!", "#spill!", "inf", "+inf", "-inf", "infinity", "-infinity", "∞", "k.a.", "k. a.", "n/d", "n.v."),
)  # fmt: skip
"""What tools write where there is no number; a spreadsheet writes # as wide as a column that is too narrow."""
_IS_WORD = (
    "(NOT regexp_matches(written, '[0-9#]') OR regexp_matches(written, '[A-Za-z]{4}|[0-9][-/:][0-9]')) "
    f"AND lower(trim(written)) NOT IN ({', '.join(literal(word) for word in (*NO_VALUES, 'true', 'false'))})"
)
"""SQL: a text is neither a word for none nor could be a number: four letters together are no money, and no number has such a sign between digits."""
_BLANK = r"[\s\p{Z}]"
_SIGN_OF_MONEY = r"(?:US|AU?|CA?|NZ|HK|MX|NT|S|R)?\p{Sc}"
_CODE_OF_MONEY = (
    "EUR|USD|GBP|CHF|AUD|CAD|NZD|SGD|HKD|JPY|CNY|RMB|KRW|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|BRL|MXN|ARS|"
    "CLP|COP|ZAR|ILS|AED|SAR|THB|IDR|MYR|PHP|VND|zł|Kč|руб\\.?"
)
_WORD_OF_MONEY = r"Ft|lei|kr\.?|Rs\.?|Rp|RM|TL"
"""Could be part of a code, such as RM12: money only with a blank between."""
_BEFORE = rf"^({_BLANK}*[-+−(]?){_BLANK}*(?:({_SIGN_OF_MONEY}|{_CODE_OF_MONEY}){_BLANK}*|({_WORD_OF_MONEY}){_BLANK}+)"
_AFTER = rf"(?:{_BLANK}*({_SIGN_OF_MONEY}|{_CODE_OF_MONEY})|{_BLANK}+({_WORD_OF_MONEY}))({_BLANK}*[)-]?{_BLANK}*)$"
_QUOTED = rf"^{_BLANK}*(=\"|')|\"{_BLANK}*$"
NO_NUMBER = "no number"
ROUNDED = "numbers in scientific notation"
SEVERAL_CURRENCIES = "several currencies"
_FEW_STRANGERS = 0.05
"""Of an amount so many values may be words; they are missing, and counted."""
_SPACED = r"[0-9][\s\p{Z}]+([0-9]{1,2}([^0-9]|$)|[0-9]{4,})"
_POINT = r"\(?[-+−]?((0|[1-9][0-9]*|[1-9][0-9]{0,2}([,'’][0-9]{3})+|[1-9][0-9]?(,[0-9]{2})+,[0-9]{3})(\.[0-9]+)?|\.[0-9]+)\)?-?"
_COMMA = r"\(?[-+−]?((0|[1-9][0-9]*|[1-9][0-9]{0,2}([.'’][0-9]{3})+)(,[0-9]+)?|,[0-9]+)\)?-?"


def property_column(engine: DuckDB, name: str, place: str, kind: str) -> Column:
    """A property in one of the log's few types: BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP (UTC), else text."""
    if kind in _WRITTEN:
        ours, value = _WRITTEN[kind]
        return Column(name, place, ours, value(place))
    if kind.startswith("TEXT "):
        return _text_column(name, place, kind.removeprefix("TEXT "))
    if kind in ("UBIGINT", "HUGEINT", "UHUGEINT") or (
        kind.startswith("DECIMAL") and kind.endswith(",0)")
    ):
        not_fitting = f"{place} IS NOT NULL AND TRY_CAST({place} AS BIGINT) IS NULL"
        fits = engine.rows(f"SELECT count(*) FROM raw WHERE {not_fitting}")[0][0] == 0
        whole = "BIGINT" if fits else "VARCHAR"
        return Column(name, place, whole, f"CAST({place} AS {whole})")
    if kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        # + 0.0 makes one zero of the two that floats have; not-a-number and infinity are missing.
        number = f"CAST({place} AS DOUBLE)"
        return Column(
            name, place, "DOUBLE", f"CASE WHEN isfinite({number}) THEN {number} + 0.0 END"
        )
    if kind.startswith("TIMESTAMP"):
        return Column(name, place, "TIMESTAMP", _timestamp(place, kind))
    ours = "BIGINT" if kind in _WHOLE else kind if kind in ("BOOLEAN", "DATE") else "VARCHAR"
    return Column(name, place, ours, place if kind == ours else f"CAST({place} AS {ours})")


def _timestamp(place: str, kind: str) -> str:
    """A time to the microsecond, in UTC where it has a zone."""
    if kind == "TIMESTAMP":
        return place
    return f"make_timestamp({floor_ns(place)})" if "_NS" in kind else f"CAST({place} AS TIMESTAMP)"


def floor_ns(column: str) -> str:
    """Down to the microsecond before it, also before 1970: epoch_us would cut nanoseconds towards zero."""
    ns = f"epoch_ns({column})"
    return f"({ns} // 1000 - CASE WHEN {ns} % 1000 < 0 THEN 1 ELSE 0 END)"


def _text_column(name: str, place: str, kind: str) -> Column:
    zero = " + 0.0" if kind == "DOUBLE" else ""
    value = f"CASE WHEN NOT {blank(place)} THEN CAST({place} AS {kind}){zero} END"
    return Column(name, place, kind, value)


# ---- what texts hold ---------------------------------------------------------------------------------------------


def text_types(
    engine: DuckDB,
    names: Mapping[str, str],
    usable: str = "raw",
    decimal: str | None = None,
) -> tuple[dict[str, str], list[QualityLine]]:
    """The types of columns (place → name) that were written as text, and what a person should know of them.

    Whole numbers if every value that is not blank is one without a leading zero and fits 64 bits; numbers if every one is a
    number without a leading zero (and none is too large to be exact); true and false in any case; else text. Where some value
    is none of these, the rows that can be used decide, and words for "none" and the ways in which money is written are known.
    """
    if not names:
        return {}, []
    sample = f"(SELECT * FROM raw LIMIT {_SAMPLE})"
    likely, looked_at = _could_be(engine, list(names), sample)
    plain = [place for place, kind in likely.items() if kind != "VARCHAR"]
    settled = likely if looked_at < _SAMPLE else _could_be(engine, plain, "raw")[0]
    kinds = {
        place: f"TEXT {settled[place]}"
        if settled.get(place) in ("BIGINT", "DOUBLE", "BOOLEAN")
        else "VARCHAR"
        for place in names
    }
    notes: list[QualityLine] = []
    words = _mostly_words(engine, [place for place in names if kinds[place] == "VARCHAR"], sample)
    doubtful = [
        place
        for place in names
        if kinds[place] == "VARCHAR" and settled.get(place) != "UNKNOWN" and place not in words
    ]
    tallies = _tallies(engine, doubtful, sample)
    for place in names:
        if place in tallies:
            if tallies[place].is_text:
                continue
            whole = _tallies(engine, [place], usable)[place]
            kinds[place], more = _written(whole, names[place], decimal)
            notes += more
        elif settled.get(place) == "DOUBLE" and decimal != "point":
            thousands, example = _thousands(engine, place)
            if thousands and decimal:
                kinds[place] = "WRITTEN comma"
            elif thousands:
                text = f"{shown(example)} is read as a decimal; if the point stands between thousands say decimal: comma"
                notes.append(
                    QualityLine(f"{names[place]}: three digits after every point", thousands, text)
                )
    return kinds, notes


_THREE_DIGITS = r"-?(0|[1-9][0-9]{0,2}(\.[0-9]{3})*)"


def _thousands(engine: DuckDB, place: str) -> tuple[int, str]:
    """How many numbers have a point, with one of them, where each could be one between thousands; 0 where some number proves a decimal one."""
    for source in (f"(SELECT {place} FROM raw LIMIT {_SAMPLE})", "raw"):
        able, points, example = engine.rows(
            f"SELECT bool_and(regexp_full_match({place}, '{_THREE_DIGITS}')), count(*) FILTER (contains({place}, '.')), "
            f"min({place}) FILTER (contains({place}, '.')) FROM {source} WHERE NOT {blank(place)}"
        )[0]
        if not able:
            return 0, ""
    return points, example


def _could_be(engine: DuckDB, places: list[str], source: str) -> tuple[dict[str, str], int]:
    """The type that every value of a column could have, and how many rows were asked."""
    if not places:
        return {}, 0
    tests = ", ".join(
        f"bool_and(regexp_full_match({place}, '{_WHOLE_NUMBER}') AND TRY_CAST({place} AS BIGINT) IS NOT NULL) FILTER ({place} IS NOT NULL), "
        f"bool_and(regexp_full_match({place}, '{_PLAIN_NUMBER}') AND (contains({place}, '.') OR abs(TRY_CAST({place} AS DOUBLE)) < 9007199254740992)), "
        f"bool_and(lower({place}) IN ('true', 'false'))"
        for place in places
    )
    ((rows, *row),) = engine.rows(f"SELECT count(*), {tests} FROM {_filled(places, source)}")
    answers = zip(places, row[0::3], row[1::3], row[2::3], strict=True)
    return {place: _kind(whole, number, truth) for place, whole, number, truth in answers}, rows


def _mostly_words(engine: DuckDB, places: list[str], source: str) -> set[str]:
    """The columns of which at least half of the values can be no number, no truth and no word for none, seen without a closer look."""
    if not places:
        return set()
    rows = engine.rows(
        f"WITH given AS {_filled(places, source)} SELECT place FROM "
        f"({_one_below_another(places)}) WHERE written IS NOT NULL "
        f"GROUP BY place HAVING count(*) <= 2 * count_if({_IS_WORD})"
    )
    return {place for (place,) in rows}


def _one_below_another(places: Sequence[str]) -> str:
    """SQL of `place` and `written`, the texts of some columns of `given`: patterns are made once for all of them."""
    texts = (f"SELECT {literal(place)} AS place, {place} AS written FROM given" for place in places)
    return " UNION ALL ".join(texts)


def _filled(places: list[str], source: str) -> str:
    """Columns of a relation, what is blank taken as missing."""
    columns = ", ".join(
        f"CASE WHEN NOT {blank(place)} THEN {place} END AS {place}" for place in places
    )
    return f"(SELECT {columns} FROM {source})"


def _kind(whole: bool | None, number: bool | None, truth: bool | None) -> str:
    if whole is None:
        return "UNKNOWN"
    return "BIGINT" if whole else "DOUBLE" if number else "BOOLEAN" if truth else "VARCHAR"


@dataclass(frozen=True)
class _Tally:
    """Of the values of a column how many are words for none, and how many fit each way of writing numbers."""

    values: int = 0
    words: int = 0
    whole: int = 0
    point: int = 0
    comma: int = 0
    commas: int = 0
    points: int = 0
    plus: int = 0
    truth: int = 0
    rounded: int = 0
    parts: int = 0
    word: str | None = None
    example: str | None = None
    pointed: str | None = None
    stranger: str | None = None
    rounded_example: str | None = None
    currencies: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        return self.values - self.words

    @property
    def is_text(self) -> bool:
        """Whether at most half of the values could be numbers, truths or words for none."""
        fitting = max(self.point, self.comma, self.truth) + self.words
        return self.values > 0 and fitting <= self.values / 2


def _written(found: _Tally, name: str, decimal: str | None) -> tuple[str, list[QualityLine]]:
    """How the numbers of a text column are written, if it holds any."""
    if not found.numbers:
        return "VARCHAR", []
    kind, notes = _kind_of_numbers(found, name, decimal)
    return kind, _notes_on(found, name) + notes if kind != "VARCHAR" else notes


def _kind_of_numbers(
    found: _Tally, name: str, decimal: str | None
) -> tuple[str, list[QualityLine]]:
    """The way in which a column of texts is read, and what to say of it."""
    if found.truth == found.numbers:
        return "WRITTEN truth", []
    if found.whole == found.numbers > found.plus:
        return "WRITTEN whole", []
    if found.plus == found.whole == found.numbers:
        return "VARCHAR", []
    able = {"point": found.point, "comma": found.comma}
    strangers = found.numbers - max(able.values())
    if strangers and not (
        strangers <= _FEW_STRANGERS * found.numbers and 2 * found.parts > found.numbers
    ):
        what = (
            f"in some rows decimals stand after a point, in others after a comma, such as {shown(found.example)}"
            if found.stranger is None
            else f"{shown(found.stranger)} is no number"
        )
        text = f"{what}, so the column is read as text"
        note = QualityLine(f"{name}: words among numbers", strangers, text)
        return "VARCHAR", [note] if strangers < found.numbers / 2 else []
    signs = [sign for sign, fitting in able.items() if fitting == max(able.values())]
    doubtful = found.commas or found.points
    if len(signs) > 1 and doubtful and decimal is None:
        text = (
            f"{shown(found.example or found.pointed)} can be a decimal or a thousand, so the column is read as text; "
            "say decimal: comma or decimal: point"
        )
        return "VARCHAR", [QualityLine(f"{name}: numbers written in two ways", doubtful, text)]
    sign = decimal if decimal in signs else signs[0]
    notes = []
    if strangers:
        text = f"{shown(found.stranger)}; taken as missing"
        notes.append(QualityLine(f"{name}: {NO_NUMBER}", strangers, text))
    if found.commas:
        text = f"{shown(found.example)}; decimal {sign}"
        notes.append(QualityLine(f"{name}: numbers written with signs", found.commas, text))
    return f"WRITTEN {sign}", notes


def _notes_on(found: _Tally, name: str) -> list[QualityLine]:
    """What a person should know of numbers that can be read."""
    notes = []
    if found.words:
        text = f"{shown(found.word)}; taken as missing"
        notes.append(QualityLine(f"{name}: no value", found.words, text))
    if found.rounded:
        text = f"{shown(found.rounded_example)}: a spreadsheet may have rounded them; export them as plain numbers"
        notes.append(QualityLine(f"{name}: {ROUNDED}", found.rounded, text))
    if len(found.currencies) > 1:
        text = f"{listed(found.currencies, most=5)}: they are added as they stand; write all in one currency"
        notes.append(QualityLine(f"{name}: {SEVERAL_CURRENCIES}", found.numbers, text))
    return notes


def _tallies(engine: DuckDB, places: Sequence[str], source: str) -> dict[str, _Tally]:
    """The tally of each of some columns of a relation, all in one statement: most of its time goes into making its patterns."""
    if not places:
        return {}
    is_point, is_comma = "(plain OR point)", "comma"
    counts: dict[str, str] = {
        "values": "count(*)",
        "words": "count(*) FILTER (word)",
        "whole": "count(*) FILTER (whole)",
        "point": f"count(*) FILTER ({is_point} AND NOT word)",
        "comma": f"count(*) FILTER ({is_comma} AND NOT word)",
        "commas": "count(*) FILTER ((point OR comma) AND NOT plain)",
        "points": "count(*) FILTER (comma AND contains(clean, '.') AND NOT contains(clean, ','))",
        "plus": "count(*) FILTER (starts_with(clean, '+'))",
        "truth": "count(*) FILTER (lower(clean) IN ('true', 'false'))",
        "rounded": "count(*) FILTER (rounded)",
        "parts": r"count(*) FILTER ((point OR comma) AND regexp_matches(clean, '[.,][0-9]{1,2}\)?-?$'))",
        "word": "min(written) FILTER (word)",
        "example": "min(written) FILTER ((point OR comma) AND NOT plain)",
        "pointed": "min(written) FILTER (comma AND contains(clean, '.'))",
        "stranger": f"min(written) FILTER (NOT word AND NOT {is_point} AND NOT {is_comma})",
        "rounded_example": "min(written) FILTER (rounded)",
        "currencies": "list(DISTINCT currency) FILTER (currency IS NOT NULL AND (point OR comma))",
    }
    whole = f"({_fits('clean', 'written', f'[+]?{_WHOLE_NUMBER}')} AND TRY_CAST(clean AS BIGINT) IS NOT NULL)"
    # Whole numbers of more digits than a float holds would lose some: they stay text.
    exact = "(contains(clean, '.') OR length(regexp_replace(clean, '[^0-9]', '', 'g')) <= 15)"
    tests = (
        f"SELECT *, trimmed IN ({', '.join(literal(word) for word in NO_VALUES)}) OR regexp_full_match(trimmed, '#+') AS word, "
        f"{whole} AS whole, regexp_full_match(clean, '-?[0-9.]+[eE][+][0-9]+') AS rounded, {_currency('written')} AS currency, "
        f"({_fits('clean', 'written', _ANY_NUMBER, 25)} AND {exact}) AS plain, "
        f"({_fits('clean', 'written', _POINT)} AND {exact}) AS point, ({_fits('clean', 'written', _COMMA)} AND ({exact} OR contains(clean, ','))) AS comma "
        f"FROM (SELECT place, written, {_clean('written')} AS clean, lower(trim(written)) AS trimmed "
        f"FROM texts WHERE NOT {blank('written')})"
    )
    rows = engine.rows(
        f"WITH given AS (SELECT {', '.join(places)} FROM {source}), texts AS ({_one_below_another(places)}) "
        f"SELECT place, {', '.join(counts.values())} FROM ({tests}) GROUP BY place"
    )
    tallies = dict.fromkeys(places, _Tally())
    for place, *row in rows:
        found: dict[str, Any] = dict(zip(counts, row, strict=True))
        found["currencies"] = tuple(sorted(found["currencies"] or ()))
        tallies[place] = _Tally(**found)
    return tallies


def _clean(place: str) -> str:
    """A text without blanks, signs of money and what keeps a spreadsheet from reading a number."""
    bare = f"regexp_replace({place}, {literal(_QUOTED)}, '', 'g')"
    number = f"regexp_replace(regexp_replace({bare}, {literal(_BEFORE)}, '\\1'), {literal(_AFTER)}, '\\3')"
    return rf"regexp_replace({number}, '{_BLANK}|[.,][-–—]+$', '', 'g')"


def _currency(place: str) -> str:
    """SQL of the sign or code of money that stands before or after a number, else NULL."""
    found = ", ".join(
        f"nullif(regexp_extract({place}, {literal(pattern)}, {group}), '')"
        for pattern, groups in ((_BEFORE, (2, 3)), (_AFTER, (1, 2)))
        for group in groups
    )
    return f"coalesce({found})"


def _fits(clean: str, written: str, pattern: str, longest: int = 19) -> str:
    """SQL: whether a text is such a number of not too many signs, its blanks only between thousands."""
    pattern = literal(pattern)
    return (
        f"(regexp_full_match({clean}, {pattern}) AND length({clean}) <= {longest} "
        f"AND NOT regexp_matches({written}, '{_SPACED}'))"
    )


def _point(place: str) -> str:
    clean = _clean(place)
    digits = f"TRY_CAST(regexp_replace({clean}, '[^0-9.]', '', 'g') AS DOUBLE)"
    return (
        f"(CASE WHEN {_fits(clean, place, _ANY_NUMBER, 25)} THEN TRY_CAST({clean} AS DOUBLE) "
        f"WHEN {_fits(clean, place, _POINT)} THEN {_sign(clean)} * {digits} END + 0.0)"
    )


def _comma(place: str) -> str:
    clean = _clean(place)
    digits = f"TRY_CAST(replace(regexp_replace({clean}, '[^0-9,]', '', 'g'), ',', '.') AS DOUBLE)"
    return f"(CASE WHEN {_fits(clean, place, _COMMA)} THEN {_sign(clean)} * {digits} END + 0.0)"


def _sign(clean: str) -> str:
    return f"CASE WHEN regexp_matches({clean}, '^[(−-]|-$') THEN -1 ELSE 1 END"


def _whole(place: str) -> str:
    clean = _clean(place)
    fits = _fits(clean, place, f"[+]?{_WHOLE_NUMBER}")
    return f"TRY_CAST(CASE WHEN {fits} THEN {clean} END AS BIGINT)"


def _truth(place: str) -> str:
    return f"CASE lower({_clean(place)}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"


_WRITTEN: Mapping[str, tuple[str, Any]] = {
    "WRITTEN whole": ("BIGINT", _whole),
    "WRITTEN point": ("DOUBLE", _point),
    "WRITTEN comma": ("DOUBLE", _comma),
    "WRITTEN truth": ("BOOLEAN", _truth),
}
