"""How satisfied they say they are: NPS, CSAT, CES, each with its interval and its distribution."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.score_tables import (
    CES,
    CSAT,
    NPS,
    SAME_MONTHS,
    Scale,
    answers_to,
    beside,
    crossed,
    customer_answers,
    distribution_of,
    on_its_scale,
    score_table,
    segment_row,
    weighted_row,
)
from cjlib.analyses.findings import Finding, topic_of_segment
from cjlib.analyses.result import Metric, Result, Unit, metric
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown
from cjlib.shared.change_points import LevelShifts, level_shifts
from cjlib.shared.clustered_comparison import answers_within, compare_answers, independent
from cjlib.shared.comparison import (
    MIN_N,
    Differences,
    compare_shares,
    known_at_once,
    named_in_turn,
    not_compared_with,
    others_in_words,
)
from cjlib.shared.repeated_answers import CustomerAnswers, sides_within
from cjlib.shared.risk_comparison import Within, also_within
from cjlib.show.numbers import (
    confidence,
    count_of,
    percent,
    percents,
    places_apart,
    points,
    points_interval,
    signed,
)
from cjlib.sources.feedback.doubtful_answers import changed_scale
from cjlib.sources.feedback.table import SCORES, Feedback

NAMES = {
    "nps": "NPS",
    "csat": "Satisfied (csat)",
    "rating": "Rated well",
    "ces": "Found it easy (ces)",
}
"""Each score as a card names it."""
_OPENING = {
    "nps": "NPS is",
    "csat": "Satisfied are",
    "rating": "Rated well are",
    "ces": "Found it easy:",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores(Result):
    """A score by segment (and period).

    `.against_others`: each segment beside all others together, but those named before it (`without`). `.comparisons`: every pair of segments. `.changes`: with `period`, each period of a segment
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
        return distribution_of(self._counted, self.scale)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Every pair of segments with enough customers: `segment`, `other`, both n, `difference` with bounds, `p_value`, `p_adjusted` over the pairs."""
        return _pairs(self._counted, self.scale, self.min_n)

    @cached_property
    def compare(self) -> pd.DataFrame:
        """`segment`, `n`, `value`, `low`, `high` (solicited), `n_text`, `mean_score_of_text`, `text_low`, `text_high`, `method` (unsolicited), both ranks, 1 = worst, `opposite`.

        Empty where the feedback does not say of both kinds that they are there: the same answers would stand on both sides.
        """
        solicited = self.feedback.frame["solicited"]
        asked = solicited.eq(True).fillna(False).to_numpy(dtype=bool)
        answers = self.feedback.frame[self.score]
        counted = answers_to(self.feedback, self.scale, self.by)[asked & answers.notna()]
        table = score_table(counted, self.scale, self.min_n) if len(counted) else pd.DataFrame()
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

    Another scale is said when reading (`columns={"csat": ("q7", "1 to 10")}`) or with `scale`; it is
    never taken from the largest answer seen. Without `top` the same part of it counts as satisfied
    (8–10 of 1–10), and headline and definition say so. `score="rating"` counts star
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
        The lowest answer that counts as satisfied; None: 4, of 1–5, or the same part of another
        scale.
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
        or `top` lies outside the scale.

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
        on_its_scale(replace(CSAT, score=score), scale or feedback.scales[score], top),
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

    On another scale, said when reading, the share of answers at `top` or above, or in the same part
    of it. See `nps` for
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
        The lowest answer that counts as easy; None: 5, of 1–7, or the same part of another scale.
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
        lacks a segment, is negative or comes together with `period`, or `top` lies outside the
        scale.

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
        feedback, on_its_scale(CES, feedback.scales["ces"], top), by, weights, period, min_n
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
    tables = ("changes", "shifts", "_counted")
    return Scores.unanswered(
        "Nobody gave a score: the feedback has no answer to nps, csat, ces or rating.",
        score="",
        feedback=feedback,
        scale=NPS,
        by=None,
        period=None,
        min_n=MIN_N,
        against_others=pd.DataFrame(columns=["segment", "difference"]),
        **{name: pd.DataFrame() for name in tables},
    )


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
    together = answers_to(feedback, scale, by)[given]
    by_segment = score_table(together, scale, min_n)
    whole = pd.Series(segment_row(together.assign(segment="all"), scale, min_n))
    weighted = None if weights is None else weighted_row(by_segment, together, weights, scale)
    counted, table = together, by_segment
    if period is not None:
        counted = together.assign(period=feedback.periods(period)[given])
        table = score_table(counted, scale, min_n)
    blank = int((~given).sum())
    changed = changed_scale(feedback.frame, scale.score)
    over_time = counted if changed is None else together
    others, others_family = _against_others(counted, scale, min_n)
    changes, changes_family = _changes(over_time, scale, min_n)
    shifts = level_shifts(
        f"levels of {scale.score}",
        over_time.rename(columns={"answer": "value"}) if "period" in over_time else None,
        least=min_n,
    )
    families = [tested for tested in (others_family, changes_family, shifts) if tested.tests]
    return Scores(
        table=table if weighted is None else pd.concat([table, weighted], ignore_index=True),
        headline=_headline(scale, whole, by_segment, weighted, by)
        + ("" if changed is None else f" But {changed.words}; no time is compared with another."),
        definition=_definition(feedback, scale, by, weights, blank, min_n)
        | (
            {}
            if period is None
            else {"period": f"{period}, by the business's calendar; {feedback.last_period(period)}"}
        )
        | ({} if changed is None else {"scale": changed.words})
        | {"tests": "; ".join(tested.words for tested in families)}
        | ({"same months": SAME_MONTHS} if others_family.tests else {}),
        metrics=_metrics(scale, whole, by_segment, by, blank),
        findings=(
            *_findings_of_segments(others[others_family.claims], others_family.name, scale, by),
            *_findings_of_shifts(shifts, scale, by),
        ),
        families={tested.name: tested.tests for tested in families},
        score=scale.score,
        scale=scale,
        feedback=feedback,
        by=by,
        period=period,
        min_n=min_n,
        against_others=others,
        changes=changes if period is not None else pd.DataFrame(),
        shifts=shifts.table if period is not None else pd.DataFrame(),
        _counted=counted,
    )


def _present(feedback: Feedback) -> str:
    return listed(name for name in SCORES if feedback.frame[name].notna().any()) or "none"


def _compared(
    name: str,
    pairs: list[tuple[CustomerAnswers, CustomerAnswers]],
    scale: Scale,
    min_n: int,
) -> Differences:
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
    groups = {str(name): customer_answers(rows) for name, rows in counted.groupby("segment")}
    large = sorted(
        (name for name in groups if groups[name].customers >= min_n),
        key=lambda name: (-groups[name].n, name),
    )
    names = list(itertools.combinations(large, 2))
    pairs = [(groups[segment], groups[other]) for segment, other in names]
    tested = _compared(f"{scale.score} of pairs of segments", pairs, scale, min_n)
    rows = [(*pair, groups[pair[0]].n, groups[pair[1]].n) for pair in names]
    table = pd.DataFrame(rows, columns=["segment", "other", "n", "other_n"])
    return table.assign(**tested.columns())


def _against_others(
    counted: pd.DataFrame, scale: Scale, min_n: int
) -> tuple[pd.DataFrame, Differences]:
    """Each segment beside all others together, named in turn; nothing where there is but one. What is claimed holds within the same months too."""
    answers = counted.sort_values(["customer", "points"])
    whole = customer_answers(answers)
    names = sorted(str(name) for name in answers["segment"].unique())
    names = names if len(names) > 1 else []
    inside = np.array([(answers["segment"] == name).to_numpy() for name in names])

    def pairs(others: NDArray[np.bool_]) -> list[tuple[CustomerAnswers, CustomerAnswers]]:
        return [
            (whole.only(inside[row]), whole.only(np.asarray(inside[marked].any(axis=0))))
            for row, marked in enumerate(others)
        ]

    values, customer, month = (
        answers[name].to_numpy(dtype=kind)
        for name, kind in (("points", float), ("customer", np.int64), ("month", np.int64))
    )

    def compare(others: NDArray[np.bool_]) -> Differences:
        name = f"{scale.score} of segments against the others"

        def within(row: int) -> Within:
            beside = np.asarray(inside[others[row]].any(axis=0))
            return answers_within(sides_within(values, customer, month, inside[row], beside), min_n)

        return also_within(_compared(name, pairs(others), scale, min_n), within)

    _, tested, others = named_in_turn(compare, np.ones(len(names), dtype=bool))
    rows = [
        (name, one.n, one.customers, other.customers, one.mean, other.mean)
        for name, (one, other) in zip(names, pairs(others), strict=True)
    ]
    columns = ["segment", "n", "customers", "other_customers", "value", "other_value"]
    table = pd.DataFrame(rows, columns=columns).assign(**tested.columns())
    return table.assign(without=not_compared_with(names, others)), tested


def _changes(counted: pd.DataFrame, scale: Scale, min_n: int) -> tuple[pd.DataFrame, Differences]:
    """Each period of a segment against the one before, where both have enough customers."""
    rows, pairs = [], []
    if "period" in counted:
        for segment, group in counted.groupby("segment"):
            periods = [(at, customer_answers(answers)) for at, answers in group.groupby("period")]
            for (earlier, before), (period, now) in itertools.pairwise(periods):
                if min(before.customers, now.customers) >= min_n:
                    rows.append((segment, period, earlier, now.n, before.n))
                    pairs.append((now, before))
    tested = _compared(f"{scale.score} of periods against the one before", pairs, scale, min_n)
    table = pd.DataFrame(rows, columns=["segment", "period", "earlier", "n", "other_n"])
    return table.assign(**tested.columns(), significant=tested.claims), tested


def _findings_of_segments(
    claimed: pd.DataFrame, family_name: str, scale: Scale, by: str | None
) -> list[Finding]:
    """A segment whose score differs from that of all others together."""
    if by is None:
        return []
    return [
        Finding(
            topic=topic_of_segment(NAMES[scale.score], by, row["segment"]),
            claim=_segment_claim(row, scale),
            direction="bad" if row["difference"] < 0 else "good",
            family=family_name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=row["customers"],
            unit="points" if scale.score == "nps" else "share",
            customers=row["customers"],
            figure="scores",
        )
        for row in claimed.to_dict("records")
    ]


def _segment_claim(row: Mapping[Any, Any], scale: Scale) -> str:
    where, base = row["segment"], count_of(row["customers"], "customer")
    if scale.score == "nps":
        side = "below" if row["difference"] < 0 else "above"
        places = places_apart(row["difference"], 0.0, least=0)
        return (
            f"NPS of {where} is {signed(row['value'], places)}, {abs(row['difference']):.{places}f} points {side} that of {others_in_words(row['without'])} "
            f"(95% CI of the difference {signed(row['difference_low'], places)} to {signed(row['difference_high'], places)}, {base})."
        )
    own, rest = percents(row["value"], row["other_value"])
    return (
        f"{NAMES[scale.score]}: {own} of {where} against {rest} of {others_in_words(row['without'])} "
        f"({points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI {points_interval(row['difference_low'], row['difference_high'])}, {base})."
    )


def _findings_of_shifts(shifts: LevelShifts, scale: Scale, by: str | None) -> list[Finding]:
    """A level of the mean answer that moved."""
    return [
        Finding(
            topic=f"{NAMES[scale.score]} over time" + (f": {row['segment']}" if by else ""),
            claim=f"From {row['period']:%Y-%m-%d} on the mean answer of {scale.score}{' of ' + row['segment'] if by else ''} is "
            f"{row['mean_after']:.2f}, before {row['mean_before']:.2f} (95% CI of the difference {signed(row['difference_low'], 2)} to {signed(row['difference_high'], 2)}, "
            f"{count_of(row['n_before'], 'answer')} of {count_of(row['customers_before'], 'customer')} and {row['n_after']:,} of {row['customers_after']:,}).",
            direction="bad" if row["difference"] < 0 else "good",
            family=shifts.name,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=row["customers_after"],
            customers=row["customers_after"],
            since=f"{row['period']:%Y-%m-%d}",
            figure="time",
        )
        for row in shifts.table[shifts.claims].to_dict("records")
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
    metrics = {
        scale.score: of(whole, NAMES[scale.score]),
        f"mean_{scale.score}": mean,
        "n_blank": metric(blank, label="Rows without a score", unit="number"),
    }
    if by is not None:
        for _, row in table.iterrows():
            label = f"{NAMES[scale.score]}: {row['segment']}"
            metrics[f"{scale.score}_{row['segment']}"] = of(row, label)
    return metrics


def _written(scale: Scale, value: float) -> str:
    return signed(value) if scale.score == "nps" else percent(value)


def _end(scale: Scale, row: pd.Series, ranked: pd.DataFrame) -> str:
    """The lowest or highest value, with the segment that has it, or how many share it."""
    value = _written(scale, row["value"])
    sharing = sum(_written(scale, one) == value for one in ranked["value"])
    if sharing > 1:
        return f"{value} ({sharing} segments)"
    customers = (
        ""
        if row["customers"] == row["n"]
        else f" answers of {count_of(row['customers'], 'customer')}"
    )
    return f"{value} ({row['segment']}, n = {int(row['n']):,}{customers})"


def _headline(
    scale: Scale,
    whole: pd.Series,
    table: pd.DataFrame,
    weighted: pd.DataFrame | None,
    by: str | None,
) -> str:
    n = int(whole["n"])
    several = "" if whole["customers"] == n else f" answers of {whole['customers']:,} customers"
    bounds = (
        f"95% CI {signed(whole['low'])} to {signed(whole['high'])}"
        if scale.score == "nps"
        else confidence(whole["low"], whole["high"])
    )
    own = f"; {scale.own}" if scale.own else ""
    figures = f"{_OPENING[scale.score]} {_written(scale, whole['value'])} ({bounds}, n = {n:,}{several}{own})"
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
        apart = (
            f"; from {_end(scale, worst, ranked)} to {_end(scale, best, ranked)}"
            if _written(scale, worst["value"]) != _written(scale, best["value"])
            else f"; the same in each of {count_of(len(ranked), 'segment')}"
        )
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
        "response share": _response_share(answered, feedback.asked),
        "small n": f"below {min_n} customers",
    }


def _response_share(answered: int, asked: int | None) -> str:
    if not asked:
        return "not known: how many were asked is not in the data"
    if answered > asked:
        return f"not known: {count_of(answered, 'answer')} are more than the {asked:,} said to be asked"
    return f"{percent(answered / asked)} of {asked:,} asked"
