"""What a change is worth: its effect on money, for a thousand customers and for a year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.stats import Z95
from cjlib.show.numbers import amount, percent


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth(Result):
    """The answer of `Experiment.worth`."""


def worth(rows: pd.DataFrame, measure: str, customers_per_year: float, cost: float) -> Worth:
    """A year of the change, arm by arm: `rows` are those of a sum of money."""
    if not customers_per_year > 0:
        raise CjlibError(f"customers_per_year: must be above 0. Got {shown(customers_per_year)}.")
    table = pd.DataFrame(
        [_of_arm(row, customers_per_year, cost) for row in rows.to_dict("records")]
    )
    first = table.iloc[0]
    return Worth(
        table=table,
        headline=_headline(first.to_dict(), measure, cost),
        definition={
            "gain": f"the difference in {measure} a customer within the window, with its 95% CI for one planned look",
            "a year": f"{customers_per_year:,.0f} customers meet the change; the effect stays what it was in the experiment; money after the window is not counted",
            "cost": f"{amount(cost)} a year, as given",
            "probability": "that a year’s gain is larger than its cost: normal, no opinion beforehand. Choosing the best of several arms or looks makes it too high",
        },
        metrics={
            "gain_per_year": metric(
                first["gain_per_year"],
                first["gain_per_year_low"],
                first["gain_per_year_high"],
                int(first["customers"]),
                label=f"Gain a year: {first['variant']}",
                unit="money",
                better="higher",
            )
        },
    )


def _of_arm(row: Mapping[Any, Any], customers_per_year: float, cost: float) -> dict[str, Any]:
    error = (row["difference_high"] - row["difference_low"]) / (2 * Z95)
    gains = {
        f"gain_{name}{bound}": row[f"difference{bound}"] * scale
        for name, scale in (("per_1000", 1_000), ("per_year", customers_per_year))
        for bound in ("", "_low", "_high")
    }
    gain = row["difference"] * customers_per_year
    return {
        "variant": row["variant"],
        "customers": row["customers"],
        **gains,
        "cost": cost,
        "probability_worth_it": float(ndtr((gain - cost) / (error * customers_per_year))),
    }


def _headline(row: Mapping[Any, Any], measure: str, cost: float) -> str:
    against = f" its cost of {amount(cost)}" if cost else " nothing"
    return (
        f"“{row['variant']}” changes {measure} by {amount(row['gain_per_1000'])} per 1,000 customers "
        f"(95% CI {amount(row['gain_per_1000_low'])} to {amount(row['gain_per_1000_high'])}), "
        f"{amount(row['gain_per_year'])} a year ({amount(row['gain_per_year_low'])} to {amount(row['gain_per_year_high'])}). "
        f"The probability that it gains more than{against} is {percent(row['probability_worth_it'], 0)}."
    )
