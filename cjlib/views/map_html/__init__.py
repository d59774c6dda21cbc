"""The journey map as one picture to read from left to right: HTML and style alone, so that it stands without a script, on paper and on a phone.

Stages are columns, lanes are rows; where there is no room for columns the same cells stand stage by stage. Every text is escaped: names, quotes and the lanes
written by hand come from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, shown
from cjlib.views.map_html import cells as lane
from cjlib.views.map_html.cells import Cell, Record, count, said, small
from cjlib.views.map_html.sentiment_lane import mood_caption, rows_of_group
from cjlib.views.map_html.stage_by_stage import card, strip
from cjlib.views.map_style import style
from cjlib.views.poster import check_group, poster
from cjlib.views.poster.content import PosterContent, poster_content

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

GRADES = {
    "measured": "30 or more customers, and 30 or more answers",
    "behaviour only": "30 or more customers, fewer answers",
    "feedback only": "30 or more answers, fewer customers",
    "thin": "fewer than 30 of both: shown, not to be read",
    "none": "nothing was measured",
}

MANY = 6
"""Stages beyond which columns need more room, or stand stage by stage."""


@dataclass(frozen=True)
class RenderedMap:
    """What `cj.render_map` gives: shown in a notebook it is the map as HTML; `.text` says the same in words."""

    html: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}


def render_map(journey_map: JourneyMap, group: str | None = None) -> RenderedMap:
    """The map as a picture: stages from left to right, a lane for each thing counted, and the team's own lanes apart.

    Each cell carries what it rests on (n, 95% CI) and how good the evidence is, in words. Nothing
    is counted here.

    Parameters
    ----------
    journey_map
        What `cj.journey_map` gives.
    group
        Of a map with `by=`: which group to show; without it the largest.

    Returns
    -------
    RenderedMap
        `.html` is the map; shown in a notebook it draws itself.

    Raises
    ------
    CjlibError
        If it is no map, or the map has no such group.
    """
    if type(journey_map).__name__ != "JourneyMap":
        raise CjlibError(
            f"journey_map: must be what cj.journey_map gives. Got {shown(type(journey_map).__name__)}."
        )
    check_group(journey_map, group)
    lanes = lanes_of(journey_map, group)
    stages = list(journey_map.journey.stage_names)
    caption = mood_caption(journey_map, group)
    named = f'<p class="cj-map-of">{escape(lanes.title)}</p>' if lanes.title else ""
    legend = "".join(
        f"<li><b>{escape(grade)}</b> {escape(words)}</li>" for grade, words in GRADES.items()
    )
    html = (
        f'<figure class="cj-map{" cj-map-many" if len(stages) > MANY else ""}"><style>{style()}</style><figcaption>{escape(caption)}</figcaption>{named}'
        f'<div class="cj-map-wide cj-map-poster">{poster(journey_map, group).svg}</div><div class="cj-map-tall">{_stage_by_stage(poster_content(journey_map, group))}</div>'
        f"<details><summary>The evidence: every number of the map with its interval and n</summary>{_table(stages, lanes.lanes)}</details>"
        f'<details class="cj-map-key"><summary>How to read this map</summary><ul>{legend}<li><b>team input</b> written in the journey file, not measured</li>'
        "<li>Brackets hold 95% CIs; n is what a cell rests on, 30 or more unless it says thin.</li>"
        "<li><b>usual</b> the median of the other stages, or what the journey file expects</li></ul></details></figure>"
    )
    return RenderedMap(html=html, text=f"{caption}\n{journey_map.headline}")


def _table(stages: list[str], lanes: list[tuple[str, str, list[Cell]]]) -> str:
    heads = "".join(
        f'<th class="cj-map-stage" scope="col"><span>{k}</span> <bdi>{escape(name)}</bdi></th>'
        for k, name in enumerate(stages, start=1)
    )
    rows = "".join(
        f'<tr class="cj-lane-{kind}"><th class="cj-map-lane" scope="row">{escape(name)}</th>'
        + "".join(f"<td{_class(cell)}>{cell.html}</td>" for cell in cells)
        + "</tr>"
        for name, kind, cells in lanes
        if any(cell.html for cell in cells)
    )
    return f'<table class="cj-map-table"><thead><tr><th class="cj-map-lane" scope="col">Stage</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _stage_by_stage(content: PosterContent) -> str:
    cards = "".join(card(k, stage) for k, stage in enumerate(content.stages, start=1))
    return f"{strip(content)}{cards}"


def _class(cell: Cell) -> str:
    kinds = ([] if cell.kind == "plain" else [f"cj-{cell.kind}"]) + ["cj-thin"] * cell.thin
    return f' class="{" ".join(kinds)}"' if kinds else ""


BY_HAND = {
    "goal": "Goal",
    "questions": "Questions",
    "thoughts": "Thoughts",
    "opportunities": "Opportunities",
    "kpi": "Measured by",
    "owner": "Owner",
}


@dataclass(frozen=True)
class Lanes:
    """The lanes of one picture: name, kind and a cell a stage; `title` names the group where there is one."""

    title: str
    lanes: list[tuple[str, str, list[Cell]]]


COUNTED = (
    ("Evidence", "grade", lane.evidence),
    ("Customers", "count", lane.customers),
    ("Arrived from previous stage", "count", lane.onward),
    ("Drop-off", "count", lane.ends),
)
FURTHER = (
    ("Skipped", "count", lane.skipped),
    ("Time", "count", lane.time),
    ("Channels", "count", lane.channels),
    ("Value and cost", "count", lane.money),
    ("Risk of leaving", "count", lane.risk),
)


def lanes_of(held: JourneyMap, group: Any) -> Lanes:
    """Every lane, in the order in which a reader asks."""
    labels = held.groups.words()
    chosen = labels[0] if group is None else str(group)
    name = held.groups.name
    key = None if chosen == "(not set)" else chosen
    stages = _with_base(rows_of_group(held.table, held, key).to_dict("records"))
    points = rows_of_group(held.touchpoints, held, key).to_dict("records")
    lanes = [(title, kind, [make(row) for row in stages]) for title, kind, make in COUNTED]
    lanes += lane.feelings(held, stages, key)
    lanes += lane.pains(held, stages) if name is None else []
    lanes += [("In their words", "quote", [lane.quote(held, row) for row in stages])]
    lanes += [("Touchpoints", "count", [lane.points(row, points) for row in stages])]
    lanes += [(title, kind, [make(row) for row in stages]) for title, kind, make in FURTHER]
    lanes += [
        (f"{title} (team input)", "hand", [_hand(texts) for texts in _written(held, written)])
        for written, title in BY_HAND.items()
    ]
    return Lanes("" if name is None else f"{name}: {chosen}", lanes)


def _with_base(stages: list[Record]) -> list[Record]:
    """Each stage with the customers of the one before it, in order: what its share rests on."""
    base: int | None = None
    found = []
    for row in stages:
        found.append({**row, "base": base})
        base = (
            count(row["customers_in_order"])
            if count(row["customers_in_order"]) is not None
            else base
        )
    return found


def _hand(texts: tuple[str, ...]) -> Cell:
    """What is written in the journey file, as it is."""
    return Cell(
        said(*(f"<bdi>{escape(text)}</bdi>" for text in texts)) + small("team input")
        if texts
        else "",
        "hand",
    )


def _written(held: JourneyMap, key: str) -> list[tuple[str, ...]]:
    """The texts of a stage, and below them those of its touchpoints."""
    texts = []
    for stage in held.journey.stages:
        own = tuple(
            f"{point.name}: {text}"
            for point in stage.touchpoints
            for text in getattr(point, key, ())
        )
        texts.append((*getattr(stage, key), *own))
    return texts
