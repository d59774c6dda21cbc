"""Where everything stands on a poster: 16:9, eight stages a row, no text below seven points on A4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi

from cjlib.views.poster.content import PosterContent, PosterStage
from cjlib.views.poster.shapes import (
    BAD,
    BAD_GROUND,
    BAND,
    BLUE,
    GOLD,
    GOLD_GROUND,
    GROUND,
    INK,
    LINE,
    MUTED,
    Box,
    Canvas,
    Circle,
    Line,
    Points,
    Polygon,
    Shape,
    Text,
    shortened,
    text_width,
    wrapped,
)

WIDTH, HEIGHT = 1920.0, 1080.0
LEFT, RIGHT, LABELS = 36.0, 36.0, 152.0
SMALL = 17.5
"""The smallest text: 7 points where the poster is printed across A4 with margins of 10 mm."""
LEADING = 1.24
MOST_STAGES = 8
"""Stages that stand beside one another; more go on in a row below."""
HEAD, FOOT = 128.0, 44.0
ROW = HEIGHT - HEAD - FOOT


@dataclass(frozen=True)
class Column:
    """Where a stage stands: its left edge and its room for text."""

    left: float
    width: float
    top: float

    @property
    def text_left(self) -> float:
        """Where text begins."""
        return self.left + 10

    @property
    def room(self) -> float:
        """How wide text may be."""
        return self.width - 22

    @property
    def middle(self) -> float:
        """The middle of the column."""
        return self.left + self.width / 2


# Where lanes begin below the top of a row of stages.
GOAL, CUSTOMERS, CURVE, TOUCHPOINTS, QUOTE, OPPORTUNITY, OWNER = (
    *(66.0, 138.0, 268.0, 440.0),
    *(596.0, 700.0, 826.0),
)
CURVE_HEIGHT = 150.0
LEAST_REACH = 0.5
"""The curve's axis reaches at least so far from neutral, of 1, so that small differences stay small."""


def layout(content: PosterContent) -> Canvas:
    """The poster of a map."""
    rows = [
        content.stages[first : first + MOST_STAGES]
        for first in range(0, len(content.stages), MOST_STAGES)
    ]
    row_height = ROW if _by_hand(content.stages) else OPPORTUNITY
    height = HEAD + row_height * len(rows) + FOOT
    shapes: list[Shape] = [Box(0, 0, WIDTH, height)]
    shapes += _head(content)
    largest = max((stage.customers or 0 for stage in content.stages), default=0)
    reach = max(
        [LEAST_REACH]
        + [abs(stage.feeling.value) * 1.15 for stage in content.stages if stage.feeling]
    )
    for k, stages in enumerate(rows):
        shapes += _row(stages, HEAD + row_height * k, row_height, (largest, reach))
    shapes.append(Line(((LEFT, height - FOOT), (WIDTH - RIGHT, height - FOOT)), LINE))
    footer = shortened(content.footer, WIDTH - LEFT - RIGHT, SMALL)
    shapes.append(Text(LEFT, height - 16, footer, SMALL, MUTED))
    return Canvas(WIDTH, height, content.title, _description(content), tuple(shapes))


def _head(content: PosterContent) -> Iterator[Shape]:
    persona = "  |  ".join(content.persona)
    lines = wrapped(content.title, WIDTH - LEFT - RIGHT, 33, 1, bold=True)
    size = 33 if text_width(content.title, 33, bold=True) <= WIDTH - LEFT - RIGHT else 26
    if size == 26:
        lines = wrapped(content.title, WIDTH - LEFT - RIGHT, size, 2, bold=True)
    for k, line in enumerate(lines):
        yield Text(LEFT, 50 - 8 * (len(lines) - 1) + k * size * 1.15, line, size, INK, bold=True)
    yield Text(LEFT, 98, shortened(content.subtitle, WIDTH - LEFT - RIGHT, 19), 19, MUTED)
    if persona:
        yield Text(LEFT, 122, shortened(persona, WIDTH - LEFT - RIGHT, 19), 19, INK, italic=True)


def _by_hand(stages: Sequence[PosterStage]) -> bool:
    """Whether the lanes at the bottom, which a team fills in, say anything."""
    return any(stage.opportunity or stage.owner or stage.kpi for stage in stages)


def _row(
    stages: Sequence[PosterStage], top: float, height: float, scale: tuple[int, float]
) -> Iterator[Shape]:
    largest, reach = scale
    width = (WIDTH - LEFT - LABELS - RIGHT) / len(stages)
    columns = [Column(LEFT + LABELS + k * width, width, top) for k in range(len(stages))]
    for stage, column in zip(stages, columns, strict=True):
        if stage.pain:
            yield Box(column.left, top - 6, width - 6, height - 14, BAD_GROUND, radius=10)
    yield from _labels(stages, top)
    for k, (stage, column) in enumerate(zip(stages, columns, strict=True)):
        yield from _chevron(stage, column, first=k == 0)
        yield from _lines(stage.goal, column, GOAL, 3)
        yield from _customers(stage, column, largest)
        yield from _touchpoints(stage, column)
        quote_fill = BAD if stage.pain else INK
        yield from _lines(stage.quote, column, QUOTE, 4, fill=quote_fill, italic=True)
        yield from _opportunity(stage, column)
        yield from _lines(stage.owner, column, OWNER, 1, bold=True)
        yield from _lines(stage.kpi, column, OWNER + 24, 2, fill=MUTED)
    yield from _emotions(stages, columns, top, reach)


def _labels(stages: Sequence[PosterStage], top: float) -> Iterator[Shape]:
    """The names of the lanes in which anything stands."""
    lanes = (
        ("Stage", 30.0, True),
        ("Customer goal", GOAL + 14, any(stage.goal for stage in stages)),
        ("Customers", CUSTOMERS + 20, True),
        ("Touchpoints", TOUCHPOINTS + 22, any(stage.pills for stage in stages)),
        ("In their words", QUOTE + 14, any(stage.quote for stage in stages)),
        ("Opportunity", OPPORTUNITY + 24, any(stage.opportunity for stage in stages)),
        ("Owner · KPI", OWNER + 14, any(stage.owner or stage.kpi for stage in stages)),
    )
    for label, down, told in lanes:
        if not told:
            continue
        yield Text(LEFT, top + down, label, SMALL, MUTED, bold=True)


def _lines(
    text: str,
    column: Column,
    down: float,
    most: int,
    *,
    fill: str = INK,
    bold: bool = False,
    italic: bool = False,
) -> Iterator[Shape]:
    for k, line in enumerate(wrapped(text, column.room, SMALL, most, bold=bold)):
        y = column.top + down + 14 + k * SMALL * LEADING
        yield Text(column.text_left, y, line, SMALL, fill, bold=bold, italic=italic)


def _chevron(stage: PosterStage, column: Column, *, first: bool) -> Iterator[Shape]:
    left, right, top, tip = column.left, column.left + column.width - 18, column.top, 14.0
    notch: Points = () if first else ((left + tip, top + 23),)
    points = (
        (left, top),
        (right, top),
        (right + tip, top + 23),
        (right, top + 46),
        (left, top + 46),
        *notch,
    )
    yield Polygon(points, BAD if stage.pain else BLUE)
    name = shortened(stage.name, column.width - 48, 19, bold=True)
    yield Text(left + (14 if first else 24), top + 30, name, 19, "#ffffff", bold=True)


def _customers(stage: PosterStage, column: Column, largest: int) -> Iterator[Shape]:
    x, y = column.text_left, column.top + CUSTOMERS
    if stage.customers is not None:
        yield Text(x, y + 18, f"{stage.customers:,}", 24, INK, bold=True)
        yield Box(x, y + 28, column.room, 14, GROUND, radius=3)
    if stage.customers:
        share = stage.customers / largest
        yield Box(x, y + 28, max(2.0, column.room * share), 14, BLUE, radius=3)
    fill = BAD if stage.heavy_drop_off else MUTED
    yield Text(x, y + 68, stage.drop_off, SMALL, fill, bold=stage.heavy_drop_off)
    scores = shortened(stage.scores, column.room + 8, SMALL)
    yield Text(x, y + 92, scores, SMALL, BAD if stage.pain else MUTED)


def _touchpoints(stage: PosterStage, column: Column) -> Iterator[Shape]:
    x, y = column.text_left, column.top + TOUCHPOINTS
    for pill in stage.pills:
        fill, stroke = (GOLD_GROUND, GOLD) if pill.moment else ("#ffffff", LINE)
        yield Box(x, y, column.room, 32, fill, stroke, radius=16)
        room = column.room - 30 - text_width(pill.customers, SMALL)
        name = f"★ {pill.name}" if pill.moment else pill.name
        yield Text(x + 12, y + 22, shortened(name, room, SMALL), SMALL, INK, bold=pill.moment)
        yield Text(x + column.room - 12, y + 22, pill.customers, SMALL, MUTED, anchor="end")
        y += 38
    if stage.moment:
        for line in wrapped(stage.moment, column.room, SMALL, 3):
            yield Text(x, y + 16, line, SMALL, GOLD)
            y += SMALL * 1.15
    elif stage.more_touchpoints:
        yield Text(x + 12, y + 16, f"and {stage.more_touchpoints} more", SMALL, MUTED)


def _opportunity(stage: PosterStage, column: Column) -> Iterator[Shape]:
    lines = wrapped(stage.opportunity, column.room - 16, SMALL, 5)
    if not lines:
        return
    height = 14 + len(lines) * SMALL * LEADING
    yield Box(
        column.text_left - 2,
        column.top + OPPORTUNITY,
        column.room + 4,
        height,
        GOLD_GROUND,
        LINE,
        5,
    )
    for k, line in enumerate(lines):
        y = column.top + OPPORTUNITY + 21 + k * SMALL * LEADING
        yield Text(column.text_left + 6, y, line, SMALL)


# ---- the emotion curve -----------------------------------------------------------------------------------------


def _emotions(
    stages: Sequence[PosterStage], columns: Sequence[Column], top: float, reach: float
) -> Iterator[Shape]:
    def height(value: float) -> float:
        bounded = max(-reach, min(reach, value))
        return top + CURVE + CURVE_HEIGHT / 2 - bounded / reach * CURVE_HEIGHT / 2

    if not any(stage.feeling for stage in stages):
        return
    left = columns[0].left
    yield Text(LEFT, top + CURVE - 10, "How they feel", SMALL, MUTED, bold=True)
    yield Line(((left, height(0)), (WIDTH - RIGHT, height(0))), LINE, 1.5, dashed=True)
    for words, value in (("happy", 0.7 * reach), ("neutral", 0.0), ("unhappy", -0.7 * reach)):
        yield Text(LEFT, height(value) + 6, words, SMALL, MUTED)
    felt = [
        (column.middle, stage.feeling, stage.pain)
        for stage, column in zip(stages, columns, strict=True)
        if stage.feeling is not None
    ]
    if len(felt) > 1:
        upper = smooth([(x, height(feeling.high)) for x, feeling, _ in felt])
        lower = smooth([(x, height(feeling.low)) for x, feeling, _ in felt])
        yield Polygon((*upper, *reversed(lower)), BAND)
        yield Line(smooth([(x, height(feeling.value)) for x, feeling, _ in felt]), BLUE, 4)
    for x, feeling, pain in felt:
        colour = BAD if pain or feeling.value < -0.1 else BLUE
        yield from _face(x, height(feeling.value), feeling.value, colour)
        y = height(feeling.value)
        if pain:
            width = text_width(PAIN, SMALL) + 20
            yield Text(x, y + 40, feeling.label, SMALL, colour, bold=True, anchor="middle")
            yield Box(x - width / 2, y - 62, width, 30, BAD, radius=5)
            yield Text(x, y - 41, PAIN, SMALL, "#ffffff", anchor="middle")
        else:
            yield Text(x + 26, y - 10, feeling.label, SMALL, colour, bold=True)


PAIN = "biggest pain point"


def smooth(points: Sequence[tuple[float, float]], steps: int = 12) -> Points:
    """A curve through points that never overshoots between two of them: a cosine from each to the next."""
    curve = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        for k in range(1, steps + 1):
            part = (1 - cos(pi * k / steps)) / 2
            curve.append((x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * part))
    return tuple(curve)


def _face(x: float, y: float, value: float, colour: str) -> Iterator[Shape]:
    """A face whose mouth bends as the value says."""
    yield Circle(x, y, 19, "#ffffff", colour)
    for eye in (-6.5, 6.5):
        yield Circle(x + eye, y - 5, 2.4, colour, width=0)
    bend = 7 * max(-1.0, min(1.0, value / 0.35))
    mouth = [(x + 9 * step / 5, y + 8 + bend * (0.5 - (step / 5) ** 2)) for step in range(-5, 6)]
    yield Line(tuple(mouth), colour, 2.6)


def _description(content: PosterContent) -> str:
    """The poster in words, for screen readers."""
    stages = "; ".join(
        stage.name
        + (f": {stage.customers:,} customers" if stage.customers is not None else "")
        + (f", {stage.drop_off}" if stage.drop_off else "")
        + (f", {stage.scores}" if stage.scores else "")
        + (f", feeling {stage.feeling.label}" if stage.feeling else "")
        for stage in content.stages
    )
    return f"{content.subtitle}. {stages}."
