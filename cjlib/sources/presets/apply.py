"""Applying a preset: an opened source becomes rows of events, or of feedback, under our names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.sources.ingest.open_source import QualityLine, Raw, forget
from cjlib.sources.ingest.options import source_zone
from cjlib.sources.log.engine import DuckDB, blank, literal
from cjlib.sources.presets.fields import Fields
from cjlib.sources.presets.preset_file import Field, Preset, PresetEvent

EVENT_ID = "event_id"
_EVENT_NAMES = ("customer_id", "event", "timestamp")


@dataclass(frozen=True)
class Applied:
    """A source that a preset has turned into our columns: the zone its times were written in, and the column that tells events apart."""

    raw: Raw
    zone: str | None
    id: str | None


def must_read(preset: Preset, what: str) -> None:
    """Refuse a preset of feedback where events are read, and one of events where feedback is."""
    if preset.reads != what:
        raise CjlibError(
            f"preset: {preset.name} reads {preset.reads}, not {what}. Use it with cj.read_{preset.reads}, "
            f"in a journey file below sources.{preset.reads}."
        )


def apply_preset(
    engine: DuckDB,
    raw: Raw,
    preset: Preset,
    columns: Mapping[str, str],
    decimal: str | None = None,
) -> Applied:
    """Make `raw` anew from an opened source.

    `columns` (the source's name → ours) wins over what the preset says; a name that is the preset's own is called otherwise.
    What does not become an event is counted in the source's notes.

    Raises
    ------
    DataError
        A column that the preset needs is not there.
    """
    read = _Reading(engine, raw, preset, columns, decimal)
    return read.feedback() if preset.reads == "feedback" else read.events()


class _Reading:
    def __init__(
        self,
        engine: DuckDB,
        raw: Raw,
        preset: Preset,
        columns: Mapping[str, str],
        decimal: str | None,
    ) -> None:
        self.engine, self.raw = engine, raw
        self.source_rows = engine.rows("SELECT count(*) FROM raw")[0][0]
        self.fields = Fields(
            engine,
            raw,
            grouped=preset.one_per is not None,
            decimal=decimal,
            named=preset.columns,
        )
        own = {ours: theirs for theirs, ours in columns.items() if self._is_source(theirs)}
        self.renamed = {theirs: ours for theirs, ours in columns.items() if ours not in own}
        self.preset = _with_own(preset, own)
        self.zones = [] if preset.zone_in is None else self.fields.values_at(preset.zone_in)
        self.own_columns = {name: f for name, f in own.items() if name not in _EVENT_NAMES}

    def _is_source(self, name: str) -> bool:
        return self.fields.column(name) is not None or self.fields.value(name) is not None

    # ---- events ----------------------------------------------------------------------------------------------------

    def events(self) -> Applied:
        preset, fields = self.preset, self.fields
        customer = self._needed(preset.customer_id, "customer_id")
        kinds = self._kinds()
        base = self._columns(preset.columns | self.own_columns)
        own = [self._columns(one.columns) for one in kinds]
        names = [self._name(one) for one in kinds]
        times = [self._time(one, first=one is kinds[0]) for one in kinds]
        holds = [self._holds(one) for one in kinds]
        ids = None if preset.id is None else fields.value(preset.id)
        base |= self._kept()
        declared = list(dict.fromkeys([*base, *(name for more in own for name in more)]))
        status = self._status()
        people = fields.different(preset.customer_id or "")
        for one, time, test in zip(kinds, times, holds, strict=True):
            if time is None or test is None:
                self._say_missing(one)
        self._stage()
        picks = []
        made: list[str] = []
        for one, name, time, test, more in zip(kinds, names, times, holds, own, strict=True):
            if time is None or test is None:
                self._count_untimed(one, test or "FALSE", "FALSE", status, more.get("value"))
                continue
            has_time = f"NOT {blank(f'CAST({time} AS VARCHAR)')}"
            timed = "TRUE" if one.timestamp == kinds[0].timestamp else has_time
            made.append(f"({test} AND {timed})")
            self._count_untimed(one, test, timed, status, more.get("value"))
            values = base | more
            cells = [customer, name, time, *(values.get(each, "NULL") for each in declared)]
            if ids is not None:
                kind = "" if len(kinds) == 1 else f" || ': ' || {name}"
                cells.append(f"CAST({ids} AS VARCHAR){kind}")
            places = ", ".join(f"{cell} AS c{n}" for n, cell in enumerate(cells, start=1))
            picks.append(
                f"SELECT line, {places} FROM preset_rows WHERE ({status}) IS NULL AND {made[-1]}"
            )
        self._count(status, made, people)
        canonical = [*_EVENT_NAMES, *declared, *([EVENT_ID] if ids is not None else [])]
        finished = self._finished(picks, canonical)
        return Applied(finished, self._zone(kinds[0]), EVENT_ID if ids is not None else None)

    def _kinds(self) -> list[PresetEvent]:
        """The kinds of events, those of columns that only the source knows spelled out."""
        found: list[PresetEvent] = []
        for event in self.preset.events:
            if event.columns_like is None:
                found.append(event)
                continue
            for column, part in self.fields.matching(event.columns_like):
                name = (event.name or "*").replace("*", part)
                found.append(replace(event, name=name, timestamp=column, columns_like=None))
        return found

    def _name(self, one: PresetEvent) -> str:
        if one.name is not None:
            return literal(one.name)
        return self._needed(one.name_from, "event")

    def _time(self, one: PresetEvent, *, first: bool) -> str | None:
        return (
            self._needed(one.timestamp, "timestamp") if first else self.fields.value(one.timestamp)
        )

    def _holds(self, one: PresetEvent) -> str | None:
        """SQL: whether a row makes such an event; None where the source cannot say."""
        when = self.fields.holds(one.when)
        unless = self.fields.holds(one.unless) if one.unless else None
        if when is None:
            return None
        return when if unless is None else f"{when} AND NOT ({unless})"

    def _count_untimed(
        self, one: PresetEvent, test: str, timed: str, status: str, value: str | None
    ) -> None:
        """Say how often something has happened of which no time is known, and what it was worth."""
        if not one.when or timed == "TRUE":
            return
        untimed = f"({status}) IS NULL AND {test} AND NOT ({timed})"
        rows = self._rows(untimed)
        if rows:
            worth = "" if value is None else self._worth(value, untimed)
            self._note(f"{one.in_words}: no time", rows, f"no event without a time{worth}")

    def _worth(self, value: str, test: str) -> str:
        """The sum of an amount over some rows, in words."""
        (total,) = self.engine.rows(
            f"SELECT sum(TRY_CAST({value} AS DOUBLE)) FROM preset_rows WHERE {test}"
        )[0]
        return "" if total is None else f", so {total:,.2f} is in no sum"

    def _say_missing(self, one: PresetEvent) -> None:
        """Say which column an event would need that the source does not have."""
        asked = [name for name in (*one.when, *one.unless) if self.fields.asked(name) is None]
        times = one.timestamp if isinstance(one.timestamp, list) else [one.timestamp]
        names = asked or [str(name) for name in times]
        self._note(f"{one.in_words}: not read", 0, f"no column {listed(names)}")

    # ---- feedback --------------------------------------------------------------------------------------------------

    def feedback(self) -> Applied:
        preset = self.preset
        more = preset.columns | self.own_columns
        if preset.customer_id is not None:
            more = {"customer_id": preset.customer_id} | more
        if preset.timestamp is not None:
            self._needed(preset.timestamp, "timestamp")
            more = {"timestamp": preset.timestamp} | more
        values = self._columns(more)
        values |= self._kept()
        status = self._status()
        self._stage()
        places = ", ".join(f"{cell} AS c{n}" for n, cell in enumerate(values.values(), start=1))
        self._count(status, ["TRUE"], None)
        pick = f"SELECT line, {places} FROM preset_rows WHERE ({status}) IS NULL"
        zone = self._zone_of(preset.timestamp)
        return Applied(self._finished([pick], list(values)), zone, None)

    # ---- what both need --------------------------------------------------------------------------------------------

    def _columns(self, fields: Mapping[str, Field]) -> dict[str, str]:
        values = {name: self.fields.value(field) for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _needed(self, field: Field | None, ours: str) -> str:
        value = self.fields.value(field)
        if value is not None:
            return value
        names = field if isinstance(field, list) else [field]
        theirs = [name for name in names if isinstance(name, str)]
        near = did_you_mean(theirs[0], self.raw.names) if theirs else ""
        raise DataError(
            f"preset {self.preset.name}: the source has no column {' or '.join(map(shown, theirs))}, "
            f"which is the {ours}.{near} It has: {listed(self.raw.names, most=30)}. "
            f"If it is called otherwise, say so: columns={{'its name': '{ours}'}}."
        )

    def _kept(self) -> dict[str, str]:
        """The source's other columns, and the fields of the objects that the preset opens."""
        fields = self.fields
        if self.preset.one_per is not None or not self.preset.keeps_others:
            return {}
        objects = [name for name in map(fields.column, self.preset.open) if name is not None]
        taken = {*_EVENT_NAMES, EVENT_ID, *self.preset.columns, *self.own_columns}
        taken |= {name for event in self.preset.events for name in event.columns}
        taken = {name.casefold() for name in taken}
        kept: dict[str, str] = {}
        paths = {
            f"{name}.{key}": key for name in objects for key in fields.keys(name) if "." not in key
        }
        flat = {
            name: name
            for name in self.raw.names
            if name not in fields.used and not self._is_inside(name) and not fields.is_nested(name)
        }
        used_inside = self._paths()
        for field, name in (flat | paths).items():
            if field in used_inside:
                continue
            ours = name
            while ours.casefold() in taken:
                ours = f"source_{ours}" if ours == name else f"{ours}_2"
            taken.add(ours.casefold())
            kept[ours] = str(fields.value(field))
        return kept

    def _is_inside(self, name: str) -> bool:
        outer = name.split(".")
        return any(".".join(outer[:n]) in self.raw.names for n in range(1, len(outer)))

    def _paths(self) -> set[str]:
        """The paths that the preset names itself."""
        preset = self.preset
        every = [preset.customer_id, preset.id, preset.timestamp, *preset.columns.values()]
        for event in preset.events:
            every += [event.timestamp, event.name_from, *event.columns.values()]
        return {one for one in every if isinstance(one, str)}

    def _status(self) -> str:
        """SQL of why a row does not count, missing where it does."""
        cases = []
        for condition in self.preset.not_counted:
            test = self.fields.holds(condition)
            if test is None:
                self._note("not counted: nothing", 0, f"no column {listed(condition)}")
                continue
            words = " || ', ' || ".join(self._said(*item) for item in condition.items())
            cases.append(f"WHEN {test} THEN {words}")
        return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"

    def _said(self, field: str, values: object) -> str:
        if not isinstance(values, list):
            return literal(f"{field} {values}")
        held = self.fields.asked(field)
        return f"{literal(f'{field} ')} || left(trim(CAST({held} AS VARCHAR)), 40)"

    def _stage(self) -> None:
        """Make the table `preset_rows`: line, how many lines of the source, f1, f2 and so on."""
        fields = self.fields
        given = self.preset.one_per
        key = None if given is None else self._key(given)
        cells = "".join(f", {sql} AS {name}" for sql, name in fields.cells.items())
        source = f"SELECT {self.raw.row} AS line, {', '.join(self.raw.places)} FROM raw"
        if self.preset.rows is not None:
            source = self._unrolled(source)
        if key is None:
            staged = f"SELECT line, 1 AS lines{cells} FROM ({source})"
        else:
            staged = f"SELECT min(line) AS line, count(*) AS lines{cells} FROM ({source}) GROUP BY {key} ORDER BY 1"
        self.engine.execute(f"CREATE TEMP TABLE preset_rows AS {staged}")
        forget(self.engine, self.raw)

    def _key(self, given: Field) -> str:
        """SQL of what the rows of one order have in common; a row without it stays alone."""
        parts = given["together"] if isinstance(given, dict) else [given]
        places = [self.fields.places[self._column(part)] for part in parts]
        first = f"CAST({places[0]} AS VARCHAR)"
        key = f"CASE WHEN {blank(first)} THEN 'line ' || line ELSE trim({first}) END"
        return ", ".join([key, *(f"trim(CAST({place} AS VARCHAR))" for place in places[1:])])

    def _column(self, names: Field) -> str:
        """The first of some columns that the source has; an error where it has none."""
        each = names if isinstance(names, list) else [names]
        column = next((found for one in each if (found := self.fields.column(str(one)))), None)
        if column is None:
            self._needed(names, "order that a row belongs to")
        return str(column)

    def _unrolled(self, source: str) -> str:
        """One row an element of a list inside each row; the element stands where the list stood."""
        name = self.fields.column(str(self.preset.rows))
        if name is None:
            self._needed(self.preset.rows, "list of what happened")
        place = self.fields.places[str(name)]
        elements = f"json_extract({self.fields.json(str(name))}, '$[*]')"
        none = self.engine.rows(f"SELECT count(*) FROM raw WHERE coalesce(len({elements}), 0) = 0")[0][0]  # fmt: skip
        if none:
            self._note(f"nothing in {name}", none, "rows whose list is empty make no event")
        others = "".join(f", {one}" for one in self.raw.places if one != place)
        return (
            f"SELECT line{others}, CAST(unnest({elements}) AS VARCHAR) AS {place} FROM ({source})"
        )

    # ---- what became of the rows -----------------------------------------------------------------------------------

    def _rows(self, test: str) -> int:
        return self.engine.rows(f"SELECT coalesce(sum(lines), 0)::BIGINT FROM preset_rows WHERE {test}")[0][0]  # fmt: skip

    def _note(self, check: str, rows: int, example: str) -> None:
        self.fields.notes.append(QualityLine(check, rows, example, counts_rows=False))

    def _count(self, status: str, made: list[str], people: str | None) -> None:
        """Say what became of the source's rows."""
        read = f"read with the preset {self.preset.name}"
        whole = QualityLine("rows of the source", self.source_rows, read, counts_rows=False)
        self.fields.notes.insert(0, whole)
        self._count_orders(people)
        counts = self.engine.rows(
            f"SELECT {status} AS why, sum(lines)::BIGINT FROM preset_rows GROUP BY 1 HAVING why IS NOT NULL ORDER BY 1"
        )
        for why, rows in counts:
            self._note(f"not counted: {why}", rows, "the preset leaves them out")
        none = self._rows(f"({status}) IS NULL AND NOT ({' OR '.join(made) or 'FALSE'})")
        if none:
            self._note("no event in the row", none, "none of the preset's kinds")
        for factors, cell in self.fields.unread.items():
            lost = self._sum_of(cell)
            if lost:
                self._note(f"{factors}: not a number", lost, "left out")

    def _count_orders(self, people: str | None) -> None:
        lines, rows = self._sum_of("lines"), self._sum_of("1")
        if self.preset.rows is not None:
            self._note(f"elements of {self.preset.rows}", lines, "each is a row")
        if lines > rows:
            self._note("further lines of an order", lines - rows, f"{rows:,} orders")
        several = 0 if people is None else self._sum_of(f"CAST({people} > 1 AS BIGINT)")
        if several:
            self._note("orders of several customers", several, "the first one is taken")

    def _sum_of(self, cell: str) -> int:
        return self.engine.rows(f"SELECT coalesce(sum({cell}), 0)::BIGINT FROM preset_rows")[0][0]

    def _finished(self, picks: list[str], names: list[str]) -> Raw:
        if not picks:
            why = "; ".join(f"{note.check} ({note.example})" for note in self.fields.notes if not note.rows)  # fmt: skip
            raise DataError(f"preset {self.preset.name}: the source has none of its events: {why}.")
        self.engine.execute(f"CREATE TEMP VIEW raw AS {' UNION ALL '.join(picks)}")
        described = {name: kind for name, kind, *_ in self.engine.rows("DESCRIBE raw")}
        places = [f"c{n}" for n in range(1, len(names) + 1)]
        types = tuple(described[place] for place in places)
        return replace(
            self.raw,
            names=tuple(self._renamed(names)),
            types=types,
            row="line",
            untyped=frozenset(
                place for place, kind in zip(places, types, strict=True) if kind == "VARCHAR"
            ),
            broken=_broken(self.raw, names),
            tables=("preset_rows",),
            views=("raw",),
            notes=(*self.raw.notes, *self.fields.notes),
            inside=(),
        )

    def _renamed(self, names: list[str]) -> list[str]:
        for theirs in self.renamed:
            if theirs not in names:
                there = [*self.raw.names, *names]
                raise CjlibError(
                    f"columns: the source has no column {shown(theirs)}.{did_you_mean(theirs, there)} "
                    f"It has: {listed(there, most=30)}."
                )
        return [self.renamed.get(name, name) for name in names]

    def _zone(self, first: PresetEvent) -> str | None:
        return self._zone_of(first.timestamp)

    def _zone_of(self, field: Field | None) -> str | None:
        """The zone in which the tool writes its times, by the preset or by the name of their column."""
        if self.preset.timezone is not None:
            return self.preset.timezone
        if len(self.zones) == 1:
            return "UTC" if self.zones[0] == "Z" else self.zones[0]
        names = field if isinstance(field, list) else [field]
        columns = [self.fields.column(name) for name in names if isinstance(name, str)]
        said = next((column for column in columns if column is not None), None)
        zone = source_zone(None, said) if said else None
        return zone.key if zone else None


def _with_own(preset: Preset, own: Mapping[str, str]) -> Preset:
    """The preset with the columns that the caller names for customer, event and time."""
    changed = preset
    if "customer_id" in own:
        changed = replace(changed, customer_id=own["customer_id"])
    if "timestamp" in own:
        usual = preset.events[0].timestamp if preset.events else None
        events = tuple(
            replace(event, timestamp=own["timestamp"]) if event.timestamp == usual else event
            for event in preset.events
        )
        changed = replace(changed, events=events, timestamp=own["timestamp"])
    if "event" in own and len(preset.events) == 1:
        changed = replace(changed, events=(replace(changed.events[0], name_from=own["event"]),))
    return changed


def _broken(raw: Raw, names: list[str]) -> pd.DataFrame:
    """The source's broken rows, their cells under the source's own names."""
    if raw.broken.empty:
        return raw.broken
    places = dict(zip(raw.places, raw.names, strict=True))
    ours = {name: f"c{n}" for n, name in enumerate(names, start=1)}
    own = {"row", "reason", "example", "file"}
    spelled = {
        place: ours.get(name, f"{name} (column)" if name in own else name)
        for place, name in places.items()
    }
    return raw.broken.rename(columns=spelled)
