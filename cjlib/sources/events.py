"""The event log: who, what, when; read once, checked, and asked by every analysis."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.errors import CjlibError, shown, unknown_column
from cjlib.markup import table_html
from cjlib.sources.conditions import Event, Step, Where, as_step, bound_by_type, condition_sql
from cjlib.sources.engine import DuckDB, identifier, literal
from cjlib.sources.instants import instant_us
from cjlib.sources.prepared import Property

_filtered = itertools.count(1)


@dataclass(frozen=True, eq=False, repr=False)
class EventLog:
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
        The rows held back: `row` (1-based in the source), `reason`, then the raw columns.
    """

    engine: DuckDB
    prepared: str
    properties: Mapping[str, Property]
    timezone: str
    observed_until_us: int
    quality: pd.DataFrame
    quarantine: pd.DataFrame
    filters: tuple[str, ...] = ()
    filters_in_words: tuple[str, ...] = ()

    # ---- facts -------------------------------------------------------------------------------------------------

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.timezone)

    @property
    def observed_until(self) -> pd.Timestamp:
        """The end of data, in the business's zone."""
        return self.moment(self.observed_until_us)

    @property
    def n_events(self) -> int:
        """How many events there are."""
        return self.engine.rows(f"SELECT count(*) FROM {self.prepared}")[0][0]

    @property
    def n_customers(self) -> int:
        """How many customers have an event."""
        return self.engine.rows(f"SELECT count(DISTINCT c) FROM {self.prepared}")[0][0]

    @property
    def span_us(self) -> tuple[int, int] | None:
        """First and last event in microseconds UTC; None for an empty log."""
        first, last = self.engine.rows(f"SELECT min(t), max(t) FROM {self.prepared}")[0]
        return None if first is None else (first, last)

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last event, in the business's zone; None for an empty log."""
        return None if self.span_us is None else (self.moment(self.span_us[0]), self.moment(self.span_us[1]))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns beyond customer_id, event and timestamp that `by`, `where` and `hold` may name."""
        return tuple(self.properties)

    @property
    def event_names(self) -> list[str]:
        """The event names, sorted; an event's code is its position."""
        return [name for (name,) in self.engine.rows("SELECT value FROM e_names ORDER BY code")]

    def table(self) -> pd.DataFrame:
        """One row an event name, commonest first: `event`, `events`, `customers`, `first_at`, `last_at`."""
        counted = self.engine.frame(
            f"SELECT n.value AS event, count(*) AS events, count(DISTINCT c) AS customers, min(t) AS first_at, max(t) AS last_at "
            f"FROM {self.prepared} p JOIN e_names n ON n.code = p.e GROUP BY n.value ORDER BY events DESC, event"
        )
        return counted.assign(first_at=self.moments(counted["first_at"].to_numpy()), last_at=self.moments(counted["last_at"].to_numpy()))

    def moment(self, microseconds: int) -> pd.Timestamp:
        """An instant of the log as a timestamp in the business's zone."""
        return pd.Timestamp(int(microseconds), unit="us", tz="UTC").tz_convert(self.zone)

    def moments(self, microseconds: NDArray[np.int64], missing: NDArray[np.bool_] | None = None) -> pd.Series:
        """Instants as a datetime64[us] column in the business's zone; missing where the mask says."""
        instants = np.asarray(microseconds, dtype="int64").astype("datetime64[us]")
        if missing is not None:
            instants = np.where(missing, np.datetime64("NaT", "us"), instants)
        return pd.Series(pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(self.zone))

    def instant(self, value: Any, option: str, *, end: bool = False) -> int:
        """A bound as microseconds UTC; read in the business's zone if it has no offset; a date as `end` means to the end of that day."""
        return instant_us(value, self.zone, option, end=end)

    # ---- asking ------------------------------------------------------------------------------------------------

    def run(self, sql: str) -> pd.DataFrame:
        """Run SQL over the table `events` (customer_id, event, timestamp in UTC, and the properties): any result's `.sql` runs here."""
        return self.engine.frame(sql)

    @property
    def events_sql(self) -> str:
        """What a statement reads from: `events`, or the part of it that `where` has left."""
        return f"(SELECT * FROM events WHERE {' AND '.join(self.filters)})" if self.filters else "events"

    def where(self, *, start: Any = None, end: Any = None, **conditions: Any) -> EventLog:
        """The log cut to the events that meet every condition.

        `start` and `end` are both included; a date as `end` means to the end of that day, and lowers `observed_until`.
        Other keywords are columns (`event`, `channel`, any property) with conditions as `Step(where=)` takes them.
        """
        until, tests, portable, words = self.observed_until_us, ["TRUE"], list(self.filters), list(self.filters_in_words)
        if start is not None:
            first = self.instant(start, "start")
            tests.append(f"t >= {first}")
            portable.append(f"timestamp >= {_timestamp_sql(first)}")
            words.append(f"from {start}")
        if end is not None:
            last = self.instant(end, "end", end=True)
            until = min(until, last)
            tests.append(f"t <= {last}")
            portable.append(f"timestamp <= {_timestamp_sql(last)}")
            words.append(f"to {end}")
        if conditions:
            step = Step(None, where=conditions)
            tests.append(self.match(step))
            portable.append(self.portable(step))
            words.append(str(step).removeprefix("any event where "))
        name = f"filtered_{next(_filtered)}"
        self.engine.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {self.prepared} WHERE {' AND '.join(tests)}")
        return replace(self, prepared=name, observed_until_us=until, filters=tuple(portable), filters_in_words=tuple(words))

    def match(self, event: Event, option: str = "event") -> str:
        """The SQL condition, over the prepared table, of the events that match; `first_time` included."""
        step = as_step(event, option)
        every = self._match_all(step.names, step.where, option)
        if step.first_time is False:
            return every
        among = every if step.first_time is True else self._match_all(step.names, {}, option)
        first = f"(c, t) IN (SELECT (c, min(t)) FROM {self.prepared} WHERE {among} GROUP BY c)"
        return f"({every} AND {first})"

    def _match_all(self, names: tuple[str, ...], where: Where, option: str) -> str:
        tests = [self._codes_in("e", "e_names", f"value IN ({', '.join(literal(name) for name in names)})")] if names else []
        tests += [self._column_condition(column, value, f"{option} where") for column, value in where.items()]
        return f"({' AND '.join(tests)})" if tests else "TRUE"

    def _column_condition(self, column: str, value: Any, option: str) -> str:
        if column == "event":
            return self._codes_in("e", "e_names", condition_sql("value", value, option, bound_by_type("VARCHAR", option)))
        if column == "customer_id":
            return self._codes_in("c", "c_names", condition_sql("value", value, option, bound_by_type(self._id_type, option)))
        one = self.property(column, option)
        bound = bound_by_type(one.type, f"{option} {column}")
        if not one.coded:
            return condition_sql(one.column, value, option, bound)
        condition = condition_sql("value", value, option, bound)
        passes_missing = self.engine.rows(f"SELECT count(*) FROM (SELECT CAST(NULL AS {one.type}) AS value) WHERE {condition}")[0][0] == 1
        test = self._codes_in(one.column, one.dictionary, condition)
        test = f"({test} OR {one.column} IS NULL)" if passes_missing else test
        return f"c IN (SELECT c FROM attributes WHERE {test})" if one.of_customer else test

    def _codes_in(self, column: str, dictionary: str, condition: str) -> str:
        codes = [str(code) for (code,) in self.engine.rows(f"SELECT code FROM {dictionary} WHERE {condition} ORDER BY code")]
        return f"{column} IN ({', '.join(codes)})" if codes else "FALSE"

    @property
    def _id_type(self) -> str:
        return self.engine.rows("SELECT data_type FROM duckdb_columns() WHERE table_name = 'c_names' AND column_name = 'value'")[0][0]

    def portable(self, event: Event, option: str = "event") -> str:
        """The same condition over the portable table `events`, for `.sql`; without `first_time`, which needs a query of its own."""
        step = as_step(event, option)
        tests = [f"event IN ({', '.join(literal(name) for name in step.names)})"] if step.names else []
        for column, value in step.where.items():
            kind = "VARCHAR" if column == "event" else self._id_type if column == "customer_id" else self.property(column, option).type
            tests.append(condition_sql(identifier(column), value, option, bound_by_type(kind, f"{option} {column}")))
        return f"({' AND '.join(tests)})" if tests else "TRUE"

    def property(self, column: str, option: str) -> Property:
        """What is known of a column; an unknown one is an error with the nearest name."""
        if column not in self.properties:
            raise unknown_column(option, column, self.properties)
        return self.properties[column]

    def unknown_events(self, event: Event) -> list[str]:
        """The names of a step that never occur in the log."""
        known = set(self.event_names)
        return [name for name in as_step(event, "event").names if name not in known]

    def fetch(self, *columns: str, where: str = "TRUE") -> dict[str, NDArray[Any]]:
        """Columns of the matching events in the log's order: by customer, time, event.

        `customer` and `event` are codes, `time` microseconds UTC, `row` the position in the prepared table.
        """
        source = {"customer": "c", "time": "t", "event": "e", "row": "rowid"}
        picks = ", ".join(f"{source[column]} AS {identifier(column)}" for column in columns)
        return self.engine.columns(f"SELECT {picks} FROM {self.prepared} WHERE {where}")

    def codes(self, column: str, *, where: str = "TRUE", option: str = "by") -> tuple[NDArray[np.int32], list[Any]]:
        """A property of the matching events, in the log's order, as codes (−1 = missing), and the values they stand for, sorted as text."""
        one = self.property(column, option)
        if one.of_customer:
            held = self.engine.columns(f"SELECT coalesce({one.column}, -1) AS code FROM attributes ORDER BY c")["code"].astype(np.int32)
            return held[self.fetch("customer", where=where)["customer"]], self._dictionary(one.dictionary)
        if one.coded:
            return self.engine.columns(f"SELECT coalesce({one.column}, -1) AS code FROM {self.prepared} WHERE {where}")["code"].astype(
                np.int32
            ), self._dictionary(one.dictionary)
        ranked = f"SELECT DISTINCT {one.column} AS value FROM {self.prepared} WHERE {where} AND {one.column} IS NOT NULL"
        values = [value for (value,) in self.engine.rows(f"SELECT value FROM ({ranked}) ORDER BY CAST(value AS VARCHAR)")]
        ordered = f"SELECT value, row_number() OVER (ORDER BY CAST(value AS VARCHAR)) - 1 AS code FROM ({ranked})"
        joined = self.engine.columns(
            f"SELECT coalesce(n.code, -1) AS code FROM (SELECT rowid AS r, {one.column} AS value FROM {self.prepared} WHERE {where}) p "
            f"LEFT JOIN ({ordered}) n ON n.value = p.value ORDER BY p.r"
        )
        return joined["code"].astype(np.int32), values

    def numbers(self, column: str, *, where: str = "TRUE", option: str = "value") -> NDArray[np.float64]:
        """A numeric property of the matching events, in the log's order; NaN where missing."""
        one = self.property(column, option)
        if one.coded or one.type in ("BOOLEAN", "DATE", "TIMESTAMP"):
            raise CjlibError(f"{option}: column {shown(column)} holds {one.type.lower()}, not numbers.")
        return self.engine.columns(f"SELECT coalesce(CAST({one.column} AS DOUBLE), 'NaN'::DOUBLE) AS x FROM {self.prepared} WHERE {where}")["x"]

    def customer_ids(self, codes: NDArray[np.int32] | None = None) -> NDArray[Any]:
        """The ids, as they were given, of customer codes; all of them, by code, without an argument."""
        every = np.array(self._dictionary("c_names"), dtype=object)
        return every if codes is None else every[codes]

    def _dictionary(self, name: str) -> list[Any]:
        return [value for (value,) in self.engine.rows(f"SELECT value FROM {name} ORDER BY code")]

    def __repr__(self) -> str:
        return f"EventLog: {self.n_events:,} events of {self.n_customers:,} customers"

    def _repr_html_(self) -> str:
        span = f" from {self.span[0]:%Y-%m-%d} to {self.span[1]:%Y-%m-%d}" if self.span else ""
        return f'<section class="cj-quality"><p>{self.n_events:,} events of {self.n_customers:,} customers{escape(span)}</p>{table_html(self.quality)}</section>'


def _timestamp_sql(microseconds: int) -> str:
    return f"CAST('{pd.Timestamp(microseconds, unit='us').isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMP)"
