"""What a poster is drawn with: a few shapes on a canvas, how wide a text is, and the canvas as SVG."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from html import escape

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


FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"


TEXT = 17.5
"""The size of most texts: it stands once for the whole picture, as does their colour."""


def svg(canvas: Canvas) -> str:
    """The canvas as one `<svg>`, as wide as there is room."""
    body = "".join(_element(shape) for shape in canvas.shapes)
    words = escape(f"{canvas.title}. {canvas.description}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {canvas.width:g} {canvas.height:g}" '
        f'width="100%" role="img" aria-label="{words}" font-family="{FONT}" font-size="{TEXT:g}" fill="{INK}" class="cj-poster">{body}</svg>'
    )


def _element(shape: Shape) -> str:
    match shape:
        case Box():
            stroke = f' stroke="{shape.stroke}" stroke-width="1.5"' if shape.stroke else ""
            rounded = f' rx="{shape.radius:g}"' if shape.radius else ""
            return (
                f'<rect x="{_short(shape.x)}" y="{_short(shape.y)}" width="{_short(shape.width)}" '
                f'height="{_short(shape.height)}"{rounded} fill="{shape.fill}"{stroke}/>'
            )
        case Polygon():
            return f'<path d="{_path(shape.points)}z" fill="{shape.fill}"/>'
        case Line():
            dashed = ' stroke-dasharray="4 6"' if shape.dashed else ""
            return (
                f'<path d="{_path(shape.points)}" fill="none" stroke="{shape.stroke}" '
                f'stroke-width="{shape.width:g}" stroke-linecap="round"{dashed}/>'
            )
        case Circle():
            stroke = (
                f' stroke="{shape.stroke}" stroke-width="{shape.width:g}"' if shape.stroke else ""
            )
            return (
                f'<circle cx="{_short(shape.x)}" cy="{_short(shape.y)}" r="{shape.radius:g}" '
                f'fill="{shape.fill}"{stroke}/>'
            )
        case Text():
            return _text(shape)


def _text(text: Text) -> str:
    if not text.text:
        return ""
    own = {
        "font-size": "" if text.size == TEXT else f"{text.size:g}",
        "fill": "" if text.fill == INK else text.fill,
        "text-anchor": "" if text.anchor == "start" else text.anchor,
        "font-weight": "700" if text.bold else "",
        "font-style": "italic" if text.italic else "",
    }
    said = "".join(f' {name}="{value}"' for name, value in own.items() if value)
    return f'<text x="{_short(text.x)}" y="{_short(text.y)}"{said}>{escape(text.text)}</text>'


def _path(points: Points) -> str:
    return "M" + "L".join(f"{_short(x)},{_short(y)}" for x, y in points)


def _short(value: float) -> str:
    """A tenth of a pixel is near enough, and a whole one needs no point."""
    return f"{value:.1f}".removesuffix(".0")
