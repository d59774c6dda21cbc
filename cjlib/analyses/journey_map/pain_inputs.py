"""The parts of every pain point, counted per stage and per touchpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.equal_follow_up import Followed, horizon_of
from cjlib.analyses.journey_map.feedback import BAD_TO, Opinions, evidence
from cjlib.analyses.journey_map.inputs import Money, Source, at_stake
from cjlib.analyses.journey_map.mapped_events import NONE, Bools, Ints, Places
from cjlib.analyses.journey_map.pain_score import PainPlaces, Part, ranked
from cjlib.analyses.journey_map.sentiment_line import Answers, clustered
from cjlib.analyses.journey_map.stages import Move, StageCounts, planned_routes
from cjlib.analyses.survival.kaplan_meier import kaplan_meier
from cjlib.shared.comparison import FollowUp
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import microseconds

NOTHING = [
    "rank",
    "level",
    "stage",
    "touchpoint",
    "customers",
    "affected",
    "significant",
    "impact",
    "rank_low",
    "rank_high",
    "share_first",
]


@dataclass(frozen=True)
class Stop:
    """One place: each customer's entry (−1 = never there), who went on to a later stage, who was sent back, who ended there, who had a contact there."""

    entries: Ints
    went_on: Bools
    sent_back: Bools
    ended: Bools
    contact: Bools


def stage_stops(counts: StageCounts, planned: set[Move]) -> list[Stop]:
    """The stages as places."""
    walk = counts.walk
    helped = _helped(counts, walk.stage, counts.stages)
    back = _moves_back(counts, planned)
    sent = np.zeros((walk.customers, counts.stages), dtype=bool)
    sent[walk.who[back], walk.stage[back]] = True
    return [
        Stop(
            walk.entries[:, s],
            counts.later[:, s] >= 0,
            sent[:, s],
            counts.ended_here[:, s],
            helped[:, s],
        )
        for s in range(counts.stages)
    ]


def point_stops(counts: StageCounts, chosen: Ints, planned: set[Move]) -> list[Stop]:
    """The touchpoints as places: those whose events are the customer's way."""
    walk, size = counts.walk, len(counts.walk.places.points)
    helped = _helped(counts, walk.point, size)
    back = _moves_back(counts, planned)
    sent = np.zeros((walk.customers, size), dtype=bool)
    sent[walk.who[back], walk.point[back]] = True
    latest = walk.point[walk.ends]
    made = []
    for one in chosen:
        entries = walk.point_entries(int(one))
        there = entries >= 0
        on = counts.lasts[:, walk.places.stage_of_point[one] + 1 :].max(axis=1, initial=NONE)
        made.append(
            Stop(
                entries,
                there & (on > entries),
                sent[:, one],
                there & walk.ended & (latest == one),
                helped[:, one],
            )
        )
    return made


def _moves_back(counts: StageCounts, planned: set[Move]) -> Ints:
    """The last event of each visit that is followed by one to an earlier stage, where the journey file does not plan that move."""
    visits = counts.walk.visits
    move = visits.moves
    source, target = visits.stage[move].astype(np.int64), visits.stage[move + 1].astype(np.int64)
    expected = np.isin(
        source * counts.stages + target, [begin * counts.stages + end for begin, end in planned]
    )
    return visits.end[move[(target < source) & ~expected]]


def _helped(counts: StageCounts, group: np.ndarray, groups: int) -> Bools:
    """Who had a contact with support while at each place."""
    rows, before = counts.contacts
    found = np.zeros((counts.walk.customers, groups), dtype=bool)
    found[counts.walk.who[rows], group[before]] = True
    return found


def _hard(opinions: Opinions | None, counts: StageCounts, column: str, groups: int) -> Bools:
    """Who found a place hard (CES of 3 or less)."""
    if opinions is None:
        return np.zeros((counts.walk.customers, groups), dtype=bool)
    hard = opinions.counts("ces") & (opinions.rows["ces"] <= BAD_TO["ces"])
    return _who_said(opinions.rows[hard], counts, column, groups)


def _who_said(rows: pd.DataFrame, counts: StageCounts, column: str, groups: int) -> Bools:
    """Which customers of the walk gave any of these answers of which place."""
    found = np.zeros((counts.walk.customers, groups), dtype=bool)
    rows = rows[(rows["code"] >= 0) & (rows[column] >= 0)]
    if counts.walk.customers:
        code = rows["code"].to_numpy()
        at = np.minimum(np.searchsorted(counts.walk.codes, code), counts.walk.codes.size - 1)
        known = counts.walk.codes[at] == code
        found[at[known], rows[column].to_numpy()[known]] = True
    return found


@dataclass(frozen=True)
class Unhappy:
    """Bad answers on the lead measure at each place: how many of how many, as how many independent ones they count, and who gave them."""

    bad: np.ndarray
    n: np.ndarray
    independent: np.ndarray
    who: Bools
    others: np.ndarray
    """Givers of bad answers who are not on the map, by place."""

    def at(self, chosen: Ints) -> Unhappy:
        """Some of the places."""
        return Unhappy(
            self.bad[chosen],
            self.n[chosen],
            self.independent[chosen],
            self.who[:, chosen],
            self.others[chosen],
        )


def unhappy(opinions: Opinions | None, counts: StageCounts, column: str, groups: int) -> Unhappy:
    """The bad answers of each place; answers of one customer count together."""
    none = np.zeros(groups, dtype=np.int64)
    nobody = np.zeros((counts.walk.customers, groups), dtype=bool)
    lead = opinions.lead if opinions is not None else None
    if opinions is None or lead is None:
        return Unhappy(none, none, none, nobody, none)
    has = opinions.rows["score"].notna() if lead == "text" else opinions.counts(lead)
    rows = opinions.rows[has & (opinions.rows[column] >= 0)]
    poor = (
        rows["label"] == "negative" if lead == "text" else rows[lead] <= BAD_TO[lead]
    ).to_numpy()
    place, person = rows[column].to_numpy(), rows["person"].to_numpy()
    answers = Answers.of(poor.astype(float), person, {column: place})
    means = clustered(answers, column, groups)
    variance = np.diag(means.covariance)
    with np.errstate(invalid="ignore", divide="ignore"):
        independent = np.where(variance > 0, means.mean * (1 - means.mean) / variance, means.people)
    who = _who_said(rows[poor], counts, column, groups)
    people = clustered(
        Answers.of(poor[poor].astype(float), person[poor], {column: place[poor]}), column, groups
    ).people
    return Unhappy(
        np.bincount(place[poor], minlength=groups),
        means.n,
        np.minimum(np.nan_to_num(independent), means.n).round().astype(np.int64),
        who,
        np.maximum(people - who.sum(0), 0),
    )


def pain_points(source: Source, counts: StageCounts | None) -> pd.DataFrame:
    """`.pain_points`: the stages, then the touchpoints, each ranked."""
    if counts is None or source.acts is None or not source.places.counted:
        return pd.DataFrame(columns=NOTHING)
    weights, opinions, parts = source.journey.map.weights.model_dump(), source.opinions, []
    levels = (
        ("stage", stage_pains, "stage", counts.entered.sum(0)),
        ("touchpoint", point_pains, "point", counts.walk.met.sum(0)),
    )
    for level, pains, column, customers in levels:
        place = (
            np.zeros(0, dtype=np.int64) if opinions is None else opinions.rows[column].to_numpy()
        )
        graded = evidence(customers, np.bincount(place[place >= 0], minlength=customers.size))
        parts.append(
            ranked(
                level, pains(source.journey, counts, source.acts.money, opinions, graded), weights
            )
        )
    return pd.concat(parts, ignore_index=True)


def stage_pains(
    journey: Journey,
    counts: StageCounts,
    money: Money | None,
    opinions: Opinions | None,
    evidence: np.ndarray,
) -> PainPlaces:
    """The stages that have touchpoints, with their parts."""
    chosen = np.array(counts.walk.places.counted, dtype=np.int64)
    stops = stage_stops(counts, planned_routes(journey))
    hard = _hard(opinions, counts, "stage", counts.stages)
    said = unhappy(opinions, counts, "stage", counts.stages)
    followed = Followed(counts, horizon_of(counts.walk))
    succeeds = np.isin(chosen, success_stages(journey, counts.walk.places))
    expected_share = np.array([_or_nan(journey.stages[s].expected_share) for s in chosen])
    slow, slow_n, late = _slow(journey, counts)
    return _places(
        [stops[s] for s in chosen],
        hard[:, chosen],
        said.at(chosen),
        counts,
        money,
        names=([counts.walk.places.stages[s] for s in chosen], [None] * chosen.size),
        succeeds=succeeds,
        followed=(followed.complete[:, chosen], (followed.ended & counts.ended_here)[:, chosen]),
        late=late[:, chosen],
        lost_reference=1 - expected_share,
        slow=(slow[chosen], slow_n[chosen], 1 - expected_share),
        opportunity=[_joined(journey.stages[s].opportunities) for s in chosen],
        evidence=evidence[chosen],
    )


def point_pains(
    journey: Journey,
    counts: StageCounts,
    money: Money | None,
    opinions: Opinions | None,
    evidence: np.ndarray,
) -> PainPlaces:
    """The touchpoints that customers see, with their parts."""
    places = counts.walk.places
    front = np.zeros(len(places.points), dtype=bool)
    front[places.point[places.front]] = True
    chosen = np.flatnonzero(front)
    hard = _hard(opinions, counts, "point", len(places.points))
    said = unhappy(opinions, counts, "point", len(places.points))
    written = {
        (s, point.name): _joined(point.opportunities)
        for s, stage in enumerate(journey.stages)
        for point in stage.touchpoints
    }
    stages = places.stage_of_point[chosen]
    nothing = np.zeros(chosen.size, dtype=np.int64)
    stops = point_stops(counts, chosen, planned_routes(journey))
    until = counts.walk.observed_until - horizon_of(counts.walk)
    complete = np.stack(
        [(stop.entries >= 0) & (counts.walk.time_at(stop.entries) <= until) for stop in stops]
        or [np.zeros(counts.walk.customers, dtype=bool)],
        axis=1,
    )[:, : chosen.size]
    ended = np.zeros_like(complete)
    for place, stop in enumerate(stops):
        ended[:, place] = complete[:, place] & stop.ended
    return _places(
        stops,
        hard[:, chosen],
        said.at(chosen),
        counts,
        money,
        names=([places.stages[s] for s in stages], [places.points[k][1] for k in chosen]),
        succeeds=np.isin(stages, success_stages(journey, places)),
        followed=(complete, ended),
        late=np.zeros_like(complete),
        lost_reference=1 - np.array([_or_nan(journey.stages[s].expected_share) for s in stages]),
        slow=(nothing, nothing, np.zeros(chosen.size)),
        opportunity=[written[places.points[k]] for k in chosen],
        evidence=evidence[chosen],
    )


def success_stages(journey: Journey, places: Places) -> list[int]:
    """Where a journey may end well, so that who ends there is no loss: the last stage; without `churn` also those of a funnel's last step."""
    ends = {max(places.counted)} if places.counted else set()
    if journey.churn is None:
        last_steps = {
            name
            for funnel in journey.funnels.values()
            for step in funnel.steps[-1:]
            for name in step.names
        }
        ends |= {one.position for one in places.mapping if last_steps & set(one.event.names)}
    return sorted(ends)


def _places(
    stops: list[Stop],
    hard: Bools,
    said: Unhappy,
    counts: StageCounts,
    money: Money | None,
    *,
    names: tuple[list[str], list[str | None]],
    succeeds: Bools,
    followed: tuple[Bools, Bools],
    late: Bools,
    lost_reference: np.ndarray,
    slow: tuple[np.ndarray, np.ndarray, np.ndarray],
    opportunity: list[str | None],
    evidence: np.ndarray,
) -> PainPlaces:
    shape = (counts.walk.customers, len(stops))
    entered, ended, effort = (np.zeros(shape, dtype=bool) for _ in range(3))
    for place, stop in enumerate(stops):
        entered[:, place] = stop.entries >= 0
        ended[:, place] = stop.ended & ~succeeds[place]
        effort[:, place] = entered[:, place] & (stop.contact | stop.sent_back | hard[:, place])
    customers = entered.sum(0)
    complete, ended_in_time = followed
    unknown, everywhere = np.full(len(stops), np.nan), np.ones(len(stops), dtype=bool)
    watched = np.where(succeeds, 0, complete.sum(0))
    stated = ~np.isnan(slow[2])
    parts = {
        "lost": Part(
            ended.sum(0),
            np.where(succeeds, 0, customers),
            ~succeeds,
            lost_reference,
            (np.where(succeeds, 0, ended_in_time.sum(0)), watched),
        ),
        "unhappy": Part(
            said.bad,
            said.n,
            everywhere,
            unknown,
            (said.independent * said.bad / np.maximum(said.n, 1), said.independent),
        ),
        # Those who are not expected to go on at all cannot be late; tested only where the file says how many are expected to.
        "slow": Part(
            slow[0],
            slow[1],
            everywhere,
            np.nan_to_num(slow[2]),
            (np.where(stated, slow[0], 0), np.where(stated, slow[1], 0)),
        ),
        "effortful": Part(
            effort.sum(0),
            customers,
            everywhere,
            unknown,
            # Who stays longer has more time to need help, so the shares rank and are not tested.
            (np.zeros(customers.size), np.zeros(customers.size, dtype=np.int64)),
        ),
    }
    affected = (ended | effort | said.who | (late & entered)).sum(0) + said.others
    stakes = [at_stake(money, counts.walk, one.entries, one.went_on) for one in stops]
    value, error = (np.array([stake[k] for stake in stakes], dtype=float) for k in (0, 1))
    follow_up = FollowUp("the entry", horizon_of(counts.walk))
    return PainPlaces(
        names[0],
        names[1],
        affected,
        parts,
        value,
        error,
        opportunity,
        evidence,
        customers,
        follow_up,
    )


def _slow(journey: Journey, counts: StageCounts) -> tuple[np.ndarray, np.ndarray, Bools]:
    """Who is in no later stage within the expected time, of how many, and who certainly is; stages without `expected` have none.

    The share is Kaplan–Meier's, those not yet watched that long censored, so that the newest do not count only if they were fast; the number
    is that of customers whose share would be as certain (Greenwood).
    """
    walk = counts.walk
    slow, n = np.zeros(counts.stages), np.zeros(counts.stages, dtype=np.int64)
    late = np.zeros((walk.customers, counts.stages), dtype=bool)
    for s, stage in enumerate(journey.stages):
        if stage.expected is None or s == max(walk.places.counted, default=s):
            continue
        limit = microseconds(stage.expected, "expected")
        who = np.flatnonzero(counts.entered[:, s])
        entry = walk.time[walk.entries[who, s]]
        moved = counts.later[who, s] >= 0
        taken = np.where(
            moved, walk.time[counts.later[who, s]] - entry, walk.observed_until - entry
        )
        if who.size:
            share, n[s] = kaplan_meier(taken.astype(np.float64), moved).share_beyond(float(limit))
            slow[s] = share * n[s]
        late[who, s] = (taken > limit) | (~moved & (taken >= limit))
    return slow, n, late


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _joined(texts: tuple[str, ...]) -> str | None:
    return " · ".join(texts) or None
