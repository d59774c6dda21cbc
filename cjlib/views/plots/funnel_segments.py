"""A funnel's groups beside each other: who reaches the last step, and where each group loses its customers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N, others_in_words
from cjlib.show import numbers
from cjlib.views import marks
from cjlib.views.plots import theme
from cjlib.views.plots.funnel_steps import named

SEGMENT_COLUMNS = [
    "customers",
    "reached the last step",
    "share",
    "95% CI",
    "share of all others",
    "difference",
    "95% CI of the difference",
    "adjusted p",
    "verdict",
]
CLEAR = ("above the others", "below the others")


def segments(result: Any, *, most: int = 12) -> go.Figure:
    """Each group's share that reached the last step, with its interval; what differs significantly from the others is said in words.

    Drawn are the customers that are compared: each by the first entry, once its window has ended; where nothing is compared, those of the table.
    """
    table: pd.DataFrame = result.group_steps if len(result.group_steps) else result.table
    by = theme.by_columns(table, "step")
    rows = _last_rows(table, by)
    if not rows:
        return theme.empty(
            "There are no groups to compare: the log has no column for it, or nobody entered.",
            columns=[*by, *SEGMENT_COLUMNS],
        )
    verdicts = _verdicts(result.comparisons, by)
    shown = rows[:most]
    more = _left_out(len(rows) - most)
    every = _everyone(rows) if len(result.comparisons) else None
    drawn = [_mark(row, by, verdicts.get(_key(row, by), "")) for row in shown]
    scale = marks.Scale(
        title=f"share that reached “{numbers.short(rows[0]['event'], 24)}”, 95% CI",
        percent=True,
        low=0.0,
        high=_reach(shown),
        middle=every,
        middle_name="" if every is None else f"all groups together, {numbers.percent(every)}",
    )
    return theme.rows_figure(
        marks.spec(drawn, scale, "dot"),
        caption=segments_caption(result, by, rows) + more,
        alt=_alt(shown, by, verdicts) + more,
        columns=[*by, *SEGMENT_COLUMNS],
        rows=_segment_rows(rows, result.comparisons, by),
    )


def _mark(row: dict[str, Any], by: list[str], verdict: str) -> marks.Mark:
    few = row["entered"] < MIN_N
    return marks.Mark(
        name=_name(row, by),
        said=f"{numbers.percent(row['share_of_first'])}, {'too few to read' if few else verdict}".removesuffix(
            ", "
        ),
        n=row["entered"],
        value=row["share_of_first"],
        low=theme.plain(row["share_of_first_low"]),
        high=theme.plain(row["share_of_first_high"]),
        strong=verdict in CLEAR,
        faint=few,
    )


def _segment_rows(
    rows: list[dict[str, Any]], comparisons: pd.DataFrame, by: list[str]
) -> list[list[Any]]:
    compared = {_key(row, by): row for row in theme.records(comparisons)}
    return [
        [
            *(theme.group_name([row[name]]) for name in by),
            row["entered"],
            row["customers"],
            numbers.percent(row["share_of_first"]),
            numbers.interval(row["share_of_first_low"], row["share_of_first_high"]),
            *_compared_cells(compared.get(_key(row, by)), row["entered"]),
        ]
        for row in rows
    ]


def _compared_cells(row: dict[str, Any] | None, entered: int) -> list[Any]:
    if row is None:
        return [None, None, None, None, "too few to read" if entered < MIN_N else "not compared"]
    return [
        numbers.percent(row["other_share"]),
        numbers.points(row["difference"]),
        numbers.points_interval(row["difference_low"], row["difference_high"]),
        row["p_adjusted"],
        _verdict(row),
    ]


def _left_out(groups: int) -> str:
    return (
        f" {numbers.count_of(groups, 'smaller group is', 'smaller groups are')} in the table only."
        if groups > 0
        else ""
    )


def _reach(rows: list[dict[str, Any]]) -> float:
    """Where the axis ends: beyond every dot and the interval of every group that can be read; wider ones are cut at the edge."""
    readable = [row["share_of_first_high"] for row in rows if row["entered"] >= MIN_N] or [
        row["share_of_first_high"] for row in rows
    ]
    return min(1.0, 1.06 * max(*readable, *(row["share_of_first"] for row in rows), 0.001))


def _last_rows(table: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """The last step of each group, with `entered`: its customers at step 1."""
    rows = theme.records(table)
    entered = {_key(row, by): row["customers"] for row in rows if row["step"] == 1}
    final = max((row["step"] for row in rows), default=0)
    return (
        [{**row, "entered": entered[_key(row, by)]} for row in rows if row["step"] == final]
        if by
        else []
    )


def _key(row: dict[str, Any], by: list[str]) -> tuple[Any, ...]:
    return tuple(None if numbers.missing(row[name]) else row[name] for name in by)


def _name(row: dict[str, Any], by: list[str]) -> str:
    return theme.group_name(row[name] for name in by)


def _verdicts(comparisons: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], str]:
    """What is said beside each group that was compared with the others."""
    return {_key(row, by): _verdict(row) for row in theme.records(comparisons)}


def _verdict(row: dict[str, Any]) -> str:
    if numbers.missing(row["p_adjusted"]) or row["p_adjusted"] >= CLAIM:
        return "no significant difference"
    return CLEAR[0] if row["difference"] > 0 else CLEAR[1]


def _everyone(rows: list[dict[str, Any]]) -> float | None:
    entered = sum(row["entered"] for row in rows)
    return sum(row["customers"] for row in rows) / entered if entered else None


def _said(row: dict[str, Any], verdict: str) -> str:
    verdict = "too few to read" if row["entered"] < MIN_N else verdict
    return f"{numbers.percent(row['share_of_first'])} of {row['entered']:,}" + (
        f", {verdict}" if verdict else ""
    )


def segments_caption(result: Any, by: list[str], rows: list[dict[str, Any]]) -> str:
    """What the groups claim: which differs significantly, by how much; or that none does."""
    of, last = " and ".join(by), named(rows[0]["event"])
    readable = [row for row in rows if row["entered"] >= MIN_N]
    if len(readable) < 2:
        return f"Fewer than two groups of {of} have {MIN_N} customers or more: too few to compare."
    low, high = (pick(row["share_of_first"] for row in readable) for pick in (min, max))
    span = f"from {numbers.percent(low)} to {numbers.percent(high)} reach {last}"
    compared = theme.records(result.comparisons)
    if not compared:
        return f"By {of}, {span}; {result.definition.get('comparisons', 'the groups are not compared')}."
    clear = sorted(
        (row for row in compared if _verdict(row) in CLEAR), key=lambda row: -abs(row["difference"])
    )
    if not clear:
        return f"No significant difference between the {len(compared)} groups of {of}: {span}."
    # A group without a value is nothing to act on: it is the claim only where no other group stands out.
    first = next((row for row in clear if None not in _key(row, by)), clear[0])
    more = (
        f"; {len(clear)} of {len(compared)} groups differ significantly from the others"
        if len(clear) > 1
        else "; no other group differs significantly"
    )
    return (
        f"{_name(first, by)} stands out: {numbers.percent(first['share'])} of its {numbers.count_of(first['customers'], 'customer')} reach {last}, "
        f"{numbers.points(first['difference'], first['difference_low'], first['difference_high'])} against {others_in_words(first['without'])} ({numbers.points_interval(first['difference_low'], first['difference_high'])}){more}."
    )


def _alt(rows: list[dict[str, Any]], by: list[str], verdicts: dict[tuple[Any, ...], str]) -> str:
    every = (
        f"{_name(row, by)}: {numbers.percent(row['share_of_first'])} of {row['entered']:,}"
        + ("" if row["entered"] >= MIN_N else ", too few to read")
        + (f", {verdicts[_key(row, by)]}" if _key(row, by) in verdicts else "")
        for row in rows
    )
    return f"A dot with its 95% CI for each group of {' and '.join(by)}. {'; '.join(every)}."


# ---- where each group loses its customers ----------------------------------------------------------------------


GROUP_STEP_COLUMNS = [
    "step",
    "event",
    "customers",
    "share of step before",
    "95% CI of that share",
    "against all others",
    "95% CI of the difference",
    "adjusted p",
]


def segment_steps(result: Any, *, most: int = 5) -> go.Figure:
    """For each step after the first, each group's share of those at the step before: where a group falls behind."""
    table: pd.DataFrame = result.group_steps if len(result.group_steps) else result.table
    by = theme.by_columns(table, "step")
    rows = theme.records(table)
    groups = list(dict.fromkeys(_key(row, by) for row in rows))
    columns = [*by, *GROUP_STEP_COLUMNS]
    final = max((row["step"] for row in rows), default=0)
    if not by or final < 2:
        return theme.empty("There are no groups to compare step by step.", columns=columns)
    traces = [
        _group_trace(k, [row for row in rows if _key(row, by) == group], by, min(most, len(groups)))
        for k, group in enumerate(groups[:most])
    ]
    events = {row["step"]: row["event"] for row in rows}
    notes = [
        theme.note(
            f"<b>{theme.label(f'to step {step}: {events[step]}', 40)}</b>",
            x=0,
            y=0.42 - (step - 2),
            xref="paper",
        )
        for step in range(2, final + 1)
    ]
    more = _left_out(len(groups) - most)
    return theme.figure(
        traces,
        caption=_apart_caption(result, rows, by) + more,
        alt=f"For each step a row of dots, one for each group of {' and '.join(by)}: the share of those at the step before that went on."
        + more,
        columns=columns,
        rows=[_group_step_row(row, by) for row in rows],
        height=(26 + 19 * min(most, len(groups))) * (final - 1) + 110,
        annotations=notes,
        showlegend=True,
        xaxis=theme.percent_axis(
            range=[-0.01, 1.01],
            nticks=6,
            title={
                "text": "share of those at the step before, 95% CI<br>hollow: fewer than 30 at the step before"
            },
        ),
        yaxis={"range": [1.45 - final, 0.75], "visible": False},
    )


def _group_trace(k: int, rows: list[dict[str, Any]], by: list[str], groups: int) -> go.Scatter:
    later = [(row, before) for before, row in pairwise(rows) if before["customers"] > 0]
    share, low, high = (
        [row[f"share_of_previous{bound}"] for row, _ in later] for bound in ("", "_low", "_high")
    )
    colour, symbol = theme.COLOURS[k % len(theme.COLOURS)], theme.SYMBOLS[k % len(theme.SYMBOLS)]
    name = _name(rows[0], by)
    said = [
        f"<b>{theme.label(name)}</b><br>{theme.safe(numbers.percent(row['share_of_previous']))} of {before['customers']:,} at the step before"
        for row, before in later
    ]
    return go.Scatter(
        x=share,
        y=[2.0 - row["step"] + 0.28 - 0.7 * (k + 0.5) / groups for row, _ in later],
        name=theme.label(name, 20),
        mode="markers",
        marker={
            "size": 9,
            "color": colour,
            "symbol": [
                symbol if before["customers"] >= MIN_N else f"{symbol}-open" for _, before in later
            ],
        },
        error_x=theme.whiskers(share, low, high, colour) | {"width": 0},
        hovertext=said,
        hoverinfo="text",
    )


def _group_step_row(row: dict[str, Any], by: list[str]) -> list[Any]:
    return [
        *(theme.group_name([row[name]]) for name in by),
        row["step"],
        row["event"],
        row["customers"],
        numbers.percent(row["share_of_previous"]),
        numbers.interval(row["share_of_previous_low"], row["share_of_previous_high"]),
        numbers.points(row.get("difference")),
        numbers.points_interval(row.get("difference_low"), row.get("difference_high")),
        row.get("p_adjusted"),
    ]


def _apart_caption(result: Any, rows: list[dict[str, Any]], by: list[str]) -> str:
    """The group and step that differ most from all others, of those that differ significantly."""
    of = " and ".join(by)
    if result.group_steps.empty:
        return f"Step by step, the groups of {of} side by side; they are not compared."
    tested = [row for row in rows if not numbers.missing(row["p_adjusted"])]
    if not tested:
        return f"Too few customers to compare the groups of {of} step by step."
    clear = [row for row in tested if row["p_adjusted"] < CLAIM]
    if not clear:
        return f"At no step do the groups of {of} differ significantly."
    row = max(clear, key=lambda each: abs(each["difference"]))
    return (
        f"On the way to {named(row['event'])}, {_name(row, by)} differs from the others: {numbers.percent(row['share_of_previous'])} continue, "
        f"{numbers.points(row['difference'], row['difference_low'], row['difference_high'])} ({numbers.points_interval(row['difference_low'], row['difference_high'])})."
    )
