"""Personal data taken out of a text before anyone is shown it: e-mail, phone, card, IBAN, street address. Names are not guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
LONGEST = 5_000
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_PHONE = re.compile(r"(?<![\w.,/#€$£-])(?:\+|00)?\(?\d(?:[\d()]|[ ./-](?=[\d(])){5,18}\d(?![\w/])")
_DATE = re.compile(
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})(?: \d{1,2}[:.]?\d{0,2})?"
)
_NOT_A_PHONE = re.compile(
    r"(?:order|ticket|case|ref(?:erence)?|invoice|booking|tracking|#|id|account|flight|code)\s*(?:number|no\.?|nr\.?|is|:|#)*\s*$",
    re.IGNORECASE,
)
_PRICE = re.compile(r"^\d{1,3}(?:[ .,]\d{3})+(?:[.,]\d{2})?$")
_STREET = re.compile(
    r"\b\d{1,5}[a-zA-Z]?,? (?:[A-Z][\w'’.-]*,? ){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Court|Ct|Place|Pl|Square|Sq|Boulevard|Blvd|Way|Terrace|Crescent)\b\.?"
    r"|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|str\.|weg|gasse|allee|platz) \d{1,4}[a-z]?\b"
)


def scrub(text: str) -> tuple[str, Counter[str]]:
    """The text with what identifies a person replaced by `[email]`, `[iban]`, `[card]`, `[phone]`, `[address]`, and how often each was."""
    removed: Counter[str] = Counter()
    cut = text[:LONGEST]
    for kind, pattern, is_one in _KINDS:
        cut = pattern.sub(_replacement(kind, is_one, removed), cut)
    return cut, removed


def removed_from(texts: Iterable[str]) -> Counter[str]:
    """What would be removed from all texts."""
    total: Counter[str] = Counter()
    for text in texts:
        total.update(scrub(text)[1])
    return total


def _replacement(
    kind: str, is_one: Callable[[re.Match[str]], bool], removed: Counter[str]
) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        if not is_one(match):
            return match.group()
        removed[kind] += 1
        return f"[{kind}]"

    return replace


def _always(_: re.Match[str]) -> bool:
    return True


def _passes_luhn(match: re.Match[str]) -> bool:
    digits = [int(digit) for digit in match.group() if digit.isdigit()]
    doubled = [
        digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4)
        for place, digit in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0


def _is_phone(match: re.Match[str]) -> bool:
    text, before = match.group(), match.string[max(match.start() - 25, 0) : match.start()]
    digits = sum(character.isdigit() for character in text)
    separated = any(not character.isdigit() for character in text) or text.startswith("0")
    return (
        7 <= digits <= 15
        and separated
        and not (_DATE.fullmatch(text) or _PRICE.match(text) or _NOT_A_PHONE.search(before))
    )


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    ("email", _EMAIL, _always),
    ("iban", _IBAN, _always),
    ("card", _CARD, _passes_luhn),
    ("address", _STREET, _always),
    ("phone", _PHONE, _is_phone),
)


REACH = 3
"""How many words before a sentiment word VADER looks at."""
KEPT = 10_000
"""Texts whose scores are kept."""


@cache
def lexicon() -> SentimentIntensityAnalyzer:
    """VADER with the same answers in a third of the time: around each sentiment word it reads its neighbours, not the whole text once more."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Vader

    class Near(Vader):
        @staticmethod
        def _negation_check(
            valence: float, words_and_emoticons: list[str], start_i: int, i: int
        ) -> float:
            first = max(i - REACH, 0)
            return Vader._negation_check(valence, words_and_emoticons[first:i], start_i, i - first)

        @staticmethod
        def _special_idioms_check(valence: float, words_and_emoticons: list[str], i: int) -> float:
            return Vader._special_idioms_check(
                valence, words_and_emoticons[i - REACH : i + REACH], REACH
            )

    return Near()


@lru_cache(maxsize=KEPT)
def polarity(text: str) -> Mapping[str, float]:
    """VADER's `neg`, `neu`, `pos` (shares of the text) and `compound` (−1…1)."""
    return lexicon().polarity_scores(text)
