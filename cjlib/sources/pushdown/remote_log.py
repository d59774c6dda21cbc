"""A log whose events stay where they lie: statements go there, small answers come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate

import pandas as pd

from cjlib.errors import CjlibError
from cjlib.sources.connect.remote import Remote
from cjlib.sources.log.conditions import Where
from cjlib.sources.log.event_log import Answer, EventLog, Log, Question
from cjlib.sources.pushdown.dialects import written

if TYPE_CHECKING:
    from sqlglot import exp


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
        """One row an event name, commonest first: `event`, `events`, `customers`, `first_at`, `last_at`."""
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


__all__ = ["Origin", "PushedLog", "microseconds", "plain"]
