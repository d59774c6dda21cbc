"""A log whose events stay where they lie: the contract is checked there by counting, statements go there, small answers come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate

import pandas as pd

from cjlib.errors import CjlibError
from cjlib.sources.connect.remote import Remote, no_name_twice
from cjlib.sources.log.conditions import Where
from cjlib.sources.log.event_log import Answer, EventLog, Log, Question
from cjlib.sources.pushdown.dialects import written

if TYPE_CHECKING:
    from sqlglot import exp
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from cjlib.errors import DataError
from cjlib.sources.ingest.columns import Column, Columns, log_names, read_columns
from cjlib.sources.ingest.open_source import QualityLine, Raw, open_remote
from cjlib.sources.ingest.parse_times import EARLIEST
from cjlib.sources.ingest.quality_report import DUPLICATE, REMEDIES, as_table, first_of_days
from cjlib.sources.ingest.validate import REASONS, Rules, wall_words
from cjlib.sources.log.engine import DuckDB, identifier, literal
from cjlib.sources.log.event_log import timestamp_sql
from cjlib.sources.log.prepared_table import described
from cjlib.sources.log.time import DAY, instant_us
from cjlib.sources.pushdown.dialects import check_dialect, contract_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Origin:
    """The table of a log that stays in another engine, and how its events are told from its rows."""

    remote: Remote
    contract: exp.Expr
    id_type: str
    read: Callable[[], EventLog]

    @cached_property
    def event_names(self) -> list[str]:
        """The event names of the whole log, sorted; asked once, whatever `where` cuts."""
        found = self.remote.frame(
            written("SELECT event FROM events GROUP BY event", self.remote.dialect, self.contract)
        )
        return sorted(plain(found.iloc[:, 0]).tolist())


ONLY_HERE = {
    name for name in (*vars(EventLog), *EventLog.__dataclass_fields__) if not name.startswith("_")
} - {*dir(Log), *Log.__dataclass_fields__}
"""What an `EventLog` has and a log whose events lie elsewhere has not."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PushedLog(Log):
    """The event log of a table that is not read: counts are made in its engine.

    Funnels, retention, survival, lifecycle, sessions and transitions ask it; what needs the events themselves says so, and `read()` fetches them.
    """

    origin: Origin
    cuts: tuple[tuple[Where | None, dict[str, Any]], ...] = ()

    def counted(
        self,
        here: Callable[Concatenate[Any, Question], Answer],
        there: Callable[Concatenate[Any, Question], Answer],
        *question: Question.args,
        **options: Question.kwargs,
    ) -> Answer:
        """What `there` has counted by the engine of these events."""
        return there(self, *question, **options)

    def __getattr__(self, name: str) -> Any:
        if name in ONLY_HERE:
            raise self.needs_events()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def needs_events(self) -> CjlibError:
        """The error for what asks more than can be counted where the events lie."""
        return CjlibError(
            f"log: this needs the events themselves, which lie in {self.origin.remote.place}. Counted there are cj.funnel (in sequence, no exclusions), cj.retention "
            "(calendar clock), cj.survival, cj.lifecycle, cj.sessions and cj.transitions; for all else fetch the events once: log.read()."
        )

    def read(self) -> EventLog:
        """The log with its events here, checked row by row; what `where` has cut stays cut."""
        log = self.origin.read()
        for columns, bounds in self.cuts:
            log = log.where(columns, **bounds)
        return log

    def run(self, sql: str) -> pd.DataFrame:
        """Run portable SQL over the table `events` in its engine; the rows come in no order."""
        found = self.origin.remote.frame(self.written(sql))
        return pd.DataFrame(
            {name: plain(found.iloc[:, place]) for place, name in enumerate(found.columns)}
        )

    def written(self, sql: str) -> str:
        """The statement as the engine gets it."""
        return written(sql, self.origin.remote.dialect, self.origin.contract)

    def where(
        self,
        columns: Where | None = None,
        /,
        *,
        start: Any = None,
        end: Any = None,
        **conditions: Any,
    ) -> PushedLog:
        """The log cut to the events that meet every condition; see `EventLog.where`."""
        cut = self.cut(columns, start, end, conditions)
        asked = {"start": start, "end": end, **conditions}
        return replace(
            self,
            observed_until_us=cut.until,
            cuts=(*self.cuts, (columns, asked)),
            filters=cut.written,
            filters_in_words=cut.words,
        )

    def missing_by_event(self, column: str) -> bool:
        """Whether some customer has a value in this column at some events and none at others, whatever `where` has left; what only whole customers lack has no time."""
        held = f"COUNT({identifier(column)})"
        return self._of_some(f"{held} > 0 AND {held} < COUNT(*)")

    def changes_by_event(self, column: str) -> bool:
        """Whether some customer has two values in this column, whatever `where` has left; what stays as it is has no time either."""
        return self._of_some(f"COUNT(DISTINCT {identifier(column)}) > 1")

    def _of_some(self, condition: str) -> bool:
        """Whether a condition on all events of a customer holds for some."""
        found = self.run(
            f"SELECT COUNT(*) AS customers FROM (SELECT customer_id FROM events GROUP BY customer_id HAVING {condition}) AS some_customers"
        )
        return bool(found["customers"].iloc[0])

    # ---- facts -------------------------------------------------------------------------------------------------

    @cached_property
    def _totals(self) -> tuple[int, int, tuple[int, int] | None]:
        counted = self.run(
            f"SELECT COUNT(*) AS customers, CAST(COALESCE(SUM(n), 0) AS BIGINT) AS events, MIN(first_at) AS first_at, MAX(last_at) AS last_at FROM "
            f"(SELECT customer_id, COUNT(*) AS n, MIN(timestamp) AS first_at, MAX(timestamp) AS last_at FROM {self.events_sql} AS e GROUP BY customer_id) AS c"
        ).iloc[0]
        span = (
            None
            if not counted["events"]
            else (microseconds(counted["first_at"]), microseconds(counted["last_at"]))
        )
        return int(counted["events"]), int(counted["customers"]), span

    @cached_property
    def n_events(self) -> int:
        """How many events there are."""
        return self._totals[0]

    @cached_property
    def n_customers(self) -> int:
        """How many customers have an event."""
        return self._totals[1]

    @cached_property
    def span_us(self) -> tuple[int, int] | None:
        """First and last event in microseconds UTC; None for an empty log."""
        return self._totals[2]

    @cached_property
    def event_names(self) -> list[str]:
        """The event names of the whole log, sorted."""
        return self.origin.event_names

    @property
    def id_type(self) -> str:
        """The DuckDB type of customer ids."""
        return self.origin.id_type

    def table(self) -> pd.DataFrame:
        """One row an event name, most common first: `event`, `events`, `customers`, `first_at`, `last_at`."""
        counted = self.run(
            "SELECT event, CAST(SUM(n) AS BIGINT) AS events, COUNT(*) AS customers, MIN(first_at) AS first_at, MAX(last_at) AS last_at FROM "
            f"(SELECT event, customer_id, COUNT(*) AS n, MIN(timestamp) AS first_at, MAX(timestamp) AS last_at FROM {self.events_sql} AS e GROUP BY event, customer_id) AS c "
            "GROUP BY event"
        )
        zoned = {
            name: counted[name].dt.tz_localize("UTC").dt.tz_convert(self.zone)
            for name in ("first_at", "last_at")
        }
        return counted.assign(**zoned).sort_values(
            ["events", "event"], ascending=[False, True], ignore_index=True
        )


def microseconds(instant: Any) -> int:
    """A wall clock of UTC as microseconds."""
    return int(pd.Timestamp(instant).as_unit("us").asm8.view("i8"))


def plain(column: pd.Series) -> pd.Series:
    """A column of an answer in the log's types: whole numbers, numbers, text, times of UTC without a zone."""
    column = column.astype(object).where(column.notna(), None)
    kinds = {type(value) for value in column if value is not None}
    if any(issubclass(kind, pd.Timestamp) or kind.__name__ == "datetime" for kind in kinds):
        times = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return times.astype("datetime64[us]")
    if kinds <= {str}:
        return column.astype("str")
    if bool in kinds or any(kind.__name__ == "bool_" for kind in kinds):
        return column
    if column.notna().all() and all(
        value == int(value) and not isinstance(value, float) for value in column
    ):
        return column.astype("int64")
    return column.map(lambda value: None if value is None else float(value)).astype("float64")


# ---- opening one ---------------------------------------------------------------------------------------------------


_WHITE = ("\t", "\n", "\r", "\u00a0")
_USED = ""
"""Where other rows have a reason to be quarantined."""

Counted = dict[str, tuple[int, Any, Any]]
"""How many rows have a reason, and the first and last of their times."""


@dataclass(frozen=True)
class Wanted:
    """What a reading asks of a table that stays where it is."""

    columns: Mapping[str, str]
    event: str | None
    only: Collection[str] | None
    rules: Rules
    limit: float


def open_pushed(remote: Remote, wanted: Wanted, read: Callable[[], EventLog]) -> PushedLog:
    """The log of a table that stays where it is, its contract checked there."""
    check_dialect(remote.dialect, remote.place)
    scratch = DuckDB()
    raw = open_remote(scratch, _Columns(remote), wanted.columns, wanted.only)
    names = log_names(raw, wanted.columns, wanted.event)
    columns = read_columns(scratch, raw, names, event=wanted.event, only=wanted.only)
    rules = wanted.rules
    _times_are_times(columns.timestamp, rules)
    rows = _rows(raw, columns, rules)
    properties = described([(column.name, column.type) for column in columns.properties])

    def log(sql: str, until: int = 0, quality: pd.DataFrame | None = None) -> PushedLog:
        contract = contract_of(sql, remote.relation, remote.dialect, _instants(raw))
        return PushedLog(
            origin=Origin(remote, contract, columns.customer_id.type, read),
            properties={column.name: column for column in properties},
            timezone=rules.zone.key,
            observed_until_us=until,
            quality=pd.DataFrame() if quality is None else quality,
            quarantine=pd.DataFrame(columns=["row", "reason", *raw.names]),
        )

    counted = _counted(log(rows))
    picks = ", ".join(
        identifier(name)
        for name in ("customer_id", "event", "timestamp", *(one.name for one in columns.properties))
    )
    events = f"SELECT {picks} FROM ({rows}) AS given WHERE cj_reason IS NULL"
    doubled = _doubled(log(events), picks)
    if doubled and not rules.keep_duplicates:
        events = events.replace("SELECT", "SELECT DISTINCT", 1)
        counted[DUPLICATE] = (doubled, None, None)
        counted[_USED] = (counted[_USED][0] - doubled, *counted[_USED][1:])
    _stop_above(counted, wanted.limit)
    opened = log(events)
    return log(
        events, _observed_until(opened, rules, counted), _quality(opened, counted, rules, doubled)
    )


@dataclass(frozen=True)
class _Columns:
    """A table of another engine of which only the columns are looked at."""

    remote: Remote

    @property
    def dialect(self) -> str:
        return self.remote.dialect

    @property
    def place(self) -> str:
        return self.remote.place

    @property
    def relation(self) -> Any:
        return self.remote.relation

    def names(self) -> list[str]:
        names = self.remote.names()
        no_name_twice(names)
        return names

    def beside(self, table: str) -> Remote:
        return self.remote.beside(table)

    def batches(self, names: Sequence[str]) -> Generator[pa.RecordBatch]:
        with closing(self.remote.batches(names)) as parts:
            yield next(parts)

    def frame(self, sql: str) -> pd.DataFrame:
        return self.remote.frame(sql)


# ---- the contract as SQL -------------------------------------------------------------------------------------------


def _times_are_times(column: Column, rules: Rules) -> None:
    if not (column.type.startswith("TIMESTAMP") or column.type == "DATE"):
        raise CjlibError(
            f"pushdown: the column of times holds {column.type.lower()}, which its engine cannot compare as times. Make a view that casts it, or read the events: leave pushdown out."
        )
    if not column.type.endswith("ZONE") and rules.zone.key != "UTC":
        raise CjlibError(
            f"pushdown: the times have no zone, and the business's is {rules.zone.key}, whose clock changes their engine cannot be told. "
            "Make a view with instants (timestamp with time zone), or read the events: leave pushdown out."
        )


def _instants(raw: Raw) -> list[str]:
    return [name for name, kind in zip(raw.names, raw.types, strict=True) if kind.endswith("ZONE")]


def _rows(raw: Raw, columns: Columns, rules: Rules) -> str:
    """Every row of the table under the log's names, with the reason for which it is quarantined, or none."""
    given = ", ".join(
        f"{identifier(name)} AS c{position}" for position, name in enumerate(raw.names, start=1)
    )
    named = [
        (columns.customer_id, _value(columns.customer_id)),
        (columns.event, _event(columns.event)),
        (columns.timestamp, _time(columns.timestamp)),
    ]
    named += [(column, _value(column)) for column in columns.properties]
    picks = ", ".join(f"{value} AS {identifier(one.name)}" for one, value in named)
    latest = timestamp_sql(
        rules.latest if columns.timestamp.type.endswith("ZONE") else rules.latest_on_the_wall
    )
    tests = (
        (_missing(columns.customer_id), REASONS[0]),
        (_blank("event"), REASONS[1]),
        ("timestamp IS NULL", REASONS[2]),
        (f"timestamp < {timestamp_sql(EARLIEST)}", REASONS[3]),
        (f"timestamp > {latest}", rules.late),
    )
    reason = f"CASE {' '.join(f'WHEN {test} THEN {literal(words)}' for test, words in tests)} END"
    return f"SELECT named.*, {reason} AS cj_reason FROM (SELECT {picks} FROM (SELECT {given} FROM cj_source) AS placed) AS named"


def _value(column: Column) -> str:
    if column.type == "VARCHAR":
        text = f"CAST({column.place} AS VARCHAR)"
        return (
            text
            if column.name == "customer_id"
            else f"CASE WHEN NOT ({_blank(text)}) THEN {text} END"
        )
    return (
        f"CAST({column.place} AS {column.type})"
        if column.type in ("BIGINT", "DOUBLE")
        else column.place
    )


def _event(column: Column) -> str:
    return column.value if column.value.startswith("'") else f"CAST({column.place} AS VARCHAR)"


def _time(column: Column) -> str:
    return f"CAST({column.place} AS TIMESTAMP)" if column.type == "DATE" else column.place


def _missing(column: Column) -> str:
    return _blank("customer_id") if column.type == "VARCHAR" else "customer_id IS NULL"


def _blank(text: str) -> str:
    """Missing, or nothing but spaces, tabs and line ends."""
    bare = text
    for sign in _WHITE:
        bare = f"REPLACE({bare}, {literal(sign)}, ' ')"
    return f"{text} IS NULL OR TRIM({bare}) = ''"


# ---- what its engine counts ----------------------------------------------------------------------------------------


def _counted(log: PushedLog) -> Counted:
    found = log.run(
        "SELECT cj_reason, COUNT(*) AS n, MIN(timestamp) AS first_at, MAX(timestamp) AS last_at FROM events GROUP BY cj_reason"
    )
    told = zip(found["cj_reason"], found["n"], found["first_at"], found["last_at"], strict=True)
    counted: Counted = {
        _USED if pd.isna(reason) else str(reason): (int(n), first, last)
        for reason, n, first, last in told
    }
    return {_USED: (0, None, None)} | counted


def _doubled(log: PushedLog, picks: str) -> int:
    """How many rows equal an earlier one in every column."""
    found = log.run(
        f"SELECT CAST(COALESCE(SUM(n - 1), 0) AS BIGINT) AS n FROM (SELECT COUNT(*) AS n FROM events GROUP BY {picks} HAVING COUNT(*) > 1) AS d"
    )
    return int(found["n"].iloc[0])


def _stop_above(counted: Counted, limit: float) -> None:
    rows = sum(count for count, _, _ in counted.values())
    lost = rows - counted[_USED][0]
    if not rows or lost / rows <= limit:
        return
    reasons = sorted(
        ((count, reason) for reason, (count, _, _) in counted.items() if reason != _USED),
        key=lambda one: (-one[0], one[1]),
    )
    lines = " · ".join(f"{reason}: {count:,}; {REMEDIES[reason]}" for count, reason in reasons)
    raise DataError(
        f"source: {lost:,} of {rows:,} rows ({100 * lost / rows:.1f}%) cannot be used; quarantine_limit allows {100 * limit:.1f}%. {lines}. "
        "Fix the data, or accept the loss with a higher quarantine_limit."
    )


def _observed_until(log: PushedLog, rules: Rules, counted: Counted) -> int:
    """The end of data: what the caller said, else the last event, for a log of whole days the end of that day."""
    if rules.until is not None:
        return rules.until
    used, first, last = counted[_USED]
    if not used:
        return 0
    days = (microseconds(last) - microseconds(first)) // DAY + 2
    # More different times than days: they cannot all be midnights.
    times = log.run(f"SELECT timestamp FROM events GROUP BY timestamp LIMIT {days + 1}")[
        "timestamp"
    ]
    if len(times) > days or not first_of_days(
        times.to_numpy().astype("datetime64[us]").astype("int64"), rules.zone
    ):
        return microseconds(last)
    day = pd.Timestamp(last, tz="UTC").tz_convert(rules.zone).date()
    return instant_us(day, rules.zone, "observed_until", end=True)


def _quality(log: PushedLog, counted: Counted, rules: Rules, doubled: int) -> pd.DataFrame:
    rows = sum(count for count, _, _ in counted.values())
    used, first, last = counted[_USED]
    others = sorted(set(counted) - set(REASONS) - {_USED})
    lines = [
        QualityLine(
            "where the events are", rows, f"{log.origin.remote.place}; counted there, none was read"
        ),
        QualityLine("rows read", rows, ""),
        QualityLine("events used", used, ""),
    ]
    lines += [
        QualityLine(reason, counted.get(reason, (0, None, None))[0], "")
        for reason in (*REASONS, *others)
    ]
    lines += (
        [QualityLine("exact duplicates kept", doubled, "")]
        if doubled and rules.keep_duplicates
        else []
    )
    lines += (
        [
            QualityLine(
                "span",
                used,
                f"{wall_words(microseconds(first))} to {wall_words(microseconds(last))} (UTC)",
            )
        ]
        if used
        else []
    )
    lines += [
        QualityLine("customers", log.n_customers, "", counts_rows=False),
        QualityLine("event names", len(log.event_names), "", counts_rows=False),
    ]
    return as_table(lines, rows)


__all__ = ["PushedLog", "Wanted", "open_pushed"]
