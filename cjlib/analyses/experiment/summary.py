"""An experiment in words: the verdict first, what it rests on, and what decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cjlib.analyses.experiment.assignment import Assignment
from cjlib.analyses.experiment.measures import Measure
from cjlib.shared.comparison import Family, FollowUp
from cjlib.show.numbers import count_of, number, percent, points, points_interval, timespan


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
    follow_up: FollowUp,
    planned: int | None,
    stop: str,
) -> str:
    """The verdict of each arm in a sentence."""
    if "not readable" in verdict.values():
        sizes = ", ".join(
            f"{row['exposed']:,} in {row['variant']} ({row['expected']:,.0f} planned)"
            for row in arms.to_dict("records")
        )
        return f"No verdict: the arms are not of the planned sizes: {sizes} (p < .001). Find out what lost the customers first."
    sentences = [_arm_sentence(name, word, table, planned, stop) for name, word in verdict.items()]
    if follow_up.left_out:
        sentences.append(
            f"{count_of(follow_up.left_out, 'customer')} not yet followed for {timespan(follow_up.horizon)} left out."
        )
    return " ".join(sentences)


def _arm_sentence(name: str, word: str, table: pd.DataFrame, planned: int | None, stop: str) -> str:
    rows = table[(table["variant"] == name) & (table["role"] == "decision")].to_dict("records")
    if word == "too early":
        followed = min(int(rows[0]["customers"]), int(rows[0]["control_customers"]))
        wanted = f" of {planned:,} planned" if planned else ""
        return f"Too early to judge “{name}”: {followed:,}{wanted} customers of the smaller arm have been followed."
    if word == "no difference shown":
        return f"“{name}” shows no difference from control: {_measured(rows[0])}."
    guarded = table[(table["variant"] == name) & (table["verdict"] == word)]
    return claim(guarded.iloc[0].to_dict())


def claim(row: Mapping[Any, Any]) -> str:
    """One measure of one arm as a sentence."""
    return f"“{row['variant']}” is {row['verdict']} than control: {_measured(row)}."


def _measured(row: Mapping[Any, Any]) -> str:
    if row["kind"] == "share":
        difference = points(row["difference"])
        bounds = points_interval(row["always_low"], row["always_high"])
        values = f"{percent(row['value'])} against {percent(row['control_value'])}"
    else:
        difference = number(row["difference"])
        bounds = f"{number(row['always_low'])} to {number(row['always_high'])}"
        values = f"{number(row['value'])} against {number(row['control_value'])}"
    return f"{row['measure']} {values} ({difference}, 95% CI at every look {bounds}, n = {row['customers']:,} and {row['control_customers']:,})"


def definition(
    everyone: Assignment,
    measures: Sequence[Measure],
    families: Sequence[Family],
    *,
    stop: str,
    planned: int | None,
    cuped: bool,
) -> dict[str, str]:
    """What decided the numbers."""
    rule = (
        "may be looked at every day: a verdict where the interval that holds at every look leaves out 0"
        if stop == "always_valid"
        else f"one look, once {planned:,} customers of each arm have been followed"
    )
    return {
        "arms": f"by the first exposure; control {everyone.arms[0]}; left out: {count_of(everyone.in_several, 'customer')} seen in several arms, "
        f"{everyone.without_variant:,} without a variant",
        **{f"measure {measure.name}": measure.words for measure in measures},
        "stop rule": rule,
        "adjusted by the time before": "means and ratios (CUPED)" if cuped else "no",
        **{one.name: one.words for one in families},
        "sample ratio": "chi-squared over all exposed customers; below p = .001 nothing is read",
    }
