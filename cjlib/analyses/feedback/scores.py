"""How satisfied they say they are: NPS, CSAT, CES, each with its interval and its distribution."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.texts.solicited_vs_unsolicited import beside, crossed
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, DataError, listed, not_one_of, shown
from cjlib.shared.change_points import level_shifts
from cjlib.shared.comparison import MIN_N
from cjlib.shared.stats import Z95, Floats, mean_interval, share, wilson
from cjlib.shared.two_samples import benjamini_hochberg, newcombe, two_shares_p
from cjlib.show.numbers import count_of, percent, signed
from cjlib.sources.feedback.table import SCORES, Feedback


@dataclass(frozen=True)
class Scale:
    """What the answers of one score mean: bounds of the bad and good ends, and their names."""

    score: str
    good_from: int
    bad_to: int
    names: tuple[str, str, str]
    bounds: tuple[int, int]


NPS = Scale("nps", 9, 6, ("promoters", "passives", "detractors"), SCORES["nps"])
CSAT = Scale("csat", 4, 2, ("satisfied", "neutral", "dissatisfied"), SCORES["csat"])
_CHANGE = ("n", "other_n", "difference", "difference_low", "difference_high", "p_value")
CES = Scale("ces", 5, 3, ("easy", "neutral", "hard"), SCORES["ces"])


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores(Result):
    """A score by segment (and period).

    `.distribution`: how many gave each answer. `.comparisons`: which segments differ beyond noise. `.changes`: with `period`, each period of a segment against the
    one before, `beyond_noise` after adjusting for their number. `.shifts`: from which period on the mean answer is another one. `.compare`: per segment the score of
    those asked beside the texts of those who were not. `.crossed`: answers whose score and text disagree, with quotes.
    """

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

    @cached_property
    def distribution(self) -> pd.DataFrame:
        """`segment`, `answer`, `n`, `share_of_answers`: every answer of the scale, those that nobody gave too."""
        return _distribution(self._counted, self.scale)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Every pair of segments with enough answers: `segment`, `other`, both n, `difference` with bounds, `p_value`, `p_adjusted` over the pairs."""
        return _comparisons(
            _by_segment(self._counted, self.scale, self.min_n), self.scale, self.min_n
        )

    @cached_property
    def changes(self) -> pd.DataFrame:
        """`segment`, `period`, `earlier`, both n, `difference` with bounds, `p_value`, `p_adjusted`, `beyond_noise`; empty without `period`."""
        return _changes(self.table, self.scale, self.min_n)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """From which period on the mean answer is another one, as `level_shifts` finds it; empty without `period`."""
        return (
            level_shifts(self._counted.rename(columns={"answer": "value"}), least=self.min_n)
            if self.period is not None
            else pd.DataFrame()
        )

    @cached_property
    def compare(self) -> pd.DataFrame:
        """`segment`, `n`, `value`, `low`, `high` (asked), `n_text`, `mean_score_of_text`, `text_low`, `text_high`, `method` (not asked), both ranks, 1 = worst."""
        asked = self.feedback.frame["solicited"].fillna(True).to_numpy(dtype=bool)
        answers = self.feedback.frame[self.score]
        counted = pd.DataFrame({"segment": self.feedback.segment(self.by), "answer": answers})[
            asked & answers.notna()
        ]
        empty = pd.DataFrame(columns=["segment", "n", "value", "low", "high"])
        return beside(
            _table(counted, self.scale, self.min_n) if len(counted) else empty,
            self.feedback,
            self.by,
            self.min_n,
        )

    @cached_property
    def crossed(self) -> pd.DataFrame:
        """`cell`, `n`, `of`, `share`, `quote_1` … `quote_3`: good scores with negative texts, bad scores with positive ones."""
        return crossed(self.feedback)


def nps(
    feedback: Feedback, *, by: str | None = None, weights: Mapping[str, float] | None = None, period: str | None = None, min_n: int = MIN_N
) -> Scores:  # fmt: skip
    """Net promoter score: 100 × (share of 9–10 − share of 0–6), over everyone who gave a score; −100 to 100, never a percentage.

    Each answer counts once, also several of one customer. Blank scores are counted (`n_blank` in `.metrics`), not imputed. The point
    estimate is plain; the 95% CI uses the variance (p + d − (p − d)²) / n after adding ¾, 1½, ¾ to the three counts. With `weights`
    (segment → share of the population) the `all (weighted)` row is Σ w·value; a segment without answers makes it undefined. With `period` (day, week, month,
    quarter, year) each is counted per calendar period, and compared with the one before where both have `min_n` answers.

    Returns
    -------
    Scores
        `.table`: `segment`, [`period`], `n`, `promoters`, `passives`, `detractors`, `value`, `low`, `high`, `margin`, `small_n`, `mean_score`, `mean_low`,
        `mean_high`; segments by n, largest first.

    Raises
    ------
    DataError
        When nobody gave a score.
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

    Another scale is said when reading (`columns={"csat": ("q7", "1 to 10")}`) or with `scale`, and then needs `top`; it is never taken from the largest answer
    seen. `score="rating"` counts star ratings the same way.
    See `nps` for blanks and weights. `.table` has `satisfied`, `neutral`, `dissatisfied`: neutral lies between `top` and its mirror on the scale.
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

    On another scale, said when reading, the share of answers at `top` or above. See `nps` for blanks and weights. `.table` has `easy` (5–7), `neutral` (4),
    `hard` (1–3).
    """
    return _scored(
        feedback, _on_its_scale(CES, feedback.scales["ces"], top), by, weights, period, min_n
    )


def score(feedback: Feedback, name: str, **options: Any) -> Scores:
    """The score of that name: `cj.nps`, `cj.csat` (also for `rating`) or `cj.ces`, with their options."""
    if name not in SCORES:
        raise not_one_of("name", name, SCORES)
    if name in ("csat", "rating"):
        return csat(feedback, score=name, **options)
    return (nps if name == "nps" else ces)(feedback, **options)


def by_group(
    feedback: Feedback, name: str, answers: Floats, group: NDArray[np.int64], size: int
) -> dict[str, Any]:
    """`n`, `value`, `low` and `high` of answers to a score of the feedback for each of so many groups, counted as `nps`, `csat` and `ces` count them."""
    scale = (
        NPS
        if name == "nps"
        else _on_its_scale(CSAT if name == "csat" else CES, feedback.scales[name], None)
    )
    n, good, bad = (
        np.bincount(one, minlength=size)
        for one in (group, group[answers >= scale.good_from], group[answers <= scale.bad_to])
    )
    if name != "nps":
        low, high = wilson(good, n)
        return {"n": n, "value": share(good, n), "low": low, "high": high}
    every = zip(n.tolist(), good.tolist(), bad.tolist(), strict=True)
    value, low, high = zip(
        *(nps_interval(g, m - g - b, b) if m else (np.nan,) * 3 for m, g, b in every), strict=True
    )
    return {"n": n, "value": np.array(value), "low": np.array(low), "high": np.array(high)}


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
    counted = pd.DataFrame({"segment": feedback.segment(by), "answer": answers})
    counted = (counted if period is None else counted.assign(period=feedback.periods(period)))[
        given
    ]
    table = _table(counted, scale, min_n)
    by_segment = table if period is None else _by_segment(counted, scale, min_n)
    whole = pd.Series(_row(counted.assign(segment="all"), scale, min_n))
    weighted = None if weights is None else _weighted(table, weights, scale)
    blank = int((~given).sum())
    return Scores(
        table=table if weighted is None else pd.concat([table, weighted], ignore_index=True),
        headline=_headline(scale, whole, by_segment, weighted, by),
        definition=_definition(feedback, scale, by, weights, blank, min_n)
        | ({} if period is None else {"period": f"{period}, by the business's calendar"}),
        metrics=_metrics(scale, whole, by_segment, by, blank),
        score=scale.score,
        scale=scale,
        feedback=feedback,
        by=by,
        period=period,
        min_n=min_n,
        _counted=counted,
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
    return _table(counted[["segment", "answer"]], scale, min_n)


def _row(group: pd.DataFrame, scale: Scale, min_n: int) -> dict[str, Any]:
    answers = np.sort(
        group["answer"].to_numpy()
    )  # sorted: a mean must not depend on the order of its rows
    n = answers.size
    good, bad = int((answers >= scale.good_from).sum()), int((answers <= scale.bad_to).sum())
    value, low, high = (
        nps_interval(good, n - good - bad, bad)
        if scale.score == "nps"
        else _share_interval(good, n)
    )
    mean_low, mean_high = mean_interval(answers)
    counts = dict(zip(scale.names, (good, n - good - bad, bad), strict=True))
    figures = {
        "value": value,
        "low": low,
        "high": high,
        "margin": (high - low) / 2,
        "small_n": n < min_n,
    }
    means = {"mean_score": float(answers.mean()), "mean_low": mean_low, "mean_high": mean_high}
    period = {"period": group["period"].iloc[0]} if "period" in group else {}
    return {"segment": str(group["segment"].iloc[0])} | period | {"n": n} | counts | figures | means


def nps_interval(promoters: int, passives: int, detractors: int) -> tuple[float, float, float]:
    """NPS with its adjusted 95% CI, on the scale −100…100."""
    n = promoters + passives + detractors
    value = 100 * (promoters - detractors) / n
    total = n + 3
    p, d = (promoters + 0.75) / total, (detractors + 0.75) / total
    half = 100 * Z95 * np.sqrt((p + d - (p - d) ** 2) / total)
    centre = 100 * (p - d)
    return value, max(centre - half, -100.0), min(centre + half, 100.0)


def _share_interval(good: int, n: int) -> tuple[float, float, float]:
    low, high = wilson(good, n)
    return good / n, float(low), float(high)


def _variance(row: pd.Series, scale: Scale) -> float:
    """Of the value: NPS by its formula on the adjusted counts, a share by p(1 − p)/n."""
    good, _, bad = (float(row[name]) for name in scale.names)
    n = float(row["n"])
    if scale.score != "nps":
        return good / n * (1 - good / n) / n
    p, d = (good + 0.75) / (n + 3), (bad + 0.75) / (n + 3)
    return 1e4 * (p + d - (p - d) ** 2) / (n + 3)


def _weighted(table: pd.DataFrame, weights: Mapping[str, float], scale: Scale) -> pd.DataFrame:
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
    share = (
        table["segment"]
        .map({str(name): one / total for name, one in weights.items()})
        .to_numpy(dtype=float)
    )
    variance = np.array([_variance(row, scale) for _, row in table.iterrows()])
    value, half = (
        float((share * table["value"]).sum()),
        Z95 * float(np.sqrt((share**2 * variance).sum())),
    )
    counts = {name: int(table[name].sum()) for name in ("n", *scale.names)}
    n = counts["n"]
    effective = float(1 / (share**2 / table["n"].to_numpy(dtype=float)).sum())
    row = {
        "segment": "all (weighted)",
        **counts,
        "value": value,
        "low": value - half,
        "high": value + half,
        "margin": half,
        "small_n": effective < MIN_N,
    }
    mean = float((share * table["mean_score"]).sum())
    return pd.DataFrame(
        [
            row
            | {
                "mean_score": mean,
                "mean_low": np.nan,
                "mean_high": np.nan,
                "effective_n": min(effective, n),
            }
        ]
    )


def _distribution(counted: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    low, high = scale.bounds
    rows = []
    for segment, group in counted.groupby("segment"):
        answers = group["answer"].to_numpy(dtype=float)
        counts = [int((answers == answer).sum()) for answer in range(low, high + 1)]
        rows += [
            {
                "segment": segment,
                "answer": answer,
                "n": count,
                "share_of_answers": count / len(group),
            }
            for answer, count in enumerate(counts, start=low)
        ]
    return pd.DataFrame(rows)


def _comparisons(table: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    """Every pair of segments with enough answers: difference of the values, interval, p adjusted over the pairs."""
    large = table[table["n"] >= min_n].reset_index(drop=True)
    rows = []
    for one in range(len(large)):
        for other in range(one + 1, len(large)):
            rows.append(_pair(large.iloc[one], large.iloc[other], scale))
    columns = [
        "segment",
        "other",
        "n",
        "other_n",
        "difference",
        "difference_low",
        "difference_high",
        "p_value",
    ]
    pairs = pd.DataFrame(rows, columns=columns)
    return pairs.assign(p_adjusted=benjamini_hochberg(pairs["p_value"].to_numpy(dtype=float)))


def _changes(table: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    """Each period of a segment against the one before, where both have enough answers; p adjusted over all of them."""
    if "period" not in table:
        return pd.DataFrame()
    rows = []
    for segment, group in table.sort_values("period").groupby("segment"):
        for before, now in itertools.pairwise([row for _, row in group.iterrows()]):
            if min(before["n"], now["n"]) >= min_n:
                pair = _pair(now, before, scale)
                rows.append(
                    {"segment": segment, "period": now["period"], "earlier": before["period"]}
                    | {key: pair[key] for key in _CHANGE}
                )
    changes = pd.DataFrame(rows, columns=["segment", "period", "earlier", *_CHANGE])
    adjusted = benjamini_hochberg(changes["p_value"].to_numpy(dtype=float))
    return changes.assign(p_adjusted=adjusted, beyond_noise=adjusted < 0.05)


def _pair(one: pd.Series, other: pd.Series, scale: Scale) -> dict[str, float | str | int]:
    difference = float(one["value"] - other["value"])
    good = scale.names[0]
    if scale.score == "nps":
        from scipy.special import ndtr

        error = np.sqrt(_variance(one, scale) + _variance(other, scale))
        low, high, p = (
            difference - Z95 * error,
            difference + Z95 * error,
            float(2 * ndtr(-abs(difference) / error)),
        )
    else:
        low, high = (
            float(bound) for bound in newcombe(one[good], one["n"], other[good], other["n"])
        )
        p = two_shares_p(int(one[good]), int(one["n"]), int(other[good]), int(other["n"]))
    bounds = {
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "p_value": p,
    }
    return {
        "segment": one["segment"],
        "other": other["segment"],
        "n": int(one["n"]),
        "other_n": int(other["n"]),
    } | bounds


def _metrics(
    scale: Scale, whole: pd.Series, table: pd.DataFrame, by: str | None, blank: int
) -> dict[str, Metric]:
    overall = metric(whole["value"], whole["low"], whole["high"], whole["n"])
    mean = metric(whole["mean_score"], whole["mean_low"], whole["mean_high"], whole["n"])
    by_segment = (
        {}
        if by is None
        else {
            f"{scale.score}_{row['segment']}": metric(
                row["value"], row["low"], row["high"], row["n"]
            )
            for _, row in table.iterrows()
        }
    )
    return {
        scale.score: overall,
        f"mean_{scale.score}": mean,
        "n_blank": metric(blank),
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
    figures = f"{name} {_written(scale, whole['value'])} (95% CI {_written(scale, whole['low'])} to {_written(scale, whole['high'])}, n = {n:,})"
    few = (
        f"; fewer than {MIN_N} answers: read the interval, not the point"
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
    response = (
        f"{percent(answered / feedback.asked)} of {feedback.asked:,} asked"
        if feedback.asked
        else "not known: how many were asked is not in the data"
    )
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
        ),
        "response share": response,
        "small n": f"below {min_n} answers",
    }
