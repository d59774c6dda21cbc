"""Survival: staircases with their interval, and how many are still observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme
from cjlib.views.plots.retention_curves import curve

POINTS, FEWEST, LISTED = 160, 40, 13
"""Steps drawn of all staircases together, and at least of each; steps listed of each in the table. More look the same and make the report heavier."""
MARKS = 5


def survival(result: Any, *, most: int = 4) -> go.Figure:
    """The share that has not churned, day by day, with its interval; beneath it how many are still at risk."""
    by, unit = list(result.by), result.unit
    columns = [*by, unit, "at risk", "churned", "censored", "share surviving", "95% CI"]
    groups = _groups(result, by)
    if not groups or not any(rows[0]["at_risk"] for rows in groups.values()):
        return theme.empty(result.headline, columns=columns)
    shown = list(groups.items())[:most]
    left = len(groups) - len(shown)
    more = (
        f" {numbers.count_of(left, 'smaller group is', 'smaller groups are')} in the table only."
        if left
        else ""
    )
    traces = []
    for place, (name, rows) in enumerate(shown):
        traces += _staircase(
            _thin(rows, unit, max(FEWEST, POINTS // len(shown))), place, name, unit
        )
    last = max(rows[-1][unit] for _, rows in shown)
    marks = _marks(last)
    return theme.figure(
        traces,
        caption=_caption(result, by) + more,
        alt=_alt(shown, unit, marks) + more,
        columns=columns,
        rows=[_row(row, by, unit) for rows in groups.values() for row in _thin(rows, unit, LISTED)],
        height=360 + 22 * (len(shown) + 1),
        margin={"l": 8, "r": 16, "t": 8, "b": 78 + 20 * len(shown)},
        annotations=_at_risk_notes(shown, marks, unit, last),
        showlegend=bool(by),
        xaxis={
            "title": {"text": f"{unit}s since the start", "standoff": 4},
            "tickvals": marks,
            "ticktext": [f"{mark:g}" for mark in marks],
            "range": [-0.02 * last, last * 1.03 or 1],
            "showgrid": False,
        },
        yaxis=theme.percent_axis(range=[0, 1.03], title={"text": "share that has not churned"}),
    )


def _groups(result: Any, by: list[str]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in theme.records(result.table):
        groups.setdefault(theme.group_name(row[name] for name in by), []).append(row)
    return groups


def _thin(rows: list[dict[str, Any]], unit: str, points: int) -> list[dict[str, Any]]:
    """At most so many steps: the last one at or before each of evenly spaced times."""
    if len(rows) <= points:
        return rows
    times = np.array([row[unit] for row in rows], dtype=float)
    kept = np.unique(
        np.searchsorted(times, np.linspace(times[0], times[-1], points), side="right") - 1
    )
    return [rows[k] for k in kept.tolist()]


def _staircase(steps: list[dict[str, Any]], place: int, name: str, unit: str) -> list[go.Scatter]:
    share, low, high = (
        [row[f"share_surviving{bound}"] for row in steps] for bound in ("", "_low", "_high")
    )
    # Where nobody has churned yet the share is 1 and has no interval: the band begins there.
    low, high = (
        [1.0 if value == 1.0 else bound for value, bound in zip(share, bounds, strict=True)]
        for bounds in (low, high)
    )
    hover = [
        f"{numbers.percent(row['share_surviving'])} after {row[unit]:g} {unit}s ({numbers.interval(row['share_surviving_low'], row['share_surviving_high'])}), {row['at_risk']:,} at risk"
        for row in steps
    ]
    head = f"<b>{theme.label(name)}</b><br>" if name else ""
    return curve(
        [row[unit] for row in steps],
        share,
        low,
        high,
        place=place,
        name=theme.label(name, 24),
        steps=True,
        faint=steps[0]["at_risk"] < MIN_N,
        hovertext=[head + theme.safe(line) for line in hover],
    )


def _marks(last: float) -> list[float]:
    if last <= 0:
        return [0.0]
    rough = last / MARKS
    size = 10 ** np.floor(np.log10(rough))
    step = next(float(size * factor) for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [step * k for k in range(int(last / step) + 1)]


def at_risk(rows: list[dict[str, Any]], unit: str, mark: float) -> int:
    """How many are still observed just before a time."""
    return rows[0]["at_risk"] - sum(
        row["churned"] + row["censored"] for row in rows if row[unit] < mark
    )


def _at_risk_notes(
    shown: list[tuple[str, list[dict[str, Any]]]], marks: list[float], unit: str, last: float
) -> list[dict[str, Any]]:
    notes = [
        theme.note(
            "still observed:", x=0, y=0, below=True, xref="paper", yref="paper", yshift=-48, size=11
        )
    ]
    for place, (_, rows) in enumerate(shown):
        colour = theme.COLOURS[place % len(theme.COLOURS)] if len(shown) > 1 else theme.MUTED
        for mark in marks:
            note = theme.note(
                f"{at_risk(rows, unit, mark):,}",
                x=mark,
                y=0,
                below=True,
                yref="paper",
                yshift=-64 - 18 * place,
                size=11,
            )
            notes.append({**note, "xanchor": "center", "font": {"size": 11, "color": colour}})
    return notes


def _caption(result: Any, by: list[str]) -> str:
    if not by:
        return result.headline
    table = theme.records(result.summary)
    readable = [row for row in table if row["n"] >= MIN_N]
    if len(readable) < 2:
        return result.headline
    unit = result.unit
    low, high = (pick(readable, key=lambda row: row[f"rmst_{unit}s"]) for pick in (min, max))
    span = (
        f"Over the first {low[f'rmst_limit_{unit}s']:g} {unit}s, customers stay {_mean(low, unit)} on average in {theme.group_name(low[name] for name in by)} "
        f"and {_mean(high, unit)} in {theme.group_name(high[name] for name in by)}"
    )
    beyond = int((result.comparisons["p_adjusted"] < CLAIM).sum())
    compared = int(result.comparisons["p_adjusted"].notna().sum())
    if not compared:
        return f"{span}; no groups can be compared."
    verdict = (
        f"{beyond} of {compared} groups {'differs' if beyond == 1 else 'differ'} significantly from the others"
        if beyond
        else "no group differs significantly from the others"
    )
    return f"{span}; {verdict}."


def _mean(row: dict[str, Any], unit: str) -> str:
    return f"{row[f'rmst_{unit}s']:.1f} {unit}s ({row['rmst_low']:.1f}–{row['rmst_high']:.1f})"


def _alt(shown: list[tuple[str, list[dict[str, Any]]]], unit: str, marks: list[float]) -> str:
    said = []
    for name, rows in shown:
        shares = ", ".join(
            f"{numbers.percent(max((row for row in rows if row[unit] <= mark), key=lambda row: row[unit])['share_surviving'])} at {mark:g}"
            for mark in marks[1:]
        )
        said.append(f"{name + ': ' if name else ''}{shares}")
    return f"Falling staircases: the share that has not churned, by {unit}. {'; '.join(said)}."


def _row(row: dict[str, Any], by: list[str], unit: str) -> list[Any]:
    share = numbers.percent(row["share_surviving"])
    bounds = numbers.interval(row["share_surviving_low"], row["share_surviving_high"])
    return [
        *(theme.group_name([row[name]]) for name in by),
        row[unit],
        row["at_risk"],
        row["churned"],
        row["censored"],
        share,
        bounds,
    ]


def means(result: Any, *, most: int = 12) -> go.Figure:
    """A dot a group: how long its customers stay on average, up to a day that all groups reach, with its interval."""
    by, unit = list(result.by), result.unit
    columns = [
        *by,
        "customers",
        "churned",
        f"median {unit}s",
        f"mean {unit}s",
        "95% CI",
        f"up to {unit}",
        "adjusted p",
        "verdict",
    ]
    rows = theme.records(result.summary)
    if not by or not rows:
        return theme.empty("There are no groups to compare.", columns=columns)
    p_values = {
        theme.group_name(row[name] for name in by): row["p_adjusted"]
        for row in theme.records(result.comparisons)
    }
    shown = rows[:most]
    left = len(rows) - len(shown)
    more = (
        f" {numbers.count_of(left, 'smaller group is', 'smaller groups are')} in the table only."
        if left
        else ""
    )
    names = [theme.group_name(row[name] for name in by) for row in shown]
    verdicts = [
        _verdict(p_values.get(name), row["n"]) for name, row in zip(names, shown, strict=True)
    ]
    said = [
        f"{row[f'rmst_{unit}s']:.1f} {unit}s, {numbers.count_of(row['n'], 'customer')}, {verdict}"
        for row, verdict in zip(shown, verdicts, strict=True)
    ]
    limit = rows[0][f"rmst_limit_{unit}s"]
    drawn = [
        marks.Mark(
            name=name,
            said=f"{row[f'rmst_{unit}s']:.1f} {unit}s, {verdict}",
            n=row["n"],
            value=row[f"rmst_{unit}s"],
            low=theme.plain(row["rmst_low"]),
            high=theme.plain(row["rmst_high"]),
            strong=verdict == DIFFERS,
            faint=row["n"] < MIN_N,
        )
        for name, row, verdict in zip(names, shown, verdicts, strict=True)
    ]
    scale = marks.Scale(
        title=f"mean {unit}s until churn, up to {unit} {limit:g}, 95% CI",
        low=0.0,
        high=limit or 1.0,
    )
    return theme.rows_figure(
        marks.spec(drawn, scale, "dot"),
        caption=_caption(result, by) + more,
        alt=f"A dot with its 95% CI for each group. {'; '.join(f'{name}: {text}' for name, text in zip(names, said, strict=True))}.",
        columns=columns,
        rows=[_mean_row(row, by, unit, p_values) for row in rows],
    )


DIFFERS = "differs from the others"


def _verdict(p_adjusted: float | None, n: int) -> str:
    if n < MIN_N:
        return "too few to read"
    if p_adjusted is None or numbers.missing(p_adjusted):
        return "not compared"
    return DIFFERS if p_adjusted < CLAIM else "no significant difference"


def _mean_row(
    row: dict[str, Any], by: list[str], unit: str, p_values: dict[str, float]
) -> list[Any]:
    name = theme.group_name(row[column] for column in by)
    median = row[f"median_{unit}s"]
    bounds = f"{row['rmst_low']:.1f}–{row['rmst_high']:.1f}"
    values = [
        row["n"],
        row["churned"],
        "not reached" if numbers.missing(median) else f"{median:g}",
        f"{row[f'rmst_{unit}s']:.1f}",
        bounds,
        row[f"rmst_limit_{unit}s"],
    ]
    return [
        *(theme.group_name([row[column]]) for column in by),
        *values,
        p_values.get(name),
        _verdict(p_values.get(name), row["n"]),
    ]


VIEWS = {"Survival": {"survival": survival, "means": means}}
