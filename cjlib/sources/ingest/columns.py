"""Which column is which, and what type each property has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown, unknown_column
from cjlib.sources.ingest.open_source import Raw, blank
from cjlib.sources.log.engine import DuckDB, literal

NEEDED = ("customer_id", "event", "timestamp")
_OFTEN = {
    "customer_id": ("customer", "customerid", "user_id", "userid", "user", "client_id", "account_id", "case_id", "visitor_id", "person_id", "distinct_id",
                    "member_id", "case:concept:name", "uid", "id"),
    "event": ("event_name", "event_type", "eventname", "activity", "action", "concept:name", "type", "name"),
    "timestamp": ("event_time", "time", "ts", "datetime", "date", "time:timestamp", "created_at", "occurred_at", "event_timestamp", "at"),
}  # fmt: skip
_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
)
_WHOLE_NUMBER = "-?(0|[1-9][0-9]*)"
_ANY_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_SAMPLE = 2_000


@dataclass(frozen=True)
class Column:
    """One column of the source as it is read: its name in the log, its place c1, c2, … in `raw`, its type and the SQL of its value."""

    name: str
    place: str
    type: str
    value: str


@dataclass(frozen=True)
class Columns:
    """The three needed columns and the properties, these sorted by name."""

    customer_id: Column
    event: Column
    timestamp: Column
    properties: tuple[Column, ...]


def read_columns(
    engine: DuckDB,
    raw: Raw,
    given: Mapping[str, str] | None,
    event: str | None = None,
    only: Collection[str] | None = None,
) -> Columns:
    """The columns by their names in the log, each with its type; `event` names every row's event where no column does.

    Of the other columns those that `only` names, or all.
    """
    names = _renamed(raw.names, given or {})
    _one_event_only(names, event)
    _all_needed(names if event is None else [*names, "event"], raw.names)
    _no_name_by_case_only(names)
    place = {name: f"c{position}" for position, name in enumerate(names, start=1)}
    kind = dict(zip(names, raw.types, strict=True))
    properties = sorted(
        name for name in names if name not in NEEDED and name in wanted(names, only)
    )
    typed = text_types(engine, [place[name] for name in properties]) if raw.untyped else {}
    return Columns(
        customer_id=_id_column(engine, place["customer_id"], kind["customer_id"]),
        event=_event_column(place, event),
        timestamp=Column("timestamp", place["timestamp"], kind["timestamp"], place["timestamp"]),
        properties=tuple(
            property_column(engine, name, place[name], typed.get(place[name], kind[name]))
            for name in properties
        ),
    )


def wanted(names: Sequence[str], only: Collection[str] | None) -> list[str]:
    """Of a source's columns, by their names in the log, those that are read."""
    if only is None:
        return list(names)
    for name in only:
        if name not in names:
            raise unknown_column("only", name, names, what="source")
    return [name for name in names if name in NEEDED or name in only]


def renamed(names: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The source's names as the log has them."""
    return [given.get(name, name) for name in names]


def _event_column(place: Mapping[str, str], event: str | None) -> Column:
    if event is not None:
        return Column("event", place["customer_id"], "VARCHAR", literal(event))
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


def _renamed(names: Sequence[str], given: Mapping[str, str]) -> list[str]:
    for theirs in given:
        if theirs not in names:
            swapped = (
                " It maps the source's name to ours: columns={'user_id': 'customer_id'}."
                if given[theirs] in names
                else ""
            )
            raise CjlibError(
                f"columns: the source has no column {shown(theirs)}.{did_you_mean(theirs, names)}{swapped} It has: {listed(names, most=20)}."
            )
    ours_of = renamed(names, given)
    for theirs, ours in given.items():
        if ours_of.count(ours) > 1:
            raise CjlibError(
                f"columns: {shown(theirs)} cannot be called {shown(ours)}: another column has that name. Give that one another name too: "
                f"columns={{{theirs!r}: {ours!r}, {ours!r}: {'source_' + ours!r}}}."
            )
    return ours_of


def _all_needed(names: Sequence[str], theirs: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if not missing:
        return
    guesses = {
        guess: name
        for name in missing
        if (guess := _likely(name, [one for one in names if one not in NEEDED]))
    }
    remedy = f" Did you mean columns={guesses!r}?" if guesses else ""
    if len(guesses) < len(missing):
        remedy += " Name the columns: columns={'their name': 'customer_id', …}; if every row is the same event, name it: event='purchase'."
    raise DataError(
        f"source: there is no column {listed(missing)}. The columns are: {listed(theirs, most=30)}.{remedy}"
    )


def _likely(name: str, names: Sequence[str]) -> str | None:
    """The column that most likely is meant: a name often used for it, else the nearest spelling."""
    folded = {one.casefold().replace(" ", "_"): one for one in reversed(names)}
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


def _id_column(engine: DuckDB, place: str, kind: str) -> Column:
    """Ids stay text if they were text; whole numbers stay whole, also where missing ids made them floats."""
    if kind in ("DOUBLE", "FLOAT"):
        fractions = engine.rows(
            f"SELECT count(*) FROM raw WHERE NOT isnan({place}) AND ({place} <> trunc({place}) OR abs({place}) >= 9007199254740992)"
        )[0][0]
        whole = f"CASE WHEN NOT isnan({place}) THEN CAST({place} AS BIGINT) END"
        return (
            Column("customer_id", place, "BIGINT", whole)
            if fractions == 0
            else Column("customer_id", place, "VARCHAR", f"CAST({place} AS VARCHAR)")
        )
    one = property_column(engine, "customer_id", place, kind)
    return (
        one
        if one.type in ("BIGINT", "VARCHAR")
        else Column("customer_id", place, "VARCHAR", f"CAST({place} AS VARCHAR)")
    )


def property_column(engine: DuckDB, name: str, place: str, kind: str) -> Column:
    """A property in one of the log's few types: BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP (UTC), else text."""
    if kind.startswith("TEXT "):
        return _written_column(name, place, kind.removeprefix("TEXT "))
    if kind in ("UBIGINT", "HUGEINT", "UHUGEINT") or (
        kind.startswith("DECIMAL") and kind.endswith(",0)")
    ):
        fits = (
            engine.rows(
                f"SELECT count(*) FROM raw WHERE {place} IS NOT NULL AND TRY_CAST({place} AS BIGINT) IS NULL"
            )[0][0]
            == 0
        )
        return Column(
            name,
            place,
            "BIGINT" if fits else "VARCHAR",
            f"CAST({place} AS {'BIGINT' if fits else 'VARCHAR'})",
        )
    if kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        # + 0.0 makes one zero of the two that floats have; not-a-number is missing.
        number = f"CAST({place} AS DOUBLE)"
        return Column(
            name, place, "DOUBLE", f"CASE WHEN NOT isnan({number}) THEN {number} + 0.0 END"
        )
    ours = (
        "BIGINT"
        if kind in _WHOLE
        else "TIMESTAMP"
        if kind.startswith("TIMESTAMP")
        else kind
        if kind in ("BOOLEAN", "DATE")
        else "VARCHAR"
    )
    return Column(name, place, ours, place if kind == ours else f"CAST({place} AS {ours})")


def _written_column(name: str, place: str, kind: str) -> Column:
    value = f"CASE WHEN NOT {blank(place)} THEN CAST({place} AS {kind}){' + 0.0' if kind == 'DOUBLE' else ''} END"
    return Column(name, place, kind, value)


def text_types(engine: DuckDB, places: Sequence[str]) -> dict[str, str]:
    """The types of columns that were written as text.

    Whole numbers if every value that is not blank is one without a leading zero and fits 64 bits; numbers if every one is a
    number without a leading zero (and none is too large to be exact); true and false in any case; else text.
    """
    likely = _could_be(engine, places, f"(SELECT * FROM raw LIMIT {_SAMPLE})")
    settled = _could_be(
        engine, [place for place, kind in likely.items() if kind != "VARCHAR"], "raw"
    )
    written = {
        place: f"TEXT {kind}"
        for place, kind in settled.items()
        if kind in ("BIGINT", "DOUBLE", "BOOLEAN")
    }
    return {place: written.get(place, "VARCHAR") for place in places}


def _could_be(engine: DuckDB, places: Sequence[str], source: str) -> dict[str, str]:
    if not places:
        return {}
    tests = ", ".join(
        f"bool_and(regexp_full_match({place}, '{_WHOLE_NUMBER}') AND TRY_CAST({place} AS BIGINT) IS NOT NULL) FILTER (NOT {blank(place)}), "
        f"bool_and(regexp_full_match({place}, '{_ANY_NUMBER}') AND (contains({place}, '.') OR abs(TRY_CAST({place} AS DOUBLE)) < 9007199254740992)) FILTER (NOT {blank(place)}), "
        f"bool_and(lower({place}) IN ('true', 'false')) FILTER (NOT {blank(place)})"
        for place in places
    )
    (row,) = engine.rows(f"SELECT {tests} FROM {source}")
    answers = zip(places, row[0::3], row[1::3], row[2::3], strict=True)
    return {
        place: "BIGINT"
        if whole
        else "DOUBLE"
        if number
        else "BOOLEAN"
        if truth
        else "VARCHAR"
        if whole is False
        else "UNKNOWN"
        for place, whole, number, truth in answers
    }
