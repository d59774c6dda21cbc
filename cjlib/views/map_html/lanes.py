"""The lanes of the map's picture, in the order in which a reader asks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.views.map_html import behaviour_cells, feedback_cells
from cjlib.views.map_html.cell import Cell, Record, count, said, small
from cjlib.views.map_html.sentiment_lane import rows_of_group

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap

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
    ("Evidence", "grade", behaviour_cells.evidence),
    ("Customers", "count", behaviour_cells.customers),
    ("Goes on, in order", "count", behaviour_cells.onward),
    ("Ends here", "count", behaviour_cells.ends),
)
FURTHER = (
    ("Skipped by", "count", behaviour_cells.skipped),
    ("Time", "count", behaviour_cells.time),
    ("Channels", "count", behaviour_cells.channels),
    ("Worth and cost", "count", behaviour_cells.money),
    ("Risk of leaving", "count", behaviour_cells.risk),
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
    lanes += feedback_cells.feelings(held, stages, key)
    lanes += feedback_cells.pains(held, stages) if name is None else []
    lanes += [("In their words", "quote", [feedback_cells.quote(held, row) for row in stages])]
    lanes += [("Touchpoints", "count", [behaviour_cells.points(row, points) for row in stages])]
    lanes += [(title, kind, [make(row) for row in stages]) for title, kind, make in FURTHER]
    lanes += [
        (f"{title} (by hand)", "hand", [_hand(texts) for texts in _written(held, written)])
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
        said(*(f"<bdi>{escape(text)}</bdi>" for text in texts)) + small("by hand") if texts else "",
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
