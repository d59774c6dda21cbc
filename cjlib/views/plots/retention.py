"""Which figures retention can be drawn as: cohorts as a grid, averages as curves, which cohorts stand out, what they are worth."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.retention_cohorts import cohorts
from cjlib.views.plots.retention_curves import average, group_caption, value
from cjlib.views.plots.retention_differences import differences

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
    notes, lines = theme.row_labels(
        [_name(row, by) for row in shown],
        said,
        [_clear(compared.get(_name(row, by))) for row in shown],
        faint=[row["eligible"] < MIN_N for row in shown],
    )
    pitch = 36 + 18 * lines
    reach = min(1.0, 1.06 * max(*(row["share_high"] for row in shown), 0.001))
    return theme.figure(
        [
            dots(
                [row["share"] for row in shown],
                [row["share_low"] for row in shown],
                [row["share_high"] for row in shown],
                [row["eligible"] for row in shown],
            )
        ],
        caption=group_caption(result) + more,
        alt=f"A dot with its 95% CI for each group of {' and '.join(by)}. {'; '.join(f'{_name(row, by)}: {text}' for row, text in zip(shown, said, strict=True))}.",
        columns=[*by, *COLUMNS],
        rows=[_row(row, compared.get(_name(row, by)), by) for row in rows],
        height=pitch * len(shown) + 60,
        annotations=notes,
        showlegend=False,
        xaxis=theme.percent_axis(
            range=[-0.015 * reach, reach],
            nticks=5,
            title={"text": f"share that came back in {result.period} {rows[0]['period']}, 95% CI"},
        ),
        yaxis={"range": [0.6 - len(shown), (14 + 20 * lines) / pitch], "visible": False},
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


def dots(value: list[float], low: list[float], high: list[float], n: list[int]) -> go.Scatter:
    """One dot a row with its interval, hollow and grey where it rests on too few."""
    colours = theme.faded(n)
    return go.Scatter(
        x=value,
        y=[-float(k) for k in range(len(value))],
        mode="markers",
        marker={
            "size": 11,
            "color": colours,
            "symbol": ["circle" if count >= MIN_N else "circle-open" for count in n],
            "line": {"width": 2, "color": colours},
        },
        error_x=theme.whiskers(value, low, high),
        hoverinfo="skip",
    )


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


VIEWS = {
    "Retention": {
        "cohorts": cohorts,
        "average": average,
        "segments": segments,
        "differences": differences,
        "value": value,
    }
}
