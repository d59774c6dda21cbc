"""What customers are worth: forecast from purchases, recorded in a table, and by segment."""

from __future__ import annotations

import math

from cjlib.show.numbers import money

NO_MONEY = "The journey file does not say what money is, so customers have no value here. Add value: {event: …, amount: …}."


def confidence_in_money(low: float, high: float, before: str = "", after: str = "") -> str:
    """The interval of an amount and what stands around it; "" where it has none."""
    if math.isnan(low):
        return ""
    return f"{before}95% CI {money(low, 2)} to {money(high, 2)}{after}"
