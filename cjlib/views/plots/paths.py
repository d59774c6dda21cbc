"""Which figures paths, loops, transitions, sessions and differences of paths can be drawn as."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.event_arrays import ARROW
from cjlib.show import numbers
from cjlib.views.plots import theme
from cjlib.views.plots.path_flow import flow, heatmap
from cjlib.views.plots.rows import Pair, bars, dumbbells, rows_of

MEANING = "95% CIs; grey: fewer than 30"


def journeys(result: Any, *, most: int = 5) -> go.Figure:
    """The most common whole paths as bars: their share of all paths."""
    columns = ["path", "paths", "share of paths", "95% CI", "customers"]
    every = theme.records(result.sequences)
    if not every:
        return theme.empty(result.headline, columns=columns)
    rows = rows_of(
        every[:most], "share_of_paths", lambda row: row["path"], lambda _: result.n_paths, "paths"
    )
    return bars(
        rows,
        axis=f"share of all paths<br>{MEANING}",
        caption=result.headline,
        alt=f"Bars for the {numbers.count_of(len(rows), 'most common way')}. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=columns,
        table=[
            [
                row["path"],
                row["paths"],
                numbers.percent(row["share_of_paths"]),
                numbers.interval(row["share_of_paths_low"], row["share_of_paths_high"]),
                row["customers"],
            ]
            for row in every
        ],
    )


def links(result: Any, *, step: int = 1, most: int = 10) -> go.Figure:
    """The most common links of one step as bars: the flow as a list."""
    chosen = [row for row in theme.records(result.table) if row["step"] == step]
    return _moves(result, chosen, "paths", most, f"share of the paths at that event in step {step}")


def moves(result: Any, *, most: int = 10) -> go.Figure:
    """The most common transitions as bars: their share of what follows the source."""
    ours = [
        row for row in theme.records(result.table) if not numbers.missing(row["median_seconds"])
    ]
    return _moves(result, ours, "count", most, "share of what follows the first event")


def segments(result: Any) -> go.Figure:
    """The most common transitions of each group."""
    if not theme.by_columns(result.table, "source"):
        return theme.empty(
            "There are no groups to compare: the log has no column for it.", columns=["from", "to"]
        )
    return moves(result)


def _moves(result: Any, every: list[dict[str, Any]], count: str, most: int, axis: str) -> go.Figure:
    groups = theme.by_columns(result.table, "source") if count == "count" else []
    columns = [
        *groups,
        "from",
        "to",
        count,
        "customers",
        "share of source",
        "95% CI",
        "median time",
    ]
    if not every:
        return theme.empty(result.headline, columns=columns)

    def name(row: dict[str, Any]) -> str:
        group = f"{theme.group_name(row[column] for column in groups)}: " if groups else ""
        return f"{group}{row['source']}{ARROW}{row['target']}"

    rows = rows_of(
        every[:most],
        "share_of_source",
        name,
        lambda row: round(row[count] / row["share_of_source"]),
        count,
    )
    return bars(
        rows,
        axis=f"{axis}<br>{MEANING}",
        caption=result.headline if count == "count" else _link_claim(every),
        alt=f"Bars for the {numbers.count_of(len(rows), 'most common move')}. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=columns,
        table=[
            [
                *(row[column] for column in groups),
                row["source"],
                row["target"],
                row[count],
                row["customers"],
                numbers.percent(row["share_of_source"]),
                numbers.interval(row["share_of_source_low"], row["share_of_source_high"]),
                numbers.duration(row["median_seconds"]),
            ]
            for row in every[:60]
        ],
    )


def _link_claim(every: list[dict[str, Any]]) -> str:
    readable = [row for row in every if row["paths"] / row["share_of_source"] >= MIN_N]
    if not readable:
        return f"No event of this step is reached by {MIN_N} paths: too few to name the most common link."
    row = readable[0]
    return (
        f"At step {row['step']}, {row['source']} is followed by {row['target']} in {numbers.percent(row['share_of_source'])} of "
        f"{row['paths'] / row['share_of_source']:,.0f} paths (95% CI {numbers.interval(row['share_of_source_low'], row['share_of_source_high'])}), "
        f"half of them within {numbers.duration(row['median_seconds'])}."
    )


def returns(result: Any, *, most: int = 10) -> go.Figure:
    """The events that paths come back to, as shares of the paths that reach them."""
    columns = [
        "event",
        "paths that return",
        "customers",
        "returns",
        "share of paths with it",
        "95% CI",
        "median time away",
    ]
    every = theme.records(result.table)
    if not every:
        return theme.empty(result.headline, columns=columns)
    share = "share_of_paths_with_event"
    rows = rows_of(
        every[:most],
        share,
        lambda row: row["event"],
        lambda row: round(row["paths"] / row[share]),
        "paths",
    )
    return bars(
        rows,
        axis=f"share of the paths that reach it<br>{MEANING}",
        caption=result.headline,
        alt=f"Bars for the {numbers.count_of(len(rows), 'event')} most often returned to. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=columns,
        table=[
            [
                row["event"],
                row["paths"],
                row["customers"],
                row["returns"],
                numbers.percent(row[share]),
                numbers.interval(row[f"{share}_low"], row[f"{share}_high"]),
                numbers.duration(row["median_seconds"]),
            ]
            for row in every
        ],
    )


def ways(result: Any, *, most: int = 10) -> go.Figure:
    """The most common loops by their way, as shares of all paths."""
    columns = ["loop", "paths", "customers", "times", "share of paths", "95% CI"]
    every = theme.records(result.ways)
    if not every:
        return theme.empty(result.headline, columns=columns)
    rows = rows_of(
        every[:most],
        "share_of_paths",
        lambda row: row["loop"],
        lambda row: round(row["paths"] / row["share_of_paths"]),
        "paths",
    )
    first = every[0]
    return bars(
        rows,
        axis=f"share of all paths<br>{MEANING}",
        caption=f"The most common loop, {first['loop']}, is in {rows[0].said} paths (95% CI "
        f"{numbers.interval(first['share_of_paths_low'], first['share_of_paths_high'])}).",
        alt=f"Bars for the {len(rows)} most common loops. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=columns,
        table=[
            [
                row["loop"],
                row["paths"],
                row["customers"],
                row["times"],
                numbers.percent(row["share_of_paths"]),
                numbers.interval(row["share_of_paths_low"], row["share_of_paths_high"]),
            ]
            for row in every
        ],
    )


def lengths(result: Any) -> go.Figure:
    """Sessions by how many events they hold."""
    columns = ["events in the session", "sessions", "share of sessions", "95% CI"]
    every = theme.records(result.lengths)
    n = len(result.table)
    if not n:
        return theme.empty(result.headline, columns=columns)
    rows = rows_of(
        every,
        "share",
        lambda row: f"{row['events']} {'event' if row['events'] == '1' else 'events'}",
        lambda _: n,
        "sessions",
    )
    return bars(
        rows,
        axis=f"share of sessions<br>{MEANING}",
        caption=result.headline,
        alt="Bars for sessions by number of events. "
        + "; ".join(f"{row.name}: {row.said}" for row in rows)
        + ".",
        columns=columns,
        table=[
            [
                row["events"],
                row["sessions"],
                numbers.percent(row["share"]),
                numbers.interval(row["share_low"], row["share_high"]),
            ]
            for row in every
        ],
    )


def differences(result: Any, *, kind: str | None = None, most: int = 10) -> go.Figure:
    """What the two groups did before, joined by a line; bold where they differ significantly."""
    one, other = result.groups
    columns = [
        "pattern",
        one,
        f"share of {one}",
        other,
        f"share of {other}",
        "difference",
        "95% CI",
        "clear",
    ]
    every = [row for row in theme.records(result.table) if kind is None or row["kind"] == kind]
    # A group of nobody has no shares to set beside the other's.
    if not every or any(numbers.missing(every[0][f"share_of_{group}"]) for group in (one, other)):
        return theme.empty(result.headline, columns=columns)
    pairs = [
        Pair(
            row["pattern"],
            row[f"share_of_{one}"],
            row[f"share_of_{other}"],
            f"{numbers.percent(row[f'share_of_{one}'])} and {numbers.percent(row[f'share_of_{other}'])}: {numbers.points(row['difference'], row['difference_low'], row['difference_high'])}",
            row["p_adjusted"] < CLAIM,
        )
        for row in every[:most]
    ]
    return dumbbells(
        pairs,
        names=(one, other),
        axis="share of customers who did it before<br>bold: differs significantly",
        caption=result.headline,
        alt=f"For each event or move a filled dot for {one} and a hollow diamond for {other}. "
        + "; ".join(f"{pair.name}: {pair.said}" for pair in pairs)
        + ".",
        columns=columns,
        table=[
            [
                row["pattern"],
                row[one],
                numbers.percent(row[f"share_of_{one}"]),
                row[other],
                numbers.percent(row[f"share_of_{other}"]),
                numbers.points(row["difference"]),
                numbers.points_interval(row["difference_low"], row["difference_high"]),
                "yes" if row["p_adjusted"] < CLAIM else "no",
            ]
            for row in every[:60]
        ],
    )


VIEWS = {
    "Paths": {"flow": flow, "journeys": journeys, "links": links},
    "Loops": {"returns": returns, "ways": ways},
    "Transitions": {"moves": moves, "heatmap": heatmap, "segments": segments},
    "Sessions": {"lengths": lengths},
    "PathDifferences": {"differences": differences},
}
