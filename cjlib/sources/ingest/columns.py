"""Which column is which, and what type each property has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown, unknown_column
from cjlib.sources.ingest.column_types import Column, property_column, text_types
from cjlib.sources.ingest.open_source import QualityLine, Raw
from cjlib.sources.log.engine import DuckDB, literal

NEEDED = ("customer_id", "event", "timestamp")
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


def log_names(raw: Raw, given: Mapping[str, str] | None, event: str | None = None) -> list[str]:
    """The columns of a source by their names in the log; an error where one is missing or stands twice."""
    names = _renamed(raw.names, given or {}, raw.inside)
    _one_event_only(names, event)
    _all_needed(names if event is None else [*names, "event"], raw)
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
) -> Columns:
    """The columns by their names in the log, each with its type.

    `event` names every row's event where no column does; `usable` are the rows that decide what
    type a text has. Of the columns that are not needed those that `only` names, or all.
    """
    place = {name: f"c{position}" for position, name in enumerate(names, start=1)}
    kind = dict(zip(names, raw.types, strict=True))
    properties = sorted(
        name for name in names if name not in NEEDED and name in wanted(names, only)
    )
    written = {place[name]: name for name in properties if place[name] in raw.untyped}
    typed, notes = text_types(engine, written, usable, decimal)
    customer = _id_column(engine, place["customer_id"], kind["customer_id"])
    return Columns(
        customer_id=replace(customer, value=_without(customer.value, missing_ids)),
        event=_event_column(place, event),
        timestamp=Column("timestamp", place["timestamp"], kind["timestamp"], place["timestamp"]),
        properties=tuple(
            property_column(engine, name, place[name], typed.get(place[name], kind[name]))
            for name in properties
        ),
        notes=tuple(notes),
    )


def _without(value: str, missing: Collection[str]) -> str:
    """SQL of an id, missing where it is one of those that stand for nobody."""
    if not missing:
        return value
    nobody = ", ".join(literal(one.strip()) for one in missing)
    return f"CASE WHEN trim(CAST({value} AS VARCHAR)) NOT IN ({nobody}) THEN {value} END"


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
