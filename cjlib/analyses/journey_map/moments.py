"""Moments that matter: touchpoints where a bad experience goes with a worse outcome later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.answer_ends import USUAL, Ends
from cjlib.analyses.journey_map.feedback import Opinions
from cjlib.analyses.journey_map.inputs import Shared
from cjlib.analyses.journey_map.mapped_events import Places
from cjlib.shared.comparison import MIN_N, FollowUp, compare_shares, family
from cjlib.shared.risk_comparison import Strata, Within, also_within
from cjlib.shared.stats import Z95
from cjlib.show.numbers import about
from cjlib.sources.journey import Journey
from cjlib.sources.log.durations import microseconds

MONTH = 30 * 86_400_000_000
"""A difference that is claimed holds among experiences of the same 30 days too: where one touchpoint came to please more while more and more stayed, it is no moment that matters."""
EXCESS_LEVEL = 0.05
"""That a place matters more than others is asked only of places where the difference itself is claimed, so this bound is the usual one."""
OUTCOMES = ("retained", "converted", "promoter")
COLUMNS = [
    "stage",
    "touchpoint",
    "outcome",
    "n_good",
    "n_bad",
    "share_good",
    "share_bad",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "excess",
    "excess_low",
    "excess_high",
    "excess_p_adjusted",
    "named",
    "status",
    "text",
]
MEDIAN_VARIANCE = 1.57
"""π/2: how much less a median knows than a mean."""
WORDS = {"retained": "stay", "converted": "convert", "promoter": "recommend next time"}


@dataclass(frozen=True)
class Later:
    """What happened to customers after an experience, asked for arrays of customer codes and times."""

    events: dict[str, tuple[np.ndarray, np.ndarray]]
    observed_until: int
    after: int

    def between(self, kind: str, code: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How many events of a kind lie in (low, high]."""
        who, when = self.events[kind]
        return _rank(who, when, code, high) - _rank(who, when, code, low)


def _rank(who: np.ndarray, when: np.ndarray, code: np.ndarray, until: np.ndarray) -> np.ndarray:
    """How many events of each customer, or of one with a smaller code, are at or before a time; events by customer and time."""
    order = np.lexsort(
        (np.r_[np.zeros(who.size), np.ones(code.size)], np.r_[when, until], np.r_[who, code])
    )
    seen = np.cumsum(order < who.size)
    place = order >= who.size
    ranks = np.empty(code.size, dtype=np.int64)
    ranks[order[place] - who.size] = seen[place]
    return ranks


def experiences(opinions: Opinions) -> pd.DataFrame:
    """The first feedback of each customer at each touchpoint: `code`, `time`, `point`, `good` (1 good, 0 bad, NaN neither)."""
    rows = opinions.rows[(opinions.rows["code"] >= 0) & (opinions.rows["point"] >= 0)]
    first = rows.sort_values(
        ["code", "point", "time", "feedback_id"], kind="stable"
    ).drop_duplicates(["code", "point"])
    return first.assign(good=verdicts(first, opinions.ends))[
        ["code", "time", "point", "good"]
    ].reset_index(drop=True)


def verdicts(rows: pd.DataFrame, ends: Mapping[str, Ends] = USUAL) -> np.ndarray:
    """Give 1 for a good experience, 0 for a bad one, NaN between: by csat, else nps, else ces, else the text's label."""
    verdict = rows["label"].map({"positive": 1.0, "negative": 0.0}).to_numpy(dtype=float)
    for score in ("ces", "nps", "csat"):
        given = rows[score].to_numpy(dtype=float)
        bad_to, good_from = ends[score]
        own = np.where(given >= good_from, 1.0, np.where(given <= bad_to, 0.0, np.nan))
        verdict = np.where(np.isnan(given), verdict, own)
    return verdict


def later_of(journey: Journey, shared: Shared, opinions: Opinions) -> Later:
    """The events that outcomes look for: mapped ones that are not the churn event, conversions, and answers to NPS."""
    events = {"active": shared.active} | (
        {} if shared.converted is None else {"converted": shared.converted}
    )
    answered = opinions.rows[opinions.counts("nps") & (opinions.rows["code"] >= 0)].sort_values(
        ["code", "time", "feedback_id"], kind="stable"
    )
    events["answered"] = (answered["code"].to_numpy(), answered["time"].to_numpy())
    events["promoted"] = (
        answered["nps"].to_numpy(dtype=float) >= opinions.ends["nps"][1],
        answered["time"].to_numpy(),
    )
    return Later(
        events,
        shared.log.observed_until_us,
        microseconds(journey.map.outcome_after, "map.outcome_after"),
    )


def outcome(kind: str, later: Later, first: pd.DataFrame) -> np.ndarray:
    """Give 1 where the outcome followed, 0 where it did not, NaN where it does not apply or is not known yet."""
    code, time, after = first["code"].to_numpy(), first["time"].to_numpy(), later.after
    if kind == "retained":
        came = later.between("active", code, time + after, time + 2 * after) > 0
        return np.where(time + 2 * after <= later.observed_until, came.astype(float), np.nan)
    if kind == "converted":
        if "converted" not in later.events:
            return np.full(code.size, np.nan)
        before = (
            later.between("converted", code, np.full(code.size, np.iinfo(np.int64).min), time) > 0
        )
        came = later.between("converted", code, time, time + after) > 0
        return np.where(before | (time + after > later.observed_until), np.nan, came.astype(float))
    who, when = later.events["answered"]
    position = _rank(who, when, code, time)
    inside = np.minimum(position, max(who.size - 1, 0))
    if not who.size:
        return np.full(code.size, np.nan)
    answered = (position < who.size) & (who[inside] == code) & (when[inside] <= time + 2 * after)
    return np.where(answered, later.events["promoted"][0][inside].astype(float), np.nan)


def moments(places: Places, opinions: Opinions, later: Later, named: str) -> pd.DataFrame:
    """`.moments`: every touchpoint with both kinds of experience, for every outcome; `named` is the one that names."""
    first = experiences(opinions)
    first = first[first["good"].notna()].reset_index(drop=True)
    parts = [
        _tested(places, first, kind, outcome(kind, later, first), kind == named, later.after)
        for kind in sorted(OUTCOMES, key=lambda one: one != named)
    ]
    return pd.concat(parts, ignore_index=True)


def _tested(
    places: Places, first: pd.DataFrame, kind: str, came: np.ndarray, names: bool, after: int
) -> pd.DataFrame:
    known = ~np.isnan(came)
    point, good, size = (
        first["point"].to_numpy()[known],
        first["good"].to_numpy()[known] == 1,
        len(places.points),
    )
    came = came[known] == 1
    n_good, n_bad = (np.bincount(point[side], minlength=size) for side in (good, ~good))
    k_good, k_bad = (np.bincount(point[side & came], minlength=size) for side in (good, ~good))
    listed = np.flatnonzero(n_good + n_bad > 0)
    n_good, n_bad, k_good, k_bad = (each[listed] for each in (n_good, n_bad, k_good, k_bad))
    tested = (n_good >= MIN_N) & (n_bad >= MIN_N)
    # Whether somebody is retained shows in the time after the time after: two lengths; the two sides are followed alike.
    horizon = after if kind == "converted" else 2 * after
    follow_up = FollowUp("the first experience there", horizon, int((~known).sum()))
    month = first["time"].to_numpy()[known] // MONTH
    month -= month.min() if month.size else 0

    def within(row: int) -> Within:
        here, months = point == listed[row], int(month.max(initial=0)) + 1
        sides = [here & side & which for side in (good, ~good) for which in (came, True)]
        counts = [np.bincount(month[side], minlength=months) for side in sides]
        return Strata.of_both(*counts).same_difference(MIN_N)

    compared = also_within(
        compare_shares(
            f"good against bad experiences ({kind})",
            k_good,
            n_good,
            k_bad,
            n_bad,
            follow_up=follow_up,
        ),
        within,
    )
    spread = _variance(compared.share, n_good) + _variance(compared.other_share, n_bad)
    share_of_both = (k_good + k_bad) / (n_good + n_bad)
    if_alike = _variance(share_of_both, n_good) + _variance(share_of_both, n_bad)
    over = _excess(compared.difference, spread, np.maximum(spread, if_alike), tested)
    beyond_others = family(
        f"moments against the other touchpoints ({kind})",
        over.pop("excess_p"),
        units=n_good,
        other_units=n_bad,
        follow_up=follow_up,
    )
    same_way = np.nan_to_num(compared.difference * over["excess"]) > 0
    more_than_elsewhere = np.nan_to_num(beyond_others.p_adjusted, nan=1.0) < EXCESS_LEVEL
    apart = compared.claims & more_than_elsewhere & same_way
    status = np.where(~tested, "too few", np.where(tested.sum() < 2, "not separable", "tested"))
    table = pd.DataFrame(
        {
            "stage": pd.Series([places.stages[places.points[k][0]] for k in listed], dtype="str"),
            "touchpoint": pd.Series([places.points[k][1] for k in listed], dtype="str"),
            "outcome": pd.Series([kind] * listed.size, dtype="str"),
            "n_good": n_good,
            "n_bad": n_bad,
            "share_good": compared.share,
            "share_bad": compared.other_share,
            **compared.columns(),
            **over,
            "excess_p_adjusted": beyond_others.p_adjusted,
            "named": apart & names,
            "status": pd.Series(status, dtype="str"),
        }
    )
    texts = [_text(row) if row["named"] else "" for row in table.to_dict("records")]
    return table.assign(text=pd.Series(texts, dtype="str"))[COLUMNS]


def _variance(part: np.ndarray, n: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        smoothed = (part * n + 0.5) / (n + 1)
        return smoothed * (1 - smoothed) / n


def _excess(
    difference: np.ndarray, variance: np.ndarray, if_alike: np.ndarray, tested: np.ndarray
) -> dict[str, np.ndarray]:
    """The difference less the median of the other tested touchpoints: whether this place matters, or the unhappy leave everywhere.

    p takes at least the variance of a place whose sides are alike: a side of which by chance all, or none, reached the outcome seems to vary hardly at all.
    """
    from scipy.special import ndtr

    excess, error, error_if_alike = (np.full(difference.size, np.nan) for _ in range(3))
    places = np.flatnonzero(tested)
    for place in places if places.size >= 2 else ():
        others = places[places != place]
        excess[place] = difference[place] - np.median(difference[others])
        lost = MEDIAN_VARIANCE if others.size > 1 else 1.0
        of_others = lost / (1 / variance[others]).sum()
        error[place] = np.sqrt(variance[place] + of_others)
        error_if_alike[place] = np.sqrt(if_alike[place] + of_others)
    p = 2 * ndtr(-np.abs(excess / error_if_alike))
    bounds = {"excess_low": excess - Z95 * error, "excess_high": excess + Z95 * error}
    return {"excess": excess, **bounds, "excess_p": p}


def _text(row: dict) -> str:
    words, bad, good = WORDS[row["outcome"]], about(row["share_bad"]), about(row["share_good"])
    return (
        f"At {row['touchpoint']} ({row['stage']}) a bad experience goes with a worse outcome: {bad} of {row['n_bad']:,} {words} after a bad one, "
        f"{good} of {row['n_good']:,} after a good one. Association, not causation."
        if row["difference"] > 0
        else f"At {row['touchpoint']} ({row['stage']}) more customers {words} after a bad experience ({bad} of {row['n_bad']:,}) than after a good one "
        f"({good} of {row['n_good']:,}). Association, not causation."
    )
