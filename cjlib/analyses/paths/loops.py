"""Loops: events that a path comes back to after it has been elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.paths.path_set import PathSet
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import as_common, of_few, share_words
from cjlib.shared.comparison import MIN_N
from cjlib.shared.event_arrays import (
    ARROW,
    SECOND,
    Ints,
    distinct_sequences,
    groups,
    named,
    stable_order,
)
from cjlib.shared.repeated_rows import RowsWithinBases, interval_in_words, rows_of_customers
from cjlib.shared.stats import share
from cjlib.show.numbers import count_of, percent

LONGEST_LOOP = 5
"""A loop with more events than this is shown as `a → … → a`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Loops(Result):
    """The events that paths come back to, and by which way.

    Attributes
    ----------
    table
        `event`, `paths`, `customers`, `returns`, `share_of_paths_with_event` with bounds, `median_seconds`, `mean_seconds` (from leaving to coming back);
        by paths falling, then name.
    ways
        `loop` ("a → b → a"), `paths`, `customers`, `times`, `share_of_paths` with bounds: the most common ways back.
    """

    ways: pd.DataFrame


def loops_of(paths: PathSet, names: list[str], top: int | None) -> Loops:
    """The loops of whole paths: an event that comes again after at least one other event of the same path."""
    found = returns(paths)
    n, looped = paths.low.size, np.unique(found.path[found.left])
    of_customer = np.bincount(paths.customer)
    again = np.isin(np.arange(n), looped).astype(np.int64)
    alike = rows_of_customers(again, paths.customer.astype(np.int64), 2, of_customer)
    low, high = (float(bound[1]) for bound in alike.interval([n - looped.size, looped.size], n))
    metrics = {
        "share_of_paths_with_a_loop": metric(
            looped.size / n if n else float("nan"),
            low,
            high,
            n,
            label="Paths that return to an event",
            unit="share",
        )
    }
    table = returns_table(found, paths.customer, names)
    return Loops(
        table=table,
        headline=_headline(table, metrics["share_of_paths_with_a_loop"], n),
        definition={
            "loop": "an event that comes again after at least one other event of the same path; neighbouring repeats are none",
            "paths": f"{count_of(n, 'path')}, whole, whatever max_steps shows",
            "ways": f"from the event to its next return; through more than {LONGEST_LOOP} events shown as a → … → a",
            "interval": interval_in_words("paths"),
        },
        metrics=metrics,
        ways=loops_table(found, paths.customer, names, n, top),
    )


def _headline(table: pd.DataFrame, looped: Metric, n: int) -> str:
    if n < MIN_N:
        return f"Only {count_of(n, 'path')}: too few to say what people return to."
    if table.empty:
        return f"None of {count_of(n, 'path')} returns to an event it had left."
    first = table.iloc[0]
    alike = as_common(table["paths"])
    if first["customers"] < MIN_N:
        return (
            f"{share_words(looped)} of {count_of(n, 'path')} return to an event they had left; the most frequent return, to {first['event']}, is of "
            f"{of_few(first['customers'])}."
        )
    return (
        f"{share_words(looped)} of {count_of(n, 'path')} return to an event they had left, most often to {first['event']}{alike}: "
        f"{percent(first['share_of_paths_with_event'])} of the paths that reach it come back to it."
    )


@dataclass(frozen=True)
class Returns:
    """Every return: from node `left` to node `back` of the same event, positions in the nodes of all paths one after another."""

    event: NDArray[Any]
    first: Ints
    last: Ints
    path: Ints
    left: Ints
    back: Ints
    with_event: tuple[Ints, Ints]
    """Each path with each of its events: the event, and the path."""


def returns(paths: PathSet) -> Returns:
    """The returns of whole paths. A stable order by event leaves each path's visits to it beside one another."""
    nodes, _ = paths.nodes
    event = paths.event[nodes]
    path = np.repeat(np.arange(paths.low.size, dtype=np.int32), paths.sizes)
    order = stable_order(event)
    same_event = event[order[1:]] == event[order[:-1]]
    same_path = path[order[1:]] == path[order[:-1]]
    again = same_event & same_path
    left, back = order[:-1][again], order[1:][again]
    elsewhere = back - left > 1
    opened = np.ones(order.size, dtype=bool)
    opened[1:] = ~again
    firsts = order[opened]
    return Returns(
        event,
        paths.first(nodes),
        paths.last(nodes),
        path.astype(np.int64),
        left[elsewhere],
        back[elsewhere],
        (event[firsts].astype(np.int64), path[firsts].astype(np.int64)),
    )


def returns_table(found: Returns, customer: NDArray[Any], names: list[str]) -> pd.DataFrame:
    """Which events paths return to: one row an event that is returned to, most paths first."""
    code = found.event[found.left].astype(np.int64)
    grouped = groups(code)
    of_path = found.path[found.left]
    paths = grouped.customers(of_path)
    seconds = (found.first[found.back] - found.last[found.left]) / SECOND
    mean, median = grouped.mean_and_median(seconds)
    event, path = found.with_event
    base = np.bincount(event, minlength=len(names))[grouped.keys]
    came_back = np.unique(code * (path.max(initial=0) + 1) + of_path)
    is_back = np.isin(event * (path.max(initial=0) + 1) + path, came_back)
    alike = RowsWithinBases(2)
    alike.add(2 * event + is_back, customer[path])
    low, high = alike.of(2 * grouped.keys + 1).interval(paths, base)
    order = np.lexsort((grouped.keys, -paths))
    columns = {
        "event": named(names, grouped.keys[order]),
        "paths": paths[order],
        "customers": grouped.customers(customer[of_path])[order],
        "returns": grouped.sizes[order].astype(np.int64),
        "share_of_paths_with_event": share(paths, base)[order],
        "share_of_paths_with_event_low": low[order],
        "share_of_paths_with_event_high": high[order],
        "median_seconds": median[order],
        "mean_seconds": mean[order],
    }
    return pd.DataFrame(columns)


def loops_table(
    found: Returns, customer: NDArray[Any], names: list[str], n_paths: int, top: int | None
) -> pd.DataFrame:
    """The most common loops by their way: `a → b → a`; ways through more than five events as `a → … → a`."""
    size = found.back - found.left
    long = size >= LONGEST_LOOP
    number, example = distinct_sequences(found.event, found.left, np.where(long, 1, size))
    grouped = groups(number)
    of_path = found.path[found.left]
    paths = grouped.customers(of_path)
    met = np.unique(number * n_paths + of_path)
    alike = rows_of_customers(
        np.searchsorted(grouped.keys, met // n_paths),
        customer[met % n_paths].astype(np.int64),
        grouped.keys.size,
        np.bincount(customer),
    )
    low, high = alike.interval(paths, n_paths)
    least = np.sort(paths)[::-1][top - 1] if top is not None and paths.size > top else 0
    shown = np.flatnonzero(paths >= least)
    ways = [
        _way(found, int(example[group]), bool(long[example[group]]), names)
        for group in shown.tolist()
    ]
    order = sorted(range(shown.size), key=lambda place: (-paths[shown[place]], ways[place]))[:top]
    picked = shown[order] if order else np.zeros(0, dtype=np.int64)
    columns = {
        "loop": pd.Series(pd.array([ways[place] for place in order], dtype="str")),
        "paths": paths[picked],
        "customers": grouped.customers(customer[of_path])[picked],
        "times": grouped.sizes[picked].astype(np.int64),
        "share_of_paths": share(paths, n_paths)[picked],
        "share_of_paths_low": low[picked],
        "share_of_paths_high": high[picked],
    }
    return pd.DataFrame(columns)


def _way(found: Returns, example: int, long: bool, names: list[str]) -> str:
    first = names[found.event[found.left[example]]]
    if long:
        return ARROW.join((first, "…", first))
    return ARROW.join(
        names[code] for code in found.event[found.left[example] : found.back[example] + 1].tolist()
    )
