"""Which groups, and which cohorts, differ significantly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cjlib.analyses.retention.count import Entries, Hits, Members, hits_of, up_to
from cjlib.analyses.retention.options import Question, Scope
from cjlib.analyses.retention.tables import (
    Counts,
    average_table,
    only_observed,
    pooled,
)
from cjlib.shared import stats
from cjlib.shared.comparison import (
    Family,
    FollowUp,
    ShareComparison,
    compare_shares,
    family,
    named_in_turn,
    not_compared_with,
)
from cjlib.shared.event_arrays import stable_order
from cjlib.shared.first_events import Groups, Whole, together
from cjlib.shared.risk_comparison import shares_also_within, skewed_p
from cjlib.sources.log.event_log import EventLog

Floats = NDArray[np.float64]
MEASURES = ("customers", "share", "other_customers", "other_share")
SCORES = (
    "customers",
    "periods",
    "returned_periods",
    "expected_periods",
    "share_of_expected",
    "share_of_expected_low",
    "share_of_expected_high",
)
CHANGES = (
    "cohort",
    "customers_before",
    "customers_from",
    "share_of_expected_before",
    "share_of_expected_from",
    "p_value",
)
Z = float(ndtri(0.975))
DRAWS = 5_000
"""Of the test for a change: how often chance alone does as well at its best cut."""
CELLS_AT_ONCE = 2_000_000
"""Random numbers held at one time."""
ONCE = 1.02
"""Start events a customer up to which they are taken to happen once, as a sign-up does: then the first one in the log is the first ever."""


# ---- equal horizons -------------------------------------------------------------------------------------------------


def equal_horizon(
    members: Members, counts: Counts, hits: Hits, through: int
) -> tuple[Counts, Hits]:
    """What is compared: returns that every cohort had equally long to show.

    "On" and "every" ask for nothing after a period. With "on_or_after" an older cohort has had longer to come back "or later", so cohorts are followed
    for as many periods as the headline's and no further.
    """
    if members.question.mode != "on_or_after":
        return counts, hits
    single = replace(members.question, mode="on")
    in_period = hits_of(members.log, single, members.scope, members.entries, members.clock)
    last = np.zeros(len(counts.ended), dtype=np.int64)
    inside = (in_period.period > 0) & (in_period.period <= through)
    np.maximum.at(last, in_period.entry[inside], in_period.period[inside])
    equal = up_to(last, through)
    return only_observed(counts, equal, through), equal


def truncated_cohort(log: EventLog, question: Question, scope: Scope) -> int | None:
    """The cohort in which customers from before the log (or the range) may stand, whose first event is not their first ever; None where there is none."""
    if question.recurring or question.cohort_by or scope.nobody or _happens_once(log, question):
        return None
    if question.cohort == "first_in_range":
        return scope.first
    return 0 if scope.first == 0 else None


def _happens_once(log: EventLog, question: Question) -> bool:
    start = question.start_event
    if not (start.names or start.where) or start.first_time:
        return False
    found = f"FROM {log.prepared} WHERE {log.match(start, 'start_event')}"
    ((events,),) = log.engine.rows(f"SELECT count(*) {found}")
    if events > ONCE * log.n_customers:
        return False
    ((customers,),) = log.engine.rows(f"SELECT count(DISTINCT c) {found}")
    return bool(events <= ONCE * customers)


# ---- groups ---------------------------------------------------------------------------------------------------------


def group_comparisons(
    counts: Counts, groups: Groups, question: Question
) -> tuple[pd.DataFrame, pd.DataFrame, Family | None]:
    """Each group against all others together, named in turn, in the last complete period, and those to be told, which differ within the same cohorts too.

    Groups below `min_n` stand among the others but are not compared.
    """
    sums = pooled(counts)
    last = sums.period == sums.period.max(initial=-1)
    if not groups.names or question.recurring:
        last = np.zeros(len(sums.period), dtype=bool)
    retained, base = sums.retained[last], sums.eligible[last]
    comparable = groups.comparable[sums.group[last]]
    period = int(sums.period[last].max(initial=0))

    def beside(others: NDArray[np.bool_]) -> ShareComparison:
        return compare_shares(
            f"retention by {', '.join(groups.names)}",
            retained,
            base,
            others @ retained,
            others @ base,
            follow_up=FollowUp(f"the cohort event, to the end of {question.period} {period}", 0),
            min_n=question.min_n,
        )

    in_cohorts = _by_cohort(counts, sums.group[last], period)
    tested, told, compared = named_in_turn(
        shares_also_within(beside, in_cohorts, question.min_n), comparable
    )
    others = compared @ base
    named = pd.DataFrame(groups.columns(sums.group[last]))
    labels = [_label(row) for row in named.to_dict("records")]
    numbers = (base, told.share, others, told.other_share)
    table = named.assign(
        **dict(zip(MEASURES, numbers, strict=True)),
        **told.columns(),
        without=pd.Series(not_compared_with(labels, compared), dtype="str"),
    )
    shown = (base >= max(question.min_n, 1)) & (others > 0)
    claimed = table[told.claims & shown]
    return table[shown].reset_index(drop=True), claimed, tested if tested.tests else None


def _by_cohort(counts: Counts, groups: Whole, period: int) -> tuple[Whole, Whole]:
    """Who returned in a period, and who could have, of complete cells: cohorts × these groups."""
    shape = int(counts.cohort.max(initial=-1)) + 1, groups.size
    returned, base = (np.zeros(shape, dtype=np.int64) for _ in range(2))
    for place, group in enumerate(groups.tolist()):
        mine = (counts.group == group) & counts.complete[:, period]
        returned[counts.cohort[mine], place] = counts.retained[mine, period]
        base[counts.cohort[mine], place] = counts.base[mine, period]
    return returned, base


def _label(row: dict[Any, Any]) -> str:
    return ", ".join(
        f"{name} {'(not set)' if pd.isna(value) else value}" for name, value in row.items()
    )


# ---- cohorts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """Returned periods of each row of the counts against what they would be with its group's average share in every period.

    `customers` are those with a complete period. `variance` and `skew` are of observed − expected, from customer to customer of *all* cohorts of the
    group over as many periods: a cohort in which nobody happened to come back often would else seem to vary hardly at all, and to differ. A customer's
    periods need not be independent of one another.
    """

    customers: Whole
    last: Whole
    observed: Floats
    expected: Floats
    variance: Floats
    skew: Floats

    @property
    def p_values(self) -> Floats:
        """Two-sided, of each row, from a gamma distribution with this variance and skewness (Pearson's type III); NaN without variation."""
        return skewed_p(
            stats.share(self.observed - self.expected, np.sqrt(self.variance)), self.skew
        )


def scores_of(
    question: Question, entries: Entries, counts: Counts, hits: Hits, left_out: int | None
) -> Scores:
    """Observed and expected returned periods, over complete periods from 1 on; the cohort `left_out` is expected nothing and is in no average."""
    tested = np.ones(len(entries), dtype=bool) if left_out is None else entries.cohort != left_out
    rows, width = len(counts.cohort), question.periods + 1
    averaged = np.ones(rows, dtype=bool) if left_out is None else counts.cohort != left_out
    sums = pooled(replace(counts, complete=counts.complete & averaged[:, None]))
    groups = int(entries.group.max(initial=0)) + 1
    shares = np.zeros((groups, width))
    shares[sums.group, sums.period] = stats.share(sums.retained, sums.eligible)
    shares[:, 0] = 0
    ended = np.where(tested, np.minimum(counts.ended, question.periods), -1)
    counted = (hits.period > 0) & (hits.period <= ended[hits.entry])
    second, third = _moments(
        entries.group, ended, Hits(hits.entry[counted], hits.period[counted]), shares
    )
    # How many of each row ended after so many periods: all that their group's averages are needed for.
    many = np.bincount(counts.cell * width + np.maximum(ended, 0), minlength=rows * width)
    many = many.reshape(rows, width)

    def total(of_group: Floats) -> Floats:
        return (many * of_group[counts.group]).sum(axis=1)

    observed = np.bincount(counts.cell[hits.entry[counted]], minlength=rows).astype(float)
    variance = np.maximum(total(second), total(np.cumsum(shares * (1 - shares), axis=1)))
    some = np.append(np.ones((rows, 1), dtype=bool), many[:, 1:] > 0, axis=1)
    return Scores(
        customers=many[:, 1:].sum(axis=1),
        last=width - 1 - np.argmax(some[:, ::-1], axis=1),
        observed=observed,
        expected=total(np.cumsum(shares, axis=1)),
        variance=variance,
        skew=np.divide(total(third), variance**1.5, out=np.zeros(rows), where=variance > 0),
    )


def _moments(group: Whole, ended: Whole, hits: Hits, shares: Floats) -> tuple[Floats, Floats]:
    """Second and third moment of a customer's observed − expected, by group and number of periods, over all who completed as many."""
    groups, width = shares.shape
    by_period = stable_order(hits.period)
    bounds = np.searchsorted(hits.period[by_period], np.arange(width + 1))
    seen = np.zeros(len(group), dtype=np.int64)
    # Sums of the returns so far, their squares and cubes: what those who return add to them in a period, and what those take along who are not followed further.
    grown, gone = np.zeros((3, groups, width)), np.zeros((3, groups, width))
    for period in range(1, width):
        who = hits.entry[by_period[bounds[period] : bounds[period + 1]]]
        k = seen[who]
        for power, more in enumerate((np.ones(k.size), 2 * k + 1, 3 * k * (k + 1) + 1)):
            grown[power, :, period] = np.bincount(group[who], more, groups)
        seen[who] = k + 1
    place = group * width + np.maximum(ended, 0)
    for power in range(3):
        gone[power] = np.bincount(place, seen ** (power + 1), groups * width).reshape(shares.shape)
    sums = np.cumsum(grown, axis=2)
    sums[:, :, 1:] -= np.cumsum(gone, axis=2)[:, :, :-1]
    followed = np.bincount(place[ended >= 0], minlength=groups * width).reshape(shares.shape)
    people = np.cumsum(followed[:, ::-1], axis=1)[:, ::-1]
    first, square, cube = np.divide(sums, people, out=np.zeros(sums.shape), where=people > 0)
    expected = np.cumsum(shares, axis=1) * (people > 0)
    second = square - 2 * expected * first + expected**2
    third = cube - 3 * expected * square + 3 * expected**2 * first - expected**3
    return np.maximum(second, 0.0), third


def cohort_comparisons(
    question: Question, names: pd.DataFrame, counts: Counts, scores: Scores
) -> tuple[pd.DataFrame, Family]:
    """Each cohort against what the average of its group would give in the same periods; a cohort alone in its group has nothing to differ from."""
    # A customer of recurring cohorts stands in several, so these cannot be compared as if they were independent.
    known = scores.expected > 0
    several = np.bincount(counts.group, weights=known)[counts.group] > 1 if known.size else known
    shown = (
        known & several & (scores.customers >= max(question.min_n, 1)) & (not question.recurring)
    )
    observed, expected = scores.observed[shown], scores.expected[shown]
    half = Z * np.sqrt(scores.variance[shown])
    customers = scores.customers[shown]
    whole = (
        np.bincount(counts.group, weights=scores.customers)[counts.group][shown]
        if known.size
        else customers
    )
    tested = family(
        "retention by cohort",
        scores.p_values[shown],
        units=customers,
        other_units=whole - customers,
        follow_up=FollowUp("the end of the same periods of every cohort", 0),
        min_n=max(question.min_n, 1),
    )
    bounds = (np.maximum(observed - half, 0) / expected, (observed + half) / expected)
    numbers = (
        customers,
        scores.last[shown],
        observed.astype(np.int64),
        expected,
        observed / expected,
        *bounds,
    )
    table = pd.DataFrame(
        {
            **names.loc[shown].reset_index(drop=True),
            **dict(zip(SCORES, numbers, strict=True)),
            "p_value": tested.p_value,
            "p_adjusted": tested.p_adjusted,
        }
    )
    return table, tested


def cohort_change(
    question: Question, names: pd.DataFrame, counts: Counts, scores: Scores
) -> pd.DataFrame:
    """From which cohort on returns differ most from those before, and how often chance alone would do as well; one row a group."""
    # Cohorts by value have no order in time, and customers of recurring cohorts stand on both sides of a cut.
    among = [] if question.recurring or question.cohort_by else pd.unique(counts.group)
    by = [name for name in names.columns if name != "cohort"]
    rows = []
    for group in among:
        mine = np.flatnonzero((counts.group == group) & (scores.expected > 0))
        cut = _best_cut(scores, mine, question.min_n, question.seed)
        if cut is not None:
            place, p_value = cut
            before, after = mine[:place], mine[place:]
            ratios = (
                scores.observed[part].sum() / scores.expected[part].sum()
                for part in (before, after)
            )
            sizes = (int(scores.customers[part].sum()) for part in (before, after))
            rows.append(
                [*names.loc[after[0], by], names.loc[after[0], "cohort"], *sizes, *ratios, p_value]
            )
    table = pd.DataFrame(rows, columns=[*by, *CHANGES])
    return table.astype(
        {name: names[name].dtype for name in (*by, "cohort")}
        | {"customers_before": "int64", "customers_from": "int64"}
    )


SIDES = ("before", "from then on")


def before_and_after(
    question: Question, names: pd.DataFrame, counts: Counts, scores: Scores, change: pd.DataFrame
) -> pd.DataFrame:
    """The average on both sides of the cut, of the cohorts that the test compares and in the periods that both sides have completed; without groups."""
    cut = change["cohort"].iloc[0] if len(change) and not question.by else None
    compared = scores.expected > 0 if cut is not None else np.zeros(len(names), dtype=bool)
    side = (names["cohort"] >= cut).to_numpy(dtype=np.int64) if compared.any() else counts.group
    sums = pooled(replace(counts, group=side, complete=counts.complete & compared[:, None]))
    table = average_table(question, sums, together(2), None)
    table.insert(0, "side", np.array(SIDES, dtype=object)[sums.group])
    both = table["period"].isin(table.loc[table["side"] == SIDES[1], "period"])
    return table[both].reset_index(drop=True)


def _best_cut(scores: Scores, rows: Whole, min_n: int, seed: int) -> tuple[int, float] | None:
    """Where the cut lies (number of cohorts before it) that sets the two sides furthest apart, and its p value among all cuts."""
    variance = scores.variance[rows]
    total = variance.sum()
    if rows.size < 2 or total <= 0:
        return None
    before = np.cumsum(scores.customers[rows])
    part = np.cumsum(variance)[:-1] / total
    spread = np.sqrt(total * part * (1 - part))
    allowed = (
        (before[:-1] >= max(min_n, 1)) & (before[-1] - before[:-1] >= max(min_n, 1)) & (spread > 0)
    )
    if not allowed.any():
        return None
    cuts = np.flatnonzero(allowed)
    found = _apart(scores.observed[rows] - scores.expected[rows], cuts, part, spread)
    at_once = max(1, CELLS_AT_ONCE // rows.size)
    rng = np.random.default_rng([seed, 2])
    as_good = 0
    for done in range(0, DRAWS, at_once):
        chance = _standardised(rng, min(at_once, DRAWS - done), scores.skew[rows]) * np.sqrt(
            variance
        )
        as_good += int((_apart(chance, cuts, part, spread).max(axis=-1) >= found.max()).sum())
    return int(cuts[found.argmax()]) + 1, (1 + as_good) / (1 + DRAWS)


def _standardised(rng: np.random.Generator, draws: int, skew: Floats) -> Floats:
    """Draws with mean 0, variance 1 and this skewness (gamma; normal where there is next to none)."""
    flat = np.abs(skew) < 1e-3
    shape = 4 / np.where(flat, 1.0, skew) ** 2
    skewed = (rng.standard_gamma(shape, size=(draws, skew.size)) - shape) / np.sqrt(shape)
    return np.where(flat, rng.normal(size=(draws, skew.size)), np.sign(skew) * skewed)


def _apart(differences: Floats, cuts: Whole, part: Floats, spread: Floats) -> Floats:
    """How far the two sides of each cut lie apart, in standard deviations."""
    # A walk tied down at its end, since expected and observed agree over all cohorts.
    walk = np.cumsum(differences, axis=-1)
    return np.abs(walk[..., cuts] - part[cuts] * walk[..., -1:]) / spread[cuts]
