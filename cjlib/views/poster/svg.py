"""A canvas as SVG: nothing but shapes and escaped text, so that it stands in a page, in a mail, on paper and without a script."""

from __future__ import annotations

from html import escape

from cjlib.views.poster.shapes import Box, Canvas, Circle, Line, Points, Polygon, Shape, Text

FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"


def svg(canvas: Canvas) -> str:
    """The canvas as one `<svg>`, as wide as there is room."""
    body = "".join(_element(shape) for shape in canvas.shapes)
    words = escape(f"{canvas.title}. {canvas.description}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {canvas.width:g} {canvas.height:g}" '
        f'width="100%" role="img" aria-label="{words}" font-family="{FONT}" class="cj-poster">{body}</svg>'
    )


def _element(shape: Shape) -> str:
    match shape:
        case Box():
            stroke = f' stroke="{shape.stroke}" stroke-width="1.5"' if shape.stroke else ""
            return (
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" '
                f'height="{shape.height:.1f}" rx="{shape.radius:g}" fill="{shape.fill}"{stroke}/>'
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
                f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}" '
                f'fill="{shape.fill}"{stroke}/>'
            )
        case Text():
            return _text(shape)


def _text(text: Text) -> str:
    if not text.text:
        return ""
    weight = ' font-weight="700"' if text.bold else ""
    style = ' font-style="italic"' if text.italic else ""
    return (
        f'<text x="{text.x:.1f}" y="{text.y:.1f}" font-size="{text.size:g}" fill="{text.fill}" '
        f'text-anchor="{text.anchor}"{weight}{style}>{escape(text.text)}</text>'
    )


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
