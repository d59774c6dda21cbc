"""The map of each persona."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.shared.comparison import MIN_N
from cjlib.views.map_html import render_map

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
    from cjlib.analyses.personas import Personas


@dataclass(frozen=True, eq=False)
class PersonaMaps:
    """The map of each persona by its label and name; none where there are no personas, and then `text` says why."""

    maps: Mapping[str, JourneyMap]
    why: str = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def text(self) -> str:
        """One line a persona."""
        return "\n".join(f"{name}: {held.headline}" for name, held in self.maps.items()) or self.why

    @property
    def html(self) -> str:
        """A folded map a persona; every text escaped."""
        if not self.maps:
            return f"<p>{escape(self.why)}</p>"
        parts = (
            f"<details><summary>The map of <bdi>{escape(name)}</bdi>{_few(held)}</summary>"
            f"<p>{escape(held.headline)}</p>{render_map(held).html}</details>"
            for name, held in self.maps.items()
        )
        return f'<div class="cj-explore">{"".join(parts)}</div>'


def _few(held: JourneyMap) -> str:
    n = held.metrics["customers"]["value"] or 0
    return f" (n = {n:,.0f}: too few to read)" if n < MIN_N else ""


def persona_maps(journey_map: JourneyMap, personas: Personas) -> PersonaMaps:
    """The map of each persona, counted on its customers alone.

    Parameters
    ----------
    journey_map
        What `cj.journey_map` gives.
    personas
        What `cj.personas` gives.

    Returns
    -------
    PersonaMaps
        `.maps`: the label and name of each persona → its map; empty where `cj.personas` has no
        answer, and then `.why` says so. They are not compared: personas are made of all that
        customers did, how far they came included.

    Raises
    ------
    CjlibError
        If the map was made without events, so that it knows no customers.
    """
    if not personas.answered:
        return PersonaMaps({}, personas.reason)
    named = dict(zip(personas.table["persona"], personas.table["name"], strict=True))
    return PersonaMaps(
        {
            f"{label}: {name}": journey_map.persona(label, personas.members)
            for label, name in named.items()
        }
    )
