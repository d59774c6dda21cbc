"""The map on a phone: the curve in sight, and beneath it a card a stage with what its poster says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from cjlib.show.numbers import short
from cjlib.views.poster.content import PosterContent, PosterStage
from cjlib.views.poster.layout import LEAST_REACH, smooth

WIDTH, HEIGHT, LABEL = 360.0, 76.0, 16.0
"""Of the strip with the curve, in pixels of a narrow phone."""


def strip(content: PosterContent) -> str:
    """The emotion curve over all stages, small enough to stay in sight; each point leads to its stage."""
    stages = content.stages
    felt = [stage.feeling for stage in stages if stage.feeling]
    if len(felt) < 2:
        return ""
    reach = max([LEAST_REACH] + [abs(feeling.value) * 1.15 for feeling in felt])
    room = HEIGHT - LABEL

    def height(value: float) -> float:
        return room / 2 - max(-reach, min(reach, value)) / reach * (room / 2 - 8)

    step = WIDTH / len(stages)
    places = [(step * (k + 0.5), stage) for k, stage in enumerate(stages)]
    points = [(x, stage.feeling) for x, stage in places if stage.feeling]
    upper = smooth([(x, height(feeling.high)) for x, feeling in points])
    lower = smooth([(x, height(feeling.low)) for x, feeling in points])
    curve = smooth([(x, height(feeling.value)) for x, feeling in points])
    marks = "".join(_mark(x, stage, height, step) for x, stage in places)
    words = "; ".join(f"{stage.name} {stage.feeling.label}" for stage in stages if stage.feeling)
    return (
        f'<div class="cj-map-line"><svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="100%" role="img" aria-label="How customers feel: {escape(words)}">'
        f'<path d="{_path([*upper, *reversed(lower)])}z" class="cj-map-band"/>'
        f'<path d="M0,{room / 2:g}H{WIDTH:g}" class="cj-map-neutral"/><path d="{_path(curve)}" class="cj-map-curve"/>{marks}</svg></div>'
    )


def _mark(x: float, stage: PosterStage, height: Callable[[float], float], step: float) -> str:
    name = short(stage.name, max(4, int(step / 6.2)))
    kind = ' class="cj-map-pain"' if stage.pain else ""
    label = f'<text x="{x:.1f}" y="{HEIGHT - 4:g}" text-anchor="middle"{kind}>{escape(name)}</text>'
    if stage.feeling is None:
        return label
    y = height(stage.feeling.value)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"{kind}/>{label}'


def _path(points: Sequence[tuple[float, float]]) -> str:
    """To a tenth of a pixel; every other point of the curve is enough on a phone."""
    few = [*points[:-1:2], points[-1]]
    return "M" + "L".join(f"{x:.4g},{y:.3g}" for x, y in few)


def card(number: int, stage: PosterStage) -> str:
    """A stage as its poster tells it."""
    pain = " cj-map-hurts" if stage.pain else ""
    lines = "".join(_lines(stage))
    return (
        f'<section class="cj-map-card{pain}"><p class="cj-map-stage"><span>{number}</span> <bdi>{escape(stage.name)}</bdi>'
        f"{' · biggest pain point' if stage.pain else ''}</p>{lines}</section>"
    )


def _lines(stage: PosterStage) -> Iterator[str]:
    customers = "" if stage.customers is None else f"<b>{stage.customers:,}</b> customers"
    drop = f"<b>{escape(stage.drop_off)}</b>" if stage.heavy_drop_off else escape(stage.drop_off)
    feeling = f"feeling {escape(stage.feeling.label)}" if stage.feeling else ""
    facts = [part for part in (customers, drop, escape(stage.scores), feeling) if part]
    if facts:
        yield f"<p>{' · '.join(facts)}</p>"
    if stage.quote:
        yield f'<p class="cj-quote"><i><bdi>{escape(stage.quote)}</bdi></i></p>'
    if stage.pills:
        more = f" and {stage.more_touchpoints} more" if stage.more_touchpoints else ""
        names = ", ".join(
            f"{'★ ' if pill.moment else ''}<bdi>{escape(pill.name)}</bdi> {pill.customers}"
            for pill in stage.pills
        )
        yield f"<p>{names}{more}</p>"
    if stage.moment:
        yield f"<p>★ {escape(stage.moment)}</p>"
    if stage.opportunity:
        yield f'<p class="cj-hand">Opportunity: <bdi>{escape(stage.opportunity)}</bdi></p>'
    if stage.owner or stage.kpi:
        both = " · ".join(text for text in (stage.owner, stage.kpi) if text)
        yield f'<p class="cj-n">Owner and KPI: <bdi>{escape(both)}</bdi></p>'
