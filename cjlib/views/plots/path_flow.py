"""From event to event: the flow of paths as bands step by step, and the transitions as a grid."""

from __future__ import annotations

from collections import Counter
from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme

BAND = "rgba(43,115,214,0.32)"
FAINT = "rgba(118,118,118,0.22)"
ROOM = 0.76
"""The part of the width for bands; the rest is for the names of the last step."""
PAD = 18
LETTERS, MOST_LETTERS = 12, 24
"""Letters of a name on a phone, and where there is room: the page spells them out."""
COLUMNS = ["step", "from", "to", "paths", "share of source", "95% CI", "median time"]


def flow(result: Any, *, steps: int = 4, most: int = 5) -> go.Figure:
    """The first steps as a flow: in every step the most common events by name, the others together; the list is the table below."""
    table = theme.records(result.table)
    drawn = [row for row in table if row["step"] < steps]
    if not drawn:
        return theme.empty(result.headline, columns=COLUMNS)
    other = result.other
    shown = _shown(drawn, most, other)
    bands: Counter[tuple[int, str, str]] = Counter()
    for row in drawn:
        step = row["step"]
        source = _named_or(other, shown, step, row["source"])
        target = _named_or(other, shown, step + 1, row["target"])
        bands[step, source, target] += row["paths"]
    nodes = sorted(
        {(step, source) for step, source, _ in bands}
        | {(step + 1, target) for step, _, target in bands}
    )
    place = {node: position for position, node in enumerate(nodes)}
    sizes = _sizes(bands)
    height = 40 + 50 * max(Counter(step for step, _ in nodes).values())
    centres = _centres(nodes, sizes, height, other)
    across = {node: (node[0] - 1) / max(1, nodes[-1][0] - 1) for node in nodes}
    return theme.figure(
        [_sankey([(*node, across[node], centres[node]) for node in nodes], place, bands, other)],
        caption=_claim(result, drawn),
        alt=f"Bands from step to step over the first {min(steps, drawn[-1]['step'] + 1)} steps. "
        + "; ".join(
            f"step {step}, {source} to {target}: {numbers.count_of(n, 'path')}"
            for (step, source, target), n in bands.most_common(12)
        )
        + ".",
        columns=COLUMNS,
        rows=[_row(row) for row in drawn[:60]],
        height=height + 24 + 16,
        margin={"l": 2, "r": 2, "t": 24, "b": 16},
        annotations=[
            *(_name(node, ROOM * across[node], 1 - centres[node]) for node in nodes),
            *(
                theme.note(
                    f"step {step}",
                    x=ROOM * (step - 1) / max(1, nodes[-1][0] - 1),
                    y=1,
                    size=11,
                    xref="paper",
                    yref="paper",
                    yshift=4,
                )
                for step in sorted({step for step, _ in nodes})
            ),
        ],
    )


def _name(node: tuple[int, str], x: float, y: float) -> dict[str, Any]:
    """The name beside its node: ours, since plotly turns the last column's names over the bands before it."""
    short, long = (theme.label(node[1], most) for most in (LETTERS, MOST_LETTERS))
    note = theme.note(short, x=x, y=y, size=11, xref="paper", yref="paper", xshift=10) | {
        "yanchor": "middle"
    }
    return note if short == long else note | {"name": "shortened", "hovertext": long}


def _shown(drawn: list[dict[str, Any]], most: int, other: str) -> dict[int, set[str]]:
    counts: dict[int, Counter[str]] = {}
    for row in drawn:
        if row["step"] == 1:
            counts.setdefault(1, Counter())[row["source"]] += row["paths"]
        counts.setdefault(row["step"] + 1, Counter())[row["target"]] += row["paths"]
    return {step: _first(of_step, most, other) for step, of_step in counts.items()}


def _first(of_step: Counter[str], most: int, other: str) -> set[str]:
    ranked = sorted(
        (name for name in of_step if name != other), key=lambda name: (-of_step[name], name)
    )
    return set(ranked[:most])


def _named_or(other: str, shown: dict[int, set[str]], step: int, name: str) -> str:
    return name if name in shown.get(step, set()) else other


def _sizes(bands: Counter[tuple[int, str, str]]) -> dict[tuple[int, str], int]:
    leaving: Counter[tuple[int, str]] = Counter()
    coming: Counter[tuple[int, str]] = Counter()
    for (step, source, target), n in bands.items():
        leaving[step, source] += n
        coming[step + 1, target] += n
    return {node: max(leaving[node], coming[node]) for node in leaving.keys() | coming.keys()}


def _sankey(
    nodes: list[tuple[int, str, float, float]],
    place: dict[tuple[int, str], int],
    bands: Counter[tuple[int, str, str]],
    other: str,
) -> go.Sankey:
    sizes = _sizes(bands)
    ordered = sorted(bands.items())
    return go.Sankey(
        arrangement="fixed",
        domain={"x": [0, ROOM], "y": [0, 1]},
        node={
            "label": [""] * len(nodes),
            "x": [min(0.999, max(0.001, x)) for *_, x, _ in nodes],
            "y": [min(0.999, max(0.001, y)) for *_, y in nodes],
            "color": [theme.MUTED if name == other else theme.COLOURS[0] for _, name, *_ in nodes],
            "pad": PAD,
            "thickness": 8,
            "line": {"width": 0},
            "customdata": [
                f"step {step}<br>{theme.wrapped(name)}: {numbers.count_of(sizes[step, name], 'path')}"
                for step, name, *_ in nodes
            ],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        link={
            "source": [place[step, source] for (step, source, _), _ in ordered],
            "target": [place[step + 1, target] for (step, _, target), _ in ordered],
            "value": [n for _, n in ordered],
            "color": [
                FAINT if other in (source, target) else BAND for (_, source, target), _ in ordered
            ],
            "customdata": [
                f"{theme.wrapped(source)} → {theme.wrapped(target)}<br>{numbers.count_of(n, 'path')}"
                for (_, source, target), n in ordered
            ],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    )


def _centres(
    nodes: list[tuple[int, str]], sizes: dict[tuple[int, str], int], height: int, other: str
) -> dict[tuple[int, str], float]:
    """Where plotly shall put each node: largest at the top, the rest together at the bottom, in its own scale, so that nothing is cut."""
    steps = {
        step: sorted(
            (node for node in nodes if node[0] == step),
            key=lambda node: (node[1] == other, -sizes[node], node[1]),
        )
        for step, _ in nodes
    }
    scale = min(
        (height - (len(column) - 1) * PAD) / sum(sizes[node] for node in column)
        for column in steps.values()
    )
    centres = {}
    for column in steps.values():
        above = 0.0
        for node in column:
            centres[node] = (above + scale * sizes[node] / 2) / height
            above += scale * sizes[node] + PAD
    return centres


def _claim(result: Any, drawn: list[dict[str, Any]]) -> str:
    other = result.other
    first = max(
        (row for row in drawn if other not in (row["source"], row["target"])),
        key=lambda row: row["paths"],
        default=drawn[0],
    )
    base = first["paths"] / first["share_of_source"]
    if base < 30:
        return result.headline
    return (
        f"The strongest band leads from {first['source']} to {first['target']} after step {first['step']}: {first['paths']:,} of {numbers.count_of(base, 'path')} there, "
        f"{numbers.percent(first['share_of_source'])} (95% CI {numbers.interval(first['share_of_source_low'], first['share_of_source_high'])})."
    )


def _row(row: dict[str, Any]) -> list[Any]:
    return [
        row["step"],
        row["source"],
        row["target"],
        row["paths"],
        numbers.percent(row["share_of_source"]),
        numbers.interval(row["share_of_source_low"], row["share_of_source_high"]),
        numbers.duration(row["median_seconds"]),
    ]


GRID_COLUMNS = ["from", "to", "count", "share of source", "95% CI"]


def heatmap(result: Any, *, most: int = 8) -> go.Figure:
    """The share of what follows each event, for the most common events; a result with groups is drawn as its largest group."""
    groups = theme.by_columns(result.table, "source")
    rows, first = _largest(result, groups)
    if not rows:
        return theme.empty(result.headline, columns=GRID_COLUMNS)
    sources, targets = (_most_common(rows, side, most) for side in ("source", "target"))
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
        columns=GRID_COLUMNS,
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


def _most_common(rows: list[dict[str, Any]], side: str, most: int) -> list[str]:
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
