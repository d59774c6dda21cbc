"""Which figures retention can be drawn as: cohorts as a grid, averages as curves, which cohorts stand out, what they are worth."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme
from cjlib.views.plots.retention_cohorts import cohort_name, cohorts
from cjlib.views.plots.retention_curves import average, change, group_caption, value

COLUMNS = [
    "customers",
    "came back",
    "share",
    "95% CI",
    "share of all others",
    "difference",
    "95% CI of the difference",
    "adjusted p",
    "verdict",
]


def segments(result: Any, *, most: int = 12) -> go.Figure:
    """A dot a group: the share that came back in the last complete period, with its interval and whether it differs significantly from the others."""
    by = list(result.by)
    rows = _last(result, by)
    if not by or not rows:
        return theme.empty(
            "There are no groups to compare: the log has no column for it, or no period is complete.",
            columns=[*by, *COLUMNS],
        )
    compared = {_name(row, by): row for row in theme.records(result.comparisons)}
    shown = rows[:most]
    left = len(rows) - len(shown)
    more = (
        f" {numbers.count_of(left, 'smaller group is', 'smaller groups are')} in the table only."
        if left
        else ""
    )
    verdicts = [verdict(compared.get(_name(row, by)), row["eligible"]) for row in shown]
    said = [
        f"{numbers.percent(row['share'])} of {row['eligible']:,}, {text}"
        for row, text in zip(shown, verdicts, strict=True)
    ]
    drawn = [
        marks.Mark(
            name=_name(row, by),
            said=f"{numbers.percent(row['share'])}, {text}",
            n=row["eligible"],
            value=row["share"],
            low=row["share_low"],
            high=row["share_high"],
            strong=_clear(compared.get(_name(row, by))),
            faint=row["eligible"] < MIN_N,
        )
        for row, text in zip(shown, verdicts, strict=True)
    ]
    scale = marks.Scale(
        title=f"share that came back in {result.period} {rows[0]['period']}, 95% CI",
        percent=True,
        low=0.0,
    )
    return theme.rows_figure(
        marks.spec(drawn, scale, "dot"),
        caption=group_caption(result) + more,
        alt=f"A dot with its 95% CI for each group of {' and '.join(by)}. {'; '.join(f'{_name(row, by)}: {text}' for row, text in zip(shown, said, strict=True))}.",
        columns=[*by, *COLUMNS],
        rows=[_row(row, compared.get(_name(row, by)), by) for row in rows],
    )


def _last(result: Any, by: list[str]) -> list[dict[str, Any]]:
    rows = theme.records(result.average)
    last = max((row["period"] for row in rows), default=0)
    return [row for row in rows if row["period"] == last] if by and last else []


def _name(row: dict[str, Any], by: list[str]) -> str:
    return theme.group_name(row[column] for column in by)


def _clear(row: dict[str, Any] | None) -> bool:
    return row is not None and row["p_adjusted"] < CLAIM


def verdict(row: dict[str, Any] | None, n: int) -> str:
    """What is said beside a group."""
    if n < MIN_N:
        return "too few to read"
    if row is None:
        return "not compared"
    if not _clear(row):
        return "no significant difference"
    return "above the others" if row["difference"] > 0 else "below the others"


def _row(row: dict[str, Any], compared: dict[str, Any] | None, by: list[str]) -> list[Any]:
    others = [None] * 4
    if compared is not None:
        span = numbers.points_interval(compared["difference_low"], compared["difference_high"])
        others = [
            numbers.percent(compared["other_share"]),
            numbers.points(compared["difference"]),
            span,
            compared["p_adjusted"],
        ]
    interval = numbers.interval(row["share_low"], row["share_high"])
    groups = (theme.group_name([row[name]]) for name in by)
    return [
        *groups,
        row["eligible"],
        row["retained"],
        numbers.percent(row["share"]),
        interval,
        *others,
        verdict(compared, row["eligible"]),
    ]


COHORT_COLUMNS = [
    "cohort",
    "customers",
    "periods",
    "returned periods",
    "expected",
    "share of expected",
    "95% CI",
    "adjusted p",
    "verdict",
]


def differences(result: Any, *, most: int = 60) -> go.Figure:
    """A dot a cohort: its returned periods as a share of what the average of all would give; significant ones are bold, and the cut is marked."""
    by = list(result.by)
    columns = [*by, *COHORT_COLUMNS]
    rows = theme.records(result.cohort_comparisons)
    if not rows:
        return theme.empty(
            "There are no cohorts to compare: fewer than two with enough customers, or a customer may stand in several.",
            columns=columns,
        )
    first = [row for row in rows if _group(row, by) == _group(rows[0], by)]
    shown = first[-most:]
    lines, notes = _cut(result, shown) if not by else ([], [])
    return theme.figure(
        _dots(shown, result.period),
        caption=_caption(result, shown, by),
        alt="; ".join(
            [
                "A dot for each cohort: returned periods as a share of what the average would give",
                *(_said(row, result.period) for row in shown if _stands_out(row)),
            ]
        )
        + ".",
        columns=columns,
        rows=[_cohort_row(row, by, result.period) for row in rows],
        height=376 if notes else 340,
        margin={"l": 8, "r": 16, "t": 44 if notes else 8, "b": 8},
        showlegend=False,
        shapes=[
            {
                "type": "line",
                "x0": -0.5,
                "x1": len(shown) - 0.5,
                "y0": 1,
                "y1": 1,
                "line": {"color": theme.MUTED, "width": 1.5, "dash": "dot"},
            },
            *lines,
        ],
        annotations=notes,
        xaxis=_axis(shown, result.period),
        yaxis=theme.percent_axis(
            title={"text": "returned periods as a share<br>of the average, 95% CI"}
        ),
    )


def _group(row: dict[str, Any], by: list[str]) -> str:
    return theme.group_name(row[name] for name in by)


def _stands_out(row: dict[str, Any]) -> bool:
    return not numbers.missing(row["p_adjusted"]) and row["p_adjusted"] < CLAIM


def _said(row: dict[str, Any], period: str) -> str:
    return f"{cohort_name(row['cohort'], period)} {numbers.percent(row['share_of_expected'])}, significant"


def _dots(rows: list[dict[str, Any]], period: str) -> list[go.Scatter]:
    traces = []
    for colour, clear in ((theme.MUTED, False), (theme.COLOURS[1], True)):
        at = [k for k, row in enumerate(rows) if _stands_out(row) == clear]
        share, low, high = (
            [rows[k][f"share_of_expected{bound}"] for k in at] for bound in ("", "_low", "_high")
        )
        hover = [
            f"<b>{theme.safe(cohort_name(rows[k]['cohort'], period))}</b><br>{theme.safe(numbers.percent(rows[k]['share_of_expected']))} of expected, {numbers.count_of(rows[k]['customers'], 'customer')}"
            for k in at
        ]
        traces.append(
            go.Scatter(
                x=at,
                y=share,
                mode="markers",
                marker={
                    "size": 9,
                    "color": colour,
                    "symbol": "circle" if clear else "circle-open",
                    "line": {"width": 2, "color": colour},
                },
                error_y=theme.whiskers(share, low, high, colour),
                hovertext=hover,
                hoverinfo="text",
            )
        )
    return traces


def _cut(
    result: Any, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The cut from which returns change, where chance does not explain it."""
    change = theme.records(result.cohort_change)
    if not change or change[0]["p_value"] >= CLAIM:
        return [], []
    place = next((k for k, row in enumerate(rows) if row["cohort"] >= change[0]["cohort"]), None)
    if place is None:
        return [], []
    line = {
        "type": "line",
        "x0": place - 0.5,
        "x1": place - 0.5,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": theme.COLOURS[0], "width": 2, "dash": "dash"},
    }
    right = place > len(rows) / 2
    text = f"<b>change from<br>{theme.safe(cohort_name(change[0]['cohort'], result.period))}</b>"
    return [line], [
        theme.note(text, x=place - 0.5, y=1, yref="paper", right=right, xshift=-4 if right else 4)
    ]


def _caption(result: Any, rows: list[dict[str, Any]], by: list[str]) -> str:
    clear = [row for row in rows if _stands_out(row)]
    change = theme.records(result.cohort_change)
    said = []
    if not by and change and change[0]["p_value"] < CLAIM:
        cut = change[0]
        sides = f"{numbers.percent(cut['share_of_expected_before'])} of the average before, {numbers.percent(cut['share_of_expected_from'])} from then on"
        said.append(
            f"Returns change with the cohort of {cohort_name(cut['cohort'], result.period)}: {sides} (n = {cut['customers_before']:,} and {cut['customers_from']:,})."
        )
    else:
        said.append(
            "Before and after no cohort do returns differ significantly."
            if not by
            else f"{_group(rows[0], by)}, the largest group."
        )
    said.append(
        f"{len(clear) or 'None'} of {numbers.count_of(len(rows), 'cohort')} by {'itself differs' if len(clear) < 2 else 'themselves differ'} significantly from the average."
    )
    return " ".join(said)


def _axis(rows: list[dict[str, Any]], period: str) -> dict[str, Any]:
    every = max(1, -(-len(rows) // 6))
    ticks = list(range(0, len(rows), every))
    labels = [theme.label(cohort_name(rows[k]["cohort"], period), 12) for k in ticks]
    return {
        "tickvals": ticks,
        "ticktext": labels,
        "range": [-0.6, len(rows) - 0.4],
        "showgrid": False,
        "tickangle": -35 if len(labels) > 4 else 0,
    }


def _cohort_row(row: dict[str, Any], by: list[str], period: str) -> list[Any]:
    value = row["cohort"]
    verdict = (
        ("more than average" if row["share_of_expected"] > 1 else "less than average")
        if _stands_out(row)
        else "no significant difference"
    )
    return [
        *(theme.group_name([row[name]]) for name in by),
        cohort_name(pd.Timestamp(value) if isinstance(value, pd.Timestamp) else value, period),
        row["customers"],
        row["periods"],
        row["returned_periods"],
        numbers.number(round(row["expected_periods"], 1)),
        numbers.percent(row["share_of_expected"]),
        numbers.interval(row["share_of_expected_low"], row["share_of_expected_high"]),
        row["p_adjusted"],
        verdict if row["customers"] >= MIN_N else "too few to read",
    ]


VIEWS = {
    "Retention": {
        "cohorts": cohorts,
        "average": average,
        "change": change,
        "segments": segments,
        "differences": differences,
        "value": value,
    }
}
