"""An experiment in words: the verdict first, what it rests on, and what decided it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import ndtr

from cjlib.analyses.experiment.assignment import Assignment
from cjlib.analyses.experiment.estimates import QUANTILE, TUNED_AT, Rules
from cjlib.analyses.experiment.measures import Measure
from cjlib.analyses.result import Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.comparison import Family
from cjlib.show.numbers import (
    count_of,
    joined,
    money,
    number,
    percent,
    points,
    points_interval,
    timespan,
)

BOUNDS = {
    "always_valid": ("always_low", "always_high"),
    "fixed": ("difference_low", "difference_high"),
}
"""The interval that the stop rule goes by."""
RELATIVE_BOUNDS = {
    "always_valid": ("relative_always_low", "relative_always_high"),
    "fixed": ("relative_low", "relative_high"),
}
NO_SPREAD = "no CI, since within an arm nobody differs"
CONFIDENCE = {"always_valid": "95% CI at every look", "fixed": "95% CI"}


def points_scale(row: Mapping[Any, Any]) -> float | None:
    """What turns a difference into points, for shares and scores; None for all else."""
    return {"share": 100.0, "funnel": 100.0, "score": 1.0}.get(row["kind"])


def overall(rows: Sequence[Mapping[Any, Any]]) -> str:
    """One word for an arm: worse where a decision or guardrail is worse, better where a decision is better and nothing is worse."""
    verdicts = {row["verdict"] for row in rows}
    if "not readable" in verdicts:
        return "not readable"
    decisions = [row["verdict"] for row in rows if row["role"] == "decision"]
    guarded = [row["verdict"] for row in rows if row["role"] != "exploratory"]
    if "worse" in guarded:
        return "worse"
    if "better" in decisions:
        return "better"
    return "too early" if "too early" in decisions else "no difference shown"


def headline(
    table: pd.DataFrame,
    arms: pd.DataFrame,
    verdict: Mapping[str, str],
    rules: Rules,
    checked: pd.DataFrame,
    deviations: pd.DataFrame,
) -> str:
    """The verdict of each arm in a sentence, then what limits it."""
    if "not readable" in verdict.values():
        sizes = ", ".join(
            f"{row['exposed']:,} in {row['variant']} ({row['expected']:,.0f} planned)"
            for row in arms.to_dict("records")
        )
        return f"No verdict: the arms are not of the planned sizes: {sizes} (p < .001). Find out what lost the customers first."
    sentences = [_arm_sentence(name, word, table, rules) for name, word in verdict.items()]
    sentences += cautions(checked)
    if len(deviations):
        what = joined(deviations["what"].unique())
        sentences.append(f"Not as planned: {what}.")
    left_out = rules.follow_up.left_out
    if left_out:
        sentences.append(
            f"{count_of(left_out, 'customer')} not yet followed for {timespan(rules.follow_up.horizon)} left out."
        )
    return " ".join(sentences)


def cautions(checked: pd.DataFrame) -> list[str]:
    """The first warning as a sentence, and how many others there are; nothing without any."""
    warned = checked.loc[checked["warning"], "words"].tolist()
    return [f"Caution: {warned[0]}{_more(len(warned), 'warning')}."] if warned else []


def _more(count: int, one: str) -> str:
    return f" (and {count_of(count - 1, 'other ' + one)})" if count > 1 else ""


def _arm_sentence(name: str, word: str, table: pd.DataFrame, rules: Rules) -> str:
    rows = table[(table["variant"] == name) & (table["role"] == "decision")].to_dict("records")
    if not rows:
        return f"No verdict on “{name}”: no decision measure was planned."
    if word == "too early":
        followed = min(int(rows[0]["customers"]), int(rows[0]["control_customers"]))
        wanted = f"{followed:,} of {rules.planned:,} planned customers" if rules.planned else count_of(followed, "customer")  # fmt: skip
        have = "has" if followed == 1 and not rules.planned else "have"
        return f"Too early to judge “{name}”: {wanted} of the smaller arm {have} been followed."
    if word == "no difference shown":
        return f"No difference of “{name}” from control is shown: {_measured(dict(rows[0]), rules.stop)}."
    guarded = table[(table["variant"] == name) & (table["verdict"] == word)]
    guarded = guarded[guarded["role"] != "exploratory"]
    return claim(guarded.iloc[0].to_dict(), rules.stop)


def claim(row: Mapping[Any, Any], stop: str) -> str:
    """One measure of one arm as a sentence."""
    return f"“{row['variant']}” is {row['verdict']} than control: {_measured(row, stop)}."


def _measured(row: Mapping[Any, Any], stop: str) -> str:
    low, high = (row[name] for name in BOUNDS[stop])
    if points_scale(row) == 100:
        difference, bounds = points(row["difference"]), points_interval(low, high)
        values = f"{percent(row['value'])} against {percent(row['control_value'])}"
    else:
        difference = number(row["difference"])
        bounds = f"{number(low)} to {number(high)}"
        values = f"{number(row['value'])} against {number(row['control_value'])}"
    within = NO_SPREAD if math.isnan(low) else f"{CONFIDENCE[stop]} {bounds}"
    return f"{row['measure']} {values} ({difference}, {within}, n = {row['customers']:,} and {row['control_customers']:,})"


def definition(
    everyone: Assignment,
    measures: Sequence[Measure],
    families: Sequence[Family],
    rules: Rules,
    checked: pd.DataFrame,
) -> dict[str, str]:
    """What decided the numbers."""
    planned = rules.planned
    rule = (
        f"may be looked at every day: a verdict where the interval that holds at every look leaves out 0; tightest at {planned or TUNED_AT:,} customers an arm"
        if rules.stop == "always_valid"
        else f"one look, once {planned:,} customers of each arm have been followed; who was exposed later is left out, so that looking again shows the same"
        if planned
        else "one look, but the plan names no number of customers"
    )
    return {
        "arms": f"by the first exposure; control {everyone.arms[0]}; left out: {count_of(everyone.in_several, 'customer')} seen in several arms, "
        f"{everyone.without_variant:,} without a variant",
        **{f"measure {measure.name}": measure.words for measure in measures},
        "stop rule": rule,
        "adjusted by the time before": "means and ratios (CUPED)" if rules.cuped else "no",
        **{family.name: family.words for family in families},
        "sample ratio": "chi-squared over all exposed customers; below p = .001 nothing is read",
        "warnings": "; ".join(checked.loc[checked["warning"], "words"])
        or f"none of {count_of(len(checked), 'check')}",
    }


SURE = 0.95
"""From this probability on that a change is worth its cost (or is not) nothing more needs to be seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth(Result):
    """The answer of `Experiment.worth`."""


@dataclass(frozen=True)
class Ground:
    """What an action rests on beside money: the verdict of each arm, the stop rule, when the planned customers will have been followed, and what may be wrong."""

    verdict: Mapping[str, str]
    stop: str
    planned: bool
    open_until: pd.Timestamp | None
    cautions: Sequence[str] = ()


CHECK = "look into the warning"


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
        headline=" ".join(
            [
                *(_sentence(row, measure, ground) for row in table.to_dict("records")),
                *ground.cautions,
            ]
        ),
        definition={
            "gain": f"the difference in {measure} a customer within the window, with its {CONFIDENCE[ground.stop]}",
            "a year": f"{customers_per_year:,.0f} customers meet the change; the effect stays what it was in the experiment; money after the window is not counted",
            "cost": f"{money(cost)} a year, as given",
            "probability": "that a year’s gain is larger than its cost: normal, no opinion beforehand. Choosing the best of several arms or looks makes it too high",
            "action": f"ship: better, and worth its cost with a probability of {SURE:.0%}, or of more than half once the planned customers have been followed; {CHECK}: it would be ship, but a check of the experiment warns; stop: worse, not worth its cost with {SURE:.0%}, or no difference shown by the planned customers; else go on",
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
    probability = float(ndtr((gain - cost) / (error * customers_per_year))) if error > 0 else math.nan  # fmt: skip
    return {
        "variant": row["variant"],
        "customers": row["customers"],
        **gains,
        "cost": cost,
        "probability_worth_it": probability,
        "action": _action(ground.verdict[row["variant"]], probability, ground),
    }


def _action(verdict: str, probability: float, ground: Ground) -> str:
    """Ship, stop, or go on until the planned customers have been followed; nothing is shipped while a check warns."""
    if verdict == "worse" or (verdict != "too early" and probability <= 1 - SURE):
        return "stop"
    ship = CHECK if ground.cautions else "ship"
    if verdict == "better" and probability >= SURE:
        return ship
    if ground.open_until is not None:
        return f"go on until {ground.open_until:%Y-%m-%d}"
    if verdict == "better":
        return ship if probability >= 0.5 else "stop"
    return "stop" if ground.planned and verdict == "no difference shown" else "go on"


def _sentence(row: Mapping[Any, Any], measure: str, ground: Ground) -> str:
    action = row["action"]
    if action == CHECK:
        action = "look into the warning before shipping"
    what = f"{action[0].upper()}{action[1:]}" if not action.startswith("go on") else f"Go on with “{row['variant']}”{action.removeprefix('go on')}"  # fmt: skip
    named = what if action.startswith("go on") else f"{what} “{row['variant']}”"
    cost = f"its cost of {money(row['cost'])}" if row["cost"] else "nothing"
    gain = f"{money(row['gain_per_1000'])} per 1,000 customers and {money(row['gain_per_year'])} a year"
    if math.isnan(row["gain_per_year_low"]):
        return f"{named}. A change of {measure} is not shown: {gain} ({NO_SPREAD})."
    interval = f"({CONFIDENCE[ground.stop]} {money(row['gain_per_year_low'])} to {money(row['gain_per_year_high'])})"
    more = f"more than {cost} with a probability of {percent(row['probability_worth_it'], 0)}"
    if row["gain_per_year_low"] <= 0 <= row["gain_per_year_high"]:
        return f"{named}. A change of {measure} is not shown: {gain} {interval}, {more}."
    return f"{named}: it changes {measure} by {gain} {interval}, and gains {more}."
