"""Figures: `plot(result)` finds the module that draws a result by the module of the result's class.

A result of `cjlib.analyses.funnel` is drawn by `views/plots/funnel.py`, one of `cjlib.analyses.feedback.themes` by `views/plots/themes.py` or else by
`views/plots/feedback.py`: the innermost name first. Such a module has

- `VIEWS`: class name → {view name → function}, the first view being the one drawn unless another is asked for;
- each function takes the result and keyword options, and returns what `theme.figure` makes: no title, a caption that is a claim
  made from the result, words for a screen reader, and every number shown as columns and rows.

Text from data goes through `theme.safe` or `theme.label`; positions on axes are numbers with `ticktext`, never category names, so that
an event called "2024" stays a name. A plots module is imported when one of its results is drawn, not before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, did_you_mean, not_one_of, shown

if TYPE_CHECKING:
    import plotly.graph_objects as go

View = Callable[..., "go.Figure"]


def plot(result: Any, view: str | None = None, **options: Any) -> go.Figure:
    """The result as a figure.

    Draws what the result holds and counts nothing anew. The figure has no title: `layout.meta`
    carries its caption (a claim made from the result), words for a screen reader, and the numbers
    shown as columns and rows. Of a result that could not answer the reason is shown.

    Parameters
    ----------
    result
        What an analysis returned: `cj.funnel(…)`, `cj.retention(…)`, …
    view
        Which of the result's figures; without it the usual one. An unknown name is answered with
        the list.
    **options
        Of that view.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    CjlibError
        If there is no figure for this kind of object, no such view, or no such option.
    """
    if not getattr(result, "answered", True):
        from cjlib.views.plots import theme

        return theme.reason_note(result.headline)
    views = views_of(result)
    if view is not None and view not in views:
        raise not_one_of("view", view, views)
    name = view or next(iter(views))
    _, *known = inspect.signature(views[name]).parameters
    for option in options:
        if option not in known:
            takes = f"the view {name!r} takes {', '.join(known) or 'none'}"
            raise CjlibError(f"options: {takes}. Got {shown(option)}.{did_you_mean(option, known)}")
    return _with_findings(views[name](result, **options), result)


def _with_findings(figure: go.Figure, result: Any) -> go.Figure:
    """The figure, which tells what its result has found: a result that is only drawn leaves nothing else in a notebook."""
    families = dict(getattr(result, "families", {}))
    if families:
        findings = [finding.plain() for finding in result.findings]
        drawn = {"kind": type(result).__name__, "findings": findings, "families": families}
        figure.layout.meta = {**getattr(figure.layout, "meta", {}), "result": drawn}
    return figure


def views_of(result: Any) -> Mapping[str, View]:
    """The figures a result can be drawn as, by name, the usual one first."""
    for kind in type(result).__mro__:
        for name in reversed(kind.__module__.split(".")):
            views = _views_in(name).get(kind.__name__)
            if views is not None:
                return views
    raise CjlibError(
        f"result: there is no figure for {shown(type(result).__name__)}; "
        "give what an analysis returned, such as cj.plot(cj.funnel(log, …))."
    )


def _views_in(name: str) -> Mapping[str, Mapping[str, View]]:
    """What the plots module of this name draws; nothing where there is no such module."""
    module = f"{__name__}.{name}"
    return getattr(import_module(module), "VIEWS", {}) if find_spec(module) else {}
