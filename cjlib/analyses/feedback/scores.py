"""How satisfied they say they are: NPS, CSAT, CES, each with its interval and its distribution."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.solicited_vs_unsolicited import beside, crossed
from cjlib.analyses.findings import Finding, topic_of_segment
from cjlib.analyses.result import Metric, Result, Unit, metric
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown
from cjlib.shared.change_points import LevelShifts, level_shifts
from cjlib.shared.clustered_comparison import compare_answers, independent
from cjlib.shared.comparison import (
    MIN_N,
    MeanComparison,
    ShareComparison,
    compare_shares,
    known_at_once,
)
from cjlib.shared.repeated_answers import CustomerAnswers, Ints, Prior, customer_codes
from cjlib.shared.stats import Z95, Floats, wilson
from cjlib.show.numbers import confidence, count_of, percent, points_interval, signed
from cjlib.sources.feedback.table import SCORES, Feedback


@dataclass(frozen=True)
class Scale:
    """What the answers of one score mean: bounds of the bad and good ends, and their names."""

    score: str
    good_from: int
    bad_to: int
    names: tuple[str, str, str]
    bounds: tuple[int, int]

    @property
    def prior(self) -> Prior:
        """What is added to the answers before a variance is taken."""
        return ((100, 0.75), (0, 1.5), (-100, 0.75)) if self.score == "nps" else ((1, 1), (0, 1))

    def points(self, answers: Floats) -> Floats:
        """What each answer adds to the score: 100, 0 or −100 to NPS; 1 or 0 to a share."""
        good, bad = answers >= self.good_from, answers <= self.bad_to
        return 100.0 * good - 100.0 * bad if self.score == "nps" else good.astype(float)


NPS = Scale("nps", 9, 6, ("promoters", "passives", "detractors"), SCORES["nps"])
CSAT = Scale("csat", 4, 2, ("satisfied", "neutral", "dissatisfied"), SCORES["csat"])
CES = Scale("ces", 5, 3, ("easy", "neutral", "hard"), SCORES["ces"])
NAMES = {
    "nps": "NPS",
    "csat": "Satisfied (csat)",
    "rating": "Rated well",
    "ces": "Found it easy (ces)",
}
"""Each score as a card names it."""
_COMPARED = ["difference", "difference_low", "difference_high", "p_value", "p_adjusted"]
_PAIR = ["segment", "other", "n", "other_n", *_COMPARED]
_OTHERS = ["segment", "n", "customers", "other_customers", "value", "other_value", *_COMPARED]
_CHANGE = ["segment", "period", "earlier", "n", "other_n", *_COMPARED, "beyond_noise"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores(Result):
    """A score by segment (and period).

    `.against_others`: each segment beside all others together. `.comparisons`: every pair of segments. `.changes`: with `period`, each period of a segment
    against the one before. `.shifts`: from which period on the mean answer is another one. All with `p_value` and `p_adjusted`, customers being the units.
    `.distribution`: how many gave each answer. `.compare`: per segment the score of solicited answers beside unsolicited texts. `.crossed`: answers whose
    score and text disagree, with quotes.
    """

    against_others: pd.DataFrame
    changes: pd.DataFrame
    shifts: pd.DataFrame
    score: str
    feedback: Feedback
    scale: Scale
    by: str | None
    period: str | None
    min_n: int
    _counted: pd.DataFrame = field(repr=False)

    @property
    def kinds(self) -> Mapping[str, str]:
        """CSAT and CES are shares; NPS is a number from −100 to 100."""
        return {} if self.score == "nps" else {"value": "share", "margin": "margin"}

    @property
    def telling(self) -> Collection[str]:
        """All but the rows without a score."""
        return [name for name in self.metrics if name != "n_blank"]

    @cached_property
    def distribution(self) -> pd.DataFrame:
        """`segment`, `answer`, `n`, `share_of_answers`: every answer of the scale, those that nobody gave too."""
        return _distribution(self._counted, self.scale)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Every pair of segments with enough customers: `segment`, `other`, both n, `difference` with bounds, `p_value`, `p_adjusted` over the pairs."""
        return _pairs(self._counted, self.scale, self.min_n)

    @cached_property
    def compare(self) -> pd.DataFrame:
        """`segment`, `n`, `value`, `low`, `high` (solicited), `n_text`, `mean_score_of_text`, `text_low`, `text_high`, `method` (unsolicited), both ranks, 1 = worst.

        Empty where the feedback does not say of both kinds that they are there: the same answers would stand on both sides.
        """
        solicited = self.feedback.frame["solicited"]
        asked = solicited.eq(True).fillna(False).to_numpy(dtype=bool)
        answers = self.feedback.frame[self.score]
        counted = _answers(self.feedback, self.scale, self.by)[asked & answers.notna()]
        table = _table(counted, self.scale, self.min_n) if len(counted) else pd.DataFrame()
        return beside(table, self.feedback, self.by, self.min_n)

    @cached_property
    def crossed(self) -> pd.DataFrame:
        """`cell`, `n`, `of`, `share`, `low`, `high`, `quote_1` … `quote_3`: good scores with negative texts, bad scores with positive ones."""
        return crossed(self.feedback)


def nps(
    feedback: Feedback, *, by: str | None = None, weights: Mapping[str, float] | None = None, period: str | None = None, min_n: int = MIN_N
) -> Scores:  # fmt: skip
    """Net promoter score: 100 × (share of 9–10 − share of 0–6), over everyone who gave a score; −100 to 100, never a percentage.

    Each answer counts once, also several of one customer; intervals and tests then count customers
    (n ÷ design effect in place of n). Blank scores are counted (`n_blank` in `.metrics`), not
    imputed. The point estimate is plain; the 95% CI uses the variance (p + d − (p − d)²) / n after
    adding ¾, 1½, ¾ to the three counts. With `weights` (segment → share of the population) the `all
    (weighted)` row is Σ w·value; a segment without answers makes it undefined. With `period` (day,
    week, month, quarter, year) each is counted per calendar period, and compared with the one
    before where both have `min_n` customers.

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    by
        A column of the feedback: a score for each of its values, "(not set)" where it is missing;
        None: all together.
    weights
        Segment → its share of the population: a number for every segment, 0 or more; divided by
        their sum.
    period
        "day", "week", "month", "quarter" or "year" on the business's wall clock; None: the whole
        time.
    min_n
        A row with fewer customers is marked `small_n` and not tested.

    Returns
    -------
    Scores
        `.table`: `segment`, [`period`], `n`, `promoters`, `passives`, `detractors`, `value`, `low`,
        `high`, `margin` (half the interval's width), `small_n`, `mean_score`, `mean_low`,
        `mean_high`, `customers`; segments by n, largest first.

    Raises
    ------
    DataError
        If no row has this score, or a segment of `weights` has no answer.
    CjlibError
        If `by` is no column, `period` is none of the five or the feedback has no dates, `weights`
        lacks a segment, is negative or comes together with `period`.

    References
    ----------
    Rocks, B. (2016). Interval estimation for the "Net Promoter Score". The American Statistician
    70, 365–372.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> answers = pd.DataFrame({"timestamp": "2025-01-01", "nps": [10, 9, 8, 3]})
    >>> cj.nps(cj.read_feedback(answers)).table["value"].tolist()
    [25.0]
    """
    return _scored(feedback, NPS, by, weights, period, min_n)


def csat(
    feedback: Feedback,
    *,
    by: str | None = None,
    weights: Mapping[str, float] | None = None,
    top: int | None = None,
    scale: tuple[int, int] | None = None,
    score: str = "csat",
    period: str | None = None,
    min_n: int = MIN_N,
) -> Scores:
    """Customer satisfaction: the share of answers at `top` or above (4–5 on 1–5), Wilson's interval; 0–1.

    Another scale is said when reading (`columns={"csat": ("q7", "1 to 10")}`) or with `scale`, and
    then needs `top`; it is never taken from the largest answer seen. `score="rating"` counts star
    ratings the same way. See `nps` for blanks and weights. `.table` has `satisfied`, `neutral`,
    `dissatisfied`: neutral lies between `top` and its mirror on the scale.

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    by
        A column of the feedback: a score for each of its values, "(not set)" where it is missing;
        None: all together.
    weights
        Segment → its share of the population: a number for every segment, 0 or more; divided by
        their sum.
    top
        The lowest answer that counts as satisfied; None: 4, of 1–5, and an error on another scale.
    scale
        The ends of the scale; None: as said when reading.
    score
        "csat", or "rating" for star ratings.
    period
        "day", "week", "month", "quarter" or "year" on the business's wall clock; None: the whole
        time.
    min_n
        A row with fewer customers is marked `small_n` and not tested.

    Returns
    -------
    Scores
        `.table`: `segment`, [`period`], `n`, `satisfied`, `neutral`, `dissatisfied`, `value`,
        `low`, `high`, `margin` (half the interval's width), `small_n`, `mean_score`, `mean_low`,
        `mean_high`, `customers`; segments by n, largest first.

    Raises
    ------
    DataError
        If no row has this score, or a segment of `weights` has no answer.
    CjlibError
        If `by` is no column, `period` is none of the five or the feedback has no dates, `weights`
        lacks a segment, is negative or comes together with `period`, `score` is neither of the two,
        or `top` is missing on another scale than 1–5 or lies outside it.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA
    22.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> answers = pd.DataFrame({"timestamp": "2025-01-01", "csat": [5, 4, 3, 1]})
    >>> cj.csat(cj.read_feedback(answers)).table["value"].tolist()
    [0.5]
    """
    if score not in ("csat", "rating"):
        raise CjlibError(f"score: must be 'csat' or 'rating'. Got {shown(score)}.")
    return _scored(
        feedback,
        _on_its_scale(replace(CSAT, score=score), scale or feedback.scales[score], top),
        by,
        weights,
        period,
        min_n,
    )


def ces(
    feedback: Feedback,
    *,
    by: str | None = None,
    weights: Mapping[str, float] | None = None,
    top: int | None = None,
    period: str | None = None,
    min_n: int = MIN_N,
) -> Scores:
    """Customer effort: the share of 5–7 on 1–7, where 7 is easy, Wilson's interval; the mean with its t interval beside it.

    On another scale, said when reading, the share of answers at `top` or above. See `nps` for
    blanks and weights. `.table` has `easy` (5–7), `neutral` (4), `hard` (1–3).

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    by
        A column of the feedback: a score for each of its values, "(not set)" where it is missing;
        None: all together.
    weights
        Segment → its share of the population: a number for every segment, 0 or more; divided by
        their sum.
    top
        The lowest answer that counts as easy; None: 5, of 1–7, and an error on another scale.
    period
        "day", "week", "month", "quarter" or "year" on the business's wall clock; None: the whole
        time.
    min_n
        A row with fewer customers is marked `small_n` and not tested.

    Returns
    -------
    Scores
        `.table`: `segment`, [`period`], `n`, `easy` (5–7), `neutral` (4), `hard` (1–3), `value`,
        `low`, `high`, `margin` (half the interval's width), `small_n`, `mean_score`, `mean_low`,
        `mean_high`, `customers`; segments by n, largest first.

    Raises
    ------
    DataError
        If no row has this score, or a segment of `weights` has no answer.
    CjlibError
        If `by` is no column, `period` is none of the five or the feedback has no dates, `weights`
        lacks a segment, is negative or comes together with `period`, or `top` is missing on another
        scale than 1–7 or lies outside it.

    References
    ----------
    Dixon, M., Freeman, K. & Toman, N. (2010). Stop trying to delight your customers. Harvard
    Business Review 88, for the question.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> answers = pd.DataFrame({"timestamp": "2025-01-01", "ces": [7, 6, 4, 1]})
    >>> cj.ces(cj.read_feedback(answers)).table["value"].tolist()
    [0.5]
    """
    return _scored(
        feedback, _on_its_scale(CES, feedback.scales["ces"], top), by, weights, period, min_n
    )


def score(feedback: Feedback, name: str = "", **options: Any) -> Scores:
    """The score of that name: `cj.nps`, `cj.csat` (also for `rating`) or `cj.ces`, with their options.

    Without a name NPS if anybody gave one, else the score with most answers; where nobody gave any,
    it is not answered.

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    name
        "nps", "csat", "ces" or "rating"; empty: NPS if anybody gave one, else the score with most
        answers.
    **options
        As the function of that score takes them.

    Returns
    -------
    Scores
        As that function gives it; unanswered where no name is given and nobody gave any score.

    Raises
    ------
    CjlibError
        If `name` is no score, or as that function says.
    DataError
        If a score is named that nobody gave.
    """
    name = name or feedback.main_score
    if not name:
        return _nobody_gave_a_score(feedback)
    if name not in SCORES:
        raise not_one_of("name", name, SCORES)
    if name in ("csat", "rating"):
        return csat(feedback, score=name, **options)
    return (nps if name == "nps" else ces)(feedback, **options)


def _nobody_gave_a_score(feedback: Feedback) -> Scores:
    tables = ("against_others", "changes", "shifts", "_counted")
    return Scores.unanswered(
        "Nobody gave a score: the feedback has no answer to nps, csat, ces or rating.",
        score="",
        feedback=feedback,
        scale=NPS,
        by=None,
        period=None,
        min_n=MIN_N,
        **{name: pd.DataFrame() for name in tables},
    )


def by_group(
    feedback: Feedback,
    name: str,
    answers: Floats,
    group: Ints,
    size: int,
    customer: Ints | None = None,
) -> dict[str, Any]:
    """`n`, `value`, `low` and `high` of answers to a score of the feedback for each of so many groups, counted as `nps`, `csat` and `ces` count them.

    `customer` numbers who gave each answer; without it everyone is somebody else.
    """
    scale = (
        NPS
        if name == "nps"
        else _on_its_scale(CSAT if name == "csat" else CES, feedback.scales[name], None)
    )
    who = np.arange(answers.size) if customer is None else customer
    every = CustomerAnswers(scale.points(answers), who)
    n = np.bincount(group, minlength=size)
    bounds = np.full((3, size), np.nan)
    for place in np.flatnonzero(n):
        inside = group == place
        bounds[:, place] = _interval(every.only(inside), answers[inside], scale)
    return {"n": n, "value": bounds[0], "low": bounds[1], "high": bounds[2]}


def _on_its_scale(usual: Scale, bounds: tuple[int, int], top: int | None) -> Scale:
    low, high = bounds
    if top is None and tuple(bounds) != usual.bounds:
        raise CjlibError(
            f"top: {usual.score} was asked from {low} to {high}; say from which answer on it counts as {usual.names[0]}, such as top={high - 1}."
        )
    from_ = usual.good_from if top is None else top
    if not low < from_ <= high:
        raise CjlibError(
            f"top: must lie on the scale {low}–{high}, above its lower end. Got {shown(top)}."
        )
    return replace(usual, good_from=from_, bad_to=low + high - from_, bounds=(low, high))


def _scored(
    feedback: Feedback,
    scale: Scale,
    by: str | None,
    weights: Mapping[str, float] | None,
    period: str | None,
    min_n: int,
) -> Scores:
    answers = feedback.frame[scale.score]
    given = answers.notna()
    if not given.any():
        raise DataError(
            f"{scale.score}: no row has this score. The feedback has {len(answers):,} rows; scores present: {_present(feedback)}."
        )
    if period is not None and weights is not None:
        raise CjlibError("weights: cannot be given together with period. Leave one out.")
    counted = _answers(feedback, scale, by)
    counted = (counted if period is None else counted.assign(period=feedback.periods(period)))[
        given
    ]
    table = _table(counted, scale, min_n)
    by_segment = table if period is None else _by_segment(counted, scale, min_n)
    whole = pd.Series(_row(counted.assign(segment="all"), scale, min_n))
    weighted = None if weights is None else _weighted(table, counted, weights, scale)
    blank = int((~given).sum())
    others = _against_others(counted, scale, min_n)
    changes = _changes(counted, scale, min_n)
    shifts = _shifts(counted, scale, min_n)
    return Scores(
        table=table if weighted is None else pd.concat([table, weighted], ignore_index=True),
        headline=_headline(scale, whole, by_segment, weighted, by),
        definition=_definition(feedback, scale, by, weights, blank, min_n)
        | ({} if period is None else {"period": f"{period}, by the business's calendar"})
        | {"tests": "; ".join(part.words for part in (others, changes, shifts) if part.tests)},
        metrics=_metrics(scale, whole, by_segment, by, blank),
        findings=(
            *_findings_of_segments(others, scale, by),
            *_findings_of_shifts(shifts, scale, by),
        ),
        families={part.name: part.tests for part in (others, changes, shifts) if part.tests},
        score=scale.score,
        scale=scale,
        feedback=feedback,
        by=by,
        period=period,
        min_n=min_n,
        against_others=others.table,
        changes=changes.table if period is not None else pd.DataFrame(),
        shifts=shifts.table if period is not None else pd.DataFrame(),
        _counted=counted,
    )


def _answers(feedback: Feedback, scale: Scale, by: str | None) -> pd.DataFrame:
    """One row an answer: `segment`, `answer`, `customer` (numbered) and what the answer adds to the score."""
    answer = feedback.frame[scale.score]
    return pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "answer": answer,
            "customer": customer_codes(feedback.frame["customer_id"]),
            "points": scale.points(answer.to_numpy(dtype=float)),
        }
    )


def _present(feedback: Feedback) -> str:
    return listed(name for name in SCORES if feedback.frame[name].notna().any()) or "none"


def _table(counted: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    keys = ["segment", *(["period"] if "period" in counted else [])]
    table = pd.DataFrame([_row(group, scale, min_n) for _, group in counted.groupby(keys)])
    size = table.groupby("segment")["n"].transform("sum")
    order = table.assign(_size=-size).sort_values(["_size", *keys], ignore_index=True)
    return order.drop(columns="_size")


def _by_segment(counted: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    return _table(counted.drop(columns="period", errors="ignore"), scale, min_n)


def _row(group: pd.DataFrame, scale: Scale, min_n: int) -> dict[str, Any]:
    every = _customer_answers(group)
    answers = np.sort(group["answer"].to_numpy(dtype=float))
    n = answers.size
    good, bad = int((answers >= scale.good_from).sum()), int((answers <= scale.bad_to).sum())
    value, low, high = _interval(every, answers, scale)
    means = _customer_answers(group, "answer")
    mean_low, mean_high = means.mean_interval
    counts = dict(zip(scale.names, (good, n - good - bad, bad), strict=True))
    figures = {
        "value": value,
        "low": low,
        "high": high,
        "margin": (high - low) / 2,
        "small_n": every.customers < min_n,
        "mean_score": means.mean,
        "mean_low": mean_low,
        "mean_high": mean_high,
        "customers": every.customers,
    }
    period = {"period": group["period"].iloc[0]} if "period" in group else {}
    return {"segment": str(group["segment"].iloc[0])} | period | {"n": n} | counts | figures


def _customer_answers(rows: pd.DataFrame, column: str = "points") -> CustomerAnswers:
    return CustomerAnswers.of(
        rows[column].to_numpy(dtype=float), rows["customer"].to_numpy(dtype=np.int64)
    )


def _interval(every: CustomerAnswers, answers: Floats, scale: Scale) -> tuple[float, float, float]:
    """The score and its 95% CI, counted from as many answers of different customers as say the same."""
    good = int((answers >= scale.good_from).sum())
    bad = int((answers <= scale.bad_to).sum())
    each = every.effective_n / every.n
    if scale.score == "nps":
        _, low, high = nps_interval(good * each, (every.n - good - bad) * each, bad * each)
        return 100 * (good - bad) / every.n, low, high
    low, high = wilson(good * each, every.n * each)
    return good / every.n, float(low), float(high)


def nps_interval(
    promoters: float, passives: float, detractors: float
) -> tuple[float, float, float]:
    """NPS with its adjusted 95% CI, on the scale −100…100; the counts are of answers of different customers."""
    n = promoters + passives + detractors
    value = 100 * (promoters - detractors) / n
    total = n + 3
    p, d = (promoters + 0.75) / total, (detractors + 0.75) / total
    half = 100 * Z95 * np.sqrt((p + d - (p - d) ** 2) / total)
    centre = 100 * (p - d)
    return value, max(centre - half, -100.0), min(centre + half, 100.0)


def _weighted(
    table: pd.DataFrame, counted: pd.DataFrame, weights: Mapping[str, float], scale: Scale
) -> pd.DataFrame:
    absent = sorted(set(map(str, weights)) - set(table["segment"]))
    if absent:
        raise DataError(
            f"weights: no answers from {listed(absent)}, so the weighted value is not defined. Leave the segment out of weights, or ask there."
        )
    unweighted = sorted(set(table["segment"]) - set(map(str, weights)))
    if unweighted:
        raise CjlibError(
            f"weights: no share is given for {listed(unweighted)}. Give one for every segment (0 leaves it out)."
        )
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise CjlibError(
            f"weights: must be shares of the population, 0 or more and not all 0. Got {shown(dict(weights))}."
        )
    parts = table["segment"].map({str(name): one / total for name, one in weights.items()})
    part = np.asarray(parts, dtype=np.float64)
    value, low, high, effective = _weighted_interval(table, counted, part, scale)
    counts = {name: int(table[name].sum()) for name in ("n", *scale.names)}
    row = {
        "segment": "all (weighted)",
        **counts,
        "value": value,
        "low": low,
        "high": high,
        "margin": (high - low) / 2,
        "small_n": effective < MIN_N,
        "mean_score": float((part * table["mean_score"]).sum()),
        "mean_low": np.nan,
        "mean_high": np.nan,
        "customers": counted["customer"].nunique(),
        "effective_n": min(effective, counts["n"]),
    }
    return pd.DataFrame([row])


def _weighted_interval(
    table: pd.DataFrame, counted: pd.DataFrame, part: Floats, scale: Scale
) -> tuple[float, float, float, float]:
    """The weighted score, its 95% CI and the effective number of answers.

    The interval is that of an unweighted score of as many answers as have the same variance; each segment's variance is taken after adding an
    answer of each kind, so that one in which all agree is not taken to be certain.
    """
    used = part > 0
    segments = table["segment"][used]
    inside = {name: _customer_answers(rows) for name, rows in counted.groupby("segment")}
    answers = [inside[name] for name in segments]
    part, n = part[used], table["n"].to_numpy(dtype=float)[used]
    effective = np.array([one.effective_n for one in answers]) / _widened_by_overlap(answers, part)
    good, bad = (
        table[name].to_numpy(dtype=float)[used] / n for name in (scale.names[0], scale.names[2])
    )
    kish = float(1 / (part**2 / effective).sum())
    if scale.score == "nps":
        promoters, detractors = ((one * effective + 0.75) / (effective + 3) for one in (good, bad))
        spread = promoters + detractors - (promoters - detractors) ** 2
        p, d = float((part * promoters).sum()), float((part * detractors).sum())
        alike = (p + d - (p - d) ** 2) / float((part**2 * spread / effective).sum())
        p, d = float((part * good).sum()), float((part * bad).sum())
        value, low, high = nps_interval(p * alike, (1 - p - d) * alike, d * alike)
        return value, low, high, kish
    shrunk = (good * effective + 1) / (effective + 2)
    p = float((part * shrunk).sum())
    alike = p * (1 - p) / float((part**2 * shrunk * (1 - shrunk) / effective).sum())
    value = min(float((part * good).sum()), 1.0)
    low, high = wilson(value * alike, alike)
    return value, float(low), float(high), kish


def _widened_by_overlap(segments: Sequence[CustomerAnswers], part: Floats) -> float:
    """How much larger a weighted sum's variance is because customers answered in several segments."""
    size = max(int(one.customer.max()) for one in segments) + 1
    moves = np.zeros((len(segments), size))
    for row, one in enumerate(segments):
        own, _ = one.moved()
        moves[row, : own.size] = np.nan_to_num(own)
    apart = float((part**2 * (moves**2).sum(axis=1)).sum())
    return max(float(((part @ moves) ** 2).sum()) / apart, 1.0) if apart > 0 else 1.0


def _distribution(counted: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    low, high = scale.bounds
    halves = bool((counted["answer"] % 1 != 0).any())
    steps = np.arange(2 * low, 2 * high + 1) / 2 if halves else np.arange(low, high + 1)
    rows = []
    for segment, group in counted.groupby("segment"):
        answers = group["answer"].to_numpy(dtype=float)
        counts = [int((answers == answer).sum()) for answer in steps]
        rows += [
            {
                "segment": segment,
                "answer": answer,
                "n": count,
                "share_of_answers": count / len(group),
            }
            for answer, count in zip(steps.tolist(), counts, strict=True)
        ]
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class _Tests:
    """A table of comparisons, and the family they are adjusted in."""

    table: pd.DataFrame
    family: MeanComparison | ShareComparison | LevelShifts

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def tests(self) -> int:
        return self.family.tests

    @property
    def words(self) -> str:
        return self.family.words


def _compared(
    name: str,
    pairs: list[tuple[CustomerAnswers, CustomerAnswers]],
    scale: Scale,
    min_n: int,
) -> MeanComparison | ShareComparison:
    """Scores compared: shares of customers who each answered once by the test of shares, all else by customers."""
    follow_up = known_at_once("the answer")
    if scale.score != "nps" and all(independent(*pair) for pair in pairs):
        counts = np.array(
            [[one.value.sum(), one.n, other.value.sum(), other.n] for one, other in pairs]
        )
        return compare_shares(
            name, *counts.reshape(-1, 4).T.astype(np.int64), follow_up=follow_up, min_n=min_n
        )
    return compare_answers(name, pairs, follow_up=follow_up, prior=scale.prior, min_n=min_n)


def _pairs(counted: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    """Every pair of segments with enough customers, larger segments first."""
    groups = {str(name): _customer_answers(rows) for name, rows in counted.groupby("segment")}
    large = sorted(
        (name for name in groups if groups[name].customers >= min_n),
        key=lambda name: (-groups[name].n, name),
    )
    names = list(itertools.combinations(large, 2))
    tested = _compared(
        f"{scale.score} of pairs of segments",
        [(groups[one], groups[other]) for one, other in names],
        scale,
        min_n,
    )
    rows = [(one, other, groups[one].n, groups[other].n) for one, other in names]
    table = pd.DataFrame(rows, columns=["segment", "other", "n", "other_n"])
    return table.assign(**tested.columns())[_PAIR]


def _against_others(counted: pd.DataFrame, scale: Scale, min_n: int) -> _Tests:
    """Each segment beside all others together; nothing where there is but one."""
    every = counted.sort_values(["customer", "points"])
    whole = _customer_answers(every)
    inside = {
        str(name): (every["segment"] == name).to_numpy() for name in every["segment"].unique()
    }
    names = sorted(inside) if len(inside) > 1 else []
    pairs = [(whole.only(inside[name]), whole.only(~inside[name])) for name in names]
    tested = _compared(f"{scale.score} of segments against the others", pairs, scale, min_n)
    rows = [
        (name, one.n, one.customers, other.customers, one.mean, other.mean)
        for name, (one, other) in zip(names, pairs, strict=True)
    ]
    table = pd.DataFrame(rows, columns=_OTHERS[:6]).assign(**tested.columns())
    return _Tests(table, tested)


def _changes(counted: pd.DataFrame, scale: Scale, min_n: int) -> _Tests:
    """Each period of a segment against the one before, where both have enough customers."""
    rows, pairs = [], []
    if "period" in counted:
        for segment, group in counted.groupby("segment"):
            periods = [(at, _customer_answers(rows)) for at, rows in group.groupby("period")]
            for (earlier, before), (period, now) in itertools.pairwise(periods):
                if min(before.customers, now.customers) >= min_n:
                    rows.append((segment, period, earlier, now.n, before.n))
                    pairs.append((now, before))
    tested = _compared(f"{scale.score} of periods against the one before", pairs, scale, min_n)
    table = pd.DataFrame(rows, columns=_CHANGE[:5]).assign(**tested.columns())
    return _Tests(table.assign(beyond_noise=tested.p_adjusted < 0.05)[_CHANGE], tested)


def _shifts(counted: pd.DataFrame, scale: Scale, min_n: int) -> _Tests:
    rows = counted.rename(columns={"answer": "value"}) if "period" in counted else None
    shifts = level_shifts(f"levels of {scale.score}", rows, least=min_n)
    return _Tests(shifts.table, shifts)


def _findings_of_segments(others: _Tests, scale: Scale, by: str | None) -> list[Finding]:
    """A segment whose score differs from that of all others together."""
    if by is None:
        return []
    return [
        Finding(
            topic=topic_of_segment(NAMES[scale.score], by, row["segment"]),
            claim=_segment_claim(row, scale),
            direction="bad" if row["difference"] < 0 else "good",
            family=others.name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=row["customers"],
            unit="points" if scale.score == "nps" else "share",
            customers=row["customers"],
            figure="scores",
        )
        for row in others.table[others.family.claims].to_dict("records")
    ]


def _segment_claim(row: Mapping[Any, Any], scale: Scale) -> str:
    where, base = row["segment"], count_of(row["customers"], "customer")
    if scale.score == "nps":
        side = "below" if row["difference"] < 0 else "above"
        return (
            f"NPS of {where} is {signed(row['value'])}, {abs(row['difference']):.0f} points {side} that of the others "
            f"(95% CI of the difference {signed(row['difference_low'])} to {signed(row['difference_high'])}, {base})."
        )
    return (
        f"{NAMES[scale.score]}: {percent(row['value'])} of {where} against {percent(row['other_value'])} of the others "
        f"({points_interval(row['difference_low'], row['difference_high'])}, {base})."
    )


def _findings_of_shifts(shifts: _Tests, scale: Scale, by: str | None) -> list[Finding]:
    """A level of the mean answer that moved."""
    return [
        Finding(
            topic=f"{NAMES[scale.score]} over time" + (f": {row['segment']}" if by else ""),
            claim=f"From {row['period']:%Y-%m-%d} on the mean answer of {scale.score}{' of ' + row['segment'] if by else ''} is "
            f"{row['mean_after']:.2f}, before {row['mean_before']:.2f} (n = {row['n_before']:,} and {row['n_after']:,}).",
            direction="bad" if row["difference"] < 0 else "good",
            family=shifts.name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=row["n_after"],
            customers=row["n_after"],
            figure="time",
        )
        for row in shifts.table[shifts.family.claims].to_dict("records")
    ]


def _metrics(
    scale: Scale, whole: pd.Series, table: pd.DataFrame, by: str | None, blank: int
) -> dict[str, Metric]:
    unit: Unit = "points" if scale.score == "nps" else "share"

    def of(row: pd.Series, label: str) -> Metric:
        return metric(
            row["value"], row["low"], row["high"], row["n"], label=label, unit=unit, better="higher"
        )

    mean = metric(
        whole["mean_score"],
        whole["mean_low"],
        whole["mean_high"],
        whole["n"],
        label=f"Mean answer ({scale.score})",
        unit="number",
        better="higher",
    )
    by_segment = (
        {}
        if by is None
        else {
            f"{scale.score}_{row['segment']}": of(row, f"{NAMES[scale.score]}: {row['segment']}")
            for _, row in table.iterrows()
        }
    )
    return {
        scale.score: of(whole, NAMES[scale.score]),
        f"mean_{scale.score}": mean,
        "n_blank": metric(blank, label="Rows without a score", unit="number"),
    } | by_segment


def _written(scale: Scale, value: float) -> str:
    return signed(value) if scale.score == "nps" else percent(value)


def _headline(
    scale: Scale,
    whole: pd.Series,
    table: pd.DataFrame,
    weighted: pd.DataFrame | None,
    by: str | None,
) -> str:
    n = int(whole["n"])
    name = {
        "nps": "NPS is",
        "csat": "Satisfied are",
        "rating": "Rated well are",
        "ces": "Found it easy:",
    }[scale.score]
    several = "" if whole["customers"] == n else f" answers of {whole['customers']:,} customers"
    bounds = (
        f"95% CI {signed(whole['low'])} to {signed(whole['high'])}"
        if scale.score == "nps"
        else confidence(whole["low"], whole["high"])
    )
    figures = f"{name} {_written(scale, whole['value'])} ({bounds}, n = {n:,}{several})"
    few = (
        f"; fewer than {MIN_N} {'answers' if whole['customers'] == n else 'customers'}: read the interval, not the point"
        if bool(whole["small_n"])
        else ""
    )
    reweighted = (
        ""
        if weighted is None
        else f"; weighted to the population {_written(scale, float(weighted['value'].iloc[0]))}"
    )
    readable = table[~table["small_n"]]
    apart = ""
    if by is not None and len(readable) > 1:
        ranked = readable.sort_values(["value", "segment"])
        worst, best = ranked.iloc[0], ranked.iloc[-1]
        apart = f"; from {_written(scale, worst['value'])} ({worst['segment']}, n = {int(worst['n']):,}) to {_written(scale, best['value'])} ({best['segment']}, n = {int(best['n']):,})"
    return f"{figures}{few}{reweighted}{apart}."


def _definition(
    feedback: Feedback,
    scale: Scale,
    by: str | None,
    weights: Mapping[str, float] | None,
    blank: int,
    min_n: int,
) -> dict[str, str]:
    low, high = scale.bounds
    good, neutral, bad = scale.names
    value = (
        "100 × (promoters − detractors) ÷ answers, −100 to 100"
        if scale.score == "nps"
        else f"{good} ÷ answers"
    )
    answered = len(feedback.frame) - blank
    response = _response_share(answered, feedback.asked)
    return {
        "score": f"{scale.score}, {low}–{high}, {high} is best",
        "value": value,
        good: f"{scale.good_from}–{high}",
        neutral: f"between {scale.bad_to} and {scale.good_from}",
        bad: f"{low}–{scale.bad_to}",
        "base": f"{count_of(answered, 'answer')} with a score; {count_of(blank, 'row')} without one left out",
        "by": by or "all together",
        "weights": "none"
        if weights is None
        else ", ".join(f"{name} {share:g}" for name, share in weights.items()),
        "interval": "95%; "
        + (
            "variance of the difference after adding ¾, 1½, ¾ to the counts"
            if scale.score == "nps"
            else "Wilson"
        )
        + "; where customers answered several times, by customers (n ÷ design effect)",
        "response share": response,
        "small n": f"below {min_n} customers",
    }


def _response_share(answered: int, asked: int | None) -> str:
    if not asked:
        return "not known: how many were asked is not in the data"
    if answered > asked:
        return f"not known: {count_of(answered, 'answer')} are more than the {asked:,} said to be asked"
    return f"{percent(answered / asked)} of {asked:,} asked"
