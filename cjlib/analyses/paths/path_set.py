"""Paths as spans over one row of nodes: cut by pauses, repeats collapsed, begun and ended where asked; their links and the whole paths, counted in one walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.paths.pair_counts import Pairs, Tally, tally
from cjlib.shared.event_arrays import (
    ARROW,
    Block,
    Codes,
    Flags,
    Ints,
    begins,
    groups,
    named,
    opens,
    sequence_keys,
    text_rank,
    tied_events,
    whole_customers,
)
from cjlib.shared.repeated_rows import (
    RowsOfCustomers,
    RowsWithinBases,
    measured_every,
    rows_of_customers,
)
from cjlib.shared.stats import share
from cjlib.sources.log.conditions import Event, Step, as_step
from cjlib.sources.log.engine import literal
from cjlib.sources.log.event_log import EventLog


@dataclass(frozen=True)
class Totals:
    """What there is in all: sessions, events, customers and tied events; then paths, their nodes, their customers, and those longer than is shown."""

    sessions: int = 0
    events: int = 0
    customers: int = 0
    tied: int = 0
    paths: int = 0
    nodes: int = 0
    on_a_path: int = 0
    longer: int = 0
    without_start: int = 0
    without_end: int = 0

    def __add__(self, other: Totals) -> Totals:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Totals(*(mine + others for mine, others in pairs))


@dataclass(frozen=True)
class PathSet:
    """Paths over nodes, of whole customers.

    Node i is `event[i]` and covers the events from `at[i]` to before `at[i + 1]` (one, unless repeats were collapsed), whose times are in
    `time` (microseconds). Path k belongs to customer `customer[k]` and holds the nodes from `low[k]` to before `high[k]`; paths stand in the
    order of customers and times.
    """

    event: Codes
    at: Ints
    time: Ints
    customer: Codes
    low: Ints
    high: Ints
    found: Totals

    @property
    def sizes(self) -> Ints:
        """How many nodes each path has."""
        return self.high - self.low

    def first(self, nodes: Ints) -> Ints:
        """When these nodes are first seen."""
        return self.time[self.at[nodes]]

    def last(self, nodes: Ints) -> Ints:
        """When they are last seen."""
        return self.time[self.at[nodes + 1] - 1]

    @cached_property
    def nodes(self) -> tuple[Ints, Ints]:
        """The nodes of all paths, one path after another, and the 0-based step of each."""
        sizes = self.sizes
        step = np.arange(int(sizes.sum()))
        step -= np.repeat(np.cumsum(sizes) - sizes, sizes)
        return step + np.repeat(self.low, sizes), step

    def at_most(self, steps: int | None, *, last: bool) -> PathSet:
        """Every path cut to its first steps, or to its last."""
        if steps is None or not (self.sizes > steps).any():
            return self
        return (
            replace(self, low=np.maximum(self.low, self.high - steps))
            if last
            else replace(self, high=np.minimum(self.high, self.low + steps))
        )

    def only(self, kept: Flags) -> PathSet:
        """The paths that a mask keeps."""
        return replace(self, customer=self.customer[kept], low=self.low[kept], high=self.high[kept])

    def totals(self, steps: int | None) -> Totals:
        """What there is in all, where so many steps are shown."""
        sizes = self.sizes
        return replace(
            self.found,
            paths=sizes.size,
            nodes=int(sizes.sum()),
            on_a_path=different(self.customer),
            longer=0 if steps is None else int(np.count_nonzero(sizes > steps)),
        )


@dataclass(frozen=True)
class Hits:
    """The events that match a step: those of some codes, or the rows of the log, ascending."""

    codes: Ints | None
    rows: Ints

    def nodes(self, paths: PathSet, begin: int) -> NDArray[np.intp]:
        """The nodes in which at least one event matches; the first event is row `begin` of the log."""
        if self.codes is not None:
            return np.flatnonzero(np.isin(paths.event, self.codes))
        low, high = np.searchsorted(self.rows, (begin, begin + paths.time.size))
        return np.unique(np.searchsorted(paths.at, self.rows[low:high] - begin, side="right") - 1)


@dataclass(frozen=True)
class Ways:
    """How a customer's events become paths."""

    gap: int | None
    collapse: bool
    start: Hits | None
    end: Hits | None

    def of(self, rows: Block, begin: int) -> PathSet:
        """The paths of whole customers, whose first event is row `begin` of the log."""
        customer, time, event = rows["customer"], rows["time"], rows["event"]
        opening = opens(customer, time, self.gap)
        # One more than there are events: the last node ends there.
        node = np.ones(customer.size + 1, dtype=bool)
        if self.collapse:
            np.logical_or(opening[1:], event[1:] != event[:-1], out=node[1:-1])
        at = np.flatnonzero(node)
        nodes = at[:-1]
        low = np.flatnonzero(opening[nodes])
        found = Totals(
            sessions=low.size,
            events=customer.size,
            customers=different(customer),
            tied=tied_events(customer, time),
        )
        paths = PathSet(
            event[nodes],
            at,
            time,
            customer[nodes[low]],
            low,
            np.append(low[1:], nodes.size)[: low.size],
            found,
        )
        if self.start is not None:
            paths = _begun(paths, self.start.nodes(paths, begin))
        if self.end is not None:
            paths = _ended(paths, self.end.nodes(paths, begin), after=self.start is not None)
        return paths


def ways_of(
    log: EventLog, *, gap: int | None, collapse: bool, start: Event = None, end: Event = None
) -> Ways:
    """How the events of a log become paths; `start` and `end` None leave them whole."""
    return Ways(gap, collapse, _hits(log, start, "start_event"), _hits(log, end, "end_event"))


def _hits(log: EventLog, event: Event, option: str) -> Hits | None:
    if event is None:
        return None
    step = as_step(event, option)
    if step.names and not step.where and not step.first_time:
        known = {name: code for code, name in enumerate(log.event_names)}
        return Hits(
            np.array([known[name] for name in step.names if name in known], dtype=np.int64),
            np.zeros(0, np.int64),
        )
    return Hits(None, log.fetch("row", where=log.match(step, option))["row"])


def path_sets(log: EventLog, ways: Ways) -> Iterator[PathSet]:
    """The paths of a log, so few customers at a time that they stay in the processor's cache."""
    begin = 0
    for rows in whole_customers(log):
        yield ways.of(rows, begin)
        begin += rows["customer"].size


def path_set(log: EventLog, ways: Ways) -> PathSet:
    """The paths of a log, all of them."""
    return ways.of(log.fetch("customer", "time", "event"), 0)


def different(ordered: NDArray[Any]) -> int:
    """How many different ones there are among those given in ascending order."""
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + min(1, ordered.size)


def _begun(paths: PathSet, hits: NDArray[np.intp]) -> PathSet:
    found, within = _next_hit(hits, paths.low, paths.high)
    lost = replace(paths.found, without_start=int(np.count_nonzero(~within)))
    return replace(paths, low=found, found=lost).only(within)


def _ended(paths: PathSet, hits: NDArray[np.intp], *, after: bool) -> PathSet:
    found, within = _next_hit(hits, paths.low + 1 if after else paths.low, paths.high)
    lost = replace(paths.found, without_end=int(np.count_nonzero(~within)))
    return replace(paths, high=found + 1, found=lost).only(within)


def _next_hit(hits: NDArray[np.intp], low: Ints, high: Ints) -> tuple[Ints, Flags]:
    place = np.searchsorted(hits, low)
    found = np.append(hits, np.iinfo(np.int64).max)[place]
    within = found < high
    return np.where(within, found, low), within


def kept_names(
    names: list[str], counts: Ints, top: int | None, always: set[str]
) -> tuple[list[str], NDArray[np.int64]]:
    """The names a table shows, and the place of every event code among them; −1 = "(other)"."""
    common = np.lexsort((np.arange(len(names)), -counts))[:top]
    shown = np.union1d(common, [code for code, name in enumerate(names) if name in always]).astype(
        np.int64
    )
    place = np.full(len(names), -1, dtype=np.int64)
    place[shown] = np.arange(shown.size)
    return [names[code] for code in shown.tolist()], place


# ---- the portable statement ------------------------------------------------------------------------------------


def flag_sql(log: EventLog, event: Event, option: str) -> str:
    """Whether a row of `events` matches a step, as 1 or 0; `first_time` by a window over the customer."""
    step = as_step(event, option)
    matches = log.portable(step, option)
    if step.first_time is False:
        return f"CASE WHEN {matches} THEN 1 ELSE 0 END"
    among = matches if step.first_time is True else log.portable(Step(step.event), option)
    first = f"MIN(CASE WHEN {among} THEN timestamp END) OVER (PARTITION BY customer_id)"
    return f"CASE WHEN {matches} AND timestamp = {first} THEN 1 ELSE 0 END"


def links_sql(
    visits: str,
    *,
    collapse: bool,
    start: bool,
    end: bool,
    max_steps: int | None,
    names: list[str] | None,
    other: str,
) -> str:
    """The links of the paths, from `visits` (with flags `starts` and `ends`): `step`, `source`, `target`, `paths`, `customers`."""
    inside = "PARTITION BY customer_id, session ORDER BY n"
    moved = f"CASE WHEN event = LAG(event) OVER ({inside}) THEN 0 ELSE 1 END" if collapse else "1"
    first = "MIN(CASE WHEN starts = 1 THEN k END)" if start else "MIN(k)"
    past = "n.k > f.first_k" if start else "n.k >= f.first_k"
    last = f"MIN(CASE WHEN ends = 1 AND {past} THEN k END)" if end else "MAX(k)"
    longest = (
        "last_k"
        if max_steps is None or end
        else f"CASE WHEN last_k > first_k + {max_steps - 1} THEN first_k + {max_steps - 1} ELSE last_k END"
    )
    earliest = (
        "first_k"
        if max_steps is None or not end
        else f"CASE WHEN first_k < last_k - {max_steps - 1} THEN last_k - {max_steps - 1} ELSE first_k END"
    )
    label = (
        "event"
        if names is None
        else f"CASE WHEN event IN ({', '.join(literal(name) for name in names) or 'NULL'}) THEN event ELSE {literal(other)} END"
    )
    return (
        f"{visits}, moves AS (\n"
        f"  SELECT customer_id, session, event, n, starts, ends, {moved} AS moved FROM visits\n"
        "), runs AS (\n"
        "  SELECT customer_id, session, event, starts, ends,\n"
        "    SUM(moved) OVER (PARTITION BY customer_id, session ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS k\n"
        "  FROM moves\n"
        "), nodes AS (\n"
        "  SELECT customer_id, session, event, k, MAX(starts) AS starts, MAX(ends) AS ends FROM runs GROUP BY customer_id, session, event, k\n"
        "), firsts AS (\n"
        f"  SELECT customer_id, session, {first} AS first_k FROM nodes GROUP BY customer_id, session\n"
        "), bounds AS (\n"
        f"  SELECT n.customer_id, n.session, f.first_k, {last} AS last_k\n"
        "  FROM nodes n JOIN firsts f ON f.customer_id = n.customer_id AND f.session = n.session\n"
        "  GROUP BY n.customer_id, n.session, f.first_k\n"
        "), limits AS (\n"
        f"  SELECT customer_id, session, {earliest} AS lowest, {longest} AS highest FROM bounds\n"
        "), steps AS (\n"
        f"  SELECT n.customer_id, n.session, n.k - l.lowest + 1 AS step, {label} AS label\n"
        "  FROM nodes n JOIN limits l ON l.customer_id = n.customer_id AND l.session = n.session\n"
        "  WHERE n.k >= l.lowest AND n.k <= l.highest\n"
        "), links AS (\n"
        "  SELECT customer_id, step, label AS source, LEAD(label) OVER (PARTITION BY customer_id, session ORDER BY step) AS target FROM steps\n"
        "), counted AS (\n"
        "  SELECT customer_id, step, source, target, COUNT(*) AS times FROM links WHERE target IS NOT NULL\n"
        "  GROUP BY customer_id, step, source, target\n"
        ")\n"
        "SELECT CAST(step AS BIGINT) AS step, source, target, CAST(SUM(times) AS BIGINT) AS paths, COUNT(*) AS customers\n"
        "FROM counted\nGROUP BY step, source, target\nORDER BY step, paths DESC, source, target"
    )


@dataclass(frozen=True)
class Found:
    """The links and ends of all paths, how many different whole paths there are, and each path's customer, nodes shown, and their labels, one path after another.

    One customer in so many (`measured`) says how alike a customer's paths are.
    """

    totals: Totals
    pairs: Pairs
    alike: RowsOfCustomers
    measured: int
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
    alike, every = RowsWithinBases(base + 1), measured_every(log.n_events, log.n_customers)
    for number, whole in enumerate(path_sets(log, ways)):
        cut = whole.at_most(max_steps, last=ways.end is not None)
        look = None if number % every else alike
        label = _add((counted, look), cut, label_of, base)
        pieces.append((cut.customer, cut.sizes, label))
        totals += whole.totals(max_steps)
        ordered = np.sort(_path_keys(whole))
        keys.append(ordered[begins(ordered)])
    pairs = counted.pairs()
    return Found(
        totals,
        pairs,
        alike.of(pairs.keys),
        every,
        different(np.sort(np.concatenate(keys))),
        *(np.concatenate(column) for column in zip(*pieces, strict=True)),
    )


def _add(
    counted: tuple[Tally, RowsWithinBases | None], cut: PathSet, label_of: Codes, base: int
) -> Codes:
    """Add a pair a link, and one a path from its last node to its end, so that all paths with a source are counted; the labels of the nodes."""
    nodes, steps = cut.nodes
    label = label_of[cut.event[nodes]]
    step = steps * base
    step += label
    step *= base + 1
    ends = np.cumsum(cut.sizes) - 1
    goes_on = np.ones(nodes.size, dtype=bool)
    goes_on[ends] = False
    at = np.flatnonzero(goes_on)
    pairs, alike = counted
    links, customer = step[at] + label[at + 1], np.repeat(cut.customer, cut.sizes - 1)
    pairs.add(links, customer, cut.first(nodes[at + 1]) - cut.last(nodes[at]))
    pairs.add(step[ends] + base, cut.customer)
    if alike is not None:
        alike.add(np.append(links, step[ends] + base), np.append(customer, cut.customer))
    return label


def _path_keys(whole: PathSet) -> NDArray[np.uint64]:
    """A number for every whole path, however long, equal for equal paths; two different ones share it once in 2^64."""
    nodes, step = whole.nodes
    if not nodes.size:
        return np.zeros(0, dtype=np.uint64)
    of_step = _mix(np.arange(int(whole.sizes.max()), dtype=np.uint64))
    mixed = _mix(whole.event[nodes].astype(np.uint64) + of_step[step])
    starts = np.cumsum(whole.sizes) - whole.sizes
    return np.add.reduceat(mixed, starts) + _mix(whole.sizes.astype(np.uint64))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64, which scatters every bit."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def link_table(pairs: Pairs, alike: RowsOfCustomers, labels: list[str]) -> pd.DataFrame:
    """The links, step by step, the most paths first."""
    base = len(labels)
    node, target = np.divmod(pairs.keys, base + 1)
    _, of_node = np.unique(node, return_inverse=True)
    total = (
        np.bincount(of_node, pairs.sizes)[of_node].astype(np.int64) if of_node.size else pairs.sizes
    )
    low, high = alike.interval(pairs.sizes, total)
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


def most_common_paths(found: Found, labels: list[str], top: int | None) -> pd.DataFrame:
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
    way = pd.factorize(keys[rows])[0].astype(np.int64)
    common = groups(way)
    examples = rows[common.order[common.starts]].tolist()
    ways = [
        tuple(labels[code] for code in found.label[low[path] : high[path]].tolist())
        for path in examples
    ]
    order = sorted(
        range(len(ways)), key=lambda position: (-common.sizes[position], ways[position])
    )[:top]
    customer, every = found.customer[rows], found.customer
    looked = np.flatnonzero(customer % found.measured == 0)
    alike = rows_of_customers(
        way[looked],
        customer[looked].astype(np.int64) // found.measured,
        common.keys.size,
        np.bincount(every[every % found.measured == 0] // found.measured),
    )
    low, high = (bound[order] for bound in alike.interval(common.sizes, keys.size))
    columns = {
        "path": pd.Series(
            pd.array([ARROW.join(ways[position]) for position in order], dtype="str")
        ),
        "paths": common.sizes[order],
        "share_of_paths": share(common.sizes[order], keys.size),
        "customers": common.customers(customer)[order],
        "share_of_paths_low": low,
        "share_of_paths_high": high,
    }
    return pd.DataFrame(columns)
