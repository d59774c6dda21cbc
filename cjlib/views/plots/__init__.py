"""Figures: `plot(result)` finds the module that draws a result by the name of the result's class.

A family of results is one module here, named like its analysis, and one line of `_MODULES`. The module has

- `VIEWS`: class name → {view name → function}, the first view being the one drawn unless another is asked for;
- each function takes the result and keyword options, and returns what `theme.figure` makes: no title, a caption that is a claim
  made from the result, words for a screen reader, and every number shown as columns and rows.

Text from data goes through `theme.safe` or `theme.label`; positions on axes are numbers with `ticktext`, never category names, so that
an event called "2024" stays a name. A plots module is imported when one of its results is drawn, not before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, did_you_mean, not_one_of, shown

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MODULES = {
    "paths": ["Paths", "Loops", "Transitions", "Sessions", "PathDifferences", "Unanswered"],
    "attribution": ["Attribution", "AttributionComparison"],
    "retention": ["Retention"],
    "survival": ["Survival"],
    "lifecycle": ["Lifecycle"],
    "scores": ["Scores", "Aftermath"],
    "sentiment": ["Sentiment"],
    "themes": ["Themes"],
    "drivers": ["Drivers"],
    "churn": ["ChurnModel", "ModelBy", "PastForecasts"],
    "target_list": ["TargetList", "ValueAtRisk"],
    "value": ["CustomerValue", "StatedValue", "ValueBy", "SubscriptionValue"],
    "journey_map": ["JourneyMap", "PersonaMaps", "MapChange", "WhatIf"],
    "funnel": ["Funnel", "FunnelTrend", "FunnelChange", "FunnelLost"],
    "scorecard": ["Scorecard"],
    "personas": ["Personas"],
}
_MODULE_OF = {kind: module for module, kinds in _MODULES.items() for kind in kinds}

View = Callable[..., "go.Figure"]


def plot(result: Any, view: str | None = None, **options: Any) -> go.Figure:
    """The result as a figure.

    Draws what the result holds and counts nothing anew. The figure has no title: `layout.meta` carries its caption (a claim made from
    the result), words for a screen reader, and the numbers shown as columns and rows.

    Parameters
    ----------
    result
        What an analysis returned: `cj.funnel(…)`, `cj.retention(…)`, …
    view
        Which of the result's figures; without it the usual one. An unknown name is answered with the list.
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
    views = views_of(result)
    if view is not None and view not in views:
        raise not_one_of("view", view, views)
    name = view or next(iter(views))
    _, *known = inspect.signature(views[name]).parameters
    for option in options:
        if option not in known:
            takes = f"the view {name!r} takes {', '.join(known) or 'none'}"
            raise CjlibError(f"options: {takes}. Got {shown(option)}.{did_you_mean(option, known)}")
    return views[name](result, **options)


def views_of(result: Any) -> dict[str, View]:
    """The figures a result can be drawn as, by name, the usual one first."""
    for kind in type(result).__mro__:
        if kind.__name__ in _MODULE_OF:
            return import_module(f"{__name__}.{_MODULE_OF[kind.__name__]}").VIEWS[kind.__name__]
    raise CjlibError(
        f"result: there is no figure for {shown(type(result).__name__)}. Figures exist for {', '.join(_MODULE_OF)}; "
        "give what an analysis returned, such as cj.plot(cj.funnel(log, …))."
    )
