"""What a change is worth, and what to do: its effect on money, for a thousand customers and for a year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.experiment.estimates import QUANTILE
from cjlib.analyses.experiment.summary import BOUNDS, CONFIDENCE
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.show.numbers import money, percent

SURE = 0.95
"""From this probability on that a change is worth its cost (or is not) nothing more needs to be seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth(Result):
    """The answer of `Experiment.worth`."""


@dataclass(frozen=True)
class Ground:
    """What an action rests on beside money: the verdict of each arm, the stop rule, and when the planned customers will have been followed."""

    verdict: Mapping[str, str]
    stop: str
    planned: bool
    open_until: pd.Timestamp | None


def worth(
    rows: pd.DataFrame, measure: str, customers_per_year: float, cost: float, ground: Ground
) -> Worth:
    """A year of the change, arm by arm: `rows` are those of a sum of money."""
    if not customers_per_year > 0:
        raise CjlibError(f"customers_per_year: must be above 0. Got {shown(customers_per_year)}.")
    table = pd.DataFrame(
        [_of_arm(row, customers_per_year, cost, ground) for row in rows.to_dict("records")]
    )
    first = table.iloc[0]
    return Worth(
        table=table,
        headline=" ".join(_sentence(row, measure, ground) for row in table.to_dict("records")),
        definition={
            "gain": f"the difference in {measure} a customer within the window, with its {CONFIDENCE[ground.stop]}",
            "a year": f"{customers_per_year:,.0f} customers meet the change; the effect stays what it was in the experiment; money after the window is not counted",
            "cost": f"{money(cost)} a year, as given",
            "probability": "that a year’s gain is larger than its cost: normal, no opinion beforehand. Choosing the best of several arms or looks makes it too high",
            "action": f"ship: better, and worth its cost with a probability of {SURE:.0%}, or of more than half once the planned customers have been followed; stop: worse, not worth its cost with {SURE:.0%}, or no difference shown by the planned customers; else go on",
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


def _of_arm(
    row: Mapping[Any, Any], customers_per_year: float, cost: float, ground: Ground
) -> dict[str, Any]:
    error = (row["difference_high"] - row["difference_low"]) / (2 * QUANTILE)
    low, high = BOUNDS[ground.stop]
    bounds = {"": "difference", "_low": low, "_high": high}
    gains = {
        f"gain_{name}{bound}": row[column] * scale
        for name, scale in (("per_1000", 1_000), ("per_year", customers_per_year))
        for bound, column in bounds.items()
    }
    gain = row["difference"] * customers_per_year
    probability = float(ndtr((gain - cost) / (error * customers_per_year))) if error > 0 else float(gain > cost)  # fmt: skip
    return {
        "variant": row["variant"],
        "customers": row["customers"],
        **gains,
        "cost": cost,
        "probability_worth_it": probability,
        "action": _action(ground.verdict[row["variant"]], probability, ground),
    }


def _action(verdict: str, probability: float, ground: Ground) -> str:
    """Ship, stop, or go on until the planned customers have been followed."""
    if verdict == "worse" or (verdict != "too early" and probability <= 1 - SURE):
        return "stop"
    if verdict == "better" and probability >= SURE:
        return "ship"
    if ground.open_until is not None:
        return f"go on until {ground.open_until:%Y-%m-%d}"
    if verdict == "better":
        return "ship" if probability >= 0.5 else "stop"
    return "stop" if ground.planned and verdict == "no difference shown" else "go on"


def _sentence(row: Mapping[Any, Any], measure: str, ground: Ground) -> str:
    action = row["action"]
    what = f"{action[0].upper()}{action[1:]}" if action in ("ship", "stop") else f"Go on with “{row['variant']}”{action.removeprefix('go on')}"  # fmt: skip
    named = f"{what} “{row['variant']}”" if action in ("ship", "stop") else what
    cost = f"its cost of {money(row['cost'])}" if row["cost"] else "nothing"
    return (
        f"{named}: it changes {measure} by {money(row['gain_per_1000'])} per 1,000 customers and {money(row['gain_per_year'])} a year "
        f"({CONFIDENCE[ground.stop]} {money(row['gain_per_year_low'])} to {money(row['gain_per_year_high'])}), "
        f"and gains more than {cost} with a probability of {percent(row['probability_worth_it'], 0)}."
    )
