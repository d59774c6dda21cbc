"""Links and whole paths, counted in one walk over the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.paths.pair_counts import Pairs, Tally, tally
from cjlib.analyses.paths.path_set import PathSet, Totals, Ways, path_sets
from cjlib.shared.event_arrays import ARROW, Codes, Ints, groups, named, sequence_keys, text_rank
from cjlib.shared.stats import share, wilson
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Found:
    """The links and ends of all paths, how many different whole paths there are, and each path's customer, nodes shown, and their labels, one path after another."""

    totals: Totals
    pairs: Pairs
    distinct: int
    customer: Codes
    sizes: Ints
    label: Codes


def occurrences(log: EventLog, names: int, top: int | None) -> Ints:
    """How often each event name comes; zeros where all of them are shown."""
    counts = np.zeros(names, dtype=np.int64)
    if top is not None and top < names:
        for code, size in log.engine.rows(f"SELECT e, count(*) FROM {log.prepared} GROUP BY e"):
            counts[code] = size
    return counts


def find(log: EventLog, ways: Ways, max_steps: int | None, label_of: Codes, base: int) -> Found:
    """Count what the first (or last) so many steps of all paths hold, each event by one of `base` labels."""
    counted = tally(max_steps * base * (base + 1) if max_steps is not None else None)
    totals = Totals()
    nothing = np.zeros(0, dtype=np.int64)
    pieces: list[tuple[Codes, Ints, Codes]] = [(nothing.astype(np.int32), nothing, label_of[:0])]
    keys = [nothing.astype(np.uint64)]
    for whole in path_sets(log, ways):
        cut = whole.at_most(max_steps, last=ways.end is not None)
        label = _add(counted, cut, label_of, base)
        pieces.append((cut.customer, cut.sizes, label))
        totals += whole.totals(max_steps)
        keys.append(_path_keys(whole))
    return Found(
        totals,
        counted.pairs(),
        np.unique(np.concatenate(keys)).size,
        *(np.concatenate(column) for column in zip(*pieces, strict=True)),
    )


def _add(counted: Tally, cut: PathSet, label_of: Codes, base: int) -> Codes:
    """Add a pair a link, and one a path from its last node to its end, so that all paths with a source are counted; the labels of the nodes."""
    nodes, step = cut.nodes()
    label = label_of[cut.event[nodes]]
    step *= base
    step += label
    step *= base + 1
    ends = np.cumsum(cut.sizes) - 1
    goes_on = np.ones(nodes.size, dtype=bool)
    goes_on[ends] = False
    at = np.flatnonzero(goes_on)
    counted.add(
        step[at] + label[at + 1],
        np.repeat(cut.customer, cut.sizes - 1),
        cut.first(nodes[at + 1]) - cut.last(nodes[at]),
    )
    counted.add(step[ends] + base, cut.customer)
    return label


def _path_keys(whole: PathSet) -> NDArray[np.uint64]:
    """A number for every whole path, however long, equal for equal paths; two different ones share it once in 2^64."""
    nodes, step = whole.nodes()
    if not nodes.size:
        return np.zeros(0, dtype=np.uint64)
    mixed = _mix(whole.event[nodes].astype(np.uint64) + _mix(step.astype(np.uint64)))
    starts = np.cumsum(whole.sizes) - whole.sizes
    return np.add.reduceat(mixed, starts) + _mix(whole.sizes.astype(np.uint64))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64, which scatters every bit."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def link_table(pairs: Pairs, labels: list[str]) -> pd.DataFrame:
    """The links, step by step, the most paths first."""
    base = len(labels)
    node, target = np.divmod(pairs.keys, base + 1)
    _, of_node = np.unique(node, return_inverse=True)
    total = (
        np.bincount(of_node, pairs.sizes)[of_node].astype(np.int64) if of_node.size else pairs.sizes
    )
    low, high = wilson(pairs.sizes, total)
    at, source = np.divmod(node, base)
    rank = np.append(text_rank(labels), base)
    order = np.lexsort((rank[target], rank[source], -pairs.sizes, at))
    order = order[target[order] < base]
    columns = {
        "step": at[order] + 1,
        "source": named(labels, source[order]),
        "target": named(labels, target[order]),
        "paths": pairs.sizes[order].astype(np.int64),
        "customers": pairs.customers[order],
        "share_of_source": share(pairs.sizes, total)[order],
        "share_of_source_low": low[order],
        "share_of_source_high": high[order],
        "median_seconds": pairs.median[order],
        "mean_seconds": pairs.mean[order],
    }
    return pd.DataFrame(columns)


def commonest(found: Found, labels: list[str], top: int | None) -> pd.DataFrame:
    """The most common paths, as far as they are shown."""
    high = np.cumsum(found.sizes)
    low = high - found.sizes
    keys = sequence_keys(found.label, low, found.sizes)
    ordered = np.sort(keys)
    starts = np.flatnonzero(
        np.append(np.ones(min(1, keys.size), dtype=bool), ordered[1:] != ordered[:-1])
    )
    paths = np.diff(starts, append=keys.size)
    least = np.sort(paths)[::-1][top - 1] if top is not None and paths.size > top else 0
    rows = np.flatnonzero(np.isin(keys, ordered[starts[paths >= least]]))
    common = groups(pd.factorize(keys[rows])[0])
    examples = rows[common.order[common.starts]].tolist()
    ways = [
        tuple(labels[code] for code in found.label[low[one] : high[one]].tolist())
        for one in examples
    ]
    order = sorted(
        range(len(ways)), key=lambda position: (-common.sizes[position], ways[position])
    )[:top]
    low, high = wilson(common.sizes[order], np.full(len(order), keys.size))
    columns = {
        "path": pd.Series(
            pd.array([ARROW.join(ways[position]) for position in order], dtype="str")
        ),
        "paths": common.sizes[order],
        "share_of_paths": share(common.sizes[order], keys.size),
        "customers": common.customers(found.customer[rows])[order],
        "share_of_paths_low": low,
        "share_of_paths_high": high,
    }
    return pd.DataFrame(columns)
