"""A canvas as a file for a slide or a printer: PNG and PDF by CairoSVG, PowerPoint with native shapes by python-pptx."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from cjlib.errors import CjlibError
from cjlib.views.poster.shapes import (
    Box,
    Canvas,
    Circle,
    Line,
    Polygon,
    Shape,
    Text,
    svg,
    text_width,
)

EMU = 6350
"""English Metric Units in a pixel of the canvas: 1,920 pixels are a slide of 13.33 inches."""
POINTS = 0.5
"""Points in a pixel of the canvas."""
INSTALL = "pip install 'customer-journey-notebooks[poster]'"


def png(canvas: Canvas) -> bytes:
    """A picture twice as fine as the canvas."""
    return picture(svg(canvas), int(canvas.width) * 2)


def picture(drawing: str, width: int) -> bytes:
    """A poster's SVG as a PNG of this width."""
    return _cairo("svg2png")(bytestring=_printable(drawing), output_width=width)


def pdf(canvas: Canvas) -> bytes:
    """One page."""
    size = f'width="{canvas.width:g}" height="{canvas.height:g}"'
    sized = svg(canvas).replace('width="100%"', size, 1)
    return _cairo("svg2pdf")(bytestring=_printable(sized))


def _printable(drawing: str) -> bytes:
    """The SVG with fonts that cairo finds."""
    return drawing.replace("system-ui, ", "", 1).encode()


def _cairo(name: str) -> Callable[..., bytes]:
    try:
        import cairosvg
    except (ImportError, OSError) as fault:
        raise CjlibError(
            f"path: .png and .pdf need CairoSVG and the cairo library. Install them: {INSTALL}; "
            "Debian: apt-get install libcairo2; or save as .svg."
        ) from fault
    return getattr(cairosvg, name)


def pptx(canvas: Canvas) -> bytes:
    """One slide of native shapes and texts, to be changed by hand."""
    try:
        from pptx import Presentation
    except ImportError as fault:
        raise CjlibError(f"path: .pptx needs python-pptx. Install it: {INSTALL}.") from fault
    presentation: Any = Presentation()
    presentation.slide_width = round(canvas.width * EMU)
    presentation.slide_height = round(canvas.height * EMU)
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    for shape in canvas.shapes:
        _add(slide.shapes, shape)
    slide.notes_slide.notes_text_frame.text = f"{canvas.title}\n{canvas.description}"
    written = BytesIO()
    presentation.save(written)
    return written.getvalue()


def _add(shapes: Any, shape: Shape) -> None:
    match shape:
        case Box():
            _add_box(shapes, shape)
        case Polygon():
            drawn = _freeform(shapes, shape.points, closed=True)
            _paint(drawn, shape.fill, "", 0)
        case Line():
            drawn = _freeform(shapes, shape.points, closed=False)
            drawn.fill.background()
            _stroke(drawn, shape.stroke, shape.width)
        case Circle():
            from pptx.enum.shapes import MSO_SHAPE

            left, top = shape.x - shape.radius, shape.y - shape.radius
            size = 2 * shape.radius
            drawn = shapes.add_shape(MSO_SHAPE.OVAL, *_emu(left, top, size, size))
            _paint(drawn, shape.fill, shape.stroke, shape.width)
        case Text():
            _add_text(shapes, shape)


def _add_box(shapes: Any, box: Box) -> None:
    from pptx.enum.shapes import MSO_SHAPE

    kind = MSO_SHAPE.ROUNDED_RECTANGLE if box.radius else MSO_SHAPE.RECTANGLE
    drawn = shapes.add_shape(kind, *_emu(box.x, box.y, box.width, box.height))
    if box.radius:
        drawn.adjustments[0] = min(0.5, box.radius / min(box.width, box.height))
    _paint(drawn, box.fill, box.stroke, 1.5)


def _add_text(shapes: Any, text: Text) -> None:
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    if not text.text:
        return
    width = text_width(text.text, text.size, bold=text.bold) * 1.1 + 8
    left = {"start": text.x, "middle": text.x - width / 2, "end": text.x - width}[text.anchor]
    frame = shapes.add_textbox(
        *_emu(left, text.y - text.size * 1.05, width, text.size * 1.3)
    ).text_frame
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.word_wrap = False
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    paragraph = frame.paragraphs[0]
    paragraph.alignment = {
        "start": PP_ALIGN.LEFT,
        "middle": PP_ALIGN.CENTER,
        "end": PP_ALIGN.RIGHT,
    }[text.anchor]
    run = paragraph.add_run()
    run.text = text.text
    run.font.size = Pt(text.size * POINTS)
    run.font.bold, run.font.italic = text.bold, text.italic
    run.font.color.rgb = _colour(text.fill)


def _freeform(shapes: Any, points: Any, *, closed: bool) -> Any:
    (x, y), *rest = points
    builder = shapes.build_freeform(round(x * EMU), round(y * EMU), scale=1.0)
    builder.add_line_segments([(round(a * EMU), round(b * EMU)) for a, b in rest], close=closed)
    return builder.convert_to_shape()


def _paint(drawn: Any, fill: str, stroke: str, width: float) -> None:
    drawn.shadow.inherit = False
    drawn.fill.solid()
    drawn.fill.fore_color.rgb = _colour(fill)
    if stroke and width:
        _stroke(drawn, stroke, width)
    else:
        drawn.line.fill.background()


def _stroke(drawn: Any, colour: str, width: float) -> None:
    from pptx.util import Pt

    drawn.shadow.inherit = False
    drawn.line.color.rgb = _colour(colour)
    drawn.line.width = Pt(width * POINTS)


def _colour(text: str) -> Any:
    from pptx.dml.color import RGBColor

    return RGBColor.from_string(text.removeprefix("#").upper())


def _emu(*lengths: float) -> list[int]:
    return [round(length * EMU) for length in lengths]


WRITERS: dict[str, Callable[[Canvas], bytes]] = {"png": png, "pdf": pdf, "pptx": pptx}
