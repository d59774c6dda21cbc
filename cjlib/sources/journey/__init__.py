"""The journey file: what the business is. Stages, touchpoints, sources and settings, read from `journey.yml` and checked as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, PrivateAttr, ValidationError

from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.packaged import meant_journey
from cjlib.show import numbers
from cjlib.show.tables import table_html
from cjlib.sources.connect.files import text_of
from cjlib.sources.identity.options import DECLARED
from cjlib.sources.journey.cross_field_rules import broken_rules, newer_form
from cjlib.sources.journey.fields import (
    Count,
    Duration,
    EventField,
    Listed,
    Section,
    Text,
    Zone,
    simplest,
)
from cjlib.sources.journey.reader_options import (
    conditions_of,
    customers_table,
    events_options,
    experiment_options,
    feedback_options,
    grain_options,
    identities_options,
    is_value,
    overridden,
)
from cjlib.sources.journey.schema import (
    AlertField,
    Churn,
    Costs,
    Currency,
    Delivery,
    Experiment,
    Funnel,
    Grain,
    IdentityRules,
    Labels,
    MapSettings,
    Persona,
    Retention,
    Roles,
    Scorecard,
    Sources,
    Stage,
    Support,
    Target,
    Value,
)
from cjlib.sources.journey.yaml_parser import Parsed, parse, raise_all, schema_faults
from cjlib.sources.log.conditions import Step, as_step
from cjlib.sources.log.semantics import FUNNELS, filled

if TYPE_CHECKING:
    from cjlib.sources.feedback.table import Feedback
    from cjlib.sources.log.event_log import EventLog

DEFAULT_SILENCE = "30D"


@dataclass(frozen=True)
class Mapped:
    """One event of a touchpoint, and where it belongs; `position` is the stage's, from 0."""

    stage: str
    position: int
    touchpoint: str
    event: Step
    channel: str | None
    backstage: bool
    support: bool
    cost: float | None


class Journey(Section):
    """A business's customer journey, as its journey file tells it.

    Made by `cj.read_journey`; frozen. Every section is an attribute named like its key
    (`docs/journey.md` lists them all). Events are `cj.Step`; hand-written lanes are tuples of
    texts; durations are text such as "14D".
    """

    form: Count = Field(1, alias="schema", exclude=True)
    name: Text
    timezone: Zone | None = None
    sources: Sources
    identities: IdentityRules | None = None
    grain: Grain | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    routes: tuple[Annotated[tuple[Text, ...], Field(min_length=2, max_length=2)], ...] = ()
    map: MapSettings = MapSettings()
    funnels: dict[str, Funnel] = Field(default_factory=dict)
    retention: Retention | None = None
    churn: Churn | None = None
    value: Value | None = None
    roles: Roles = Roles()
    milestones: dict[str, EventField] = Field(default_factory=dict)
    support: Support | None = None
    costs: Costs = Costs()
    scorecard: Scorecard = Scorecard()
    targets: dict[str, Target] = Field(default_factory=dict)
    personas: Annotated[tuple[Persona, ...], Listed] = ()
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    labels: Labels = Labels()
    currency: Currency | None = None
    delivery: Delivery | None = Field(default=None, exclude=True)
    alerts: Annotated[tuple[AlertField, ...], Listed] = Field(default=(), exclude=True)

    _folder: Path = PrivateAttr(default=Path())
    _log: Any = PrivateAttr(default=None)
    """The log as the file says it, where it tells whose an answer is."""
    _customers: dict[str, str] = PrivateAttr(default_factory=dict)
    """Column → value of the customers who count; empty: all."""

    # ---- facts -------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    @property
    def hash(self) -> str:
        """A digest of what the file says; comments, order of keys and layout do not change it."""
        content = json.dumps(
            self.model_dump(by_alias=True), sort_keys=True, default=str, ensure_ascii=False
        )
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    @property
    def silent_after(self) -> Duration:
        """Silence longer than this means ended: `map.silent_after`, else `churn.inactive`, else 30 days."""
        return self.map.silent_after or (self.churn and self.churn.inactive) or DEFAULT_SILENCE

    @property
    def stage_names(self) -> list[str]:
        """The stages in their order."""
        return [stage.name for stage in self.stages]

    @property
    def mapping(self) -> tuple[Mapped, ...]:
        """Every event that a touchpoint claims, in the file's order, with its stage and touchpoint."""
        return tuple(
            Mapped(
                stage.name,
                position,
                point.name,
                event,
                point.channel,
                point.backstage,
                point.support,
                point.cost,
            )
            for position, stage in enumerate(self.stages)
            for point in stage.touchpoints
            for event in point.events
        )

    def mapping_sql(self, log: EventLog) -> str:
        """SQL over the prepared log: each event's position in `mapping`, NULL for an event that no touchpoint claims."""
        cases = "".join(
            f" WHEN {log.match(one.event, f'touchpoint {one.touchpoint}')} THEN {position}"
            for position, one in enumerate(self.mapping)
        )
        return f"CASE{cases} ELSE NULL END" if cases else "NULL"

    # ---- reading the data --------------------------------------------------------------------------------------

    def read_events(self, **overrides: Any) -> EventLog:
        """The event log of `sources.events`, with the attributes of `sources.customers`.

        Keywords of `cj.read_events` replace what the file says; with `source=` nothing of `sources`
        is used. With `identities=None` no ids are joined: each event counts under its first id.

        Parameters
        ----------
        **overrides
            Keywords of `cj.read_events` that replace what the file says.

        Returns
        -------
        EventLog
            As `cj.read_events` gives it.

        Raises
        ------
        JourneyError
            If the file names no events, or a variable of the environment that is not set.
        DataError
            If the data are missing, or break the contract, as `cj.read_events` says.
        CjlibError
            If an option or the name of a column cannot be used.
        """
        from cjlib.sources.read_events import read_events

        given: dict[str, Any] = (
            {"timezone": self.timezone}
            if "source" in overrides
            else events_options(self.sources, self.folder, self.timezone)
        )
        asked = overrides.get("identities", DECLARED)
        people = identities_options(self.identities, self.folder, asked)
        options = {**overridden(given, overrides), "identities": people}
        options.setdefault("grain", grain_options(self.grain, self.folder))
        log = read_events(options.pop("source"), **options).of_group(self._customers)
        log = replace(log, currency=self._money_in)
        if not overrides and (self.grain or self.identities or self._customers):
            self._log = log
        return log

    @property
    def _money_in(self) -> numbers.Currency | None:
        """The file's currency as numbers are written in it."""
        if self.currency is None:
            return None
        return numbers.Currency(self.currency.symbol, self.currency.decimals)

    def read_events_if_named(self, *, start: str = "", end: str = "") -> EventLog | None:
        """The event log, or None where the file names no events: feedback alone is a business too.

        Parameters
        ----------
        start, end
            The first and the last day of the events to take, both included; empty: no bound.

        Returns
        -------
        EventLog or None
            As `read_events` gives it.

        Raises
        ------
        CjlibError
            As `read_events` says; not where the file names no events.
        """
        if self.sources.events is None:
            return None
        log = self.read_events()
        return log.where(start=start or None, end=end or None) if start or end else log

    def read_feedback(self, **overrides: Any) -> Feedback | None:
        """The feedback of `sources.feedback`, or None where the file names none; keywords of `cj.read_feedback` replace what it says.

        Parameters
        ----------
        **overrides
            Keywords of `cj.read_feedback` that replace what the file says.

        Returns
        -------
        Feedback or None
            As `cj.read_feedback` gives it.

        Raises
        ------
        CjlibError
            As `cj.read_feedback` says, or if a variable of the environment is not set.
        """
        from cjlib.sources.feedback.table import read_feedback

        if self.sources.feedback is None and "source" not in overrides:
            return None
        given: dict[str, Any] = (
            {"timezone": self.timezone}
            if "source" in overrides
            else feedback_options(self.sources, self.folder, self.timezone)
        )
        options = overridden(given, overrides)
        feedback = read_feedback(options.pop("source"), **options)
        if self.sources.events is None and self._customers:
            raise CjlibError(
                "customers: answers alone do not say of which group a customer is. Name sources.events, or leave customers empty."
            )
        if self.sources.events is None or not (self.grain or self.identities or self._customers):
            return feedback
        # Whose the answers are the events say; they are read once.
        log = self._log or self.read_events()
        if self.grain or self.identities:
            feedback = feedback.of_customers(log)
        return feedback.of_group(log) if self._customers else feedback

    def read_customers(self) -> pd.DataFrame | None:
        """The table of `sources.customers`, one row a customer, under our names; None where the file names none.

        Returns
        -------
        pandas.DataFrame or None
            `customer_id` and the attributes, with the types that a log would give them.

        Raises
        ------
        CjlibError
            If a column that is renamed is not there, or the table cannot be read.
        """
        table = customers_table(self.sources, self.folder)
        return table if table is None else self._of_group(table)

    def _of_group(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of those customers who count: by the table's own columns where it has them all, else by who is in the log."""
        if not self._customers:
            return table
        if all(column in table for column in self._customers):
            inside = np.all(
                [is_value(table[name], value) for name, value in self._customers.items()], axis=0
            )
        else:
            log = self._log or self.read_events()
            inside = log.codes_of_ids(table["customer_id"]) >= 0
        return table[inside].reset_index(drop=True)

    def read_churn_source(self) -> EventLog | pd.DataFrame:
        """What tells who left: the table of customers where `churn.target` names a column of it, else the events.

        Returns
        -------
        EventLog or pandas.DataFrame
            What `cj.churn_data` takes.

        Raises
        ------
        CjlibError
            As `read_events` and `read_customers` say.
        """
        table = self.read_customers() if self.churn and self.churn.target else None
        return self.read_events() if table is None else table

    # ---- options for analyses ----------------------------------------------------------------------------------

    def funnel(self, name: str | None = None, **overrides: Any) -> dict[str, Any]:
        """The options of one of the file's funnels, the first without a name: `cj.funnel(log, **journey.funnel("purchase"))`.

        An override that is None or empty text changes nothing, so that a notebook's parameter may
        mean "as in the file"; `window="none"` takes the limit away.

        Parameters
        ----------
        name
            Which funnel of the file; None or empty: the first.
        **overrides
            Options of `cj.funnel` that replace what the file says; None or empty text changes
            nothing, `window="none"` takes the limit away.

        Returns
        -------
        dict
            Keywords of `cj.funnel`.

        Raises
        ------
        CjlibError
            If the file has no funnels, or none of this name.
        """
        if not self.funnels:
            raise CjlibError(
                "journey.funnel: the journey file has no funnels. Add one: funnels: {purchase: {steps: [visit, buy], window: 14D}}."
            )
        if name and name not in self.funnels:
            raise not_one_of("journey.funnel", name, self.funnels)
        one = self.funnels[name or next(iter(self.funnels))]
        options: dict[str, Any] = {"steps": [simplest(step) for step in one.steps]}
        options |= {"window": one.window} if one.window != "" else {}
        options |= {
            key: list(getattr(one, key)) for key in ("exclude", "step_windows") if getattr(one, key)
        }
        options |= {
            key: _one_or_list(getattr(one, key)) for key in ("hold", "by") if getattr(one, key)
        }
        options |= one.given("order", "entry", "entrants", "by_value", "start", "end", "semantics")
        options = _overridden(options, overrides)
        return filled(FUNNELS, options.get("semantics"), options, {})

    def retention_options(self, **overrides: Any) -> dict[str, Any]:
        """The options of `retention`: `cj.retention(log, **journey.retention_options())`; overrides as in `funnel`.

        Parameters
        ----------
        **overrides
            Options of `cj.retention` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.retention`.
        """
        one = self.retention
        if one is None:
            return _overridden({}, overrides)
        plain = (
            "period",
            "periods",
            "cohort",
            "mode",
            "clock",
            "week_start",
            "min_returns",
            "period_zero",
            "semantics",
        )
        options = {key: getattr(one, key) for key in plain if key in one.model_fields_set}
        options |= {key: _one_or_list(getattr(one, key)) for key in ("by",) if one.by}
        events = {"start_event": one.start, "return_event": one.return_}
        options |= {
            key: simplest(step)
            for key, step in events.items()
            if step is not None and simplest(step) is not None
        }
        options |= {
            key: bound
            for key, bound in {"start": one.from_, "end": one.to}.items()
            if bound is not None
        }
        return _overridden(options, overrides)

    def survival_options(self, **overrides: Any) -> dict[str, Any]:
        """What leaving means, for `cj.survival(log, **journey.survival_options())`; overrides as in `funnel`.

        Parameters
        ----------
        **overrides
            Options of `cj.survival` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.survival`.

        Raises
        ------
        CjlibError
            If the file does not say what leaving means, or says it by a column of the customers
            table.
        """
        one = self._churn("survival_options")
        return _overridden(
            {"inactive": one.inactive}
            if one.event is None
            else {"churn_event": simplest(one.event)},
            overrides,
        )

    def leaving_options(self, inactive: str = "") -> dict[str, Any]:
        """What ends a customer's time, for `cj.survival(log, **journey.leaving_options())`: a silence, where one is given; else what the file says of churn; else the silence after which a customer has ended.

        Parameters
        ----------
        inactive
            A length of silence such as "60D"; empty: as the file says.

        Returns
        -------
        dict
            Keywords of `cj.survival`.

        Raises
        ------
        CjlibError
            If the file says who left by a column of the customers table, and no silence is given.
        """
        if inactive or self.churn is None:
            return {"inactive": inactive or self.silent_after}
        return self.survival_options()

    def complaint_options(self, **overrides: Any) -> dict[str, Any]:
        """What may follow a complaint, for `cj.after_feedback(feedback, log, **journey.complaint_options(within="60D"))`; overrides as in `funnel`.

        The outcome is the event that means leaving; None where the file names none, and the answer
        says so.

        Parameters
        ----------
        **overrides
            Options of `cj.after_feedback` that replace what the file says; None or empty text
            changes nothing.

        Returns
        -------
        dict
            Keywords of `cj.after_feedback`.
        """
        event = None if self.churn is None else self.churn.event
        outcome = None if event is None else simplest(event)
        return _overridden({"outcome": outcome, "within": "30D"}, overrides)

    def churn_options(
        self, source: EventLog | pd.DataFrame | None = None, **overrides: Any
    ) -> dict[str, Any]:
        """The options of `cj.churn_data`: horizon (else the silence that means leaving), active_within, churn_event; overrides as in `funnel`.

        With `source`, what `read_churn_source` gave, also those that depend on the data: of events
        the feedback, the column of value, how long support takes, and what makes a customer who can
        leave (the event of `value`, where leaving is an event too); of a table of customers, which
        has no dates, the column that says who left.

        Parameters
        ----------
        source
            What `read_churn_source` gave; None: only what does not depend on the data.
        **overrides
            Options of `cj.churn_data` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.churn_data`.

        Raises
        ------
        CjlibError
            If the file does not say what leaving means, or says it by a column of the customers
            table.
        """
        if isinstance(source, pd.DataFrame):
            named = {"id": "customer_id"} if "customer_id" in source.columns else {}
            return self.churn_table_options() | named
        one = self._churn("churn_options")
        options = {"horizon": one.horizon or one.inactive, "active_within": one.active_within}
        options |= {"churn_event": simplest(one.event)} if one.event is not None else {}
        options = {key: value for key, value in options.items() if value is not None}
        return _overridden(options | ({} if source is None else self._inputs(source)), overrides)

    def _inputs(self, log: EventLog) -> dict[str, Any]:
        """What churn data can use beside the events."""
        options: dict[str, Any] = {}
        feedback = self.read_feedback()
        if feedback is not None and feedback.frame["customer_id"].notna().any():
            options["feedback"] = feedback
        if self.value is not None:
            options["value"] = self.value.amount if self.value.amount in log.properties else None
            if self.churn and self.churn.event is not None and self.value.event is not None:
                options["active_event"] = self.value.event
        support = self.support
        if support is not None and support.first_response is not None:
            options["waits"] = {"support": (support.opened, support.first_response)}
        return options

    def holdout_options(self, **overrides: Any) -> dict[str, Any]:
        """What became of the customers of `churn.contact_list`, for `cj.holdout`; overrides as in `funnel`. Without a list it is None, and the answer says so.

        Parameters
        ----------
        **overrides
            Options of `cj.holdout` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.holdout`.
        """
        options: dict[str, Any] = {"contact_list": None, "window": "30D"}
        churn = self.churn
        if churn is not None:
            window = churn.horizon or churn.inactive
            options |= {} if window is None else {"window": window}
            options |= {} if churn.event is None else {"churn_event": simplest(churn.event)}
            if churn.contact_list is not None:
                options["contact_list"] = self.folder / churn.contact_list
            if churn.contacted_at is not None:
                options["contacted_at"] = churn.contacted_at
        return _overridden(options, overrides)

    def target_list(
        self,
        *,
        success_share: float,
        measured: Any = None,
        value: Any = None,
        budget: float | None = None,
    ) -> dict[str, Any]:
        """The options of `cj.target_list`: the costs that the file states, and what it is worth that a customer stays.

        That is `value` where it is a number above 0, else `value.kept` of the file, else `value` as
        it stands, such as what `cj.customer_value` gave. What nobody states is None, and then there
        is no list.

        Parameters
        ----------
        success_share
            Of the contacted who would leave, the share who then stay: 0 to 1.
        measured
            What `cj.holdout` gave: where it has a success share, that replaces the guess.
        value
            What it is worth that a customer stays: a number, what `cj.customer_value` gave, or
            None.
        budget
            Money for contacts; None or 0: no limit.

        Returns
        -------
        dict
            Keywords of `cj.target_list`.
        """
        kept = None if self.value is None else self.value.kept
        stated = value if isinstance(value, int | float) and value > 0 else kept
        unstated = None if isinstance(value, int | float) else value
        known = measured is not None and "success_share" in measured.metrics
        return {
            "offer_cost": self.costs.offer,
            "contact_cost": self.costs.contact,
            "success_share": measured if known else success_share,
            "value": unstated if stated is None else stated,
            "budget": budget or None,
        }

    def churn_table_options(self) -> dict[str, Any]:
        """The column that says who left, for `cj.churn_table(journey.read_customers(), **journey.churn_table_options())`.

        Returns
        -------
        dict
            Keywords of `cj.churn_table`.

        Raises
        ------
        CjlibError
            If the file names no column that says who left.
        """
        one = self.churn
        if one is None or one.target is None:
            raise CjlibError(
                "journey.churn_table_options: the journey file names no column that says who left. Add churn: {target: column}."
            )
        return {"target": one.target} | ({} if one.positive is None else {"positive": one.positive})

    def value_options(self, **overrides: Any) -> dict[str, Any]:
        """The money of `value`, for `cj.customer_value(log, **journey.value_options(horizon="90D"))`; overrides as in `funnel`.

        Where the file does not say what money is, `value` is None, and the answer says so.

        Parameters
        ----------
        **overrides
            Options of `cj.customer_value` that replace what the file says; None or empty text
            changes nothing.

        Returns
        -------
        dict
            Keywords of `cj.customer_value`.
        """
        one = self.value
        money = {"value": None} if one is None else {"value": one.amount, "event": one.event}
        return _overridden(money, overrides)

    def value_retention_options(self, **overrides: Any) -> dict[str, Any]:
        """Cohorts by their first paid event and what they spend, for `cj.retention(log, **journey.value_retention_options())`; overrides as in `funnel`.

        Where the file does not say what money is, nothing is paid and the figure of value says so.

        Parameters
        ----------
        **overrides
            Options of `cj.retention` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.retention`.
        """
        one = self.value
        paid = {} if one is None else {"start_event": one.event, "return_event": one.event}
        return _overridden(paid | ({} if one is None else {"value": one.amount}), overrides)

    def customer_events(self, log: EventLog) -> EventLog:
        """The log without what happens backstage (`backstage: true` in the file), since customers do not do it.

        Parameters
        ----------
        log
            What `journey.read_events()` gives.

        Returns
        -------
        EventLog
            A new log; the same one where nothing happens backstage.
        """
        return log.where(event={"not": self._backstage}) if self._backstage else log

    def path_options(self, **overrides: Any) -> dict[str, Any]:
        """Where paths are cut, for `cj.paths(log, **journey.path_options())`: at pauses longer than 30 minutes, unless the first funnel has no window.

        Such a business follows cases, and a case is one path, however long it rests. Overrides as
        in `funnel`; `session_gap="none"` asks for whole histories.

        Parameters
        ----------
        **overrides
            Options of `cj.paths` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.paths`.
        """
        cases = bool(self.funnels) and self.funnel()["window"] is None
        options = _overridden({"session_gap": None if cases else "30min"}, overrides)
        return options | ({"session_gap": None} if options["session_gap"] == "none" else {})

    def funnel_path_options(self, **overrides: Any) -> dict[str, Any]:
        """From the first step of the first funnel to its last over whole histories, for `cj.paths`; overrides as in `funnel`.

        Parameters
        ----------
        **overrides
            Options of `cj.paths` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.paths`.
        """
        steps = self.funnel()["steps"] if self.funnels else [None]
        ends = {"start_event": steps[0], "end_event": steps[-1]} if self.funnels else {}
        return _overridden({"session_gap": None} | ends, overrides)

    def conversion_path_options(self, *, window: str = "", **overrides: Any) -> dict[str, Any]:
        """Converted beside lost, for `cj.compare_paths`: from the first step of the first funnel to its last, among those who passed the last step between.

        Steps between, also those of other funnels to the same step, are ways to it and no habits: they are left out, and so is what happens backstage, since customers
        do not do it. Overrides as in `funnel`; without a funnel `outcome` is None, and the answer says so.

        Parameters
        ----------
        window
            The longest time from the first step to the last; empty: the funnel's; "none": no limit.
        **overrides
            Options of `cj.compare_paths` that replace what the file says; None or empty text
            changes nothing.

        Returns
        -------
        dict
            Keywords of `cj.compare_paths`.
        """
        if not self.funnels:
            return _overridden({"outcome": None, "window": window or None}, overrides)
        funnel = self.funnel(None, window=window)
        first, *between, last = [None, *funnel["steps"]][-max(2, len(funnel["steps"])) :]
        ways = [self.funnel(name)["steps"] for name in self.funnels]
        every = [between, *(way[1:-1] for way in ways if way[-1] == last)]
        steps = list(
            dict.fromkeys(
                name for way in every for step in way for name in as_step(step, "steps").names
            )
        )
        options = {"outcome": last, "start_event": first, "leave_out": steps + self._backstage}
        options |= {"passed": between[-1]} if between else {}
        return _overridden(options | {"window": funnel["window"]}, overrides)

    def churn_path_options(self, **overrides: Any) -> dict[str, Any]:
        """Churned beside retained, for `cj.compare_paths`, among those who got through the first funnel; overrides as in `funnel`.

        What happens backstage is left out, since customers do not do it, and so is renewing: who renews has not left, by the meaning of the word.
        Without an event of leaving `outcome` is None, and the answer says so.

        Parameters
        ----------
        **overrides
            Options of `cj.compare_paths` that replace what the file says; None or empty text
            changes nothing.

        Returns
        -------
        dict
            Keywords of `cj.compare_paths`.
        """
        event = None if self.churn is None else self.churn.event
        start = self.funnel()["steps"][-1] if self.funnels else None
        outcome = None if event is None else simplest(event)
        renewing = [] if self.roles.renew is None else list(self.roles.renew.names)
        options = {"outcome": outcome, "start_event": start, "groups": ("churned", "retained")}
        return _overridden(options | {"leave_out": self._backstage + renewing}, overrides)

    def attribution_options(self, **overrides: Any) -> dict[str, Any]:
        """The last step of the first funnel as `conversion`, for `cj.attribution`; overrides as in `funnel`. Without a funnel it is None, and the answer says so.

        Parameters
        ----------
        **overrides
            Options of `cj.attribution` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.attribution`.
        """
        conversion = self.funnel()["steps"][-1] if self.funnels else None
        return _overridden({"conversion": conversion}, overrides)

    def experiment(self, name: str | None = None, **overrides: Any) -> dict[str, Any]:
        """The options of one of the file's experiments, the first without a name: `cj.experiment(log, **journey.experiment())`; overrides as in `funnel`.

        Without experiments there is no control, and the answer says so.

        Parameters
        ----------
        name
            The experiment's name in the file; None or empty: the first.
        **overrides
            Options of `cj.experiment` that replace what the file says; None or empty text changes
            nothing.

        Returns
        -------
        dict
            Keywords of `cj.experiment`.

        Raises
        ------
        CjlibError
            If the file has no experiment of this name, or its assignment cannot be read.
        """
        if not self.experiments:
            return _overridden({"control": None, "measures": [], "window": "14D"}, overrides)
        if name and name not in self.experiments:
            raise not_one_of("journey.experiment", name, self.experiments)
        label = name or next(iter(self.experiments))
        plan = self.experiments[label]
        options = experiment_options(plan, label, self.folder)
        if any(spec.kind == "score" for spec in plan.measures.values()):
            options["feedback"] = self.read_feedback()
        return _overridden(options, overrides)

    def experiment_plan_options(self, **overrides: Any) -> dict[str, Any]:
        """The first funnel as what a test would change, for `cj.plan_experiment`: from its first step to its last, and revenue where the file names it; overrides as in `funnel`.

        Without a funnel there is no entry, and the answer says so.

        Parameters
        ----------
        **overrides
            Options of `cj.plan_experiment` that replace these; None or empty text changes nothing.

        Returns
        -------
        dict
            Keywords of `cj.plan_experiment`.
        """
        if not self.funnels:
            return _overridden({"entry": None, "measures": [], "window": "14D"}, overrides)
        funnel = self.funnel()
        measures = [{"name": "conversion", "event": funnel["steps"][-1]}]
        if self.value is not None and self.value.event is not None:
            money = {"kind": "sum", "value": self.value.amount}
            measures.append({"name": "revenue", "event": simplest(self.value.event), **money})
        return _overridden(
            {
                "entry": funnel["steps"][0],
                "measures": measures,
                "window": funnel["window"] or "14D",
                "steps": funnel["steps"][:-1],
            },
            overrides,
        )

    @property
    def _backstage(self) -> list[str]:
        return [name for entry in self.mapping if entry.backstage for name in entry.event.names]

    def _churn(self, method: str) -> Churn:
        if self.churn is None:
            raise CjlibError(
                f"journey.{method}: the journey file does not say what leaving means. Add churn: {{event: cancel}} or churn: {{inactive: 60D}}."
            )
        if self.churn.target is not None:
            raise CjlibError(
                f"journey.{method}: the journey file tells who left by the column {shown(self.churn.target)} of the customers table, not by events. "
                "Ask cj.churn_table(journey.read_customers(), **journey.churn_table_options())."
            )
        return self.churn

    def _repr_html_(self) -> str:
        rows = [
            (
                stage.name,
                ", ".join(point.name for point in stage.touchpoints),
                ", ".join(stage.owner),
            )
            for stage in self.stages
        ]
        return table_html(pd.DataFrame(rows, columns=["stage", "touchpoints", "owner"]))


def _one_or_list(names: tuple[str, ...]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def _overridden(options: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        key: value
        for key, value in overrides.items()
        if value is not None and not (isinstance(value, str) and value == "")
    }
    if given.get("window") == "none":
        given["window"] = None
    return options | given


# ---- making one --------------------------------------------------------------------------------------------------


def read_journey(path: str | Path, *, customers: str | Mapping[str, Any] = "") -> Journey:
    """The journey of a journey file.

    The file is UTF-8 YAML in which every plain value is text and the key says what it means. It is
    checked as a whole before anything is read: an unknown key, a value that is not allowed, an
    event claimed by two stages and every other fault stand together in one error, each with its
    key, its line, what was given and what is allowed. No data is opened and no variable of the
    environment is looked up. Money is written in its `currency`, also by what knows of no log, until another file is read.

    Parameters
    ----------
    path
        The file, usually `journey.yml`. Relative paths in it start from its folder.
    customers
        Which customers count: `"region=North"`, several conditions with commas between them, or
        column → value, by what a customer's first event or the customers table says. Empty: all.
        Their events, answers and rows of tables are all that is read.

    Returns
    -------
    Journey
        Frozen; `journey.read_events()` reads its data, `journey.funnel("purchase")` gives the
        options of a funnel.

    Raises
    ------
    JourneyError
        The file is missing, not readable, or has faults.
    CjlibError
        `customers` cannot be read.
    """
    file = meant_journey(Path(path))
    journey = journey_from_text(text_of(file), name=str(path), folder=file.resolve().parent)
    journey._customers = conditions_of(customers)
    numbers.use_currency(journey._money_in)
    return journey


def journey_from_text(
    text: str, *, name: str = "journey.yml", folder: Path | None = None
) -> Journey:
    """The journey that YAML text describes; `name` stands in errors, `folder` is where relative paths start."""
    parsed = parse(text)
    raise_all(parsed.faults if parsed.data is None else (), parsed, name)
    return _checked(parsed, name, folder or Path.cwd())


def journey_from(
    content: Mapping[str, Any], *, name: str = "journey", folder: Path | None = None
) -> Journey:
    """The journey that a mapping describes, with the keys of a journey file."""
    return _checked(Parsed(content, {}, ()), name, folder or Path.cwd())


def _checked(parsed: Parsed, name: str, folder: Path) -> Journey:
    raise_all(newer_form(parsed.data), parsed, name)
    faults = list(parsed.faults)
    journey = None
    try:
        journey = Journey.model_validate(parsed.data)
    except ValidationError as error:
        faults += schema_faults(error)
    faults += broken_rules(parsed.data) if isinstance(parsed.data, Mapping) else []
    raise_all(faults, parsed, name)
    assert journey is not None  # a journey that was not made has faults
    journey._folder = folder
    return journey
