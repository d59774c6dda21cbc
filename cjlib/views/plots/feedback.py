"""Which figures what customers say can be drawn as; here those of scores, and of what followed a complaint."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.show import numbers
from cjlib.views.plots import theme, themes
from cjlib.views.plots.rows import Axis, Dot, Lines, Row, bars, dot_rows, level_unchanged, over_time

NAMES = {
    "nps": "NPS",
    "csat": "share satisfied",
    "rating": "share rated well",
    "ces": "share who found it easy",
}
CELLS = {
    "good_score_negative_text": "Good score, negative text",
    "bad_score_positive_text": "Bad score, positive text",
}


def _is_nps(result: Any) -> bool:
    return result.score == "nps"


def _said(result: Any, value: float) -> str:
    if numbers.missing(value):
        return numbers.DASH
    return numbers.signed(value) if _is_nps(result) else numbers.percent(value)


def _axis(result: Any, **more: Any) -> Axis:
    return (
        Axis(f"{NAMES[result.score]}, −100 to 100", more, middle=0.0)
        if _is_nps(result)
        else Axis(NAMES[result.score], theme.percent_axis(**more))
    )


def scores(result: Any) -> go.Figure:
    """The score by segment, the lowest first and those of too few last, with its interval; over time where it was counted by period."""
    if result.period is not None:
        return time(result)
    few_last = result.table.assign(few=result.table["customers"] < MIN_N)
    table = theme.records(few_last.sort_values(["few", "value", "segment"]))
    others = result.against_others
    strong = set(others.loc[others["p_adjusted"] < CLAIM, "segment"])
    dots = [
        Dot(
            row["segment"],
            row["value"],
            row["low"],
            row["high"],
            row["customers"],
            _said(result, row["value"])
            + (f" · n = {row['n']:,}" if row["customers"] >= MIN_N else ""),
            row["segment"] in strong,
        )
        for row in table
    ]
    columns = ["segment", "n", *result.scale.names, NAMES[result.score], "low", "high"]
    rows = [
        [row[name] for name in ("segment", "n", *result.scale.names, "value", "low", "high")]
        for row in table
    ]
    return dot_rows(
        dots,
        _axis(result),
        caption=result.headline,
        alt=_alt(result, dots),
        columns=columns,
        rows=rows,
    )


def _alt(result: Any, dots: list[Dot]) -> str:
    return (
        f"{NAMES[result.score]} by segment: "
        + "; ".join(f"{dot.name} {dot.said}" for dot in dots[:8])
        + "."
    )


def distribution(result: Any) -> go.Figure:
    """How many gave each answer: all segments together."""
    counted = result.distribution.groupby("answer")["n"].sum()
    total = int(counted.sum())
    colours = [
        theme.COLOURS[0]
        if answer >= result.scale.good_from
        else theme.COLOURS[1]
        if answer <= result.scale.bad_to
        else theme.MUTED
        for answer in counted.index
    ]
    good, _, bad = result.scale.names
    shares = [int(n) / total for n in counted]
    ends = [
        int(counted[counted.index >= result.scale.good_from].sum()),
        int(counted[counted.index <= result.scale.bad_to].sum()),
    ]
    caption = f"Of {numbers.count_of(total, 'answer')} {ends[0]:,} ({numbers.percent(ends[0] / total)}) are {good} and {ends[1]:,} ({numbers.percent(ends[1] / total)}) {bad}."
    bar = go.Bar(
        x=[float(answer) for answer in counted.index],
        y=shares,
        marker={"color": colours},
        text=[f"{int(n):,}" for n in counted],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    return theme.figure(
        [bar],
        caption=caption,
        alt=f"Bars: share of answers for each score. {caption}",
        columns=["answer", "n", "share of answers"],
        rows=[
            [float(answer), int(n), share]
            for (answer, n), share in zip(counted.items(), shares, strict=True)
        ],  # pyright: ignore[reportArgumentType]
        height=280,
        margin={"l": 8, "r": 16, "t": 28, "b": 8},
        xaxis={"title": {"text": "answer"}, "dtick": 1, "showgrid": False},
        yaxis=theme.percent_axis(title={"text": "share of answers"}),
    )


def time(result: Any) -> go.Figure:
    """The score by period, with the periods from which the mean answer moved outside normal variation."""
    if result.period is None:
        return theme.empty(
            "Not counted by period: give period='month'.", columns=["segment", "period"]
        )
    shifts = result.shifts[result.shifts["p_adjusted"] < CLAIM]
    moved = theme.records(shifts)
    told = [
        f"from {one['period']:%Y-%m-%d} on the mean answer is {one['mean_after']:.2f} in place of {one['mean_before']:.2f} ({one['segment']}, n = {one['n_after']:,})"
        for one in moved[:3]
    ]
    caption = f"{result.headline} " + (
        f"Outside normal variation: {'; '.join(told)}." if told else level_unchanged(result)
    )
    given = Lines(result.table, "value", "low", "high", "customers")
    return over_time(
        given,
        shifts,
        _axis(result),
        caption=caption,
        alt=f"Line: {NAMES[result.score]} by {result.period}. {caption}",
    )


def compare(result: Any) -> go.Figure:
    """Solicited beside unsolicited, a row a segment: the score at the left, the mean score of unsolicited texts at the right; never one number."""
    table = [row for row in theme.records(result.compare) if row["n"] or row["n_text"]]
    columns = [
        "segment",
        "n solicited",
        NAMES[result.score],
        "low",
        "high",
        "n unsolicited texts",
        "mean text score (model index)",
        "text low",
        "text high",
        "rank by score",
        "rank by text",
        "in opposite order to",
    ]
    keys = (
        "segment",
        "n",
        "value",
        "low",
        "high",
        "n_text",
        "mean_score_of_text",
        "text_low",
        "text_high",
        "rank_by_score",
        "rank_by_text",
        "opposite",
    )
    caption = _compared(table)
    if not table:
        return theme.empty(caption, columns=columns)
    sides = (
        ("value", "low", "high", "n", "x", theme.COLOURS[0]),
        ("mean_score_of_text", "text_low", "text_high", "n_text", "x2", theme.COLOURS[3]),
    )
    traces = [
        go.Scatter(
            x=[theme.plain(row[value]) for row in table],
            y=[-place for place in range(len(table))],
            xaxis=axis,
            mode="markers",
            marker={
                "size": 10,
                "color": theme.faded([row[n] for row in table], colour),
                "symbol": ["circle" if row[n] >= MIN_N else "circle-open" for row in table],
            },
            error_x=theme.whiskers(
                [row[value] for row in table],
                [row[low] for row in table],
                [row[high] for row in table],
            ),
            hovertext=[f"<b>{theme.label(row['segment'])}</b><br>n = {row[n]:,}" for row in table],
            hoverinfo="text",
            showlegend=False,
        )
        for value, low, high, n, axis, colour in sides
    ]
    said = [f"n = {row['n']:,} and {row['n_text']:,}" for row in table]
    notes, lines = theme.row_labels([row["segment"] for row in table], said, [False] * len(table))
    left = {
        "domain": [0, 0.46],
        "nticks": 4,
        "title": {"text": f"solicited: {NAMES[result.score]}"},
    }
    right = {
        "domain": [0.54, 1],
        "nticks": 4,
        "title": {"text": "unsolicited: text score,<br>a model index"},
        "anchor": "y",
        "automargin": True,
    }
    return theme.figure(
        traces,
        caption=caption,
        alt=f"Two columns of dots by segment. {caption}",
        columns=columns,
        rows=[[row[key] for key in keys] for row in table],
        height=(46 + 18 * (lines - 1)) * len(table) + 95,
        annotations=notes,
        xaxis=left if _is_nps(result) else theme.percent_axis(**left),
        xaxis2=right,
        yaxis={"range": [-len(table) + 0.55, 0.85], "visible": False},
    )


def _compared(table: list[dict[str, Any]]) -> str:
    ranked = [row for row in table if not numbers.missing(row["rank_difference"])]
    if len(ranked) < 2:
        return (
            "Too few segments have enough answers on both sides to compare their order: solicited and unsolicited stand side by side."
            if table
            else "There are not both solicited scores and unsolicited texts: the column solicited says which answers were asked for."
        )
    opposite = [row for row in ranked if not numbers.missing(row["opposite"])]
    if not opposite:
        return f"No two of {len(ranked)} segments stand in one order by solicited scores and in the other by unsolicited texts, with intervals apart."
    first = opposite[0]
    return (
        f"Solicited scores and unsolicited texts put {first['segment']} and {first['opposite']} in opposite order, with intervals apart by both: "
        f"{len(opposite)} of {len(ranked)} segments stand so to another."
    )


def crossed(result: Any, *, quotes: bool = True) -> go.Figure:
    """Scores and texts that contradict each other, each with a typical quote."""
    shown = (
        result.crossed
        if quotes
        else result.crossed.assign(quote_1=None, quote_2=None, quote_3=None)
    )
    table = theme.records(shown)
    rows = []
    for row in table:
        quote = "" if numbers.missing(row["quote_1"]) else f": “{row['quote_1']}”"
        rows.append(
            Row(
                CELLS[row["cell"]] + quote,
                row["share"],
                row["low"],
                row["high"],
                row["of"],
                f"{numbers.percent(row['share'])} ({row['n']:,} of {row['of']:,})",
            )
        )
    caption = "; ".join(
        f"{CELLS[row['cell']].lower()}: {row['n']:,} of {row['of']:,}" for row in table
    )
    columns = ["cell", "n", "of", "share", "quote 1", "quote 2", "quote 3"]
    if not sum(row["of"] for row in table):
        return theme.empty("No text stands beside a score.", columns=columns)
    values = [
        [
            CELLS[row["cell"]],
            *(row[name] for name in ("n", "of", "share", "quote_1", "quote_2", "quote_3")),
        ]
        for row in table
    ]
    contradict = any(row["n"] for row in table)
    said = f"{numbers.capitalised(caption)}."
    if contradict:
        said += " A scale misread, one thing good and another bad, or a label of the model that is wrong: the quotes tell."
    return bars(
        rows,
        axis="share of the texts with that score",
        caption=said,
        alt=said,
        columns=columns,
        table=values,
    )


def aftermath(result: Any) -> go.Figure:
    """The difference that follows a complaint, by segment: within months, with its interval."""
    table = theme.records(result.table)
    dots = [
        Dot(
            row["segment"],
            100 * row["difference"],
            100 * row["difference_low"],
            100 * row["difference_high"],
            min(row["complained"], row["others"]),
            f"{numbers.percent(row['share_complained'])} against {numbers.percent(row['share_others'])}",
            bool(row["p_adjusted"] < CLAIM),
        )
        for row in table
        if not numbers.missing(row["difference"])
    ]
    names = (
        "segment",
        "complained",
        "share_complained",
        "others",
        "share_others",
        "difference",
        "difference_low",
        "difference_high",
        "p_adjusted",
    )
    columns = [name.replace("_", " ") for name in names]
    axis = Axis(
        "difference of shares within months, in points: an association",
        {"tickformat": "+~f"},
        middle=0.0,
    )
    return dot_rows(
        dots,
        axis,
        caption=result.headline,
        alt=result.headline,
        columns=columns,
        rows=[[row[name] for name in names] for row in table],
    )


VIEWS = {
    **themes.VIEWS,
    "Aftermath": {"aftermath": aftermath},
    "Scores": {
        "scores": scores,
        "distribution": distribution,
        "time": time,
        "compare": compare,
        "crossed": crossed,
    },
}
