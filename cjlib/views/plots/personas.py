"""Personas: what sets each group apart, as bars to the left (less than the others) and right (more), in a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme

COLUMNS = [
    "persona",
    "name",
    "customers",
    "feature",
    "its mean",
    "mean of the others",
    "difference",
    "low",
    "high",
    "standard deviations",
    "adjusted p, of groups that the same data made",
]
VALUES = ("value", "value_rest", "difference", "low", "high", "standardised", "p_adjusted")


def profile(result: Any, *, most: int = 5) -> go.Figure:
    """The features that set each persona apart most, in standard deviations from all other customers."""
    pairs = list(_pairs(result, most))
    scale = marks.Scale(title="standard deviations from the others", signed=True, middle=0.0)
    return theme.rows_figure(
        marks.spec([_mark(persona, feature) for persona, feature in pairs], scale, "bar"),
        caption=f"{result.headline} The profile is descriptive: the same data made the groups.",
        alt=f"Bars of what sets each group apart. {_alt(result, most)}.",
        columns=COLUMNS,
        rows=[
            [
                *(persona[name] for name in ("persona", "name", "customers")),
                feature["feature"],
                *(feature[name] for name in VALUES),
            ]
            for persona, feature in pairs
        ],
    )


def _pairs(result: Any, most: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each persona with each of the features that set it apart most."""
    for persona in theme.records(result.table):
        own = result.profile[result.profile["persona"] == persona["persona"]]
        yield from ((persona, feature) for feature in theme.records(own.head(most)))


def _mark(persona: dict[str, Any], feature: dict[str, Any]) -> marks.Mark:
    few = bool(theme.too_few(persona["customers"]))
    return marks.Mark(
        name=_feature(feature),
        said=_beside(feature),
        value=theme.plain(feature["standardised"]),
        faint=few,
        group=f"{persona['persona']}: {persona['name']}, {numbers.percent(persona['share'])} of those seen enough, n = {persona['customers']:,}{': too few to read' * few}",
    )


def _feature(feature: dict[str, Any]) -> str:
    """Its name in words."""
    return numbers.short(_full(feature).removeprefix("share of "), 40)


def _full(feature: dict[str, Any]) -> str:
    return str(feature["feature"]).replace("_", " ")


def _beside(feature: dict[str, Any]) -> str:
    """The persona's mean beside that of the others."""
    full = _full(feature)
    share = full.startswith("share of") or " = " in full
    written = numbers.percent if share else _year if "year" in full.split() else numbers.number
    return f"{written(feature['value'])}, others {written(feature['value_rest'])}"


def _year(value: float | None) -> str:
    """A year has no comma."""
    return numbers.number(value).replace(",", "")


def _alt(result: Any, most: int) -> str:
    words: dict[str, list[str]] = {}
    for persona, feature in _pairs(result, most):
        whose = f"{persona['persona']}, {persona['name']}, {numbers.percent(persona['share'])}"
        words.setdefault(whose, []).append(f"{_feature(feature)}: {_beside(feature)}")
    return ". ".join(f"{whose}: {'; '.join(own)}" for whose, own in words.items())


VIEWS = {"Personas": {"profile": profile}}
