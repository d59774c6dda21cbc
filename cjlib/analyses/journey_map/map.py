"""The map itself: it composes the other analyses and counts nothing that they already count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map import compare as comparing
from cjlib.analyses.journey_map import summary
from cjlib.analyses.journey_map.compare import MapChange, Side
from cjlib.analyses.journey_map.equal_follow_up import compare_groups
from cjlib.analyses.journey_map.feedback import quotes
from cjlib.analyses.journey_map.inputs import SILENT, UNMAPPED, By, Groups, Source, read_source
from cjlib.analyses.journey_map.mapped_events import codes_of
from cjlib.analyses.journey_map.moments import COLUMNS as MOMENT_COLUMNS
from cjlib.analyses.journey_map.moments import OUTCOMES, later_of, moments
from cjlib.analyses.journey_map.pain import pain_points
from cjlib.analyses.journey_map.sentiment_tables import line_and_patterns
from cjlib.analyses.journey_map.stages import StageCounts, planned_routes, routes
from cjlib.analyses.journey_map.tables import POINT_COLUMNS, STAGE_COLUMNS, point_table, stage_table
from cjlib.analyses.journey_map.unrecorded import unrecorded_words
from cjlib.analyses.journey_map.what_if import WhatIf, simulate
from cjlib.analyses.result import MIME, Result
from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.shared.unrecorded import NOT_RECORDED
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.journey import Journey
from cjlib.sources.log.event_log import EventLog

if TYPE_CHECKING:
    from cjlib.analyses.churn import ChurnModel

SUMMARY = (
    "stage",
    "customers",
    "share_of_all",
    "share_of_previous",
    "share_ended",
    "still_moving",
    "median_seconds_to_next",
    "n_feedback",
    "mean_score",
    "nps",
    "csat",
    "ces",
    "value_per_customer",
    "evidence",
)


MOST_COMPARED = 5
NO_GROUP = "(not set)"
NOT_COMPARED = "not compared"
"""Groups of a map that are compared with one another: the largest."""
TABLES = (
    "touchpoints",
    "routes",
    "unmapped",
    "silent",
    "sentiment_line",
    "patterns",
    "moments",
    "pain_points",
    "quotes",
    "support",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True, eq=False)
class JourneyMap(Result):
    """The answer of `cj.journey_map`.

    Attributes
    ----------
    touchpoints, routes, unmapped, silent
        What happens at each touchpoint; every move between stages; events that no touchpoint claims; touchpoints that never occur.
    sentiment_line, patterns, moments, pain_points
        How customers feel along the way, and what stands out significantly.
    support
        The support view, a row a ticket period; empty where the journey file has no `support`.
    journey
        The journey file, for the lanes written by hand.
    """

    touchpoints: pd.DataFrame
    routes: pd.DataFrame
    unmapped: pd.DataFrame
    silent: pd.DataFrame
    sentiment_line: pd.DataFrame
    patterns: pd.DataFrame
    moments: pd.DataFrame
    pain_points: pd.DataFrame
    support: pd.DataFrame
    journey: Journey
    _source: Source = field(repr=False)

    @cached_property
    def quotes(self) -> pd.DataFrame:
        """`stage`, `touchpoint` (missing: of the stage), `feedback_id`, `label`, `text`: up to three of each, chosen and scrubbed."""
        return quotes(self._source.opinions, self._source.places)

    @property
    def groups(self) -> Groups:
        """Whose map it is: with `by` the name of the groups, their labels (`.words()`) and the group of each customer code."""
        return self._source.groups

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """With `by=` where the journeys of every two of the five largest groups end: see `equal_follow_up.compare_groups`; empty without.

        A customer counts at the stages entered after the group was known. Where some became known late, those in none are no group: that they never got one is
        known only at the end.
        """
        groups, log = self.groups, self._source.log
        if groups.name is None or log is None:
            return compare_groups("", self._source.stages, [])[0]
        since, late = groups.known_since(log)
        walks = [
            (name, acts.walk)
            for place, name in enumerate(groups.words()[:MOST_COMPARED])
            if not (late and name == NO_GROUP) and (acts := self._source.acts_of(place)) is not None
        ]
        return compare_groups(groups.name, self._source.stages, walks, since)[0]

    @property
    def summary(self) -> pd.DataFrame:
        """The columns of `.table` that a reader wants first."""
        groups = [] if self.groups.name is None else [self.groups.name]
        return self.table[[*groups, *SUMMARY]]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        short = Result(
            table=self.summary,
            headline=self.headline,
            definition=self.definition,
            metrics=self.metrics,
            findings=self.findings,
            families=self.families,
        )
        told = short._repr_mimebundle_(include, exclude)
        return {**told, MIME: {**told[MIME], "kind": type(self).__name__}}

    @property
    def first_pain(self) -> str | None:
        """The stage with the most pain; None where no pain is significant."""
        found = summary.significant_pains(self.pain_points, "stage")
        return None if found.empty else str(found.iloc[0]["stage"])

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The lowest and highest answer of each measure of the sentiment line; empty without feedback."""
        opinions = self._source.opinions
        return {} if opinions is None else opinions.scales

    @property
    def assigned(self) -> pd.DataFrame:
        """One row a feedback: `feedback_id`, `stage`, `touchpoint`, `assigned_by`."""
        if self._source.opinions is None:
            return pd.DataFrame(
                columns=["feedback_id", "stage", "touchpoint", "assigned_by"], dtype="str"
            )
        return self._source.opinions.assigned.table

    def customers(self) -> pd.DataFrame:
        """One row a customer and stage entered, by id: `customer_id`, `stage`, `entered_at`, `left_at` (missing: still there), `current`, `ended`.

        Returns
        -------
        pandas.DataFrame
            The columns named above.

        Raises
        ------
        CjlibError
            If the map was made without events.
        """
        source = self._source
        if source.acts is None:
            raise CjlibError(
                "customers: the map was made without events, so it knows no customers. Give the log: cj.journey_map(journey, log)."
            )
        log, walk, counts = source.acts.log, source.acts.walk, StageCounts(source.acts.walk)
        who, stage = np.nonzero(counts.entered)
        left = counts.left[who, stage]
        return pd.DataFrame(
            {
                "customer_id": pd.Series(log.customer_ids(walk.codes[who])).infer_objects(),
                "stage": pd.Series(np.array(source.stages, dtype=object)[stage], dtype="str"),
                "entered_at": log.moments(walk.time[walk.entries[who, stage]]),
                "left_at": log.moments(np.where(left < 0, 0, walk.time[left]), left < 0),
                "current": counts.current[who] == stage,
                "ended": (counts.current[who] == stage) & walk.ended[who],
            }
        )

    def persona(self, name: str, members: pd.DataFrame | None = None) -> JourneyMap:
        """The map of one persona: of its customers alone.

        `members` is `cj.personas(…).members` (`customer_id`, `persona`); without it the personas
        are computed with their usual options.

        Parameters
        ----------
        name
            The persona's label, such as "P1".
        members
            `cj.personas(…).members`; None: the personas are computed with their usual options.

        Returns
        -------
        JourneyMap
            As `cj.journey_map` gives it.

        Raises
        ------
        CjlibError
            If the map was made without events, or there is no such persona.
        """
        source = self._source
        if source.log is None:
            raise CjlibError(
                "persona: personas are groups of customers of the log, and there is none."
            )
        if members is None:
            from cjlib.analyses.personas import personas

            members = personas(source.log, None, source.feedback).members
        groups = members.set_index("customer_id")["persona"].astype("str")
        if name not in set(groups):
            raise not_one_of("persona", name, sorted(set(groups)))
        return self.only(groups[groups == name].index, f"persona {name}")

    def only(self, customer_ids: Any, called: str) -> JourneyMap:
        """The map of some customers alone, with their feedback; `called` names them in the definition.

        Parameters
        ----------
        customer_ids
            Who is on the map; ids that the log does not have are passed over.
        called
            What the definition calls them.

        Returns
        -------
        JourneyMap
            As `cj.journey_map` gives it.

        Raises
        ------
        CjlibError
            If the map was made without events.
        """
        source = self._source
        if source.log is None:
            raise CjlibError("only: the map was made without events, so it knows no customers.")
        code = codes_of(source.log, customer_ids)
        return self._part(np.isin(np.arange(len(source.log.customer_ids())), code), called)

    def group(self, name: str) -> JourneyMap:
        """The map of one group of `by`, named as the table names it, to be set beside that of another: `held.group("web").compare(held.group("app"))`.

        Parameters
        ----------
        name
            The group, as the table names it; "(not set)" for those in none.

        Returns
        -------
        JourneyMap
            As `cj.journey_map` gives it.

        Raises
        ------
        CjlibError
            If the map has no groups, or none of this name.
        """
        groups = self.groups
        if groups.name is None or groups.of is None:
            raise CjlibError(
                "group: the map has no groups. Make it with by=, such as cj.journey_map(journey, log, by='channel')."
            )
        if name not in groups.words():
            raise not_one_of("group", name, groups.words())
        part = self._part(groups.of == groups.words().index(name), f"{groups.name} {name}")
        log = self._source.log
        if name != NO_GROUP or log is None or not groups.known_since(log)[1]:
            return part
        why = f"Customers without a {groups.name} are known only at the end: that they never got one is part of how their journey went, so they are compared with nobody."
        return replace(part, definition={**part.definition, NOT_COMPARED: why})

    def _part(self, kept: np.ndarray, called: str) -> JourneyMap:
        made = _made(self._source.only(kept), "retained")
        return replace(
            made,
            definition={
                **made.definition,
                "only": f"{called}: {summary.count_of(int(kept.sum()), 'customer')}",
            },
        )

    def compare(self, earlier: JourneyMap) -> MapChange:
        """The map beside an earlier one, or that of one group, persona or segment beside another: see `cjlib.analyses.journey_map.compare`.

        Parameters
        ----------
        earlier
            The map of another time, group, persona or segment, of the same stages.

        Returns
        -------
        MapChange
            `.table`: `stage`, `measure`, `earlier`, `now`, `n_earlier`, `n_now`, `change`,
            `change_low`, `change_high`, `p_value`, `p_adjusted`, `significant`, `words`.
            Unanswered where one side is of those in no group, and others got into theirs late.

        Raises
        ------
        CjlibError
            If either map has groups, or the stages differ.
        """
        for side in (self, earlier):
            if NOT_COMPARED in side.definition:
                return MapChange.unanswered(side.definition[NOT_COMPARED])
        sides = (
            Side(one.table, one._source, one.definition.get("only")) for one in (self, earlier)
        )
        return _doubted(comparing.compare(*sides), self, earlier)

    def before_and_after(self, day: Any) -> MapChange:
        """The map of the time from a day on beside the map of the time before it: see `compare`.

        Parameters
        ----------
        day
            The first day of the later time, in the business's zone; empty: no comparison.

        Returns
        -------
        MapChange
            As `compare` gives it; unanswered where no day is given or the map has no events.

        Raises
        ------
        CjlibError
            If the day cannot be read.
        """
        log = self._source.log
        if log is None:
            return MapChange.unanswered("Without events there is no before and after to compare.")
        if not day:
            return MapChange.unanswered("No day is given to compare the time before and after it.")
        first = log.instant(day, "day")
        earlier, later = (
            journey_map(self.journey, part, self._source.feedback)
            for part in (
                log.where(end=log.moment(first - 1)),
                log.where(start=log.moment(first)),
            )
        )
        return _doubted(later.compare(earlier), self)

    def ease_first_pain(self, change: float) -> WhatIf:
        """What if more went on from the stage with the most pain to the next: see `simulate`.

        Parameters
        ----------
        change
            How much more of those of that stage reach the next, as a share: 0.05 is five points.

        Returns
        -------
        WhatIf
            As `simulate` gives it; unanswered where no pain is significant, the stage is the last
            or the map has no events.

        Raises
        ------
        CjlibError
            If the change is no number, or the map has groups.
        """
        if self._source.log is None:
            return WhatIf.unanswered("Without events there is nothing to calculate a change with.")
        pain = self.first_pain
        if pain is None:
            return WhatIf.unanswered("No stage has a significant pain, so nothing is to be eased.")
        stages = list(self.table.loc[self.table["customers_in_order"].notna(), "stage"])
        if pain == stages[-1]:
            return WhatIf.unanswered(f"Nothing follows {pain}, the stage with the most pain.")
        return self.simulate({stages[stages.index(pain) + 1]: change})

    def simulate(self, changes: Mapping[str, float]) -> WhatIf:
        """What if more went on from a stage: see `cjlib.analyses.journey_map.what_if`.

        Parameters
        ----------
        changes
            Stage → how much more of those of the stage before reach it, as a share: 0.05 is five
            points. Of the first stage: how many more customers enter, as a share of those who do.

        Returns
        -------
        WhatIf
            `.table`: `stage`, `share_of_previous`, `share_future`, `customers_now`,
            `customers_future`, `extra_customers` (each with `_low`, `_high`), and of the last stage
            `value_now`, `value_future`, `extra_value` with `_low`, `_high`.

        Raises
        ------
        CjlibError
            If a stage does not exist, a change is no number, or the map has groups or no events.
        """
        return simulate(self.table, self._source, changes)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV (`stages.csv` …) and the whole map as `journey_map.json`, with the digest of the journey file.

        Parameters
        ----------
        folder
            Where to write; made where it is missing.

        Returns
        -------
        list of pathlib.Path
            The files.
        """
        head = {
            "journey": self.journey.name,
            "journey_hash": self.journey.hash,
            "headline": self.headline,
            "definition": dict(self.definition),
            "metrics": dict(self.metrics),
        }
        return export(
            head,
            {"stages": self.table} | {name: getattr(self, name) for name in TABLES},
            Path(folder),
        )


def journey_map(
    journey: Journey,
    log: EventLog | None,
    feedback: Feedback | None = None,
    churn: ChurnModel | pd.DataFrame | None = None,
    by: By = None,
    *,
    outcome: str = "retained",
) -> JourneyMap:
    """The stages of a journey with what customers do, feel and are worth there, each cell with its n, interval and evidence.

    A customer enters a stage at the first mapped event of it, whatever came before, and counts
    once. The current stage is that of the latest mapped event; the journey has ended if the silence
    since is longer than `map.silent_after`. Going back is a mapped event of an earlier stage
    strictly after the entry. To the next stage: from entry to the first mapped event of any later
    stage at or after it. Events of one instant stand by stage, event name and the other columns.
    In-order columns are those of `cj.funnel` over the stages without a limit; scores those of
    `cj.nps`, `cj.csat`, `cj.ces` and `cj.sentiment` on the feedback as `assign_stages` places it.

    Parameters
    ----------
    journey
        What `cj.read_journey` gives: stages, touchpoints, hand-written lanes, settings.
    log
        The events; None makes a map of feedback alone, whose behaviour is empty, not zero.
    feedback
        What `cj.read_feedback` gives.
    churn
        A model of `cj.fit_churn`, or its scores (`customer_id`, `churn_probability`).
    by
        A column of the log or of the customers table, or a mapping from customer_id to a group: one
        map a group in `.table`, `.touchpoints`, `.sentiment_line` and `.patterns`. A customer's
        group is the first value that is not missing.
    outcome
        Of the moments that matter: "retained", "converted" or "promoter".

    Returns
    -------
    JourneyMap
        `.table` (a row a stage) and the tables of its attributes; docs/journey_map.md lists every
        column.

    Raises
    ------
    CjlibError
        If neither events nor feedback are given or one is not of its kind, `churn` is neither a
        model nor scores, `by` is neither a column nor a mapping (or there are no events to group),
        or `outcome` is none of those named.
    """
    _checked(journey, log, feedback)
    if outcome not in OUTCOMES:
        raise not_one_of("outcome", outcome, OUTCOMES)
    taken = (
        *STAGE_COLUMNS,
        *POINT_COLUMNS,
        "pattern",
        "to_stage",
        "measure",
        "lead",
        "n",
        "value",
        "named",
    )
    return _made(read_source(journey, log, feedback, churn, by, taken), outcome)


def _checked(journey: object, log: object, feedback: object) -> None:
    """Refuse what is no journey, log or feedback, by the name of the argument."""
    if log is None and feedback is None:
        raise CjlibError(
            "log: a map needs events or feedback, and neither is given. Give journey.read_events() or journey.read_feedback()."
        )
    wanted = (
        ("journey", journey, Journey, "what cj.read_journey(path) gives"),
        ("log", log, EventLog, "what cj.read_events(…) or journey.read_events() gives, or None"),
        ("feedback", feedback, Feedback, "what cj.read_feedback(…) gives, or None"),
    )
    for name, given, kind, words in wanted:
        if not isinstance(given, kind) and not (given is None and name != "journey"):
            raise CjlibError(f"{name}: must be {words}. Got {shown(type(given).__name__)}.")


def _made(source: Source, outcome: str) -> JourneyMap:
    """The map of a source: whole tables first, then what is read off them."""
    acts, journey = source.acts, source.journey
    whole = None if acts is None else StageCounts(acts.walk)
    counted = [] if whole is None else [whole] if source.groups.of is None else _counted(source)
    table, (line, patterns) = stage_table(source, counted), line_and_patterns(source)
    found = source.once(("moments", outcome), lambda: _moments(source, outcome))
    pains = source.once("pains", lambda: pain_points(source, whole))
    lost = "" if whole is None or source.log is None else unrecorded_words(whole, source.log)
    return JourneyMap(
        table=table,
        headline=summary.headline(source, table, (line, patterns), found, pains)
        + (f" But {lost}, and more went on than this says." if lost else ""),
        definition=summary.definition(source, outcome) | ({NOT_RECORDED: lost} if lost else {}),
        metrics=summary.metrics(source, table, pains),
        findings=() if lost else summary.findings(source, pains, found),
        families=summary.families(pains, found),
        touchpoints=point_table(source, counted),
        routes=pd.DataFrame()
        if acts is None
        else source.once("routes", lambda: routes(acts.walk, planned_routes(journey))),
        unmapped=pd.DataFrame(columns=UNMAPPED)
        if acts is None
        else acts.shared.unmapped.copy(deep=False),
        silent=pd.DataFrame(columns=SILENT, dtype="str")
        if acts is None
        else acts.shared.silent.copy(deep=False),
        sentiment_line=line,
        patterns=patterns,
        moments=found,
        pain_points=pains,
        support=pd.DataFrame() if acts is None else acts.shared.support.copy(deep=False),
        journey=journey,
        _source=source,
    )


def _doubted(change: MapChange, *maps: JourneyMap) -> MapChange:
    """The same where a stage was probably not recorded throughout in one of these maps."""
    lost = [one.definition[NOT_RECORDED] for one in maps if NOT_RECORDED in one.definition]
    if not lost or not change.answered:
        return change
    return replace(
        change,
        headline=f"{change.headline} But {lost[0]}.",
        definition={**change.definition, NOT_RECORDED: lost[0]},
    )


def _counted(source: Source) -> list[StageCounts]:
    """The walk of each group, counted."""
    every = [source.acts_of(group) for group in range(source.groups.size)]
    return [StageCounts(acts.walk) for acts in every if acts is not None]


def _moments(source: Source, outcome: str) -> pd.DataFrame:
    if source.acts is None or source.opinions is None:
        return pd.DataFrame(columns=MOMENT_COLUMNS)
    return moments(
        source.places,
        source.opinions,
        later_of(source.journey, source.acts.shared, source.opinions),
        outcome,
    )


def export(head: dict[str, Any], tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write each table as CSV and `journey_map.json` with all of them after `head` into a folder, made if need be; empty tables have no CSV.

    Text that a spreadsheet would run as a formula is prefixed with ' in the CSV files; the JSON has it as it is: missing is null, times are ISO text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        if len(table):
            path = folder / f"{name}.csv"
            safe_for_spreadsheets(table).to_csv(path, index=False)
            written.append(path)
    path = folder / "journey_map.json"
    whole = head | {name: records(table) for name, table in tables.items()}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    return [*written, path]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def safe_for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that a spreadsheet would take for a formula, prefixed with an apostrophe."""
    texts = {
        str(name): table[name]
        for name in table.columns
        if pd.api.types.is_string_dtype(table[name])
    }
    return table.assign(
        **{
            name: held.where(~held.str.startswith(_FORMULA, na=False), "'" + held)
            for name, held in texts.items()
        }
    )
