"""What `cj check` finds: a journey file held against its data, as tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.ingest.columns import NO_NUMBER, ROUNDED, SEVERAL_CURRENCIES
from cjlib.sources.ingest.delivered_twice import TWICE
from cjlib.sources.ingest.quality_report import (
    ALIKE,
    DAMAGED,
    NO_TIMES,
    NOBODY,
    TESTERS,
    WRITTEN_ALIKE,
)
from cjlib.sources.ingest.thin_end import THIN
from cjlib.sources.journey import Journey, read_journey
from cjlib.sources.log.conditions import Step, as_step
from cjlib.sources.log.event_log import EventLog
from cjlib.sources.read_events import read_events

_DOUBTS = (NOBODY, TESTERS, DAMAGED, ALIKE, WRITTEN_ALIKE, NO_TIMES, TWICE, THIN)
_PASSWORD = re.compile(r"://[^/@\s]*:(?!\$\{)[^@\s]+@")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A journey file held against its data.

    Attributes
    ----------
    journey, log, feedback
        What was read; `feedback` is None where the file names none or it could not be read.
    events
        One row an event name, most common first: `event`, `events`, `customers`, `first_at`, `last_at`, `stage`, `touchpoint` (missing where no
        touchpoint claims it; joined by " · " where several do by their `where`).
    quality, feedback_quality
        What reading found: `check`, `rows`, `share`, `example`.
    unmapped
        Rows of `events` that no touchpoint claims, in part or in whole, with `unmapped_events`.
    silent
        In the file, never in the log: `stage`, `touchpoint`, `event`, `did_you_mean`.
    unknown_events
        Names outside the stages that never occur: `key`, `event`, `did_you_mean`.
    unknown_columns
        Columns that neither the events nor the customers table has: `key`, `column`, `did_you_mean`.
    warnings
        Whatever a person should look at, unknown events and columns included: texts that begin with the key.
    faults
        Errors of the sources that are not needed for the events; the worst decides `exit_code`.
    customers
        Rows of a table of customers that stands without events; None where there is none.
    """

    journey: Journey
    log: EventLog
    feedback: Feedback | None
    events: pd.DataFrame
    quality: pd.DataFrame
    feedback_quality: pd.DataFrame
    unmapped: pd.DataFrame
    silent: pd.DataFrame
    unknown_events: pd.DataFrame
    unknown_columns: pd.DataFrame
    warnings: tuple[str, ...]
    faults: tuple[CjlibError, ...] = ()
    customers: int | None = None

    @property
    def exit_code(self) -> int:
        """0, or the exit code of the worst fault: 3 of the data; an unknown column, which stops an analysis, is a fault of the file (2)."""
        return max(
            [fault.exit_code for fault in self.faults] + ([2] if len(self.unknown_columns) else []),
            default=0,
        )

    @property
    def headline(self) -> str:
        """One sentence: what was read and how much of it fits."""
        wrong = len(self.unknown_columns) + len(self.faults)
        faults = f"; {count_of(wrong, 'fault')} to fix" if wrong else ""
        if self.journey.sources.events is None:
            read = [] if self.customers is None else [count_of(self.customers, "customer")]
            read += (
                []
                if self.feedback is None and read
                else [count_of(0 if self.feedback is None else len(self.feedback), "answer")]
            )
            return f"{' and '.join(read)} read; the journey file names no events{faults}."
        return f"{count_of(self.log.n_events, 'event')} of {count_of(self.log.n_customers, self.log.unit.one, self.log.unit.many)} read{self._names}{faults}."

    @property
    def _names(self) -> str:
        part = int(self.unmapped["stage"].notna().sum())
        counts = {
            "not mapped": len(self.unmapped) - part,
            "mapped in part": part,
            "silent": len(self.silent),
            "unknown elsewhere": len(self.unknown_events),
        }
        words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        return f"; event names: {words}" if words else "; every event name fits"


def check_journey(path: str | Path) -> Check:
    """A journey file held against its data: everything is read, nothing is run.

    Raises
    ------
    JourneyError
        The file has faults, or an environment variable it needs is not set.
    DataError
        The events cannot be read, or too many rows break the contract.
    """
    journey = read_journey(path)
    if journey.sources.events is None:
        return _without_events(journey)
    log = journey.read_events()
    faults: list[CjlibError] = []
    feedback = _feedback(journey, faults)
    events = _events(journey, log)
    events_elsewhere, columns = _unknown_events(journey, log), _unknown_columns(journey, log)
    warnings = [
        *doubtful_settings(journey),
        *_unknown(events_elsewhere, "event"),
        *_unknown(columns, "column"),
        *_conditions(journey, log, faults),
    ]
    faults += _amounts(journey, log)
    warnings += [
        *_below_zero(journey, log),
        *_doubtful(journey, log),
        *_customers(log),
        *unplaced_answers(journey, log, feedback),
    ]
    warnings += [("", str(fault)) for fault in faults]
    return Check(
        journey=journey,
        log=log,
        feedback=feedback,
        events=events.drop(columns="unmapped_events"),
        quality=log.quality,
        feedback_quality=pd.DataFrame() if feedback is None else feedback.quality,
        unmapped=events[events["unmapped_events"] > 0].reset_index(drop=True),
        silent=_silent(journey, log),
        unknown_events=events_elsewhere,
        unknown_columns=columns,
        warnings=tuple(_with_key(key, text) for key, text in warnings),
        faults=tuple(faults),
    )


def _with_key(key: str, text: str) -> str:
    return text if text.startswith(key) else f"{key}: {text}"


def _without_events(journey: Journey) -> Check:
    """The check of a file that names no events: nothing is said about what events it lacks."""
    log = read_events(pd.DataFrame({"customer_id": [], "event": [], "timestamp": []}, dtype="str"))
    feedback = journey.read_feedback()
    customers = (
        journey.read_customers()
        if journey.churn is not None and journey.churn.target is not None
        else None
    )
    unplaced = [
        pair
        for pair in unplaced_answers(journey, log, feedback)
        if not pair[0].endswith("customer_id")
    ]
    quality = pd.DataFrame() if feedback is None else feedback.quality
    warnings = tuple(f"{key}: {text}" for key, text in unplaced)
    none = pd.DataFrame()
    lacking = none if customers is None else _lacking(journey, customers)
    warnings += (
        ()
        if customers is None
        else tuple(f"{key}: {text}" for key, text in _unknown(lacking, "column"))
    )
    return Check(
        journey=journey,
        log=log,
        feedback=feedback,
        events=none,
        quality=none,
        feedback_quality=quality,
        unmapped=none,
        silent=none,
        unknown_events=none,
        unknown_columns=lacking,
        warnings=warnings,
        customers=None if customers is None else len(customers),
    )


def _lacking(journey: Journey, customers: pd.DataFrame) -> pd.DataFrame:
    """Columns that the file names and the table of customers does not have."""
    named = {
        "churn.target": journey.churn and journey.churn.target,
        "value.amount": journey.value and journey.value.amount,
    }
    known = set(customers.columns)
    rows = [
        (key, column, _near(column, known))
        for key, column in named.items()
        if column and column not in known
    ]
    return pd.DataFrame(rows, columns=["key", "column", "did_you_mean"]).astype("str")


# ---- reading -----------------------------------------------------------------------------------------------------


def _feedback(journey: Journey, faults: list[CjlibError]) -> Feedback | None:
    try:
        return journey.read_feedback()
    except CjlibError as fault:
        faults.append(fault)
        return None


# ---- events ------------------------------------------------------------------------------------------------------


def _events(journey: Journey, log: EventLog) -> pd.DataFrame:
    """The log's event names with the stages and touchpoints that claim them, and how many of their rows no touchpoint claims."""
    table, names = log.table(), dict(enumerate(log.event_names))
    claims: dict[str, list[tuple[str, str]]] = {}
    for entry in journey.mapping:
        for name in entry.event.names:
            if (entry.stage, entry.touchpoint) not in claims.setdefault(name, []):
                claims[name].append((entry.stage, entry.touchpoint))
    loose = {
        names[code]: count
        for code, count in log.engine.rows(
            f"SELECT e, count(*) FROM {log.prepared} WHERE {_unclaimed(journey, log)} GROUP BY e"
        )
    }
    return table.assign(
        stage=pd.Series(
            [_joined(stage for stage, _ in claims.get(name, [])) for name in table["event"]],
            dtype="str",
        ),
        touchpoint=pd.Series(
            [_joined(point for _, point in claims.get(name, [])) for name in table["event"]],
            dtype="str",
        ),
        unmapped_events=[loose.get(name, 0) for name in table["event"]],
    ).astype({"unmapped_events": "int64"})


def _unclaimed(journey: Journey, log: EventLog) -> str:
    able = [entry.event for entry in journey.mapping if not _missing_columns(entry.event, log)]
    return f"NOT ({' OR '.join(log.match(event) for event in able)})" if able else "TRUE"


def _missing_columns(step: Step, log: EventLog) -> list[str]:
    return [
        column
        for column in step.where
        if column not in COLUMNS_OF_EVERY_LOG and column not in log.properties
    ]


def _joined(names: Iterable[str]) -> str | None:
    return " · ".join(dict.fromkeys(names)) or None


def _silent(journey: Journey, log: EventLog) -> pd.DataFrame:
    known = set(log.event_names)
    rows = [
        (entry.stage, entry.touchpoint, name, _near(name, known))
        for entry in journey.mapping
        for name in entry.event.names
        if name not in known
    ]
    return pd.DataFrame(rows, columns=["stage", "touchpoint", "event", "did_you_mean"]).astype(
        "str"
    )


def _unknown_events(journey: Journey, log: EventLog) -> pd.DataFrame:
    known = set(log.event_names)
    rows = [
        (key, name, _near(name, known))
        for key, step in events_used(journey)
        for name in step.names
        if name not in known
    ]
    return pd.DataFrame(rows, columns=["key", "event", "did_you_mean"]).astype("str")


def _unknown_columns(journey: Journey, log: EventLog) -> pd.DataFrame:
    own = set(log.columns)
    # A condition may ask for a customer or an event, and a ticket may be a customer: elsewhere only properties count.
    rows = [
        (key, column, _near(column, own))
        for key, column in columns_used(journey)
        if column not in own
        and not (key.endswith(".where") and column in COLUMNS_OF_EVERY_LOG)
        and not (key == "support.ticket_id" and column == "customer_id")
    ]
    return pd.DataFrame(rows, columns=["key", "column", "did_you_mean"]).astype("str")


def _near(name: str, known: Iterable[str]) -> str | None:
    near = did_you_mean(name, sorted(known))
    return next((one for one in known if near == f" Did you mean {shown(one)}?"), None)


# ---- warnings ----------------------------------------------------------------------------------------------------

Found = tuple[str, str]


def doubtful_settings(journey: Journey) -> list[Found]:
    """Settings that are allowed and probably not meant: no zone, a password in the file."""
    found = []
    if journey.timezone is None:
        found.append(
            (
                "timezone",
                "no zone is given: days and weeks are counted in UTC. Name the business's zone, such as timezone: Europe/Berlin.",
            )
        )
    for name, source in journey.sources.each():
        if source.url is not None and _PASSWORD.search(source.url):
            found.append(
                (
                    f"sources.{name}.url",
                    "the file holds a password. Write ${DB_PASSWORD} in its place and set that variable where cj runs.",
                )
            )
    return found


def _unknown(table: pd.DataFrame, what: str) -> list[Found]:
    near = table["did_you_mean"].fillna("").astype(str)
    return [
        (
            key,
            f"there is no {what} {shown(name)} in the data.{f' Did you mean {shown(other)}?' if other else ''}",
        )
        for key, name, other in zip(table["key"], table[what], near, strict=True)
    ]


def _conditions(journey: Journey, log: EventLog, faults: list[CjlibError]) -> list[Found]:
    """Steps whose events occur, but never in a way that meets their `where`; one that cannot be asked is a fault."""
    found = []
    known = set(log.event_names)
    for key, step in [*stage_events(journey), *events_used(journey)]:
        if (
            not step.where
            or _missing_columns(step, log)
            or (step.names and not known.intersection(step.names))
        ):
            continue
        try:
            matching = log.engine.rows(
                f"SELECT count(*) FROM {log.prepared} WHERE {log.match(step, key)}"
            )[0][0]
        except CjlibError as fault:
            faults.append(CjlibError(_with_key(key, str(fault))))
            continue
        if matching == 0:
            found.append(
                (
                    key,
                    f"no event matches {shown(str(step))}. Check the values in where: upper and lower case and spelling count.",
                )
            )
    return found


def _amounts(journey: Journey, log: EventLog) -> list[DataError]:
    """The fault of an amount that is no number."""
    if journey.value is None or journey.value.amount not in log.columns:
        return []
    try:
        log.numbers(journey.value.amount, where="FALSE", option="value.amount")
    except CjlibError as fault:
        why = log.quality[log.quality["check"].str.startswith(f"{journey.value.amount}: ")][
            "example"
        ]
        return [DataError(" ".join([str(fault), *(f"{text}." for text in why)]))]
    return []


_MONEY = re.compile(
    r"amount|value|price|total|revenue|betrag|umsatz|wert|quantity|menge", re.IGNORECASE
)


def _below_zero(journey: Journey, log: EventLog) -> list[Found]:
    """Amounts below 0 where nothing says that they are no purchases."""
    columns = [
        one
        for one in log.properties.values()
        if one.type in ("BIGINT", "DOUBLE")
        and not one.of_customer
        and (_MONEY.search(one.name) or (journey.value and journey.value.amount == one.name))
    ]
    asked = {
        column
        for _, step in [*stage_events(journey), *events_used(journey)]
        for column in step.where
    }
    found = []
    for one in columns:
        below, filled = log.engine.rows(
            f"SELECT count(*) FILTER ({one.column} < 0), count({one.column}) FROM {log.prepared}"
        )[0]
        if below and one.name not in asked:
            text = (
                f"{below:,} of {filled:,} values of {shown(one.name)} are below 0: refunds or cancellations? They count as "
                f"events like all others. To count purchases alone give their event a where: {{{one.name}: {{min: 0}}}}."
            )
            found.append(("value" if journey.value else "sources.events", text))
    return found


def _doubtful(journey: Journey, log: EventLog) -> list[Found]:
    """Ids and times that may stand for none or were damaged, and an amount whose sum may be wrong."""
    found = log.quality["check"].isin(_DOUBTS)
    lines = [("sources.events", line) for line in log.quality[found].itertuples()]
    amount = journey.value and journey.value.amount
    doubts = [f"{amount}: {doubt}" for doubt in (NO_NUMBER, ROUNDED, SEVERAL_CURRENCIES)]
    doubtful = log.quality[log.quality["check"].isin(doubts)]
    lines += [("value.amount", line) for line in doubtful.itertuples()]
    return [(key, f"{line.check}: {line.example}.") for key, line in lines]


def _customers(log: EventLog) -> list[Found]:
    """Customers of the log for whom the customers table says nothing."""
    columns = [one.column for one in log.properties.values() if one.of_customer]
    if not columns:
        return []
    nothing = " AND ".join(f"{column} IS NULL" for column in columns)
    without, everyone = log.engine.rows(
        f"SELECT count(*) FILTER ({nothing}), count(*) FROM attributes"
    )[0]
    if without == 0:
        return []
    why = " Do both tables write the ids in the same way?" if without == everyone else ""
    return [
        (
            "sources.customers",
            f"for {without:,} of {everyone:,} customers of the log the customers table says nothing.{why}",
        )
    ]


def unplaced_answers(journey: Journey, log: EventLog, feedback: Feedback | None) -> list[Found]:
    """Feedback that names no stage or touchpoint of the file, or no customer of the log."""
    if feedback is None:
        return []
    stages = {name.strip().casefold() for name in journey.stage_names}
    points = {name for entry in journey.mapping for name in (entry.touchpoint, *entry.event.names)}
    found = []
    for column, known, offered in (
        ("stage", stages, journey.stage_names),
        ("touchpoint", {name.strip().casefold() for name in points}, sorted(points)),
    ):
        given = (
            feedback.frame[column].dropna().astype(str)
            if column in feedback.frame
            else pd.Series(dtype="str")
        )
        strange = given[~given.str.strip().str.casefold().isin(known)]
        if len(strange):
            names = sorted(strange.unique())
            text = f"{len(strange):,} answers name a {column} that the file does not: {listed(names)}.{did_you_mean(names[0], offered)}"
            found.append((f"sources.feedback.{column}", text))
    return [*found, *_strangers(log, feedback)]


def _strangers(log: EventLog, feedback: Feedback) -> list[Found]:
    ids = (
        feedback.frame["customer_id"].dropna()
        if "customer_id" in feedback.frame
        else pd.Series(dtype="str")
    )
    strangers = int((log.codes_of_ids(ids) < 0).sum())
    if not strangers:
        return []
    return [
        (
            "sources.feedback.customer_id",
            f"{strangers:,} of {len(ids):,} answers with a customer_id are of customers who have no event.",
        )
    ]


COLUMNS_OF_EVERY_LOG = frozenset({"event", "customer_id", "timestamp"})


def events_used(journey: Journey) -> Iterator[tuple[str, Step]]:
    """Key and step of every event outside the stages."""
    for name, funnel in journey.funnels.items():
        yield from (
            (f"funnels.{name}.steps[{position}]", step)
            for position, step in enumerate(funnel.steps)
        )
        yield from (
            (f"funnels.{name}.exclude[{position}]", as_step(one.event, "exclude"))
            for position, one in enumerate(funnel.exclude)
        )
    for name, plan in journey.experiments.items():
        yield from _set(f"experiments.{name}", exposure=plan.exposure)
        for measure, spec in plan.measures.items():
            yield from _set(
                f"experiments.{name}.measures.{measure}", event=spec.event, per=spec.per
            )
    if journey.retention is not None:
        yield from _set(
            "retention", start=journey.retention.start, **{"return": journey.retention.return_}
        )
    if journey.churn is not None:
        yield from _set("churn", event=journey.churn.event)
    if journey.value is not None:
        yield from _set("value", event=journey.value.event)
    roles = {
        name: getattr(journey.roles, name)
        for name in type(journey.roles).model_fields
        if name != "features"
    }
    yield from _set("roles", **roles)
    yield from (
        (f"roles.features[{position}]", step)
        for position, step in enumerate(journey.roles.features)
    )
    yield from _set("milestones", **journey.milestones)
    if journey.support is not None:
        names = ("opened", "first_response", "resolved", "reopened", "abandoned", "waiting")
        yield from _set("support", **{name: getattr(journey.support, name) for name in names})


def _set(section: str, **steps: Step | None) -> Iterator[tuple[str, Step]]:
    return ((f"{section}.{key}", step) for key, step in steps.items() if step is not None)


def stage_events(journey: Journey) -> Iterator[tuple[str, Step]]:
    """Key and step of every event of a touchpoint."""
    for stage_position, stage in enumerate(journey.stages):
        for point_position, point in enumerate(stage.touchpoints):
            for step in point.events:
                yield f"stages[{stage_position}].touchpoints[{point_position}]", step


def columns_used(journey: Journey) -> Iterator[tuple[str, str]]:
    """Key and name of every column, the conditions of events included."""
    for name, funnel in journey.funnels.items():
        yield from (
            (f"funnels.{name}.{key}", column)
            for key in ("by", "hold")
            for column in getattr(funnel, key)
        )
    yield from _experiment_columns(journey)
    if journey.retention is not None:
        yield from (("retention.by", column) for column in journey.retention.by)
    if journey.value is not None:
        yield "value.amount", journey.value.amount
    if journey.support is not None:
        yield from (
            (f"support.{key}", getattr(journey.support, key))
            for key in ("ticket_id", "handled_by")
            if getattr(journey.support, key)
        )
    for key, step in [*stage_events(journey), *events_used(journey)]:
        yield from ((f"{key}.where", column) for column in step.where)


def _experiment_columns(journey: Journey) -> Iterator[tuple[str, str]]:
    for name, plan in journey.experiments.items():
        yield from ((f"experiments.{name}.by", column) for column in plan.by)
        yield from (
            (f"experiments.{name}.measures.{measure}.value", spec.value)
            for measure, spec in plan.measures.items()
            if spec.value is not None and spec.kind != "score"
        )
        if plan.linked_by is not None:
            yield f"experiments.{name}.linked_by", plan.linked_by
        if plan.assignment is None:
            yield f"experiments.{name}.variant", plan.variant
