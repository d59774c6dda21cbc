"""In whose words a sentence is told: the units and the currency of the log that it is of, also where a process has read several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from cjlib.show.numbers import Currency, currency_in_use, use_currency
from cjlib.show.units import CUSTOMERS, Unit, unit_in_use, use_unit


@dataclass(frozen=True)
class Wording:
    """What a log counts, and what its money is in."""

    unit: Unit = CUSTOMERS
    currency: Currency | None = None


def wording_in_use() -> Wording:
    """That of the log or result in hand; outside of any, that of what was read last."""
    return Wording(unit_in_use(), currency_in_use())


@contextmanager
def told_in(wording: Wording) -> Iterator[None]:
    """Sentences are told in these words, until the end of the block."""
    before = wording_in_use()
    _use(wording)
    try:
        yield
    finally:
        _use(before)


def _use(wording: Wording) -> None:
    use_unit(wording.unit)
    use_currency(wording.currency)


def in_the_words_of_what_is_given(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, speaking of the first log, feedback or result among its arguments in the words of that."""

    @wraps(function)
    def told(*given: Any, **options: Any) -> Any:
        for one in (*given, *options.values()):
            wording = getattr(one, "wording", None)
            if isinstance(wording, Wording):
                with told_in(wording):
                    return function(*given, **options)
        return function(*given, **options)

    return told
