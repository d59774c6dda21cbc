"""The columns of a feedback table by our names, with their scales, and what stands in their cells: texts, scores, yes and no, ids."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.sources.feedback.texts import polarity, scrub
from cjlib.sources.ingest.open_source import QualityLine

# ---- which column is which -----------------------------------------------------------------------------------------

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


# ---- what stands in the cells --------------------------------------------------------------------------------------

REPLACED = "�"
# Only with its semicolon: html.unescape alone would read "rules&regs" as "rules®s".
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_NUMBER = re.compile(r"-?\d{1,9}(?:[.,]\d{1,6})?")
_OUT_OF = re.compile(
    r"(?:\D* )?(\d{1,2}(?:[.,]\d+)?) ?(?:/|of|out of|von|sur|de) ?(\d{1,2})(?:[.,]0+)?(?: ?\D*)?"
)
_STARS = re.compile(r"(?:★+☆*|⭐+)")
_KEYCAPS = str.maketrans({"\ufe0f": None, "\u20e3": None, "🔟": "10"})
_NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)
_LABEL_LAST = re.compile(r"[^\d]*[^\d.,-](?:[-–—:=( ]+)\(?(?P<n>\d{1,2}(?:[.,]\d+)?)\)?")
_LABEL_FIRST = re.compile(r"(?P<n>\d{1,2}(?:[.,]\d+)?)(?:\s*[-–—:=.)(]+\s*|\s+)[^\d]*[^\d\s][^\d]*")
_NO_TEXT = frozenset(
    {
        "null",
        "(null)",
        "\\n",
        "nan",
        "n/a",
        "#n/a",
        "na",
        "n.a.",
        "undefined",
        "-",
        "--",
        "–",
        "—",
        ".",
    }
)
"""What tools and people write where there is no comment."""
BLANKS = frozenset(
    {
        "",
        "-",
        "–",
        "—",
        "n/a",
        "na",
        "n.a.",
        "none",
        "null",
        "nan",
        "no answer",
        "did not answer",
        "not answered",
        "don't know",
        "skipped",
        ".",
    }
)
_YES, _NO = (
    frozenset({"true", "yes", "y", "1", "t", "1.0"}),
    frozenset({"false", "no", "n", "0", "f", "0.0"}),
)
_SAME = ("customer_id", "timestamp", "text", "stage", "touchpoint", *SCORES)
ASKED_ABOUT = 1_000
ROWS_AT_ONCE = 50_000
FEWEST_TO_COMPARE = 50
REVERSED_BELOW = -0.2


def clean_text(column: pd.Series) -> tuple[pd.Series, list[QualityLine]]:
    """The texts with HTML entities decoded once and outer white space gone; nothing left is missing."""
    given = column.astype("str")
    some = given.notna()
    encoded = some & given.str.contains("&", regex=False).fillna(False).astype(bool)
    entities: set[str] = set()
    decoded = given.where(
        ~encoded,
        pd.Series(
            [_without_entities(text, entities) for text in given[encoded].tolist()],
            index=given.index[encoded],
            dtype="str",
        ),
    )
    changed = encoded & (decoded != given)
    trimmed = decoded.str.strip()
    damaged = trimmed.str.contains(REPLACED, regex=False).fillna(False).astype(bool)
    clean = trimmed.where((trimmed != "") & ~trimmed.str.casefold().isin(_NO_TEXT), None)
    words = "characters were lost before this file was written; words that hold them may be misread"
    found = [QualityLine("no text", int(clean.isna().sum()), "")]
    found += (
        [QualityLine("HTML entities decoded", int(changed.sum()), ", ".join(sorted(entities)[:5]))]
        if changed.any()
        else []
    )
    found += (
        [QualityLine(f"text with {REPLACED} (U+FFFD)", int(damaged.sum()), words)]
        if damaged.any()
        else []
    )
    return clean, found


def _without_entities(text: str, met: set[str]) -> str:
    met.update(_ENTITY.findall(text))
    return _ENTITY.sub(lambda one: html.unescape(one.group()), text)


def checked_missing(given: Any) -> frozenset[str]:
    """The answers that mean no answer, checked."""
    if given is None:
        return frozenset()
    answers = [given] if isinstance(given, str | int | float) else given
    if isinstance(given, bool) or not isinstance(answers, Sequence | set | frozenset):
        raise CjlibError(
            f"missing: must be a list of answers that mean no answer, such as [6, 7]. Got {shown(given)}."
        )
    return frozenset(_plain_answer(str(answer)) for answer in answers)


def _plain_answer(text: str) -> str:
    return re.sub(r"\.0+$", "", text.strip().casefold())


def read_score(
    name: str, column: pd.Series, scale: Scale, no_answer: frozenset[str] = frozenset()
) -> tuple[pd.Series, pd.Series, list[QualityLine]]:
    """A score as numbers on which more is better, the reason why a row cannot be used (missing where it can), and what was found."""
    text = column.astype("str").str.strip()
    if no_answer:
        refused = text.notna() & text.fillna("").map(_plain_answer).isin(no_answer)
        column, text = column.where(~refused), text.where(~refused)
    labelled = pd.Series(False, index=column.index)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        number = column.astype("float64")
        strange = pd.Series(False, index=column.index)
    else:
        number, labelled = _numbers(text, scale)
        strange = text.notna() & number.isna() & ~text.str.casefold().isin(BLANKS)
    outside = number.notna() & ~number.between(scale.low, scale.high)
    broken = number.notna() & ~outside & (number % 1 != 0) & (name != "rating")
    reasons = pd.Series(None, index=column.index, dtype="str")
    reasons[outside], reasons[broken] = f"{name} out of range", f"{name} not a whole number"
    found = [QualityLine(f"{name}: no answer", int(number.isna().sum()), "")]
    if labelled.any():
        words = f"{shown(_first(text[labelled]))}; its number is the answer"
        found.append(QualityLine(f"{name}: answers with words", int(labelled.sum()), words))
    if strange.any():
        words = (
            f"{shown(_first(text[strange]))}; taken as no answer"
            f"{'' if scale.words else f'. If words are the scale, say their order: columns={{{name!r}: (column, [worst, …, best])}}'}"
        )
        found.append(QualityLine(f"{name}: words, not a score", int(strange.sum()), words))
    if (scale.low, scale.high, scale.low_is_best) != (*SCORES[name], False):
        found.append(
            QualityLine(
                f"{name}: asked on its own scale", int(number.notna().sum()), scale.in_words()
            )
        )
    return scale.low + scale.high - number if scale.low_is_best else number, reasons, found


def _numbers(text: pd.Series, scale: Scale) -> tuple[pd.Series, pd.Series]:
    """The numbers that texts say, and which of them stand beside words: "Extremely likely - 10", "1 (poor)", "5 stars", "4/5"."""
    answers = {answer: _answer(answer, scale) for answer in text.dropna().unique()}
    number = text.map({answer: value for answer, (value, _) in answers.items()}).astype("float64")
    labelled = [answer for answer, (value, words) in answers.items() if words and value is not None]
    return number, text.isin(labelled)


def _answer(text: str, scale: Scale) -> tuple[float | None, bool]:
    """The number of an answer, if it has one, and whether words stand beside it."""
    if text.casefold() in scale.words:
        return float(scale.low + scale.words.index(text.casefold())), True
    number, high = number_of(text)
    fits = high is None or high == scale.high
    return (number if fits else None), _NUMBER.fullmatch(text) is None


def number_of(text: str) -> tuple[float | None, int | None]:
    """The number of an answer, and of how many where it says so: "5 stars", "4/5", "Extremely likely - 10"."""
    plain = " ".join(text.translate(_KEYCAPS).split())
    if _NUMBER.fullmatch(plain):
        return float(plain.replace(",", ".")), None
    if plain.casefold() in _NUMBER_WORDS:
        return float(_NUMBER_WORDS.index(plain.casefold())), None
    out_of = _OUT_OF.fullmatch(plain)
    if out_of:
        return float(out_of[1].replace(",", ".")), int(out_of[2])
    if _STARS.fullmatch(plain):
        return float(plain.count("★") or plain.count("⭐")), None
    labelled = _LABEL_LAST.fullmatch(plain) or _LABEL_FIRST.fullmatch(plain)
    return (float(labelled["n"].replace(",", ".")) if labelled else None), None


def read_yes_no(column: pd.Series) -> tuple[pd.Series, list[QualityLine]]:
    """True, false, or missing where it is not known."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean"), []
    text = column.astype("str").str.strip().str.casefold()
    known = text.map(dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)).astype("boolean")
    strange = text.notna() & (text != "") & known.isna()
    found = (
        [
            QualityLine(
                "solicited: neither yes nor no",
                int(strange.sum()),
                shown(_first(column[strange].astype("str"))),
            )
        ]
        if strange.any()
        else []
    )
    return known, found


def _first(texts: pd.Series) -> str:
    return scrub(min(texts.dropna().astype("str"), default=""))[0][:80]


def content_ids(frame: pd.DataFrame) -> pd.Series:
    """Ids made from what a row says, and a running number among rows that say the same: never from where the row stands."""
    held = frame.assign(
        timestamp=frame["timestamp"]
        .astype("int64")
        .astype("str")
        .where(frame["timestamp"].notna(), None)
    )
    digests: list[str] = []
    for start in range(0, len(held), ROWS_AT_ONCE):
        columns = [_as_text(held[name].iloc[start : start + ROWS_AT_ONCE]) for name in held.columns]
        every = zip(*columns, strict=True)
        digests += [
            hashlib.blake2b(
                "\x1f".join(cells).encode("utf-8", "replace"), digest_size=8
            ).hexdigest()
            for cells in every
        ]
    ids = pd.Series(digests, index=frame.index, dtype="str")
    again = ids.groupby(ids).cumcount()
    return "f" + ids.where(again == 0, ids + "-" + (again + 1).astype("str"))


def _as_text(column: pd.Series) -> list[str]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if pd.api.types.is_integer_dtype(column):
            return column.astype("str").tolist()
        return [
            "" if np.isnan(value) else f"{value:.17g}"
            for value in column.to_numpy(dtype=float, na_value=np.nan)
        ]
    return column.astype("str").fillna("").tolist()


def repeated(frame: pd.DataFrame, *, own_ids: bool) -> pd.Series:
    """Why a row repeats an earlier one, in the order of what the rows say: missing where it does not."""
    reasons = pd.Series(None, index=frame.index, dtype="str")
    if own_ids:
        reasons[_later(frame[frame["feedback_id"].notna()], ["feedback_id"])] = "duplicate id"
    reasons[_later(frame[reasons.isna() & frame["customer_id"].notna()], list(_SAME))] = (
        "exact duplicate"
    )
    return reasons


def _later(frame: pd.DataFrame, columns: list[str]) -> pd.Index:
    """Of rows that agree in these columns all but the one whose content is the smallest as text."""
    several = frame[frame.duplicated(columns, keep=False)]
    order = several.assign(_content=content_ids(several).to_numpy()).sort_values(
        [*columns, "_content"]
    )
    return order.index[order.duplicated(columns)]


def reversed_scales(frame: pd.DataFrame, scales: Mapping[str, Scale]) -> list[QualityLine]:
    """Scores that fall where the words get better: a sign that the low end of the scale is the best answer. Nothing is turned round."""
    found = []
    for name in scales:
        both = frame[frame[name].notna() & frame["text"].notna()]
        if len(both) < FEWEST_TO_COMPARE or both[name].nunique() < 2:
            continue
        some = both.sort_values("feedback_id").iloc[:: max(len(both) // ASKED_ABOUT, 1)]
        together = _rank_correlation(some[name], _words_score(some["text"]))
        if together <= REVERSED_BELOW:
            best = scales[name].high if scales[name].low_is_best else scales[name].low
            words = (
                f"scores fall as the words get better (Spearman {together:.2f}, n = {len(some):,}). If {best} was the best answer, say so: "
                f"columns={{'{name}': ('its column', '{best} is best')}}"
            )
            found.append(QualityLine(f"{name}: scale may be reversed", len(both), words))
    return found


def _words_score(texts: pd.Series) -> pd.Series:
    return pd.Series([polarity(text[:1_000])["compound"] for text in texts], index=texts.index)


def _rank_correlation(one: pd.Series, other: pd.Series) -> float:
    first, second = one.rank(), other.rank()
    return float(first.corr(second)) if first.std() > 0 and second.std() > 0 else 0.0
