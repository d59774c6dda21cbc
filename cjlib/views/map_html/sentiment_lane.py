"""The sentiment line inside the picture: where each stage's mark stands, and the sentence above the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from cjlib.analyses.journey_map.summary import (
    FEELINGS_UNKNOWN,
    FIRST_FROM,
    feelings_compared,
    significant_pains,
)
from cjlib.show import numbers
from cjlib.views.map_style import STEPS

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

NAMES = {
    "text": "sentiment of texts, {} to {}",
    "csat": "CSAT, mean of {} to {}",
    "nps": "answers to NPS, mean of {} to {}",
    "ces": "CES, mean of {} to {}",
}


def name_of(held: JourneyMap, measure: str) -> str:
    """A measure of the sentiment line with the ends of its scale."""
    return NAMES[measure].format(*(f"{end:g}".replace("-", "−") for end in held.scales[measure]))


def middle_of(held: JourneyMap, measure: str) -> float:
    """The middle of its scale."""
    return sum(held.scales[measure]) / 2


@dataclass(frozen=True)
class Mood:
    """One stage's mark: its numbers, and class names that place the line, the mark and its interval."""

    value: float
    low: float
    high: float
    n: int
    customers: int
    named: str
    classes: str


def rows_of_group(table: pd.DataFrame, held: JourneyMap, group: Any) -> pd.DataFrame:
    """The rows of one group; the table itself where there are none."""
    name = held.groups.name
    if name is None or not len(table):
        return table
    return (
        table[table[name].isna()]
        if numbers.missing(group)
        else table[table[name].astype("str") == str(group)]
    )


def moods(held: JourneyMap, group: Any) -> tuple[str | None, dict[str, Mood]]:
    """The lead measure and the mark of each stage that has answers."""
    line = rows_of_group(held.sentiment_line, held, group)
    line = (
        line[line["lead"] & line["touchpoint"].isna()].sort_values("position")
        if len(line)
        else line
    )
    if not len(line):
        return None, {}
    measure = str(line["measure"].iloc[0])
    (bottom, top), middle = held.scales[measure], middle_of(held, measure)
    reach = max(
        abs(line[["value", "value_low", "value_high"]].clip(bottom, top) - middle).max().max()
        * 1.15,
        0.1 * (top - bottom),
    )
    half = min(float(reach), top - middle)
    records = line.to_dict("records")
    steps = [_step(record["value"], middle, half) for record in records]
    found = {}
    for k, one in enumerate(records):
        before = steps[k - 1] if k and records[k - 1]["position"] == one["position"] - 1 else None
        after = (
            steps[k + 1]
            if k + 1 < len(records) and records[k + 1]["position"] == one["position"] + 1
            else None
        )
        places = {
            "m": steps[k],
            "l": steps[k] if before is None else (steps[k] + before) / 2,
            "r": steps[k] if after is None else (steps[k] + after) / 2,
        }
        places |= {
            "t": _step(_or(one["value_high"], one["value"]), middle, half),
            "b": _step(_or(one["value_low"], one["value"]), middle, half),
        }
        ends = (" cj-first" if before is None else "") + (" cj-last" if after is None else "")
        classes = " ".join(f"cj-{letter}{round(place)}" for letter, place in places.items()) + ends
        named = "" if numbers.missing(one["named"]) else str(one["named"])
        found[str(one["stage"])] = Mood(
            one["value"],
            one["value_low"],
            one["value_high"],
            int(one["n"]),
            int(one["customers"]),
            named,
            classes,
        )
    return measure, found


def _or(value: float, other: float) -> float:
    return other if numbers.missing(value) else value


def _step(value: float, middle: float, half: float) -> float:
    """The place of a value from the top of the lane (0) to its bottom."""
    return min(max(STEPS * (1 - (value - middle) / half) / 2, 0), STEPS)


POINTS = {"trough": "low point", "peak": "high point"}


def mood_caption(held: JourneyMap, group: Any = None) -> str:
    """The claim above the map, from the patterns and the pain points."""
    patterns = rows_of_group(held.patterns, held, group) if group is not None else held.patterns
    named = [
        f"{row['stage']} is a {POINTS[row['pattern']]}"
        for row in patterns.to_dict("records")
        if row["pattern"] in ("trough", "peak") and numbers.missing(row["to_stage"])
    ]
    runs = [
        f"{row['stage']} to {row['to_stage']} is a {POINTS[row['pattern']]}"
        for row in patterns.to_dict("records")
        if row["pattern"] in ("trough", "peak") and not numbers.missing(row["to_stage"])
    ]
    felt = numbers.joined(dict.fromkeys(named + runs))
    mood = (
        f"{felt}"
        if felt
        else "No stage stands out significantly in how customers feel"
        if feelings_compared(held.sentiment_line, held.groups.name)
        else FEELINGS_UNKNOWN
        if len(held.sentiment_line)
        else "Nobody was asked how they feel"
    )
    pains = held.pain_points
    first = significant_pains(pains, "stage")
    if not len(first):
        return f"{mood}."
    one = first.iloc[0]
    place = (
        "the biggest pain point"
        if one["share_first"] >= FIRST_FROM
        else "among the biggest pain points"
    )
    affected = f"{numbers.count_of(int(one['affected']), 'customer')} affected"
    if felt == f"{one['stage']} is a {POINTS['trough']}":
        return f"{one['stage']} is the low point and {place}: {affected}."
    return f"{mood}; {one['stage']} is {place}, with {affected}."
