"""The sections of a journey file, key by key. What a key may hold stands in `fields`; what keys owe one another in `rules`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from cjlib.errors import CjlibError, did_you_mean
from cjlib.sources.alert_rules import ALLOWED, read_rule
from cjlib.sources.identity.options import HUB_LIMIT
from cjlib.sources.ingest.options import checked_encoding
from cjlib.sources.ingest.parse_times import DATE_WORDS
from cjlib.sources.journey.fields import (
    ONE,
    SEVERAL,
    Amount,
    Conditions,
    Count,
    Duration,
    EventField,
    ExcludeField,
    Flag,
    Listed,
    NamedEvent,
    Number,
    Section,
    Share,
    Text,
    Texts,
    Window,
    Zone,
    fault,
    one_of,
    whole,
)
from cjlib.sources.log.semantics import FUNNELS, RETENTIONS

PERIODS = ("hour", "day", "week", "month", "quarter", "year")


# ---- where the data lies -----------------------------------------------------------------------------------------


def _dates(value: Any) -> str:
    if isinstance(value, str) and (value in DATE_WORDS or "%" in value):
        return value
    raise fault(
        f"must be {', '.join(DATE_WORDS)} or a format such as '%d/%m/%Y %H:%M'.{did_you_mean(value, DATE_WORDS)}"
    )


def _dates_or_none(value: Any) -> str:
    return value if value == "none" else _dates(value)


def _encoding(value: Any) -> str:
    try:
        checked_encoding(value)
    except CjlibError as error:
        raise fault(str(error).removeprefix("encoding: ").partition(" Got ")[0]) from None
    return value


def _bare_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Source(Section):
    """Where one table lies: a file (or a glob), or a table of a database."""

    path: Text | None = None
    url: Text | None = Field(default=None, repr=False)
    table: Text | None = None
    query: Text | None = None
    dates: Annotated[str, BeforeValidator(_dates)] | None = None
    decimal: Annotated[Literal["point", "comma"], one_of("point", "comma")] | None = None
    encoding: Annotated[str, BeforeValidator(_encoding)] | None = None


class EventSource(Source):
    """The event log's source and how it is to be read."""

    columns: dict[str, Text] = Field(default_factory=dict)
    event: Text | None = None
    duplicates: Annotated[Literal["quarantine", "keep"], one_of("quarantine", "keep")] = (
        "quarantine"
    )
    quarantine_limit: Share = 0.05
    observed_until: Text | None = None
    timezone: Zone | None = None
    id: Text | None = None
    missing_ids: Texts = ()
    where: Conditions = Field(default_factory=dict)
    preset: Text | None = None


class NamedEventSource(EventSource):
    """One source of events of several; its name stands in the column `source`."""

    name: Text


EventSources: TypeAlias = Annotated[
    Annotated[EventSource, BeforeValidator(_bare_path), Tag(ONE)]
    | Annotated[tuple[NamedEventSource, ...], Field(min_length=1), Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list | tuple) else ONE),
]


class FeedbackSource(Source):
    """The feedback table's source; a column may be `[its name, 1 is best]`, `dates: none` means that the file has no dates."""

    columns: dict[str, Any] = Field(default_factory=dict)
    dates: Annotated[str, BeforeValidator(_dates_or_none)] | None = None
    asked: Count | None = None
    timezone: Zone | None = None
    missing: Texts = ()
    preset: Text | None = None
    quarantine_limit: Share = 0.05


class NamedFeedbackSource(FeedbackSource):
    """One source of feedback of several; its name stands in the column `source`."""

    name: Text


FeedbackSources: TypeAlias = Annotated[
    Annotated[FeedbackSource, BeforeValidator(_bare_path), Tag(ONE)]
    | Annotated[tuple[NamedFeedbackSource, ...], Field(min_length=1), Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list | tuple) else ONE),
]


class CustomerSource(Source):
    """The customers table's source: attributes for `by`, or all there is where a column of it says who left."""

    columns: dict[str, Text] = Field(default_factory=dict)


class Sources(Section):
    """Where the data lies; `columns` here renames columns of whichever source has them."""

    events: EventSources | None = None
    feedback: FeedbackSources | None = None
    customers: Annotated[CustomerSource, BeforeValidator(_bare_path)] | None = None
    columns: dict[str, Text] = Field(default_factory=dict)

    def each(self) -> list[tuple[str, Source]]:
        """Every source with the key where it stands."""
        kinds = {"events": self.events, "feedback": self.feedback, "customers": self.customers}
        several = {key: sources for key, sources in kinds.items() if isinstance(sources, tuple)}
        listed = [
            (f"{key}[{position}]", source)
            for key, sources in several.items()
            for position, source in enumerate(sources)
        ]
        return listed + [(key, one) for key, one in kinds.items() if isinstance(one, Source)]


class IdentityMap(Section):
    """A file that says which ids belong together; `columns` are its names → the log's columns of ids."""

    path: Text
    columns: dict[str, Text] = Field(default_factory=dict)


class IdentityRules(Section):
    """Which columns hold ids of one person, and what links them."""

    known: Texts = ()
    anonymous: Texts = ()
    maps: Annotated[tuple[Annotated[IdentityMap, BeforeValidator(_bare_path)], ...], Listed] = ()
    hub_limit: Count = HUB_LIMIT
    apart: Texts = ()


class Grain(Section):
    """What is counted in the place of customers: an account, a ticket, an order; who belongs where may stand in a table."""

    unit: Text
    plural: Text | None = None
    column: Text | None = None
    map: Annotated[IdentityMap, BeforeValidator(_bare_path)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"unit": value} if isinstance(value, str) else value


# ---- stages ------------------------------------------------------------------------------------------------------


class Touchpoint(Section):
    """A contact between customer and company: one or more events under one name."""

    name: Text
    events: Annotated[tuple[NamedEvent, ...], Listed, Field(min_length=1)]
    channel: Text | None = None
    backstage: Flag = False
    support: Flag = False
    cost: Amount | None = None
    questions: Texts = ()
    thoughts: Texts = ()
    opportunities: Texts = ()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value, "events": [value]}
        if isinstance(value, dict) and value.get("events") is None and "name" in value:
            return {**value, "events": [value["name"]]}
        return value

    @classmethod
    def keys_in_words(cls) -> str:
        """What a touchpoint may be."""
        return f"{super().keys_in_words()}, or an event name (put quotes round a name that looks like null)"


class Stage(Section):
    """A phase of the journey, with what people know of it."""

    name: Text
    touchpoints: Annotated[tuple[Touchpoint, ...], Listed] = ()
    expected: Duration | None = None
    expected_share: Share | None = None
    goal: Texts = ()
    owner: Texts = ()
    kpi: Texts = ()
    questions: Texts = ()
    thoughts: Texts = ()
    opportunities: Texts = ()


class Weights(Section):
    """How much each part of a pain point's severity weighs."""

    lost: Amount = 0.4
    unhappy: Amount = 0.3
    slow: Amount = 0.2
    effortful: Amount = 0.1

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.lost + self.unhappy + self.slow + self.effortful == 0:
            raise fault("all weights are 0: at least one must be above 0.")
        return self


class MapSettings(Section):
    """The settings of the journey map."""

    silent_after: Duration | None = None
    feedback_within: Duration = "30D"
    outcome_after: Duration = "30D"
    weights: Weights = Weights()


# ---- the questions -----------------------------------------------------------------------------------------------


class Funnel(Section):
    """The options of one `cj.funnel`."""

    empty_means = frozenset({"window"})

    steps: Annotated[tuple[EventField, ...], Listed, Field(min_length=1)]
    window: Window = ""
    semantics: Annotated[str, one_of(*FUNNELS)] | None = None
    order: Annotated[str, one_of("sequential", "strict", "any")] = "sequential"
    entry: Annotated[str, one_of("best", "reentry", "first")] = "best"
    entrants: Annotated[str, one_of("all", "closed")] = "all"
    exclude: Annotated[tuple[ExcludeField, ...], Listed] = ()
    hold: Texts = ()
    by: Texts = ()
    by_value: Text = "first"
    step_windows: Annotated[tuple[Window, ...], Listed] = ()
    start: Text | None = None
    end: Text | None = None

    @model_validator(mode="after")
    def _said(self) -> Funnel:
        if self.window == "" and self.semantics is None:
            raise fault("the key is missing.", "window")
        return self

    def given(self, *keys: str) -> dict[str, Any]:
        """Of these keys those that the file says and that say something; where a tool's semantics fill the others, also those that say what we take anyway."""
        return {
            key: getattr(self, key)
            for key in keys
            if key in self.model_fields_set
            and (self.semantics or getattr(self, key) != Funnel.model_fields[key].default)
        }


def _any_event(value: Any) -> Any:
    return {"event": None} if isinstance(value, str) and value.casefold() == "any" else value


class Retention(Section):
    """The options of `cj.retention`; `start` and `return` are events, `from` and `to` bound the cohorts."""

    semantics: Annotated[str, one_of(*RETENTIONS)] | None = None
    start: Annotated[EventField, BeforeValidator(_any_event)] | None = None
    return_: Annotated[EventField, BeforeValidator(_any_event)] | None = Field(
        default=None, alias="return"
    )
    period: Annotated[str, one_of(*PERIODS)] = "week"
    periods: Count = 12
    cohort: Annotated[str, one_of("first_ever", "first_in_range", "recurring")] = "first_ever"
    mode: Annotated[str, one_of("on", "on_or_after", "every")] = "on"
    clock: Annotated[str, one_of("calendar", "elapsed")] = "calendar"
    week_start: Annotated[str, one_of("monday", "sunday")] = "monday"
    min_returns: Count = 1
    period_zero: Annotated[str, one_of("cohort", "returns")] = "cohort"
    by: Texts = ()
    from_: Text | None = Field(default=None, alias="from")
    to: Text | None = None


class Churn(Section):
    """What it means to have left: an event, a silence, or what a column of the customers table says."""

    event: EventField | None = None
    inactive: Duration | None = None
    target: Text | None = None
    positive: Text | None = None
    horizon: Duration | None = None
    active_within: Duration | None = None
    contact_list: Text | None = None
    contacted_at: Text | None = None


class Value(Section):
    """Money of a customer: the sum of a column over the named events; `kept` is what it is worth that a customer stays."""

    event: EventField | None = None
    amount: Text = "value"
    kept: Amount | None = None


class Measure(Section):
    """One measure of an experiment, as `cj.Measure`, under its name."""

    event: EventField | None = None
    kind: Annotated[str, one_of("share", "funnel", "count", "sum", "ratio", "time", "score")] = (
        "share"
    )
    value: Text | None = None
    per: EventField | None = None
    better: Annotated[Literal["higher", "lower"], one_of("higher", "lower")] | None = None
    role: Annotated[str, one_of("decision", "guardrail", "exploratory")] = "decision"
    winsorize: Share | None = None
    after: Duration | None = None


class Experiment(Section):
    """The plan of an experiment: who is in which arm, what decides, and when it may be read."""

    assignment: Annotated[Source, BeforeValidator(_bare_path)] | None = None
    exposure: EventField | None = None
    variant: Text = "variant"
    control: Text
    window: Duration
    measures: Annotated[dict[str, Measure], Field(min_length=1)]
    by: Texts = ()
    planned_customers: Count | None = None
    planned_shares: dict[str, Share] = Field(default_factory=dict)
    stop: Annotated[str, one_of("always_valid", "fixed")] = "always_valid"
    plan: Text | None = None
    linked_by: Text | None = None


# ---- what the scorecard needs ------------------------------------------------------------------------------------


class Roles(Section):
    """Which events play the parts that measures ask for."""

    visit: EventField | None = None
    lead: EventField | None = None
    convert: EventField | None = None
    impression: EventField | None = None
    click: EventField | None = None
    page: EventField | None = None
    start: EventField | None = None
    renewal_due: EventField | None = None
    renew: EventField | None = None
    expand: EventField | None = None
    refer: EventField | None = None
    referred: EventField | None = None
    asked: EventField | None = None
    features: Annotated[tuple[EventField, ...], Listed] = ()


class Support(Section):
    """How tickets are told apart and what happens to them; `ticket_id` and `handled_by` are columns, the others events."""

    ticket_id: Text | None = None
    opened: EventField
    first_response: EventField | None = None
    resolved: EventField | None = None
    reopened: EventField | None = None
    abandoned: EventField | None = None
    waiting: EventField | None = None
    handled_by: Text | None = None


class Costs(Section):
    """What contacting a customer and making an offer cost."""

    contact: Amount | None = None
    offer: Amount | None = None


class Scorecard(Section):
    """The period of the scorecard and how many of them its trend shows."""

    period: Annotated[str, one_of(*PERIODS)] = "month"
    periods: Annotated[int, whole(2, 30)] = 30


class Target(Section):
    """A value a measure should reach; `better` says which side is good where the measure itself does not."""

    value: Number
    better: Annotated[Literal["higher", "lower"], one_of("higher", "lower")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str | int | float) else value


class Persona(Section):
    """What people know of a kind of customer, shown at the computed persona that matches."""

    name: Text
    match: Annotated[
        dict[str, Annotated[Literal["high", "low"], one_of("high", "low")]], Field(min_length=1)
    ]
    goals: Texts = ()
    thoughts: Texts = ()


class Currency(Section):
    """How money is written in reports: a symbol or code before the amount, and at most so many decimals."""

    symbol: Text
    decimals: Annotated[int, whole(0, 4)] = 2

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"symbol": value} if isinstance(value, str) else value


class Labels(Section):
    """What reports call the names of the data: name → words for people."""

    events: dict[str, Text] = Field(default_factory=dict)
    channels: dict[str, Text] = Field(default_factory=dict)
    properties: dict[str, Text] = Field(default_factory=dict)
    stages: dict[str, Text] = Field(default_factory=dict)


class Delivery(Section):
    """Where `cj send` delivers a run: mail addresses and addresses of services, and how the mail leaves; secrets stand as `${NAME}`."""

    to: Annotated[Texts, Field(min_length=1)]
    smtp: Text | None = None
    from_: Text | None = Field(default=None, alias="from")
    links: Text | None = None
    attach: Annotated[
        tuple[Annotated[Literal["html", "pdf"], one_of("html", "pdf")], ...], Listed
    ] = ()


def _alert(value: Any) -> str:
    rule = read_rule(value)
    if rule is None:
        raise fault(ALLOWED)
    return rule.written


AlertField: TypeAlias = Annotated[
    str,
    BeforeValidator(_alert),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
"""An alert as text; `moved: conversion` is a mapping to YAML."""


# ---- the measures that targets may name --------------------------------------------------------------------------

MEASURES: dict[str, Literal["higher", "lower"] | None] = {
    "conversion_of_visitors": "higher",
    "conversion_of_leads": "higher",
    "active_customers": "higher",
    "new_customers": "higher",
    "retention": "higher",
    "churn": "lower",
    "value_per_active_customer": "higher",
    "value_to_date_per_customer": "higher",
    "expected_value_per_customer": "higher",
    "nps": "higher",
    "csat": "higher",
    "ces": "higher",
    "rating": "higher",
    "response_share": "higher",
    "click_through": "higher",
    "bounce": "lower",
    "median_seconds_per_session": None,
    "mean_seconds_per_session": None,
    "median_seconds_on_page": None,
    "active_days_per_customer": "higher",
    "stickiness": "higher",
    "features_per_customer": "higher",
    "renewal": "higher",
    "expansion": "higher",
    "referral": "higher",
    "referred_customers": "higher",
    "tickets": None,
    "tickets_per_customer": "lower",
    "answered_in_24h": "higher",
    "median_seconds_to_first_response": "lower",
    "median_seconds_to_resolution": "lower",
    "first_contact_resolution": "higher",
    "reopened": "lower",
    "abandonment": "lower",
    "handovers_per_ticket": "lower",
}
"""The measures of the scorecard and which side is better (None: neither); `median_days_to_<milestone>` joins them, lower is better."""
