"""The map itself: it composes the other analyses and counts nothing that they already count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map import words
from cjlib.analyses.journey_map.gaps import UNMAPPED, silent, unmapped
from cjlib.analyses.journey_map.groups import By, groups_of
from cjlib.analyses.journey_map.moments import COLUMNS as MOMENT_COLUMNS
from cjlib.analyses.journey_map.moments import OUTCOMES, later_of, moments
from cjlib.analyses.journey_map.money import read_money
from cjlib.analyses.journey_map.opinions import Opinions, evidence, read_opinions
from cjlib.analyses.journey_map.pain import ranked
from cjlib.analyses.journey_map.quotes import quotes
from cjlib.analyses.journey_map.stages import StageCounts, routes
from cjlib.analyses.journey_map.tables import POINT_COLUMNS, STAGE_COLUMNS, Source, line_and_patterns, point_table, stage_table
from cjlib.analyses.journey_map.trouble import planned_routes, point_pains, stage_pains
from cjlib.analyses.journey_map.walk import places_of, read_walk
from cjlib.analyses.result import MIME, Result
from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.sources.events import EventLog
from cjlib.sources.feedback import Feedback
from cjlib.sources.journey import Journey

if TYPE_CHECKING:
    from cjlib.analyses.churn import ChurnModel

SUMMARY = (
    *("stage", "customers", "share_of_all", "share_of_previous", "share_ended", "still_moving", "median_seconds_to_next"),
    *("n_feedback", "mean_score", "nps", "csat", "ces", "value_per_customer", "evidence"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class JourneyMap(Result):
    """The answer of `cj.journey_map`.

    Attributes
    ----------
    touchpoints, routes, unmapped, silent
        What happens at each touchpoint; every move between stages; events that no touchpoint claims; touchpoints that never occur.
    sentiment_line, patterns, moments, pain_points, quotes
        How customers feel along the way, and what stands out beyond noise.
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
    quotes: pd.DataFrame
    support: pd.DataFrame
    journey: Journey
    _source: Source = field(repr=False)
    _feedback: Feedback | None = field(repr=False)

    @property
    def summary(self) -> pd.DataFrame:
        """The columns of `.table` that a reader wants first."""
        groups = [] if self._source.groups.name is None else [self._source.groups.name]
        return self.table[[*groups, *SUMMARY]]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        short = Result(table=self.summary, headline=self.headline, definition=self.definition, metrics=self.metrics)
        told = short._repr_mimebundle_(include, exclude)
        return {**told, MIME: {**told[MIME], "kind": type(self).__name__}}

    @property
    def first_pain(self) -> str | None:
        """The stage with the most pain; None where nothing hurts or nothing was measured."""
        found = self.pain_points[(self.pain_points["level"] == "stage") & (self.pain_points["impact"] > 0)]
        return None if found.empty else str(found.iloc[0]["stage"])

    @property
    def assigned(self) -> pd.DataFrame:
        """One row a feedback: `feedback_id`, `stage`, `touchpoint`, `assigned_by`."""
        if self._source.opinions is None:
            return pd.DataFrame(columns=["feedback_id", "stage", "touchpoint", "assigned_by"], dtype="str")
        return self._source.opinions.assigned.table

    def customers(self) -> pd.DataFrame:
        """One row a customer and stage entered, by id: `customer_id`, `stage`, `entered_at`, `left_at` (missing: still there), `current`, `ended`."""
        source = self._source
        if source.walk is None or source.log is None:
            raise CjlibError("customers: the map was made without events, so it knows no customers. Give the log: cj.journey_map(journey, log).")
        counts, walk = StageCounts(source.walk), source.walk
        who, stage = np.nonzero(counts.entered)
        left = counts.left[who, stage]
        return pd.DataFrame(
            {
                "customer_id": pd.Series(source.log.customer_ids(walk.codes[who])).infer_objects(),
                "stage": pd.Series(np.array(source.stages, dtype=object)[stage], dtype="str"),
                "entered_at": source.log.moments(walk.time[walk.entries[who, stage]]),
                "left_at": source.log.moments(np.where(left < 0, 0, walk.time[left]), left < 0),
                "current": counts.current[who] == stage,
                "ended": (counts.current[who] == stage) & walk.ended[who],
            }
        )

    def persona(self, name: str, members: pd.DataFrame | None = None) -> JourneyMap:
        """The map of one persona: of its customers alone.

        `members` is `cj.personas(…).members` (`customer_id`, `persona`); without it the personas are computed with their usual options.
        """
        source = self._source
        if source.log is None:
            raise CjlibError("persona: personas are groups of customers of the log, and there is none.")
        if members is None:
            from cjlib.analyses.personas import personas

            members = personas(source.log, None, self._feedback).members
        groups = members.set_index("customer_id")["persona"].astype("str")
        if name not in set(groups):
            raise not_one_of("persona", name, sorted(set(groups)))
        return self.only(groups[groups == name].index, f"persona {name}")

    def only(self, customer_ids: Any, called: str) -> JourneyMap:
        """The map of some customers alone, with their feedback; `called` names them in the definition."""
        source = self._source
        if source.log is None or source.walk is None:
            raise CjlibError("only: the map was made without events, so it knows no customers.")
        wanted = {str(one) for one in customer_ids}
        kept = np.array([str(one) in wanted for one in source.log.customer_ids()], dtype=bool)
        made = _made(_restricted(source, kept), self._feedback, "retained")
        return replace(made, definition={**made.definition, "only": f"{called}: {int(kept.sum()):,} customers"})

    def compare(self, earlier: JourneyMap) -> Result:
        """The map beside an earlier one, cell by cell: see `cjlib.analyses.journey_map.compare`."""
        from cjlib.analyses.journey_map.compare import compare

        return compare(self, earlier)

    def simulate(self, changes: Mapping[str, float]) -> Result:
        """What if more went on from a stage: see `cjlib.analyses.journey_map.future`."""
        from cjlib.analyses.journey_map.future import simulate

        return simulate(self, changes)

    def export(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV and the whole map as JSON: see `cjlib.analyses.journey_map.export`."""
        from cjlib.analyses.journey_map.export import export

        return export(self, Path(folder))


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

    A customer enters a stage at the first mapped event of it, whatever came before, and counts once. The current stage is that of the latest mapped event;
    the journey has ended if the silence since is longer than `map.silent_after`. Going back is a mapped event of an earlier stage strictly after the entry. To
    the next stage: from entry to the first mapped event of any later stage at or after it. Events of one instant stand by stage, event name and the other
    columns. In-order columns are those of `cj.funnel` over the stages without a limit; scores those of `cj.nps`, `cj.csat`, `cj.ces` and `cj.sentiment`
    on the feedback as `assign_stages` places it.

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
        A column of the log or of the customers table, or a mapping from customer_id to a group: one map a group in `.table`, `.touchpoints`, `.sentiment_line`
        and `.patterns`. A customer's group is the first value that is not missing.
    outcome
        Of the moments that matter: "retained", "converted" or "promoter".

    Returns
    -------
    JourneyMap
        `.table` (a row a stage) and the tables of its attributes; docs/journey_map.md lists every column.

    Raises
    ------
    CjlibError
        If neither events nor feedback are given, or an option cannot be used.
    """
    if log is None and feedback is None:
        raise CjlibError("log: a map needs events or feedback, and neither is given. Give journey.read_events() or journey.read_feedback().")
    if outcome not in OUTCOMES:
        raise not_one_of("outcome", outcome, OUTCOMES)
    places = places_of(journey)
    groups = groups_of(log, by, (*STAGE_COLUMNS, *POINT_COLUMNS, "pattern", "to_stage", "measure", "lead", "n", "value", "named"))
    mapped = "" if log is None else journey.mapping_sql(log)
    walk, back = (None, None) if log is None else read_walk(journey, log, mapped)
    opinions = None if feedback is None else read_opinions(feedback, log, journey, places)
    if opinions is not None and groups.of is not None:
        code = opinions.rows["code"].to_numpy()
        opinions = replace(opinions, rows=opinions.rows.assign(group=np.where(code >= 0, groups.of[code], -1)))
    money = None if log is None else read_money(journey, log)
    source = Source(journey, log, places, groups, walk, back, opinions, money, _probabilities(churn), mapped)
    return _made(source, feedback, outcome)


def _probabilities(churn: Any) -> pd.Series | None:
    """The newest probability of each customer, by id as text."""
    if churn is None:
        return None
    scored = churn if isinstance(churn, pd.DataFrame) else churn.score().table
    absent = [name for name in ("customer_id", "churn_probability") if name not in scored]
    if absent:
        raise CjlibError(f"churn: must be a model of cj.fit_churn or its scores with customer_id and churn_probability. Missing: {shown(absent)}.")
    ordered = scored.sort_values("cutoff", kind="stable") if "cutoff" in scored else scored
    newest = ordered.assign(customer_id=ordered["customer_id"].astype("str")).drop_duplicates("customer_id", keep="last")
    return newest.set_index("customer_id")["churn_probability"]


def _restricted(source: Source, kept: np.ndarray) -> Source:
    assert source.walk is not None
    assert source.back is not None
    opinions: Opinions | None = source.opinions
    if opinions is not None:
        code = opinions.rows["code"].to_numpy()
        inside = (code >= 0) & kept[code]
        opinions = replace(opinions, rows=opinions.rows[inside].reset_index(drop=True))
    groups = replace(source.groups, name=None, of=np.where(kept, 0, -1), size=1)
    walk, back = source.walk.only(kept[source.walk.codes]), source.back.only(kept[source.back.codes])
    return replace(source, groups=groups, walk=walk, back=back, opinions=opinions)


def _made(source: Source, feedback: Feedback | None, outcome: str) -> JourneyMap:
    """The map of a source: whole tables first, then what is read off them."""
    counted = [None if walk is None else StageCounts(walk) for walk in map(source.walk_of, range(source.groups.size))]
    whole = None if source.walk is None else counted[0] if source.groups.name is None else StageCounts(source.walk)
    table, points = stage_table(source, counted), point_table(source, counted)
    line, patterns = line_and_patterns(source)
    found = _moments(source, outcome)
    pains = _pains(source, whole)
    gaps = (unmapped(source.log, source.mapped), silent(source.log, source.places)) if source.log is not None else (None, None)
    return JourneyMap(
        table=table,
        headline=words.headline(source, table, patterns, found, pains),
        definition=words.definition(source, outcome),
        metrics=words.metrics(source, table, pains),
        touchpoints=points,
        routes=routes(whole, planned_routes(source.journey)) if whole is not None else pd.DataFrame(),
        unmapped=pd.DataFrame(columns=UNMAPPED) if gaps[0] is None else gaps[0],
        silent=pd.DataFrame(columns=["stage", "touchpoint", "event"], dtype="str") if gaps[1] is None else gaps[1],
        sentiment_line=line,
        patterns=patterns,
        moments=found,
        pain_points=pains,
        quotes=quotes(source.opinions, source.places)
        if source.opinions is not None
        else pd.DataFrame(columns=["stage", "touchpoint", "feedback_id", "label", "text"], dtype="str"),
        support=_support(source),
        journey=source.journey,
        _source=source,
        _feedback=feedback,
    )


def _moments(source: Source, outcome: str) -> pd.DataFrame:
    if source.log is None or source.walk is None or source.opinions is None:
        return pd.DataFrame(columns=MOMENT_COLUMNS)
    later = later_of(source.journey, source.log, source.walk, source.opinions, source.mapped)
    return moments(source.places, source.opinions, later, outcome)


def _pains(source: Source, counts: StageCounts | None) -> pd.DataFrame:
    """`.pain_points`: the stages, then the touchpoints, each ranked."""
    if counts is None or not source.places.counted:
        return pd.DataFrame(columns=["rank", "level", "stage", "touchpoint", "affected", "impact", "rank_low", "rank_high", "share_first"])
    weights = source.journey.map.weights.model_dump()
    parts = []
    for level, pains, column in (("stage", stage_pains, "stage"), ("touchpoint", point_pains, "point")):
        size = len(source.stages) if level == "stage" else len(source.places.points)
        heard = np.zeros(size, dtype=np.int64)
        if source.opinions is not None:
            place = source.opinions.rows[column].to_numpy()
            heard = np.bincount(place[place >= 0], minlength=size)
        customers = _customers(counts, level)
        parts.append(ranked(level, pains(source.journey, counts, source.money, source.opinions, evidence(customers, heard)), weights))
    return pd.concat(parts, ignore_index=True)


def _customers(counts: StageCounts, level: str) -> np.ndarray:
    return counts.entered.sum(0) if level == "stage" else counts.at_point.sum(0)


def _support(source: Source) -> pd.DataFrame:
    from cjlib.analyses.journey_map.support import support_view

    return support_view(source.journey, source.log) if source.log is not None and source.journey.support is not None else pd.DataFrame()
