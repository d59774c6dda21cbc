"""Pain points: where many are lost, unhappy, slow or put to trouble, ranked by what is at stake, with how sure the rank is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.journey_map.equal_follow_up import Followed, horizon_of
from cjlib.analyses.journey_map.feedback import Opinions, evidence
from cjlib.analyses.journey_map.inputs import Money, Source, at_stake
from cjlib.analyses.journey_map.mapped_events import NONE, Bools, Ints, Places
from cjlib.analyses.journey_map.sentiment_line import Answers, clustered
from cjlib.analyses.journey_map.stages import Move, StageCounts, planned_routes
from cjlib.analyses.survival.kaplan_meier import kaplan_meier
from cjlib.shared.comparison import CLAIM, MIN_N, Family, FollowUp, family, known_at_once
from cjlib.shared.stats import wilson
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import microseconds

PARTS = ("lost", "unhappy", "slow", "effortful")
DRAWS = 1_000
MATERIAL = 0.05
"""A share that is less than five points above its reference is no pain, however many customers say so: places differ by nature."""
MEDIAN_VARIANCE = np.pi / 2
"""How much less a median knows than a mean."""
CONCENTRATION = 20
"""Of the drawn weights round those given: how far opinions on them are taken to differ."""
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
class Part:
    """One part of severity at each place: `count` of `n`; `reference` where it is given, else the median of the places that may be one.

    `tested` is what the test counts, where it is not the same: customers followed equally long, as many independent ones as there are.
    `independent` is of how many different customers' answers the shares are worth, where that is not n.
    """

    count: np.ndarray
    n: np.ndarray
    may_be_reference: np.ndarray
    reference: np.ndarray
    tested: tuple[np.ndarray, np.ndarray] | None = None
    independent: np.ndarray | None = None

    def measured(self) -> np.ndarray:
        """Where there are enough, and something to compare with."""
        enough = self.n >= MIN_N
        return enough & ~np.isnan(self.references(self.shares()))

    def p_values(self) -> np.ndarray:
        """How often chance alone would put a share so far above its reference (one-sided z, by the share's variance or that of its reference, whichever is larger).

        Missing where it is not measured. Of 30 who all do it, their own variance would say that it could not be otherwise.
        """
        count, n = self.tested or (self.count, self.n)
        part = Part(count, n, self.may_be_reference & (n >= MIN_N), self.reference)
        shares = part.shares()
        smoothed = (count + 0.5) / (n + 1)
        variance = smoothed * (1 - smoothed) / np.maximum(n, 1)
        usable = np.flatnonzero(part.may_be_reference & (n >= MIN_N))
        of_reference = np.zeros(n.size)
        for place in np.flatnonzero(np.isnan(self.reference)):
            others = usable[usable != place]
            if others.size:
                of_reference[place] = (MEDIAN_VARIANCE if others.size > 2 else 1.0) / (
                    1 / variance[others]
                ).sum()
        reference = part.references(shares)
        at_reference = reference * (1 - reference) / np.maximum(n, 1)
        spread = np.sqrt(np.fmax(variance, at_reference) + of_reference)
        z = (shares - reference) / spread
        return np.where(part.measured(), ndtr(-z), np.nan)

    def shares(self) -> np.ndarray:
        """Count ÷ n; NaN where nobody is counted."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.n > 0, self.count / self.n, np.nan)

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Wilson's 95% interval of the shares, of as many independent customers or answers as there are."""
        independent = self.n if self.tested is None else np.minimum(self.n, self.tested[1])
        return wilson(self.shares() * independent, independent)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Draws of the shares of n independent ones, Beta(k + ½, n − k + ½): draws × places."""
        n = self.n if self.independent is None else self.independent
        count = self.count if self.independent is None else np.nan_to_num(self.shares()) * n
        return rng.beta(count + 0.5, np.maximum(n - count, 0) + 0.5, size=(DRAWS, n.size))

    def references(self, shares: np.ndarray) -> np.ndarray:
        """What each place is compared with: given, or the median of the others that are measured."""
        usable, asked = (
            np.flatnonzero(self.may_be_reference & (self.n >= MIN_N)),
            np.flatnonzero(np.isnan(self.reference)),
        )
        values = np.broadcast_to(self.reference, shares.shape).copy()
        if not usable.size or not asked.size:
            return values
        order = np.argsort(shares[..., usable], axis=-1, kind="stable")
        ordered, rank = (
            np.take_along_axis(shares[..., usable], order, axis=-1),
            np.argsort(order, axis=-1, kind="stable"),
        )
        for place in asked:
            at = np.flatnonzero(usable == place)
            if at.size < usable.size:
                values[..., place] = (
                    _median_without(ordered, rank[..., at[0]])
                    if at.size
                    else np.median(ordered, axis=-1)
                )
        return values


def _median_without(ordered: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """The median of the values of each row, which are in order, but for the one at a position."""
    last = ordered.shape[-1] - 2
    low, high = (
        np.where(middle < left_out, ordered[..., middle], ordered[..., middle + 1])
        for middle in (last // 2, (last + 1) // 2)
    )
    return (low + high) / 2


@dataclass(frozen=True)
class PainPlaces:
    """The places of one level: names, customers, the parts of severity, the mean value at stake and its standard error."""

    stage: list[str]
    touchpoint: list[str | None]
    affected: np.ndarray
    parts: dict[str, Part]
    value: np.ndarray
    value_error: np.ndarray
    opportunity: list[str | None]
    evidence: np.ndarray
    customers: np.ndarray | None = None
    follow_up: FollowUp = field(default_factory=lambda: known_at_once("the end of data"))

    @property
    def entered(self) -> np.ndarray:
        """How many came to each place: all of them are affected where nobody says who is."""
        return self.affected if self.customers is None else self.customers


def tested(level: str, places: PainPlaces) -> Family:
    """Every part at every place against its reference, as one family: places × parts, row by row."""
    p = np.stack([places.parts[name].p_values() for name in PARTS], axis=1)
    enough = np.full(p.size, MIN_N)  # smaller ones are not measured, so their p is missing
    return family(
        f"pain by {level} and part",
        p.ravel(),
        units=enough,
        other_units=enough,
        follow_up=places.follow_up,
    )


def ranked(level: str, places: PainPlaces, weights: dict[str, float]) -> pd.DataFrame:
    """The pain points of one level, most painful first, with the sensitivity of their rank."""
    weight = np.array([weights[name] for name in PARTS])
    shares = {name: part.shares() for name, part in places.parts.items()}
    measured = np.array([places.parts[name].measured() for name in PARTS])
    severity = _severity(places.parts, shares, measured, weight)
    value = np.maximum(places.value, 0)
    impact = places.entered * severity * value
    draws = _draws(places, measured, weight)
    compared = tested(level, places)
    p_value, p_adjusted = (
        each.reshape(-1, len(PARTS)) for each in (compared.p_value, compared.p_adjusted)
    )
    above = np.stack(
        [_excess_of(places.parts[name], shares[name]) >= MATERIAL for name in PARTS], axis=1
    )
    smallest = np.where(above, np.nan_to_num(p_adjusted, nan=1.0), 1.0).min(axis=1, initial=1.0)
    columns: dict[str, object] = {
        "level": pd.Series([level] * len(places.stage), dtype="str"),
        "stage": pd.Series(places.stage, dtype="str"),
        "touchpoint": pd.Series(places.touchpoint, dtype="str"),
        "customers": places.entered.astype(np.int64),
        "affected": places.affected.astype(np.int64),
    }
    for k, name in enumerate(PARTS):
        columns |= _part_columns(name, places.parts[name], shares[name], measured[k])
        columns |= {f"{name}_p_value": p_value[:, k], f"{name}_p_adjusted": p_adjusted[:, k]}
    columns |= {"severity": severity, "value_at_stake": value}
    columns |= {
        "value_at_stake_low": places.value - 1.959964 * places.value_error,
        "value_at_stake_high": places.value + 1.959964 * places.value_error,
    }
    columns |= {"p_adjusted": smallest, "significant": smallest < CLAIM}
    columns |= {"impact": impact} | _sensitivity(draws, np.isnan(impact), smallest < CLAIM)
    columns |= {
        "opportunity": pd.Series(places.opportunity, dtype="str"),
        "evidence": pd.Series(places.evidence, dtype="str"),
    }
    columns["not_measured"] = pd.Series(
        [
            ", ".join(name for k, name in enumerate(PARTS) if not measured[k, place])
            for place in range(len(places.stage))
        ],
        dtype="str",
    )
    order = np.lexsort((np.arange(impact.size), -np.nan_to_num(impact, nan=-1.0)))
    table = pd.DataFrame(columns).iloc[order].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1, dtype=np.int64))
    return table


def _excess_of(part: Part, shares: np.ndarray) -> np.ndarray:
    return np.nan_to_num(shares - part.references(shares))


def _part_columns(
    name: str, part: Part, shares: np.ndarray, measured: np.ndarray
) -> dict[str, object]:
    references = part.references(shares)
    excess = np.where(measured, np.maximum(shares - references, 0), np.nan)
    low, high = part.interval()
    return {
        name: shares,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_reference": np.where(measured, references, np.nan),
        f"{name}_excess": excess,
        f"{name}_n": part.n.astype(np.int64),
    }


def _severity(
    parts: dict[str, Part], shares: dict[str, np.ndarray], measured: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Σ weight · excess ÷ Σ weight over the parts measured; for draws the weights and shares have a row a draw."""
    excess = np.stack(
        [np.maximum(shares[name] - parts[name].references(shares[name]), 0) for name in PARTS],
        axis=-1,
    )
    used = measured.T * (weight if weight.ndim == 1 else weight[:, None, :])
    total = used.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            total > 0,
            (np.where(measured.T, np.nan_to_num(excess), 0) * used).sum(-1) / total,
            np.nan,
        )


def _draws(places: PainPlaces, measured: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    shares = {name: places.parts[name].drawn(rng) for name in PARTS}
    given = np.flatnonzero(weight > 0)
    weights = np.zeros((DRAWS, weight.size))
    weights[:, given] = rng.dirichlet(CONCENTRATION * weight[given] / weight.sum(), size=DRAWS)
    error = np.nan_to_num(places.value_error)
    value = np.maximum(rng.normal(np.nan_to_num(places.value), error, size=(DRAWS, error.size)), 0)
    return places.entered * _severity(places.parts, shares, measured, weights) * value


def _sensitivity(
    draws: np.ndarray, unknown: np.ndarray, significant: np.ndarray
) -> dict[str, np.ndarray]:
    """Intervals of impact and rank, and how often each place with significant pain comes first."""
    impact = np.where(unknown, -1.0, np.nan_to_num(draws, nan=-1.0))
    order = np.argsort(-impact, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable") + 1
    low, high = (
        np.quantile(np.where(unknown, np.nan, draws), [0.025, 0.975], axis=0)
        if draws.size
        else (np.zeros(0), np.zeros(0))
    )
    rank_low, rank_high = (
        np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
        if draws.size
        else (np.zeros(0), np.zeros(0))
    )
    return {
        "impact_low": low,
        "impact_high": high,
        "rank_low": np.asarray(rank_low).astype(np.int64),
        "rank_high": np.asarray(rank_high).astype(np.int64),
        "share_first": np.where(unknown | ~significant, 0.0, (ranks == 1).mean(axis=0))
        if draws.size
        else np.zeros(0),
    }


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
    """Who found a place hard (CES of 3 or less of 7)."""
    if opinions is None:
        return np.zeros((counts.walk.customers, groups), dtype=bool)
    hard = opinions.counts("ces") & (opinions.rows["ces"] <= opinions.ends["ces"][0])
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
    """Bad answers at each place: how many of how many, the share that is compared, as how many independent ones they count, and who gave them."""

    bad: np.ndarray
    n: np.ndarray
    compared: np.ndarray
    independent: np.ndarray
    who: Bools
    others: np.ndarray
    """Givers of bad answers who are not on the map, by place."""

    def at(self, chosen: Ints) -> Unhappy:
        """Some of the places."""
        return Unhappy(
            self.bad[chosen],
            self.n[chosen],
            self.compared[chosen],
            self.independent[chosen],
            self.who[:, chosen],
            self.others[chosen],
        )


def unhappy(opinions: Opinions | None, counts: StageCounts, column: str, groups: int) -> Unhappy:
    """The bad answers of each place; answers of one customer count together."""
    none = np.zeros(groups, dtype=np.int64)
    nobody = np.zeros((counts.walk.customers, groups), dtype=bool)
    if opinions is None or opinions.lead is None:
        return Unhappy(none, none, none, none, nobody, none)
    says = opinions.poor.notna() & (opinions.rows[column] >= 0)
    rows, poor = opinions.rows[says], (opinions.poor[says] == 1).to_numpy()
    place, person = rows[column].to_numpy(), rows["person"].to_numpy()
    compared = opinions.poor_compared[says].to_numpy()
    means = clustered(Answers.of(compared, person, {column: place}), column, groups)
    share, variance = np.clip(means.mean, 0, 1), np.diag(means.covariance)
    with np.errstate(invalid="ignore", divide="ignore"):
        independent = np.where(variance > 0, share * (1 - share) / variance, means.people)
    independent = np.where(means.people < MIN_N, np.minimum(independent, means.people), independent)
    who = _who_said(rows[poor], counts, column, groups)
    people = clustered(
        Answers.of(poor[poor].astype(float), person[poor], {column: place[poor]}), column, groups
    ).people
    return Unhappy(
        np.bincount(place[poor], minlength=groups),
        means.n,
        np.nan_to_num(share),
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
        ends |= {entry.position for entry in places.mapping if last_steps & set(entry.event.names)}
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
            (said.independent * said.compared, said.independent),
            said.independent,
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
