"""Transitions as a grid: from the event at the left to the event above."""

from __future__ import annotations

from collections import Counter
from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme

COLUMNS = ["from", "to", "count", "share of source", "95% CI"]


def heatmap(result: Any, *, most: int = 8) -> go.Figure:
    """The share of what follows each event, for the commonest events; a result with groups is drawn as its largest group."""
    groups = theme.by_columns(result.table, "source")
    rows, first = _largest(result, groups)
    if not rows:
        return theme.empty(result.headline, columns=COLUMNS)
    sources, targets = (_commonest(rows, side, most) for side in ("source", "target"))
    cell = {(row["source"], row["target"]): row for row in rows}
    shares = [
        [
            cell[source, target]["share_of_source"] if (source, target) in cell else 0.0
            for target in targets
        ]
        for source in sources
    ]
    hover = [[_hover(cell, source, target) for target in targets] for source in sources]
    base = {row["source"]: row["count"] / row["share_of_source"] for row in rows}
    values = [
        _number(x, y, shares[y][x], base[source])
        for y, source in enumerate(sources)
        for x in range(len(targets))
        if shares[y][x] >= 0.005
    ]
    said = "; ".join(
        f"{row['source']} to {row['target']}: {numbers.percent(row['share_of_source'])}"
        for row in rows[:12]
    )
    return theme.figure(
        [_grid(shares, hover)],
        caption=result.headline
        + (f" {theme.group_name(first)}: the largest group." if groups else ""),
        alt=f"A grid of shares: rows are events, columns what follows them. {said}.",
        columns=COLUMNS,
        rows=[_told(row) for row in rows if row["source"] in sources and row["target"] in targets],
        height=150 + 34 * len(sources),
        annotations=values,
        xaxis=_names(targets, 14) | {"side": "top", "tickangle": -90},
        yaxis=_names(sources, 16) | {"autorange": "reversed"},
    )


def _largest(result: Any, groups: list[str]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The rows of the first group, which is the largest, and its values."""
    every = theme.records(result.table)
    first = [every[0][column] for column in groups] if every else []

    def of_first(row: dict[str, Any]) -> bool:
        return all(
            row[column] == value or (numbers.missing(row[column]) and numbers.missing(value))
            for column, value in zip(groups, first, strict=True)
        )

    return [row for row in every if of_first(row)], first


def _grid(shares: list[list[float]], hover: list[list[str]]) -> go.Heatmap:
    places = {"x": list(range(len(shares[0]))), "y": list(range(len(shares)))}
    look = {
        "zmin": 0,
        "zmax": 1,
        "colorscale": theme.SEQUENTIAL,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    return go.Heatmap(z=shares, **places, **look, hovertext=hover, hoverinfo="text")


def _names(names: list[str], most: int) -> dict[str, Any]:
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [theme.label(name, most) for name in names],
        "showgrid": False,
    }


def _told(row: dict[str, Any]) -> list[Any]:
    share = row["share_of_source"]
    return [
        row["source"],
        row["target"],
        row["count"],
        numbers.percent(share),
        numbers.interval(row["share_of_source_low"], row["share_of_source_high"]),
    ]


def _commonest(rows: list[dict[str, Any]], side: str, most: int) -> list[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row[side]] += row["count"]
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]


def _hover(cell: dict[tuple[str, str], dict[str, Any]], source: str, target: str) -> str:
    row = cell.get((source, target))
    head = f"<b>{theme.wrapped(source)} → {theme.wrapped(target)}</b>"
    if row is None:
        return f"{head}<br>never"
    said = f"{numbers.percent(row['share_of_source'])} of what follows, {numbers.count_of(row['count'], 'time')}"
    return f"{head}<br>{theme.safe(said)}<br>median {theme.safe(numbers.duration(row['median_seconds']))}"


def _number(x: int, y: int, share: float, base: float) -> dict[str, Any]:
    """The share in its cell, in a colour that can be read there; in brackets where the row rests on too few."""
    scale = theme.SEQUENTIAL
    colour = next(colour for at, colour in reversed(scale) if share >= at)
    text = f"{100 * share:.0f}" if base >= MIN_N else f"({100 * share:.0f})"
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "font": {"size": 11, "color": theme.on(colour)},
    }
