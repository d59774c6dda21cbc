"""What a poster is drawn with: a few shapes on a canvas, which SVG and slides can both write; and how wide a text is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]

INK = "#1b2430"
MUTED = "#5a6472"
BLUE = "#1f66c7"
BAD = "#b5380f"
BAD_GROUND = "#fdf1ec"
GROUND = "#eceef1"
BAND = "#d5e4f7"
GOLD = "#7a5600"
GOLD_GROUND = "#fff6df"
LINE = "#c9ced6"
PAPER = "#ffffff"


@dataclass(frozen=True)
class Box:
    """A rectangle, its corners rounded by `radius`."""

    x: float
    y: float
    width: float
    height: float
    fill: str = PAPER
    stroke: str = ""
    radius: float = 0.0


@dataclass(frozen=True)
class Polygon:
    """A filled shape with straight edges."""

    points: Points
    fill: str


@dataclass(frozen=True)
class Line:
    """A line through points; dashed where it only guides the eye."""

    points: Points
    stroke: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Circle:
    """A circle round a point."""

    x: float
    y: float
    radius: float
    fill: str = PAPER
    stroke: str = ""
    width: float = 3.0


@dataclass(frozen=True)
class Text:
    """One line of text, its baseline at `y`; `anchor` says whether it starts, is centred or ends at `x`."""

    x: float
    y: float
    text: str
    size: float = 17.0
    fill: str = INK
    bold: bool = False
    italic: bool = False
    anchor: str = "start"


Shape = Box | Polygon | Line | Circle | Text


@dataclass(frozen=True)
class Canvas:
    """Shapes, the later ones above the earlier ones; `title` and `description` are for those who cannot see them."""

    width: float
    height: float
    title: str
    description: str
    shapes: tuple[Shape, ...]


NARROW = set("ijl.,:;'|!I()[]“”‘’ ftr-·")
WIDE = set("mwMW@%—…&")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a line of text is in a plain sans-serif face, rather too wide than too narrow."""
    width = 0.0
    for character in text:
        if unicodedata.combining(character):
            continue
        if unicodedata.east_asian_width(character) in "WF":
            width += 1.0
        elif character in NARROW:
            width += 0.35
        elif character in WIDE:
            width += 0.92
        else:
            width += 0.68 if character.isupper() else 0.585
    return width * size * (1.09 if bold else 1.0)


def wrapped(text: str, room: float, size: float, most: int, *, bold: bool = False) -> list[str]:
    """The text in at most so many lines of so much room; what does not fit ends in `…`."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold=bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    cut = lines[:most]
    if len(lines) > most:
        cut[-1] += " …"
    return [shortened(line, room, size, bold=bold) for line in cut]


def shortened(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """The text in one line of so much room, cut with `…`."""
    if text_width(text, size, bold=bold) <= room:
        return text
    cut = text
    while cut and text_width(f"{cut}…", size, bold=bold) > room:
        cut = cut[:-1]
    return f"{cut.rstrip(' …')}…"
