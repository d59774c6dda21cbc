"""The journey map as a poster: one page, 16:9, to read on a slide, on paper and in a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cjlib.analyses.journey_map import JourneyMap
from cjlib.errors import CjlibError, not_one_of, shown
from cjlib.views.poster.content import poster_content
from cjlib.views.poster.layout import layout
from cjlib.views.poster.shapes import Canvas, svg

FORMATS = ("svg", "png", "pdf", "pptx")


@dataclass(frozen=True)
class Poster:
    """What `cj.poster` gives: in a notebook the poster itself; `.svg` is its text, `.save(path)` writes it."""

    canvas: Canvas

    @property
    def svg(self) -> str:
        """The poster as SVG."""
        return svg(self.canvas)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        words = f"{self.canvas.title}\n{self.canvas.description}"
        return {"text/plain": words, "text/html": f'<figure class="cj-poster">{self.svg}</figure>'}

    def save(self, path: str | Path) -> Path:
        """Write the poster to a file; its ending says as what: .svg, .png, .pdf, or .pptx with native shapes.

        Parameters
        ----------
        path
            The file; its ending is .svg, .png, .pdf or .pptx.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        CjlibError
            If the ending is another one, or the library for it is not installed (the extra
            `poster`).
        """
        target = Path(path)
        ending = target.suffix.removeprefix(".").lower()
        if ending not in FORMATS:
            raise not_one_of("path", ending or target.name, FORMATS)
        target.write_bytes(self._bytes(ending))
        return target

    def _bytes(self, ending: str) -> bytes:
        if ending == "svg":
            return self.svg.encode()
        from cjlib.views.poster import files

        return files.WRITERS[ending](self.canvas)


def poster(journey_map: JourneyMap, group: str | None = None) -> Poster:
    """The journey map as a poster: finding as title, stages, customers and drop-off, emotion curve, touchpoints, pain, opportunities, owners.

    It is laid out from the map's own tables; nothing is counted. What the team wrote in the journey
    file (goals, opportunities, owners, KPIs) is told apart from what is measured in the line at the
    foot. Up to eight stages stand side by side on 16:9; more go on in a row below.

    Parameters
    ----------
    journey_map
        What `cj.journey_map` gives.
    group
        Of a map with `by=`: which group to show; without it the largest.

    Returns
    -------
    Poster

    Raises
    ------
    CjlibError
        If it is given something else than a journey map, or the map has no such group.

    See Also
    --------
    cjlib.views.map_html : the same map as a table with every number and interval.
    """
    if type(journey_map).__name__ != "JourneyMap":
        given = shown(type(journey_map).__name__)
        raise CjlibError(f"journey_map: must be what cj.journey_map gives. Got {given}.")
    check_group(journey_map, group)
    return Poster(layout(poster_content(journey_map, group)))


def check_group(journey_map: JourneyMap, group: str | None) -> None:
    """A map with groups has the one that is asked for."""
    names = journey_map.groups.words()
    if group is not None and journey_map.groups.name is not None and group not in names:
        raise not_one_of("group", group, names)
