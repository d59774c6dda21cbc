"""A cell of the map's picture, and the words that cells are made of: escaped, each with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers

Record = dict[Any, Any]


@dataclass(frozen=True)
class Cell:
    """What stands in one stage of one lane: HTML of ours, what kind of cell, and whether it rests on too few."""

    html: str
    kind: str = "plain"
    thin: bool = False


def small(text: str) -> str:
    """Words that recede."""
    return f'<span class="cj-n">{escape(text)}</span>'


def big(text: str) -> str:
    """The number of a cell."""
    return f'<span class="cj-big">{escape(text)}</span>'


def said(*lines: str) -> str:
    """Lines of HTML one below the other; empty ones are left out."""
    return "".join(f'<span class="cj-line">{line}</span>' for line in lines if line)


def rests_on(n: int) -> str:
    """What a cell rests on: its n, and in words where that is too few."""
    return small(f"n {n:,}" if n >= MIN_N else f"n {n:,} · thin, too few to read")


def unknown() -> Cell:
    """The cell of what was not measured."""
    return Cell(small("not measured"), thin=True)


def count(value: Any) -> int | None:
    """A count, or None where there is none."""
    return None if numbers.missing(value) else int(value)
