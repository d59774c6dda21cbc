"""A journey's definitions as a semantic layer has them: dbt's (MetricFlow), and Apache Ossie's, formerly Open Semantic Interchange.

Neither can say a funnel of more than two steps. Ossie takes a query as a data set, and gets the funnel's own SQL; dbt gets a conversion metric
from the first step to each later one, which passes over the steps between and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

import cjlib as cj
from cjlib.errors import CjlibError, not_one_of
from cjlib.sources.journey.fields import simplest
from cjlib.sources.journey.schema import EventSource
from cjlib.sources.log.conditions import Step, as_step
from cjlib.sources.log.durations import microseconds

FORMATS = ("dbt", "ossie")
OSSIE_VERSION = "0.1.1"
"""What dbt 1.12 and Snowflake read; later drafts of the specification add to it."""
_ANSI = "postgres"
"""sqlglot's writer that is nearest to the standard; one of its own writes names of types that no database knows."""
_RESERVED = frozenset(
    [
        "all",
        "and",
        "any",
        "as",
        "asc",
        "case",
        "desc",
        "end",
        "from",
        "group",
        "limit",
        "not",
        "order",
        "select",
        "table",
        "user",
        "when",
        "where",
    ]
)
_GRAINS = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}


@dataclass(frozen=True)
class Events:
    """Events that the journey file names: what they are called, and the condition that picks them out of the table."""

    name: str
    words: str
    condition: str
    filter: str
    """The same condition as MetricFlow's filters write it."""
    meaning: str


def semantic_layer(journey: cj.Journey, log: cj.EventLog, style: str, *, table: str = "") -> str:
    """The definitions as the text of a file.

    Parameters
    ----------
    journey
        The journey file: its touchpoints, funnels, retention, churn and value.
    log
        Its events, which tell the columns and their types.
    style
        "dbt" (YAML) or "ossie" (YAML).
    table
        What the warehouse calls the events: a dbt model, or database.schema.table; empty: the journey file's table, or the file's name.

    Returns
    -------
    str
        The file.

    Raises
    ------
    CjlibError
        If the format is none of the two, or the journey file takes its events from several sources.
    """
    if style not in FORMATS:
        raise not_one_of("--format", style, FORMATS)
    layer = Layer(journey, log, table)
    content = layer.dbt() if style == "dbt" else layer.ossie()
    made_by = f"# The definitions of {json.dumps(journey.name, ensure_ascii=False)}, written by cj export metrics --format {style}.\n"
    return made_by + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


class Layer:
    """The definitions of one journey over one table of events."""

    def __init__(self, journey: cj.Journey, log: cj.EventLog, table: str) -> None:
        source = journey.sources.events
        if not isinstance(source, EventSource):
            raise CjlibError(
                "export metrics: the journey file takes its events from several sources; a semantic layer wants one table of events. Union them in the warehouse and name that table."
            )
        self.journey, self.log = journey, log
        self.table = table or source.table or PurePosixPath(source.path or "events").stem
        renamed = {**journey.sources.columns, **source.columns}
        self._theirs = {ours: theirs for theirs, ours in renamed.items()}
        self._events_of: dict[str, Events] = {}
        self._names: dict[str, str] = {}
        for step, meaning in self._steps():
            self._events(step, meaning)

    # ---- what there is -----------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Events]:
        """Every event that the journey file names, each once."""
        return list(self._events_of.values())

    def _name(self, text: str) -> str:
        """A name for this, unlike that of any other text."""
        if text not in self._names:
            plain, taken = slug(text), set(self._names.values())
            further = (f"{plain}_{number}" for number in count(2))
            self._names[text] = (
                plain if plain not in taken else next(n for n in further if n not in taken)
            )
        return self._names[text]

    def _steps(self) -> Iterator[tuple[Step, str]]:
        journey = self.journey
        for point in journey.mapping:
            yield point.event, f"touchpoint {point.touchpoint} of stage {point.stage}"
        for name, funnel in journey.funnels.items():
            yield from ((step, f"step of funnel {name}") for step in funnel.steps)
        parts = {
            "begins a cohort": journey.retention and journey.retention.start,
            "counts as coming back": journey.retention and journey.retention.return_,
            "means having left": journey.churn and journey.churn.event,
            "brings value": journey.value and (journey.value.event or Step()),
        }
        yield from ((step, meaning) for meaning, step in parts.items() if step)

    def _events(self, event: Any, meaning: str = "") -> Events:
        step = as_step(event, "event")
        condition = self.log.portable(step)
        if condition not in self._events_of:
            words = str(step).removeprefix("any event where ")
            first = "; only a customer's first is meant, which is not said here" * bool(
                step.first_time
            )
            self._events_of[condition] = Events(
                self._name(words),
                words,
                _rewritten(condition, lambda name: _column(self.column(name))),
                _rewritten(condition, lambda name: exp.Var(this=_as_filter(name))),
                meaning + first,
            )
        return self._events_of[condition]

    def column(self, ours: str) -> str:
        """What the table calls a column of the log."""
        return self._theirs.get(ours, ours)

    def quoted(self, ours: str) -> str:
        """The same, as SQL."""
        return _column(self.column(ours)).sql(dialect=_ANSI)

    def _properties(self, of_customer: bool) -> list[str]:
        return [n for n, kept in self.log.properties.items() if kept.of_customer == of_customer]

    # ---- dbt ---------------------------------------------------------------------------------------------------

    def dbt(self) -> dict[str, Any]:
        """`semantic_models` and `metrics` of MetricFlow."""
        models = [self._dbt_events()]
        models += [self._dbt_customers()] if self._properties(of_customer=True) else []
        return {"semantic_models": models, "metrics": [*self._dbt_metrics()]}

    def _dbt_events(self) -> dict[str, Any]:
        amount = self.journey.value and self.journey.value.amount
        measures = [
            {
                "name": "customers",
                "description": "Customers, each once",
                "agg": "count_distinct",
                "expr": self.quoted("customer_id"),
            },
            *(measure for events in self.events for measure in self._dbt_measures(events)),
        ]
        if amount in self.log.properties:
            paid = self._paid()
            measures.append(
                {
                    "name": "value_sum",
                    "description": f"{amount} of {paid.words}, summed",
                    "agg": "sum",
                    "expr": f"CASE WHEN {paid.condition} THEN {self.quoted(str(amount))} END",
                }
            )
        own = [{"name": "event_name", "type": "categorical", "expr": self.quoted("event")}]
        own += [
            {"name": _dimension(name), "type": "categorical", "expr": self.quoted(name)}
            for name in self._properties(of_customer=False)
        ]
        return {
            "name": "journey_events",
            "description": f"Events of {self.journey.name}: who, what, when.",
            "model": f"ref('{self.table}')",
            "defaults": {"agg_time_dimension": "happened_at"},
            "primary_entity": "journey_event",
            "entities": [
                {"name": "customer", "type": "foreign", "expr": self.quoted("customer_id")}
            ],
            "dimensions": [
                {
                    "name": "happened_at",
                    "type": "time",
                    "expr": self.quoted("timestamp"),
                    "type_params": {"time_granularity": "day"},
                },
                *own,
            ],
            "measures": measures,
        }

    def _dbt_measures(self, events: Events) -> list[dict[str, Any]]:
        customers = f"CASE WHEN {events.condition} THEN {self.quoted('customer_id')} END"
        return [
            {
                "name": f"{events.name}_events",
                "description": f"Rows of {events.words}: {events.meaning}",
                "agg": "sum",
                "expr": f"CASE WHEN {events.condition} THEN 1 ELSE 0 END",
            },
            {
                "name": f"{events.name}_customers",
                "description": f"Customers with {events.words}, each once: {events.meaning}",
                "agg": "count_distinct",
                "expr": customers,
            },
        ]

    def _dbt_customers(self) -> dict[str, Any]:
        return {
            "name": "journey_customers",
            "description": "Attributes of customers.",
            "model": f"ref('{self._customers_table()}')",
            "entities": [
                {"name": "customer", "type": "primary", "expr": self.quoted("customer_id")}
            ],
            "dimensions": [
                {"name": _dimension(name), "type": "categorical", "expr": self.quoted(name)}
                for name in self._properties(of_customer=True)
            ],
        }

    def _dbt_metrics(self) -> Iterator[dict[str, Any]]:
        for events in self.events:
            for unit in ("customers", "events"):
                measure = f"{events.name}_{unit}"
                yield _metric(
                    measure,
                    f"{events.words}, {unit}",
                    f"{unit.capitalize()} of {events.words}: {events.meaning}",
                    "simple",
                    {"measure": measure},
                )
        for name, funnel in self.journey.funnels.items():
            yield from self._dbt_funnel(name, funnel.model_dump(mode="json"))
        if self.journey.value and self.journey.value.amount in self.log.properties:
            yield _metric(
                "value_sum", "Value", self._value_words(), "simple", {"measure": "value_sum"}
            )
            yield _metric(
                "value_per_paying_customer",
                "Value per paying customer",
                f"{self._value_words()}, by the customers with such an event",
                "ratio",
                {
                    "numerator": {"name": "value_sum"},
                    "denominator": {"name": f"{self._paid().name}_customers"},
                },
            )

    def _dbt_funnel(self, name: str, definition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        first, *later = [self._events(step) for step in self.journey.funnels[name].steps]
        window = self.journey.funnels[name].window
        for position, step in enumerate(later, start=2):
            metric = self._name(f"funnel {name} step {position} {step.words}")
            yield _metric(
                metric,
                f"Funnel {name}: {first.words} to {step.words}",
                f"Share of the customers with {first.words} who came to {step.words} within the window, in whole days; it passes over the steps between. "
                "cj.funnel counts those who go through all steps in order.",
                "conversion",
                {
                    "conversion_type_params": {
                        "entity": "customer",
                        "calculation": "conversion_rate",
                        # MetricFlow drops a filter of the conversion, so that measure picks its rows itself.
                        "base_measure": {
                            "name": "customers",
                            "filter": first.filter,
                            "alias": f"{metric}_from",
                        },
                        "conversion_measure": {"name": f"{step.name}_customers"},
                    }
                    | ({"window": _window(window)} if window else {})
                },
                {"cj_funnel": {"name": name, **_said(definition)}},
            )

    # ---- Ossie -------------------------------------------------------------------------------------------------

    def ossie(self) -> dict[str, Any]:
        """A document of Apache Ossie, with each funnel as a data set of its own."""
        customers = self._properties(of_customer=True)
        events = [
            _field("customer_id", self.quoted("customer_id")),
            _field("event", self.quoted("event"), "What happened"),
            _field("timestamp", self.quoted("timestamp"), "When", is_time=True),
            *(_field(name, self.quoted(name)) for name in self._properties(of_customer=False)),
        ]
        funnels = {name: self._ossie_funnel(name) for name in self.journey.funnels}
        datasets = [
            {
                "name": "events",
                "source": self.table,
                "description": "One row an event: who, what, when.",
                "fields": events,
            }
        ]
        model: dict[str, Any] = {
            "name": slug(self.journey.name),
            "description": f"Definitions of {self.journey.name}.",
            "ai_context": {
                "instructions": "Numbers tell what goes with what, not causes. Give the number of customers with each share."
            },
            "datasets": datasets,
        }
        if customers:
            datasets.append(
                {
                    "name": "customers",
                    "source": self._customers_table(),
                    "primary_key": ["customer_id"],
                    "fields": [
                        _field(name, self.quoted(name)) for name in ["customer_id", *customers]
                    ],
                }
            )
            model["relationships"] = [
                {
                    "name": "events_of_customers",
                    "from": "events",
                    "to": "customers",
                    "from_columns": ["customer_id"],
                    "to_columns": ["customer_id"],
                }
            ]
        datasets += funnels.values()
        model["metrics"] = [*self._ossie_metrics()]
        settings = {
            key: _said(section.model_dump(mode="json"))
            for key in ("retention", "churn", "value")
            if (section := getattr(self.journey, key)) is not None
        }
        model["custom_extensions"] = [
            {"vendor_name": "COMMON", "data": json.dumps(settings, ensure_ascii=False)}
        ]
        return {"version": OSSIE_VERSION, "semantic_model": [model]}

    def _ossie_metrics(self) -> Iterator[dict[str, Any]]:
        for events in self.events:
            condition = _of_events(events.condition)
            yield _ossie_metric(
                f"{events.name}_customers",
                f"COUNT(DISTINCT CASE WHEN {condition} THEN events.{self.quoted('customer_id')} END)",
                f"Customers with {events.words}, each once: {events.meaning}",
            )
            yield _ossie_metric(
                f"{events.name}_events",
                f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)",
                f"Rows of {events.words}: {events.meaning}",
            )
        for name, funnel in self.journey.funnels.items():
            dataset, last = self._name(f"funnel {name}"), len(funnel.steps)
            for step in range(2, last + 1):
                yield _ossie_metric(
                    f"{dataset}_step_{step}",
                    f"MAX(CASE WHEN {dataset}.step = {step} THEN {dataset}.customers END) * 1.0 / "
                    f"NULLIF(MAX(CASE WHEN {dataset}.step = 1 THEN {dataset}.customers END), 0)",
                    f"Share of the customers of the first step of funnel {name} who come to step {step}, in order and within the window",
                )
        if self.journey.value and self.journey.value.amount in self.log.properties:
            paid = self._paid()
            amount = f"events.{self.quoted(self.journey.value.amount)}"
            yield _ossie_metric(
                "value_sum",
                f"SUM(CASE WHEN {_of_events(paid.condition)} THEN {amount} END)",
                self._value_words(),
            )

    def _ossie_funnel(self, name: str) -> dict[str, Any]:
        options: dict[str, Any] = self.journey.funnel(name) | {"by": None}
        tree = sqlglot.parse_one(cj.funnel(self.log, **options).sql, dialect="duckdb")
        for table in tree.find_all(exp.Table):
            if table.name == "events":
                given = exp.select(
                    *(
                        exp.alias_(_column(self.column(ours)), _column(ours).this)
                        for ours in ("customer_id", "event", "timestamp", *self._properties(False))
                    )
                ).from_(self.table)
                table.replace(given.subquery("given"))
        definition = self.journey.funnels[name].model_dump(mode="json")
        return {
            "name": self._name(f"funnel {name}"),
            "source": tree.sql(dialect=_ANSI),
            "description": f"Funnel {name}: the customers who came to each step, counted as cj.funnel counts them.",
            "primary_key": ["step"],
            "fields": [
                _field("step", "step", "The step's number, from 1"),
                _field("customers", "customers", "Customers who came to it"),
            ],
            "custom_extensions": [
                {"vendor_name": "COMMON", "data": json.dumps(_said(definition), ensure_ascii=False)}
            ],
        }

    # ---- both --------------------------------------------------------------------------------------------------

    def _paid(self) -> Events:
        value = self.journey.value
        return self._events(None if value is None else value.event, "brings value")

    def _value_words(self) -> str:
        assert self.journey.value is not None
        return f"{self.journey.value.amount} of {self._paid().words}, summed"

    def _customers_table(self) -> str:
        source = self.journey.sources.customers
        if source is None:
            return "customers"
        return source.table or PurePosixPath(source.path or "customers").stem


def slug(text: str) -> str:
    """A name as both formats allow it: small letters, digits, single underscores, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold().replace("ß", "ss")).strip("_")
    named = plain if plain[:1].isalpha() else f"n_{plain}".strip("_")
    return named if len(named) > 1 else f"{named}_1"


def _dimension(name: str) -> str:
    return f"property_{slug(name)}"


def _column(name: str, table: str = "") -> exp.Column:
    """A column, in quotation marks only where it must be: some warehouses take marks for a matter of capitals."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.casefold() not in _RESERVED
    return exp.column(exp.to_identifier(name, quoted=not plain), table or None)


def _as_filter(column: str) -> str:
    if column == "timestamp":
        return "{{ TimeDimension('journey_event__happened_at', 'day') }}"
    name = "event_name" if column == "event" else _dimension(column)
    return f"{{{{ Dimension('journey_event__{name}') }}}}"


def _rewritten(condition: str, column: Callable[[str], Any]) -> str:
    """A condition with each column written anew, in SQL that is nobody's dialect."""
    tree = sqlglot.parse_one(condition, dialect="duckdb")
    for found in list(tree.find_all(exp.Column)):
        found.replace(column(found.name))
    return tree.sql(dialect=_ANSI)


def _window(window: str) -> str:
    """A duration as MetricFlow has it: a whole number of its largest unit."""
    length = microseconds(window, "window")
    grain = next(name for name, size in _GRAINS.items() if length % size == 0 or name == "second")
    return f"{max(1, length // _GRAINS[grain])} {grain}"


def _said(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a section says, without what it leaves open."""
    return {
        key: [_plain(one) for one in value] if isinstance(value, list) else _plain(value)
        for key, value in definition.items()
        if value not in (None, "", [], (), {})
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) and "may_be_absent" in value:
        step = Step(value["event"], where=value["where"], first_time=value["first_time"])
        return str(step) if step.where or step.first_time else simplest(step)
    return value


def _metric(
    name: str,
    label: str,
    description: str,
    kind: str,
    type_params: Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "label": label,
        "description": description,
        "type": kind,
        "type_params": dict(type_params),
    }
    return made | ({"config": {"meta": dict(meta)}} if meta else {})


def _field(
    name: str, expression: str, description: str = "", *, is_time: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "expression": _expression(expression),
        "dimension": {"is_time": is_time},
    }
    return made | ({"description": description} if description else {})


def _ossie_metric(name: str, expression: str, description: str) -> dict[str, Any]:
    return {"name": name, "expression": _expression(expression), "description": description}


def _expression(sql: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": "ANSI_SQL", "expression": sql}]}


def _of_events(condition: str) -> str:
    """A condition with its columns said to be those of the data set of events."""
    return _rewritten(condition, lambda name: _column(name, "events"))
