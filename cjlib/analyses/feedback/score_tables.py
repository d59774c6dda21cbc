"""From answers to the tables of scores: counts and intervals by segment, weighted to a population, and beside what people write.

Solicited answers and unsolicited texts stand side by side and are never averaged into one number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.feedback.answer_ends import USUAL, ends_of
from cjlib.analyses.feedback.quotes import QUOTES, representative, text_vectors
from cjlib.analyses.feedback.score_texts import ratings_as_labels, scored_feedback
from cjlib.errors import CjlibError, DataError, listed, shown
from cjlib.shared.comparison import MIN_N
from cjlib.shared.repeated_answers import OF_TEXTS, CustomerAnswers, Ints, Prior, customer_codes
from cjlib.shared.repeated_rows import share_interval
from cjlib.shared.stats import Z95, Floats, wilson
from cjlib.sources.feedback.table import SCORES, Feedback

SAME_MONTHS = (
    "what is claimed of a segment beside the others holds among answers of the same months too"
)
CROSSED = (("good_score_negative_text", 2, "negative"), ("bad_score_positive_text", 0, "positive"))
BESIDE = ["segment", "n", "value", "low", "high", "n_text", "mean_score_of_text", "text_low", "text_high", "method", "rank_by_score",
          "rank_by_text", "rank_difference", "opposite"]  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """What the answers of one score mean: bounds of the bad and good ends, and their names."""

    score: str
    good_from: int
    bad_to: int
    names: tuple[str, str, str]
    bounds: tuple[int, int]

    @property
    def own(self) -> str:
        """What counts as good, where that is not the usual part of the usual scale; else nothing."""
        low, high = self.bounds
        if self.bounds == SCORES[self.score] and self.good_from == USUAL[self.score][1]:
            return ""
        return f"{self.names[0]}: {self.good_from} or more on {low} to {high}"

    @property
    def prior(self) -> Prior:
        """What is added to the answers before a variance is taken."""
        return ((100, 0.75), (0, 1.5), (-100, 0.75)) if self.score == "nps" else ((1, 1), (0, 1))

    def ends(self, answers: Floats) -> tuple[int, int]:
        """How many answers are good, and how many bad."""
        return int((answers >= self.good_from).sum()), int((answers <= self.bad_to).sum())

    def points(self, answers: Floats) -> Floats:
        """What each answer adds to the score: 100, 0 or −100 to NPS; 1 or 0 to a share."""
        good, bad = answers >= self.good_from, answers <= self.bad_to
        return 100.0 * good - 100.0 * bad if self.score == "nps" else good.astype(float)


NPS = Scale("nps", 9, 6, ("promoters", "passives", "detractors"), SCORES["nps"])


CSAT = Scale("csat", 4, 2, ("satisfied", "neutral", "dissatisfied"), SCORES["csat"])


CES = Scale("ces", 5, 3, ("easy", "neutral", "hard"), SCORES["ces"])


def on_its_scale(default: Scale, bounds: tuple[int, int], top: int | None) -> Scale:
    """The score as it was asked: on these bounds, answers from `top` on counting as good; None: those of the same part of the scale as usual."""
    low, high = bounds
    if top is None:
        bad_to, good_from = ends_of(default.score, {default.score: bounds})
        return replace(default, good_from=good_from, bad_to=bad_to, bounds=(low, high))
    if not low < top <= high:
        raise CjlibError(
            f"top: must lie on the scale {low}–{high}, above its lower end. Got {shown(top)}."
        )
    return replace(default, good_from=top, bad_to=low + high - top, bounds=(low, high))


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
    scale = NPS
    if name != "nps":
        scale = on_its_scale(CSAT if name == "csat" else CES, feedback.scales[name], None)
    who = np.arange(answers.size) if customer is None else customer
    all_answers = CustomerAnswers(scale.points(answers), who)
    n = np.bincount(group, minlength=size)
    bounds = np.full((3, size), np.nan)
    for place in np.flatnonzero(n):
        inside = group == place
        bounds[:, place] = _interval(all_answers.only(inside), answers[inside], scale)
    return {"n": n, "value": bounds[0], "low": bounds[1], "high": bounds[2]}


def answers_to(feedback: Feedback, scale: Scale, by: str | None) -> pd.DataFrame:
    """One row an answer: `segment`, `answer`, `customer` (numbered) and what the answer adds to the score."""
    answer = feedback.frame[scale.score]
    return pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "answer": answer,
            "customer": customer_codes(feedback.frame["customer_id"]),
            "month": months_of(feedback),
            "points": scale.points(answer.to_numpy(dtype=float)),
        }
    )


def months_of(feedback: Feedback) -> Ints:
    """The month of each answer, numbered; answers without a date are one."""
    times = feedback.frame["timestamp"].dt.tz_convert(feedback.timezone)
    months = (times.dt.year * 12 + times.dt.month).fillna(0)
    return pd.factorize(months.to_numpy(dtype=np.int64))[0].astype(np.int64)


def score_table(counted: pd.DataFrame, scale: Scale, min_n: int) -> pd.DataFrame:
    """A row a segment (and period), largest segments first."""
    keys = ["segment", *(["period"] if "period" in counted else [])]
    table = pd.DataFrame([segment_row(group, scale, min_n) for _, group in counted.groupby(keys)])
    size = table.groupby("segment")["n"].transform("sum")
    order = table.assign(_size=-size).sort_values(["_size", *keys], ignore_index=True)
    return order.drop(columns="_size")


def segment_row(group: pd.DataFrame, scale: Scale, min_n: int) -> dict[str, Any]:
    """What the answers of one segment say: counts, the score and the mean answer, both with intervals."""
    own = customer_answers(group)
    answers = np.sort(group["answer"].to_numpy(dtype=float))
    n = answers.size
    good, bad = scale.ends(answers)
    value, low, high = _interval(own, answers, scale)
    means = customer_answers(group, "answer")
    mean_low, mean_high = means.mean_interval(scale.bounds)
    counts = dict(zip(scale.names, (good, n - good - bad, bad), strict=True))
    figures = {
        "value": value,
        "low": low,
        "high": high,
        "margin": (high - low) / 2,
        "small_n": own.customers < min_n,
        "mean_score": means.mean,
        "mean_low": mean_low,
        "mean_high": mean_high,
        "customers": own.customers,
    }
    period = {"period": group["period"].iloc[0]} if "period" in group else {}
    return {"segment": str(group["segment"].iloc[0])} | period | {"n": n} | counts | figures


def customer_answers(rows: pd.DataFrame, column: str = "points") -> CustomerAnswers:
    """The answers of some rows, and whose they are."""
    return CustomerAnswers.of(
        rows[column].to_numpy(dtype=float), rows["customer"].to_numpy(dtype=np.int64)
    )


def _interval(own: CustomerAnswers, answers: Floats, scale: Scale) -> tuple[float, float, float]:
    """The score and its 95% CI, counted from as many answers of different customers as say the same."""
    good, bad = scale.ends(answers)
    weight = own.effective_n / own.n
    if scale.score == "nps":
        _, low, high = nps_interval(good * weight, (own.n - good - bad) * weight, bad * weight)
        return 100 * (good - bad) / own.n, low, high
    low, high = wilson(good * weight, own.n * weight)
    return good / own.n, float(low), float(high)


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


def weighted_row(
    table: pd.DataFrame, counted: pd.DataFrame, weights: Mapping[str, float], scale: Scale
) -> pd.DataFrame:
    """The row `all (weighted)`: the score of a population in which each segment has the share given."""
    given, segments = set(map(str, weights)), set(table["segment"])
    absent = sorted(given - segments)
    if absent:
        raise DataError(
            f"weights: no answers from {listed(absent)}, so the weighted value is not defined. Leave the segment out of weights, or ask there."
        )
    unweighted = sorted(segments - given)
    if unweighted:
        raise CjlibError(
            f"weights: no share is given for {listed(unweighted)}. Give one for every segment (0 leaves it out)."
        )
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise CjlibError(
            f"weights: must be shares of the population, 0 or more and not all 0. Got {shown(dict(weights))}."
        )
    parts = table["segment"].map({str(name): weight / total for name, weight in weights.items()})
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
    by_segment = dict(list(counted.groupby("segment")))
    answers = [customer_answers(by_segment[name]) for name in segments]
    part, n = part[used], table["n"].to_numpy(dtype=float)[used]
    effective = np.array([own.effective_n for own in answers]) / _widened_by_overlap(answers, part)
    good, bad = (
        table[name].to_numpy(dtype=float)[used] / n for name in (scale.names[0], scale.names[2])
    )
    kish = float(1 / (part**2 / effective).sum())
    if scale.score == "nps":
        promoters, detractors = ((end * effective + 0.75) / (effective + 3) for end in (good, bad))
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
    size = max(int(answers.customer.max()) for answers in segments) + 1
    moves = np.zeros((len(segments), size))
    for row, answers in enumerate(segments):
        own, _ = answers.moved()
        moves[row, : own.size] = np.nan_to_num(own)
    apart = float((part**2 * (moves**2).sum(axis=1)).sum())
    return max(float(((part @ moves) ** 2).sum()) / apart, 1.0) if apart > 0 else 1.0


def distribution_of(counted: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """How many of each segment gave each answer of the scale."""
    low, high = scale.bounds
    halves = bool((counted["answer"] % 1 != 0).any())
    steps = np.arange(2 * low, 2 * high + 1) / 2 if halves else np.arange(low, high + 1)
    parts = []
    for segment, group in counted.groupby("segment"):
        answers = group["answer"].to_numpy(dtype=float)
        counts = [int((answers == answer).sum()) for answer in steps]
        shares = [count / len(group) for count in counts]
        named = {"segment": segment, "answer": steps, "n": counts, "share_of_answers": shares}
        parts.append(pd.DataFrame(named))
    return pd.concat(parts, ignore_index=True)


def beside(table: pd.DataFrame, feedback: Feedback, by: str | None, min_n: int) -> pd.DataFrame:
    """Per segment the score of the solicited answers beside the mean text score of the unsolicited ones, with both ranks (1 = worst).

    Ranks are among segments with at least `min_n` customers on both sides; no rows where there are not both solicited scores and unsolicited texts. `opposite` is the segment
    that stands on the other side of this one by scores than by texts, the intervals of both lying apart; ranks alone differ by chance.
    """
    texts = scored_feedback(feedback).table
    unsolicited = feedback.frame["solicited"].eq(False).fillna(False).to_numpy(dtype=bool)
    written = pd.DataFrame(
        {
            "segment": feedback.segment(by),
            "score": texts["score"],
            "customer": customer_codes(feedback.frame["customer_id"]),
        }
    )[unsolicited & (texts["status"] == "scored").to_numpy()]
    if table.empty or written.empty:
        return pd.DataFrame(columns=BESIDE)
    means = pd.DataFrame(
        [_text_row(str(segment), rows) for segment, rows in written.groupby("segment")]
    )
    asked = table[["segment", "n", "value", "low", "high", "customers"]]
    both = asked.merge(means, on="segment", how="outer")
    method = pd.Series("model_index", index=both.index, dtype="str")
    both = both.assign(
        n=both["n"].fillna(0).astype("int64"),
        n_text=both["n_text"].fillna(0).astype("int64"),
        method=method.where(both["n_text"].notna(), None),
    )
    enough = (both["customers"] >= min_n) & (both["text_customers"] >= min_n)
    both["rank_by_score"] = both["value"].where(enough).rank(method="min")
    both["rank_by_text"] = both["mean_score_of_text"].where(enough).rank(method="min")
    both["rank_difference"] = both["rank_by_text"] - both["rank_by_score"]
    both["opposite"] = _in_opposite_order(both, enough.to_numpy(dtype=bool))
    return both.sort_values(["n", "segment"], ascending=[False, True], ignore_index=True)[BESIDE]


def _in_opposite_order(both: pd.DataFrame, enough: NDArray[np.bool_]) -> pd.Series:
    """For each segment the one whose score lies farthest on the other side of its own than their texts do, where there is one; intervals lie apart by both."""
    low, high, text_low, text_high, value = (
        both[name].to_numpy(dtype=float)
        for name in ("low", "high", "text_low", "text_high", "value")
    )
    above = (low[:, None] > high) & (text_high[:, None] < text_low)
    against = (above | above.T) & enough[:, None] & enough
    apart = np.where(against, np.abs(value[:, None] - value), -1.0)
    names = both["segment"].tolist()
    return pd.Series(
        [names[int(row.argmax())] if row.max(initial=-1.0) >= 0 else None for row in apart],
        index=both.index,
        dtype="str",
    )


def _text_row(segment: str, rows: pd.DataFrame) -> dict[str, object]:
    answers = CustomerAnswers.of(
        rows["score"].to_numpy(dtype=float), rows["customer"].to_numpy(dtype=np.int64)
    )
    low, high = answers.mean_interval(OF_TEXTS)
    return {
        "segment": segment,
        "n_text": answers.n,
        "mean_score_of_text": answers.mean,
        "text_low": low,
        "text_high": high,
        "text_customers": answers.customers,
    }


def crossed(feedback: Feedback) -> pd.DataFrame:
    """Answers whose score and text disagree.

    `cell`, `n`, `of` (scored texts with that end of the score), `share`, `low`, `high` (by customers), `quote_1` … `quote_3` (scrubbed).
    """
    texts = scored_feedback(feedback).table
    ends = ratings_as_labels(feedback.frame, feedback.scales)
    written = (texts["status"] == "scored").to_numpy()
    rows = feedback.frame.assign(label=texts["label"])[written].reset_index(drop=True)
    ends = ends[written]
    vectors = text_vectors(rows["text"].tolist())
    rows = rows.assign(position=np.arange(len(rows)))
    customer = customer_codes(rows["customer_id"])
    cells = []
    for cell, end, label in CROSSED:
        member = (ends == end) & (rows["label"] == label).to_numpy()
        rated = ends == end
        n, of = int(member.sum()), int(rated.sum())
        everything = np.zeros(of, dtype=np.int64)
        low, high = share_interval(member[rated], customer[rated], everything, 1)
        counts = {"cell": cell, "n": n, "of": of, "share": n / of if of else np.nan}
        bounds = {"low": float(low[0]), "high": float(high[0])}
        quotes = representative(rows[member], vectors) if n else []
        texts = [text for _, _, text in quotes] + [None] * (len(QUOTES) - len(quotes))
        cells.append(counts | bounds | dict(zip(QUOTES, texts, strict=True)))
    return pd.DataFrame(cells).astype(dict.fromkeys(QUOTES, "str"))
