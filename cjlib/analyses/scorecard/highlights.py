"""What to know first: the few measures whose news weighs most, each a sentence with its number and where it is explained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cjlib.analyses.scorecard.summary import Reading, change_words, resting, said, words_of

COLUMNS = ["rank", "measure", "sentence", "reason", "notebook"]
FIRST = (
    "retention",
    "churn",
    "conversion_of_visitors",
    "conversion_of_leads",
    "nps",
    "csat",
    "value_per_active_customer",
    "active_customers",
    "tickets",
)
"""What is told where nothing is news."""


@dataclass(frozen=True)
class Story:
    """Why a measure is worth a sentence: the smaller `tier` first, then the larger `weight`."""

    measure: str
    reading: Reading
    tier: int
    weight: float
    reason: str


def important(
    readings: dict[str, Reading], weights: dict[str, float], before: str, most: int
) -> pd.DataFrame:
    """The most important measures, one of a kind.

    In this order: worse beyond what is ordinary; outside its ordinary variation, unless on the good side; a target missed for certain; on the good side of its
    ordinary variation; better beyond what is ordinary; one direction for six periods; then measures without news, targets first. Within a class the change largest against ordinary variation comes first (for targets: furthest off).
    """
    stories = sorted(
        (
            _story(measure, one, weights.get(measure, 0.0))
            for measure, one in readings.items()
            if one.enough
        ),
        key=lambda story: (story.tier, -story.weight, list(readings).index(story.measure)),
    )
    chosen = _one_of_a_kind(stories, most)
    rows = [
        (rank, one.measure, _sentence(one.reading, before), one.reason, one.reading.entry.notebook)
        for rank, one in enumerate(chosen, start=1)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"rank": "int64"} | dict.fromkeys(COLUMNS[1:], "str"))


def _one_of_a_kind(stories: Sequence[Story], most: int) -> list[Story]:
    kinds: dict[str, Story] = {}
    for story in stories:
        kinds.setdefault(story.reading.entry.kind, story)
    return list(kinds.values())[:most]


def _story(measure: str, one: Reading, weight: float) -> Story:
    rank = FIRST.index(measure) if measure in FIRST else len(FIRST)
    off = (
        abs(one.value - one.target) / max(abs(one.target), 1e-9)
        if one.target_met == "missed"
        else 0.0
    )
    tiers = [
        (one.moved in ("worse", "higher", "lower"), weight, f"{one.moved} beyond what is ordinary"),
        (one.off in ("worse", "higher", "lower"), weight, "outside its ordinary variation"),
        (one.target_met == "missed", off, "target missed"),
        (one.off == "better", weight, "better than its ordinary variation"),
        (one.moved == "better", weight, "better beyond what is ordinary"),
        (one.direction != 0, weight, "one direction"),
        (one.target_met is not None, -rank, "has a target"),
        (True, -rank, "no news"),
    ]
    tier = next(place for place, (holds, _, _) in enumerate(tiers) if holds)
    return Story(
        measure,
        one,
        tier,
        0.0 if math.isnan(tiers[tier][1]) else float(tiers[tier][1]),
        tiers[tier][2],
    )


def _sentence(one: Reading, before: str) -> str:
    """The measure with its number, what it rests on, and everything there is to say of it."""
    return f"{one.entry.label} in {one.period}: {said(one.value, one.entry.unit)} ({resting(one)}): {words_of(one, before)}."


def headline(readings: dict[str, Reading], before: str, lacking: int) -> str:
    """How many moved beyond what is ordinary, the one that did most, targets, and what is not measured."""
    judged = [
        one for one in readings.values() if one.enough and one.banded and not math.isnan(one.change)
    ]
    period = next(iter(readings.values())).period if readings else "this period"
    parts = [_moved(judged, before, period)]
    kept = [one.target_met for one in readings.values() if one.target_met]
    if kept:
        parts.append(
            f"{kept.count('reached')} of {len(kept)} targets reached, {kept.count('missed')} missed"
        )
    if lacking:
        parts.append(f"{lacking} measures are not measured")
    return f"{'; '.join(parts)}."


def _moved(judged: Sequence[Reading], before: str, period: str) -> str:
    moved = [one for one in judged if one.beyond_noise]
    if not judged:
        return f"{period[0].upper()}{period[1:]}: too few complete periods to tell a change from ordinary variation"
    if not moved:
        return f"In {period} none of {len(judged)} measures changed beyond what is ordinary from {before}"
    first = max(
        moved,
        key=lambda one: (one.moved == "worse", abs(one.change) / max(abs(one.previous), 1e-9)),
    )
    more = f"{len(moved)} of {len(judged)} measures changed beyond what is ordinary"
    return f"In {period} {more}: {first.entry.label} is {said(first.value, first.entry.unit)} ({resting(first)}), {change_words(first, before)}"
