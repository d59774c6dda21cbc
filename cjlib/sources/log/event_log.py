"""The event log: who, what, when; read once, checked, and asked by every analysis."""

from __future__ import annotations

import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown, unknown_column
from cjlib.show.numbers import Currency, count_of
from cjlib.show.tables import table_html
from cjlib.show.units import CUSTOMERS, Unit
from cjlib.show.wording import Wording
from cjlib.sources.log.conditions import (
    Event,
    Step,
    Where,
    as_step,
    bound_by_type,
    condition_sql,
    timestamp_sql,
)
from cjlib.sources.log.engine import DuckDB, identifier, literal
from cjlib.sources.log.prepared_table import Property
from cjlib.sources.log.time import instant_us

_filtered = itertools.count(1)
_IN_WORDS = {"VARCHAR": "text", "BOOLEAN": "true and false", "DATE": "dates", "TIMESTAMP": "times"}


Question = ParamSpec("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Log(ABC):
    """What is known of events wherever they lie: facts, and portable SQL over the table `events`.

    An `EventLog` has them here; those of a `PushedLog` stay in their database.

    Attributes
    ----------
    timezone
        The business's zone: bounds without offset and calendar periods are read in it.
    observed_until
        To when the log is known to be complete; the end of data for every analysis.
    quality
        What the reading found: `check`, `rows`, `share`, `example`.
    quarantine
        The rows in quarantine: `row` (1-based in the source), `reason`, then the raw columns.
    unit
        What `customer_id` stands for, in words: customers, or what `grain` names.
    currency
        What money is in, as the journey file says; None: plain numbers.
    """

    properties: Mapping[str, Property]
    timezone: str
    observed_until_us: int
    quality: pd.DataFrame
    quarantine: pd.DataFrame
    filters: tuple[str, ...] = ()
    filters_in_words: tuple[str, ...] = ()
    unit: Unit = CUSTOMERS
    currency: Currency | None = None

    @property
    def wording(self) -> Wording:
        """In whose words sentences of this log are told."""
        return Wording(self.unit, self.currency)

    @abstractmethod
    def counted(
        self,
        here: Callable[Concatenate[Any, Question], Answer],
        there: Callable[Concatenate[Any, Question], Answer],
        *question: Question.args,
        **options: Question.kwargs,
    ) -> Answer:
        """The answer of one of an analysis's two counters, which take the same question: `here` counts events that are here, `there` asks their database."""

    # ---- facts -------------------------------------------------------------------------------------------------

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.timezone)

    @property
    def observed_until(self) -> pd.Timestamp:
        """The end of data, in the business's zone."""
        return self.moment(self.observed_until_us)

    @cached_property
    @abstractmethod
    def n_events(self) -> int:
        """How many events there are."""

    @cached_property
    @abstractmethod
    def n_customers(self) -> int:
        """How many customers have an event."""

    @cached_property
    @abstractmethod
    def span_us(self) -> tuple[int, int] | None:
        """First and last event in microseconds UTC; None for an empty log."""

    @cached_property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last event, in the business's zone; None for an empty log."""
        return (
            None
            if self.span_us is None
            else (self.moment(self.span_us[0]), self.moment(self.span_us[1]))
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns beyond customer_id, event and timestamp that `by`, `where` and `hold` may name."""
        return tuple(self.properties)

    @cached_property
    @abstractmethod
    def event_names(self) -> list[str]:
        """The event names, sorted."""

    @property
    @abstractmethod
    def id_type(self) -> str:
        """The DuckDB type of customer ids: BIGINT or VARCHAR."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """One row an event name, most common first: `event`, `events`, `customers`, `first_at`, `last_at`."""

    def moment(self, microseconds: int) -> pd.Timestamp:
        """An instant of the log as a timestamp in the business's zone."""
        return pd.Timestamp(int(microseconds), unit="us", tz="UTC").tz_convert(self.zone)

    def moments(
        self, microseconds: NDArray[np.int64], missing: NDArray[np.bool_] | None = None
    ) -> pd.Series:
        """Instants as a datetime64[us] column in the business's zone; missing where the mask says."""
        instants = np.asarray(microseconds, dtype="int64").astype("datetime64[us]")
        if missing is not None:
            instants = np.where(missing, np.datetime64("NaT", "us"), instants)
        return pd.Series(pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(self.zone))

    def instant(self, value: Any, option: str, *, end: bool = False) -> int:
        """A bound as microseconds UTC; read in the business's zone if it has no offset; a date as `end` means to the end of that day."""
        return instant_us(value, self.zone, option, end=end)

    # ---- asking ------------------------------------------------------------------------------------------------

    @abstractmethod
    def run(self, sql: str) -> pd.DataFrame:
        """Run portable SQL over the table `events` (customer_id, event, timestamp in UTC, and the properties)."""

    @property
    def events_sql(self) -> str:
        """What a statement reads from: `events`, or the part of it that `where` has left."""
        return (
            f"(SELECT * FROM events WHERE {' AND '.join(self.filters)})"
            if self.filters
            else "events"
        )

    @abstractmethod
    def where(
        self,
        columns: Where | None = None,
        /,
        *,
        start: Any = None,
        end: Any = None,
        **conditions: Any,
    ) -> Log:
        """The log cut to the events that meet every condition; see `EventLog.where`."""

    @abstractmethod
    def missing_by_event(self, column: str) -> bool:
        """Whether some customer has a value in this column at some events and none at others, whatever `where` has left; what only whole customers lack has no time."""

    @abstractmethod
    def changes_by_event(self, column: str) -> bool:
        """Whether some customer has two values in this column, whatever `where` has left; what stays as it is has no time either."""

    def cut(self, columns: Where | None, start: Any, end: Any, conditions: Where) -> Cut:
        """What `where` asks: as SQL over the portable table and in words, after what was asked before."""
        until, written, words = (
            self.observed_until_us,
            list(self.filters),
            list(self.filters_in_words),
        )
        if start is not None:
            written.append(f"timestamp >= {timestamp_sql(self.instant(start, 'start'))}")
            words.append(f"from {start}")
        if end is not None:
            last = self.instant(end, "end", end=True)
            until = min(until, last)
            written.append(f"timestamp <= {timestamp_sql(last)}")
            words.append(f"to {end}")
        steps = tuple(Step(None, where=some) for some in (columns or {}, conditions) if some)
        written += [portable(self, step, "where") for step in steps]
        words += [str(step).removeprefix("any event where ") for step in steps]
        return Cut(until, steps, tuple(written), tuple(words))

    def portable(self, event: Event, option: str = "event") -> str:
        """The same condition over the portable table `events`, for `.sql`; without `first_time`, which needs a query of its own."""
        return portable(self, event, option)

    def property(self, column: str, option: str) -> Property:
        """What is known of a column; an unknown one is an error with the nearest name."""
        if column not in self.properties:
            raise unknown_column(option, column, self.properties)
        return self.properties[column]

    def unknown_events(self, event: Event) -> list[str]:
        """The names of a step that never occur in the log."""
        known = set(self.event_names)
        return [name for name in as_step(event, "event").names if name not in known]

    def __repr__(self) -> str:
        return f"EventLog: {count_of(self.n_events, 'event')} of {self._units()}"

    def _units(self) -> str:
        return count_of(self.n_customers, self.unit.one, self.unit.many)

    def _repr_html_(self) -> str:
        return f'<section class="cj-quality"><p>{escape(self._in_words())}</p>{table_html(self._quality_in_words())}</section>'

    def _quality_in_words(self) -> pd.DataFrame:
        return self.quality.assign(check=self.quality["check"].map(self.unit.says))

    def _in_words(self) -> str:
        span = (
            f", {self.span[0]:%Y-%m-%d} to {self.span[1]:%Y-%m-%d} ({self.timezone})"
            if self.span
            else ""
        )
        cut = f"; {', '.join(self.filters_in_words)}" if self.filters_in_words else ""
        return f"{count_of(self.n_events, 'event')} of {self._units()}{span}{cut}"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EventLog(Log):
    """The events of a business, checked and prepared.

    Made by `cj.read_events`; never changed afterwards: `where` gives a new one.

    Attributes
    ----------
    timezone
        The business's zone: bounds without offset and calendar periods are read in it.
    observed_until
        To when the log is known to be complete; the end of data for every analysis.
    quality
        What the reading found: `check`, `rows`, `share`, `example`.
    quarantine
        The rows in quarantine: `row` (1-based in the source), `reason`, then the raw columns.
    """

    engine: DuckDB
    prepared: str
    kept: _Filtered | None = None
    group: NDArray[np.bool_] | None = None
    """By code, who is of the group that the log was cut to; None: it holds all customers."""

    def counted(
        self,
        here: Callable[Concatenate[Any, Question], Answer],
        there: Callable[Concatenate[Any, Question], Answer],
        *question: Question.args,
        **options: Question.kwargs,
    ) -> Answer:
        """What `here` counts of these events."""
        return here(self, *question, **options)

    @cached_property
    def n_events(self) -> int:
        """How many events there are."""
        return self.engine.rows(f"SELECT count(*) FROM {self.prepared}")[0][0]

    @cached_property
    def n_customers(self) -> int:
        """How many customers have an event."""
        return self.engine.rows(f"SELECT count(DISTINCT c) FROM {self.prepared}")[0][0]

    @cached_property
    def n_customer_codes(self) -> int:
        """How many codes customers have: as many as customers, more where the log was cut to events of some of them."""
        return self.engine.rows("SELECT count(*) FROM c_names")[0][0]

    @cached_property
    def span_us(self) -> tuple[int, int] | None:
        """First and last event in microseconds UTC; None for an empty log."""
        first, last = self.engine.rows(f"SELECT min(t), max(t) FROM {self.prepared}")[0]
        return None if first is None else (first, last)

    @cached_property
    def event_names(self) -> list[str]:
        """The event names, sorted; an event's code is its position."""
        return [name for (name,) in self.engine.rows("SELECT value FROM e_names ORDER BY code")]

    @property
    def id_type(self) -> str:
        """The DuckDB type of customer ids: BIGINT or VARCHAR."""
        return self.engine.rows(
            "SELECT column_type FROM (DESCRIBE c_names) WHERE column_name = 'value'"
        )[0][0]

    @cached_property
    def identities(self) -> pd.DataFrame:
        """Which ids belong to which person, and why; no rows where ids were not joined.

        One row an id, and for an anonymous one a row for each person who owned it in turn: `id`,
        `kind` (its column), `person` (a customer_id of the log), `from` (included) and `to` (not;
        both missing where nothing bounds it), `linked_at`, `links` (how many lie between the id and
        the one that names the person), `reason`.
        """
        table = self.engine.frame(f"SELECT * FROM {_identities(self.engine)}")
        times = {
            name: self.moments(table[name].fillna(0).to_numpy(), table[name].isna().to_numpy())
            for name in ("from", "to", "linked_at")
        }
        return table.assign(**times)

    def table(self) -> pd.DataFrame:
        """One row an event name, most common first: `event`, `events`, `customers`, `first_at`, `last_at`.

        Returns
        -------
        pandas.DataFrame
            The columns named above; times aware, in the log's zone.
        """
        counted = self.engine.frame(
            f"SELECT n.value AS event, count(*) AS events, count(DISTINCT c) AS customers, min(t) AS first_at, max(t) AS last_at "
            f"FROM {self.prepared} p JOIN e_names n ON n.code = p.e GROUP BY n.value ORDER BY events DESC, event"
        )
        return counted.assign(
            first_at=self.moments(counted["first_at"].to_numpy()),
            last_at=self.moments(counted["last_at"].to_numpy()),
        )

    # ---- asking ------------------------------------------------------------------------------------------------

    def run(self, sql: str) -> pd.DataFrame:
        """Run SQL over the table `events` (customer_id, event, timestamp in UTC, and the properties): any result's `.sql` runs here.

        Parameters
        ----------
        sql
            One statement in DuckDB's dialect.

        Returns
        -------
        pandas.DataFrame
            Its rows.
        """
        return self.engine.frame(sql)

    def where(
        self,
        columns: Where | None = None,
        /,
        *,
        start: Any = None,
        end: Any = None,
        **conditions: Any,
    ) -> EventLog:
        """The log cut to the events that meet every condition.

        `start` and `end` are both included; a date as `end` means to the end of that day, and
        lowers `observed_until`. Other keywords are columns (`event`, `channel`, any property) with
        conditions as `Step(where=)` takes them. A column that is itself called start or end is
        reached by a mapping: `log.where({"start": "home"})`.

        Parameters
        ----------
        columns
            Column → condition, as `cj.Step(where=)` takes them: for columns whose names are no
            keywords.
        start, end
            Instants, both included; a date is its first moment as `start`, its last as `end`.
        **conditions
            Column → condition, likewise.

        Returns
        -------
        EventLog
            A new log; this one stays as it is.

        Raises
        ------
        CjlibError
            If a column does not exist, a condition does not fit its type, or an instant cannot be
            read.
        """
        cut, tests = self.cut(columns, start, end, conditions), ["TRUE"]
        tests += [f"t >= {self.instant(start, 'start')}"] if start is not None else []
        tests += [f"t <= {self.instant(end, 'end', end=True)}"] if end is not None else []
        tests += [matching(self, step, "where") for step in cut.steps]
        kept = _Filtered(
            self.engine, f"SELECT * FROM {self.prepared} WHERE {_in_order(' AND '.join(tests))}"
        )
        return replace(
            self,
            prepared=kept.name,
            kept=kept,
            observed_until_us=cut.until,
            filters=cut.written,
            filters_in_words=cut.words,
        )

    def of_group(self, groups: Where) -> EventLog:
        """The log of one group of customers, with all their events.

        A customer is of the group for what the first event says: a value that comes later, such as
        the plan of those who subscribed, would choose customers by what they went on to do. Of tied
        first events the smallest value as text counts; who has no value is in no group.

        Parameters
        ----------
        groups
            Column → condition, as `cj.Step(where=)` takes them: `{"region": "North"}`.

        Returns
        -------
        EventLog
            A new log; this one stays as it is.

        Raises
        ------
        CjlibError
            If a column does not exist, a condition does not fit its type, or nobody is of the
            group.
        """
        log = self
        for column, condition in groups.items():
            log = log._of_group(column, condition)
        return log

    def _of_group(self, column: str, condition: Any) -> EventLog:
        step, one = Step(None, where={column: condition}), self.property(column, "customers")
        met, among = matching(self, step, "customers"), self.prepared
        words = str(step).removeprefix("any event where ")
        if one.of_customer:
            met = f"{met} AND c IN (SELECT c FROM attributes WHERE {one.column} IS NOT NULL)"
        else:
            value = one.column if one.coded else f"CAST({one.column} AS VARCHAR)"
            met = (
                f"c IN (SELECT c FROM {among} WHERE {one.column} IS NOT NULL AND (c, t) IN (SELECT (c, min(t)) FROM {among} GROUP BY c) "
                f"GROUP BY c HAVING arg_min({met}, {value}))"
            )
        kept = _Filtered(self.engine, f"SELECT * FROM {among} WHERE {met} ORDER BY rowid")
        group = np.zeros(self.n_customer_codes, dtype=bool)
        group[[code for (code,) in self.engine.rows(f"SELECT DISTINCT c FROM {kept.name}")]] = True
        if not group.any():
            raise CjlibError(
                f"customers: of no customer does the first event say {words}. A group must be known from a customer's first event on."
            )
        return replace(
            self,
            prepared=kept.name,
            kept=kept,
            group=group,
            quality=self._with_those_in_no_group(column, one),
            filters=(*self.filters, _portable_group(self, column, step)),
            filters_in_words=(*self.filters_in_words, f"customers whose {words}"),
        )

    def _with_those_in_no_group(self, column: str, one: Property) -> pd.DataFrame:
        """The quality table with a line for the customers of whom a column says nothing: those who stay may be asked more than those who leave."""
        known = (
            f"SELECT c FROM attributes WHERE {one.column} IS NOT NULL"
            if one.of_customer
            else f"SELECT c FROM {self.prepared} WHERE {one.column} IS NOT NULL AND (c, t) IN (SELECT (c, min(t)) FROM {self.prepared} GROUP BY c)"
        )
        rows = f"SELECT count(DISTINCT c) FROM {self.prepared} WHERE c NOT IN ({known})"
        words = (
            "in no group; where only those who go on have a value, a group is chosen by its success"
        )
        line = {
            "check": f"customers without {column}",
            "rows": self.engine.rows(rows)[0][0],
            "share": np.nan,
            "example": words,
        }
        quality = pd.concat([self.quality, pd.DataFrame([line])], ignore_index=True)
        return quality if "source" not in quality else quality.fillna({"source": "all"})

    def missing_by_event(self, column: str) -> bool:
        """Whether some customer has a value in this column at some events and none at others, whatever `where` has left; what only whole customers lack has no time."""
        one = self.property(column, "by")
        if one.of_customer:
            return False
        return self._some_customer(f"count({one.column}) BETWEEN 1 AND count(*) - 1")

    def changes_by_event(self, column: str) -> bool:
        """Whether some customer has two values in this column, whatever `where` has left; what stays as it is has no time either."""
        one = self.property(column, "by")
        if one.of_customer:
            return False
        return self._some_customer(f"min({one.column}) <> max({one.column})")

    def _some_customer(self, having: str) -> bool:
        """Whether what is asked holds of some customer's events; the first thousand mostly know."""
        return any(
            self.engine.rows(f"SELECT 1 FROM prepared {some} GROUP BY c HAVING {having} LIMIT 1")
            for some in ("WHERE c < 1000", "")
        )

    def match(self, event: Event, option: str = "event") -> str:
        """The SQL condition, over the prepared table, of the events that match; `first_time` included."""
        return matching(self, event, option)

    def fetch(self, *columns: str, where: str = "TRUE") -> dict[str, NDArray[Any]]:
        """Columns of the matching events in the log's order: by customer, time, event.

        `customer` and `event` are codes, `time` microseconds UTC, `row` the position in the prepared table.
        """
        source = {"customer": "c", "time": "t", "event": "e", "row": "rowid"}
        return self.engine.numbers(
            self._statement({column: source[column] for column in columns}, where),
            at_most=self.n_events,
        )

    def computed(self, where: str = "TRUE", /, **columns: str) -> dict[str, NDArray[Any]]:
        """What SQL over the prepared table gives for the matching events, a column of numbers each, none missing, in the log's order whatever is joined."""
        return self.engine.columns(self._statement(columns, where))

    def _statement(self, columns: Mapping[str, str], where: str) -> str:
        picks = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in columns.items())
        order = " ORDER BY rowid" if joins(f"{picks} {where}") else ""
        return f"SELECT {picks} FROM {self.prepared} WHERE {where}{order}"

    def codes(
        self, column: str, *, where: str = "TRUE", option: str = "by"
    ) -> tuple[NDArray[np.int32], list[Any]]:
        """A property of the matching events, in the log's order, as codes (−1 = missing), and the values they stand for, sorted as text."""
        one = self.property(column, option)
        if one.of_customer:
            held = self.engine.columns(
                f"SELECT coalesce({one.column}, -1) AS code FROM attributes ORDER BY c"
            )["code"].astype(np.int32)
            return held[self.fetch("customer", where=where)["customer"]], self._dictionary(
                one.dictionary
            )
        if one.coded:
            found = self.engine.numbers(
                self._statement({"code": f"CAST(coalesce({one.column}, -1) AS INTEGER)"}, where),
                at_most=self.n_events,
            )
            return found["code"], self._dictionary(one.dictionary)
        ranked = f"SELECT DISTINCT {one.column} AS value FROM {self.prepared} WHERE {where} AND {one.column} IS NOT NULL"
        values = [
            value
            for (value,) in self.engine.rows(
                f"SELECT value FROM ({ranked}) ORDER BY CAST(value AS VARCHAR)"
            )
        ]
        ordered = f"SELECT value, row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS code FROM ({ranked})"
        joined = self.engine.columns(
            f"SELECT coalesce(n.code, -1) AS code FROM (SELECT rowid AS r, {one.column} AS value FROM {self.prepared} WHERE {where}) p "
            f"LEFT JOIN ({ordered}) n ON n.value = p.value ORDER BY p.r"
        )
        return joined["code"].astype(np.int32), values

    def numbers(
        self, column: str, *, where: str = "TRUE", option: str = "value"
    ) -> NDArray[np.float64]:
        """A numeric property of the matching events, in the log's order; NaN where missing."""
        one = self.property(column, option)
        if one.type not in ("BIGINT", "DOUBLE"):
            raise CjlibError(
                f"{option}: must name a column of numbers. Column {shown(column)} holds {_IN_WORDS[one.type]}."
            )
        if one.coded:
            codes, values = self.codes(column, where=where, option=option)
            return np.array([*values, np.nan], dtype="float64")[codes]
        return self.computed(where, x=f"coalesce(CAST({one.column} AS DOUBLE), 'NaN'::DOUBLE)")["x"]

    def customer_ids(self, codes: NDArray[np.int32] | None = None) -> NDArray[Any]:
        """The ids, as they were given, of customer codes; all of them, by code, without an argument."""
        held = self.engine.columns("SELECT value FROM c_names ORDER BY code")["value"]
        every = (
            held if held.dtype == object else np.array(self._dictionary("c_names"), dtype=object)
        )
        return every if codes is None else every[codes]

    def codes_of_ids(self, ids: Iterable[Any]) -> NDArray[np.int64]:
        """The code of the customer for whom each of these ids stands, as in a table of feedback; −1 where it stands for none, or for one outside the log's group.

        Where ids were joined, every id that is one person's for good counts, not only the one that names the person.
        """
        asked = pd.Series([str(one) for one in ids], dtype="str")
        names = pd.Index([str(one) for one in self.customer_ids()])
        direct = names.get_indexer(pd.Index(asked))
        of_person = names.get_indexer(pd.Index(self._people_of(asked)))
        code = np.where(direct >= 0, direct, of_person).astype(np.int64)
        return code if self.group is None else np.where((code >= 0) & self.group[code], code, -1)

    def units_of(self, table: pd.DataFrame) -> pd.Series:
        """The unit of each row of a table about people, such as answers: what its own column names, else what the row's `customer_id` did things for.

        As of the row's `timestamp`; before the first event the first unit, and without a time the only one. Missing where nothing says it.
        """
        own = next((name for name in self.unit.columns if name in table), None)
        given: pd.Series[Any] = pd.Series(float("nan"), index=table.index, dtype="str")
        if own is not None:
            given = table[own].map(_as_id, na_action="ignore").astype("str")
        ids = table["customer_id"].astype("str")
        dated = table["timestamp"].notna().to_numpy()
        times = table["timestamp"].astype("datetime64[us, UTC]").astype("int64")
        asked = {"person": self._people_of(ids), "t": np.where(dated, times, 0), "dated": dated}
        self.engine.connection.register(
            "asked", pd.DataFrame(asked).assign(place=range(len(table)))
        )
        found = self.engine.frame(
            'WITH begun AS (SELECT person, unit, CASE WHEN row_number() OVER own = 1 THEN -(2^62)::BIGINT ELSE "from" END AS t, '
            'count(*) OVER (PARTITION BY person) AS several FROM members WINDOW own AS (PARTITION BY person ORDER BY "from")) '
            "SELECT unit FROM asked a ASOF LEFT JOIN begun m ON m.person = a.person AND a.t >= m.t AND (a.dated OR m.several = 1) ORDER BY a.place"
        )
        self.engine.connection.unregister("asked")
        of_people = found["unit"].astype("str").set_axis(table.index)
        named = ids.where(ids.isin([str(one) for one in self.customer_ids()]))
        return given.fillna(of_people).fillna(named)

    def _people_of(self, ids: pd.Series) -> pd.Series:
        """Where ids were joined, the person for whom each stands for good, addresses in small letters too; else the ids."""
        joined = self.engine.frame(
            f"SELECT id, min(person) AS person FROM {_identities(self.engine)} {_FOR_GOOD}"
        ).set_index("id")["person"]
        written = ids.str.strip()
        address = written.str.lower().where(written.str.contains("@", regex=False, na=False))
        people = written.map(joined).astype("str").fillna(address.map(joined).astype("str"))
        return people.fillna(ids)

    def _dictionary(self, name: str) -> list[Any]:
        return [value for (value,) in self.engine.rows(f"SELECT value FROM {name} ORDER BY code")]


_FOR_GOOD = 'WHERE links > 0 AND "from" IS NULL AND "to" IS NULL GROUP BY id HAVING count(DISTINCT person) = 1'


def _as_id(value: Any) -> str:
    """An id as text; a whole number that a missing one beside it made a fraction is written as a whole one."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


def _identities(engine: DuckDB) -> str:
    """The relation of ids and people, empty where ids were not joined."""
    columns = {
        "id": "VARCHAR",
        "kind": "VARCHAR",
        "person": "VARCHAR",
        "from": "BIGINT",
        "to": "BIGINT",
        "linked_at": "BIGINT",
        "links": "BIGINT",
        "reason": "VARCHAR",
    }
    tables = engine.rows(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'identities' AND database_name = current_database()"
    )
    picks = ", ".join(
        f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in columns.items()
    )
    return "identities" if tables[0][0] else f"(SELECT {picks} LIMIT 0)"


@dataclass(frozen=True)
class Cut:
    """What a `where` leaves: the end of data, the conditions, and all filters so far as SQL and in words."""

    until: int
    steps: tuple[Step, ...]
    written: tuple[str, ...]
    words: tuple[str, ...]


def _in_order(where: str) -> str:
    """A condition, and what keeps the log's order where a join may lose it."""
    return f"{where} ORDER BY rowid" if joins(where) else where


class _Filtered:
    """A table that `where` made; it goes when no log needs it any more, before the next one is made.

    Not at once: dropping it in the middle of another statement's answer would end that answer.
    """

    def __init__(self, engine: DuckDB, sql: str) -> None:
        while engine.unneeded:
            engine.execute(f"DROP TABLE IF EXISTS {engine.unneeded.pop()}")
        self.name = f"filtered_{next(_filtered)}"
        engine.execute(f"CREATE TEMP TABLE {self.name} AS {sql}")
        weakref.finalize(self, engine.unneeded.append, self.name).atexit = False


# ---- which events meet a condition: over the prepared table, and over the portable table `events` ---------------------

LONGEST_LIST = 64
"""So many codes are compared one by one, which keeps the log's order; more are joined."""


def joins(condition: str) -> bool:
    """Whether a condition is answered by a join, which does not keep the order of the rows."""
    return "SELECT" in condition


def matching(log: EventLog, event: Event, option: str) -> str:
    """The condition over the prepared table, `first_time` included."""
    step = as_step(event, option)
    every = _all_of(log, step.names, step.where, option)
    if step.first_time is False:
        return every
    among = every if step.first_time is True else _all_of(log, step.names, {}, option)
    first = f"(c, t) IN (SELECT (c, min(t)) FROM {log.prepared} WHERE {among} GROUP BY c)"
    return f"({every} AND {first})"


def _all_of(log: EventLog, names: tuple[str, ...], where: Where, option: str) -> str:
    tests = [_codes_in(log, "e", "e_names", f"value IN ({_listed(names)})")] if names else []
    tests += [_on_column(log, column, value, f"{option} where") for column, value in where.items()]
    return f"({' AND '.join(tests)})" if tests else "TRUE"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(literal(name) for name in names)


def _on_column(log: EventLog, column: str, value: Any, option: str) -> str:
    """A condition on one column; a coded one is put to its dictionary, and the codes that pass are what remains to be tested."""
    kind = type_of(log, column, option)
    if column == "timestamp":
        if isinstance(value, Mapping) and "contains" in value:
            raise CjlibError(
                f"{option} timestamp: contains looks into texts. Give times: {{'min': '2025-01-01', 'max': '2025-01-31'}}."
            )
        return condition_sql("t", value, f"{option} timestamp", *_instants(log, option, str))
    bound = bound_by_type(kind, f"{option} {column}")
    if column in ("event", "customer_id"):
        code, names = ("e", "e_names") if column == "event" else ("c", "c_names")
        return _codes_in(
            log, code, names, condition_sql("value", value, f"{option} {column}", bound)
        )
    one = log.property(column, option)
    if not one.coded:
        return condition_sql(one.column, value, f"{option} {column}", bound)
    condition = condition_sql("value", value, f"{option} {column}", bound)
    test = _codes_in(log, one.column, one.dictionary, condition)
    passes_missing = (
        log.engine.rows(
            f"SELECT count(*) FROM (SELECT CAST(NULL AS {one.type}) AS value) WHERE {condition}"
        )[0][0]
        == 1
    )
    test = f"({test} OR {one.column} IS NULL)" if passes_missing else test
    return f"c IN (SELECT c FROM attributes WHERE {test})" if one.of_customer else test


def _codes_in(log: EventLog, column: str, dictionary: str, condition: str) -> str:
    codes = [
        str(code)
        for (code,) in log.engine.rows(
            f"SELECT code FROM {dictionary} WHERE {condition} ORDER BY code"
        )
    ]
    if len(codes) > LONGEST_LIST:
        return f"{column} IN (SELECT code FROM {dictionary} WHERE {condition})"
    return f"{column} IN ({', '.join(codes)})" if codes else "FALSE"


def portable(log: Log, event: Event, option: str) -> str:
    """The condition over the portable table `events`, without `first_time`, which needs a query of its own."""
    step = as_step(event, option)
    tests = [f"event IN ({_listed(step.names)})"] if step.names else []
    for column, value in step.where.items():
        named = f"{option} where {column}"
        kind = type_of(log, column, f"{option} where")
        bounds = (
            _instants(log, f"{option} where", timestamp_sql)
            if column == "timestamp"
            else (bound_by_type(kind, named),)
        )
        tests.append(condition_sql(identifier(column), value, named, *bounds))
    return f"({' AND '.join(tests)})" if tests else "TRUE"


def _portable_group(log: Log, column: str, step: Step) -> str:
    """The condition over the portable table `events` of a group known at each customer's first event."""
    name = identifier(column)
    first = f"(SELECT *, RANK() OVER (PARTITION BY customer_id ORDER BY timestamp) AS moment FROM {log.events_sql} AS e) AS f"
    place = f"ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY CAST({name} AS VARCHAR))"
    return (
        f"customer_id IN (SELECT customer_id FROM (SELECT customer_id, {portable(log, step, 'customers')} AS met, {place} AS place "
        f"FROM {first} WHERE moment = 1 AND {name} IS NOT NULL) AS g WHERE place = 1 AND met)"
    )


def type_of(log: Log, column: str, option: str) -> str:
    """The DuckDB type of a column of the portable table; an unknown column is an error with the nearest name."""
    own = {"event": "VARCHAR", "timestamp": "TIMESTAMP"}
    if column == "customer_id":
        return log.id_type
    return own[column] if column in own else log.property(column, option).type


def _instants(
    log: Log, option: str, write: Callable[[int], str]
) -> tuple[Callable[[Any], str], Callable[[Any], str]]:
    """How a bound on the time itself is written, below and above: in the log's zone, a date above means to the end of that day."""
    named = f"{option} timestamp"
    return (lambda value: write(instant_us(value, log.zone, named))), (
        lambda value: write(instant_us(value, log.zone, named, end=True))
    )


# ---- columns that make groups a reader can compare --------------------------------------------------------------------

USUAL = (
    "channel",
    "source",
    "medium",
    "utm_source",
    "utm_medium",
    "platform",
    "device",
    "device_type",
    "segment",
    "plan",
    "contract",
    "country",
    "region",
)
"""Names that columns for segments usually have, in the order in which one is chosen."""
MOST_VALUES = 20


def segment_columns(log: EventLog, *, most: int = MOST_VALUES) -> list[str]:
    """The text columns of the log and of its customers with at least 2 and at most `most` values; those with a usual name first.

    Which of several sources recorded an event makes no groups of customers.
    """
    columns = [name for name in log.columns if not (name == "source" and name in log.quality)]
    fitting = [name for name in columns if 2 <= _values(log, name) <= most]
    rank = {name: place for place, name in enumerate(USUAL)}
    return sorted(fitting, key=lambda name: (rank.get(name.casefold(), len(USUAL)), name))


def segment_column(
    log: EventLog | pd.DataFrame | None, *wanted: str | Sequence[str] | None
) -> str | list[str] | None:
    """The column to compare groups by: the first wanted one that is given, else the log's first column with a usual name, else none.

    Empty text and None ask for nothing; `"none"` asks for no groups. A wanted column that the log
    does not have is an error with the nearest name.

    Parameters
    ----------
    log
        The event log, or a table of customers; None has no columns.
    *wanted
        Names in order of preference, such as a notebook's parameter and the `by` of the journey
        file; a list names several columns together.

    Returns
    -------
    str, list of str, or None
        What `by=` takes.

    Raises
    ------
    CjlibError
        If a wanted column does not exist.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> customers = pd.DataFrame({"customer_id": ["ana"], "age": [30], "plan": ["pro"]})
    >>> cj.segment_column(customers)
    'plan'
    >>> cj.segment_column(customers, "", "age")
    'age'
    """
    if log is None:
        return None
    for one in wanted:
        if one == "none":
            return None
        if one:
            names = [one] if isinstance(one, str) else list(one)
            for name in names:
                _check_column(log, name)
            return one if isinstance(one, str) else names
    names = list(log.columns) if isinstance(log, pd.DataFrame) else segment_columns(log)
    return usual_column(names)


def _check_column(log: EventLog | pd.DataFrame, name: str) -> None:
    if not isinstance(log, pd.DataFrame):
        log.property(name, "by")
    elif name not in log.columns:
        raise unknown_column("by", name, log.columns)


def usual_column(names: Iterable[str]) -> str | None:
    """The first of the usual names that is among these, upper and lower case being the same; none where none is."""
    written = {name.casefold(): name for name in names}
    return next((written[usual] for usual in USUAL if usual in written), None)


def _values(log: EventLog, name: str) -> int:
    column = log.property(name, "by")
    return log.engine.rows(f"SELECT count(*) FROM {column.dictionary}")[0][0] if column.coded else 0
