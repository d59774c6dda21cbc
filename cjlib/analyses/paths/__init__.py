"""Paths: which way customers go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cjlib.analyses.paths.loops import Loops, loops_of
from cjlib.analyses.paths.path_set import (
    PathSet,
    Totals,
    find,
    flag_sql,
    kept_names,
    link_table,
    links_sql,
    most_common_paths,
    occurrences,
    path_set,
    ways_of,
)
from cjlib.analyses.result import Metric, Result, metric
from cjlib.analyses.sequence_summary import (
    OTHER,
    as_common,
    base_of,
    free_mark,
    gap_in_words,
    gap_of,
    of_few,
    reserved_names,
    share_words,
    ties_in_words,
    time_resolution,
)
from cjlib.errors import did_you_mean, not_a_log, not_one_of
from cjlib.shared.comparison import MIN_N
from cjlib.shared.event_arrays import (
    ARROW,
    SECOND,
    check_at_least,
    customer_column,
    gap_microseconds,
    sessions_sql,
)
from cjlib.shared.repeated_rows import interval_in_words
from cjlib.show.numbers import count_of
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration
from cjlib.sources.log.event_log import EventLog, Log

REPEATS = ("collapse", "keep")


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths(Result):
    """Links step by step in `.table`, and beside it whole journeys.

    Attributes
    ----------
    sequences
        `path` ("a → b → c"), `paths`, `share_of_paths` with bounds, `customers`: the most common paths, as far as `max_steps` shows them.
    other
        What names beyond the `top` are called.
    """

    sequences: pd.DataFrame
    n_paths: int
    other: str
    per_path: Callable[[], pd.DataFrame] = field(repr=False)
    find_loops: Callable[[], Loops] = field(repr=False)

    def customers(self) -> pd.DataFrame:
        """One row a path: `customer_id`, `start`, `seconds`, `steps`, `path`; by customer, then time; before names become "(other)".

        Returns
        -------
        pandas.DataFrame
            The columns named above.
        """
        return self.per_path()

    def loops(self) -> Loops:
        """The events that paths come back to, over whole paths, however long.

        Returns
        -------
        Loops
            `.table`: `event`, `paths`, `customers`, `returns`, `share_of_paths_with_event` with its
            interval, `median_seconds`, `mean_seconds` (from leaving to coming back). `.ways`: the
            most common ways back.
        """
        return self.find_loops()


def paths(
    log: EventLog,
    *,
    start_event: Event = None,
    end_event: Event = None,
    max_steps: int | None = 8,
    top: int | None = 20,
    session_gap: Duration | None = "30min",
    repeats: str = "collapse",
) -> Paths:
    """The ways customers go, step by step.

    The unit is the path, not the customer: a customer's events, cut where a pause is **longer
    than** `session_gap`, in order of time, ties by event name and then by their other columns.
    Neighbouring repeats collapse to one node; the time of a link runs from the last moment of its
    source to the first moment of its target. With `start_event` a path begins at its first
    occurrence, with `end_event` it ends at its first occurrence (after the start); paths without
    them are dropped. Of each path the first `max_steps` nodes are used, with `end_event` the last.
    Then all but the `top` most common names become "(other)", so that totals stay whole.

    Parameters
    ----------
    log
        The events.
    start_event, end_event
        A name, a list of names, or a `cj.Step`; None leaves that end open.
    max_steps
        Nodes of a path that are used; None: all.
    top
        How many names keep their own (by occurrences in the log, then by name; start and end always
        do), and how many sequences and loops are listed; None: all.
    session_gap
        The longest pause inside a path; None: a customer's whole history is one path, as for cases
        and tickets.
    repeats
        "collapse", or "keep": every event is a node, as process-mining tools count variants.

    Returns
    -------
    Paths
        `.table`: `step` (of the source, 1-based), `source`, `target`, `paths`, `customers`,
        `share_of_source` (of all paths with that source at that step, those that end there
        included), `share_of_source_low`, `share_of_source_high` (by customers),
        `median_seconds`, `mean_seconds`; by step, paths falling, names. Also `.sequences`,
        `.loops()`, `.customers()`.

    Raises
    ------
    CjlibError
        If `session_gap` has no unit, `max_steps` or `top` is no whole number of 1 or more,
        `repeats` is none of those named, or a column of a Step does not exist.

    Examples
    --------
    >>> import cjlib as cj, pandas as pd
    >>> times = pd.to_datetime(["2025-01-01 10:00", "2025-01-01 10:01", "2025-01-01 10:03", "2025-01-01 10:40"], utc=True)
    >>> log = cj.read_events(pd.DataFrame({"customer_id": "ana", "event": ["A", "A", "B", "C"], "timestamp": times}))
    >>> cj.paths(log).table[["step", "source", "target", "median_seconds"]].values.tolist()
    [[1, 'A', 'B', 120.0]]
    """
    if not isinstance(log, Log):
        raise not_a_log(log)
    check_at_least("max_steps", max_steps, 1)
    check_at_least("top", top, 1)
    if repeats not in REPEATS:
        raise not_one_of("repeats", repeats, REPEATS)
    given_gap = gap_microseconds(session_gap, "session_gap")
    resolution = time_resolution(log) if given_gap is not None else 0
    gap = gap_of(given_gap, resolution)
    names = log.event_names
    always = {
        name
        for event, option in ((start_event, "start_event"), (end_event, "end_event"))
        for name in as_step(event, option).names
    }
    shown, place = kept_names(names, occurrences(log, len(names), top), top, always)
    other = free_mark(OTHER, names)
    labels = [*shown, other]
    label_of = np.where(place < 0, len(shown), place).astype(np.min_scalar_type(len(labels)))
    ways = ways_of(log, gap=gap, collapse=repeats == "collapse", start=start_event, end=end_event)
    found = find(log, ways, max_steps, label_of, len(labels))
    whole, sequences = found.totals, most_common_paths(found, labels, top)
    metrics = _metrics(whole, sequences, found.distinct)
    return Paths(
        table=link_table(found.pairs, found.alike, labels),
        headline=_headline(metrics, sequences, whole, max_steps if end_event is None else None),
        definition={
            "unit": "the path; customers beside it",
            "session_gap": gap_in_words(gap, given_gap, resolution),
            "repeats": "neighbouring repeats collapse to one"
            if repeats == "collapse"
            else "kept: every event is a step",
            **_ends(log, whole, start_event, end_event),
            "max_steps": _cut_in_words(whole.longer, max_steps, last=end_event is not None),
            "top": _top_in_words(len(names), len(shown), top, other),
            "ties": ties_in_words(whole.tied),
            "interval": interval_in_words("paths", found.measured),
            **base_of(log, whole.events, whole.customers),
            **reserved_names(names, OTHER),
        },
        metrics=metrics,
        sql=links_sql(
            sessions_sql(
                log,
                gap,
                starts=flag_sql(log, start_event, "start_event")
                if start_event is not None
                else "0",
                ends=flag_sql(log, end_event, "end_event") if end_event is not None else "0",
            ),
            collapse=repeats == "collapse",
            start=start_event is not None,
            end=end_event is not None,
            max_steps=max_steps,
            names=None if len(shown) == len(names) else shown,
            other=other,
        ),
        sequences=sequences,
        n_paths=whole.paths,
        other=other,
        # Made when asked for, and from the log: an answer does not hold every node of every path.
        per_path=lambda: _per_path(
            log, path_set(log, ways).at_most(max_steps, last=end_event is not None), names
        ),
        find_loops=lambda: loops_of(path_set(log, ways), names, top),
    )


def _metrics(whole: Totals, sequences: pd.DataFrame, distinct: int) -> dict[str, Metric]:
    n, customers = whole.paths, whole.on_a_path
    best = sequences.iloc[0].to_dict() if len(sequences) else {}
    return {
        "paths": metric(n, n=n, label="Paths", unit="number"),
        "customers": metric(customers, n=customers, label="Customers", unit="number"),
        "distinct_paths": metric(distinct, n=n, label="Different paths", unit="number"),
        "share_of_most_common_path": metric(
            best.get("share_of_paths", float("nan")),
            best.get("share_of_paths_low"),
            best.get("share_of_paths_high"),
            n,
            label="Share of the most common path",
            unit="share",
        ),
        "mean_steps": metric(
            whole.nodes / n if n else float("nan"), n=n, label="Steps per path", unit="number"
        ),
    }


def _headline(
    metrics: dict[str, Metric], sequences: pd.DataFrame, whole: Totals, max_steps: int | None
) -> str:
    n, routes = whole.paths, int(metrics["distinct_paths"]["value"] or 0)
    if n == 0:
        return "No path meets these options (n = 0)."
    route = (
        f"{routes:,} different routes" if routes > 1 else "the same route" if n > 1 else "one route"
    )
    base = f"{count_of(n, 'path')} of {count_of(metrics['customers']['value'], 'customer')} {'takes' if n == 1 else 'take'} {route}"
    if n < MIN_N:
        return f"{base}: fewer than {MIN_N} paths, too few to call one of them common."
    row = sequences.iloc[0]
    if row["customers"] < MIN_N:
        return f"{base}; the most common, {row['path']}, is of {of_few(row['customers'])}."
    cut = f" by its first {max_steps} steps" if whole.longer and max_steps else ""
    alike = as_common(sequences["paths"])
    return (
        f"The most common path{cut} is {row['path']}{alike}: {share_words(metrics['share_of_most_common_path'])} of {n:,} paths. "
        f"Paths have {whole.nodes / n:.1f} steps on average; {base}."
    )


def _ends(log: EventLog, whole: Totals, start_event: Event, end_event: Event) -> dict[str, str]:
    words = {}
    for option, event, dropped in (
        ("start_event", start_event, whole.without_start),
        ("end_event", end_event, whole.without_end),
    ):
        if event is None:
            words[option] = "any: paths are left whole at this end"
            continue
        unknown = "".join(
            f" {name!r} never occurs in the log.{did_you_mean(name, log.event_names)}"
            for name in log.unknown_events(event)
        )
        words[option] = (
            f"{as_step(event, option)}: {dropped:,} of {whole.sessions:,} paths do not have it and are left out.{unknown}"
        )
    return words


def _cut_in_words(longer: int, max_steps: int | None, *, last: bool) -> str:
    if max_steps is None:
        return "none: whole paths"
    return f"the {'last' if last else 'first'} {max_steps} of each path; {count_of(longer, 'path')} {'is' if longer == 1 else 'are'} cut by it"


def _top_in_words(names: int, shown: int, top: int | None, other: str) -> str:
    if shown == names:
        return f"all, {count_of(names, 'name')}"
    return f"{shown:,} of {names:,} names keep their own (the {top:,} most common in the log, and start and end); the others are {other}"


def _per_path(log: EventLog, cut: PathSet, names: list[str]) -> pd.DataFrame:
    last = cut.high - 1
    ways = [
        ARROW.join(names[code] for code in cut.event[low:high].tolist())
        for low, high in zip(cut.low.tolist(), cut.high.tolist(), strict=True)
    ]
    columns = {
        "customer_id": customer_column(log, cut.customer),
        "start": log.moments(cut.first(cut.low)),
        "seconds": (cut.last(last) - cut.first(cut.low)) / SECOND,
        "steps": cut.sizes.astype(np.int64),
        "path": pd.Series(pd.array(ways, dtype="str")),
    }
    return pd.DataFrame(columns)
