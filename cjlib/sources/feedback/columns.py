"""Which column of a feedback table is which, and on which scale its scores are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown

SCORES: Mapping[str, tuple[int, int]] = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "rating": (1, 5),
}
"""The scores a row may carry, with the ends of their scales; more is better in each."""
NAMES = (
    "feedback_id",
    "customer_id",
    "timestamp",
    "text",
    *SCORES,
    "source",
    "solicited",
    "stage",
    "touchpoint",
)
"""The columns of every feedback table, in their order; what else the source has follows by name."""
_OFTEN = {
    "timestamp": ("date", "datetime", "time", "created_at", "created", "submitted_at", "response_date", "answered_at", "review_date", "tweet_created", "ts"),
    "text": ("comment", "comments", "review", "review_text", "verbatim", "feedback", "message", "answer", "body", "tweet", "description"),
    "nps": ("nps_score", "recommend", "likelihood_to_recommend"),
    "csat": ("csat_score", "satisfaction"),
    "ces": ("ces_score", "effort", "effort_score"),
    "rating": ("stars", "star_rating", "score"),
}  # fmt: skip
_BEST = re.compile(r"(-?\d+) (?:is|=) (best|worst)")
_ENDS = re.compile(r"(-?\d+) ?(?:to|–|-) ?(\d+)")


@dataclass(frozen=True)
class Scale:
    """The ends of a score as it was asked, and whether its low end is the best answer."""

    low: int
    high: int
    low_is_best: bool = False
    words: tuple[str, ...] = ()
    """The answers in words, from the low end on."""

    def in_words(self) -> str:
        """`1 to 5, 1 is best`."""
        if self.words:
            return " < ".join(self.words)
        return f"{self.low} to {self.high}, {self.low if self.low_is_best else self.high} is best"


@dataclass(frozen=True)
class Given:
    """What `columns` says: the source's name → ours, and the scales of scores."""

    names: dict[str, str]
    scales: dict[str, Scale]


def read_given(columns: Mapping[str, Any] | None) -> Given:
    """`{"comment": "text", "csat": ("q7", "1 is best")}` as names and scales."""
    if columns is not None and not isinstance(columns, Mapping):
        raise CjlibError(
            f"columns: must map the source's names to ours, such as {{'comment': 'text'}}. Got {shown(columns)}."
        )
    names: dict[str, str] = {}
    scales = {name: Scale(*ends) for name, ends in SCORES.items()}
    for key, value in (columns or {}).items():
        if isinstance(key, str) and isinstance(value, str):
            names[key] = value
            continue
        pair = isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], str)
        if key not in SCORES or not pair:
            raise CjlibError(
                f"columns: a pair says a score's column and scale, such as {{'csat': ('q7', '1 is best')}}; scores are {listed(SCORES)}. "
                f"Got {shown(key)}: {shown(value)}.{did_you_mean(key, SCORES)}"
            )
        names[str(value[0])] = key
        scales[key] = (
            _scale(key, value[1]) if isinstance(value[1], str) else _scale_of_words(key, value[1])
        )
    return Given(names, scales)


def _scale_of_words(score: str, words: Any) -> Scale:
    """A scale whose answers are words, the worst first."""
    low, high = SCORES[score]
    if (
        not isinstance(words, Sequence)
        or not all(isinstance(word, str) and word.strip() for word in words)
        or len({word.strip().casefold() for word in words}) != len(words)
        or len(words) < 2
        or (score == "nps" and len(words) != high - low + 1)
    ):
        many = " 11" if score == "nps" else ""
        raise CjlibError(
            f"columns: the words of {score} must be a list of{many} different answers, the worst first, such as "
            f"['poor', 'fair', 'good']. Got {shown(words)}."
        )
    answers = tuple(word.strip().casefold() for word in words)
    return Scale(low, low + len(answers) - 1, words=answers)


def _scale(score: str, words: str) -> Scale:
    best, ends = _BEST.search(words.casefold()), _ENDS.search(words)
    low, high = (int(ends[1]), int(ends[2])) if ends else SCORES[score]
    named = int(best[1]) if best else high
    if (best is None and ends is None) or low >= high or named not in (low, high):
        raise CjlibError(
            f"columns: the scale of {score} must say its ends, its best end or both, such as '1 is best', '1 to 7' or '1 to 7, 1 is best'. Got {shown(words)}."
        )
    if score == "nps" and (low, high) != SCORES["nps"]:
        raise CjlibError(
            f"columns: nps is asked from 0 to 10; another scale is no NPS. Got {shown(words)}. Call it csat, with its scale."
        )
    is_best = best is None or best[2] == "best"
    return Scale(low, high, low_is_best=(named == low) == is_best)


def our_names(theirs: Sequence[str], given: Given, *, dated: bool) -> list[str]:
    """The source's columns under our names; errors for a name that is not there, one that stands twice, and what a feedback table needs."""
    for name in given.names:
        if name not in theirs:
            swapped = (
                " It maps the source's name to ours: columns={'comment': 'text'}."
                if given.names[name] in theirs
                else ""
            )
            raise CjlibError(
                f"columns: the source has no column {shown(name)}.{did_you_mean(name, theirs)}{swapped} It has: {listed(theirs, most=20)}."
            )
    renamed = [given.names.get(name, name) for name in theirs]
    twice = sorted({name for name in renamed if renamed.count(name) > 1})
    if twice:
        raise CjlibError(
            f"columns: {shown(twice[0])} would stand twice. Give the other column another name too: columns={{{twice[0]!r}: 'other_{twice[0]}'}}."
        )
    _all_needed(renamed, theirs, dated=dated)
    return renamed


def _all_needed(names: Sequence[str], theirs: Sequence[str], *, dated: bool) -> None:
    opinions = ("text", *SCORES)
    missing = ["timestamp"] if dated and "timestamp" not in names else []
    if not set(opinions) & set(names):
        missing.append("text")
    if not missing:
        return
    guesses: dict[str, str] = {}
    for ours in (*missing, *(SCORES if "text" in missing else ())):
        guess = _likely(ours, [name for name in theirs if name not in guesses])
        guesses |= {guess: ours} if guess else {}
    what = " and ".join(
        {
            "timestamp": "column 'timestamp'",
            "text": "text and no score (text, nps, csat, ces, rating)",
        }[name]
        for name in missing
    )
    remedy = (
        f" Did you mean columns={guesses!r}?"
        if guesses
        else " Name the columns: columns={'their name': 'timestamp', …}, in a journey file `columns: {their name: timestamp}` under feedback."
    )
    undated = " If the file has no dates, say so: dates='none'." if "timestamp" in missing else ""
    raise DataError(
        f"source: there is no {what}. The columns are: {listed(theirs, most=30)}.{remedy}{undated}"
    )


def _likely(ours: str, theirs: Sequence[str]) -> str | None:
    folded = {name.casefold().replace(" ", "_"): name for name in reversed(theirs)}
    return next((folded[name] for name in (ours, *_OFTEN[ours]) if name in folded), None)
