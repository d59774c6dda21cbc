"""Personas: what sets each group apart, as bars to the left (less than the others) and right (more)."""

from __future__ import annotations

import textwrap
from typing import Any

import plotly.graph_objects as go

from cjlib.show import numbers
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
    "adjusted p",
]
LINE, BAR, HEAD, GAP = 16, 14, 22, 20
WIDTH = 44


def profile(result: Any, *, most: int = 5) -> go.Figure:
    """The features that set each persona apart most, in standard deviations from all other customers."""
    x, y, colours, patterns, hover, notes, rows = [], [], [], [], [], [], []
    depth = 0.0
    for persona in theme.records(result.table):
        few = persona["customers"] < theme.MIN_N
        names = textwrap.wrap(f"{persona['persona']}: {persona['name']}", WIDTH)
        said = f"{numbers.percent(persona['share'])} of those seen enough, n = {persona['customers']:,}{': too few to read' * few}"
        lines = [theme.safe(line) if few else f"<b>{theme.safe(line)}</b>" for line in names] + [
            theme.safe(line) for line in textwrap.wrap(said, WIDTH)
        ]
        notes.append(theme.note("<br>".join(lines), x=0, y=-depth, below=True, xref="paper"))
        depth += LINE * len(lines) + 8
        for feature in theme.records(
            result.profile[result.profile["persona"] == persona["persona"]].head(most)
        ):
            notes.append(
                theme.note(theme.safe(_in_words(feature)), x=0, y=-depth, below=True, xref="paper")
            )
            depth += HEAD
            x.append(feature["standardised"])
            y.append(-depth - BAR / 2 + 2)
            above = feature["standardised"] > 0
            colours.append(theme.MUTED if few else theme.COLOURS[0] if above else theme.COLOURS[1])
            patterns.append("" if above else "/")
            hover.append(
                f"{theme.wrapped(_in_words(feature))}<br>{feature['standardised']:+.1f} standard deviations"
            )
            depth += BAR + 4
            values = (
                "value",
                "value_rest",
                "difference",
                "low",
                "high",
                "standardised",
                "p_adjusted",
            )
            rows.append(
                [
                    persona["persona"],
                    persona["name"],
                    persona["customers"],
                    feature["feature"],
                    *(feature[name] for name in values),
                ]
            )
        depth += GAP
    reach = max((abs(one) for one in x), default=1.0) * 1.05
    marker = {
        "color": colours,
        "pattern": {
            "shape": patterns,
            "solidity": 0.25,
            "fgcolor": "#ffffff",
            "fillmode": "overlay",
        },
        "line": {"width": 0},
    }
    bars = go.Bar(
        x=x,
        y=y,
        width=BAR,
        orientation="h",
        marker=marker,
        hovertext=hover,
        hoverinfo="text",
        showlegend=False,
    )
    return theme.figure(
        [bars],
        caption=f"{result.headline} The profile is descriptive: the same data made the groups.",
        alt=_alt(result, most),
        columns=COLUMNS,
        rows=rows,
        height=int(depth) + 60,
        annotations=notes,
        xaxis={
            "range": [-reach, reach],
            "zeroline": True,
            "zerolinecolor": theme.MUTED,
            "title": {"text": "standard deviations from the others"},
        },
        yaxis={"range": [-depth, 4], "visible": False, "fixedrange": True},
    )


def _in_words(feature: dict[str, Any]) -> str:
    full = str(feature["feature"]).replace("_", " ")
    share = full.startswith("share of") or " = " in full
    written = numbers.percent if share else _year if "year" in full.split() else numbers.number
    name = numbers.short(full.removeprefix("share of "), 26)
    return f"{name}: {written(feature['value'])}, others {written(feature['value_rest'])}"


def _year(value: float | None) -> str:
    """A year has no comma."""
    return numbers.number(value).replace(",", "")


def _alt(result: Any, most: int) -> str:
    said = []
    for persona in theme.records(result.table):
        features = theme.records(
            result.profile[result.profile["persona"] == persona["persona"]].head(most)
        )
        said.append(
            f"{persona['persona']}, {persona['name']}, {numbers.percent(persona['share'])}: {'; '.join(_in_words(one) for one in features)}"
        )
    return f"Bars of what sets each group apart. {'. '.join(said)}."


VIEWS = {"Personas": {"profile": profile}}
