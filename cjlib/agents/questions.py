"""What an agent can ask: of each question the options, as fields of a class, and the function of `cj` that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import pandas as pd
from pydantic import Field, ValidationError, WithJsonSchema

import cjlib as cj
from cjlib.agents.inert import unquoted
from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, not_one_of
from cjlib.sources.journey.fields import (
    Conditions,
    Count,
    Duration,
    EventField,
    ExcludeField,
    Listed,
    Section,
    Text,
    Texts,
    Window,
    one_of,
    simplest,
    whole,
)
from cjlib.sources.journey.schema import PERIODS
from cjlib.sources.journey.yaml_parser import schema_faults, spelled
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.engine import identifier
from cjlib.sources.log.semantics import FUNNELS, RETENTIONS

MOST_ROWS = 500
"""Rows of a table that one answer holds at most."""
MOST_VALUES = 20
"""Values of a property up to which they are listed, and up to which it is offered for groups."""
OF_ANSWER = ("table", "rows", "first_row")
"""Options that say what of an answer is wanted, and nothing of how it is counted."""

Period: TypeAlias = Annotated[
    Literal["hour", "day", "week", "month", "quarter", "year"], one_of(*PERIODS)
]

_TEXTS = {"type": "array", "items": {"type": "string"}}
_WRITTEN = {
    "type": "object",
    "properties": {
        "event": {"anyOf": [{"type": "string"}, _TEXTS]},
        "where": {"type": "object"},
        "first_time": {"type": "boolean"},
    },
}
OneEvent: TypeAlias = Annotated[
    EventField,
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, _TEXTS, _WRITTEN],
            "description": "An event's name, a list of names (any of them), or a name with conditions on properties.",
        }
    ),
]


class Business:
    """The journey file and its data, read when a question first needs them."""

    def __init__(self, journey: cj.Journey) -> None:
        self.journey = journey

    @cached_property
    def log(self) -> cj.EventLog:
        """The events; an error where the file names none."""
        return self.journey.read_events()

    @cached_property
    def log_if_named(self) -> cj.EventLog | None:
        """The events, or None."""
        return None if self.journey.sources.events is None else self.log

    @cached_property
    def feedback_if_named(self) -> cj.Feedback | None:
        """The feedback, or None."""
        return self.journey.read_feedback()

    @property
    def feedback(self) -> cj.Feedback:
        """The feedback; an error where the file names none."""
        if self.feedback_if_named is None:
            raise CjlibError(
                "feedback: the journey file names none. Add sources: {feedback: {path: feedback.csv}}."
            )
        return self.feedback_if_named

    @cached_property
    def few_values(self) -> dict[str, list[str]]:
        """Of each property that holds few different values, those, as text."""
        log = self.log_if_named
        values = {
            name: distinct_values(log, name, MOST_VALUES + 1)
            for name in (() if log is None else log.properties)
            if log is not None
        }
        return {name: some for name, some in values.items() if len(some) <= MOST_VALUES}

    @cached_property
    def names(self) -> list[str]:
        """The names that sentences about this business may hold."""
        journey, log = self.journey, self.log_if_named
        points = [point.name for stage in journey.stages for point in stage.touchpoints]
        of_file = [*journey.stage_names, *points, *journey.funnels, *journey.experiments]
        of_log = [] if log is None else [*log.event_names, *log.properties]
        return [journey.name, *of_file, *of_log, *chain.from_iterable(self.few_values.values())]

    @cached_property
    def churn_data(self) -> cj.ChurnData:
        """What the model of churn learns from, as the journey file says it."""
        source = self.journey.read_churn_source()
        return cj.churn_data(source, **self.journey.churn_options(source))

    @cached_property
    def churn_model(self) -> cj.ChurnModel:
        """The model fitted to it."""
        return cj.fit_churn(self.churn_data)


def distinct_values(log: cj.EventLog, column: str, most: int) -> list[str]:
    """The first values of a property, as text, in their order; at most so many."""
    name = identifier(column)
    values = log.run(
        f"SELECT DISTINCT CAST({name} AS VARCHAR) AS v FROM events WHERE {name} IS NOT NULL ORDER BY v LIMIT {most}"
    )
    return values["v"].tolist()


class Question(Section):
    """A question; what is left out, or null, is as in the journey file, else as the function has it."""

    table: Annotated[
        Text, Field(description="One of the answer's further_tables instead of its main table.")
    ] = "table"
    rows: Annotated[
        int, whole(0, MOST_ROWS), Field(description="Rows of the table to give at most.")
    ] = 50
    first_row: Annotated[Count, Field(description="The first row to give, counted from 1.")] = 1

    def given(self, *but: str) -> dict[str, Any]:
        """The options that were given, as the function takes them."""
        names = self.model_fields_set - {*OF_ANSWER, "where", *but}
        return {name: _plain(getattr(self, name)) for name in sorted(names)}


class OfEvents(Question):
    """A question about events."""

    where: Annotated[
        Conditions,
        Field(description="Only events that meet every condition: property → value or list."),
    ] = Field(default_factory=dict)

    def log(self, business: Business) -> cj.EventLog:
        """The events that it is asked of."""
        return business.log.where(self.where) if self.where else business.log


class FunnelQuestion(OfEvents):
    """How many customers get from step to step of a funnel, in order and within the window, and how many are lost at each."""

    name: Annotated[Text, Field(description="A funnel of the journey file; its first one.")] = ""
    steps: Annotated[
        tuple[OneEvent, ...],
        Listed,
        Field(description="Events in order, instead of a funnel of the file; then give a window."),
    ] = ()
    window: Annotated[
        Window, Field(description="Longest time from first step to last: 14D, 36h; none: no limit.")
    ] = ""
    order: Annotated[
        Literal["sequential", "strict", "any"], one_of("sequential", "strict", "any")
    ] = "sequential"
    entry: Annotated[
        Literal["best", "reentry", "first"] | None, one_of("best", "reentry", "first")
    ] = None
    entrants: Annotated[Literal["all", "closed"], one_of("all", "closed")] = "all"
    exclude: Annotated[tuple[ExcludeField, ...], Listed] = ()
    hold: Annotated[Texts, Field(description="Properties that must stay the same.")] = ()
    by: Annotated[Texts, Field(description="Properties to compare groups by.")] = ()
    by_value: Text | None = None
    start: Annotated[Text | None, Field(description="First day of entry.")] = None
    end: Annotated[Text | None, Field(description="Last day of entry.")] = None
    semantics: Annotated[str | None, one_of(*FUNNELS), Field(description="As a tool counts.")] = (
        None
    )


def _funnel(asked: FunnelQuestion, business: Business) -> Result:
    """The answer of `cj.funnel`."""
    given = asked.given("name")
    if not asked.steps:
        limit = {"window": "none"} if given.get("window", "") is None else {}
        given = business.journey.funnel(asked.name, **given | limit)
    return cj.funnel(asked.log(business), **given)


class RetentionQuestion(OfEvents):
    """Which share of the customers of each cohort comes back, period after period."""

    start_event: OneEvent | None = None
    return_event: OneEvent | None = None
    period: Period | None = None
    periods: Count | None = None
    cohort: Annotated[
        Literal["first_ever", "first_in_range", "recurring"] | None,
        one_of("first_ever", "first_in_range", "recurring"),
    ] = None
    mode: Annotated[
        Literal["on", "on_or_after", "every"] | None, one_of("on", "on_or_after", "every")
    ] = None
    min_returns: Count | None = None
    by: Annotated[Texts, Field(description="Properties to compare groups by.")] = ()
    start: Annotated[Text | None, Field(description="First day of the cohorts.")] = None
    end: Annotated[Text | None, Field(description="Last day of the cohorts.")] = None
    semantics: Annotated[
        str | None, one_of(*RETENTIONS), Field(description="As a tool counts.")
    ] = None


def _retention(asked: RetentionQuestion, business: Business) -> Result:
    """The answer of `cj.retention`."""
    return cj.retention(asked.log(business), **business.journey.retention_options(**asked.given()))


class SurvivalQuestion(OfEvents):
    """How long customers stay: the share still there after each day, by Kaplan and Meier, those still there counted as such."""

    churn_event: OneEvent | None = None
    inactive: Annotated[Duration | None, Field(description="Silence that means having left.")] = (
        None
    )
    start_event: OneEvent | None = None
    by: Annotated[Texts, Field(description="Properties to compare groups by.")] = ()
    start: Text | None = None
    end: Text | None = None


def _survival(asked: SurvivalQuestion, business: Business) -> Result:
    """The answer of `cj.survival`."""
    given = asked.given()
    said = "churn_event" in given or "inactive" in given
    leaving = {} if said else business.journey.leaving_options()
    return cj.survival(asked.log(business), **leaving | given)


class LifecycleQuestion(OfEvents):
    """How many customers are new, returning, resurrected and dormant in each period."""

    event: OneEvent | None = None
    period: Period = "month"


def _lifecycle(asked: LifecycleQuestion, business: Business) -> Result:
    """The answer of `cj.lifecycle`."""
    return cj.lifecycle(asked.log(business), **asked.given())


class PathsQuestion(OfEvents):
    """Which ways customers take, event after event."""

    start_event: OneEvent | None = None
    end_event: OneEvent | None = None
    max_steps: Annotated[int, whole(2, 50)] = 8
    top: Annotated[int, whole(1, 200)] = 20
    session_gap: Annotated[
        Text, Field(description="Longest pause inside a path: 30min; none: whole histories.")
    ] = ""


def _paths(asked: PathsQuestion, business: Business) -> Result:
    """The answer of `cj.paths`."""
    return cj.paths(asked.log(business), **business.journey.path_options(**asked.given()))


class TransitionsQuestion(OfEvents):
    """Which event follows which, how often and after how long."""

    by: Annotated[Text | None, Field(description="A property to compare groups by.")] = None
    session_gap: Annotated[Duration | None, Field(description="Longest pause between.")] = None


def _transitions(asked: TransitionsQuestion, business: Business) -> Result:
    """The answer of `cj.transitions`."""
    return cj.transitions(asked.log(business), **asked.given())


class AttributionQuestion(OfEvents):
    """Which channels the touches before a conversion came from, and how a model divides the credit; credit is a convention, not an effect."""

    conversion: OneEvent | None = None
    model: Annotated[
        Text,
        Field(
            description="first, last, last_non_direct, linear, position, time_decay, markov or shapley."
        ),
    ] = "markov"
    lookback: Window = "30D"
    value: Annotated[Text | None, Field(description="Column of money.")] = None
    channel: Annotated[Text, Field(description="Column of channels.")] = "channel"
    order: Annotated[int, whole(1, 4)] = 1


def _attribution(asked: AttributionQuestion, business: Business) -> Result:
    """The answer of `cj.attribution`."""
    options = business.journey.attribution_options() | asked.given()
    return cj.attribution(asked.log(business), **options)


class ScoreQuestion(Question):
    """The score that customers gave: NPS, CSAT, CES or stars."""

    score: Annotated[
        Text, Field(description="nps, csat, ces or rating; the one with most answers.")
    ] = ""
    by: Annotated[Text | None, Field(description="A column of the feedback.")] = None
    period: Period | None = None


def _score(asked: ScoreQuestion, business: Business) -> Result:
    """The answer of `cj.score`."""
    return cj.score(business.feedback, asked.score, **asked.given("score"))


class SentimentQuestion(Question):
    """How positive or negative the texts of customers are: an index, for shares need labels made by people."""

    by: Annotated[Text | None, Field(description="A column of the feedback.")] = None
    period: Period | None = None


def _sentiment(asked: SentimentQuestion, business: Business) -> Result:
    """The answer of `cj.sentiment`."""
    return cj.sentiment(business.feedback, **asked.given())


class ThemesQuestion(Question):
    """What customers write about, how often, and how it goes with their scores."""

    quotes: Annotated[
        bool, Field(description="Whether customers' words are given, personal data removed.")
    ] = False


def _themes(asked: ThemesQuestion, business: Business) -> Result:
    """The answer of `cj.themes`."""
    return cj.themes(business.feedback, quotes=asked.quotes)


class ChurnQuestion(Question):
    """How well a model foretells which customers leave, and which features go with leaving (further table effects)."""


def _churn(_: ChurnQuestion, business: Business) -> Result:
    """The model of `cj.fit_churn`."""
    return business.churn_model


class ChurnForecastQuestion(Question):
    """How many of the customers of today are expected to leave, by the model of churn."""


def _churn_forecast(_: ChurnForecastQuestion, business: Business) -> Result:
    """The answer of `ChurnModel.score_today`."""
    return business.churn_model.score_today(business.churn_data)


class CustomerValueQuestion(OfEvents):
    """How much customers are expected to spend."""

    horizon: Annotated[Duration, Field(description="How far ahead: 90D.")]
    value: Annotated[Text | None, Field(description="Column of money.")] = None
    event: OneEvent | None = None


def _customer_value(asked: CustomerValueQuestion, business: Business) -> Result:
    """The answer of `cj.customer_value`."""
    options = business.journey.value_options(**asked.given())
    return cj.customer_value(asked.log(business), **options)


class JourneyMapQuestion(Question):
    """The journey map: customers, time, sentiment and pain of every stage; further tables touchpoints, pain_points, moments, routes."""

    outcome: Annotated[
        Literal["retained", "converted", "promoter"], one_of("retained", "converted", "promoter")
    ] = "retained"
    by: Annotated[Text | None, Field(description="A property to compare groups by.")] = None
    start: Annotated[Text, Field(description="First day of the map.")] = ""
    end: Annotated[Text, Field(description="Last day of the map.")] = ""


def _journey_map(asked: JourneyMapQuestion, business: Business) -> Result:
    """The answer of `cj.journey_map`."""
    log = business.log_if_named
    bounds = {name: bound for name in ("start", "end") if (bound := getattr(asked, name))}
    within = log.where(**bounds) if log is not None and bounds else log
    return cj.journey_map(
        business.journey,
        within,
        business.feedback_if_named,
        **asked.given("start", "end"),
    )


class ScorecardQuestion(Question):
    """The measures of the business in its last whole period, each beside the period before and its target."""


def _scorecard(_: ScorecardQuestion, business: Business) -> Result:
    """The answer of `cj.scorecard`."""
    return cj.scorecard(business.journey, business.log_if_named, business.feedback_if_named)


class ExperimentQuestion(OfEvents):
    """What differs between the randomised groups of an experiment of the journey file."""

    name: Annotated[Text, Field(description="An experiment of the journey file; its first.")] = ""


def _experiment(asked: ExperimentQuestion, business: Business) -> Result:
    """The answer of `cj.experiment`."""
    return cj.experiment(asked.log(business), **business.journey.experiment(asked.name))


class Kind(NamedTuple):
    """A kind of question: its options, and what answers them."""

    options: type[Question]
    answer: Callable[[Any, Business], Result]


QUESTIONS = {
    "funnel": Kind(FunnelQuestion, _funnel),
    "retention": Kind(RetentionQuestion, _retention),
    "survival": Kind(SurvivalQuestion, _survival),
    "lifecycle": Kind(LifecycleQuestion, _lifecycle),
    "paths": Kind(PathsQuestion, _paths),
    "transitions": Kind(TransitionsQuestion, _transitions),
    "attribution": Kind(AttributionQuestion, _attribution),
    "score": Kind(ScoreQuestion, _score),
    "sentiment": Kind(SentimentQuestion, _sentiment),
    "themes": Kind(ThemesQuestion, _themes),
    "churn": Kind(ChurnQuestion, _churn),
    "churn_forecast": Kind(ChurnForecastQuestion, _churn_forecast),
    "customer_value": Kind(CustomerValueQuestion, _customer_value),
    "journey_map": Kind(JourneyMapQuestion, _journey_map),
    "scorecard": Kind(ScorecardQuestion, _scorecard),
    "experiment": Kind(ExperimentQuestion, _experiment),
}
"""The questions by the names of their tools."""


def question(name: str, options: Mapping[str, Any]) -> Question:
    """The question of this name with these options; every fault of them stands in one error."""
    if name not in QUESTIONS:
        fault = not_one_of("question", name, QUESTIONS)
        raise CjlibError(f"{fault} None of them tells causes: they count what goes with what.")
    try:
        return QUESTIONS[name].options.model_validate(_unquoted(options))
    except ValidationError as error:
        faults = [
            f"{spelled(fault.place) or name}: {fault.text.replace('key', 'option').replace('Keys here', 'Options here')}"
            for fault in schema_faults(error)
        ]
        raise CjlibError(f"{name}: " + " ".join(faults)) from None


def _unquoted(value: Any) -> Any:
    """Options with the quotation marks taken off in which an answer gave a name."""
    if isinstance(value, Mapping):
        return {unquoted(str(key)): _unquoted(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_unquoted(inside) for inside in value]
    return unquoted(value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Step):
        return simplest(value)
    return [_plain(inside) for inside in value] if isinstance(value, tuple) else value


def frames(result: Result) -> dict[str, pd.DataFrame]:
    """The tables of a result by their names."""
    fields = [name for name in vars(result) if not name.startswith("_")]
    return {
        name: table for name in fields if isinstance(table := getattr(result, name), pd.DataFrame)
    }
