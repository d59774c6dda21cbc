"""What is counted, in words: sentences are written of customers, and say accounts, tickets or orders where a log counts those.

Whatever a reader meets goes through one of three doors: `in_units` (a text), `html_in_units` (text between tags), `head_in_units` (a column's name).
Quotations and names from the data stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cjlib.errors import CjlibError, shown


@dataclass(frozen=True)
class Unit:
    """What a log counts, in words; `columns` may name it in other tables, `names` are texts of the data that hold the word customer and stay as they are."""

    one: str = "customer"
    many: str = "customers"
    columns: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    @property
    def is_customer(self) -> bool:
        """Whether nothing is to be said otherwise."""
        return self.one == "customer"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        named = "".join(
            f"|(?<!\\w){re.escape(name)}(?!\\w)"
            for name in sorted(self.names, key=lambda name: (-len(name), name))
        )
        return re.compile(
            rf"(?P<kept>“[^”]*”|`[^`]*`{named})|(?P<article>\b[Aa] )?(?<![\w./=])(?P<word>[Cc]ustomers?)(?![\w=(]|\.\w|: \{{|s? (?:table|file)\b)(?P<who> who\b)?"
        )

    def says(self, text: str) -> str:
        """A sentence of customers as one of these units: `a customer who` becomes `an account that`."""
        return text if self.is_customer else self._pattern.sub(self._instead, text)

    def _instead(self, found: re.Match[str]) -> str:
        if found["kept"]:
            return found["kept"]
        word = self.many if found["word"].endswith("s") else self.one
        word = word[0].upper() + word[1:] if found["word"][0] == "C" else word
        article = found["article"] or ""
        if article:
            article = f"{article[0]}n " if word[0].casefold() in "aeio" else article
        return f"{article}{word}{' that' if found['who'] else ''}"


CUSTOMERS = Unit()
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def unit_of(one: str, many: str | None, columns: tuple[str, ...]) -> Unit:
    """The unit of a name; its plural is made by rule where none is given."""
    if "customer" in one.casefold() and one != "customer":
        raise CjlibError(
            f"grain unit: must be a word of its own, such as account, since sentences swap it for the word customer. Got {shown(one)}."
        )
    return Unit(one, many or _plural(one), columns)


def _plural(one: str) -> str:
    if one.endswith("y") and one[-2:-1] not in "aeiou":
        return f"{one[:-1]}ies"
    return f"{one}es" if one.endswith(_SIBILANTS) else f"{one}s"


_in_use: list[Unit] = [CUSTOMERS]


def use_unit(unit: Unit) -> None:
    """From here on say what the log in hand counts."""
    _in_use[0] = unit


def unit_in_use() -> Unit:
    """What the log in hand counts; outside of any, what the log read last does."""
    return _in_use[0]


def in_units(text: str) -> str:
    """A sentence of customers, said of what the log in hand counts."""
    return _in_use[0].says(text)


def head_in_units(name: str) -> str:
    """The name of a column as a reader sees it: `new_customers` as `new_accounts`."""
    unit = _in_use[0]
    return (
        name
        if unit.is_customer
        else _HEAD.sub(lambda word: unit.many if word[0][-1] == "s" else unit.one, name)
    )


_HEAD = re.compile(r"(?<![a-z])customers?(?![a-z])(?!_id)")
_BETWEEN_TAGS = re.compile(r"(?:(?<=>)|^)[^<>]+(?=<|$)")
_NOT_READ = re.compile(
    r"(<(script|style|pre|code|blockquote|q|bdi)\b.*?</\2>|<(text)\b[^>]*italic.*?</\3>)", re.DOTALL
)
"""Code, and texts of the data, which stand isolated or as quotations."""


def html_in_units(html: str) -> str:
    """HTML whose texts, outside of code and quotations, are said of what the log in hand counts."""
    unit = _in_use[0]
    if unit.is_customer:
        return html
    read, at = [], 0
    for kept in _NOT_READ.finditer(html):
        read += [_words_in_units(html[at : kept.start()], unit), kept[0]]
        at = kept.end()
    return "".join([*read, _words_in_units(html[at:], unit)])


def _words_in_units(html: str, unit: Unit) -> str:
    return _BETWEEN_TAGS.sub(lambda text: unit.says(text[0]), html)


def names_to_keep(names: Iterable[str]) -> frozenset[str]:
    """Of names from the data those that hold the word."""
    return frozenset(name for name in names if "customer" in name.casefold())
