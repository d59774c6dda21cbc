"""What stands on a poster of a journey map: read from the map's tables, put in words, nothing counted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cjlib.analyses.journey_map import JourneyMap
from cjlib.analyses.journey_map.summary import nothing_stands_out
from cjlib.shared.comparison import MIN_N
from cjlib.show.numbers import about, count_of, missing, number, signed
from cjlib.sources.journey import Journey

MOST_TOUCHPOINTS = 3


@dataclass(frozen=True)
class Pill:
    """A touchpoint, and how many customers came there."""

    name: str
    customers: str
    pain: bool
    moment: bool


@dataclass(frozen=True)
class Feeling:
    """A point of the emotion curve, −1 (unhappy) to 1 (happy), with its interval."""

    value: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class PosterStage:
    """A stage, each part as it is written on the poster; "" where there is nothing to say."""

    name: str
    goal: str
    customers: int | None
    drop_off: str
    heavy_drop_off: bool
    scores: str
    feeling: Feeling | None
    pills: tuple[Pill, ...]
    more_touchpoints: int
    moment: str
    quote: str
    opportunity: str
    owner: str
    kpi: str
    pain: bool


@dataclass(frozen=True)
class PosterContent:
    """A poster before it is laid out.

    Attributes
    ----------
    title, subtitle, footer
        The finding; whom and when it is about; where what comes from.
    persona
        Lines about the persona or group: name and share, goals, thoughts; empty where the map is of everybody.
    """

    title: str
    subtitle: str
    footer: str
    persona: tuple[str, ...]
    stages: tuple[PosterStage, ...]


def poster_content(journey_map: JourneyMap, group: str | None = None) -> PosterContent:
    """Everything that a poster says of a map, or of one group of a map with `by=`."""
    name, key, label = _group(journey_map, group)
    table = _of_group(journey_map.table, name, key)
    points = _of_group(journey_map.touchpoints, name, key)
    line = _of_group(journey_map.sentiment_line, name, key)
    moments = _of_group(journey_map.moments, name, key)
    curve = _curve(line, journey_map.scales)
    stages = tuple(
        _stage(journey_map, row, points, moments, curve, whole=name is None)
        for row in records(table)
    )
    customers = label if name is not None else "All customers"
    measure = _measure(line)
    scale = "sentiment of texts (−1 to 1)" if measure == "text" else f"mean answer ({measure})"
    curve_words = f" · curve: {scale}, band: 95% CI" if curve else ""
    answers = table["n_feedback"].sum()
    return PosterContent(
        title=_title(journey_map, whole=name is None),
        subtitle=f"{customers} · {_number(journey_map, table, whole=name is None)}{_dates(journey_map)} · {count_of(answers, 'answer')}{curve_words}",
        footer=f"Goals, opportunities, owners and KPIs are the team’s words; everything else is measured. ★ moment that matters. Association, not causation. {journey_map.journey.name}",
        persona=_persona(journey_map.journey, label) if name is not None else (),
        stages=stages,
    )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _group(journey_map: JourneyMap, group: str | None) -> tuple[str | None, Any, str]:
    name = journey_map.groups.name
    if name is None:
        return None, None, ""
    label = journey_map.groups.words()[0] if group is None else str(group)
    return name, None if label == "(not set)" else label, label


def _of_group(table: pd.DataFrame, name: str | None, key: Any) -> pd.DataFrame:
    if name is None or name not in table.columns:
        return table
    return table[table[name].isna()] if key is None else table[table[name].astype(str) == key]


def _title(journey_map: JourneyMap, *, whole: bool) -> str:
    """The most important finding of the map; without one, that nothing stands out."""
    claims = [finding.claim for finding in journey_map.findings]
    if not whole:
        return "The journey at a glance"
    if claims:
        return claims[0].removesuffix(".")
    if journey_map.first_pain:
        return f"{journey_map.first_pain} is a pain point"
    return nothing_stands_out(journey_map.pain_points).partition(":")[0].removesuffix(".")


def _number(journey_map: JourneyMap, table: pd.DataFrame, *, whole: bool) -> str:
    """Customers on the journey; of a group those of its largest stage."""
    if table["customers"].isna().all():
        return ""
    number = journey_map.metrics["customers"]["value"] if whole else table["customers"].max()
    return f"{count_of(number, 'customer')} · "


def _dates(journey_map: JourneyMap) -> str:
    return str(journey_map.definition.get("span", "")) or "whole log"


def _persona(journey: Journey, label: str) -> tuple[str, ...]:
    by_hand = next(
        (persona for persona in journey.personas if label in (persona.name, label)), None
    )
    lines = [label]
    if by_hand is not None and by_hand.name in label:
        lines += [f"Goals: {' · '.join(by_hand.goals)}"] if by_hand.goals else []
        lines += [f"“{thought}”" for thought in by_hand.thoughts[:1]]
    return tuple(lines)


def _stage(
    journey_map: JourneyMap,
    row: dict[str, Any],
    points: pd.DataFrame,
    moments: pd.DataFrame,
    curve: dict[str, Feeling],
    *,
    whole: bool,
) -> PosterStage:
    name = str(row["stage"])
    written = next(stage for stage in journey_map.journey.stages if stage.name == name)
    pain = whole and name == journey_map.first_pain
    named = moments[(moments["stage"] == name) & moments["named"].astype(bool)]
    shown = points[(points["stage"] == name) & ~points["backstage"].astype(bool)]
    shown = shown[shown["customers"] > 0].sort_values(
        ["customers", "touchpoint"], ascending=[False, True]
    )
    pills = tuple(
        Pill(
            journey_map.journey.labels.events.get(
                point["touchpoint"], str(point["touchpoint"]).replace("_", " ")
            ),
            f"{point['customers']:,}",
            pain=False,
            moment=point["touchpoint"] in set(named["touchpoint"]),
        )
        for point in shown.head(MOST_TOUCHPOINTS).to_dict("records")
    )
    last = name == journey_map.journey.stages[-1].name
    ended = float("nan") if last else row["share_ended"]
    return PosterStage(
        name=name,
        goal=_joined(written.goal),
        customers=None if missing(row["customers"]) else int(row["customers"]),
        drop_off="" if missing(ended) or ended == 0 else f"{about(ended)} drop off here",
        heavy_drop_off=not missing(ended) and ended >= 0.3 and row["customers"] >= MIN_N,
        scores=_scores(row),
        feeling=curve.get(name),
        pills=pills,
        more_touchpoints=max(0, len(shown) - MOST_TOUCHPOINTS),
        moment=_moment(named),
        quote=_quote(journey_map.quotes, name, negative=pain) if whole else "",
        opportunity=_joined(
            [
                *written.opportunities,
                *(text for point in written.touchpoints for text in point.opportunities),
            ]
        ),
        owner=_joined(written.owner),
        kpi=_joined(written.kpi),
        pain=pain,
    )


def _joined(texts: Sequence[str]) -> str:
    return " · ".join(texts)


def _scores(row: dict[str, Any]) -> str:
    parts = []
    for score, label in (("csat", "CSAT"), ("nps", "NPS"), ("ces", "CES")):
        answers = row.get(f"n_{score}", 0)
        if answers and not missing(row[score]):
            value = signed(row[score]) if score == "nps" else about(row[score])
            parts.append(f"{label} {value}" if answers >= MIN_N else f"{label} n<{MIN_N}")
    return " · ".join(parts[:2])


def _measure(line: pd.DataFrame) -> str:
    lead = line[line["lead"].astype(bool)]
    return str(lead["measure"].iloc[0]) if len(lead) else ""


def _curve(line: pd.DataFrame, scales: Mapping[str, tuple[float, float]]) -> dict[str, Feeling]:
    """The leading measure at each stage, moved onto −1 … 1."""
    lowest, highest = scales.get(_measure(line), (-1.0, 1.0))
    middle, half = (lowest + highest) / 2, (highest - lowest) / 2
    stages = line[line["lead"].astype(bool) & line["touchpoint"].isna()]
    return {
        str(row["stage"]): Feeling(
            (row["value"] - middle) / half,
            (row["value_low"] - middle) / half,
            (row["value_high"] - middle) / half,
            signed(row["value"], 2) if lowest < 0 else number(row["value"]),
        )
        for row in stages.to_dict("records")
        if not (missing(row["value"]) or math.isnan(row["value_low"])) and row["customers"] >= MIN_N
    }


def _moment(named: pd.DataFrame) -> str:
    if named.empty:
        return ""
    first = named.iloc[0]
    return f"{about(first['share_good'])} {_after(first)} after a good one, {about(first['share_bad'])} after a bad one"


def _after(moment: Any) -> str:
    return {"retained": "stay", "converted": "convert"}.get(str(moment["outcome"]), "recommend")


MOST_WORDS = 90
"""Characters of a quote: whole sentences as long as they fit."""


def _quote(quotes: pd.DataFrame, stage: str, *, negative: bool) -> str:
    """A quote of the stage as a whole; of a painful stage an unhappy one."""
    own = quotes[(quotes["stage"] == stage) & quotes["touchpoint"].isna()]
    wanted = own[own["label"] == ("negative" if negative else "positive")]
    chosen = wanted if len(wanted) else own
    return f"“{_first_sentences(str(chosen['text'].iloc[0]))}”" if len(chosen) else ""


def _first_sentences(text: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", text)
    said = sentences[0]
    for sentence in sentences[1:]:
        if len(said) + len(sentence) >= MOST_WORDS:
            break
        said = f"{said} {sentence}"
    return said
