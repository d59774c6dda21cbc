"""How a number is written, wherever a reader meets it: cards, tables, captions, the index, the command line.

Percent without a space, a true minus, durations as `1 d 5 h`, no scientific notation. A share that is not 100% never prints as 100%, one that is
not 0 never as 0. Plain text: escaping is the business of whoever shows it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DAY, HOUR = 86_400, 3_600
DASH = "–"
"""What stands where a number is missing."""
_JOINS = {"\u200d", "\ufe0e", "\ufe0f"}


def missing(value: Any) -> bool:
    """Whether there is no number: None, NaN, NaT or pandas' NA."""
    if value is None or isinstance(value, (float, int, str)):
        return value is None or value != value  # noqa: PLR0124 — only NaN differs from itself
    import pandas as pd  # here, so that what renders reports does not wait for it

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def plain(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and all digits before the point: `1,204`, `12.5`, `−0.031`."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() or round(abs(value), 6) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    places = max(0, digits - 1 - _exponent(value, digits))
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def _exponent(value: float, digits: int) -> int:
    """The power of ten of a number rounded to so many digits: 999.9 with three digits is 1,000, so 3."""
    return int(f"{abs(value):.{digits - 1}e}".split("e")[1])


def number(value: float | None) -> str:
    """`1,204`, `12.5`, `–` for missing."""
    return DASH if value is None or missing(value) else plain(value)


@dataclass(frozen=True)
class Currency:
    """How an amount of money is written: a symbol before it (`€`, `EUR`), and at most so many decimals."""

    symbol: str
    decimals: int = 2


_in_use: dict[str, Currency] = {}
NO_AMOUNT = 1e-9
"""Amounts below this are the rounding of a sum."""


def use_currency(currency: Currency | None) -> None:
    """From here on write money in this currency, as a locale would; None: as plain numbers."""
    _in_use.clear()
    if currency is not None:
        _in_use["currency"] = currency


def currency_in_use() -> Currency | None:
    """The currency in which money is written now; None: plain numbers."""
    return _in_use.get("currency")


def money(value: float | None, places: int = 0) -> str:
    """An amount with so many decimals, in the currency in use: `€1,945`, `EUR 297.01`, `−€4`; without one `1,945`. An amount that would round to 0 has two significant digits: `0.0031`."""
    if value is None or missing(value):
        return DASH
    currency = _in_use.get("currency")
    shown = places if currency is None else min(places, currency.decimals)
    rounded = round(float(value), shown)
    sign = "−" if rounded < 0 or (not rounded and value < -NO_AMOUNT) else ""
    # What is worth a part of the smallest amount is not worth nothing.
    figures = (
        f"{abs(rounded):,.{shown}f}"
        if rounded or abs(value) < NO_AMOUNT
        else plain(abs(float(value)), 2)
    )
    if currency is None:
        return f"{sign}{figures}"
    space = "\u00a0" if currency.symbol[-1:].isalpha() else ""
    return f"{sign}{currency.symbol}{space}{figures}"


def currency_sign() -> str:
    """The currency in use as an axis names it: `€`, `EUR`; nothing without one."""
    currency = _in_use.get("currency")
    return "" if currency is None else currency.symbol


def amount(value: float | None) -> str:
    """Money as it stands on a card: with decimals below 1,000, without from there on; without a currency a plain number."""
    if value is None or missing(value) or _in_use.get("currency") is None:
        return number(value)
    return money(value, 2 if abs(value) < 1000 else 0)


def percent(share: float | None, places: int = 1) -> str:
    """A share as `42.7%`; one that would round to nothing or to all without being it is `<0.1%` or `>99.9%`."""
    if share is None or missing(share):
        return DASH
    smallest = 10.0**-places
    text = f"{100 * share:.{places}f}"
    if share > 0 and float(text) == 0:
        return f"<{smallest:.{places}f}%"
    if share < 1 and float(text) == 100:
        return f">{100 - smallest:.{places}f}%"
    return f"{text}%".replace("-", "−")


def places_apart(*values: float, least: int = 1) -> int:
    """The fewest decimals, `least` or up to two more, with which different numbers are written differently: that it rose “from 0.1% to 0.1%” says nothing."""
    some = set(values)
    enough = (n for n in (least, least + 1) if len({round(v, n) for v in some}) == len(some))
    return next(enough, least + 2) if len(some) > 1 else least


def percents(*shares: float) -> list[str]:
    """Shares that are told beside one another, with as many places as tell them apart: `0.11%` and `0.14%`."""
    places = places_apart(*(100 * share for share in shares if not missing(share)))
    return [percent(share, places) for share in shares]


def about(share: float | None) -> str:
    """A share in whole percents as `43%`; `<1%` or `>99%` for what only rounds to nothing or to all."""
    return percent(share, places=0)


def interval(low: float | None, high: float | None) -> str:
    """The bounds of a share as `41.0–44.4%`, with more places where one would show no width: `0.25–0.33%`; of a change below 0 as `−2.5% to 4.1%`."""
    if low is None or high is None or missing(low) or missing(high):
        return DASH
    places = _places_of_width(high - low)
    if low < 0:
        return f"{percent(low, places)} to {percent(high, places)}"
    return f"{100 * low:.{places}f}–{100 * high:.{places}f}%"


def _places_of_width(width: float) -> int:
    """So many decimals of a percentage show that an interval is not of no width."""
    return min(3, max(1, -math.floor(math.log10(100 * width)))) if width > 0 else 1


def percent_within(share: float, low: float | None, high: float | None) -> str:
    """A share that is told with its bounds, with as many places as they have where it would else be written outside of them: `0.13%` of `0.12–0.14%`, not `0.1%`."""
    if low is None or high is None or missing(low) or missing(high):
        return percent(share)
    inside = 100 * low <= round(100 * share, 1) <= 100 * high
    return percent(share, 1 if inside else _places_of_width(high - low))


def confidence(low: float | None, high: float | None) -> str:
    """The bounds of a share in words, `95% CI 41.0–44.4%`; nothing where there are none."""
    return "" if interval(low, high) == DASH else f"95% CI {interval(low, high)}"


def p_value(p: float | None) -> str:
    """A p-value as `0.031`; `<0.001` below that."""
    if p is None or missing(p):
        return DASH
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def capitalised(text: str) -> str:
    """A text as a sentence begins: its first letter large, the others as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def points(difference: float | None, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of shares in percentage points, with its sign: `+3.2 points`, `−0.8 points`; with its bounds as many places as these have: `+0.04 points`."""
    if difference is None or missing(difference):
        return DASH
    return f"{_signed(difference, _places_of_bounds(low, high))} points"


def points_interval(low: float | None, high: float | None) -> str:
    """The bounds of a difference of shares: `+3.0 to +5.9 points`; small ones that would seem to hold 0 have more places: `+0.02 to +0.06 points`."""
    if low is None or high is None or missing(low) or missing(high):
        return DASH
    places = _places_of_bounds(low, high)
    return f"{_signed(low, places)} to {_signed(high, places)} points"


def _places_of_bounds(low: float, high: float) -> int:
    """So many decimals that bounds on one side of 0, less than a point from it, are not written as 0, nor as one another."""
    small = low * high > 0 and max(abs(low), abs(high)) < 0.01
    return places_apart(100 * low, 100 * high, 0.0) if small else 1


def _signed(difference: float, places: int) -> str:
    told = signed(100 * difference, places)
    return f"±{told}" if told[0] == "0" and not float(told) else told


def signed(value: float | None, places: int = 0) -> str:
    """A number whose sign matters: `+15`, `−41`, `0`."""
    if value is None or missing(value):
        return DASH
    rounded = round(value, places)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):,.{places}f}"


WIDE = 1.0
"""An interval of a relative change that is wider than this holds both a half less and a half more: it says nothing."""


def change(share: float | None, places: int = 1) -> str:
    """A change as a share of what it was, with its sign: `+14.8%`, `−3.0%`."""
    return DASH if share is None or missing(share) else f"{signed(100 * share, places)}%"


def too_wide(low: float | None, high: float | None) -> bool:
    """Whether the bounds of a relative change leave open what it is."""
    return low is not None and high is not None and not high - low <= WIDE


def change_interval(low: float | None, high: float | None) -> str:
    """The bounds of a relative change, none below a loss of all: `−23.5% to +53.1%`; of one that says nothing in whole percents."""
    if low is None or high is None or missing(low) or missing(high):
        return DASH
    places = 0 if too_wide(low, high) else 1
    return f"{change(max(low, -1.0), places)} to {change(high, places)}"


def duration(seconds: float | None) -> str:
    """Whole units elapsed, the largest and the next smaller one: `1 d 5 h`, `12 min 30 s`, `4.2 s`; from 100 days on in days alone."""
    if seconds is None or missing(seconds) or math.isinf(seconds):
        return DASH
    sign = "−" if seconds < 0 else ""
    left = abs(seconds)
    if left < 59.95:
        return f"{sign}{plain(left)} s"
    if left >= 100 * DAY:
        return f"{sign}{left / DAY:,.0f} d"
    left = round(left)
    parts = []
    for unit, size in (("d", DAY), ("h", HOUR), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count:,} {unit}"] if count else []
        if len(parts) == 2 or (parts and not count):
            break
    return sign + " ".join(parts)


def timespan(microseconds: int) -> str:
    """A length of time that somebody set, in words: `14 days`, `30 minutes`, `1 day 12 hours`."""
    seconds, parts = microseconds / 1_000_000, []
    for unit, size in (("day", DAY), ("hour", HOUR), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        parts += [count_of(count, unit)] if count else []
    parts += (
        [f"{plain(seconds)} second{'s' if seconds != 1 else ''}"] if seconds or not parts else []
    )
    return " ".join(parts[:2])


def count_of(count: float | None, one: str, many: str | None = None) -> str:
    """`1 customer`, `1,204 customers`; a missing count is none."""
    return f"{count or 0:,.0f} {one if count == 1 else many or one + 's'}"


def ranks(low: int, high: int) -> str:
    """`rank 2–4`; `rank 1` where both bounds are the same."""
    return f"rank {low}" if low == high else f"rank {low}–{high}"


def short(text: object, most: int = 28) -> str:
    """The text in at most so many characters, cut with `…`; never between a letter and its accent or within a joined emoji."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    end = most - 1
    while end > 1 and (_extends(whole[end]) or whole[end - 1] == "\u200d"):
        end -= 1
    return whole[:end].rstrip() + "…"


def _extends(character: str) -> bool:
    return (
        character in _JOINS
        or unicodedata.combining(character) > 0
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def joined(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    every = list(parts)
    return (
        every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}" if every else ""
    )
