"""Who looks at a notebook's outputs: a report of ours, a person with widgets, or whatever shows a notebook that was run by other tools."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    import plotly.graph_objects as go

PLOTLY = "application/vnd.plotly.v1+json"
_PERSON = ("JPY_SESSION_NAME", "VSCODE_PID", "VOILA_BASE_URL", "COLAB_RELEASE_TAG")
"""Variables of a kernel that Lab, Notebook, VS Code, Voilà or Colab started; papermill, nbconvert and schedulers set none of them."""
_OF_PLOTLY = (None, "browser", "jupyterlab", "nteract", "plotly_mimetype", "vscode")
"""Renderers that plotly takes by itself where figures show without any of its own."""


def in_report() -> bool:
    """Whether `cj run` makes a report, which holds plotly.js itself."""
    return os.environ.get("CJLIB_MODE") == "report"


def has_widgets() -> bool:
    """Whether a person can use a widget: not in a report, nor where a notebook is run from its first cell to its last."""
    if in_report():
        return False
    return _kernel() is None or any(name in os.environ for name in _PERSON)


def bundle_of(figure: go.Figure) -> dict[str, Any]:
    """What a figure leaves in a notebook: its data; outside a report also a picture that any HTML page shows, or what the renderer that was chosen makes of it."""
    import plotly.graph_objects as go

    data = figure._repr_mimebundle_()
    if in_report() or _kernel() is None or PLOTLY not in data:
        return data
    if _renderer_chosen():
        made = go.Figure._repr_mimebundle_(figure)
        return {"text/plain": data["text/plain"], **made} if made else {}
    return {**data, "text/html": _picture(data[PLOTLY])}


def _kernel() -> Any:
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _renderer_chosen() -> bool:
    import plotly.io as pio

    return (
        "PLOTLY_RENDERER" in os.environ
        or pio.renderers.default not in (*_OF_PLOTLY, "plotly_mimetype+notebook")  # type: ignore[attr-defined]
    )


_DRAWN = """<figure class="cj-figure" style="margin:0"><figcaption>{caption}</figcaption><div id="{id}" style="min-height:{height}px"></div>
<script>{library}(async (box) => {{
  const Plotly = window.Plotly || (window.cjPlotly && await window.cjPlotly);
  if (!Plotly) {{ box.textContent = "This figure needs the first one of the notebook: run the notebook from its start and save it."; return; }}
  const figure = {json};
  Plotly.newPlot(box, figure.data, figure.layout, {{responsive: true, displaylogo: false, displayModeBar: false}});
}})(document.getElementById("{id}"));</script></figure>"""
_LIBRARY = """window.cjPlotly = window.cjPlotly || (async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const opened = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Function(await new Response(opened).text())();
  return window.Plotly;
})("%s");
"""


def _picture(figure: Mapping[str, Any]) -> str:
    """The figure as HTML; the first one of a notebook brings plotly.js for all."""
    layout = figure.get("layout", {})
    return _DRAWN.format(
        id=f"cj-{uuid4().hex[:12]}",
        caption=escape(str((layout.get("meta") or {}).get("caption", ""))),
        height=layout.get("height") or 420,
        json=json.dumps(figure).replace("<", "\\u003c"),
        library=_LIBRARY % _packed_plotly() if _first_of(_kernel()) else "",
    )


_brought: dict[str, str] = {}
"""The cell whose figure brought plotly.js, and the execution of it that did."""


def _first_of(kernel: Any) -> bool:
    """Whether nothing before has brought plotly.js, or only this cell when it ran before, whose output is replaced."""
    parent = kernel.get_parent("shell") or {}
    execution = str(parent.get("header", {}).get("msg_id", ""))
    cell = str(parent.get("metadata", {}).get("cellId") or execution)
    if not _brought or (cell in _brought and _brought[cell] != execution):
        _brought.clear()
        _brought[cell] = execution
        return True
    return False


@cache
def _packed_plotly() -> str:
    source = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(source, compresslevel=6, mtime=0)).decode("ascii")
