"""`.sentiment_line` and `.patterns`: the means of every measure along the way, and what stands out of them, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.score_texts import TOPIC_SHIFT
from cjlib.analyses.journey_map.feedback import Opinions
from cjlib.analyses.journey_map.inputs import Source
from cjlib.analyses.journey_map.sentiment_line import (
    Clustered,
    Pattern,
    clustered,
    named_patterns,
    taking_part,
)
from cjlib.shared.repeated_answers import OF_TEXTS

LINE_COLUMNS = (
    "stage",
    "position",
    "touchpoint",
    "measure",
    "lead",
    "n",
    "customers",
    "value",
    "value_low",
    "value_high",
    "named",
)
PATTERN_COLUMNS = (
    "pattern",
    "stage",
    "to_stage",
    "measure",
    "change",
    "change_low",
    "change_high",
    "p_adjusted",
    "text",
)
TEXTS = ("stage", "to_stage", "touchpoint", "measure", "named", "pattern", "text")
WHOLE = ("position", "n", "customers")
SCALES = {
    "text": "the mean sentiment of texts (−1 to 1)",
    "rating": "the mean rating given with the text (−1 bad to 1 good)",
    "csat": "mean CSAT ({low:g} to {high:g})",
    "nps": "the mean answer to NPS (0 to 10)",
    "ces": "mean CES ({low:g} to {high:g})",
}


@dataclass(frozen=True)
class Line:
    """The line of one group: the means of each measure at stages and touchpoints, and the patterns of the one that leads.

    `judged` has the means that patterns are read off and `judged_by` what they are of: the lead's own answers, or the ratings that a scorer of texts was fitted to.
    """

    group: int
    lead: str
    stages: dict[str, Clustered]
    points: dict[str, Clustered]
    judged: Clustered
    judged_by: str
    patterns: list[Pattern]

    def named(self, stage: int) -> str | None:
        """The trough or peak that a stage lies in."""
        inside = [
            pattern.name
            for pattern in self.patterns
            if pattern.name in ("trough", "peak") and pattern.first <= stage <= pattern.last
        ]
        return inside[-1] if inside and stage in taking_part(self.judged) else None


def line_and_patterns(source: Source) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`.sentiment_line` and `.patterns`."""
    lines = list(_lines(source, source.opinions)) if source.opinions is not None else []
    rows = [(line.group, row) for line in lines for row in _line_rows(source, line)]
    patterns = [
        (line.group, _pattern_row(source, line, pattern))
        for line in lines
        for pattern in line.patterns
    ]
    return _table(source, rows, LINE_COLUMNS), _table(source, patterns, PATTERN_COLUMNS)


def _lines(source: Source, opinions: Opinions) -> Iterator[Line]:
    lead, size = opinions.lead, source.groups.size
    for group in range(size if lead else 0):
        mine = {
            measure: answers.only(answers.places["group"] == group)
            for measure, answers in opinions.answers.items()
        }
        stages = {
            measure: clustered(answers, "stage", len(source.stages))
            for measure, answers in mine.items()
        }
        points = {
            measure: clustered(answers, "point", len(source.places.points))
            for measure, answers in mine.items()
        }
        assert lead is not None
        compared = opinions.compared[lead]
        judged = clustered(
            compared.only(compared.places["group"] == group), "stage", len(source.stages)
        )
        by_ratings = lead == "text" and opinions.fitted
        least = TOPIC_SHIFT if lead == "text" and not opinions.fitted else 0.0
        patterns = named_patterns(judged, size, least)
        judged_by = "rating" if by_ratings else lead
        yield Line(group, lead, stages, points, judged, judged_by, patterns)


def _table(source: Source, rows: list[tuple[int, tuple]], names: tuple[str, ...]) -> pd.DataFrame:
    groups = source.groups.columns_at(np.array([group for group, _ in rows], dtype=np.int64))
    columns = zip(*(row for _, row in rows), strict=True) if rows else ([] for _ in names)
    return pd.DataFrame(
        groups
        | {
            name: pd.Series(list(values), dtype=_type(name))
            for name, values in zip(names, columns, strict=True)
        }
    )


def _type(name: str) -> str:
    return (
        "str"
        if name in TEXTS
        else "int64"
        if name in WHOLE
        else "bool"
        if name == "lead"
        else "float64"
    )


def _line_rows(source: Source, line: Line) -> Iterator[tuple]:
    """The stages, then the touchpoints, those that somebody spoke of."""
    for s, name in enumerate(source.stages):
        for measure, means in line.stages.items():
            if means.n[s]:
                leads = measure == line.lead
                yield (
                    name,
                    s + 1,
                    None,
                    measure,
                    leads,
                    *means.row(s),
                    line.named(s) if leads else None,
                )
    for k, (s, point) in enumerate(source.places.points):
        for measure, means in line.points.items():
            if means.n[k]:
                yield (
                    source.stages[s],
                    s + 1,
                    point,
                    measure,
                    measure == line.lead,
                    *means.row(k),
                    None,
                )


def _pattern_row(source: Source, line: Line, one: Pattern) -> tuple:
    last = source.stages[one.last] if one.last != one.first else None
    text = _pattern_text(source, line, one)
    return (
        one.name,
        source.stages[one.first],
        last,
        line.judged_by,
        one.pair.change,
        *one.pair.bounds,
        one.pair.p_adjusted,
        text,
    )


def _pattern_text(source: Source, line: Line, one: Pattern) -> str:
    means, pair, stages = line.judged, one.pair, source.stages
    scales = {} if source.opinions is None else source.opinions.scales
    low, high = scales.get(line.judged_by, OF_TEXTS)
    measured = SCALES[line.judged_by].format(low=low, high=high)
    first, last = stages[one.first], stages[one.last]
    where = first if one.first == one.last else f"{first} to {last}"
    around = [s for s in taking_part(means) if one.first - 1 <= s <= one.last + 1]
    n = ", ".join(
        f"{stages[s]} {_signed(f'{means.mean[s]:.2f}')} (n = {means.n[s]:,})" for s in around
    )
    said = {
        "rapid drop": f"A sharp fall from {first} to {last}",
        "trough": f"{where} is a low point",
        "peak": f"{where} is a high point",
        "sawtooth": f"Ups and downs from {first} to {last}",
    }[one.name]
    change = f"{pair.change:+.2f} (95% CI {pair.bounds[0]:+.2f} to {pair.bounds[1]:+.2f}, over all pairs of stages at once)"
    return f"{said}: {measured} changes by {_signed(change)}; {n}."


def _signed(number: str) -> str:
    return number.replace("-", "−")
